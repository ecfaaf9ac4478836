"""What a cell's times come to, and what the message says."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pytest
from scipy.stats import binom

from pytest_envrobust.checks.latency import CHECK
from pytest_envrobust.core.axes import Point
from pytest_envrobust.core.errors import DeclarationError
from pytest_envrobust.core.status import Status
from pytest_envrobust.core.timing import Clock, Timing
from pytest_envrobust.timing.drift import Drift
from pytest_envrobust.timing.evidence import LatencyEvidence, LatencyFigures
from pytest_envrobust.timing.intervals import Estimate
from pytest_envrobust.timing.regression import EarlierTime
from pytest_envrobust.verdicts.family import ALONE, Family
from pytest_envrobust.verdicts.latency import NO_CONTROL, judge_latency
from pytest_envrobust.verdicts.limits import Limit
from pytest_envrobust.verdicts.verdict import Subject, Verdict

TIMING = Timing.of([10_000_000 + 100_000 * i for i in range(20)], [8_000_000] * 20)
CLOSING = ["  route: onnx_from_torch", "  to run this cell alone: pytest -k tvm-o3"]
EVEN = Estimate(0.99, 1.0, 1.01)
NOTHING = Estimate(0.0, 1.0, math.inf)
RATIO, REGRESSION = "max_latency_ratio", "max_latency_regression"


def judged(
    evidence: LatencyEvidence | LatencyFigures,
    name: str,
    value: float,
    environment: str = "torch/tvm-o3/cpu",
    clock: Clock | None = None,
    point: Point | None = None,
    earlier: EarlierTime | None = None,
    family: Family = ALONE,
) -> Verdict:
    return judge_latency(
        evidence,
        Limit(name, value, "conftest.py:12"),
        Subject("signs", environment, "torch/eager/cpu", ("onnx_from_torch",), "pytest -k tvm-o3"),
        clock=clock,
        point=point,
        earlier=earlier,
        family=family,
    )


def on_cpu(ratio: Estimate, control: Estimate | None = None, wall: Estimate | None = None) -> LatencyEvidence:
    """Evidence that is judged on CPU time."""
    ratios: dict[Clock, Estimate] = {"cpu": ratio, **({"wall": wall} if wall else {})}  # type: ignore[dict-item]
    return LatencyEvidence(TIMING, ratios, {"cpu": control} if control else {}, clock="cpu")


# milliseconds


@pytest.mark.parametrize(
    ("limit", "status", "word"),
    [
        (11.5, Status.PASSED, "fast enough"),
        (11.4, Status.PASSED, "fast enough"),
        (10.4, Status.FAILED, "too slow"),
        (11.0, Status.INCONCLUSIVE, "inconclusive"),
        (10.5, Status.INCONCLUSIVE, "inconclusive"),
    ],
)
def test_milliseconds_are_judged_on_the_medians_interval(limit: float, status: Status, word: str) -> None:
    verdict = judged(LatencyEvidence(TIMING), "max_latency_ms", limit)  # interval 10.5 to 11.4
    assert verdict.status is status
    assert verdict.limit == Limit("max_latency_ms", limit, "conftest.py:12")
    assert verdict.message.splitlines()[:2] == [
        f"signs in torch/tvm-o3/cpu: {word}, a call takes 10.9 ms of wall time (median of 20, "
        f"95 % interval 10.5 to 11.4 ms, limit {limit:g} ms from conftest.py:12)",
        "  an absolute limit holds for this machine and its load alone",
    ]


@pytest.mark.parametrize(
    ("calls", "said"),
    [(0, "0 timed calls"), (1, "median 2.00 ms over 1 timed call"), (5, "median 2.00 ms over 5 timed calls")],
)
def test_too_few_calls_are_inconclusive(calls: int, said: str) -> None:
    timing = Timing.of([2_000_000] * calls, [1] * calls)
    verdict = judged(LatencyEvidence(timing), "max_latency_ms", 100)
    assert verdict.status is Status.INCONCLUSIVE
    assert verdict.message.splitlines() == [
        f"signs in torch/tvm-o3/cpu: inconclusive, {said}, too few for an interval of the median "
        "(limit 100 ms from conftest.py:12)",
        *CLOSING,
    ]


def test_times_of_zero_are_no_interval() -> None:
    """The clock is too coarse for the call."""
    said = judged(LatencyEvidence(Timing.of([0] * 8, [])), "max_latency_ms", 100).message
    assert "inconclusive, median 0.0 ms over 8 timed calls, too few for an interval of the median" in said


@pytest.mark.parametrize(
    ("milliseconds", "said"),
    [
        (0.25, "0.250 ms of wall time (median of 8, 95 % interval 0.250 to 0.250 ms"),
        (99.94, "99.9 ms of wall time (median of 8, 95 % interval 99.9 to 99.9 ms"),
        (100.0, "100.0 ms of wall time (median of 8, 95 % interval 100 to 100 ms"),
        (100.25, "100.2 ms of wall time (median of 8, 95 % interval 100 to 100 ms"),
        (999.0, "999.0 ms of wall time (median of 8, 95 % interval 999 to 999 ms"),
        (1000.0, "1000.0 ms of wall time (median of 8, 95 % interval 1000.0 to 1000.0 ms"),
        (12345.25, "12345.2 ms of wall time (median of 8, 95 % interval 12345.2 to 12345.2 ms"),
    ],
)
def test_times_are_told_in_three_digits_and_long_ones_to_a_tenth(milliseconds: float, said: str) -> None:
    timing = Timing.of([round(milliseconds * 1e6)] * 8, [])
    assert f"a call takes {said}, limit" in judged(LatencyEvidence(timing), "max_latency_ms", 2e4).message


def test_milliseconds_do_not_ask_for_a_control() -> None:
    """They are compared with nothing."""
    evidence = LatencyEvidence(TIMING, control_fault="it crashed")
    assert judged(evidence, "max_latency_ms", 11.5).status is Status.PASSED


# tails


def calls(count: int) -> LatencyEvidence:
    """That many calls, from 1 ms on in steps of 1 ms."""
    return LatencyEvidence(Timing.of([call * 1_000_000 for call in range(1, count + 1)], []))


@pytest.mark.parametrize(
    ("limit", "status", "word"),
    [
        (97, Status.PASSED, "fast enough"),
        (96, Status.PASSED, "fast enough"),
        (90, Status.INCONCLUSIVE, "inconclusive"),
        (84, Status.INCONCLUSIVE, "inconclusive"),
        (83.9, Status.FAILED, "too slow"),
    ],
)
def test_a_tail_is_judged_on_its_own_interval(limit: float, status: Status, word: str) -> None:
    verdict = judged(calls(100), "max_latency_p90_ms", limit)
    assert verdict.status is status
    assert verdict.message.splitlines()[0] == (
        f"signs in torch/tvm-o3/cpu: {word}, 90 % of 100 calls take 90.1 ms of wall time or less "
        f"(p90, 95 % interval 84.0 to 96.0 ms, limit {limit:g} ms from conftest.py:12)"
    )


@pytest.mark.parametrize(
    ("name", "tail", "enough"), [("max_latency_p90_ms", "p90", 36), ("max_latency_p99_ms", "p99", 368)]
)
def test_too_few_calls_for_a_tail_say_how_many_it_takes(name: str, tail: str, enough: int) -> None:
    def too_few(calls: int) -> list[str]:
        said = f"{calls} timed calls, and an upper bound of {tail} needs {enough}"
        return [
            f"signs in torch/tvm-o3/cpu: inconclusive, {said} (limit 10000 ms from conftest.py:12)",
            "  give it more time with --envrobust-time-budget",
            *CLOSING,
        ]

    verdict = judged(calls(enough - 1), name, 10_000)
    assert verdict.status is Status.INCONCLUSIVE
    assert verdict.message.splitlines() == too_few(enough - 1)
    assert judged(LatencyEvidence(Timing((), ())), name, 10_000).message.splitlines() == too_few(0)
    assert judged(calls(enough), name, 10_000).status is Status.PASSED


def test_a_limit_within_the_interval_of_just_enough_calls_is_no_matter_of_their_number() -> None:
    verdict = judged(calls(36), "max_latency_p90_ms", 35)
    assert verdict.status is Status.INCONCLUSIVE
    assert "inconclusive, 90 % of 36 calls take 32.5 ms of wall time or less (p90, 95 % interval" in verdict.message


def test_more_cells_need_more_calls_and_say_so() -> None:
    thirty = Family(30)
    assert judged(calls(67), "max_latency_p90_ms", 10_000).status is Status.PASSED
    assert "needs 68" in judged(calls(67), "max_latency_p90_ms", 10_000, family=thirty).message
    verdict = judged(calls(68), "max_latency_p90_ms", 10_000, family=thirty)
    assert verdict.status is Status.PASSED
    assert "(p90, 99.83 % interval" in verdict.message
    assert " ms, 95 % over 30 cells, limit 10000 ms" in verdict.message


@pytest.mark.parametrize(("name", "share"), [("max_latency_ms", 0.5), ("max_latency_p90_ms", 0.9)])
@pytest.mark.parametrize("count", [60, 200])
@pytest.mark.parametrize("cells", [1, 7, 30])
def test_at_the_limit_a_family_is_wrong_in_5_percent_at_most(name: str, share: float, count: int, cells: int) -> None:
    """Exactly: of the calls each is within the limit with the chance that the limit is a quantile of."""
    chances = binom.pmf(range(count + 1), count, share)
    wrong = dict.fromkeys((Status.PASSED, Status.FAILED, Status.INCONCLUSIVE), 0.0)
    for within in range(count + 1):
        timing = Timing.of([9_000_000] * within + [11_000_000] * (count - within), [1] * count)
        wrong[judged(LatencyEvidence(timing), name, 10, family=Family(cells)).status] += float(chances[within])
    assert cells * wrong[Status.PASSED] <= 0.05
    assert cells * wrong[Status.FAILED] <= 0.05


def test_a_tail_may_be_over_its_limit_before_it_has_an_upper_end() -> None:
    verdict = judged(calls(100), "max_latency_p99_ms", 50)
    assert verdict.status is Status.FAILED
    assert "(p99, 95 % interval 97.0 to inf ms, limit 50 ms" in verdict.message


def held_up(slow: int, held_up: int, told: bool = True) -> LatencyEvidence:
    """400 calls of 10 ms, of which ``slow`` take twice as long, as many ms of it others' as ``held_up``."""
    wall = [10_000_000] * (400 - slow) + [20_000_000] * slow
    cpu = [10_000_000] * (400 - slow) + [20_000_000 - held_up * 1_000_000] * slow
    others = [0] * (400 - slow) + [held_up * 1_000_000] * slow
    return LatencyEvidence(Timing.of(wall, cpu, held_up_ns=others if told else ()))


def test_a_tail_that_is_other_processes_doing_is_no_failure_and_no_pass() -> None:
    verdict = judged(held_up(60, 10), "max_latency_p90_ms", 15)
    assert verdict.status is Status.INCONCLUSIVE
    assert verdict.message.splitlines() == [
        "signs in torch/tvm-o3/cpu: inconclusive, 90 % of 400 calls take 20.0 ms of wall time or less "
        "(p90, 95 % interval 20.0 to 20.0 ms, limit 15 ms from conftest.py:12)",
        "  an absolute limit holds for this machine and its load alone",
        "  60 calls took so long: 60 held up by other processes, 0 waiting, 0 computing longer; without what other "
        "processes took it is 10.0 ms (10.0 to 10.0)",
        "  what is over the limit is the other processes' doing: run it again on a quiet machine",
        *CLOSING,
    ]


def test_the_calls_beyond_a_tail_are_told_by_their_cause() -> None:
    so_long = "  20 calls took so long: 20 held up by other processes, 0 waiting, 0 computing longer; "
    verdict = judged(held_up(20, 9), "max_latency_p99_ms", 21)
    assert verdict.status is Status.PASSED
    assert f"{so_long}without what other processes took it is 11.0 ms (11.0 to 11.0)" in verdict.message.splitlines()
    untold = judged(held_up(20, 9, told=False), "max_latency_p99_ms", 21)
    told = "  20 calls took so long: 20 without a processor meanwhile, waiting or because other processes had it"
    assert told in untold.message.splitlines()
    assert "so long" not in judged(held_up(0, 0), "max_latency_p90_ms", 15).message


@pytest.mark.parametrize("others", [0, 2])
def test_a_tail_that_is_over_its_limit_without_the_others_too_is_a_failure(others: int) -> None:
    assert judged(held_up(60, others), "max_latency_p90_ms", 15).status is Status.FAILED
    assert judged(held_up(60, 10, told=False), "max_latency_p90_ms", 15).status is Status.FAILED  # nobody knows


# ratios


def test_a_ratio_over_its_limit_says_all_of_it() -> None:
    evidence = on_cpu(Estimate(1.7888, 1.83, 1.8612), Estimate(0.994, 1.004, 1.012), wall=Estimate(1.6, 1.7, 1.8))
    verdict = judged(evidence, RATIO, 1.5)
    assert verdict.status is Status.FAILED
    lines = verdict.message.splitlines()
    assert lines[:2] == [
        "signs in torch/tvm-o3/cpu: too slow, 1.83 times the CPU time of torch/eager/cpu "
        "(95 % interval 1.79 to 1.86, limit 1.5 from conftest.py:12)",
        "  the smallest slowdown that this run could have told from none: 1.02 times",
    ]
    assert lines[2] == (
        "  the A/A control (the reference against itself) took 1.004 times its own CPU time "
        "(95 % interval 0.994 to 1.01), within its margin of 10.5 %"
    )
    assert lines[3] == (
        "  judged on CPU time, which other processes disturb least and which cannot see waiting; "
        "by wall time 1.70 times (1.60 to 1.80)"
    )
    assert lines[4:] == CLOSING


@pytest.mark.parametrize("control", [None, EVEN])
@pytest.mark.parametrize(
    ("ratio", "status"),
    [
        (Estimate(1.1, 1.2, 1.5), Status.PASSED),
        (Estimate(1.5, 1.6, 1.7), Status.INCONCLUSIVE),
        (Estimate(1.4, 1.5, 1.6), Status.INCONCLUSIVE),
        (Estimate(1.501, 1.6, 1.7), Status.FAILED),
        (Estimate(0.0, 9.0, math.inf), Status.INCONCLUSIVE),
        (Estimate(0.0, math.nan, math.inf), Status.INCONCLUSIVE),
    ],
)
def test_a_ratio_is_judged_on_its_interval(ratio: Estimate, status: Status, control: Estimate | None) -> None:
    verdict = judged(on_cpu(ratio, control), RATIO, 1.5)
    assert verdict.status is status
    lines = verdict.message.splitlines()
    unbounded = not ratio.is_bounded
    told = (
        "  too few pairs of calls, or too coarse a clock, to tell any slowdown from none: "
        "give it more time with --envrobust-time-budget"
    )
    assert (lines[1] == told) is unbounded
    assert lines[1].startswith("  the smallest slowdown that this run could have told from none: 1.") is not unbounded
    assert (lines[2] == NO_CONTROL) is (control is None)


def test_no_ratio_is_inconclusive() -> None:
    verdict = judged(LatencyEvidence(TIMING, {"wall": EVEN}, clock="cpu"), RATIO, 1.5)
    assert verdict.status is Status.INCONCLUSIVE
    assert verdict.message.splitlines() == [
        "signs in torch/tvm-o3/cpu: inconclusive, no ratio of its CPU time to that of torch/eager/cpu was taken "
        "(limit 1.5 from conftest.py:12)",
        *CLOSING,
    ]


PASSING, FAILING = Estimate(1.4, 1.43, 1.45), Estimate(1.55, 1.58, 1.6)


@pytest.mark.parametrize("mid", [0.9, 0.96, 1.04, 1.5, math.nan])
@pytest.mark.parametrize("ratio", [PASSING, FAILING])
def test_a_control_outside_its_margin_gives_no_verdict(ratio: Estimate, mid: float) -> None:
    verdict = judged(on_cpu(ratio, Estimate(mid - 0.01, mid, mid + 0.01)), RATIO, 1.5)
    assert verdict.status is Status.INCONCLUSIVE
    assert verdict.message.startswith("signs in torch/tvm-o3/cpu: inconclusive, 1.")
    told = verdict.message.splitlines()[2]
    assert told.startswith(
        f"  the A/A control (the reference against itself) took {mid:.3f} times its own CPU time (95"
    )
    assert told.endswith(", outside its margin of 3 %: this run can judge no such difference")


def test_a_margin_is_told_in_plain_figures() -> None:
    """Six times the limit leaves room for a bias of one and a half times."""
    verdict = judged(on_cpu(Estimate(8.9, 9.0, 9.1), EVEN), RATIO, 1.5)
    assert "within its margin of 144.9 %" in verdict.message


def test_what_is_far_over_its_limit_is_so_beside_a_poor_control() -> None:
    poor = Estimate(1.05, 1.06, 1.07)
    assert judged(on_cpu(FAILING, poor), RATIO, 1.5).status is Status.INCONCLUSIVE
    assert judged(on_cpu(Estimate(4.4, 4.5, 4.6), poor), RATIO, 1.5).status is Status.FAILED
    assert judged(on_cpu(Estimate(0.4, 0.5, 0.6), poor), RATIO, 1.5).status is Status.PASSED


@pytest.mark.parametrize("ratio", [PASSING, FAILING, Estimate(8.9, 9.0, 9.1)])
def test_a_control_that_could_not_run_gives_no_verdict(ratio: Estimate) -> None:
    evidence = replace(on_cpu(ratio), control_fault="out of memory")
    verdict = judged(evidence, RATIO, 1.5)
    assert verdict.status is Status.INCONCLUSIVE
    assert "  the A/A control could not run: out of memory" in verdict.message.splitlines()


def test_each_clock_has_a_control_of_its_own() -> None:
    """On wall time it is off, on CPU time it is not."""
    controls: dict[Clock, Estimate] = {"cpu": EVEN, "wall": Estimate(1.2, 1.3, 1.4)}
    evidence = LatencyEvidence(TIMING, {"cpu": FAILING, "wall": FAILING}, controls, clock="cpu")
    assert judged(evidence, RATIO, 1.5).status is Status.FAILED
    assert judged(evidence, RATIO, 1.5, clock="wall").status is Status.INCONCLUSIVE


# waiting

WAITING = LatencyFigures(
    50,
    medians={"cpu": Estimate(4.9, 5.0, 5.1), "own": Estimate(6.9, 7.0, 7.1), "wall": Estimate(7.9, 8.0, 8.1)},
    ratios={"cpu": Estimate(0.99, 1.0, 1.01), "own": Estimate(1.38, 1.4, 1.42), "wall": Estimate(1.4, 1.6, 1.8)},
    controls={"cpu": EVEN, "own": EVEN, "wall": EVEN},
    clock="cpu",
    quiet=True,
)
"""Two of seven milliseconds of a call are no CPU time: its ratio is 1.0 or 1.4."""


def without_own(figures: LatencyFigures) -> LatencyFigures:
    """The same where the system does not tell what other processes took."""

    def kept(estimates: Mapping[Clock, Estimate]) -> dict[Clock, Estimate]:
        return {clock: each for clock, each in estimates.items() if clock != "own"}

    return replace(figures, medians=kept(figures.medians), ratios=kept(figures.ratios), controls=kept(figures.controls))


def test_a_cell_that_waits_is_too_slow_and_the_message_says_all_of_it() -> None:
    verdict = judged(WAITING, RATIO, 1.1)
    assert verdict.status is Status.FAILED
    assert verdict.message.splitlines() == [
        "signs in torch/tvm-o3/cpu: too slow, 1.40 times the undisturbed wall time of torch/eager/cpu "
        "(95 % interval 1.38 to 1.42, limit 1.1 from conftest.py:12)",
        "  the smallest slowdown that this run could have told from none: 1.01 times",
        "  the A/A control (the reference against itself) took 1.000 times its own undisturbed wall time "
        "(95 % interval 0.990 to 1.01), within its margin of 12.8 %",
        "  judged on undisturbed wall time, since CPU time does not see all of it: by CPU time 1.00 times "
        "(0.990 to 1.01). A call has a processor for 71 % of its undisturbed wall time: what does it wait for?",
        *CLOSING,
    ]


def test_waiting_is_seen_by_plain_wall_time_where_nothing_tells_what_others_took() -> None:
    verdict = judged(without_own(WAITING), RATIO, 1.1)
    assert verdict.status is Status.FAILED
    assert ": too slow, 1.60 times the wall time of torch/eager/cpu" in verdict.message
    assert "A call has a processor for 62 % of its wall time" in verdict.message


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"quiet": False}, "other processes were at work, so whether it is the cell that takes longer is not sure"),
        (
            {"quiet": None},
            "nothing tells how busy the machine was, so whether it is the cell that takes longer is not sure",
        ),
        ({"controls": {"cpu": EVEN}}, "without an A/A control on that clock, so whether it is the cell that takes"),
        ({"controls": {"cpu": EVEN, "own": Estimate(1.1, 1.2, 1.3)}}, "outside its margin of 12.8 %"),
        ({"control_fault": "it crashed"}, "the A/A control could not run: it crashed"),
    ],
)
def test_waiting_beside_a_busy_machine_is_no_pass_and_no_failure(changed: dict[str, Any], said: str) -> None:
    verdict = judged(replace(WAITING, **changed), RATIO, 1.1)
    assert verdict.status is Status.INCONCLUSIVE
    assert said in verdict.message


@pytest.mark.parametrize("quiet", [True, False, None])
def test_waiting_within_the_limit_is_a_pass(quiet: bool | None) -> None:
    verdict = judged(replace(WAITING, quiet=quiet), RATIO, 1.5)
    assert verdict.status is Status.PASSED
    assert verdict.message.startswith("signs in torch/tvm-o3/cpu: fast enough, 1.00 times the CPU time")


def test_a_wall_time_that_the_limit_lies_in_is_no_pass_where_it_says_more_than_cpu_time() -> None:
    verdict = judged(WAITING, RATIO, 1.39)
    assert verdict.status is Status.INCONCLUSIVE
    assert ": inconclusive, 1.40 times the undisturbed wall time" in verdict.message


@pytest.mark.parametrize("wall", [Estimate(1.005, 1.4, 1.9), NOTHING, None])
def test_a_wall_time_that_may_be_as_short_as_cpu_time_is_no_waiting(wall: Estimate | None) -> None:
    """A busy machine lengthens wall times by chance, and widens their interval."""
    verdict = judged(on_cpu(Estimate(0.99, 1.0, 1.01), EVEN, wall=wall), RATIO, 1.1)
    assert verdict.status is Status.PASSED
    assert ("by wall time" in verdict.message) is (wall is not None and wall.is_bounded)


def test_what_computes_too_long_is_too_slow_though_its_reference_waits() -> None:
    """The wall time of such a reference makes the cell look fast."""
    medians: dict[Clock, Estimate] = {"cpu": Estimate(6.9, 7.0, 7.1), "own": Estimate(6.9, 7.0, 7.1)}
    ratios: dict[Clock, Estimate] = {"cpu": Estimate(1.38, 1.4, 1.42), "own": EVEN, "wall": EVEN}
    figures = replace(WAITING, medians=medians, ratios=ratios)
    told = (
        "  the reference has a processor for 71 % of its wall time alone: what it waits for makes the ratio of "
        "wall times small"
    )
    verdict = judged(figures, RATIO, 1.1)
    assert verdict.status is Status.FAILED
    assert told in verdict.message.splitlines()
    verdict = judged(figures, RATIO, 1.5)
    assert verdict.status is Status.PASSED
    assert told in verdict.message.splitlines()


def test_calls_that_never_wait_are_not_asked_what_for() -> None:
    """Reading the clocks takes CPU time too: of the shortest calls so much that their ratio on it is nearer to 1."""
    medians: dict[Clock, Estimate] = {"cpu": Estimate(0.05, 0.05, 0.05), "own": Estimate(0.05, 0.05, 0.05)}
    verdict = judged(replace(WAITING, medians=medians), RATIO, 1.1)
    assert verdict.status is Status.FAILED
    assert "wait for" not in verdict.message


def test_a_cell_with_more_than_one_processor_is_none_whose_reference_waits() -> None:
    medians: dict[Clock, Estimate] = {"cpu": Estimate(13.9, 14.0, 14.1), "own": Estimate(6.9, 7.0, 7.1)}
    ratios: dict[Clock, Estimate] = {"cpu": Estimate(1.9, 2.0, 2.1), "own": EVEN, "wall": EVEN}
    assert "the reference has" not in judged(replace(WAITING, medians=medians, ratios=ratios), RATIO, 2.5).message


def test_a_cell_that_has_begun_to_wait_is_a_regression() -> None:
    busy = {"cpu": Estimate(4.9, 5.0, 5.1), "own": Estimate(4.9, 5.0, 5.1), "wall": Estimate(4.9, 5.0, 5.1)}
    then = replace(WAITING, medians=busy, ratios={"cpu": EVEN, "own": EVEN, "wall": EVEN})
    for same_reference in (True, False):
        earlier = EarlierTime("old.json", then, same_reference=same_reference)
        verdict = judged(WAITING, REGRESSION, 1.1, earlier=earlier)
        assert verdict.status is Status.FAILED
        assert ": too slow, 1.40 times what it took in old.json" in verdict.message
        assert "by undisturbed wall time" in verdict.message
        assert "what does it wait for?" in verdict.message
        verdict = judged(replace(WAITING, quiet=False), REGRESSION, 1.1, earlier=earlier)
        assert verdict.status is Status.INCONCLUSIVE
        assert judged(WAITING, REGRESSION, 1.6, earlier=earlier).status is Status.PASSED
        only_wall = replace(earlier, figures=without_own(then))  # as earlier versions wrote it
        verdict = judged(
            replace(WAITING, ratios={**WAITING.ratios, "wall": WAITING.ratios["own"]}),
            REGRESSION,
            1.1,
            earlier=only_wall,
        )
        assert verdict.status is Status.FAILED
        assert "by wall time" in verdict.message


def test_a_reference_that_waits_no_longer_is_no_regression_of_the_cell() -> None:
    """The cell takes what it took: it is the reference's wall time that is shorter."""
    medians: dict[Clock, Estimate] = {"cpu": Estimate(4.9, 5.0, 5.1), "own": Estimate(4.9, 5.0, 5.1)}
    now = replace(WAITING, medians=medians, ratios={"cpu": EVEN, "own": EVEN})
    then = replace(now, ratios={"cpu": EVEN, "own": Estimate(0.69, 0.7, 0.71)})
    verdict = judged(now, REGRESSION, 1.1, earlier=EarlierTime("old.json", then, same_reference=True))
    assert verdict.status is Status.PASSED


def test_digits_never_hide_on_which_side_an_end_is() -> None:
    verdict = judged(on_cpu(Estimate(1.5004, 1.6, 1.7)), RATIO, 1.5)
    assert "interval 1.5004 to 1.7000," in verdict.message
    control = judged(on_cpu(PASSING, Estimate(1.0004, 1.01, 1.02)), RATIO, 1.5)  # of a control the limit is 1
    assert "(95 % interval 1.0004 to 1.0200)" in control.message


@pytest.mark.parametrize(
    ("clock", "status", "name", "unseen"),
    [
        (
            "cpu",
            Status.FAILED,
            "CPU time of",
            "  judged on CPU time, which other processes disturb least and which cannot see waiting; "
            "by wall time 1.43 times (1.40 to 1.45)",
        ),
        (
            "wall",
            Status.PASSED,
            "wall time of",
            "  judged on wall time, since the CPU clock here goes in steps that are too long for so short calls",
        ),
        (
            "device",
            Status.INCONCLUSIVE,
            "device time of",
            "  judged on device time, which cannot see what the host adds to a call",
        ),
    ],
)
def test_the_message_says_which_clock_and_what_it_cannot_see(
    clock: Clock, status: Status, name: str, unseen: str
) -> None:
    ratios: dict[Clock, Estimate] = {"wall": PASSING, "cpu": FAILING, "device": Estimate(1.4, 1.5, 1.6)}
    verdict = judged(LatencyEvidence(TIMING, ratios, clock=clock), RATIO, 1.5)
    assert verdict.status is status
    assert name in verdict.message
    assert unseen in verdict.message.splitlines()


def test_a_clock_that_was_asked_for_comes_before_the_evidences() -> None:
    evidence = LatencyEvidence(TIMING, {"wall": PASSING, "cpu": FAILING}, clock="wall")
    assert judged(evidence, RATIO, 1.5).status is Status.PASSED
    assert judged(evidence, RATIO, 1.5, clock="cpu").status is Status.FAILED


@pytest.mark.parametrize(
    ("environment", "status"), [("torch/eager/cpu+avx2", Status.FAILED), ("torch/eager/cuda:0", Status.PASSED)]
)
def test_figures_that_do_not_say_which_clock_are_judged_by_the_device(environment: str, status: Status) -> None:
    figures = LatencyFigures(20, ratios={"wall": PASSING, "cpu": FAILING})
    assert judged(figures, RATIO, 1.5, environment).status is status


# regression


NOW = LatencyFigures(
    50,
    medians={"cpu": Estimate(29.9, 30.0, 30.1), "wall": Estimate(29.9, 30.0, 30.1)},
    ratios={"cpu": Estimate(1.495, 1.5, 1.505)},
    controls={"cpu": EVEN},
    clock="cpu",
)
THEN = LatencyFigures(
    50,
    medians={"cpu": Estimate(9.9, 10.0, 10.1)},
    ratios={"cpu": Estimate(1.195, 1.2, 1.205)},
    clock="cpu",
)
EARLIER = EarlierTime("old.json", THEN, same_reference=True)


@pytest.mark.parametrize(
    ("limit", "status", "word"),
    [
        (1.3, Status.PASSED, "fast enough"),
        (1.24, Status.INCONCLUSIVE, "inconclusive"),
        (1.1, Status.FAILED, "too slow"),
    ],
)
def test_a_regression_by_the_ratios_says_all_of_it(limit: float, status: Status, word: str) -> None:
    verdict = judged(NOW, REGRESSION, limit, earlier=EARLIER)
    assert verdict.status is status
    headline, visible, yardstick, control = verdict.message.splitlines()[:4]
    assert headline == (
        f"signs in torch/tvm-o3/cpu: {word}, 1.25 times what it took in old.json "
        f"(95 % interval 1.21 to 1.29, limit {limit:g} from conftest.py:12)"
    )
    assert visible == "  the smallest slowdown that this run could have told from none: 1.03 times"
    assert yardstick == (
        "  by CPU time, as a ratio to the reference's in both runs: what slows the whole machine cancels out"
    )
    assert control.startswith("  the A/A control (the reference against itself) took 1.000 times its own CPU time (95")
    assert verdict.message.splitlines()[4:] == ([] if status is Status.PASSED else CLOSING)


def test_a_regression_by_the_medians_says_what_it_does_not_know() -> None:
    verdict = judged(replace(NOW, controls={}), REGRESSION, 1.1, earlier=replace(EARLIER, same_reference=False))
    assert verdict.status is Status.FAILED
    headline, _, *rest = verdict.message.splitlines()
    assert ": too slow, 3.00 times what it took in old.json (95 % interval" in headline
    told = "  by CPU time in both runs: nothing tells a slower cell from a slower machine"
    assert rest == [told, *CLOSING]  # and no control, as there is none to speak of


def test_without_an_earlier_run_it_says_how_to_name_one() -> None:
    verdict = judged(NOW, REGRESSION, 1.1)
    assert verdict.status is Status.INCONCLUSIVE
    assert verdict.message.splitlines() == [
        "signs in torch/tvm-o3/cpu: inconclusive, no earlier run to compare its time with "
        "(limit 1.1 from conftest.py:12)",
        "  name one that --envrobust-json wrote: --envrobust-baseline=RUN.json",
        *CLOSING,
    ]


def test_an_earlier_run_without_its_time_is_inconclusive() -> None:
    verdict = judged(NOW, REGRESSION, 1.1, earlier=EarlierTime("old.json", LatencyFigures(0)))
    assert verdict.status is Status.INCONCLUSIVE
    assert verdict.message.splitlines() == [
        "signs in torch/tvm-o3/cpu: inconclusive, old.json has no time of it to compare with "
        "(limit 1.1 from conftest.py:12)",
        *CLOSING,
    ]


@pytest.mark.parametrize("limit", [1.1, 1.3])
def test_another_machine_gives_no_verdict(limit: float) -> None:
    earlier = replace(EARLIER, differences=("4 cores then, 2 now",))
    verdict = judged(NOW, REGRESSION, limit, earlier=earlier)
    assert verdict.status is Status.INCONCLUSIVE
    told = "  not the same machine as then: 4 cores then, 2 now. Save a new run to compare with"
    assert verdict.message.splitlines()[-3:] == [told, *CLOSING]


@pytest.mark.parametrize(("limit", "status"), [(1.1, Status.INCONCLUSIVE), (4.0, Status.PASSED)])
def test_an_unchanged_reference_that_is_slower_is_the_machine(limit: float, status: Status) -> None:
    alone = replace(NOW, ratios={}, controls={})
    verdict = judged(alone, REGRESSION, limit, earlier=replace(EARLIER, is_reference=True))
    assert verdict.status is status
    assert ("it is the machine that is slower" in verdict.message) is (status is Status.INCONCLUSIVE)


@pytest.mark.parametrize("limit", [1.1, 1.5])
@pytest.mark.parametrize("same_reference", [True, False])
def test_a_regression_beside_a_failed_control_gives_no_verdict(limit: float, same_reference: bool) -> None:
    earlier = replace(EARLIER, same_reference=same_reference)
    off = replace(NOW, controls={"cpu": Estimate(4.9, 5.0, 5.1)})
    verdict = judged(off, REGRESSION, limit, earlier=earlier)
    assert verdict.status is Status.INCONCLUSIVE
    assert "outside its margin" in verdict.message
    verdict = judged(replace(NOW, controls={}, control_fault="it crashed"), REGRESSION, limit, earlier=earlier)
    assert verdict.status is Status.INCONCLUSIVE
    assert "the A/A control could not run: it crashed" in verdict.message


def test_a_regression_by_ratios_without_a_control_says_so() -> None:
    verdict = judged(replace(NOW, controls={}), REGRESSION, 1.1, earlier=EARLIER)
    assert verdict.status is Status.FAILED
    assert "no A/A control was run" in verdict.message


# drift


@pytest.mark.parametrize(
    ("drift", "said"),
    [
        (1.12, "rose by 12 % from the first round to the last: does it leak, or the processor get hot?"),
        (0.9, "fell by 10 % from the first round to the last: what is it once it has settled?"),
    ],
)
def test_nothing_passes_that_drifts(drift: float, said: str) -> None:
    ratio = replace(on_cpu(PASSING, EVEN), drift=Drift(ratio=drift))
    milliseconds = LatencyEvidence(TIMING, drift=Drift(time=drift))
    remedy = f"{said} Give it more time with --envrobust-time-budget"
    for evidence, name, limit, what in [
        (ratio, RATIO, 1.5, "the ratio to the reference"),
        (replace(NOW, drift=Drift(ratio=drift)), REGRESSION, 1.3, "the ratio to the reference"),
        (milliseconds, "max_latency_ms", 11.5, "times"),
        (replace(calls(100), drift=Drift(time=drift)), "max_latency_p90_ms", 97, "times"),
    ]:
        verdict = judged(evidence, name, limit, earlier=EARLIER)
        assert verdict.status is Status.INCONCLUSIVE
        assert ": inconclusive, " in verdict.message
        assert f"  {what} {remedy}" in verdict.message.splitlines()
    alone = replace(NOW, drift=Drift(time=drift), ratios={}, controls={})
    verdict = judged(alone, REGRESSION, 4.0, earlier=EARLIER)  # 3 times as long
    assert verdict.status is Status.INCONCLUSIVE
    assert f"  times {remedy}" in verdict.message.splitlines()


@pytest.mark.parametrize("drift", [1.12, 1 / 1.12])
@pytest.mark.parametrize(("limit", "status"), [(4.4, Status.INCONCLUSIVE), (4.5, Status.PASSED)])
def test_a_limit_out_of_a_drifts_reach_is_kept(drift: float, limit: float, status: Status) -> None:
    """From 1.43 to 4.44 it is ten times as far as a drift of 12 %."""
    verdict = judged(replace(on_cpu(PASSING, EVEN), drift=Drift(ratio=drift)), RATIO, limit)
    assert verdict.status is status
    assert "from the first round to the last" in verdict.message


def test_what_is_too_slow_is_so_though_it_drifts() -> None:
    verdict = judged(replace(on_cpu(FAILING, EVEN), drift=Drift(ratio=1.12)), RATIO, 1.5)
    assert verdict.status is Status.FAILED
    assert "  the ratio to the reference rose by 12 % from the first round to the last" in verdict.message.splitlines()


def test_a_drift_that_the_reference_shares_is_no_matter_of_their_ratio() -> None:
    """Milliseconds are: a processor that throttles slows both."""
    both = replace(on_cpu(PASSING, EVEN), drift=Drift(time=1.2))
    assert judged(both, RATIO, 1.5).status is Status.PASSED
    assert judged(both, "max_latency_ms", 11.5).status is Status.INCONCLUSIVE


# any of them


def test_a_point_of_the_axes_is_named() -> None:
    verdict = judged(on_cpu(PASSING), RATIO, 1.5, point=Point(8, 2))
    assert verdict.message.startswith("signs in torch/tvm-o3/cpu at batch 8, 2 threads: fast enough")
    assert judged(on_cpu(PASSING), RATIO, 1.5).message.startswith("signs in torch/tvm-o3/cpu: fast enough")


@pytest.mark.parametrize(("value", "closes"), [(1.5, False), (1.42, True), (1.3, True)])
def test_how_to_run_it_again_is_told_unless_it_passed(value: float, closes: bool) -> None:
    message = judged(on_cpu(PASSING), RATIO, value).message
    assert ("  to run this cell alone: pytest -k tvm-o3" in message.splitlines()) is closes


def test_the_confidence_is_told_with_the_cells_that_share_it() -> None:
    """That of the control, which is no verdict, stays what it is."""
    verdict = judged(LatencyEvidence(TIMING), "max_latency_ms", 11.0)
    assert "95 % interval 10.5 to 11.4 ms, limit" in verdict.message
    surer = judged(LatencyEvidence(TIMING), "max_latency_ms", 11.0, family=Family(5))
    assert "99 % interval 10.3 to 11.6 ms, 95 % over 5 cells, limit" in surer.message
    ratio = judged(on_cpu(PASSING, EVEN), RATIO, 1.5, family=Family(5)).message
    assert "(99 % interval 1.39 to 1.46, 95 % over 5 cells, limit 1.5" in ratio
    assert "times its own CPU time (95 % interval 0.990 to 1.01)" in ratio
    alone = judged(NOW, REGRESSION, 1.3, earlier=EARLIER)
    among = judged(NOW, REGRESSION, 1.3, earlier=EARLIER, family=Family(30))
    assert "(95 % interval 1.21 to 1.29, limit 1.3" in alone.message
    assert ", 95 % over 30 cells, limit 1.3" in among.message
    assert "times its own CPU time (95 % interval" in among.message


def test_a_ratio_near_its_limit_is_one_of_many_or_alone() -> None:
    near = on_cpu(Estimate(1.40, 1.45, 1.49), EVEN)
    assert judged(near, RATIO, 1.5).status is Status.PASSED
    assert judged(near, RATIO, 1.5, family=Family(30)).status is Status.INCONCLUSIVE
    over = on_cpu(Estimate(1.52, 1.57, 1.62), EVEN)
    assert judged(over, RATIO, 1.5).status is Status.FAILED
    assert judged(over, RATIO, 1.5, family=Family(30)).status is Status.INCONCLUSIVE


def test_waiting_is_doubted_at_95_percent_however_many_cells_there_are() -> None:
    """The interval of wall time lies above that of CPU time, not so those that are sure of 30 cells."""
    waits = on_cpu(Estimate(0.95, 1.0, 1.05), EVEN, wall=Estimate(1.06, 1.12, 1.18))
    found = judged(waits, RATIO, 1.15, family=Family(30))
    assert found.status is Status.INCONCLUSIVE
    assert "judged on wall time" in found.message


@pytest.mark.parametrize("limit", [*[kind.name for kind in CHECK.limits]])
@pytest.mark.parametrize("value", [1.3, 10.4, 11.0, 100.0])
@pytest.mark.parametrize("timing", [TIMING, Timing.of([1], [1]), Timing.of([], [])], ids=["20 calls", "1", "0"])
def test_figures_are_judged_as_what_was_measured_is(timing: Timing, value: float, limit: str) -> None:
    ratios: dict[Clock, Estimate] = {"wall": EVEN, "cpu": FAILING}
    evidence = LatencyEvidence(timing, ratios, {"cpu": EVEN}, clock="cpu")
    figures = LatencyFigures.of(evidence)
    assert judged(evidence, limit, value, earlier=EARLIER) == judged(figures, limit, value, earlier=EARLIER)
    assert figures.calls == timing.calls


def test_another_limit_is_refused() -> None:
    with pytest.raises(DeclarationError) as caught:
        judged(LatencyEvidence(TIMING), "min_label_agreement", 0.9)
    assert str(caught.value) == (
        "min_label_agreement does not limit time: those that do are max_latency_ms, max_latency_p90_ms, "
        "max_latency_p99_ms, max_latency_ratio, max_latency_regression"
    )


@pytest.mark.parametrize(
    ("environment", "threads", "why"),
    [
        ("torch/eager/cpu", 1, "the CPU clock here goes in steps that are too long for so short calls"),
        ("torch/eager/cpu", 4, "CPU time cannot see waiting, or how well 4 threads share the work"),
        ("torch/eager/cuda:0", 1, "CPU time cannot see what cuda:0 does"),
    ],
)
def test_why_wall_time_was_judged_fits_the_cell(environment: str, threads: int, why: str) -> None:
    figures = LatencyFigures(40, ratios={"wall": PASSING}, controls={"wall": EVEN}, clock="wall", threads=threads)
    subject = Subject("signs", environment, "onnx/ort-all/cpu")
    message = judge_latency(figures, Limit(RATIO, 1.5, "default"), subject).message
    assert f"  judged on wall time, since {why}" in message.splitlines()
