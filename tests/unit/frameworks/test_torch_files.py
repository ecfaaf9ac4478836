"""What torch's files hold, and how each becomes a network that runs."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch

from pytest_envrobust.core.errors import DeclarationError
from pytest_envrobust.core.sources import SourceRef
from pytest_envrobust.core.tensors import TensorSpec
from pytest_envrobust.frameworks._torch_files import load_weights
from pytest_envrobust.frameworks.torch import Framework, load_for_export

SPEC = TensorSpec((1, 3, 8, 8))
IMAGES = torch.linspace(-1, 1, 192).reshape(1, 3, 8, 8)


def net(seed: int = 0) -> Any:
    torch.manual_seed(seed)
    parts = torch.nn.Conv2d(3, 4, 3), torch.nn.ReLU(), torch.nn.Flatten(), torch.nn.Linear(144, 5)
    return torch.nn.Sequential(*parts).eval()


def source(path: Path) -> SourceRef:
    return SourceRef("torch", "file", target=str(path))


@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # TorchScript's own
def test_torchscript_runs_and_is_exported(tmp_path: Path) -> None:
    path = tmp_path / "script.pt"
    torch.jit.trace(net(), IMAGES).save(str(path))
    expected = net()(IMAGES).detach().numpy()
    framework = Framework()
    first, again = framework.load(source(path)), framework.load(source(path))
    assert framework.inspect(first).digest == framework.inspect(again).digest
    assert framework.run(first, IMAGES.numpy()) == pytest.approx(expected, abs=1e-6)
    program = torch.export.export(*_as_arguments(*load_for_export(source(path), SPEC)))
    assert program.module()(IMAGES).detach().numpy() == pytest.approx(expected, abs=1e-6)
    assert not [node for node in program.graph.nodes if node.target is torch.ops.aten._convolution.default]


def _as_arguments(module: Any, example: Any) -> tuple[Any, tuple[Any]]:
    return module, (example,)


@pytest.mark.parametrize("kind", ["plain", "checkpoint", "parallel", "safetensors"])
def test_weights_are_loaded_into_a_network(tmp_path: Path, kind: str) -> None:
    state = net(1).state_dict()
    path = tmp_path / ("w.safetensors" if kind == "safetensors" else "w.pth")
    if kind == "safetensors":
        pytest.importorskip("safetensors.torch").save_file(state, str(path))
    else:
        named = {f"module.{name}": tensor for name, tensor in state.items()} if kind == "parallel" else state
        torch.save({"epoch": 3, "state_dict": named} if kind == "checkpoint" else named, path)
    module = net()
    load_weights(module, path)
    assert torch.equal(module(IMAGES), net(1)(IMAGES))


def test_weights_of_another_network_and_files_that_would_run_code_are_refused(tmp_path: Path) -> None:
    torch.save({"0.weight": torch.zeros(1)}, tmp_path / "other.pth")
    with pytest.raises(DeclarationError, match=r"do not fit the model: .*Missing key"):
        load_weights(net(), tmp_path / "other.pth")
    torch.save(net(), tmp_path / "whole.pt")
    with pytest.raises(DeclarationError, match="cannot be read"):
        load_weights(net(), tmp_path / "whole.pt")
    with pytest.raises(DeclarationError, match=r"would run whatever code.*--envrobust-model whole\.pt2"):
        Framework().load(source(tmp_path / "whole.pt"))


@pytest.mark.parametrize("name", ["w.pth", "w.pt", "w.safetensors"])
def test_weights_alone_get_the_line_to_write(tmp_path: Path, name: str) -> None:
    torch.save(net().state_dict(), tmp_path / name)
    with pytest.raises(DeclarationError, match=rf"no network.*--envrobust-weights {name}"):
        Framework().load(source(tmp_path / name))
