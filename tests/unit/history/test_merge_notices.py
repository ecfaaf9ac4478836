"""What the reader of a merged record is told of its parts."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from msgspec.structs import replace
from support.parts import COMMAND, REFERENCE, altered, split, together, with_cells, with_machine, with_run, with_source
from support.records import Synthetic

from pytest_envrobust.core.digests import output_digest
from pytest_envrobust.history.merging import merged
from pytest_envrobust.history.recorded_run import RecordedRun
from pytest_envrobust.history.rejudge import judged_again
from pytest_envrobust.record.predictions import Predictions
from pytest_envrobust.record.schema import Cell, Interpreter, Record
from pytest_envrobust.reports.terminal import terminal_lines
from pytest_envrobust.verdicts.limits import Limit


def notices(runs: Sequence[RecordedRun]) -> list[str]:
    return together(runs).run.notices or []


def on_machines(runs: Sequence[RecordedRun], *facts: dict[str, Any]) -> list[RecordedRun]:
    """The records as of machines that differ from that of the synthetic run in these facts."""
    return [
        altered(run, lambda record, changed=changed: with_machine(record, **changed))
        for run, changed in zip(runs, facts)
    ]


def test_parts_that_are_alike_need_no_notice(runs: list[RecordedRun]) -> None:
    assert together(runs).run.notices is None


def test_machines_and_versions_that_differ_are_told_and_not_taken_for_one(runs: list[RecordedRun]) -> None:
    here = runs[0].record.run.machine
    assert here is not None
    versions = dict.fromkeys(runs[0].record.run.versions or {}, "1.2")

    def elsewhere(record: Record) -> Record:
        told = with_machine(record, processor="another", cores=64)
        return with_run(told, versions={**versions, "onnx": "1.17", "keras": "3.6"})

    at_home = {**versions, "onnx": "1.16", "keras": "3.5", "tvm": "0.27"}
    first = altered(runs[0], lambda record: with_run(record, versions=at_home))
    record = together([first, *(altered(run, elsewhere) for run in runs[1:])])
    there = "2.json and 3.json"
    assert record.run.notices == [
        f"Machines differ (processor {here.processor} in 1.json, another in {there}, cores 8 in 1.json, 64 in {there}):"
        " outputs may differ bit for bit for that alone, and absolute times are not comparable.",
        f"Versions differ (onnx 1.16 in 1.json and 1.17 in {there}; keras 3.5 in 1.json and 3.6 in {there}): outputs "
        "may differ bit for bit for that alone.",
    ]
    assert record.run.machine == replace(here, processor=None, cores=None)
    assert record.run.versions == {**versions, "tvm": "0.27"}
    assert record.run.parts is not None
    assert [part.machine.cores for part in record.run.parts if part.machine is not None] == [here.cores, 64, 64]
    assert [line for line in terminal_lines(record) if line.startswith(("Machines", "Versions"))] == record.run.notices


def test_machines_that_differ_in_the_same_are_told_together(whole: Synthetic) -> None:
    found = notices(on_machines(split(whole, 5), {}, {"cores": 64}, {"cores": 32}, {"cores": 64}, {"cores": 32}))
    assert [notice.partition(":")[0] for notice in found] == [
        "Machines differ (cores 8 in 1.json, 64 in 2.json and 4.json)",
        "Machines differ (cores 8 in 1.json, 32 in 3.json and 5.json)",
    ]


def test_a_machine_like_the_first_is_in_no_notice(runs: list[RecordedRun]) -> None:
    (notice,) = notices(on_machines(runs, {}, {}, {"cores": 64}))
    assert notice.startswith("Machines differ (cores 8 in 1.json, 64 in 3.json): ")


@pytest.mark.parametrize(
    ("count", "told"),
    [
        (7, "2.json, 3.json, 4.json, 5.json, 6.json and 7.json"),
        (8, "2.json, 3.json, 4.json, 5.json, 6.json, 7.json and 1 more"),
        (9, "2.json, 3.json, 4.json, 5.json, 6.json, 7.json and 2 more"),
    ],
)
def test_six_records_are_named_and_the_others_counted(whole: Synthetic, count: int, told: str) -> None:
    (notice,) = notices(on_machines(split(whole, count), {}, *[{"cores": 64}] * (count - 1)))
    assert notice.startswith(f"Machines differ (cores 8 in 1.json, 64 in {told}): ")


@pytest.mark.parametrize(("size", "same"), [(98, True), (95, True), (94, False)])
def test_memory_may_differ_by_five_in_a_hundred(runs: list[RecordedRun], size: int, same: bool) -> None:
    facts = [{"memory_bytes": 100 * 2**30}, {"memory_bytes": size * 2**30}, {"memory_bytes": 100 * 2**30}]
    told = together(on_machines(runs, *facts)).run
    assert told.machine is not None
    assert (told.machine.memory_bytes, told.notices is None) == (100 * 2**30 if same else None, same)


def test_a_part_that_does_not_know_its_memory_is_not_taken_for_one_that_does(runs: list[RecordedRun]) -> None:
    told = together(on_machines(runs, {}, {"memory_bytes": None}, {})).run
    assert told.machine is not None
    assert told.machine.memory_bytes is None
    assert told.notices is not None
    assert told.notices[0].startswith("Machines differ (memory 32.0 GiB in 1.json, unknown in 2.json): ")


def test_interpreters_that_differ_are_told(runs: list[RecordedRun]) -> None:
    old, new = (
        Interpreter(python="/other", packages={"tensorflow": version, "keras": "3.5"}) for version in ("2.19", "2.20")
    )
    same = Interpreter(python="/same", packages={"onnx": "1.2"})
    given = ({"tf": old, "one": same}, {"tf": new}, None)
    told = together(
        [altered(run, lambda record, each=each: with_run(record, interpreters=each)) for run, each in zip(runs, given)]
    ).run
    assert told.notices == [
        "Versions differ (interpreter tf tensorflow 2.19, keras 3.5 in 1.json and tensorflow 2.20, keras 3.5 in "
        "2.json): outputs may differ bit for bit for that alone."
    ]
    assert told.interpreters == {"one": same}


def test_an_interpreter_that_tells_no_packages_differs_from_one_that_does(runs: list[RecordedRun]) -> None:
    given = [Interpreter(python="/other"), Interpreter(python="/other", packages={"onnx": "1.2"}), Interpreter()]
    parts = [
        altered(run, lambda record, each=each: with_run(record, interpreters={"tf": each}))
        for run, each in zip(runs, given)
    ]
    (notice,) = notices(parts)
    assert notice.startswith("Versions differ (interpreter tf  in 1.json and 3.json and onnx 1.2 in 2.json): ")


def test_notices_of_parts_that_were_merged_before_come_first_and_are_told_once(whole: Synthetic) -> None:
    parts = on_machines(split(whole, 3), {}, {"cores": 64}, {"cores": 32})
    both = RecordedRun("both.json", together(parts[:2]), whole)
    found = notices([both, parts[2]])
    assert found[0] == notices(parts[:2])[0]
    assert found[1].startswith("Machines differ (cores unknown in both.json, 32 in 3.json): ")
    again = [RecordedRun(run.name, with_run(run.record, notices=["Look."]), run.predictions) for run in split(whole, 3)]
    assert notices(again) == ["Look."]


def test_sources_with_other_digests_of_code_are_told_and_have_none(runs: list[RecordedRun]) -> None:
    """Such a digest is over the framework's own code and Python's build too."""

    def changed(record: Record, digest: str, python: str) -> Record:
        return with_machine(with_source(record, "torch", digest=64 * digest), python=python)

    told = (("a", "3.11.7"), ("b", "3.12.1"), ("b", "3.12.1"))
    record = together([altered(run, lambda record, each=each: changed(record, *each)) for run, each in zip(runs, told)])
    assert record.run.notices is not None
    assert record.run.notices[1:] == [
        "model-0: its torch source has another digest in 2.json and 3.json, where Python, packages or system are "
        "others: whether its weights and code are the same is not known."
    ]
    sources = [model.sources or {} for model in record.models]
    assert (sources[0]["torch"].digest, sources[0]["keras"]) == (
        None,
        (runs[0].record.models[0].sources or {})["keras"],
    )
    assert sources[1]["torch"].digest is not None


def other_reference(whole: Synthetic, changed: int) -> tuple[str, Synthetic, str]:
    """The digest of the first model's reference, and a run with other scores of it, so many labels of which differ."""
    own = next(cell.output_digest for cell in whole.record.cells_of("model-0") if cell.is_reference)
    assert own is not None
    scores = whole.arrays[own].copy()
    scores[:changed] = np.roll(scores[:changed], 1, axis=1)
    scores[changed:] *= 2
    other = output_digest(scores)
    return own, Synthetic(whole.record, {**whole.arrays, other: scores}, {}), other


def against(record: Record, digest: str) -> Record:
    """The record with the first model's labels compared with those scores of the reference."""

    def change(cell: Cell) -> Cell:
        is_compared = cell.model == "model-0" and cell.labels is not None and not cell.is_reference
        return replace(cell, reference_digest=digest) if is_compared else cell

    return with_cells(record, change)


def held(count: str, there: str, here: str) -> str:
    return (
        f"model-0: the reference {REFERENCE} gave other scores in {there} than in {here}{count}: each cell was held "
        "against the reference of its own part."
    )


@pytest.mark.parametrize("changed", [0, 3, 20])
def test_a_reference_that_gave_other_scores_elsewhere_is_told_and_each_cell_keeps_its_own(
    whole: Synthetic, changed: int
) -> None:
    """As on another machine."""
    own, kept, other = other_reference(whole, changed)
    has_reference, without = sorted(
        split(kept, 2), key=lambda run: not any(cell.output_digest == own for cell in run.record.cells)
    )
    record = together([has_reference, altered(without, lambda record: against(record, other))])
    assert record.run.notices == [held(f", {changed} of 20 labels differ", without.name, has_reference.name)]
    limits = {"min_label_agreement": Limit("min_label_agreement", 0.0, "here")}
    judged = judged_again(record, kept, limits)
    for cell in judged.cells_of("model-0"):
        if cell.labels is not None and cell.reference_digest == other:
            assert cell.output_digest is not None
            assert cell.labels.agreement == np.mean(
                kept.arrays[cell.output_digest].argmax(axis=1) == kept.arrays[other].argmax(axis=1)
            )


def in_jobs(kept: Synthetic, digests: Sequence[str]) -> list[RecordedRun]:
    """Runs of which none has the first model's reference as a cell, and each held its cells against these scores."""

    def job(record: Record, digest: str) -> Record:
        cells = [cell for cell in record.cells if cell.model != "model-0" or not cell.is_reference]
        return against(with_run(replace(record, cells=cells), shard=None), digest)

    return [
        altered(run, lambda record, digest=digest: job(record, digest))
        for run, digest in zip(split(kept, len(digests)), digests)
    ]


def test_the_parts_that_share_a_reference_s_scores_are_told_together(whole: Synthetic) -> None:
    own, kept, other = other_reference(whole, 1)
    assert notices(in_jobs(kept, [own, other, own, other])) == [
        held(", 1 of 20 labels differ", "2.json and 4.json", "1.json and 3.json")
    ]


@pytest.mark.parametrize("kept_in", ["neither", "first", "second"])
def test_labels_are_not_counted_where_the_scores_of_a_reference_are_lost(whole: Synthetic, kept_in: str) -> None:
    own, kept, other = other_reference(whole, 1)
    arrays = {digest: array for digest, array in kept.arrays.items() if digest not in (own, other)}
    only = {"neither": {}, "first": {own: kept.arrays[own]}, "second": {other: kept.arrays[other]}}[kept_in]
    parts = [
        RecordedRun(run.name, run.record, Synthetic(whole.record, {**arrays, **only}))
        for run in in_jobs(kept, [own, other])
    ]
    assert notices(parts) == [held("", "2.json", "1.json")]


def test_labels_are_not_counted_where_the_scores_of_a_reference_have_another_shape(whole: Synthetic) -> None:
    own, kept, other = other_reference(whole, 1)
    kept.arrays[other] = kept.arrays[other][:5]
    parts = in_jobs(kept, [own, other])
    assert notices(parts) == [held("", "2.json", "1.json")]


def test_a_merged_record_told_of_its_own_references_before(whole: Synthetic) -> None:
    own, kept, other = other_reference(whole, 1)
    parts = in_jobs(kept, [own, other, other])
    both = RecordedRun("both.json", together(parts[:2]), kept)
    assert notices([both, parts[2]]) == [
        held(", 1 of 20 labels differ", "2.json", "1.json"),
        held(", 1 of 20 labels differ", "3.json", "both.json"),
    ]
    assert notices([both]) == [held(", 1 of 20 labels differ", "2.json", "1.json")]


def lacking(run: RecordedRun, *names: tuple[str, str] | None) -> RecordedRun:
    """The record without these cells."""
    return altered(run, lambda record: replace(record, cells=[cell for cell in record.cells if cell.name not in names]))


def test_cells_without_a_result_are_told(runs: list[RecordedRun]) -> None:
    """A test that its own code skipped has no entry, nor has one that an interrupted run did not come to."""
    names = list(dict.fromkeys(cell.name for cell in runs[1].record.cells if cell.name is not None))
    first, second = (f"{model} in {environment}" for model, environment in names[:2])
    why = "no result, as the tests were skipped by their own code or the run ended before"
    assert notices([runs[0], lacking(runs[1], names[0]), runs[2]]) == [f"1 cell has {why}: {first}."]
    assert notices([runs[0], lacking(runs[1], *names[:2]), runs[2]]) == [f"2 cells have {why}: {first} and {second}."]
    assert notices([runs[0], lacking(runs[1], names[0])]) == [f"1 cell has {why}: {first}."]


def test_cells_of_shards_that_are_not_there_yet_are_not_said_to_lack_a_result(runs: list[RecordedRun]) -> None:
    assert notices([runs[0], runs[2]]) == []


def test_runs_that_are_no_shards_lack_nothing(runs: list[RecordedRun]) -> None:
    parts = [altered(run, lambda record: with_run(record, shard=None)) for run in runs]
    assert notices([parts[0], lacking(parts[1], parts[1].record.cells[0].name), parts[2]]) == []


def test_lost_predictions_are_told(whole: Synthetic, runs: list[RecordedRun], tmp_path: Path) -> None:
    nothing = Predictions.beside(tmp_path / "bare.json")
    one, other = (RecordedRun(f"{name}.json", runs[n].record, nothing) for name, n in (("one", 1), ("other", 2)))
    lost = {cell.environment for cell in one.record.cells_of("model-0") if cell.labels is not None}
    here = {cell.output_digest for run in (runs[0], runs[2]) for cell in run.record.cells}
    kept = {digest: array for digest, array in whole.arrays.items() if digest in here}
    record = merged([runs[0], one, runs[2]], COMMAND, kept.get)
    said = (
        "their environments are not in the analysis, and their labels cannot be judged again. Keep each .npz beside "
        "its .json."
    )
    assert record.run.notices == [f"There are no predictions beside one.json: {said}"]
    analysis = record.models[0].analysis
    assert analysis is not None
    assert analysis.environments
    assert lost
    assert not lost & set(analysis.environments)
    assert merged([runs[0], one, other], COMMAND, kept.get).run.notices == [
        f"There are no predictions beside one.json and other.json: {said}"
    ]


def test_a_part_in_which_nothing_gave_predictions_lacks_none(runs: list[RecordedRun], tmp_path: Path) -> None:
    def crashed(record: Record) -> Record:
        return with_cells(record, lambda cell: replace(cell, output_digest=None, labels=None))

    bare = RecordedRun(runs[1].name, crashed(runs[1].record), Predictions.beside(tmp_path / "bare.json"))
    assert notices([runs[0], bare, runs[2]]) == []
