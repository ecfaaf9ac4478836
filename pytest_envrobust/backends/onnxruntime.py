"""ONNX Runtime: its four levels of graph optimization, on the CPU, CUDA, DirectML and Core ML."""

from __future__ import annotations

import contextlib
import json
import shutil
import sys
import tempfile
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, ClassVar

from numpy.typing import NDArray

from pytest_envrobust.backends import base
from pytest_envrobust.core.errors import DeclarationError, Unavailable
from pytest_envrobust.core.lacking import said_by
from pytest_envrobust.core.named_inputs import declared_spec, feeds, zeros_for
from pytest_envrobust.core.requirements import ONNXRUNTIME
from pytest_envrobust.core.tensors import TensorSpec
from pytest_envrobust.frameworks.outputs import MAPS, Output, choose, single_output

CPU_PROVIDER = "CPUExecutionProvider"
CUDA_PROVIDER = "CUDAExecutionProvider"
PROVIDERS = {"cuda:0": CUDA_PROVIDER, "directml": "DmlExecutionProvider", "coreml": "CoreMLExecutionProvider"}
"""What runs on each accelerator."""
PACKAGES = {"cuda:0": "onnxruntime-gpu", "directml": "onnxruntime-directml", "coreml": "onnxruntime"}
"""Whose build has it."""
_OF_SHAPES = ("int64", "int32", "bool")
SPINNING = "session.intra_op.allow_spinning"

LEVELS = {
    "ort-off": "ORT_DISABLE_ALL",
    "ort-basic": "ORT_ENABLE_BASIC",
    "ort-extended": "ORT_ENABLE_EXTENDED",
    "ort-all": "ORT_ENABLE_ALL",
}


def _compiler(name: str, summary: str, *, default: bool = False) -> base.Compiler:
    return base.Compiler(name, summary, forms=("onnx",), default=default, compiles_on_open=True, named_inputs=True)


_LACKING = said_by(
    r"Fatal error: (?P<names>\S+)\(-?\d+\) is not a registered function/op",
    r"No Op registered for (?P<names>\w+) with domain_version",
    r"Could not find an implementation for (?P<names>\w+)\(\d+\) node",
    r"Type '[^']+' of input parameter \([^)]*\) of operator \((?P<names>\w+)\) in node \([^)]*\) is invalid",
)


class Backend(base.Backend):
    """ONNX Runtime. The graph is optimized when a session opens; nothing is stored."""

    engine = "onnxruntime"
    requires = (ONNXRUNTIME,)
    compilers = (
        _compiler("ort-off", "ONNX Runtime, graph optimizations off"),
        _compiler("ort-basic", "ONNX Runtime, basic graph optimizations: constant folding, removal of idle nodes"),
        _compiler("ort-extended", "ONNX Runtime, extended graph optimizations: fused nodes"),
        _compiler("ort-all", "ONNX Runtime, all graph optimizations: memory layouts too", default=True),
    )
    devices: ClassVar[Mapping[str, base.DeviceSupport]] = {
        "cpu": base.DeviceSupport(),
        "cuda:0": base.DeviceSupport(options=base.CUDA_OPTIONS),
        "directml": base.DeviceSupport(),
        "coreml": base.DeviceSupport(),
    }
    no_ceiling = "onnxruntime chooses its kernels by the processor and has no setting that limits them"

    def __init__(self) -> None:
        self._options: Mapping[str, base.Option] = {}

    def variables(self, device: str, threads: int, options: Mapping[str, base.Option]) -> dict[str, str]:
        """The device's own, and no telemetry: ONNX Runtime would look for a collector, and keep a file of events."""
        return {"ORT_DISABLE_TELEMETRY": "1", **super().variables(device, threads, options)}

    def start(self, device: str, threads: int, options: Mapping[str, base.Option]) -> None:
        """Import ONNX Runtime, quietly; for ``cuda:0`` load the CUDA libraries that lie in the environment.

        Raises `Unavailable` where the installed build has no provider for the device.
        """
        import onnxruntime

        self._options = options
        onnxruntime.set_default_logger_severity(3)
        if device == "cpu":
            return
        provider = PROVIDERS[device]
        if provider not in onnxruntime.get_available_providers():
            raise Unavailable(
                f"onnxruntime cannot use {device}",
                cause=f"the installed build has no {provider}",
                remedy=f"pip uninstall onnxruntime, then pip install {PACKAGES[device]}",
            )
        if provider == CUDA_PROVIDER and hasattr(
            onnxruntime, "preload_dlls"
        ):  # since 1.21; it prints what it could not find
            with contextlib.redirect_stdout(sys.stderr):
                onnxruntime.preload_dlls()

    def lacking(self, error: Exception) -> tuple[str, ...]:
        """As it names them itself."""
        return _LACKING(error)

    def load(self, job: base.Job) -> base.Session:
        """Optimize the graph, run it once on zeros to learn which kernels it executes, and return the session.

        Raises `DeclarationError` where the model takes other inputs than the job's or another shape, and
        `Unavailable` where CUDA could not be initialized.
        """
        directory = Path(tempfile.mkdtemp(prefix="envrobust-"))
        try:
            session = _create(job, self._options, directory)
            spec = _input_of(session, job.input)
            output = choose(_outputs_of(session), job.source.output, job.source.target).name
            zeros = zeros_for(spec.with_batch(spec.shape[0] or job.input.batch))
            session.run([output], feeds(zeros, spec.name))
            # The profiler ends here: nothing of it is left in what is timed.
            events = _kernel_events(Path(session.end_profiling()))
        finally:
            shutil.rmtree(directory, ignore_errors=True)
        if job.device != "cpu":
            _check_placement(job, events)
        return OrtSession(session, spec, Path(job.source.target), kernels_of(events), output)


class OrtSession(base.Session):
    """An ``InferenceSession`` with the kernels that its first call executed."""

    def __init__(
        self, session: Any, spec: TensorSpec, path: Path, kernels: Counter[tuple[str, str]], output: str
    ) -> None:
        self.input = spec
        self._session: Any = session
        self._path = path
        self._kernels = kernels
        self._output = output

    def run(self, batch: NDArray[Any]) -> NDArray[Any]:
        """One call; scores of shape (N, classes), in memory that ONNX Runtime has handed over."""
        return single_output(self._session.run([self._output], feeds(batch, self.input.name)), rows=len(batch))

    def evidence(self) -> dict[str, str]:
        """Providers, level and threads as the session reports them; executed kernels by provider and by operator."""
        options = self._session.get_session_options()
        providers: Counter[str] = Counter()
        operators: Counter[str] = Counter()
        for (provider, operator), count in self._kernels.items():
            providers[provider] += count
            operators[operator] += count
        found = {
            "providers": ", ".join(self._session.get_providers()),
            "graph_optimization_level": options.graph_optimization_level.name,
            "intra_op_num_threads": str(options.intra_op_num_threads),
            "spinning": options.get_session_config_entry(SPINNING),
            "output": self._output,
            "kernels_by_provider": _listed(providers),
            "kernels_by_operator": _listed(operators),
        }
        if cuda := self._session.get_provider_options().get(CUDA_PROVIDER):
            found |= {name: cuda[name] for name in ("use_tf32", "cudnn_conv_algo_search") if name in cuda}
        nodes = _node_count(self._path)
        if nodes is not None:
            found["nodes"] = f"{sum(providers.values())} executed, {nodes} in the file"
        return found

    def close(self) -> None:
        """Free the session."""
        self._session = None


def _create(job: base.Job, device_options: Mapping[str, base.Option], directory: Path) -> Any:
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = job.threads
    options.inter_op_num_threads = 1
    options.add_session_config_entry(SPINNING, "0")
    options.log_severity_level = 3
    options.graph_optimization_level = getattr(onnxruntime.GraphOptimizationLevel, LEVELS[job.compiler])
    options.enable_profiling = True
    options.profile_file_prefix = str(directory / "profile")
    providers: list[Any] = [CPU_PROVIDER]
    provider = PROVIDERS.get(job.device)
    if provider == CUDA_PROVIDER:
        providers.insert(0, (provider, cuda_settings(job.device, device_options)))
    elif provider is not None:
        providers.insert(0, provider)
    if provider == PROVIDERS["directml"]:
        options.enable_mem_pattern = False  # that provider asks for it
    session = onnxruntime.InferenceSession(job.source.target, options, providers=providers)
    if provider is not None and provider not in session.get_providers():
        why, remedy = "no device or driver", "check the driver"
        if provider == CUDA_PROVIDER:
            why += ", or CUDA and cuDNN not found"
            remedy = "pip install 'onnxruntime-gpu[cuda,cudnn]' and check the driver with nvidia-smi"
        cause = f"its {provider} could not be initialized: {why}"
        raise Unavailable(f"onnxruntime cannot use {job.device}", cause=cause, remedy=remedy)
    return session


def cuda_settings(device: str, options: Mapping[str, base.Option]) -> dict[str, Any]:
    """What the CUDA provider is told: which device, and the device's options in its own words."""
    return {
        "device_id": int(device.partition(":")[2]),
        "use_tf32": int(options["tf32"]),
        "cudnn_conv_algo_search": "EXHAUSTIVE" if options["autotune"] else "HEURISTIC",
    }


def _input_of(session: Any, wanted: TensorSpec) -> TensorSpec:
    """What the session takes: its own batch dimension (``None`` if free), its free dimensions set as wanted."""
    inputs = session.get_inputs()
    own = declared_spec([TensorSpec(_sizes(each.shape), _dtype(each.type), each.name) for each in inputs], "the model")
    if not wanted.parts:  # whatever a converter has called its one input
        own = replace(own, dtype=wanted.dtype)
    if not own.takes(wanted):
        raise DeclarationError(
            f"the model takes {own}",
            cause=f"{wanted} was asked for",
            remedy="give the preprocessing the size and layout of the model's input",
        )
    return replace(wanted.with_batch(own.shape[0]), name=own.name)


def _outputs_of(session: Any) -> list[Output]:
    return [Output(each.name, _dtype(each.type), _sizes(each.shape)) for each in session.get_outputs()]


def _dtype(kind: str) -> str:
    """Give numpy's name of what ONNX Runtime calls ``tensor(float)``."""
    if kind.startswith("seq"):
        return MAPS
    inner = kind.partition("(")[2].rstrip(")")
    return {"float": "float32", "double": "float64"}.get(inner, inner)


def _sizes(shape: Sequence[Any]) -> tuple[int | None, ...]:
    return tuple(size if isinstance(size, int) and size > 0 else None for size in shape)


def kernels_of(events: Sequence[Mapping[str, Any]]) -> Counter[tuple[str, str]]:
    """How often each (provider, operator) ran."""
    return Counter((event["args"]["provider"], event["args"]["op_name"]) for event in events)


def fallen_back(events: Sequence[Mapping[str, Any]]) -> Counter[str]:
    """Operators that ran on the CPU though another provider was asked for, and how often.

    ONNX Runtime computes shapes there on purpose, as their results are needed on the host: what gives whole numbers or
    truth values of at most one dimension is left out.
    """
    on_cpu = (event["args"] for event in events if event["args"]["provider"] == CPU_PROVIDER)
    return Counter(found["op_name"] for found in on_cpu if not _is_of_shapes(found.get("output_type_shape", ())))


def _is_of_shapes(outputs: Sequence[Mapping[str, Sequence[int]]]) -> bool:
    told = [(kind, shape) for output in outputs for kind, shape in output.items()]
    return bool(told) and all(kind in _OF_SHAPES and len(shape) <= 1 for kind, shape in told)


def _check_placement(job: base.Job, events: Sequence[Mapping[str, Any]]) -> None:
    """Raise `DeclarationError` where part of the model does not run where it was asked to."""
    if fallen := fallen_back(events):
        raise DeclarationError(
            f"{fallen.total()} of {len(events)} kernels ran on the CPU, not on {job.device}",
            cause=f"its provider has none for {_listed(fallen)}",
            remedy="export the model with operators that it has, or declare the limitation: envrobust_limitation",
        )


def _kernel_events(profile: Path) -> list[Mapping[str, Any]]:
    """One event for each kernel that ran, from a profile that ONNX Runtime has written."""
    events = json.loads(profile.read_text(encoding="utf-8"))
    return [event for event in events if event.get("cat") == "Node" and event["name"].endswith("_kernel_time")]


def _node_count(path: Path) -> int | None:
    try:
        import onnx
    except ModuleNotFoundError:
        return None
    return len(onnx.load(str(path), load_external_data=False).graph.node)


def _listed(counts: Counter[str]) -> str:
    return ", ".join(f"{name} {count}" for name, count in sorted(counts.items(), key=lambda item: (-item[1], item[0])))
