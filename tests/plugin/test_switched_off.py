"""Without --envrobust the plugin does nothing but say so."""

from __future__ import annotations

import pytest

FRAMEWORKS = ("numpy", "torch", "tensorflow", "keras", "onnx", "onnxruntime", "openvino", "tvm", "execnet", "scipy")
TESTS = """
    import pytest

    def test_plain():
        pass

    @pytest.mark.envrobust
    def test_marked():
        raise AssertionError("it must not run")

    def test_with_fixture(envrobust):
        raise AssertionError("it must not run")

    def test_with_benchmark(envrobust, envrobust_benchmark):
        raise AssertionError("it must not run")
"""
LOADED = f"""
    import sys

    def pytest_unconfigure(config):
        loaded = [name for name in {FRAMEWORKS!r} if name in sys.modules]
        print("loaded:", ",".join(loaded) or "nothing")
"""


def test_marked_tests_are_skipped_with_the_reason_and_nothing_is_imported(project) -> None:
    project.declare_colors(more=LOADED)
    project.write("test_it.py", TESTS)
    result = project.pytest("-rs")
    assert result.ret == pytest.ExitCode.OK
    result.assert_outcomes(passed=1, skipped=3)
    result.stdout.fnmatch_lines(
        ["SKIPPED*needs --envrobust (or `envrobust = true` in the ini file)", "loaded: nothing"]
    )


def test_the_ini_key_turns_it_on(project, labels_test) -> None:
    project.ini(
        "envrobust = true", f"envrobust_cache_dir = {project.cache}", "envrobust_environments = onnx/ort-all/cpu"
    )
    project.declare_colors()
    result = project.pytest("-v")
    assert result.ret == pytest.ExitCode.OK
    result.stdout.fnmatch_lines([f"{labels_test}[[]colors-onnx/ort-all/cpu] PASSED*"])


def test_the_ini_key_alone_does_not_fail_a_run_without_such_tests(project) -> None:
    project.ini("envrobust = true")
    project.write("test_it.py", "def test_plain(): pass")
    assert project.pytest().ret == pytest.ExitCode.OK


def test_the_plugin_can_be_switched_off(project) -> None:
    project.write("test_it.py", "def test_plain(): pass\n\ndef test_with_fixture(envrobust): pass\n")
    result = project.pytest("-p", "no:envrobust")
    result.assert_outcomes(passed=1, errors=1)
    result.stdout.fnmatch_lines(["*fixture 'envrobust' not found*"])


def test_the_markers_are_registered(project) -> None:
    project.ini("addopts = --strict-markers")
    project.write(
        "test_it.py",
        """
        import pytest

        @pytest.mark.envrobust(models=["colors"])
        @pytest.mark.envrobust_limitation("*", reason="none")
        def test_marked(): pass
        """,
    )
    project.pytest().assert_outcomes(skipped=1)
    result = project.pytest("--markers")
    result.stdout.fnmatch_lines(["*@pytest.mark.envrobust(models=*", "*@pytest.mark.envrobust_limitation(environment*"])


@pytest.mark.parametrize("arguments", [(), ("--envrobust",)])
def test_its_modules_are_not_compiled_again_by_pytest(project, arguments) -> None:
    project.write("conftest.py", "")
    project.write(
        "test_it.py",
        """
        import sys

        def test_loaders():
            ours = [name for name in sys.modules if name.startswith("pytest_envrobust.integration")]
            of = {name: type(sys.modules[name].__loader__).__name__ for name in (__name__, "conftest", *ours)}
            assert ours
            assert of.pop(__name__) == of.pop("conftest") == "AssertionRewritingHook"
            assert set(of.values()) == {"SourceFileLoader"}
        """,
    )
    project.pytest(*arguments).assert_outcomes(passed=1)
