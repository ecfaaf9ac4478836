"""Labels of a cell held against its reference's, their flips against the noise of both sides."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from numpy.typing import NDArray

from pytest_envrobust.comparison.kinds import kind_of
from pytest_envrobust.comparison.labels import compare_labels
from pytest_envrobust.comparison.steadiness import ComparedLabels, OwnChange, noise_of, remarks_on
from pytest_envrobust.runs.reference import Reference
from pytest_envrobust.runs.steadiness import Steadiness

FIRST_LOOK = 32
"""Inputs after which a comparison that may stop early looks at its labels for the first time, then at twice as many."""


def compared_until_sure(
    compared: Callable[[int], ComparedLabels], is_sure: Callable[[ComparedLabels], bool], total: int, batch: int
) -> ComparedLabels:
    """The comparison of the first of ``total`` inputs, of as many as are needed until ``is_sure`` of it.

    ``compared`` gives that of a number of them, which is one of whole batches or of all.
    """
    count = min(total, -(-FIRST_LOOK // batch) * batch)
    while True:
        found = compared(count)
        if count >= total or is_sure(found):
            return found
        count = min(total, 2 * count)


def compared_labels(
    actual: NDArray[Any],
    expected: NDArray[Any],
    names: Sequence[str],
    cell: Steadiness | None,
    reference: Reference | None,
    noise: float | None = None,
) -> ComparedLabels:
    """Compare the labels, and tell ties by the noise of both sides, each measured where a flip is left to class.

    ``cell`` and ``reference`` are ``None`` where they cannot be run again; ``noise`` is an earlier run's reference's.
    The cell is run again whether or not a label flipped: one that agrees by chance does not agree.
    """
    comparison = compare_labels(actual, expected, inputs=names, noise=noise)
    remarks: tuple[str, ...] = ()
    own, unrepeated = None, 0
    if comparison.real and reference is not None and (changes := reference.changes):
        noise, remarks = noise_of(changes), _said(reference.run.environment.id, changes)
        comparison = compare_labels(actual, expected, inputs=names, noise=noise)
    if cell is not None:
        again = cell.again(len(actual))
        unrepeated = len({*again.places} - {flip.index for flip in comparison.flips})
        changes = cell.changes(len(actual), cheaply=True) if comparison.real else (again,)
        remarks += _said(cell.name, changes)
        if comparison.real and kind_of(actual) == kind_of(expected):
            own = noise_of(changes)
            comparison = compare_labels(actual, expected, inputs=names, noise=max(own, noise or 0.0))
    return ComparedLabels(comparison, noise, own, unrepeated, remarks)


def _said(whose: str, changes: Sequence[OwnChange]) -> tuple[str, ...]:
    return tuple(f"{whose}: {said}" for said in remarks_on(changes))
