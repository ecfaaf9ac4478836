"""The record's figures of labels and times: written from what was compared, and read back to be judged again."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from pytest_envrobust.checks.scores import ScoreEvidence
from pytest_envrobust.comparison.fidelity import Fidelity, ScoreErrors
from pytest_envrobust.comparison.labels import Flip, LabelComparison
from pytest_envrobust.core.errors import DeclarationError
from pytest_envrobust.core.timing import Clock
from pytest_envrobust.timing.evidence import TAILS, LatencyFigures, deciding_clock
from pytest_envrobust.timing.intervals import Estimate
from pytest_envrobust.verdicts.limits import MIN_LABEL_AGREEMENT, LabelLimit
from pytest_envrobust.verdicts.verdict import Verdict, gravest

_MEASURED = ("pairs", "alone")


def labels_figures(
    comparison: LabelComparison, noise: float | None = None, known: Mapping[int, str] | None = None
) -> dict[str, Any]:
    """What the record says of a comparison, without the limit; ``known`` has the reasons of known flips, by place.

    What is not finite is absent.
    """
    reasons = known or {}
    flipped = [
        {"input": flip.input, "expected": flip.expected, "actual": flip.actual, "kind": flip.kind}
        | _finite(margin=flip.margin, actual_margin=flip.actual_margin, lead=flip.lead)
        | ({"known": reasons[flip.index]} if flip.index in reasons and flip.kind != "undefined" else {})
        for flip in comparison.flips
    ]
    return {
        "n": comparison.n,
        "agreement": comparison.agreement,
        "bound": comparison.bound,
        "flips": {"real": comparison.real, "tie": comparison.tie, "undefined": comparison.undefined},
        **_finite(largest_difference=comparison.largest_difference, noise=noise),
        "out_of_reach": comparison.out_of_reach,
        "distinct_labels": comparison.distinct_labels,
        "flipped": flipped,
    }


def recorded_comparison(labels: Mapping[str, Any]) -> LabelComparison:
    """The comparison that a record has the figures of; its flips are numbered, as the inputs' places are not kept."""
    missing = {"margin": math.nan, "actual_margin": math.nan, "lead": math.nan}
    figures = [{key: value for key, value in flip.items() if key != "known"} for flip in labels.get("flipped", ())]
    flips = tuple(Flip(**(missing | flip), index=index) for index, flip in enumerate(figures))
    return LabelComparison(
        n=labels["n"],
        agreeing=round(labels["agreement"] * labels["n"]),
        agreement=labels["agreement"],
        bound=labels["bound"],
        flips=flips,
        largest_difference=labels.get("largest_difference", math.nan),
        out_of_reach=labels.get("out_of_reach", 0),
        distinct_labels=labels["distinct_labels"],
        **labels["flips"],
    )


def recorded_known(labels: Mapping[str, Any], comparison: LabelComparison) -> dict[int, str]:
    """The reasons of the known flips that a record has, by the places that the comparison gives their inputs."""
    reasons = {flip["input"]: flip["known"] for flip in labels.get("flipped", ()) if "known" in flip}
    return {flip.index: reasons[flip.input] for flip in comparison.flips if flip.input in reasons}


def label_limit_figures(verdict: Verdict) -> dict[str, Any]:
    """What the record says of the limit on labels, its terms, and the verdict on it."""
    limit = verdict.limit
    assert isinstance(limit, LabelLimit)
    return {
        "limit": limit.value,
        "limit_from": limit.origin,
        "ties": limit.ties,
        "limit_on": "bound" if limit.bound else "share",
        "verdict": verdict.status.value,
    }


def recorded_label_limit(labels: Mapping[str, Any]) -> LabelLimit:
    """The limit on labels that a record has, with its terms."""
    bound = labels.get("limit_on") == "bound"
    return LabelLimit(
        MIN_LABEL_AGREEMENT, labels["limit"], labels["limit_from"], ties=labels.get("ties", "count"), bound=bound
    )


def scores_figures(evidence: ScoreEvidence) -> dict[str, Any]:
    """What the record says of the errors of scores, without the limits. What is not finite is absent."""
    found: dict[str, Any] = _finite(abs_error=evidence.errors.largest, relative_error=evidence.errors.relative)
    if evidence.fidelity is not None:
        found["fidelity"] = {
            "exact": evidence.exact,
            **_finite(
                error=evidence.fidelity.error,
                reference_error=evidence.fidelity.reference_error,
                ratio=evidence.fidelity.ratio,
            ),
        }
    return found


def recorded_scores(scores: Mapping[str, Any]) -> ScoreEvidence:
    """The errors of scores that a record has; those that are absent were not finite."""
    told = scores.get("fidelity")
    known = None
    if told is not None:
        known = Fidelity(told.get("error", math.inf), told.get("reference_error", math.inf))
    errors = ScoreErrors(scores.get("abs_error", math.inf), scores.get("relative_error", math.inf))
    exact = "" if told is None else told["exact"]
    return ScoreEvidence(errors, known, exact, "" if known else "it was not measured in the run")


def recorded_times(latency: Mapping[str, Any]) -> LatencyFigures:
    """The figures of a cell's ``latency``, as far as the record has them."""
    wall = latency.get("wall_ms", {})
    clocks: tuple[Clock, ...] = ("wall", "cpu", "device")
    medians = {clock: _middle(latency[f"{clock}_ms"]) for clock in clocks if f"{clock}_ms" in latency}
    return LatencyFigures(
        calls=wall.get("n", 0),
        medians=medians,
        tails={
            name: Estimate(ends[0], wall[name], ends[1]) for name in TAILS if (ends := wall.get(f"{name}_interval"))
        },
        ratios=_estimates(latency.get("ratio", {})),
        controls=_estimates(latency.get("control", {})),
        control_fault=latency.get("control_fault", ""),
        clock=latency.get("clock"),
    )


def was_timed(latency: Mapping[str, Any]) -> bool:
    """Whether a time was asked for: calls that only gave the predictions, first ones among them, are no measurement."""
    return latency.get("from") in _MEASURED


def verdict_figures(verdicts: Sequence[Verdict]) -> dict[str, Any]:
    """What the record says of verdicts on time, or on scores: the gravest one, and all of them; nothing of none."""
    told = [_verdict_figures(verdict) for verdict in verdicts]
    worst = gravest(verdicts)
    return {} if worst is None else {**_verdict_figures(worst), "verdicts": told}


def _verdict_figures(verdict: Verdict) -> dict[str, Any]:
    assert verdict.limit is not None
    return {
        "limit": verdict.limit.value,
        "limit_name": verdict.limit.name,
        "limit_from": verdict.limit.origin,
        "verdict": verdict.status.value,
    }


def clock_of(environment: str, latency: Mapping[str, Any]) -> Clock:
    """The clock that a cell's time was judged on or, where it was not, would be; wall time for an unknown device."""
    recorded: Clock | None = latency.get("clock")
    if recorded is not None:
        return recorded
    try:
        return deciding_clock(environment)
    except DeclarationError:
        return "wall"


def _middle(summary: Mapping[str, Any]) -> Estimate:
    low, high = summary.get("interval", (0.0, math.inf))
    return Estimate(low, summary["median"], high)


def _estimates(recorded: Mapping[str, Any]) -> dict[Clock, Estimate]:
    clocks: tuple[Clock, ...] = ("wall", "cpu", "device")
    return {clock: Estimate(*recorded[clock]) for clock in clocks if clock in recorded}


def _finite(**values: float | None) -> dict[str, float]:
    return {name: value for name, value in values.items() if value is not None and math.isfinite(value)}
