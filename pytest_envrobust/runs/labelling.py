"""Labels of a cell held against its reference's, their flips against the noise of each side."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from numpy.typing import NDArray

from pytest_envrobust.comparison.blur import precision_of
from pytest_envrobust.comparison.kinds import kind_of
from pytest_envrobust.comparison.labels import LabelComparison, compare_labels
from pytest_envrobust.comparison.notices import pair_notices
from pytest_envrobust.comparison.steadiness import ROUNDED, ComparedLabels, OwnChange, noise_of, remarks_on
from pytest_envrobust.runs.reference import Reference
from pytest_envrobust.runs.steadiness import Steadiness

EARLIER = "as the earlier run measured it"
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
    sides: tuple[str, str],
    cell: Steadiness | None,
    reference: Reference | None,
    noise: float | None = None,
) -> ComparedLabels:
    """Compare the labels, and tell kinds of flips by the noise of each side, measured where a flip is left to class.

    ``actual`` are the cell's scores for the first inputs, ``expected`` the reference's for all of them; ``sides`` is
    what both are called. ``cell`` and ``reference`` are ``None`` where they cannot be run again; ``noise`` is that of
    an earlier run. The cell is run again whether or not a label flipped: one that agrees by chance does not agree.
    """

    def compared(**noises: float | None) -> LabelComparison:
        return compare_labels(actual, expected[: len(actual)], inputs=names, precision=precision, **noises)

    precision = precision_of(expected)  # of all: what a part of them tells, another part may not
    comparison = compared(noise=noise)
    remarks: tuple[str, ...] = ()
    noise_from, own, own_from, unrepeated = "" if noise is None else EARLIER, None, "", 0
    if (comparison.real or comparison.imprecise) and reference is not None and (changes := reference.changes):
        (noise, noise_from), remarks = noise_of(changes), _said(reference.run.environment.id, changes)
        comparison = compared(noise=noise)
    if cell is not None:
        again = cell.again(len(actual))
        unrepeated = len({*again.places} - {flip.index for flip in comparison.flips})
        changes = cell.changes(len(actual), cheaply=True) if comparison.real else (again,)
        remarks += _said(cell.name, [change for change in changes if change.how != ROUNDED])
        if comparison.real and kind_of(actual) == kind_of(expected):
            own, own_from = noise_of(changes, of_cell=True)
            comparison = compared(noise=noise, own_noise=own)
    notices: Sequence[str] = ()
    if comparison.flips:
        notices = pair_notices(actual, expected[: len(actual)], *sides, noise=noise, own_noise=own)
    return ComparedLabels(comparison, noise, own, noise_from, own_from, unrepeated, remarks, tuple(notices))


def _said(whose: str, changes: Sequence[OwnChange]) -> tuple[str, ...]:
    return tuple(f"{whose}: {said}" for said in remarks_on(changes))
