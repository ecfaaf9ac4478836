"""Refusing a SavedModel that reaches beyond its tensors: a graph's operators read and write files, and call Python."""

from __future__ import annotations

import re
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from typing import Any

from pytest_envrobust.core.errors import DeclarationError

_REACHES_OUT = re.compile(
    r"\w*PyFunc\w*|ReadFile|WriteFile|MatchingFiles|\w*Reader(V2)?|DebugIdentity\w*|\w*Rpc\w*"
    r"|\w*(CSV|DataService|FixedLength|Load|LMDB|MatchingFiles|Save|Snapshot|Sql|TextLine|TFRecord)\w*Dataset\w*"
    r"|\w*DatasetToTFRecord|\w*SummaryWriter|CreateSummary\w+|Write\w*Summary"
    r"|Save(V2|Slices)?|Restore(V2|Slice)?|DistributedSave|MergeV2Checkpoints|LoadAndRemapMatrix|GenerateVocabRemapping"
)
"""Names of operators that read or write files, call Python, or talk to other machines."""


def check_graph(path: Path) -> None:
    """Raise `DeclarationError` where a part of the graph that may run reads or writes files or calls Python.

    How every SavedModel keeps its own weights is no such part: a branch of the graph that nothing else leads to.
    """
    parse = import_module("tensorflow.python.saved_model.loader_impl").parse_saved_model  # as TensorFlow reads it
    for meta in parse(str(path)).meta_graphs:
        of_weights = _functions_of_weights(meta)
        functions = [each for each in meta.graph_def.library.function if each.signature.name not in of_weights]
        places = [("the graph", _reachable(meta)), *((each.signature.name, each.node_def) for each in functions)]
        for where, nodes in places:
            for node in nodes:
                if _reaches_out(node):
                    raise DeclarationError(
                        f"SavedModel {str(path)!r} is refused",
                        cause=f"operator {node.op} ({node.name} in {where}) reads or writes outside of the model",
                        remedy="export a signature that computes scores alone, without files and Python functions",
                    )


def _reaches_out(node: Any) -> bool:
    if node.op == "PrintV2":
        return bool(node.attr["output_stream"].s.startswith(b"file"))
    return _REACHES_OUT.fullmatch(node.op) is not None


def _functions_of_weights(meta: Any) -> set[str]:
    """Names of the functions that only the two nodes call that write and read the weights."""
    saver = {_plain(meta.saver_def.save_tensor_name), _plain(meta.saver_def.restore_op_name)}
    within = {name for node in meta.graph_def.node if node.name in saver for name in _called(node)}
    others = [node for node in meta.graph_def.node if node.name not in saver]
    others += [node for function in meta.graph_def.library.function for node in function.node_def]
    elsewhere = {name for node in others for name in _called(node)}
    objects = meta.object_graph_def
    elsewhere |= set(objects.concrete_functions)
    elsewhere |= {each for node in objects.nodes for each in node.function.concrete_functions}
    return within - elsewhere


def _called(node: Any) -> Iterator[str]:
    for attribute in node.attr.values():
        yield attribute.func.name
        yield from (each.name for each in attribute.list.func)


def _reachable(meta: Any) -> list[Any]:
    """The nodes of the graph that a signature or an initializer needs."""
    nodes = {node.name: node for node in meta.graph_def.node}
    pending = [tensor.name for signature in meta.signature_def.values() for tensor in signature.outputs.values()]
    for key, values in meta.collection_def.items():
        if key != "variables":
            pending += values.node_list.value
    found: dict[str, Any] = {}
    while pending:
        name = _plain(pending.pop())
        if name in nodes and name not in found:
            found[name] = nodes[name]
            pending += nodes[name].input
    return list(found.values())


def _plain(name: str) -> str:
    """A node's name from that of its tensor, ``node:0``, or of its being done, ``^node``."""
    return name.lstrip("^").partition(":")[0]
