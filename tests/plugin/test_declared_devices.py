"""Devices of the user's own: another interpreter, an emulated processor."""

from __future__ import annotations

import sys
from importlib.metadata import version
from pathlib import Path

import pytest
from support import sshd
from support.interpreters import bare_python, furnished_python

from pytest_envrobust.environments.availability import accelerator_absence
from pytest_envrobust.environments.places import emulated_models

HERE, OLD, EMULATED = "onnx/ort-all/cpu", "onnx/ort-all/old", "onnx/ort-all/qemu:Haswell"
WHERE = """

def where():
    import sys
    with open("seen", "a") as seen:
        seen.write(sys.prefix + "|")
    return colors()
"""
NEEDS_QEMU = pytest.mark.skipif(not emulated_models(), reason="there is no qemu here: apt-get install qemu-user-static")


@pytest.fixture(scope="module")
def python(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Another interpreter that has all packages of this one."""
    return furnished_python(tmp_path_factory.mktemp("old") / "with a space")


def test_another_interpreter_is_a_value_of_the_device_axis(project, labels_test, python) -> None:
    project.declare_colors()
    project.write("pyproject.toml", f'[tool.envrobust.devices]\nold = {{ python = "{python}" }}\n')
    result = project.run(f"--envrobust-env={HERE},onnx/*/old", "-k", "ort-all")
    result.assert_outcomes(passed=2)
    assert project.statuses() == {f"{labels_test}[colors-{name}]": "passed" for name in (HERE, OLD)}
    record = project.record()
    (name,) = record["run"]["devices"]
    assert name == "old"
    told = record["run"]["devices"]["old"]
    assert told["python"] == str(python)
    assert told["packages"]["onnxruntime"] == version("onnxruntime")
    cells = {cell["environment"]: cell for cell in record["cells"]}
    assert cells[OLD]["device"] == "old"
    assert cells[OLD]["output_digest"] == cells[HERE]["output_digest"]
    assert cells[OLD]["engine_evidence"]["graph_optimization_level"] == "ORT_ENABLE_ALL"
    result.stdout.fnmatch_lines(["  output a is bit-identical in 2: onnx/ort-all/cpu, onnx/ort-all/old"])


def test_the_process_is_that_interpreters_and_finds_the_users_modules(project, python) -> None:
    project.declare_pair("where", more="import os, sys; sys.path.insert(0, os.path.dirname(__file__))\n")
    nets = project.path / "nets.py"
    text = nets.read_text() + WHERE
    nets.unlink()
    nets.write_text(text)
    project.write("test_it.py", "def test_labels(envrobust):\n    envrobust.assert_labels_agree()\n")
    device = f"--envrobust-device=old=python={python}"
    project.run("--envrobust-env=torch/eager/old", device).assert_outcomes(passed=1)
    seen = (project.path / "seen").read_text().strip("|").split("|")
    assert {Path(prefix).resolve() for prefix in seen} == {Path(sys.prefix).resolve(), python.parents[1].resolve()}


def test_what_is_missing_there_is_a_skip_with_the_remedy(project, labels_test, tmp_path_factory) -> None:
    python = bare_python(tmp_path_factory.mktemp("bare") / "venv")
    project.declare_colors()
    device = f"--envrobust-device=old=python={python}"
    result = project.run(f"--envrobust-env={HERE},onnx/ort-al[l]/old", device)
    result.assert_outcomes(passed=1, skipped=1)
    told = f"onnxruntime is not installed in old ({python} -m pip install onnxruntime)"
    assert project.cells()[f"{labels_test}[colors-{OLD}]"]["reason"] == told
    project.run(f"--envrobust-env={OLD}", device).assert_outcomes(failed=1)


def test_the_hook_and_the_command_line_declare_too_and_the_command_line_wins(project, labels_test, python) -> None:
    project.declare_colors(
        f"""
        def pytest_envrobust_devices(config):
            return [er.Device("old", python="nowhere"), er.Device("few", python={str(python)!r}, inputs=3)]
        """
    )
    result = project.run(f"--envrobust-env={OLD}")
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines(["*device 'old' (pytest_envrobust_devices): *nowhere does not exist"])
    device = f"--envrobust-device=old=python={python}"
    project.run(f"--envrobust-env={OLD},onnx/ort-all/few", device).assert_outcomes(passed=2)
    few = project.cells()[f"{labels_test}[colors-onnx/ort-all/few]"]
    assert (few["labels"]["n"], few["labels"]["of"]) == (3, 8)
    assert "output_digest" not in few
    assert few["engine_evidence"]


def test_scores_of_a_few_inputs_are_held_against_those_of_the_same(project, python) -> None:
    project.declare_colors()
    project.write("test_it.py", "def test_it(envrobust):\n    envrobust.assert_scores_agree(max_abs_error=0)\n")
    device = f"--envrobust-device=old=python={python}//inputs=3"
    project.run(f"--envrobust-env={OLD}", device, f"--envrobust-reference={HERE}").assert_outcomes(passed=1)
    (cell,) = project.cells().values()
    assert cell["scores"]["abs_error"] == 0


@pytest.mark.parametrize(
    ("table", "message"),
    [
        ("old = 3", "device 'old' ([[]tool.envrobust.devices] in pyproject.toml): it is a table, whose keys are *"),
        ("old = { pyton = 'x' }", "'pyton' of device 'old' (*): it is a table, *(did you mean 'python'?)"),
        ("old = { }", "device 'old' (*): it needs one of *, and has none"),
        ("old = { options = 3 }", "options=3 of device 'old' (*): it is a table of settings"),
        (
            "fast = { device = 'cuda:0', options = { tf3 = true } }",
            "option 'tf3' of device 'fast': those of cuda:0 are *",
        ),
        ("fast = { options = { tf32 = true } }", "option 'tf32' of device 'fast': cpu has none"),
        ("fast = { device = 'cuda:0', options = { tf32 = 'x' } }", "tf32=x of device 'fast': it is 1 or 0"),
    ],
)
def test_a_malformed_table_ends_the_run_before_it_begins(project, labels_test, table, message) -> None:
    project.declare_colors()
    project.write("pyproject.toml", f"[tool.envrobust.devices]\n{table}\n")
    result = project.collect()
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines([f"*{message}"])


def test_a_gpu_with_other_settings_is_a_device_too(project, labels_test) -> None:
    project.declare_colors()
    project.write(
        "pyproject.toml",
        "[tool.envrobust.devices]\nfast = { device = 'cuda:0', options = { tf32 = true, autotune = true } }\n",
    )
    fast, tvm = "onnx/ort-all/fast", "onnx/tvm-o3/fast"
    result = project.run(f"--envrobust-env={HERE},onnx/ort-all/fas[t],onnx/tvm-o3/fas[t]")
    cells = {cell["environment"]: cell for cell in project.record()["cells"]}
    assert cells[tvm]["reason"] == "tvm has no option autotune of cuda:0"
    assert project.record()["run"]["devices"]["fast"] == {
        "device": "cuda:0",
        "options": {"tf32": True, "autotune": True},
    }
    if accelerator_absence("cuda:0") is not None:
        result.assert_outcomes(passed=1, skipped=2)
        assert cells[fast]["reason"].startswith("there is no NVIDIA GPU here")
    line = "--envrobust-device=quick=device=cuda:0//options=tf32=1,autotune=0"
    assert "onnx/ort-all/quick" in "\n".join(project.collect(line, "--envrobust-env=*/quick").outlines)


def test_a_hook_that_returns_something_else(project, labels_test) -> None:
    project.declare_colors("def pytest_envrobust_devices(config):\n    return ['old']\n")
    result = project.collect()
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines(["*pytest_envrobust_devices returned a str: it returns a list of Device"])


def test_an_environment_of_an_unknown_device_suggests_the_declared_one(project, labels_test, python) -> None:
    project.declare_colors()
    result = project.collect("--envrobust-env=onnx/ort-all/olld", f"--envrobust-device=old=python={python}")
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines(["*'onnx/ort-all/olld' (--envrobust-env) is not an environment*'onnx/ort-all/old'*"])


def test_it_needs_a_process_of_its_own(project, labels_test, python) -> None:
    project.declare_colors()
    device = f"--envrobust-device=old=python={python}"
    result = project.run(f"--envrobust-env={OLD}", device, "--envrobust-isolation=none")
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(["*old needs a process of its own: it is not this Python *"])


@pytest.mark.skipif(not sshd.is_here(), reason=sshd.NEEDED)
def test_another_machine_is_a_value_of_the_device_axis(project, python, tmp_path_factory) -> None:
    project.declare_pair("colors")
    project.write(
        "test_it.py",
        "def test_labels(envrobust):\n    envrobust.assert_labels_agree()\n    envrobust.assert_latency()\n",
    )
    environments = f"--envrobust-env={HERE},onnx/ort-all/far,onnx/ort-all/gone"
    with sshd.ssh_server(tmp_path_factory.mktemp("sshd")) as config:
        tables = [f'far = {{ ssh = "{sshd.HOST}", ssh_config = "{config}", python = "{python}" }}']
        tables += [f'gone = {{ ssh = "nobody", ssh_config = "{config}" }}']
        project.write("pyproject.toml", "\n".join(["[tool.envrobust.devices]", *tables, ""]))
        result = project.run(environments)
    result.assert_outcomes(passed=2, failed=1)
    cells = {cell["environment"]: cell for cell in project.record()["cells"]}
    assert cells["onnx/ort-all/far"]["output_digest"] == cells[HERE]["output_digest"]
    assert cells["onnx/ort-all/far"]["latency"]["wall_ms"]["n"] >= 6
    assert (cells["onnx/ort-all/gone"]["status"], cells["onnx/ort-all/gone"]["stage"]) == ("crashed", "import")
    assert "python3 on nobody cannot be reached by ssh: " in cells["onnx/ort-all/gone"]["reason"]
    far = project.record()["run"]["devices"]["far"]
    assert far["host"] == sshd.HOST
    assert far["machine"]["cores"] >= 1
    assert far["versions"]["onnxruntime"] == version("onnxruntime")


@NEEDS_QEMU
def test_an_emulated_processor_says_nothing_of_time(project) -> None:
    project.declare_colors()
    test = """
    def test_labels(envrobust):
        envrobust.assert_labels_agree()

    def test_time(envrobust):
        envrobust.assert_latency(max_ratio=1)
    """
    project.write("test_it.py", test)
    result = project.run(f"--envrobust-env={EMULATED}", "-v")
    assert result.parseoutcomes() == {"passed": 1, "inconclusive": 1}
    labels, time = (project.cells()[f"test_it.py::test_{name}[colors-{EMULATED}]"] for name in ("labels", "time"))
    assert labels["labels"]["n"] == 8
    assert labels["engine_evidence"]["graph_optimization_level"] == "ORT_ENABLE_ALL"
    assert "latency" not in labels
    assert time["reason"].startswith(f"colors in {EMULATED}: inconclusive, no ratio of its ")
    assert "ratio" not in time["latency"]
    assert "qemu:Haswell is emulated: its times are not that processor's" in time["latency"]["notices"]
    assert "TCG doesn't support" not in result.stdout.str() + result.stderr.str()
    assert project.record()["run"]["devices"]["qemu:Haswell"]["emulator"][1:] == ["-cpu", "Haswell"]


def test_no_wildcard_takes_an_emulated_processor_unless_it_says_so(project, labels_test) -> None:
    project.declare_colors()
    ids = "\n".join(project.collect("--envrobust-env=*").outlines)
    assert HERE in ids
    assert "qemu" not in ids
    assert EMULATED in "\n".join(project.collect("--envrobust-env=*/qemu:*").outlines)


def test_without_qemu_it_says_how_to_get_it(project, labels_test, monkeypatch: pytest.MonkeyPatch) -> None:
    project.declare_colors()
    monkeypatch.setenv("PATH", str(project.path))
    result = project.run(f"--envrobust-env={HERE},onnx/ort-all/qemu:Haswel[l]")
    result.assert_outcomes(passed=1, skipped=1)
    assert "qemu" in project.cells()[f"{labels_test}[colors-{EMULATED}]"]["reason"]
    project.run(f"--envrobust-env={EMULATED}").assert_outcomes(failed=1)
