"""A run, and the records that its shards would have written."""

from __future__ import annotations

import pytest
from support.parts import split
from support.records import Synthetic, synthetic

from pytest_envrobust.history.recorded_run import RecordedRun


@pytest.fixture(scope="package")
def whole() -> Synthetic:
    return synthetic(models=2, environments=6)


@pytest.fixture
def runs(whole: Synthetic) -> list[RecordedRun]:
    return split(whole, 3)
