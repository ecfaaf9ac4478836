"""What torch's files hold: a program that runs, or weights that want a network."""

from __future__ import annotations

import logging
import warnings
import zipfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from pytest_envrobust.core.errors import DeclarationError
from pytest_envrobust.core.requirements import TORCH
from pytest_envrobust.core.telling import named_cause
from pytest_envrobust.frameworks._floors import check_loader
from pytest_envrobust.frameworks._torch_guard import load_program
from pytest_envrobust.frameworks._torchvision import lacks_operators

_NESTED = ("state_dict", "model_state_dict", "model", "module", "net")
"""Under what name training loops keep the weights among other things."""
_PREFIXES = ("module.", "_orig_mod.")
"""What wrappers of training (data parallel, torch.compile) put before every name."""


def read_model(path: Path) -> Any:
    """The exported program or TorchScript module in the file.

    Nothing is unpickled but plain data. Raises `DeclarationError` where it cannot be read, and where it holds weights
    alone or a pickled module: with the lines that make a source of it.
    """
    if not path.is_file():
        raise DeclarationError(f"{path} cannot be read", cause="there is no such file")
    if path.suffix.lower() == ".safetensors":
        raise _weights_alone(path)
    members = _members(path)
    if any(name.endswith("/constants.pkl") for name in members):
        return _read_script(path)
    if path.suffix.lower() == ".pt2" or not any(name.endswith("data.pkl") for name in members or ["data.pkl"]):
        return _read_program(path)
    raise _pickled(path)


def load_weights(module: Any, path: Path) -> None:
    """Put the weights in the file into ``module``, in place: a ``.safetensors`` file or a saved state dict.

    Of a checkpoint its state dict is taken, and what wrappers of training put before the names is left out. Raises
    `DeclarationError` where the file cannot be read safely or is not of this module.
    """
    import torch

    state = _state_of(path)
    own = set(module.state_dict())
    for prefix in _PREFIXES:
        if state and not own & set(state) and all(name.startswith(prefix) for name in state):
            state = {name[len(prefix) :]: tensor for name, tensor in state.items()}
    try:
        with torch.no_grad():
            module.load_state_dict(state)
    except RuntimeError as error:
        lines = [" ".join(line.split()) for line in str(error).splitlines()[1:]] or [str(error)]
        raise DeclarationError(
            f"weights {str(path)!r} do not fit the model",
            cause=" ".join(lines)[:400],
            remedy="give the factory whose model they were saved from",
        ) from None


def _state_of(path: Path) -> dict[str, Any]:
    import torch

    try:
        if path.suffix.lower() == ".safetensors":
            from safetensors.torch import load_file

            return dict(load_file(str(path)))
        check_loader(TORCH, path)
        found = torch.load(path, map_location="cpu", weights_only=True)
    except DeclarationError:
        raise
    except ModuleNotFoundError as error:
        raise DeclarationError(f"weights {str(path)!r}", cause=str(error), remedy="pip install safetensors") from None
    except Exception as error:
        raise DeclarationError(
            f"weights {str(path)!r} cannot be read",
            cause=named_cause(error),
            remedy="save the weights alone: torch.save(model.state_dict(), path)",
        ) from None
    state = _state_in(found)
    if state is None:
        kind = type(found).__name__
        raise DeclarationError(f"weights {str(path)!r}", cause=f"the file holds a {kind} and no state dict")
    return state


def _state_in(found: Any) -> dict[str, Any] | None:
    """The mapping from names to tensors, by itself or inside a checkpoint."""
    import torch

    if not isinstance(found, Mapping):
        return None
    if found and all(isinstance(tensor, torch.Tensor) for tensor in found.values()):
        return dict(found)
    inner = (_state_in(found[name]) for name in _NESTED if isinstance(found.get(name), Mapping))
    return next((state for state in inner if state is not None), None)


def _members(path: Path) -> list[str]:
    """Names in the archive; none where it is no zip file, as torch wrote before 1.6."""
    if not zipfile.is_zipfile(path):
        return []
    with zipfile.ZipFile(path) as archive:
        return archive.namelist()


def _read_script(path: Path) -> Any:
    import torch

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # TorchScript is deprecated
            return torch.jit.load(str(path), map_location="cpu")
    except Exception as error:
        raise DeclarationError(
            f"{path} cannot be read as TorchScript",
            cause=named_cause(error),
            remedy="write it again with torch.jit.save, torch not newer than this one",
        ) from error


def _read_program(path: Path) -> Any:
    check_loader(TORCH, path)
    try:
        with _quiet():
            return load_program(path)
    except DeclarationError:
        raise
    except Exception as error:
        if lacks_operators(error):
            raise
        raise DeclarationError(
            f"{path} cannot be read as an exported torch program",
            cause=named_cause(error),
            remedy="write it with torch.export.save(torch.export.export(model, (example,)), path), torch not newer "
            "than this one",
        ) from error


def _pickled(path: Path) -> DeclarationError:
    """Why a file of `torch.save` is no source by itself, and what makes one of it."""
    import torch

    check_loader(TORCH, path)
    try:
        found = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:
        if "weights_only" not in str(error).lower() and "Unsupported" not in str(error):
            return DeclarationError(f"{path} cannot be read", cause=named_cause(error))
        return DeclarationError(
            f"{path} holds a pickled Python object",
            cause="reading it would run whatever code is in the file, and needs the code of its classes",
            remedy="if you trust it, write what runs without that code: torch.export.save(torch.export.export("
            f"torch.load({path.name!r}, weights_only=False).eval(), (example,)), {path.stem + '.pt2'!r}), and give "
            f"--envrobust-model {path.stem}.pt2",
        )
    if _state_in(found) is None:
        return DeclarationError(f"{path} holds a {type(found).__name__}", cause="a network or its weights are needed")
    return _weights_alone(path)


def _weights_alone(path: Path) -> DeclarationError:
    return DeclarationError(
        f"{path} holds weights and no network",
        cause="which layers they belong to is not in the file",
        remedy=f"name a function that gives the network: --envrobust-model package.module:factory --envrobust-weights "
        f"{path.name}, or er.Source('package.module:factory', weights_file={path.name!r})",
    )


@contextmanager
def _quiet() -> Iterator[None]:
    """Without the tracebacks that torch.export logs before it raises the error itself."""
    logger = logging.getLogger("torch.export")
    level = logger.level
    logger.setLevel(logging.CRITICAL)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logger.setLevel(level)
