"""The command line: reports drawn again, limits judged again, runs compared and merged."""

from __future__ import annotations

import json
import re
import shlex
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from support.records import synthetic

from pytest_envrobust.checks import registry
from pytest_envrobust.checks.registry import limit_kinds
from pytest_envrobust.cli import main
from pytest_envrobust.core.shard import Shard
from pytest_envrobust.core.status import Status
from pytest_envrobust.record.document import SCHEMA_VERSION, read_record
from pytest_envrobust.record.predictions import Predictions
from pytest_envrobust.reports.terminal import terminal_lines

PAGE = Path(__file__).parents[2] / "docs" / "runs.md"

Output = pytest.CaptureFixture[str]


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The path of a record with predictions, in the working directory."""
    monkeypatch.chdir(tmp_path)
    return synthetic(environments=6, inputs=20).write(Path(), "run")


def changed(path: Path, change: Callable[[dict[str, Any]], object], name: str) -> Path:
    """A copy of a record under that name, with a change and without predictions."""
    record = json.loads(path.read_text(encoding="utf-8"))
    change(record)
    other = path.with_name(name)
    other.write_text(json.dumps(record), encoding="utf-8")
    return other


def test_report_draws_the_table_of_the_terminal(run: Path, capsys: Output) -> None:
    assert main(["report", str(run)]) == 0
    assert capsys.readouterr().out.splitlines() == terminal_lines(read_record(run))


def test_report_without_limits_judges_nothing(run: Path, capsys: Output) -> None:
    assert any(cell.status is Status.CRASHED for cell in read_record(run).cells)
    assert main(["report", str(run), "--json", "again.json"]) == 0
    assert read_record(Path("again.json")) == read_record(run)


def test_report_writes_what_is_asked_for_and_says_where(run: Path, capsys: Output) -> None:
    assert main(["report", str(run), "--html", "new/r.html", "--markdown", "r.md", "--json", "new/r.json"]) == 0
    assert capsys.readouterr().out.splitlines() == ["report: new/r.html", "summary: r.md", "record: new/r.json"]
    assert Path("new/r.html").read_text(encoding="utf-8").startswith("<!doctype html>")
    assert Path("r.md").read_text(encoding="utf-8").startswith("### ")
    assert read_record(Path("new/r.json")) == read_record(run)


def test_predictions_go_along_with_a_new_record(run: Path) -> None:
    assert main(["report", str(run), "--json", "new/judged.json"]) == 0
    before, after = Predictions.beside(run), Predictions.beside(Path("new/judged.json"))
    assert before.names
    assert after.names == before.names
    assert main(["report", "new/judged.json", "--json", "new/judged.json"]) == 0
    assert Predictions.beside(Path("new/judged.json")).names == before.names


def test_report_judges_again_and_fails_where_a_cell_does(run: Path, capsys: Output) -> None:
    changed(run, lambda record: record["cells"].pop(), "run.json")  # the one that crashed
    assert main(["report", str(run), "--min-label-agreement", "0.5", "--max-latency-ms", "1000"]) == 0
    assert main(["report", str(run), "--max-latency-ratio", "0.5", "--json", "judged.json"]) == 1
    said = capsys.readouterr().out.splitlines()[-1]
    assert said.startswith("failed: model-0 in keras/eager/cpu: too slow, 1.00 times the CPU time of torch/eager/cpu")
    assert "limit 0.5 from envrobust report" in said
    judged = {cell.nodeid: cell.latency for cell in read_record(Path("judged.json")).cells}
    timed = judged["test_time[model-0-keras/eager/cpu]"]
    assert timed is not None
    assert timed.verdict is Status.FAILED


def test_every_limit_can_be_given_to_a_report(run: Path, capsys: Output) -> None:
    changed(run, lambda record: record["cells"].pop(), "run.json")  # the one that crashed
    for name in [kind.name for kind in limit_kinds().values() if "latency" in kind.name]:
        assert main(["report", str(run), f"--{name.replace('_', '-')}", "1000"]) == 0
        said = [line for line in capsys.readouterr().out.splitlines() if line.startswith("inconclusive: ")]
        # a p99 and an earlier run are not in the record
        assert len(said) == (6 if name in ("max_latency_p99_ms", "max_latency_regression") else 0)
    with pytest.raises(SystemExit, match="0"):
        main(["report", "--help"])
    said = " ".join(capsys.readouterr().out.split())
    assert "95 % confidence" in said
    assert [name for name in limit_kinds() if f"--{name.replace('_', '-')} " not in said] == []
    assert "--ties {count,ignore}" in said


def test_a_module_that_registers_a_check_brings_its_limits(
    run: Path, capsys: Output, monkeypatch: pytest.MonkeyPatch
) -> None:
    Path("adds_check.py").write_text(
        "from pytest_envrobust.checks.registry import register_check\n"
        "from pytest_envrobust.checks.base import Check\n"
        "from pytest_envrobust.verdicts.limits import LimitKind\n"
        "class Mood(Check):\n"
        "    name, summary, limits = 'mood', '', (LimitKind.positive('max_mood', 'the worst mood'),)\n"
        "    measure = judge = None\n"
        "register_check(Mood())\n"
    )
    monkeypatch.syspath_prepend(Path.cwd())
    monkeypatch.setattr(registry, "_FROM_OUTSIDE", {})
    with pytest.raises(SystemExit, match="2"):
        main(["report", str(run), "--max-mood=1"])
    assert "--max-mood" in capsys.readouterr().err
    assert main(["report", str(run), "-p", "adds_check", "--max-mood=1"]) == 1  # one cell crashed
    assert "mood was not measured (limit 1 from envrobust report)" in capsys.readouterr().out


def test_a_module_that_is_not_there_is_told_in_one_line(run: Path, capsys: Output) -> None:
    assert main(["report", str(run), "-p", "nowhere.to.be.found"]) == 2
    error = capsys.readouterr().err
    assert error.startswith("envrobust: -p nowhere.to.be.found cannot be imported: No module named 'nowhere'")
    assert error.count("\n") == 1


def test_what_never_ran_is_a_failure_of_the_judged_run_too(run: Path, capsys: Output) -> None:
    assert main(["report", str(run), "--min-label-agreement", "0"]) == 1
    assert capsys.readouterr().out.splitlines()[-1] == (
        "crashed: model-0 in torch/tvm-o2/cpu: crashed at stage compile: the worker died (signal 11)"
    )


def test_without_predictions_labels_are_inconclusive_and_that_is_no_failure(run: Path, capsys: Output) -> None:
    bare = changed(run, lambda record: record["cells"].pop(), "bare.json")
    assert main(["report", str(bare), "--min-label-agreement", "1"]) == 0
    lines = [line for line in capsys.readouterr().out.splitlines() if line.startswith("inconclusive: ")]
    assert len(lines) == 6
    assert all("its predictions were not kept" in line for line in lines)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--min-label-agreement", "98"], "min_label_agreement=98.0 (from envrobust report) is not a limit"),
        (["--max-latency-ms", "fast"], "max_latency_ms='fast' (from envrobust report) is not a limit"),
        (["--markdown", "run.npz/r.md"], "summary 'run.npz/r.md' cannot be written: "),
        (["--html", "run.npz/r.html"], "report 'run.npz/r.html' cannot be written: "),
        (["--json", "run.npz/r.json"], "record 'run.npz/r.json' cannot be written: "),
    ],
)
def test_report_refuses_what_cannot_be(run: Path, capsys: Output, arguments: list[str], message: str) -> None:
    assert main(["report", str(run), *arguments]) == 2
    error = capsys.readouterr().err
    assert error.startswith(f"envrobust: {message}")
    assert error.count("\n") == 1


def test_predictions_without_the_reference_are_an_error(run: Path, capsys: Output) -> None:
    def lose(record: dict[str, Any]) -> None:
        for cell in record["cells"]:
            if cell.get("environment") == "torch/eager/cpu":
                cell["output_digest"] = "0" * 64

    changed(run, lose, "run.json")
    # the reference itself is judged first, and is inconclusive; the next one cannot be compared
    assert main(["report", str(run), "--min-label-agreement", "1"]) == 2
    error = capsys.readouterr().err
    assert error.startswith("envrobust: the predictions of model-0 in torch/eager/cpu, the reference, are missing: ")


def test_comparing_a_run_with_itself_finds_nothing(run: Path, capsys: Output) -> None:
    assert main(["compare", str(run), str(run), "--strict"]) == 0
    assert "model-0: 7 cells in both runs, no status, label or bit changed" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("change", "strict"),
    [
        (lambda record: record["cells"].pop(), 1),  # lost
        (lambda record: record["cells"][2].update(status="crashed"), 1),
        (lambda record: record["cells"][2]["labels"]["flips"].update(real=9), 1),
        (lambda record: record["run"]["machine"].update(cores=2), 0),
        (lambda record: record["cells"][-1].update(status="passed"), 0),
    ],
    ids=["lost", "graver", "flips", "machine", "better"],
)
def test_only_strict_fails_for_what_is_worse(
    run: Path, change: Callable[[dict[str, Any]], object], strict: int
) -> None:
    def bits(record: dict[str, Any]) -> None:
        change(record)
        record["cells"][2]["output_digest"] = "f" * 64

    after = changed(run, bits, "after.json")
    assert main(["compare", str(run), str(after)]) == 0
    assert main(["compare", str(run), str(after), "--strict"]) == strict


def test_compare_writes_a_page(run: Path, capsys: Output) -> None:
    assert main(["compare", str(run), str(run), "--html", "new/c.html"]) == 0
    assert capsys.readouterr().out.splitlines()[-1] == "page: new/c.html"
    assert "No cell was lost" in Path("new/c.html").read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("text", "cause"),
    [
        (None, "No such file"),
        ("not json", "Expecting value"),
        ("[]", "list indices"),
        ('{"schema_version": %d}', "missing required field `run`"),
        ('{"schema_version": %d, "run": {}, "models": {}, "cells": []}', "models: Expected `array`, got `object`"),
        ('{"schema_version": %d, "run": {}, "models": [{}], "cells": []}', "model 0: Object missing required field"),
        ('{"schema_version": %d, "run": {}, "models": [], "cells": [{"status": "odd"}]}', "cell 0, status: Invalid"),
        (
            '{"schema_version": %d, "run": {}, "models": [], "cells": [{"status": "passed", "environment": "a/b/c"}]}',
            "cell 0: it has an environment and no model or no reference",
        ),
        ('{"schema_version": 99}', "has schema version 99: this release reads"),
    ],
)
@pytest.mark.parametrize(
    "command", [["report"], ["compare", "run.json"], ["merge", "run.json"]], ids=lambda command: command[0]
)
def test_a_file_that_is_no_record_is_refused_in_one_line(
    run: Path, capsys: Output, command: list[str], text: str | None, cause: str
) -> None:
    if text is not None:
        Path("odd.json").write_text(text.replace("%d", str(SCHEMA_VERSION)), encoding="utf-8")
    assert main([*command, "odd.json"]) == 2
    error = capsys.readouterr().err
    assert "'odd.json'" in error
    assert cause in error
    assert error.count("\n") == 1


def shards(run: Path, of: int, **change: Any) -> list[str]:
    """The records, with predictions, that the jobs of a matrix would have written of the run; names of the files."""
    names = list(dict.fromkeys(cell.name for cell in read_record(run).cells if cell.name is not None))
    found = []
    for number in range(1, of + 1):
        share = Shard(number, of).share(names)

        def split(record: dict[str, Any], number: int = number, share: frozenset[Any] = share) -> None:
            record["cells"] = [cell for cell in record["cells"] if (cell["model"], cell["environment"]) in share]
            record["run"]["shard"] = {"numbers": [number], "of": of, "whole": [list(name) for name in names], **change}

        path = changed(run, split, f"shard-{number}.json")
        path.with_suffix(".npz").write_bytes(run.with_suffix(".npz").read_bytes())
        found.append(str(path))
    return found


@pytest.fixture
def passing(run: Path) -> Path:
    """The record without the cell that crashed."""
    copy = changed(run, lambda record: record["cells"].pop(), "passing.json")
    for cell in read_record(copy).cells:
        assert cell.status in (Status.PASSED, Status.UNAVAILABLE, Status.FAILED)
    run.with_suffix(".npz").rename(copy.with_suffix(".npz"))

    def forgive(record: dict[str, Any]) -> None:
        for cell in record["cells"]:
            cell["status"] = "passed" if cell["status"] == "failed" else cell["status"]

    return changed(copy, forgive, "passing.json")


def test_merge_puts_shards_together_and_writes_what_is_asked_for(passing: Path, capsys: Output) -> None:
    out = ["--json", "new/all.json", "--html", "all.html", "--markdown", "all.md"]
    assert main(["merge", *shards(passing, 3), *out]) == 0
    merged = "Merged from 3 records: shard-1.json, shard-2.json and shard-3.json."
    table = [merged, "", *terminal_lines(read_record(passing))]
    said = ["report: all.html", "summary: all.md", "record: new/all.json"]
    assert capsys.readouterr().out.splitlines() == [*table, *said]
    record = read_record(Path("new/all.json"))
    assert record.cells == read_record(passing).cells
    assert Predictions.beside(Path("new/all.json")).names == Predictions.beside(passing).names
    assert main(["compare", str(passing), "new/all.json", "--strict"]) == 0
    assert main(["report", "new/all.json", "--min-label-agreement", "0"]) == 0


def test_merge_fails_where_a_cell_failed_and_says_why(run: Path, capsys: Output) -> None:
    assert main(["merge", *shards(run, 2)]) == 1
    assert "crashed: model-0 in torch/tvm-o2/cpu: crashed at stage compile" in capsys.readouterr().out


def test_merge_fails_where_shards_are_missing_unless_that_is_meant(passing: Path, capsys: Output) -> None:
    first, _, third, _ = shards(passing, 4)
    assert main(["merge", first, third]) == 1
    lines = capsys.readouterr().out.splitlines()
    assert lines[1] == "Shards 1 and 3 of 4: 4 of 8 cells; the other 4 are in shards 2 and 4."
    assert lines[-1] == "envrobust: shards 2 and 4 of 4 missing (--partial lets that pass)"
    assert main(["merge", first, third, "--partial", "--json", "some.json"]) == 0
    assert main(["report", "some.json"]) == 0
    assert "Shards 1 and 3 of 4: " in capsys.readouterr().out


def test_merge_fails_where_nothing_was_compared(passing: Path, capsys: Output) -> None:
    def forget(record: dict[str, Any]) -> None:
        for cell in record["cells"]:
            cell["compared"] = False

    assert main(["merge", *shards(changed(passing, forget, "passing.json"), 2), "--partial"]) == 1
    assert capsys.readouterr().out.splitlines()[-1].startswith("envrobust: nothing was compared: ")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["shard-1.json", "shard-1.json"], "shard 1/2 is in both 'shard-1.json' and 'shard-1.json' (give each shard"),
        (["passing.json", "passing.json"], "test_labels[model-0-torch/eager/cpu] is in both 'passing.json' and "),
        (["shard-1.json", "shard-2.json", "--json", "./shard-2.json"], "--json shard-2.json is one of the records to"),
        (["shard-1.json", "shard-2.json", "--json", "passing.npz/all.json"], "record 'passing.npz/all.json' cannot be"),
        (["shard-1.json", "gone.json"], "'gone.json' is no record of a run: "),
        (["shard-1.json", "passing.npz"], "'passing.npz' is no record of a run: "),
    ],
)
def test_merge_refuses_in_one_line(passing: Path, capsys: Output, arguments: list[str], message: str) -> None:
    shards(passing, 2)
    assert main(["merge", *arguments]) == 2
    error = capsys.readouterr().err
    assert error.startswith(f"envrobust: {message}")
    assert error.count("\n") == 1


@pytest.mark.parametrize(
    ("shard", "said"),
    [
        ([], "run.shard: Expected `object | null`, got `array`"),
        ({}, "run.shard: Object missing required field `numbers`"),
        ({"numbers": [1]}, "run.shard: Object missing required field `of`"),
        ({"numbers": [], "of": 2}, "run.shard: shards [] of 2 cannot be"),
        ({"numbers": [3], "of": 2}, "run.shard: shards [3] of 2 cannot be"),
        ({"numbers": ["1"], "of": 2}, "run.shard.numbers[0]: Expected `int`, got `str`"),
        (
            {"numbers": [1], "of": 2, "whole": [["model"]]},
            "run.shard.whole[0]: Expected `array` of length 2, got 1",
        ),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_a_shard_that_is_none_is_refused(run: Path, capsys: Output, shard: Any, said: str) -> None:
    changed(run, lambda record: record["run"].update(shard=shard), "odd.json")
    assert main(["merge", "odd.json"]) == 2
    assert capsys.readouterr().err == f"envrobust: 'odd.json' is no record of a run: {said}\n"


def test_broken_predictions_are_refused_in_one_line(run: Path, capsys: Output) -> None:
    run.with_suffix(".npz").write_bytes(b"PK of a sort")
    assert main(["compare", str(run), str(run)]) == 2
    error = capsys.readouterr().err
    assert error.startswith("envrobust: predictions 'run.npz' cannot be read: ")
    assert error.count("\n") == 1


def test_the_commands_of_the_page_on_runs_work(run: Path, capsys: Output) -> None:
    commands = re.findall(r"^ *(?:\$|- run:) (envrobust .+)$", PAGE.read_text(encoding="utf-8"), re.MULTILINE)
    assert len(commands) >= 4
    merges = [command for command in commands if command.startswith("envrobust merge")]
    assert len(merges) == 2
    for command in commands:
        for name in re.findall(r"[\w-]+\.json", command) if command not in merges else ():
            for suffix in (".json", ".npz"):
                Path(name).with_suffix(suffix).write_bytes(run.with_suffix(suffix).read_bytes())
        if command in merges:
            names = " ".join(shards(run, 3))
            assert "shard-*.json" in command or names in command
            command = command.replace("shard-*.json", names)
        assert main(shlex.split(command)[1:]) in (0, 1), command
        assert capsys.readouterr().err == ""


def test_a_reader_that_has_gone_is_no_error() -> None:
    command = f"{shlex.quote(sys.executable)} -c 'import sys; from pytest_envrobust.cli import main; sys.exit(main())'"
    done = subprocess.run(
        f"{command} doctor | (exec <&-; sleep 3)", shell=True, capture_output=True, text=True, check=True
    )
    assert done.stderr == ""


def test_doctor_lists_what_the_project_declares_too(
    tmp_path: Path, capsys: Output, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("pyproject.toml").write_text(f'[tool.envrobust.devices]\nsame = {{ python = "{sys.executable}" }}\n')
    assert main(["doctor"]) == 0
    told = dict(line.split(maxsplit=1) for line in capsys.readouterr().out.splitlines())
    assert told["onnx/ort-all/cpu"] == "here"
    assert told["onnx/ort-all/same"] == "here"
    assert "onnxruntime has no device cpu+avx2" in told["onnx/ort-all/cpu+avx2"]
    assert told["onnx/ort-all/qemu:Haswell"] == "here" or "qemu" in told["onnx/ort-all/qemu:Haswell"]


def test_doctor_says_what_is_wrong_with_a_declared_device(
    tmp_path: Path, capsys: Output, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("pyproject.toml").write_text('[tool.envrobust.devices]\nold = { python = "nowhere" }\n')
    assert main(["doctor"]) == 2
    assert "device 'old' ([tool.envrobust.devices] in pyproject.toml): " in capsys.readouterr().err


def unsupported(record: dict[str, Any]) -> None:
    """Make the cell that crashed one whose converter lacks an operator."""
    record["cells"][-1].update(status="unsupported", stage="convert", reason="tvm_from_onnx lacks the operator Det")


@pytest.mark.parametrize(("required", "code"), [(False, 0), (True, 1)])
def test_what_is_unsupported_fails_a_judged_report_only_where_it_was_required(
    run: Path, capsys: Output, required: bool, code: int
) -> None:
    def change(record: dict[str, Any]) -> None:
        unsupported(record)
        record["cells"][-1]["required"] = required

    lacking = changed(run, change, "lacking.json")
    run.with_suffix(".npz").rename(lacking.with_suffix(".npz"))
    assert main(["report", str(lacking), "--min-label-agreement", "0", "--markdown", "r.md"]) == code
    told = "model-0 in torch/tvm-o2/cpu: tvm_from_onnx lacks the operator Det"
    assert (told in capsys.readouterr().out) is required
    assert "tvm_from_onnx lacks the operator Det" in Path("r.md").read_text(encoding="utf-8")


def test_shards_with_what_is_unsupported_merge_without_a_failure(passing: Path, capsys: Output) -> None:
    def change(record: dict[str, Any]) -> None:
        record["cells"].append({**record["cells"][-1], "nodeid": "test_labels[model-0-torch/tvm-o2/cpu]",
                                "environment": "torch/tvm-o2/cpu", "device": "cpu", "framework": "torch",
                                "compiler": "tvm-o2"})  # fmt: skip
        unsupported(record)

    lacking = changed(passing, change, "lacking.json")
    passing.with_suffix(".npz").rename(lacking.with_suffix(".npz"))
    assert main(["merge", *shards(lacking, 2), "--json", "all.json"]) == 0
    (cell,) = (cell for cell in read_record(Path("all.json")).cells if cell.status is Status.UNSUPPORTED)
    assert (cell.environment, cell.reason) == ("torch/tvm-o2/cpu", "tvm_from_onnx lacks the operator Det")


def test_a_cell_that_became_unsupported_is_worse(run: Path, capsys: Output) -> None:
    def change(record: dict[str, Any]) -> None:
        for cell in record["cells"][2:4]:  # those of labels and of time
            cell.update(status="unsupported", reason="x lacks Det")

    after = changed(run, change, "a.json")
    assert main(["compare", str(run), str(after), "--strict"]) == 1
    assert main(["compare", str(after), str(run), "--strict"]) == 0
