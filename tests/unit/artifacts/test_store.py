from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from pytest_envrobust import DeclarationError
from pytest_envrobust.artifacts.store import Store, default_root, recipe_key
from pytest_envrobust.core.digests import file_digest

RECIPE = {"step": "b_from_a", "source": "0" * 64, "options": {"opset": 17}}


class Maker:
    """Writes a file, and counts how often it was asked to."""

    def __init__(self, content: str = "content") -> None:
        self.calls, self.content = 0, content

    def __call__(self, target: Path) -> None:
        self.calls += 1
        target.write_text(self.content)
        target.with_suffix(".bin").write_text("beside")


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path / "store")


def leftovers(store: Store) -> list[str]:
    return [path.name for path in store.root.rglob("*") if path.name.startswith(("making-", "trash-"))]


def test_a_proven_artifact_is_made_once(store: Store) -> None:
    make = Maker()
    first = store.get_or_make(RECIPE, "model.bin2", make)
    assert first.made
    assert first.path.read_text() == "content"
    assert first.path.with_suffix(".bin").read_text() == "beside"
    store.prove(first)
    again = Store(store.root).get_or_make(RECIPE, "model.bin2", make)
    assert not again.made
    assert (again.key, again.path) == (first.key, first.path)
    assert make.calls == 1


def test_an_unproven_artifact_is_made_again(store: Store) -> None:
    make = Maker()
    store.get_or_make(RECIPE, "model", make)
    assert store.get_or_make(RECIPE, "model", make).made
    assert make.calls == 2
    assert leftovers(store) == []


@pytest.mark.parametrize("damage", ["changed", "cut short", "removed", "beside", "manifest", "no manifest"])
def test_a_damaged_artifact_is_made_again(store: Store, damage: str) -> None:
    make = Maker()
    artifact = store.get_or_make(RECIPE, "model", make)
    store.prove(artifact)
    manifest = artifact.path.parent.parent / "manifest.json"
    if damage == "changed":
        artifact.path.write_text("cOntent")
    elif damage == "cut short":
        artifact.path.write_text("conte")
    elif damage == "removed":
        artifact.path.unlink()
    elif damage == "beside":
        artifact.path.with_suffix(".bin").unlink()
    elif damage == "manifest":
        manifest.write_text("{")
    else:
        manifest.unlink()
    remade = store.get_or_make(RECIPE, "model", make)
    assert remade.made
    assert remade.path.read_text() == "content"
    assert make.calls == 2


def test_what_the_maker_raises_passes_through_and_leaves_nothing(store: Store) -> None:
    def fail(target: Path) -> None:
        target.write_text("half of i")
        raise RuntimeError("no")

    with pytest.raises(RuntimeError, match="no"):
        store.get_or_make(RECIPE, "model", fail)
    assert leftovers(store) == []
    assert not list(store.root.rglob("model"))
    assert store.get_or_make(RECIPE, "model", Maker()).made


def test_a_failed_attempt_keeps_the_older_artifact(store: Store) -> None:
    artifact = store.get_or_make(RECIPE, "model", Maker())

    def fail(target: Path) -> None:
        raise RuntimeError("no")

    with pytest.raises(RuntimeError):
        store.get_or_make(RECIPE, "model", fail)
    assert artifact.path.read_text() == "content"


def test_an_artifact_may_be_a_directory(store: Store) -> None:
    def make(target: Path) -> None:
        (target / "variables").mkdir(parents=True)
        (target / "variables" / "data").write_text("weights")

    artifact = store.get_or_make(RECIPE, "saved_model", make)
    store.prove(artifact)
    assert not store.get_or_make(RECIPE, "saved_model", make).made
    (artifact.path / "variables" / "data").write_text("weight")
    assert store.get_or_make(RECIPE, "saved_model", make).made


def test_the_manifest_names_recipe_and_digests(store: Store) -> None:
    artifact = store.get_or_make(RECIPE, "model", Maker())
    manifest = json.loads((artifact.path.parent.parent / "manifest.json").read_text())
    assert manifest["recipe"] == RECIPE
    assert manifest["files"]["model"] == file_digest(artifact.path)
    assert set(manifest["files"]) == {"model", "model.bin"}


def test_every_part_of_a_recipe_counts() -> None:
    keys = {
        recipe_key(RECIPE),
        recipe_key({**RECIPE, "source": "1" * 64}),
        recipe_key({**RECIPE, "options": {"opset": 18}}),
        recipe_key({**RECIPE, "options": {"opset": "17"}}),
        recipe_key({**RECIPE, "versions": {"torch": "2.13.0"}}),
    }
    assert len(keys) == 5
    assert recipe_key(dict(reversed(RECIPE.items()))) == recipe_key(RECIPE)
    assert all(len(key) == 64 for key in keys)


def test_different_recipes_lie_apart(store: Store) -> None:
    first = store.get_or_make(RECIPE, "model", Maker("one"))
    second = store.get_or_make({**RECIPE, "step": "c_from_a"}, "model", Maker("two"))
    assert (first.path.read_text(), second.path.read_text()) == ("one", "two")


SLOW_MAKER = """
import sys, time
from pathlib import Path
from pytest_envrobust.artifacts.store import Store

root, log = Path(sys.argv[1]), Path(sys.argv[2])

def make(target):
    with log.open("a") as stream:
        stream.write("made\\n")
    time.sleep(0.5)
    target.write_text("content")

print("ready", flush=True)
sys.stdin.readline()
store = Store(root)
artifact = store.get_or_make({"step": "slow"}, "model", make)
store.prove(artifact)
print(artifact.path.read_text(), artifact.made, flush=True)
"""


def test_two_processes_at_once_never_make_at_the_same_time(tmp_path: Path) -> None:
    log = tmp_path / "log"
    processes = [
        subprocess.Popen(
            [sys.executable, "-c", SLOW_MAKER, str(tmp_path / "store"), str(log)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        for _ in range(2)
    ]
    for process in processes:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
    for process in processes:
        assert process.stdin is not None
        process.stdin.write("go\n")
        process.stdin.flush()
    answers = [process.communicate()[0].split() for process in processes]
    assert all(process.returncode == 0 for process in processes)
    assert [answer[0] for answer in answers] == ["content", "content"]
    # One that gets the lock before the other has proven its artifact makes it again; both end with a whole one.
    assert len(log.read_text().splitlines()) == sum(answer[1] == "True" for answer in answers)
    assert not list((tmp_path / "store").rglob("making-*"))


def test_a_file_in_the_place_of_the_directory(tmp_path: Path) -> None:
    place = tmp_path / "cache"
    place.write_text("")
    with pytest.raises(DeclarationError) as caught:
        Store(place)
    assert str(place) in caught.value.thing
    assert caught.value.cause
    assert "--envrobust-cache-dir" in caught.value.remedy


def test_a_place_below_a_file(tmp_path: Path) -> None:
    (tmp_path / "cache").write_text("")
    with pytest.raises(DeclarationError, match="cannot be written"):
        Store(tmp_path / "cache" / "below")


def test_clearing_removes_artifacts_and_nothing_else(store: Store) -> None:
    artifact = store.get_or_make(RECIPE, "model", Maker())
    (store.root / "notes.txt").write_text("mine")
    store.engine_cache("inductor").joinpath("kernel").write_text("")
    store.clear()
    assert not artifact.path.exists()
    assert (store.root / "notes.txt").exists()
    assert list(store.engine_cache("inductor").iterdir()) == []
    assert store.get_or_make(RECIPE, "model", Maker()).made


def test_the_default_place_is_the_users_cache(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    if sys.platform != "linux":
        pytest.skip("the variable is Linux's")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert default_root() == tmp_path / "pytest-envrobust"
