"""The layers hold: who may import whom, and where frameworks are imported."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import pytest_envrobust

PACKAGE = Path(pytest_envrobust.__file__).parent
ROOT = Path(__file__).parents[2]
FRAMEWORKS = frozenset(
    (
        "torch",
        "torchvision",
        "timm",
        "safetensors",
        "huggingface_hub",
        "h5py",
        "litert_torch",
        "onnx2tf",
        "tensorflow",
        "keras",
        "onnx",
        "onnxruntime",
        "onnxscript",
        "openvino",
        "tvm",
        "ai_edge_litert",
        "onnx2torch",
        "tf2onnx",
    )
)
HOMES = ("frameworks/", "backends/", "conversion/steps/")
MODULES = sorted(path.relative_to(PACKAGE).as_posix() for path in PACKAGE.rglob("*.py"))


def imports(tree: ast.AST) -> Iterator[str]:
    """Top-level names of what a piece of code imports."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name.partition(".")[0] for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            yield node.module.partition(".")[0]


def at_import(tree: ast.Module) -> Iterator[str]:
    """Top-level names of what is imported with the module itself."""
    for node in tree.body:
        if not isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
            yield from imports(_without_functions(node))


def _without_functions(node: ast.AST) -> ast.AST:
    class Cut(ast.NodeTransformer):
        def visit_FunctionDef(self, inner: ast.FunctionDef) -> None:
            return None

        def visit_If(self, inner: ast.If) -> ast.AST | None:
            return None if ast.unparse(inner.test) == "TYPE_CHECKING" else self.generic_visit(inner)

    return Cut().visit(node) or ast.Pass()


def test_the_contracts_of_the_layers_are_kept() -> None:
    pytest.importorskip("importlinter")
    command = "from importlinter.cli import lint_imports_command; lint_imports_command()"
    found = subprocess.run(
        [sys.executable, "-c", command, "--no-cache"], cwd=ROOT, capture_output=True, text=True, timeout=120
    )
    assert found.returncode == 0, found.stdout + found.stderr
    assert "0 broken" in found.stdout
    assert "3 kept" in found.stdout


@pytest.mark.parametrize("module", MODULES)
def test_a_framework_is_imported_in_functions_of_its_own_modules_only(module: str) -> None:
    tree = ast.parse((PACKAGE / module).read_text(encoding="utf-8"))
    if module.startswith(HOMES):
        assert not FRAMEWORKS & set(at_import(tree))
    else:
        assert not FRAMEWORKS & set(imports(tree))


def test_the_check_itself_sees_imports() -> None:
    tree = ast.parse("import torch.nn\ndef f():\n    from onnx import helper\nclass A:\n    import tvm\n")
    assert set(imports(tree)) == {"torch", "onnx", "tvm"}
    assert set(at_import(tree)) == {"torch", "tvm"}
