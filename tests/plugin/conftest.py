"""Small projects of a user's own, each run by a pytest of its own process.

The classifier is made by hand: its label says which color an image has. Red, green, blue, yellow, gray are the
classes 0 to 4; the inputs show them in the order 0 1 2 3 4 0 1 2.
"""

from __future__ import annotations

import json
import os
import textwrap
from collections.abc import Collection
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from support.environ import of_this_run
from support.shared import shared_folder

from pytest_envrobust.integration import benchmark, collection, fixtures, outcomes, parametrization, recording
from pytest_envrobust.planning.catalogue import Catalogue

# Runs in this process forget what they import: what they share with it must be here before the first.
_ = benchmark, collection, fixtures, outcomes, parametrization, recording, Catalogue().everything

COLORS = np.array([[220, 20, 20], [20, 220, 20], [20, 20, 220], [220, 220, 20], [128, 128, 128]], dtype=np.uint8)
SHOWN = (0, 1, 2, 3, 4, 0, 1, 2)
SIDE = 16
WEIGHTS = np.array([[2, -1, -1], [-1, 2, -1], [-1, -1, 2], [1, 1, -2], [0, 0, 0]], dtype=np.float32)
BIAS = np.array([0, 0, 0, 0, 0.3], dtype=np.float32)

NETS = '''
import time
import numpy as np
import torch

WEIGHTS = np.array({weights}, dtype=np.float32)
BIAS = np.array({bias}, dtype=np.float32)


class Colors(torch.nn.Module):
    def __init__(self, order=(0, 1, 2, 3, 4)):
        super().__init__()
        self.linear = torch.nn.Linear(3, len(order))
        with torch.no_grad():
            self.linear.weight.copy_(torch.from_numpy(WEIGHTS[list(order)]))
            self.linear.bias.copy_(torch.from_numpy(BIAS[list(order)]))

    def forward(self, x):
        return self.linear(x.mean(dim=(2, 3)))


class Twice(Colors):
    def forward(self, x):
        scores = super().forward(x)
        return scores, scores


def colors():
    return Colors().eval()


def swapped():
    """Says green for red and red for green."""
    return Colors((1, 0, 2, 3, 4)).eval()


def four_classes():
    return Colors((0, 1, 2, 3)).eval()


def twice():
    return Twice().eval()


def broken():
    raise RuntimeError("the weights have gone")


def sleeps():
    time.sleep(600)
'''


def write_colors_onnx(
    path: Path,
    *,
    weights: Any = WEIGHTS,
    bias: Any = BIAS,
    side: int = SIDE,
    batch: int | str = "batch",
    layers: int = 1,
    folded: int = 0,
) -> Path:
    """Write the classifier as an ONNX file: convolution, average, linear layer; NCHW.

    It makes ``layers`` convolutions of the image one after the other, which change nothing, and ``folded`` ones of the
    bias: these ONNX Runtime makes once, when it loads the model, at every level but ``ort-off``, which makes them in
    each call.
    """
    import onnx
    from onnx import TensorProto, helper, numpy_helper

    def identity(channels: int) -> Any:
        return np.eye(channels, dtype=np.float32).reshape(channels, channels, 1, 1)

    def chain(names: list[str], kernel: str) -> list[Any]:
        return [helper.make_node("Conv", [one, kernel], [other]) for one, other in pairwise(names)]

    def averaged(name: str, result: str) -> list[Any]:
        pooled = f"{name}_averaged"
        return [
            helper.make_node("GlobalAveragePool", [name], [pooled]),
            helper.make_node("Flatten", [pooled], [result]),
        ]

    tensors = {"kernel": identity(3), "weights": weights, "bias": np.asarray(bias, dtype=np.float32)}
    nodes = chain(["image", *(f"image_{number}" for number in range(1, layers)), "convolved"], "kernel")
    if folded:
        plane = np.broadcast_to(tensors.pop("bias")[None, :, None, None], (1, 5, side, side))
        tensors |= {"bias_0": np.ascontiguousarray(plane), "bias_kernel": identity(5)}
        nodes += chain([f"bias_{number}" for number in range(folded + 1)], "bias_kernel")
        nodes += averaged(f"bias_{folded}", "bias")
    nodes += averaged("convolved", "flat")
    nodes.append(helper.make_node("Gemm", ["flat", "weights", "bias"], ["scores"], transB=1))
    graph = helper.make_graph(
        nodes,
        "colors",
        [helper.make_tensor_value_info("image", TensorProto.FLOAT, [batch, 3, side, side])],
        [helper.make_tensor_value_info("scores", TensorProto.FLOAT, [batch, 5])],
        [numpy_helper.from_array(value, name) for name, value in tensors.items()],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)
    onnx.save(model, str(path))
    return path


def color_images(side: int = 24) -> list[Any]:
    """One noisy image a shown color, (side, side, 3) uint8."""
    random = np.random.default_rng(5)
    noise = random.integers(-15, 16, (len(SHOWN), side, side, 3))
    return [
        np.clip(COLORS[label].astype(int) + noise[index], 0, 255).astype(np.uint8) for index, label in enumerate(SHOWN)
    ]


@pytest.fixture(scope="session")
def warehouse(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What the projects are made of, built once: models, inputs, images."""
    from PIL import Image

    folder = tmp_path_factory.mktemp("warehouse")
    write_colors_onnx(folder / "colors.onnx")
    write_colors_onnx(folder / "gray.onnx", bias=[0, 0, 0, 0, 9])
    write_colors_onnx(folder / "swapped.onnx", weights=WEIGHTS[[1, 0, 2, 3, 4]])
    write_colors_onnx(folder / "faint.onnx", weights=WEIGHTS / 2)
    write_colors_onnx(folder / "nan.onnx", bias=np.full(5, np.nan))
    write_colors_onnx(folder / "single.onnx", batch=1)
    write_colors_onnx(folder / "grown.onnx", layers=200)
    write_colors_onnx(folder / "folding.onnx", folded=100)
    whole = (folder / "colors.onnx").read_bytes()
    (folder / "truncated.onnx").write_bytes(whole[: len(whole) // 2])
    (folder / "images").mkdir()
    pictures = color_images()
    for index, picture in enumerate(pictures):
        Image.fromarray(picture).save(folder / "images" / f"{index}-{SHOWN[index]}.png")
    batch = np.stack(pictures)[:, :SIDE, :SIDE].transpose(0, 3, 1, 2).astype(np.float32) / 255
    np.save(folder / "inputs.npy", np.ascontiguousarray(batch))
    (folder / "nets.py").write_text(NETS.format(weights=WEIGHTS.tolist(), bias=BIAS.tolist()))
    return folder


@pytest.fixture(scope="session")
def shared_cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One store for all projects, where a test is not about the store."""
    return shared_folder(tmp_path_factory, "store")


class Project:
    """A user's project in a directory of its own."""

    conclusive = ("--envrobust-precision=1", "--envrobust-time-budget=6")
    """Time until a ratio has an interval, no wider than a factor of 4: soon, unless the machine is restless."""

    def __init__(self, pytester: pytest.Pytester, warehouse: Path, cache: Path) -> None:
        self.pytester, self.path, self.warehouse, self.cache = pytester, pytester.path, warehouse, cache
        self.ini()

    def bring(self, *names: str) -> None:
        """Put files or folders of the warehouse into the project."""
        for name in names:
            os.symlink(self.warehouse / name, self.path / name)

    def write(self, name: str, text: str) -> Path:
        """Write a file of the project."""
        path = self.path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(textwrap.dedent(text), encoding="utf-8")
        return path

    def ini(self, *lines: str) -> None:
        """Write the ini file, which also says where the project's root is."""
        self.write("pytest.ini", "\n".join(["[pytest]", *lines, ""]))

    def declare(self, *models: str, more: str = "") -> None:
        """Write the conftest: models as Python expressions, and more text."""
        text = "import pytest\nimport pytest_envrobust as er\n\n\ndef pytest_envrobust_models(config):\n    return ["
        self.write("conftest.py", text + ", ".join(models) + "]\n\n\n" + textwrap.dedent(more))

    def declare_colors(self, more: str = "") -> None:
        """One model, ``colors``, with an ONNX source."""
        self.bring("colors.onnx", "inputs.npy")
        self.declare("er.Model('colors', sources={'onnx': 'colors.onnx'}, inputs='inputs.npy')", more=more)

    def declare_folding(self, more: str = "") -> None:
        """One model, ``folding``: of its convolutions the reference, ``onnx/ort-all/cpu``, makes 1, ``ort-off`` 101."""
        self.bring("folding.onnx", "inputs.npy")
        sources = "sources={'onnx': 'folding.onnx'}, inputs='inputs.npy', reference='onnx/ort-all/cpu'"
        self.declare(f"er.Model('folding', {sources})", more=more)

    def declare_pair(self, factory: str, more: str = "") -> None:
        """One model, ``pair``, with an ONNX source, the reference's, and a torch factory of ``nets.py``."""
        self.bring("colors.onnx", "inputs.npy", "nets.py")
        sources = f"{{'onnx': 'colors.onnx', 'torch': 'nets:{factory}'}}"
        self.declare(f"er.Model('pair', sources={sources}, inputs='inputs.npy')", more=more)

    def declare_swapped(self, more: str = "") -> None:
        """One model, ``pair``, with two ONNX sources: the reference's, and another's, which says green for red.

        As ``declare_pair("swapped")`` has it, without the seconds that torch takes to be imported.
        """
        self.bring("colors.onnx", "swapped.onnx", "inputs.npy")
        sources = "{'onnx': 'colors.onnx', 'onnx:swapped': 'swapped.onnx'}"
        self.declare(f"er.Model('pair', sources={sources}, inputs='inputs.npy')", more=more)

    def pytest(self, *arguments: str, plugins: Collection[str] = ()) -> pytest.RunResult:
        """Run the project's tests as they are, without --envrobust; of other plugins, only those that are named."""
        return self.pytester.runpytest_subprocess(*_without_others(plugins), *arguments, timeout=300)

    def run(self, *arguments: str, plugins: Collection[str] = ()) -> pytest.RunResult:
        """Run the project's tests with --envrobust, the shared store, and a record."""
        return self.pytest(*self.own(), "--envrobust-json=run.json", *arguments, plugins=plugins)

    def collect(self, *arguments: str) -> pytest.RunResult:
        """Collect the project's tests with --envrobust: no worker is needed, nor a process of its own."""
        own = (*_without_others(()), *self.own(), "--collect-only", "-q")
        return self.pytester.runpytest_inprocess(*own, *arguments)

    def own(self) -> tuple[str, ...]:
        """The options of every run."""
        return "--envrobust", f"--envrobust-cache-dir={self.cache}", "--envrobust-time-budget=0.2", "-rA"

    def record(self) -> dict[str, Any]:
        """The record of the last run."""
        found: dict[str, Any] = json.loads((self.path / "run.json").read_text(encoding="utf-8"), parse_constant=_refuse)
        return found

    def cells(self) -> dict[str, dict[str, Any]]:
        """The last record's cells by node id."""
        return {cell["nodeid"]: cell for cell in self.record()["cells"]}

    def statuses(self) -> dict[str, str]:
        """Status of each cell of the last record, by node id."""
        return {nodeid: cell["status"] for nodeid, cell in self.cells().items()}


OTHERS = ("cacheprovider", "timeout", "anyio", "hypothesispytest", "benchmark", "xdist", "xdist.looponfail")


def _without_others(wanted: Collection[str]) -> list[str]:
    """Options that keep other plugins out: they cost time, and what they do is not what is tested."""
    return [part for name in OTHERS if name not in wanted for part in ("-p", f"no:{name}")]


def _refuse(constant: str) -> None:
    raise AssertionError(f"{constant} is no JSON value")


@pytest.fixture
def project(pytester: pytest.Pytester, warehouse: Path, shared_cache: Path, monkeypatch: pytest.MonkeyPatch) -> Project:
    """An empty project."""
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    for name in filter(of_this_run, list(os.environ)):
        monkeypatch.delenv(name)
    return Project(pytester, warehouse, shared_cache)


LABELS_TEST = "def test_labels(envrobust):\n    envrobust.assert_labels_agree()\n"


@pytest.fixture
def labels_test(project: Project) -> str:
    """Write the plainest test and return its node id up to the case."""
    project.write("test_it.py", LABELS_TEST)
    return "test_it.py::test_labels"
