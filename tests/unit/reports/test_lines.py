"""The lines that stand beside the reports' tables."""

from __future__ import annotations

from dataclasses import replace

from pytest_envrobust.core.status import Status
from pytest_envrobust.history.view import HeldLimit, ModelView, Row
from pytest_envrobust.record.schema import (
    Family,
    FlipCounts,
    Flipped,
    Labels,
    Machine,
    ReferenceRun,
    Run,
    RunPart,
    Shard,
)
from pytest_envrobust.reports.lines import head_lines, known_flip_lines, model_line, run_notices


def row(environment: str, labels: Labels | None = None, output: str = "") -> Row:
    return Row(environment, Status.PASSED, "", is_reference=False, labels=labels, output=output)


def labels(*flipped: Flipped) -> Labels:
    counts = FlipCounts(real=len(flipped), tie=0, undefined=0)
    return Labels(n=8, agreement=1 - len(flipped) / 8, bound=0.5, flips=counts, flipped=list(flipped))


def flip(name: str, known: str | None = None) -> Flipped:
    return Flipped(input=name, expected=1, actual=2, kind="real", known=known)


def test_a_plain_run_needs_no_notice() -> None:
    assert run_notices(Run(preprocess_from="native")) == []


def test_what_is_known_of_an_earlier_run_is_told() -> None:
    assert run_notices(Run(reference_run=ReferenceRun(path="x.json"))) == [
        "The reference's labels were recorded by an earlier run: x.json."
    ]
    earlier = ReferenceRun(path="x.json", started="2026-03-14", machine=Machine(processor="Example 9000"))
    assert run_notices(Run(preprocess_from="reference", reference_run=earlier)) == [
        "Every source was given the reference's preprocessing, not its own: labels differ by that too.",
        "The reference's labels were recorded by an earlier run on Example 9000: x.json, started 2026-03-14.",
    ]


def test_what_a_record_was_merged_from_is_told_first() -> None:
    parts = [RunPart(record="a.json"), RunPart(record="b.json")]
    merged, shards, notice = run_notices(
        Run(parts=parts, shard=Shard(numbers=[1, 2], of=3), notices=["the machines differ"])
    )
    assert merged == "Merged from 2 records: a.json and b.json."
    assert shards.startswith("Shards 1 and 2 of 3")
    assert notice == "the machines differ"


def test_a_models_line_counts_what_ran() -> None:
    rows = (row("a/b/cpu", labels(), "x"), row("a/c/cpu", labels(), "x"), row("a/d/cpu"))
    assert model_line(ModelView("signs", "a/b/cpu", rows)) == (
        "signs: reference a/b/cpu, 8 inputs, 2 environments ran, 1 distinct output"
    )
    assert model_line(ModelView("signs", "", ())) == "signs: 0 environments ran, 0 distinct outputs"


def test_a_known_flip_has_a_line_with_all_its_environments() -> None:
    rows = [
        row("a/b/cpu", labels(flip("dog.jpg", "waits"), flip("cat.jpg"))),
        row("a/c/cpu", labels(flip("dog.jpg", "waits"), flip("cat.jpg", "blurred"))),
        row("a/d/cpu"),
    ]
    assert known_flip_lines(rows) == [
        "known flip: dog.jpg in a/b/cpu, a/c/cpu: waits",
        "known flip: cat.jpg in a/c/cpu: blurred",
    ]


def held(name: str, *, cells: int = 30, on_bound: bool = False, value: float = 1.0) -> ModelView:
    limit = HeldLimit("min_label_agreement", value, "ini", on_bound=on_bound)
    family = Family(cells=cells, references=1)
    rows = (replace(row("a/b/cpu", labels()), limits=(limit,), family=family), row("a/c/cpu"))
    return ModelView(name, "x/y/cpu", rows)


def test_what_the_inputs_show_of_all_cells_is_told_once() -> None:
    said = (
        "8 inputs: a pass shows an agreement of at least 0.688 for one cell, 0.450 for all 30 at once (95 %); "
        "envrobust-bound judges that"
    )
    assert head_lines(Run(), [held("signs"), held("faces")]) == [said]
    found = head_lines(Run(), [held("signs"), held("faces"), held("alone", cells=1)])
    assert found[0] == f"signs and faces: {said}"
    assert found[1].startswith("alone: 8 inputs: a pass shows an agreement of at least 0.688 (95 %)")
    assert head_lines(Run(), [held("signs", on_bound=True), ModelView("none", "", (row("a/b/cpu", labels()),))]) == []
    (generous,) = head_lines(Run(), [held("signs", value=0.5)])
    assert generous.startswith("8 inputs: a pass at 0.5 shows an agreement of at least 0.193 for one cell")
