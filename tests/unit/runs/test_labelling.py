"""Labels of a cell held against its reference's, with what it takes to class the flips."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from pytest_envrobust.comparison.labels import compare_labels
from pytest_envrobust.comparison.steadiness import AGAIN, ComparedLabels, OwnChange, own_change
from pytest_envrobust.core.status import Status
from pytest_envrobust.runs.labelling import EARLIER, FIRST_LOOK, compared_labels, compared_until_sure
from pytest_envrobust.verdicts.family import Family
from pytest_envrobust.verdicts.labels import LabelEvidence, has_failed_for_sure, judge_labels
from pytest_envrobust.verdicts.limits import LabelLimit
from pytest_envrobust.verdicts.verdict import Subject, Verdict

NAN, INF = np.nan, np.inf
SUBJECT = Subject("signs", "onnx/ort-all/cpu", "torch/eager/cpu")

ROWS = {
    "same": ([0.0, 1.0, 0.2], [0.0, 1.0, 0.2]),
    "tie": ([0.0, 1.0, 0.99], [0.0, 0.99, 1.0]),
    "near": ([0.0, 1.0, 0.9], [0.0, 0.9, 1.0]),
    "real": ([0.0, 1.0, 0.2], [9.0, 1.0, 0.2]),
    "NaN": ([0.0, 1.0, 0.2], [NAN, 1.0, 0.2]),
    "NaN in both": ([NAN, 1.0, 0.2], [NAN, 1.0, 0.2]),
    "top-k, same": ([-INF, 1.0, -INF], [0.0, 1.0, 0.2]),
    "top-k, real": ([-INF, 1.0, 0.9], [9.0, 1.0, 0.2]),
    "nothing known": ([-INF, -INF, -INF], [0.0, 1.0, 0.2]),
    "two infinite": ([0.0, INF, INF], [0.0, INF, INF]),
}
"""What the reference and the cell give for an input."""


@dataclass(frozen=True)
class Steady:
    """What a cell gives for its first inputs when it is run again, and with other threads."""

    scores: np.ndarray
    scores_again: np.ndarray
    with_threads: np.ndarray
    name: str = "onnx/ort-all/cpu"

    def again(self, count: int) -> OwnChange:
        return own_change(AGAIN, self.scores[:count], self.scores_again[:count])

    def changes(self, count: int, *, cheaply: bool = False) -> tuple[OwnChange, ...]:
        return self.again(count), own_change("with 2 threads", self.scores[:count], self.with_threads[:count])


@dataclass(frozen=True)
class Case:
    """A cell beside its reference: arrays, what is known of them, and what is asked."""

    expected: np.ndarray
    actual: np.ndarray
    cell: Steady | None
    known: Mapping[int, str]
    noise: float | None
    batch: int
    limit: LabelLimit

    def compared(self, count: int) -> ComparedLabels:
        names = [f"{place}.png" for place in range(count)]
        sides = SUBJECT.environment, SUBJECT.reference
        return compared_labels(self.actual[:count], self.expected, names, sides, self.cell, None, self.noise)

    def judged(self, found: ComparedLabels) -> Verdict:
        evidence = LabelEvidence(
            found.comparison,
            found.noise,
            self.known,
            total=len(self.expected),
            own_noise=found.own_noise,
            unrepeated=found.unrepeated,
            remarks=found.remarks,
            notices=found.notices,
        )
        return judge_labels(evidence, self.limit, SUBJECT)

    def is_sure(self, found: ComparedLabels) -> bool:
        return has_failed_for_sure(found.comparison, self.limit, len(self.expected), self.known)


@st.composite
def cases(draw: st.DrawFn) -> Case:
    """Mostly agreeing inputs, in runs, so that there are failures before and behind each look."""
    parts = draw(st.lists(st.tuples(st.sampled_from(sorted(ROWS)), st.integers(1, 40)), min_size=1, max_size=4))
    rows = [fate for fate, times in parts for fate in ["same"] * (2 * times) + [fate] * max(1, times // 4)]
    expected = np.array([ROWS[fate][0] for fate in rows], dtype=np.float32)
    actual = np.array([ROWS[fate][1] for fate in rows], dtype=np.float32)
    places = st.integers(0, len(rows) - 1)
    cell = None
    if draw(st.booleans()):
        again, threads = actual.copy(), actual.copy()
        for place in draw(st.sets(places, max_size=3)):
            again[place] = again[place, ::-1]
        threads[draw(places), 1] += draw(st.sampled_from([0.0, 0.02, 0.2]))
        cell = Steady(actual, again, threads)
    share = draw(st.sampled_from([0.0, 0.5, 0.9, 0.99, 1.0]))
    bound, ties = draw(st.booleans()), draw(st.sampled_from(["count", "ignore"]))
    return Case(
        expected,
        actual,
        cell,
        dict.fromkeys(draw(st.sets(places, max_size=3)), "we know"),
        draw(st.sampled_from([None, 0.0, 0.02, 0.2])),
        draw(st.sampled_from([1, 3, 8, 50])),
        LabelLimit(
            "min_label_agreement",
            share,
            "marker",
            ties=ties,
            bound=bound and share < 1,
            family=Family(draw(st.sampled_from([1, 30]))),
        ),
    )


@settings(deadline=None, max_examples=200)
@given(cases())
def test_stopping_early_ends_as_comparing_all_does(case: Case) -> None:
    total = len(case.expected)
    early = compared_until_sure(case.compared, case.is_sure, total, case.batch)
    verdict = case.judged(early)
    assert verdict.status is case.judged(case.compared(total)).status
    assert early.comparison.n == total or verdict.status is Status.FAILED
    assert early.comparison.n == total or early.comparison.n % case.batch == 0


def test_what_is_compared_until_it_is_sure_doubles() -> None:
    looks: list[int] = []

    def compared(count: int) -> ComparedLabels:
        looks.append(count)
        scores = np.eye(2, dtype=np.float32)[np.zeros(count, dtype=int)]
        return ComparedLabels(compare_labels(scores, scores))

    compared_until_sure(compared, lambda found: False, total=300, batch=5)
    assert looks == [35, 70, 140, 280, 300]
    looks.clear()
    compared_until_sure(compared, lambda found: found.comparison.n > FIRST_LOOK, total=300, batch=1)
    assert looks == [FIRST_LOOK, 2 * FIRST_LOOK]


def test_the_noise_of_each_side_is_told_with_the_change_that_showed_it() -> None:
    expected = np.array([[0.0, 1.0, 0.2], [0.0, 1.0, 0.97], [0.0, 1.0, 0.85], [3.0, 0.0, 0.0]], dtype=np.float32)
    actual = expected.copy()
    actual[0], actual[1], actual[2] = [9.0, 1.0, 0.2], [0.0, 0.9, 1.0], [0.0, 0.9, 1.0]
    threads = actual.copy()
    threads[3, 0] += 0.125
    found = compared_labels(
        actual, expected, list("abcd"), ("c", "r"), Steady(actual, actual, threads, "c"), None, noise=0.02
    )
    assert [flip.kind for flip in found.comparison.flips] == ["real", "tie", "imprecise"]
    assert (found.noise, found.noise_from) == (0.02, EARLIER)
    assert (found.own_noise, found.own_noise_from) == (0.125, "with 2 threads")
    assert found.notices[1] == (
        "the noise of r (0.02) is as large as the margins: on 1 of 4 inputs no flip can be told from it"
    )


def test_what_a_part_of_the_references_scores_looks_like_decides_nothing() -> None:
    """The first inputs are round numbers in bfloat16, and all of them are not."""
    expected = np.random.default_rng(1).random((80, 4)).astype(np.float32)
    expected[:40] = (expected[:40].view(np.uint32) & np.uint32(0xFFFF0000)).view(np.float32)
    expected[0] = [1.0, 0.9921875, 0.0, 0.0]
    actual = expected.copy()
    actual[0, :2], actual[1, 2] = [1.0, 1.5], 1 / 3
    kinds = []
    for count in (32, 80):
        names = [str(place) for place in range(count)]
        found = compared_labels(actual[:count], expected, names, ("c", "r"), None, None)
        kinds.append([flip.kind for flip in found.comparison.flips])
    assert kinds == [["real", "real"]] * 2
