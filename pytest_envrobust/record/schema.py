"""The record's types: what a run leaves behind, and what every report, comparison and merge is made from.

A value that was not measured is absent from the JSON and ``None`` here; it is never zero. Times are in milliseconds
unless a name says otherwise, shares are from 0 to 1, digests are SHA-256 in hexadecimal. `codec` reads and writes
these types.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Literal

import msgspec

from pytest_envrobust.comparison.labels import FlipKind
from pytest_envrobust.comparison.tally import Ties
from pytest_envrobust.core.shard import MOST
from pytest_envrobust.core.status import Stage, Status
from pytest_envrobust.core.timing import Clock

SCHEMA_VERSION = 3

Ends = tuple[float, float, float]
"""Low end, middle and high end of an interval."""
Interval = tuple[float, float]
Matrix = list[list[float | None]]
"""A row and a column for each distinct output; ``None`` for a pair that has no such figure."""
Shared = Literal["network", "weights"]
"""What two sources may be known to have in common."""
MeasuredFrom = Literal["pairs", "alone", "predictions"]
"""``pairs``: in turns with the reference; ``alone``: the reference itself; ``predictions``: nobody asked for a time."""


class Part(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True):
    """Base of all parts of a record: immutable, and without what was not measured."""


class Machine(Part, frozen=True, kw_only=True):
    """A machine, as far as it tells; of a merged record what is the same in all parts.

    ``features`` are the processor's. ``governor`` sets its frequency on Linux, and is empty where the system does not
    tell.
    """

    system: str | None = None
    architecture: str | None = None
    processor: str | None = None
    features: tuple[str, ...] | None = None
    cores: int | None = None
    memory_bytes: int | None = None
    python: str | None = None
    governor: str | None = None


class Interpreter(Part, frozen=True, kw_only=True):
    """Another Python that conversion steps ran in: its path, version, and the versions of its packages."""

    python: str | None = None
    version: str | None = None
    packages: dict[str, str] | None = None


class Device(Part, frozen=True, kw_only=True):
    """A device of the user's own, or an emulated processor, and what it says of itself where it is another machine.

    ``device`` is what the engine used there; ``emulator`` is the program with its arguments; ``inputs`` were run at
    most; ``clock_offset_s`` is by how many seconds its clock differs.
    """

    device: str | None = None
    python: str | None = None
    version: str | None = None
    packages: dict[str, str] | None = None
    emulator: list[str] | None = None
    host: str | None = None
    board: dict[str, Any] | None = None
    inputs: int | None = None
    options: dict[str, Any] | None = None
    machine: Machine | None = None
    versions: dict[str, str] | None = None
    clock_offset_s: float | None = None


class ReferenceRun(Part, frozen=True, kw_only=True):
    """The earlier run that labels were compared with."""

    path: str | None = None
    started: str | None = None
    machine: Machine | None = None
    versions: dict[str, str] | None = None


class ShardNumbers(Part, frozen=True, kw_only=True):
    """Which shards these are (``numbers``, from 1), and of how many."""

    numbers: list[int]
    of: int

    def __post_init__(self) -> None:
        """Refuse numbers that no run could have."""
        if not self.numbers or self.of > MOST or not all(1 <= number <= self.of for number in self.numbers):
            raise ValueError(f"shards {self.numbers} of {self.of} cannot be")


class Shard(ShardNumbers, frozen=True, kw_only=True):
    """The same, and ``whole``: model and environment of each cell of all shards, in the run's order."""

    whole: list[tuple[str, str]] | None = None


class RunPart(Part, frozen=True, kw_only=True):
    """One of the runs that a merged record was made from; ``record`` names its file."""

    record: str
    started: str | None = None
    seconds: float | None = None
    machine: Machine | None = None
    versions: dict[str, str] | None = None
    interpreters: dict[str, Interpreter] | None = None
    devices: dict[str, Device] | None = None
    command: list[str] | None = None
    shard: ShardNumbers | None = None


class Run(Part, frozen=True, kw_only=True):
    """The run: when, where, how.

    ``started`` is local time with its offset; ``versions`` are of the plugin, pytest and every installed package that
    an engine, framework or step needs, by module name; ``preprocess_from`` is ``native`` or ``reference``;
    ``left_out`` is the line on environments that nobody asked for; ``interrupted`` is what ended the run before all its
    tests were made, in one line; ``notices`` are what a reader must know before the figures. ``parts`` are a merged
    record's.
    """

    started: str | None = None
    seconds: float | None = None
    machine: Machine | None = None
    versions: dict[str, str] | None = None
    command: list[str] | None = None
    threads: int | None = None
    preprocess_from: str | None = None
    left_out: str | None = None
    interrupted: str | None = None
    interpreters: dict[str, Interpreter] | None = None
    reference_run: ReferenceRun | None = None
    devices: dict[str, Device] | None = None
    shard: Shard | None = None
    notices: list[str] | None = None
    parts: list[RunPart] | None = None


class Source(Part, frozen=True, kw_only=True):
    """A model's source: ``digest`` of its weights and structure where it was loaded, its preprocessing in words.

    ``output``, ``signature`` and ``decision`` are what was chosen in it; see `Source`.
    """

    target: str | None = None
    label_offset: int | None = None
    digest: str | None = None
    preprocess: str | None = None
    weights: str | None = None
    output: str | None = None
    signature: str | None = None
    decision: float | None = None


class Fault(Part, frozen=True, kw_only=True):
    """A seeded fault, and on how many of ``n`` inputs it changed the label.

    ``strength`` is in the unit of its kind; of one that is drawn at random each draw is an entry.
    """

    fault: str
    changed: int
    n: int
    strength: float | None = None


class Adequacy(Part, frozen=True, kw_only=True):
    """What ``n`` inputs can tell: how many labels the reference gives them, and what seeded faults change."""

    n: int
    distinct_labels: int
    faults: list[Fault]


class Swap(Part, frozen=True, kw_only=True):
    """``parts`` of its preprocessing that a source took from the reference's, and how many labels differed then.

    ``new`` of these ``flips`` are inputs whose labels did not differ before. ``by_reference``: it was the reference's
    source that took them.
    """

    parts: list[str]
    flips: int
    new: int
    by_reference: bool = False


class Decomposition(Part, frozen=True, kw_only=True):
    """Why a source's labels are not those of the reference's source, on ``n`` inputs, of which there are ``of`` where
    that is not all.

    ``environment`` ran the source, and ``flips`` of its labels differ from those of ``reference``. Without ``swaps``
    both are prepared alike. ``shared`` is what both sources are known to have in common: one ``network``, or its
    ``weights``.
    """

    environment: str
    reference: str
    n: int
    flips: int
    of: int | None = None
    swaps: list[Swap] | None = None
    shared: Shared | None = None


class Output(Part, frozen=True, kw_only=True):
    """A distinct output, what kind of scores it has (``logits``, ``probabilities`` ...), and their ``spread``: how far
    an input's scores lie apart, their standard deviation over all inputs.
    """

    digest: str
    kind: str
    spread: float | None = None


class Matrices(Part, frozen=True, kw_only=True):
    """All distinct outputs held against each other."""

    label_dissimilarity: Matrix
    top5_dissimilarity: Matrix
    rank_correlation: Matrix
    largest_difference: Matrix


class LabelSensitivity(Part, frozen=True, kw_only=True):
    """Shares of inputs whose labels differ, over all pairs; ``pair`` is that of the largest."""

    mean: float
    largest: float
    pair: tuple[str, str]


class TimeSensitivity(Part, frozen=True, kw_only=True):
    """The largest ratio of two times; the slower one comes first in ``pair``."""

    largest: float
    pair: tuple[str, str]
    clock: Clock
    measured_from: str = msgspec.field(name="from")
    interval: Interval | None = None


class Sensitivity(Part, frozen=True, kw_only=True):
    """What differs between environments that differ in one factor alone, or in one ``part`` of it."""

    factor: str
    pairs: int
    environments: int
    distinct_outputs: int
    part: str | None = None
    labels: LabelSensitivity | None = None
    time: TimeSensitivity | None = None


class AgainstReference(Part, frozen=True, kw_only=True):
    """Inputs that one of both has right, and ``p`` of McNemar's exact test."""

    only_here: int
    only_reference: int
    p: float


class Accuracy(Part, frozen=True, kw_only=True):
    """Shares of ``n`` inputs whose true class is the best, or among the best five; each with its 95 % interval."""

    environment: str
    n: int
    top1: float
    top5: float | None = None
    interval: Interval | None = None
    top5_interval: Interval | None = None
    against_reference: AgainstReference | None = None


class Analysis(Part, frozen=True, kw_only=True):
    """What the environments of a model show when all are held against each other.

    ``output_of`` has for each environment the number of its distinct output.
    """

    environments: list[str]
    output_of: list[int]
    outputs: list[Output]
    matrices: Matrices
    sensitivity: list[Sensitivity]
    notices: list[str]
    accuracy: list[Accuracy] | None = None


class Model(Part, frozen=True, kw_only=True):
    """What is known of a model: its sources and guesses by framework or variant (``onnx``, ``onnx:int8``), its inputs,
    what they can tell by reference.

    ``truth`` has the true class of each input, -1 where it is unknown. ``declared_in`` is the conftest that declares
    it, or the option; a ``name`` that several declarations of the run have has it behind it. ``notices`` are what a
    reader must know of its sources, inputs and true classes. ``unsteady`` has by environment, in words, which
    changes that should be harmless change its labels, or its scores by more than arithmetic does.
    """

    name: str
    declared_in: str | None = None
    sources: dict[str, Source] | None = None
    inputs: list[str] | None = None
    input_digests: list[str] | None = None
    class_names: list[str] | None = None
    truth: list[int] | None = None
    truth_from: str | None = None
    guesses: dict[str, str] | None = None
    adequacy: dict[str, Adequacy] | None = None
    notices: list[str] | None = None
    unsteady: dict[str, list[str]] | None = None
    decompositions: dict[str, Decomposition] | None = None
    analysis: Analysis | None = None


class FlipCounts(Part, frozen=True, kw_only=True):
    """How many inputs flipped, by kind. Zeros are written: they were counted; but for ``imprecise``, which older
    records do not tell from ``real``.
    """

    real: int
    tie: int
    undefined: int
    imprecise: int = 0


class Flipped(Part, frozen=True, kw_only=True):
    """An input whose label differs; -1 is no label. ``known`` is the ledger's reason, where it is a known flip.

    ``margin`` is the reference's, ``actual_margin`` the cell's own; ``lead`` is how far the reference's score of its
    own label is ahead of that of the cell's.
    """

    input: str
    expected: int
    actual: int
    kind: FlipKind
    margin: float | None = None
    actual_margin: float | None = None
    lead: float | None = None
    known: str | None = None


class Labels(Part, frozen=True, kw_only=True):
    """What came of comparing the labels of the first ``n`` inputs, of which there are ``of`` where that is not all:
    the comparison stopped early, or the device is given no more.

    ``reference`` names an earlier run's, where that was compared with. ``bound`` is the one-sided 95 % lower bound of
    the ``agreement``. ``noise`` is the reference's, ``own_noise`` the cell's, each where a flip made it worth
    measuring; ``noise_from`` and ``own_noise_from`` say by which change it showed. On ``unrepeated`` inputs that agree
    the cell gives another label when it is run again: they do not count as agreeing. ``limit_on`` is what must reach
    the limit: the ``share`` of these inputs, or its ``bound``.
    """

    n: int
    agreement: float
    bound: float
    flips: FlipCounts
    out_of_reach: int | None = None
    distinct_labels: int | None = None
    flipped: list[Flipped] | None = None
    reference: str | None = None
    of: int | None = None
    largest_difference: float | None = None
    noise: float | None = None
    own_noise: float | None = None
    noise_from: str | None = None
    own_noise_from: str | None = None
    unrepeated: int | None = None
    limit: float | None = None
    limit_from: str | None = None
    limit_on: Literal["share", "bound"] | None = None
    ties: Ties | None = None
    verdict: Status | None = None


class VerdictOnLimit(Part, frozen=True, kw_only=True):
    """A verdict, the limit that it is on, and where that was set."""

    limit: float
    limit_name: str
    limit_from: str
    verdict: Status


class Judged(Part, frozen=True, kw_only=True):
    """A part that was held against limits: the gravest verdict's own, then all ``verdicts``."""

    limit: float | None = None
    limit_name: str | None = None
    limit_from: str | None = None
    verdict: Status | None = None
    verdicts: list[VerdictOnLimit] | None = None


class Fidelity(Part, frozen=True, kw_only=True):
    """Root mean squares of the errors against ``exact``, an environment in double precision, and their ratio."""

    exact: str
    error: float | None = None
    reference_error: float | None = None
    ratio: float | None = None


class Scores(Judged, frozen=True, kw_only=True):
    """Errors of the scores against the reference's; absent where they are not finite."""

    abs_error: float | None = None
    relative_error: float | None = None
    fidelity: Fidelity | None = None


class CellAccuracy(Judged, frozen=True, kw_only=True):
    """How many of ``n`` inputs with a known class are labeled right; ``limit_on`` as for `Labels`."""

    n: int | None = None
    right: int | None = None
    right_in_top5: int | None = None
    against_reference: AgainstReference | None = None
    limit_on: Literal["share", "bound"] | None = None


class Invariant(Part, frozen=True, kw_only=True):
    """What was asked of an environment alone, whether it holds, and what was found."""

    name: str
    holds: bool
    said: str


class Times(Part, frozen=True, kw_only=True):
    """Of ``n`` calls on one clock the median, the time that nine in ten and 99 in 100 do not exceed, and 95 %
    intervals.
    """

    median: float
    n: int | None = None
    interval: Interval | None = None
    p90: float | None = None
    p90_interval: Interval | None = None
    p99: float | None = None
    p99_interval: Interval | None = None


class InputTime(Part, frozen=True, kw_only=True):
    """An input, by its ``place``, whose ``calls`` take ``times`` as long as those of most others; of several inputs a
    call, the first.
    """

    place: int
    times: float
    calls: int


class SlowCalls(Part, frozen=True, kw_only=True):
    """Of the ``calls`` that take as long as a tail or longer those that other processes ``held_up`` and those that
    ``waited``; the rest computed longer. Without ``held_up`` nothing tells these two apart.
    """

    calls: int
    held_up: int | None = None
    waited: int = 0


class Drift(Part, frozen=True, kw_only=True):
    """How many times as long the last round of a timing took as the first, where that is no chance: ``time`` of the
    cell, ``ratio`` of its time to the reference's.
    """

    time: float | None = None
    ratio: float | None = None


class Simultaneous(Part, frozen=True, kw_only=True):
    """Intervals that hold for a whole family at 95 %, each at a higher ``confidence``: of the medians and of the tails
    of the wall time (ms), and of the ratios, by clock. One that says nothing is absent.
    """

    confidence: float
    medians: dict[Clock, Interval] | None = None
    tails: dict[str, Interval] | None = None
    ratio: dict[Clock, Ends] | None = None


class Latency(Judged, frozen=True, kw_only=True):
    """Times of a cell, at one point of the axes (``batch``, ``threads``).

    ``clock`` is the one that decides; ``own_ms`` is wall time less what other processes took of it; ``ratio`` is to the
    reference's time, by clock, and ``control`` that of a second session of the reference to the first.
    ``simultaneous`` are the intervals that verdicts rest on where several cells are judged at once. ``points`` are
    further points of the axes, which have no limits; one that the cell could not be brought to has a ``reason``.
    """

    measured_from: MeasuredFrom | None = msgspec.field(name="from", default=None)
    batch: int | None = None
    threads: int | None = None
    wall_ms: Times | None = None
    cpu_ms: Times | None = None
    own_ms: Times | None = None
    device_ms: Times | None = None
    samples_ms: dict[Clock, list[float]] | None = None
    clock: Clock | None = None
    images_per_second: float | None = None
    first_call_ms: float | None = None
    rounds: int | None = None
    calls_a_turn: int | None = None
    warm_up_calls: int | None = None
    ratio: dict[Clock, Ends] | None = None
    control: dict[Clock, Ends] | None = None
    control_fault: str | None = None
    smallest_visible: float | None = None
    simultaneous: Simultaneous | None = None
    notices: list[str] | None = None
    slow_calls: dict[str, SlowCalls] | None = None
    by_input: list[InputTime] | None = None
    quiet: bool | None = None
    drift: Drift | None = None
    reason: str | None = None
    points: list[Latency] | None = None

    @property
    def was_asked_for(self) -> bool:
        """Whether a time was asked for: calls that only gave the predictions, first ones among them, are no
        measurement.
        """
        return self.measured_from in ("pairs", "alone")

    def on(self, clock: Clock) -> Times | None:
        """The times on a clock; ``None`` where it was not read."""
        return {"wall": self.wall_ms, "cpu": self.cpu_ms, "own": self.own_ms, "device": self.device_ms}[clock]

    def median_on(self, clock: Clock) -> float | None:
        """The median time of a call on a clock (ms); ``None`` where it was not read."""
        times = self.on(clock)
        return times.median if times is not None else None


class OtherPart(Judged, frozen=True, kw_only=True):
    """What a check without a part of its own found: its ``figures`` as plain data, and its verdicts."""

    figures: dict[str, Any]


class Family(Part, frozen=True, kw_only=True):
    """How many cells of the model were asked the same: those that are held against a reference, and references."""

    cells: int
    references: int = 0


class Attempt(Part, frozen=True, kw_only=True):
    """An attempt at a test item that was made again: how it ended, at which stage where that failed, and why."""

    status: Status
    stage: Stage | None = None
    reason: str | None = None


class Cell(Part, frozen=True, kw_only=True):
    """One test item that was about a cell, or about a declaration that could not be used (then it has no
    environment).

    ``reference_digest`` is of the reference's output that it was compared with, ``output_digest`` of its own: equal
    ones are bit-identical, and name the arrays kept beside the record. ``compared`` is whether the test held the cell
    against something. ``family`` are the cells that were judged at once, in this record or not: verdicts that rest on
    a bound or an interval are taken at 95 % over all of them. ``checks`` has what checks beyond those of this package
    found, by the check's name. Where the item was made several times it is the last attempt that counts, and
    ``attempts`` are those before it. ``notices`` are what explains that a limit was not kept, as its message says it.
    """

    status: Status
    nodeid: str = ""
    stage: Stage | None = None
    reason: str | None = None
    attempts: list[Attempt] | None = None
    model: str | None = None
    environment: str | None = None
    framework: str | None = None
    variant: str | None = None
    compiler: str | None = None
    device: str | None = None
    reference: str | None = None
    required: bool | None = None
    route: list[str] | None = None
    compared: bool | None = None
    family: Family | None = None
    labels: Labels | None = None
    accuracy: CellAccuracy | None = None
    scores: Scores | None = None
    invariants: list[Invariant] | None = None
    latency: Latency | None = None
    checks: dict[str, OtherPart] | None = None
    notices: list[str] | None = None
    reference_digest: str | None = None
    engine_evidence: dict[str, str] | None = None
    output_digest: str | None = None
    artifact: str | None = None
    peak_memory_bytes: int | None = None

    def __post_init__(self) -> None:
        """Refuse half a cell."""
        if self.environment is not None and (self.model is None or self.reference is None):
            raise ValueError("it has an environment and no model or no reference")

    @property
    def is_reference(self) -> bool:
        """Whether it is the one that the others of its model are compared with."""
        return self.environment is not None and self.environment == self.reference

    @property
    def name(self) -> tuple[str, str] | None:
        """Model and environment; ``None`` for a declaration at fault."""
        return None if self.model is None or self.environment is None else (self.model, self.environment)


class Record(Part, frozen=True, kw_only=True):
    """A whole record."""

    schema_version: int
    run: Run
    models: list[Model]
    cells: list[Cell]

    @property
    def compared_anything(self) -> bool:
        """Whether anything was compared in the run."""
        return any(cell.compared for cell in self.cells)

    def model(self, name: str | None) -> Model | None:
        """What is known of the model of that name."""
        return next((model for model in self.models if model.name == name), None)

    def cells_of(self, model: str) -> Iterator[Cell]:
        """The cells of that model, in the record's order."""
        return (cell for cell in self.cells if cell.model == model)
