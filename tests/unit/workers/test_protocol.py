from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import execnet
import numpy as np
import pytest

from pytest_envrobust.backends.base import Job
from pytest_envrobust.core.errors import DeclarationError, EnvrobustError, StageFailure, Unavailable
from pytest_envrobust.core.sources import Inspection, SourceRef
from pytest_envrobust.core.status import Stage, Status
from pytest_envrobust.core.tensors import TensorSpec
from pytest_envrobust.workers import protocol, transport
from pytest_envrobust.workers.pool import common_variables

SPEC = TensorSpec((None, 3, 8, 8), "float16", "x")
SOURCE = SourceRef("torch", "pickle", payload=b"\x00\xff", digest="abc", state="weights")


def sent(message: Any) -> Any:
    """The message as it arrives at the far end."""
    return execnet.loads(execnet.dumps(message))


def test_sources_specs_jobs_and_inspections_travel() -> None:
    assert protocol.decode_source(sent(protocol.encode_source(SOURCE))) == SOURCE
    assert protocol.decode_spec(sent(protocol.encode_spec(SPEC))) == SPEC
    job = Job(SOURCE, "tvm-o3", "cpu+avx2", SPEC, 2, {"trials": 8, "fast": True, "mode": "x", "ratio": 0.5})
    assert protocol.decode_job(sent(protocol.encode_job(job))) == job
    for inspection in (Inspection("d", SPEC, 10), Inspection("d", None, None)):
        assert protocol.decode_inspection(sent(protocol.encode_inspection(inspection))) == inspection


def failure(error: BaseException, stage: Stage = Stage.LOAD) -> StageFailure:
    try:
        raise error
    except BaseException as raised:
        decoded = protocol.decode_error(sent(protocol.encode_error(raised)), stage, "do it")
    assert isinstance(decoded, StageFailure)
    return decoded


@pytest.mark.parametrize(
    ("stage", "status"),
    [
        (Stage.IMPORT, Status.BROKEN),
        (Stage.CONVERT, Status.CONVERSION_FAILED),
        (Stage.COMPILE, Status.CRASHED),
        (Stage.LOAD, Status.CRASHED),
        (Stage.RUN, Status.CRASHED),
    ],
)
def test_the_stage_says_what_an_exception_means(stage: Stage, status: Status) -> None:
    decoded = failure(ValueError("first line\nsecond line"), stage)
    assert (decoded.stage, decoded.status) == (stage, status)
    assert decoded.cause == "ValueError: first line"
    assert "Traceback" in decoded.detail
    assert "second line" in decoded.detail


def test_a_package_that_cannot_be_imported_while_converting_is_broken() -> None:
    decoded = failure(ImportError("libx.so"), Stage.CONVERT)
    assert (decoded.stage, decoded.status) == (Stage.IMPORT, Status.BROKEN)
    assert failure(ImportError("libx.so"), Stage.LOAD).status is Status.CRASHED


@pytest.mark.parametrize(
    "error", [MemoryError(), RuntimeError("CUDA out of memory. Tried"), OSError(12, "Cannot allocate memory")]
)
def test_out_of_memory_is_told(error: Exception) -> None:
    assert failure(error, Stage.RUN).status is Status.OUT_OF_MEMORY
    assert failure(error, Stage.CONVERT).status is Status.OUT_OF_MEMORY


def test_an_exception_without_words() -> None:
    assert failure(KeyError()).cause == "KeyError"
    assert failure(SystemExit(3)).cause == "SystemExit: 3"


def test_our_own_errors_keep_their_parts() -> None:
    decoded = failure(DeclarationError("thing", cause="cause", remedy="remedy"))
    assert (decoded.status, decoded.cause, decoded.remedy) == (Status.FAILED, "thing: cause", "remedy")
    assert decoded.detail == ""
    assert failure(EnvrobustError("thing"), Stage.COMPILE).status is Status.CRASHED


def test_unavailable_stays_unavailable() -> None:
    message = protocol.encode_error(Unavailable("no GPU", cause="none", remedy="buy one"))
    decoded = protocol.decode_error(sent(message), Stage.IMPORT, "do it")
    assert isinstance(decoded, Unavailable)
    assert decoded.headline == "no GPU: none (buy one)"


@pytest.mark.parametrize(
    "array",
    [
        np.arange(24, dtype=np.float32).reshape(2, 3, 4),
        np.arange(24, dtype=np.float32).reshape(4, 6).T,
        np.array([[1, 2]], dtype=np.uint8),
        np.array([[np.nan, np.inf]], dtype=np.float16),
        np.zeros((1, 1), dtype=np.float64),
    ],
)
def test_arrays_travel_by_file(array: Any, tmp_path: Path) -> None:
    handle = sent(transport.put(array, tmp_path))
    seen = transport.view(handle)
    np.testing.assert_array_equal(seen, array)
    assert seen.dtype == array.dtype
    taken = transport.take(handle)
    np.testing.assert_array_equal(taken, array)
    taken[0] = 0
    assert not Path(handle["path"]).exists()


def test_an_empty_array_can_be_taken(tmp_path: Path) -> None:
    assert transport.take(transport.put(np.zeros((0, 10), np.float32), tmp_path)).shape == (0, 10)


def test_a_scratch_directory_goes_with_its_owner() -> None:
    scratch = transport.Scratch()
    handle = scratch.put(np.zeros(3))
    assert Path(handle["path"]).parent == scratch.path
    scratch.remove()
    assert not scratch.path.exists()
    scratch.remove()


def test_it_goes_when_the_process_ends_and_another_cleans_up_after_a_kill() -> None:
    code = "from pytest_envrobust.workers.transport import Scratch; import os, sys\ns = Scratch(); print(s.path)"
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert not Path(ended.stdout.strip()).exists()
    killed = subprocess.run(
        [sys.executable, "-c", f"{code}\nsys.stdout.flush(); os._exit(1)"], capture_output=True, text=True, check=False
    )
    left = Path(killed.stdout.strip())
    if str(left).startswith("/dev/shm"):
        assert left.exists()
        transport.Scratch().remove()
        assert not left.exists()


def test_the_count_of_threads_is_the_same_in_every_library() -> None:
    variables = common_variables("cpu", 3)
    assert {variables[name] for name in variables if name.endswith("_THREADS")} == {"3"}
    assert variables["OMP_WAIT_POLICY"] == "PASSIVE"
    assert variables["CUDA_VISIBLE_DEVICES"] == "-1"
    assert "CUDA_VISIBLE_DEVICES" not in common_variables("cuda:0", 1)
    assert json.dumps(variables)


def wrapped(inner: BaseException) -> BaseException:
    try:
        try:
            raise inner
        except BaseException as error:
            raise RuntimeError("the converter could not go on") from error
    except RuntimeError as outer:
        return outer


def test_what_stands_behind_an_error_decides_too() -> None:
    decoded = failure(wrapped(ImportError("libfoo.so is missing")), Stage.CONVERT)
    assert (decoded.stage, decoded.status) == (Stage.IMPORT, Status.BROKEN)
    decoded = failure(wrapped(MemoryError()), Stage.COMPILE)
    assert decoded.status is Status.OUT_OF_MEMORY
    decoded = failure(wrapped(ValueError("CUDA error: out of memory")), Stage.RUN)
    assert decoded.status is Status.OUT_OF_MEMORY
    assert failure(wrapped(ValueError("a shape")), Stage.RUN).status is Status.CRASHED
