"""One store, one pool and one session builder for a test session, and the nets as sources of every framework."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from functools import cache, cached_property
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from pytest_envrobust.artifacts.store import Store
from pytest_envrobust.backends.base import Job, Option
from pytest_envrobust.core.environment import Environment
from pytest_envrobust.core.errors import Unavailable
from pytest_envrobust.core.sources import SourceRef, input_spec
from pytest_envrobust.core.status import Stage
from pytest_envrobust.planning.catalogue import Catalogue
from pytest_envrobust.workers.pool import Pool
from pytest_envrobust.workers.session_builder import SessionBuilder
from pytest_envrobust.workers.sessions import LiveSession, SessionOutput
from pytest_envrobust.workers.transport import Handle, Scratch
from support import nets
from support.shared import shared_folder


class Lab:
    """Drives the package as the plugin does, below pytest."""

    def __init__(self, folder: Path, store: Path | None = None) -> None:
        self.folder = folder
        self.scratch = Scratch()
        self.notes = folder / "notes"
        self.pool = Pool(self.scratch, environ={"SUPPORT_NOTES": str(self.notes)}, keep=16)
        self.store = Store(store or folder / "store")
        self.builder = SessionBuilder(self.store, self.pool)
        self.catalogue = Catalogue()
        self._expected: dict[str, NDArray[np.float32]] = {}

    def new_builder(
        self,
        *,
        limits: Mapping[Stage, float] | None = None,
        options: Mapping[str, Mapping[str, Option]] | None = None,
        store: Store | None = None,
    ) -> SessionBuilder:
        """Another session builder on the same workers."""
        return SessionBuilder(store or self.store, self.pool, limits=limits or {}, options=options)

    def source(self, framework: str) -> SourceRef:
        """The net in that framework, the files made by the steps that users' cells go through."""
        if framework in ("torch", "keras"):
            return SourceRef(framework, "factory", target=f"support.nets:{framework}_net")
        if framework == "onnx":
            return SourceRef("onnx", "file", target=str(self.onnx_file))
        return SourceRef(framework, "file", target=str(self._saved_model if framework == "tensorflow" else self.tflite))

    def images(self, framework: str, count: int = 8) -> NDArray[np.float32]:
        """Inputs in the layout of that framework."""
        return nets.images(count, self.catalogue.frameworks[framework].layout)

    def open(
        self,
        environment: str | Environment,
        *,
        source: SourceRef | None = None,
        catalogue: Catalogue | None = None,
        builder: SessionBuilder | None = None,
    ) -> LiveSession:
        """A session of the net in that environment; where that is absent here, the test is skipped."""
        parsed = Environment.parse(environment) if isinstance(environment, str) else environment
        framework = parsed.source_framework
        plan = (catalogue or self.catalogue).plan(parsed, [framework])
        chosen, native = builder or self.builder, source or self.source(framework)
        try:
            spec = input_spec(self.images(framework), chosen.inspect(native))
            return chosen.open(plan, native, spec)
        except Unavailable as absent:
            pytest.skip(absent.headline)

    def run(self, session: LiveSession, batch: NDArray[np.float32]) -> NDArray[np.float32]:
        """Scores of a batch; where the environment turns out to be absent here, the test is skipped."""
        return self.predict(session, batch).scores

    def predict(self, session: LiveSession, batch: NDArray[np.float32]) -> SessionOutput:
        """As `run`, with times and evidence."""
        try:
            return session.run(self.put(batch))
        except Unavailable as absent:
            pytest.skip(absent.headline)

    def put(self, batch: NDArray[np.float32]) -> Handle:
        return self.scratch.put(batch)

    def expected(self, framework: str) -> NDArray[np.float32]:
        """Scores of the framework's reference for its `images`."""
        if framework not in self._expected:
            session = self.open(self.catalogue.reference([framework]))
            self._expected[framework] = self.run(session, self.images(framework))
            session.close()
        return self._expected[framework]

    def job(self, session: LiveSession) -> Job:
        """What that session's engine was asked to open."""
        plan, made = session.plan, session.artifacts
        native = self.source(plan.environment.source_framework)
        source = replace(native, digest="")
        if plan.compiler.builds:
            source = SourceRef("built", "file", target=str(made[-1].path))
        elif made:
            source = SourceRef(plan.route.target, "file", target=str(made[-1].path))
        framework = plan.environment.source_framework
        spec = input_spec(self.images(framework), self.builder.inspect(native))
        return Job(source, plan.compiler.name, plan.environment.device, spec)

    @cached_property
    def onnx_file(self) -> Path:
        return nets.write_onnx(self.folder / "net.onnx")

    @cached_property
    def _saved_model(self) -> Path:
        return self.open("keras-to-tensorflow/graph/cpu").artifacts[-1].path

    @cached_property
    def tflite(self) -> Path:
        return self.open("keras/litert-noxnnpack/cpu").artifacts[-1].path

    def close(self) -> None:
        self.pool.close()
        self.scratch.remove()


@cache
def _shared(folder: Path, store: Path) -> Lab:
    folder.mkdir(exist_ok=True)
    return Lab(folder, store)


@pytest.fixture(scope="session")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    """Shared by all tests of a session that leave its workers in order."""
    made = _shared(tmp_path_factory.getbasetemp() / "lab", shared_folder(tmp_path_factory, "lab-store"))
    yield made
    made.close()
