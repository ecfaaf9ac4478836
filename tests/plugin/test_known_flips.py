"""The ledger of known flips: listed ones pass and are shown, new ones fail, and so do entries that match nothing."""

from __future__ import annotations

from datetime import date, timedelta
from pathlib import Path

import pytest

SWAPPED, ORT = "--envrobust-env=onnx:swapped/ort-off/cpu", "--envrobust-env=onnx/ort-all/cpu"
UPDATE = "--envrobust-update-flips"
FLIPPED = ["0", "1", "5", "6"]


@pytest.fixture
def swapped(project, labels_test: str):
    """One test of labels on a pair of sources of which the second confuses two of five classes."""
    project.declare_swapped()
    return project


def ledger_of(project) -> Path:
    path: Path = project.path / "envrobust-flips.toml"
    return path


def test_the_run_that_writes_fails_and_the_next_one_passes_and_shows(swapped) -> None:
    result = swapped.run(SWAPPED, UPDATE)
    result.assert_outcomes(failed=1)
    path = ledger_of(swapped)
    result.stdout.fnmatch_lines([f"envrobust: 4 flips written in {path}, each with the reason 'not explained yet'*"])
    text = path.read_text()
    assert text.count("[[flip]]") == 4
    assert f"expires = {date.today() + timedelta(days=90)}" in text
    path.write_text(text.replace("not explained yet", "red and green were swapped"))

    result = swapped.run(SWAPPED)
    result.assert_outcomes(passed=1)
    assert result.ret == pytest.ExitCode.OK
    result.stdout.fnmatch_lines(
        ["*0.500 (4/8) * 4 real; 4 known *", "  known flip: 0 in onnx:swapped/ort-off/cpu: red and green were swapped"]
    )
    (cell,) = swapped.record()["cells"]
    assert [flip["input"] for flip in cell["labels"]["flipped"]] == FLIPPED
    assert {flip["known"] for flip in cell["labels"]["flipped"]} == {"red and green were swapped"}
    assert cell["labels"]["verdict"] == "passed"


def test_what_is_up_to_date_is_not_written_and_passes(swapped) -> None:
    swapped.run(SWAPPED, UPDATE)
    before = ledger_of(swapped).read_bytes()
    result = swapped.run(SWAPPED, UPDATE)
    result.assert_outcomes(passed=1)
    assert result.ret == pytest.ExitCode.OK
    assert ledger_of(swapped).read_bytes() == before


def test_a_new_flip_fails_and_is_the_only_one_named(swapped) -> None:
    swapped.run(SWAPPED, UPDATE, "--envrobust-flips=known.toml")
    path = swapped.path / "known.toml"
    tables = path.read_text().split("[[flip]]")
    path.write_text("[[flip]]".join(tables[:-1]))
    result = swapped.run(SWAPPED, "--envrobust-flips=known.toml")
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(["E *6: expected 1, got 0; *", "E *known flip: 0, not explained yet"])
    result.stdout.no_fnmatch_line("E *0: expected 0*")


def test_an_entry_that_matches_nothing_fails_the_run(swapped) -> None:
    swapped.run(SWAPPED, UPDATE)
    path = ledger_of(swapped)
    path.write_text(path.read_text().replace("onnx:swapped/ort-off/cpu", "*"))
    result = swapped.run(ORT)
    result.assert_outcomes(passed=1)
    assert result.ret == pytest.ExitCode.TESTS_FAILED
    result.stdout.fnmatch_lines(
        ["envrobust: 4 known flips are none any more: 0, 1, 5 and 6 of pair in [*]; *(--envrobust-update-flips *)"]
    )
    # a run of both finds them in one: they are in use
    result = swapped.run(ORT, SWAPPED)
    result.assert_outcomes(passed=2)
    assert result.ret == pytest.ExitCode.OK
    # and where they are in none, an update takes them out
    result = swapped.run(ORT, UPDATE)
    result.stdout.fnmatch_lines([f"envrobust: 4 entries removed in {path}; *"])
    assert result.ret == pytest.ExitCode.TESTS_FAILED
    assert "[[flip]]" not in path.read_text()


def test_entries_of_cells_that_did_not_run_are_left_alone(swapped) -> None:
    swapped.run(SWAPPED, UPDATE)
    result = swapped.run(ORT)
    result.assert_outcomes(passed=1)
    assert result.ret == pytest.ExitCode.OK
    result.stdout.fnmatch_lines(["envrobust: the known flip 0 of pair in * has no effect: *; so 3 others"])


def test_an_entry_past_its_date_excuses_nothing_and_fails_the_run(swapped) -> None:
    swapped.run(SWAPPED, UPDATE)
    path, soon = ledger_of(swapped), date.today() + timedelta(days=90)
    path.write_text(path.read_text().replace(f"expires = {soon}", "expires = 2020-02-29"))
    result = swapped.run(SWAPPED)
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(
        ["envrobust: 4 known flips have expired: 0, 1, 5 and 6 of pair in onnx:swapped/ort-off/cpu on 2020-02-29 (*"]
    )
    # also where what it speaks of did not run
    result = swapped.run(ORT)
    result.assert_outcomes(passed=1)
    assert result.ret == pytest.ExitCode.TESTS_FAILED
    # an update renews it, to be explained anew
    swapped.run(SWAPPED, UPDATE)
    assert path.read_text().count(f"expires = {soon}") == 4


def test_what_a_limit_allows_is_not_written(swapped) -> None:
    result = swapped.run(SWAPPED, UPDATE, "--envrobust-min-label-agreement=0.5")
    result.assert_outcomes(passed=1)
    assert result.ret == pytest.ExitCode.OK
    assert not ledger_of(swapped).exists()


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[[flip", "*envrobust-flips.toml' is not TOML: *"),
        ("[[flip]]\nmodel = 'pair'\n", "*entry 1 of *envrobust-flips.toml' has no 'environment'*"),
        (
            "[[flip]]\nmodel = 'pair'\nenvironment = 'onnx/orr-*'\ninput = '0000000000000000'\nreason = 'r'\n"
            "expires = 2999-01-01\n",
            "*'onnx/orr-[*]' (entry 1 of *envrobust-flips.toml) matches no environment*",
        ),
    ],
)
def test_a_malformed_ledger_is_a_usage_error(swapped, text: str, said: str) -> None:
    ledger_of(swapped).write_text(text)
    result = swapped.run(SWAPPED)
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines([f"ERROR: {said}"])


def test_a_ledger_that_was_named_must_be_there(swapped) -> None:
    result = swapped.run(SWAPPED, "--envrobust-flips=nowhere.toml")
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines(["ERROR: ledger *nowhere.toml' cannot be read: No such file or directory *"])


def test_several_processes_share_it_and_may_not_write_it(swapped) -> None:
    pytest.importorskip("xdist")
    result = swapped.run(SWAPPED, UPDATE, "-n", "2", plugins=("xdist",))
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines(["ERROR: --envrobust-update-flips with several processes: *(run it without -n)"])
    swapped.run(SWAPPED, UPDATE)
    result = swapped.run(SWAPPED, ORT, "-n", "2", plugins=("xdist",))
    result.assert_outcomes(passed=2)
    assert result.ret == pytest.ExitCode.OK
    path = ledger_of(swapped)
    path.write_text(path.read_text().replace("onnx:swapped/ort-off/cpu", "onnx/ort-all/cpu"))
    result = swapped.run(ORT, "-n", "2", plugins=("xdist",))
    assert result.ret == pytest.ExitCode.TESTS_FAILED
    result.stdout.fnmatch_lines(
        ["envrobust: 4 known flips are none any more: 0, 1, 5 and 6 of pair in onnx/ort-all/cpu; *"]
    )


def test_shards_share_it_and_may_not_write_it(swapped) -> None:
    swapped.run(SWAPPED, UPDATE)
    path = ledger_of(swapped)
    path.write_text(path.read_text().replace("onnx:swapped/ort-off/cpu", "*"))
    result = swapped.run(SWAPPED, UPDATE, "--envrobust-shard=1/2")
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines(["ERROR: --envrobust-update-flips in a shard: *(run it without --envrobust-shard)"])
    # in one shard no label flips: whether the entries are stale the other one knows
    for number in (1, 2):
        result = swapped.run(SWAPPED, ORT, f"--envrobust-shard={number}/2")
        result.assert_outcomes(passed=1, deselected=1)
        assert result.ret == pytest.ExitCode.OK
    result = swapped.run(ORT, "--envrobust-shard=1/1")
    assert result.ret == pytest.ExitCode.TESTS_FAILED
