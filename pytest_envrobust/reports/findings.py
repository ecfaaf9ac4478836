"""Labels, scores and invariants of an environment in words, for the terminal and the pages."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from pytest_envrobust.history.view import Row
from pytest_envrobust.reports.words import kinds, score

SCORE_HEAD = ("abs error", "relative", "fidelity")


def agreement_text(labels: Mapping[str, Any]) -> str:
    """``0.750 (6/8)``, or ``0.250 (8/32 of 100)`` of a comparison that stopped; empty where no labels were compared."""
    if "agreement" not in labels:
        return ""
    return f"{labels['agreement']:.3f} ({count_text(labels)})"


def count_text(labels: Mapping[str, Any]) -> str:
    """``6/8``: how many labels agreed of how many that were compared, of how many that there are."""
    counted = f"{round(labels['agreement'] * labels['n'])}/{labels['n']}"
    return f"{counted} of {labels['of']}" if "of" in labels else counted


def bound_text(row: Row) -> str:
    """``0.688``: the agreement that the inputs show, one-sided 95 %. The reference shows nothing by itself."""
    return f"{row.labels['bound']:.3f}" if "bound" in row.labels and not row.is_reference else ""


def flips_text(labels: Mapping[str, Any]) -> str:
    """``3 real, 1 tie; 2 known``."""
    found = kinds(labels.get("flips", {}))
    known = sum("known" in flip for flip in labels.get("flipped", ()))
    return f"{found}; {known} known" if known else found


def reach_text(row: Row) -> str:
    """On how many inputs no flip was possible; empty where that was not told."""
    if row.is_reference or not row.labels.get("out_of_reach"):
        return ""
    return f"no flip was possible on {row.labels['out_of_reach']}: margins over twice the largest difference"


def known_flips(rows: Iterable[Row]) -> dict[tuple[str, str], list[str]]:
    """The environments in which a known flip came, by input and reason."""
    found: dict[tuple[str, str], list[str]] = {}
    for row in rows:
        for flip in row.labels.get("flipped", ()):
            if "known" in flip:
                found.setdefault((flip["input"], flip["known"]), []).append(row.environment)
    return found


def known_flip_lines(rows: Iterable[Row]) -> list[str]:
    """The same, a line each."""
    return [
        f"known flip: {name} in {', '.join(environments)}: {reason}"
        for (name, reason), environments in known_flips(rows).items()
    ]


def score_texts(scores: Mapping[str, Any]) -> tuple[str, str, str]:
    """The errors of scores, and how many times as far from double precision as the reference: see `SCORE_HEAD`."""
    ratio = scores.get("fidelity", {}).get("ratio")
    return (_score(scores.get("abs_error")), _score(scores.get("relative_error")), _score(ratio))


def invariants_text(invariants: Sequence[Mapping[str, Any]]) -> str:
    """``5 hold``, or ``4 of 5 hold``."""
    held = sum(bool(invariant["holds"]) for invariant in invariants)
    if not invariants:
        return ""
    return f"{held} hold" if held == len(invariants) else f"{held} of {len(invariants)} hold"


def _score(value: float | None) -> str:
    return "" if value is None else score(value)
