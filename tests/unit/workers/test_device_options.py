from __future__ import annotations

from typing import Any

import pytest

from pytest_envrobust.core.environment import Environment
from pytest_envrobust.environments.places import Place
from pytest_envrobust.planning.catalogue import Catalogue
from pytest_envrobust.workers.access import WorkerAccess
from pytest_envrobust.workers.pool import Pool
from pytest_envrobust.workers.transport import Scratch


@pytest.mark.parametrize(
    ("environment", "options"),
    [
        ("torch/eager/cuda:0", {"tf32": True, "autotune": False}),  # what the run sets
        ("torch/eager/slow", {"tf32": False, "autotune": False}),  # what the device's declaration says comes last
        ("torch/eager/cpu", {}),
        ("torch/tvm-o3/cuda:0", {}),  # an engine is told what it knows
    ],
)
def test_which_settings_of_a_device_hold(environment: str, options: dict[str, Any]) -> None:
    place = Place("slow", device="cuda:0", options={"tf32": False})
    plan = Catalogue(places={"slow": place}).plan(Environment.parse(environment), ["torch"])
    given: Any = {"cuda:0": {"tf32": True}, "tvm-tuned": {"trials": 3}}
    access = WorkerAccess(Pool(Scratch()), options=given)
    assert access.device_options(plan) == options
