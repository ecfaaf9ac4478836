"""What pytest shows of a cell: failed, skipped, inconclusive, known limitation."""

from __future__ import annotations

import pytest

ORT, TORCH, SWAPPED = "onnx/ort-all/cpu", "torch/eager/cpu", "onnx:swapped/ort-off/cpu"
HIDDEN = """
    import sys

    class Hidden:
        def find_spec(self, name, path=None, target=None):
            if name.partition(".")[0] == "openvino":
                raise ModuleNotFoundError(f"No module named {name!r}", name=name)

    sys.meta_path.insert(0, Hidden())
"""


def test_flips_are_named_and_the_other_cells_pass(project, labels_test) -> None:
    project.declare_pair("swapped")
    result = project.run(f"--envrobust-env={ORT},{TORCH}")
    result.assert_outcomes(passed=1, failed=1)
    assert result.ret == pytest.ExitCode.TESTS_FAILED
    result.stdout.fnmatch_lines(
        [
            "E*pair in torch/eager/cpu: 4 of 8 top-1 labels differ from onnx/ort-off/cpu "
            "(agreement 0.500, limit 1 from default); 4 real flips, 0 ties",
            "E *the scores of torch/eager/cpu are off by up to *% of their spread",
            "E *classes 0 and 1 look swapped: *",
            "E *0: expected 0, got 1; margin *, real",
            "E *1: expected 1, got 0; margin *, real",
            "E *5: expected 0, got 1; margin *, real",
            "E *6: expected 1, got 0; margin *, real",
            "E *route: torch -> eager",
            f"E *to run this cell alone: pytest --envrobust *'{labels_test}[[]pair-torch/eager/cpu]'",
        ],
        consecutive=True,
    )
    assert "cell.py" not in result.stdout.str()
    labels = project.cells()[f"{labels_test}[pair-{TORCH}]"]["labels"]
    assert labels["flips"] == {"real": 4, "tie": 0, "undefined": 0}
    assert [flip["input"] for flip in labels["flipped"]] == ["0", "1", "5", "6"]


def test_class_names_stand_beside_the_labels(project, labels_test) -> None:
    project.bring("colors.onnx", "inputs.npy", "swapped.onnx")
    project.write("names.txt", "red\ngreen\nblue\nyellow\ngray\n")
    project.declare(
        "er.Model('pair', sources={'onnx': 'colors.onnx', 'onnx:swapped': 'swapped.onnx'}, "
        "inputs='inputs.npy', labels='names.txt')"
    )
    result = project.run(f"--envrobust-env={SWAPPED}")
    result.stdout.fnmatch_lines(["E *0: expected 0 (red), got 1 (green); margin *, real"])


def test_an_absent_package_skips_with_the_remedy_and_fails_where_it_was_named(project, labels_test) -> None:
    project.declare_colors(more=HIDDEN)
    result = project.run(f"--envrobust-env={ORT}", "--envrobust-env=*/openvino*/cpu")
    result.assert_outcomes(passed=1, skipped=3)
    result.stdout.fnmatch_lines(["SKIPPED*openvino is not installed (pip install 'pytest-envrobust[[]openvino]')"])
    result.stdout.fnmatch_lines(["  skipped 3: openvino is not installed*"])
    assert project.statuses()[f"{labels_test}[colors-onnx/openvino/cpu]"] == "unavailable"

    result = project.run(f"--envrobust-env={ORT},onnx/openvino/cpu")
    result.assert_outcomes(passed=1, failed=1)
    cell = project.cells()[f"{labels_test}[colors-onnx/openvino/cpu]"]
    assert (cell["status"], cell["required"]) == ("unavailable", True)


def test_no_route_skips_and_fails_where_a_marker_named_it(project) -> None:
    project.declare_colors()
    project.write(
        "test_it.py",
        """
        import pytest

        def test_option(envrobust):
            envrobust.assert_labels_agree()

        @pytest.mark.envrobust(environments=["keras/eager/cpu"])
        def test_marker(envrobust):
            envrobust.assert_labels_agree()
        """,
    )
    result = project.run(f"--envrobust-env={ORT},keras/eager/cpu")
    result.assert_outcomes(passed=1, skipped=1, failed=1)
    result.stdout.fnmatch_lines(["SKIPPED*no route to keras/eager/cpu: no conversion leads from the model's onnx*"])
    assert project.statuses()["test_it.py::test_option[colors-keras/eager/cpu]"] == "no-route"
    assert project.statuses()["test_it.py::test_marker[colors-keras/eager/cpu]"] == "no-route"


def test_a_known_limitation_is_a_strict_expected_failure_where_it_applies(project) -> None:
    project.declare_swapped()
    project.write(
        "test_it.py",
        """
        import pytest
        import pytest_envrobust as er

        @pytest.mark.envrobust_limitation("onnx:swapped/*", reason="red is green there")
        def test_known(envrobust):
            envrobust.assert_labels_agree()

        @pytest.mark.envrobust_limitation("onnx:swapped/*", reason="no more", raises=er.EnvironmentMismatch)
        def test_gone(envrobust):
            envrobust.assert_labels_agree(min_agreement=0.5)

        @pytest.mark.envrobust_limitation("onnx:swapped/*", reason="another", raises=er.StageFailure)
        def test_another_error(envrobust):
            envrobust.assert_labels_agree()

        @pytest.mark.envrobust_limitation("onnx:swapped/*")
        def test_without_reason(envrobust):
            pass

        @pytest.mark.envrobust_limitation("torch/eagre/cpu", reason="misspelled")
        def test_misspelled(envrobust):
            pass
        """,
    )
    result = project.run(f"--envrobust-env={ORT},{SWAPPED}")
    statuses = {nodeid.partition("::")[2]: status for nodeid, status in project.statuses().items()}
    assert statuses[f"test_known[pair-{SWAPPED}]"] == "limited"
    assert statuses[f"test_known[pair-{ORT}]"] == "passed"
    assert statuses[f"test_gone[pair-{SWAPPED}]"] == "failed"
    assert statuses[f"test_another_error[pair-{SWAPPED}]"] == "failed"
    assert {status for name, status in statuses.items() if name.startswith("test_without")} == {"failed"}
    assert {status for name, status in statuses.items() if name.startswith("test_misspelled")} == {"failed"}
    result.assert_outcomes(xfailed=1, passed=3, failed=6)
    result.stdout.fnmatch_lines_random(
        [
            "*envrobust_limitation marker cannot be read: it needs an environment's glob and a reason=*",
            "*'torch/eagre/cpu' (envrobust_limitation)*did you mean 'torch/eager/cpu'?*",
            "*[[]XPASS(strict)] no more*",
        ]
    )


INCONCLUSIVE = """
    def test_latency(envrobust):
        evidence = envrobust.assert_latency()
        ratio = evidence.ratios[evidence.clock]
        # on a restless machine the interval has no upper end
        envrobust.assert_latency(max_ratio=min((ratio.low + ratio.high) / 2, 2 * ratio.mid))
"""


def test_inconclusive_is_shown_as_such_and_fails_under_strict(project) -> None:
    """A run measures once: a limit set in the middle of what was measured lies in the interval."""
    project.declare_colors()
    project.write("test_it.py", INCONCLUSIVE)
    result = project.run(f"--envrobust-env={ORT}", *project.conclusive, "-v")
    assert result.ret == pytest.ExitCode.OK
    result.stdout.fnmatch_lines(
        ["test_it.py::test_latency[[]colors-onnx/ort-all/cpu] INCONCLUSIVE*", "*1 inconclusive*"]
    )
    (cell,) = project.record()["cells"]
    assert cell["status"] == cell["latency"]["verdict"] == "inconclusive"
    assert "inconclusive" in cell["reason"]

    result = project.run(f"--envrobust-env={ORT}", *project.conclusive, "--envrobust-strict")
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(["E*colors in onnx/ort-all/cpu: inconclusive, *"])
    project.ini("envrobust_strict = true")
    project.run(f"--envrobust-env={ORT}", *project.conclusive).assert_outcomes(failed=1)


def test_a_failed_limit_beside_an_inconclusive_one_fails(project) -> None:
    project.declare_colors()
    project.write("test_it.py", INCONCLUSIVE.rstrip() + "\n        envrobust.assert_latency(max_ms=1e-9)\n")
    result = project.run(f"--envrobust-env={ORT}", *project.conclusive)
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(["E*colors in onnx/ort-all/cpu: too slow, *limit 1e-09 ms from call argument*"])


def test_an_ordinary_skip_and_failure_of_the_users_stay_what_they_are(project) -> None:
    project.declare_colors()
    project.write(
        "test_it.py",
        """
        import pytest

        def test_skip(envrobust):
            pytest.skip("not today")

        def test_fail(envrobust):
            assert envrobust.predict().shape == (1, 1)
        """,
    )
    result = project.run(f"--envrobust-env={ORT}")
    result.assert_outcomes(skipped=1, failed=1)
    assert list(project.statuses().values()) == ["failed"]
