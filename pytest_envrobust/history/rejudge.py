"""Other limits on a run that is over: its cells judged again from what its record and predictions have."""

from __future__ import annotations

import copy
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from numpy.typing import NDArray

from pytest_envrobust.checks.figures import (
    label_limit_figures,
    labels_figures,
    recorded_comparison,
    recorded_known,
    recorded_label_limit,
    recorded_scores,
    recorded_times,
    verdict_figures,
    was_timed,
)
from pytest_envrobust.checks.labels import judge_labels
from pytest_envrobust.checks.latency import judge_latency
from pytest_envrobust.checks.scores import judge_scores
from pytest_envrobust.comparison.labels import LabelComparison, compare_labels
from pytest_envrobust.core.axes import Point
from pytest_envrobust.core.errors import DeclarationError
from pytest_envrobust.core.status import Status
from pytest_envrobust.record.document import Record
from pytest_envrobust.record.predictions import HasPredictions
from pytest_envrobust.verdicts.limits import (
    LABEL_LIMITS,
    LATENCY_LIMITS,
    MAX_LATENCY_REGRESSION,
    SCORE_LIMITS,
    TO_REFERENCE,
    LabelLimit,
    Limit,
    label_limit,
)
from pytest_envrobust.verdicts.verdict import Verdict, gravest

ORIGIN = "envrobust report"
"""Where these limits come from, in messages and in the record."""

_JUDGED = (Status.PASSED.value, Status.FAILED.value, Status.INCONCLUSIVE.value)

_LIMITED = ("latency", "scores")
"""The parts of an entry that hold verdicts, beside its labels."""
_GRAVEST_FIRST = (Status.FAILED.value, Status.INCONCLUSIVE.value, Status.PASSED.value)

Entry = dict[str, Any]


def judged_again(record: Mapping[str, Any], predictions: HasPredictions, limits: Mapping[str, Limit]) -> Record:
    """A new record in which ``limits``, by name, are held against every cell that ran; nothing is run.

    Labels are compared anew where the arrays of cell and reference are kept; where the reference is in no cell of this
    record, or the comparison stopped early, the recorded counts are judged. Scores are judged on the recorded errors.
    Time is judged on the recorded intervals and controls, a ratio at each
    recorded point of the axes too; the earlier run that a regression is told from is not at hand, so that it is
    inconclusive. A limit that is not among ``limits`` stands as it was. What cannot be judged becomes inconclusive.
    Entries of cells that never ran, of known limitations, and those that failed for a reason that is no limit keep
    their status. Raises `DeclarationError` where the reference's predictions are missing from those that are kept.
    """
    run = _Run(record, predictions)
    cells: list[Entry] = copy.deepcopy(record["cells"])
    by_cell: dict[tuple[str, str], list[Entry]] = {}
    for entry in cells:
        if "environment" in entry:
            by_cell.setdefault((entry["model"], entry["environment"]), []).append(entry)
    for entries in by_cell.values():
        for entry, applying in _assigned(entries, limits):
            _judge_again(entry, applying, run)
    return {**record, "cells": cells}


@dataclass(frozen=True)
class _Run:
    """A record with its predictions, and what is looked up in them."""

    record: Mapping[str, Any]
    predictions: HasPredictions
    _last: dict[str, NDArray[Any] | None] = field(default_factory=dict)

    def expected(self, digest: str) -> NDArray[Any] | None:
        """The scores of a reference. The last ones stay at hand: the next cell is compared with the same."""
        if digest not in self._last:
            self._last.clear()
            self._last[digest] = self.predictions.scores(digest)
        return self._last[digest]

    @cached_property
    def models(self) -> dict[str, Mapping[str, Any]]:
        return {model["name"]: model for model in self.record["models"]}

    @cached_property
    def digests(self) -> dict[tuple[str, str], str]:
        """Digests of the outputs, by model and environment."""
        cells = self.record["cells"]
        return {
            (cell["model"], cell["environment"]): cell["output_digest"] for cell in cells if "output_digest" in cell
        }

    def reference_digest(self, entry: Entry) -> str | None:
        """Of the output that the cell is compared with; ``None`` where that is none of this run's."""
        if "reference_run" in self.record["run"]:
            return None
        own: str | None = entry.get("reference_digest")  # of several jobs each had a reference of its own
        return own or self.digests.get((entry["model"], entry["reference"]))

    def noise(self, entry: Entry) -> float | None:
        """The noise of the reference, which any cell's comparison may have measured."""
        for cell in (entry, *self.record["cells"]):
            same = cell.get("model") == entry["model"] and cell.get("reference") == entry["reference"]
            if same and (found := cell.get("labels", {}).get("noise")) is not None:
                noise: float = found
                return noise
        return None


def _assigned(entries: list[Entry], limits: Mapping[str, Limit]) -> Iterable[tuple[Entry, dict[str, Limit]]]:
    """Each entry of a cell that is judged again, with the limits that it is held against.

    A limit goes to the entries whose test was about labels, or about time; where no test of the cell was, to the first.
    """
    open_to_judge = [entry for entry in entries if entry["status"] in _JUDGED and "stage" not in entry]
    # a known limitation or a stage's failure may be about these very labels
    first = [entry for entry in open_to_judge if "output_digest" in entry][:1] if open_to_judge == entries else []
    about_labels = [entry for entry in open_to_judge if "labels" in entry] or first
    about_time = [entry for entry in open_to_judge if _was_timed(entry)] or first
    about_scores = [entry for entry in open_to_judge if "scores" in entry] or first
    entries_for = {
        **dict.fromkeys(LABEL_LIMITS, about_labels),
        **dict.fromkeys(SCORE_LIMITS, about_scores),
        **dict.fromkeys(LATENCY_LIMITS, about_time),
    }
    for entry in open_to_judge:
        applying = {
            name: limit
            for name, limit in limits.items()
            if any(entry is other for other in entries_for[name])
            and not (name in TO_REFERENCE and _is_reference(entry))
        }
        if applying:
            yield entry, applying


def _judge_again(entry: Entry, limits: Mapping[str, Limit], run: _Run) -> None:
    """Put the verdicts on these limits, and on recorded ones that stand, into the entry."""
    failed_by_itself = entry["status"] == Status.FAILED.value and not _missed_a_limit(entry)
    recorded = _recorded_limits(entry)
    scores = [_judge_scores(entry, limit) for name, limit in {**recorded, **limits}.items() if name in SCORE_LIMITS]
    if scores:
        entry["scores"] = entry.get("scores", {}) | verdict_figures(scores)
    standing = {name: limit for name, limit in recorded.items() if name in LATENCY_LIMITS and name not in limits}
    times = [_standing(entry, limit) for limit in standing.values()]
    for name, limit in limits.items():
        if name in LATENCY_LIMITS:
            times += _judge_time(entry, limit)
    if times:
        entry["latency"] = entry.get("latency", {}) | verdict_figures(times)
    # last: what stands was told of the labels as they were
    labels = _label_verdicts(entry, {name: limit for name, limit in limits.items() if name in LABEL_LIMITS}, run)
    verdict = gravest([*labels, *scores, *times])
    if verdict is None or failed_by_itself:
        return
    entry["status"] = verdict.status.value
    entry.pop("reason", None)
    if verdict.status is not Status.PASSED:
        entry["reason"] = verdict.message.split("\n", 1)[0]


def _label_verdicts(entry: Entry, limits: Mapping[str, Limit], run: _Run) -> list[Verdict]:
    """The verdict on the labels, under these limits and terms before the recorded ones; none where neither is there."""
    recorded = entry.get("labels", {})
    known = recorded_label_limit(recorded).layer if "limit" in recorded else {}
    if not limits and not known:
        return []
    limit = label_limit("", [limits, known])
    if not limits:
        return [_label_verdict(recorded_comparison(recorded), entry, limit, run)]
    return [_judge_labels(entry, limit, run)]


def _judge_labels(entry: Entry, limit: LabelLimit, run: _Run) -> Verdict:
    """The verdict on the labels; the entry's figures become those that it rests on."""
    recorded = entry.get("labels", {})
    try:
        comparison, trouble = _compared(entry, run)
    except _Incomparable as error:
        return Verdict(Status.FAILED, f"{_subject(entry)}: {error}", limit)
    if comparison is None:
        verdict = _inconclusive(entry, trouble, limit)
        if recorded:
            entry["labels"] = recorded | label_limit_figures(verdict)
        return verdict
    anew = "of" not in recorded and run.reference_digest(entry) is not None
    known = recorded_known(recorded, comparison)
    entry["labels"] = labels_figures(comparison, run.noise(entry), known) if anew else recorded
    verdict = _label_verdict(comparison, entry, limit, run)
    entry["labels"] = {**entry["labels"], **label_limit_figures(verdict)}
    return verdict


def _label_verdict(comparison: LabelComparison, entry: Entry, limit: LabelLimit, run: _Run) -> Verdict:
    return judge_labels(
        comparison,
        limit,
        model=entry["model"],
        environment=entry["environment"],
        reference=entry["labels"].get("reference", entry["reference"]),
        route=entry.get("route", ()),
        class_names=run.models.get(entry["model"], {}).get("class_names"),
        known=recorded_known(entry["labels"], comparison),
        total=entry["labels"].get("of"),
    )


class _Incomparable(Exception):
    """Scores that no labels can be read from side by side: the cell fails."""


def _compared(entry: Entry, run: _Run) -> tuple[LabelComparison | None, str]:
    """The comparison with the reference or, where there can be none, ``None`` and why."""
    expected_digest = run.reference_digest(entry)
    if expected_digest is None:
        if "labels" in entry:
            return recorded_comparison(entry["labels"]), ""
        return None, f"it was not compared, and its reference {entry['reference']} gave no predictions in this run"
    if "of" in entry.get("labels", {}):  # stopped early: there are labels of some inputs only
        return recorded_comparison(entry["labels"]), ""
    actual = run.predictions.scores(entry.get("output_digest", ""))
    if actual is None:
        return None, "its predictions were not kept"
    expected = run.expected(expected_digest)
    if expected is None:
        raise DeclarationError(
            f"the predictions of {entry['model']} in {entry['reference']}, the reference, are missing",
            cause=f"there is no {expected_digest[:16]}... in the file beside the record",
            remedy="run again with --envrobust-json",
        )
    try:
        return compare_labels(actual, expected, noise=run.noise(entry), inputs=_input_names(entry, actual, run)), ""
    except DeclarationError as error:
        raise _Incomparable(error.headline) from None


def _input_names(entry: Entry, scores: NDArray[Any], run: _Run) -> list[str] | None:
    names: list[str] = run.models.get(entry["model"], {}).get("inputs", [])
    return names if len(names) == len(scores) else None


def _judge_scores(entry: Entry, limit: Limit) -> Verdict:
    """The verdict on the recorded errors of the scores."""
    if "scores" not in entry:
        return _inconclusive(entry, "the errors of its scores were not measured", limit)
    return judge_scores(
        recorded_scores(entry["scores"]),
        limit,
        model=entry["model"],
        environment=entry["environment"],
        reference=entry["reference"],
        route=entry.get("route", ()),
    )


def _judge_time(entry: Entry, limit: Limit) -> list[Verdict]:
    """The verdict on the time and, for a ratio, those on it at further points of the axes."""
    if not _was_timed(entry):
        unasked = ", only the calls that gave the predictions, first ones included" if "latency" in entry else ""
        return [_inconclusive(entry, f"no time was measured{unasked}", limit)]
    points = entry["latency"].get("points", ()) if limit.name in TO_REFERENCE else ()
    measured = [(None, entry["latency"]), *((_point(point), point) for point in points if "reason" not in point)]
    return [
        judge_latency(
            recorded_times(latency),
            limit,
            model=entry["model"],
            environment=entry["environment"],
            reference=entry["reference"],
            route=entry.get("route", ()),
            point=point,
        )
        for point, latency in measured
    ]


def _point(latency: Mapping[str, Any]) -> Point:
    return Point(latency["batch"], latency["threads"])


def _standing(entry: Entry, limit: Limit) -> Verdict:
    """The recorded verdict on a limit on time that nobody asks to judge again."""
    status = next(
        Status(told["verdict"]) for told in _recorded_verdicts(entry, "latency") if told["limit_name"] == limit.name
    )
    reason = entry.get("reason", "")
    if not _missed_labels(entry) and f"limit {limit.value:g} " in reason and f"from {limit.origin})" in reason:
        return Verdict(status, reason, limit)
    again = _judge_time(entry, limit) if limit.name != MAX_LATENCY_REGRESSION else []
    same = next((verdict for verdict in again if verdict.status is status), None)
    if same is not None:
        return same
    said = f"{limit.name} was judged as {status.value} in the run (limit {limit.value:g} from {limit.origin})"
    return Verdict(status, f"{_subject(entry)}: {said}", limit)


def _inconclusive(entry: Entry, why: str, limit: Limit) -> Verdict:
    message = f"{_subject(entry)}: inconclusive, {why} (limit {limit.value:g} from {limit.origin})"
    return Verdict(Status.INCONCLUSIVE, message, limit)


def _subject(entry: Entry) -> str:
    return f"{entry['model']} in {entry['environment']}"


def _recorded_limits(entry: Entry) -> dict[str, Limit]:
    """The limits on time and on scores that the entry was held against, as far as the record has them."""
    found: dict[str, Limit] = {}
    for told in [*_recorded_verdicts(entry, "latency"), *_recorded_verdicts(entry, "scores")]:
        name = told["limit_name"]
        found.setdefault(name, Limit(name, told["limit"], told["limit_from"]))
    return found


def _recorded_verdicts(entry: Entry, part: str) -> list[Mapping[str, Any]]:
    """The recorded verdicts on its time, or on its scores, the gravest first."""
    figures = entry.get(part, {})
    verdicts = figures.get("verdicts", [figures] if "limit" in figures else [])
    return sorted(verdicts, key=lambda told: _GRAVEST_FIRST.index(told["verdict"]))


def _missed_a_limit(entry: Entry) -> bool:
    """Whether a recorded limit was not kept, or not surely: that is what the test failed for then."""
    passed = Status.PASSED.value
    return _missed_labels(entry) or any(entry.get(part, {}).get("verdict", passed) != passed for part in _LIMITED)


def _missed_labels(entry: Entry) -> bool:
    labels = entry.get("labels", {})
    if "verdict" in labels:
        return bool(labels["verdict"] != Status.PASSED.value)
    return "limit" in labels and bool(labels["agreement"] < labels["limit"] or labels["flips"]["undefined"] > 0)


def _was_timed(entry: Entry) -> bool:
    return was_timed(entry.get("latency", {}))


def _is_reference(entry: Entry) -> bool:
    return bool(entry["environment"] == entry["reference"])
