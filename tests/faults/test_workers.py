"""Workers that abort, raise, hang, exit or are killed take their own cells only, and leave nothing behind."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import psutil
import pytest
from support import faulty, nets
from support.lab import Lab

from pytest_envrobust.core.environment import Environment
from pytest_envrobust.core.errors import StageFailure
from pytest_envrobust.core.sources import SourceRef, input_spec
from pytest_envrobust.core.status import Stage, Status
from pytest_envrobust.workers.sessions import LiveSession

EAGER = Environment.parse("torch/eager/cpu")


def factory(name: str) -> SourceRef:
    return SourceRef("torch", "factory", target=f"support.faulty:{name}")


def torch_pid(lab: Lab) -> int:
    plan = lab.catalogue.plan(EAGER, ["torch"])
    return lab.builder.access.worker(plan, 1).pid


def gone(pid: int) -> bool:
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline:
        if not psutil.pid_exists(pid) or psutil.Process(pid).status() == psutil.STATUS_ZOMBIE:
            return True
        time.sleep(0.05)
    return False


def assert_healthy(lab: Lab) -> None:
    session = lab.open(EAGER, builder=lab.new_builder())
    np.testing.assert_allclose(lab.run(session, lab.images("torch")), lab.expected("torch"), atol=1e-6)
    session.close()


@pytest.fixture(autouse=True)
def _reference(lab: Lab) -> None:
    lab.expected("torch")


@pytest.mark.parametrize(
    ("name", "cause", "tail"),
    [
        ("aborts", "its worker process died (killed by SIGABRT)", "assertion failed in the native library"),
        ("segfaults", "its worker process died (killed by SIGSEGV)", ""),
        ("exits", "its worker process died (exit status 3)", "giving up"),
    ],
)
def test_a_worker_that_dies_while_loading(lab: Lab, name: str, cause: str, tail: str) -> None:
    before = torch_pid(lab)
    with pytest.raises(StageFailure) as caught:
        lab.new_builder().inspect(factory(name))
    failure = caught.value
    assert (failure.stage, failure.status) == (Stage.LOAD, Status.CRASHED)
    assert failure.cause == cause
    assert tail in failure.detail
    assert f"support.faulty:{name}" in failure.headline
    assert gone(before)
    assert_healthy(lab)
    assert torch_pid(lab) != before


@pytest.mark.parametrize(
    ("name", "status", "cause"),
    [
        ("raises", Status.CRASHED, "ValueError: no layer of that name"),
        ("exits_politely", Status.CRASHED, "SystemExit: no license found"),
        ("runs_out_of_memory", Status.OUT_OF_MEMORY, "MemoryError"),
        ("lacks_a_module", Status.CRASHED, "ModuleNotFoundError: No module named 'a_module_that_is_not_there'"),
        ("not_a_model", Status.FAILED, "returned a dict: a torch model is needed"),
        ("no_such_factory", Status.FAILED, "has no attribute 'no_such_factory'"),
    ],
)
def test_a_factory_that_raises_leaves_its_worker_alive(lab: Lab, name: str, status: Status, cause: str) -> None:
    before = torch_pid(lab)
    with pytest.raises(StageFailure) as caught:
        lab.new_builder().inspect(factory(name))
    failure = caught.value
    assert (failure.stage, failure.status) == (Stage.LOAD, status)
    assert cause in failure.cause
    if status is not Status.FAILED:
        assert "faulty.py" in failure.detail  # the traceback
    assert_healthy(lab)
    assert torch_pid(lab) == before


@pytest.mark.parametrize(("name", "tail"), [("hangs", "about to loop"), ("hangs_in_native_code", "about to sleep")])
def test_a_worker_that_hangs_while_loading(lab: Lab, name: str, tail: str) -> None:
    before = torch_pid(lab)
    with pytest.raises(StageFailure) as caught:
        lab.new_builder(limits={Stage.LOAD: 1.5}).inspect(factory(name))
    failure = caught.value
    assert (failure.stage, failure.status) == (Stage.LOAD, Status.TIMED_OUT)
    assert failure.cause == "no answer within 1.5 s, so its worker was killed"
    assert "--envrobust-timeout load=SECONDS" in failure.remedy
    assert tail in failure.detail
    assert gone(before)
    assert_healthy(lab)


@pytest.mark.parametrize("name", ["leaves_a_child_and_hangs", "leaves_a_child_and_aborts"])
def test_children_of_a_worker_end_with_it(lab: Lab, name: str) -> None:
    lab.notes.unlink(missing_ok=True)
    torch_pid(lab)
    with pytest.raises(StageFailure):
        lab.new_builder(limits={Stage.LOAD: 3.0}).inspect(factory(name))
    assert gone(int(lab.notes.read_text()))
    assert_healthy(lab)


def opened(lab: Lab, name: str, limit: float = 60.0) -> LiveSession:
    builder = lab.new_builder(limits={Stage.RUN: limit})
    source = factory(name)
    spec = input_spec(lab.images("torch"), builder.inspect(source))
    return builder.open(lab.catalogue.plan(EAGER, ["torch"]), source, spec)


def trigger(lab: Lab) -> np.ndarray:
    batch = lab.images("torch").copy()
    batch[2, 0, 0, 0] = faulty.TRIGGER
    return batch


@pytest.mark.parametrize(
    ("name", "limit", "status", "cause"),
    [
        ("run_aborts", 60.0, Status.CRASHED, "its worker process died (killed by SIGABRT)"),
        ("run_raises", 60.0, Status.CRASHED, "ValueError: no layer of that name"),
        ("run_hangs", 3.0, Status.TIMED_OUT, "no answer within 3 s, so its worker was killed"),
        ("run_hangs_in_native_code", 3.0, Status.TIMED_OUT, "no answer within 3 s, so its worker was killed"),
    ],
)
def test_a_fault_while_running(lab: Lab, name: str, limit: float, status: Status, cause: str) -> None:
    session = opened(lab, name, limit)
    fine = lab.put(lab.images("torch"))
    plain = session.run(fine).scores
    with pytest.raises(StageFailure) as caught:
        session.run(lab.put(trigger(lab)))
    assert (caught.value.stage, caught.value.status, caught.value.cause) == (Stage.RUN, status, cause)
    assert caught.value.thing == "run torch/eager/cpu"
    np.testing.assert_array_equal(session.run(fine).scores, plain)  # opened again, in a new worker if need be
    assert_healthy(lab)
    session.close()


def test_a_worker_killed_from_outside_while_running(lab: Lab) -> None:
    lab.notes.unlink(missing_ok=True)
    session = opened(lab, "run_notes_and_hangs")
    session.run(lab.put(lab.images("torch")))
    pid = torch_pid(lab)

    def kill() -> None:
        while not lab.notes.exists():
            time.sleep(0.02)
        psutil.Process(pid).kill()

    killer = threading.Thread(target=kill)
    killer.start()
    with pytest.raises(StageFailure, match="killed by SIGKILL; the system does this when memory runs out") as caught:
        session.run(lab.put(trigger(lab)))
    killer.join()
    assert (caught.value.stage, caught.value.status) == (Stage.RUN, Status.CRASHED)
    assert_healthy(lab)


def test_a_worker_killed_while_idle_fails_one_call_and_is_replaced(lab: Lab) -> None:
    session = lab.open(EAGER)
    batch = lab.put(lab.images("torch"))
    plain = session.run(batch).scores
    pid = torch_pid(lab)
    psutil.Process(pid).kill()
    assert gone(pid)
    with pytest.raises(StageFailure, match="killed by SIGKILL"):
        session.run(batch)
    np.testing.assert_array_equal(session.run(batch).scores, plain)
    session.close()


def test_another_engines_worker_is_not_touched(lab: Lab) -> None:
    session = lab.open("onnx/ort-all/cpu")
    batch = lab.put(lab.images("onnx"))
    plain = session.run(batch).scores
    pid = lab.builder.access.worker(session.plan, 1).pid
    with pytest.raises(StageFailure):
        lab.new_builder().inspect(factory("aborts"))
    np.testing.assert_array_equal(session.run(batch).scores, plain)
    assert lab.builder.access.worker(session.plan, 1).pid == pid
    session.close()


def test_a_failure_is_remembered_for_all_cells_that_need_it(lab: Lab) -> None:
    builder = lab.new_builder()
    failures = []
    for _ in range(2):
        with pytest.raises(StageFailure) as caught:
            builder.inspect(factory("raises"))
        failures.append(caught.value)
    assert failures[0] is failures[1]


@pytest.mark.parametrize(
    ("name", "message", "remedy"),
    [
        ("returns_a_tuple", "the model has 2 outputs: which of them", "choose one: --envrobust-output 0, "),
        (
            "returns_a_dict",
            "scores float32[1, 10], hidden float32[1, 3, 16, 16]",
            "choose one: --envrobust-output scores, ",
        ),
        ("returns_an_image", "of shape (1, 3, 16, 16)", "give a model that returns one row of class scores"),
        ("returns_text", "the model returned str", "give a model that returns one row of class scores"),
    ],
)
@pytest.mark.parametrize("environment", ["torch/eager/cpu", "torch/ort-all/cpu"])
def test_other_outputs_than_scores_are_one_clear_error(
    lab: Lab, name: str, message: str, remedy: str, environment: str
) -> None:
    builder, source = lab.new_builder(), factory(name)
    spec = input_spec(lab.images("torch"), builder.inspect(source))
    plan = lab.catalogue.plan(Environment.parse(environment), ["torch"])
    with pytest.raises(StageFailure) as caught:
        builder.open(plan, source, spec).run(lab.put(lab.images("torch")))
    assert message in caught.value.headline
    assert caught.value.status is Status.FAILED
    assert caught.value.detail == ""
    assert remedy in caught.value.remedy


def test_a_tuple_of_one_output_is_that_output(lab: Lab) -> None:
    session = opened(lab, "returns_a_tuple_of_one")
    np.testing.assert_allclose(session.run(lab.put(lab.images("torch"))).scores, lab.expected("torch"), atol=1e-6)
    session.close()


@pytest.mark.parametrize("environment", ["torch/eager/cpu", "torch/script/cpu"])
def test_scores_of_nan_are_passed_on(lab: Lab, environment: str) -> None:
    session = lab.open(environment, source=factory("returns_nan"))
    scores = lab.run(session, lab.images("torch"))
    assert scores.shape == (8, nets.CLASSES)
    assert np.isnan(scores).all()
    session.close()


@pytest.fixture
def own_lab(tmp_path: Path) -> Iterator[Lab]:
    made = Lab(tmp_path)
    yield made
    made.close()


def test_nothing_is_left_alive_after_closing(own_lab: Lab) -> None:
    mine = {child.pid for child in psutil.Process().children(recursive=True)}
    session = own_lab.open("onnx/ort-all/cpu")
    own_lab.run(session, own_lab.images("onnx"))
    with pytest.raises(StageFailure):
        own_lab.new_builder().inspect(factory("aborts"))
    started = {child.pid for child in psutil.Process().children(recursive=True)} - mine
    assert started
    own_lab.close()
    assert all(gone(pid) for pid in started)
    assert not own_lab.scratch.path.exists()
    own_lab.pool.close()
