"""Counts, lists, shares and labels as words: what messages and reports write in the same way."""

from __future__ import annotations

from collections.abc import Sequence

NO_LABEL = "no label"


def counted(number: int, noun: str, plural: str = "") -> str:
    """``1 cell``, ``2 cells``."""
    return f"{number} {noun if number == 1 else plural or noun + 's'}"


def listed(parts: Sequence[str], word: str = "and") -> str:
    """``a, b and c``."""
    return f"{', '.join(parts[:-1])} {word} {parts[-1]}" if len(parts) > 1 else "".join(parts)


def shortened(names: Sequence[str], most: int = 3) -> str:
    """``a, b, c and 5 more``: the first ``most`` names."""
    more = len(names) - most
    return f"{', '.join(names[:most])} and {more} more" if more > 0 else listed(names)


def percent(share: float) -> str:
    """A share as percent, to one place; what is not all is never written as 100, what is something never as 0."""
    if share in (0.0, 1.0):
        return f"{share:.0%}".replace("%", " %")
    places = next((places for places in range(1, 6) if 0 < round(100 * share, places) < 100), 6)
    return f"{100 * share:.{places}f} %"


def beside_limit(share: float, limit: float) -> str:
    """A share to three places, or to as many as it takes to stay on its own side of the limit and below 1."""
    for places in range(3, 17):
        text = f"{share:.{places}f}"
        shown = float(text)
        if (shown >= limit) == (share >= limit) and (shown == 1) == (share == 1):
            return text
    return repr(share)


def clock_name(clock: str) -> str:
    """``CPU`` for ``cpu``; other clocks are called as they are."""
    return "CPU" if clock == "cpu" else clock


def label(number: int, class_names: Sequence[str]) -> str:
    """A class by name and index; -1 is none."""
    if number < 0:
        return NO_LABEL
    return f"{class_names[number]} ({number})" if number < len(class_names) else f"class {number}"
