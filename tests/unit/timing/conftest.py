"""What the tests of sampling take for granted."""

from __future__ import annotations

import pytest

from pytest_envrobust.timing import sampling


@pytest.fixture(autouse=True)
def turns_of_25_ms(monkeypatch: pytest.MonkeyPatch) -> None:
    """The times in these tests are for turns of 25 ms, whatever the default is."""
    monkeypatch.setattr(sampling, "TURN_SECONDS", 0.025)
