"""Models in which a call leaves something behind for the next: told by the scores, whatever the labels say."""

from __future__ import annotations

import numpy as np
import pytest

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


def hundredth():
    return Leaking(0.01).eval()
"""

ASSERTIONS = """
def test_repetition(envrobust):
    envrobust.assert_repeatable()

def test_order(envrobust):
    envrobust.assert_order_independent()

def test_batch(envrobust):
    envrobust.assert_batch_independent()

def test_position(envrobust):
    envrobust.assert_position_independent(batch=4)
"""


def declare_leaking(project, factory: str, reference: str = EAGER) -> None:
    project.bring("colors.onnx", "inputs.npy", "nets.py")
    project.write("odd.py", LEAKING)
    sources = f"{{'onnx': 'colors.onnx', 'torch': 'odd:{factory}'}}"
    project.declare(f"er.Model('odd', sources={sources}, inputs='inputs.npy', reference='{reference}')")


def broken(project) -> dict[str, str]:
    """The checks that do not hold, and what each says."""
    told = [invariant for cell in project.record()["cells"] for invariant in cell.get("invariants", ())]
    return {invariant["name"]: invariant["said"] for invariant in told if not invariant["holds"]}


@pytest.mark.parametrize(("factory", "environment"), [("third", SCRIPT), ("hundredth", EAGER)])
def test_what_leaks_into_the_next_answer_breaks_the_invariants(project, factory: str, environment: str) -> None:
    declare_leaking(project, factory)
    project.write("test_it.py", ASSERTIONS)
    project.run(f"--envrobust-env={environment}")
    said = broken(project)
    assert set(said) == {"repetition", "order", "batch", "position"}
    assert "backwards" in said["order"]


KEPT = """
import keras
import numpy as np


@keras.saving.register_keras_serializable("odd")
class Kept(keras.layers.Layer):
    # a hundredth of each answer comes back in the next one

    def build(self, shape):
        self.last = self.add_weight(shape=(1, shape[-1]), initializer="zeros", trainable=False)

    def call(self, scores):
        scores = scores + 0.01 * self.last
        self.last.assign(scores[-1:])
        return scores


def kept():
    image = keras.Input((16, 16, 3))
    weights = np.random.RandomState(0).standard_normal((3, 5)).astype("float32")
    dense = keras.layers.Dense(5, use_bias=False)
    model = keras.Model(image, Kept()(dense(keras.layers.GlobalAveragePooling2D()(image))))
    dense.set_weights([weights])
    return model
"""


def test_a_variable_of_tensorflow_is_a_state_too(project) -> None:
    project.write("odd.py", KEPT)
    np.save(project.path / "inputs.npy", np.random.default_rng(1).random((8, 16, 16, 3), dtype=np.float32))
    project.declare("er.Model('odd', sources={'keras': 'odd:kept'}, inputs='inputs.npy')")
    project.write("test_it.py", "def test_it(envrobust):\n    envrobust.assert_order_independent()\n")
    project.run("--envrobust-env=keras/graph/cpu,keras-to-tensorflow/graph/cpu")
    assert [cell["status"] for cell in project.record()["cells"]] == ["failed"] * 2
    assert set(broken(project)) == {"order"}


def test_a_reference_whose_labels_depend_on_the_order_is_refused(project) -> None:
    declare_leaking(project, "third")
    project.write("test_it.py", "def test_it(envrobust):\n    envrobust.assert_labels_agree(min_agreement=0.01)\n")
    result = project.run(f"--envrobust-env={EAGER},{SCRIPT},{ORT}")
    result.assert_outcomes(failed=3)
    said = "torch/eager/cpu is not repeatable: its own labels change when its inputs are run in another order, on "
    assert all(said in cell["reason"] for cell in project.record()["cells"])
