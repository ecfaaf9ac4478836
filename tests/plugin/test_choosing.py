"""Ids, and choosing environments and models by option, ini key, marker and -k."""

from __future__ import annotations

import pytest

MARKED = """
    import pytest

    @pytest.mark.envrobust({arguments})
    def test_labels(envrobust):
        envrobust.assert_labels_agree()

    def test_plain():
        pass
"""


def collected(project, *arguments: str) -> list[str]:
    """Environments of the collected items of ``test_labels``."""
    result = project.collect(*arguments)
    assert result.ret == pytest.ExitCode.OK, result.stdout.str()
    head = "test_it.py::test_labels[colors-"
    return [line.removeprefix(head).rstrip("]") for line in result.outlines if line.startswith(head)]


def test_ids_are_model_and_environment_and_k_selects_on_them(project, labels_test) -> None:
    project.declare_colors()
    defaults = collected(project)
    assert defaults == ["onnx/ort-all/cpu", "onnx/openvino/cpu", "onnx/tvm-o3/cpu"]
    assert collected(project, "-k", "tvm and o3") == ["onnx/tvm-o3/cpu"]


def test_globs_names_and_lists_on_the_command_line(project, labels_test) -> None:
    project.declare_colors()
    ort = ["onnx/ort-off/cpu", "onnx/ort-basic/cpu", "onnx/ort-extended/cpu", "onnx/ort-all/cpu"]
    assert sorted(collected(project, "--envrobust-env=onnx/ort-*/cpu")) == sorted(ort)
    chosen = collected(project, "--envrobust-env=onnx/ort-all/cpu, onnx/openvino/cpu", "--envrobust-env=*/tvm-o1/cpu")
    assert sorted(chosen) == ["onnx/openvino/cpu", "onnx/ort-all/cpu", "onnx/tvm-o1/cpu"]


def test_star_takes_all_but_those_that_are_taken_by_name_only(project, labels_test) -> None:
    project.declare_colors()
    everything = collected(project, "--envrobust-env=*")
    assert "onnx-to-torch/eager/cpu" in everything
    assert "onnx/ort-all/cuda:0" in everything
    assert not [name for name in everything if "tvm-tuned" in name]
    assert collected(project, "--envrobust-env=onnx/tvm-tuned/cpu") == ["onnx/tvm-tuned/cpu"]
    assert len(set(everything)) == len(everything)


def test_the_ini_key_chooses_and_the_command_line_wins(project, labels_test) -> None:
    project.ini("envrobust_environments =", "    onnx/ort-basic/cpu", "    onnx/ort-off/cpu")
    project.declare_colors()
    assert sorted(collected(project)) == ["onnx/ort-basic/cpu", "onnx/ort-off/cpu"]
    assert collected(project, "--envrobust-env=onnx/ort-all/cpu") == ["onnx/ort-all/cpu"]


def test_a_marker_chooses_and_the_command_line_narrows_it(project) -> None:
    project.ini("envrobust_environments = onnx/openvino/cpu")
    project.declare_colors()
    project.write("test_it.py", MARKED.format(arguments="environments=['onnx/ort-*/cpu', 'onnx/tvm-o0/cpu']"))
    chosen = collected(project)
    assert len(chosen) == 5
    assert "onnx/openvino/cpu" not in chosen
    assert collected(project, "--envrobust-env=*/ort-a*/*") == ["onnx/ort-all/cpu"]


def test_a_marker_of_a_class_and_of_a_module_count_and_the_closest_wins(project) -> None:
    project.declare_colors()
    project.write(
        "test_it.py",
        """
        import pytest

        pytestmark = pytest.mark.envrobust(environments=["onnx/ort-off/cpu"])

        @pytest.mark.envrobust(environments="onnx/ort-all/cpu")
        def test_labels(envrobust): pass

        def test_module(envrobust): pass
        """,
    )
    result = project.collect()
    result.stdout.fnmatch_lines(
        ["test_it.py::test_labels[[]colors-onnx/ort-all/cpu]", "test_it.py::test_module[[]colors-onnx/ort-off/cpu]"],
    )


def test_a_marker_chooses_models_and_the_reference(project) -> None:
    project.bring("colors.onnx", "inputs.npy")
    project.declare(*[f"er.Model({name!r}, sources={{'onnx': 'colors.onnx'}}, inputs='inputs.npy')" for name in "abc"])
    project.write(
        "test_it.py",
        """
        import pytest

        @pytest.mark.envrobust(models=["c", "a"], environments=["onnx/ort-off/cpu"], reference="onnx/ort-all/cpu")
        def test_labels(envrobust):
            assert envrobust.reference.environment.id == "onnx/ort-all/cpu"
            envrobust.assert_labels_agree()

        def test_by_command_line(envrobust):
            assert envrobust.reference.environment.id == "onnx/ort-basic/cpu"
        """,
    )
    result = project.run("--envrobust-env=onnx/ort-off/cpu", "--envrobust-reference=onnx/ort-basic/cpu")
    result.assert_outcomes(passed=5)
    cells = project.cells()
    assert cells["test_it.py::test_labels[c-onnx/ort-off/cpu]"]["reference"] == "onnx/ort-all/cpu"
    assert "test_it.py::test_labels[b-onnx/ort-off/cpu]" not in cells


@pytest.mark.parametrize(
    ("argument", "message"),
    [
        ("--envrobust-env=onnx/ort-al/cpu", "'onnx/ort-al/cpu' (--envrobust-env) is not an environment*"),
        ("--envrobust-env=*/ort-x*/cpu", "'*/ort-x*/cpu' (--envrobust-env) matches no environment*"),
        ("--envrobust-reference=onnx/ort-al/cpu", "'onnx/ort-al/cpu' (--envrobust-reference) is not an environment*"),
    ],
)
def test_an_unknown_environment_on_the_command_line_is_a_usage_error(project, labels_test, argument, message) -> None:
    project.declare_colors()
    result = project.collect(argument)
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    literal = message.rstrip("*").replace("[", "[[]")
    assert any(literal in line for line in result.errlines), result.stderr.str()
    if "al/" in argument:
        result.stderr.fnmatch_lines(["*did you mean 'onnx/ort-all/cpu'?*"])


def test_an_unknown_environment_in_the_ini_file_is_a_usage_error(project, labels_test) -> None:
    project.ini("envrobust_environments = onnx/ort-al/cpu")
    project.declare_colors()
    result = project.collect()
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines(["*envrobust_environments in the ini file*did you mean 'onnx/ort-all/cpu'?*"])


AT_FAULT = {
    "environments=['onnx/ort-al/cpu']": "'onnx/ort-al/cpu' (marker)*did you mean 'onnx/ort-all/cpu'?*",
    "reference='torch/eagre/cpu'": "'torch/eagre/cpu' (marker)*did you mean 'torch/eager/cpu'?*",
    "models=['colours']": "there is no model 'colours': declared are colors (did you mean 'colors'?)",
    "model='colors'": "the envrobust marker has no argument 'model': it has *",
    "environments=[3]": "the envrobust marker's environments=[[]3]: it is a list of names",
    "'colors'": "the envrobust marker got 'colors': it takes keyword arguments only",
    "reference=3": "the envrobust marker's reference=3: it is an environment's name",
    "models=3": "the envrobust marker's models=3: it is a list of names",
}


def test_a_marker_at_fault_is_one_failing_item_and_the_others_run(project) -> None:
    project.declare_colors()
    tests = ["import pytest\n", "def test_fine(envrobust):\n    envrobust.assert_labels_agree()\n"]
    for number, arguments in enumerate(AT_FAULT):
        tests.append(f"@pytest.mark.envrobust({arguments})\ndef test_{number}(envrobust): pass\n")
    project.write("test_it.py", "\n".join(tests))
    result = project.run("--envrobust-env=onnx/ort-all/cpu")
    result.assert_outcomes(failed=len(AT_FAULT), passed=1)
    result.stdout.fnmatch_lines(list(AT_FAULT.values()))


def test_models_of_nested_conftests_add_up(project) -> None:
    project.declare_colors()
    project.write(
        "deep/conftest.py",
        """
        import pytest_envrobust as er

        def pytest_envrobust_models(config):
            return [er.Model("deep", sources={"onnx": "colors.onnx"}, inputs="inputs.npy")]
        """,
    )
    project.write("test_it.py", "def test_top(envrobust): pass\n")
    project.write("deep/test_deep.py", "def test_below(envrobust): pass\n")
    result = project.collect("--envrobust-env=onnx/ort-all/cpu")
    found = {line.partition("::")[2] for line in result.outlines if "::" in line}
    assert found == {
        "test_top[colors-onnx/ort-all/cpu]",
        "test_below[deep-onnx/ort-all/cpu]",
        "test_below[colors-onnx/ort-all/cpu]",
    }


def test_what_was_left_out_is_said_in_one_line(project, labels_test) -> None:
    project.declare_colors()
    result = project.collect("-v")
    result.stdout.fnmatch_lines(["envrobust: left out: * environments of colors *--envrobust-env '[*]' takes all*"])
