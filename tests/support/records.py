"""Synthetic records: seeded scores of a few classifiers in many environments, and the record that a run would write.

The scores are real arrays, what the record says of labels and outputs is computed from them, and the thumbnails are
real JPEGs. Nothing is run.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from msgspec.structs import replace
from numpy.typing import NDArray

from pytest_envrobust.comparison.labels import compare_labels
from pytest_envrobust.core.axes import Point
from pytest_envrobust.core.digests import output_digest
from pytest_envrobust.core.environment import Environment
from pytest_envrobust.core.status import Stage, Status
from pytest_envrobust.core.timing import Clock, Timing
from pytest_envrobust.history.analysis import analyse
from pytest_envrobust.record import codec, schema
from pytest_envrobust.record.document import new_record, write_record
from pytest_envrobust.record.label_part import labels_part, with_label_verdict
from pytest_envrobust.record.latency_part import latency_part, predicted_part
from pytest_envrobust.record.predictions import PredictionStore, encode_thumbnail
from pytest_envrobust.record.schema import Cell, Model, Record, Run
from pytest_envrobust.timing.evidence import LatencyEvidence, TimedPoint
from pytest_envrobust.timing.intervals import Estimate
from pytest_envrobust.verdicts.limits import MIN_LABEL_AGREEMENT, LabelLimit
from pytest_envrobust.verdicts.verdict import Verdict

Array = NDArray[Any]

ENVIRONMENTS = (
    "torch/eager/cpu", "torch/ort-all/cpu", "keras/eager/cpu", "keras/graph/cpu", "keras/litert/cpu",
    "keras/ort-all/cpu", "torch/ort-off/cpu", "torch/ort-basic/cpu", "torch/ort-extended/cpu",
    "torch/eager/cpu+avx2", "torch/eager/cpu+sse41", "torch/script/cpu", "torch/script/cpu+sse41",
    "torch/inductor/cpu", "torch/aotinductor/cpu", "torch/openvino/cpu", "torch/openvino/cpu+sse41",
    "torch/tvm-o0/cpu", "torch/tvm-o3/cpu", "torch/tvm-o4/cpu", "keras/eager/cpu+sse41", "keras/graph/cpu+sse41",
    "keras/xla/cpu", "keras/litert-ref/cpu", "keras/openvino/cpu", "keras/tvm-o3/cpu", "keras-to-torch/eager/cpu",
    "tflite/litert/cpu", "tflite/litert-ref/cpu", "onnx/ort-all/cpu",
)  # fmt: skip
"""The first six are enough for most tests; all 30 are what a large study has."""
ALIASES = {"torch/ort-basic/cpu": "torch/ort-off/cpu", "torch/ort-extended/cpu": "torch/ort-off/cpu",
           "torch/aotinductor/cpu": "torch/inductor/cpu", "torch/eager/cpu+avx2": "torch/eager/cpu"}  # fmt: skip
"""Environments that give the bits of another."""
SLOWNESS = {"eager": 1.0, "ort-all": 0.35, "graph": 0.3, "litert": 0.25, "script": 0.8, "inductor": 0.6,
            "openvino": 0.3, "tvm-o0": 40.0, "tvm-o3": 6.0, "tvm-o4": 4.5, "litert-ref": 9.0, "xla": 2.4}  # fmt: skip
CONTROLS = {"openvino": 1.052, "tvm-o3": 0.99}
"""By compiler, where the A/A control shows something, and the machine was busy."""
WORDS = ("tench", "hen", "ostrich", "brambling", "goldfinch", "newt", "bullfrog", "terrapin", "gecko", "iguana")
MEDIAN_MS = 18.0


def record_of(cells: Sequence[Mapping[str, Any]] = (), models: Sequence[Mapping[str, Any]] = (), **run: Any) -> Record:
    """A record from plain data, as the codec reads it from a file."""
    return new_record(codec.typed(run, Run), [codec.typed(each, Model) for each in models], cells_of(*cells))


def cells_of(*cells: Mapping[str, Any]) -> list[Cell]:
    """Cells from plain data, as the codec reads them from a file."""
    return [codec.typed(cell, Cell) for cell in cells]


def analysis_of(**parts: Any) -> dict[str, Any]:
    """Plain data of an analysis that has these parts and is empty else."""
    names = ("label_dissimilarity", "top5_dissimilarity", "rank_correlation", "largest_difference")
    matrices: dict[str, Any] = {name: [] for name in names}
    return {"environments": [], "output_of": [], "outputs": [], "matrices": matrices, "sensitivity": [], "notices": [],
            **parts}  # fmt: skip


@dataclass(frozen=True)
class Synthetic:
    """A record with its predictions; it has the two methods that reports read arrays by."""

    record: Record
    arrays: dict[str, Array] = field(default_factory=dict)
    thumbnails: dict[str, bytes] = field(default_factory=dict)

    def scores(self, digest: str) -> Array | None:
        """The scores under that digest."""
        return self.arrays.get(digest)

    def thumbnail(self, input_digest: str) -> bytes | None:
        """The JPEG under that digest."""
        return self.thumbnails.get(input_digest)

    def write(self, folder: Path, name: str = "run") -> Path:
        """Write ``name.json`` and ``name.npz``; the record's path."""
        path = folder / f"{name}.json"
        write_record(self.record, path)
        kept = PredictionStore.beside(path)
        for digest, array in self.arrays.items():
            kept.keep(digest, array)
        for digest, content in self.thumbnails.items():
            (kept.folder / f"thumbnail-{digest}.jpg").write_bytes(content)
        kept.gather(path)
        kept.remove()
        return path


def synthetic(
    *,
    models: int = 1,
    environments: int = 6,
    inputs: int = 20,
    classes: int = 10,
    seed: int = 0,
    disagreement: float = 1.0,
    extras: bool = True,
    points: bool = False,
) -> Synthetic:
    """A run of so many models, named ``model-0`` and so on, on one set of inputs, reference ``torch/eager/cpu``.

    ``disagreement`` scales how far scores lie apart: 0 makes all labels equal, bits apart. With ``extras`` each model
    has an environment that is unavailable and one that crashed besides. With ``points`` each environment was timed at
    batch 8 and with 2 threads too, but for those of keras, whose source takes one input a call.
    """
    random = np.random.default_rng(seed)
    images = _images(random, inputs)
    digests = [hashlib.sha256(image.tobytes()).hexdigest()[:16] for image in images]
    thumbnails = {digest: encode_thumbnail(image) for digest, image in zip(digests, images)}
    truth = random.integers(0, classes, inputs)
    models_told: list[Model] = []
    cells_told: list[Cell] = []
    arrays: dict[str, Array] = {}
    for number in range(models):
        name = f"model-{number}"
        scores = _scores(random, ENVIRONMENTS[:environments], truth, classes, disagreement)
        cells = [cell for each in scores for cell in _cells(random, name, each, scores, inputs, points=points)]
        model = _model(name, inputs, digests, classes, truth)
        analysis = analyse(model, cells, {output_digest(array): array for array in scores.values()}.get)
        models_told.append(replace(model, analysis=analysis))
        cells_told += cells + (_failures(name) if extras else [])
        arrays |= {output_digest(array): array for array in scores.values()}
    return Synthetic(new_record(_run(), models_told, cells_told), arrays, thumbnails)


def large() -> Synthetic:
    """4 models × 30 environments × 200 inputs of 1000 classes."""
    return synthetic(models=4, environments=30, inputs=200, classes=1000)


def _images(random: np.random.Generator, count: int) -> list[NDArray[np.uint8]]:
    from PIL import Image

    found = []
    for _ in range(count):
        patches = Image.fromarray(random.integers(0, 256, (5, 6, 3), dtype=np.uint8)).resize((128, 96), Image.BICUBIC)
        grain = random.integers(-12, 13, (96, 128, 1))
        found.append(np.clip(np.asarray(patches, dtype=np.int64) + grain, 0, 255).astype(np.uint8))
    return found


def _scores(
    random: np.random.Generator, environments: tuple[str, ...], truth: Array, classes: int, disagreement: float
) -> dict[str, Array]:
    """Logits, float32 (N, classes), by environment: far apart by framework, less by compiler, least by device."""
    shape = (len(truth), classes)
    base = random.standard_normal(shape)
    lead = 0.45 * np.sqrt(2 * np.log(classes)) * random.uniform(0.7, 3.0, len(truth))
    base[np.arange(len(truth)), truth] += 0.5 + lead
    parts: dict[str, Array] = {}
    found: dict[str, Array] = {}
    for text in environments:
        if text in ALIASES:
            found[text] = found[ALIASES[text]]
            continue
        environment = Environment.parse(text)
        scores = base.copy()
        far = max(disagreement, 1e-4)  # bits differ in any case
        for part, scale in ((environment.source_framework, 0.25), (environment.compiler, 0.02), (text, 0.004)):
            parts.setdefault(part, random.standard_normal(shape))
            scores += far * scale * parts[part]
        found[text] = (2.0 * scores).astype(np.float32)
    return found


def _cells(
    random: np.random.Generator, model: str, text: str, scores: dict[str, Array], inputs: int, *, points: bool
) -> Iterator[Cell]:
    """The cells of a labels and of a latency item, as the product writes them."""
    environment, reference = Environment.parse(text), next(iter(scores))
    source, native = environment.source_framework, environment.compiler in ("eager", "script", "inductor", "graph")
    compared = compare_labels(scores[text], scores[reference], noise=0.002, inputs=_input_names(inputs))
    common = Cell(
        status=Status.PASSED, model=model, environment=text, framework=environment.framework,
        compiler=environment.compiler, device=environment.device, reference=reference, required=False,
        compared=text != reference, route=[source, *([] if native else [f"onnx_from_{source}"]), environment.compiler],
        output_digest=output_digest(scores[text]), artifact=_digest(text),
        engine_evidence={"threads": "1", "precision": "float32"}, peak_memory_bytes=400 * 2**20,
    )  # fmt: skip
    evidence = _timed(random, environment, Point(), 1.0, is_reference=text == reference)
    status = Status.FAILED if compared.agreement < 0.9 else Status.PASSED
    reason = f"{len(compared.flips)} of {inputs} top-1 labels differ from {reference}"
    verdict = Verdict(status, reason, LabelLimit(MIN_LABEL_AGREEMENT, 0.9, "ini"))
    yield replace(
        common,
        nodeid=f"test_labels[{model}-{text}]",
        status=status,
        reason=reason if status is Status.FAILED else None,
        labels=with_label_verdict(labels_part(compared, 0.002), verdict),
        latency=predicted_part(evidence.timing),
    )
    further = list(_points(random, environment, is_reference=text == reference)) if points else []
    latency = latency_part(evidence, further)
    yield replace(common, nodeid=f"test_time[{model}-{text}]", latency=latency)


def _timed(
    random: np.random.Generator, environment: Environment, point: Point, factor: float, *, is_reference: bool
) -> LatencyEvidence:
    """What a run would have measured of a cell, 60 calls."""
    slow = SLOWNESS.get(environment.compiler, 0.9) * {"cpu+sse41": 1.9, "cpu+avx2": 1.1}.get(environment.device, 1.0)
    cpu = MEDIAN_MS * slow * factor * np.exp(0.05 * random.standard_normal(60))
    wall = cpu * (1.0 + np.abs(0.05 * random.standard_normal(60)) + (random.random(60) > 0.95))
    ratios: dict[Clock, Estimate] = {}
    controls: dict[Clock, Estimate] = {}
    if not is_reference:
        wide = 1.02 + 0.1 * random.random()
        ratios["wall"] = Estimate(1.03 * slow / wide, 1.03 * slow, 1.03 * slow * wide)
        ratios["cpu"] = Estimate(slow / wide, slow, slow * wide)
        off = CONTROLS.get(environment.compiler, 1.004)
        controls["wall"] = controls["cpu"] = Estimate(off / 1.01, off, off * 1.01)
    busy = (f"other processes used {slow:.2g} of 8 cores meanwhile", "the machine runs on battery")
    return LatencyEvidence(
        Timing.of(*((times * 1e6).astype(int).tolist() for times in (wall, cpu))), ratios, controls,
        clock="cpu" if point.threads == 1 else "wall", point=point, rounds=30, calls_a_turn=3, warm_up_calls=12,
        first_call_ms=4.0 * MEDIAN_MS * slow, notices=busy if environment.compiler in CONTROLS else (),
    )  # fmt: skip


def _points(random: np.random.Generator, environment: Environment, *, is_reference: bool) -> Iterator[TimedPoint]:
    """The same cell at two further points of the axes."""
    for point, factor in ((Point(8, 1), 6.0), (Point(1, 2), 0.6)):
        if point.batch > 1 and environment.framework == "keras":
            reason = f"{environment} cannot be timed at batch {point.batch}: its source takes batches of 1"
            yield TimedPoint(point, reason=reason)
            continue
        yield TimedPoint(point, _timed(random, environment, point, factor, is_reference=is_reference))


def _failures(model: str) -> list[Cell]:
    def cell(text: str, status: Status, reason: str, **more: Any) -> Cell:
        parts = Environment.parse(text)
        return Cell(
            nodeid=f"test_labels[{model}-{text}]", status=status, reason=reason, model=model, environment=text,
            framework=parts.framework, compiler=parts.compiler, device=parts.device, reference=ENVIRONMENTS[0],
            required=False, compared=False, **more,
        )  # fmt: skip

    return [
        cell("torch/eager/cuda:0", Status.UNAVAILABLE, "cuda:0 is not here (no NVIDIA driver)"),
        cell("keras/eager/cuda:0", Status.UNAVAILABLE, "cuda:0 is not here (no NVIDIA driver)"),
        cell("torch/tvm-o2/cpu", Status.CRASHED, "crashed at stage compile: the worker died (signal 11)",
             stage=Stage.COMPILE, route=["torch", "onnx_from_torch", "tvm-o2"]),
    ]  # fmt: skip


def _run() -> Run:
    return Run(
        started="2026-03-14T09:26:53+0100", seconds=318.2, threads=1, preprocess_from="native",
        machine=schema.Machine(system="Linux 6.1", architecture="x86_64", processor="Example 9000", cores=8,
                               features=("avx", "avx2", "sse4_1"), memory_bytes=2**35, python="3.11.7"),
        versions={"pytest_envrobust": "0.1.0", "pytest": "9.2.0", "torch": "2.13.0", "onnxruntime": "1.32.0"},
        command=["pytest", "--envrobust", "--envrobust-json=run.json"], left_out="",
    )  # fmt: skip


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def _input_names(count: int) -> list[str]:
    return [f"{number:04d}_{WORDS[number % len(WORDS)]}.jpg" for number in range(count)]


def _model(name: str, inputs: int, digests: list[str], classes: int, truth: Array) -> Model:
    return Model(
        name=name, inputs=_input_names(inputs), input_digests=digests,
        class_names=[f"{WORDS[number % len(WORDS)]} {number}" for number in range(classes)],
        truth=[int(label) for label in truth], truth_from="the files' names", guesses={},
        sources={
            framework: schema.Source(target=f"nets:{name}", label_offset=0, digest=_digest(f"{name}{framework}"),
                                     weights="seeded, not trained (seed 0)",
                                     preprocess="size 224, scale 1/255, mean 0.5, deviation 0.5")
            for framework in ("torch", "keras")
        },
    )  # fmt: skip
