"""What holds for a family of cells, told exactly: every outcome that the inputs can have, with its probability."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest
from scipy.stats import binom

from pytest_envrobust.comparison.accuracy import McNemar
from pytest_envrobust.comparison.bounds import clopper_pearson_lower
from pytest_envrobust.comparison.labels import LabelComparison
from pytest_envrobust.core.status import Status
from pytest_envrobust.verdicts.accuracy import AccuracyEvidence, judge_accuracy
from pytest_envrobust.verdicts.family import ALONE, Family, confidence_text, what_inputs_show
from pytest_envrobust.verdicts.labels import LabelEvidence, judge_labels
from pytest_envrobust.verdicts.limits import AccuracyLimit, LabelLimit
from pytest_envrobust.verdicts.verdict import Subject

SUBJECT = Subject("signs", "torch/tvm-o3/cpu", "torch/eager/cpu")
SIZES = (1, 2, 7, 30, 200)


@pytest.mark.parametrize(
    ("family", "said"),
    [
        (ALONE, "95 %"),
        (Family(2), "95 % over 2 cells, 97.5 % each"),
        (Family(30), "95 % over 30 cells, 99.83 % each"),
        (Family(5000), "95 % over 5000 cells, 99.999 % each"),
        (Family(30, 6), "95 % over 30 cells of 6 verdicts, 99.972 % each"),
        (Family(1, 2), "95 % over 2 verdicts, 97.5 % each"),
    ],
)
def test_a_family_says_what_it_shares_and_what_is_left_for_each(family: Family, said: str) -> None:
    assert str(family) == said


def test_one_cell_alone_has_the_whole_risk() -> None:
    assert ALONE.confidence == 0.95
    assert confidence_text(0.5) == "50 %"


def test_what_inputs_show_is_told_of_one_cell_and_of_all() -> None:
    assert what_inputs_show(20, 30) == (
        "20 inputs: a pass shows an agreement of at least 0.861 for one cell, 0.726 for all 30 at once (95 %); "
        "envrobust-bound judges that"
    )
    assert what_inputs_show(20, 1, 0.95).startswith(
        "20 inputs: a pass at 0.95 shows an agreement of at least 0.784 (95"
    )
    assert "at least 0.000 for one cell" in what_inputs_show(8, 3, 0.0)


def of(agreeing: int, n: int) -> LabelComparison:
    """So many labels that agree."""
    share = agreeing / n
    bound = clopper_pearson_lower(agreeing, n)
    return LabelComparison(n, agreeing, share, bound, (), n - agreeing, 0, 0, 0.0, 0, 2)


def label_outcomes(n: int, value: float, cells: int, *, bound: bool = True) -> list[Status]:
    """The verdict on each number of agreeing labels, 0 to n."""
    limit = LabelLimit("min_label_agreement", value, "marker", bound=bound, family=Family(cells))
    return [judge_labels(LabelEvidence(of(agreeing, n)), limit, SUBJECT).status for agreeing in range(n + 1)]


def chance_of(status: Status, outcomes: Sequence[Status], true: float) -> float:
    """That a cell whose labels agree with that probability gets the verdict."""
    n = len(outcomes) - 1
    chances = binom.pmf(np.arange(n + 1), n, true)
    return float(chances[[each is status for each in outcomes]].sum())


@pytest.mark.parametrize("cells", SIZES)
@pytest.mark.parametrize(("n", "value"), [(20, 0.5), (20, 0.85), (60, 0.95), (300, 0.95), (300, 0.99)])
def test_at_the_limit_a_bound_is_wrong_about_any_cell_of_a_family_in_5_percent_at_most(
    n: int, value: float, cells: int
) -> None:
    """Just below the limit each pass is wrong, at it each failure: nowhere are wrong verdicts likelier."""
    outcomes = label_outcomes(n, value, cells)
    for wrong, true in ((Status.PASSED, value - 1e-12), (Status.FAILED, value)):
        each = chance_of(wrong, outcomes, true)
        assert cells * each <= 0.05 + 1e-9  # of cells that depend on each other in any way
        assert 1 - (1 - each) ** cells <= 0.05 + 1e-9  # of independent ones


def test_without_a_family_30_cells_at_the_limit_are_wrong_by_luck_in_most_runs() -> None:
    alone = chance_of(Status.PASSED, label_outcomes(300, 0.99, 1), 0.99)
    assert 1 - (1 - alone) ** 30 > 0.7
    plain = chance_of(Status.FAILED, label_outcomes(20, 0.95, 1, bound=False), 0.95)
    assert 1 - (1 - plain) ** 30 > 0.99


def test_the_plain_rule_passes_90_percent_under_a_limit_of_95_in_two_of_five_draws() -> None:
    """20 inputs: 19 of them are enough."""
    outcomes = label_outcomes(20, 0.95, 1, bound=False)
    assert chance_of(Status.PASSED, outcomes, 0.9) == pytest.approx(0.3917, abs=5e-5)
    on_bound = label_outcomes(20, 0.95, 1)
    assert chance_of(Status.PASSED, on_bound, 0.9) == 0.0


@pytest.mark.parametrize("cells", SIZES)
@pytest.mark.parametrize(("n", "value"), [(20, 0.7), (300, 0.95)])
def test_so_are_bounds_on_accuracy(n: int, value: float, cells: int) -> None:
    limit = AccuracyLimit("min_accuracy", value, "marker", bound=True, family=Family(cells))
    outcomes = [judge_accuracy(AccuracyEvidence(n, right), limit, SUBJECT).status for right in range(n + 1)]
    for wrong, true in ((Status.PASSED, value - 1e-12), (Status.FAILED, value)):
        assert cells * chance_of(wrong, outcomes, true) <= 0.05 + 1e-9


@pytest.mark.parametrize("cells", [1, 30])
@pytest.mark.parametrize(("here", "there"), [(0.0, 0.1), (0.15, 0.25)])
def test_so_are_bounds_on_its_drop(here: float, there: float, cells: int) -> None:
    """Of 25 inputs each is right here alone, there alone, or in both: all outcomes of the three."""
    n = 25
    limit = AccuracyLimit("max_accuracy_drop", there - here, "marker", bound=True, family=Family(cells))
    wrong = dict.fromkeys((Status.PASSED, Status.FAILED, Status.INCONCLUSIVE), 0.0)
    for only_there in range(n + 1):
        for only_here in range(n + 1 - only_there):
            chance = binom.pmf(only_there, n, there) * binom.pmf(only_here, n - only_there, here / (1 - there))
            if chance > 1e-9:
                evidence = AccuracyEvidence(n, only_here, None, McNemar(only_here, only_there, 1.0))
                wrong[judge_accuracy(evidence, limit, SUBJECT).status] += float(chance)
    assert cells * wrong[Status.PASSED] <= 0.05
    assert cells * wrong[Status.FAILED] <= 0.05


def test_a_message_tells_the_family_that_a_bound_is_taken_over() -> None:
    limit = LabelLimit("min_label_agreement", 0.85, "marker", bound=True, family=Family(30))
    unsure = judge_labels(LabelEvidence(of(20, 20)), limit, SUBJECT)
    assert unsure.message.splitlines()[0] == (
        "signs in torch/tvm-o3/cpu: 20 of 20 top-1 labels agree with torch/eager/cpu (agreement 1.000, at least 0.726 "
        "shown at 95 % over 30 cells, 99.83 % each, limit 0.85 on what is shown from marker); "
        "inconclusive: 20 of 20 shows 0.726; 40 agreeing inputs would show 0.85"
    )
    sure = judge_labels(LabelEvidence(of(40, 40)), limit, SUBJECT)
    assert sure.message.endswith(
        "40 inputs like these show an agreement of at least 0.852 (95 % over 30 cells, 99.83 % each)"
    )
    plain = LabelLimit("min_label_agreement", 0.85, "marker", family=Family(30))
    assert judge_labels(LabelEvidence(of(20, 20)), plain, SUBJECT).message.endswith("at least 0.861 (95 %)")


def test_a_message_tells_the_family_of_bounds_on_accuracy() -> None:
    share = AccuracyLimit("min_accuracy", 0.7, "marker", bound=True, family=Family(30))
    message = judge_accuracy(AccuracyEvidence(20, 20), share, SUBJECT).message
    assert "at least 0.726 shown at 95 % over 30 cells, 99.83 % each, limit 0.7 on what is shown from marker" in message
    drop = AccuracyLimit("max_accuracy_drop", 0.1, "marker", bound=True, family=Family(30))
    message = judge_accuracy(AccuracyEvidence(20, 20, None, McNemar(0, 0, 1.0)), drop, SUBJECT).message
    assert "by no more than 0.298 shown at 95 % over 30 cells, 99.83 % each" in message
