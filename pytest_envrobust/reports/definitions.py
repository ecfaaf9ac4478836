"""What the reports write below the sensitivity table: why one definition's labels are not another's."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from pytest_envrobust.comparison.decomposition import CHANCE, OF_TRAINING, Decomposition, Swap
from pytest_envrobust.core.environment import Environment
from pytest_envrobust.core.wording import listed
from pytest_envrobust.history.view import ModelView
from pytest_envrobust.record import schema
from pytest_envrobust.record.decomposition_part import recorded_decomposition
from pytest_envrobust.reports.words import probability

_PARTS = {
    "filter": "resize filter",
    "geometry": "geometry",
    "channels": "channel order",
    "values": "scale, mean and deviation",
    "all": "preprocessing",
}
_REST = {
    None: "weights and definition",
    "weights": "definition (both have the same weights)",
    "network": "engine (both are one network)",
}


def definition_lines(view: ModelView) -> list[str]:
    """A line for each source whose labels are not the reference's: what of it preprocessing makes, and what is left."""
    return [_line(part) for part in view.decompositions]


def definitions_of(views: Sequence[ModelView]) -> Iterator[str]:
    """The same of several models."""
    for view in views:
        yield from (f"{view.name}: {line}" if len(views) > 1 else line for line in definition_lines(view))


def _line(part: schema.Decomposition) -> str:
    found, source = recorded_decomposition(part), Environment.parse(part.reference).source
    mine = Environment.parse(part.environment)
    factor = "framework (definitions)" if mine.source_framework != source.partition(":")[0] else "variant"
    labels = "labels" if part.of is None else f"labels (of inputs spread evenly over {part.of})"
    verb = "differs" if found.flips == 1 else "differ"
    said = f"{factor}: {found.flips} of {found.n} {labels} {verb} between {part.environment} and {part.reference}"
    rest = _REST[part.shared]
    if not found.swaps:
        return f"{said}; both are prepared alike: {_all(found.flips)} {rest}"
    pairs = ((mine.source, source, False), (source, mine.source, True))
    tried = "; ".join(
        _tried(found, *pair) for pair in pairs if any(each.by_reference is pair[2] for each in found.swaps)
    )
    return f"{said}; {tried}: {_attributed(found, rest)}{_kept_apart(found)}"


def _tried(found: Decomposition, taker: str, giver: str, by_reference: bool) -> str:
    """``torch with keras's resize filter 30, geometry 27, both 23``."""
    swaps = [swap for swap in found.swaps if swap.by_reference is by_reference]
    return f"{taker} with {giver}'s {', '.join(_left_by(swap, swaps) for swap in swaps)}"


def _left_by(swap: Swap, swaps: Sequence[Swap]) -> str:
    """``both 23 (4 new)``."""
    names = [_PARTS.get(part, part) for part in swap.parts]
    name = listed(names) if len(swaps) == 1 else "both" if len(names) == 2 else "all of these"
    new = f" ({swap.new} new)" if swap.new else ""
    return f"{names[0] if len(names) == 1 else name} {swap.flips}{new}"


def _attributed(found: Decomposition, rest: str) -> str:
    """``13 of the 36 are preprocessing, 23 weights and definition``."""
    mine, left = found.of_preprocessing, found.flips - found.of_preprocessing
    if not mine:
        return f"none is preprocessing, {_all(found.flips)} {rest}"
    chance = f" (p = {probability(found.p)}: it may be chance)" if found.p > CHANCE else ""
    if not left:
        return f"{_all(found.flips)} preprocessing{chance}"
    return f"{mine} of the {found.flips} {'is' if mine == 1 else 'are'} preprocessing{chance}, {left} {rest}"


def _kept_apart(found: Decomposition) -> str:
    """That parts which belong to what a network was trained with were not counted, where they were tried."""
    used = found.counted.parts if found.counted is not None else ()
    swapped = dict.fromkeys(part for swap in found.swaps for part in swap.parts)
    left = [_PARTS[part] for part in swapped if part in OF_TRAINING and part not in used]
    return f"; {listed(left)} not counted: a network is trained for its own" if left else ""


def _all(flips: int) -> str:
    return "it is" if flips == 1 else f"all {flips} are"
