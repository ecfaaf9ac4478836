"""Accuracy in words: with its interval, and beside the reference's."""

from __future__ import annotations

from collections.abc import Sequence

from pytest_envrobust.comparison.accuracy import holm
from pytest_envrobust.comparison.bounds import clopper_pearson_interval
from pytest_envrobust.core.wording import percent
from pytest_envrobust.history.view import Row
from pytest_envrobust.record.accuracy_part import recorded_accuracy
from pytest_envrobust.record.schema import Accuracy


def counted_accuracy(row: Row) -> Accuracy | None:
    """What the check of accuracy counted, for an environment that the analysis has nothing of: of its first inputs."""
    told = row.accuracy
    evidence = None if told is None else recorded_accuracy(told)
    if told is None or evidence is None:
        return None
    return Accuracy(
        environment=row.environment,
        n=evidence.n,
        top1=evidence.share,
        top5=None if evidence.top5 is None else evidence.top5 / evidence.n,
        interval=clopper_pearson_interval(evidence.right, evidence.n),
        against_reference=told.against_reference,
    )


def interval_text(accuracy: Accuracy | None) -> str:
    """``11.9 to 54.3 %``, of the top-1 accuracy; empty where it was not told."""
    if accuracy is None or accuracy.interval is None:
        return ""
    low, high = (100 * end for end in accuracy.interval)
    return f"{low:.1f} to {high:.1f} %"


def with_interval(accuracy: Accuracy) -> str:
    """``30.0 % [11.9, 54.3]``."""
    interval = interval_text(accuracy).removesuffix(" %").replace(" to ", ", ")
    return f"{percent(accuracy.top1)} [{interval}]" if interval else percent(accuracy.top1)


def drop_text(accuracy: Accuracy) -> str:
    """``0.100``: by how much it is lower than the reference's; empty where that is not known."""
    against = accuracy.against_reference
    return "" if against is None else f"{(against.only_reference - against.only_here) / accuracy.n:.3f}"


def adjusted_p(rows: Sequence[tuple[Row, Accuracy | None]]) -> dict[str, float]:
    """McNemar's p of the environments that were tested against the reference, adjusted for how many outputs they have.

    Environments that are bit-identical are one test.
    """
    told: dict[str, tuple[str, float]] = {}
    for row, accuracy in rows:
        against = None if accuracy is None else accuracy.against_reference
        if against is not None and not row.is_reference:
            told[row.environment] = row.output or row.environment, against.p
    tests = dict(told.values())
    adjusted = dict(zip(tests, holm(list(tests.values()))))
    return {environment: adjusted[output] for environment, (output, _) in told.items()}
