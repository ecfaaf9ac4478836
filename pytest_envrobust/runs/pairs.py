"""Two inputs in one call: whether they change each other's scores, for models whose users give them batches."""

from __future__ import annotations

from pytest_envrobust.comparison.blocks import largest_difference_of, spread_of
from pytest_envrobust.core.errors import EnvrobustError
from pytest_envrobust.runs.cell_run import CellRun

LOUD_SHARE = 0.25
"""Quantization that takes one scale for a whole batch changes scores by less than this share of their spread."""


def said_of_pairs(run: CellRun) -> str:
    """That the first two inputs have other scores in one call than one by one, in words; empty where they have not.

    Nothing is said where the cell's session takes another number of inputs a call, or cannot run two.
    """
    if run.is_recorded or run.base_point.batch != 1 or run.count < 2:
        return ""
    try:
        together = run.first_in_one_call(2)
    except EnvrobustError:
        return ""
    alone = run.first_scores(2)
    if together is None or together.shape != alone.shape:
        return ""
    apart, spread = largest_difference_of(together, alone), spread_of(alone)
    if not apart > LOUD_SHARE * spread:
        return ""
    share = f", {apart / spread:.0%} of their spread" if spread else ""
    return f"its own scores change in batches of 2, by up to {apart:.3g}{share}: see the check batch"
