"""TF32 and the trying out of algorithms: off unless asked for, in each engine's own words. No GPU is needed."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator

import pytest

from pytest_envrobust.backends import engines
from pytest_envrobust.backends._torch_devices import allow_shortcuts, shortcuts
from pytest_envrobust.backends.base import CUDA_OPTIONS, Option
from pytest_envrobust.backends.onnxruntime import cuda_settings

BOTH: dict[str, Option] = {"tf32": True, "autotune": True}
COMPILED = """
import tensorflow as tf
assert float(tf.function(lambda x: x + 1, jit_compile=True)(tf.constant(1.0))) == 2
"""


@pytest.fixture
def torch_as_it_was() -> Iterator[None]:
    import torch

    matmul, cudnn = torch.backends.cuda.matmul, torch.backends.cudnn
    was = matmul.allow_tf32, cudnn.allow_tf32, cudnn.benchmark
    yield
    matmul.allow_tf32, cudnn.allow_tf32, cudnn.benchmark = was


def test_both_are_off_by_default() -> None:
    known = {name: engine.devices["cuda:0"].options for name, engine in engines().items() if "cuda:0" in engine.devices}
    assert set(known) == {"torch", "tensorflow", "onnxruntime", "tvm"}
    assert known.pop("tvm") == {}  # it multiplies in float32 and compiles what it was told to
    assert all(options == CUDA_OPTIONS == {"tf32": False, "autotune": False} for options in known.values())


@pytest.mark.parametrize(("options", "said"), [(CUDA_OPTIONS, "off"), (BOTH, "on")], ids=["off", "on"])
@pytest.mark.usefixtures("torch_as_it_was")
def test_torch_says_what_is_set(options: dict[str, Option], said: str) -> None:
    allow_shortcuts(options)
    assert shortcuts() == {"tf32": f"matrix products {said}, convolutions {said}", "cudnn_benchmark": said}


def test_onnxruntimes_provider_is_told() -> None:
    assert cuda_settings("cuda:0", CUDA_OPTIONS) == {
        "device_id": 0,
        "use_tf32": 0,
        "cudnn_conv_algo_search": "HEURISTIC",
    }
    assert cuda_settings("cuda:1", BOTH) == {"device_id": 1, "use_tf32": 1, "cudnn_conv_algo_search": "EXHAUSTIVE"}


def test_tensorflow_is_told_before_it_loads(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XLA_FLAGS", "--xla_dump_to=here")
    engine = engines()["tensorflow"]
    safe = engine.variables("cuda:0", 1, CUDA_OPTIONS)
    assert safe["TF_CUDNN_USE_AUTOTUNE"] == "0"
    assert safe["XLA_FLAGS"] == "--xla_dump_to=here --xla_gpu_autotune_level=0"
    free = engine.variables("cuda:0", 1, BOTH)
    assert free["TF_CUDNN_USE_AUTOTUNE"] == "1"
    assert "XLA_FLAGS" not in free
    assert "TF_CUDNN_USE_AUTOTUNE" not in engine.variables("cpu", 1, {})


@pytest.mark.slow
def test_xla_knows_that_flag() -> None:
    """One that it does not know ends the process."""
    variables = engines()["tensorflow"].variables("cuda:0", 1, CUDA_OPTIONS)
    environ = {**os.environ, **variables, "CUDA_VISIBLE_DEVICES": "-1"}
    subprocess.run([sys.executable, "-c", COMPILED], env=environ, check=True, capture_output=True, timeout=120)
