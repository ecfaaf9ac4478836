"""The analysis of a model, from cells and arrays made by hand."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
from msgspec.structs import replace
from numpy.typing import NDArray
from support import published

from pytest_envrobust.comparison.blocks import spread_of
from pytest_envrobust.comparison.bounds import clopper_pearson_interval
from pytest_envrobust.core.status import Status
from pytest_envrobust.core.timing import Clock
from pytest_envrobust.history.analysis import analyse
from pytest_envrobust.models.guessing import guessed_preprocess
from pytest_envrobust.models.preparation import Preparation
from pytest_envrobust.record import codec
from pytest_envrobust.record.document import new_record
from pytest_envrobust.record.schema import (
    Accuracy,
    AgainstReference,
    Analysis,
    Cell,
    Ends,
    LabelSensitivity,
    Latency,
    Model,
    Output,
    Run,
    Sensitivity,
    Times,
    TimeSensitivity,
)

NAN, INF = math.nan, math.inf
REFERENCE = "torch/eager/cpu"
MODEL = Model(name="signs")


def logits(*, n: int = 20, classes: int = 8, seed: int = 0) -> NDArray[np.float32]:
    return np.random.default_rng(seed).standard_normal((n, classes)).astype(np.float32)


def softmax(scores: NDArray[Any]) -> NDArray[Any]:
    raised = np.exp(scores * 5)
    result: NDArray[Any] = raised / raised.sum(axis=1, keepdims=True)
    return result


def cell(environment: str, digest: str | None = None, **more: Any) -> Cell:
    told = {"model": "signs", "status": Status.PASSED, "reference": REFERENCE, **more}
    return Cell(environment=environment, output_digest=digest, **told)


def paired(low: float, mid: float, high: float) -> Latency:
    return Latency(measured_from="pairs", cpu_ms=Times(median=9.0, n=9), ratio={"cpu": (low, mid, high)})


def predicted(median: float) -> Latency:
    times = Times(median=median, n=9)
    return Latency(measured_from="predictions", wall_ms=times, cpu_ms=times)


MEASURED_ALONE = Latency(measured_from="alone", wall_ms=Times(median=9.0, n=9), cpu_ms=Times(median=9.0, n=9))


def analysed(*cells: Cell, scores: dict[str, NDArray[Any]], model: Model = MODEL) -> Analysis:
    """The analysis, which is one that a record can hold."""
    found = analyse(model, cells, scores.get)
    assert found is not None
    record = new_record(Run(), [replace(model, analysis=found)], [])
    assert codec.decode(codec.encode(record), "it") == record
    return found


def only(items: Sequence[Sensitivity], factor: str, part: str | None = None) -> Sensitivity:
    (found,) = [item for item in items if (item.factor, item.part) == (factor, part)]
    return found


def time_of(found: Analysis, factor: str) -> TimeSensitivity:
    time = only(found.sensitivity, factor).time
    assert time is not None
    return time


def test_the_whole_analysis() -> None:
    one = logits()
    two = one.copy()
    two[:5] = -two[:5]
    flipped = float(np.mean(one.argmax(axis=1) != two.argmax(axis=1)))
    found = analysed(
        cell(REFERENCE, "aa", latency=Latency(measured_from="alone", cpu_ms=Times(median=9.0, n=9))),
        cell("torch/script/cpu", "aa", latency=paired(1.9, 2.0, 2.2)),
        cell("keras/eager/cpu", "bb", latency=paired(0.4, 0.5, 0.6)),
        scores={"aa": one, "bb": two},
    )
    assert found.environments == [REFERENCE, "torch/script/cpu", "keras/eager/cpu"]
    assert found.output_of == [0, 0, 1]
    assert found.outputs == [
        Output(digest=digest, kind="logits", spread=spread_of(scores)) for digest, scores in (("aa", one), ("bb", two))
    ]
    assert found.matrices.label_dissimilarity == [[0, flipped], [flipped, 0]]
    assert found.matrices.largest_difference[0][1] == float(np.abs(one - two).max())
    assert found.matrices.rank_correlation[0][1] == pytest.approx(0.5)  # 15 of 20 are 1, 5 are -1
    assert (found.notices, found.accuracy) == ([], None)
    assert only(found.sensitivity, "framework") == Sensitivity(
        factor="framework",
        pairs=1,
        environments=2,
        distinct_outputs=2,
        labels=LabelSensitivity(mean=flipped, largest=flipped, pair=(REFERENCE, "keras/eager/cpu")),
        time=TimeSensitivity(
            largest=2.0,
            interval=(1 / 0.6, 2.5),
            pair=(REFERENCE, "keras/eager/cpu"),
            clock="cpu",
            measured_from="pairs",
        ),
    )
    assert only(found.sensitivity, "framework", "definitions").pairs == 1
    compiler = only(found.sensitivity, "compiler")
    assert time_of(found, "compiler").pair == ("torch/script/cpu", REFERENCE)
    assert compiler.labels is not None
    assert (compiler.distinct_outputs, compiler.labels.largest) == (1, 0)


def test_the_cells_of_an_environment_are_put_together() -> None:
    found = analysed(
        cell("torch/script/cpu", "aa", latency=predicted(99.0)),
        cell("torch/script/cpu", latency=paired(2.9, 3.0, 3.1)),
        cell(REFERENCE, "aa", latency=predicted(1.0)),
        scores={"aa": logits()},
    )
    assert found.environments == ["torch/script/cpu", REFERENCE]
    assert time_of(found, "compiler").largest == 3


def test_times_of_predictions_count_where_nothing_was_timed() -> None:
    found = analysed(
        cell(REFERENCE, "aa", latency=predicted(2.0)),
        cell("torch/script/cpu", "aa", latency=predicted(5.0)),
        scores={"aa": logits()},
    )
    assert time_of(found, "compiler") == TimeSensitivity(
        largest=2.5, pair=("torch/script/cpu", REFERENCE), clock="cpu", measured_from="predictions"
    )


def test_ratios_to_another_reference_are_not_mixed_in() -> None:
    found = analysed(
        cell(REFERENCE, "aa"),
        cell("torch/script/cpu", "aa", reference="keras/eager/cpu", latency=paired(1.0, 2.0, 3.0)),
        scores={"aa": logits()},
    )
    assert only(found.sensitivity, "compiler").time is None


def test_times_of_predictions_count_whatever_the_labels_were_compared_with() -> None:
    found = analysed(
        cell(REFERENCE, "aa", latency=predicted(2.0)),
        cell("torch/script/cpu", "aa", reference="keras/eager/cpu", latency=predicted(5.0)),
        scores={"aa": logits()},
    )
    assert time_of(found, "compiler").largest == 2.5


def test_a_measured_time_is_not_held_against_one_of_predictions() -> None:
    """Those are first calls too, and nobody took turns."""
    for reference, other in ((predicted(2.0), paired(1.9, 2.0, 2.2)), (MEASURED_ALONE, predicted(5.0))):
        found = analysed(
            cell("torch/script/cpu", "aa", latency=predicted(1.0)),
            cell("torch/inductor/cpu", "aa", latency=other),
            cell(REFERENCE, "aa", latency=reference),
            scores={"aa": logits()},
        )
        time = time_of(found, "compiler")
        assert time.measured_from == ("pairs" if other.ratio else "predictions")
        assert time.pair == (
            ("torch/inductor/cpu", REFERENCE) if other.ratio else ("torch/inductor/cpu", "torch/script/cpu")
        )


def test_of_two_measurements_of_an_environment_the_first_counts() -> None:
    found = analysed(
        cell(REFERENCE, "aa"),
        cell("torch/script/cpu", "aa", latency=paired(1.9, 2.0, 2.2)),
        cell("torch/script/cpu", "aa", latency=paired(2.9, 3.0, 3.1)),
        scores={"aa": logits()},
    )
    assert time_of(found, "compiler").largest == 2


def test_an_accelerator_is_compared_on_the_wall_clock() -> None:
    ratios: dict[Clock, Ends] = {"wall": (0.1, 0.2, 0.25), "cpu": (1.0, 1.0, 1.0)}
    found = analysed(
        cell(REFERENCE, "aa"),
        cell("torch/eager/cuda:0", "aa", latency=Latency(measured_from="pairs", ratio=ratios)),
        scores={"aa": logits()},
    )
    time = time_of(found, "device")
    assert (time.clock, time.largest, time.interval) == ("wall", 5, (4, 10))


def test_a_time_is_compared_on_the_clock_that_it_was_judged_on() -> None:
    """A session that leaves work to other processes is judged on wall time."""
    ratios: dict[Clock, Ends] = {"wall": (1.9, 2.0, 2.1), "cpu": (0.9, 1.0, 1.1)}
    found = analysed(
        cell(REFERENCE, "aa"),
        cell("torch/script/cpu", "aa", latency=Latency(measured_from="pairs", ratio=ratios, clock="wall")),
        scores={"aa": logits()},
    )
    assert (time_of(found, "compiler").clock, time_of(found, "compiler").largest) == ("wall", 2)


def test_what_was_not_kept_or_did_not_run_is_left_out() -> None:
    found = analysed(
        cell(REFERENCE, "aa"),
        cell("torch/script/cpu", "gone"),
        cell("torch/tvm-o3/cpu", status=Status.CRASHED),
        Cell(model="signs", status=Status.FAILED, reason="no such file"),
        cell("keras/eager/cpu", "aa", model="faces"),
        scores={"aa": logits()},
    )
    assert found.environments == [REFERENCE]
    assert (found.sensitivity, found.matrices.label_dissimilarity) == ([], [[0]])


def test_without_predictions_there_is_no_analysis() -> None:
    assert analyse(MODEL, [], {}.get) is None
    assert analyse(MODEL, [cell(REFERENCE), cell("torch/script/cpu", "gone")], {}.get) is None


def test_nothing_that_is_no_number_gets_into_the_record() -> None:
    broken = logits()
    broken[3] = NAN
    alone = np.where(np.eye(20, 8, dtype=bool), 1.0, -INF)
    found = analysed(
        cell(REFERENCE, "aa"),
        cell("torch/script/cpu", "bb"),
        cell("torch/inductor/cpu", "cc"),
        scores={"aa": logits(), "bb": broken, "cc": np.full((20, 8), NAN, dtype=np.float32)},
    )
    assert found.matrices.label_dissimilarity[2] == [1, 1, 1]
    assert found.matrices.rank_correlation[2] == [0, 0, 0]
    assert found.matrices.rank_correlation[0][1] == pytest.approx(19 / 20)
    labels = analysed(cell(REFERENCE, "aa"), scores={"aa": alone})
    assert labels.matrices.top5_dissimilarity == [[None]]


def test_accuracy_where_truth_is_known() -> None:
    one = logits()
    truth = one.argmax(axis=1)
    two = one.copy()
    two[0] = -two[0]
    truth[-1] = -1
    found = analysed(
        cell(REFERENCE, "aa"),
        cell("keras/eager/cpu", "bb"),
        scores={"aa": one, "bb": two},
        model=replace(MODEL, truth=truth.tolist(), truth_from="file names"),
    )
    all_19, but_one = clopper_pearson_interval(19, 19), clopper_pearson_interval(18, 19)
    assert found.accuracy == [
        Accuracy(environment=REFERENCE, n=19, top1=1.0, top5=1.0, interval=all_19, top5_interval=all_19),
        Accuracy(
            environment="keras/eager/cpu",
            n=19,
            top1=18 / 19,
            top5=18 / 19,
            interval=but_one,
            top5_interval=but_one,
            against_reference=AgainstReference(only_here=0, only_reference=1, p=1.0),
        ),
    ]


def test_inputs_that_one_of_both_alone_has_right_are_counted_wherever_the_reference_stands() -> None:
    scores = logits()
    truth = scores.argmax(axis=1)
    here, there = scores.copy(), scores.copy()
    here[0] *= -1
    there[1:5] *= -1
    found = analysed(
        cell("keras/eager/cpu", "bb"),
        cell(REFERENCE, "aa"),
        cell("torch/script/cpu", "aa"),
        scores={"aa": there, "bb": here},
        model=replace(MODEL, truth=truth.tolist()),
    )
    assert found.accuracy is not None
    one, reference, same = found.accuracy
    # of 5 coins, 4 or more on one side: 12 of 32 ways
    assert one.against_reference == AgainstReference(only_here=4, only_reference=1, p=0.375)
    assert (one.top1, reference.top1) == (0.95, 0.8)
    assert reference.against_reference is None
    assert same.against_reference == AgainstReference(only_here=0, only_reference=0, p=1.0)


GUESSED = guessed_preprocess(None, "NCHW").text
SAID = guessed_preprocess(None, "NCHW", Preparation("raw")).text


def truth_notices(truth: Sequence[int], scores: NDArray[np.float32], guess: str | None) -> list[str]:
    guesses = None if guess is None else {"torch": guess}
    model = replace(MODEL, truth=[int(each) for each in truth], guesses=guesses)
    return analysed(cell(REFERENCE, "aa"), scores={"aa": scores}, model=model).notices


def test_a_guess_with_few_inputs_right_is_doubted() -> None:
    """20 inputs of 8 classes, of which 6 are right: more than by chance, and far fewer than a trained model's."""
    scores = logits()
    truth = scores.argmax(axis=1)
    truth[6:] = (truth[6:] + 5) % 8
    (told,) = truth_notices(truth, scores, GUESSED)
    assert told.startswith("the preprocessing was guessed, and 6 of 20 inputs are right, where guessing a class gives ")
    assert "--envrobust-preprocess" in told
    assert truth_notices(truth, scores, SAID) == truth_notices(truth, scores, None) == []
    truth[1:] = (scores[1:].argmax(axis=1) + 5) % 8
    for guess in (SAID, None):
        (told,) = truth_notices(truth, scores, guess)
        assert told.startswith("1 of 20 inputs is right, about what guessing gives (12.5 %): the preprocessing, ")


def test_a_source_is_doubted_by_the_best_of_its_environments() -> None:
    good = logits()
    truth = good.argmax(axis=1)
    bad = np.roll(good, 5, axis=1)
    model = replace(MODEL, truth=truth.tolist(), guesses={"torch": GUESSED, "keras": GUESSED})
    both = {"aa": good, "bb": bad}
    assert analysed(cell(REFERENCE, "aa"), cell("torch/script/cpu", "bb"), scores=both, model=model).notices == []
    (told,) = analysed(cell(REFERENCE, "aa"), cell("keras/eager/cpu", "bb"), scores=both, model=model).notices
    assert told.startswith("keras: the preprocessing was guessed, and 0 of 20 inputs are right, about what guessing")


def test_a_variant_is_a_source_of_its_own() -> None:
    good = logits()
    model = replace(MODEL, truth=[int(each) for each in good.argmax(axis=1)], guesses={"torch:int8": GUESSED})
    both = {"aa": good, "bb": np.roll(good, 5, axis=1)}
    (told,) = analysed(cell(REFERENCE, "aa"), cell("torch:int8/eager/cpu", "bb"), scores=both, model=model).notices
    assert told.startswith("torch:int8: the preprocessing was guessed, and 0 of 20 inputs are right, ")


def test_true_classes_that_the_model_does_not_have_are_told() -> None:
    scores = logits()
    truth = scores.argmax(axis=1)
    truth[3] = 8
    (told,) = truth_notices(truth, scores, None)
    assert told.startswith("1 input of 20 has a true class beyond the model's (up to 8, where it has 0 to 7)")


def test_accuracy_without_the_reference_is_compared_with_nothing() -> None:
    found = analysed(cell("keras/eager/cpu", "aa"), scores={"aa": logits()}, model=replace(MODEL, truth=[0] * 20))
    assert found.accuracy is not None
    assert found.accuracy[0].against_reference is None


@pytest.mark.parametrize("truth", [[], [-1] * 20])
def test_without_truth_there_is_no_accuracy(truth: list[int]) -> None:
    found = analysed(cell(REFERENCE, "aa"), scores={"aa": logits()}, model=replace(MODEL, truth=truth))
    assert found.accuracy is None
    assert found.notices == []


def test_truth_of_other_inputs_is_a_notice() -> None:
    found = analysed(cell(REFERENCE, "aa"), scores={"aa": logits()}, model=replace(MODEL, truth=[0, 1]))
    assert found.accuracy is None
    assert found.notices == ["the true classes of 2 inputs say nothing of 20: no accuracy is told"]


def test_a_double_softmax_is_noticed_once_with_all_its_environments() -> None:
    twice = softmax(softmax(logits(classes=1000)) / 5)
    found = analysed(
        cell(REFERENCE, "aa"),
        cell("keras/eager/cpu", "bb"),
        cell("keras/graph/cpu", "cc"),
        scores={"aa": logits(classes=1000), "bb": twice, "cc": twice * np.float32(1 + 1e-6)},
    )
    assert [output.kind for output in found.outputs] == ["logits", "twice-softmaxed", "twice-softmaxed"]
    (notice,) = found.notices
    assert "softmax of a softmax: keras/eager/cpu, keras/graph/cpu:" in notice


def test_shifted_labels_are_noticed_once_for_a_pair_of_sources() -> None:
    scores = logits(n=60, classes=100)
    shifted = np.roll(scores, 1, axis=1)
    found = analysed(
        cell(REFERENCE, "aa"),
        cell("torch/script/cpu", "bb"),
        cell("tensorflow/graph/cpu", "cc"),
        cell("tensorflow-to-onnx/ort-all/cpu", "dd"),
        scores={"aa": scores, "bb": scores * 2, "cc": shifted, "dd": shifted * 2},
    )
    assert found.notices == [
        "agreement 0.00; shifted by one 1.00: torch/eager/cpu against tensorflow/graph/cpu: "
        "declare label_offset=1 for the one with the extra leading class"
    ]


def test_a_shifted_source_is_noticed_once_among_many() -> None:
    scores = logits(n=60, classes=100)
    variants = {f"torch:v{number}/eager/cpu": scores * np.float32(number) for number in range(2, 6)}
    found = analysed(
        cell(REFERENCE, "aa"),
        *(cell(name, name) for name in variants),
        cell("torch:shifted/eager/cpu", "cc"),
        scores={"aa": scores, **variants, "cc": np.roll(scores, 1, axis=1)},
    )
    (notice,) = found.notices
    assert ": torch/eager/cpu against torch:shifted/eager/cpu: " in notice


def test_shifted_labels_are_noticed_once_whichever_source_comes_first() -> None:
    scores = logits(n=60, classes=100)
    shifted = np.roll(scores, 1, axis=1)
    found = analysed(
        cell(REFERENCE, "aa"),
        cell("tensorflow/graph/cpu", "cc"),
        cell("torch/script/cpu", "bb"),
        scores={"aa": scores, "bb": scores * 2, "cc": shifted},
    )
    (notice,) = found.notices
    assert ": torch/eager/cpu against tensorflow/graph/cpu: " in notice


def test_scores_with_a_class_more_are_left_out_and_their_shift_is_noticed() -> None:
    scores = logits(n=60, classes=100)
    wider = np.hstack([np.full((60, 1), -9, dtype=np.float32), scores])
    found = analysed(
        cell("tensorflow/graph/cpu", "cc"),
        cell(REFERENCE, "aa"),
        cell("torch/script/cpu", "aa"),
        scores={"aa": scores, "cc": wider},
    )
    assert found.environments == [REFERENCE, "torch/script/cpu"]
    assert found.output_of == [0, 0]
    assert found.notices == [
        "agreement 0.00; shifted by one 1.00: torch/eager/cpu against tensorflow/graph/cpu: "
        "declare label_offset=1 for the one with the extra leading class",
        "scores of shape (60, 101) cannot be compared with those of shape (60, 100): tensorflow/graph/cpu: "
        "left out here",
    ]


def test_pairs_of_equal_outputs_or_other_inputs_hide_no_shift_that_comes_after_them() -> None:
    scores = logits(n=60, classes=100)
    found = analysed(
        cell(REFERENCE, "aa"),
        cell("torch/script/cpu", "aa"),
        cell("torch/inductor/cpu", "short"),
        cell("tensorflow/graph/cpu", "cc"),
        scores={"aa": scores, "short": scores[:50], "cc": np.roll(scores, 1, axis=1)},
    )
    shift, shape = found.notices
    assert shift.startswith("agreement 0.00; shifted by one 1.00: torch/eager/cpu against tensorflow/graph/cpu:")
    assert shape == (
        "scores of shape (50, 100) cannot be compared with those of shape (60, 100): torch/inductor/cpu: left out here"
    )


def test_each_shape_that_few_have_is_told_with_its_environments() -> None:
    found = analysed(
        cell("keras/eager/cpu", "wide"),
        cell(REFERENCE, "aa"),
        cell("torch/script/cpu", "short"),
        cell("torch/inductor/cpu", "aa"),
        cell("keras/graph/cpu", "wide"),
        cell("torch/tvm-o3/cpu", "aa"),
        scores={"aa": logits(), "wide": logits(classes=9), "short": logits(n=19)},
    )
    assert found.environments == [REFERENCE, "torch/inductor/cpu", "torch/tvm-o3/cpu"]
    assert (found.output_of, [output.digest for output in found.outputs]) == ([0, 0, 0], ["aa"])
    assert found.notices == [
        "scores of shape (20, 9) cannot be compared with those of shape (20, 8): keras/eager/cpu, keras/graph/cpu: "
        "left out here",
        "scores of shape (19, 8) cannot be compared with those of shape (20, 8): torch/script/cpu: left out here",
    ]


@pytest.mark.parametrize(
    ("scores", "usable"),
    [
        (logits().astype(np.float16), True),
        (logits().astype(np.int8), True),
        (logits().astype(np.uint8), True),
        (logits() > 0, True),
        (logits().astype(np.complex64), False),
        (logits().astype(str), False),
        (np.zeros(3), False),
        (np.zeros((20, 8, 1)), False),
        (np.zeros((0, 8)), False),
        (np.zeros((20, 0)), False),
    ],
    ids=lambda value: f"{value.dtype}{value.shape}" if isinstance(value, np.ndarray) else "",
)
@pytest.mark.filterwarnings("ignore:invalid value encountered in cast")
def test_only_numbers_of_the_shape_of_scores_are_analysed(scores: NDArray[Any], usable: bool) -> None:
    found = analysed(cell(REFERENCE, "aa"), cell("torch/script/cpu", "bb"), scores={"aa": logits(), "bb": scores})
    assert found.environments == ([REFERENCE, "torch/script/cpu"] if usable else [REFERENCE])


@pytest.mark.parametrize("moved", [False, True])
def test_published_predictions_are_noticed(moved: bool) -> None:
    scores = {
        name: published.first(name, offset=int(moved and name == "tf"), columns=1001) for name in published.FRAMEWORKS
    }
    cells = [
        cell(f"{framework}/recorded/elsewhere", name)
        for framework, name in (("keras", "keras"), ("torch", "torch"), ("tensorflow", "tf"))
    ]
    found = analysed(*cells, scores=scores)
    assert [output.kind for output in found.outputs] == ["twice-softmaxed", "top-k", "twice-softmaxed"]
    *shifts, softmax_notice = found.notices
    assert "keras/recorded/elsewhere, tensorflow/recorded/elsewhere" in softmax_notice
    assert len(shifts) == (0 if moved else 1)
    assert all("against tensorflow/recorded/elsewhere: declare label_offset=1" in notice for notice in shifts)
    assert only(found.sensitivity, "framework").pairs == 3


def test_a_broken_engine_behind_equal_labels_is_noticed_with_all_that_gave_its_bits() -> None:
    right = logits()
    wrong = right * np.float32(1.4)
    found = analysed(
        cell(REFERENCE, "aa"),
        cell("torch/ort-all/cpu", "bb"),
        cell("torch/tvm-o0/cpu", "cc"),
        cell("torch/tvm-o1/cpu", "cc"),
        scores={"aa": right, "bb": right + np.float32(1e-6), "cc": wrong},
    )
    assert found.matrices.label_dissimilarity[0] == [0, 0, 0]
    (notice,) = found.notices
    assert notice.startswith("torch/tvm-o0/cpu and torch/tvm-o1/cpu are outliers: their scores are off by up to ")


def test_probabilities_are_no_outlier_among_logits() -> None:
    right = logits()
    found = analysed(
        cell(REFERENCE, "aa"),
        cell("torch/ort-all/cpu", "bb"),
        cell("torch/tvm-o0/cpu", "cc"),
        scores={"aa": right, "bb": right + np.float32(1e-6), "cc": softmax(right)},
    )
    assert [output.kind for output in found.outputs] == ["logits", "logits", "probabilities"]
    assert not found.notices
