"""An engine that is installed and cannot be imported is broken, at the stage import; other cells go on."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from support import nets

HOST = """
import sys
from pathlib import Path
from pytest_envrobust.core.errors import EnvrobustError
from support.lab import Lab

lab = Lab(Path(sys.argv[1]))
for environment in sys.argv[2:]:
    try:
        scores = lab.run(lab.open(environment), lab.images("onnx"))
        print(environment, "gave", scores.shape)
    except EnvrobustError as error:
        print(environment, type(error).__name__, error.headline)
        print(getattr(error, "detail", "")[-2000:], file=sys.stderr)
lab.close()
"""


@pytest.mark.parametrize(
    ("module", "environment"),
    [("openvino", "onnx/openvino/cpu"), ("tvm", "onnx/tvm-o3/cpu"), ("onnx2torch", "onnx-to-torch/eager/cpu")],
)
def test_an_engine_that_cannot_be_imported(module: str, environment: str, tmp_path: Path) -> None:
    broken = tmp_path / "broken" / module
    broken.mkdir(parents=True)
    (broken / "__init__.py").write_text("raise ImportError('libsomething.so.3: cannot open shared object file')\n")
    tests = str(Path(nets.__file__).parent.parent)
    path = os.pathsep.join([str(broken.parent), tests])
    done = subprocess.run(
        [sys.executable, "-c", HOST, str(tmp_path), environment, "onnx/ort-off/cpu"],
        capture_output=True,
        text=True,
        env={**os.environ, "PYTHONPATH": path},
        check=False,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    failed, fine = done.stdout.splitlines()
    assert failed.startswith(f"{environment} StageFailure broken at stage import: ")
    assert "ImportError: libsomething.so.3: cannot open shared object file" in failed
    assert fine == "onnx/ort-off/cpu gave (8, 10)"
    assert "Traceback" in done.stderr


def test_an_engine_that_dies_when_it_is_imported(tmp_path: Path) -> None:
    broken = tmp_path / "broken" / "onnxruntime"
    broken.mkdir(parents=True)
    (broken / "__init__.py").write_text("import os\nos.abort()\n")
    path = os.pathsep.join([str(broken.parent), str(Path(nets.__file__).parent.parent)])
    done = subprocess.run(
        [sys.executable, "-c", HOST, str(tmp_path), "onnx/ort-off/cpu"],
        capture_output=True,
        text=True,
        env={**os.environ, "PYTHONPATH": path},
        check=False,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    assert "crashed at stage import: import onnxruntime: its worker process died (killed by SIGABRT)" in done.stdout
