"""PyTorch: modules from factories or pickles, exported programs (``.pt2``) and TorchScript (``.pt``) files."""

from __future__ import annotations

import contextlib
import dataclasses
import hashlib
import inspect
import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pytest_envrobust.core.errors import DeclarationError
from pytest_envrobust.core.faults import Fault
from pytest_envrobust.core.named_inputs import declared_spec, feeds
from pytest_envrobust.core.requirements import TORCH
from pytest_envrobust.core.sources import Inspection, SourceRef
from pytest_envrobust.core.tensors import TensorSpec
from pytest_envrobust.frameworks._torch_faults import broken_module
from pytest_envrobust.frameworks._torch_files import load_weights, read_model
from pytest_envrobust.frameworks._torchvision import with_torchvision
from pytest_envrobust.frameworks.base import BaseFramework, Run
from pytest_envrobust.frameworks.factories import code_digest, produce
from pytest_envrobust.frameworks.outputs import Step, follow, path_to, single_output

IMAGES = "pixel_values"
"""What Hugging Face's classifiers call their images."""
_INPUT = "_envrobust_input"
"""Attribute under which a module made from an exported program keeps the input it was exported for."""


class Framework(BaseFramework):
    """PyTorch, executed eagerly in evaluation mode without gradients."""

    name = "torch"
    requires = (TORCH,)
    suffixes = (".pt2", ".pt", ".pth", ".safetensors")
    layout = "NCHW"
    engine = "torch"
    reference_compiler = "eager"
    state_suffix = ".pt"
    digest_covers_code = True

    def load(self, source: SourceRef) -> Any:
        """An ``nn.Module`` on the CPU, in evaluation mode, none of its parameters asking for gradients.

        Raises `DeclarationError` where a file cannot be read or a factory does not give a module or exported program.
        """
        import torch

        kinds = (torch.nn.Module, torch.export.ExportedProgram)

        def is_model(value: Any) -> bool:
            return isinstance(value, kinds)

        if source.kind == "file":
            model = with_torchvision(lambda: read_model(Path(source.target)))
        else:
            model = with_torchvision(lambda: produce(source, is_model))
            if source.weights and not source.state:
                load_weights(model, Path(source.weights))
        module = _unlifted(model) if isinstance(model, torch.export.ExportedProgram) else model.eval()
        for parameter in module.parameters():
            parameter.requires_grad_(False)
        return module

    def inspect(self, native: Any) -> Inspection:
        """Digest of tensors, structure and code; the input where the module comes from an exported program.

        Of a plain module also the names that a call needs and those it can take beside.
        """
        needs, may_take = _names_of(native)
        digest = hashlib.sha256()
        for name, tensor in _tensors(native):
            digest.update(f"{name} {tensor.dtype} {tuple(tensor.shape)}\n".encode())
            digest.update(_bits(tensor).data)
        digest.update(_structure(native).encode())
        return Inspection(digest.hexdigest(), input=declared_input(native), needs=needs, may_take=may_take)

    def run(self, native: Any, batch: NDArray[Any]) -> NDArray[Any]:
        """Run the module once, without gradients, on the CPU; scores of shape (N, classes)."""
        import torch

        with torch.no_grad():
            given = {name: torch.tensor(array) for name, array in feeds(batch).items()}
            value = native(**given) if batch.dtype.names else native(*given.values())
            return single_output(to_host(value), rows=len(batch))

    def save_state(self, native: Any, path: Path) -> None:
        """Write the module's parameters and buffers."""
        import torch

        torch.save(native.state_dict(), path)

    def load_state(self, native: Any, path: Path) -> None:
        """Replace the module's parameters and buffers, in place; those of another structure stay as they are."""
        import torch

        with contextlib.suppress(RuntimeError):
            native.load_state_dict(torch.load(path, weights_only=True))

    @contextlib.contextmanager
    def broken(self, native: Any, source: SourceRef, fault: Fault) -> Iterator[Run]:
        """Weights are changed in place; what operators do is changed while they are called."""
        with broken_module(native, fault, lambda batch: self.run(native, batch)) as run:
            yield run


def _names_of(module: Any) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """The names of the inputs that a call of a module needs, and of those that it can take beside."""
    try:
        parameters = inspect.signature(module.forward).parameters.values()
    except (TypeError, ValueError):  # one of TorchScript's, say
        return (), ()
    named = [each for each in parameters if each.kind not in (each.VAR_POSITIONAL, each.VAR_KEYWORD)]
    if len(named) < len(parameters) and not named:  # (*args, **kwargs) says nothing
        return (), ()
    needs = tuple(each.name for each in named if each.default is each.empty)
    return needs, tuple(each.name for each in named if each.default is not each.empty)


def declared_input(module: Any) -> TensorSpec | None:
    """The input that an exported program's module was exported for; ``None`` for a plain module."""
    spec = getattr(module, _INPUT, None)
    return spec if isinstance(spec, TensorSpec) else None


def probes(spec: TensorSpec) -> tuple[Any, ...]:
    """A probe for each input of the concrete ``spec``, in its order."""
    return tuple(probe(part) for part in spec.parts or (spec,))


def probe(spec: TensorSpec) -> Any:
    """A CPU tensor of the concrete ``spec``: values from -1 to 1 for floats, else zeros.

    Not all equal, so that a module that changes its input in place is seen to do so.
    """
    import torch

    shape = [size or 1 for size in spec.shape]
    dtype = getattr(torch, spec.dtype)
    if not dtype.is_floating_point:
        return torch.zeros(shape, dtype=dtype)
    count = int(np.prod(shape))
    return torch.linspace(-1.0, 1.0, count, dtype=torch.float64).reshape(shape).to(dtype)


def load_for_export(source: SourceRef, spec: TensorSpec) -> tuple[Any, Any]:
    """The module, made to return exactly one tensor, and an example input of the concrete ``spec``.

    Several inputs are a tuple of tensors in the spec's order, in which the module then takes them.

    Raises `DeclarationError` where which of its outputs are the class scores cannot be told or where it was exported
    for another input.
    """
    module = Framework().load(source)
    check_input(module, spec)
    answering = answering_alone(module, source.output, spec)
    if spec.parts:
        return as_graph(answering, spec), probes(spec)
    wrap = answering is module and declared_input(module) is not None
    return (_Answering.of(module, ()) if wrap else as_graph(answering, spec)), probe(spec)


def as_graph(module: Any, spec: TensorSpec) -> Any:
    """``module`` itself or, of TorchScript, which exporters and compilers do not read, a graph of its operators.

    Its weights are constants there, and what it decides by its input's values is decided as for a probe.
    """
    import torch
    from torch.fx.experimental.proxy_tensor import make_fx

    if not any(isinstance(part, torch.jit.ScriptModule) for part in module.modules()):
        return module
    with torch.no_grad():
        graph = make_fx(lambda *inputs: module(*inputs), tracing_mode="real")(*probes(spec))
    for node in graph.graph.nodes:
        if node.target is torch.ops.aten._convolution.default:  # TorchScript's own, which exporters do not know
            node.target, node.args = torch.ops.aten.convolution.default, node.args[:9]
    graph.recompile()
    return graph


def answering_alone(module: Any, output: str, spec: TensorSpec) -> Any:
    """``module``, wrapped where it returns more than a bare tensor: then it gives the class scores alone.

    It is run once on a probe of the concrete ``spec``. A network whose images are an argument called ``pixel_values``,
    but not the first, gets them by that name. Several inputs are taken in the spec's order, and given by name.
    """
    import torch

    if spec.parts:
        return _taking_several(module, output, spec)
    keyword = _keyword_of(module)
    sample = probe(spec)
    with torch.no_grad():
        value = module(**{keyword: sample}) if keyword else module(sample)
    if isinstance(value, torch.Tensor) and not keyword:
        return module
    path = path_to(value, output)
    single_output(to_host(follow(value, path)), rows=len(sample))
    return _Answering.of(module, path, keyword)


def _taking_several(module: Any, output: str, spec: TensorSpec) -> Any:
    """``module`` wrapped so that it takes the spec's inputs one after the other and gives the class scores alone.

    An exported program takes its inputs in the order that it was exported with.
    """
    import torch

    names = [part.name for part in spec.parts]
    declared = declared_input(module)
    order = [names.index(part.name) for part in declared.parts] if declared is not None else []

    def called(inputs: Sequence[Any]) -> Any:
        if order:
            return module(*(inputs[place] for place in order))
        return module(**dict(zip(names, inputs)))

    with torch.no_grad():
        value = called(probes(spec))
    path = path_to(value, output)
    single_output(to_host(follow(value, path)), rows=spec.batch)
    return _Answering.of_several(module, path, names, order)


def check_input(module: Any, spec: TensorSpec) -> None:
    """Raise `DeclarationError` where ``module`` was exported for another input than the concrete ``spec``."""
    declared = declared_input(module)
    if declared is None:
        return
    same_batch = declared.shape[:1] in ((None,), (spec.batch,))
    if not declared.takes(spec) or not same_batch:
        raise DeclarationError(
            f"the exported program takes {declared}, not {spec}",
            cause="torch.export fixes every dimension that was not declared dynamic",
            remedy="declare this input, or export again with a dynamic batch dimension",
        )


def to_host(value: Any) -> Any:
    """``value`` with the tensors in it, directly or in a container, as numpy arrays of their own; names are kept."""
    import torch

    if isinstance(value, torch.Tensor):
        tensor = value.detach()
        if tensor.dtype == torch.bfloat16:  # numpy has no such type; every value is a float32
            tensor = tensor.float()
        return np.array(tensor.cpu().numpy())
    if isinstance(value, Mapping):
        return {key: to_host(member) for key, member in value.items()}
    if isinstance(value, tuple) and hasattr(value, "_fields"):
        return {name: to_host(member) for name, member in zip(value._fields, value)}
    if isinstance(value, (tuple, list)):
        return tuple(to_host(member) for member in value)
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {field.name: to_host(getattr(value, field.name)) for field in dataclasses.fields(value)}
    return value


class _Answering:
    """Makes modules that return one tensor bare and keep their mode.

    Exporters switch the mode, which the modules of exported programs refuse.
    """

    @staticmethod
    def of(module: Any, path: Sequence[Step], keyword: str = "") -> Any:
        """``module`` with its input given by ``keyword``, if any, and what ``path`` leads to returned."""
        import torch

        class Answering(torch.nn.Module):  # type: ignore[misc]
            def __init__(self) -> None:
                super().__init__()
                self.wrapped = module
                self.training = False

            def forward(self, input: Any) -> Any:
                value = self.wrapped(**{keyword: input}) if keyword else self.wrapped(input)
                for kind, key in path:
                    value = value[key] if kind == "item" else getattr(value, key)
                return value

            def train(self, mode: bool = True) -> Any:
                return self

        return Answering()

    @staticmethod
    def of_several(module: Any, path: Sequence[Step], names: Sequence[str], order: Sequence[int]) -> Any:
        """``module`` with its inputs given by ``names``, or in that ``order``, and what ``path`` leads to returned."""
        import torch

        class AnsweringSeveral(torch.nn.Module):  # type: ignore[misc]
            def __init__(self) -> None:
                super().__init__()
                self.wrapped = module
                self.training = False

            def forward(self, *inputs: Any) -> Any:
                if order:
                    value = self.wrapped(*[inputs[place] for place in order])
                else:
                    value = self.wrapped(**dict(zip(names, inputs)))
                for kind, key in path:
                    value = value[key] if kind == "item" else getattr(value, key)
                return value

            def train(self, mode: bool = True) -> Any:
                return self

        return AnsweringSeveral()


def _keyword_of(module: Any) -> str:
    """The name by which ``forward`` must be given the images: where another argument stands first."""
    try:
        names = list(inspect.signature(module.forward).parameters)
    except (TypeError, ValueError):  # a compiled forward has none to show
        return ""
    return IMAGES if IMAGES in names[1:] else ""


def _unlifted(program: Any) -> Any:
    """An exported program as a module that also knows its input. Such a module has its mode baked in: no eval()."""
    module = program.module()
    spec = _program_input(program)
    if spec is not None:
        object.__setattr__(module, _INPUT, spec)
    return module


def _program_input(program: Any) -> TensorSpec | None:
    """The tensors that the program takes; dimensions that were declared dynamic are open.

    Raises `DeclarationError` where it takes several by keyword, or something else among them.
    """
    import torch

    names = [name for name in program.graph_signature.user_inputs if isinstance(name, str)]
    placeholders = {node.name: node.meta.get("val") for node in program.graph.nodes if node.op == "placeholder"}
    values = [placeholders.get(name) for name in names]
    if (len(names) == 1 and not isinstance(values[0], torch.Tensor)) or not names:
        return None
    by_keyword = len(names) > 1 and bool(_by_keyword(program).num_leaves)
    if by_keyword or not all(isinstance(value, torch.Tensor) for value in values):
        raise DeclarationError(
            f"the exported program takes {len(names)} inputs ({', '.join(names)})",
            cause="some of them by keyword" if by_keyword else "some of them are no tensors",
            remedy="export it with its inputs as the tuple args: torch.export.export(model, (image, scale))",
        )
    return declared_spec([_placeholder_spec(name, value) for name, value in zip(names, values)], "the exported program")


def _by_keyword(program: Any) -> Any:
    """The tree of what the program takes by keyword."""
    tree = program.call_spec.in_spec
    return tree.child(1) if hasattr(tree, "child") else tree.children_specs[1]


def _placeholder_spec(name: str, value: Any) -> TensorSpec:
    shape = tuple(size if isinstance(size, int) else None for size in value.shape)
    return TensorSpec(shape, str(value.dtype).removeprefix("torch."), name)


def _tensors(module: Any) -> Iterator[tuple[str, Any]]:
    """Every tensor that takes part: parameters, buffers (also those not saved) and plain attributes, by name."""
    import torch

    found: dict[str, Any] = dict(module.named_parameters(remove_duplicate=False))
    found.update(module.named_buffers(remove_duplicate=False))
    for prefix, part in module.named_modules():
        for name, value in vars(part).items():
            if isinstance(value, torch.Tensor):
                found[f"{prefix}.{name}"] = value
    return iter(sorted(found.items()))


def _bits(tensor: Any) -> NDArray[np.uint8]:
    """The tensor's elements as bytes, of any dtype; quantized ones as the values they stand for."""
    import torch

    plain = tensor.detach().cpu()
    if plain.layout != torch.strided:
        plain = plain.to_dense()
    if plain.is_quantized:
        plain = plain.dequantize()
    array: NDArray[np.uint8] = plain.contiguous().reshape(-1).view(torch.uint8).numpy()
    return array


def _structure(module: Any) -> str:
    """What the module is besides its tensors, in words that are the same in every process."""
    import torch

    spec = declared_input(module)
    if spec is not None or isinstance(module, torch.fx.GraphModule):
        return f"{spec} {module.code}"
    parts = [re.sub(r"0x[0-9a-fA-F]+", "", repr(module))]
    for prefix, part in module.named_modules():
        settings = {name: value for name, value in vars(part).items() if name not in _MARKS and _is_setting(value)}
        parts.append(f"{prefix} {type(part).__qualname__} {sorted(settings.items())}")
    parts += [str(part.code) for part in module.modules() if isinstance(part, torch.jit.ScriptModule)]
    parts.append(code_digest({type(part) for part in module.modules()}))
    return "\n".join(parts)


_MARKS = frozenset({"_is_torch_compile"})
"""Attributes that torch puts on a module when it is used, and that say nothing of what it is."""


def _is_setting(value: Any) -> bool:
    """Whether an attribute is a plain value (or a tuple or list of such), which prints alike everywhere."""
    if isinstance(value, (tuple, list)):
        return all(_is_setting(member) for member in value)
    return value is None or type(value) in (bool, int, float, str)
