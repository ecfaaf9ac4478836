"""Several processes: what pytest-xdist's controller and workers tell each other."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import pytest

from pytest_envrobust.core.shard import CellName
from pytest_envrobust.integration.collected import Collected
from pytest_envrobust.integration.unfinished import leave_note
from pytest_envrobust.record import codec
from pytest_envrobust.record.schema import Device, Model
from pytest_envrobust.runs.effects import Declaration
from pytest_envrobust.runs.registry import Registry

_FOLDER = "envrobust_predictions"
"""Key under which a worker learns where the run keeps its predictions."""
_FINDINGS = "envrobust_findings"
"""Key under which it sends what it found out."""


def is_worker(config: pytest.Config) -> bool:
    """Whether this process is one that the controller started."""
    return hasattr(config, "workerinput")


def process_count(config: pytest.Config) -> int:
    """How many processes of this run may time or predict at once."""
    count = _told(config).get("workercount") or getattr(config.option, "numprocesses", None)
    return count if isinstance(count, int) and count > 0 else 1


def shared_folder(config: pytest.Config) -> Path | None:
    """Where the controller keeps the run's predictions; ``None`` in any process but a worker."""
    folder = _told(config).get(_FOLDER)
    return None if folder is None else Path(folder)


@dataclass(frozen=True)
class Findings:
    """What one process of a run knows: models, devices by name, the cells of all shards, those that it collected,
    and which declarations had an effect.
    """

    models: Sequence[Model] = ()
    devices: Mapping[str, Device] = field(default_factory=dict)
    whole: Sequence[CellName] | None = None
    cells: Sequence[CellName] = ()
    effects: Sequence[tuple[Declaration, bool]] = ()

    @classmethod
    def of(cls, registry: Registry, collected: Collected) -> Findings:
        """What this process knows."""
        cells, noted = sorted(collected.cells), list(collected.effects)
        return cls(registry.model_parts(), registry.device_parts(), collected.whole, cells, noted)

    def plain(self) -> dict[str, Any]:
        """The same as plain data, which xdist carries."""
        return {
            "models": [codec.plain(model) for model in self.models],
            "devices": {name: codec.plain(device) for name, device in self.devices.items()},
            "whole": self.whole,
            "cells": self.cells,
            "effects": [(asdict(declaration), had) for declaration, had in self.effects],
        }

    @classmethod
    def typed(cls, told: Mapping[str, Any]) -> Findings:
        """What `plain` was made from."""
        whole = told["whole"]
        return cls(
            [codec.typed(model, Model) for model in told["models"]],
            {name: codec.typed(device, Device) for name, device in told["devices"].items()},
            None if whole is None else [(model, environment) for model, environment in whole],
            [(model, environment) for model, environment in told["cells"]],
            [(Declaration(**declaration), had) for declaration, had in told["effects"]],
        )


class WorkerHooks:
    """In a worker: hands over what it found out."""

    def __init__(self, registry: Registry, collected: Collected) -> None:
        self._registry, self._collected = registry, collected

    @pytest.hookimpl(tryfirst=True)  # xdist then tells the controller that the collection is done
    def pytest_collection_finish(self, session: pytest.Session) -> None:
        """Say which cells are to come."""
        if (folder := shared_folder(session.config)) is not None and folder.is_dir():
            leave_note(folder, _told(session.config)["workerid"], session.items)

    def pytest_sessionfinish(self, session: pytest.Session) -> None:
        """Put it where xdist takes it from."""
        output: dict[str, Any] = session.config.workeroutput  # type: ignore[attr-defined]
        output[_FINDINGS] = Findings.of(self._registry, self._collected).plain()


class ControllerHooks:
    """In the controller: tells each worker where predictions are kept, and gives ``learn`` what it found out."""

    def __init__(self, folder: Path, learn: Callable[[Findings], None]) -> None:
        self._folder, self._learn = folder, learn

    @pytest.hookimpl(optionalhook=True)
    def pytest_configure_node(self, node: Any) -> None:
        """Before a worker starts."""
        node.workerinput[_FOLDER] = str(self._folder)

    @pytest.hookimpl(optionalhook=True)
    def pytest_testnodedown(self, node: Any) -> None:
        """After it came to its end; one that crashed left nothing."""
        found = getattr(node, "workeroutput", {}).get(_FINDINGS)
        if found is not None:
            self._learn(Findings.typed(found))


def _told(config: pytest.Config) -> Mapping[str, Any]:
    told: Mapping[str, Any] = getattr(config, "workerinput", {})
    return told
