"""Models of one name in several records, named as a run of all would have named them."""

from __future__ import annotations

from pytest_envrobust.core.status import Status
from pytest_envrobust.history.merge_checks import is_another
from pytest_envrobust.history.namesakes import told_apart
from pytest_envrobust.history.recorded_run import RecordedRun
from pytest_envrobust.record.schema import Cell, Model, Record, Run, Shard, Source

ORT = "onnx/ort-all/cpu"
ONE, OTHER = "net (t1/conftest.py)", "net (t2/conftest.py)"


class NoPredictions:
    def scores(self, digest: str) -> None:
        return None


def run_of(*models: tuple[str, str, str]) -> RecordedRun:
    """A run of models: name, conftest, digest."""
    names = [name for name, _, _ in models]
    whole = [(name, ORT) for name in names]
    record = Record(
        schema_version=3,
        run=Run(shard=Shard(numbers=[1], of=1, whole=whole)),
        models=[
            Model(name=name, declared_in=place, sources={"onnx": Source(digest=digest)})
            for name, place, digest in models
        ],
        cells=[Cell(status=Status.PASSED, model=name, environment=ORT, reference=ORT) for name in names],
    )
    return RecordedRun("run.json", record, NoPredictions())


def names(runs: list[RecordedRun]) -> list[list[str]]:
    for run in runs:
        assert [cell.model for cell in run.record.cells] == [model.name for model in run.record.models]
        assert run.record.run.shard is not None
        assert [name for name, _ in run.record.run.shard.whole or ()] == [model.name for model in run.record.models]
    return [[model.name for model in run.record.models] for run in runs]


def test_a_run_of_one_folder_has_the_names_of_the_run_of_all() -> None:
    whole = run_of((ONE, "t1/conftest.py", "a"), (OTHER, "t2/conftest.py", "b"))
    part = run_of(("net", "t2/conftest.py", "b"), ("else", "t2/conftest.py", "c"))
    assert names(told_apart([whole, part])) == [[ONE, OTHER], [OTHER, "else"]]


def test_runs_of_two_folders_are_told_apart_where_the_models_are_different_ones() -> None:
    one, other = run_of(("net", "t1/conftest.py", "a")), run_of(("net", "t2/conftest.py", "b"))
    assert names(told_apart([one, other], is_another)) == [[ONE], [OTHER]]
    same = run_of(("net", "t2/conftest.py", "a"))
    assert names(told_apart([one, same], is_another)) == [["net"], ["net"]]


def test_a_model_that_changed_where_it_is_declared_keeps_its_name() -> None:
    before, after = run_of(("net", "conftest.py", "a")), run_of(("net", "conftest.py", "b"))
    assert names(told_apart([before, after], is_another)) == [["net"], ["net"]]
    moved = run_of(("net", "tests/conftest.py", "b"))
    assert names(told_apart([before, moved])) == [["net"], ["net"]]
