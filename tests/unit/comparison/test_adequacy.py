"""Can these inputs tell? Faults of the output, what counts as seen, and when inputs are adequate."""

from __future__ import annotations

import numpy as np
import pytest

from pytest_envrobust.comparison.adequacy import Adequacy, FaultEffect, adequacy, effect_of
from pytest_envrobust.core.errors import DeclarationError
from pytest_envrobust.core.faults import ONE, Fault


def one_hot(labels: list[int], classes: int = 5) -> np.ndarray:
    return np.eye(classes, dtype=np.float32)[labels]


def changed(found: Adequacy) -> dict[tuple[str, float | None], list[int]]:
    """How many labels change, by kind and strength, of each draw."""
    counts: dict[tuple[str, float | None], list[int]] = {}
    for effect in found.effects:
        counts.setdefault((effect.fault, effect.strength), []).append(effect.changed)
    return counts


def test_the_whole_of_each_fault_of_the_output_by_hand() -> None:
    found = adequacy(one_hot([0, 1, 2, 2]))
    assert (found.n, found.distinct_labels) == (4, 3)
    by_hand = {"classes": [4], "stuck": [2], "order": [4]}
    assert {kind: changed(found)[kind, 1.0] for kind in by_hand} == by_hand
    assert {effect.n for effect in found.effects} == {4}


def test_two_classes_are_swapped_and_two_inputs_and_one_output_is_stuck() -> None:
    labels = np.random.default_rng(0).integers(0, 40, 500)
    found = changed(adequacy(one_hot(list(labels), 40)))
    frequent = sorted(np.bincount(labels, minlength=40))
    swapped = found["classes", ONE]
    assert len(swapped) == 8
    assert frequent[0] + frequent[1] <= min(swapped)
    assert max(swapped) <= frequent[-1] + frequent[-2]
    assert all(count > 4 * 2 for count in found["classes", 0.1]), "four classes of about twelve inputs"
    assert set(found["order", ONE]) <= {0, 2}
    assert 2 in found["order", ONE]
    assert set(found["stuck", ONE]) <= {0, 1}
    assert 1 in found["stuck", ONE]
    assert all(40 <= count <= 50 for count in found["order", 0.1] + found["stuck", 0.1])


def test_a_class_is_raised_by_deviations_of_the_margins() -> None:
    scores = np.random.default_rng(1).standard_normal((700, 9)) * 2 + 100
    best = np.sort(scores, axis=1)
    deviation = (best[:, -1] - best[:, -2]).std()
    found = changed(adequacy(scores))
    for strength in (1.0, 3.0):
        expected = set()
        for favored in range(9):
            raised = scores.copy()
            raised[:, favored] += strength * deviation
            expected.add(int(np.count_nonzero(raised.argmax(axis=1) != scores.argmax(axis=1))))
        assert set(found["biased-class", strength]) <= expected
        assert len(set(found["biased-class", strength])) > 2, "different classes are drawn"


def test_scores_are_rounded_to_evenly_spaced_values() -> None:
    scores = np.random.default_rng(2).standard_normal((700, 1000)).astype(np.float32)
    found, away = changed(adequacy(scores)), (scores - scores.min()) / (scores.max() - scores.min())
    for bits in (8, 6, 4):
        rounded = np.rint(away.astype(np.float64) * (2**bits - 1)).argmax(axis=1)
        assert found["coarse-scores", bits] == [pytest.approx(np.count_nonzero(rounded != away.argmax(axis=1)), abs=1)]


def test_probabilities_are_biased_as_the_logits_that_they_come_from() -> None:
    logits = np.random.default_rng(1).standard_normal((40, 6)) * 2
    logits -= np.log(np.exp(logits).sum(axis=1, keepdims=True))
    of_logits, of_probabilities = changed(adequacy(logits)), changed(adequacy(np.exp(logits)))
    for strength in (1.0, 3.0):
        assert of_logits["biased-class", strength] == of_probabilities["biased-class", strength]


def test_probabilities_of_exactly_nothing_do_not_harm() -> None:
    found = adequacy(one_hot([0, 1, 2, 3]))
    assert ("coarse-scores", 4.0) in changed(found)


def test_scores_of_which_most_are_not_known_are_neither_raised_nor_rounded() -> None:
    scores = np.full((4, 5), -np.inf)
    scores[[0, 1, 2, 3], [0, 1, 2, 2]] = [0.5, 0.6, 0.7, 0.8]
    labels_only = adequacy(scores)
    assert set(labels_only.kinds) == {"classes", "order", "stuck"}
    scores[:, 4] = 0.1
    assert adequacy(scores) == labels_only, "the best two"


def test_one_label_is_never_adequate() -> None:
    found = adequacy(one_hot([2, 2, 2]), [FaultEffect(f"other-{number}", 3, 3) for number in range(20)])
    assert changed(found)["order", 1.0] == changed(found)["stuck", 1.0] == [0]
    assert not found.is_adequate(1.0)
    assert found.lines(1.0)[0].endswith("gives them all one label, so a broken model can agree too")


def test_a_single_input_is_not_adequate_and_has_no_order() -> None:
    found = adequacy(one_hot([2]))
    assert not found.is_adequate(1.0)
    assert ("order", ONE) not in changed(found)


def test_inputs_without_a_label_do_not_count() -> None:
    scores = one_hot([0, 1, 2, 2])
    scores[3, 0] = np.nan
    found = adequacy(scores)
    assert (found.n, found.distinct_labels) == (4, 3)
    assert {effect.n for effect in found.effects} == {3}
    assert changed(found)["classes", 1.0] == [3]


def test_nothing_but_nan_tells_nothing() -> None:
    found = adequacy(np.full((3, 4), np.nan))
    assert found == Adequacy(3, 0, ())
    assert found.predicted(1.0) is None
    assert not found.is_adequate(1.0)
    assert found.lines(1.0) == ["the inputs are inadequate: the reference gives none of them a label"]


def test_a_fault_that_takes_the_label_away_has_changed_it() -> None:
    labels = np.array([0, 1, -1, 2])
    found = effect_of(Fault("shift", 3.0), labels, np.array([0, -1, 1, 3]))
    assert found == FaultEffect("shift", 2, 3, 3.0)


def shifts(*changed_labels: int) -> tuple[FaultEffect, ...]:
    """Shifts by 1, 3 and 8 pixels that change so many of 20 labels."""
    return tuple(FaultEffect("shift", count, 20, by) for count, by in zip(changed_labels, (1.0, 3.0, 8.0)))


def smallest(found: Adequacy, min_agreement: float) -> dict[str, str]:
    return {kind: str(level) for kind, level in found.smallest_visible(min_agreement).items()}


def test_the_smallest_visible_strength_is_that_from_which_on_all_are_seen() -> None:
    assert smallest(Adequacy(20, 5, shifts(0, 2, 9)), 1.0) == {"shift": "shift by 3 pixels"}
    assert smallest(Adequacy(20, 5, shifts(1, 0, 9)), 1.0) == {"shift": "shift by 8 pixels"}, "luck at 1 is no sight"
    assert smallest(Adequacy(20, 5, shifts(1, 2, 9)), 0.9) == {"shift": "shift by 8 pixels"}, "18 of 20 hold .9"
    assert smallest(Adequacy(20, 5, shifts(1, 2, 0)), 1.0) == {"shift": "None"}


def test_fewer_bits_are_stronger() -> None:
    bits = [FaultEffect("coarse-weights", count, 20, by) for count, by in ((0, 8.0), (3, 6.0), (9, 4.0))]
    assert smallest(Adequacy(20, 5, tuple(bits)), 1.0) == {"coarse-weights": "coarse-weights of 6 bits"}


def test_a_fault_that_is_drawn_is_visible_where_most_draws_are_seen() -> None:
    drawn = lambda *counts: Adequacy(20, 5, tuple(FaultEffect("biased-class", n, 20, 1.0) for n in counts))  # noqa: E731
    assert smallest(drawn(0, 1, 5), 1.0) == {"biased-class": "biased-class by 1 deviation"}
    assert smallest(drawn(0, 0, 5), 1.0) == {"biased-class": "None"}


def test_every_kind_counts_the_same_and_in_it_each_strength_half_as_much_as_the_next_weaker() -> None:
    of_one_kind, single = shifts(0, 2, 9), FaultEffect("mirrored", 4, 20, 1.0)
    share = Adequacy(20, 5, (*of_one_kind, single)).predicted(1.0)
    assert share is not None
    assert share.share == pytest.approx((0.75 / 1.75 + 1) / 2)
    assert share.low <= share.share <= share.high


def test_a_predicted_share_of_a_third_is_adequate() -> None:
    seen = [FaultEffect(f"seen-{number}", 5, 5) for number in range(2)]
    unseen = [FaultEffect(f"unseen-{number}", 0, 5) for number in range(5)]
    assert Adequacy(5, 2, (*seen, *unseen[:3])).is_adequate(1.0)
    assert not Adequacy(5, 2, (*seen, *unseen)).is_adequate(1.0)


def test_words_name_what_is_missed_and_what_is_seen_from_a_strength_on() -> None:
    found = Adequacy(20, 5, (*shifts(0, 2, 9), FaultEffect("mirrored", 0, 20, 1.0)))
    assert found.lines(1.0) == [
        "the inputs are inadequate: they would see less than a third of faults",
        "the inputs would see 21% (0% to 43%) of faults, as 4 seeded ones of 2 kinds predict",
        "they would miss mirrored (0 of 20 labels changed)",
        "they would see no weaker fault than shift by 3 pixels",
    ]
    assert Adequacy(20, 5, shifts(1, 2, 9)).lines(1.0) == [
        "the inputs would see 100% (100% to 100%) of faults, as 3 seeded ones of 1 kind predict"
    ]


def test_a_limit_of_nothing_sees_nothing() -> None:
    found = Adequacy(20, 5, shifts(20, 20, 20))
    share = found.predicted(0.0)
    assert share is not None
    assert (share.share, found.is_adequate(0.0)) == (0.0, False)
    assert found.lines(0.0) == ["a limit of 0 on labels lets every fault pass, whatever the inputs are"]


def test_of_outputs_alone_no_other_fault_is_told() -> None:
    (line,) = [line for line in adequacy(one_hot([0, 1, 2, 3] * 20)).lines(1.0) if "predict" in line]
    assert "of faults in outputs (no other can be seeded here), as" in line


def test_faults_of_older_records_are_told_by_their_kind() -> None:
    found = Adequacy(20, 5, (FaultEffect("bgr", 5, 20), FaultEffect("reversed", 0, 20)))
    assert found.lines(1.0) == [
        "the inputs would see 50% (0% to 100%) of faults, as 2 seeded ones of 2 kinds predict",
        "they would miss reversed (0 of 20 labels changed)",
    ]


def test_no_inputs_are_refused() -> None:
    with pytest.raises(DeclarationError, match="hold no inputs"):
        adequacy(np.zeros((0, 3)))
