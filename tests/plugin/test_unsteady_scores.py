"""Environments whose own labels change when they are run again: as a reference they are refused, as a cell told."""

from __future__ import annotations

import sys

import numpy as np
import onnx
import pytest
from onnx import numpy_helper

EAGER, SCRIPT, ORT = "torch/eager/cpu", "torch/script/cpu", "onnx/ort-all/cpu"
REFUSED = "the reference torch/eager/cpu is not repeatable: its own labels change when it is run again, on "

RANDOM = """
import numpy as np
import torch

from nets import Colors


class Dropping(Colors):
    '''A dropout that eval() does not turn off; the factory seeds it anew.'''

    def forward(self, x):
        return torch.nn.functional.dropout(super().forward(x), 0.5, training=True)


def dropping():
    torch.manual_seed(0)
    return Dropping().eval()
"""


def declare_dropping(project, more: str = "") -> None:
    project.bring("nets.py", "inputs.npy")
    project.write("odd.py", RANDOM)
    project.declare("er.Model('odd', sources={'torch': 'odd:dropping'}, inputs='inputs.npy')", more=more)


def reported(project, *limits: str) -> int:
    """The exit code of ``envrobust report`` with other limits."""
    done = project.pytester.run(sys.executable, "-m", "pytest_envrobust.cli", "report", "run.json", *limits)
    return int(done.ret)


def test_a_reference_that_is_not_repeatable_is_refused_whatever_the_limits(project) -> None:
    declare_dropping(project)
    project.write(
        "test_it.py",
        """
        def test_labels(envrobust):
            envrobust.assert_labels_agree(min_agreement=0.01, ties="ignore")

        def test_scores(envrobust):
            envrobust.assert_scores_agree(max_abs_error=1000.0)
        """,
    )
    result = project.run(f"--envrobust-env={EAGER},{SCRIPT}", "--envrobust-strict", "--envrobust-markdown=run.md")
    result.assert_outcomes(failed=4)
    cells = project.record()["cells"]
    assert {(cell["status"], cell["stage"]) for cell in cells} == {("failed", "run")}
    assert all(REFUSED in cell["reason"] and "dropout" in cell["reason"] for cell in cells)
    [model] = project.record()["models"]
    assert list(model["unsteady"]) == [EAGER]
    assert "adequacy" not in model
    for told in (result.stdout.str(), (project.path / "run.md").read_text(encoding="utf-8")):
        assert "torch/eager/cpu: its own labels change when it is run again, on " in told
    assert reported(project, "--min-label-agreement=0.01", "--ties=ignore") == 1


def test_a_cell_that_agrees_by_chance_does_not_agree(project) -> None:
    """Of two random environments the second is the one that is tested: the reference is sound."""
    project.bring("colors.onnx", "inputs.npy", "nets.py")
    project.write("odd.py", RANDOM)
    sources = "{'onnx': 'colors.onnx', 'torch': 'odd:dropping'}"
    project.declare(f"er.Model('odd', sources={sources}, inputs='inputs.npy', reference='{ORT}')")
    project.write("test_it.py", "def test_labels(envrobust):\n    envrobust.assert_labels_agree(ties='ignore')\n")
    result = project.run(f"--envrobust-env={ORT},{EAGER}")
    result.assert_outcomes(passed=1, failed=1)
    result.stdout.fnmatch_lines(
        ["*odd in torch/eager/cpu: * differ*", "*torch/eager/cpu: its own labels change when it is run again*"]
    )
    labels = project.cells()[f"test_it.py::test_labels[odd-{EAGER}]"]["labels"]
    assert labels["flips"]["tie"] == 0
    assert labels["noise"] < 1e-3
    assert labels["own_noise"] == 0.0
    assert labels["unrepeated"] + labels["flips"]["real"] > 1
    assert reported(project, "--ties=ignore") == 1


def even(project, behind: float) -> None:
    """Write ``even.onnx``: the classifier whose class 1 is class 0, a little behind it."""
    project.bring("colors.onnx", "inputs.npy", "nets.py")
    colors = onnx.load(project.path / "colors.onnx")
    tensors = {tensor.name: tensor for tensor in colors.graph.initializer}
    for name, by in (("weights", 0.0), ("bias", behind)):
        values = np.array(numpy_helper.to_array(tensors[name]))
        values[1] = values[0] - by
        tensors[name].CopyFrom(numpy_helper.from_array(values, name))
    onnx.save(colors, project.path / "even.onnx")


def test_a_flip_within_the_cells_own_noise_is_imprecise_and_counts(project) -> None:
    """A cell that computes otherwise with two threads, beside a reference with small margins and less noise."""
    even(project, 0.001)
    project.write(
        "odd.py",
        """
        import torch
        from nets import Colors

        class Near(Colors):
            def forward(self, x):
                scores = super().forward(x)
                ahead = 0.010 if torch.get_num_threads() == 1 else 0.002
                return torch.cat([scores[:, :1], scores[:, :1] + ahead, scores[:, 2:]], 1)

        def near():
            return Near().eval()
        """,
    )
    sources = "{'onnx': 'even.onnx', 'torch': 'odd:near'}"
    project.declare(f"er.Model('odd', sources={sources}, inputs='inputs.npy', reference='{ORT}')")
    project.write("test_it.py", "def test_labels(envrobust):\n    envrobust.assert_labels_agree(ties='ignore')\n")
    result = project.run(f"--envrobust-env={EAGER}")
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(
        ["*; 0 real flips, 0 ties, 2 imprecise", "*within twice the cell's own noise (0.008, with 2 threads) or*"]
    )
    [cell] = project.record()["cells"]
    labels = cell["labels"]
    assert labels["flips"] == {"real": 0, "tie": 0, "undefined": 0, "imprecise": 2}
    assert labels["noise"] < 1e-4
    assert (labels["own_noise"], labels["own_noise_from"]) == (pytest.approx(0.008, rel=1e-2), "with 2 threads")
    assert reported(project, "--ties=ignore") == 1


def test_rounding_makes_ties_beside_a_reference_that_repeats_every_bit(project) -> None:
    """Two classes that are equal but for the last bits, which another engine turns round."""
    even(project, 2.0**-22)
    project.write(
        "odd.py",
        """
        import torch
        from nets import Colors

        class Round(Colors):
            def forward(self, x):
                scores = super().forward(x)
                return torch.cat([scores[:, :1], scores[:, :1] + 2.0**-20, scores[:, 2:]], 1)

        def rounds():
            return Round().eval()
        """,
    )
    sources = "{'onnx': 'even.onnx', 'torch': 'odd:rounds'}"
    project.declare(f"er.Model('odd', sources={sources}, inputs='inputs.npy', reference='{ORT}')")
    project.write("test_it.py", "def test_labels(envrobust):\n    envrobust.assert_labels_agree()\n")
    result = project.run(f"--envrobust-env={EAGER}")
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(
        [
            "*; 0 real flips, 2 ties",
            "*every defined flip is a tie*",
            "*ties: within twice the reference's noise (*, when its inputs are rounded otherwise) or one step of *",
        ]
    )
    [cell] = project.record()["cells"]
    assert cell["labels"]["noise_from"] == "when its inputs are rounded otherwise"
    assert 1e-8 < cell["labels"]["noise"] < 1e-5
    assert reported(project, "--ties=ignore") == 0


def test_scores_that_are_others_in_a_batch_are_told_though_no_label_is(project) -> None:
    """A class that gains by each further input of a call; and a file that says any number of inputs, and takes one."""
    project.bring("inputs.npy", "images")
    colors = onnx.load(project.warehouse / "colors.onnx")
    colors.graph.node[-1].output[0] = "plain"
    gain = np.array([0, 0, 0, 0, -9], dtype=np.float32)
    colors.graph.initializer.append(numpy_helper.from_array(gain, "gain"))
    colors.graph.node.extend(
        [
            onnx.helper.make_node("Shape", ["image"], ["inputs"], start=0, end=1),
            onnx.helper.make_node("Cast", ["inputs"], ["count"], to=onnx.TensorProto.FLOAT),
            onnx.helper.make_node("Mul", ["count", "gain"], ["gained"]),
            onnx.helper.make_node("Add", ["plain", "gained"], ["scores"]),
        ]
    )
    onnx.save(colors, project.path / "gaining.onnx")
    single = onnx.load(project.warehouse / "single.onnx")
    single.graph.node[-1].output[0] = "plain"
    shape = numpy_helper.from_array(np.array([1, 5], dtype=np.int64), "shape")
    single.graph.initializer.append(shape)
    single.graph.node.append(onnx.helper.make_node("Reshape", ["plain", "shape"], ["scores"]))
    for value in (single.graph.input[0], single.graph.output[0]):
        value.type.tensor_type.shape.dim[0].dim_param = "n"
    onnx.save(single, project.path / "single.onnx")
    project.declare(
        *(
            f"er.Model('{name}', sources={{'onnx': '{name}.onnx'}}, inputs='inputs.npy')"
            for name in ("gaining", "single")
        )
    )
    project.write("test_it.py", "def test_labels(envrobust):\n    envrobust.assert_labels_agree()\n")
    result = project.run("--envrobust-env=onnx/ort-off/cpu,onnx/ort-all/cpu")
    result.assert_outcomes(passed=4)
    gaining, single = project.record()["models"]
    said = "its own scores change in batches of 2, by up to 9, "
    assert {name: told[0][: len(said)] for name, told in gaining["unsteady"].items()} == {
        "onnx/ort-off/cpu": said,
        ORT: said,
    }
    assert "unsteady" not in single
    result.stdout.fnmatch_lines([f"*{ORT}: {said}*see the check batch*"])
