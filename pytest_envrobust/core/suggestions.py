"""The nearest of the names that are known, for messages about one that is not."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from difflib import get_close_matches

_CUTOFF = 0.6


def did_you_mean(
    name: str,
    known: Iterable[str],
    otherwise: str = "",
    *,
    cutoff: float = _CUTOFF,
    written: Callable[[str], str] = repr,
) -> str:
    """A remedy, ``did you mean 'torch'?``, with the nearest of ``known``; ``otherwise`` where none is near.

    ``cutoff`` is the likeness (0 to 1) from which on a name is near; ``written`` puts it as a user would write it.
    """
    near = get_close_matches(name, list(known), 1, cutoff)
    return f"did you mean {written(near[0])}?" if near else otherwise
