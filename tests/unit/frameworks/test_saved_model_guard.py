"""SavedModels whose operators would read or write files: refused before anything is run."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("tensorflow")

CODE = """
import sys
from pathlib import Path
import tensorflow as tf
from pytest_envrobust.core.errors import DeclarationError
from pytest_envrobust.core.sources import SourceRef
from pytest_envrobust.frameworks.tensorflow import Framework

folder = Path(sys.argv[1])
mark = str(folder / "mark")


class Net(tf.Module):
    def __init__(self, beside, initializer=None):
        super().__init__()
        self.weights = tf.Variable(tf.ones([4, 2]))
        self.beside = beside
        if initializer:
            self.table = tf.lookup.StaticHashTable(initializer, 0)

    @tf.function(input_signature=[tf.TensorSpec([None, 4], name="x")])
    def scores(self, x):
        self.beside()
        return x @ self.weights


def looped():
    tf.while_loop(lambda i: i < 1, lambda i: (write(), i + 1)[1], [0])

def write():
    tf.io.write_file(mark, "written")

NETS = {
    "plain": lambda: None,
    "printing": lambda: tf.print("text"),
    "write": write,
    "nested": looped,
    "read": lambda: tf.io.read_file(mark),
    "python": lambda: tf.py_function(lambda: 1, [], tf.int32),
    "print": lambda: tf.print("text", output_stream="file://" + mark),
    "save": lambda: tf.raw_ops.SaveV2(prefix=mark, tensor_names=["a"], shape_and_slices=[""], tensors=[tf.ones(1)]),
}
for name, beside in NETS.items():
    net = Net(beside, tf.lookup.KeyValueTensorInitializer([1], [2]) if name == "plain" else None)
    tf.saved_model.save(net, str(folder / name), signatures={"serving_default": net.scores})
    try:
        Framework().load(SourceRef("tensorflow", "file", target=str(folder / name)))
        print(name, "loaded")
    except DeclarationError as error:
        print(name, error)
    assert not Path(mark).exists()
graph = tf.Graph()
with graph.as_default(), tf.compat.v1.Session() as session:
    x = tf.compat.v1.placeholder(tf.float32, [None, 4], "x")
    y = x @ tf.compat.v1.get_variable("w", [4, 2])
    session.run(tf.compat.v1.global_variables_initializer())
    tf.compat.v1.saved_model.simple_save(session, str(folder / "v1"), {"x": x}, {"y": y})
Framework().load(SourceRef("tensorflow", "file", target=str(folder / "v1")))
print("v1 loaded")
"""


@pytest.fixture(scope="module")
def said(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """What loading each of the models gave, by their names; TensorFlow is imported in a process of its own."""
    environ = {**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3"}
    folder: Path = tmp_path_factory.mktemp("saved")
    found = subprocess.run([sys.executable, "-c", CODE, folder], capture_output=True, text=True, env=environ)
    assert found.returncode == 0, found.stderr
    return {name: text for name, _, text in (line.partition(" ") for line in found.stdout.splitlines())}


@pytest.mark.parametrize("name", ["plain", "printing", "v1"])
def test_what_keeps_to_its_tensors_is_loaded(said: dict[str, str], name: str) -> None:
    assert said[name] == "loaded"


@pytest.mark.parametrize(
    ("name", "operator"),
    [("write", "WriteFile"), ("nested", "WriteFile"), ("read", "ReadFile"), ("python", "EagerPyFunc"),
     ("print", "PrintV2"), ("save", "SaveV2")],
)  # fmt: skip
def test_what_reaches_out_is_refused_by_its_operators_name(said: dict[str, str], name: str, operator: str) -> None:
    assert f"{name}' is refused: operator {operator} (" in said[name]
