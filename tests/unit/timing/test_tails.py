"""Why calls are slow: 100 calls of 10 ms, of which some take longer for a reason that is put into them."""

from __future__ import annotations

import pytest

from pytest_envrobust.core.timing import Timing
from pytest_envrobust.timing.tails import TailCauses, tail_causes

MS = 1_000_000
WHY = {"held up": (20, 10, 9), "waited": (20, 10, 0), "computed": (20, 20, 0), "both": (20, 10, 5)}
"""Wall and CPU time of a slow call, and how long it was held up (ms)."""


def timing(slow: list[str], told: bool = True) -> Timing:
    calls = [*([(10, 10, 0)] * (100 - len(slow))), *(WHY[why] for why in slow)]
    wall, cpu, held_up = ([call[part] * MS for call in calls] for part in range(3))
    return Timing.of(wall, cpu, held_up_ns=held_up if told else ())


@pytest.mark.parametrize(
    ("slow", "held_up", "waited"),
    [
        (["held up"] * 5, 5, 0),
        (["waited"] * 5, 0, 5),
        (["computed"] * 5, 0, 0),
        (["held up", "held up", "waited", "computed", "computed"], 2, 1),
        (["both"], 1, 0),  # half of it is the others'
    ],
)
def test_slow_calls_by_their_cause(slow: list[str], held_up: int, waited: int) -> None:
    assert tail_causes(timing(slow), 0.9) == TailCauses(len(slow), held_up, waited)
    untold = tail_causes(timing(slow, told=False), 0.9)
    assert untold == TailCauses(len(slow), None, held_up + waited)


def test_what_all_calls_wait_is_no_cause_of_slow_ones() -> None:
    wall = [10 * MS] * 95 + [20 * MS] * 5
    cpu = [7 * MS] * 95 + [17 * MS] * 5
    assert tail_causes(Timing.of(wall, cpu, held_up_ns=[0] * 100), 0.9) == TailCauses(5, 0, 0)


def test_calls_of_one_length_have_none_beyond_a_tail() -> None:
    assert tail_causes(timing([]), 0.99) == TailCauses(0, 0, 0)


def test_without_cpu_times_nothing_is_told_of_waiting() -> None:
    assert tail_causes(Timing.of([10] * 95 + [20] * 5, []), 0.9) == TailCauses(5, None, 0)
