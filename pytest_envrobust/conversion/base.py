"""What a conversion step is."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from pytest_envrobust.core.requirements import Requirement
from pytest_envrobust.core.sources import SourceRef
from pytest_envrobust.core.tensors import TensorSpec


@dataclass(frozen=True)
class Step:
    """One conversion, ``target_from_source``: a module of that name holds it as ``STEP`` beside ``convert(job)``.

    ``file`` is the name of what it writes (a directory's name for formats that are directories). A step that cannot
    read what certain other steps write names them in ``not_after``. Between routes of the same length the one with
    the lower sum of ``rank`` is taken. Every step keeps its source's input
    signature: the converted model takes the very batches that its source takes.

    ``interpreter`` names the Python that the step runs in, one of `INTERPRETERS`, where its packages cannot stand
    beside the others; its source is then a file. ``requires`` is what it needs here, be it to run what came of it.
    ``alone``: it can take gigabytes, and no other such step may run on the machine meanwhile.
    ``named_inputs``: it converts models of several inputs too, and keeps their names.
    """

    name: str
    source: str
    target: str
    file: str
    requires: tuple[Requirement, ...]
    rank: int = 0
    not_after: tuple[str, ...] = ()
    options: Mapping[str, str | int | bool] = field(default_factory=dict)
    interpreter: str = ""
    alone: bool = False
    named_inputs: bool = False


@dataclass(frozen=True)
class ConversionJob:
    """What ``convert`` gets: the source to read, where to write, and the input that the result must take.

    ``input`` is concrete: batch size, every dimension and the dtype are set.
    """

    source: SourceRef
    target: Path
    input: TensorSpec
    options: Mapping[str, str | int | bool] = field(default_factory=dict)
