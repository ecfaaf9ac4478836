"""Records that cannot be put together: what keeps them apart, and what to do."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest
from msgspec.structs import replace
from support.parts import (
    REFERENCE,
    Change,
    altered,
    together,
    with_cells,
    with_machine,
    with_model,
    with_run,
    with_shard,
    with_source,
)

from pytest_envrobust.core.errors import DeclarationError
from pytest_envrobust.core.status import Status
from pytest_envrobust.history.merge_checks import SAME_EVERYWHERE
from pytest_envrobust.history.recorded_run import RecordedRun
from pytest_envrobust.record.schema import Cell, Record, ReferenceRun

OTHER_MODEL = "model 'model-0' is another one in '2.json' than in '1.json': "
THREADS = "their cells cannot be compared (run every part with the same --envrobust-threads)"
PREPROCESSING = "their cells cannot be compared (run every part with the same --envrobust-preprocess-from)"
REFERENCE_RUN = "their labels cannot stand side by side (run every part with the same --envrobust-reference-run)"


def refused(runs: Sequence[RecordedRun]) -> str:
    """Why these are not merged."""
    with pytest.raises(DeclarationError) as caught:
        together(runs)
    return str(caught.value)


def in_second(runs: Sequence[RecordedRun], change: Change) -> list[RecordedRun]:
    return [runs[0], altered(runs[1], change), *runs[2:]]


def with_fault(record: Record) -> Record:
    """The record with a declaration at fault before its cells."""
    fault = Cell(nodeid="test_it[gone]", status=Status.FAILED, reason="no such file", model="gone")
    return replace(record, cells=[fault, *record.cells])


def refer(record: Record) -> Record:
    return with_cells(record, lambda cell: replace(cell, reference="keras/eager/cpu"))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"numbers": [1]}, "shard 1/3 is in both '1.json' and '2.json' (give each shard once)"),
        (
            {"of": 4},
            "'1.json' is one of 3 shards and '2.json' one of 4: shards of different splits have cells in common and "
            "leave others out (merge the shards of one N)",
        ),
        ({"whole": None}, "'2.json' has no cells: its run ended before they were collected (run it again)"),
        (
            {"whole": [("model-0", REFERENCE)]},
            "'1.json' and '2.json' are shards of different runs: 18 cells in all there, 1 here, and model-0 in "
            f"torch/ort-all/cpu is in the first only ({SAME_EVERYWHERE})",
        ),
    ],
    ids=["twice", "other split", "nothing collected", "other cells"],
)
def test_shards_that_do_not_make_one_run_are_refused(
    runs: list[RecordedRun], change: dict[str, Any], message: str
) -> None:
    assert refused(in_second(runs, lambda record: with_shard(record, **change))) == message


def test_a_cell_that_only_the_later_shard_knows_is_named(runs: list[RecordedRun]) -> None:
    assert runs[1].record.run.shard is not None
    more = [*(runs[1].record.run.shard.whole or ()), ("model-9", REFERENCE)]
    assert refused(in_second(runs, lambda record: with_shard(record, whole=more))) == (
        "'1.json' and '2.json' are shards of different runs: 18 cells in all there, 19 here, and model-9 in "
        f"torch/eager/cpu is in the second only ({SAME_EVERYWHERE})"
    )


def test_shards_are_held_against_the_first_and_a_record_of_several_against_all_of_its_own(
    runs: list[RecordedRun],
) -> None:
    both = together(runs[:2])
    merged_before = RecordedRun("both.json", both, runs[0].predictions)
    assert refused([runs[2], merged_before, runs[1]]) == (
        "shard 2/3 is in both 'both.json' and '2.json' (give each shard once)"
    )


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"threads": 9}, f"'1.json' has threads 1 and '2.json' 9: {THREADS}"),
        (
            {"preprocess_from": "reference"},
            f"'1.json' has preprocess_from native and '2.json' reference: {PREPROCESSING}",
        ),
        (
            {"reference_run": ReferenceRun(path="x86.json", started="yesterday")},
            f"'1.json' was compared with a reference of its own and '2.json' with the reference of yesterday: "
            f"{REFERENCE_RUN}",
        ),
        (
            {"reference_run": ReferenceRun(path="x86.json")},
            f"'1.json' was compared with a reference of its own and '2.json' with the reference of x86.json: "
            f"{REFERENCE_RUN}",
        ),
    ],
    ids=["threads", "preprocessing", "reference run", "reference run without a date"],
)
def test_settings_that_make_cells_incomparable_are_refused(
    runs: list[RecordedRun], change: dict[str, Any], message: str
) -> None:
    assert refused(in_second(runs, lambda record: with_run(record, **change))) == message


def test_a_setting_that_a_part_does_not_know_is_none_that_differs(runs: list[RecordedRun]) -> None:
    unknown = {"threads": None, "preprocess_from": None}
    first, second, third = runs
    assert together([altered(first, lambda record: with_run(record, **unknown)), second, third]).run.threads == 1
    parts = [first, altered(second, lambda record: with_run(record, **unknown)), third]
    assert refused([*parts[:2], altered(third, lambda record: with_run(record, threads=2))]) == (
        f"'1.json' has threads 1 and '3.json' 2: {THREADS}"
    )


def test_an_earlier_run_is_one_wherever_its_file_lies(runs: list[RecordedRun]) -> None:
    paths = ("/job/1/x86.json", "/job/2/x86.json", "x86.json")
    parts = [
        altered(run, lambda record, path=path: with_run(record, reference_run=ReferenceRun(path=path, started="then")))
        for run, path in zip(runs, paths)
    ]
    assert together(parts).run.reference_run == ReferenceRun(path=paths[0], started="then")
    parts[0] = altered(parts[0], lambda record: with_run(record, reference_run=ReferenceRun(path="a", started="now")))
    assert refused(parts).startswith(
        "'1.json' was compared with the reference of now and '2.json' with the reference of then: "
    )


@pytest.mark.parametrize(
    ("change", "flaw"),
    [
        ({"inputs": ["a"]}, "its inputs are others, 20 there and 1 here"),
        ({"input_digests": ["0" * 16] * 20}, "its inputs have other pixels or values: other files, or another decoder"),
        ({"class_names": ["stop", "go"]}, "its inputs have other class names"),
        ({"truth": [0] * 20}, "its inputs have other true classes"),
    ],
    ids=lambda value: next(iter(value)) if isinstance(value, dict) else "",
)
def test_another_model_under_the_same_name_is_refused(
    runs: list[RecordedRun], change: dict[str, Any], flaw: str
) -> None:
    found = refused(in_second(runs, lambda record: with_model(record, **change)))
    assert found == f"{OTHER_MODEL}{flaw} ({SAME_EVERYWHERE})"


def test_what_only_one_part_says_of_a_model_keeps_nothing_apart(runs: list[RecordedRun]) -> None:
    silent: dict[str, Any] = dict.fromkeys(("inputs", "input_digests", "class_names", "truth", "sources"))
    for order in (runs, runs[::-1]):
        parts = [*order[:2], altered(order[2], lambda record: with_model(record, **silent))]
        assert together(parts).models[0].inputs == runs[0].record.models[0].inputs


def test_each_part_is_held_against_all_before_it(runs: list[RecordedRun]) -> None:
    """The first does not know what the second and the third differ in."""
    silent = altered(runs[0], lambda record: with_model(record, truth=None))
    other = altered(runs[2], lambda record: with_model(record, truth=[0] * 20))
    assert refused([silent, runs[1], other]) == (
        "model 'model-0' is another one in '3.json' than in '2.json': its inputs have other true classes "
        f"({SAME_EVERYWHERE})"
    )


@pytest.mark.parametrize(
    ("change", "flaw"),
    [
        ({"digest": "b" * 64}, "other weights or structure: aaaaaaaaaaaa there, bbbbbbbbbbbb here"),
        ({"weights": "trained"}, "other weights: seeded there, trained here"),
        ({"preprocess": "imagenet"}, "another preprocessing: raw there, imagenet here"),
        ({"label_offset": 1}, "another label offset: 0 there, 1 here"),
    ],
    ids=lambda value: next(iter(value)) if isinstance(value, dict) else "",
)
def test_a_model_with_another_source_is_refused(runs: list[RecordedRun], change: dict[str, Any], flaw: str) -> None:
    told = {"digest": "a" * 64, "weights": "seeded", "preprocess": "raw", "label_offset": 0}
    runs = [altered(run, lambda record: with_source(record, **told)) for run in runs]
    found = refused(in_second(runs, lambda record: with_source(record, **change)))
    assert found == f"{OTHER_MODEL}its torch source has {flaw} ({SAME_EVERYWHERE})"


@pytest.mark.parametrize("fact", ["digest", "weights", "preprocess", "label_offset"])
def test_what_one_part_does_not_know_of_a_source_keeps_nothing_apart(runs: list[RecordedRun], fact: str) -> None:
    for which in (0, 1):
        parts = list(runs)
        parts[which] = altered(runs[which], lambda record: with_source(record, **{fact: None}))
        assert together(parts).models[0].sources == runs[0].record.models[0].sources


def test_a_source_that_only_one_part_has_keeps_nothing_apart(runs: list[RecordedRun]) -> None:
    first, second, third = runs
    sources = dict(first.record.models[0].sources or {})
    parts = [
        altered(first, lambda record: with_model(record, sources={"torch": sources["torch"]})),
        altered(second, lambda record: with_model(record, sources={"keras": sources["keras"]})),
        third,
    ]
    assert together(parts).models[0].sources == sources


def other_digest(record: Record, framework: str) -> Record:
    return with_source(record, framework, digest="b" * 64)


@pytest.mark.parametrize("fact", ["python", "architecture", "system"])
def test_a_digest_over_code_may_differ_where_the_machine_is_another(runs: list[RecordedRun], fact: str) -> None:
    def elsewhere(record: Record) -> Record:
        return with_machine(other_digest(record, "torch"), **{fact: "another"})

    assert together(in_second(runs, elsewhere)).cells


@pytest.mark.parametrize(("versions", "may"), [({"torch": "2.14.0"}, True), ({"tvm": "0.27"}, False), (None, False)])
def test_a_digest_over_code_may_differ_where_a_package_that_both_have_is_another(
    runs: list[RecordedRun], versions: dict[str, str] | None, may: bool
) -> None:
    parts = in_second(runs, lambda record: with_run(other_digest(record, "torch"), versions=versions))
    if may:
        assert together(parts).cells
    else:
        assert refused(parts).startswith(f"{OTHER_MODEL}its torch source has other weights or structure: ")


@pytest.mark.parametrize("framework", ["onnx", "unheard-of"])
def test_the_digest_of_a_file_or_of_an_unknown_framework_may_not_differ(
    runs: list[RecordedRun], framework: str
) -> None:
    parts = [altered(run, lambda record: with_source(record, framework, digest="a" * 64)) for run in runs]
    parts = in_second(parts, lambda record: with_machine(other_digest(record, framework), python="3.12.1"))
    assert refused(parts) == (
        f"{OTHER_MODEL}its {framework} source has other weights or structure: aaaaaaaaaaaa there, bbbbbbbbbbbb here "
        f"({SAME_EVERYWHERE})"
    )


def test_other_cores_do_not_excuse_another_digest(runs: list[RecordedRun]) -> None:
    parts = in_second(runs, lambda record: with_machine(other_digest(record, "torch"), cores=64))
    assert "its torch source has other weights or structure" in refused(parts)


def test_parts_that_tell_nothing_of_their_machines_excuse_no_digest(runs: list[RecordedRun]) -> None:
    parts = [altered(run, lambda record: with_run(record, machine=None, versions=None)) for run in runs]
    assert "its torch source has other weights" in refused(in_second(parts, lambda told: other_digest(told, "torch")))


def test_two_references_for_the_cells_of_one_test_are_refused(runs: list[RecordedRun]) -> None:
    model = runs[1].record.cells[0].model
    assert refused(in_second(runs, refer)) == (
        f"'{model}' has the reference torch/eager/cpu in '1.json' and keras/eager/cpu in '2.json': the cells of "
        "test_labels cannot stand side by side (name one: --envrobust-reference)"
    )


@pytest.mark.parametrize(("nodeid", "test"), [("", "a test"), ("test_it[[odd]-{}]", "test_it"), ("test_it", "test_it")])
def test_two_references_are_refused_whatever_the_test_is_called(
    runs: list[RecordedRun], nodeid: str, test: str
) -> None:
    def called(cell: Cell) -> Cell:
        return replace(cell, nodeid=nodeid.format(cell.environment))

    parts = [altered(run, lambda record: with_run(with_cells(record, called), shard=None)) for run in runs[:2]]
    assert f": the cells of {test} cannot stand side by side (" in refused(in_second(parts, refer))


def test_a_fault_of_the_declaration_does_not_hide_that_references_differ(runs: list[RecordedRun]) -> None:
    parts = [altered(run, with_fault) for run in runs]
    assert " has the reference torch/eager/cpu in '1.json' and keras/" in refused(in_second(parts, refer))


def test_two_tests_may_have_two_references(runs: list[RecordedRun]) -> None:
    """A marker chose it: the tests are others."""

    def of_another_test(record: Record) -> Record:
        return with_cells(refer(record), lambda cell: replace(cell, nodeid=f"other_{cell.nodeid}"))

    assert together(in_second(runs, of_another_test)).cells


def test_one_job_may_have_two_references_for_a_test(runs: list[RecordedRun]) -> None:
    """It was one run, and the record says of each cell which reference it was held against."""
    (first, *others) = runs[0].record.cells
    mixed = altered(runs[0], lambda record: replace(record, cells=[replace(first, reference="a/b/cpu"), *others]))
    assert together([mixed]).cells[0].reference == "a/b/cpu"


def test_the_same_cell_twice_is_refused(runs: list[RecordedRun]) -> None:
    parts = [altered(run, lambda record: with_run(record, shard=None)) for run in runs]
    again = RecordedRun("again.json", parts[1].record, parts[1].predictions)
    nodeid = parts[1].record.cells[0].nodeid
    assert refused([*parts, again]) == (
        f"{nodeid} is in both '2.json' and 'again.json': it is not known which of both counts "
        "(merge runs of different cells)"
    )


def test_a_fault_that_each_job_met_does_not_hide_a_cell_that_two_of_them_ran(runs: list[RecordedRun]) -> None:
    parts = [altered(run, lambda record: with_run(with_fault(record), shard=None)) for run in runs]
    assert together(parts).cells
    again = RecordedRun("again.json", parts[0].record, parts[0].predictions)
    assert " is in both '1.json' and 'again.json': " in refused([*parts, again])
