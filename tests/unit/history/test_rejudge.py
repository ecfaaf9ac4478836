"""Other limits on a run that is over."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from support.records import Synthetic, record_of, synthetic

from pytest_envrobust.comparison.labels import compare_labels
from pytest_envrobust.core.digests import output_digest
from pytest_envrobust.core.errors import DeclarationError
from pytest_envrobust.history.rejudge import ORIGIN, judged_again
from pytest_envrobust.record import codec
from pytest_envrobust.record.label_part import labels_part
from pytest_envrobust.record.schema import Part
from pytest_envrobust.verdicts.limits import Limit

REFERENCE, OTHER = "torch/eager/cpu", "torch/ort-all/cpu"
EXPECTED = np.array([[3.0, 1.0, 0.0], [0.0, 2.0, 1.0], [1.0, 0.9, 0.0], [0.0, 0.0, 5.0]], dtype=np.float32)
ACTUAL = EXPECTED.copy()
ACTUAL[2] = [0.9, 1.0, 0.0]  # a flip where the reference's margin is 0.1
SCORES = {REFERENCE: EXPECTED, OTHER: ACTUAL}


def limits(**values: float) -> dict[str, Limit]:
    return {name: Limit(name, value, ORIGIN) for name, value in values.items()}


def entry(environment: str, status: str = "passed", **more: Any) -> dict[str, Any]:
    digest = {"output_digest": output_digest(SCORES[environment])} if environment in SCORES else {}
    return {"model": "signs", "environment": environment, "reference": REFERENCE, "status": status, **digest, **more}


def labels(environment: str = OTHER, limit: float | None = None, **more: Any) -> dict[str, Any]:
    figures = plain(labels_part(compare_labels(SCORES[environment], EXPECTED, inputs=list("abcd"))))
    if limit is None:
        return figures | more
    verdict = "passed" if figures["agreement"] >= limit else "failed"
    terms = {"ties": "count", "limit_on": "share", "verdict": verdict}
    return figures | {"limit": limit, "limit_from": "ini", **terms} | more


SLOW = [9.0, 9.0, 9.0]


def timed(
    interval: list[float] | None = None,
    ratio: list[float] | None = None,
    by_wall: list[float] | None = None,
    **more: Any,
) -> dict[str, Any]:
    wall: dict[str, Any] = {"median": 10.0, "n": 20} | ({"interval": interval} if interval else {})
    clocks = {"ratio": {"wall": by_wall or ratio, "cpu": ratio}} if ratio else {}
    return {
        "wall_ms": wall,
        "cpu_ms": {"median": 10.0, "n": 20},
        **clocks,
        "from": "pairs" if ratio else "alone",
        **more,
    }


def kept(*cells: dict[str, Any], arrays: dict[str, NDArray[Any]] | None = None, **run: Any) -> Synthetic:
    model = {"name": "signs", "inputs": list("abcd"), "class_names": ["stop", "go", "yield"]}
    record = record_of(cells, [model], **run)
    given = SCORES if arrays is None else arrays
    return Synthetic(record, {output_digest(array): array for array in given.values()})


def again(whole: Synthetic, **values: float) -> list[dict[str, Any]]:
    before = codec.encode(whole.record)
    found = judged_again(whole.record, whole, limits(**values)).cells
    assert codec.encode(whole.record) == before
    return [plain(cell) for cell in found]


def plain(part: Part) -> dict[str, Any]:
    """As JSON has it: lists in the place of tuples."""
    found: dict[str, Any] = json.loads(json.dumps(codec.plain(part)))
    return found


@pytest.mark.parametrize(("limit", "status"), [(0.76, "failed"), (0.75, "passed"), (0.0, "passed")])
def test_labels_are_judged_on_the_arrays_whatever_was_counted(limit: float, status: str) -> None:
    counted = labels(REFERENCE, limit=1.0)
    cell, _ = again(kept(entry(OTHER, labels=counted), entry(REFERENCE)), min_label_agreement=limit)
    assert cell["status"] == status
    assert cell["labels"] == labels(limit=limit, limit_from="envrobust report")
    assert (cell["labels"]["agreement"], cell["labels"]["flipped"][0]["input"]) == (0.75, "c")


def test_a_failure_has_its_reason_and_a_pass_has_none() -> None:
    failed, passed, _ = again(
        kept(
            entry(OTHER, labels=labels(limit=0.5)),
            entry(OTHER, "failed", labels=labels(limit=0.5, agreement=0.25, verdict="failed"), reason="too few"),
            entry(REFERENCE),
        ),
        min_label_agreement=0.8,
    )
    said = "signs in torch/ort-all/cpu: 1 of 4 top-1 labels differs from torch/eager/cpu "
    assert failed["reason"].startswith(f"{said}(agreement 0.750, limit 0.8 from envrobust report)")
    assert "\n" not in failed["reason"]
    assert passed["reason"] == failed["reason"]
    cell = again(kept(entry(OTHER, "failed", labels=labels(limit=1.0), reason="too few"), entry(REFERENCE)),
                 min_label_agreement=0.7)[0]  # fmt: skip
    assert cell["status"] == "passed"
    assert "reason" not in cell


def test_the_recorded_noise_tells_ties_apart_in_every_cell_of_the_reference() -> None:
    cells = again(
        kept(entry(OTHER, labels=labels(noise=0.06)), entry(REFERENCE, labels=labels(REFERENCE))),
        min_label_agreement=0.5,
    )
    assert cells[0]["labels"]["flips"] == {"real": 0, "tie": 1, "undefined": 0}
    assert [cell["labels"]["noise"] for cell in cells] == [0.06, 0.06]


def test_scores_with_nan_fail_whatever_the_limit() -> None:
    broken = ACTUAL.copy()
    broken[0, 1] = np.nan
    cell = entry(OTHER, labels=labels(limit=0.0)) | {"output_digest": output_digest(broken)}
    found = again(kept(cell, entry(REFERENCE), arrays={REFERENCE: EXPECTED, OTHER: broken}), min_label_agreement=0.0)[0]
    assert found["status"] == "failed"
    assert found["labels"]["flips"]["undefined"] == 1
    assert "margin" in found["labels"]["flipped"][0]
    assert "actual_margin" not in found["labels"]["flipped"][0]


def test_without_predictions_labels_are_inconclusive() -> None:
    found = again(kept(entry(OTHER, labels=labels(limit=0.9)), entry(REFERENCE), arrays={}), min_label_agreement=0.5)
    assert found[0]["status"] == "inconclusive"
    assert "its predictions were not kept (limit 0.5 from envrobust report)" in found[0]["reason"]
    assert (found[0]["labels"]["limit"], found[0]["labels"]["limit_from"]) == (0.5, "envrobust report")


def test_a_file_that_lacks_the_reference_is_an_error() -> None:
    whole = kept(entry(OTHER, labels=labels()), entry(REFERENCE), arrays={OTHER: ACTUAL})
    with pytest.raises(DeclarationError) as caught:
        again(whole, min_label_agreement=0.5)
    assert str(caught.value) == (
        f"the predictions of signs in torch/eager/cpu, the reference, are missing: there is no "
        f"{output_digest(EXPECTED)[:16]}... in the file beside the record (run again with --envrobust-json)"
    )


def test_counts_are_judged_where_the_reference_is_in_no_cell() -> None:
    (found,) = again(kept(entry(OTHER, "failed", labels=labels(limit=1.0)), arrays={}), min_label_agreement=0.75)
    assert found["status"] == "passed"
    assert found["labels"] == labels(limit=0.75, limit_from="envrobust report")


def test_counts_are_judged_where_an_earlier_run_was_the_reference() -> None:
    elsewhere = labels(limit=1.0, reference="torch/eager/cpu of x86.json")
    cells = [entry(REFERENCE, labels=elsewhere), entry(OTHER)]
    here, without = again(kept(*cells, reference_run={"path": "x86.json"}), min_label_agreement=0.9)
    assert "differs from torch/eager/cpu of x86.json" in here["reason"]
    assert here["labels"]["agreement"] == 0.75
    assert without["status"] == "inconclusive"


def test_scores_for_other_classes_fail() -> None:
    wide = np.zeros((4, 5), dtype=np.float32)
    cell = entry(OTHER) | {"output_digest": output_digest(wide)}
    found = again(kept(cell, entry(REFERENCE), arrays={REFERENCE: EXPECTED, OTHER: wide}), min_label_agreement=0.1)[0]
    assert found["status"] == "failed"
    assert "class counts differ" in found["reason"]


@pytest.mark.parametrize(
    ("values", "status"),
    [
        ({"max_latency_ms": 12.0}, "passed"),
        ({"max_latency_ms": 10.0}, "inconclusive"),
        ({"max_latency_ms": 8.0}, "failed"),
        ({"max_latency_ratio": 1.5}, "passed"),
        ({"max_latency_ratio": 1.1}, "inconclusive"),
        ({"max_latency_ratio": 0.9}, "failed"),
        ({"max_latency_ms": 12.0, "max_latency_ratio": 0.9}, "failed"),
    ],
)
def test_time_is_judged_on_the_recorded_intervals(values: dict[str, float], status: str) -> None:
    cell = entry(OTHER, latency=timed([9.0, 11.0], [1.0, 1.1, 1.2]))
    (found,) = again(kept(cell), **values)
    assert (found["status"], found["latency"]["verdict"]) == (status, status)
    assert found["latency"]["limit_from"] == "envrobust report"
    assert found["latency"]["limit"] == values[found["latency"]["limit_name"]]
    assert ("reason" in found) == (status != "passed")


def test_the_gravest_of_two_limits_on_time_is_recorded() -> None:
    cell = entry(OTHER, latency=timed([9.0, 11.0], [1.0, 1.1, 1.2]))
    (found,) = again(kept(cell), max_latency_ms=12.0, max_latency_ratio=0.9)
    assert (found["latency"]["limit_name"], found["latency"]["limit"]) == ("max_latency_ratio", 0.9)


def test_a_device_other_than_a_processor_is_judged_on_wall_time() -> None:
    cell = entry("torch/eager/cuda:0", latency=timed([9.0, 11.0], [1.0, 1.0, 1.0], SLOW))
    assert again(kept(cell), max_latency_ratio=5.0)[0]["status"] == "failed"


def test_the_recorded_clock_decides() -> None:
    cell = entry(OTHER, latency=timed([9.0, 11.0], [1.0, 1.0, 1.0], SLOW, clock="wall"))
    (found,) = again(kept(cell), max_latency_ratio=5.0)
    assert found["status"] == "failed"
    assert "9.00 times the wall time" in found["reason"]


@pytest.mark.parametrize(
    ("more", "status"),
    [
        ({}, "failed"),
        ({"control": {"cpu": [0.99, 1.0, 1.01]}}, "failed"),
        ({"control": {"cpu": [1.05, 1.06, 1.07]}}, "inconclusive"),
        ({"control": {"wall": [1.05, 1.06, 1.07]}}, "failed"),
        ({"control_fault": "its worker died"}, "inconclusive"),
    ],
)
def test_a_ratio_is_judged_with_its_recorded_control(more: dict[str, Any], status: str) -> None:
    cell = entry(OTHER, latency=timed([9.0, 11.0], [1.02, 1.03, 1.04], **more))
    (found,) = again(kept(cell), max_latency_ratio=1.0)
    assert (found["status"], found["latency"]["verdict"]) == (status, status)


@pytest.mark.parametrize(
    ("name", "value", "status"),
    [
        ("max_latency_p90_ms", 13.5, "passed"),
        ("max_latency_p90_ms", 12.0, "inconclusive"),
        ("max_latency_p90_ms", 11.0, "failed"),
        ("max_latency_p99_ms", 100.0, "inconclusive"),
    ],
)
def test_tails_are_judged_on_what_is_recorded_of_them(name: str, value: float, status: str) -> None:
    latency = timed([9.0, 11.0])
    latency["wall_ms"] |= {"n": 60, "p90": 12.0, "p90_interval": [11.5, 13.0]}
    (found,) = again(kept(entry(OTHER, latency=latency)), **{name: value})
    assert (found["status"], found["latency"]["limit_name"]) == (status, name)
    if name == "max_latency_p99_ms":
        assert "60 timed calls, and an upper bound of p99 needs 368" in found["reason"]


POINTS = [
    {"batch": 8, "threads": 1, "clock": "cpu", "ratio": {"cpu": [1.9, 2.0, 2.1], "wall": [1.0, 1.0, 1.0]}},
    {"batch": 1, "threads": 2, "reason": "torch/ort-all/cpu cannot be timed so"},
]


def test_a_ratio_is_judged_at_each_recorded_point_and_the_message_names_it() -> None:
    cell = entry(OTHER, latency=timed([9.0, 11.0], [1.0, 1.0, 1.0], points=POINTS))
    (found,) = again(kept(cell), max_latency_ratio=1.5)
    assert (found["status"], found["latency"]["verdict"]) == ("failed", "failed")
    assert found["reason"].startswith("signs in torch/ort-all/cpu at batch 8, 1 thread: too slow, 2.00 times")
    assert again(kept(cell), max_latency_ratio=3.0)[0]["status"] == "passed"
    assert again(kept(cell), max_latency_ms=12.0)[0]["status"] == "passed"


def test_a_regression_cannot_be_judged_without_the_earlier_run() -> None:
    for environment in (OTHER, REFERENCE):
        cell = entry(environment, latency=timed([9.0, 11.0], [1.0, 1.0, 1.0]))
        (found,) = again(kept(cell), max_latency_regression=1.1)
        assert found["status"] == "inconclusive"
        assert "no earlier run to compare its time with (limit 1.1 from envrobust report)" in found["reason"]


REGRESSION = {"limit": 1.1, "limit_name": "max_latency_regression", "limit_from": "ini"}


@pytest.mark.parametrize("status", ["failed", "inconclusive"])
@pytest.mark.parametrize("reason", ["signs in a: 1.30 times what it took in old.json (limit 1.1 from ini)", None])
def test_a_recorded_regression_stands_where_another_limit_is_judged(status: str, reason: str | None) -> None:
    latency = timed([9.0, 11.0], [1.0, 1.0, 1.0], **REGRESSION, verdict=status)
    cell = entry(OTHER, status, latency=latency, **({"reason": reason} if reason else {}))
    (found,) = again(kept(cell), max_latency_ms=12.0)
    verdicts = found["latency"].pop("verdicts")
    assert (found["status"], found["latency"]) == (status, latency)
    assert [told["limit_name"] for told in verdicts] == ["max_latency_regression", "max_latency_ms"]
    said = f"max_latency_regression was judged as {status} in the run (limit 1.1 from ini)"
    assert found["reason"] == (reason or f"signs in torch/ort-all/cpu: {said}")


def test_the_reason_of_labels_is_not_taken_for_that_of_a_regression() -> None:
    latency = timed([9.0, 11.0], [1.0, 1.0, 1.0], **{**REGRESSION, "limit": 1.0}, verdict="failed")
    reason = "1 of 4 top-1 labels differs (agreement 0.750, limit 1 from ini)"
    cell = entry(OTHER, "failed", labels=labels(limit=1.0), latency=latency, reason=reason)
    found = again(kept(cell, entry(REFERENCE)), min_label_agreement=0.5)[0]
    assert found["status"] == "failed"
    assert found["reason"].endswith("max_latency_regression was judged as failed in the run (limit 1 from ini)")


def test_a_kept_regression_gives_way_to_a_graver_verdict() -> None:
    latency = timed([9.0, 11.0], [1.0, 1.0, 1.0], **REGRESSION, verdict="passed")
    (found,) = again(kept(entry(OTHER, latency=latency)), max_latency_ms=8.0)
    assert (found["status"], found["latency"]["limit_name"]) == ("failed", "max_latency_ms")


@pytest.mark.parametrize(
    ("latency", "why"),
    [
        (
            timed([9.0, 11.0]) | {"from": "predictions"},
            "no time was measured, only the calls that gave the predictions",
        ),
        (timed(None), "too few for an interval"),
        (None, "no time was measured (limit"),
    ],
)
def test_time_that_was_not_measured_is_inconclusive(latency: dict[str, Any] | None, why: str) -> None:
    cell = entry(OTHER) if latency is None else entry(OTHER, latency=latency)
    (found,) = again(kept(cell), max_latency_ms=100.0)
    assert found["status"] == "inconclusive"
    assert why in found["reason"]


def test_the_reference_has_no_ratio_to_be_judged() -> None:
    cell = entry(REFERENCE, latency=timed([9.0, 11.0]))
    assert again(kept(cell), max_latency_ratio=0.1) == [cell]


def test_each_limit_goes_to_the_tests_that_were_about_it() -> None:
    cells = [
        entry(OTHER, labels=labels(), latency=timed([9.0, 11.0]) | {"from": "predictions"}),
        entry(OTHER, latency=timed([9.0, 11.0], [1.0, 1.1, 1.2])),
        entry(OTHER),
        entry(REFERENCE),
    ]
    about_labels, about_time, neither, _ = again(kept(*cells), min_label_agreement=0.5, max_latency_ms=8.0)
    assert [cell["status"] for cell in (about_labels, about_time, neither)] == ["passed", "failed", "passed"]
    assert "limit" not in about_labels["latency"]
    assert "labels" not in about_time
    assert neither == cells[2]


def test_a_cell_that_no_test_compared_is_judged_in_its_first_entry() -> None:
    first, second, _ = again(kept(entry(OTHER), entry(OTHER), entry(REFERENCE)), min_label_agreement=1.0)
    assert (first["status"], first["labels"]["agreement"]) == ("failed", 0.75)
    assert second == entry(OTHER)


def test_limits_that_are_not_given_stand() -> None:
    latency = timed(
        [9.0, 11.0], [1.0, 1.1, 1.2], limit=8.0, limit_name="max_latency_ms", limit_from="ini", verdict="failed"
    )
    cell = entry(OTHER, "failed", labels=labels(limit=0.9), latency=latency)
    found = again(kept(cell, entry(REFERENCE)), min_label_agreement=0.5)[0]
    assert [told["verdict"] for told in found["latency"].pop("verdicts")] == ["failed"]
    assert (found["status"], found["latency"]) == ("failed", latency)
    assert "limit 8 ms from ini" in found["reason"]
    # without any predictions, the counts still keep their limit
    cell = entry(OTHER, "failed", labels=labels(limit=0.9), latency=latency)
    found = again(kept(cell, arrays={}), max_latency_ms=20.0)[0]
    assert found["status"] == "failed"
    assert "limit 0.9 from ini" in found["reason"]
    assert found["labels"] == labels(limit=0.9)


@pytest.mark.parametrize(
    "cell",
    [
        entry(OTHER, "crashed", stage="run", reason="boom"),
        entry(OTHER, "failed", stage="load", reason="the reference cannot run"),
        entry("torch/tvm-o3/cpu", "unavailable", reason="tvm is not installed"),
        entry("torch/tvm-o3/cpu", "no-route", reason="no route"),
        entry(OTHER, "limited", labels=labels(limit=1.0), reason="known"),
        {"model": "signs", "status": "failed", "reason": "no such file"},
        {"status": "failed", "reason": "no model is declared"},
    ],
    ids=lambda cell: f"{cell['status']}-{cell.get('stage', '')}",
)
def test_what_never_ran_or_is_a_known_limitation_stays_as_it_is(cell: dict[str, Any]) -> None:
    assert again(kept(cell), min_label_agreement=0.0, max_latency_ms=1e6, max_latency_ratio=1e6) == [cell]


def test_a_known_limitation_is_not_judged_through_another_test_of_the_cell() -> None:
    cells = [
        entry(OTHER, "limited", labels=labels(limit=1.0)),
        entry(OTHER, latency=timed([1.0, 2.0])),
        entry(REFERENCE),
    ]
    assert again(kept(*cells), min_label_agreement=1.0)[:2] == cells[:2]


def test_a_test_that_failed_for_its_own_reason_stays_failed() -> None:
    cell = entry(OTHER, "failed", labels=labels(limit=0.5), reason="assert 1 == 2")
    found = again(kept(cell, entry(REFERENCE)), min_label_agreement=0.6)[0]
    assert (found["status"], found["reason"]) == ("failed", "assert 1 == 2")
    assert found["labels"]["limit"] == 0.6


def test_inconclusive_time_that_failed_a_strict_run_is_judged_again() -> None:
    latency = timed([9.0, 11.0], limit=10.0, limit_name="max_latency_ms", limit_from="ini", verdict="inconclusive")
    (found,) = again(kept(entry(OTHER, "failed", latency=latency, reason="inconclusive")), max_latency_ms=12.0)
    assert found["status"] == "passed"


def test_a_whole_run_is_judged_as_it_was_under_its_own_limit() -> None:
    whole = synthetic(models=2, environments=12, inputs=40)
    found = again(whole, min_label_agreement=0.9)
    assert [cell["status"] for cell in found] == [cell.status for cell in whole.record.cells]
    for cell, before in zip(found, map(plain, whole.record.cells)):
        assert {**cell.get("labels", {}), "limit_from": ""} == {**before.get("labels", {}), "limit_from": ""}


def test_of_several_recorded_verdicts_those_that_are_not_judged_again_stand() -> None:
    failed = [{**REGRESSION, "verdict": "failed"}]
    failed.append({"limit": 8.0, "limit_name": "max_latency_ms", "limit_from": "ini", "verdict": "failed"})
    latency = timed([9.0, 11.0], [1.0, 1.0, 1.0], **failed[1], verdicts=failed)
    (found,) = again(kept(entry(OTHER, "failed", latency=latency)), max_latency_ms=12.0)
    assert found["status"] == "failed"
    assert found["latency"]["limit_name"] == "max_latency_regression"
    assert {told["limit_name"]: told["verdict"] for told in found["latency"]["verdicts"]} == {
        "max_latency_regression": "failed",
        "max_latency_ms": "passed",
    }
