"""A failing cell's own message says what explains the failure, whatever else runs."""

from __future__ import annotations

import sys

import numpy as np
import pytest

EAGER, ORT = "torch/eager/cpu", "onnx/ort-all/cpu"
SHIFTED = (
    "shifted by one 0.88: onnx/ort-off/cpu against torch/eager/cpu: declare label_offset=1 for the one with the extra "
    "leading class"
)
ODD = """
import torch
from nets import Colors


class Shifted(Colors):
    def forward(self, x):
        scores = super().forward(x)
        return torch.cat([scores[:, 4:], scores[:, :4]], 1)


class Softmax(Colors):
    def forward(self, x):
        return super().forward(30 * x).softmax(1)


class Twice(Softmax):
    def forward(self, x):
        return super().forward(x).softmax(1)


def shifted():
    return Shifted().eval()


def softmax():
    return Softmax().eval()


def twice():
    return Twice().eval()
"""


@pytest.fixture
def odd(project):
    """Two sources of which the second gives each class the next one's score; twice the inputs."""
    project.bring("colors.onnx", "nets.py")
    shown = np.load(project.warehouse / "inputs.npy")
    np.save(project.path / "inputs.npy", np.tile(shown, (2, 1, 1, 1)))
    project.write("odd.py", ODD)
    project.declare("er.Model('odd', sources={'onnx': 'colors.onnx', 'torch': 'odd:shifted'}, inputs='inputs.npy')")
    return project


def test_one_cell_alone_in_the_run_in_the_record_and_when_it_is_judged_again(odd, labels_test: str) -> None:
    """The reference is no test of this run."""
    result = odd.run(f"--envrobust-env={EAGER}", "--envrobust-stop=early")
    result.assert_outcomes(failed=1)
    assert any(line.endswith(SHIFTED) and line.startswith("E ") for line in result.outlines)
    (cell,) = odd.record()["cells"]
    assert any(notice.endswith(SHIFTED) for notice in cell["notices"])
    judged = odd.pytester.run(sys.executable, "-m", "pytest_envrobust.cli", "report", "run.json", "--ties=ignore")
    assert SHIFTED in judged.stdout.str()


def test_er_compare_and_plain_arrays_say_it_too(odd) -> None:
    odd.write(
        "script.py",
        f"""
        import numpy as np
        import pytest_envrobust as er

        if __name__ == "__main__":
            sources = {{"onnx": "colors.onnx", "torch": "odd:shifted"}}
            model = er.Model("odd", sources=sources, inputs="inputs.npy")
            (cell,) = er.compare(model, ["{EAGER}"]).cells
            print(cell.status.value, cell.notices)
            scores = np.random.default_rng(0).normal(size=(20, 6))
            try:
                er.assert_labels_agree(np.roll(scores, 1, axis=1), scores)
            except er.EnvironmentMismatch as error:
                print(error)
        """,
    )
    said = odd.pytester.run(sys.executable, "script.py").stdout.str()
    assert "failed ['agreement 0.00; " in said
    assert SHIFTED in said
    assert ": expected against actual: declare label_offset=1 for the one with the extra leading class" in said


def test_scores_say_that_one_side_has_a_softmax_too_many(odd) -> None:
    sources = "{'onnx': 'colors.onnx', 'torch': 'odd:softmax', 'torch:twice': 'odd:twice'}"
    odd.declare(f"er.Model('odd', sources={sources}, inputs='inputs.npy')")
    odd.write("test_it.py", "def test_it(envrobust):\n    envrobust.assert_scores_agree(max_abs_error=1e-4)\n")
    result = odd.run("--envrobust-env=torch/eager/cpu,torch:twice/eager/cpu")
    result.assert_outcomes(failed=2)
    result.stdout.fnmatch_lines(
        ["*torch/eager/cpu gives probabilities and onnx/ort-off/cpu logits: a softmax is missing*"]
    )
    result.stdout.fnmatch_lines(["*scores are a softmax of a softmax: torch:twice/eager/cpu: take one softmax out*"])
