"""The view of a record: rows, the gravest status, distinct outputs."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest
from msgspec.structs import replace
from support.records import analysis_of, record_of, synthetic

from pytest_envrobust.core.status import Status
from pytest_envrobust.history.view import GROUPS, ModelView, Row, model_views
from pytest_envrobust.record import codec
from pytest_envrobust.record.document import new_record
from pytest_envrobust.record.schema import (
    Adequacy,
    Analysis,
    Cell,
    Fault,
    FlipCounts,
    Invariant,
    Labels,
    Latency,
    Model,
    OtherPart,
    Run,
    Scores,
    Source,
    Times,
)

REFERENCE = "torch/eager/cpu"
AGREEING = Labels(n=4, agreement=1.0, bound=0.47, flips=FlipCounts(real=0, tie=0, undefined=0))


def cell(environment: str, status: str = "passed", **more: Any) -> Cell:
    return Cell(model="signs", environment=environment, status=Status(status), reference=REFERENCE, **more)


def view_of(*cells: Cell, models: Sequence[Model] = ()) -> ModelView:
    (view,) = model_views(new_record(Run(), list(models), list(cells)))
    return view


def test_the_entries_of_an_environment_become_one_row() -> None:
    paired = Latency(measured_from="pairs", wall_ms=Times(median=2.0))
    view = view_of(
        cell("torch/script/cpu", labels=AGREEING, latency=Latency(measured_from="predictions"), output_digest="aa"),
        cell("torch/script/cpu", latency=paired),
    )
    assert view.rows == (
        Row("torch/script/cpu", Status.PASSED, "", is_reference=False, labels=AGREEING, latency=paired, output="aa"),
    )


def test_further_points_of_all_entries_belong_to_the_environment() -> None:
    batch, threads = Latency(batch=8, threads=1), Latency(batch=1, threads=2)
    (row,) = view_of(
        cell("a/b/c", latency=Latency(measured_from="predictions")),
        cell("a/b/c", latency=Latency(measured_from="alone", points=[batch])),
        cell("a/b/c", latency=Latency(measured_from="alone", points=[threads, batch])),
    ).rows
    assert row.latency == Latency(measured_from="alone", points=[batch, threads])


def test_points_that_do_not_tell_batch_or_threads_are_at_one_of_each() -> None:
    told = [Latency(batch=8), Latency(threads=4), Latency(batch=8, threads=1), Latency(batch=1, threads=4)]
    others = [Latency(batch=4), Latency(threads=2), Latency(batch=2, threads=2)]
    (row,) = view_of(cell("a/b/c", latency=Latency(points=told)), cell("a/b/c", latency=Latency(points=others))).rows
    assert row.latency is not None
    assert row.latency.points == [*told[:2], *others]


def test_what_the_entries_of_an_environment_found_is_gathered_from_all_of_them() -> None:
    scores, holds = Scores(abs_error=0.1), Invariant(name="batch", holds=True, said="equal")
    broken = Invariant(name="repeat", holds=False, said="3 differ")
    first, second, other = (OtherPart(figures={"n": n}) for n in (1, 2, 3))
    (row,) = view_of(
        cell("a/b/c", checks={"flatness": first}),
        cell("a/b/c", scores=scores, invariants=[holds], output_digest="aa"),
        cell("a/b/c", scores=Scores(abs_error=0.2), invariants=[broken], checks={"flatness": second, "depth": other}),
        cell("a/b/c", output_digest="bb"),
    ).rows
    assert (row.scores, row.invariants, row.output) == (scores, (holds, broken), "aa")
    assert row.checks == {"flatness": first, "depth": other}


def test_an_environment_that_gave_no_predictions_has_no_output() -> None:
    (row,) = view_of(cell("a/b/c", "crashed")).rows
    assert (row.output, row.ran, row.was_timed) == ("", False, False)


@pytest.mark.parametrize("grave", [status.value for status in Status if status is not Status.PASSED])
def test_the_gravest_status_of_an_environment_is_shown_with_its_reason(grave: str) -> None:
    required = grave in ("unavailable", "no-route", "unsupported")
    view = view_of(cell("a/b/c"), cell("a/b/c", grave, reason="so it is", required=required), cell("a/b/c"))
    assert (view.rows[0].status, view.rows[0].reason) == (grave, "so it is")


def test_a_failure_outweighs_an_inconclusive_verdict() -> None:
    assert view_of(cell("a/b/c", "inconclusive"), cell("a/b/c", "failed")).rows[0].status == "failed"
    assert view_of(cell("a/b/c", "failed"), cell("a/b/c", "crashed")).rows[0].status == "crashed"


@pytest.mark.parametrize("absent", ["unavailable", "no-route", "unsupported"])
def test_what_a_cell_has_not_counts_only_where_it_has_no_other_entry_or_is_required(absent: str) -> None:
    lacking = cell("keras/recorded/elsewhere", absent, reason="it has no time")
    passed = cell("keras/recorded/elsewhere", output_digest="x")
    (row,) = view_of(passed, lacking).rows
    assert (row.status, row.reason, row.group) == ("passed", "", "passed")
    (row,) = view_of(passed, lacking, cell("keras/recorded/elsewhere", "inconclusive")).rows
    assert row.group == "inconclusive"
    (row,) = view_of(lacking, lacking).rows
    assert (row.status, row.reason, row.group) == (absent, "it has no time", "skipped")
    (row,) = view_of(passed, replace(lacking, required=True)).rows
    assert (row.status, row.group) == (absent, "failed")


def test_the_reference_is_known_by_name() -> None:
    view = view_of(cell(REFERENCE), cell("torch/script/cpu"))
    assert view.reference == REFERENCE
    assert [row.is_reference for row in view.rows] == [True, False]


def test_the_reference_of_an_earlier_run_is_told_and_no_environment_of_this_one_is_it() -> None:
    here, elsewhere = AGREEING, replace(AGREEING, reference="torch/eager/cpu of x86.json")
    view = view_of(cell(REFERENCE, labels=elsewhere), cell("torch/script/cpu", labels=elsewhere))
    assert view.reference == "torch/eager/cpu of x86.json"
    assert [row.is_reference for row in view.rows] == [False, False]
    view = view_of(cell("torch/script/cpu", labels=here), cell(REFERENCE, labels=here))
    assert view.reference == REFERENCE
    assert [row.is_reference for row in view.rows] == [False, True]


def test_distinct_outputs_get_letters_in_order_of_appearance() -> None:
    cells = [cell(f"e/{index}/cpu", output_digest=digest) for index, digest in enumerate(["x", "y", "x", "z"])]
    view = view_of(*cells, cell("e/none/cpu", "crashed"))
    assert view.outputs == {"x": "a", "y": "b", "z": "c"}
    assert len(view.ran) == 4


def test_letters_go_on_after_z() -> None:
    cells = [cell(f"e/{index}/cpu", output_digest=str(index)) for index in range(54)]
    letters = list(view_of(*cells).outputs.values())
    assert (letters[0], letters[25], letters[26], letters[51], letters[52]) == ("a", "z", "aa", "az", "ba")
    assert len(set(letters)) == 54


def test_absent_environments_are_counted_by_reason() -> None:
    view = view_of(
        cell("a/tvm-o0/cpu", "unavailable", reason="tvm is not installed"),
        cell("a/tvm-o1/cpu", "unavailable", reason="tvm is not installed"),
        cell("keras/eager/cpu", "no-route", reason="no route"),
        cell("a/b/cpu", "crashed", reason="boom"),
    )
    assert view.absent == {"tvm is not installed": 2, "no route": 1}


@pytest.mark.parametrize("status", [status.value for status in Status])
@pytest.mark.parametrize("required", [False, True])
def test_what_pytest_shows_as_a_failure_has_failed(status: str, required: bool) -> None:
    (row,) = view_of(cell("a/b/cpu", status, required=required)).rows
    harmless = {"passed", "inconclusive", "limited", "not-run"} | (
        set() if required else {"unavailable", "no-route", "unsupported"}
    )
    assert row.has_failed == (status not in harmless)
    assert row.group in GROUPS
    assert (row.group == "failed") == row.has_failed


def test_an_absent_environment_that_left_an_output_was_skipped_all_the_same() -> None:
    (row,) = view_of(cell("a/b/cpu", "unavailable", output_digest="x")).rows
    assert row.group == "skipped"


def test_outputs_that_several_environments_gave_are_identical() -> None:
    view = view_of(*(cell(f"e/{name}/cpu", output_digest=digest) for name, digest in zip("pqrs", "xyzy")))
    assert view.identical == (("b", ("e/q/cpu", "e/s/cpu")),)


def test_guesses_are_noted_once() -> None:
    model = Model(name="signs", guesses={"torch": "guessed 224", "onnx": "guessed 224", "keras": "guessed 299"})
    assert view_of(cell("a/b/c"), models=[model]).notes == ("guessed 224", "guessed 299")


def test_what_a_record_knows_of_a_model_is_in_its_view() -> None:
    record = synthetic(environments=12).record
    (view,) = model_views(record)
    analysis = record.models[0].analysis
    assert analysis is not None
    assert view.sensitivity == tuple(analysis.sensitivity) != ()
    assert view.accuracy == tuple(analysis.accuracy or ()) != ()
    assert view.notes == ("weights in torch and keras: seeded, not trained (seed 0)",)


def test_a_model_without_an_analysis_has_no_sensitivity_and_no_accuracy() -> None:
    for models in ([], [Model(name="signs")], [Model(name="signs", analysis=codec.typed(analysis_of(), Analysis))]):
        view = view_of(cell("a/b/c"), models=models)
        assert (view.sensitivity, view.accuracy, view.notes) == ((), (), ())


def test_notes_are_guesses_then_weights_then_what_looks_wrong_with_the_scores() -> None:
    sources = {
        "torch": Source(weights="random"),
        "onnx": Source(),
        "keras": Source(weights="trained"),
        "tflite": Source(weights="random"),
    }
    analysis = codec.typed(analysis_of(notices=["labels look shifted", "guessed 224"]), Analysis)
    model = Model(name="signs", guesses={"torch": "guessed 224"}, sources=sources, analysis=analysis)
    assert view_of(cell("a/b/c"), models=[model]).notes == (
        "guessed 224",
        "weights in torch and tflite: random",
        "weights in keras: trained",
        "labels look shifted",
    )


def test_what_the_inputs_can_tell_is_noted_under_the_most_generous_limit() -> None:
    faults = [Fault(fault="shift", changed=count, n=10, strength=by) for count, by in ((1, 1.0), (3, 8.0))]
    adequacy = {REFERENCE: Adequacy(n=10, distinct_labels=4, faults=faults)}
    model = Model(name="signs", adequacy=adequacy)
    strict, generous = (cell("a/b/c", labels=replace(AGREEING, limit=limit)) for limit in (0.95, 0.75))
    said = "of faults, as 2 seeded ones of 1 kind predict"
    assert view_of(strict, models=[model]).notes == (f"the inputs would see 100% (100% to 100%) {said}",)
    assert view_of(strict, generous, cell("a/b/c", labels=AGREEING), models=[model]).notes == (
        f"the inputs would see 33% (33% to 33%) {said}",
        "they would see no weaker fault than shift by 8 pixels",
    )
    assert view_of(cell("a/b/c"), cell("a/b/d", labels=AGREEING), models=[model]).notes == ()


def test_a_faulty_declaration_has_a_row_without_environment() -> None:
    view = view_of(Cell(model="signs", status=Status.FAILED, reason="no such file"))
    assert (view.reference, view.rows[0].environment, view.rows[0].reason) == ("", "", "no such file")


def test_entries_without_a_model_stand_together_under_a_name_of_their_own() -> None:
    fault = Cell(status=Status.FAILED, reason="no model is declared")
    views = model_views(new_record(Run(), [], [fault, cell("a/b/c")]))
    assert [view.name for view in views] == ["(no model)", "signs"]


def test_what_an_engine_wants_to_be_known_is_a_note_with_its_environments() -> None:
    notice = {"notice": "it computes in bf16 on this processor"}
    cells = [
        {
            "model": "signs",
            "environment": name,
            "reference": "onnx/ort-off/cpu",
            "status": "passed",
            "engine_evidence": told,
        }
        for name, told in (
            ("onnx/openvino/cpu", notice),
            ("onnx/ort-all/cpu", {"threads": "1"}),
            ("onnx/openvino/cpu", notice),
        )
    ]
    (view,) = model_views(record_of(cells))
    assert view.notes == ("onnx/openvino/cpu: it computes in bf16 on this processor",)
