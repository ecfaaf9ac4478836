"""Labels in a record: written from what was compared, and read back to be judged again."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING

from msgspec.structs import replace

from pytest_envrobust.comparison.labels import Flip, LabelComparison
from pytest_envrobust.record.judged_part import finite
from pytest_envrobust.record.schema import FlipCounts, Flipped, Labels
from pytest_envrobust.verdicts.limits import MIN_LABEL_AGREEMENT, LabelLimit

if TYPE_CHECKING:
    from pytest_envrobust.verdicts.verdict import Verdict


def labels_part(
    comparison: LabelComparison, noise: float | None = None, known: Mapping[int, str] | None = None
) -> Labels:
    """A comparison without its limit; ``known`` has the reasons of known flips, by place. Not finite is absent."""
    reasons = known or {}
    return Labels(
        n=comparison.n,
        agreement=comparison.agreement,
        bound=comparison.bound,
        flips=FlipCounts(
            real=comparison.real,
            tie=comparison.tie,
            undefined=comparison.undefined,
            imprecise=comparison.imprecise,
        ),
        largest_difference=finite(comparison.largest_difference),
        noise=finite(noise),
        out_of_reach=comparison.out_of_reach,
        distinct_labels=comparison.distinct_labels,
        flipped=[_flipped(flip, reasons) for flip in comparison.flips],
    )


def _flipped(flip: Flip, reasons: Mapping[int, str]) -> Flipped:
    return Flipped(
        input=flip.input,
        expected=flip.expected,
        actual=flip.actual,
        kind=flip.kind,
        margin=finite(flip.margin),
        actual_margin=finite(flip.actual_margin),
        lead=finite(flip.lead),
        known=reasons.get(flip.index) if flip.kind != "undefined" else None,
    )


def with_label_verdict(labels: Labels, verdict: Verdict) -> Labels:
    """The same with the limit, its terms, and the verdict on it."""
    limit = verdict.limit
    assert isinstance(limit, LabelLimit)
    return replace(
        labels,
        limit=limit.value,
        limit_from=limit.origin,
        ties=limit.ties,
        limit_on="bound" if limit.bound else "share",
        verdict=verdict.status,
    )


def recorded_comparison(labels: Labels) -> LabelComparison:
    """The comparison that a record has the figures of; its flips are numbered, as the inputs' places are not kept."""
    flips = tuple(_flip(place, flipped) for place, flipped in enumerate(labels.flipped or ()))
    return LabelComparison(
        n=labels.n,
        agreeing=round(labels.agreement * labels.n),
        agreement=labels.agreement,
        bound=labels.bound,
        flips=flips,
        real=labels.flips.real,
        tie=labels.flips.tie,
        undefined=labels.flips.undefined,
        imprecise=labels.flips.imprecise,
        largest_difference=_or_nan(labels.largest_difference),
        out_of_reach=labels.out_of_reach or 0,
        distinct_labels=labels.distinct_labels or 0,
    )


def recorded_known(labels: Labels, comparison: LabelComparison) -> dict[int, str]:
    """The reasons of the known flips that a record has, by the places that the comparison gives their inputs."""
    reasons = {flip.input: flip.known for flip in labels.flipped or () if flip.known is not None}
    return {flip.index: reasons[flip.input] for flip in comparison.flips if flip.input in reasons}


def recorded_label_limit(labels: Labels) -> LabelLimit | None:
    """The limit on labels that a record has, with its terms; ``None`` where they were held against none."""
    if labels.limit is None:
        return None
    return LabelLimit(
        MIN_LABEL_AGREEMENT,
        labels.limit,
        labels.limit_from or "",
        ties=labels.ties or "count",
        bound=labels.limit_on == "bound",
    )


def _flip(place: int, flipped: Flipped) -> Flip:
    return Flip(
        index=place,
        input=flipped.input,
        expected=flipped.expected,
        actual=flipped.actual,
        kind=flipped.kind,
        margin=_or_nan(flipped.margin),
        actual_margin=_or_nan(flipped.actual_margin),
        lead=_or_nan(flipped.lead),
    )


def _or_nan(value: float | None) -> float:
    return math.nan if value is None else value
