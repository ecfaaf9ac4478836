"""What the pool tells a worker's process before a library loads."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from pytest_envrobust.backends import engines
from pytest_envrobust.environments.places import Place
from pytest_envrobust.workers.pool import Pool
from pytest_envrobust.workers.transport import Scratch


class _Answering:
    """A worker that has started whatever it was asked to."""

    alive = True

    def ask(self, operation: str, message: Mapping[str, Any], **more: Any) -> dict[str, Any]:
        return {"clock_steps_ns": {}, "operation": operation, **message}


def variables_of(pool: Pool, engine: str, monkeypatch: pytest.MonkeyPatch, place: Place) -> dict[str, str]:
    seen: list[dict[str, str]] = []

    def start(variables: Mapping[str, str], *more: object) -> _Answering:
        seen.append(dict(variables))
        return _Answering()

    monkeypatch.setattr(pool, "_start", start)
    pool.worker(engines()[engine], "cpu", 1, 1.0, place=place)
    return seen[0]


def test_what_an_engine_keeps_goes_into_the_store(monkeypatch: pytest.MonkeyPatch) -> None:
    pool = Pool(Scratch(), engine_cache=lambda name: Path("store") / name)
    there = Place("there", variables={"OF_THE_PLACE": "1"})
    found = variables_of(pool, "torch", monkeypatch, there)
    assert found["TORCHINDUCTOR_CACHE_DIR"] == str(Path("store") / "inductor")
    assert found["OF_THE_PLACE"] == "1"
    assert "TORCHINDUCTOR_CACHE_DIR" not in variables_of(pool, "onnxruntime", monkeypatch, there)


def test_without_a_store_it_stays_where_the_engine_puts_it(monkeypatch: pytest.MonkeyPatch) -> None:
    assert "TORCHINDUCTOR_CACHE_DIR" not in variables_of(Pool(Scratch()), "torch", monkeypatch, Place("there"))


@pytest.mark.parametrize(("keep", "ended"), [(1, ["onnxruntime", "openvino"]), (2, ["onnxruntime"]), (3, [])])
def test_as_many_workers_stay_open_as_it_keeps(keep: int, ended: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    found: list[str] = []

    class Ending(_Answering):
        def ask(self, operation: str, message: Mapping[str, Any], **more: Any) -> dict[str, Any]:
            self.engine = message["engine"]
            return super().ask(operation, message, **more)

        def end(self) -> None:
            found.append(self.engine)

    pool = Pool(Scratch(), keep=keep)
    monkeypatch.setattr(pool, "_start", lambda *more: Ending())
    monkeypatch.setattr("pytest_envrobust.workers.pool._memory_is_scarce", lambda: False)
    for engine in ("onnxruntime", "openvino", "torch"):
        pool.worker(engines()[engine], "cpu", 1, 1.0)
    assert found == ended
