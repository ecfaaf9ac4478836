"""The record's figures of labels and times: written from what was compared, and read back to be judged again."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from pytest_envrobust.comparison.labels import Flip, LabelComparison
from pytest_envrobust.timing.ratios import Ratio
from pytest_envrobust.verdicts.latency import LatencyFigures


def labels_figures(comparison: LabelComparison, noise: float | None = None) -> dict[str, Any]:
    """What the record says of a comparison, without the limit. What is not finite is absent."""
    flipped = [
        {"input": flip.input, "expected": flip.expected, "actual": flip.actual, "kind": flip.kind}
        | _finite(margin=flip.margin, actual_margin=flip.actual_margin)
        for flip in comparison.flips
    ]
    return {
        "n": comparison.n,
        "agreement": comparison.agreement,
        "bound": comparison.bound,
        "flips": {"real": comparison.real, "tie": comparison.tie, "undefined": comparison.undefined},
        **_finite(largest_difference=comparison.largest_difference, noise=noise),
        "distinct_labels": comparison.distinct_labels,
        "flipped": flipped,
    }


def recorded_comparison(labels: Mapping[str, Any]) -> LabelComparison:
    """The comparison that a record has the figures of; its flips are numbered, as the inputs' places are not kept."""
    missing = {"margin": math.nan, "actual_margin": math.nan}
    flips = tuple(Flip(**(missing | flip), index=index) for index, flip in enumerate(labels.get("flipped", ())))
    return LabelComparison(
        n=labels["n"],
        agreeing=round(labels["agreement"] * labels["n"]),
        agreement=labels["agreement"],
        bound=labels["bound"],
        flips=flips,
        largest_difference=labels.get("largest_difference", math.nan),
        distinct_labels=labels["distinct_labels"],
        **labels["flips"],
    )


def recorded_times(latency: Mapping[str, Any]) -> LatencyFigures:
    """Medians and intervals of a cell's ``latency``, as far as the record has them."""
    wall, ratio = latency.get("wall_ms", {}), latency.get("ratio", {})
    interval = wall.get("interval")
    return LatencyFigures(
        calls=wall.get("n", 0),
        median_ms=wall.get("median"),
        interval_ms=(interval[0], interval[1]) if interval else None,
        wall_ratio=Ratio(*ratio["wall"]) if "wall" in ratio else None,
        cpu_ratio=Ratio(*ratio["cpu"]) if "cpu" in ratio else None,
    )


def _finite(**values: float | None) -> dict[str, float]:
    return {name: value for name, value in values.items() if value is not None and math.isfinite(value)}
