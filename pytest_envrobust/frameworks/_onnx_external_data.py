"""The weights that an ONNX file keeps in other files: which they are, and that they lie in the model's own folder."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from pytest_envrobust.core.errors import DeclarationError


def check_external_data(path: Path, model: Any) -> None:
    """Raise `DeclarationError` for external data that is missing, cut short, or not a plain file in the model's folder.

    A file must not be able to name what it does not bring: nothing is opened before its place is known to be right.
    """
    for info in external_data(model):
        if why := _out_of_place(path.parent, info.location):
            raise DeclarationError(
                f"{path} is refused",
                cause=f"the data of tensor {info.tensor!r} is at {info.location!r}, {why}",
                remedy="put the file itself beside the model, or save the model with its weights inside",
            )
        file = path.parent / info.location
        if not file.is_file():
            raise DeclarationError(
                f"{path} is incomplete",
                cause=f"its external data {info.location!r} is not beside it",
                remedy="copy that file along with the model, or export with the weights inside",
            )
        end = (info.offset or 0) + (info.length or 0)
        if file.stat().st_size < end:
            raise DeclarationError(
                f"{path} is incomplete",
                cause=f"its external data {info.location!r} is cut short: {file.stat().st_size} of {end} bytes or more",
                remedy="copy the whole file, or export the model again",
            )


def external_data(model: Any) -> Iterator[Any]:
    """Location, offset and length of every tensor whose data lies outside the file, with the ``tensor``'s name."""
    from onnx.external_data_helper import ExternalDataInfo, uses_external_data

    for tensor in tensors_of(model):
        if uses_external_data(tensor):
            info = ExternalDataInfo(tensor)
            info.tensor = tensor.name
            yield info


def tensors_of(model: Any) -> Iterator[Any]:
    """Every tensor in a ``ModelProto``: of graphs, attributes, subgraphs, functions and training, sparse ones too."""
    yield from _graph_tensors(model.graph)
    for function in model.functions:
        yield from _attribute_tensors(getattr(function, "attribute_proto", ()))
        yield from _node_tensors(function.node)
    for training in model.training_info:
        yield from _graph_tensors(training.initialization)
        yield from _graph_tensors(training.algorithm)


def _out_of_place(folder: Path, location: str) -> str:
    """What is wrong with where external data lies, in words; empty where nothing is."""
    name = location.replace("\\", "/")
    if "\0" in name:
        return "which is no file's name"
    if name.startswith("/") or Path(location).is_absolute() or name[1:2] == ":":
        return "an absolute path"
    if ".." in name.split("/"):
        return "outside the model's folder"
    base, file = os.path.realpath(folder), folder / location
    if os.path.realpath(file) != os.path.normpath(os.path.join(base, location)):
        return "a symbolic link"
    if file.is_file() and file.stat().st_nlink > 1:
        return "a hard link to a file that has another name too"
    return ""


def _graph_tensors(graph: Any) -> Iterator[Any]:
    yield from graph.initializer
    for sparse in graph.sparse_initializer:
        yield from (sparse.values, sparse.indices)
    yield from _node_tensors(graph.node)


def _node_tensors(nodes: Any) -> Iterator[Any]:
    for node in nodes:
        yield from _attribute_tensors(node.attribute)


def _attribute_tensors(attributes: Any) -> Iterator[Any]:
    for attribute in attributes:
        if attribute.HasField("t"):
            yield attribute.t
        yield from attribute.tensors
        sparse = [attribute.sparse_tensor] if attribute.HasField("sparse_tensor") else []
        for each in (*sparse, *attribute.sparse_tensors):
            yield from (each.values, each.indices)
        graphs = [attribute.g] if attribute.HasField("g") else []
        for graph in (*graphs, *attribute.graphs):
            yield from _graph_tensors(graph)
