"""A Keras file that holds Python code: refused, and the code is not run."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("keras")

CODE = """
import sys
from pathlib import Path
import keras
from pytest_envrobust.core.errors import DeclarationError
from pytest_envrobust.core.sources import SourceRef
from pytest_envrobust.frameworks.keras import Framework

folder = Path(sys.argv[1])
for suffix in (".keras", ".h5"):
    path = folder / f"net{suffix}"
    inner = keras.layers.Lambda(lambda x: (open(folder / "mark", "w").close(), x)[1], output_shape=(2,))
    keras.Sequential([keras.Input((2,)), inner]).save(path)
    (folder / "mark").unlink(missing_ok=True)
    try:
        Framework().load(SourceRef("keras", "file", target=str(path)))
    except DeclarationError as error:
        print(error)
    assert not (folder / "mark").exists()
"""


def test_a_lambda_is_refused(tmp_path: Path) -> None:
    environ = {**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3", "KERAS_BACKEND": "tensorflow"}
    found = subprocess.run([sys.executable, "-c", CODE, tmp_path], capture_output=True, text=True, env=environ)
    assert found.returncode == 0, found.stderr
    keras, h5 = found.stdout.splitlines()
    for line, name in ((keras, "net.keras"), (h5, "net.h5")):
        assert f"{name}' is refused: a Lambda layer in it holds Python code" in line
