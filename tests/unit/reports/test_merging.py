from __future__ import annotations

import copy
from typing import Any

import pytest
from support.records import Synthetic, synthetic

from pytest_envrobust import DeclarationError
from pytest_envrobust.reports.merging import Coverage, Part, coverage, merged, together


@pytest.fixture(scope="module")
def whole() -> Synthetic:
    return synthetic(models=2, environments=6, inputs=20)


def parts_of(whole: Synthetic, of: int) -> list[Part]:
    """The record as shards, its cells cut into runs."""
    cells = whole.record["cells"]
    found = []
    for number in range(1, of + 1):
        mine = cells[len(cells) * (number - 1) // of : len(cells) * number // of]
        record: dict[str, Any] = copy.deepcopy({**whole.record, "cells": mine})
        record["run"]["shard"] = {"number": number, "of": of, "cells": len(mine), "all_cells": len(cells)}
        for model in record["models"]:
            model.pop("analysis", None)
        found.append(Part(f"part-{number}.json", record))
    return found


@pytest.mark.parametrize("of", [1, 2, 5])
def test_together_they_are_the_whole(whole: Synthetic, of: int) -> None:
    record = merged(parts_of(whole, of), whole.scores)
    assert record["cells"] == whole.record["cells"]
    assert record["models"] == whole.record["models"]
    assert len(record["run"]["parts"]) == of
    assert "notices" not in record["run"]
    assert "shard" not in record["run"]


def test_the_order_of_parts_changes_the_order_of_cells_alone(whole: Synthetic) -> None:
    record = merged(parts_of(whole, 3)[::-1], whole.scores)
    key = "nodeid"
    assert sorted(record["cells"], key=lambda cell: cell[key]) == sorted(
        whole.record["cells"], key=lambda cell: cell[key]
    )


def test_coverage(whole: Synthetic) -> None:
    first, second, third = parts_of(whole, 3)
    assert coverage([first, second, third]) == Coverage(of=3)
    assert not str(coverage([first, second, third]))
    assert coverage([first, third]) == Coverage((2,), 3, second.shard["cells"])
    lacking = first.shard["cells"] + third.shard["cells"]
    assert str(coverage([second])) == f"not covered: shards 1/3 and 3/3, {lacking} cells"
    assert not str(coverage([Part("run.json", whole.record)]))


def test_what_each_knows_of_a_model_is_put_together() -> None:
    known = {"name": "m", "sources": {"torch": {"digest": "1"}, "onnx": {"target": "x"}}, "guesses": {"torch": "a"}}
    more = {"name": "m", "sources": {"onnx": {"digest": "2"}}, "adequacy": {"r": {"n": 3}}, "truth": [1]}
    assert together(known, more) == {
        "name": "m",
        "sources": {"torch": {"digest": "1"}, "onnx": {"target": "x", "digest": "2"}},
        "guesses": {"torch": "a"},
        "adequacy": {"r": {"n": 3}},
        "truth": [1],
    }


def test_a_source_that_one_part_has_not_loaded_is_no_difference(whole: Synthetic) -> None:
    first, second = parts_of(whole, 2)
    for source in second.record["models"][0]["sources"].values():
        source.pop("digest", None)
        source.pop("preprocess", None)
    assert merged([first, second], whole.scores)["models"] == whole.record["models"]


@pytest.mark.parametrize(
    ("path", "value", "message"),
    [
        (("run", "shard", "number"), 1, "shard 1/2 is there twice: part-1.json and part-2.json"),
        (("run", "shard", "of"), 3, "part-2.json is a shard of 3 and part-1.json one of 2"),
        (("run", "preprocess_from"), "reference", "preprocess-from: not the same"),
        (("run", "reference_run"), {"path": "x.json"}, "reference-run: not the same: None in part-1.json, x.json in"),
        (("models", 0, "inputs"), ["one"], "inputs of "),
        (("models", 0, "truth"), [1], "true classes of "),
    ],
)
def test_what_is_not_of_one_run_is_refused(whole: Synthetic, path: tuple[Any, ...], value: Any, message: str) -> None:
    first, second = parts_of(whole, 2)
    first.record["models"][0].setdefault("truth", [0])
    *way, last = path
    place: Any = second.record
    for key in way:
        place = place[key]
    place[last] = value
    with pytest.raises(DeclarationError) as caught:
        merged([first, second], whole.scores)
    assert caught.value.headline.startswith(message)


def test_a_cell_that_is_there_twice_is_named(whole: Synthetic) -> None:
    first, second = parts_of(whole, 2)
    second.record["cells"].append(first.record["cells"][0])
    with pytest.raises(DeclarationError, match=r"is in part-1\.json and in part-2\.json") as caught:
        merged([first, second], whole.scores)
    assert caught.value.thing.startswith(first.record["cells"][0]["nodeid"])
