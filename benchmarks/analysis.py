"""How long the analysis of a model's environments takes, ``seconds``, and its memory beyond the scores, ``peak_mb``.

Thirty environments with as many distinct outputs, 200 inputs, 1,000 classes, by default.
"""

from __future__ import annotations

import time
import tracemalloc
from typing import Any

import numpy as np
from _common import arguments, median, report
from numpy.typing import NDArray

from pytest_envrobust.core.status import Status
from pytest_envrobust.history.analysis import analyse
from pytest_envrobust.record.schema import Analysis, Cell, Latency, Model

NOISE = 0.3
"""Beside logits of deviation 1: about every third label flips."""


def main() -> None:
    """Measure and report."""
    options = arguments(
        __doc__ or "",
        rounds=5,
        outputs={"type": int, "default": 30, "help": "distinct outputs (%(default)s)"},
        inputs={"type": int, "default": 200, "help": "inputs (%(default)s)"},
        classes={"type": int, "default": 1000, "help": "classes (%(default)s)"},
    )
    scores = _scores(options.outputs, options.inputs, options.classes)
    cells = [_cell(number) for number in range(options.outputs)]
    truth = scores["0"].argmax(axis=1).tolist()
    model = Model(name="benchmark", truth=truth)

    def analysis() -> Analysis:
        found = analyse(model, cells, scores.get)
        if found is None or len(found.outputs) != options.outputs:
            raise SystemExit(f"{options.outputs} outputs were given, and not all of them were analysed")
        return found

    found = analysis()  # imports what is imported late
    tracemalloc.start()
    analysis()
    peak = tracemalloc.get_traced_memory()[1] / 1e6
    tracemalloc.stop()
    times = []
    for _ in range(options.rounds):
        start = time.perf_counter()
        analysis()
        times.append(time.perf_counter() - start)
    pairs = sum(item.pairs for item in found.sensitivity if item.part is None)
    report(
        f"Analysing {options.outputs} outputs of {options.inputs} x {options.classes} scores, {pairs} pairs",
        {"seconds": median(times), "peak_mb": peak},
        columns=("seconds", "median", "fastest", "slowest", "rounds"),
        rows=[("analyse", median(times), min(times), max(times), options.rounds)],
        targets={"seconds": 2.0, "peak_mb": 200.0},
        json_path=options.json,
    )


def _scores(outputs: int, inputs: int, classes: int) -> dict[str, NDArray[Any]]:
    random = np.random.default_rng(0)
    common = random.standard_normal((inputs, classes), dtype=np.float32)
    noise = np.float32(NOISE)
    return {
        str(number): common + noise * random.standard_normal(common.shape, dtype=np.float32)
        for number in range(outputs)
    }


def _cell(number: int) -> Cell:
    """Three frameworks, as many compilers as it takes."""
    frameworks = ("torch", "keras", "keras-to-torch")
    ratio = 1.0 + number / 10.0
    return Cell(
        status=Status.PASSED,
        model="benchmark",
        environment=f"{frameworks[number % 3]}/compiler{number // 3}/cpu",
        reference=f"{frameworks[0]}/compiler0/cpu",
        output_digest=str(number),
        latency=Latency(measured_from="pairs", ratio={"cpu": (0.9 * ratio, ratio, 1.1 * ratio)}),
    )


if __name__ == "__main__":
    main()
