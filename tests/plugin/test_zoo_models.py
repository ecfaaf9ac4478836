"""The built-in models from the command line, without any code."""

from __future__ import annotations

from importlib.util import find_spec

import pytest

ZOO = ("--envrobust-model=zoo:mobilenet_v2", "--envrobust-inputs=images")
ALL = ("--envrobust-model=zoo:all", "--envrobust-inputs=images")
SCRIPT = "--envrobust-env=torch/script/cpu"


@pytest.fixture
def pictures(project):
    """A folder with images and nothing else."""
    project.bring("images")
    return project


@pytest.mark.skipif(find_spec("torchvision") is None, reason="torchvision is not installed")
def test_a_built_in_model_runs_and_the_record_says_which_weights_it_has(pictures) -> None:
    result = pictures.run(*ZOO, SCRIPT, "--envrobust-reference=torch/eager/cpu", "-k", "labels")
    result.assert_outcomes(passed=1, deselected=1)
    assert pictures.statuses() == {"zoo:mobilenet_v2::labels[torch/script/cpu]": "passed"}
    (model,) = pictures.record()["models"]
    assert model["name"] == "zoo:mobilenet_v2"
    source = model["sources"]["torch"]
    assert source["weights"] == "seeded, not trained (seed 0, batch norm calibrated on at most 20 of the inputs)"
    assert source["target"] == "zoo:mobilenet_v2"
    (cell,) = pictures.record()["cells"]
    assert cell["labels"]["distinct_labels"] > 1


@pytest.mark.slow
@pytest.mark.skipif(find_spec("torchvision") is None, reason="torchvision is not installed")
@pytest.mark.skipif(find_spec("keras") is None, reason="keras is not installed")
def test_both_frameworks_definitions_are_compared(pictures) -> None:
    both = "--envrobust-env=keras/graph/cpu,torch/eager/cpu"
    result = pictures.run(*ZOO, both, "--envrobust-min-label-agreement=0", "-k", "labels")
    result.assert_outcomes(passed=2, deselected=2)
    cells = pictures.cells()
    graph = cells["zoo:mobilenet_v2::labels[keras/graph/cpu]"]
    assert graph["reference"] == "keras/eager/cpu"
    assert graph["labels"]["agreement"] == 1.0
    assert cells["zoo:mobilenet_v2::labels[torch/eager/cpu]"]["labels"]["largest_difference"] > 0.01


def test_all_are_four_models(pictures) -> None:
    result = pictures.collect(*ALL, SCRIPT)
    result.stdout.fnmatch_lines(
        [
            f"zoo:{name}::{check}[[]torch/script/cpu]"
            for name in ("mobilenet_v2", "resnet101_v2", "densenet121", "inception_v3")
            for check in ("labels", "latency")
        ]
    )


def test_a_node_id_chooses_among_them(pictures) -> None:
    chosen = "zoo:densenet121::labels[torch/script/cpu]"
    result = pictures.collect(*ALL, SCRIPT, chosen)
    assert [line for line in result.outlines if line.startswith("zoo:")] == [chosen]
    result = pictures.collect(*ALL, SCRIPT, "zoo:densenet121")
    assert [line for line in result.outlines if line.startswith("zoo:")] == [
        chosen,
        chosen.replace("labels", "latency"),
    ]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--envrobust-model=zoo:inception"], "*no built-in model 'inception': *(did you mean zoo:inception_v3?)*"),
        ([ZOO[0], "--envrobust-weights=torch=gone.safetensors"], "*torch weights '*gone.safetensors': there is no*"),
        ([ZOO[0], "--envrobust-weights=torch=gone.pt"], "*the name of such a file ends in .safetensors*"),
        ([ZOO[0], "--envrobust-weights=tvm=gone.so"], "*weights of mobilenet_v2: 'tvm' does not define it; *"),
    ],
)
def test_what_cannot_be_used_is_one_failing_item(pictures, arguments, message) -> None:
    result = pictures.run("--envrobust-inputs=images", SCRIPT, *arguments)
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines([message])
    assert "Traceback" not in result.stdout.str()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (
            ["--envrobust-weights=imagenet"],
            "*--envrobust-weights without a model that takes them: * (add --envrobust-model zoo:NAME, *",
        ),
        (
            [*ZOO, "--envrobust-weights=imagnet"],
            "*--envrobust-weights: weights 'imagnet': weights are seeded, or imagenet, or FRAMEWORK=FILE once *",
        ),
        (
            [*ALL, "--envrobust-weights=torch=a.safetensors"],
            "*--envrobust-weights torch=a.safetensors for 4 models: a file fits one model*",
        ),
        ([*ZOO, "--envrobust-preprocess=imagenet"], "*--envrobust-preprocess does nothing here: *"),
    ],
)
def test_options_that_cannot_be_meant_so_are_usage_errors(pictures, arguments, message) -> None:
    result = pictures.collect(*arguments)
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines([message])
