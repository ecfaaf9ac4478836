"""What every backend keeps to, on real engines in worker processes."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import pytest
from support import nets
from support.contract import Conf, cells, confs, first_default
from support.lab import Lab

from pytest_envrobust.backends import engines
from pytest_envrobust.core.devices import CEILINGS
from pytest_envrobust.core.environment import Environment
from pytest_envrobust.core.errors import StageFailure
from pytest_envrobust.core.sources import SourceRef, input_spec
from pytest_envrobust.core.status import Stage, Status
from pytest_envrobust.environments.places import RPC
from pytest_envrobust.workers.pool import common_variables
from pytest_envrobust.workers.protocol import encode_job

CONFS = confs()
EVERY_CONF = pytest.mark.parametrize("conf", CONFS.values(), ids=list(CONFS))


class Cell:
    """A compiler of an engine, with its session."""

    def __init__(self, lab: Lab, conf: Conf, environment: Environment) -> None:
        self.lab, self.conf, self.environment = lab, conf, environment
        self.session = lab.open(environment)
        self.images = lab.images(environment.framework)

    def run(self, batch: Any) -> Any:
        return self.lab.run(self.session, batch)


def _params() -> Iterator[Any]:
    for conf in CONFS.values():
        for environment in cells(conf):
            marks = [pytest.mark.slow] if environment.compiler in conf.slow else []
            yield pytest.param((conf, environment), id=environment.id, marks=marks)


@pytest.fixture(scope="module", params=list(_params()))
def cell(lab: Lab, request: pytest.FixtureRequest) -> Iterator[Cell]:
    made = Cell(lab, *request.param)
    yield made
    made.session.close()
    made.session.close()


def test_every_engine_has_a_conf() -> None:
    assert set(CONFS) == set(engines())
    assert all(conf.engine == name for name, conf in CONFS.items())
    ceilings = {name: {device for device in backend.devices if "+" in device} for name, backend in engines().items()}
    assert {name: set(conf.ceilings) for name, conf in CONFS.items()} == ceilings


def test_inputs_can_tell(lab: Lab) -> None:
    expected = lab.expected("torch")
    assert len(set(expected.argmax(axis=1))) >= 4
    np.testing.assert_allclose(lab.expected("keras"), expected, atol=1e-4)
    np.testing.assert_allclose(lab.expected("onnx"), expected, atol=1e-4)


def test_labels_are_the_references(cell: Cell) -> None:
    expected = cell.lab.expected(cell.environment.framework)
    scores = cell.run(cell.images)
    assert scores.shape == (8, nets.CLASSES)
    assert scores.dtype.kind == "f"
    assert scores.argmax(axis=1).tolist() == expected.argmax(axis=1).tolist()
    np.testing.assert_allclose(scores, expected, atol=cell.conf.tolerance_of(cell.environment.compiler))
    rounded = cell.conf.rounded.get(cell.environment.compiler)
    assert rounded is None or np.abs(scores - expected).max() > cell.conf.tolerance


def test_one_and_seven_give_the_same_rows(cell: Cell) -> None:
    batch = cell.images[:7]
    seven = cell.run(batch)
    assert seven.shape == (7, nets.CLASSES)
    singles = np.concatenate([cell.run(batch[index : index + 1]) for index in (0, 3, 6)])
    np.testing.assert_allclose(singles, seven[[0, 3, 6]], atol=1e-6)


def test_one_input_a_call_is_timed(cell: Cell) -> None:
    timing = cell.lab.predict(cell.session, cell.images).timing
    sampled = cell.session.sample(cell.lab.put(cell.images), 5, 4)
    assert (timing.calls, sampled.calls) == (8, 4)
    assert min(*timing.wall_ns, *sampled.wall_ns) > 0


def test_nan_is_passed_on(cell: Cell) -> None:
    batch = cell.images[:3].copy()
    plain = cell.run(batch)
    batch[1] = np.nan
    scores = cell.run(batch)
    assert np.isnan(scores[1]).all()
    np.testing.assert_allclose(scores[[0, 2]], plain[[0, 2]], atol=1e-6)
    np.testing.assert_allclose(cell.run(cell.images[:3]), plain, atol=1e-6)


def test_evidence_is_text_and_tells_the_threads(cell: Cell) -> None:
    evidence = cell.lab.predict(cell.session, cell.images[:1]).evidence
    assert evidence
    assert all(isinstance(name, str) and isinstance(value, str) and name and value for name, value in evidence.items())
    if cell.conf.threads is not None:
        assert evidence[cell.conf.threads] == "1"


def test_artifacts_are_proven_by_running(cell: Cell) -> None:
    cell.run(cell.images[:1])
    for artifact in cell.session.artifacts:
        assert (artifact.path.parent.parent / "proven").exists()
        assert artifact.path.exists()


@EVERY_CONF
def test_thread_count_is_honored(lab: Lab, conf: Conf) -> None:
    one = lab.open(Environment(conf.framework, first_default(conf).name, "cpu"))
    two = one.with_threads(2)
    batch = lab.put(lab.images(conf.framework))
    first, second = one.run(batch), two.run(batch)
    np.testing.assert_allclose(second.scores, first.scores, atol=1e-4)
    if conf.threads is not None:
        assert second.evidence[conf.threads] == "2"
    else:
        workers = [lab.builder.access.worker(one.plan, threads) for threads in (1, 2)]
        alone, both = (psutil.Process(worker.pid).num_threads() for worker in workers)
        assert both > alone
    one.close()
    two.close()


def _other(lab: Lab, framework: str) -> SourceRef:
    if framework == "onnx":
        return SourceRef("onnx", "file", target=str(nets.write_onnx(lab.folder / "other.onnx", seed=1)))
    return SourceRef(framework, "factory", target=f"support.nets:{framework}_other")


@EVERY_CONF
def test_two_sessions_in_one_worker_do_not_disturb_each_other(lab: Lab, conf: Conf) -> None:
    # A file of the test's own needs no conversion, or a quicker one.
    framework = "onnx" if "onnx" in conf.also else conf.framework
    environment = Environment(framework, first_default(conf).name, "cpu")
    batch = lab.images(framework)
    first, second = lab.open(environment), lab.open(environment, source=_other(lab, framework))
    alone = lab.run(first, batch)
    other = lab.run(second, batch)
    assert other.argmax(axis=1).tolist() != alone.argmax(axis=1).tolist()
    np.testing.assert_array_equal(lab.run(first, batch), alone)
    np.testing.assert_array_equal(lab.run(second, batch), other)
    second.close()
    np.testing.assert_array_equal(lab.run(first, batch), alone)
    np.testing.assert_array_equal(lab.run(second, batch), other)  # opened again
    first.close()
    second.close()


@pytest.mark.parametrize(
    "environment", [environment for conf in CONFS.values() for environment in cells(conf)], ids=lambda each: each.id
)
def test_an_unknown_option_is_named(lab: Lab, environment: Environment) -> None:
    builder = lab.new_builder(options={environment.compiler: {"no-such-option": 1}})
    with pytest.raises(StageFailure, match=f"unknown option 'no-such-option' for {environment.compiler}") as caught:
        lab.open(environment, builder=builder).run(lab.put(lab.images(environment.framework)))
    assert caught.value.status is Status.FAILED
    assert caught.value.stage in (Stage.COMPILE, Stage.LOAD)
    assert caught.value.detail == ""


@EVERY_CONF
def test_arrays_belong_to_the_caller(lab: Lab, conf: Conf) -> None:
    jobs: dict[str, Any] = {}
    for environment in cells(conf):
        plan = lab.catalogue.plan(environment, [conf.framework])
        if environment.compiler in conf.slow or plan.absent:
            continue
        session = lab.open(environment)
        try:
            lab.run(session, lab.images(conf.framework)[:1])
        except pytest.skip.Exception:
            continue
        job = lab.job(session)
        jobs[environment.id] = encode_job(job)
        session.close()
        if environment.compiler == first_default(conf).name:
            for factory in conf.factories:
                source = SourceRef(conf.framework, "factory", target=factory)
                jobs[factory] = encode_job(replace(job, source=source))
    for message in jobs.values():
        message["source"]["payload"] = ""
    layout = lab.catalogue.frameworks[conf.framework].layout
    request = {"engine": conf.engine, "jobs": jobs, "layout": layout}
    variables = common_variables("cpu", 1) | engines()[conf.engine].variables("cpu", 1, {})
    done = subprocess.run(
        [sys.executable, "-m", "support.direct"],
        input=json.dumps(request),
        capture_output=True,
        text=True,
        env={**os.environ, **variables, "PYTHONPATH": str(Path(nets.__file__).parent.parent)},
        check=False,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    found = json.loads(done.stdout.splitlines()[-1])
    assert set(found) == set(jobs)
    shape = nets.NCHW if layout == "NCHW" else nets.NHWC
    for name, facts in found.items():
        assert facts.pop("evidence"), name
        assert facts.pop("input_type") == f"float32 {shape}", name
        assert all(facts.values()), (name, facts)


def _other_sources() -> Iterator[Any]:
    for conf in CONFS.values():
        for framework in conf.also:
            for compiler in engines()[conf.engine].compilers:
                if compiler.default and (compiler.frameworks is None or framework in compiler.frameworks):
                    environment = Environment(framework, compiler.name, "cpu")
                    yield pytest.param(conf, environment, id=environment.id)


@pytest.mark.parametrize(("conf", "environment"), list(_other_sources()))
def test_labels_from_other_sources(lab: Lab, conf: Conf, environment: Environment) -> None:
    session = lab.open(environment)
    scores = lab.run(session, lab.images(environment.framework))
    np.testing.assert_allclose(
        scores, lab.expected(environment.framework), atol=conf.tolerance_of(environment.compiler)
    )
    session.close()


@pytest.mark.parametrize("compiler", ["ort-all", "openvino-f32", "tvm-o3"])
def test_a_fixed_batch_is_filled_up(lab: Lab, compiler: str) -> None:
    file = nets.write_onnx(lab.folder / "four.onnx", batch=4)
    session = lab.open(f"onnx/{compiler}/cpu", source=SourceRef("onnx", "file", target=str(file)))
    predictions = session.run(lab.put(lab.images("onnx")[:7]))
    assert predictions.timing.calls == 2
    np.testing.assert_allclose(predictions.scores, lab.expected("onnx")[:7], atol=1e-4)
    session.close()


@pytest.mark.parametrize(
    "environment",
    [
        "torch/eager/cpu",
        "keras/eager/cpu",
        "keras/graph/cpu",
        "tensorflow/graph/cpu",
        "onnx/ort-all/cpu",
        "onnx/openvino-f32/cpu",
    ],
)
def test_the_batch_asked_for_is_the_one_that_runs(lab: Lab, environment: str) -> None:
    framework = environment.partition("/")[0]
    plan, source = lab.catalogue.plan(Environment.parse(environment), [framework]), lab.source(framework)
    spec = input_spec(lab.images(framework), lab.builder.inspect(source)).with_batch(3)
    session = lab.builder.open(plan, source, spec)
    found = lab.predict(session, lab.images(framework)[:7])
    assert found.timing.calls == 3
    assert found.evidence["inputs a call"] == "3"
    np.testing.assert_allclose(found.scores, lab.expected(framework)[:7], atol=1e-4)
    session.close()


def _devices() -> Iterator[Any]:
    for conf in CONFS.values():
        compiler = first_default(conf).name
        for device in engines()[conf.engine].devices:
            if device not in ("cpu", RPC):  # a board is not to be had without one: see test_boards.py
                environment = Environment(conf.framework, compiler, device)
                yield pytest.param(conf, environment, id=environment.id)


@pytest.mark.parametrize(("conf", "environment"), list(_devices()))
def test_other_devices_give_the_same_labels(lab: Lab, conf: Conf, environment: Environment) -> None:
    session = lab.open(environment)
    scores = lab.run(session, lab.images(conf.framework))
    np.testing.assert_allclose(scores, lab.expected(conf.framework), atol=1e-3)
    evidence = session.run(lab.put(lab.images(conf.framework))).evidence
    if environment.device in conf.ceilings:
        name, text = conf.ceilings[environment.device]
        assert text in evidence[name], evidence
    session.close()


@pytest.mark.parametrize("device", CEILINGS)
@pytest.mark.parametrize("framework", ["torch", "keras"])
def test_variables_stand_before_the_model_is_loaded(lab: Lab, framework: str, device: str) -> None:
    environment = Environment(framework, "eager", device)
    session = lab.open(environment, source=SourceRef(framework, "factory", target=f"support.nets:{framework}_noting"))
    lab.run(session, lab.images(framework)[:1])
    seen = dict(line.split("=", 1) for line in lab.notes.read_text().splitlines())
    assert session.plan.backend.devices[device].variables.items() <= seen.items()
    assert seen["OMP_NUM_THREADS"] == "1"
    assert seen["CUDA_VISIBLE_DEVICES"] == "-1"
    session.close()


@pytest.mark.parametrize("device", CEILINGS)
@pytest.mark.parametrize(("framework", "compiler"), [("keras", "litert"), ("onnx", "ort-all")])
def test_an_engine_without_a_ceiling_says_why(lab: Lab, framework: str, compiler: str, device: str) -> None:
    plan = lab.catalogue.plan(Environment(framework, compiler, device), [framework])
    assert plan.absent is not None
    assert plan.absent.thing == f"{plan.backend.engine} has no device {device}"
    assert plan.absent.cause == plan.backend.no_ceiling != ""


@pytest.mark.parametrize("framework", ["torch", "keras"])
def test_input_of_another_shape_is_refused(lab: Lab, framework: str) -> None:
    source = lab.source(framework)
    inspection = lab.builder.inspect(source)
    wrong = lab.images(framework).transpose(0, 2, 3, 1)
    if inspection.input is not None:
        with pytest.raises(StageFailure, match="the preprocessing gives"):
            input_spec(wrong, inspection)
    else:
        plan = lab.catalogue.plan(Environment(framework, "eager", "cpu"), [framework])
        session = lab.builder.open(plan, source, input_spec(wrong, inspection))
        with pytest.raises(StageFailure, match="channels"):
            session.run(lab.put(wrong))


def test_a_factory_that_draws_its_weights_gives_one_model_to_all_workers(lab: Lab) -> None:
    source = SourceRef("torch", "factory", target="support.nets:torch_random")
    scores = []
    for environment in ("torch/eager/cpu", "torch/ort-all/cpu"):
        session = lab.open(environment, source=source)
        scores.append(lab.run(session, lab.images("torch")))
        session.close()
    np.testing.assert_allclose(scores[1], scores[0], atol=1e-3)
