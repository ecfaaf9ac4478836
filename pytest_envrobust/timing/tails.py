"""Why the slowest calls are slow: because others had the processor, because they waited, or because they computed."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from pytest_envrobust.core.timing import Timing


@dataclass(frozen=True)
class TailCauses:
    """Of the ``calls`` that take as long as a tail or longer, those that others ``held_up``, and those that ``waited``.

    A call counts as one of them where at least half of what it takes beyond the median went there; the rest computed
    longer. ``held_up`` is ``None`` where the system does not tell: those are among the ones that waited then.
    """

    calls: int
    held_up: int | None
    waited: int


def tail_causes(timing: Timing, share: float) -> TailCauses:
    """What made calls slower than the ``share`` that is no slower (0.99: the slowest hundredth), by wall time."""
    wall, cpu = np.asarray(timing.wall_ns, dtype=np.float64), np.asarray(timing.cpu_ns or timing.wall_ns)
    told = bool(timing.held_up_ns)
    own = np.asarray(timing.own_ns, dtype=np.float64) if told else wall
    beyond = (wall >= np.quantile(wall, share)) & (wall > np.median(wall))
    half = (wall[beyond] - np.median(wall)) / 2
    held_up = (wall - own)[beyond] >= half
    idle = own - cpu
    waited = (idle[beyond] - np.median(idle) >= half) & ~held_up
    return TailCauses(int(beyond.sum()), int(held_up.sum()) if told else None, int(waited.sum()))
