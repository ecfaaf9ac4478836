"""PyTorch: eager, TorchScript, inductor and AOTInductor, on the CPU, under instruction-set ceilings and on CUDA."""

from __future__ import annotations

import copy
import os
import warnings
from collections import Counter
from collections.abc import Callable, Mapping
from contextlib import suppress
from functools import cached_property
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from pytest_envrobust.backends import base
from pytest_envrobust.backends._torch_devices import (
    CAPABILITY,
    CudaTimer,
    check_ceiling,
    place_of,
    shortcuts,
    start_cuda,
    start_metal,
)
from pytest_envrobust.backends._torch_evidence import (
    counted,
    library_kernels,
    mapped_libraries,
    process_facts,
    profiled,
    widest_registers,
)
from pytest_envrobust.backends.base import CUDA_OPTIONS, Compiler, DeviceSupport, Job, Option
from pytest_envrobust.core.errors import DeclarationError, Unavailable
from pytest_envrobust.core.lacking import said_by
from pytest_envrobust.core.named_inputs import feeds, zeros_for
from pytest_envrobust.core.requirements import TORCH
from pytest_envrobust.core.telling import named_cause
from pytest_envrobust.core.tensors import TensorSpec
from pytest_envrobust.frameworks.outputs import single_output
from pytest_envrobust.frameworks.torch import (
    Framework,
    answering_alone,
    as_graph,
    check_input,
    load_for_export,
    probes,
    to_host,
)

_RECOMPILE_LIMIT = 256
"""Compiled variants that dynamo keeps for one piece of code: sessions of one model class share its code."""


_LACKING = said_by(
    r"Could not run '(?P<names>[\w:.]+)' with arguments from the",
    r"The operator '(?P<names>[\w:.]+)' is not currently (?:implemented|supported)",
    # what optimizing for inference puts in its place, oneDNN's, knows not all of its settings
    r"Traceback of TorchScript \(most recent call last\):\n.*\(\d+\): (?P<names>\w+)\n[\s\S]*is not supported yet",
)


class Backend(base.Backend):
    """PyTorch as an engine."""

    engine = "torch"
    requires = (TORCH,)
    artifact = "model.pt2"
    cache_variables: ClassVar[Mapping[str, str]] = {"TORCHINDUCTOR_CACHE_DIR": "inductor"}
    compilers = (
        Compiler(
            "eager",
            "operator by operator, as Python calls them",
            ("torch",),
            ("torch",),
            default=True,
            named_inputs=True,
        ),
        Compiler(
            "script",
            "traced by TorchScript, frozen and optimized for inference",
            ("torch",),
            ("torch",),
            compiles_on_open=True,
            named_inputs=True,
        ),
        Compiler(
            "inductor",
            "torch.compile with the inductor backend (needs a C++ compiler)",
            ("torch",),
            ("torch",),
            compiles_on_open=True,
            options={"fullgraph": True, "mode": "default"},
            named_inputs=True,
        ),
        Compiler(
            "aotinductor",
            "compiled ahead of time by inductor into a package without Python (needs a C++ compiler)",
            ("torch",),
            ("torch",),
            builds=True,
        ),
        Compiler(
            "float64",
            "eager in double precision, what the fidelity of others is told against",
            ("torch",),
            ("torch",),
            named_only=True,
            named_inputs=True,
        ),
    )
    devices: ClassVar[Mapping[str, DeviceSupport]] = {
        "cpu": DeviceSupport(),
        "cpu+sse41": DeviceSupport(
            variables={
                "ATEN_CPU_CAPABILITY": "default",
                "ONEDNN_MAX_CPU_ISA": "SSE41",
                # MKL's own ceiling stops at SSE4.2 and acts on Intel processors only; this branch is SSE2 everywhere.
                "MKL_CBWR": "COMPATIBLE",
                "TORCHINDUCTOR_CPP_MARCH": "x86-64",
            }
        ),
        "cpu+avx2": DeviceSupport(
            variables={
                "ATEN_CPU_CAPABILITY": "avx2",
                "ONEDNN_MAX_CPU_ISA": "AVX2",
                "MKL_ENABLE_INSTRUCTIONS": "AVX2",
                "FBGEMM_ENABLE_INSTRUCTIONS": "AVX2",
                "TORCHINDUCTOR_CPP_MARCH": "x86-64-v3",
            }
        ),
        "cpu+avx512": DeviceSupport(
            variables={
                "ATEN_CPU_CAPABILITY": "avx512",
                "ONEDNN_MAX_CPU_ISA": "AVX512_CORE",
                "MKL_ENABLE_INSTRUCTIONS": "AVX512",
                "FBGEMM_ENABLE_INSTRUCTIONS": "AVX512",
                "TORCHINDUCTOR_CPP_MARCH": "x86-64-v4",
            }
        ),
        "cuda:0": DeviceSupport(options=CUDA_OPTIONS),
        "mps": DeviceSupport(
            absent={
                **dict.fromkeys(("inductor", "aotinductor"), "inductor's code for Metal has not been tried"),
                "float64": "Metal has no double precision",
            }
        ),
    }

    def __init__(self) -> None:
        self._compiled_sessions = 0

    def variables(self, device: str, threads: int, options: Mapping[str, Option]) -> dict[str, str]:
        """The ceiling's variables, inductor compiling on every core, a silent profiler."""
        own = {"TORCHINDUCTOR_COMPILE_THREADS": str(os.cpu_count() or 1), "KINETO_LOG_LEVEL": "99"}
        return {**own, **super().variables(device, threads, options)}

    def start(self, device: str, threads: int, options: Mapping[str, Option]) -> None:
        """Import torch and set threads and precision. Raises `Unavailable` where the device is absent here."""
        import torch

        torch.set_num_threads(threads)
        with suppress(RuntimeError):  # set already, in a process that ran torch before
            torch.set_num_interop_threads(1)
        if device.startswith("cuda"):
            start_cuda(device, options)
        elif device == "mps":
            start_metal()
        elif device in CAPABILITY:
            check_ceiling(device)

    def compile(self, job: Job, target: Path) -> None:
        """Export the module and compile it with AOTInductor into the package ``target``, a ``.pt2`` file."""
        import torch

        _check_compilation(job)
        module, example = load_for_export(job.source, job.input)
        place = place_of(job.device)
        with torch.no_grad(), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            program = torch.export.export(module.to(place), (example.to(place),))
            torch._inductor.aoti_compile_and_package(program, package_path=str(target))

    def lacking(self, error: Exception) -> tuple[str, ...]:
        """As it names them itself."""
        return _LACKING(error)

    def load(self, job: Job) -> base.Session:
        """Load the module or package, compile it where the compiler does so, and run it on a probe."""
        if job.compiler == "aotinductor":
            return _PackageSession(job)
        module = Framework().load(job.source)
        check_input(module, job.input)
        module = answering_alone(module, job.source.output, job.input).to(place_of(job.device))
        if job.compiler == "script":
            return _ScriptSession(job, module)
        if job.compiler == "inductor":
            _check_compilation(job)
            return _InductorSession(job, as_graph(module, job.input), self._count)
        return _DoubleSession(job, module) if job.compiler == "float64" else _Session(job, module)

    def _count(self, change: int) -> None:
        """Keep count of sessions that dynamo compiled; forget its compiled code with the last of them."""
        import torch

        self._compiled_sessions += change
        if self._compiled_sessions == 0:
            torch._dynamo.reset()


class _Session(base.Session):
    """A callable that takes and returns tensors; eager ones are the module itself."""

    def __init__(self, job: Job, model: Any) -> None:
        self.input: TensorSpec = job.input
        self._job, self._model = job, model
        self._place = place_of(job.device)
        single_output(to_host(self._call(*self._sample())), rows=self.input.batch)

    def run(self, batch: NDArray[Any]) -> NDArray[Any]:
        import torch

        arrays = feeds(batch)
        given = [arrays[part.name] for part in self.input.parts] or [batch]
        tensors = [torch.from_numpy(array) if array.flags.writeable else torch.tensor(array) for array in given]
        return single_output(to_host(self._call(*(tensor.to(self._place) for tensor in tensors))), rows=len(batch))

    def device_timer(self) -> base.DeviceTimer | None:
        return CudaTimer(self._place) if self._place.type == "cuda" else None

    def evidence(self) -> dict[str, str]:
        """Instruction set, threads, the operators of one call, and the kernels that oneDNN and MKL log."""
        facts = process_facts()
        facts["device"] = self._device_name()
        if self._place.type == "cuda":
            facts.update(shortcuts())
        facts["operators"] = counted(Counter({name: n for name, n in self._profile.items() if "::" in name}))
        facts.update(library_kernels(lambda: self._call(*self._sample())))
        return facts

    def close(self) -> None:
        self._model = None

    def _call(self, *tensors: Any) -> Any:
        import torch

        with torch.no_grad():
            return self._model(*tensors)

    def _sample(self) -> tuple[Any, ...]:
        return tuple(tensor.to(self._place) for tensor in probes(self.input))

    @cached_property
    def _profile(self) -> Counter[str]:
        sample = self._sample()
        return profiled(lambda: self._call(*sample))

    def _device_name(self) -> str:
        import torch

        return str(torch.cuda.get_device_name(self._place)) if self._place.type == "cuda" else str(self._place.type)


class _DoubleSession(_Session):
    """The module itself, its parameters, buffers and input in double precision."""

    def __init__(self, job: Job, module: Any) -> None:
        super().__init__(job, copy.deepcopy(module).double())  # other sessions of this process keep theirs
        scores = self.run(zeros_for(job.input))
        if scores.dtype != np.float64:
            raise DeclarationError(
                "the module does not run in double precision",
                cause=f"its scores are {scores.dtype}: it casts to that by itself",
                remedy="let it take the dtype of its input",
            )

    def evidence(self) -> dict[str, str]:
        """Also the dtypes of the parameters."""
        return {**super().evidence(), "parameters": counted(Counter(str(p.dtype) for p in self._model.parameters()))}

    def _call(self, *tensors: Any) -> Any:
        return super()._call(*(tensor.double() if tensor.is_floating_point() else tensor for tensor in tensors))


class _ScriptSession(_Session):
    """Traced, frozen and optimized for inference."""

    def __init__(self, job: Job, module: Any) -> None:
        import torch

        example = tuple(tensor.to(place_of(job.device)).clone() for tensor in probes(job.input))
        with torch.no_grad(), warnings.catch_warnings():
            warnings.simplefilter("ignore")  # deprecations, and tracing's hints about Python values
            traced = torch.jit.trace(module, example, strict=False, check_trace=False)
            frozen = torch.jit.optimize_for_inference(torch.jit.freeze(traced.eval()))
        self._kinds = Counter(node.kind() for node in _nodes(frozen.graph))
        super().__init__(job, frozen)
        for _ in range(2):  # the executor looks on in its first calls and settles after them
            self._call(*self._sample())

    def evidence(self) -> dict[str, str]:
        """Also the kinds of operation in the frozen graph."""
        kinds = Counter({kind: count for kind, count in self._kinds.items() if kind != "prim::Constant"})
        return {**super().evidence(), "graph": f"{sum(kinds.values())} operations: {counted(kinds)}"}


class _InductorSession(_Session):
    """Compiled by torch.compile, as one graph unless the job's options allow breaks."""

    def __init__(self, job: Job, module: Any, count: Callable[[int], None]) -> None:
        import torch
        from torch._dynamo.utils import counters

        for limit in ("recompile_limit", "cache_size_limit"):
            if hasattr(torch._dynamo.config, limit):
                setattr(torch._dynamo.config, limit, _RECOMPILE_LIMIT)
                break
        torch._dynamo.config.suppress_errors = False
        mode = job.options["mode"]
        compiled = torch.compile(
            module,
            backend="inductor",
            fullgraph=bool(job.options["fullgraph"]),
            dynamic=False,
            mode=None if mode == "default" else mode,
        )
        libraries, breaks = mapped_libraries(), sum(counters["graph_break"].values())
        count(1)
        self._count: Callable[[int], None] | None = count
        try:
            super().__init__(job, compiled)
        except BaseException:
            self.close()
            raise
        self._breaks = sum(counters["graph_break"].values()) - breaks
        self._libraries = mapped_libraries() - libraries

    def evidence(self) -> dict[str, str]:
        """Also the compiled graphs that one call ran, graph breaks, and the vector registers in the kernels."""
        import torch

        with torch.compiler.set_stance("fail_on_recompile"):  # a call that is not compiled already raises
            profile = self._profile
            facts = super().evidence()
        facts["compiled_graphs_run"] = str(sum(n for name, n in profile.items() if "CompiledFxGraph" in name))
        facts["graph_breaks"] = str(self._breaks)
        facts["kernel_registers"] = widest_registers(self._libraries or _inductor_libraries())
        return {name: value for name, value in facts.items() if value}

    def close(self) -> None:
        super().close()
        if self._count is not None:
            self._count(-1)
            self._count = None


class _PackageSession(_Session):
    """A package that AOTInductor compiled."""

    def __init__(self, job: Job) -> None:
        import torch

        libraries = mapped_libraries()
        index = self._index(job.device)
        try:
            model = torch._inductor.aoti_load_package(job.source.target, device_index=index)
        except Exception as error:
            raise DeclarationError(
                f"{job.source.target} cannot be loaded as an AOTInductor package",
                cause=named_cause(error),
                remedy="build it again with the torch that loads it",
            ) from error
        self._libraries = mapped_libraries() - libraries
        self._metadata: dict[str, str] = dict(model.loader.get_metadata()) if hasattr(model, "loader") else {}
        super().__init__(job, model)

    def evidence(self) -> dict[str, str]:
        """Also what the package says it was compiled for, and the vector registers in its kernels."""
        facts = super().evidence()
        facts.update({name.lower(): value for name, value in self._metadata.items() if name.startswith("AOTI_")})
        facts["kernel_registers"] = widest_registers(self._libraries)
        return {name: value for name, value in facts.items() if value}

    @staticmethod
    def _index(device: str) -> int:
        return int(device.partition(":")[2] or 0) if device.startswith("cuda") else -1


def _check_compilation(job: Job) -> None:
    """Raise `Unavailable` where inductor has no C++ compiler, or one that cannot be held to the device's ceiling."""
    import torch
    from torch._inductor import config, cpp_builder

    if job.device.startswith("cuda"):
        return
    try:
        cpp_builder.get_cpp_compiler()
    except Exception as error:
        raise Unavailable(
            f"{job.compiler} cannot compile",
            cause="there is no C++ compiler",
            remedy="install g++, or name a compiler in the environment variable CXX",
        ) from error
    if job.device in CAPABILITY and not hasattr(config.cpp, "march"):
        raise Unavailable(
            f"{job.compiler} cannot keep to {job.device}",
            cause=f"inductor of torch {torch.__version__} always compiles for this very processor",
            remedy="install a newer torch, in which TORCHINDUCTOR_CPP_MARCH acts",
        )


def _inductor_libraries() -> list[str]:
    """Kernels that earlier sessions of this process loaded from inductor's cache."""
    from torch._inductor.codecache import cache_dir

    return [path for path in mapped_libraries() if path.startswith(cache_dir())]


def _nodes(graph: Any) -> list[Any]:
    """All nodes of a TorchScript graph or block, those of inner blocks too."""
    found = []
    for node in graph.nodes():
        found.append(node)
        for block in node.blocks():
            found.extend(_nodes(block))
    return found
