"""What the steps by onnx2tf share. It runs in an interpreter of its own, where onnx2tf is installed."""

from __future__ import annotations

import contextlib
import io
import re
import warnings
from pathlib import Path
from typing import Any

from pytest_envrobust.conversion.base import ConversionJob
from pytest_envrobust.frameworks.onnx import input_spec, read_model, with_one_output

_PLAIN = re.compile(r"[A-Za-z]\w*")
_RENAMED = "envrobust_input"
_COLORS = re.compile(r"\x1b\[[0-9;]*m")


def converted(job: ConversionJob, folder: Path, **choices: Any) -> Any:
    """Have onnx2tf convert as ``choices`` ask, into ``folder``, the input's shape as ``job.input`` has it.

    Returns the model of its TensorFlow backend, where that is chosen.

    The input's layout is kept: by itself onnx2tf takes any four dimensions for NCHW and makes NHWC of them. Raises
    `RuntimeError` where onnx2tf gives up, with what it said.
    """
    import onnx2tf  # type: ignore[import-not-found]

    source, name = _with_plain_input(_with_one_output(job, folder), folder)
    shape = ",".join(map(str, job.input.shape))
    said = io.StringIO()
    try:
        with contextlib.redirect_stdout(said), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return onnx2tf.convert(
                input_onnx_file_path=str(source),
                output_folder_path=str(folder),
                keep_shape_absolutely_input_names=[name],
                overwrite_input_shape=[f"{name}:{shape}"],
                verbosity="error",
                **choices,
            )
    except SystemExit:  # how it ends when it meets what it cannot convert
        raise RuntimeError(f"onnx2tf gave up: {_complaint(said.getvalue())}") from None


def _with_one_output(job: ConversionJob, folder: Path) -> Path:
    """The file or, where there is something to choose in it, a copy without the rest."""
    import onnx

    path = Path(job.source.target)
    if len(read_model(path).graph.output) == 1:
        return path
    copy = folder / "one_output.onnx"
    onnx.save(with_one_output(path, job.source.output), str(copy))
    return copy


def _with_plain_input(source: Path, folder: Path) -> tuple[Path, str]:
    """The file, and its input's name; a copy with another name where that is no plain word.

    onnx2tf changes names such as ``serving_default_x:0``, and then does not know the one whose layout it is to keep.
    """
    import onnx

    name = input_spec(source, onnx.load(str(source), load_external_data=False)).name
    if _PLAIN.fullmatch(name):
        return source, name
    model = onnx.load(str(source))
    for value in model.graph.input:
        if value.name == name:
            value.name = _RENAMED
    for node in model.graph.node:
        node.input[:] = [_RENAMED if each == name else each for each in node.input]
    copy = folder / "renamed.onnx"
    onnx.save(model, str(copy))
    return copy, _RENAMED


def _complaint(text: str) -> str:
    """The first line that says what is wrong: those that begin with ERROR, or the last one."""
    lines = [line.strip() for line in _COLORS.sub("", text).splitlines() if line.strip()]
    errors = [line.removeprefix("ERROR:").strip() for line in lines if line.startswith("ERROR:")]
    return (errors or lines[-1:] or ["it said nothing"])[0]
