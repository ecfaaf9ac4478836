"""A torchvision that was built for another torch than the one it stands beside."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

from pytest_envrobust.core.errors import chain_of

T = TypeVar("T")

_MISSING_OPERATOR = "operator torchvision::nms does not exist"
_kept_libraries: list[Any] = []


def with_torchvision(action: Callable[[], T]) -> T:
    """``action()``, again with torchvision's two compiled operators declared if it fails for want of them.

    A torchvision built for another torch (the CUDA build beside a CPU torch) cannot load its compiled part, and its
    import fails on the operators' names, although models and transforms do without them. A package that imports it may
    raise an error of its own, with that one behind it.
    """
    try:
        return action()
    except Exception as error:
        if not lacks_operators(error) or _kept_libraries:
            raise
    _declare_torchvision_operators()
    return action()


def lacks_operators(error: BaseException) -> bool:
    return any(_MISSING_OPERATOR in str(each) for each in chain_of(error))


def _declare_torchvision_operators() -> None:
    import torch

    library = torch.library.Library("torchvision", "DEF")
    for operator in ("nms", "qnms"):
        library.define(f"{operator}(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
    _kept_libraries.append(library)  # the operators vanish with their library
