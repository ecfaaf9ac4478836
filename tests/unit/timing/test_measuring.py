"""From samplers to evidence. Sessions say what their calls took; the number of rounds ends it, never the time."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from pytest_envrobust.core.axes import Point
from pytest_envrobust.core.environment import Environment
from pytest_envrobust.core.timing import Timing
from pytest_envrobust.timing.measuring import Timed, measure_alone, measure_beside
from pytest_envrobust.timing.sampling import Effort, Sampler

MS = 1_000_000
CPU = Timed(Environment.parse("torch/inductor/cpu"))
ENDLESS = 1e6
"""Seconds that no test takes."""


def session(wall_ms: float, cpu_ms: float, noise: float = 0.0, seed: int = 0, device_ms: float = 0.0) -> Sampler:
    """A session of calls of about that time, with lognormal noise on all clocks alike."""
    random = np.random.default_rng(seed)

    def sample(first: int, calls: int) -> Timing:
        factors = np.exp(noise * random.normal(size=calls)) * MS

        def times(ms: float) -> list[int]:
            return (ms * factors).round().astype(int).tolist() if ms else []

        return Timing.of(times(wall_ms), times(cpu_ms), times(device_ms))

    return sample


def test_a_cell_beside_its_reference_and_the_control() -> None:
    effort = Effort(ENDLESS, most=12)
    found = measure_beside(CPU, session(30, 40), session(20, 10), session(20.2, 10.1), effort, precision=0)
    assert found.ratios["wall"].mid == pytest.approx(1.5)
    assert found.ratios["cpu"].mid == pytest.approx(4.0)
    assert found.controls["wall"].mid == found.controls["cpu"].mid == pytest.approx(1.01)
    assert set(found.ratios) == set(found.controls) == {"wall", "cpu"}
    assert (found.timing.median_wall_ms, found.timing.median_cpu_ms) == (30.0, 40.0)
    assert (found.clock, found.settled) == ("cpu", True)
    assert found.calls_a_turn in (2, 3)
    assert found.rounds <= found.timing.calls <= 2 * found.rounds  # turns of two or three, without the first


def test_without_a_control_none_is_told() -> None:
    found = measure_beside(CPU, session(30, 40), session(20, 10), None, Effort(ENDLESS, most=12))
    assert found.controls == {}
    assert found.ratios["cpu"].mid == pytest.approx(4.0)


def test_alone_there_are_no_ratios() -> None:
    found = measure_alone(CPU, session(30, 40), Effort(ENDLESS, most=12))
    assert (found.ratios, found.controls, found.timing.median_wall_ms) == ({}, {}, 30.0)


def test_an_accelerators_own_time_has_a_ratio_too() -> None:
    gpu = Timed(Environment.parse("torch/eager/cuda:0"))
    sides = session(30, 40, device_ms=9), session(20, 10, device_ms=6)
    found = measure_beside(gpu, *sides, None, Effort(ENDLESS, most=12))
    assert found.ratios["device"].mid == pytest.approx(1.5)
    assert found.clock == "wall"


@pytest.mark.parametrize(
    ("subject", "clock"),
    [
        (CPU, "cpu"),
        (Timed(CPU.environment, Point(threads=2)), "wall"),
        (Timed(CPU.environment, cpu_step_ns=0.2 * MS), "cpu"),
        (Timed(CPU.environment, cpu_step_ns=0.4 * MS), "wall"),  # more than a hundredth of 30 ms
    ],
)
def test_the_deciding_clock_is_the_subjects(subject: Timed, clock: str) -> None:
    effort = Effort(ENDLESS, most=6)
    assert measure_alone(subject, session(30, 30), effort).clock == clock
    found = measure_beside(subject, session(30, 30), session(30, 30), None, effort)
    assert (found.clock, found.point) == (clock, subject.point)


def _alone(subject: Timed, noise: float, precision: float) -> int:
    return measure_alone(subject, session(30, 30, noise), Effort(ENDLESS, most=60), precision).rounds


def _beside(subject: Timed, noise: float, precision: float) -> int:
    sides = session(30, 30, noise), session(30, 30, noise, seed=1)
    return measure_beside(subject, *sides, None, Effort(ENDLESS, most=60), precision).rounds


@pytest.mark.parametrize("rounds_of", [_alone, _beside])
def test_noise_takes_more_rounds_until_it_is_as_narrow_as_asked(
    rounds_of: Callable[[Timed, float, float], int],
) -> None:
    assert rounds_of(CPU, 0.0, 0.02) == 20
    assert 20 < rounds_of(CPU, 0.04, 0.02) < 60
    assert rounds_of(CPU, 0.02, 0.2) == 20
    assert rounds_of(CPU, 0.5, 0.02) == 60


def drifting(sampler: Sampler, by: float) -> Sampler:
    """The same, its times growing by that share with each call."""
    made = 0

    def sample(first: int, calls: int) -> Timing:
        nonlocal made
        times = sampler(first, calls)
        made += calls
        factor = 1 + by * made
        return Timing.of([round(ns * factor) for ns in times.wall_ns], [round(ns * factor) for ns in times.cpu_ns])

    return sample


def test_a_drift_of_the_cell_is_one_of_its_times_and_its_ratio() -> None:
    cell, reference = session(30, 30, 0.02), session(30, 30, 0.02, seed=1)
    found = measure_beside(CPU, drifting(cell, 0.005), reference, None, Effort(ENDLESS, most=60), precision=0)
    assert found.drift.time == pytest.approx(found.drift.ratio, rel=0.05)
    assert found.drift.time == pytest.approx((1 + 0.005 * 60) / 1.01, rel=0.05)
    alone = measure_alone(CPU, drifting(session(30, 30, 0.02), 0.005), Effort(ENDLESS, most=60), precision=0)
    assert alone.drift.ratio is None
    assert alone.drift.time == pytest.approx(1.28, rel=0.05)


def test_a_drift_that_the_reference_shares_is_none_of_the_ratio() -> None:
    sides = drifting(session(30, 30, 0.02), 0.005), drifting(session(30, 30, 0.02, seed=1), 0.005)
    found = measure_beside(CPU, *sides, None, Effort(ENDLESS, most=60), precision=0)
    assert found.drift.time is not None
    assert found.drift.ratio is None


def test_waiting_that_grows_is_a_drift_that_cpu_time_does_not_see() -> None:
    made = 0

    def waiting(first: int, calls: int) -> Timing:
        nonlocal made
        made += calls
        return Timing.of([30 * MS + made * MS // 4] * calls, [30 * MS] * calls, held_up_ns=[0] * calls)

    def steady(first: int, calls: int) -> Timing:
        return Timing.of([30 * MS] * calls, [30 * MS] * calls, held_up_ns=[0] * calls)

    found = measure_beside(CPU, waiting, steady, None, Effort(ENDLESS, most=60), precision=0)
    assert found.clock == "cpu"
    assert found.drift.ratio is not None
    assert 1.3 < found.drift.ratio < 1.7


@pytest.mark.parametrize(("ms", "calls"), [(30, 60), (2, 60)], ids=["a call a turn", "turns of about 12"])
@pytest.mark.parametrize("batch", [1, 2])
def test_an_input_that_takes_longer_is_found(ms: int, calls: int, batch: int) -> None:
    random = np.random.default_rng(0)

    def cell(first: int, count: int) -> Timing:
        places = (np.arange(first, first + count) * batch) % 12
        times = ms * MS * np.exp(0.05 * random.normal(size=count)) * np.where(places == 8, 2.0, 1.0)
        return Timing.of(times.astype(int).tolist(), times.astype(int).tolist())

    timed = Timed(CPU.environment, Point(batch), inputs=12)
    found = measure_beside(timed, cell, session(ms, ms, 0.05), None, Effort(ENDLESS, most=calls), precision=0)
    assert [each.place for each in found.by_input] == [8]
    assert found.by_input[0].times == pytest.approx(2, rel=0.1)
    assert found.by_input[0].calls >= 3
    untold = measure_alone(Timed(CPU.environment), cell, Effort(ENDLESS, most=calls), precision=0)
    assert untold.by_input == ()


def test_sampling_goes_on_while_waiting_may_show_in_wall_time() -> None:
    """CPU time is soon told; wall time seems to be longer, but it is too noisy to say so."""
    noise = np.random.default_rng(0)

    def waiting(first: int, calls: int) -> Timing:
        return Timing.of((MS * (30 + noise.exponential(30, size=calls))).astype(int).tolist(), [30 * MS] * calls)

    def busy(first: int, calls: int) -> Timing:
        return Timing.of((MS * (30 + noise.exponential(20, size=calls))).astype(int).tolist(), [30 * MS] * calls)

    found = measure_beside(CPU, waiting, busy, None, Effort(ENDLESS, most=200))
    assert found.rounds > 20
    assert found.ratios["wall"].low > found.ratios["cpu"].high or found.rounds == 200


def test_more_confidence_takes_more_rounds() -> None:
    for noise in (0.02, 0.04):
        sides = [(session(30, 30, noise), session(30, 30, noise, seed=1)) for _ in range(2)]
        usual, surer = (Effort.at(confidence, ENDLESS) for confidence in (0.95, 1 - 0.05 / 30))
        found = [measure_beside(CPU, *each, None, effort, 0.02) for each, effort in zip(sides, (usual, surer))]
        assert found[0].rounds < found[1].rounds
        assert found[0].ratios["cpu"].is_bounded  # what is shown stays at 95 %
        wide, narrow = (each["cpu"] for each in (found[1].ratios_at(surer.confidence), found[1].ratios_at(0.95)))
        assert narrow == found[1].ratios["cpu"]
        assert wide.low < narrow.low < narrow.high < wide.high


def test_it_is_narrow_enough_on_the_clock_that_decides() -> None:
    """Wall time is noisy, CPU time is not: sampling ends at once on one thread, and not on two."""
    random = np.random.default_rng(0)

    def sample(first: int, calls: int) -> Timing:
        return Timing.of((30 * MS * np.exp(random.normal(size=calls))).astype(int).tolist(), [30 * MS] * calls)

    two = Timed(CPU.environment, Point(threads=2))
    effort = Effort(ENDLESS, most=40)
    assert measure_beside(CPU, sample, sample, None, effort).rounds == 20
    assert measure_beside(two, sample, sample, None, effort).rounds == 40
