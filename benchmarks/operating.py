"""How often a run passes, by what is true: operating characteristics of the plain rule and of ``bound``.

A cell whose labels agree with the reference's with some probability is given so many inputs, and a run has so many
such cells. Told exactly, from the binomial distribution and the product's own verdict on each number of labels that may
agree: the share of runs in which all cells pass the limit by the plain rule, and by the bound over the family; and for
the bound the shares in which one fails, and in which none fails and one is inconclusive. The cells are taken as
independent.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache

import numpy as np
from _common import arguments, report
from scipy.stats import binom

from pytest_envrobust.comparison.bounds import clopper_pearson_lower
from pytest_envrobust.comparison.labels import LabelComparison
from pytest_envrobust.core.status import Status
from pytest_envrobust.verdicts.family import Family
from pytest_envrobust.verdicts.labels import LabelEvidence, judge_labels
from pytest_envrobust.verdicts.limits import MIN_LABEL_AGREEMENT, LabelLimit
from pytest_envrobust.verdicts.verdict import Subject

LIMIT = 0.95
TRUE = (0.90, 0.93, 0.95, 0.97, 0.99, 0.999)
INPUTS = (20, 60, 200, 1000)
CELLS = (1, 10, 30)
SUBJECT = Subject("model", "cell", "reference")


def main() -> None:
    """Compute and report."""
    options = arguments(
        __doc__ or "",
        rounds=1,
        limit={"type": float, "default": LIMIT, "help": "share of labels that must agree (%(default)s)"},
        inputs={"type": int, "nargs": "*", "default": INPUTS, "help": "numbers of inputs (%(default)s)"},
    )
    runs = [(true, n, cells) for true in TRUE for n in options.inputs for cells in CELLS]
    found = [shares_of(*each, options.limit) for each in runs]
    report(
        f"Share of runs, limit {options.limit:g} on the labels that agree",
        {f"{true:g} true, {n} inputs, {cells} cells": told for (true, n, cells), told in zip(runs, found)},
        columns=("true", "inputs", "cells", *found[0]),
        rows=[[*each, *told.values()] for each, told in zip(runs, found)],
        targets={},
        json_path=options.json,
    )


def shares_of(true: float, n: int, cells: int, limit: float) -> dict[str, float]:
    """What becomes of runs of so many cells alike."""
    plain = chances(outcomes(n, limit, 1, False), true)
    bound = chances(outcomes(n, limit, cells, True), true)
    passes, no_failure = bound[Status.PASSED] ** cells, (1 - bound[Status.FAILED]) ** cells
    found = {
        "plain passes": plain[Status.PASSED] ** cells,
        "bound passes": passes,
        "bound fails": 1 - no_failure,
        "bound inconclusive": no_failure - passes,
    }
    return {name: round(value, 4) for name, value in found.items()}


@lru_cache
def outcomes(n: int, value: float, cells: int, bound: bool) -> tuple[Status, ...]:
    """The verdict on each number of agreeing labels, 0 to n, of one cell among so many."""
    limit = LabelLimit(MIN_LABEL_AGREEMENT, value, "benchmark", bound=bound, family=Family(cells))
    return tuple(judge_labels(LabelEvidence(compared(k, n)), limit, SUBJECT).status for k in range(n + 1))


def compared(agreeing: int, n: int) -> LabelComparison:
    """A comparison of which so many labels agree, the others without their names."""
    bound = clopper_pearson_lower(agreeing, n)
    return LabelComparison(n, agreeing, agreeing / n, bound, (), n - agreeing, 0, 0, 0.0, 0, 2)


def chances(found: Sequence[Status], true: float) -> dict[Status, float]:
    """How likely each verdict is where a label agrees with that probability."""
    n = len(found) - 1
    each = binom.pmf(np.arange(n + 1), n, true)
    wanted = (Status.PASSED, Status.FAILED, Status.INCONCLUSIVE)
    return {status: float(each[[verdict is status for verdict in found]].sum()) for status in wanted}


if __name__ == "__main__":
    main()
