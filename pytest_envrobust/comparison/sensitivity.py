"""How sensitive labels and times are to framework, variant, compiler and device.

Pairs of environments that differ in one of them alone are compared.

The question of the study that this project began with (N. Louloudakis, P. Gibson, J. Cano and A. Rajan, 'Assessing
Robustness of Image Recognition Models to Changes in the Computational Environment', 2022), asked of one model.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import combinations
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from pytest_envrobust.core.environment import Environment
from pytest_envrobust.core.errors import DeclarationError
from pytest_envrobust.core.timing import Clock

Factor = Literal["framework", "variant", "compiler", "device"]
Part = Literal["definitions", "conversions"]
Source = Literal["pairs", "predictions"]

FACTORS: tuple[Factor, ...] = ("framework", "variant", "compiler", "device")


@dataclass(frozen=True)
class Times:
    """What is known of an environment's time, by clock.

    ``ratios`` are low, middle and high of the ratio to the reference, taken in turns with it (1, 1, 1 for the reference
    itself); ``medians`` are milliseconds of the calls that gave the predictions. ``clock`` is the one that tells
    most on its device; a pair is compared on the wall clock where the two environments' differ.
    """

    ratios: Mapping[Clock, tuple[float, float, float]] = field(default_factory=dict)
    medians: Mapping[Clock, float] = field(default_factory=dict)
    clock: Clock = "cpu"


@dataclass(frozen=True)
class LabelSensitivity:
    """Label dissimilarity over pairs: its mean, the largest, and the (first) pair that has it."""

    mean: float
    largest: float
    pair: tuple[Environment, Environment]


@dataclass(frozen=True)
class TimeSensitivity:
    """The largest ratio of times in a pair, slow by fast, and ``pair`` in that order.

    ``interval`` is the outermost quotient of both ratios' intervals; ``None`` where one is unbounded or there are
    medians alone (``source`` ``predictions``).
    """

    largest: float
    interval: tuple[float, float] | None
    pair: tuple[Environment, Environment]
    clock: Clock
    source: Source


@dataclass(frozen=True)
class Sensitivity:
    """What the pairs show that differ in one factor alone: how many, of how many environments and distinct outputs.

    ``part`` parts the pairs of different frameworks: ``definitions`` begin at different sources, ``conversions`` at
    one, so that the conversion alone makes the difference.
    """

    factor: Factor
    part: Part | None
    pairs: int
    environments: int
    distinct_outputs: int
    labels: LabelSensitivity | None
    time: TimeSensitivity | None


def sensitivities(
    environments: Sequence[Environment],
    output_of: Sequence[int],
    dissimilarity: NDArray[np.float64],
    times: Sequence[Times | None] | None = None,
) -> list[Sensitivity]:
    """One entry for each factor, and each part of the framework factor, in which at least one pair differs alone.

    ``output_of`` numbers the distinct output of each environment, ``dissimilarity`` is the matrix over distinct outputs
    of the share of differing labels, ``times`` is what is known of each environment's time, ``None`` for nothing.
    Raises `DeclarationError` where these do not fit each other.
    """
    known = list(times) if times is not None else [None] * len(environments)
    _check(environments, output_of, dissimilarity, known)
    found = []
    for factor, part, belongs in _groups():
        pairs = [
            (one, other)
            for one, other in combinations(range(len(environments)), 2)
            if belongs(environments[one], environments[other])
        ]
        if pairs:
            members = {number for pair in pairs for number in pair}
            found.append(
                Sensitivity(
                    factor=factor,
                    part=part,
                    pairs=len(pairs),
                    environments=len(members),
                    distinct_outputs=len({output_of[number] for number in members}),
                    labels=_labels(pairs, environments, output_of, dissimilarity),
                    time=_time(pairs, environments, known),
                )
            )
    return found


def differing_factor(one: Environment, other: Environment) -> Factor | None:
    """The factor in which two environments differ while all others are equal; ``None`` where there is none."""
    differing = [factor for factor in FACTORS if getattr(one, factor) != getattr(other, factor)]
    return differing[0] if len(differing) == 1 else None


def _groups() -> Iterator[tuple[Factor, Part | None, Callable[[Environment, Environment], bool]]]:
    def alone(factor: Factor) -> Callable[[Environment, Environment], bool]:
        return lambda one, other: differing_factor(one, other) == factor

    def of_sources(same: bool) -> Callable[[Environment, Environment], bool]:
        return lambda one, other: (
            differing_factor(one, other) == "framework" and (one.source_framework == other.source_framework) is same
        )

    yield "framework", None, alone("framework")
    yield "framework", "definitions", of_sources(same=False)
    yield "framework", "conversions", of_sources(same=True)
    yield "variant", None, alone("variant")
    yield "compiler", None, alone("compiler")
    yield "device", None, alone("device")


def _labels(
    pairs: Sequence[tuple[int, int]],
    environments: Sequence[Environment],
    output_of: Sequence[int],
    dissimilarity: NDArray[np.float64],
) -> LabelSensitivity | None:
    shares = [
        (float(dissimilarity[output_of[one], output_of[other]]), (environments[one], environments[other]))
        for one, other in pairs
    ]
    defined = [(share, pair) for share, pair in shares if not math.isnan(share)]
    if not defined:
        return None
    largest, pair = max(defined, key=lambda item: item[0])
    return LabelSensitivity(math.fsum(share for share, _ in defined) / len(defined), largest, pair)


def _time(
    pairs: Sequence[tuple[int, int]], environments: Sequence[Environment], times: Sequence[Times | None]
) -> TimeSensitivity | None:
    of_ratios, of_medians = [], []
    for one, other in pairs:
        mine, theirs = times[one], times[other]
        if mine is None or theirs is None:
            continue
        pair = (environments[one], environments[other])
        if clock := _clock(mine, theirs, mine.ratios, theirs.ratios):
            of_ratios.append(_quotient(mine.ratios[clock], theirs.ratios[clock], pair, clock, "pairs"))
        if clock := _clock(mine, theirs, mine.medians, theirs.medians):
            here, there = mine.medians[clock], theirs.medians[clock]
            of_medians.append(_quotient((0, here, math.inf), (0, there, math.inf), pair, clock, "predictions"))
    for candidates in (of_ratios, of_medians):
        usable = [item for item in candidates if item is not None]
        if usable:
            return max(usable, key=lambda item: item.largest)
    return None


def _clock(mine: Times, theirs: Times, here: Mapping[Clock, object], there: Mapping[Clock, object]) -> Clock | None:
    """The clock on which two environments are compared: CPU time where it tells most on both, else wall time."""
    if mine.clock == theirs.clock == "cpu" and "cpu" in here and "cpu" in there:
        return "cpu"
    return "wall" if "wall" in here and "wall" in there else None


def _quotient(
    here: tuple[float, float, float],
    there: tuple[float, float, float],
    pair: tuple[Environment, Environment],
    clock: Clock,
    source: Source,
) -> TimeSensitivity | None:
    if not all(0 < value[1] < math.inf for value in (here, there)):
        return None
    if here[1] < there[1]:
        here, there, pair = there, here, (pair[1], pair[0])
    bounded = all(low > 0 and high < math.inf for low, _, high in (here, there))
    interval = (here[0] / there[2], here[2] / there[0]) if bounded else None
    return TimeSensitivity(here[1] / there[1], interval, pair, clock, source)


def _check(
    environments: Sequence[Environment],
    output_of: Sequence[int],
    dissimilarity: NDArray[np.float64],
    times: Sequence[Times | None],
) -> None:
    if not len(environments) == len(output_of) == len(times):
        raise DeclarationError(
            f"{len(environments)} environments, {len(output_of)} outputs and {len(times)} times do not go together",
            cause="each environment needs one of each",
        )
    outputs = max(output_of, default=-1) + 1
    if dissimilarity.ndim != 2 or min(dissimilarity.shape) < outputs or min(output_of, default=0) < 0:
        raise DeclarationError(
            f"a matrix of shape {dissimilarity.shape} does not hold {outputs} distinct outputs",
            cause="each distinct output needs its row and column",
        )
