"""Every conversion between two frameworks, on the built-in models: does it convert, does it run, does it agree.

Each pair's route runs in an empty store, its steps one after another, each in a process of its own. ``seconds`` is what
the route's steps took, loading the source and running the result once included. ``agreement`` is the share of the 20
photographs on which the converted model gives the label that the source's own reference gives, ``difference`` the
largest absolute difference between their scores. The keras and torch sources are the built-in models' own; those of
tensorflow, tflite and onnx are made from the keras one by this package's steps.
"""

from __future__ import annotations

import json
import shutil
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
from _common import arguments, median, report
from numpy.typing import NDArray

from pytest_envrobust import EnvrobustError, ImageFolder, Model, NoRoute
from pytest_envrobust.artifacts.store import Store
from pytest_envrobust.conversion.routes import Route
from pytest_envrobust.core.environment import Environment
from pytest_envrobust.core.sources import SourceRef, input_spec
from pytest_envrobust.core.status import Stage
from pytest_envrobust.environments.interpreters import given_interpreter
from pytest_envrobust.models import zoo
from pytest_envrobust.planning.catalogue import Catalogue, Plan
from pytest_envrobust.workers.pool import Pool
from pytest_envrobust.workers.protocol import encode_source
from pytest_envrobust.workers.session_builder import SessionBuilder
from pytest_envrobust.workers.transport import Scratch

PAGE = Path(__file__).resolve().parent.parent / "docs" / "conversions.md"
BEGIN, END = "<!-- generated: conversions -->", "<!-- end: conversions -->"
FRAMEWORKS = ("keras", "torch", "tensorflow", "tflite", "onnx")
MADE_FROM_KERAS = {
    "tensorflow": "keras-to-tensorflow/graph/cpu",
    "tflite": "keras/litert-noxnnpack/cpu",
    "onnx": "keras/ort-off/cpu",
}
"""Environments on whose way the sources lie that no built-in model has."""
LIMITS = {Stage.CONVERT: 1800.0}


@dataclass(frozen=True)
class Row:
    """What came of one pair for one model; what was not measured is ``None`` here and absent from the JSON."""

    model: str
    source: str
    target: str
    route: tuple[str, ...] = ()
    absent: str | None = None
    error: str | None = None
    seconds: float | None = None
    agreement: str | None = None
    difference: float | None = None

    @property
    def outcome(self) -> str:
        """What the table shows: agreement, difference and time, or what went wrong."""
        if self.seconds is None:
            return "no route" if not self.route else "not here" if self.absent else "fails"
        return f"{self.agreement}, {self.difference:.1g}, {self.seconds:.0f} s"


class Trial:
    """One model, its sources in every framework, and a session builder with an empty store."""

    def __init__(self, name: str, catalogue: Catalogue, folder: Path) -> None:
        self.catalogue = catalogue
        self._scratch = Scratch()
        self._pool = Pool(self._scratch)
        self.model = model = self._with_files(name, folder)
        self._builder = SessionBuilder(Store(folder / "store"), self._pool, limits=LIMITS)
        self._seconds: dict[str, float] = {}
        self._expected: dict[str, NDArray[Any]] = {}
        self._inputs = model.input_set.load()
        self._sources = {each: model.source(each).reference(each) for each in ("keras", "torch")}
        for form, environment in MADE_FROM_KERAS.items():
            plan = catalogue.plan(Environment.parse(environment), ["keras"])
            made = self._opened(plan, "keras").artifacts[0]
            self._sources[form] = SourceRef(form, "file", target=str(made.path))

    def rows(self) -> Iterator[Row]:
        """One for each ordered pair of frameworks."""
        for source in FRAMEWORKS:
            for target in FRAMEWORKS:
                if source != target:
                    yield self._row(Row(self.model.name, source, target))

    def close(self) -> None:
        """End the workers."""
        self._pool.close()
        self._scratch.remove()

    def _with_files(self, name: str, folder: Path) -> Model:
        """The built-in model, its seeded weights in files: calibrating them anew in each process is no conversion."""
        build = getattr(zoo, name)
        seeded: Model = build(photographs())
        files = {"keras": folder / "keras.weights.h5", "torch": folder / "torch.pth"}
        for framework, file in files.items():
            message = {"source": encode_source(seeded.source(framework).reference(framework)), "state": str(file)}
            with self._pool.temporary({}) as worker:
                worker.ask("inspect", message, stage=Stage.LOAD, what=f"load {name}", limit=LIMITS[Stage.CONVERT])
        files["torch"] = _as_safetensors(files["torch"])
        found: Model = build(photographs(), weights=files)
        return found

    def _row(self, row: Row) -> Row:
        try:
            plan = self.catalogue.plan(environment(self.catalogue, row.source, row.target), [row.source])
        except NoRoute:
            return row
        row = replace(row, route=plan.route.names)
        if plan.absent is not None:
            return replace(row, absent=plan.absent.headline)
        try:
            session = self._opened(plan, row.source)
            scores = self._run(session, row.source)
            expected = self._reference(row.source)
        except EnvrobustError as error:
            return replace(row, error=error.headline)
        agreeing = int((scores.argmax(axis=1) == expected.argmax(axis=1)).sum())
        return replace(
            row,
            seconds=sum(self._seconds[artifact.key] for artifact in session.artifacts),
            agreement=f"{agreeing}/{len(scores)}",
            difference=float(np.abs(scores - expected).max()),
        )

    def _opened(self, plan: Plan, source: str) -> Any:
        """The plan's session, its steps made one by one so that each one's time is known."""
        reference = self._sources[source]
        spec = input_spec(self._batch(source), self._builder.inspect(reference))
        steps = plan.route.steps
        for count in range(1, len(steps) + 1):
            start = time.perf_counter()
            part = self._builder.open(replace(plan, route=Route(source, steps[:count])), reference, spec)
            self._seconds.setdefault(part.artifacts[-1].key, time.perf_counter() - start)
        return self._builder.open(plan, reference, spec)

    def _reference(self, source: str) -> NDArray[Any]:
        if source not in self._expected:
            plan = self.catalogue.plan(self.catalogue.reference([source]), [source])
            self._expected[source] = self._run(self._opened(plan, source), source)
        return self._expected[source]

    def _run(self, session: Any, source: str) -> NDArray[Any]:
        with self._scratch.lend(self._batch(source)) as handle:
            scores: NDArray[Any] = session.run(handle).scores
        session.close()
        return scores

    def _batch(self, source: str) -> NDArray[Any]:
        """The photographs as that source takes them; what is made from keras takes keras's."""
        native = "torch" if source == "torch" else "keras"
        layout: Any = self.catalogue.frameworks[native].layout
        return self._inputs.batch(self.model.preprocess(native), layout)


def environment(catalogue: Catalogue, source: str, target: str) -> Environment:
    """Where a model of ``source``, converted to ``target``, runs in that framework's plainest way."""
    compiler = catalogue.frameworks[target].reference_compiler
    own = {each.name: each.frameworks for backend in catalogue.backends.values() for each in backend.compilers}
    converted = f"{source}-to-{target}" if own[compiler] or target == "keras" else source
    return Environment(converted, compiler, "cpu")


def photographs() -> ImageFolder:
    """The 20 ImageNet photographs that foolbox carries."""
    spec = find_spec("foolbox")
    if spec is None or spec.origin is None:
        sys.exit("foolbox, which carries the photographs, is not installed: pip install 'pytest-envrobust[demo]'")
    return ImageFolder(Path(spec.origin).parent / "data", pattern="imagenet_*.jpg")


def measured(name: str, catalogue: Catalogue, rounds: int) -> list[Row]:
    """The rows of one model; of several rounds the median of the seconds."""
    found: list[list[Row]] = []
    for _ in range(rounds):
        folder = Path(tempfile.mkdtemp(prefix="conversions-"))
        trial = Trial(name, catalogue, folder)
        try:
            found.append([])
            for row in trial.rows():
                print(f"{row.model}  {row.source} -> {row.target}  {row.outcome}", file=sys.stderr, flush=True)
                found[-1].append(row)
        finally:
            trial.close()
            shutil.rmtree(folder, ignore_errors=True)
    times = [[row.seconds for row in rows if row.seconds is not None] for rows in zip(*found)]
    return [replace(row, seconds=median(each)) if each else row for row, each in zip(found[-1], times)]


def page_text(rows: Sequence[Row]) -> str:
    """The rows as the page shows them: a line for each pair, a column for each model, then what went wrong."""
    models = list(dict.fromkeys(row.model for row in rows))
    lines = [f"| from | to | route | {' | '.join(models)} |", "| --- | --- | --- |" + " --- |" * len(models)]
    for (source, target), members in _by_pair(rows).items():
        route = " ".join(f"`{step}`" for step in members[0].route) or "none"
        lines.append(f"| {source} | {target} | {route} | {' | '.join(row.outcome for row in members)} |")
    wrong = [
        f"- {row.model}, {row.source} to {row.target}: {row.error or row.absent}"
        for row in rows
        if row.error or row.absent
    ]
    return "\n".join([*lines, *(["", *wrong] if wrong else [])])


def write_page(text: str) -> None:
    """Put the text between the page's markers. Exits where it has none."""
    page = PAGE.read_text(encoding="utf-8")
    head, begin, rest = page.partition(BEGIN)
    _, end, tail = rest.partition(END)
    if not (begin and end):
        sys.exit(f"{PAGE.name} has no markers for the conversions")
    PAGE.write_text(f"{head}{BEGIN}\n{text}\n\n{END}{tail}", encoding="utf-8")


def _as_safetensors(file: Path) -> Path:
    """The same weights as torch.save wrote there, in the form that the built-in models read."""
    import torch
    from safetensors.torch import save_file

    state = torch.load(file, weights_only=True)
    target = file.with_suffix(".safetensors")
    save_file({name: tensor.contiguous() for name, tensor in state.items()}, target)
    return target


def _by_pair(rows: Sequence[Row]) -> dict[tuple[str, str], list[Row]]:
    pairs: dict[tuple[str, str], list[Row]] = {}
    for row in rows:
        pairs.setdefault((row.source, row.target), []).append(row)
    return pairs


def _present(row: Row) -> dict[str, Any]:
    return {name: value for name, value in asdict(row).items() if value is not None}


def main() -> None:
    """Measure, report, and write the page where asked to."""
    more: Mapping[str, Mapping[str, Any]] = {
        "models": {"nargs": "+", "choices": zoo.NAMES, "default": list(zoo.NAMES), "metavar": "NAME"},
        "interpreter": {
            "action": "append",
            "default": [],
            "metavar": "NAME=PYTHON",
            "help": "as --envrobust-interpreter",
        },
        "write": {"action": "store_true", "help": f"put the table into docs/{PAGE.name}"},
    }
    options = arguments(__doc__ or "", rounds=1, **more)
    try:
        given = [given_interpreter(line, Path(), "--interpreter") for line in options.interpreter]
    except EnvrobustError as error:
        sys.exit(str(error))
    catalogue = Catalogue(interpreters={each.name: each for each in given})
    rows = [row for name in options.models for row in measured(name, catalogue, options.rounds)]
    tried = [row for row in rows if row.route and not row.absent]
    figures = {
        "routes": sum(bool(row.route) for row in rows),
        "tried": len(tried),
        "converted_and_run": sum(row.seconds is not None for row in tried),
    }
    report(
        "Conversions between frameworks",
        figures,
        columns=("pair", "route", "model", "labels, difference, seconds"),
        rows=[(f"{row.source} -> {row.target}", " ".join(row.route), row.model, row.outcome) for row in rows],
        targets={},
        json_path=options.json,
    )
    if options.json is not None:
        content = {"conversions": [_present(row) for row in rows], **json.loads(options.json.read_text())}
        options.json.write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")
    if options.write:
        write_page(page_text(rows))


if __name__ == "__main__":
    main()
