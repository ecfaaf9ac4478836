"""The columns of the reports' tables: of a model's environments, of the throughput, of the sensitivity.

A new column is an entry here, and terminal, Markdown and HTML have it. One that another report has at another place,
or under another heading, has an entry there for that report.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from pytest_envrobust.comparison.bounds import clopper_pearson_lower
from pytest_envrobust.core.status import Status
from pytest_envrobust.core.timing import Clock
from pytest_envrobust.core.wording import clock_name, percent
from pytest_envrobust.history.view import ModelView, Row
from pytest_envrobust.record.judged_part import family_of
from pytest_envrobust.record.schema import Accuracy, Invariant, Labels, Latency, Scores, Sensitivity
from pytest_envrobust.reports.accuracy import adjusted_p, counted_accuracy, drop_text, with_interval
from pytest_envrobust.reports.limits import limit_beside, with_limits
from pytest_envrobust.reports.tables import FULL, TEXT, Column, Report
from pytest_envrobust.reports.timings import RecordedTiming, rate_text, ratio_text
from pytest_envrobust.reports.words import GROUP_SIGNS, fixed, kinds, milliseconds, probability, score
from pytest_envrobust.verdicts.limits import (
    MAX_ABS_ERROR,
    MAX_ACCURACY_DROP,
    MAX_FIDELITY_RATIO,
    MAX_LATENCY_MS,
    MAX_LATENCY_RATIO,
    MAX_RELATIVE_ERROR,
    MIN_ACCURACY,
    MIN_LABEL_AGREEMENT,
    TAIL_LIMITS,
)

_LONGEST_REASON = 300
_LEAST_OFF = 1e-4
"""Scores that differ by less than this share of their spread differ by rounding."""


@dataclass(frozen=True)
class Entry:
    """An environment of a model, with all that its columns are taken from.

    ``letter`` names its output, ``off`` is as in `ModelView`, ``p`` is McNemar's, adjusted for all environments.
    """

    row: Row
    model: str
    letter: str = ""
    accuracy: Accuracy | None = None
    off: float | None = None
    p: float | None = None

    @property
    def environment(self) -> str:
        """Its name; that of a declaration at fault in words."""
        return self.row.environment or "(declaration)"

    @property
    def timing(self) -> RecordedTiming:
        """Its own timing."""
        return RecordedTiming.of(self.row)

    @property
    def reason(self) -> str:
        """Why it ended so, without the cell's name, which stands beside it; cut where it is long."""
        text = self.row.reason.removeprefix(f"{self.model} in {self.row.environment}: ")
        return text if len(text) <= _LONGEST_REASON else f"{text[:_LONGEST_REASON].rstrip()} ..."


def entries_of(view: ModelView) -> list[Entry]:
    """The environments of a model, in the record's order."""
    letters = view.outputs
    told = {each.environment: each for each in view.accuracy}
    accuracy = [(row, told.get(row.environment) or counted_accuracy(row)) for row in view.rows]
    p = adjusted_p(accuracy)
    return [
        Entry(
            row,
            view.name,
            letters.get(row.output, ""),
            each,
            view.off.get(row.environment),
            p.get(row.environment),
        )
        for row, each in accuracy
    ]


def environment_columns(entries: Iterable[Entry]) -> list[Column[Entry]]:
    """The columns of the table of environments: the declared ones, and one for each other check of these entries."""
    shown = list(entries)
    checks = dict.fromkeys(name for entry in shown for name in entry.row.checks)
    findings = [column for column in _FINDINGS if column.name != "off" or _any_off(shown)]
    return with_limits([*findings, *map(_check_column, checks), *_TIMES], shown)


def agreement_text(labels: Labels | None) -> str:
    """``0.750 (6/8)``, or ``0.250 (8/32 of 100)`` of a comparison that stopped; empty where no labels were compared."""
    return "" if labels is None else f"{labels.agreement:.3f} ({count_text(labels)})"


def count_text(labels: Labels) -> str:
    """``6/8``: how many labels agreed of how many that were compared, of how many that there are."""
    counted = f"{round(labels.agreement * labels.n)}/{labels.n}"
    return counted if labels.of is None else f"{counted} of {labels.of}"


def bound_text(row: Row, write: Callable[[float], str] = "{:.3f}".format) -> str:
    """``0.688``: the agreement that the inputs show, one-sided 95 %; over all cells where a verdict rests on it.

    The reference shows nothing by itself.
    """
    labels = row.labels
    if labels is None or row.is_reference:
        return ""
    if labels.limit_on != "bound" or row.family is None:
        return write(labels.bound)
    confidence = family_of(row.family).confidence
    return write(clopper_pearson_lower(round(labels.agreement * labels.n), labels.n, confidence))


def flips_text(labels: Labels | None) -> str:
    """``3 real, 1 tie; 2 known``."""
    if labels is None:
        return ""
    found = kinds(labels.flips)
    known = sum(flip.known is not None for flip in labels.flipped or ())
    return f"{found}; {known} known" if known else found


def reach_text(row: Row) -> str:
    """On how many inputs no flip was possible; empty where that was not told."""
    if row.is_reference or row.labels is None or not row.labels.out_of_reach:
        return ""
    return f"no flip was possible on {row.labels.out_of_reach}: margins over twice the largest difference"


def invariants_text(invariants: Sequence[Invariant]) -> str:
    """``5 hold``, or ``4 of 5 hold``."""
    held = sum(invariant.holds for invariant in invariants)
    if not invariants:
        return ""
    return f"{held} hold" if held == len(invariants) else f"{held} of {len(invariants)} hold"


def figures_text(figures: Mapping[str, Any]) -> str:
    """``0.12`` for a single figure, ``a 0.1, b 3`` for several; what is neither number nor text is left out."""
    told = {name: _figure(value) for name, value in figures.items() if isinstance(value, (str, int, float))}
    return ", ".join(told.values() if len(told) == 1 else (f"{name} {text}" for name, text in told.items()))


def status_text(row: Row) -> str:
    """The status; of a reference that passed that it is the reference."""
    return "reference" if row.is_reference and row.status is Status.PASSED else row.status.value


def _figure(value: str | float) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    return score(value) if isinstance(value, float) else " ".join(str(value).split())


def _check_column(name: str) -> Column[Entry]:
    def text(entry: Entry) -> str:
        part = entry.row.checks.get(name)
        return "" if part is None else figures_text(part.figures)

    return Column(f"check {name}", name, text)


def _written(value: float | None, write: Callable[[float], str]) -> str:
    return "" if value is None else write(value)


def _of_scores(value: Callable[[Scores], float | None]) -> Callable[[Entry], str]:
    return lambda entry: "" if entry.row.scores is None else _written(value(entry.row.scores), score)


def _of_times(value: Callable[[Latency], float | None], write: Callable[[float], str]) -> Callable[[Entry], str]:
    return lambda entry: _written(value(entry.timing.latency), write)


def _of_accuracy(value: Callable[[Accuracy], float | None]) -> Callable[[Entry], str]:
    return lambda entry: "" if entry.accuracy is None else _written(value(entry.accuracy), percent)


def _of(text: Callable[[Accuracy], str]) -> Callable[[Entry], str]:
    return lambda entry: "" if entry.accuracy is None else text(entry.accuracy)


def _median(clock: Clock, limit: str = "") -> Column[Entry]:
    def median(latency: Latency) -> float | None:
        return latency.median_on(clock)

    heading = f"{clock_name(clock)} ms"
    in_html = _of_times(median, milliseconds)
    return Column(clock, heading, _of_times(median, fixed), FULL, right=True, html_text=in_html, limit=limit)


def _name_in_markdown(entry: Entry) -> str:
    return f"{entry.environment} (reference)" if entry.row.is_reference else entry.environment


def _share(entry: Entry) -> str:
    return "" if entry.row.labels is None else percent(entry.row.labels.agreement)


def _ratio_or_fault(entry: Entry) -> str:
    return ratio_text(entry.timing) or entry.timing.control_fault


def _any_off(entries: Sequence[Entry]) -> bool:
    """Whether scores differ by more than rounding, which needs no column."""
    return any(entry.off is not None and entry.off >= _LEAST_OFF for entry in entries)


def _off(entry: Entry) -> str:
    if entry.off is None:
        return ""
    if 0 < entry.off < _LEAST_OFF:
        return f"< {percent(_LEAST_OFF)}"
    return f"{100 * entry.off:.0f} %" if entry.off >= 1 else f"{100 * entry.off:.2g} %"


def _drop(entry: Entry) -> str:
    return _of(drop_text)(entry) if limit_beside(entry.row, MAX_ACCURACY_DROP) else ""


def _p(entry: Entry) -> str:
    """That of McNemar's test; the reference is not tested against itself."""
    return _written(entry.p, probability)


def _p_of_difference(entry: Entry) -> str:
    """The same, where the environment and the reference are right on different inputs."""
    against = entry.accuracy.against_reference if entry.accuracy is not None else None
    return _p(entry) if against is not None and (against.only_here or against.only_reference) else ""


def _tail(name: str, limit: str) -> Column[Entry]:
    """A tail of the wall time, where it is limited."""

    def text(entry: Entry) -> str:
        wall = entry.timing.latency.wall_ms
        limited = limit_beside(entry.row, limit)
        return "" if wall is None or not limited else _written(getattr(wall, name), fixed)

    return Column(name, f"{name} ms", text, TEXT, right=True, own_text=True, limit=limit)


def _where_limited(column: Column[Entry]) -> Column[Entry]:
    """A column that Markdown has only where a limit is set on it."""

    def text(entry: Entry) -> str:
        return column.text(entry) if limit_beside(entry.row, column.limit) else ""

    return replace(column, text=text, reports=Report.MARKDOWN, own_text=True)


_SCORES: tuple[Column[Entry], ...] = (
    Column(
        "abs_error",
        "abs error",
        _of_scores(lambda scores: scores.abs_error),
        FULL,
        right=True,
        html_heading="absolute\nerror",
        title="largest difference of a score from the reference's",
        limit=MAX_ABS_ERROR,
    ),
    Column(
        "relative_error",
        "relative",
        _of_scores(lambda scores: scores.relative_error),
        FULL,
        right=True,
        html_heading="relative\nerror",
        title="largest difference of a score from the reference's, over the largest score of its input",
        limit=MAX_RELATIVE_ERROR,
    ),
    Column(
        "fidelity",
        "fidelity",
        _of_scores(lambda scores: None if scores.fidelity is None else scores.fidelity.ratio),
        FULL,
        right=True,
        html_heading="fidelity\nratio",
        title="how many times as far from double precision as the reference",
        limit=MAX_FIDELITY_RATIO,
    ),
)
"""Columns of errors of the scores."""

_WALL = _median("wall", MAX_LATENCY_MS)

_FINDINGS: tuple[Column[Entry], ...] = (
    Column(
        "status", "status", lambda entry: f"{GROUP_SIGNS[entry.row.group]} {entry.row.status.value}", Report.MARKDOWN
    ),
    Column("environment", "environment", _name_in_markdown, Report.MARKDOWN, own_text=True),
    Column("environment", "environment", lambda entry: entry.environment, FULL),
    Column(
        "output",
        "output",
        lambda entry: entry.letter,
        Report.HTML,
        title="environments with one letter gave the same bits",
    ),
    Column("status", "status", lambda entry: status_text(entry.row), FULL),
    Column(
        "agreement",
        "agreement",
        lambda entry: agreement_text(entry.row.labels),
        TEXT,
        limit=MIN_LABEL_AGREEMENT,
        of_bound=False,
    ),
    Column(
        "agreement",
        "agreement",
        _share,
        Report.HTML,
        right=True,
        title="share of inputs whose top-1 label is the reference's, with its lower 95 % bound",
        limit=MIN_LABEL_AGREEMENT,
    ),
    Column("bound", "at least", lambda entry: bound_text(entry.row), TEXT, limit=MIN_LABEL_AGREEMENT, of_bound=True),
    Column("flips", "flips", lambda entry: flips_text(entry.row.labels)),
    Column(
        "off",
        "off",
        _off,
        right=True,
        own_text=True,
        html_heading="scores\noff",
        title="largest difference of a score from the reference's, as a share of the spread of the reference's scores",
    ),
    Column("top1", "accuracy", _of(with_interval), TEXT, limit=MIN_ACCURACY),
    Column("top5", "top-5", _of_accuracy(lambda accuracy: accuracy.top5), TEXT, right=True),
    Column("drop", "drop", _drop, right=True, limit=MAX_ACCURACY_DROP),
    Column("p", "p (Holm)", _p_of_difference, TEXT, right=True),
    *_SCORES,
    *map(_where_limited, _SCORES),
    Column("invariants", "invariants", lambda entry: invariants_text(entry.row.invariants), FULL),
)
"""Columns of the table of environments; those of other checks follow."""

_TIMES: tuple[Column[Entry], ...] = (
    _WALL,
    _where_limited(_WALL),
    *(_tail(name, limit) for limit, name in TAIL_LIMITS.items()),
    _median("cpu"),
    _median("device"),
    Column(
        "first_call",
        "first call ms",
        _of_times(lambda latency: latency.first_call_ms, milliseconds),
        Report.HTML,
        right=True,
        html_heading="first\ncall ms",
        title="wall time of the session's very first call",
    ),
    Column("ratio", "ratio", lambda entry: ratio_text(entry.timing), Report.TERMINAL, limit=MAX_LATENCY_RATIO),
    Column(
        "ratio",
        "time ratio",
        lambda entry: ratio_text(entry.timing),
        Report.MARKDOWN,
        own_text=True,
        limit=MAX_LATENCY_RATIO,
    ),
    Column("ratio", "time ratio", _ratio_or_fault, Report.HTML, right=True, limit=MAX_LATENCY_RATIO),
    Column(
        "top1",
        "top-1",
        _of_accuracy(lambda accuracy: accuracy.top1),
        Report.HTML,
        right=True,
        html_heading="accuracy\ntop-1",
        limit=MIN_ACCURACY,
    ),
    Column("top5", "top-5", _of_accuracy(lambda accuracy: accuracy.top5), Report.HTML, right=True),
    Column(
        "p",
        "p (Holm)",
        _p,
        Report.HTML,
        right=True,
        html_heading="p\n(Holm)",
        title="McNemar's exact test of the top-1 accuracy against the reference's, adjusted for all of them (Holm)",
    ),
    Column("output", "output", lambda entry: entry.letter, Report.TERMINAL),
    Column("reason", "why", lambda entry: entry.reason, Report.MARKDOWN),
)
"""Columns of the table of environments that come after those of other checks."""

THROUGHPUT: tuple[Column[RecordedTiming], ...] = (
    Column("environment", "throughput", lambda timing: timing.environment, TEXT),
    Column("batch", "batch", lambda timing: str(timing.point.batch), TEXT, right=True, own_text=True),
    Column("threads", "threads", lambda timing: str(timing.point.threads), TEXT, right=True, own_text=True),
    Column("call", "ms a call", lambda timing: _written(timing.call_ms, fixed), TEXT, right=True, own_text=True),
    Column("image", "ms an image", lambda timing: _written(timing.image_ms, fixed), TEXT, right=True, own_text=True),
    Column("rate", "images/s", rate_text, TEXT, right=True, own_text=True),
    Column("ratio", "ratio", ratio_text, Report.TERMINAL),
    Column("ratio", "time ratio", ratio_text, Report.MARKDOWN, own_text=True),
)
"""Of the throughput; HTML has a table of its own, with lines across."""


def _between(factor: Sensitivity) -> str:
    labels = factor.labels
    return " and ".join(labels.pair) if labels is not None and labels.largest else ""


def _slower(factor: Sensitivity) -> str:
    time = factor.time
    if time is None:
        return ""
    interval = "" if time.interval is None else "[{:.2f}, {:.2f}] ".format(*time.interval)
    return f"{time.largest:.2f} {interval}{clock_name(time.clock)}"


SENSITIVITY: tuple[Column[Sensitivity], ...] = (
    Column("factor", "only this differs", lambda each: each.factor + (f" ({each.part})" if each.part else ""), TEXT),
    Column("pairs", "pairs", lambda each: str(each.pairs), TEXT, right=True),
    Column("mean", "labels differ: mean", lambda each: percent(each.labels.mean) if each.labels else "", TEXT),
    Column("largest", "largest", lambda each: percent(each.labels.largest) if each.labels else "", TEXT),
    Column("between", "between", _between, TEXT),
    Column("slower", "slower/faster", _slower, TEXT),
    Column("of", "of", lambda each: " / ".join(each.time.pair) if each.time else "", TEXT),
)
"""Of what changes labels and time; HTML has a table of its own, with models and pairs across."""
