"""What the check of labels asks of a cell, what it records, and how it judges a record again."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import msgspec
import numpy as np
import pytest
from support.cells import CELL, EYE, REFERENCE, SUBJECT, PlainCell, PlainRecordedCell, recorded

from pytest_envrobust.checks.base import Asked, JudgedAgain, Result
from pytest_envrobust.checks.labels import CHECK, label_limit
from pytest_envrobust.comparison.adequacy import Adequacy
from pytest_envrobust.comparison.labels import compare_labels
from pytest_envrobust.core.errors import DeclarationError
from pytest_envrobust.core.status import Status
from pytest_envrobust.record import schema
from pytest_envrobust.record.label_part import labels_part, with_label_verdict
from pytest_envrobust.verdicts.labels import LabelEvidence
from pytest_envrobust.verdicts.limits import LabelLimit, Limit
from pytest_envrobust.verdicts.verdict import Subject, Verdict

INPUTS = ["a.png", "b.png", "c.png", "d.png"]
FLIPPED = EYE[[1, 0, 2, 3]]
"""The first two inputs got each other's label."""


def limits(**values: float) -> dict[str, Limit]:
    return {name: Limit(name, value, "marker") for name, value in values.items()}


def agreement(value: float, **terms: Any) -> LabelLimit:
    return LabelLimit("min_label_agreement", value, "marker", **terms)


def compared(actual: Any = FLIPPED) -> Any:
    return compare_labels(actual, EYE, inputs=INPUTS)


def part(limit: LabelLimit | None = None, status: Status = Status.PASSED, **more: Any) -> schema.Labels:
    """What a record has of two flips among four inputs."""
    found = msgspec.structs.replace(labels_part(compared()), **more)
    return found if limit is None else with_label_verdict(found, Verdict(status, "", limit))


# which limit


def test_the_share_alone_is_meant_where_no_terms_are_said() -> None:
    assert label_limit(limits(min_label_agreement=0.9)) == agreement(0.9)
    assert label_limit({}) == LabelLimit("min_label_agreement", 1.0, "default", ties="count", bound=False)
    assert label_limit(limits(min_label_agreement=0.9, ties=0, bound=0)) == agreement(0.9)
    assert label_limit(limits(min_label_agreement=0.9, ties=1, bound=1)) == agreement(0.9, ties="ignore", bound=True)


def test_a_bound_that_nothing_shows_is_refused_in_full() -> None:
    with pytest.raises(DeclarationError) as caught:
        label_limit(limits(min_label_agreement=1, bound=1))
    assert str(caught.value) == (
        "bound (from marker) with min_label_agreement=1 (from marker): no number of inputs shows that all labels agree "
        "(ask for less: 0.99 is shown by 299 agreeing inputs)"
    )
    assert label_limit(limits(min_label_agreement=1, bound=0)).bound is False


# measuring


def test_the_evidence_has_all_that_a_verdict_rests_on() -> None:
    told = Adequacy(4, 4, ())
    cell = PlainCell(
        all_scores=FLIPPED,
        noise=0.25,
        known_flips={0: "we know"},
        adequacy=told,
        class_names=["stop", "go", "left", "right"],
        label_reference="an earlier run's",
        is_strict=True,
        doubt="few are right",
        count=3,
    )
    found = CHECK.measure(cell, Asked(limits(min_label_agreement=0.5, ties=1)))
    comparison = compare_labels(FLIPPED[:3], EYE[:3], noise=0.25, inputs=["0.png", "1.png", "2.png"])
    assert found == LabelEvidence(
        comparison,
        0.25,
        known={0: "we know"},
        adequacy=told,
        class_names=["stop", "go", "left", "right"],
        total=3,
        earlier="an earlier run's",
        inputs=4,
        is_strict=True,
        doubt="few are right",
    )
    assert cell.asked == [agreement(0.5, ties="ignore")]  # what may end the comparison early


@pytest.mark.parametrize(
    ("strict", "reference", "meant"), [(True, True, False), (True, False, True), (False, False, False)]
)
def test_the_reference_itself_is_not_asked_what_its_inputs_can_tell(strict: bool, reference: bool, meant: bool) -> None:
    found = CHECK.measure(PlainCell(is_strict=strict, is_reference=reference), Asked())
    assert found.is_strict is meant


def test_one_verdict_on_the_limit_with_its_terms() -> None:
    evidence = LabelEvidence(compared())
    (verdict,) = CHECK.judge(evidence, Asked(limits(min_label_agreement=0.5, bound=1)), SUBJECT)
    assert verdict.limit == agreement(0.5, bound=True)
    assert verdict.status is Status.INCONCLUSIVE
    assert verdict.message.startswith(f"signs in {CELL}: 2 of 4 top-1 labels differ from {REFERENCE} (agreement 0.500")


def test_only_another_runs_scores_make_a_comparison_of_the_reference() -> None:
    own, earlier = LabelEvidence(compared()), LabelEvidence(compared(), earlier="run.json's")
    assert CHECK.compares(own, is_reference=False)
    assert not CHECK.compares(own, is_reference=True)
    assert CHECK.compares(earlier, is_reference=True)
    assert (CHECK.compares_scores(own), CHECK.compares_scores(earlier)) == (True, False)


# recording


def result(evidence: LabelEvidence, *verdicts: Verdict) -> Result[LabelEvidence]:
    return Result(CHECK, evidence, verdicts)


def test_the_last_result_is_recorded_with_its_first_verdict() -> None:
    evidence = LabelEvidence(compared(), noise=0.1, known={0: "we know"}, inputs=9, earlier="run.json's")
    first, second = Verdict(Status.FAILED, "", agreement(0.9)), Verdict(Status.PASSED, "", agreement(0.4))
    earlier = result(LabelEvidence(compared(EYE)), Verdict(Status.PASSED, "", agreement(0.1)))
    found = CHECK.recorded([earlier, earlier, result(evidence, first, second)])
    expected = msgspec.structs.replace(labels_part(compared(), 0.1, {0: "we know"}), reference="run.json's", of=9)
    assert found == {"labels": with_label_verdict(expected, first)}
    assert found["labels"].flipped[0].known == "we know"


@pytest.mark.parametrize(("inputs", "of"), [(None, None), (4, None), (5, 5)])
def test_of_how_many_inputs_is_recorded_where_there_are_more(inputs: int | None, of: int | None) -> None:
    """Whether the comparison stopped before them, or the device was given no more."""
    found = CHECK.recorded([result(LabelEvidence(compared(), total=4, inputs=inputs))])
    assert found == {"labels": msgspec.structs.replace(labels_part(compared()), of=of)}


def test_a_record_tells_whether_labels_were_compared() -> None:
    assert CHECK.was_asked(recorded(labels=part()))
    assert not CHECK.was_asked(recorded())


@pytest.mark.parametrize(
    ("labels", "missed"),
    [
        (None, False),
        (part(), False),
        (part(agreement(0.5), Status.PASSED), False),
        (part(agreement(0.5), Status.FAILED), True),
        (part(agreement(0.5), Status.INCONCLUSIVE), True),
        (msgspec.structs.replace(part(), limit=0.5), False),
        (msgspec.structs.replace(part(), limit=0.51), True),
        (msgspec.structs.replace(part(), limit=0.0, flips=schema.FlipCounts(real=1, tie=0, undefined=1)), True),
        (msgspec.structs.replace(part(), flips=schema.FlipCounts(real=1, tie=0, undefined=1)), False),
    ],
)
def test_a_limit_was_missed_by_its_verdict_or_else_by_the_share(labels: schema.Labels | None, missed: bool) -> None:
    assert CHECK.missed(recorded(labels=labels)) is missed


# judged again


def test_without_any_limit_nothing_is_judged() -> None:
    assert CHECK.judge_again(PlainRecordedCell(recorded(labels=part())), {}) == JudgedAgain()
    assert CHECK.judge_again(PlainRecordedCell(recorded()), {}) == JudgedAgain()


def test_a_recorded_limit_stands_with_what_the_record_says() -> None:
    """Its counts are judged, not its arrays, and nothing in the record changes."""
    labels = part(agreement(0.9), Status.FAILED, of=9, reference="an earlier run's")
    cell = PlainRecordedCell(recorded(labels=labels), schema.Model(name="signs", class_names=["stop", "go"]))
    again = CHECK.judge_again(cell, {})
    assert again.fields == {}
    (verdict,) = again.verdicts
    assert (verdict.status, verdict.limit) == (Status.FAILED, agreement(0.9))
    assert verdict.message.splitlines() == [
        f"signs in {CELL}: 2 of 4 top-1 labels differ from an earlier run's (agreement 0.500, limit 0.9 from marker); "
        "2 real flips, 0 ties",
        "  stopped after 4 of 9 inputs: the others could not have changed the verdict",
        "  a.png: expected 0 (stop), got 1 (go); margin 1, real",
        "  b.png: expected 1 (go), got 0 (stop); margin 1, real",
        "  route: no conversion, the source is loaded as it is",
    ]


def test_scores_that_are_kept_are_compared_anew_with_the_noise_that_is_known_now() -> None:
    close = EYE.copy()
    close[0] = [0.9, 1.0, 0.0, 0.0]
    cell = PlainRecordedCell(
        recorded(labels=part(agreement(0.9), Status.FAILED)),
        schema.Model(name="signs", inputs=INPUTS),
        kept=close,
        noise=0.5,
        noise_from="with 2 threads",
    )
    again = CHECK.judge_again(cell, {"min_label_agreement": Limit("min_label_agreement", 0.75, "report")})
    (verdict,) = again.verdicts
    limit = LabelLimit("min_label_agreement", 0.75, "report")
    assert (verdict.status, verdict.limit) == (Status.PASSED, limit)
    assert verdict.message.startswith(f"signs in {CELL}: 1 of 4 top-1 labels differs from {REFERENCE} (agreement 0.75")
    comparison = compare_labels(close, EYE, noise=0.5, inputs=INPUTS)
    assert comparison.tie == 1
    assert "  ties: within twice the reference's noise (0.5, with 2 threads) or one step of" in verdict.message
    kept = msgspec.structs.replace(labels_part(comparison, 0.5), noise_from="with 2 threads")
    assert again.fields == {"labels": with_label_verdict(kept, verdict)}


@pytest.mark.parametrize("names", [None, ["just one"]])
def test_inputs_are_numbered_where_the_record_does_not_name_them_all(names: list[str] | None) -> None:
    cell = PlainRecordedCell(recorded(), schema.Model(name="signs", inputs=names), kept=FLIPPED)
    again = CHECK.judge_again(cell, limits(min_label_agreement=1))
    assert [flip.input for flip in again.fields["labels"].flipped] == ["#0", "#1"]
    assert again.verdicts[0].status is Status.FAILED


def test_only_the_limit_that_is_given_changes() -> None:
    """The other terms stay those of the record."""
    cell = PlainRecordedCell(recorded(labels=part(agreement(0.5, ties="ignore"))), kept=FLIPPED)
    (verdict,) = CHECK.judge_again(cell, {"bound": Limit("bound", 1.0, "report")}).verdicts
    assert verdict.limit == agreement(0.5, ties="ignore", bound=True)
    assert verdict.status is Status.INCONCLUSIVE


def test_flips_that_the_record_knows_are_known_when_compared_anew() -> None:
    known = labels_part(compared(), None, {0: "we know", 1: "it too"})
    cell = PlainRecordedCell(recorded(labels=known), schema.Model(name="signs", inputs=INPUTS), kept=FLIPPED)
    again = CHECK.judge_again(cell, limits(min_label_agreement=1))
    assert again.verdicts[0].status is Status.PASSED
    assert [flip.known for flip in again.fields["labels"].flipped] == ["we know", "it too"]


@pytest.mark.parametrize(("labels", "has_reference"), [(part(of=9), True), (part(), False), (part(of=9), False)])
def test_recorded_counts_are_judged_where_it_cannot_be_compared_anew(
    labels: schema.Labels, has_reference: bool
) -> None:
    """The comparison stopped early, or the reference gave nothing: what is kept would say less or something else."""
    cell = PlainRecordedCell(recorded(labels=labels), has_reference=has_reference, kept=EYE)
    again = CHECK.judge_again(cell, limits(min_label_agreement=0.5))
    (verdict,) = again.verdicts
    assert (verdict.status, verdict.limit) == (Status.PASSED, agreement(0.5))
    assert "2 of 4 top-1 labels differ" in verdict.message
    assert again.fields == {"labels": with_label_verdict(labels, verdict)}


def test_what_was_never_compared_is_inconclusive() -> None:
    again = CHECK.judge_again(PlainRecordedCell(recorded(), has_reference=False), limits(min_label_agreement=1))
    assert again == JudgedAgain(
        [
            Verdict(
                Status.INCONCLUSIVE,
                f"signs in {CELL}: inconclusive, it was not compared, and its reference {REFERENCE} gave no predictions"
                " in this run (limit 1 from marker)",
                agreement(1),
            )
        ]
    )


def test_predictions_that_were_not_kept_are_inconclusive() -> None:
    said = f"signs in {CELL}: inconclusive, its predictions were not kept (limit 1 from marker)"
    verdict = Verdict(Status.INCONCLUSIVE, said, agreement(1))
    cell = PlainRecordedCell(recorded(labels=part()))
    assert CHECK.judge_again(cell, limits(min_label_agreement=1)) == JudgedAgain(
        [verdict], {"labels": with_label_verdict(part(), verdict)}
    )
    cell = replace(cell, entry=recorded())
    assert CHECK.judge_again(cell, limits(min_label_agreement=1)) == JudgedAgain([verdict])


def test_scores_that_cannot_be_compared_fail_and_change_nothing() -> None:
    cell = PlainRecordedCell(recorded(labels=part()), kept=np.ones((3, 4), dtype=np.float32))
    again = CHECK.judge_again(cell, limits(min_label_agreement=1))
    (verdict,) = again.verdicts
    assert (verdict.status, verdict.limit) == (Status.FAILED, agreement(1))
    assert verdict.message.startswith(f"signs in {CELL}: ")
    assert "(3, 4)" in verdict.message
    assert again.fields == {}


def test_messages_name_the_subject_of_the_record() -> None:
    subject = Subject("traffic", CELL, REFERENCE, ("onnx_from_torch",))
    cell = PlainRecordedCell(recorded(), subject=subject, kept=FLIPPED)
    (verdict,) = CHECK.judge_again(cell, limits(min_label_agreement=1)).verdicts
    assert verdict.message.startswith(f"traffic in {CELL}: 2 of 4")
    assert verdict.message.endswith("route: onnx_from_torch")


def test_what_only_the_run_could_find_out_stands_when_it_is_compared_anew() -> None:
    """The cell's own noise, the labels that it does not repeat, and what of both sides is no noise."""
    close = EYE.copy()
    close[0] = [0.9, 1.0, 0.0, 0.0]
    told = {REFERENCE: ["one"], CELL: ["two"], "other/eager/cpu": ["three"]}
    cell = PlainRecordedCell(
        recorded(labels=part(agreement(0.9), Status.FAILED, own_noise=0.5, own_noise_from="again", unrepeated=1)),
        schema.Model(name="signs", inputs=INPUTS, unsteady=told),
        kept=close,
        noise=0.0,
    )
    again = CHECK.judge_again(cell, limits(min_label_agreement=0.75))
    (verdict,) = again.verdicts
    assert verdict.status is Status.FAILED  # 3 of 4 agree, and one of them only until the next run
    assert verdict.message.splitlines()[3:6] == [
        "  imprecise: within twice the cell's own noise (0.5, again) or two steps of the numbers that the cell's "
        "scores are",
        f"  {REFERENCE}: one",
        f"  {CELL}: two",
    ]
    labels = again.fields["labels"]
    assert (labels.flips.tie, labels.flips.imprecise, labels.flips.real) == (0, 1, 0)
    assert (labels.noise, labels.own_noise, labels.own_noise_from, labels.unrepeated) == (0.0, 0.5, "again", 1)
