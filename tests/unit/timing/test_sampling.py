"""Sampling on a clock that sessions move on: each call takes as long as it was declared to."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pytest_envrobust.core.timing import Timing
from pytest_envrobust.timing.sampling import MOST_CALLS_A_TURN, Effort, Turns, in_rounds

DEFAULT = Effort()


def test_more_confidence_asks_for_more_rounds() -> None:
    assert Effort.at(0.95, 2.5, 7) == Effort(2.5, calls=7)
    assert Effort.at(1 - 0.05 / 30, 2.5) == Effort(2.5, fewest=11, most=515, confidence=1 - 0.05 / 30)


MS = 1_000_000
"""Nanoseconds in a millisecond."""


@dataclass
class Clock:
    """A clock that stands still but for what is said to take time, in seconds."""

    nanoseconds: int = 0

    def __call__(self) -> float:
        return self.nanoseconds / 1e9


@dataclass
class Session:
    """``takes(number)`` is how many nanoseconds its call of that number takes, the first being number 0."""

    clock: Clock
    takes: Callable[[int], int]
    log: list[Session] = field(default_factory=list)
    """All turns of the sessions that share it, in their order."""
    turns: list[tuple[int, int]] = field(default_factory=list)
    made: int = 0

    def __call__(self, first: int, calls: int) -> Timing:
        times = [self.takes(number) for number in range(self.made, self.made + calls)]
        self.made += calls
        self.turns.append((first, calls))
        self.log.append(self)
        self.clock.nanoseconds += sum(times)
        return Timing.of(times, times)

    def rounds(self, found: Turns) -> list[tuple[int, int]]:
        """First input and number of calls of each turn that was kept."""
        return self.turns[-len(found.turns) :]


def sessions(*takes: int | Callable[[int], int]) -> list[Session]:
    """Sessions on one clock, each with a fixed time (ns) or one by the number of its call."""
    clock, log = Clock(), []
    steady = [each if callable(each) else (lambda number, time=each: time) for each in takes]
    return [Session(clock, each, log) for each in steady]


def sampled(some: Sequence[Session], effort: Effort = DEFAULT, **more: object) -> list[Turns]:
    return in_rounds(some, effort, clock=some[0].clock, **more)  # type: ignore[arg-type]


def seconds_until_rounds(session: Session, found: Turns) -> float:
    return sum(session.takes(number) for number in range(found.warm_up_calls)) / 1e9


# warming up


def test_a_session_that_is_steady_from_the_start_is_soon_warm() -> None:
    [session] = sessions(MS)
    [found] = sampled([session])
    assert found.settled
    assert found.warm_up_calls == 1 + 25 + 25


@pytest.mark.parametrize(
    "slow",
    [
        [300 * MS],  # it compiles in the first call
        [10 * MS, 300 * MS],  # profiled first, compiled in the second, which is slower
        [300 * MS, 200 * MS, 100 * MS, 50 * MS],
    ],
)
def test_calls_in_which_something_is_compiled_are_not_kept(slow: list[int]) -> None:
    [session] = sessions(lambda number: slow[number] if number < len(slow) else MS)
    [found] = sampled([session])
    assert found.settled
    assert found.warm_up_calls > len(slow)
    assert set(found.timing.wall_ns) == {MS}
    assert 19 <= found.turns[0].calls <= 31  # about 25, by what a warm call takes


def test_a_first_call_longer_than_the_whole_budget_is_no_warm_up_yet() -> None:
    slow = [10_000 * MS, 300 * MS]
    [session, other] = sessions(lambda number: slow[number] if number < len(slow) else MS, MS)
    found = sampled([session, other])
    assert found[0].settled
    assert set(found[0].timing.wall_ns) == {MS}
    assert {each.calls_a_turn for each in found} <= {24, 25, 26}
    assert len(found[0].turns) == 20


def test_times_that_fall_slowly_are_waited_for() -> None:
    """Caches, clocks of the processor: 5 % less and more from turn to turn of 25 ms, until they are at rest."""
    [session] = sessions(lambda number: max(2 * MS, round(4 * MS * 0.992**number)))
    [found] = sampled([session], Effort(budget=30))
    assert found.settled
    assert max(found.timing.wall_ns) <= 2.1 * MS


def test_times_that_still_fall_when_the_warm_up_has_to_end_are_not_settled() -> None:
    [falling, steady] = sessions(lambda number: round(100 * MS * 0.96**number), 20 * MS)
    found = sampled([falling, steady], Effort(budget=3))
    assert [each.settled for each in found] == [False, True]
    assert 0.5 <= seconds_until_rounds(falling, found[0]) - 0.1 <= 0.6  # a third of 3 s for two, after the first call


def test_times_that_rise_are_settled() -> None:
    """A machine that gets hot never stops: there is nothing to wait for."""
    [session] = sessions(lambda number: 10 * MS + number * MS // 10)
    assert sampled([session])[0].settled


def test_noise_does_not_prolong_the_warm_up() -> None:
    [session] = sessions(lambda number: 10 * MS + (number * 7919 % 13 - 6) * MS // 10)
    [found] = sampled([session])
    assert found.settled
    assert found.warm_up_calls < 30


def test_each_session_has_a_share_of_its_own_to_warm_up() -> None:
    some = sessions(*([lambda number: round(100 * MS * 0.96**number)] * 3))
    found = sampled(some, Effort(budget=6))
    spent = [seconds_until_rounds(session, each) - 0.1 for session, each in zip(some, found)]
    assert spent == pytest.approx([2 / 3] * 3, rel=0.15)


# how many calls a turn has


@pytest.mark.parametrize(
    ("times", "calls"),
    [
        ([10 * MS], 3),  # 25 ms
        ([MS, 2 * MS], 25),
        ([25 * MS, 30 * MS], 1),
        ([400 * MS, 500 * MS], 1),
        ([MS, 10 * MS], 9),  # twenty rounds fit into the two thirds of the budget that the warm-up leaves
        ([MS // 10, 100 * MS], 1),
        ([1000, 1000], MOST_CALLS_A_TURN),
        ([0, 0], MOST_CALLS_A_TURN),  # a clock that stands still
    ],
)
def test_calls_a_turn(times: list[int], calls: int) -> None:
    found = sampled(sessions(*times), Effort(budget=3, most=6))
    lengths = {turn.calls for each in found for turn in each.turns}
    spread = max(1, calls // 4) if calls > 1 else 0
    assert calls - spread <= min(lengths) <= max(lengths) <= calls + spread
    assert (len(lengths) > 1) is (calls > 1)


# turns


@pytest.mark.parametrize("count", [1, 2, 3, 4])
def test_each_session_comes_at_each_place_equally_often(count: int) -> None:
    some = sessions(*[30 * MS] * count)
    rounds = 4 * count
    found = sampled(some, Effort(budget=1000, most=rounds))
    log = some[0].log[-rounds * count :]
    orders = [[some.index(session) for session in log[at : at + count]] for at in range(0, len(log), count)]
    assert len(found[0].turns) == rounds
    for cycle in (orders[: 2 * count], orders[2 * count :]):
        for place in range(count):
            assert sorted(order[place] for order in cycle) == sorted(list(range(count)) * 2)
        for one in range(count):
            for other in set(range(count)) - {one}:  # nor does one always follow the other
                assert sum(order.index(one) < order.index(other) for order in cycle) == count


def test_two_sessions_swap_their_order_from_pair_to_pair() -> None:
    some = sessions(30 * MS, 30 * MS)
    sampled(some, Effort(budget=1000, most=4, fewest=4))
    assert [some.index(session) for session in some[0].log[-8:]] == [0, 1, 1, 0, 1, 0, 0, 1]


def test_all_sessions_get_the_same_inputs_in_a_round() -> None:
    some = sessions(MS, lambda number: 50 * MS if number == 0 else 2 * MS, 3 * MS)
    found = sampled(some, Effort(budget=6, most=12))
    inputs = [session.rounds(each) for session, each in zip(some, found)]
    assert inputs[0] == inputs[1] == inputs[2]
    lengths = [calls for _, calls in inputs[0]]
    assert min(lengths) > 1
    assert [first for first, _ in inputs[0]] == [sum(lengths[:turn]) for turn in range(12)]


# how long


def test_the_budget_ends_it() -> None:
    some = sessions(30 * MS, 50 * MS)
    found = sampled(some, Effort(budget=2.0, most=10_000))
    assert 2.0 <= some[0].clock() < 2.0 + 0.08
    assert len(found[0].turns) == len(found[1].turns) > 6


@pytest.mark.parametrize("budget", [0.0, 0.01])
def test_a_few_rounds_are_made_whatever_the_budget(budget: float) -> None:
    found = sampled(sessions(300 * MS, 500 * MS), Effort(budget=budget, fewest=7))
    assert [len(each.turns) for each in found] == [7, 7]


def test_most_ends_it() -> None:
    assert len(sampled(sessions(MS), Effort(budget=1000, most=33))[0].turns) == 33


def test_calls_that_were_asked_for_are_made_beyond_the_most_rounds() -> None:
    [found] = sampled(sessions(10 * MS), Effort(budget=1000, most=10, calls=200))
    assert 200 <= found.timing.calls <= 202  # turns of 2 to 4, the first of each left out
    assert found.timing.calls - found.turns[-1].calls < 200


def test_calls_that_were_asked_for_do_not_go_over_the_budget() -> None:
    some = sessions(10 * MS)
    sampled(some, Effort(budget=1, calls=10_000))
    assert some[0].clock() < 1.1


def test_it_is_asked_at_growing_intervals_whether_it_is_narrow_enough() -> None:
    """A question costs a bootstrap; and a stop at the first lucky look would make intervals too narrow."""
    asked: list[int] = []

    def narrow_enough(rounds: Sequence[Turns]) -> bool:
        assert [len(each.turns) for each in rounds] == [len(rounds[0].turns)] * 2
        asked.append(len(rounds[0].turns))
        return len(asked) == 5

    found = sampled(sessions(MS, MS), Effort(budget=1000), narrow_enough=narrow_enough)
    assert asked == [20, 30, 45, 68, 102]
    assert len(found[0].turns) == 102


def test_it_is_not_asked_before_the_fewest_rounds_and_the_calls_are_made() -> None:
    asked: list[int] = []

    def narrow_enough(rounds: Sequence[Turns]) -> bool:
        asked.append(len(rounds[0].turns))
        return True

    sampled(sessions(30 * MS), Effort(budget=1000, fewest=21), narrow_enough=narrow_enough)
    sampled(sessions(30 * MS), Effort(budget=1000, calls=44), narrow_enough=narrow_enough)
    assert asked == [21, 44]


@settings(max_examples=60)
@given(
    times=st.lists(st.integers(100, 2_000 * MS), min_size=1, max_size=4),
    budget=st.floats(0.0, 20.0),
    fewest=st.integers(1, 12),
    more=st.integers(0, 20),
)
def test_whatever_calls_take_the_turns_lie_beside_each_other(
    times: list[int], budget: float, fewest: int, more: int
) -> None:
    some = sessions(*times)
    found = sampled(some, Effort(budget, fewest, fewest + more))
    rounds, lengths = len(found[0].turns), [turn.calls for turn in found[0].turns]
    assert fewest <= rounds <= fewest + more
    assert len({tuple(session.rounds(each)) for session, each in zip(some, found)}) == 1
    for session, each in zip(some, found):
        assert [turn.calls for turn in each.turns] == lengths
        assert session.made == each.warm_up_calls + sum(lengths)


# what is kept


def test_a_turn_stands_for_its_median_call() -> None:
    turns = Turns((Timing.of([9, 1, 2], [8, 3, 3]), Timing.of([5, 6, 7], [4, 4, 1])))
    assert turns.typical("wall") == [2, 6]
    assert turns.typical("cpu") == [3, 4]
    assert turns.typical("device") == []


def test_the_first_call_of_a_turn_is_left_out() -> None:
    turns = Turns((Timing.of([9, 1, 2], [8, 3, 3], [1, 2, 3]), Timing.of([5, 6, 7], [4, 4, 1], [4, 5, 6])))
    assert turns.timing == Timing((1, 2, 6, 7), (3, 3, 4, 1), (2, 3, 5, 6))


@pytest.mark.parametrize("takes", [9 * MS, 2 * MS, MS // 4], ids=["turns of 3", "turns of 13", "turns of 100"])
def test_a_slow_call_every_so_many_is_seen_as_often_as_it_comes_wherever_it_begins(takes: int) -> None:
    """In turns of one length it would be each turn's first, or never, where its period is a part or multiple of it."""
    for period in (2, 3, 4, 5, 7, 10, 13, 20, 25, 50, 100):
        for phase in {0, 1, period // 2, period - 1}:
            [session] = sessions(lambda number, p=period, f=phase: takes * (3 if number % p == f else 1))
            [found] = sampled([session], Effort(budget=1e6, most=200, calls=400))
            times = found.timing.wall_ns
            slow, calls = sum(time > takes for time in times), len(times)
            spread = math.sqrt(calls / period * (1 - 1 / period))
            assert abs(slow - calls / period) <= max(1, 3 * spread), (period, phase)


def test_calls_that_are_kept_have_the_numbers_that_they_were_made_under() -> None:
    turns = Turns((Timing.of([9, 1, 2], []), Timing.of([5], []), Timing.of([5, 6], [])))
    assert turns.timing.wall_ns == (1, 2, 5, 6)
    assert turns.numbers == [1, 2, 3, 5]


def test_a_turn_of_one_call_is_taken_as_it_is() -> None:
    turns = Turns((Timing.of([9], [8]), Timing.of([5], [4])))
    assert turns.timing == Timing((9, 5), (8, 4))


def test_short_calls_are_timed_in_enough_rounds_on_a_machine_that_slows_down() -> None:
    """A busy one, that is: six rounds are so few that by chance alone they often seem to depend on each other."""
    some = sessions(*([lambda number: MS if number < 200 else 3 * MS] * 3))
    found = sampled(some, Effort(budget=3))
    assert found[0].turns[0].calls > 1
    assert len(found[0].turns) == 20


def test_a_turn_is_told_where_the_clock_goes_in_steps() -> None:
    """Calls of 2.25 steps each: single ones take two or three, and only their mean tells what they take."""
    slow = Turns((Timing.of([5000, *[800] * 30, *[1200] * 10], [1] * 41),))
    assert slow.typical("wall", step_ns=1) == [800]
    assert slow.typical("wall", step_ns=400) == [900]  # without the first call, which finds cold caches
