"""Models of one name: what runs is what was declared, and records tell them apart."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

ORT = "--envrobust-env=onnx/ort-all/cpu"
TEST = """
    def test_first_label(envrobust):
        envrobust.assert_labels_agree()
        assert envrobust.predict().argmax(1)[1] == {label}
"""
ONE, OTHER = "net (t1/conftest.py)", "net (t2/conftest.py)"


def declare_in(project, folder: str, source: str, inputs: str = "'inputs.npy'") -> None:
    project.write(
        f"{folder}/conftest.py",
        "import pytest_envrobust as er\n\ndef pytest_envrobust_models(config):\n"
        f"    return [er.Model('net', sources={{'onnx': {source}}}, inputs={inputs})]\n",
    )


@pytest.fixture
def two_folders(project):
    """Two folders whose conftests declare a ``net`` each: the first sees colors, the second calls all of them gray."""
    project.bring("colors.onnx", "gray.onnx", "inputs.npy")
    declare_in(project, "t1", "'colors.onnx'")
    declare_in(project, "t2", "'gray.onnx'")
    project.write("t1/test_one.py", TEST.format(label=1))
    project.write("t2/test_other.py", TEST.format(label=4))
    return project


def models_of(project) -> dict[str, Any]:
    return {model["name"]: model for model in project.record()["models"]}


@pytest.mark.parametrize("arguments", [("t2", "t1"), ("--dist=load", "-n2")], ids=["reversed", "processes"])
def test_each_folder_tests_its_own_model(two_folders, arguments: tuple[str, ...]) -> None:
    result = two_folders.run(ORT, *arguments, plugins=("xdist", "xdist.looponfail"))
    result.assert_outcomes(passed=2)
    models = models_of(two_folders)
    assert sorted(models) == [ONE, OTHER]
    assert models[ONE]["sources"]["onnx"]["target"].endswith("colors.onnx")
    assert models[OTHER]["sources"]["onnx"]["target"].endswith("gray.onnx")
    cells = two_folders.cells()
    assert cells["t1/test_one.py::test_first_label[net-onnx/ort-all/cpu]"]["model"] == ONE
    assert cells["t2/test_other.py::test_first_label[net-onnx/ort-all/cpu]"]["model"] == OTHER
    digests = {cell["output_digest"] for cell in cells.values()}
    assert len(digests) == 2


def test_the_names_are_told_and_a_folder_alone_has_the_plain_one(two_folders) -> None:
    result = two_folders.run(ORT)
    result.stdout.fnmatch_lines([f"envrobust: 2 models are named 'net': the record has {ONE}, {OTHER}"])
    two_folders.run(ORT, "t2").assert_outcomes(passed=1)
    assert [(name, model["declared_in"]) for name, model in models_of(two_folders).items()] == [
        ("net", "t2/conftest.py")
    ]


def test_a_marker_selects_by_either_name_and_k_by_the_folder(two_folders) -> None:
    marked = "import pytest\n\n@pytest.mark.envrobust(models=[{!r}])\ndef test_it(envrobust): pass\n"
    two_folders.write("t1/test_one.py", marked.format("net"))
    two_folders.write("t2/test_other.py", marked.format(OTHER))
    result = two_folders.collect(ORT, "-k", "net")
    assert [line for line in result.outlines if "::" in line] == [
        "t1/test_one.py::test_it[net-onnx/ort-all/cpu]",
        "t2/test_other.py::test_it[net-onnx/ort-all/cpu]",
    ]
    result = two_folders.collect(ORT, "-k", "net and t2")
    assert [line for line in result.outlines if "::" in line] == ["t2/test_other.py::test_it[net-onnx/ort-all/cpu]"]


def test_the_same_declaration_is_one_model_wherever_it_stands(project) -> None:
    project.bring("colors.onnx", "inputs.npy")
    for folder in ("t1", "t2"):
        declare_in(project, folder, "er.Source('colors.onnx')", inputs="er.Arrays('inputs.npy')")
        project.write(f"{folder}/test_{folder}.py", TEST.format(label=1))
    project.run(ORT).assert_outcomes(passed=2)
    assert list(models_of(project)) == ["net"]


def test_what_is_declared_otherwise_is_another_model_though_its_file_is_the_same(project) -> None:
    project.bring("colors.onnx", "images")
    inputs = "er.ImageFolder('images', er.Preprocess.imagenet(size=16))"
    declare_in(project, "t1", "'colors.onnx'", inputs=inputs)
    declare_in(project, "t2", "er.Source('colors.onnx', preprocess=er.Preprocess.raw(size=16))", inputs=inputs)
    for folder in ("t1", "t2"):
        project.write(f"{folder}/test_{folder}.py", "def test_it(envrobust): envrobust.assert_labels_agree()")
    project.run(ORT)
    assert sorted(models_of(project)) == [ONE, OTHER]


def test_factories_of_one_name_in_two_conftests_are_two_models(project) -> None:
    project.bring("nets.py", "inputs.npy")
    for folder, factory in (("t1", "colors"), ("t2", "swapped")):
        text = (
            f"import nets\nimport pytest_envrobust as er\n\ndef load():\n    return nets.{factory}()\n\n"
            "def pytest_envrobust_models(config):\n"
            "    return [er.Model('net', sources={'torch': load}, inputs='inputs.npy')]\n"
        )
        project.write(f"{folder}/conftest.py", text)
        project.write(f"{folder}/test_{folder}.py", TEST.format(label=1 if folder == "t1" else 0))
    project.ini("pythonpath = .")
    project.run("--envrobust-env=torch/eager/cpu").assert_outcomes(passed=2)
    assert sorted(models_of(project)) == [ONE, OTHER]


def test_modules_of_one_name_in_two_folders_are_refused_before_the_wrong_one_runs(project) -> None:
    for folder in ("t1", "t2"):
        project.write(f"{folder}/nets.py", "def load(): raise SystemExit")
        text = (
            "import pytest_envrobust as er, numpy as np\n\ndef pytest_envrobust_models(config):\n"
            f"    return [er.Model('{folder}', {{'torch': 'nets:load'}}, er.Arrays(np.zeros((1, 3), 'f')))]\n"
        )
        project.write(f"{folder}/conftest.py", text)
        project.write(f"{folder}/test_{folder}.py", "def test_it(envrobust): envrobust.assert_labels_agree()")
    result = project.run("--envrobust-env=torch/eager/cpu")
    result.stdout.fnmatch_lines(["*'nets' would be imported from *t2/nets.py: *t1/nets.py, which is meant*t1.nets*"])


def test_a_model_of_the_command_line_beside_a_declared_one_of_its_name(project) -> None:
    project.bring("colors.onnx", "gray.onnx", "inputs.npy")
    project.declare("er.Model('gray.onnx', sources={'onnx': 'colors.onnx'}, inputs='inputs.npy')")
    project.write("test_it.py", TEST.format(label=1))
    options = ("--envrobust-model=gray.onnx", "--envrobust-inputs=inputs.npy", "--envrobust-check=labels")
    project.run(".", ORT, *options).assert_outcomes(passed=2)
    models = models_of(project)
    assert sorted(models) == ["gray.onnx (--envrobust-model)", "gray.onnx (conftest.py)"]
    assert models["gray.onnx (--envrobust-model)"]["sources"]["onnx"]["target"].endswith("gray.onnx")


def test_files_of_one_name_in_two_folders_and_a_file_given_twice(project) -> None:
    project.bring("colors.onnx", "gray.onnx", "inputs.npy")
    for folder, name in (("a", "colors.onnx"), ("b", "gray.onnx")):
        (project.path / folder).mkdir()
        (project.path / folder / "net.onnx").symlink_to(project.path / name)
    files = [f"--envrobust-model={name}" for name in ("a/net.onnx", "b/net.onnx", "a/net.onnx")]
    project.run(ORT, *files, "--envrobust-inputs=inputs.npy", "--envrobust-check=labels").assert_outcomes(passed=2)
    assert sorted(models_of(project)) == ["a/net.onnx", "b/net.onnx"]
    assert len({cell["output_digest"] for cell in project.cells().values()}) == 2


def test_known_flips_of_one_do_not_excuse_those_of_the_other(project) -> None:
    project.bring("colors.onnx", "inputs.npy")
    np.save(project.path / "swapped.npy", np.array([1, 0, 2, 3, 4, 1, 0, 2]))
    for folder in ("t1", "t2"):
        sources = (
            f"'onnx': 'colors.onnx', 'torch': er.Source(er.RecordedPredictions('swapped.npy'), weights='{folder}')"
        )
        project.write(
            f"{folder}/conftest.py",
            "import pytest_envrobust as er\n\ndef pytest_envrobust_models(config):\n"
            f"    return [er.Model('net', sources={{{sources}}}, inputs='inputs.npy')]\n",
        )
        project.write(f"{folder}/test_{folder}.py", "def test_it(envrobust): envrobust.assert_labels_agree()")
    recorded = "--envrobust-env=torch/recorded/elsewhere"
    project.run(recorded, "--envrobust-update-flips").assert_outcomes(failed=2)
    ledger = project.path / "envrobust-flips.toml"
    tables = ledger.read_text().split("[[flip]]")
    ledger.write_text("[[flip]]".join(table for table in tables if "t2/conftest.py" not in table))
    project.run(recorded).assert_outcomes(passed=1, failed=1)
    alone = project.run(recorded, "t1")
    alone.assert_outcomes(passed=1)
    alone.stdout.no_fnmatch_line("*has no effect*")


def test_the_reference_of_an_earlier_run_is_that_of_the_same_declaration(two_folders) -> None:
    both = "--envrobust-env=onnx/ort-all/cpu,onnx/ort-off/cpu"
    two_folders.run(both, "--envrobust-json=whole.json")
    result = two_folders.run(ORT, "t2", "--envrobust-reference-run=whole.json")
    result.assert_outcomes(passed=1)
    (cell,) = two_folders.cells().values()
    assert cell["labels"]["agreement"] == 1


SEARCH = """
    import pytest_envrobust as er

    def test_search(envrobust):
        picture = envrobust.inputs.images[0]
        changes = er.strategies.perturbed(picture, brightness=0.1)
        print(er.find_disagreement(envrobust, envrobust.reference, changes))
"""


def test_a_search_names_the_model_as_the_record_does(project) -> None:
    pytest.importorskip("hypothesis")
    project.bring("colors.onnx", "gray.onnx", "images")
    for limit, folder in enumerate(("t1", "t2"), 1):
        sources = "sources={'onnx': 'colors.onnx', 'onnx:gray': 'gray.onnx'}"
        inputs = f"inputs=er.ImageFolder('images', er.Preprocess.unit(16), limit={limit})"
        project.write(
            f"{folder}/conftest.py",
            "import pytest_envrobust as er\n\ndef pytest_envrobust_models(config):\n"
            f"    return [er.Model('net', {sources}, {inputs})]\n",
        )
        project.write(f"{folder}/test_{folder}.py", SEARCH)
    result = project.run("--envrobust-env=onnx:gray/ort-all/cpu", plugins=("hypothesispytest",))
    result.assert_outcomes(passed=2)
    said = "onnx/ort-*/cpu gives the picture as it is label 0, onnx:gray/ort-all/cpu 4; 1 input predicted, saved as *"
    result.stdout.fnmatch_lines([f"{ONE}: {said}", f"{OTHER}: {said}"])
    found = sorted(path.name for path in (project.path / "envrobust-disagreements").iterdir())
    assert [name.partition("-onnx")[0] for name in found] == ["net--t1-conftest.py-", "net--t2-conftest.py-"]
