"""How the reports write figures and statuses."""

from __future__ import annotations

import math
from collections.abc import Sequence

from pytest_envrobust.core.status import Status
from pytest_envrobust.record.schema import FlipCounts

SIGNS = {
    Status.PASSED: "✓",
    Status.INCONCLUSIVE: "?",
    Status.LIMITED: "○",
    Status.UNAVAILABLE: "–",
    Status.NO_ROUTE: "–",
    Status.UNSUPPORTED: "–",
    Status.NOT_RUN: "…",
}
"""A sign for each status that is no failure."""
FAILURE = "✕"
GROUP_SIGNS = {
    "failed": "❌",
    "not run": "⛔",
    "inconclusive": "⚠️",
    "limited": "➖",
    "passed": "✅",
    "skipped": "⏭️",
}
"""A sign for each way to end, in the order in which Markdown has them."""
NOTHING_COMPARED = "nothing was compared: no environment's labels or time were held against a reference"


def sign(status: Status) -> str:
    """The status's sign, so that color is never the only carrier."""
    return SIGNS.get(status, FAILURE)


def fixed(value: float) -> str:
    """Two decimals, for columns of figures below each other."""
    return f"{value:.2f}"


def milliseconds(value: float) -> str:
    """Milliseconds to about three figures."""
    if value >= 1000:
        return f"{value:,.0f}".replace(",", "\u202f")
    return significant(value)


def ratio(value: float) -> str:
    """A ratio of times to about three figures."""
    return significant(value)


def significant(value: float) -> str:
    """About three figures, two decimals between 0.1 and 100."""
    size = abs(value)
    if size >= 100:
        return f"{value:.0f}"
    if size >= 0.1 or size == 0:
        return f"{value:.2f}"
    return f"{value:.2g}"


def probability(value: float) -> str:
    """A p value; small ones as less than .001."""
    return "< 0.001" if value < 0.001 else f"{value:.3f}"


def score(value: float) -> str:
    """A margin or a difference of scores, to three figures."""
    return f"{value:.3g}"


def span(values: Sequence[float]) -> str:
    """``0.31`` for one value, ``0.31 to 0.4`` for several."""
    low, high = score(min(values)), score(max(values))
    return low if low == high else f"{low} to {high}"


def compact(value: float) -> str:
    """A number of any size in at most five characters, for narrow columns."""
    if value == 0:
        return "0"
    if not 0.0095 <= abs(value) < 9999.5:
        mantissa, _, exponent = f"{value:.0e}".partition("e")
        return f"{mantissa}e{int(exponent)}"
    places = max(0, 1 - math.floor(math.log10(abs(value))))
    return f"{value:.{min(places, 2)}f}".replace("0.", ".", 1) if abs(value) < 1 else f"{value:.{places}f}"


def kinds(flips: FlipCounts) -> str:
    """``3 real, 1 tie``: the kinds of flips that there are."""
    told = (
        (flips.real, "real", "real"),
        (flips.tie, "tie", "ties"),
        (flips.imprecise, "imprecise", "imprecise"),
        (flips.undefined, "undefined", "undefined"),
    )
    return ", ".join(f"{count} {one if count == 1 else several}" for count, one, several in told if count)
