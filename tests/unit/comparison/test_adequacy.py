"""Can these inputs tell? Faults of the output, what counts as seen, and when inputs are adequate."""

from __future__ import annotations

import numpy as np
import pytest

from pytest_envrobust.comparison.adequacy import (
    OUTPUT_FAULTS,
    Adequacy,
    FaultEffect,
    adequacy,
    effect_of,
)
from pytest_envrobust.core.errors import DeclarationError


def one_hot(labels: list[int], classes: int = 5) -> np.ndarray:
    return np.eye(classes, dtype=np.float32)[labels]


def changed(found: Adequacy) -> dict[str, int]:
    return {effect.fault: effect.changed for effect in found.effects}


def test_faults_of_the_output_by_hand() -> None:
    scores = one_hot([0, 1, 2, 2])
    scores[:, 3] = 0.9  # the class of the highest mean; a deviation of .4 thrice lifts it above all
    found = adequacy(scores)
    assert (found.n, found.distinct_labels) == (4, 3)
    assert changed(found) == {"shifted-labels": 4, "biased-class": 4, "constant": 2, "reversed": 4}
    assert {effect.n for effect in found.effects} == {4}


def test_a_class_that_all_inputs_have_already_is_not_the_one_to_raise() -> None:
    scores = np.array([[5.0, 1.0, 4.0], [5.0, 0.0, 3.0]])
    # deviation 1.91: class 2 rises by 5.7 and wins; raising class 0 would have changed nothing
    assert changed(adequacy(scores))["biased-class"] == 2


def test_probabilities_are_biased_as_the_logits_that_they_come_from() -> None:
    logits = np.random.default_rng(1).standard_normal((40, 6)) * 2
    logits -= np.log(np.exp(logits).sum(axis=1, keepdims=True))
    assert changed(adequacy(np.exp(logits))) == changed(adequacy(logits))


def test_probabilities_of_exactly_nothing_do_not_harm() -> None:
    found = adequacy(one_hot([0, 1, 2, 3]))
    assert {effect.fault for effect in found.effects} == set(OUTPUT_FAULTS)


def raised_by(scores: np.ndarray, deviations: float) -> int:
    """How many labels change where the class of the highest mean is raised by so many standard deviations."""
    raised = scores.astype(np.float64)
    raised[:, raised.mean(axis=0).argmax()] += deviations * raised.std()
    return int(np.count_nonzero(raised.argmax(axis=1) != scores.argmax(axis=1)))


def test_the_bias_is_three_standard_deviations_of_all_scores_over_all_blocks() -> None:
    scores = np.random.default_rng(2).standard_normal((700, 1000)).astype(np.float32) + 100
    assert raised_by(scores, 2.9) < raised_by(scores, 3) < raised_by(scores, 3.1)
    assert changed(adequacy(scores))["biased-class"] == raised_by(scores, 3)


def test_one_label_sees_no_constant_and_is_never_adequate() -> None:
    found = adequacy(one_hot([2, 2, 2]), [FaultEffect(f"other-{number}", 3, 3) for number in range(20)])
    assert changed(found)["constant"] == changed(found)["reversed"] == 0
    assert found.kill_score(1.0) > 0.8
    assert not found.is_adequate(1.0)
    assert found.lines(1.0)[0].endswith("gives them all one label, so a broken model can agree too")


def test_a_single_input_is_not_adequate_and_has_no_order() -> None:
    found = adequacy(one_hot([2]))
    assert not found.is_adequate(1.0)
    assert "reversed" not in changed(found)


def test_inputs_without_a_label_do_not_count() -> None:
    scores = one_hot([0, 1, 2, 2])
    scores[3, 0] = np.nan
    found = adequacy(scores)
    assert (found.n, found.distinct_labels) == (4, 3)
    assert {effect.n for effect in found.effects} == {3}
    assert changed(found)["shifted-labels"] == 3


def test_nothing_but_nan_tells_nothing() -> None:
    found = adequacy(np.full((3, 4), np.nan))
    assert found == Adequacy(3, 0, ())
    assert found.kill_score(1.0) == 0
    assert not found.is_adequate(1.0)
    assert found.lines(1.0)[0] == "the inputs are inadequate: the reference gives none of them a label"


def test_scores_that_are_not_known_are_no_score() -> None:
    scores = np.full((4, 5), -np.inf)
    scores[[0, 1, 2, 3], [0, 1, 2, 2]] = [0.5, 0.6, 0.7, 0.8]
    found = changed(adequacy(scores))
    assert found["biased-class"] == 0
    assert found["constant"] == 2


def test_a_fault_that_takes_the_label_away_has_changed_it() -> None:
    labels = np.array([0, 1, -1, 2])
    assert effect_of("x", labels, np.array([0, -1, 1, 3])) == FaultEffect("x", 2, 3)


def test_what_is_seen_depends_on_the_limit() -> None:
    found = Adequacy(20, 5, (FaultEffect("one", 1, 20), FaultEffect("half", 10, 20), FaultEffect("none", 0, 20)))
    assert found.seen(1.0) == ("one", "half")
    assert found.seen(0.95) == ("half",)  # 19 of 20 still hold that limit
    assert found.unseen(0.95) == ("one", "none")
    assert found.kill_score(0.95) == pytest.approx(1 / 3)
    assert found.seen(0.0) == ()


def test_a_kill_score_of_four_fifths_is_adequate() -> None:
    seen, unseen = [FaultEffect("seen", 5, 5)] * 4, [FaultEffect("unseen", 0, 5)]
    assert Adequacy(5, 2, (*seen, *unseen)).is_adequate(1.0)
    assert not Adequacy(5, 2, (*seen, *unseen, *unseen)).is_adequate(1.0)


def test_words_name_the_faults_that_are_not_seen() -> None:
    found = Adequacy(20, 5, (FaultEffect("bgr", 1, 20), FaultEffect("layout", 20, 20)))
    assert found.lines(1.0) == ["the inputs would see 2 of 2 seeded faults"]
    assert found.lines(0.9) == [
        "the inputs are inadequate: they would miss more than 20% of the faults",
        "the inputs would see 1 of 2 seeded faults, not bgr (1 of 20 labels changed)",
    ]


def test_no_inputs_are_refused() -> None:
    with pytest.raises(DeclarationError, match="hold no inputs"):
        adequacy(np.zeros((0, 3)))
