"""What is read first of a run: the short summary, skips, a rehearsal, a cell in an assertion."""

from __future__ import annotations

import pytest

ORT, TORCH = "onnx/ort-all/cpu", "torch/eager/cpu"
ZERO_CODE = ("--envrobust-inputs=inputs.npy", f"--envrobust-env={ORT}")


@pytest.fixture
def wide(project, monkeypatch: pytest.MonkeyPatch):
    """A project at a terminal of 400 columns."""
    monkeypatch.setenv("COLUMNS", "400")
    monkeypatch.delenv("CI", raising=False)
    return project


def test_a_failure_of_a_test_begins_with_its_cause_and_ends_with_its_cell(wide) -> None:
    wide.bring("colors.onnx", "inputs.npy", "nets.py")
    wide.declare(
        *(
            f"er.Model({name!r}, sources={{'onnx': 'colors.onnx', 'torch': 'nets:{name}'}}, inputs='inputs.npy')"
            for name in ("swapped", "broken")
        )
    )
    wide.write(
        "test_it.py",
        """
        import pytest

        def test_labels(envrobust):
            envrobust.assert_labels_agree()

        @pytest.mark.envrobust(models=["swapped"])
        def test_time(envrobust):
            envrobust.assert_latency(max_ms=1e-9)

        @pytest.mark.envrobust(models=["none"])
        def test_declaration(envrobust):
            pass

        @pytest.mark.envrobust(models=["swapped"])
        def test_own(envrobust):
            assert envrobust is None
        """,
    )
    result = wide.run(f"--envrobust-env={TORCH}")
    result.stdout.fnmatch_lines_random(
        [
            f"FAILED *test_labels[[]swapped-{TORCH}] - 4 of 8 top-1 labels differ from onnx/*(swapped in {TORCH})",
            f"FAILED *test_labels[[]broken-{TORCH}] - RuntimeError: the weights have gone "
            f"(crashed at stage load: load the torch source nets:broken; broken in {TORCH})",
            f"FAILED *test_time[[]swapped-{TORCH}] - too slow, a call takes *(swapped in {TORCH})",
            "FAILED *test_declaration[[]none-declaration] - there is no model 'none': *",
            f"FAILED *test_own[[]swapped-{TORCH}] - assert <Cell swapped in {TORCH}> is None",
            f"E *EnvironmentMismatch: swapped in {TORCH}: 4 of 8 top-1 labels differ from *",
        ]
    )


@pytest.mark.parametrize("processes", [(), ("-n2",)], ids=["one process", "several"])
def test_a_failure_without_test_code_begins_with_its_cause(wide, processes: tuple[str, ...]) -> None:
    if processes:
        pytest.importorskip("xdist")
    wide.bring("colors.onnx", "truncated.onnx", "inputs.npy")
    models = [f"--envrobust-model={name}" for name in ("colors.onnx", "truncated.onnx", "missing.onnx")]
    wide.write("truth.csv", "".join(f"{number},0\n" for number in range(8)))
    limits = ("--envrobust-truth=truth.csv", "--envrobust-min-accuracy=0.9", "--envrobust-check=accuracy")
    result = wide.run(*ZERO_CODE, *models, *limits, *processes, plugins=("xdist",) if processes else ())
    cell = f"colors.onnx in {ORT}"
    result.stdout.fnmatch_lines_random(
        [
            f"FAILED colors.onnx::accuracy[[]{ORT}] - 2 of 8 inputs are right (accuracy 0.250, *({cell})",
            "FAILED missing.onnx::*[[]declaration] - there is no such file (missing.onnx)",
            f"FAILED truncated.onnx::*[[]{ORT}] - not an ONNX model: its content cannot be decoded: *"
            f"(failed at stage load: load the onnx source truncated.onnx; truncated.onnx in {ORT})",
            "failed at stage load: load the onnx source /*truncated.onnx: *",
            f"{cell}: 2 of 8 inputs are right (accuracy *",
            "  route: onnx -> ort-all",
        ]
    )
    assert "collection.py" not in result.stdout.str()


def test_a_line_for_each_failure_names_the_cell(wide) -> None:
    wide.bring("colors.onnx", "inputs.npy")
    limit = "--envrobust-max-latency-ms=1e-9"
    result = wide.run(*ZERO_CODE, "--envrobust-model=colors.onnx", "--envrobust-check=latency", limit, "--tb=line")
    result.stdout.fnmatch_lines([f"colors.onnx:1: too slow, *(colors.onnx in {ORT})"])


def test_skips_with_one_reason_are_one_line(wide) -> None:
    wide.declare_colors()
    wide.write(
        "test_it.py",
        """
        def test_one(envrobust):
            pass

        def test_other(envrobust):
            pass
        """,
    )
    wide.write("test_too.py", "def test_it(envrobust):\n    pass\n")
    keras = "keras/eager/cpu"
    result = wide.run(f"--envrobust-env={ORT},{keras}", "-rs")
    (line,) = [line for line in result.outlines if line.startswith("SKIPPED")]
    assert line.startswith(f"SKIPPED [3] test_it.py:2: no route to {keras}: ")


def test_a_plan_shows_the_cells_and_ends_well_though_a_declaration_is_at_fault(wide) -> None:
    wide.declare_colors()
    wide.write("test_it.py", "def test_it(envrobust):\n    pass\n")
    result = wide.run(f"--envrobust-env={ORT}", "--setup-plan")
    assert result.ret == pytest.ExitCode.OK
    result.stdout.fnmatch_lines([f"*_envrobust_case[[]<Case colors in {ORT}>]*"])
    models = ("--envrobust-model=colors.onnx", "--envrobust-model=missing.onnx")
    result = wide.run(*ZERO_CODE, *models, "--setup-plan")
    assert result.ret == pytest.ExitCode.OK
    result.stdout.fnmatch_lines(["*missing.onnx::labels[[]declaration]*"])
