"""What seeded faults changed, kept in the store: found again only where reference, inputs or faults have changed."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from importlib import import_module
from pathlib import Path

from pytest_envrobust.artifacts.store import Store
from pytest_envrobust.comparison.adequacy import FaultEffect
from pytest_envrobust.core.digests import file_digest, output_digest
from pytest_envrobust.runs.cell_run import CellRun

_FILE = "effects.json"
_MADE_BY = (
    "core.faults",
    "models.faults",
    "frameworks._weight_faults",
    "frameworks._torch_faults",
    "frameworks._keras_faults",
    "frameworks._onnx_faults",
    "runs.fault_seeding",
)
"""The modules that make faults: when one of them changes, what was found with it counts no longer."""


def kept_effects(
    reference: CellRun, store: Store, find: Callable[[], tuple[Sequence[FaultEffect], bool]]
) -> list[FaultEffect]:
    """What ``find`` gives or gave before, for the same scores of the same source and inputs.

    ``find`` also says whether it had time enough: what it had not is not kept.
    """
    is_enough = True
    run, key = reference.model_run, reference.environment.source
    recipe = {
        "what": "effects of seeded faults",
        "reference": reference.environment.id,
        "scores": reference.digest,
        "source": run.inspection(key).digest,
        **run.source(key).chosen,
        "batch": output_digest(run.batch(key)),
        "pictures": list(run.inputs.digests) if run.inputs.images is not None else [],
        "preprocess": str(run.preprocess(key)),
        "code": [_digest(name) for name in _MADE_BY],
    }

    def write(path: Path) -> None:
        nonlocal is_enough
        effects, is_enough = find()
        found = [[each.fault, each.changed, each.n, each.strength] for each in effects]
        path.write_text(json.dumps(found), encoding="utf-8")

    artifact = store.get_or_make(recipe, _FILE, write)
    if is_enough:
        store.prove(artifact)
    return [FaultEffect(*values) for values in json.loads(artifact.path.read_text(encoding="utf-8"))]


def _digest(name: str) -> str:
    origin = import_module(f"pytest_envrobust.{name}").__file__
    assert origin is not None
    return file_digest(Path(origin))
