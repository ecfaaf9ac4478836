"""The labels of one cell in two runs: which inputs both have, and what changed for them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pytest_envrobust.comparison.labels import UNDEFINED, top1
from pytest_envrobust.core.wording import label
from pytest_envrobust.record.schema import Model

SHOWN = 10
"""Changed inputs that are named for each cell; all are counted."""


@dataclass(frozen=True)
class MatchedInputs:
    """The inputs that two runs of a model have in common.

    ``rows`` are pairs of row numbers, before and after. ``other_pixels`` of them have one name and other pixels.
    ``only_before`` and ``only_after`` count the others.
    """

    names: tuple[str, ...] = ()
    rows: tuple[tuple[int, int], ...] = ()
    only_before: int = 0
    only_after: int = 0
    other_pixels: int = 0

    @property
    def are_the_same(self) -> bool:
        """Whether both runs have these inputs, in this order, and no others."""
        paired = all(before == after for before, after in self.rows)
        return paired and not (self.only_before or self.only_after or self.other_pixels)


@dataclass(frozen=True)
class LabelChange:
    """An input whose label is another one: the labels are class names with their numbers."""

    input: str
    before: str
    after: str


@dataclass(frozen=True)
class LabelChanges:
    """What became of a cell's labels on the ``compared`` inputs: ``count`` changed, the first 10 are named.

    ``without_label`` have none in either run: what has no label is not the same as anything, and has not changed.
    ``bits_differ`` says whether any score of these inputs differs.
    """

    compared: int
    count: int = 0
    first: tuple[LabelChange, ...] = ()
    bits_differ: bool = False
    without_label: int = 0


def matched_inputs(before: Model, after: Model) -> MatchedInputs:
    """A model's inputs in two runs, matched by the digests of their pixels, and by their names where those differ."""
    names = before.inputs or (), after.inputs or ()
    digests = [_digests(model) for model in (before, after)]
    found: dict[int, int] = {}
    if all(digests):
        found = _same(digests[0], digests[1], range(len(names[0])), range(len(names[1])))
    rest = [row for row in range(len(names[0])) if row not in found]
    taken = set(found.values())
    by_name = _same(names[0], names[1], rest, [row for row in range(len(names[1])) if row not in taken])
    found |= by_name
    rows = tuple(sorted(found.items()))
    return MatchedInputs(
        names=tuple(names[1][row] for _, row in rows),
        rows=rows,
        only_before=len(names[0]) - len(rows),
        only_after=len(names[1]) - len(rows),
        other_pixels=len(by_name) if all(digests) else 0,
    )


def changed_labels(
    before: NDArray[Any],
    after: NDArray[Any],
    inputs: MatchedInputs,
    class_names: tuple[Sequence[str], Sequence[str]] = ((), ()),
) -> LabelChanges | None:
    """What changed between two arrays of scores, (N, classes), on their common inputs.

    Labels are the same where they have one number or, where both runs name their classes and differently, one name.
    ``None`` where they cannot be compared: other numbers of classes without such names, or rows that are not there.
    """
    rows = np.array(inputs.rows, dtype=np.int64).reshape(-1, 2)
    if not len(rows) or len(before) <= rows[:, 0].max() or len(after) <= rows[:, 1].max():
        return None
    old, new = before[rows[:, 0]], after[rows[:, 1]]
    by_name = bool(class_names[0]) and bool(class_names[1]) and list(class_names[0]) != list(class_names[1])
    if old.shape != new.shape and not by_name:
        return None
    labels = list(zip(top1(old).tolist(), top1(new).tolist()))
    if by_name:
        differs = [_name(one, class_names[0]) != _name(other, class_names[1]) for one, other in labels]
    else:
        differs = [one != other for one, other in labels]
    changed = [
        LabelChange(name, label(one, class_names[0]), label(other, class_names[1]))
        for name, (one, other), differ in zip(inputs.names, labels, differs)
        if differ
    ]
    same_bits = old.dtype == new.dtype and old.shape == new.shape and old.tobytes() == new.tobytes()
    without = sum(one == other == UNDEFINED for one, other in labels)
    return LabelChanges(
        len(rows), len(changed), tuple(changed[:SHOWN]), bits_differ=not same_bits, without_label=without
    )


def _name(number: int, class_names: Sequence[str]) -> str:
    return class_names[number] if 0 <= number < len(class_names) else label(number, ())


def _digests(model: Model) -> Sequence[str]:
    digests = model.input_digests or ()
    return digests if len(digests) == len(model.inputs or ()) else ()


def _same(
    before: Sequence[str], after: Sequence[str], rows_before: Iterable[int], rows_after: Iterable[int]
) -> dict[int, int]:
    """Rows with one key, the first with the first where several have it."""
    places = {key: row for row, key in zip(*_numbered(after, rows_after))}
    return {row: places[key] for row, key in zip(*_numbered(before, rows_before)) if key in places}


def _numbered(keys: Sequence[str], rows: Iterable[int]) -> tuple[list[int], list[tuple[str, int]]]:
    """Rows, and their keys with how often each came before."""
    seen: Counter[str] = Counter()
    chosen, numbered = list(rows), []
    for row in chosen:
        numbered.append((keys[row], seen[keys[row]]))
        seen[keys[row]] += 1
    return chosen, numbered
