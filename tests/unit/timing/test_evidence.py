"""What was measured of a cell's time, and the figures that come of it."""

from __future__ import annotations

import math

import pytest

from pytest_envrobust.core.axes import Point
from pytest_envrobust.core.devices import DEVICES
from pytest_envrobust.core.environment import Environment
from pytest_envrobust.core.timing import Timing
from pytest_envrobust.timing.evidence import LatencyEvidence, LatencyFigures, deciding_clock, median_of, tail_of
from pytest_envrobust.timing.intervals import Estimate

MS = 1_000_000
RATIO, CONTROL = Estimate(1.1, 1.2, 1.3), Estimate(0.99, 1.0, 1.01)


@pytest.mark.parametrize(
    ("environment", "threads", "clock"),
    [
        ("torch/eager/cpu", 1, "cpu"),
        ("torch/eager/cpu+avx2", 1, "cpu"),
        ("torch/eager/cpu", 2, "wall"),
        ("torch/eager/cpu+avx2", 8, "wall"),
        ("torch/eager/cuda:0", 1, "wall"),
        ("torch/recorded/elsewhere", 1, "wall"),
        ("torch/eager/qemu:Haswell", 1, "cpu"),
        ("onnx/ort-all/directml", 1, "wall"),
        ("onnx/ort-all/coreml", 1, "wall"),
        ("torch/eager/mps", 1, "wall"),
        ("onnx/tvm-o3/rpc", 1, "wall"),
    ],
)
def test_cpu_time_decides_where_it_sees_everything(environment: str, threads: int, clock: str) -> None:
    assert deciding_clock(environment, threads) == clock
    assert deciding_clock(Environment.parse(environment), threads) == clock


@pytest.mark.parametrize("device", [name for name, device in DEVICES.items() if device.is_accelerator])
def test_wall_time_decides_on_every_accelerator(device: str) -> None:
    assert deciding_clock(Environment("torch", "eager", device)) == "wall"


@pytest.mark.parametrize("device", ["cuda:1", "npu:0", "old", "cpu-like", "cpu+amx", "xpu"])
def test_wall_time_decides_where_the_device_is_not_known_to_be_a_processor(device: str) -> None:
    """The device of a measured session is the one that its engine uses; a name that a user chose tells nothing."""
    assert deciding_clock(Environment("torch", "eager", device)) == "wall"


@pytest.mark.parametrize(
    ("step_ns", "turn_ns", "clock"),
    [
        (0, 1, "cpu"),
        (1_000, 100_000, "cpu"),  # a hundredth of a call
        (1_001, 100_000, "wall"),
        (15_625_000, 20 * MS, "wall"),  # 64 steps a second
        (15_625_000, 2_000 * MS, "cpu"),
    ],
)
def test_a_clock_in_coarse_steps_does_not_decide(step_ns: float, turn_ns: float, clock: str) -> None:
    assert deciding_clock("torch/eager/cpu", cpu_step_ns=step_ns, turn_ns=turn_ns) == clock


def test_figures_have_each_clock_that_was_read() -> None:
    timing = Timing.of([call * MS for call in range(1, 41)], [2 * MS] * 40, [MS] * 40)
    evidence = LatencyEvidence(timing, {"cpu": RATIO}, {"cpu": CONTROL}, clock="cpu")
    figures = LatencyFigures.of(evidence)
    assert figures.calls == 40
    assert figures.medians["wall"] == Estimate(14.0, 20.5, 27.0)  # ranks 14 and 27 of 40
    assert figures.medians["cpu"] == Estimate(2.0, 2.0, 2.0)
    assert figures.medians["device"] == Estimate(1.0, 1.0, 1.0)
    assert figures.tails["p90"].is_bounded
    assert figures.tails["p90"].mid == pytest.approx(36.1)
    assert not figures.tails["p99"].is_bounded
    assert (figures.ratios, figures.controls, figures.clock) == ({"cpu": RATIO}, {"cpu": CONTROL}, "cpu")


def test_a_clock_that_was_not_read_has_no_figures() -> None:
    assert set(LatencyFigures.of(LatencyEvidence(Timing.of([MS] * 9, [MS] * 9))).medians) == {"wall", "cpu"}


def test_no_calls_have_no_figures() -> None:
    figures = LatencyFigures.of(LatencyEvidence(Timing((), ()), control_fault="it crashed"))
    assert (figures.calls, figures.medians, figures.tails) == (0, {}, {})
    assert figures.control_fault == "it crashed"


def test_few_calls_have_a_middle_that_is_not_bounded() -> None:
    figures = LatencyFigures.of(LatencyEvidence(Timing.of([3 * MS] * 5, [MS] * 5)))
    assert figures.medians["wall"] == Estimate(0.0, 3.0, math.inf)
    assert [tail.high for tail in figures.tails.values()] == [math.inf, math.inf]


def test_more_confidence_takes_more_calls() -> None:
    evidence = LatencyEvidence(Timing.of([MS] * 6, [MS] * 6))
    assert LatencyFigures.of(evidence, 0.95).medians["wall"].is_bounded
    assert not LatencyFigures.of(evidence, 0.99).medians["wall"].is_bounded


def test_medians_and_tails_are_in_milliseconds() -> None:
    times = tuple(call * MS for call in range(1, 101))
    assert median_of(times) == Estimate(40.0, 50.5, 61.0)
    assert tail_of(times, 0.9) == Estimate(84.0, pytest.approx(90.1), 96.0)


def test_images_per_second() -> None:
    timing = Timing.of([7 * MS, 8 * MS, 100 * MS], [MS] * 3)
    assert LatencyEvidence(timing).images_per_second == pytest.approx(125)
    assert LatencyEvidence(timing, point=Point(batch=32)).images_per_second == pytest.approx(4000)


def test_ratios_by_name() -> None:
    both = LatencyEvidence(Timing((), ()), {"wall": RATIO, "cpu": CONTROL})
    assert (both.wall_ratio, both.cpu_ratio) == (RATIO, CONTROL)
    alone = LatencyEvidence(Timing((), ()))
    assert (alone.wall_ratio, alone.cpu_ratio) == (None, None)
