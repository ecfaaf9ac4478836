"""The pages say what is so: their code runs, what they name exists, their tables are what the catalogue has."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
import textwrap
from collections.abc import Iterator
from pathlib import Path

import msgspec
import numpy as np
import pytest
from msgspec import inspect
from support.examples import run_pytest

import pytest_envrobust
from pytest_envrobust.core.environment import without_variant
from pytest_envrobust.core.status import Status
from pytest_envrobust.planning.catalogue import Catalogue
from pytest_envrobust.record import schema
from pytest_envrobust.record.schema import Part, Record

ROOT = Path(__file__).parents[2]
PAGES = sorted([*ROOT.joinpath("docs").glob("*.md"), *ROOT.glob("*.md")])
SIGNS = ROOT / "examples" / "signs"

RECORD_PARTS: dict[str, type[Part]] = {
    "run": schema.Run,
    "models": schema.Model,
    "cells": schema.Cell,
    "labels": schema.Labels,
    "accuracy": schema.CellAccuracy,
    "scores": schema.Scores,
    "invariants": schema.Invariant,
    "latency": schema.Latency,
    "checks": schema.OtherPart,
    "analysis": schema.Analysis,
}
"""The parts of a record that have a heading of their own in ``record.md``."""

_BLOCK = re.compile(r"^```(\w*)\n(.*?)^```$", re.DOTALL | re.MULTILINE)


def blocks(page: Path, language: str) -> list[str]:
    """The code blocks of that language on a page."""
    return [text for name, text in _BLOCK.findall(page.read_text(encoding="utf-8")) if name == language]


def files_on(page: Path) -> dict[str, str]:
    """The blocks that are whole files, by the name that their first line gives."""
    named = ((re.match(r"# (\S+\.py)\n", text), text) for text in blocks(page, "python"))
    return {found[1]: text for found, text in named if found}


def table(page: str, heading: str, level: str = "##") -> list[str]:
    """The first cells of the table below a heading, without code marks."""
    text = (ROOT / "docs" / page).read_text(encoding="utf-8")
    section = text.partition(f"\n{level} {heading}\n")[2].partition("\n## ")[0]
    rows = [line.split("|")[1].strip() for line in section.splitlines() if line.startswith("|")]
    return [cell.replace("`", "") for cell in rows[2:]]


def section(page: str, heading: str) -> str:
    """What stands below a heading, up to the next one of any level."""
    text = (ROOT / "docs" / page).read_text(encoding="utf-8")
    found = re.search(rf"^#+ `?{heading}`?\n(.*?)(?=^#|\Z)", text, re.MULTILINE | re.DOTALL)
    assert found is not None, heading
    return str(found[1])


def parts_within(kind: type[Part]) -> Iterator[type[Part]]:
    """The parts that a part of a record is made of and that have no heading of their own."""

    def structs(found: inspect.Type) -> Iterator[type[Part]]:
        if isinstance(found, inspect.StructType) and issubclass(found.cls, Part):
            yield found.cls
        for inner in ("types", "item_types"):
            for each in getattr(found, inner, ()):
                yield from structs(each)
        for inner in ("item_type", "value_type"):
            if hasattr(found, inner):
                yield from structs(getattr(found, inner))

    told = inspect.type_info(kind)
    assert isinstance(told, inspect.StructType)
    for part in [part for field in told.fields for part in structs(field.type)]:
        if part not in RECORD_PARTS.values():
            yield part
            yield from parts_within(part)


@pytest.fixture(scope="module")
def help_text(tmp_path_factory: pytest.TempPathFactory) -> str:
    """What ``pytest --help`` says in an empty directory."""
    found = run_pytest(tmp_path_factory.mktemp("empty"), "--help")
    assert found.returncode == 0, found.stderr
    return found.stdout


@pytest.fixture(scope="module")
def options(help_text: str) -> set[str]:
    """The plugin's options."""
    return set(re.findall(r"^  (--envrobust[\w-]*)", help_text, re.MULTILINE))


@pytest.fixture(scope="module")
def ini_keys(help_text: str) -> set[str]:
    """The plugin's ini keys."""
    return set(re.findall(r"^  (envrobust\w*) \(", help_text, re.MULTILINE))


def python_blocks() -> Iterator[object]:
    for page in PAGES:
        for number, text in enumerate(blocks(page, "python"), 1):
            yield pytest.param(text, id=f"{page.name}-{number}")


@pytest.mark.parametrize("text", list(python_blocks()))
def test_python_blocks_compile(text: str) -> None:
    compile(text, "block", "exec")


def test_what_is_generated_is_up_to_date() -> None:
    command = [sys.executable, str(ROOT / "docs" / "generate.py"), "--check"]
    found = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert found.returncode == 0, found.stderr


def test_reference_lists_the_options(options: set[str]) -> None:
    assert sorted(table("reference.md", "Options")) == sorted(options)


def test_reference_lists_the_ini_keys(ini_keys: set[str]) -> None:
    assert sorted(table("reference.md", "Ini keys")) == sorted(ini_keys)


def test_reference_lists_the_markers(tmp_path: Path) -> None:
    shown = run_pytest(tmp_path, "--markers").stdout
    markers = re.findall(r"^@pytest\.mark\.(envrobust\w*)", shown, re.MULTILINE)
    assert sorted(table("reference.md", "Markers")) == sorted(markers)


def test_reference_lists_the_fixtures(tmp_path: Path) -> None:
    shown = run_pytest(tmp_path, "--envrobust", "--fixtures", "-q").stdout
    fixtures = re.findall(r"^(envrobust\w*) (?:\[|--)", shown, re.MULTILINE)
    assert sorted(table("reference.md", "Fixtures")[:7]) == sorted(fixtures)


def test_reference_lists_the_public_names() -> None:
    listed = [name.removeprefix("er.").partition("(")[0] for name in table("reference.md", "Public names")]
    assert sorted(listed) == sorted(pytest_envrobust.__all__)


def test_reference_lists_the_hooks() -> None:
    from pytest_envrobust import hookspecs

    hooks = [name for name in vars(hookspecs) if name.startswith("pytest_envrobust_")]
    assert [name.partition("(")[0] for name in table("reference.md", "Hooks")] == hooks


def test_reference_lists_the_members_of_a_cell() -> None:
    from pytest_envrobust.runs.cell import Cell

    listed = table("reference.md", "The cell", "###")
    names = re.findall(r"envrobust\.(\w+)", " ".join(listed))
    assert names
    assert [name for name in names if not hasattr(Cell, name)] == []


def test_record_lists_every_status() -> None:
    text = (ROOT / "docs" / "record.md").read_text(encoding="utf-8")
    listed = re.findall(r"^\| `([\w-]+)` \|", text.partition("| `status` | meaning |")[2].partition("###")[0], re.M)
    assert sorted(listed) == sorted(status.value for status in Status)


@pytest.mark.parametrize("heading", ["The record", *RECORD_PARTS])
def test_record_lists_every_field(heading: str) -> None:
    """The table below a heading has the fields of its part, all of them; those of parts within it are named there."""
    kind = RECORD_PARTS.get(heading, Record)
    text = section("record.md", heading)
    table = text.partition("| field | meaning |\n| --- | --- |\n")[2].partition("\n\n")[0]
    listed = [name for line in table.splitlines() for name in re.findall(r"`(\w+)`", line.split("|")[1])]
    own = [field.encode_name for field in msgspec.structs.fields(kind)]
    assert sorted(listed) == sorted(own)
    within = {field.encode_name for part in parts_within(kind) for field in msgspec.structs.fields(part)}
    assert within - set(re.findall(r"`(\w+)`", text)) == set()


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_pages_name_only_options_that_exist(page: Path, options: set[str], ini_keys: set[str]) -> None:
    text = page.read_text(encoding="utf-8")
    assert set(re.findall(r"--envrobust[\w-]*", text)) - options == set()
    set_in_ini = re.findall(r"`(envrobust\w*) = ", text)
    assert set(set_in_ini) - ini_keys == set()


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_pages_name_only_environments_that_exist(page: Path) -> None:
    known = {environment.id for environment in Catalogue().everything}
    text = page.read_text(encoding="utf-8")
    named = re.findall(r"(?<![\w*./:-])([a-z][\w-]*(?::[\w.-]+)?/[a-z][\w-]*/(?:cpu|cuda)(?:\+\w+|:\d)?)", text)
    named = [without_variant(name) for name in named]
    # in a test's id the model's name stands before the environment's
    unknown = [name for name in named if name not in known and name.partition("-")[2] not in known]
    assert unknown == []


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_between_pages_lead_somewhere(page: Path) -> None:
    for target, anchor in re.findall(r"\]\(([\w./-]+\.md)(?:#([\w-]+))?\)", page.read_text(encoding="utf-8")):
        other = page.parent / target
        assert other.is_file(), target
        headings = re.findall(r"^#+ (.+)$", other.read_text(encoding="utf-8"), re.MULTILINE)
        slugs = [re.sub(r"[^\w -]", "", heading).lower().replace(" ", "-") for heading in headings]
        assert not anchor or anchor in slugs, anchor


def test_getting_started_runs(tmp_path: Path) -> None:
    """Its conftest and test, with the network and images of the example."""
    shutil.copytree(SIGNS / "signs", tmp_path / "signs")
    shutil.copytree(SIGNS / "tests" / "images", tmp_path / "tests" / "images")
    (tmp_path / "pytest.ini").write_text("[pytest]\npythonpath = .\nfilterwarnings = error\n")
    files = files_on(ROOT / "docs" / "getting-started.md")
    assert list(files) == ["tests/conftest.py", "tests/test_robustness.py"]
    for name, text in files.items():
        (tmp_path / name).write_text(text)
    own = ["--envrobust", "--envrobust-cache-dir=cache", "--envrobust-time-budget=0.2"]
    found = run_pytest(tmp_path, *own, "--envrobust-env=torch/eager/cpu,torch/script/cpu")
    assert "4 passed" in found.stdout, found.stdout
    assert found.returncode == 0


def test_files_of_the_page_on_limits_are_collected(tmp_path: Path) -> None:
    files = files_on(ROOT / "docs" / "limits.md")
    tests = ["limits", "shown", "accuracy", "scores", "classes", "known"]
    assert list(files) == ["conftest.py", *(f"test_{name}.py" for name in tests)]
    model = """

        def pytest_envrobust_models(config):
            return [er.Model("any", sources={"torch": "package.nets:load"}, inputs=er.Arrays([[1.0], [2.0]]))]
    """
    files["conftest.py"] += textwrap.dedent(model)
    for name, text in files.items():
        (tmp_path / name).write_text(text)
    found = run_pytest(
        tmp_path, "--envrobust", "--strict-markers", "--collect-only", "-q", "--envrobust-env=torch/*/cpu"
    )
    assert found.returncode == 0, found.stdout
    assert "test_limits.py::test_labels[any-torch/eager/cpu]" in found.stdout
    assert "test_known.py::test_labels[any-torch/tvm-o3/cpu]" in found.stdout
    assert "declaration" not in found.stdout


def test_limits_on_plain_arrays_run() -> None:
    text = blocks(ROOT / "docs" / "limits.md", "python")[-1]
    exec(compile(text, "limits.md", "exec"), {})
    broken = text.replace("expected + 0.01", "-expected")
    assert broken != text
    with pytest.raises(pytest_envrobust.EnvironmentMismatch):
        exec(compile(broken, "limits.md", "exec"), {})


def test_the_engine_framework_and_step_of_contributing_run(tmp_path: Path) -> None:
    """The three skeletons together: a source of the new framework, through the new step, in the new engine."""
    files = files_on(ROOT / "CONTRIBUTING.md")
    del files["pytest_envrobust/checks/confidence.py"]  # tests of its own run it
    assert len(files) == 3
    for name, text in files.items():
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    # The worker is this process: one of its own would not see the added modules.
    conftest = """
        from pathlib import Path

        import pytest_envrobust as er
        import pytest_envrobust.backends, pytest_envrobust.conversion.steps, pytest_envrobust.frameworks

        for package in (pytest_envrobust.backends, pytest_envrobust.conversion.steps, pytest_envrobust.frameworks):
            package.__path__.append(str(Path(__file__).parent / package.__name__.replace(".", "/")))


        def pytest_envrobust_models(config):
            return [er.Model("linear", sources={"npz": "linear.npz"}, inputs="inputs.npy")]
    """
    (tmp_path / "conftest.py").write_text(textwrap.dedent(conftest))
    (tmp_path / "test_it.py").write_text("def test_labels(envrobust):\n    envrobust.assert_labels_agree()\n")
    (tmp_path / "pytest.ini").write_text("[pytest]\n")
    random = np.random.default_rng(1)
    np.savez(tmp_path / "linear.npz", weights=random.normal(size=(48, 5)).astype("f4"), bias=np.zeros(5, "f4"))
    np.save(tmp_path / "inputs.npy", random.normal(size=(12, 4, 4, 3)).astype("f4"))
    own = ["--envrobust", "--envrobust-isolation=none", "--envrobust-cache-dir=cache"]
    found = run_pytest(tmp_path, *own, "--envrobust-env=npz/ort-off/cpu,npz/onnx-reference/cpu", "-v")
    assert "test_labels[linear-npz/onnx-reference/cpu] PASSED" in found.stdout, found.stdout
    assert found.returncode == 0
