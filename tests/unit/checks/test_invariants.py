"""What each invariant asks of a cell, and what it makes of the answer."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from support.cells import CELL, EYE, SUBJECT, PlainCell, PlainEnvironment, PlainRecordedCell, recorded

from pytest_envrobust.checks.base import Asked, JudgedAgain, Result
from pytest_envrobust.checks.registry import check_named
from pytest_envrobust.comparison.invariants import Invariant
from pytest_envrobust.core.errors import Unavailable
from pytest_envrobust.core.status import Status
from pytest_envrobust.record import schema
from pytest_envrobust.verdicts.limits import Limit
from pytest_envrobust.verdicts.verdict import Subject, Verdict

NAMES = ("repetition", "order", "batch", "position", "finite", "probabilities", "untouched")


def measured(name: str, cell: PlainCell, **arguments: Any) -> Invariant:
    found = check_named(name).measure(cell, Asked(arguments=arguments))
    assert isinstance(found, Invariant)
    assert found.name == name
    return found


def told(name: str, cell: PlainCell, **arguments: Any) -> tuple[bool, str]:
    found = measured(name, cell, **arguments)
    return found.holds, found.said


def from_batches_of(least: int, wrong: Callable[[NDArray[Any]], NDArray[Any]]) -> Callable[..., NDArray[Any]]:
    """A model that is wrong in batches of at least so many."""
    return lambda inputs, batch: wrong(inputs) if batch >= least else inputs


def mirrored(inputs: NDArray[Any]) -> NDArray[Any]:
    return inputs[:, ::-1]


def first_of_call_wrong(inputs: NDArray[Any], batch: int) -> NDArray[Any]:
    """A model that gives the first input of each call to class 3 where a call takes several."""
    scores = inputs.copy()
    if batch > 1:
        scores[::batch] = np.eye(4, dtype=scores.dtype)[3]
    return scores


# measuring


def test_repetition_holds_two_runs_of_all_inputs_against_each_other() -> None:
    """Also where fewer inputs are usually run here."""
    assert told("repetition", PlainCell(count=2)) == (True, "the same scores, bit for bit, when run again")
    again = EYE.copy()
    again[3] += 0.5
    holds, said = told("repetition", PlainCell(count=2, again=again))
    assert not holds
    assert said == "other scores when run again on 1 of 4 inputs; they differ by up to 0.5"


def test_order_holds_other_orders_against_the_first() -> None:
    cell = PlainCell()
    how = ("backwards", "shuffled, in a fresh session")
    said = "; ".join(f"the same labels {each}; they differ by up to 0" for each in how)
    assert told("order", cell) == (True, said)
    assert cell.asked == [(0, False), (1, True)]


@pytest.mark.parametrize(("fresh", "how"), [(False, "backwards"), (True, "shuffled, in a fresh session")])
def test_order_does_not_hold_where_a_hundredth_of_the_last_answer_is_left(fresh: bool, how: str) -> None:
    holds, said = told("order", PlainCell(reordered={fresh: EYE + 0.01 * EYE[::-1]}))
    assert not holds
    assert said.startswith(f"the same labels {how}, but other scores: they differ by up to 0.01, ")


def test_order_forgives_what_chance_makes_of_the_same_order_but_no_more_than_arithmetic_does() -> None:
    random = np.random.default_rng(0)

    class Restless(PlainCell):
        def run_again(self) -> NDArray[Any]:
            return self.again + self.noise * random.uniform(-1, 1, EYE.shape)

    reordered = {False: EYE + np.float32(1e-3) * EYE[::-1]}
    assert not told("order", Restless(reordered=reordered, noise=0.0))[0]
    assert told("order", Restless(reordered=reordered, noise=1e-3))[0]
    assert not told("order", Restless(reordered={False: EYE + 0.1 * EYE[::-1]}, noise=0.3))[0]


def test_order_cannot_be_asked_of_one_call() -> None:
    with pytest.raises(Unavailable, match="one call takes all inputs"):
        told("order", PlainCell(batch=EYE[:1]))


def test_finite_looks_at_all_scores() -> None:
    assert told("finite", PlainCell(count=2)) == (True, "all 16 scores are finite")
    odd = EYE.copy()
    odd[3, 0] = np.nan
    said = "1 NaN and 0 infinite scores, on 1 of 4 inputs, the first of them #3"
    assert told("finite", PlainCell(count=2, all_scores=odd)) == (False, said)


def test_probabilities_are_those_of_the_cell_held_against_the_kind_of_the_references() -> None:
    logits, quarters = EYE * 9 - 5, np.full((4, 4), 0.25, dtype=np.float32)
    modest = PlainCell(all_scores=logits, reference=PlainEnvironment(all_scores=logits))
    assert told("probabilities", modest) == (True, "the scores do not claim to be probabilities")
    holds, said = told("probabilities", PlainCell(all_scores=logits, reference=PlainEnvironment(all_scores=quarters)))
    assert not holds
    assert said == "the reference gives probabilities, these scores are not between 0 and 1"
    assert told("probabilities", PlainCell(all_scores=quarters)) == (True, "every input's scores sum to 1 within 0")


@pytest.mark.parametrize(
    ("evidence", "holds", "said"),
    [
        ({}, True, "the input was the same after the call as before"),
        ({"input": "written to"}, False, "the input was written to"),
    ],
)
def test_untouched_is_what_the_worker_found(evidence: dict[str, str], holds: bool, said: str) -> None:
    assert told("untouched", PlainCell(evidence=evidence)) == (holds, said)


def test_batch_holds_one_by_one_against_eight_a_call() -> None:
    assert told("batch", PlainCell()) == (True, "the same labels in batches of 8; they differ by up to 0")
    assert told("batch", PlainCell(predict=from_batches_of(9, mirrored)))[0]
    holds, said = told("batch", PlainCell(predict=from_batches_of(8, mirrored)))
    assert not holds
    assert said == "other labels in batches of 8 on 4 of 4 inputs (#0, #1, #2, #3); they differ by up to 1"


def test_batch_takes_another_number_of_inputs() -> None:
    cell = PlainCell(predict=from_batches_of(3, mirrored))
    assert told("batch", cell, batch=2) == (True, "the same labels in batches of 2; they differ by up to 0")
    assert not told("batch", cell, batch=3)[0]


@pytest.mark.parametrize("name", ["batch", "position"])
def test_scores_that_differ_are_bounded_where_it_is_asked_for(name: str) -> None:
    def scaled(inputs: NDArray[Any], batch: int) -> NDArray[Any]:
        """Half of the inputs' scores are smaller by a quarter: one by one, and where they stand first."""
        factors = np.where(np.arange(len(inputs)) % 2 == 0, 0.75, 1.0) if batch > 1 else np.ones(len(inputs))
        return inputs * factors[:, None]

    cell = PlainCell(predict=scaled)
    holds, said = told(name, cell)
    assert not holds
    assert "but other scores: they differ by up to 0.25, where arithmetic explains 0." in said
    assert told(name, cell, max_abs_error=0.25)[0]
    holds, said = told(name, cell, max_abs_error=0.2)
    assert not holds
    assert said.endswith("but they differ by up to 0.25, more than 0.2")


@pytest.mark.parametrize("name", ["batch", "position"])
def test_coarse_kernels_are_told_from_inputs_that_change_each_other(name: str) -> None:
    """Both change scores by less than a hundredth of their spread, and no label."""

    def coarse(inputs: NDArray[Any], batch: int) -> NDArray[Any]:
        """Rounds by the place in the batch."""
        places = np.arange(len(inputs)) % batch
        return inputs + (1e-3 * (places % 2) * (batch > 1))[:, None].astype(np.float32)

    def neighborly(inputs: NDArray[Any], batch: int) -> NDArray[Any]:
        """Takes in a thousandth of the input before it."""
        return inputs + np.float32(1e-3) * np.roll(inputs, 1, axis=0) if batch > 1 else inputs

    assert told(name, PlainCell(predict=coarse))[0]
    holds, said = told(name, PlainCell(predict=neighborly))
    assert not holds
    assert "beside others as beside its like, but other scores" in said


def test_position_moves_every_input_by_one_place() -> None:
    how = "one place further in batches of 8"
    second = how.replace("one place further", "every second one first")
    differ = "they differ by up to 0"
    assert told("position", PlainCell()) == (
        True,
        f"the same labels {how}; {differ}; the same labels {second}; {differ}",
    )
    holds, said = told("position", PlainCell(predict=first_of_call_wrong))
    assert not holds
    assert said == f"other labels {how} on 1 of 4 inputs (#0); they differ by up to 1"


def test_position_takes_another_number_of_inputs() -> None:
    told_by_two = told("position", PlainCell(predict=first_of_call_wrong), batch=2)
    assert not told_by_two[0]
    assert "one place further in batches of 2 on" in told_by_two[1]
    assert told("position", PlainCell(predict=first_of_call_wrong), batch=1)[0]


@pytest.mark.parametrize(
    ("name", "how"),
    [
        ("repetition", "run again"),
        ("batch", "run in batches"),
        ("position", "run in batches"),
        ("untouched", "fed"),
    ],
)
def test_recorded_predictions_cannot_be_run(name: str, how: str) -> None:
    with pytest.raises(Unavailable) as caught:
        measured(name, PlainCell(is_recorded=True))
    assert caught.value.headline == f"{CELL} cannot be {how}: its predictions were recorded"


@pytest.mark.parametrize("name", ["finite", "probabilities"])
def test_recorded_predictions_are_looked_at(name: str) -> None:
    assert measured(name, PlainCell(is_recorded=True)).holds


# judging


def test_one_that_holds_passes_in_one_line() -> None:
    (verdict,) = check_named("finite").judge(Invariant("finite", True, "all is well"), Asked(), SUBJECT)
    assert verdict == Verdict(Status.PASSED, f"signs in {CELL}: finite: all is well")


def test_one_that_does_not_fails_and_says_how_to_run_it_again() -> None:
    subject = Subject("signs", CELL, "torch/eager/cpu", ("onnx_from_torch",), "pytest x")
    (verdict,) = check_named("finite").judge(Invariant("finite", False, "1 NaN"), Asked(), subject)
    assert verdict.status is Status.FAILED
    assert verdict.limit is None
    assert verdict.message.splitlines() == [
        f"signs in {CELL}: finite: 1 NaN",
        "  route: onnx_from_torch",
        "  to run this cell alone: pytest x",
    ]


# recording


@pytest.mark.parametrize("name", NAMES)
def test_all_results_are_recorded_in_their_order(name: str) -> None:
    check = check_named(name)
    found = [Invariant(name, False, "other scores"), Invariant(name, True, "the same")]
    assert check.recorded([Result(check, each, []) for each in found]) == {
        "invariants": [
            schema.Invariant(name=name, holds=False, said="other scores"),
            schema.Invariant(name=name, holds=True, said="the same"),
        ]
    }


@pytest.mark.parametrize("name", NAMES)
def test_a_record_tells_which_were_asked(name: str) -> None:
    """No limit of theirs can be missed, and none moves them."""
    check = check_named(name)
    entry = recorded(invariants=[schema.Invariant(name=name, holds=False, said="")])
    others = [schema.Invariant(name=other, holds=True, said="") for other in NAMES if other != name]
    assert check.was_asked(entry)
    assert check.was_asked(recorded(invariants=[*others, schema.Invariant(name=name, holds=True, said="")]))
    assert not check.was_asked(recorded(invariants=others))
    assert not check.was_asked(recorded())
    assert check.missed(entry) is False
    assert check.judge_again(PlainRecordedCell(entry), {"max_latency_ms": Limit("max_latency_ms", 1, "x")}) == (
        JudgedAgain()
    )


@pytest.mark.parametrize("name", NAMES)
def test_they_compare_the_cell_but_not_with_the_reference(name: str) -> None:
    check, evidence = check_named(name), Invariant(name, True, "")
    assert check.compares(evidence, is_reference=True)
    assert not check.compares_scores(evidence)
    assert check.limits == ()
