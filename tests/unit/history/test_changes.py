"""Two runs compared."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from msgspec.structs import replace
from numpy.typing import NDArray
from support.records import Synthetic, synthetic

from pytest_envrobust.core.digests import output_digest
from pytest_envrobust.core.status import GRAVITY, Status
from pytest_envrobust.history.changes import CellChange, Changes, Difference, ModelChanges, changes_between
from pytest_envrobust.history.label_changes import LabelChange, LabelChanges, matched_inputs
from pytest_envrobust.history.recorded_run import RecordedRun
from pytest_envrobust.record import codec
from pytest_envrobust.record.document import new_record
from pytest_envrobust.record.schema import (
    Cell,
    FlipCounts,
    Labels,
    Latency,
    Machine,
    MeasuredFrom,
    Model,
    ReferenceRun,
    Run,
    Source,
    Times,
)
from pytest_envrobust.reports.changes import changes_lines, changes_page

REFERENCE, OTHER = "torch/eager/cpu", "torch/ort-all/cpu"
SCORES = np.array([[3.0, 1.0, 0.0], [0.0, 2.0, 1.0], [1.0, 0.9, 0.0], [0.0, 0.0, 5.0]], dtype=np.float32)
DIGESTS = ["0a", "0b", "0c", "0d"]
SOURCE = Source(digest="11" * 32, weights="seeded", preprocess="size 48", label_offset=0)
MODEL = Model(
    name="signs",
    inputs=list("abcd"),
    input_digests=DIGESTS,
    class_names=["stop", "go", "yield"],
    sources={"torch": SOURCE},
)
MACHINE = Machine(
    system="Linux 6.1",
    architecture="x86_64",
    processor="Example 9000",
    features=("avx", "avx2"),
    cores=8,
    memory_bytes=2**35,
    python="3.11.7",
)
RUN = Run(started="2026-03-14", machine=MACHINE, threads=1, versions={"torch": "2.13.0", "onnx": "1.22.0"})


def flipped(*rows: int) -> NDArray[np.float32]:
    """The scores with other labels in these rows."""
    scores = SCORES.copy()
    scores[list(rows)] = np.roll(scores[list(rows)], 1, axis=1)
    return scores


def cell(environment: str, scores: NDArray[Any] | None = SCORES, status: str = "passed", **more: Any) -> Cell:
    digest = None if scores is None else output_digest(scores)
    told = {"model": "signs", "reference": REFERENCE, **more}
    return Cell(environment=environment, status=Status(status), output_digest=digest, **told)


def run_of(
    *cells: Cell, called: str = "a.json", arrays: tuple[NDArray[Any], ...] = (), about: Run = RUN, **model: Any
) -> RecordedRun:
    record = new_record(about, [replace(MODEL, **model)], list(cells))
    return RecordedRun(called, record, Synthetic(record, {output_digest(each): each for each in arrays}))


def compared(before: Cell, after: Cell, *arrays: NDArray[Any], **model: Any) -> CellChange:
    """The change of a single cell; the arrays are kept in both runs."""
    changes = changes_between(run_of(before, arrays=arrays), run_of(after, called="b.json", arrays=arrays, **model))
    return changes.models[0].cells[0]


def both(before: RecordedRun, after: RecordedRun) -> ModelChanges:
    (model,) = changes_between(before, after).models
    return model


def test_a_run_does_not_differ_from_itself() -> None:
    whole = synthetic(models=2, environments=12)
    run = RecordedRun("run.json", whole.record, whole)
    changes = changes_between(run, run)
    assert (changes.machine, changes.versions, changes.is_worse, changes.labels_unknown) == ((), (), False, False)
    for model in changes.models:
        assert (len(model.cells), model.lost, model.gained, model.notes) == (13, (), (), ())
        assert not [each for each in model.cells if each.status_changed or each.labels_changed or each.bits_changed]
    text = "\n".join(changes_lines(changes))
    assert text.count("13 cells in both runs, no status, label or bit changed") == 2


def test_changed_labels_are_named_by_input_and_class() -> None:
    other = flipped(1, 3)
    change = compared(cell(OTHER), cell(OTHER, other), SCORES, other)
    assert change.labels == LabelChanges(
        compared=4,
        count=2,
        first=(LabelChange("b", "go (1)", "yield (2)"), LabelChange("d", "yield (2)", "stop (0)")),
        bits_differ=True,
    )
    assert change.labels_changed
    assert not change.bits_changed


def test_a_change_of_bits_only_is_told_from_one_of_labels() -> None:
    other = SCORES * np.float32(1.0001)
    change = compared(cell(OTHER), cell(OTHER, other), SCORES, other)
    assert (change.bits_changed, change.labels_changed) == (True, False)


def test_a_score_that_is_no_number_any_more_is_a_change() -> None:
    broken = SCORES.copy()
    broken[2, 0] = np.nan
    change = compared(cell(OTHER), cell(OTHER, broken), SCORES, broken)
    assert change.labels is not None
    assert change.labels.first == (LabelChange("c", "stop (0)", "no label"),)
    assert compared(cell(OTHER, broken), cell(OTHER, broken), broken).labels == LabelChanges(
        compared=4, without_label=1
    )


def test_inputs_are_found_by_their_pixels_in_any_order_and_under_any_name() -> None:
    order = [2, 0, 3, 1]
    moved = SCORES[order]
    digests = [DIGESTS[row] for row in order]
    change = compared(cell(OTHER), cell(OTHER, moved), SCORES, moved, input_digests=digests, inputs=list("wxyz"))
    assert change.labels == LabelChanges(compared=4)


def test_the_same_name_with_other_pixels_is_compared_and_told() -> None:
    digests = ["0a", "0b", "ff", "0d"]
    found = matched_inputs(MODEL, replace(MODEL, input_digests=digests))
    assert (len(found.rows), found.other_pixels, found.are_the_same) == (4, 1, False)
    model = both(run_of(cell(OTHER)), run_of(cell(OTHER), input_digests=digests))
    assert model.notes == (
        "inputs: 1 have the same name and other pixels (replaced, or decoded otherwise): "
        "their labels may change for that alone",
    )


def test_labels_are_compared_for_the_inputs_that_both_have() -> None:
    other = flipped(1, 3)[[1, 2]]
    after = run_of(cell(OTHER, other), called="b.json", arrays=(other,), inputs=["b", "c"], input_digests=["0b", "0c"])
    model = both(run_of(cell(OTHER), arrays=(SCORES,)), after)
    labels = model.cells[0].labels
    assert labels is not None
    assert (labels.compared, labels.count, labels.first[0].input) == (2, 1, "b")
    assert model.notes == (
        "inputs: 2 in both, 2 only in a.json, 0 only in b.json: labels are compared for those in both, "
        "agreement is over different inputs",
    )


def test_without_a_common_input_labels_are_not_compared() -> None:
    after = run_of(cell(OTHER), arrays=(SCORES,), inputs=list("wxyz"), input_digests=["1", "2", "3", "4"])
    model = both(run_of(cell(OTHER), arrays=(SCORES,)), after)
    assert model.cells[0].labels_unknown
    assert model.notes == ("inputs: none is in both runs: status and time can be compared, labels cannot",)


def test_classes_of_other_order_are_compared_by_name() -> None:
    moved = SCORES[:, [2, 0, 1]]
    change = compared(cell(OTHER), cell(OTHER, moved), SCORES, moved, class_names=["yield", "stop", "go"])
    assert change.labels is not None
    assert change.labels.count == 0


def counted(agreement: float, real: int = 0) -> Labels:
    return Labels(n=4, agreement=agreement, bound=agreement / 2, flips=FlipCounts(real=real, tie=0, undefined=0))


def test_without_predictions_the_counts_tell() -> None:
    other = flipped(1)
    change = compared(cell(OTHER, labels=counted(1.0)), cell(OTHER, other, labels=counted(0.75, real=1)))
    assert (change.labels, change.labels_unknown, change.labels_changed) == (None, True, True)
    same = compared(cell(OTHER, labels=counted(1.0)), cell(OTHER, other, labels=counted(1.0)))
    assert (same.labels_unknown, same.labels_changed) == (True, False)
    before, after = run_of(change_cell(1.0)), run_of(change_cell(0.75, other, real=1), called="b.json")
    text = "\n".join(changes_lines(changes_between(before, after)))
    assert "labels  torch/ort-all/cpu: not comparable input by input, flips none -> 1 real, agreement 1.000" in text
    assert "1 whose labels cannot be compared input by input" in text


def change_cell(agreement: float, scores: NDArray[Any] = SCORES, real: int = 0) -> Cell:
    return cell(OTHER, scores, labels=counted(agreement, real))


def test_equal_outputs_need_no_predictions() -> None:
    assert compared(cell(OTHER), cell(OTHER)).labels == LabelChanges(compared=4)


def test_equal_outputs_of_other_class_names_are_other_labels() -> None:
    names = ["halt", "go", "yield"]
    change = compared(cell(OTHER), cell(OTHER), SCORES, class_names=names)
    assert change.labels == LabelChanges(
        compared=4,
        count=2,
        first=(LabelChange("a", "stop (0)", "halt (0)"), LabelChange("c", "stop (0)", "halt (0)")),
    )
    assert compared(cell(OTHER), cell(OTHER), class_names=names).labels_unknown


@pytest.mark.parametrize("kept", ["before", "after"])
def test_labels_are_unknown_where_one_run_s_predictions_are_lost(kept: str) -> None:
    other = flipped(1)
    before = run_of(cell(OTHER), arrays=(SCORES, other) if kept == "before" else ())
    after = run_of(cell(OTHER, other), arrays=(SCORES, other) if kept == "after" else ())
    (change,) = both(before, after).cells
    assert (change.labels, change.labels_unknown) == (None, True)


def test_labels_of_a_cell_that_ran_once_only_are_not_unknown() -> None:
    for change in (compared(cell(OTHER), cell(OTHER, None, "crashed")), compared(cell(OTHER, None), cell(OTHER))):
        assert (change.labels, change.labels_unknown, change.labels_changed) == (None, False, False)


@pytest.mark.parametrize(
    ("before", "after", "graver"),
    [("passed", "failed", True), ("failed", "crashed", True), ("crashed", "failed", False),
     ("inconclusive", "passed", False), ("passed", "unavailable", True), ("passed", "limited", True)],
)  # fmt: skip
def test_a_status_can_get_graver_or_better(before: str, after: str, graver: bool) -> None:
    change = compared(cell(OTHER, None, before, required=True), cell(OTHER, None, after, required=True))
    assert (change.status_changed, change.is_graver) == (True, graver)


def test_every_status_has_its_gravity() -> None:
    assert sorted(GRAVITY) == sorted(Status)


def test_another_verdict_on_time_is_a_change_of_status() -> None:
    change = compared(
        cell(OTHER, status="failed", latency=Latency(verdict=Status.INCONCLUSIVE, measured_from="pairs")),
        cell(OTHER, status="failed", latency=Latency(verdict=Status.FAILED, measured_from="pairs")),
    )
    assert change.statuses == ("failed, time inconclusive", "failed")
    assert (change.status_changed, change.is_graver) == (True, False)


def test_cells_are_lost_and_gained_but_not_where_they_were_only_skipped() -> None:
    before = run_of(cell(REFERENCE), cell("torch/script/cpu"), cell("torch/tvm-o0/cpu", None, "unavailable"))
    after = run_of(cell(REFERENCE), cell("torch/inductor/cpu"), cell("torch/tvm-o1/cpu", None, "no-route"))
    model = both(before, after)
    assert [row.environment for row in model.lost] == ["torch/script/cpu"]
    assert [row.environment for row in model.gained] == ["torch/inductor/cpu"]
    assert changes_between(before, after).is_worse


def test_a_cell_is_compared_where_one_run_at_least_did_not_skip_it() -> None:
    def run(status: str) -> RecordedRun:
        return run_of(cell(REFERENCE), cell(OTHER, None, status))

    assert [change.environment for change in both(run("unavailable"), run("no-route")).cells] == [REFERENCE]
    for before, after in (("unavailable", "crashed"), ("failed", "no-route")):
        change = both(run(before), run(after)).cells[1]
        assert (change.environment, change.statuses) == (OTHER, (before, after))


def test_a_model_that_one_run_lacks_is_lost_with_its_cells() -> None:
    faces = cell(OTHER, model="faces")
    before, after = run_of(cell(OTHER), faces), run_of(cell(OTHER), called="b.json")
    lost = changes_between(before, after).models[1]
    assert (lost.name, len(lost.lost), lost.gained) == ("faces", 1, ())
    assert (lost.cells, lost.notes) == ((), ("only a.json has this model",))
    gained = changes_between(after, before).models[1]
    assert (gained.lost, len(gained.gained), gained.notes) == ((), 1, ("only a.json has this model",))
    assert not changes_between(after, before).is_worse


def timed(wall: float, cpu: float, how: MeasuredFrom = "pairs", **more: Any) -> Latency:
    return Latency(wall_ms=Times(median=wall), cpu_ms=Times(median=cpu), measured_from=how, **more)


def test_times_are_ratios_of_medians() -> None:
    change = compared(cell(OTHER, latency=timed(10.0, 8.0)), cell(OTHER, latency=timed(5.0, 10.0, "alone")))
    assert (change.time_ratio("wall"), change.time_ratio("cpu")) == (0.5, 1.25)


@pytest.mark.parametrize(
    "latency", [timed(5.0, 10.0, "predictions"), Latency(measured_from="pairs"), timed(0.0, 0.0), None]
)
def test_times_that_were_not_measured_alike_make_no_ratio(latency: Latency | None) -> None:
    cells = cell(OTHER, latency=latency), cell(OTHER, latency=timed(10.0, 8.0))
    for change in (compared(*cells), compared(*cells[::-1])):
        assert (change.time_ratio("wall"), change.time_ratio("cpu")) == (None, None)


@pytest.mark.parametrize(
    ("before", "after", "ratio"),
    [
        ({"batch": 1, "threads": 1}, {"batch": 1, "threads": 1}, 0.5),
        ({"batch": 1, "threads": 1}, {"batch": 4, "threads": 1}, None),
        ({"batch": 1, "threads": 1}, {"batch": 1, "threads": 2}, None),
        ({}, {"batch": 1, "threads": 1}, 0.5),
    ],
)
def test_times_of_other_batches_or_threads_make_no_ratio(
    before: dict[str, int], after: dict[str, int], ratio: float | None
) -> None:
    change = compared(cell(OTHER, latency=timed(2.0, 2.0, **before)), cell(OTHER, latency=timed(1.0, 1.0, **after)))
    assert change.time_ratio("wall") == ratio


def on(machine: Machine = MACHINE, **about: Any) -> RecordedRun:
    about_it = replace(RUN, machine=machine, **about)
    return run_of(cell(OTHER, latency=timed(1.0, 1.0)), called="b.json", about=about_it)


def on_machine(**facts: Any) -> RecordedRun:
    return on(replace(MACHINE, **facts))


@pytest.mark.parametrize(
    ("after", "difference", "comparable"),
    [
        (on_machine(processor="Example 9100"), Difference("processor", "Example 9000", "Example 9100"), False),
        (on_machine(features=("avx", "sve")), Difference("processor features", "avx2", "sve"), False),
        (on_machine(cores=4), Difference("cores", "8", "4"), False),
        (on(threads=2), Difference("threads", "1", "2"), False),
        (on_machine(governor="powersave"), Difference("governor", "", "powersave"), False),
        (on_machine(architecture="aarch64"), Difference("architecture", "x86_64", "aarch64"), True),
        (on_machine(system="Linux 6.12"), Difference("system", "Linux 6.1", "Linux 6.12"), True),
        (on_machine(python="3.12.1"), Difference("python", "3.11.7", "3.12.1"), True),
        (on_machine(memory_bytes=2**34), Difference("memory", "32.0 GiB", "16.0 GiB"), True),
        (on(preprocess_from="reference"), Difference("preprocessing of", "", "reference"), True),
        (on(reference_run=ReferenceRun(path="x.json")), Difference("labels compared with", "", "x.json"), True),
    ],
    ids=lambda value: getattr(value, "name", None),
)
def test_differences_of_the_machines_and_whether_times_can_be_compared(
    after: RecordedRun, difference: Difference, comparable: bool
) -> None:
    before = run_of(cell(OTHER, latency=timed(1.0, 1.0)))
    changes = changes_between(before, after)
    assert changes.machine == (difference,)
    assert (changes.not_comparable_times == ()) is comparable
    text = "\n".join(changes_lines(changes))
    assert ("times are not comparable: the runs differ in " in text) is not comparable
    assert ("after over before (not comparable)" in text) is not comparable


def test_a_machine_that_tells_no_governor_is_like_one_of_a_run_that_did_not_ask() -> None:
    assert changes_between(on(), on_machine(governor="")).machine == ()
    (difference,) = changes_between(on_machine(governor="performance"), on_machine(governor="schedutil")).machine
    assert difference == Difference("governor", "performance", "schedutil")


@pytest.mark.parametrize(("count", "more"), [(12, ""), (13, " and 1 more"), (30, " and 18 more")])
def test_twelve_features_are_named_and_the_others_counted(count: int, more: str) -> None:
    (difference,) = changes_between(on(), on_machine(features=tuple(f"f{n:02}" for n in range(count)))).machine
    named = "f00, f01, f02, f03, f04, f05, f06, f07, f08, f09, f10, f11"
    assert difference == Difference("processor features", "avx, avx2", f"{named}{more}")


def test_versions_that_changed_came_or_went() -> None:
    changes = changes_between(on(), on(versions={"torch": "2.14.0", "tvm": "0.27"}))
    assert changes.versions == (
        Difference("torch", "2.13.0", "2.14.0"),
        Difference("onnx", "1.22.0", ""),
        Difference("tvm", "", "0.27"),
    )


ALONE = "labels may change for that alone, time can be compared"


@pytest.mark.parametrize(
    ("source", "note"),
    [
        (
            {"digest": "22" * 32},
            "weights or structure differ (111111111111 -> 222222222222): labels and times may change for that alone; "
            "environments of one run can be compared with each other",
        ),
        ({"weights": "trained"}, f"weights seeded -> trained: {ALONE}"),
        ({"preprocess": "size 96"}, f"preprocessing size 48 -> size 96: {ALONE}"),
        ({"label_offset": 1}, f"label offset 0 -> 1: {ALONE}"),
    ],
    ids=lambda value: next(iter(value)) if isinstance(value, dict) else "",
)
def test_another_source_says_what_can_still_be_compared(source: dict[str, Any], note: str) -> None:
    sources = {"torch": replace(SOURCE, **source)}
    assert both(run_of(cell(OTHER)), run_of(cell(OTHER), sources=sources)).notes == (f"torch: {note}",)


@pytest.mark.parametrize("fact", ["digest", "weights", "preprocess", "label_offset"])
def test_what_one_run_does_not_know_of_a_source_is_no_difference(fact: str) -> None:
    known, unknown = run_of(cell(OTHER)), run_of(cell(OTHER), sources={"torch": replace(SOURCE, **{fact: None})})
    assert both(known, unknown).notes == both(unknown, known).notes == ()


def test_a_run_that_tells_no_inputs_has_none_in_common() -> None:
    known, unknown = run_of(cell(OTHER)), run_of(cell(OTHER), inputs=None, input_digests=None)
    said = "inputs: none is in both runs: status and time can be compared, labels cannot"
    assert both(known, unknown).notes == both(unknown, known).notes == (said,)
    assert both(unknown, unknown).notes == ()


def test_sources_and_references_that_differ_are_told() -> None:
    after = run_of(cell(OTHER, reference="keras/eager/cpu"), called="b.json", sources={"keras": Source()})
    assert both(run_of(cell(OTHER)), after).notes == (
        "reference: torch/eager/cpu -> keras/eager/cpu: agreement and ratios are with another one",
        "torch: only a.json has this source",
        "keras: only b.json has this source",
    )


def test_a_reference_that_one_run_does_not_tell_is_called_none() -> None:
    fault = Cell(model="signs", status=Status.FAILED, reason="no such file")
    (note,) = both(run_of(fault), run_of(cell(OTHER))).notes
    assert note == "reference: none -> torch/eager/cpu: agreement and ratios are with another one"


def worse_run() -> Changes:
    other, bits = flipped(1), SCORES * np.float32(1.0001)
    arrays = (SCORES, other, bits)
    before = run_of(
        cell(REFERENCE, latency=timed(2.0, 2.0)), cell(OTHER, labels=counted(1.0)), cell("torch/script/cpu"),
        cell("torch/tvm-o0/cpu"), cell("torch/tvm-o1/cpu"), arrays=arrays,
    )  # fmt: skip
    after = run_of(
        cell(REFERENCE, latency=timed(3.0, 2.2)), cell(OTHER, other, labels=counted(0.75, real=1)),
        cell("torch/script/cpu", bits), cell("torch/tvm-o1/cpu", status="failed", reason="too <slow>"),
        called="b.json", arrays=arrays,
    )  # fmt: skip
    return changes_between(before, after)


def test_the_lines_of_a_comparison() -> None:
    assert changes_lines(worse_run()) == [
        "a.json: 2026-03-14, Example 9000, 8 cores, 1 thread",
        "b.json: 2026-03-14, Example 9000, 8 cores, 1 thread",
        "",
        "signs: 4 cells in both runs, 1 lost, 1 with a graver status, 1 with changed labels, 1 changed in bits only",
        "  lost    torch/tvm-o0/cpu (was passed)",
        "  graver  torch/tvm-o1/cpu: passed -> failed: too <slow>",
        "  labels  torch/ort-all/cpu: 1 of 4 changed, agreement 1.000 (4/4) -> 0.750 (3/4)",
        "    b: go (1) -> yield (2)",
        "  bits    1 changed in bits only: torch/script/cpu",
        "  time, after over before   CPU  wall",
        "  torch/eager/cpu          1.10  1.50",
    ]


def test_the_page_says_the_same_and_escapes_everything() -> None:
    page = changes_page(worse_run())
    assert page.startswith("<!doctype html>")
    for said in (
        "1 of 4 changed",
        "go (1)",
        "yield (2)",
        "passed → failed (graver)",
        "too &lt;slow&gt;",
        "1.10",
        "1.50",
        "torch/tvm-o0/cpu",
        "the same, bits differ",
        "1.000 (4/4) → 0.750 (3/4)",
        "✕ A cell was lost",
    ):
        assert said in page
    assert "<slow>" not in page
    assert "http" not in page


def test_the_page_escapes_names_of_all_kinds() -> None:
    nasty = "<script>alert(1)</script>"
    other = flipped(1)
    model = {"inputs": ["d", "c", "b", nasty], "input_digests": [], "class_names": [nasty] * 3, "name": nasty}
    runs = [
        run_of(cell(f"{nasty}/a/b", scores, status, model=nasty, reason=nasty), arrays=(SCORES, other),
               called=f"{nasty}{status}", about=replace(RUN, versions={nasty: status}), **model)
        for scores, status in ((SCORES, "passed"), (other, "failed"))
    ]  # fmt: skip
    page = changes_page(changes_between(*runs))
    assert "<script>" not in page
    assert page.count("&lt;script&gt;") >= 10


def test_runs_with_faulty_declarations_or_nothing_at_all_are_compared() -> None:
    fault = Cell(model="signs", status=Status.FAILED, reason="no such file")
    nothing = new_record(Run(), [], [])
    empty = RecordedRun("empty.json", nothing, Synthetic(nothing))
    faulty = RecordedRun("faulty.json", replace(nothing, cells=[fault]), Synthetic(nothing))
    assert changes_lines(changes_between(empty, empty)) == ["empty.json: ", "empty.json: "]
    assert "  gained  (declaration) (failed)" in changes_lines(changes_between(empty, faulty))
    assert "signs: 1 cell in both runs, no status, label or bit changed" in changes_lines(
        changes_between(faulty, faulty)
    )
    for pair in ((empty, empty), (empty, faulty), (faulty, faulty)):
        assert "</html>" in changes_page(changes_between(*pair))


def test_comparing_leaves_the_records_as_they_are() -> None:
    whole = synthetic(environments=6)
    before = codec.encode(whole.record)
    changes_between(RecordedRun("a", whole.record, whole), RecordedRun("b", whole.record, whole))
    assert codec.encode(whole.record) == before
