"""What must hold of one environment, as assertions and as checks without test code."""

from __future__ import annotations

import pytest

ORT_ALL = "--envrobust-env=onnx/ort-all/cpu"
TORCH = "--envrobust-env=torch/eager/cpu"
MODEL = ("--envrobust-model=colors.onnx", "--envrobust-inputs=images")
NAMES = ("repetition", "order", "batch", "position", "finite", "probabilities", "untouched")

ODD = """
import torch

from nets import Colors


class Restless(Colors):
    '''Gives other scores at each call.'''

    calls = 0

    def forward(self, x):
        self.calls += 1
        return super().forward(x) + 1e-3 * self.calls


class Neighborly(Colors):
    '''Takes an input for the one before it in the batch.'''

    def forward(self, x):
        return super().forward(torch.roll(x, 1, dims=0) if len(x) > 1 else x)


class Greedy(Colors):
    '''Writes into what it is given.'''

    def forward(self, x):
        return super().forward(x.mul_(0.5))


class Lopsided(Colors):
    '''Claims to give probabilities.'''

    def forward(self, x):
        return 0.9 * super().forward(x).softmax(1)


class Centered(Colors):
    '''Looks at the batch it is in: less its mean, an input alone has no color left.'''

    def forward(self, x):
        return super().forward(x - x.mean(dim=0, keepdim=True))


def restless():
    return Restless().eval()


def neighborly():
    return Neighborly().eval()


def greedy():
    return Greedy().eval()


def lopsided():
    return Lopsided().eval()


def centered():
    return Centered().eval()
"""

ASSERTIONS = """
def test_repetition(envrobust):
    envrobust.assert_repeatable()

def test_order(envrobust):
    envrobust.assert_order_independent()

def test_batch(envrobust):
    envrobust.assert_batch_independent()

def test_position(envrobust):
    envrobust.assert_position_independent()

def test_finite(envrobust):
    envrobust.assert_finite()

def test_probabilities(envrobust):
    envrobust.assert_probabilities()

def test_untouched(envrobust):
    envrobust.assert_inputs_untouched()
"""


def test_all_hold_of_a_sound_model(project) -> None:
    project.declare_colors()
    project.write("test_it.py", ASSERTIONS)
    result = project.run(ORT_ALL)
    result.assert_outcomes(passed=7)
    told = [invariant for cell in project.record()["cells"] for invariant in cell["invariants"]]
    assert [invariant["name"] for invariant in told] == list(NAMES)
    assert all(invariant["holds"] for invariant in told)


@pytest.mark.parametrize(
    ("factory", "broken", "said"),
    [
        ("restless", {"repetition"}, "other scores when run again on 8 of 8 inputs"),
        ("neighborly", {"batch"}, "other labels in batches of 8"),
        ("centered", {"batch"}, "other labels in batches of 8"),
        ("greedy", {"untouched"}, "the input was overwritten by the model"),
        ("lopsided", {"probabilities"}, "lie between 0 and 1, but those of #"),
    ],
)
def test_each_broken_invariant_is_named(project, factory: str, broken: set[str], said: str) -> None:
    project.bring("nets.py", "inputs.npy")
    project.write("odd.py", ODD)
    project.declare(f"er.Model('odd', sources={{'torch': 'odd:{factory}'}}, inputs='inputs.npy')")
    project.write("test_it.py", ASSERTIONS)
    result = project.run(TORCH)
    failed = {
        nodeid.partition("[")[0].rpartition("_")[2]
        for nodeid, status in project.statuses().items()
        if status == "failed"
    }
    assert failed >= broken
    assert "finite" not in failed
    result.stdout.fnmatch_lines([f"*odd in torch/eager/cpu: {min(broken)}: *{said}*"])


def test_an_open_batch_is_really_run_in_batches(project) -> None:
    import onnx
    from onnx import helper

    project.bring("colors.onnx", "inputs.npy")
    colors = onnx.load(project.path / "colors.onnx")
    # the image less the mean of its batch: alone it has no color left
    colors.graph.node[0].input[0] = "centered"
    axes = helper.make_node("Constant", [], ["axes"], value_ints=[0])
    mean = helper.make_node("ReduceMean", ["image"], ["mean"], axes=[0], keepdims=1)
    for place, node in enumerate([axes, mean, helper.make_node("Sub", ["image", "mean"], ["centered"])]):
        colors.graph.node.insert(place, node)
    onnx.save(colors, project.path / "centered.onnx")
    project.declare("er.Model('odd', sources={'onnx': 'centered.onnx'}, inputs='inputs.npy')")
    project.write("test_it.py", ASSERTIONS)
    project.run(ORT_ALL, "-k", "batch").assert_outcomes(failed=1, deselected=6)
    [cell] = project.record()["cells"]
    assert "other labels in batches of 8 on" in cell["invariants"][0]["said"]


def test_checks_without_test_code(project) -> None:
    project.bring("colors.onnx", "images")
    result = project.run(*MODEL, ORT_ALL, "--envrobust-check=finite,repetition", "--envrobust-check=labels")
    result.assert_outcomes(passed=3)
    assert list(project.statuses()) == [
        f"colors.onnx::{name}[onnx/ort-all/cpu]" for name in ("labels", "repetition", "finite")
    ]
    result = project.collect(*MODEL, ORT_ALL, "--envrobust-check=all")
    assert len([line for line in result.outlines if line.startswith("colors.onnx::")]) == 11


def test_an_unknown_check_is_refused(project) -> None:
    project.bring("colors.onnx", "images")
    result = project.run(*MODEL, ORT_ALL, "--envrobust-check=finit")
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines(["*--envrobust-check finit: checks are labels, latency, *did you mean 'finite'?*"])


def test_a_batch_that_cannot_be_is_a_skip_with_its_reason(project) -> None:
    project.bring("single.onnx", "inputs.npy")
    project.declare("er.Model('single', sources={'onnx': 'single.onnx'}, inputs='inputs.npy')")
    project.write("test_it.py", "def test_it(envrobust):\n    envrobust.assert_batch_independent()\n")
    result = project.run("--envrobust-env=onnx/ort-*/cpu")
    assert set(project.statuses().values()) == {"unavailable"}
    result.stdout.fnmatch_lines(["*batch 8*takes batches of 1*"])
