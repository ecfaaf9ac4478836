"""What the record tells of single calls."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest

from pytest_envrobust.core.timing import Timing
from pytest_envrobust.record import codec
from pytest_envrobust.record.latency_part import ends, latency_part, predicted_part, recorded_times, times_of
from pytest_envrobust.record.schema import Latency, Simultaneous, Times
from pytest_envrobust.timing.drift import Drift
from pytest_envrobust.timing.evidence import LatencyEvidence, LatencyFigures
from pytest_envrobust.timing.intervals import Estimate
from pytest_envrobust.timing.tails import TailCauses


@pytest.mark.parametrize(
    ("calls", "keys"),
    [
        (1, {"median", "n"}),
        (5, {"median", "n"}),
        (6, {"median", "n", "interval"}),
        (19, {"median", "n", "interval"}),
        (20, {"median", "n", "interval", "p90"}),
        (35, {"median", "n", "interval", "p90"}),
        (36, {"median", "n", "interval", "p90", "p90_interval"}),
        (199, {"median", "n", "interval", "p90", "p90_interval"}),
        (200, {"median", "n", "interval", "p90", "p90_interval", "p99"}),
        (367, {"median", "n", "interval", "p90", "p90_interval", "p99"}),
        (368, {"median", "n", "interval", "p90", "p90_interval", "p99", "p99_interval"}),
    ],
)
def test_tails_need_calls_behind_them(calls: int, keys: set[str]) -> None:
    found = codec.plain(predicted_part(Timing.of([2_000_000] * calls, [1_000_000] * calls)))
    assert set(found["wall_ms"]) == set(found["cpu_ms"]) == keys
    assert (found["wall_ms"]["median"], found["cpu_ms"]["median"], found["wall_ms"]["n"]) == (2.0, 1.0, calls)


def test_tails_lie_where_they_should() -> None:
    found = times_of([call * 1_000_000 for call in range(1, 1002)])
    assert found is not None
    assert (found.median, found.p90, found.p99) == (501.0, 901.0, 991.0)
    for interval, tail in [
        (found.interval, found.median),
        (found.p90_interval, found.p90),
        (found.p99_interval, found.p99),
    ]:
        assert interval is not None
        assert tail is not None
        assert interval[0] < tail < interval[1]


@pytest.mark.parametrize("drift", [Drift(), Drift(time=1.2), Drift(1.2, 0.9)])
@pytest.mark.parametrize("quiet", [True, False, None])
def test_what_a_verdict_needs_to_know_of_the_machine_and_of_drifts_is_read_back(
    drift: Drift, quiet: bool | None
) -> None:
    timing = Timing.of([9_000_000] * 40, [5_000_000] * 40, held_up_ns=[2_000_000] * 40)
    evidence = LatencyEvidence(timing, {"own": Estimate(1, 2, 3)}, {"own": Estimate(1, 2, 3)}, quiet=quiet, drift=drift)
    found = recorded_times(codec.typed(codec.plain(latency_part(evidence)), Latency))
    assert (found.quiet, found.drift) == (quiet, drift)
    assert found == replace(LatencyFigures.of(evidence), tails=found.tails, own_tails=found.own_tails)
    assert found.medians["own"].mid == 7.0


def test_tails_without_what_others_took_and_their_causes_are_read_back() -> None:
    wall, others = [9_000_000] * 380 + [19_000_000] * 20, [0] * 380 + [10_000_000] * 20
    evidence = LatencyEvidence(Timing.of(wall, [9_000_000] * 400, held_up_ns=others))
    found = recorded_times(codec.typed(codec.plain(latency_part(evidence)), Latency))
    assert found == LatencyFigures.of(evidence)
    assert found.tail_causes["p99"] == TailCauses(20, 20, 0)
    assert (found.tails["p99"].mid, found.own_tails["p99"].mid) == (19.0, 9.0)


def test_an_estimate_is_recorded_where_it_says_something() -> None:
    assert ends(Estimate(1.0, 1.1, 1.3)) == (1.0, 1.1, 1.3)
    assert ends(Estimate(0.0, 1.1, math.inf)) is None


def test_the_record_keeps_single_calls_in_their_order() -> None:
    few = predicted_part(Timing((3_000_000, 1_000_000), (2_000_000, 500_000)))
    assert few.samples_ms == {"wall": [3.0, 1.0], "cpu": [2.0, 0.5]}
    many = predicted_part(Timing.of([call * 1_000_000 for call in range(1000)], [])).samples_ms
    assert many is not None
    assert list(many) == ["wall"]
    assert len(many["wall"]) == 100
    assert (many["wall"][0], many["wall"][-1]) == (0.0, 999.0)
    assert many["wall"] == sorted(many["wall"])


def test_a_device_has_times_of_its_own() -> None:
    timing = Timing.of([3_000_000] * 6, [1_000_000] * 6, [2_000_000] * 6)
    found = predicted_part(timing)
    assert found.device_ms == Times(median=2.0, n=6, interval=(2.0, 2.0))
    assert found.samples_ms is not None
    assert found.samples_ms["device"] == [2.0] * 6


def test_what_was_not_measured_is_absent() -> None:
    assert codec.plain(predicted_part(Timing((), ()))) == {"from": "predictions"}
    assert set(codec.plain(predicted_part(Timing((1,), ())))) == {"from", "wall_ms", "samples_ms"}


def test_the_recorded_median_is_that_of_the_measured_calls_to_the_last_digit() -> None:
    timing = Timing.of([16_945, 16_946], [44_122, 44_123])
    part = predicted_part(timing)
    assert part.wall_ms is not None
    assert part.cpu_ms is not None
    assert (part.wall_ms.median, part.cpu_ms.median) == (timing.median_wall_ms, timing.median_cpu_ms)


def test_what_an_interval_for_many_cells_does_not_tell_is_unbounded() -> None:
    """Its ratio is known, and that at 95 %; for one cell by itself that is enough."""
    told = Latency(
        clock="cpu",
        wall_ms=Times(median=5.0, n=8, interval=(4.0, 6.0)),
        ratio={"cpu": (1.0, 1.1, 1.2), "wall": (1.0, 1.2, 1.3)},
        simultaneous=Simultaneous(confidence=0.998, ratio={"wall": (0.9, 1.2, 1.5)}),
    )
    found, usual = recorded_times(told, 0.998), recorded_times(told)
    assert found.ratios == {"cpu": Estimate(0.0, 1.1, math.inf), "wall": Estimate(0.9, 1.2, 1.5)}
    assert found.medians["wall"] == Estimate(0.0, 5.0, math.inf)
    assert found.shown == usual
    assert usual.ratios["cpu"] == Estimate(1.0, 1.1, 1.2)
    surer = recorded_times(told, 0.9999)  # of more cells than the run had
    assert surer.ratios["wall"].high > 1.5
