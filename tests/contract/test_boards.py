"""TVM on a board: its own RPC server, on the loopback address, in the place of one."""

from __future__ import annotations

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest
from support.environ import users_environ
from support.lab import Lab

from pytest_envrobust import Device, StageFailure, Unavailable
from pytest_envrobust.core.environment import Environment
from pytest_envrobust.planning.catalogue import Catalogue
from pytest_envrobust.workers.sessions import LiveSession

pytestmark = pytest.mark.skipif(find_spec("tvm") is None, reason="tvm is not installed")

ARM = {"kind": "llvm", "mtriple": "aarch64-linux-gnu", "mattr": ["+neon"]}
ARM_COMPILER = "aarch64-linux-gnu-g++"
AARCH64 = 183
"""The machine's number in the header of an ELF file."""


def free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        port: int = found.getsockname()[1]
        return port


def answers(port: int) -> bool:
    with socket.socket() as tried:
        return tried.connect_ex(("127.0.0.1", port)) == 0


@contextmanager
def started(module: str, port: int, *arguments: str) -> Iterator[subprocess.Popen[bytes]]:
    """A process of TVM's in a group of its own: it leaves helpers behind when it is killed alone."""
    command = [sys.executable, "-m", f"tvm.exec.{module}", "--host", "127.0.0.1", "--port", str(port), *arguments]
    quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    process = subprocess.Popen(command, env=users_environ(), start_new_session=True, **quiet)  # type: ignore[call-overload]
    try:
        for _ in range(600):
            if answers(port):
                break
            time.sleep(0.1)
        yield process
    finally:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()


@pytest.fixture(scope="module")
def port() -> Iterator[int]:
    """That of a server that runs as long as this module's tests."""
    found = free_port()
    with started("rpc_server", found, "--port-end", str(found + 1)):
        yield found


def opened(lab: Lab, device: Device, compiler: str = "tvm-o1") -> LiveSession:
    place = device.place(Path(), "the test", ["cpu"])
    return lab.open(f"onnx/{compiler}/{device.name}", catalogue=Catalogue(places={place.name: place}))


def test_its_scores_are_those_from_here(lab: Lab, port: int) -> None:
    session = opened(lab, Device("board", tvm_rpc=f"127.0.0.1:{port}"))
    found = lab.predict(session, lab.images("onnx"))
    here = lab.run(lab.open("onnx/tvm-o1/cpu"), lab.images("onnx"))
    np.testing.assert_array_equal(found.scores, here)
    assert found.evidence["board"] == f"TVM's RPC server 127.0.0.1:{port}"
    assert found.evidence["transport"] == "inside the times"
    assert found.evidence["llvm_target"]
    session.close()


def test_a_tracker_lends_one_by_its_key(lab: Lab) -> None:
    tracker, server = free_port(), free_port()
    with (
        started("rpc_tracker", tracker),
        started(
            "rpc_server", server, "--port-end", str(server + 1), "--tracker", f"127.0.0.1:{tracker}", "--key", "small"
        ),
    ):
        session = opened(lab, Device("board", tvm_tracker=f"127.0.0.1:{tracker}", key="small"))
        np.testing.assert_allclose(lab.run(session, lab.images("onnx")), lab.expected("onnx"), atol=1e-4)
        session.close()


def test_a_server_that_goes_away_fails_its_own_cells(lab: Lab) -> None:
    found = free_port()
    with started("rpc_server", found, "--port-end", str(found + 1)):
        session = opened(lab, Device("other", tvm_rpc=f"127.0.0.1:{found}"))
        lab.run(session, lab.images("onnx")[:1])
    with pytest.raises(StageFailure, match=f"127.0.0.1:{found} does not answer"):
        lab.run(session, lab.images("onnx"))
    assert lab.run(lab.open("onnx/tvm-o1/cpu"), lab.images("onnx")).shape == (8, 10)


def test_one_that_is_not_there_is_unavailable_with_the_remedy(lab: Lab) -> None:
    found = free_port()
    session = opened(lab, Device("none", tvm_rpc=f"127.0.0.1:{found}"))
    with pytest.raises(Unavailable) as caught:
        session.run(lab.put(lab.images("onnx")))
    assert caught.value.thing == f"TVM's RPC server 127.0.0.1:{found} cannot be reached"
    assert "tvm.exec.rpc_server" in caught.value.remedy


def test_other_engines_and_tuning_say_that_they_have_no_such_device(lab: Lab) -> None:
    place = Device("board", tvm_rpc="127.0.0.1:1").place(Path(), "the test", ["cpu"])
    catalogue = Catalogue(places={"board": place})
    for compiler, said in (
        ("ort-all", "onnxruntime does not speak TVM's RPC"),
        ("openvino", "openvino does not speak TVM's RPC"),
        ("tvm-tuned", "tuning over RPC is not supported"),
    ):
        absent = catalogue.plan(Environment("onnx", compiler, "board"), ["onnx"]).absent
        assert absent is not None
        assert absent.cause == said or "not installed" in absent.thing


def test_a_cross_compiler_that_is_not_there_is_named(lab: Lab) -> None:
    device = Device("nobody", tvm_rpc="127.0.0.1:1", target=ARM, cc="a-compiler-that-is-not-there")
    with pytest.raises(Unavailable) as caught:
        place = device.place(Path(), "the test", ["cpu"])
        plan = Catalogue(places={"nobody": place}).plan(Environment("onnx", "tvm-o2", "nobody"), ["onnx"])
        lab.builder.open(plan, lab.source("onnx"), lab.job(lab.open("onnx/ort-all/cpu")).input)
    assert "a-compiler-that-is-not-there is not there" in caught.value.cause


@pytest.mark.skipif(shutil.which(ARM_COMPILER) is None, reason=f"{ARM_COMPILER} is not installed")
def test_a_library_is_compiled_for_the_boards_target_and_refused_by_another(lab: Lab, port: int) -> None:
    session = opened(lab, Device("arm", tvm_rpc=f"127.0.0.1:{port}", target=ARM, cc=ARM_COMPILER))
    header = session.artifacts[-1].path.read_bytes()[:20]
    assert header[:4] == b"\x7fELF"
    assert int.from_bytes(header[18:20], "little") == AARCH64
    with pytest.raises(Unavailable, match="the library cannot be loaded on TVM's RPC server"):
        session.run(lab.put(lab.images("onnx")))


@pytest.mark.skipif(shutil.which("nvcc") is None, reason="the CUDA toolkit is not installed")
def test_a_library_is_compiled_for_a_gpu_where_its_toolkit_is(lab: Lab) -> None:
    device = Device("gpu", tvm_rpc="127.0.0.1:1", target={"kind": "cuda", "arch": "sm_80"})
    session = opened(lab, device, "tvm-o3")
    library = session.artifacts[-1].path
    target = json.loads(json.loads(library.with_suffix(".json").read_text())["target"])
    assert (target["kind"], target["arch"]) == ("cuda", "sm_80")
    assert b"cuda" in library.read_bytes()
