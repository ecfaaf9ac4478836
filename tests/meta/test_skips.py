"""Continuous integration's report of skips: read from what pytest writes, and held against the list."""

from __future__ import annotations

import shutil
import subprocess
import sys
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path

import pytest
from support.environ import users_environ

CI = Path(__file__).parents[2] / ".ci"
SPEC = spec_from_file_location("ci_skips", CI / "skips.py")
assert SPEC is not None
assert SPEC.loader is not None
SKIPS = module_from_spec(SPEC)
sys.modules["ci_skips"] = SKIPS  # dataclasses look their module up
SPEC.loader.exec_module(SKIPS)

TESTS = {
    "unit/test_one.py": """
        import pytest

        class TestGroup:
            @pytest.mark.parametrize("name", ["a/b[c]"])
            def test_in_a_class(self, name):
                pytest.skip("no GPU here")

        @pytest.mark.skipif(True, reason="no GPU here")
        def test_marked():
            pass

        @pytest.mark.xfail(reason="known")
        def test_expected_to_fail():
            raise AssertionError

        def test_passes():
            pass
        """,
    "unit/test_file.py": "import pytest\npytest.importorskip('a_module_that_nobody_has')\n",
}
LIST = """
# GPUs are
# elsewhere.
unit/test_one.py::*  no GPU*

# Nobody has it.
unit/test_file.py could not import 'a_module*
"""


@pytest.fixture(scope="module")
def results(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What two processes of pytest write of a small project."""
    folder = tmp_path_factory.mktemp("skipping")
    (folder / "unit").mkdir()
    (folder / "pytest.ini").write_text("[pytest]\n")
    for name, text in TESTS.items():
        lines = text.splitlines()
        (folder / name).write_text("\n".join(line.removeprefix(" " * 8) for line in lines))
    command = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "-n2", "--junitxml=tests.xml"]
    done = subprocess.run(command, cwd=folder, env=users_environ(), capture_output=True, text=True, timeout=120)
    assert "1 passed, 3 skipped, 1 xfailed" in done.stdout, done.stdout + done.stderr
    return folder / "tests.xml"


def status(results: Path, tmp_path: Path, text: str, *options: str) -> int:
    """The exit status with a list of that text."""
    expected = tmp_path / "expected.txt"
    expected.write_text(text, encoding="utf-8")
    found: int = SKIPS.main([str(results), str(expected), *options])
    return found


def test_skips_are_read_with_node_and_reason_and_expected_failures_are_none(results: Path) -> None:
    found = {(skip.node, skip.reason.partition(":")[0]) for skip in SKIPS.read_skips(results)}
    assert found == {
        ("unit/test_one.py::TestGroup::test_in_a_class[a/b[c]]", "no GPU here"),
        ("unit/test_one.py::test_marked", "no GPU here"),
        ("unit/test_file.py", "could not import 'a_module_that_nobody_has'"),
    }


def test_skips_that_are_on_the_list_pass_and_are_told(
    results: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert status(results, tmp_path, LIST) == 0
    told = capsys.readouterr().out
    assert "(3 in all)" in told
    assert "   2 × no GPU here\n       in unit/test_one.py (2)\n       expected: GPUs are elsewhere.\n" in told
    assert "expected: Nobody has it." in told


def test_one_that_is_not_on_the_list_fails_and_is_named(
    results: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert status(results, tmp_path, LIST.replace("::*", "::test_m*")) == 1
    told = capsys.readouterr().out
    assert "NOT EXPECTED:\n         unit/test_one.py::TestGroup::test_in_a_class[a/b[c]]\n" in told
    assert "test_marked" not in told
    assert "1 of them not expected" in told


def test_another_reason_than_the_expected_one_fails(results: Path, tmp_path: Path) -> None:
    assert status(results, tmp_path, LIST.replace("no GPU*", "no TPU*")) == 1


def test_some_are_expected_only_where_nothing_may_be_installed(results: Path, tmp_path: Path) -> None:
    text = LIST.replace("# Nobody", f"{SKIPS.NOTHING_INSTALLED}\n# Nobody")
    assert status(results, tmp_path, text) == 1
    assert status(results, tmp_path, text, "--nothing-installed") == 0


@pytest.mark.parametrize("text", ["unit/* no GPU*\n", "# Why.\n\nunit/* no GPU*\n", "# Why.\nunit/*\n"])
def test_a_line_needs_a_reason_and_a_comment(
    results: Path, tmp_path: Path, text: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert status(results, tmp_path, text) == 2
    assert "needs a node id, a reason, and a comment above it: unit/*" in capsys.readouterr().err


def test_without_results_it_says_so(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert status(tmp_path / "tests.xml", tmp_path, LIST) == 2
    assert "tests.xml" in capsys.readouterr().err


MAKEFILE = """
install:
\t@mkdir -p build
check:
\t@echo checked
test:
\t@cp tests.xml build; echo "$(PYTEST_ARGS)"; exit {status}
"""


@pytest.mark.skipif(shutil.which("bash") is None or shutil.which("make") is None, reason="it is a script for bash")
@pytest.mark.parametrize(
    ("tests", "listed", "expected"),
    [(0, LIST, 0), (0, "# Why.\nunit/test_file.py *\n", 1), (1, LIST, 2)],  # 2 is make's own where a command fails
)
def test_the_run_ends_with_the_skips_and_fails_for_tests_as_for_skips(
    results: Path, tmp_path: Path, tests: int, listed: str, expected: int
) -> None:
    (tmp_path / ".ci").mkdir()
    for name in ("run", "skips.py"):
        shutil.copy(CI / name, tmp_path / ".ci")
    (tmp_path / ".ci" / "prepare").write_text("NOTHING_INSTALLED=\n")
    (tmp_path / ".ci" / "expected-skips.txt").write_text(listed, encoding="utf-8")
    (tmp_path / "Makefile").write_text(MAKEFILE.format(status=tests))
    shutil.copy(results, tmp_path)
    (tmp_path / ".venv" / "bin").mkdir(parents=True)
    (tmp_path / ".venv" / "bin" / "python").symlink_to(sys.executable)
    environ = {name: value for name, value in users_environ().items() if not name.startswith(("MAKE", "VENV"))}
    done = subprocess.run(["bash", ".ci/run"], cwd=tmp_path, env=environ, capture_output=True, text=True, timeout=60)
    assert done.returncode == expected, done.stdout + done.stderr
    lines = done.stdout.splitlines()
    assert lines[:2] == ["checked", "--junitxml=build/tests.xml"]
    assert lines[2] == "==> left out by the tests and why (3 in all)"
    assert lines[-1].startswith("==> 2 of them not expected: ") == (expected == 1)


def test_the_list_is_in_order_and_speaks_of_tests_that_there_are() -> None:
    text = (CI / "expected-skips.txt").read_text(encoding="utf-8")
    lines = SKIPS.read_expected(text, nothing_installed=True)
    assert len(lines) > len(SKIPS.read_expected(text)) > 0
    for line in lines:
        file = line.node.partition("::")[0]
        assert any(CI.parent.glob(file)), f"{file} of the list is not there"
