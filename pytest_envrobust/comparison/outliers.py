"""Environments whose scores lie far further from the reference than all others: a broken engine behind equal labels."""

from __future__ import annotations

import math
from collections.abc import Mapping

TIMES_FURTHER = 100.0
"""So many times further off than the next one."""
LEAST_SHARE = 0.05
"""And by so much of the spread of the scores at least: rounding to 16 bits stays below."""


def outlier_notice(differences: Mapping[str, float], spread: float) -> str | None:
    """What to say of the environment that is far further off than the others; ``None`` where none is.

    ``differences`` are the largest differences of scores from the reference's by environment, one for each distinct
    output but the reference's own; ``spread`` is that of the reference's scores (`blocks.spread_of`).
    """
    known = sorted(((off, name) for name, off in differences.items() if math.isfinite(off)), reverse=True)
    if len(known) < 2 or not spread > 0:
        return None
    (most, name), (next_most, _) = known[:2]
    if most < LEAST_SHARE * spread or most < TIMES_FURTHER * next_most:
        return None
    return (
        f"{name} is an outlier: its scores are off by up to {most:.2g}, {most / spread:.0%} of their spread, and those "
        f"of all others by {next_most:.2g} at most: equal labels or not, look at how it computes this model"
    )
