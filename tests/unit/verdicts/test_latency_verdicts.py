"""What a cell's times come to, and what the message says."""

from __future__ import annotations

import math

import pytest

from pytest_envrobust.core.errors import DeclarationError
from pytest_envrobust.core.status import Status
from pytest_envrobust.core.timing import Timing
from pytest_envrobust.timing.ratios import Ratio
from pytest_envrobust.verdicts.latency import LatencyEvidence, LatencyFigures, default_clock, judge_latency
from pytest_envrobust.verdicts.limits import Limit
from pytest_envrobust.verdicts.verdict import Verdict

TIMING = Timing.of([10_000_000 + 100_000 * i for i in range(20)], [8_000_000] * 20)


def judged(evidence: LatencyEvidence, name: str, value: float, environment: str = "torch/tvm-o3/cpu") -> Verdict:
    return judge_latency(
        evidence,
        Limit(name, value, "conftest.py:12"),
        model="signs",
        environment=environment,
        reference="torch/eager/cpu",
        route=["onnx_from_torch"],
        rerun="pytest -k tvm-o3",
    )


@pytest.mark.parametrize(
    ("limit", "status"),
    [(11.5, Status.PASSED), (10.4, Status.FAILED), (11.0, Status.INCONCLUSIVE), (10.5, Status.INCONCLUSIVE)],
)
def test_milliseconds_are_judged_on_the_medians_interval(limit: float, status: Status) -> None:
    verdict = judged(LatencyEvidence(TIMING), "max_latency_ms", limit)  # interval 10.5 to 11.4
    assert verdict.status is status
    assert "95 % interval 10.5 to 11.4 ms" in verdict.message
    assert f"limit {limit:g} ms from conftest.py:12" in verdict.message
    assert "no A/A control was run" in verdict.message


@pytest.mark.parametrize("calls", [0, 1, 5])
def test_too_few_calls_are_inconclusive(calls: int) -> None:
    timing = Timing.of([1] * calls, [1] * calls)
    verdict = judged(LatencyEvidence(timing), "max_latency_ms", 100)
    assert verdict.status is Status.INCONCLUSIVE
    assert f"{calls} timed call" in verdict.message


def test_a_ratio_over_its_limit_says_all_of_it() -> None:
    evidence = LatencyEvidence(TIMING, Ratio(1, 1, 1), Ratio(1.7888, 1.83, 1.8612))
    verdict = judged(evidence, "max_latency_ratio", 1.5)
    assert verdict.status is Status.FAILED
    lines = verdict.message.splitlines()
    assert lines[:2] == [
        "signs in torch/tvm-o3/cpu: too slow, 1.83 times the CPU time of torch/eager/cpu "
        "(95 % interval 1.79 to 1.86, limit 1.5 from conftest.py:12)",
        "  the smallest slowdown that this run could have told from none: 1.02 times",
    ]
    assert "no A/A control was run" in lines[2]
    assert lines[3:] == ["  route: onnx_from_torch", "  to run this cell alone: pytest -k tvm-o3"]


@pytest.mark.parametrize(
    ("ratio", "status"),
    [
        (Ratio(1.1, 1.2, 1.5), Status.PASSED),
        (Ratio(1.5, 1.6, 1.7), Status.INCONCLUSIVE),
        (Ratio(1.4, 1.5, 1.6), Status.INCONCLUSIVE),
        (Ratio(1.501, 1.6, 1.7), Status.FAILED),
        (Ratio(0.0, 9.0, math.inf), Status.INCONCLUSIVE),
        (Ratio(0.0, math.nan, math.inf), Status.INCONCLUSIVE),
        (None, Status.INCONCLUSIVE),
    ],
)
def test_a_ratio_is_judged_on_its_interval(ratio: Ratio | None, status: Status) -> None:
    assert judged(LatencyEvidence(TIMING, None, ratio), "max_latency_ratio", 1.5).status is status


def test_digits_never_hide_on_which_side_an_end_is() -> None:
    verdict = judged(LatencyEvidence(TIMING, None, Ratio(1.5004, 1.6, 1.7)), "max_latency_ratio", 1.5)
    assert "interval 1.5004 to 1.7000," in verdict.message


@pytest.mark.parametrize(
    ("environment", "clock"),
    [("torch/eager/cpu", "cpu"), ("torch/eager/cpu+avx2", "cpu"), ("torch/eager/cuda:0", "wall")],
)
def test_the_clock_is_the_devices(environment: str, clock: str) -> None:
    assert default_clock(environment) == clock
    evidence = LatencyEvidence(TIMING, Ratio(1, 1, 1), Ratio(9, 9, 9))
    expected = Status.PASSED if clock == "wall" else Status.FAILED
    assert judged(evidence, "max_latency_ratio", 1.5, environment).status is expected


@pytest.mark.parametrize("limit", [("max_latency_ms", 11.0), ("max_latency_ms", 10.4), ("max_latency_ratio", 1.5)])
@pytest.mark.parametrize("timing", [TIMING, Timing.of([1], [1]), Timing.of([], [])], ids=["20 calls", "1", "0"])
def test_figures_are_judged_as_what_was_measured_is(timing: Timing, limit: tuple[str, float]) -> None:
    evidence = LatencyEvidence(timing, Ratio(1, 1, 1), Ratio(1.7, 1.8, 1.9))
    figures = LatencyFigures.of(evidence)
    verdicts = [
        judge_latency(each, Limit(*limit, "ini"), model="signs", environment="torch/tvm-o3/cpu", reference="reference")
        for each in (evidence, figures)
    ]
    assert verdicts[0] == verdicts[1]
    assert figures.calls == timing.calls


def test_another_limit_is_refused() -> None:
    with pytest.raises(DeclarationError, match="min_label_agreement"):
        judged(LatencyEvidence(TIMING), "min_label_agreement", 0.9)
