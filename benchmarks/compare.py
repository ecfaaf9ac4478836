"""How long comparing two sets of scores takes: ``ms_per_pair``, for a pair of 1,000 logits in a batch of many."""

from __future__ import annotations

import time

import numpy as np
from _common import arguments, median, report

from pytest_envrobust.comparison.labels import compare_labels

CLASSES = 1000
FLIPPED = 0.01


def main() -> None:
    """Measure and report."""
    options = arguments(
        __doc__ or "", rounds=15, pairs={"type": int, "default": 10_000, "help": "rows in a batch (%(default)s)"}
    )
    random = np.random.default_rng(0)
    expected = random.standard_normal((options.pairs, CLASSES), dtype=np.float32)
    actual = expected + random.standard_normal(expected.shape, dtype=np.float32) * np.float32(1e-5)
    flipped = random.random(options.pairs) < FLIPPED
    actual[flipped] = np.roll(actual[flipped], 1, axis=1)
    times = []
    for _ in range(options.rounds):
        start = time.perf_counter()
        found = compare_labels(actual, expected, noise=1e-4)
        times.append((time.perf_counter() - start) * 1e3 / options.pairs)
    if found.n - found.agreeing < int(flipped.sum()):
        raise SystemExit(f"{int(flipped.sum())} rows were shifted and {found.n - found.agreeing} flips were found")
    report(
        f"Comparing {options.pairs} pairs of {CLASSES} logits, {len(found.flips)} of them flipped",
        {"ms_per_pair": median(times)},
        columns=("milliseconds a pair", "median", "fastest", "slowest", "rounds"),
        rows=[("compare_labels", median(times), min(times), max(times), options.rounds)],
        targets={"ms_per_pair": 0.02},
        json_path=options.json,
    )


if __name__ == "__main__":
    main()
