"""Writing, reading and keeping a record."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import pytest
from msgspec import inspect
from msgspec.structs import replace
from support.records import cells_of, record_of, synthetic

from pytest_envrobust.core.errors import DeclarationError
from pytest_envrobust.core.status import Stage, Status
from pytest_envrobust.record import codec
from pytest_envrobust.record.document import new_record, read_record, write_record
from pytest_envrobust.record.schema import SCHEMA_VERSION, Cell, Model, Part, Record, Run

RECORD = new_record(Run(threads=1), [Model(name="signs")], [Cell(model="signs", status=Status.PASSED)])
OF_SCHEMA_2 = Path(__file__).with_name("run_of_schema_2.json")
"""A run of ``examples/signs`` as release 0.1 wrote it, shortened, with scores, a crash and a fault of a declaration."""
PLACE = {"model": "signs", "environment": "torch/eager/cpu", "reference": "torch/eager/cpu", "status": "passed"}


def filled(kind: inspect.Type, depth: int = 0) -> Any:
    """A plain value of a type, in which every field of every part has one; a part within itself ends."""
    if isinstance(kind, inspect.StructType):
        fields = [field for field in kind.fields if field.required or depth < 6]
        return {field.encode_name: filled(field.type, depth + 1) for field in fields}
    if isinstance(kind, inspect.UnionType):
        return filled(next(each for each in kind.types if not isinstance(each, inspect.NoneType)), depth)
    if isinstance(kind, inspect.ListType | inspect.VarTupleType):
        return [filled(kind.item_type, depth)]
    if isinstance(kind, inspect.TupleType):
        return [filled(each, depth) for each in kind.item_types]
    if isinstance(kind, inspect.DictType):
        return {filled(kind.key_type): filled(kind.value_type, depth)}
    if isinstance(kind, inspect.LiteralType):
        return kind.values[0]
    if isinstance(kind, inspect.EnumType):
        return next(iter(kind.cls)).value
    plain = {inspect.StrType: "text", inspect.IntType: 1, inspect.FloatType: 0.5, inspect.BoolType: True}
    return plain.get(type(kind), "anything")


def written(record: Record, **change: Any) -> dict[str, Any]:
    """The record's JSON with other parts."""
    found: dict[str, Any] = json.loads(codec.encode(record))
    return {**found, **change}


def test_a_record_is_read_as_it_was_written(tmp_path: Path) -> None:
    record = synthetic(models=2, points=True).record
    path = tmp_path / "new folder" / "run.json"
    write_record(record, path)
    assert read_record(path) == record
    assert record.schema_version == SCHEMA_VERSION
    assert [file.name for file in path.parent.iterdir()] == ["run.json"]


def test_every_field_of_every_part_is_read_as_it_was_written() -> None:
    whole = {**filled(inspect.type_info(Record)), "schema_version": SCHEMA_VERSION}
    record = codec.decode(json.dumps(whole), "it")
    assert record.cells[0].latency is not None
    assert record.cells[0].latency.points is not None
    assert json.loads(codec.encode(record)) == whole
    assert codec.decode(codec.encode(record), "it") == record


def test_what_was_not_measured_is_absent_and_null_stands_in_matrices_alone() -> None:
    def nulls(value: Any, path: str = "") -> list[str]:
        items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
        return [path] if value is None else [each for key, item in items for each in nulls(item, f"{path}/{key}")]

    told = json.loads(codec.encode(synthetic(points=True).record))
    assert [path for path in nulls(told) if "/matrices/" not in path] == []
    assert json.loads(codec.encode(RECORD)) == {
        "schema_version": SCHEMA_VERSION,
        "run": {"threads": 1},
        "models": [{"name": "signs"}],
        "cells": [{"model": "signs", "status": "passed"}],
    }


def test_zeros_and_nothings_that_were_found_are_written() -> None:
    record = record_of(
        [{**PLACE, "labels": {"n": 2, "agreement": 0.0, "bound": 0.0, "flips": {"real": 0, "tie": 2, "undefined": 0}}}]
    )
    labels = json.loads(codec.encode(record))["cells"][0]["labels"]
    assert labels == {"n": 2, "agreement": 0.0, "bound": 0.0, "flips": {"real": 0, "tie": 2, "undefined": 0}}
    emptied = replace(RECORD, run=Run(left_out="", versions={}, notices=[]))
    assert json.loads(codec.encode(emptied))["run"] == {"left_out": "", "versions": {}, "notices": []}


def test_a_record_of_schema_2_is_read_and_written_as_one_of_this_schema(tmp_path: Path) -> None:
    record = read_record(OF_SCHEMA_2)
    write_record(record, tmp_path / "again.json")
    old, new = (json.loads(path.read_text(encoding="utf-8")) for path in (OF_SCHEMA_2, tmp_path / "again.json"))
    assert old["schema_version"] == 2
    assert new == {**old, "schema_version": SCHEMA_VERSION}


def test_what_a_record_of_schema_2_says() -> None:
    record = read_record(OF_SCHEMA_2)
    reference, compared, timed, crashed, fault = record.cells
    assert (reference.is_reference, compared.is_reference) == (True, False)
    assert compared.labels is not None
    assert (compared.labels.n, compared.labels.flips.tie, compared.labels.ties) == (24, 1, "ignore")
    assert compared.labels.flipped is not None
    assert (compared.labels.flipped[0].kind, compared.labels.flipped[0].known) == ("tie", "a hair's breadth")
    assert compared.scores is not None
    assert compared.scores.fidelity is not None
    assert (compared.scores.fidelity.ratio, compared.scores.verdict) == (1.105, Status.PASSED)
    assert compared.latency is not None
    assert timed.latency is not None
    assert (compared.latency.was_asked_for, timed.latency.was_asked_for) == (False, True)
    assert timed.latency.ratio is not None
    assert set(timed.latency.ratio) == {"wall", "cpu"}
    assert (crashed.status, crashed.stage) == (Status.CRASHED, Stage.COMPILE)
    assert (fault.model, fault.environment, fault.name) == ("gone", None, None)
    assert record.model("signs") is record.models[0]
    assert record.model("gone") is None
    assert list(record.cells_of("gone")) == [fault]


@pytest.mark.parametrize("status", [status.value for status in Status])
def test_every_status_is_read_and_written(status: str) -> None:
    record = record_of([{**PLACE, "status": status, "labels": {**labels_told(), "verdict": status}}])
    assert record.cells[0].status is Status(status)
    (cell,) = json.loads(codec.encode(record))["cells"]
    assert (cell["status"], cell["labels"]["verdict"]) == (status, status)


def labels_told() -> dict[str, Any]:
    return {"n": 1, "agreement": 1.0, "bound": 0.05, "flips": {"real": 0, "tie": 0, "undefined": 0}}


def test_whether_anything_was_compared() -> None:
    nothing, something = cells_of({**PLACE, "compared": False}, PLACE), cells_of(PLACE, {**PLACE, "compared": True})
    assert not replace(RECORD, cells=nothing).compared_anything
    assert replace(RECORD, cells=something).compared_anything


def test_a_record_replaces_the_one_before(tmp_path: Path) -> None:
    path = tmp_path / "run.json"
    path.write_text("half of an older rec")
    write_record(RECORD, path)
    assert read_record(path) == RECORD


def test_text_of_any_language_survives(tmp_path: Path) -> None:
    record = replace(RECORD, models=[Model(name="Straßenschilder 標識")])
    write_record(record, tmp_path / "run.json")
    assert read_record(tmp_path / "run.json") == record


@pytest.mark.parametrize("value", [math.nan, math.inf])
def test_what_is_no_json_value_is_refused_and_nothing_is_left(tmp_path: Path, value: float) -> None:
    with pytest.raises(ValueError, match="not JSON compliant"):
        write_record(replace(RECORD, run=Run(seconds=value)), tmp_path / "run.json")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("value", ["NaN", "Infinity", "-Infinity"])
def test_a_number_that_json_does_not_have_is_not_read(value: str) -> None:
    text = codec.encode(RECORD).replace('"threads": 1', f'"threads": 1, "seconds": {value}')
    with pytest.raises(DeclarationError, match=rf"it is no record of a run: {value} is no number of JSON"):
        codec.decode(text, "it")


def test_a_place_that_cannot_be_written_is_a_clear_error(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(DeclarationError, match="cannot be written"):
        write_record(RECORD, tmp_path / "file" / "run.json")


@pytest.mark.parametrize("text", ["", "[]", "{}", "null", '{"schema_version"', '"schema_version"', "\xff"])
def test_what_is_no_record_is_refused(tmp_path: Path, text: str) -> None:
    path = tmp_path / "run.json"
    path.write_bytes(text.encode("latin-1"))
    with pytest.raises(DeclarationError, match="is no record of a run"):
        read_record(path)


GOOD = {**PLACE, "labels": labels_told()}


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"run": None}, "run: Expected `object`, got `null`"),
        ({"run": {"machine": {"cores": "8"}}}, "run.machine.cores: Expected `int | null`, got `str`"),
        ({"run": {"shard": {"numbers": [3], "of": 2}}}, "run.shard: shards [3] of 2 cannot be"),
        ({"cells": None}, "cells: Expected `array`, got `null`"),
        ({"models": [{}]}, "model 0: Object missing required field `name`"),
        ({"models": [{"name": "signs", "truth": ["a"]}]}, "model 0 (signs), truth[0]: Expected `int`, got `str`"),
        ({"cells": [3]}, "cell 0: Expected `object`, got `int`"),
        ({"cells": [{}]}, "cell 0: Object missing required field `status`"),
        ({"cells": [{"status": "splendid"}]}, "cell 0, status: Invalid enum value 'splendid'"),
        (
            {"cells": [{"status": "passed", "environment": "onnx/ort-all/cpu"}]},
            "cell 0: it has an environment and no model or no reference",
        ),
        (
            {"cells": [GOOD, {**GOOD, "labels": {**labels_told(), "n": "4"}}]},
            "cell 1 (signs in torch/eager/cpu), labels.n: Expected `int`, got `str`",
        ),
        (
            {"cells": [GOOD, {**GOOD, "labels": {"n": 4}}]},
            "cell 1 (signs in torch/eager/cpu), labels: Object missing required field `agreement`",
        ),
        (
            {"cells": [{**PLACE, "latency": {"points": [{"wall_ms": {"median": "x"}}]}}]},
            "cell 0 (signs in torch/eager/cpu), latency.points[0].wall_ms.median: Expected `float`, got `str`",
        ),
        (
            {"cells": [{**PLACE, "engine_evidence": {"threads": 1}}]},
            "cell 0 (signs in torch/eager/cpu), engine_evidence[...]: Expected `str`, got `int`",
        ),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_what_is_wrong_is_told_with_its_field_and_cell(tmp_path: Path, change: dict[str, Any], said: str) -> None:
    path = tmp_path / "run.json"
    path.write_text(json.dumps(written(RECORD, **change)))
    with pytest.raises(DeclarationError) as caught:
        read_record(path)
    assert str(caught.value) == f"{str(path)!r} is no record of a run: {said}"


@pytest.mark.parametrize("part", ["run", "models", "cells"])
def test_what_lacks_a_part_is_refused(part: str) -> None:
    told = written(RECORD)
    del told[part]
    with pytest.raises(DeclarationError, match=f"Object missing required field `{part}`"):
        codec.decode(json.dumps(told), "it")


def test_what_is_no_part_of_a_record_names_the_field() -> None:
    with pytest.raises(DeclarationError, match=r"^this is no cell of a record: labels\.n: Expected `int`, got `str`$"):
        codec.typed({**GOOD, "labels": {**labels_told(), "n": "1"}}, Cell)


def test_a_missing_record_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DeclarationError, match=r"is no record of a run: .*No such file"):
        read_record(tmp_path / "run.json")


@pytest.mark.parametrize("version", [1, SCHEMA_VERSION + 1, "2", None])
def test_another_schema_version_is_refused(tmp_path: Path, version: object) -> None:
    path = tmp_path / "run.json"
    path.write_text(json.dumps(written(RECORD, schema_version=version)))
    with pytest.raises(DeclarationError, match=f"has schema version {version}: this release reads 2 and 3"):
        read_record(path)


def test_what_another_release_added_is_passed_over() -> None:
    told = written(RECORD, news=1, cells=[{**PLACE, "mood": "good"}])
    assert codec.decode(json.dumps(told), "it").cells == cells_of(PLACE)


def test_the_json_schema_has_every_field_and_null_in_matrices_alone() -> None:
    schema = codec.json_schema()
    parts = schema["$defs"]
    assert set(parts["Cell"]["properties"]) == set(Cell.__struct_fields__)
    assert parts["Cell"]["properties"]["labels"] == {"$ref": "#/$defs/Labels"}
    assert parts["Cell"]["properties"]["required"] == {"type": "boolean"}
    assert parts["Labels"]["required"] == ["n", "agreement", "bound", "flips"]
    assert parts["Record"]["properties"]["schema_version"] == {"const": SCHEMA_VERSION}
    with_null = [name for name, part in parts.items() if "null" in json.dumps(part)]
    assert with_null == ["Matrices"]


def test_no_part_can_be_changed() -> None:
    def parts(kind: type[Part]) -> list[type[Part]]:
        return [kind, *(each for sub in kind.__subclasses__() for each in parts(sub))]

    assert all(kind.__struct_config__.frozen for kind in parts(Part))
    with pytest.raises(AttributeError, match="immutable"):
        RECORD.run.threads = 2  # type: ignore[misc]
    assert RECORD.run.threads == 1
