"""Seeded faults of a torch module: of its weights in place, and of its operators while they are called."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from numpy.typing import NDArray

from pytest_envrobust.core.faults import Fault
from pytest_envrobust.frameworks._weight_faults import Weight, broken_weights, cannot_be_made, some_of
from pytest_envrobust.frameworks.base import Run

_CALLS = frozenset({"activation", "padding"})
"""Kinds of faults that are in what operators do, and in no weight."""


@contextmanager
def broken_module(module: Any, fault: Fault, run: Run) -> Iterator[Run]:
    """Within it: ``run`` with the fault in ``module``. Raises `Unavailable` where it cannot be made."""
    if fault.kind in _CALLS:
        yield _Miscalled(fault, run)
        return
    with broken_weights(list(_weights(module)), fault):
        yield run


def _weights(module: Any) -> Iterator[Weight]:
    """Floating parameters and buffers: kernels are (out, in, height, width), matrices (out, in)."""
    import torch

    names = {**dict(module.named_parameters()), **dict(module.named_buffers())}
    for name, tensor in names.items():
        if not tensor.is_floating_point():
            continue

        def read(tensor: Any = tensor) -> NDArray[Any]:
            array: NDArray[Any] = tensor.detach().float().cpu().numpy()
            return array

        def write(values: NDArray[Any], tensor: Any = tensor) -> None:
            with torch.no_grad():
                tensor.copy_(torch.from_numpy(values))

        is_kernel = tensor.dim() == 4
        axes: tuple[tuple[int, ...], int | None] = ((2, 3), 0) if is_kernel else ((), None)
        yield Weight(read, write, tensor.dim(), *axes, is_variance=name.endswith("running_var"))


class _Miscalled:
    """A run in which some of the operators of a kind do something else."""

    def __init__(self, fault: Fault, run: Run) -> None:
        self._fault, self._run = fault, run
        self._chosen: list[int] | None = None

    def __call__(self, batch: NDArray[Any]) -> NDArray[Any]:
        if self._chosen is None:
            counting = _mode(self._fault.kind, ())
            with counting:
                self._run(batch)  # whole: a program may take no other number
            self._chosen = some_of(counting.count, self._fault)
            if not self._chosen:
                raise cannot_be_made(self._fault)
        with _mode(self._fault.kind, self._chosen):
            return self._run(batch)


def _mode(kind: str, chosen: Any) -> Any:
    """A mode in which the operators of a kind are counted, and those at the ``chosen`` places are called otherwise."""
    from torch.utils._python_dispatch import TorchDispatchMode

    other = {"activation": _other_activation, "padding": _other_padding}[kind]

    class Mode(TorchDispatchMode):  # type: ignore[misc]
        count = 0

        def __torch_dispatch__(self, function: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
            given = kwargs or {}
            replacement = other(function, args, given)
            if replacement is not None:
                self.count += 1
                if self.count - 1 in chosen:
                    return replacement()
            return function(*args, **given)

    return Mode()


def _other_activation(function: Any, args: Any, kwargs: Any) -> Any:
    """What computes another activation than a call asks for; ``None`` where it asks for none."""
    import torch

    name = function.overloadpacket.__name__
    inner = name.rstrip("_")
    if not args or not isinstance(args[0], torch.Tensor):
        return None

    def with_(compute: Any) -> Any:
        return lambda: args[0].copy_(compute(args[0])) if name.endswith("_") else compute(args[0])

    functional = torch.nn.functional
    bounds = [*args[1:], *kwargs.values()]
    if inner == "relu":
        return with_(lambda value: value.clamp(0, 6))
    if inner in ("hardtanh", "clamp") and [each for each in bounds if each is not None] == [0, 6]:
        return with_(lambda value: value.clamp(min=0))
    if inner == "silu":
        return with_(functional.hardswish)
    if inner == "hardswish":
        return with_(functional.silu)
    if inner == "sigmoid":
        return with_(functional.hardsigmoid)
    if inner == "hardsigmoid":
        return with_(torch.sigmoid)
    if inner == "gelu":
        exact = kwargs.get("approximate", "none") == "none"
        return with_(lambda value: functional.gelu(value, approximate="tanh" if exact else "none"))
    if inner in ("leaky_relu", "elu"):
        return with_(functional.relu)
    return None


def _other_padding(function: Any, args: Any, kwargs: Any) -> Any:
    """What computes a convolution, or a padding before it, that is padded on the other side, as others do."""
    import torch

    name = function.overloadpacket.__name__
    if name == "constant_pad_nd":
        sides = list(args[1])
        swapped = [side for place in range(0, len(sides), 2) for side in (sides[place + 1], sides[place])]
        return None if swapped == sides else lambda: function(args[0], swapped, *args[2:], **kwargs)
    if name != "convolution" or len(args) < 9 or args[6]:
        return None
    tensor, weight, bias, stride, padding, dilation, transposed, output_padding, groups = args[:9]
    if tensor.dim() != 4 or max(stride) == 1 or not max(padding):
        return None

    def padded_at_the_end() -> Any:
        sides: list[int] = []
        for axis in (1, 0):  # torch pads the last axis first
            whole = 2 * padding[axis]
            less = min(padding[axis], stride[axis] - 1)
            sides += [(whole - less) // 2, whole - (whole - less) // 2]
        ready = torch.constant_pad_nd(tensor, sides)
        return function(ready, weight, bias, stride, [0, 0], dilation, transposed, output_padding, groups)

    return padded_at_the_end
