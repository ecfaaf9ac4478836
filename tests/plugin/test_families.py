"""Bounds are taken over all cells that a run judges, wherever and in whatever order it does."""

from __future__ import annotations

import pytest

from pytest_envrobust.history.rejudge import judged_again
from pytest_envrobust.record.document import read_record
from pytest_envrobust.record.predictions import Predictions
from pytest_envrobust.verdicts.limits import Limit

FOUR = "--envrobust-env=onnx/ort-off/cpu,onnx/ort-basic/cpu,onnx/ort-extended/cpu,onnx/ort-all/cpu"
BOUND = ("--envrobust-min-label-agreement=0.65", "--envrobust-bound")
"""Eight of eight labels show an agreement of 0.688 in one cell, and of 0.599 in all of three."""


def test_one_cell_passes_alone_and_not_among_others(project, labels_test) -> None:
    project.declare_colors()
    result = project.run(FOUR, *BOUND)
    assert result.parseoutcomes() == {"inconclusive": 4}  # eight inputs show no more of the reference
    result.stdout.fnmatch_lines(
        ["*at least 0.599 shown at 95 % over 3 cells, 98.3 % each, limit 0.65 on what is shown from command line*"]
    )
    families = [cell["family"] for cell in project.record()["cells"]]
    assert families == [{"cells": 3, "references": 1}] * 4
    path = project.path / "run.json"
    record = read_record(path)
    for value, status in ((0.65, "inconclusive"), (0.59, "passed")):
        again = judged_again(
            record, Predictions.beside(path), {"min_label_agreement": Limit("min_label_agreement", value, "report")}
        )
        assert [cell.status.value for cell in again.cells if not cell.is_reference] == [status] * 3

    result = project.run(FOUR, *BOUND, "-k", "ort-all")
    result.assert_outcomes(passed=1)
    assert project.record()["cells"][0]["family"] == {"cells": 1}


def test_the_head_of_a_run_says_what_its_inputs_can_show(project, labels_test) -> None:
    project.declare_colors()
    said = "8 inputs: a pass shows an agreement of at least 0.688 for one cell, 0.599 for all 3 at once (95 %); *"
    project.collect(FOUR).stdout.fnmatch_lines([f"envrobust: {said}"])
    project.collect(FOUR, *BOUND).stdout.no_fnmatch_line("*a pass shows*")


def test_each_shard_and_each_process_judges_its_cells_among_all(project, labels_test) -> None:
    pytest.importorskip("xdist")
    project.declare_colors()
    result = project.run(FOUR, *BOUND, "--envrobust-shard=1/2", "-n2", plugins=("xdist",))
    cells = project.record()["cells"]
    assert [cell["family"] for cell in cells] == [{"cells": 3, "references": 1}] * 2
    others = [cell["status"] for cell in cells if cell["environment"] != cell["reference"]]
    assert others == ["inconclusive"] * len(others)
    assert result.parseoutcomes()["inconclusive"] == len(others)
