"""The analysis of a model: what its cells' predictions and times show when all are held against each other."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pytest_envrobust.comparison.accuracy import accuracy, doubt_of, mcnemar
from pytest_envrobust.comparison.blocks import spread_of
from pytest_envrobust.comparison.calibration import calibration, calibration_notice
from pytest_envrobust.comparison.kinds import kind_of, label_shift, shift_notice, softmax_notice
from pytest_envrobust.comparison.labels import top1
from pytest_envrobust.comparison.notices import margin_notice
from pytest_envrobust.comparison.outliers import Outputs, outlier_notice
from pytest_envrobust.comparison.pairwise import pairwise
from pytest_envrobust.comparison.sensitivity import Sensitivity, Times, sensitivities
from pytest_envrobust.core.environment import Environment
from pytest_envrobust.core.timing import Clock
from pytest_envrobust.core.wording import counted, listed
from pytest_envrobust.models.guessing import is_guess
from pytest_envrobust.record import schema
from pytest_envrobust.record.judged_part import finite
from pytest_envrobust.record.latency_part import clock_of
from pytest_envrobust.record.schema import Analysis, Cell, Latency, Model

ScoresOf = Callable[[str], "NDArray[Any] | None"]

_CLOCKS: tuple[Clock, ...] = ("wall", "cpu")


@dataclass(frozen=True)
class _Seen:
    """What the cells of one environment say of it together."""

    environment: Environment
    digest: str
    times: Times


def analyse(model: Model, cells: Sequence[Cell], scores_of: ScoresOf) -> Analysis | None:
    """What a model's environments show when all are held against each other; ``None`` where none gave predictions.

    ``cells`` may be those of other models too. ``scores_of`` gives the scores (N, classes) of an output digest, or
    ``None`` where they were not kept. An environment without scores is left out, and one whose scores have another
    shape than most, with a notice.
    """
    mine = [cell for cell in cells if cell.model == model.name]
    reference = next((cell.reference for cell in mine if cell.environment and cell.reference is not None), "")
    gathered = _gathered(mine, reference)
    scores = _scores([item.digest for item in gathered], scores_of)
    seen = [item for item in gathered if item.digest in scores]
    if not seen:
        return None
    labels = {digest: top1(array) for digest, array in scores.items()}
    shape = Counter(scores[item.digest].shape for item in seen).most_common(1)[0][0]
    kept = [item for item in seen if scores[item.digest].shape == shape]
    digests = list(dict.fromkeys(item.digest for item in kept))
    arrays = [scores[digest] for digest in digests]
    kinds = [kind_of(array) for array in arrays]
    matrices = pairwise(arrays, kinds)
    output_of = [digests.index(item.digest) for item in kept]
    found = sensitivities(
        [item.environment for item in kept], output_of, matrices.label_dissimilarity, [item.times for item in kept]
    )
    twice = [str(item.environment) for item, number in zip(kept, output_of) if kinds[number] == "twice-softmaxed"]
    notices = [*_shift_notices(seen, labels), *([softmax_notice(twice)] if twice else [])]
    notices += _shape_notices(seen, scores, shape)
    names = [str(item.environment) for item in kept]
    spreads = [spread_of(array) for array in arrays]
    own = output_of[names.index(reference)] if reference in names else output_of[0]  # else the first stands for it
    notices += _outlier_notices(names, output_of, matrices.largest_difference, spreads, own)
    if reference in names:
        notices += _calibration_notices(names, output_of, arrays, own, model.class_names or ())
        noises = [cell.labels.noise for cell in mine if cell.labels is not None and cell.labels.noise is not None]
        notices += margin_notice(arrays[own], max(noises, default=None), reference)
    truth = model.truth if model.truth is not None and any(index >= 0 for index in model.truth) else None
    if truth is not None and len(truth) != shape[0]:
        notices.append(f"the true classes of {len(truth)} inputs say nothing of {shape[0]}: no accuracy is told")
        truth = None
    if truth is not None:
        notices = [*_truth_notices(model, truth, kept, output_of, arrays), *notices]
    return Analysis(
        environments=names,
        output_of=output_of,
        outputs=[
            schema.Output(digest=digest, kind=kind, spread=finite(spread))
            for digest, kind, spread in zip(digests, kinds, spreads)
        ],
        matrices=schema.Matrices(
            label_dissimilarity=_matrix(matrices.label_dissimilarity),
            top5_dissimilarity=_matrix(matrices.top5_dissimilarity),
            rank_correlation=_matrix(matrices.rank_correlation),
            largest_difference=_matrix(matrices.largest_difference),
        ),
        sensitivity=[_sensitivity(item) for item in found],
        notices=notices,
        accuracy=None if truth is None else _accuracies(kept, output_of, arrays, truth, reference),
    )


def _scores(digests: Sequence[str], scores_of: ScoresOf) -> dict[str, NDArray[Any]]:
    """The usable arrays by digest."""
    found = {digest: scores_of(digest) for digest in dict.fromkeys(digests) if digest}
    return {
        digest: array
        for digest, array in found.items()
        if array is not None and array.ndim == 2 and array.size and array.dtype.kind in "fiub"
    }


def _gathered(cells: Sequence[Cell], reference: str) -> list[_Seen]:
    """Each environment with what its cells say, in the record's order."""
    by_environment: dict[str, list[Cell]] = {}
    for cell in cells:
        if cell.environment:
            by_environment.setdefault(cell.environment, []).append(cell)
    return [
        _Seen(Environment.parse(name), _digest(items), _times(name, items, reference))
        for name, items in by_environment.items()
    ]


def _digest(cells: Sequence[Cell]) -> str:
    return next((cell.output_digest for cell in cells if cell.output_digest is not None), "")


def _times(name: str, cells: Sequence[Cell], reference: str) -> Times:
    """The best of what was timed: measured times before those of the calls that gave the predictions."""
    # a ratio to another reference than the model's cannot be divided by the others
    latencies = [
        cell.latency
        for cell in cells
        if cell.latency is not None and (cell.reference == reference or cell.latency.ratio is None)
    ]
    best = max(latencies, key=lambda latency: latency.measured_from != "predictions", default=Latency())
    medians: dict[Clock, float] = {}
    if best.measured_from == "predictions":
        medians = {clock: times.median for clock in _CLOCKS if (times := best.on(clock)) is not None}
    ratios: dict[Clock, schema.Ends] = dict.fromkeys(_CLOCKS, (1.0, 1.0, 1.0))
    if name != reference:
        measured = best.ratio or {}
        ratios = {clock: measured[clock] for clock in _CLOCKS if clock in measured}
    return Times(ratios, medians, clock_of(name, best))


def _sensitivity(found: Sensitivity) -> schema.Sensitivity:
    labels, time = found.labels, found.time
    return schema.Sensitivity(
        factor=found.factor,
        part=found.part,
        pairs=found.pairs,
        environments=found.environments,
        distinct_outputs=found.distinct_outputs,
        labels=None
        if labels is None
        else schema.LabelSensitivity(mean=labels.mean, largest=labels.largest, pair=_names(labels.pair)),
        time=None
        if time is None
        else schema.TimeSensitivity(
            largest=time.largest,
            interval=time.interval,
            pair=_names(time.pair),
            clock=time.clock,
            measured_from=time.source,
        ),
    )


def _names(pair: tuple[Environment, Environment]) -> tuple[str, str]:
    return str(pair[0]), str(pair[1])


def _accuracies(
    seen: Sequence[_Seen],
    output_of: Sequence[int],
    arrays: Sequence[NDArray[Any]],
    truth: Sequence[int],
    reference: str,
) -> list[schema.Accuracy]:
    of_output = [accuracy(array, truth) for array in arrays]
    names = [str(item.environment) for item in seen]
    expected = of_output[output_of[names.index(reference)]] if reference in names else None
    found = []
    for name, number in zip(names, output_of):
        here = of_output[number]
        against = None
        if expected is not None and name != reference:
            test = mcnemar(here.correct, expected.correct)
            against = schema.AgainstReference(only_here=test.only_here, only_reference=test.only_there, p=test.p)
        found.append(
            schema.Accuracy(
                environment=name,
                n=here.n,
                top1=here.top1,
                top5=here.top5,
                interval=here.interval,
                top5_interval=here.top5_interval,
                against_reference=against,
            )
        )
    return found


def _truth_notices(
    model: Model,
    truth: Sequence[int],
    seen: Sequence[_Seen],
    output_of: Sequence[int],
    arrays: Sequence[NDArray[Any]],
) -> Iterator[str]:
    """What the true classes say against a source's preprocessing, or against themselves.

    A source is judged by the best of its environments: one alone may be broken.
    """
    classes = arrays[0].shape[1]
    if beyond := sum(each >= classes for each in truth):
        yield (
            f"{counted(beyond, 'input')} of {len(truth)} {'has' if beyond == 1 else 'have'} a true class beyond the "
            f"model's (up to {max(truth)}, where it has 0 to {classes - 1}): no label is right there"
        )
    best: dict[str, tuple[float, int]] = {}
    for item, number in zip(seen, output_of):
        key = item.environment.source
        best[key] = max(best.get(key, (-1.0, 0)), (accuracy(arrays[number], truth).top1, number))
    doubts: dict[str, list[str]] = {}
    for key, (_, number) in best.items():
        guess = (model.guesses or {}).get(key, "")
        if doubt := doubt_of(arrays[number], truth, is_guessed=is_guess(guess)):
            doubts.setdefault(doubt, []).append(key)
    for doubt, sources in doubts.items():
        yield doubt if len(best) == len(sources) else f"{listed(sources)}: {doubt}"


def _shift_notices(seen: Sequence[_Seen], labels: Mapping[str, NDArray[np.int64]]) -> list[str]:
    """At most one notice for each source that seems to have a class more, as the offset is declared for it."""
    noticed: dict[str, str] = {}
    for one, other in combinations(seen, 2):
        mine, theirs = labels[one.digest], labels[other.digest]
        if one.digest == other.digest or len(mine) != len(theirs):
            continue
        shift = label_shift(mine, theirs)
        if shift is not None:
            extra = one if shift.by == 1 else other
            notice = shift_notice(shift, str(one.environment), str(other.environment))
            noticed.setdefault(extra.environment.source, notice)
    return list(noticed.values())


def _shape_notices(seen: Sequence[_Seen], scores: Mapping[str, NDArray[Any]], shape: tuple[int, ...]) -> list[str]:
    others: dict[tuple[int, ...], list[str]] = {}
    for item in seen:
        found = scores[item.digest].shape
        if found != shape:
            others.setdefault(found, []).append(str(item.environment))
    return [
        f"scores of shape {found} cannot be compared with those of shape {shape}: {', '.join(names)}: left out here"
        for found, names in others.items()
    ]


def _outlier_notices(
    names: Sequence[str], output_of: Sequence[int], apart: NDArray[np.float64], spreads: Sequence[float], own: int
) -> list[str]:
    """Of the outputs that can be held against the reference's, number ``own``: those of its kind."""
    places = [own, *(place for place in range(len(spreads)) if place != own and np.isfinite(apart[own, place]))]
    environments = [[name for name, number in zip(names, output_of) if number == place] for place in places]
    notice = outlier_notice(Outputs(environments, apart[np.ix_(places, places)], spreads[own]))
    return [] if notice is None else [notice]


def _calibration_notices(
    names: Sequence[str], output_of: Sequence[int], arrays: Sequence[NDArray[Any]], own: int, classes: Sequence[str]
) -> list[str]:
    """The classes whose scores are off from those of output ``own``: one notice for all in which they are the same."""
    told: dict[tuple[int, ...], str] = {}
    where: dict[tuple[int, ...], list[str]] = {}
    for number, array in enumerate(arrays):
        found = None if number == own else calibration(array, arrays[own], classes)
        if found is not None and (notice := calibration_notice(found)):
            key = tuple(sorted(each.index for each in found.off))
            told.setdefault(key, notice)
            where.setdefault(key, []).extend(name for name, output in zip(names, output_of) if output == number)
    return [f"{listed(where[key])}: {notice}" for key, notice in told.items()]


def _matrix(values: NDArray[np.float64]) -> schema.Matrix:
    return [[value if math.isfinite(value) else None for value in row] for row in values.tolist()]
