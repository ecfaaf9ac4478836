"""All that is held against labels and scores, on 50,000 inputs of 1,000 classes: ``seconds`` and ``peak_mb``.

Labels with their flips classed by the measured noise, the bound, what the inputs can tell, errors of scores, fidelity
to double precision, the invariants, and the verdicts on them. The scores lie in files, as a run keeps them, and are
mapped. ``peak_mb`` is the largest resident memory of the process, interpreter and libraries included.
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
from _common import arguments, report
from numpy.typing import NDArray

from pytest_envrobust.comparison.adequacy import adequacy
from pytest_envrobust.comparison.blocks import largest_difference_of
from pytest_envrobust.comparison.fidelity import fidelity, score_errors
from pytest_envrobust.comparison.invariants import finite, probabilities, same_scores
from pytest_envrobust.comparison.labels import compare_labels
from pytest_envrobust.verdicts.labels import LabelEvidence, judge_labels
from pytest_envrobust.verdicts.limits import MIN_LABEL_AGREEMENT, LabelLimit
from pytest_envrobust.verdicts.verdict import Subject

BLOCK = 1000
ROUNDING = 1e-5
FLIPPED = 0.01
SIDES = ("actual", "expected", "again", "exact")


def main() -> None:
    """Measure and report."""
    options = arguments(
        __doc__ or "",
        rounds=1,
        inputs={"type": int, "default": 50_000, "help": "inputs (%(default)s)"},
        classes={"type": int, "default": 1000, "help": "classes (%(default)s)"},
    )
    with tempfile.TemporaryDirectory() as folder:
        _write(Path(folder), options.inputs, options.classes)
        times: dict[str, float] = {}
        for _ in range(options.rounds):
            sides = {side: np.load(Path(folder) / f"{side}.npy", mmap_mode="r") for side in SIDES}
            for name, took in _steps(sides):
                times[name] = min(took, times.get(name, took))
    seconds, peak = sum(times.values()), _peak_mb()
    report(
        f"Holding {options.inputs} x {options.classes} scores against the reference's",
        {"seconds": seconds, "peak_mb": peak},
        columns=("seconds", "fastest"),
        rows=[*times.items(), ("all", seconds)],
        targets={"seconds": 20.0, "peak_mb": 400.0},
        json_path=options.json,
    )


def _steps(sides: dict[str, NDArray[Any]]) -> Iterator[tuple[str, float]]:
    """Each part of the work and the seconds that it took."""
    actual, expected, again, exact = (sides[side] for side in SIDES)
    names = [f"{place:05}.jpg" for place in range(len(expected))]
    took, noise = _timed(lambda: largest_difference_of(expected, again))
    yield "noise", took
    took, comparison = _timed(lambda: compare_labels(actual, expected, noise=noise, inputs=names))
    yield "labels", took
    took, told = _timed(lambda: adequacy(expected))
    yield "inputs that can tell", took
    yield "errors of scores", _timed(lambda: score_errors(actual, expected))[0]
    yield "fidelity", _timed(lambda: fidelity(actual, expected, exact))[0]
    yield "invariants", _timed(lambda: _invariants(actual, expected))[0]
    limit = LabelLimit(MIN_LABEL_AGREEMENT, 0.95, "benchmark", ties="ignore", bound=True)
    subject = Subject("benchmark", "actual", "expected")
    took, verdict = _timed(lambda: judge_labels(LabelEvidence(comparison, adequacy=told), limit, subject))
    yield "verdict", took
    flips = len(comparison.flips)
    if not 0 < flips < 2 * FLIPPED * len(expected) or "agreement 0.99" not in verdict.message:
        raise SystemExit(f"about {FLIPPED:.0%} were flipped, and {flips} were found: {verdict.message}")


def _invariants(actual: NDArray[Any], expected: NDArray[Any]) -> None:
    same_scores("repetition", actual, actual, "when run again")
    finite("finite", actual)
    probabilities("probabilities", actual, expected)


def _timed(work: Callable[[], Any]) -> tuple[float, Any]:
    start = time.perf_counter()
    found = work()
    return time.perf_counter() - start, found


def _write(folder: Path, inputs: int, classes: int) -> None:
    """Scores of the reference, twice, with other rounding in a cell that has some flips, and in double precision."""
    random = np.random.default_rng(0)
    streams = {side: (folder / f"{side}.npy").open("wb") for side in SIDES}
    for side, stream in streams.items():
        dtype = np.dtype(np.float64 if side == "exact" else np.float32)
        header = {"descr": dtype.str, "fortran_order": False, "shape": (inputs, classes)}
        np.lib.format.write_array_header_1_0(stream, header)
    for start in range(0, inputs, BLOCK):
        rows = min(BLOCK, inputs - start)
        exact = random.standard_normal((rows, classes))
        expected = exact.astype(np.float32)
        rounding = random.standard_normal((2, rows, classes), dtype=np.float32) * np.float32(ROUNDING)
        actual = expected + rounding[0]
        flipped = random.random(rows) < FLIPPED
        actual[flipped] = np.roll(actual[flipped], 1, axis=1)
        for side, block in zip(SIDES, (actual, expected, expected + rounding[1], exact)):
            block.tofile(streams[side])
    for stream in streams.values():
        stream.close()


def _peak_mb() -> float:
    import resource

    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / 1e6


if __name__ == "__main__":
    main()
