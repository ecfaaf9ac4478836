"""Other tools' checks of one network against another, as their users would call them."""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    import torch


@dataclass(frozen=True)
class Trial:
    """Two networks, the batch that they are compared on, (N, 3, H, W), and the scores of both, (N, classes)."""

    reference: torch.nn.Module
    candidate: torch.nn.Module
    batch: torch.Tensor = field(repr=False)
    expected: NDArray[np.float32] = field(repr=False)
    actual: NDArray[np.float32] = field(repr=False)


Check = Callable[[Trial], bool]
"""Whether the tool lets the candidate pass."""


def rivals(folder: Path | None) -> dict[str, Check]:
    """The checks of the tools that are installed, in ``folder`` or beside this package."""
    if folder is not None:
        sys.path.append(str(folder))  # last: what both have is taken from here
    checks: dict[str, Check] = {}
    if find_spec("polygraphy") is not None:
        checks |= _polygraphy()
    if find_spec("pytest_torch") is not None:
        checks["pytest-torch top-1"] = _pytest_torch
    return checks


def _polygraphy() -> dict[str, Check]:
    """Polygraphy's comparisons with their own default tolerances, and the nearest that it has to a label."""
    from polygraphy.comparator import CosineSimilarityCompareFunc, IndicesCompareFunc, SimpleCompareFunc
    from polygraphy.logger import G_LOGGER

    G_LOGGER.module_severity = G_LOGGER.CRITICAL + 1
    return {
        "polygraphy simple": lambda trial: _compared(trial, SimpleCompareFunc()),
        "polygraphy cosine": lambda trial: _compared(trial, CosineSimilarityCompareFunc()),
        "polygraphy top-1": lambda trial: _compared(trial, IndicesCompareFunc(), top=1),
        "polygraphy top-10": lambda trial: _compared(trial, IndicesCompareFunc(), top=10),
    }


def _compared(trial: Trial, compare: Any, top: int = 0) -> bool:
    """One input after the other, as Polygraphy feeds them; all must pass."""
    from polygraphy.comparator import IterationResult, TopKPostprocessFunc

    def result(scores: NDArray[np.float32]) -> Any:
        given = IterationResult({"scores": scores[None]}, runner_name="network")
        return TopKPostprocessFunc(k=top)(given) if top else given

    pairs = zip(trial.expected, trial.actual)
    return all(bool(compare(result(one), result(other))["scores"]) for one, other in pairs)


def _pytest_torch(trial: Trial) -> bool:
    from pytest_torch.parity import assert_models_agree

    try:
        assert_models_agree(trial.reference, trial.candidate, trial.batch, min_top1=1.0)
    except AssertionError:
        return False
    return True
