"""What the collection of a run found out beside its items."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from pytest_envrobust.core.shard import CellName, Shard
from pytest_envrobust.record import schema
from pytest_envrobust.runs.cases import LeftOut
from pytest_envrobust.runs.effects import Effects

SELECTED = "envrobust_selected"
"""The option that keeps node ids of the command line's models: pytest would look for files of these names."""


@dataclass
class Collected:
    """The environments that no test takes; all cells, those that ``-k`` or a shard took away among them; which
    declarations had an effect; and, where the run is one shard, the cells of all, in the run's order.
    """

    shard: Shard | None = None
    left_out: LeftOut = field(default_factory=LeftOut)
    cells: set[CellName] = field(default_factory=set)
    effects: Effects = field(default_factory=Effects)
    whole: Sequence[CellName] | None = None

    def shard_part(self) -> schema.Shard | None:
        """What the record says of the shard that this run is; ``None`` where it is none."""
        if self.shard is None:
            return None
        whole = None if self.whole is None else list(self.whole)
        return schema.Shard(numbers=[self.shard.number], of=self.shard.of, whole=whole)
