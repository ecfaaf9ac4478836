"""A source's digest: the same however its model was used in between."""

from __future__ import annotations

import pytest
from support.lab import Lab

from pytest_envrobust.core.environment import Environment
from pytest_envrobust.core.sources import input_spec


@pytest.mark.parametrize("compiler", ["script", "inductor"])
def test_a_compiled_torch_module_keeps_its_digest(lab: Lab, compiler: str) -> None:
    pytest.importorskip("torch")
    source, images = lab.source("torch"), lab.images("torch")
    before = lab.builder.inspect(source)
    plan = lab.catalogue.plan(Environment("torch", compiler, "cpu"), ("torch",))
    if plan.absent is not None:
        pytest.skip(str(plan.absent))
    session = lab.builder.open(plan, source, input_spec(images, before))
    session.load()
    assert lab.new_builder().inspect(source).digest == before.digest
    session.close()
