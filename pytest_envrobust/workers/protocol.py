"""What host and worker say to each other: dictionaries of plain values, which any Python at the far end reads."""

from __future__ import annotations

import traceback
from dataclasses import asdict, replace
from typing import Any

from pytest_envrobust.backends.base import Job
from pytest_envrobust.core.errors import (
    DeclarationError,
    EnvrobustError,
    LacksOperator,
    StageFailure,
    Unavailable,
    chain_of,
)
from pytest_envrobust.core.faults import Fault
from pytest_envrobust.core.sources import Inspection, SourceRef
from pytest_envrobust.core.status import Stage, Status
from pytest_envrobust.core.telling import telling_sentence
from pytest_envrobust.core.tensors import Quantization, TensorSpec

Message = dict[str, Any]

_RAISED = {Stage.IMPORT: Status.BROKEN, Stage.CONVERT: Status.CONVERSION_FAILED}
_OUT_OF_MEMORY = ("out of memory", "bad_alloc", "cannot allocate memory", "not enough memory")


def encode_source(source: SourceRef) -> Message:
    return asdict(source)


def decode_source(message: Message) -> SourceRef:
    return SourceRef(**message)


def encode_fault(fault: Fault | None) -> Message:
    return asdict(fault) if fault is not None else {}


def decode_fault(message: Message) -> Fault | None:
    return Fault(**message) if message else None


def encode_spec(spec: TensorSpec) -> Message:
    """What an engine is fed: integers as integers. What they stand for, the inspection alone says."""
    encoded: Message = {"shape": list(spec.shape), "dtype": spec.dtype, "name": spec.name}
    return {**encoded, "parts": [encode_spec(part) for part in spec.parts]} if spec.parts else encoded


def decode_spec(message: Message) -> TensorSpec:
    parts = tuple(decode_spec(part) for part in message.get("parts", ()))
    return TensorSpec(tuple(message["shape"]), message["dtype"], message["name"], parts=parts)


def encode_job(job: Job) -> Message:
    return {
        "source": encode_source(job.source),
        "compiler": job.compiler,
        "device": job.device,
        "input": encode_spec(job.input),
        "threads": job.threads,
        "options": dict(job.options),
    }


def decode_job(message: Message) -> Job:
    return Job(
        source=decode_source(message["source"]),
        compiler=message["compiler"],
        device=message["device"],
        input=decode_spec(message["input"]),
        threads=message["threads"],
        options=message["options"],
    )


def encode_inspection(inspection: Inspection) -> Message:
    spec = encode_spec(inspection.input) if inspection.input else None
    quantization = inspection.input.quantization if inspection.input else None
    return {
        "digest": inspection.digest,
        "input": spec,
        "quantization": asdict(quantization) if quantization else None,
        "classes": inspection.classes,
        "notices": list(inspection.notices),
        "output": inspection.output,
        "needs": list(inspection.needs),
        "may_take": list(inspection.may_take),
    }


def decode_inspection(message: Message) -> Inspection:
    spec = decode_spec(message["input"]) if message["input"] else None
    if spec is not None and message["quantization"]:
        spec = replace(spec, quantization=Quantization(**message["quantization"]))
    notices, output = tuple(message["notices"]), message["output"]
    needs, may_take = tuple(message["needs"]), tuple(message["may_take"])
    return Inspection(message["digest"], spec, message["classes"], notices, output, needs, may_take)


def encode_error(error: BaseException) -> Message:
    """An exception of the worker's, with all that the host needs to say what happened."""
    own, chain = isinstance(error, EnvrobustError), tuple(chain_of(error))
    return {
        "kind": type(error).__name__,
        "declared": isinstance(error, DeclarationError),
        "unavailable": isinstance(error, Unavailable),
        "unsupported": isinstance(error, LacksOperator),
        "import": any(isinstance(each, ImportError) for each in chain),
        "memory": any(_is_of_memory(each) for each in chain),
        "thing": error.thing if isinstance(error, EnvrobustError) else telling_sentence(error),
        "cause": error.cause if isinstance(error, EnvrobustError) else "",
        "remedy": error.remedy if isinstance(error, EnvrobustError) else "",
        "detail": _behind(error) if own else _formatted(error),
    }


def decode_error(message: Message, stage: Stage, what: str) -> EnvrobustError:
    """The error to raise on the host for one that a worker met in ``stage`` while it did ``what``."""
    if message["unavailable"]:
        return Unavailable(message["thing"], cause=message["cause"], remedy=message["remedy"])
    if message["unsupported"]:
        # Said of the converter or engine, not of the cell: what several cells meet is told once.
        return StageFailure(
            message["thing"], stage=stage, status=Status.UNSUPPORTED, remedy=message["remedy"], detail=message["detail"]
        )
    if stage is Stage.CONVERT and message["import"]:
        # A conversion worker imports its packages as it goes: one of them is there and cannot be imported.
        stage = Stage.IMPORT
    status = _RAISED.get(stage, Status.CRASHED)
    if message["memory"]:
        status = Status.OUT_OF_MEMORY
    elif message["declared"]:
        status = Status.FAILED
    cause = ": ".join(part for part in (message["thing"], message["cause"]) if part)
    if not message["declared"] and not cause.startswith(f"{message['kind']}: "):
        cause = f"{message['kind']}: {cause}" if cause else message["kind"]
    return StageFailure(
        what, stage=stage, status=status, cause=cause, remedy=message["remedy"], detail=message["detail"]
    )


def _is_of_memory(error: BaseException) -> bool:
    return isinstance(error, MemoryError) or any(hint in str(error).lower() for hint in _OUT_OF_MEMORY)


def _formatted(error: BaseException) -> str:
    return "".join(traceback.format_exception(type(error), error, error.__traceback__))


def _behind(error: BaseException) -> str:
    """All that the foreign error said from which one of ours was raised; empty where ours has all of it."""
    cause = error.__cause__
    if cause is None or isinstance(cause, EnvrobustError):
        return ""
    said = str(cause).strip()
    return "" if " ".join(said.split()) in str(error) else said
