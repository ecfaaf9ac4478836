"""What a type checker sees of the package from a user's own test."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

import pytest_envrobust

ROOT = Path(pytest_envrobust.__file__).parents[1]


def checked(folder: Path, text: str) -> str:
    """What mypy says of a test file, line by line; expressions whose type has an Any in it are errors."""
    pytest.importorskip("mypy")
    (folder / "test_it.py").write_text(textwrap.dedent(text), encoding="utf-8")
    command = [sys.executable, "-m", "mypy", "--strict", "--disallow-any-expr", "--python-version=3.11", "test_it.py"]
    environ = {**os.environ, "MYPYPATH": str(ROOT)}
    found = subprocess.run(command, cwd=folder, env=environ, capture_output=True, text=True, timeout=600)
    assert "test_it.py" in found.stdout or "Success" in found.stdout, found.stdout + found.stderr
    return found.stdout


@pytest.mark.slow
def test_a_typed_test_meets_no_any_and_a_typo_is_an_error(tmp_path: Path) -> None:
    found = checked(
        tmp_path,
        """
        import pytest_envrobust as er


        def test_it(envrobust: er.Cell, envrobust_reference: er.Runner, envrobust_inputs: er.LoadedInputs) -> None:
            reveal_type(envrobust.assert_labels_agree(min_agreement=0.9))
            reveal_type(envrobust.assert_scores_agree(max_abs_error=1e-3))
            reveal_type(envrobust.assert_latency(max_ms=40))
            reveal_type(envrobust.measure_latency())
            reveal_type(envrobust.assert_repeatable())
            reveal_type(envrobust.assert_batch_independent())
            reveal_type(envrobust.assert_position_independent())
            reveal_type(envrobust.assert_finite())
            reveal_type(envrobust.assert_probabilities())
            reveal_type(envrobust.assert_inputs_untouched())
            reveal_type(envrobust.call())
            reveal_type(envrobust.reference)
            reveal_type(envrobust_reference.model)
            reveal_type(envrobust_inputs.names)
            envrobust.assert_labels_agree(min_agrement=0.9)
            er.Modle
            er.strategies.pertubed
        """,
    )
    revealed = [name.rpartition(".")[2] for name in re.findall(r'Revealed type is "(.+)"', found)]
    assert revealed == [
        *("LabelComparison", "ScoreEvidence", "LatencyEvidence", "LatencyEvidence"),
        *["Invariant"] * 6,
        *("Timing", "Runner", "Model", "]"),
    ]
    errors = [line for line in found.splitlines() if ": error:" in line]
    assert len(errors) == 3, found
    assert 'Unexpected keyword argument "min_agrement"' in errors[0]
    assert 'Module has no attribute "Modle"' in errors[1]
    assert 'Module has no attribute "pertubed"' in errors[2]


@pytest.mark.slow
def test_every_public_name_is_known_to_a_type_checker(tmp_path: Path) -> None:
    names = "\n".join(f"reveal_type(er.{name})" for name in pytest_envrobust.__all__)
    found = checked(tmp_path, f"import pytest_envrobust as er\n{names}\n")
    assert "has no attribute" not in found
    assert 'Revealed type is "Any"' not in found


def test_every_public_name_is_there() -> None:
    assert sorted(pytest_envrobust._HOMES) == sorted(pytest_envrobust.__all__)
    for name in pytest_envrobust.__all__:
        assert getattr(pytest_envrobust, name)
    with pytest.raises(AttributeError, match="has no attribute 'Modle'"):
        _ = pytest_envrobust.Modle
