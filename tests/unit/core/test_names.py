"""What users write: globs of environments, and names that are nearly right."""

from __future__ import annotations

import pytest

from pytest_envrobust.core.globs import is_glob, matches
from pytest_envrobust.core.suggestions import did_you_mean


@pytest.mark.parametrize(
    ("name", "said"), [("troch", "did you mean 'torch'?"), ("kera", "did you mean 'keras'?"), ("zzz", "one of these")]
)
def test_the_nearest_name_is_suggested(name: str, said: str) -> None:
    assert did_you_mean(name, {"torch": 1, "keras": 2}, "one of these") == said


def test_nothing_is_suggested_where_nothing_is_near() -> None:
    assert did_you_mean("zzz", ["torch"]) == ""
    assert did_you_mean("torch", []) == ""


def test_how_near_it_must_be_and_how_it_is_written() -> None:
    assert did_you_mean("to", ["torch"]) == ""
    assert did_you_mean("to", ["torch"], cutoff=0.4, written="zoo:{}".format) == "did you mean zoo:torch?"


@pytest.mark.parametrize(
    ("glob", "matched"),
    [
        ("*", True),
        ("torch/*", True),
        ("*/eager/cpu", True),
        ("TORCH/*", False),
        ("torch/eager", False),
        ("t?rch/*", True),
    ],
)
def test_a_glob_is_of_the_whole_id(glob: str, matched: bool) -> None:
    assert matches("torch/eager/cpu", glob) is matched


def test_what_is_a_glob() -> None:
    assert [is_glob(text) for text in ("a/b/c", "a/b/*", "a/?/c", "a/[bc]/d")] == [False, True, True, True]
