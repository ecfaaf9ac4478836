"""Inputs whose calls take longer or shorter than those of the others: what a median over all inputs hides."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

SMALLEST_DIFFERENCE = 0.10
"""A smaller difference to the others is none."""
FALSE_ALARMS = 0.01
"""The chance that any input of a cell seems to differ where none does, however many there are."""
FEWEST_CALLS = 3
"""Fewer calls of an input tell nothing: the longest of all may be its by chance."""
_WINDOW = 10
_FEW = 8


@dataclass(frozen=True)
class InputTime:
    """An input, by its place among all, whose ``calls`` take ``times`` as long as those of most others."""

    place: int
    times: float
    calls: int


def inputs_that_differ(places: Sequence[int], times: Sequence[float]) -> tuple[InputTime, ...]:
    """The inputs that differ in time, those furthest from the others first.

    ``places`` says which input each call was of, ``times`` how long it took, in the order in which they were made. What
    the machine made of all calls for a while, the median of the logarithms of the calls around, is taken off. Then an
    input differs whose median call is `SMALLEST_DIFFERENCE` off the middle input's, where its calls have other ranks
    among those of inputs that are not (Mann and Whitney's test; Bonferroni's bound over all inputs).
    """
    found = np.asarray(times, dtype=np.float64)
    of = np.asarray(places)
    inputs = np.unique(of)
    if len(inputs) < 2 or len(found) < FEWEST_CALLS * 2 or not found.min() > 0:
        return ()
    logs = np.log(found)
    left_over = logs - _around(logs, len(inputs) * math.ceil(_WINDOW / len(inputs)))
    medians = np.array([np.median(left_over[of == place]) for place in inputs])
    off = medians - np.sort(medians)[(len(medians) - 1) // 2]
    far = np.abs(off) >= math.log1p(SMALLEST_DIFFERENCE)
    others = left_over[~np.isin(of, inputs[far])]
    told = [
        InputTime(int(place), math.exp(by), len(calls))
        for place, by in zip(inputs[far], off[far])
        if len(calls := left_over[of == place]) >= FEWEST_CALLS and _differ(calls, others, FALSE_ALARMS / len(inputs))
    ]
    return tuple(sorted(told, key=lambda each: -abs(math.log(each.times))))


def _around(logs: NDArray[np.float64], window: int) -> NDArray[np.float64]:
    """The median of so many values around each; at both ends that of the first and last window."""
    if len(logs) <= window:
        return np.full(len(logs), np.median(logs))
    medians = np.median(np.lib.stride_tricks.sliding_window_view(logs, window), axis=1)
    return np.pad(medians, (window // 2, len(logs) - len(medians) - window // 2), mode="edge")


def _differ(calls: NDArray[np.float64], others: NDArray[np.float64], chance: float) -> bool:
    from scipy.stats import mannwhitneyu  # late: it takes long to import, and there is seldom a need

    if not len(others):
        return False
    method = "exact" if len(calls) <= _FEW else "asymptotic"
    return float(mannwhitneyu(calls, others, method=method).pvalue) <= chance
