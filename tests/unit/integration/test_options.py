"""The table of options, and the rerun line that is made from it."""

from __future__ import annotations

import re
import subprocess
import sys

import pytest

from pytest_envrobust.checks.registry import checks, limit_kinds
from pytest_envrobust.integration.options import GROUPS, OPTIONS, CommandOption, options_of_checks, rerun_arguments

EVERY = (*OPTIONS, *options_of_checks(checks().values()))


def each(*, of_whole_run: bool, takes_value: bool) -> pytest.MarkDecorator:
    """The options of that sort, by their flag."""
    found = [each for each in EVERY if (each.of_whole_run, each.takes_value) == (of_whole_run, takes_value)]
    assert found
    return pytest.mark.parametrize("option", found, ids=lambda option: option.flag)


@pytest.fixture
def parsed(pytester: pytest.Pytester) -> pytest.Config:
    """The configuration of a run that asks for envrobust."""
    return pytester.parseconfig("--envrobust")


def rerun(*arguments: str) -> list[str]:
    return rerun_arguments(["-x", *arguments, "tests"], EVERY)


@each(of_whole_run=False, takes_value=True)
def test_an_option_is_kept_with_its_value(option: CommandOption) -> None:
    assert rerun(option.flag, "7", "--envrobust-strict") == ["--envrobust", option.flag, "7", "--envrobust-strict"]
    assert rerun(f"{option.flag}=7", "-k", "word") == ["--envrobust", f"{option.flag}=7"]


@each(of_whole_run=False, takes_value=False)
def test_a_switch_is_kept_and_swallows_nothing(option: CommandOption) -> None:
    kept = rerun(option.flag, "--envrobust-min-label-agreement", "0.99")
    assert kept[-3:] == [option.flag, "--envrobust-min-label-agreement", "0.99"]
    assert rerun(option.flag, "test_it.py")[-1] == option.flag
    assert kept.count("--envrobust") == 1


@each(of_whole_run=True, takes_value=True)
def test_what_is_of_the_whole_run_is_left_out_with_its_value(option: CommandOption) -> None:
    assert rerun(option.flag, "7", "--envrobust-strict") == ["--envrobust", "--envrobust-strict"]
    assert rerun(f"{option.flag}=7", "--envrobust-strict") == ["--envrobust", "--envrobust-strict"]


@each(of_whole_run=True, takes_value=False)
def test_a_switch_of_the_whole_run_is_left_out(option: CommandOption) -> None:
    assert rerun(option.flag, "--envrobust-strict") == ["--envrobust", "--envrobust-strict"]


def test_a_rerun_writes_nothing_and_clears_nothing() -> None:
    left_out = {option.name for option in EVERY if option.of_whole_run}
    assert left_out == {"json", "html", "markdown", "shard", "cache_clear"}


@each(of_whole_run=False, takes_value=True)
def test_argparse_takes_a_value_where_the_table_says_so(option: CommandOption, parsed: pytest.Config) -> None:
    with pytest.raises(pytest.UsageError, match="expected one argument"):
        parsed._parser.parse([option.flag])


@each(of_whole_run=False, takes_value=False)
def test_argparse_takes_none_where_the_table_says_so(option: CommandOption, parsed: pytest.Config) -> None:
    given = parsed._parser.parse([option.flag, "test_it.py"])
    assert getattr(given, option.flag[2:].replace("-", "_"))
    assert given.file_or_dir == ["test_it.py"]


def test_every_limit_has_an_option_and_an_ini_key(parsed: pytest.Config) -> None:
    """On the command line of pytest and of ``envrobust report``, and in the ini file."""
    assert limit_kinds()
    for name in limit_kinds():
        assert parsed.getoption(f"envrobust_{name}", "no such option") is None
        assert parsed.getini(f"envrobust_{name}") == ""
    command = "from pytest_envrobust.cli import main; main(['report', '--help'])"
    shown = subprocess.run([sys.executable, "-c", command], capture_output=True, text=True, timeout=60, check=True)
    for name in limit_kinds():
        assert f"\n  --{name.replace('_', '-')} " in shown.stdout


def test_the_table_needs_nothing_but_the_standard_library() -> None:
    """Every run of pytest reads it, with --envrobust or without."""
    listing = (
        "import sys; import pytest, argparse; before = set(sys.modules); "
        "from pytest_envrobust.integration.options import OPTIONS, options_of_checks; "
        "from pytest_envrobust.checks.registry import checks; options_of_checks(checks().values()); "
        "print(*{name.partition('.')[0] for name in set(sys.modules) - before} - sys.stdlib_module_names)"
    )
    shown = subprocess.run([sys.executable, "-c", listing], capture_output=True, text=True, timeout=60, check=True)
    assert shown.stdout.split() == ["pytest_envrobust"]


def test_help_has_the_options_in_groups_and_says_what_ini_keys_do(pytester: pytest.Pytester) -> None:
    shown = pytester.runpytest_inprocess("--help").stdout.str()
    assert "%%" not in shown
    assert "95 % confidence" in shown
    sections = {title: shown.partition(f"\n{title}:\n")[2].partition("\n\n")[0] for title in GROUPS.values()}
    for option in EVERY:
        found = [
            title for title, text in sections.items() if re.search(rf"^  {option.flag}\b(?!-)", text, re.MULTILINE)
        ]
        assert found == [GROUPS[option.group]], option.flag
        if option.ini:
            told = shown.partition(f"\n  {option.ini} (")[2].partition("\n  envrobust")[0]
            assert option.flag in told
            assert option.help.split()[0] in told
