"""What a record of some shards has of the whole: views of its ``run.shard``."""

from __future__ import annotations

from pytest_envrobust.core.shard import CellName, shares
from pytest_envrobust.core.wording import counted, listed
from pytest_envrobust.record.schema import Shard, ShardNumbers

_SHOWN = 8
"""Shards that a sentence names."""


def whole_of(told: Shard | None) -> list[CellName]:
    """The cells of all shards, in the run's order; none where nothing was collected."""
    return [] if told is None else list(told.whole or ())


def covered_by(told: Shard) -> frozenset[CellName]:
    """The cells that are in these shards."""
    return shares(whole_of(told), told.numbers, told.of)


def missing_shards(told: ShardNumbers) -> list[int]:
    """The numbers of the shards that these are not."""
    return [number for number in range(1, told.of + 1) if number not in told.numbers]


def shards_named(numbers: list[int]) -> str:
    """``shard 3``, ``shards 1 and 2``; of many the first."""
    first, more = [str(number) for number in numbers[:_SHOWN]], len(numbers) - _SHOWN
    return f"shard{'s' if len(numbers) > 1 else ''} {listed([*first, f'{more} more'] if more > 0 else first)}"


def shard_notice(told: Shard) -> str:
    """How many cells of how many: ``shard 3/8: 12 of 96 cells; the other 84 are in the other shards``."""
    numbers, of = told.numbers, told.of
    name = f"shard {numbers[0]}/{of}" if len(numbers) == 1 else f"{shards_named(numbers)} of {of}"
    if told.whole is None:
        return f"{name}: no cells were collected"
    whole, here = len(told.whole), len(covered_by(told))
    if here == whole:
        return f"{name}: all of {counted(whole, 'cell')}"
    cells = f"{here} of {counted(whole, 'cell')}" if here else f"none of {counted(whole, 'cell')}"
    there = shards_named(missing_shards(told)) if len(numbers) > 1 else "the other shards"
    others = f"the other {whole - here} {'is' if whole - here == 1 else 'are'}" if here else "all are"
    return f"{name}: {cells}; {others} in {there}"
