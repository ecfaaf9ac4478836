"""The limit on labels: its terms, where it may stop, and limits on the scores themselves."""

from __future__ import annotations

import shlex

import numpy as np
import pytest

ORT_ALL = "--envrobust-env=onnx/ort-all/cpu"
SWAPPED = "--envrobust-env=onnx:swapped/ort-off/cpu"


@pytest.fixture
def plain(project, labels_test: str):
    """One test of labels on the classifier."""
    project.declare_colors()
    return project


@pytest.fixture
def swapped(project, labels_test: str):
    """One test of labels on a pair of sources of which the second confuses two of five classes."""
    project.declare_swapped()
    return project


def test_a_bound_that_few_inputs_cannot_show_is_inconclusive(plain) -> None:
    result = plain.run(ORT_ALL, "--envrobust-min-label-agreement=0.99", "--envrobust-bound")
    assert result.parseoutcomes() == {"inconclusive": 1}
    result.stdout.fnmatch_lines(
        ["  inconclusive: onnx/ort-all/cpu: *8 of 8 shows 0.688; 299 agreeing inputs would show 0.99"]
    )
    (cell,) = plain.record()["cells"]
    assert cell["status"] == "inconclusive"
    assert (cell["labels"]["limit_on"], cell["labels"]["verdict"]) == ("bound", "inconclusive")

    result = plain.run(ORT_ALL, "--envrobust-min-label-agreement=0.6", "--envrobust-bound")
    result.assert_outcomes(passed=1)


def test_a_bound_of_all_is_refused(plain) -> None:
    result = plain.run(ORT_ALL, "--envrobust-bound")
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(["*bound (from command line) with min_label_agreement=1 (from default)*"])


def test_the_line_that_runs_a_cell_alone_keeps_a_limit_behind_a_switch(swapped) -> None:
    result = swapped.run(SWAPPED, "--envrobust-bound", "--envrobust-min-label-agreement", "0.99")
    result.assert_outcomes(failed=1)
    (line,) = {line.partition("alone: ")[2] for line in result.outlines if "to run this cell alone: " in line}
    assert "--envrobust-bound --envrobust-min-label-agreement 0.99" in line
    swapped.pytest(*shlex.split(line)[1:], "-rA").assert_outcomes(failed=1)


def test_the_terms_by_argument_and_by_marker(project) -> None:
    project.declare_colors()
    project.write(
        "test_it.py",
        """
        import pytest

        def test_call(envrobust):
            envrobust.assert_labels_agree(min_agreement=0.5, bound=True, ties="ignore")

        @pytest.mark.envrobust(min_label_agreement=0.5, bound=True, ties="ignore")
        def test_marker(envrobust):
            envrobust.assert_labels_agree()

        @pytest.mark.envrobust(ties="skip")
        def test_malformed(envrobust):
            envrobust.assert_labels_agree()
        """,
    )
    result = project.run(ORT_ALL)
    result.assert_outcomes(passed=2, failed=1)
    result.stdout.fnmatch_lines(["*ties='skip' (from marker) is not a limit: it is 'count' or 'ignore'*"])
    terms = [cell["labels"] for cell in project.record()["cells"] if "labels" in cell]
    assert [(told["ties"], told["limit_on"]) for told in terms] == [("ignore", "bound")] * 2


def test_labels_that_have_failed_stop_the_run_of_the_rest(swapped) -> None:
    """Inputs are run in steps of 32, 64, 128...: the first one already shows that not all agree."""
    shown = np.load(swapped.path / "inputs.npy")
    (swapped.path / "inputs.npy").unlink()
    np.save(swapped.path / "inputs.npy", np.tile(shown, (20, 1, 1, 1)))
    result = swapped.run(SWAPPED, "--envrobust-stop=early")
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(["*stopped after 32 of 160 inputs: the others could not have changed the verdict*"])
    (cell,) = swapped.record()["cells"]
    assert (cell["labels"]["n"], cell["labels"]["of"]) == (32, 160)
    assert "output_digest" not in cell

    whole = swapped.run(SWAPPED)
    whole.assert_outcomes(failed=1)
    (cell,) = swapped.record()["cells"]
    assert cell["labels"]["n"] == 160
    assert "of" not in cell["labels"]


def test_a_second_test_of_a_cell_looks_at_its_first_inputs_anew(swapped) -> None:
    """More of them ran for the test before, whose limit took longer to fail."""
    shown = np.load(swapped.path / "inputs.npy")
    (swapped.path / "inputs.npy").unlink()
    np.save(swapped.path / "inputs.npy", np.tile(shown, (20, 1, 1, 1)))
    swapped.write(
        "test_it.py",
        """
        def test_lenient(envrobust):
            envrobust.assert_labels_agree(min_agreement=0.7)

        def test_strict(envrobust):
            envrobust.assert_labels_agree()
        """,
    )
    swapped.run(SWAPPED, "--envrobust-stop=early").assert_outcomes(failed=2)
    assert [cell["labels"]["n"] for cell in swapped.record()["cells"]] == [128, 32]


def test_labels_that_may_pass_are_all_compared(swapped) -> None:
    shown = np.load(swapped.path / "inputs.npy")
    (swapped.path / "inputs.npy").unlink()
    np.save(swapped.path / "inputs.npy", np.tile(shown, (9, 1, 1, 1)))
    result = swapped.run(SWAPPED, "--envrobust-stop=early", "--envrobust-min-label-agreement=0.4")
    result.assert_outcomes(passed=1)
    (cell,) = swapped.record()["cells"]
    assert cell["labels"]["n"] == 72
    early = cell["output_digest"]
    swapped.run(SWAPPED, "--envrobust-min-label-agreement=0.4")
    assert swapped.record()["cells"][0]["output_digest"] == early


def test_limits_on_scores(project) -> None:
    project.declare_colors()
    project.write(
        "test_it.py",
        """
        import pytest

        def test_kept(envrobust):
            evidence = envrobust.assert_scores_agree(max_abs_error=1e-3, max_relative_error=1e-3)
            assert evidence.errors.largest < 1e-3

        @pytest.mark.envrobust(max_abs_error=0.5)
        def test_missed(envrobust):
            envrobust.assert_scores_agree()

        def test_recorded_only(envrobust):
            envrobust.assert_scores_agree()
        """,
    )
    (project.path / "conftest.py").write_text(
        (project.path / "conftest.py")
        .read_text()
        .replace("{'onnx': 'colors.onnx'}", "{'onnx': 'colors.onnx', 'onnx:swapped': 'swapped.onnx'}")
    )
    project.bring("swapped.onnx")
    result = project.run(ORT_ALL, SWAPPED)
    statuses = project.statuses()
    assert statuses["test_it.py::test_kept[colors-onnx/ort-all/cpu]"] == "passed"
    assert statuses["test_it.py::test_missed[colors-onnx:swapped/ort-off/cpu]"] == "failed"
    result.stdout.fnmatch_lines(["*scores differ from those of onnx/ort-off/cpu by up to * (limit 0.5 from marker)*"])
    cell = project.cells()["test_it.py::test_recorded_only[colors-onnx:swapped/ort-off/cpu]"]
    assert cell["status"] == "passed"
    assert cell["scores"]["abs_error"] > 0.5
    assert "limit" not in cell["scores"]


def test_a_limit_on_scores_adds_a_check_without_test_code(project) -> None:
    project.bring("colors.onnx", "images")
    model = ("--envrobust-model=colors.onnx", "--envrobust-inputs=images", ORT_ALL)
    result = project.run(*model, "--envrobust-max-abs-error=1e-3")
    result.assert_outcomes(passed=3)
    cell = project.cells()["colors.onnx::scores[onnx/ort-all/cpu]"]
    assert cell["scores"]["limit"] == 1e-3
    assert "labels" not in cell


def test_fidelity_is_told_against_double_precision(project) -> None:
    project.bring("colors.onnx", "inputs.npy", "nets.py")
    sources = "{'torch': 'nets:colors', 'onnx': 'colors.onnx'}"
    project.declare(f"er.Model('pair', sources={sources}, inputs='inputs.npy')")
    project.write("test_it.py", "def test_it(envrobust):\n    envrobust.assert_scores_agree(max_fidelity_ratio=20)\n")
    result = project.run(ORT_ALL)
    result.assert_outcomes(passed=1)
    told = project.record()["cells"][0]["scores"]["fidelity"]
    assert told["exact"] == "torch/float64/cpu"
    assert 0 < told["reference_error"] < 1e-6
    assert told["ratio"] == pytest.approx(told["error"] / told["reference_error"])


LATE = """
from nets import Colors


class Late(Colors):
    '''One number for each input: all but the last are those of a probability.'''

    def forward(self, x):
        return x[:, :1, 0, 0]


def late():
    return Late().eval()
"""


def test_recorded_labels_fail_as_well_where_others_may_stop_early(project, labels_test: str) -> None:
    project.bring("colors.onnx")
    shown = np.load(project.warehouse / "inputs.npy")
    np.save(project.path / "inputs.npy", np.tile(shown, (8, 1, 1, 1)))
    np.savez(project.path / "table.npz", labels=np.tile([0, 1, 2, 3, 4, 0, 1, 0], 8))
    recorded = "er.RecordedPredictions('table.npz', classes=5)"
    sources = f"{{'onnx': 'colors.onnx', 'keras': {recorded}}}"
    project.declare(f"er.Model('colors', sources={sources}, inputs='inputs.npy')")
    ended = {}
    for stop in ("end", "early"):
        project.run("--envrobust-env=*/recorded/*", f"--envrobust-stop={stop}").assert_outcomes(failed=1)
        (cell,) = project.record()["cells"]
        ended[stop] = cell["status"], cell["labels"]["n"], cell["labels"]["flips"]
    assert ended["early"] == ended["end"] == ("failed", 64, {"real": 8, "tie": 0, "undefined": 0})


def test_what_single_numbers_are_is_told_from_all_inputs_where_a_run_may_stop_early(project, labels_test: str) -> None:
    """The first 32 look like probabilities, the others do not: decided at 0, all are of class 1."""
    project.bring("nets.py")
    project.write("late.py", LATE)
    inputs = np.full((40, 3, 4, 4), 0.25, dtype=np.float32)
    inputs[32:] = 3
    np.save(project.path / "inputs.npy", inputs)
    np.savez(project.path / "table.npz", labels=np.ones(40, dtype=np.int64))
    sources = "{'keras': er.RecordedPredictions('table.npz', classes=2), 'torch': 'late:late'}"
    project.declare(f"er.Model('late', sources={sources}, inputs='inputs.npy')")
    for stop in ("end", "early"):
        project.run("--envrobust-env=torch/eager/cpu", f"--envrobust-stop={stop}").assert_outcomes(passed=1)
