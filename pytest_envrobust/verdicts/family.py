"""What is judged at once: a family of cells, over which the chance of any wrong verdict is 5 % at most."""

from __future__ import annotations

import math
from dataclasses import dataclass

from pytest_envrobust.comparison.bounds import clopper_pearson_lower
from pytest_envrobust.core.wording import counted

RISK = 0.05
"""The chance of a wrong verdict anywhere in a family, at most."""


@dataclass(frozen=True)
class Family:
    """So many ``cells`` of a model that are asked one check, and so many verdicts on ``each`` that share its risk.

    Each verdict rests on a bound or an interval at a confidence of 1 - 0.05 / (cells × each), C. E. Bonferroni's. It is
    known before the first cell is judged, so that the verdict on one does not hang on those of the others, and it
    holds however they depend on each other: cells of one model are given the same inputs.
    """

    cells: int = 1
    each: int = 1

    @property
    def size(self) -> int:
        """How many verdicts share the risk."""
        return self.cells * self.each

    @property
    def confidence(self) -> float:
        """That of each verdict; 0.95 for one cell by itself."""
        return 1.0 - RISK / self.size

    @property
    def over(self) -> str:
        """``95 % over 30 cells``."""
        told = [counted(number, noun) for number, noun in ((self.cells, "cell"), (self.each, "verdict")) if number > 1]
        return f"{confidence_text(1 - RISK)}{' over ' if told else ''}{' of '.join(told)}"

    def __str__(self) -> str:
        """``95 %``, or ``95 % over 30 cells, 99.83 % each``."""
        return self.over if self.size == 1 else f"{self.over}, {confidence_text(self.confidence)} each"


ALONE = Family()
"""A cell by itself."""


def what_inputs_show(n: int, cells: int, limit: float = 1.0) -> str:
    """What a pass on so many inputs shows, of one cell and of so many at once, where the share of labels is judged."""
    needed = next((agreeing for agreeing in range(n + 1) if agreeing / n >= limit), n)
    one, every = (clopper_pearson_lower(needed, n, Family(number).confidence) for number in (1, max(1, cells)))
    asked = "" if needed == n else f" at {limit:g}"
    among = f" for one cell, {every:.3f} for all {cells} at once" if cells > 1 else ""
    return (
        f"{counted(n, 'input')}: a pass{asked} shows an agreement of at least {one:.3f}{among} "
        f"({confidence_text(1 - RISK)}); envrobust-bound judges that"
    )


def confidence_text(confidence: float) -> str:
    """``99.83 %``: with as many digits as tell what is left."""
    left = 100 * (1 - confidence)
    places = max(0, 1 - math.floor(math.log10(left))) if left > 0 else 0
    text = f"{100 * confidence:.{places}f}"
    return f"{text.rstrip('0').rstrip('.') if '.' in text else text} %"
