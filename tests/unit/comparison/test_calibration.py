"""Classes that are off while all others agree: seen where they are, and not where rounding is all there is."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from pytest_envrobust.comparison.calibration import ClassOff, calibration, calibration_notice
from pytest_envrobust.comparison.labels import compare_labels, margins
from pytest_envrobust.core.errors import DeclarationError

Scores = NDArray[np.float32]

INPUTS, CLASSES, FEATURES = 200, 100, 64


class Classifier:
    """A linear classifier of features that are never negative, as those behind a ReLU are; all of it seeded."""

    def __init__(self, seed: int, inputs: int = INPUTS, classes: int = CLASSES) -> None:
        random = np.random.default_rng(seed)
        self.features = np.abs(random.standard_normal((inputs, FEATURES))) * np.exp(random.normal(0, 0.5, FEATURES))
        self.weights = random.standard_normal((classes, FEATURES)) * np.exp(random.normal(0, 0.3, (classes, 1))) / 4
        self.bias = random.normal(0, 0.3, classes)

    @property
    def scores(self) -> Scores:
        return (self.features @ self.weights.T + self.bias).astype(np.float32)

    def quantized(self, bits: int = 8) -> Scores:
        """Weights rounded by one scale for each class, features by one for all."""
        weights = rounded(self.weights, np.abs(self.weights).max(axis=1, keepdims=True), bits)
        features = rounded(self.features, self.features.max(), bits)
        return (features @ weights.T + self.bias).astype(np.float32)


def rounded(values: NDArray[Any], largest: Any, bits: int) -> NDArray[Any]:
    step = largest / (2 ** (bits - 1) - 1)
    return np.round(values / step) * step


def softmax(scores: Scores) -> Scores:
    powers = np.exp(scores - scores.max(axis=1, keepdims=True))
    return powers / powers.sum(axis=1, keepdims=True)


def far_classes(scores: Scores) -> tuple[int, int]:
    """The two classes that are furthest from being any input's label."""
    one, other = np.argsort((scores.max(axis=1, keepdims=True) - scores).min(axis=0))[-2:]
    return int(one), int(other)


def swapped(scores: Scores, expected: Scores) -> Scores:
    one, other = far_classes(expected)
    changed = scores.copy()
    changed[:, [one, other]] = changed[:, [other, one]]
    return changed


def biased(scores: Scores, expected: Scores) -> Scores:
    """One class lower by a standard deviation of the margins."""
    changed = scores.copy()
    changed[:, far_classes(expected)[0]] -= margins(expected).std()
    return changed


def biased_in_batches(scores: Scores, expected: Scores) -> Scores:
    """All inputs but the first of each eight."""
    changed = biased(scores, expected)
    changed[::8] = scores[::8]
    return changed


KINDS: dict[str, Callable[[Scores], Scores]] = {"logits": lambda scores: scores, "probabilities": softmax}
FAULTS = [swapped, biased, biased_in_batches]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("fault", FAULTS)
@pytest.mark.parametrize("precision", ["float32", "int8"])
def test_a_class_that_is_off_is_seen_though_no_label_flips(
    fault: Callable[[Scores, Scores], Scores], precision: str, kind: str
) -> None:
    for seed in range(3):
        net = Classifier(seed)
        expected, own = net.scores, net.quantized() if precision == "int8" else net.scores
        actual = fault(own, expected)
        assert compare_labels(actual, own).agreement == 1
        found = calibration(KINDS[kind](actual), KINDS[kind](expected))
        assert found is not None
        one, other = far_classes(expected)
        assert {each.index for each in found.off} == ({one, other} if fault is swapped else {one})
        assert set(found.swapped) == ({(min(one, other), max(one, other))} if fault is swapped else set())


@pytest.mark.parametrize("fault", [swapped, biased])
def test_twenty_inputs_show_it_too_among_few_classes(fault: Callable[[Scores, Scores], Scores]) -> None:
    for seed in range(3):
        net = Classifier(seed, inputs=20, classes=10)
        found = calibration(fault(net.scores, net.scores), net.scores)
        assert found is not None
        assert far_classes(net.scores)[0] in {each.index for each in found.off}


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(("inputs", "classes"), [(20, 5), (20, 1000), (200, 10), (200, 100)])
def test_rounding_puts_no_class_off(inputs: int, classes: int, kind: str) -> None:
    random = np.random.default_rng(1)
    for seed in range(4):
        net = Classifier(seed, inputs, classes)
        expected = net.scores
        step = np.float32(np.abs(expected).max() / 127)
        for actual in (
            expected * (1 + 1e-7 * random.standard_normal(expected.shape)).astype(np.float32),
            expected.astype(np.float16).astype(np.float32),
            (expected.view(np.uint32) + 0x8000 & 0xFFFF0000).view(np.float32),  # bfloat16
            np.round(expected / step) * step,
            net.quantized(),
            net.quantized(bits=5),
            expected + np.float32(3),  # what an input's scores have in common
        ):
            made = KINDS[kind](actual)
            found = calibration(made, KINDS[kind](expected))
            assert found is None or found.off == ()
        half = KINDS[kind](expected).astype(np.float16)
        found = calibration(half, KINDS[kind](expected))
        assert found is None or found.off == ()


def test_nothing_is_said_where_nothing_can_be_told() -> None:
    expected = Classifier(0).scores
    top = np.where(expected >= np.sort(expected, axis=1)[:, -5:-4], expected, -np.inf).astype(np.float32)
    assert calibration(softmax(expected), expected) is None
    assert calibration(top, expected) is None
    assert calibration(top, top) is None
    assert calibration(softmax(softmax(expected * 4)), softmax(expected * 4)) is None
    assert calibration(Classifier(1).scores, expected) is None
    assert calibration(expected[:7], expected[:7]) is None
    assert calibration(expected[:, :3], expected[:, :3]) is None
    assert calibration(np.ones((20, 5)), np.ones((20, 5))) is None
    with pytest.raises(DeclarationError, match="cannot be compared class by class"):
        calibration(expected[:20], expected)


def test_scores_that_are_no_numbers_tell_nothing_of_the_others() -> None:
    expected = Classifier(0).scores
    actual = biased(expected, expected)
    actual[3] = np.nan
    actual[:, 2] = np.inf
    found = calibration(actual, expected)
    assert found is not None
    assert [each.index for each in found.off] == [far_classes(expected)[0]]
    assert found.tested == CLASSES - 1


def test_the_offset_is_that_beyond_what_all_classes_are() -> None:
    """Worked by hand: class 3 of 5 is higher by 0.5 beyond the 0.25 that each is; the spread is sqrt(2)."""
    expected = np.array([np.roll([-2.0, -1.0, 0.0, 1.0, 2.0], turn) for turn in range(10)])
    actual = expected + 0.25
    actual[:, 3] += 0.5
    found = calibration(actual, expected, ["a", "b", "c", "d", "e"])
    assert found is not None
    assert (found.n, found.tested, found.swapped) == (10, 5, ())
    assert found.spread == pytest.approx(2**0.5)
    assert found.typical == pytest.approx(0.1)
    [off] = found.off
    assert (off.index, off.name) == (3, "d")
    assert (off.offset, off.apart) == (pytest.approx(0.5), pytest.approx(0.4))


def test_what_is_said_names_the_classes() -> None:
    expected = Classifier(0).scores
    one, other = sorted(far_classes(expected))
    names = [f"kind {index}" for index in range(CLASSES)]
    said = calibration_notice(calibration(swapped(expected, expected), expected, names))
    assert said is not None
    assert said.startswith(f"classes {one} (kind {one}) and {other} (kind {other}) look swapped: ")
    said = calibration_notice(calibration(biased(expected, expected), expected))
    assert said is not None
    assert said.startswith(f"scores are off systematically: class {far_classes(expected)[0]} by -")
    assert calibration_notice(calibration(expected, expected)) is None
    assert calibration_notice(None) is None
    assert str(ClassOff(4, 0.0, 0.0)) == "4"
