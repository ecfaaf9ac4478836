"""Hypothesis in a user's tests: the search for a disagreement, and ``@given`` with the fixture."""

from __future__ import annotations

import pytest

pytest.importorskip("hypothesis")

TORCH = "--envrobust-env=torch/eager/cpu"

SEARCH = """
import pytest_envrobust as er

def test_search(envrobust):
    pictures = er.strategies.images(envrobust.inputs.array.shape[2:], "float32", "NCHW")
    found = er.find_disagreement(envrobust, envrobust.reference, pictures, max_examples=200)
    assert found is None, found
"""

GIVEN = """
import time
import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

seen = []

@settings(max_examples=100)
@given(level=st.floats(0.25, 1.0, width=32))
def test_given(envrobust, level):
    if not seen:
        time.sleep(0.3)  # longer than the usual deadline
    seen.append(level)
    scores = envrobust.predict(np.full((1, 3, 24, 24), level, dtype=np.float32))
    assert np.isfinite(scores).all()
    assert level < 0.9, level

def test_after():
    assert 1 < len(seen)
"""


def test_a_disagreement_is_found_saved_and_named(project) -> None:
    project.declare_pair("swapped")
    project.write("test_it.py", SEARCH)
    result = project.run(TORCH, plugins=("hypothesispytest",))
    result.assert_outcomes(failed=1)
    (path,) = (project.path / "envrobust-disagreements").glob("pair-torch-eager-cpu-*.npz")
    result.stdout.fnmatch_lines(
        [f"E*pair: onnx/ort-*/cpu gives these inputs label *, torch/eager/cpu *, saved as *{path.name}*"]
    )


def test_sources_that_agree_give_nothing(project) -> None:
    project.declare_pair("colors")
    project.write("test_it.py", SEARCH.replace("200", "20"))
    result = project.run(TORCH, plugins=("hypothesispytest",))
    result.assert_outcomes(passed=1)


def test_given_works_with_the_fixture_and_shrinks(project) -> None:
    project.declare_pair("colors")
    project.write("test_it.py", GIVEN)
    result = project.run(TORCH, plugins=("hypothesispytest",))
    result.assert_outcomes(failed=1, passed=1)
    result.stdout.fnmatch_lines(["*AssertionError: 1.0", "*level=1.0,"])
    result.stdout.no_fnmatch_line("*DeadlineExceeded*")
    result.stdout.no_fnmatch_line("*FailedHealthCheck*")
