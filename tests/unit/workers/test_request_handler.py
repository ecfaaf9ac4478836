"""What a worker does when it is asked, with a session of the test's own."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from pytest_envrobust.backends import engines
from pytest_envrobust.backends.base import Session
from pytest_envrobust.core.tensors import TensorSpec
from pytest_envrobust.workers.request_handler import RequestHandler, _Open
from pytest_envrobust.workers.transport import Scratch


class Noting(Session):
    """Gives its inputs back as scores, and keeps how many each call took."""

    def __init__(self, batch: int | None) -> None:
        self.input = TensorSpec((batch, 4), "float32", "x")
        self.taken: list[int] = []

    def run(self, batch: NDArray[Any]) -> NDArray[Any]:
        self.taken.append(len(batch))
        return batch.copy()

    def evidence(self) -> dict[str, str]:
        return {"engine": "noting"}


class Profiled(Noting):
    """Takes a call of zeros for its evidence, as engines do."""

    def evidence(self) -> dict[str, str]:
        self.taken.append(0)
        return super().evidence()


def handler_of(session: Session, folder: Path) -> RequestHandler:
    handler = RequestHandler(folder)
    handler._backend = engines()["onnxruntime"]  # it is not imported: only asked what its errors mean
    handler._sessions["s"] = _Open(session)
    return handler


@pytest.mark.parametrize(("own", "asked", "taken"), [(None, 1, 1), (None, 4, 4), (2, 2, 2), (2, 4, 2)])
def test_a_call_takes_what_is_asked_where_any_number_will_do(
    tmp_path: Path, own: int | None, asked: int, taken: int
) -> None:
    session, inputs = Noting(own), np.arange(32, dtype=np.float32).reshape(8, 4)
    handler = handler_of(session, tmp_path)
    scratch = Scratch()
    try:
        handle = scratch.put(inputs)
        answer = handler.run("s", handle, asked)
        assert answer["evidence"] == {"engine": "noting", "inputs a call": str(taken)}
        handler.sample("s", handle, 0, 3, asked)
        assert session.taken == [taken] * (8 // taken + 3)
    finally:
        scratch.remove()


def test_evidence_is_taken_once_and_never_between_two_runs(tmp_path: Path) -> None:
    """What a call leaves behind in a model is still there when the inputs are run again."""
    session, scratch = Profiled(2), Scratch()
    handler = handler_of(session, tmp_path)
    try:
        handle = scratch.put(np.zeros((4, 4), dtype=np.float32))
        for _ in range(2):
            assert handler.run("s", handle, 2)["evidence"]["engine"] == "noting"
        assert session.taken == [0, 2, 2, 2, 2]
    finally:
        scratch.remove()
