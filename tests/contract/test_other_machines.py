"""Engines on another machine, which is this one behind an ssh server of the tests' own."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import psutil
import pytest
from support import nets, sshd
from support.interpreters import bare_python, empty_python, furnished_python
from support.lab import Lab

from pytest_envrobust import DeclarationError, Device, StageFailure, Unavailable
from pytest_envrobust.core.environment import Environment
from pytest_envrobust.core.sources import SourceRef
from pytest_envrobust.core.status import Stage, Status
from pytest_envrobust.environments.places import Place
from pytest_envrobust.planning.catalogue import Catalogue
from pytest_envrobust.workers.remote import RemoteWorker
from pytest_envrobust.workers.sessions import LiveSession

pytestmark = pytest.mark.skipif(not sshd.is_here(), reason=sshd.NEEDED)


@pytest.fixture(scope="module")
def config(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The ssh server's, for its clients."""
    with sshd.ssh_server(tmp_path_factory.mktemp("sshd")) as found:
        yield found


@pytest.fixture(scope="module")
def python(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A Python there, which has all packages."""
    return furnished_python(tmp_path_factory.mktemp("far") / "venv")


def place(config: Path, python: Path | str, **more: object) -> Place:
    device = Device("far", ssh=sshd.HOST, ssh_config=str(config), python=str(python), **more)  # type: ignore[arg-type]
    return device.place(Path(), "the test", ["cpu"])


def opened(lab: Lab, there: Place, environment: str = "onnx/ort-all/far", **more: object) -> LiveSession:
    return lab.open(environment, catalogue=Catalogue(places={there.name: there}), **more)  # type: ignore[arg-type]


@pytest.fixture
def session(
    lab: Lab, config: Path, python: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[LiveSession]:
    made = opened(lab, place(config, python))
    yield made
    worker = made._worker
    if worker is not None:
        worker.end()


def test_its_scores_are_those_from_here(lab: Lab, session: LiveSession) -> None:
    images = lab.images("onnx")
    here = lab.open("onnx/ort-all/cpu")
    expected = lab.run(here, images)
    found = lab.predict(session, images)
    np.testing.assert_array_equal(found.scores, expected)
    assert found.evidence["graph_optimization_level"] == "ORT_ENABLE_ALL"
    assert found.timing.calls == len(images)
    assert session.sample(lab.put(images), 0, 3).calls == 3
    assert session.peak_bytes is not None
    with lab.scratch.lend(images[:3]) as handle:
        np.testing.assert_array_equal(session.run(handle).scores, expected[:3])


def test_it_says_what_machine_it_is(lab: Lab, session: LiveSession) -> None:
    lab.run(session, lab.images("onnx"))
    assert session._worker is not None
    facts = session._worker.facts
    assert facts["machine"]["processor"]
    assert facts["machine"]["memory_bytes"] > 0
    assert facts["versions"]["onnxruntime"]


def test_a_file_travels_once(lab: Lab, config: Path, python: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    sent: list[Path] = []
    plain = RemoteWorker._send
    monkeypatch.setattr(RemoteWorker, "_send", lambda self, file, *rest: (sent.append(file), plain(self, file, *rest)))
    source = SourceRef("onnx", "file", target=str(nets.write_onnx(lab.folder / "once.onnx", seed=5)))
    for expected in ([Path(source.target).name], []):
        session = opened(lab, place(config, python), source=source)
        session.load()
        assert [file.name for file in sent] == expected
        sent.clear()
        assert session._worker is not None
        session._worker.end()


def test_its_process_is_another_and_ends_with_the_connection(lab: Lab, session: LiveSession) -> None:
    lab.run(session, lab.images("onnx")[:1])
    process = psutil.Process(session.pid)
    assert not any(parent.pid == os.getpid() for parent in process.parents() if "sshd" not in parent.name())
    assert session._worker is not None
    session._worker.end()
    process.wait(timeout=30)


def test_one_that_hangs_is_ended_after_its_limit(lab: Lab, session: LiveSession) -> None:
    lab.run(session, lab.images("onnx")[:1])
    process = psutil.Process(session.pid)
    process.suspend()
    worker = session._worker
    assert worker is not None
    with pytest.raises(StageFailure) as caught:
        worker.ask("memory", {}, stage=Stage.RUN, what="ask it", limit=1)
    assert caught.value.status is Status.TIMED_OUT
    assert not worker.alive
    process.resume()
    process.wait(timeout=30)


def test_a_process_that_dies_there_takes_its_own_cells_with_it(lab: Lab, session: LiveSession) -> None:
    lab.run(session, lab.images("onnx")[:1])
    os.kill(session.pid, signal.SIGKILL)
    with pytest.raises(StageFailure) as caught:
        lab.run(session, lab.images("onnx"))
    assert caught.value.status is Status.CRASHED
    assert lab.run(lab.open("onnx/ort-all/cpu"), lab.images("onnx")).shape == (8, 10)


def test_what_is_built_there_is_kept_here_and_runs(lab: Lab, config: Path, python: Path) -> None:
    session = opened(lab, place(config, python), "onnx/tvm-o1/far")
    scores = lab.run(session, lab.images("onnx"))
    np.testing.assert_allclose(scores, lab.expected("onnx"), atol=1e-4)
    built = session.artifacts[-1].path
    assert built.is_file()
    assert built.with_suffix(".json").is_file()
    assert session._worker is not None
    session._worker.end()


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (bare_python, "onnxruntime is not installed where the worker runs"),
        (empty_python, "numpy is not installed there"),
    ],
)
def test_what_is_missing_there_is_named_with_the_remedy(
    lab: Lab, config: Path, tmp_path: Path, make, said: str
) -> None:  # type: ignore[no-untyped-def]
    python = make(tmp_path / "venv")
    there = place(config, python)
    session = lab.builder.open(
        Catalogue(places={"far": there}).plan(Environment.parse("onnx/ort-all/far"), ["onnx"]),
        lab.source("onnx"),
        lab.job(lab.open("onnx/ort-all/cpu")).input,
    )
    with pytest.raises(Unavailable) as caught:
        session.run(lab.put(lab.images("onnx")))
    assert said in caught.value.headline
    assert "-m pip install" in caught.value.headline


@pytest.mark.parametrize(("host", "python"), [("nobody", "python3"), (sshd.HOST, "/nowhere/python")])
def test_a_host_that_cannot_be_reached_is_one_clear_failure(lab: Lab, config: Path, host: str, python: str) -> None:
    there = Place("far", python=python, host=host, ssh_config=str(config))
    session = opened(lab, there)
    with pytest.raises(StageFailure) as caught:
        session.run(lab.put(lab.images("onnx")))
    assert caught.value.stage is Stage.IMPORT
    assert caught.value.cause.startswith(f"{python} on {host} cannot be reached by ssh: ")
    assert caught.value.remedy.startswith("try: ssh -F ")


def test_a_missing_config_is_told_when_it_is_declared(tmp_path: Path) -> None:
    with pytest.raises(DeclarationError, match="there is no ssh_config"):
        Device("far", ssh="host", ssh_config="nowhere").place(tmp_path, "the test", ["cpu"])
