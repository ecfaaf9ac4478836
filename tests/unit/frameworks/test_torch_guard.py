"""Crafted files of torch: what they bring is not run."""

from __future__ import annotations

import io
import json
import pickle
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from pytest_envrobust.core.errors import DeclarationError
from pytest_envrobust.core.sources import SourceRef
from pytest_envrobust.frameworks import frameworks
from pytest_envrobust.frameworks._torch_guard import is_plain_expression

torch = pytest.importorskip("torch")


class Trap:
    """Unpickled, it makes a file."""

    def __init__(self, mark: Path) -> None:
        self.mark = mark

    def __reduce__(self) -> Any:
        return Path.touch, (self.mark,)


@pytest.fixture(scope="module")
def program(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("program") / "net.pt2"
    net = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(12, 3)).eval()
    batch = torch.export.Dim("batch", min=2, max=8)
    exported = torch.export.export(net, (torch.ones(2, 3, 2, 2),), dynamic_shapes=({0: batch},))
    torch.export.save(exported, path)
    return path


def changed(path: Path, target: Path, change: Callable[[str, bytes], bytes], **more: bytes) -> Path:
    """A copy of the archive with its members changed and some more of them."""
    with zipfile.ZipFile(path) as old, zipfile.ZipFile(target, "w", zipfile.ZIP_STORED) as new:
        root = old.namelist()[0].partition("/")[0]
        for name in old.namelist():
            new.writestr(name, change(name, old.read(name)))
        for name, content in more.items():
            new.writestr(f"{root}/{name}", content)
    return target


def load(path: Path) -> Any:
    return frameworks()["torch"].load(SourceRef("torch", "file", target=str(path)))


def saved(value: Any) -> bytes:
    stream = io.BytesIO()
    torch.save(value, stream)
    return stream.getvalue()


def test_a_plain_program_is_read_and_leaves_no_guard(program: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TORCH_FORCE_NO_WEIGHTS_ONLY_LOAD", "1")
    assert load(program)(torch.ones(5, 3, 2, 2)).shape == (5, 3)
    assert pickle.loads(pickle.dumps(Path("x"))) == Path("x")


def test_example_inputs_are_not_unpickled(program: Path, tmp_path: Path) -> None:
    mark = tmp_path / "mark"
    evil = saved(((Trap(mark),), {}))
    path = changed(program, tmp_path / "net.pt2", lambda name, old: evil if "sample_inputs" in name else old)
    with pytest.raises(DeclarationError, match=r"net\.pt2 is refused: it holds pickled objects besides tensors"):
        load(path)
    assert not mark.exists()


@pytest.mark.parametrize("kind", ["weights", "constants", "opaque"])
def test_weights_and_constants_are_not_unpickled(program: Path, tmp_path: Path, kind: str) -> None:
    mark = tmp_path / "mark"
    folder = "weights" if kind == "weights" else "constants"
    name = {"weights": "evil", "constants": "tensor_evil", "opaque": "opaque_obj_evil"}[kind]
    evil = pickle.dumps(Trap(mark)) if kind == "opaque" else saved(Trap(mark))

    def change(member: str, old: bytes) -> bytes:
        if not member.endswith(f"data/{folder}/model_{folder}_config.json"):
            return old
        config = json.loads(old)
        config["config"]["evil"] = {"path_name": name, "is_param": False, "use_pickle": True, "tensor_meta": None}
        return json.dumps(config).encode()

    path = changed(program, tmp_path / "net.pt2", change, **{f"data/{folder}/{name}": evil})
    with pytest.raises(DeclarationError, match="it holds pickled objects besides tensors"):
        load(path)
    assert not mark.exists()


def test_a_size_is_not_evaluated(program: Path, tmp_path: Path) -> None:
    mark = tmp_path / "mark"
    evil = f"__import__('pathlib').Path({str(mark)!r}).touch()"

    def in_sizes(value: Any) -> Any:
        if isinstance(value, dict):
            return {key: evil if key == "expr_str" else in_sizes(inner) for key, inner in value.items()}
        return [in_sizes(inner) for inner in value] if isinstance(value, list) else value

    def change(member: str, old: bytes) -> bytes:
        return json.dumps(in_sizes(json.loads(old))).encode() if member.endswith("models/model.json") else old

    with pytest.raises(DeclarationError, match="a size in it is no arithmetic"):
        load(changed(program, tmp_path / "net.pt2", change))
    assert not mark.exists()


def test_compiled_code_is_not_opened(program: Path, tmp_path: Path) -> None:
    path = changed(program, tmp_path / "net.pt2", lambda _, old: old, **{"data/aotinductor/model/net.so": b"ELF"})
    with pytest.raises(DeclarationError, match=r"it brings compiled code \(data/aotinductor/model/net\.so\)"):
        load(path)


@pytest.mark.parametrize("suffix", [".pt", ".pth"])
@pytest.mark.parametrize("legacy", [False, True], ids=["zip", "before-1.6"])
def test_a_pickled_module_is_not_unpickled(tmp_path: Path, suffix: str, legacy: bool) -> None:
    mark, path = tmp_path / "mark", tmp_path / f"net{suffix}"
    torch.save({"model": Trap(mark)}, path, _use_new_zipfile_serialization=not legacy)
    with pytest.raises(DeclarationError, match=rf"net\{suffix} holds a pickled Python object"):
        load(path)
    assert not mark.exists()


@pytest.mark.parametrize(
    "text",
    ["s0", "2*s0 + 1", "Max(1, s0//2)", "floor(s0/2)", "-1 <= u0", "((s77 + 2)**2)", "Float('2.0', precision=53)",
     "Add(Symbol('s31', positive=True, integer=True), Integer(-1))"],
)  # fmt: skip
def test_arithmetic(text: str) -> None:
    assert is_plain_expression(text)


@pytest.mark.parametrize(
    "text",
    [
        "exec(chr(105))",
        "s0.__class__",
        "'x'",
        "[s0]",
        "(lambda: 1)()",
        "__import__",
        "S(x=1)",
        "S('exec(1)')",
        "Symbol('a b')",
        "a b",
        "",
    ],
)
def test_what_is_no_arithmetic(text: str) -> None:
    assert not is_plain_expression(text)
