"""What an editor does: one item at its click, a rehearsal, and tests of other kinds."""

from __future__ import annotations

import pytest

REFERENCE, OTHER = "onnx/ort-off/cpu", "onnx/ort-all/cpu"
ENVIRONMENTS = f"--envrobust-env={REFERENCE},{OTHER}"


@pytest.mark.parametrize("chosen", [("-k", "ort-off"), (f"test_it.py::test_labels[colors-{REFERENCE}]",)])
def test_the_reference_alone_ends_well(project, labels_test, chosen: tuple[str, ...]) -> None:
    project.declare_colors()
    result = project.run(ENVIRONMENTS, *chosen)
    assert result.ret == pytest.ExitCode.OK
    result.stdout.fnmatch_lines(["envrobust: nothing was compared: only the reference was chosen*"])


def test_the_reference_alone_of_a_model_without_test_code_ends_well(project) -> None:
    project.bring("colors.onnx", "inputs.npy")
    model = ("--envrobust-model=colors.onnx", "--envrobust-inputs=inputs.npy")
    result = project.run(*model, ENVIRONMENTS, f"colors.onnx::labels[{REFERENCE}]")
    result.assert_outcomes(passed=1)
    assert result.ret == pytest.ExitCode.OK


def test_a_run_that_can_compare_nothing_still_fails(project, labels_test) -> None:
    project.declare_colors()
    result = project.run(f"--envrobust-env={REFERENCE}")
    assert result.ret == pytest.ExitCode.TESTS_FAILED


def test_a_unittest_is_refused_with_a_sentence(project) -> None:
    project.declare_colors()
    project.write(
        "test_it.py",
        """
        import unittest
        import pytest

        class TestColors(unittest.TestCase):
            @pytest.fixture(autouse=True)
            def _take(self, envrobust):
                self.cell = envrobust

            def test_labels(self):
                self.cell.assert_labels_agree()
        """,
    )
    result = project.run(ENVIRONMENTS)
    assert result.ret == pytest.ExitCode.TESTS_FAILED
    result.stdout.fnmatch_lines(
        ["*this test asks for a cell, and there is no item of it*unittest.TestCase*def test_labels(envrobust)*"]
    )
    assert "AttributeError" not in result.stdout.str()
