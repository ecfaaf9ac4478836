"""Apache TVM (relax) compiling for the CPU through LLVM.

The levels are attributes of the LLVM target: ``opt-level`` 0 to 3, and 4 adds fast-math. (The level of TVM's own
``PassContext`` changes nothing in what relax compiles.) A library is built once and stored; ``model.json`` beside it
records what was compiled, and the database of a tuned one lies there as well.
"""

from __future__ import annotations

import json
import logging
import os
import re
import shutil
import sys
import tempfile
from collections import Counter
from collections.abc import Callable, Mapping
from importlib import metadata
from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from pytest_envrobust.backends import base
from pytest_envrobust.backends._tvm_rpc import BoardSession, board_of, target_of
from pytest_envrobust.core.digests import file_digest
from pytest_envrobust.core.errors import EnvrobustError, Unavailable
from pytest_envrobust.core.requirements import TVM, Requirement
from pytest_envrobust.environments.places import RPC
from pytest_envrobust.frameworks.outputs import single_output

XGBOOST = Requirement("xgboost", "tvm-tuning")

LEVELS: dict[str, dict[str, base.Option]] = {
    "tvm-o0": {"opt-level": 0},
    "tvm-o1": {"opt-level": 1},
    "tvm-o2": {"opt-level": 2},
    "tvm-o3": {"opt-level": 3},
    "tvm-o4": {"opt-level": 3, "fast-math": True},
    "tvm-tuned": {"opt-level": 3},
}
LLVM_PROCESSORS = {"cpu+sse41": "penryn", "cpu+avx2": "x86-64-v3", "cpu+avx512": "x86-64-v4"}
DATABASE = ("database_workload.json", "database_tuning_record.json")
FFI_THAT_CRASHES = "0.1.15"
"""With this release of apache-tvm-ffi the tuner ends in a segmentation fault."""
CANDIDATE_LIMIT_S = 300.0
"""For building or measuring one candidate. TVM's own 30 s do not even start its helpers on a busy machine."""
BUILDERS = 4
"""Helper processes that build candidates at once; each holds some 400 MB."""

_A_COMPILER = "install g++ (Debian, Ubuntu: apt-get install g++), or name a compiler in CXX"
_OTHER_COMPILER = "install it (for 64-bit Arm on Debian, Ubuntu: apt-get install g++-aarch64-linux-gnu)"
_ONE_LEVEL = dict.fromkeys(
    ("tvm-o0", "tvm-o1", "tvm-o2", "tvm-o4"), "the levels are LLVM's: for CUDA there is tvm-o3 alone"
)
_NO_TUNING = {"tvm-tuned": "tuning measures kernels for this very processor, which a ceiling hides"}


def _level(name: str, summary: str, *, default: bool = False) -> base.Compiler:
    return base.Compiler(name, summary, forms=("tvm",), default=default, builds=True)


class Backend(base.Backend):
    """TVM: builds a shared library and runs it in its virtual machine. Needs a C++ compiler, as linker."""

    engine = "tvm"
    requires = (TVM,)
    compilers = (
        _level("tvm-o0", "TVM, LLVM level 0"),
        _level("tvm-o1", "TVM, LLVM level 1"),
        _level("tvm-o2", "TVM, LLVM level 2"),
        _level("tvm-o3", "TVM, LLVM level 3", default=True),
        _level("tvm-o4", "TVM, LLVM level 3 and fast-math"),
        base.Compiler(
            "tvm-tuned",
            "TVM, tuned on this processor",
            forms=("tvm",),
            named_only=True,
            builds=True,
            requires=(XGBOOST,),
            options={"trials": 64},
        ),
    )
    devices = {  # noqa: RUF012 - the contract declares it
        "cpu": base.DeviceSupport(),
        "cpu+sse41": base.DeviceSupport(absent=_NO_TUNING),
        "cpu+avx2": base.DeviceSupport(absent=_NO_TUNING),
        "cpu+avx512": base.DeviceSupport(absent=_NO_TUNING),
        "cuda:0": base.DeviceSupport(absent={**_NO_TUNING, **_ONE_LEVEL}),
        RPC: base.DeviceSupport(absent={"tvm-tuned": "tuning over RPC is not supported"}),
    }
    artifact = "model.so"

    def variables(self, device: str, threads: int, options: Mapping[str, base.Option]) -> dict[str, str]:
        """TVM's thread count; its threads stay unpinned, or every process's first one would sit on the same core."""
        return {
            **super().variables(device, threads, options),
            "TVM_NUM_THREADS": str(threads),
            "TVM_BIND_THREADS": "0",
        }

    def start(self, device: str, threads: int, options: Mapping[str, base.Option]) -> None:
        """Import TVM. Raises `Unavailable` where it sees no CUDA device."""
        tvm = _import_alone()
        if device.startswith("cuda") and not tvm.cuda(0).exist:
            raise Unavailable(
                f"tvm has no {device}",
                cause="it sees no CUDA device",
                remedy="run it on a machine with an NVIDIA GPU and its driver",
            )

    def compile(self, job: base.Job, target: Path) -> None:
        """Compile the relax module in ``job.source`` to the shared library ``target``, with its record beside it.

        Raises `Unavailable` where no C++ compiler is there to link it, or where tuning is known to crash;
        `EnvrobustError` where the tuner could measure nothing.
        """
        import tvm

        there = board_of(job.device)
        _require_linker(there.cc if there else "")
        module = tvm.ir.load_json(Path(job.source.target).read_text(encoding="utf-8"))
        tuning: dict[str, Any] = {}
        if job.compiler == "tvm-tuned":
            llvm = _this_processor({**LEVELS[job.compiler], "num-cores": job.threads})
            module, tuning = _tuned(module, llvm, int(job.options["trials"]), target.parent)
        else:
            llvm = _target(job.compiler, job.device) if there is None else target_of(there, LEVELS[job.compiler])
        executable = _compiled(module, llvm)
        executable.export_library(str(target), **({"cc": there.cc} if there and there.cc else {}))
        record = {"target": str(llvm), "library": file_digest(target), **_compiled_facts(executable.mod), **tuning}
        target.with_suffix(".json").write_text(json.dumps(record, indent=1), encoding="utf-8")

    def load(self, job: base.Job) -> base.Session:
        """Load the library that `compile` wrote, here or on the board."""
        there = board_of(job.device)
        return TvmSession(job) if there is None else BoardSession(job, there, _record(_beside(Path(job.source.target))))


class TvmSession(base.Session):
    """A relax virtual machine on the CPU. It takes the fixed batch that the library was compiled for."""

    def __init__(self, job: base.Job) -> None:
        import tvm
        from tvm import relax

        self.input = job.input
        self._path = Path(job.source.target)
        self._device = tvm.cuda(0) if job.device.startswith("cuda") else tvm.cpu()
        self._tensor = tvm.runtime.tensor
        machine = relax.VirtualMachine(tvm.runtime.load_module(str(self._path)), self._device)
        self._main: Any = machine["main"]

    def run(self, batch: NDArray[Any]) -> NDArray[Any]:
        """One call; scores of shape (N, classes), copied out of TVM's memory."""
        result = self._main(self._tensor(batch, self._device))
        found = result.numpy() if hasattr(result, "numpy") else [each.numpy() for each in result]
        return single_output(found, rows=len(batch))

    def evidence(self) -> dict[str, str]:
        """What the compiled code said of itself when it was built, if the library is still that one; the threads."""
        import tvm

        threads = tvm.get_global_func("runtime.NumThreads", allow_missing=True)
        found = {"threads": str(threads())} if threads is not None else {}
        digest = file_digest(self._path)
        found["library_sha256"] = digest
        record = _record(_beside(self._path))
        if record.pop("library", None) == digest:
            found.update({name: str(value) for name, value in record.items()})
        return found

    def close(self) -> None:
        """Free the virtual machine."""
        self._main = None


def _import_alone() -> Any:
    """TVM, imported without PyTorch, which it would import first: compiling and running need none of it.

    That spares the process some seconds and 200 MB. A PyTorch that is there already stays, and one that is imported
    later works with TVM all the same.
    """
    hidden = "torch" not in sys.modules and "tvm" not in sys.modules
    if hidden:
        sys.modules["torch"] = None  # type: ignore[assignment]
    try:
        import tvm
    finally:
        if hidden:
            del sys.modules["torch"]
    return tvm


def _target(compiler: str, device: str) -> Any:
    """The LLVM target; without a ceiling TVM's own default processor, which is a generic one."""
    import tvm

    if device.startswith("cuda"):
        version = str(tvm.cuda(0).compute_version).replace(".", "")
        return tvm.target.Target({"kind": "cuda", "arch": f"sm_{version}"})
    attributes: dict[str, base.Option] = {"kind": "llvm", **LEVELS[compiler]}
    if device in LLVM_PROCESSORS:
        attributes["mcpu"] = LLVM_PROCESSORS[device]
        attributes["mtriple"] = str(tvm.target.codegen.llvm_get_system_triple())
    return tvm.target.Target(attributes)


def _this_processor(attributes: Mapping[str, base.Option]) -> Any:
    """A target for the processor under us. LLVM's name ``native`` would silently give a generic one."""
    import tvm

    codegen = tvm.target.codegen
    return tvm.target.Target(
        {
            "kind": "llvm",
            "mtriple": str(codegen.llvm_get_system_triple()),
            "mcpu": str(codegen.llvm_get_system_cpu()),
            **attributes,
        }
    )


def _compiled(module: Any, target: Any) -> Any:
    """The executable; for CUDA with the schedules that relax has for it. Raises `Unavailable` without its toolkit."""
    import tvm
    from tvm import relax

    if target.kind.name != "cuda":
        return tvm.compile(module, target)
    if shutil.which("nvcc") is None:
        raise Unavailable(
            "tvm cannot compile for CUDA",
            cause="there is no nvcc",
            remedy="install the CUDA toolkit, and put its bin directory into PATH",
        )
    with target:
        return tvm.compile(module, target, relax_pipeline=relax.get_default_pipeline(target))


def _require_linker(declared: str) -> None:
    from tvm.support import cc

    command = declared or cc.get_cc()
    if command is None or shutil.which(command.split()[0]) is None:
        raise Unavailable(
            "tvm cannot build a library",
            cause=f"{command} is not there" if command else "there is no C++ compiler to link it with",
            remedy=_OTHER_COMPILER if declared else _A_COMPILER,
        )


def _tuned(module: Any, target: Any, trials: int, directory: Path) -> tuple[Any, dict[str, Any]]:
    """Tune for about ``trials`` measurements, all tasks included; the database goes to ``directory``.

    Gives the module with the best schedules applied and a summary for the record.
    """
    _require_working_ffi()
    from tvm import relax, transform
    from tvm.s_tir.meta_schedule.builder import LocalBuilder
    from tvm.s_tir.meta_schedule.relax_integration import extract_tasks, tune_relax
    from tvm.s_tir.meta_schedule.runner import LocalRunner

    # The tuner prints its progress on stdout as soon as this logger lets it.
    logging.getLogger("tvm.s_tir.meta_schedule").setLevel(logging.CRITICAL)
    lowered = transform.Sequential(
        [relax.transform.DecomposeOpsForInference(), relax.transform.CanonicalizeBindings(), relax.get_pipeline("zero")]
    )
    with tempfile.TemporaryDirectory(prefix="envrobust-tvm-") as work, target:
        module = lowered(module)
        tasks = len(extract_tasks(module, target, {}))
        tune_relax(
            module,
            {},
            target,
            work,
            max_trials_global=trials,
            # One round of the usual 64 would spend a small budget on the first task alone.
            num_trials_per_iter=max(1, min(64, trials // max(1, tasks))),
            builder=LocalBuilder(
                max_workers=min(BUILDERS, os.cpu_count() or 1),
                timeout_sec=CANDIDATE_LIMIT_S,
                f_build=_candidate_builder(),
            ),
            runner=LocalRunner(timeout_sec=CANDIDATE_LIMIT_S),
            seed=1,
        )
        module = relax.transform.MetaScheduleApplyDatabase(work)(module)
        for name in DATABASE:
            shutil.copyfile(os.path.join(work, name), directory / name)
    summary = {"tuning_tasks": tasks, **_database_summary(directory)}
    if not summary["tuning_records"]:
        # The tuner itself goes on without a word, with the schedules of an untuned build.
        raise EnvrobustError(
            "tvm-tuned found nothing to apply",
            cause=f"none of about {trials} candidates for {tasks} tasks could be built and measured",
            remedy="run it on a quieter machine, or with more trials",
        )
    return module, summary


def _candidate_builder() -> Callable[[Any, Any, Any], Any]:
    """What builds one candidate in the tuner's helper processes.

    TVM's own one first imports every tensor intrinsic, which takes up to a minute of CPU time in each helper and each
    round. A candidate that reaches it has been lowered past them already.
    """

    # Defined in here so that it travels by value: a helper need not be able to import this package.
    def build(module: Any, target: Any, _params: Any) -> Any:
        from tvm.driver import build as build_module
        from tvm.s_tir.transform import RemoveWeightLayoutRewriteBlock

        return build_module(RemoveWeightLayoutRewriteBlock(skip_tensor_rewrite=True)(module), target=target)

    return build


def _database_summary(directory: Path) -> dict[str, int]:
    """How many workloads were met, and how many measurements of them were kept."""
    workloads, records = (len((directory / name).read_text(encoding="utf-8").splitlines()) for name in DATABASE)
    return {"tuning_workloads": workloads, "tuning_records": records}


def _require_working_ffi() -> None:
    version = metadata.version("apache-tvm-ffi")
    if version.startswith(FFI_THAT_CRASHES):
        raise Unavailable(
            "tvm-tuned cannot run",
            cause=f"TVM's tuner crashes with apache-tvm-ffi {version}",
            remedy="pip install apache-tvm-ffi==0.1.14.post1",
        )


def _compiled_facts(module: Any) -> dict[str, str]:
    """Processor, vector widths and fast-math as they stand in the optimized LLVM code of a compiled module."""
    code = "\n".join(str(each.inspect_source("ll")) for each in module.imports if each.kind == "llvm")
    processors = sorted(set(re.findall(r'"target-cpu"="([^"]*)"', code)))
    described = re.findall(r'!"tvm_target", !"((?:[^"\\]|\\.)*)"', code)
    widths = Counter(int(width) for width in re.findall(r"<(\d+) x float>", code))
    return {
        "llvm_target": "; ".join(sorted({each.replace(r"\22", '"') for each in described})),
        "llvm_cpu": ", ".join(processors),
        "llvm_ir_float_vectors": ", ".join(f"{width} wide {count}" for width, count in sorted(widths.items()))
        or "none",
        "llvm_ir_fast_math_operations": str(len(re.findall(r"= (?:tail call|call|f[a-z]+) fast ", code))),
    }


def _beside(library: Path) -> Path:
    return library.with_suffix(".json")


def _record(path: Path) -> dict[str, Any]:
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}
