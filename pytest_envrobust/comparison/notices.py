"""What explains that two environments give other labels or scores, in one line each.

A failing cell's message says it of the cell and its reference, whatever else ran; the reports say it of all
environments of a model together.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pytest_envrobust.comparison.blocks import largest_difference_of, spread_of
from pytest_envrobust.comparison.kinds import kind_of, label_shift, shift_notice, softmax_notice
from pytest_envrobust.comparison.labels import margins, top1
from pytest_envrobust.comparison.outliers import LEAST_SHARE
from pytest_envrobust.core.wording import counted

BLURRED_SHARE = 0.1
"""Of so many inputs the margin is no larger than twice the noise where that is told."""


def pair_notices(
    actual: NDArray[Any],
    expected: NDArray[Any],
    name: str,
    reference: str,
    *,
    noise: float | None = None,
    own_noise: float | None = None,
) -> list[str]:
    """What the scores of an environment, (N, classes), and of its reference show that explains their differences.

    Labels that are shifted by one, a softmax too many, scores of another kind, scores that are far off, and the noise
    of either side where margins are no larger.
    """
    found = [*_shifted(actual, expected, name, reference), *_kinds(actual, expected, name, reference)]
    found += margin_notice(expected, noise, reference)
    if not noise or (own_noise or 0.0) > noise:
        found += margin_notice(expected, own_noise, name)
    return found


def margin_notice(expected: NDArray[Any], noise: float | None, name: str) -> list[str]:
    """A line where the noise of an environment is as large as the margins of the reference's labels; else none."""
    if not noise:
        return []
    reach = margins(expected)
    within, n = int(np.count_nonzero(reach <= 2.0 * noise)), int(np.count_nonzero(~np.isnan(reach)))
    if not within or within < BLURRED_SHARE * n:
        return []
    return [
        f"the noise of {name} ({noise:.3g}) is as large as the margins: on {within} of {counted(n, 'input')} no flip "
        f"can be told from it"
    ]


def _shifted(actual: NDArray[Any], expected: NDArray[Any], name: str, reference: str) -> Iterator[str]:
    shift = label_shift(top1(actual), top1(expected))
    if shift is not None:
        yield shift_notice(shift, name, reference)


def _kinds(actual: NDArray[Any], expected: NDArray[Any], name: str, reference: str) -> Iterator[str]:
    kinds = {name: kind_of(actual), reference: kind_of(expected)}
    if twice := [each for each, kind in kinds.items() if kind == "twice-softmaxed"]:
        yield softmax_notice(twice)
    here, there = kinds.values()
    if here != there:
        if {here, there} <= {"logits", "probabilities"}:
            yield f"{name} gives {here} and {reference} {there}: a softmax is missing in one of them, or too many"
        return
    largest, spread = largest_difference_of(actual, expected), spread_of(expected)
    if largest >= LEAST_SHARE * spread > 0:
        yield f"the scores of {name} are off by up to {largest:.2g}, {largest / spread:.0%} of their spread"
