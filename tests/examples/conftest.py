from __future__ import annotations

from pathlib import Path

import pytest
from support.shared import shared_folder


@pytest.fixture(scope="session")
def store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One store for the examples that share a model."""
    return shared_folder(tmp_path_factory, "examples-store")
