"""Which output holds the class scores, and the forms that they come in."""

from __future__ import annotations

from collections import OrderedDict, namedtuple
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest

from pytest_envrobust.core.errors import DeclarationError
from pytest_envrobust.frameworks.outputs import MAPS, Output, choose, single_output

SCORES = np.arange(6, dtype=np.float32).reshape(2, 3)
FEATURES = np.zeros((2, 7), dtype=np.float32)
Pair = namedtuple("Pair", ["features", "logits"])


@dataclass
class Answer:
    """What some libraries return: the loss is not there without labels."""

    loss: Any
    logits: Any
    hidden: Any = None


class ModelOutput(OrderedDict[str, Any]):
    """A dict with attributes, as Hugging Face's models return."""


@pytest.mark.parametrize(
    "returned",
    [
        SCORES,
        (SCORES,),
        {"scores": SCORES},
        ({"scores": [SCORES]},),
        SCORES[:, :, None, None],
        SCORES[:, None, None, :],
        SCORES[:, None],
        Answer(None, SCORES, (FEATURES, FEATURES)),
        ModelOutput(loss=np.float32(1), logits=SCORES, hidden_states=(FEATURES, FEATURES)),
        Pair(FEATURES, SCORES),
        [np.array([2, 2]), SCORES],
        (np.array(["dog", "dog"]), SCORES),
        [np.array([2, 2]), [dict(enumerate(row)) for row in SCORES.tolist()]],
    ],
)
def test_forms_that_say_what_they_are(returned: Any) -> None:
    found = single_output(returned, rows=2)
    assert found.shape == (2, 3)
    assert (found == SCORES).all()


def test_one_number_for_each_input_is_a_column() -> None:
    assert single_output(np.array([0.25, 0.75])).tolist() == [[0.25], [0.75]]
    assert single_output(np.array([[3], [1]])).dtype.kind == "i"
    assert single_output(np.array([True, False])).tolist() == [[1], [0]]
    assert single_output(np.float32(0.5), rows=1).tolist() == [[0.5]]


def test_scores_of_one_input_without_a_batch_dimension_are_its_row() -> None:
    assert single_output(SCORES[0], rows=1).tolist() == [[0, 1, 2]]
    assert single_output(SCORES[0]).shape == (3, 1)


@pytest.mark.parametrize(
    ("output", "expected"), [("scores", SCORES), ("1", SCORES), ("-2", FEATURES), ("features", FEATURES)]
)
def test_an_output_is_chosen_by_name_or_place(output: str, expected: Any) -> None:
    assert single_output({"features": FEATURES, "scores": SCORES}, output) is not None
    assert (single_output({"features": FEATURES, "scores": SCORES}, output) == expected).all()


def test_outputs_that_cannot_be_told_apart_are_named_with_the_line_to_write() -> None:
    with pytest.raises(DeclarationError) as caught:
        single_output({"map": np.zeros((2, 3, 4, 4)), "scores": SCORES, "features": FEATURES})
    message = str(caught.value)
    assert "map float64[2, 3, 4, 4], scores float32[2, 3], features float32[2, 7]" in message
    assert "--envrobust-output scores, or er.Source(..., output='scores')" in message
    with pytest.raises(DeclarationError, match=r"no output 'score': .*did you mean 'scores'\?"):
        single_output({"scores": SCORES, "features": FEATURES}, "score")


@pytest.mark.parametrize(
    "returned", [np.zeros((2, 3, 4, 4)), np.array(["a", "b"]), "text", None, (), SCORES.astype(complex)]
)
def test_what_is_no_answer_of_a_classifier_is_refused(returned: Any) -> None:
    with pytest.raises(DeclarationError):
        single_output(returned)


def test_declared_outputs() -> None:
    label, maps = Output("label", "int64", (None,)), Output("probabilities", MAPS)
    assert choose([label, maps], "", "it").index == 1
    assert choose([Output("StatefulPartitionedCall:0", "float32")], "", "it").text == ""
    two = [Output("logits:0", "float32", (None, 5)), Output("features", "float32", (None, 9))]
    assert choose(two, "", "it").text.startswith("output logits:0 of 2 (logits:0 float32[?, 5], ")
    assert choose(two, "logits", "it").index == 0
    assert choose(two, "features", "it").text.endswith("as asked for")
    with pytest.raises(DeclarationError, match="which of them"):
        choose([two[1], Output("more", "float32", (None, 9))], "", "it")
