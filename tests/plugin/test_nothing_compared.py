"""A run in which nothing was compared fails, whatever else it shows."""

from __future__ import annotations

import pytest

MESSAGE = "envrobust: nothing was compared: *"


def test_everything_skipped_fails(project, labels_test) -> None:
    """The cells are skipped for want of a route."""
    project.declare_colors()
    result = project.run("--envrobust-env=keras/eager/cpu")
    result.assert_outcomes(skipped=1)
    assert result.ret == pytest.ExitCode.TESTS_FAILED
    result.stdout.fnmatch_lines([MESSAGE])


def test_it_fails_without_the_terminal_plugin_too(project, labels_test) -> None:
    project.declare_colors()
    result = project.pytest("--envrobust", "--envrobust-env=keras/eager/cpu", "-p", "no:terminal")
    assert result.ret == pytest.ExitCode.TESTS_FAILED


def test_no_test_for_it_at_all_fails(project) -> None:
    project.write("test_it.py", "def test_plain(): pass\n")
    result = project.run()
    result.assert_outcomes(passed=1)
    assert result.ret == pytest.ExitCode.TESTS_FAILED
    result.stdout.fnmatch_lines([MESSAGE])


def test_only_the_reference_fails(project, labels_test) -> None:
    """Held against itself it shows nothing."""
    project.declare_colors()
    result = project.run("--envrobust-env=onnx/ort-off/cpu")
    result.assert_outcomes(passed=1)
    assert result.ret == pytest.ExitCode.TESTS_FAILED
    result.stdout.fnmatch_lines([MESSAGE])


def test_with_the_ini_key_a_run_that_has_cells_fails_too(project, labels_test) -> None:
    project.ini("envrobust = true", "envrobust_environments = keras/eager/cpu")
    project.declare_colors()
    assert project.pytest().ret == pytest.ExitCode.TESTS_FAILED


def test_collecting_only_is_no_failure(project, labels_test) -> None:
    project.declare_colors()
    result = project.collect("--envrobust-env=keras/eager/cpu")
    assert result.ret == pytest.ExitCode.OK
    result.stdout.no_fnmatch_line(MESSAGE)
