"""How likely a fault is seen on inputs, from what seeded faults changed on them: the prediction and its interval.

The share of seeded faults that a test sees is mutation testing's score: R. DeMillo, R. Lipton and F. Sayward, 'Hints on
Test Data Selection: Help for the Practicing Programmer', 1978. That it tells which share of other faults a set of
inputs sees, once it is calibrated: A. Abbasishahkoo, M. Dadkhah, L. Briand and D. Lin, 'TEASMA', 2024.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

CONFIDENCE = 0.95
RESAMPLED = 2000
"""How often kinds are drawn anew for the interval."""

PRIOR = (0.2, 1.0)
"""What is known of the share of labels that a fault changes before it is tried, as a beta distribution: many faults
change next to none."""


@dataclass(frozen=True)
class Predicted:
    """The share of faults that inputs are predicted to see, and the interval that it lies in."""

    share: float
    low: float
    high: float

    def __str__(self) -> str:
        return f"{self.share:.0%} ({self.low:.0%} to {self.high:.0%})"


def is_seen(changed: int, n: int, min_agreement: float) -> bool:
    """Whether the labels that a fault leaves alone are too few for that limit on the share of agreeing ones."""
    return n > 0 and (n - changed) / n < min_agreement


def detection(changed: int, n: int, inputs: int, min_agreement: float) -> float:
    """How likely a fault that changed so many labels of ``n`` inputs fails that limit on all ``inputs``, 0 to 1.

    Where it was tried on all of them that is known; of the others, it changes a share that is like that of those tried.
    """
    if n >= inputs:
        return float(is_seen(changed, n, min_agreement))
    needed = next((more for more in range(inputs - n + 1) if is_seen(changed + more, inputs, min_agreement)), None)
    if needed is None:
        return 0.0
    rest, a, b = inputs - n, PRIOR[0] + changed, PRIOR[1] + n - changed
    return 1.0 - sum(math.exp(_log_beta_binomial(more, rest, a, b)) for more in range(needed))


def predicted(kinds: Sequence[Sequence[float]]) -> Predicted:
    """The predicted share, from the chances with which the faults of each kind are seen, weaker ones first.

    Every kind counts the same, in it each strength half as much as the next weaker one: most faults are weak.

    The interval is where 95 % of the shares lie that so many kinds give when they are drawn anew from these.
    """
    means = np.array([np.average(chances, weights=0.5 ** np.arange(len(chances))) for chances in kinds])
    drawn = np.random.default_rng(0).choice(means, (RESAMPLED, len(means))).mean(axis=1)
    low, high = np.quantile(drawn, [(1 - CONFIDENCE) / 2, (1 + CONFIDENCE) / 2])
    return Predicted(float(means.mean()), float(low), float(high))


def _log_beta_binomial(count: int, n: int, a: float, b: float) -> float:
    choose = math.lgamma(n + 1) - math.lgamma(count + 1) - math.lgamma(n - count + 1)
    return choose + _log_beta(count + a, n - count + b) - _log_beta(a, b)


def _log_beta(a: float, b: float) -> float:
    return math.lgamma(a) + math.lgamma(b) - math.lgamma(a + b)
