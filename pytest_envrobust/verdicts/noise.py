"""What a message says of the noise that tells real flips from others."""

from __future__ import annotations

from collections.abc import Iterator

from pytest_envrobust.comparison.labels import LabelComparison


def noise_lines(
    comparison: LabelComparison, noise: float | None, noise_from: str, own_noise: float | None, own_noise_from: str
) -> Iterator[str]:
    """Within what a flip is a tie or imprecise, and where that comes from; nothing where there is no such flip."""
    if comparison.tie:
        measured = _measured("the reference's noise", noise, noise_from)
        yield f"ties: within {measured}one step of the numbers that the reference's scores are"
    if comparison.imprecise:
        measured = _measured("the cell's own noise", own_noise, own_noise_from)
        yield f"imprecise: within {measured}two steps of the numbers that the cell's scores are"


def _measured(what: str, noise: float | None, origin: str) -> str:
    return f"twice {what} ({noise:.3g}{f', {origin}' if origin else ''}) or " if noise else ""
