"""The search for the smallest change of a picture that two environments label differently, beside random search.

Two pairs in ONNX Runtime: EfficientNet-Lite0, at 128 pixels a side, and the same with its weights rounded, to 255
levels a tensor and to float16. Each search gets the same photographs, the same ranges of strengths, and
``--predictions`` inputs that both environments predict; ours may stop earlier, random search uses all. Random search
draws every other change evenly from the ranges, and the others with any of the kinds left out and the whole made weaker
by a power of two, down to 1/32.

``smaller`` counts the photographs on which our change is smaller (by the root mean square of the pixels' change; where
only one search found any, that is it), of ``pictures``. ``disagreements`` are the different inputs that ours and random
search had found in the same time, labeled differently by both environments and changed by no more than ``--size`` (8
of 255: 30 dB); the time is CPU time, that of the search which took less on the photograph. ``ratio`` is ours to theirs.
Photographs whose labels differ unchanged are counted apart (``unchanged``): there is nothing to search for.
"""

from __future__ import annotations

import copy
import math
import sys
import tempfile
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
from _common import arguments, median, report
from _sessions import check_packages
from faults import network, photographs, rounded, to_int8
from numpy.typing import NDArray

from pytest_envrobust import Preprocess, find_disagreement
from pytest_envrobust.comparison.labels import top1
from pytest_envrobust.core.environment import Environment
from pytest_envrobust.models.inputs import LoadedInputs
from pytest_envrobust.strategies import Perturbation, perturbed

STRENGTHS = {"shift": 8, "rotate": 15.0, "blur": 2.0, "contrast": 0.4, "brightness": 0.3, "noise": 0.1, "jpeg": 80}
WHOLE = ("shift", "jpeg")
SIDE, PICTURE = 128, 146
"""So large are the network's input and the photographs, a side, so that a search takes seconds."""
LITE0 = Preprocess(resize=PICTURE, crop=SIDE, mean=(127, 127, 127), std=(128, 128, 128))


@dataclass
class Found:
    """What came of one search: when (CPU seconds) it found each input that was labeled differently, and its size."""

    sizes: list[tuple[float, float]] = field(default_factory=list)
    seconds: float = 0.0
    predictions: int = 0

    @property
    def smallest(self) -> float:
        return min((size for _, size in self.sizes), default=math.inf)

    def within(self, seconds: float, size: float) -> int:
        """How many were found by then that are no larger."""
        return sum(at <= seconds and each <= size for at, each in self.sizes)


class Side:
    """One environment of a match, as the search asks it."""

    model_name = "lite0"

    def __init__(self, match: Match, name: str, run: Callable[[NDArray[np.float32]], NDArray[np.float32]]) -> None:
        self.environment, self._match, self._run = Environment.parse(name), match, run

    def predict(self, inputs: LoadedInputs | NDArray[Any]) -> NDArray[np.float32]:
        """Scores, one input after the other."""
        assert isinstance(inputs, LoadedInputs)
        assert inputs.images is not None
        batch = self._match.batch(inputs)
        scores = np.concatenate([self._run(batch[place : place + 1]) for place in range(len(batch))])
        self._match.note(inputs.images, top1(scores))
        return scores


class Match:
    """Two environments, and what was found between them since `start`, whichever search asked."""

    def __init__(self, reference: Path, cell: Path) -> None:
        self.cell = Side(self, "onnx/ort-all/cpu", session(cell))
        self.reference = Side(self, "onnx/ort-off/cpu", session(reference))
        self._prepared: tuple[LoadedInputs | None, NDArray[np.float32] | None] = (None, None)
        self._labels: NDArray[np.int64] | None = None

    def start(self, picture: NDArray[np.uint8]) -> None:
        """A new search begins."""
        self.found, self._picture, self._seen = Found(), picture, set[bytes]()
        self._began = time.process_time()

    def batch(self, inputs: LoadedInputs) -> NDArray[np.float32]:
        """Prepared once for both."""
        if self._prepared[0] is not inputs or self._prepared[1] is None:
            self._prepared = inputs, LITE0.apply(inputs.images or (), layout="NCHW", names=inputs.names)
        batch = self._prepared[1]
        assert batch is not None
        return batch

    def note(self, images: tuple[NDArray[np.uint8], ...], labels: NDArray[np.int64]) -> None:
        """The labels of the side that was asked; with the second one's the inputs are done."""
        if self._labels is None:
            self._labels = labels
            return
        differs, self._labels = labels != self._labels, None
        self.found.seconds = time.process_time() - self._began
        self.found.predictions += len(images)
        for image, is_found in zip(images, differs):
            if is_found and image.tobytes() not in self._seen:
                self._seen.add(image.tobytes())
                difference = image.astype(np.float64) - self._picture
                self.found.sizes.append((self.found.seconds, float(np.sqrt(np.mean(difference**2)))))


def main() -> None:
    """Measure and report."""
    options = arguments(
        __doc__ or "",
        rounds=1,
        pictures={"type": int, "default": 10, "help": "photographs (%(default)s)"},
        first={"type": int, "default": 0, "help": "the first of them (%(default)s)"},
        predictions={"type": int, "default": 200, "help": "inputs that a search may predict (%(default)s)"},
        size={"type": float, "default": 8.0, "help": "the largest change that counts as found (%(default)s)"},
        pairs={"nargs": "+", "default": ["int8", "float16"], "choices": ["int8", "float16"], "help": "which weights"},
    )
    check_packages()
    if find_spec("onnxruntime") is None:
        sys.exit("onnxruntime is not installed: pip install 'pytest-envrobust[ort]'")
    chosen = pictures(options.first, options.pictures)
    rows: list[tuple[object, ...]] = []
    figures: dict[str, Any] = {}
    with tempfile.TemporaryDirectory(prefix="benchmark-") as folder:
        files = networks(Path(folder))
        for pair in options.pairs:
            match = Match(files["float32"], files[pair])
            both = []
            for number in range(options.rounds):
                for name, picture in chosen.items():
                    ours, theirs = searched(match, picture, options.predictions, number, Path(folder))
                    both.append((ours, theirs))
                    rows.append((pair, name, *(cell for each in (ours, theirs) for cell in told(each, options.size))))
                    print(*rows[-1], file=sys.stderr, flush=True)
            figures[pair] = figures_of(both, options.size)
    totals = [sum(figures[pair]["disagreements"][side] for pair in figures) for side in (0, 1)]
    figures["ratio"] = round(totals[0] / max(totals[1], 1), 2)
    sides = [
        f"{side}: {what}" for side in ("ours", "random") for what in ("smallest", f"up to {options.size:g}", "CPU s")
    ]
    report(
        f"Smallest changes that flip a label, {options.predictions} predictions each",
        figures,
        columns=("weights", "photograph", *sides),
        rows=rows,
        targets={},
        json_path=options.json,
    )


def figures_of(both: list[tuple[Found, Found]], size: float) -> dict[str, Any]:
    """What the benchmark is about, of one pair of environments."""
    searches = [(ours, theirs) for ours, theirs in both if ours.smallest > 0]
    times = [min(ours.seconds, theirs.seconds) for ours, theirs in searches]
    return {
        "pictures": len(searches),
        "unchanged": len(both) - len(searches),
        "smaller": sum(ours.smallest < theirs.smallest for ours, theirs in searches),
        "larger": sum(ours.smallest > theirs.smallest for ours, theirs in searches),
        "median_size": [_median([pair[side].smallest for pair in searches]) for side in (0, 1)],
        "disagreements": [
            sum(pair[side].within(seconds, size) for pair, seconds in zip(searches, times)) for side in (0, 1)
        ],
        "pictures_with_any": [
            sum(pair[side].within(seconds, size) > 0 for pair, seconds in zip(searches, times)) for side in (0, 1)
        ],
    }


def _median(sizes: list[float]) -> float | None:
    """``None`` where most found nothing: JSON has no infinity."""
    found = median(sizes) if sizes else math.inf
    return round(found, 3) if math.isfinite(found) else None


def told(found: Found, size: float) -> tuple[object, ...]:
    """A search's part of a line: the smallest size, how many are no larger than ``size``, and its CPU seconds."""
    return found.smallest, found.within(math.inf, size), found.seconds


def searched(
    match: Match, picture: NDArray[np.uint8], predictions: int, seed: int, folder: Path
) -> tuple[Found, Found]:
    """Our search and random search on one photograph."""
    match.start(picture)
    changes = perturbed(picture, **STRENGTHS)  # type: ignore[arg-type]
    with tempfile.TemporaryDirectory(dir=folder) as empty:
        find_disagreement(match.cell, match.reference, changes, max_examples=predictions, seed=seed, directory=empty)
    ours = match.found
    match.start(picture)
    if ours.smallest > 0:
        random = np.random.default_rng(seed)
        while (left := predictions - match.found.predictions) > 0:
            drawn = [drawn_change(random, is_weak=place % 2 == 1) for place in range(min(8, left))]
            images = tuple(each.apply(picture) for each in drawn)
            inputs = LoadedInputs(tuple(map(str, drawn)), images=images)
            match.cell.predict(inputs)
            match.reference.predict(inputs)
    return ours, match.found


def drawn_change(random: np.random.Generator, *, is_weak: bool) -> Perturbation:
    """A change drawn evenly from the ranges, or a weaker one of some kinds."""
    largest = {**STRENGTHS, "shift_down": STRENGTHS["shift"]}
    scale = 2.0 ** -random.uniform(0, 5) if is_weak else 1.0
    given: dict[str, Any] = {}
    for kind, limit in largest.items():
        low = 0.0 if kind in ("blur", "noise", "jpeg") else -limit
        strength = scale * random.uniform(low, limit) * (not is_weak or random.random() < 0.5)
        given[kind] = round(strength) if kind in (*WHOLE, "shift_down") else strength
    return Perturbation(**given, noise_seed=int(random.integers(2**16)))


def pictures(first: int, count: int) -> Mapping[str, NDArray[np.uint8]]:
    """Photographs that foolbox carries, by name."""
    from PIL import Image

    loaded = photographs(first + count)
    assert loaded.images is not None
    pairs = list(zip(loaded.names, loaded.images))[first:]
    size = (PICTURE, PICTURE)
    return {name: np.asarray(Image.fromarray(image).resize(size, Image.Resampling.BICUBIC)) for name, image in pairs}


def networks(folder: Path) -> dict[str, Path]:
    """The network and its rounded copies as ONNX files."""
    import torch

    torch.set_num_threads(1)
    reference = network()
    made = {
        "float32": reference,
        "int8": rounded(reference, to_int8),
        "float16": rounded(reference, lambda weights: weights.half().float()),
    }
    for name, each in made.items():
        torch.onnx.export(
            copy.deepcopy(each), (torch.zeros(1, 3, SIDE, SIDE),), str(folder / f"{name}.onnx"), dynamo=False
        )
    return {name: folder / f"{name}.onnx" for name in made}


def session(path: Path) -> Callable[[NDArray[np.float32]], NDArray[np.float32]]:
    """What runs the file, with one thread."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.log_severity_level = 3
    opened = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    (given,) = opened.get_inputs()

    def run(batch: NDArray[np.float32]) -> NDArray[np.float32]:
        (scores,) = opened.run(None, {given.name: batch})
        found: NDArray[np.float32] = scores
        return found

    return run


if __name__ == "__main__":
    main()
