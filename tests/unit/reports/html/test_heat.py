"""Heat maps: figures, colors, blanks."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
from support.records import analysis_of, record_of

from pytest_envrobust.history.view import ModelView, model_views
from pytest_envrobust.record import codec
from pytest_envrobust.record.schema import Analysis
from pytest_envrobust.reports.html.heat import HeatMap, heat_maps

Matrix = Sequence[Sequence["float | None"]]


def view() -> ModelView:
    digests = {"torch/eager/cpu": "aa", "torch/ort-off/cpu": "bb", "torch/ort-all/cpu": "bb", "keras/eager/cpu": "cc"}
    cells = [
        {"model": "signs", "environment": name, "reference": "", "status": "passed", "output_digest": digest}
        for name, digest in digests.items()
    ]
    (found,) = model_views(record_of(cells))
    return found


def maps(kinds: Sequence[str] = ("logits",) * 3, **matrices: Matrix) -> list[HeatMap]:
    """The maps of three outputs; matrices that are not given have nothing in them."""
    analysis = analysis_of(
        environments=["torch/eager/cpu", "torch/ort-off/cpu", "torch/ort-all/cpu", "keras/eager/cpu"],
        output_of=[0, 1, 1, 2],
        outputs=[{"digest": digest, "kind": kind} for digest, kind in zip(("aa", "bb", "cc"), kinds)],
    )
    analysis["matrices"] |= matrices
    return heat_maps(view(), codec.typed(analysis, Analysis))


def test_rows_are_distinct_outputs_by_letter_with_their_environments() -> None:
    (found,) = maps(label_dissimilarity=[[0, 0.005, 0.3], [0.005, 0, 0.2], [0.3, 0.2, 0]])
    assert found.letters == ("a", "b", "c")
    assert found.rows[1].environments == ("torch/ort-off/cpu", "torch/ort-all/cpu")
    assert [[cell.text for cell in row.cells] for row in found.rows] == [
        ["", "0.5", "30"],
        ["0.5", "", "20"],
        ["30", "20", ""],
    ]
    assert [cell.step for cell in found.rows[0].cells] == [0, 1, 8]
    assert found.summary == "largest 30.0 %, between a and c"
    assert (found.low, found.high) == ("0", "30")


def test_a_row_that_differs_from_itself_shows_it() -> None:
    (found,) = maps(label_dissimilarity=[[0.5, 0.5, 0.5], [0.5, 0, 0], [0.5, 0, 0]])
    assert found.rows[0].cells[0].text == "50"
    assert found.rows[1].cells[1].text == ""
    assert found.rows[1].cells[2].text == "0"


def test_what_is_not_defined_is_blank_and_a_map_of_blanks_is_left_out() -> None:
    assert maps(rank_correlation=[[None] * 3] * 3) == []
    (found,) = maps(largest_difference=[[0, None, 2e-5], [None, 0, None], [2e-5, None, 0]])
    assert [cell.text for cell in found.rows[0].cells] == ["", "", "2e-5"]


def test_correlation_is_darkest_where_it_is_lowest() -> None:
    (found,) = maps(rank_correlation=[[1, 0.99999, 0.8], [0.99999, 1, 0.9], [0.8, 0.9, 1]])
    assert [cell.text for cell in found.rows[0].cells] == ["", "~1", ".800"]
    assert [cell.step for cell in found.rows[0].cells] == [0, 1, 8]
    assert found.summary == "lowest 0.8000, between a and c"
    assert (found.low, found.high) == ("1", ".800")


@pytest.mark.parametrize(("name", "same"), [("label_dissimilarity", 0.0), ("rank_correlation", 1.0)])
def test_where_all_is_equal_there_is_no_table(name: str, same: float) -> None:
    (found,) = maps(**{name: [[same] * 3] * 3})
    assert found.rows == ()
    assert found.summary.endswith("between any two")


def test_kinds_are_told_where_they_differ() -> None:
    matrix = [[0, 0.1, 0.1], [0.1, 0, 0.1], [0.1, 0.1, 0]]
    (same,) = maps(label_dissimilarity=matrix)
    assert {row.kind for row in same.rows} == {""}
    (mixed,) = maps(("logits", "logits", "probabilities"), label_dissimilarity=matrix)
    assert [row.kind for row in mixed.rows] == ["logits", "logits", "probabilities"]


def test_one_distinct_output_has_no_maps() -> None:
    one = analysis_of(environments=["torch/eager/cpu"], output_of=[0], outputs=[{"digest": "aa", "kind": "logits"}])
    assert heat_maps(view(), codec.typed(one, Analysis)) == []
    assert heat_maps(view(), None) == []
