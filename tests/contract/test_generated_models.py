"""Generated networks through every engine that takes ONNX, converted or as it is: all must give one answer.

``ENVROBUST_NETWORKS`` is how many networks each environment gets, in place of `AS_IT_IS` and `MADE_FIRST`, and
``ENVROBUST_NETWORKS_SEED`` draws others. A difference is reported with the smallest network of those that show it, as
the expression that builds it.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np
import pytest
from hypothesis import Phase, given, seed, settings
from numpy.typing import NDArray
from support.lab import Lab

from pytest_envrobust.core.environment import Environment
from pytest_envrobust.core.errors import EnvrobustError, Unavailable
from pytest_envrobust.core.sources import SourceRef, input_spec
from pytest_envrobust.planning.catalogue import Catalogue, Plan
from pytest_envrobust.strategies import Network, Pool, models

pytest.importorskip("onnx")
pytest.importorskip("onnxruntime")

REFERENCE = Environment.parse("onnx/ort-off/cpu")
AS_IT_IS, MADE_FIRST = 12, 3
"""Networks for an environment that loads the file as it is, and for one that converts or compiles it first.

Of these the first, which has no layers, is left to those that load it as it is."""
LAST = {"aotinductor"}
"""Compilers that get only the last of these networks: inductor makes the same code, without half a minute of g++."""
INPUTS = 6
TOLERANCE = 1e-4
"""The largest difference, as a share of the largest score: what float32 may lose in another order of its sums."""
ROUNDED = {"openvino", "openvino-bf16"}
"""Compilers that round by intent, or where the processor has another precision."""


@dataclass(frozen=True)
class Finding:
    """What an engine is known to do otherwise: the smallest network that shows it, and which others may show it too.

    ``docs/hypothesis.md`` lists each.
    """

    environment: str
    network: Network
    touches: Callable[[Network], bool]


def _averages_hang_over(network: Network) -> bool:
    """Whether an average pool counts its padding, and its last window may hang over that."""
    pools = [layer for layer in network.layers if isinstance(layer, Pool) and layer.kind == "AveragePool"]
    return any(pool.padded and pool.counts_padding and pool.rounds_up for pool in pools)


_AVERAGE = Pool("AveragePool", kernel=3, stride=2, padded=True, counts_padding=True, rounds_up=True)
FINDINGS = (Finding("onnx/openvino-f32/cpu", Network((_AVERAGE,), side=4), _averages_hang_over),)


@cache
def networks(count: int) -> tuple[Network, ...]:
    """So many networks, the same in every run; fewer are the first of more."""
    found: list[Network] = []

    @seed(int(os.environ.get("ENVROBUST_NETWORKS_SEED", "1")))
    @settings(max_examples=count, database=None, phases=[Phase.generate])
    @given(models())
    def collect(network: Network) -> None:
        found.append(network)

    collect()
    return tuple(found)


def _environments() -> Iterator[Environment]:
    catalogue = Catalogue()
    for environment in catalogue.environments(["onnx"]):
        compiler = catalogue.plan(environment, ["onnx"]).compiler
        wanted = not compiler.named_only and compiler.name not in ROUNDED
        if environment.device == "cpu" and environment != REFERENCE and wanted:
            yield environment


class Results:
    """Scores of generated networks by environment, each network loaded once."""

    def __init__(self, lab: Lab, folder: Path) -> None:
        self.lab, self.folder = lab, folder
        self._expected: dict[Network, NDArray[np.float32]] = {}

    def plan(self, environment: Environment) -> Plan:
        return self.lab.catalogue.plan(environment, ["onnx"])

    def expected(self, network: Network) -> NDArray[np.float32]:
        """What the reference makes of it."""
        if network not in self._expected:
            self._expected[network] = self.of(network, REFERENCE)
        return self._expected[network]

    def of(self, network: Network, environment: Environment) -> NDArray[np.float32]:
        path = self.folder / f"{hash(network):x}.onnx"
        if not path.exists():
            network.save(path)
        source = SourceRef("onnx", "file", target=str(path))
        batch = network.inputs(INPUTS)
        spec = input_spec(batch, self.lab.builder.inspect(source))
        session = self.lab.builder.open(self.plan(environment), source, spec)
        try:
            return session.run(self.lab.put(batch)).scores
        finally:
            session.close()


@pytest.fixture(scope="module")
def results(lab: Lab, tmp_path_factory: pytest.TempPathFactory) -> Results:
    return Results(lab, tmp_path_factory.mktemp("networks"))


@pytest.mark.parametrize("environment", list(_environments()), ids=lambda environment: environment.id)
def test_every_engine_gives_the_same_scores(results: Results, environment: Environment) -> None:
    known = [finding for finding in FINDINGS if finding.environment == environment.id]
    found = []
    for network in _networks_for(results.plan(environment)):
        if any(finding.touches(network) for finding in known):
            continue
        said = _complaint(results, network, environment)
        if said is not None:
            found.append((len(repr(network)), repr(network), said))
    assert not found, f"{len(found)} networks, the smallest of them {min(found)[1]}: {min(found)[2]}"


def _networks_for(plan: Plan) -> tuple[Network, ...]:
    made_first = bool(plan.route.steps or plan.compiler.builds)
    drawn = networks(int(os.environ.get("ENVROBUST_NETWORKS", MADE_FIRST if made_first else AS_IT_IS)))
    if plan.compiler.name in LAST:
        return drawn[-1:]
    return drawn[1:] if made_first and len(drawn) > 1 else drawn


@pytest.mark.parametrize("finding", FINDINGS, ids=lambda finding: finding.environment)
def test_what_was_found_is_still_so(results: Results, finding: Finding) -> None:
    complaint = _complaint(results, finding.network, Environment.parse(finding.environment))
    assert complaint is not None, "mended: take it off FINDINGS and off docs/hypothesis.md"
    assert complaint.startswith("scores differ")


def _complaint(results: Results, network: Network, environment: Environment) -> str | None:
    """What is wrong with the environment's scores of a network."""
    expected = results.expected(network)
    try:
        scores = results.of(network, environment)
    except Unavailable as absent:
        pytest.skip(absent.headline)
    except EnvrobustError as error:
        return str(error)
    if scores.shape != expected.shape:
        return f"scores of shape {scores.shape} and not {expected.shape}"
    error, largest = np.abs(scores.astype(np.float64) - expected).max(), np.abs(expected).max()
    return None if error <= TOLERANCE * largest else f"scores differ by {error:.3g}; the largest is {largest:.3g}"
