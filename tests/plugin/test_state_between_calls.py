"""Models in which a call leaves something behind for the next: told by the scores, whatever the labels say."""

from __future__ import annotations

EAGER, SCRIPT, ORT = "torch/eager/cpu", "torch/script/cpu", "onnx/ort-all/cpu"

LEAKING = """
import torch

from nets import Colors


class Leaking(Colors):
    '''A share of each answer comes back in the next one.'''

    def __init__(self, share):
        super().__init__()
        self.share = share
        self.register_buffer('last', torch.zeros(1, 5))

    def forward(self, x):
        scores = super().forward(x) + self.share * self.last
        self.last.copy_(scores[-1:])
        return scores


def third():
    return Leaking(0.3).eval()


def tenth():
    return Leaking(0.1).eval()


def hundredth():
    return Leaking(0.01).eval()
"""


def declare_leaking(project, factory: str, reference: str = EAGER) -> None:
    project.bring("colors.onnx", "inputs.npy", "nets.py")
    project.write("odd.py", LEAKING)
    sources = f"{{'onnx': 'colors.onnx', 'torch': 'odd:{factory}'}}"
    project.declare(f"er.Model('odd', sources={sources}, inputs='inputs.npy', reference='{reference}')")


def test_a_reference_whose_labels_depend_on_the_order_is_refused(project) -> None:
    declare_leaking(project, "third")
    project.write("test_it.py", "def test_it(envrobust):\n    envrobust.assert_labels_agree(min_agreement=0.01)\n")
    result = project.run(f"--envrobust-env={EAGER},{SCRIPT},{ORT}")
    result.assert_outcomes(failed=3)
    said = "torch/eager/cpu is not repeatable: its own labels change when its inputs are run in another order, on "
    assert all(said in cell["reason"] for cell in project.record()["cells"])
