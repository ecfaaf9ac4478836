"""A declaration that matches nothing in the whole run is a mistake; in a run of some of the tests it is told."""

from __future__ import annotations

import pytest

from tests.plugin.conftest import Project

ENVIRONMENTS = ("envrobust_environments =", "    onnx/ort-off/cpu", "    onnx/ort-all/cpu")


def thresholds(rule: str) -> str:
    return f"""
    @pytest.fixture(scope="session")
    def envrobust_thresholds():
        return er.Thresholds(min_label_agreement=0.9){rule}
    """


@pytest.fixture
def colors(project: Project, labels_test: str) -> Project:
    """A project with one ONNX model in two environments, and one test of labels."""
    project.ini(*ENVIRONMENTS)
    project.declare_colors()
    return project


def told(result: pytest.RunResult) -> list[str]:
    """What the run said of declarations without effect."""
    return [line for line in result.outlines if "has no effect" in line]


@pytest.mark.parametrize(
    ("rule", "lines"),
    [
        (".where('*/ort-*/*', min_label_agreement=0.8)", []),
        (
            ".where('*/otr-*/*', min_label_agreement=0.8)",
            [
                "envrobust: where('*/otr-*/*', min_label_agreement=0.8) (conftest.py:12) has no effect: it matches no "
                "environment of this run (did you mean '*/ort-*/*'?)"
            ],
        ),
        (
            ".where('keras/*', ties='ignore')",
            [
                "envrobust: where('keras/*', ties='ignore') (conftest.py:12) has no effect: it matches no environment "
                "of this run"
            ],
        ),
    ],
)
def test_limits_for_environments(colors: Project, rule: str, lines: list[str]) -> None:
    (colors.path / "conftest.py").unlink()
    colors.declare("er.Model('colors', sources={'onnx': 'colors.onnx'}, inputs='inputs.npy')", more=thresholds(rule))
    result = colors.run()
    assert told(result) == lines
    assert result.ret == (pytest.ExitCode.TESTS_FAILED if lines else pytest.ExitCode.OK)
    assert set(colors.statuses().values()) == {"passed"}  # nobody's result is lost


def test_under_xdist_limits_that_one_process_has_a_use_for_have_an_effect(colors: Project) -> None:
    (colors.path / "conftest.py").unlink()
    rules = ".where('*/ort-off/*', ties='ignore').where('*/ort-al/*', ties='ignore')"
    colors.declare("er.Model('colors', sources={'onnx': 'colors.onnx'}, inputs='inputs.npy')", more=thresholds(rules))
    result = colors.run("-n2", plugins=("xdist", "xdist.looponfail"))
    assert [line.partition(" (")[0] for line in told(result)] == ["envrobust: where('*/ort-al/*', ties='ignore')"]
    assert result.ret == pytest.ExitCode.TESTS_FAILED


def test_in_a_run_of_some_of_the_tests_what_could_have_an_effect_elsewhere_is_told(colors: Project) -> None:
    (colors.path / "conftest.py").unlink()
    rules = ".where('*/ort-all/*', ties='ignore').where('keras/*', ties='ignore')"
    colors.declare("er.Model('colors', sources={'onnx': 'colors.onnx'}, inputs='inputs.npy')", more=thresholds(rules))
    colors.ini(*ENVIRONMENTS, "    onnx/ort-basic/cpu")
    for some in (["-k", "not ort-all"], ["test_it.py"], ["--envrobust-shard=1/2"]):
        result = colors.run(*some)
        (line,) = told(result)  # ort-all is among the cells, run or not
        assert line.startswith("envrobust: where('keras/*', ties='ignore')"), some
        assert result.ret == pytest.ExitCode.OK, some


def test_limitations(colors: Project) -> None:
    colors.write(
        "test_it.py",
        """
        import pytest

        @pytest.mark.envrobust_limitation("onnx/ort-basic/*", reason="rounds")
        def test_labels(envrobust):
            envrobust.assert_labels_agree()

        @pytest.mark.envrobust_limitation("onnx/ort-all/*", reason="fails on purpose")
        class TestOthers:
            def test_fails(self, envrobust):
                assert envrobust.environment.compiler != "ort-all"
                envrobust.assert_finite()
        """,
    )
    result = colors.run()
    assert told(result) == [
        "envrobust: envrobust_limitation('onnx/ort-basic/*') of test_it.py::test_labels has no effect: it matches no "
        "environment of this run"
    ]
    assert result.ret == pytest.ExitCode.TESTS_FAILED


def test_known_flips_of_no_model(colors: Project) -> None:
    entry = '[[flip]]\nmodel = "{}"\nenvironment = "onnx/*"\ninput = "{}"\nreason = "known"\nexpires = 2999-01-01\n'
    colors.write("envrobust-flips.toml", entry.format("colours", "0" * 16))
    result = colors.run()
    (line,) = told(result)
    assert "of colours in onnx/* (envrobust-flips.toml)" in line
    assert "no model of this run is named 'colours' (did you mean 'colors'?)" in line
    assert result.ret == pytest.ExitCode.TESTS_FAILED


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--envrobust-env", "onnx/ort-all/cpu,keras/*"], "'keras/*' (--envrobust-env)"),
        (["--envrobust-set", "tvm-tuned.trials=2"], "add an environment of it: --envrobust-env '*/tvm-tuned/*'"),
        (["--envrobust-device", "atom=emulate=Denverton"], "add its environments: --envrobust-env '*/*/atom'"),
        (
            ["--envrobust-max-latency-ms", "40"],
            "max_latency_ms=40 (command line) has no effect: no test makes the check that it is a limit of",
        ),
    ],
)
def test_options(colors: Project, arguments: list[str], said: str) -> None:
    result = colors.run(*arguments)
    (line,) = told(result)
    assert said in line
    assert result.ret == pytest.ExitCode.TESTS_FAILED


def test_what_an_ini_file_says_for_other_runs_is_told(colors: Project) -> None:
    colors.ini(*ENVIRONMENTS, "envrobust_set = tvm-tuned.trials=2", "envrobust_max_latency_ms = 40")
    result = colors.run()
    assert len(told(result)) == 2
    assert result.ret == pytest.ExitCode.OK


def test_limits_of_markers(colors: Project) -> None:
    colors.write(
        "test_it.py",
        """
        import pytest

        pytestmark = pytest.mark.envrobust(ties="ignore")

        @pytest.mark.envrobust(max_latency_ms=40)
        def test_labels(envrobust):
            envrobust.assert_labels_agree()
        """,
    )
    result = colors.run()
    (line,) = told(result)
    assert "max_latency_ms=40 (marker of test_it.py::test_labels) has no effect" in line
    assert result.ret == pytest.ExitCode.TESTS_FAILED


@pytest.mark.parametrize("option", ["check=labels", "preprocess=raw", "size=8"])
def test_options_of_a_model_without_one_are_refused(colors: Project, option: str) -> None:
    result = colors.run(f"--envrobust-{option}")
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    name = option.partition("=")[0]
    result.stderr.fnmatch_lines(f"*--envrobust-{name} without a model (add --envrobust-model MODEL)*")
