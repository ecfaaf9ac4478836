"""The view of a record: rows, the gravest status, distinct outputs."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest
from msgspec.structs import replace

from pytest_envrobust.core.status import Status
from pytest_envrobust.history.view import GROUPS, ModelView, Row, model_views
from pytest_envrobust.record.document import new_record
from pytest_envrobust.record.schema import Cell, FlipCounts, Labels, Latency, Model, Run, Times

REFERENCE = "torch/eager/cpu"


def cell(environment: str, status: str = "passed", **more: Any) -> Cell:
    return Cell(model="signs", environment=environment, status=Status(status), reference=REFERENCE, **more)


def view_of(*cells: Cell, models: Sequence[Model] = ()) -> ModelView:
    (view,) = model_views(new_record(Run(), list(models), list(cells)))
    return view


def test_the_entries_of_an_environment_become_one_row() -> None:
    labels = Labels(n=4, agreement=1.0, bound=0.47, flips=FlipCounts(real=0, tie=0, undefined=0))
    paired = Latency(measured_from="pairs", wall_ms=Times(median=2.0))
    view = view_of(
        cell("torch/script/cpu", labels=labels, latency=Latency(measured_from="predictions"), output_digest="aa"),
        cell("torch/script/cpu", latency=paired),
    )
    assert view.rows == (
        Row("torch/script/cpu", Status.PASSED, "", is_reference=False, labels=labels, latency=paired, output="aa"),
    )


def test_further_points_of_all_entries_belong_to_the_environment() -> None:
    batch, threads = Latency(batch=8, threads=1), Latency(batch=1, threads=2)
    (row,) = view_of(
        cell("a/b/c", latency=Latency(measured_from="predictions")),
        cell("a/b/c", latency=Latency(measured_from="alone", points=[batch])),
        cell("a/b/c", latency=Latency(measured_from="alone", points=[threads, batch])),
    ).rows
    assert row.latency == Latency(measured_from="alone", points=[batch, threads])


@pytest.mark.parametrize("grave", [status.value for status in Status if status is not Status.PASSED])
def test_the_gravest_status_of_an_environment_is_shown_with_its_reason(grave: str) -> None:
    required = grave in ("unavailable", "no-route")
    view = view_of(cell("a/b/c"), cell("a/b/c", grave, reason="so it is", required=required), cell("a/b/c"))
    assert (view.rows[0].status, view.rows[0].reason) == (grave, "so it is")


def test_a_failure_outweighs_an_inconclusive_verdict() -> None:
    assert view_of(cell("a/b/c", "inconclusive"), cell("a/b/c", "failed")).rows[0].status == "failed"
    assert view_of(cell("a/b/c", "failed"), cell("a/b/c", "crashed")).rows[0].status == "crashed"


@pytest.mark.parametrize("absent", ["unavailable", "no-route"])
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
    harmless = {"passed", "inconclusive", "limited"} | (set() if required else {"unavailable", "no-route"})
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


def test_a_faulty_declaration_has_a_row_without_environment() -> None:
    view = view_of(Cell(model="signs", status=Status.FAILED, reason="no such file"))
    assert (view.reference, view.rows[0].environment, view.rows[0].reason) == ("", "", "no such file")


def test_entries_without_a_model_stand_together_under_a_name_of_their_own() -> None:
    fault = Cell(status=Status.FAILED, reason="no model is declared")
    views = model_views(new_record(Run(), [], [fault, cell("a/b/c")]))
    assert [view.name for view in views] == ["(no model)", "signs"]
