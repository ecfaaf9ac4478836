"""The analysis of a model: what its cells' predictions and times show when all are held against each other."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, fields
from itertools import combinations
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pytest_envrobust.checks.figures import clock_of
from pytest_envrobust.comparison.accuracy import accuracy, mcnemar
from pytest_envrobust.comparison.kinds import kind_of, label_shift, shift_notice, softmax_notice
from pytest_envrobust.comparison.labels import top1
from pytest_envrobust.comparison.pairwise import Pairwise, pairwise
from pytest_envrobust.comparison.sensitivity import Sensitivity, Times, sensitivities
from pytest_envrobust.core.environment import Environment
from pytest_envrobust.core.timing import Clock

Entry = dict[str, Any]
ScoresOf = Callable[[str], "NDArray[Any] | None"]

_CLOCKS: tuple[Clock, ...] = ("wall", "cpu")


@dataclass(frozen=True)
class _Seen:
    """What the cells of one environment say of it together."""

    environment: Environment
    digest: str
    times: Times


def analyse(model_entry: Mapping[str, Any], cells: Sequence[Mapping[str, Any]], scores_of: ScoresOf) -> Entry | None:
    """The record's ``models[].analysis``: plain data, every number finite; ``None`` where nothing gave predictions.

    ``model_entry`` is the model's entry in the record, ``cells`` the entries of its items, ``scores_of`` gives the
    scores (N, classes) of an output digest, or ``None`` where they were not kept. An environment without scores is left
    out, and one whose scores have another shape than most, with a notice.
    """
    name = model_entry.get("name")
    mine = [cell for cell in cells if cell.get("environment") and cell.get("model", name) == name]
    reference = next((cell["reference"] for cell in mine if "reference" in cell), "")
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
    twice = [str(item.environment) for item, number in zip(kept, output_of) if kinds[number] == "twice-softmaxed"]
    notices = [*_shift_notices(seen, labels), *([softmax_notice(twice)] if twice else [])]
    notices += _shape_notices(seen, scores, shape)
    found: Entry = {
        "environments": [str(item.environment) for item in kept],
        "output_of": output_of,
        "outputs": [{"digest": digest, "kind": kind} for digest, kind in zip(digests, kinds)],
        "matrices": {field.name: _matrix(getattr(matrices, field.name)) for field in fields(Pairwise)},
        "sensitivity": [
            _sensitivity_entry(item)
            for item in sensitivities(
                [item.environment for item in kept],
                output_of,
                matrices.label_dissimilarity,
                [item.times for item in kept],
            )
        ],
    }
    truth = model_entry.get("truth", ())
    if any(index >= 0 for index in truth):
        if len(truth) == shape[0]:
            found["accuracy"] = _accuracies(kept, output_of, arrays, truth, reference)
        else:
            notices.append(f"the true classes of {len(truth)} inputs say nothing of {shape[0]}: no accuracy is told")
    found["notices"] = notices
    return found


def _digest(cells: Sequence[Mapping[str, Any]]) -> str:
    return next((cell["output_digest"] for cell in cells if "output_digest" in cell), "")


def _scores(digests: Sequence[str], scores_of: ScoresOf) -> dict[str, NDArray[Any]]:
    """The usable arrays by digest."""
    found = {digest: scores_of(digest) for digest in dict.fromkeys(digests) if digest}
    return {
        digest: array
        for digest, array in found.items()
        if array is not None and array.ndim == 2 and array.size and array.dtype.kind in "fiub"
    }


def _gathered(cells: Sequence[Mapping[str, Any]], reference: str) -> list[_Seen]:
    """Each environment with what its cells say, in the record's order."""
    by_environment: dict[str, list[Mapping[str, Any]]] = {}
    for cell in cells:
        by_environment.setdefault(cell["environment"], []).append(cell)
    return [
        _Seen(Environment.parse(name), _digest(items), _times(name, items, reference))
        for name, items in by_environment.items()
    ]


def _times(name: str, cells: Sequence[Mapping[str, Any]], reference: str) -> Times:
    """The best of what was timed: measured times before those of the calls that gave the predictions."""
    # a ratio to another reference than the model's cannot be divided by the others
    latencies: list[Mapping[str, Any]] = [
        cell["latency"]
        for cell in cells
        if "latency" in cell and (cell.get("reference") == reference or "ratio" not in cell["latency"])
    ]
    best = max(latencies, key=lambda latency: latency.get("from") != "predictions", default={})
    medians: dict[Clock, float] = {}
    for clock in _CLOCKS:
        if best.get("from") == "predictions" and "median" in best.get(f"{clock}_ms", {}):
            medians[clock] = best[f"{clock}_ms"]["median"]
    if name == reference:
        ratios: dict[Clock, tuple[float, float, float]] = dict.fromkeys(_CLOCKS, (1.0, 1.0, 1.0))
    else:
        measured = best.get("ratio", {})
        ratios = {clock: tuple(measured[clock]) for clock in _CLOCKS if clock in measured}
    return Times(ratios, medians, clock_of(name, best))


def _sensitivity_entry(item: Sensitivity) -> Entry:
    found: Entry = {"factor": item.factor}
    if item.part is not None:
        found["part"] = item.part
    found |= {
        "pairs": item.pairs,
        "environments": item.environments,
        "distinct_outputs": item.distinct_outputs,
    }
    if item.labels is not None:
        labels = item.labels
        found["labels"] = {"mean": labels.mean, "largest": labels.largest, "pair": [str(one) for one in labels.pair]}
    if item.time is not None:
        found["time"] = {"largest": item.time.largest}
        if item.time.interval is not None:
            found["time"]["interval"] = list(item.time.interval)
        found["time"] |= {
            "pair": [str(one) for one in item.time.pair],
            "clock": item.time.clock,
            "from": item.time.source,
        }
    return found


def _accuracies(
    seen: Sequence[_Seen],
    output_of: Sequence[int],
    arrays: Sequence[NDArray[Any]],
    truth: Sequence[int],
    reference: str,
) -> list[Entry]:
    of_output = [accuracy(array, truth) for array in arrays]
    names = [str(item.environment) for item in seen]
    expected = of_output[output_of[names.index(reference)]] if reference in names else None
    found = []
    for name, number in zip(names, output_of):
        here = of_output[number]
        entry: Entry = {"environment": name, "n": here.n, "top1": here.top1}
        if here.top5 is not None:
            entry["top5"] = here.top5
        if expected is not None and name != reference:
            test = mcnemar(here.correct, expected.correct)
            entry["against_reference"] = {
                "only_here": test.only_here,
                "only_reference": test.only_there,
                "p": test.p,
            }
        found.append(entry)
    return found


def _shift_notices(seen: Sequence[_Seen], labels: Mapping[str, NDArray[np.int64]]) -> list[str]:
    """At most one notice for each pair of sources, as an offset is declared for a source."""
    noticed: dict[tuple[str, str], str] = {}
    for one, other in combinations(seen, 2):
        sources = (one.environment.source_framework, other.environment.source_framework)
        mine, theirs = labels[one.digest], labels[other.digest]
        if sources in noticed or one.digest == other.digest or len(mine) != len(theirs):
            continue
        shift = label_shift(mine, theirs)
        if shift is not None:
            notice = shift_notice(shift, str(one.environment), str(other.environment))
            noticed[sources] = noticed[sources[::-1]] = notice
    return list(dict.fromkeys(noticed.values()))


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


def _matrix(values: NDArray[np.float64]) -> list[list[float | None]]:
    return [[value if math.isfinite(value) else None for value in row] for row in values.tolist()]
