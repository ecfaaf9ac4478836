"""Variants: several sources of one framework, compared with the first, declared or given on the command line."""

from __future__ import annotations

import shlex
from typing import Any

import numpy as np
import pytest

from tests.plugin.conftest import BIAS, color_images, write_colors_onnx

DECLARED = (
    "er.Model('net', sources={'onnx': 'colors.onnx', 'onnx:gray': 'gray.onnx', "
    "'onnx:phone': er.RecordedPredictions('phone.npy')}, inputs='inputs.npy')"
)
MODEL = ("--envrobust-model=colors.onnx", "--envrobust-inputs=inputs.npy", "--envrobust-check=labels")


def declare(project) -> None:
    """A model whose one variant calls all gray, and whose other, recorded elsewhere, sees as the first."""
    project.bring("colors.onnx", "gray.onnx", "inputs.npy")
    np.save(project.path / "phone.npy", np.array([0, 1, 2, 3, 4, 0, 1, 2]))
    project.declare(DECLARED)


def environments_of(result: Any) -> list[str]:
    return [line.partition("[net-")[2].rstrip("]") for line in result.outlines if "[net-" in line]


def agreements(project) -> dict[str, float]:
    return {cell["environment"]: cell["labels"]["agreement"] for cell in project.record()["cells"] if "labels" in cell}


def test_a_variant_has_all_engines_of_its_framework_and_is_chosen_by_its_name(project, labels_test) -> None:
    declare(project)
    assert environments_of(project.collect()) == [
        "onnx:phone/recorded/elsewhere",
        "onnx/ort-all/cpu",
        "onnx/openvino/cpu",
        "onnx/tvm-o3/cpu",
        "onnx:gray/ort-all/cpu",
        "onnx:gray/openvino/cpu",
        "onnx:gray/tvm-o3/cpu",
    ]
    named = "onnx:gray/ort-off/cpu"
    for choice in (
        f"--envrobust-env={named}",
        "--envrobust-env=*:gray/ort-off/cpu",
        "--envrobust-env=onnx:g*/ort-o*/cpu",
    ):
        assert environments_of(project.collect(choice)) == [named]
    both = ["onnx/ort-all/cpu", "onnx:gray/ort-all/cpu"]
    assert sorted(environments_of(project.collect("--envrobust-env=onnx*/ort-all/cpu"))) == sorted(both)
    assert environments_of(project.collect("--envrobust-env=onnx/ort-all/cpu")) == both[:1]
    assert environments_of(project.collect("-k", "gray and ort")) == both[1:]
    converted = "onnx:gray-to-torch/eager/cpu"
    assert environments_of(project.collect(f"--envrobust-env={converted}")) == [converted]


def test_it_is_compared_with_the_first_source_and_recorded_as_a_factor_of_its_own(project, labels_test) -> None:
    declare(project)
    project.run("--envrobust-env=onnx*/ort-all/cpu,*/recorded/*").assert_outcomes(passed=2, failed=1)
    assert agreements(project) == {
        "onnx:phone/recorded/elsewhere": 1,
        "onnx/ort-all/cpu": 1,
        "onnx:gray/ort-all/cpu": 0.125,
    }
    cells = {cell["environment"]: cell for cell in project.record()["cells"]}
    gray = cells["onnx:gray/ort-all/cpu"]
    assert (gray["framework"], gray["variant"], gray["reference"]) == ("onnx", "gray", "onnx/ort-off/cpu")
    assert gray["route"] == ["onnx:gray", "ort-all"]
    assert "variant" not in cells["onnx/ort-all/cpu"]
    (model,) = project.record()["models"]
    assert list(model["sources"]) == ["onnx", "onnx:gray", "onnx:phone"]
    assert model["sources"]["onnx"]["digest"] != model["sources"]["onnx:gray"]["digest"]
    (factor,) = model["analysis"]["sensitivity"]
    assert (factor["factor"], factor["pairs"], factor["labels"]["largest"]) == ("variant", 1, 0.875)


def test_a_variant_can_be_the_reference(project, labels_test) -> None:
    declare(project)
    chosen = "--envrobust-reference=onnx:gray/ort-all/cpu"
    project.run("--envrobust-env=onnx*/ort-all/cpu", chosen).assert_outcomes(passed=1, failed=1)
    assert agreements(project) == {"onnx/ort-all/cpu": 0.125, "onnx:gray/ort-all/cpu": 1}


def test_each_variant_has_its_own_preprocessing(project, labels_test) -> None:
    project.bring("colors.onnx", "images")
    project.declare(
        "er.Model('net', sources={'onnx': 'colors.onnx', "
        "'onnx:bgr': er.Source('colors.onnx', preprocess=er.Preprocess.caffe(size=16))}, "
        "inputs=er.ImageFolder('images', er.Preprocess.raw(size=16)))"
    )
    project.run("--envrobust-env=onnx*/ort-all/cpu").assert_outcomes(passed=1, failed=1)
    sources = project.record()["models"][0]["sources"]
    assert sources["onnx:bgr"]["preprocess"] != sources["onnx"]["preprocess"]
    assert sources["onnx"]["digest"] == sources["onnx:bgr"]["digest"]


def test_files_of_the_command_line_of_one_format_and_of_another(project) -> None:
    project.bring("colors.onnx", "gray.onnx", "inputs.npy", "nets.py")
    project.ini("pythonpath = .")
    variants = ("--envrobust-variant=gray.onnx", "--envrobust-variant=torch=nets:swapped")
    chosen = "--envrobust-env=onnx*/ort-all/cpu,torch/eager/cpu"
    result = project.run(*MODEL, *variants, chosen)
    result.assert_outcomes(passed=1, failed=2)
    assert agreements(project) == {"onnx/ort-all/cpu": 1, "onnx:gray/ort-all/cpu": 0.125, "torch/eager/cpu": 0.5}
    nodeid = "colors.onnx::labels[onnx:gray/ort-all/cpu]"
    (line,) = [each for each in result.outlines if each.endswith(f"'{nodeid}'") and "alone" in each]
    arguments = shlex.split(line.partition("alone: pytest ")[2])
    assert nodeid in project.collect(*arguments).outlines


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ((*MODEL, "--envrobust-variant=gone.onnx"), "*--envrobust-variant: model 'gone.onnx': there is no such file*"),
        ((*MODEL, "--envrobust-variant=x=gray.onnx", "--envrobust-variant=x=gray.onnx"), "*a source 'onnx:x' already*"),
        ((*MODEL, "--envrobust-variant=a:b=gray.onnx"), "*a variant's name is of letters, digits*"),
        ((*MODEL, "--envrobust-model=gray.onnx", "--envrobust-variant=gray.onnx"), "*variant for 2 models*"),
        (("--envrobust-variant=gray.onnx",), "*--envrobust-variant without a model*"),
        ((*MODEL, "--envrobust-variant=gray.onnx", "--envrobust-env=onyx:gray/ort-all/cpu"), "*is not an environment*"),
    ],
)
def test_what_cannot_be_meant(project, arguments: tuple[str, ...], said: str) -> None:
    project.bring("colors.onnx", "gray.onnx", "inputs.npy")
    result = project.pytester.runpytest_inprocess("-p", "no:cacheprovider", *project.own(), *arguments)
    assert result.ret != pytest.ExitCode.OK
    (result.stdout if result.ret == pytest.ExitCode.TESTS_FAILED else result.stderr).fnmatch_lines([said])


def test_a_variant_that_a_model_has_not_is_named(project, labels_test) -> None:
    declare(project)
    result = project.run("--envrobust-env=onnx:gary/ort-all/cpu", "-rs")
    result.stdout.fnmatch_lines(["*no source 'onnx:gary', but onnx, onnx:gray (did you mean 'onnx:gray'?)*"])


def test_models_side_by_side_that_were_not_compared_are_told_with_the_line_that_does(project) -> None:
    project.bring("colors.onnx", "gray.onnx", "inputs.npy")
    chosen = "--envrobust-env=onnx*/ort-all/cpu"
    result = project.run(*MODEL, "--envrobust-model", "gray.onnx", chosen)
    result.assert_outcomes(passed=2)
    (line,) = [each for each in result.outlines if "were not compared with each other" in each]
    assert line.startswith("colors.onnx and gray.onnx have the same inputs and classes")
    proposed = project.collect(*shlex.split(line.partition(": pytest ")[2]))
    assert [each for each in proposed.outlines if "::" in each] == [
        "colors.onnx::labels[onnx/ort-all/cpu]",
        "colors.onnx::labels[onnx:gray/ort-all/cpu]",
    ]


def test_declared_ones_are_told_with_their_sources(project, labels_test) -> None:
    project.bring("colors.onnx", "gray.onnx", "inputs.npy")
    models = [
        f"er.Model('{name}', sources={{'onnx': '{name}.onnx'}}, inputs='inputs.npy')" for name in ("colors", "gray")
    ]
    project.declare(*models)
    result = project.run("--envrobust-env=onnx/ort-all/cpu")
    result.stdout.fnmatch_lines(["*declare one model: sources={'onnx': 'colors.onnx', 'onnx:gray': 'gray.onnx'}"])


def test_each_is_run_again_on_inputs_as_its_own_source_takes_them(project, labels_test) -> None:
    """Of more than 8 inputs the first are run again first; the variant takes larger pictures, and plain pixels."""
    write_colors_onnx(project.path / "unit.onnx")
    write_colors_onnx(project.path / "pixels.onnx", bias=BIAS * 255, side=24)
    np.save(project.path / "pictures.npy", np.stack([*color_images(24), *color_images(24)]))
    project.declare(
        "er.Model('net', sources={'onnx': 'unit.onnx', "
        "'onnx:pixels': er.Source('pixels.onnx', preprocess=er.Preprocess(dtype='float32'))}, "
        "inputs=er.Arrays('pictures.npy', er.Preprocess(scale=1 / 255, resize=(16, 16))))"
    )
    result = project.run("--envrobust-env=onnx/ort-off/cpu,onnx:pixels/ort-off/cpu,onnx:pixels/ort-all/cpu")
    result.assert_outcomes(passed=3)
    cells = project.record()["cells"]
    assert [(cell["labels"]["n"], cell["labels"]["agreement"]) for cell in cells] == [(16, 1.0)] * 3
    assert not any(cell["labels"].get("unrepeated") for cell in cells)
