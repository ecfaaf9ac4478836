"""Where a limit comes from: call argument > marker > conftest > command line > ini > default, and malformed ones."""

from __future__ import annotations

import pytest

PAIR = "--envrobust-env=onnx:swapped/ort-off/cpu,onnx/ort-all/cpu"
THRESHOLDS = """
import pytest
import pytest_envrobust as er


@pytest.fixture(scope="session")
def envrobust_thresholds():
    return er.Thresholds(min_label_agreement=0.7).where("onnx:swapped/*", min_label_agreement=0.8)
"""


def test_each_origin_is_named_and_the_nearer_wins(project) -> None:
    """The other source takes red for green: 4 of 8 labels differ, and each limit below is broken."""
    project.ini("envrobust_min_label_agreement = 0.6")
    project.declare_swapped()
    project.write("near/conftest.py", THRESHOLDS)
    project.write("near/nearer/conftest.py", THRESHOLDS.replace("0.8", "0.85"))
    test = "def test_{0}(envrobust):\n    envrobust.assert_labels_agree()\n"
    project.write("test_outer.py", test.format("outer"))
    project.write("near/nearer/test_nearer.py", test.format("nearer"))
    project.write(
        "near/test_near.py",
        """
        import pytest

        def test_conftest(envrobust):
            envrobust.assert_labels_agree()

        @pytest.mark.envrobust(min_label_agreement=0.9)
        def test_marker(envrobust):
            envrobust.assert_labels_agree()

        @pytest.mark.envrobust(min_label_agreement=0.9)
        def test_call(envrobust):
            envrobust.assert_labels_agree(min_agreement=0.95)

        @pytest.mark.envrobust(min_label_agreement=0.9)
        def test_kept(envrobust):
            envrobust.assert_labels_agree(min_agreement=0.5)
        """,
    )
    result = project.run(PAIR, "--envrobust-min-label-agreement=0.65")
    result.assert_outcomes(passed=7, failed=5)
    found = {
        nodeid.partition("::")[2]: (cell["labels"]["limit"], cell["labels"]["limit_from"])
        for nodeid, cell in project.cells().items()
    }
    swapped, ort = "[pair-onnx:swapped/ort-off/cpu]", "[pair-onnx/ort-all/cpu]"
    assert found[f"test_call{swapped}"] == (0.95, "call argument, near/test_near.py:13")
    assert found[f"test_marker{swapped}"] == (0.9, "marker")
    assert found[f"test_nearer{swapped}"] == (0.85, "near/nearer/conftest.py:8")
    assert found[f"test_conftest{swapped}"] == (0.8, "near/conftest.py:8")
    assert found[f"test_conftest{ort}"] == (0.7, "near/conftest.py:8")
    assert found[f"test_outer{swapped}"] == (0.65, "command line")
    assert found[f"test_kept{swapped}"] == (0.5, "call argument, near/test_near.py:17")
    message = "*pair in onnx:swapped/ort-off/cpu: 4 of 8 top-1 labels differ from * (agreement 0.500, limit {});*"
    for limit in (
        "0.95 from call argument, near/test_near.py:13",
        "0.9 from marker",
        "0.8 from near/conftest.py:8",
        "0.85 from near/nearer/conftest.py:8",
        "0.65 from command line",
    ):
        result.stdout.fnmatch_lines_random([message.format(limit)])
    result.stdout.fnmatch_lines_random(["  limits in onnx:swapped/ort-off/cpu: *0.8 (near/conftest.py:8)*"])


def test_ini_and_default(project) -> None:
    project.declare_colors()
    project.write(
        "test_it.py",
        """
        def test_labels(envrobust):
            envrobust.assert_labels_agree()

        def test_latency(envrobust):
            envrobust.assert_latency()
        """,
    )
    arguments = "--envrobust-env=onnx/ort-all/cpu"
    project.run(arguments)
    labels, latency = project.record()["cells"]
    assert (labels["labels"]["limit"], labels["labels"]["limit_from"]) == (1.0, "default")
    assert "limit" not in latency["latency"]
    project.ini("envrobust_min_label_agreement = 0.6", "envrobust_max_latency_ms = 60000")
    project.run(arguments).assert_outcomes(passed=2)
    labels, latency = project.record()["cells"]
    assert (labels["labels"]["limit"], labels["labels"]["limit_from"]) == (0.6, "ini")
    assert (latency["latency"]["limit"], latency["latency"]["limit_from"]) == (60000, "ini")
    assert latency["latency"]["limit_name"] == "max_latency_ms"
    assert latency["latency"]["verdict"] == "passed"


@pytest.mark.parametrize(
    ("ini", "argument", "message"),
    [
        ((), "--envrobust-min-label-agreement=98", "min_label_agreement=98.0 (from command line) is not a limit*"),
        ((), "--envrobust-max-latency-ms=fast", "max_latency_ms='fast' (from command line) is not a limit*"),
        ((), "--envrobust-max-latency-ratio=0", "max_latency_ratio=0.0 (from command line) is not a limit*"),
        ((), "--envrobust-max-latency-p99-ms=-1", "max_latency_p99_ms=-1.0 (from command line) is not a limit*"),
        ((), "--envrobust-max-latency-regression=inf", "max_latency_regression=inf (from command line) is*"),
        (("envrobust_max_latency_p90_ms = 0",), "-v", "max_latency_p90_ms=0.0 (from ini) is not a limit*"),
        ((), "--envrobust-min-label-agreement=nan", "min_label_agreement=nan (from command line) is not a limit*"),
        (("envrobust_min_label_agreement = all",), "-v", "min_label_agreement='all' (from ini) is not a limit*"),
    ],
)
def test_a_malformed_limit_outside_is_a_usage_error(project, labels_test, ini, argument, message) -> None:
    project.ini(*ini)
    project.declare_colors()
    result = project.collect(argument)
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines([f"*{message}"])


def test_a_malformed_limit_in_marker_call_and_conftest_is_one_error_each(project) -> None:
    project.declare_colors()
    project.write("bad/conftest.py", THRESHOLDS.replace("0.7", "70"))
    project.write("bad/test_bad.py", "def test_conftest(envrobust): pass\n")
    project.write("unknown/conftest.py", THRESHOLDS.replace("min_label_agreement=0.7", "min_label_agreemnt=0.7"))
    project.write("unknown/test_unknown.py", "def test_unknown(envrobust): pass\n")
    project.write("odd/conftest.py", "import pytest\n\n@pytest.fixture\ndef envrobust_thresholds():\n    return 0.9\n")
    project.write("odd/test_odd.py", "def test_odd(envrobust):\n    envrobust.assert_labels_agree()\n")
    project.write(
        "test_it.py",
        """
        import pytest

        @pytest.mark.envrobust(min_label_agreement="all")
        def test_marker(envrobust):
            envrobust.assert_labels_agree()

        def test_call(envrobust):
            envrobust.assert_labels_agree(min_agreement=2)

        def test_fine(envrobust):
            envrobust.assert_labels_agree()
        """,
    )
    result = project.run("--envrobust-env=onnx/ort-all/cpu")
    outcomes = result.parseoutcomes()
    assert outcomes["passed"] == 1
    assert outcomes.get("failed", 0) + outcomes.get("errors", 0) == 5
    result.stdout.fnmatch_lines_random(
        [
            "*min_label_agreement=70 (from bad/conftest.py:8) is not a limit: it is a share from 0 to 1*",
            "*unknown limit 'min_label_agreemnt' (from unknown/conftest.py:8)*did you mean min_label_agreement?*",
            "*min_label_agreement='all' (from marker) is not a limit*",
            "*min_label_agreement=2 (from call argument, test_it.py:9) is not a limit*",
            "the fixture envrobust_thresholds returned 0.9: Thresholds are needed *",
        ]
    )
