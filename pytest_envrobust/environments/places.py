"""Places: where the worker of a device runs, if not simply in this Python on this machine's processor."""

from __future__ import annotations

import json
import platform
import shlex
import shutil
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from functools import cache
from typing import Any

from pytest_envrobust.core.devices import EMULATED_PREFIX
from pytest_envrobust.core.errors import Unavailable

EMULATED = ("Nehalem", "SandyBridge", "Haswell")
"""Processors that the catalogue has: SSE4.2, AVX, AVX2; none has the dot products of VNNI."""
EMULATED_INPUTS = 8
"""Inputs that are run on an emulated processor unless the user says otherwise: an image takes seconds there."""
_EMULATED_PATIENCE = 20.0
_PROGRAMS = ("qemu-x86_64-static", "qemu-x86_64")
_HELP_SECONDS = 20
_SSH_OPTIONS = "-o BatchMode=yes -o ConnectTimeout=20 -o ServerAliveInterval=15"
"""Never a question to the terminal, and no waiting for a host that has gone away."""


RPC = "rpc"
"""What TVM uses at a board: its own server there."""
BOARD_VARIABLE = "ENVROBUST_TVM_RPC"
"""The variable by which TVM's worker learns which board it speaks to, as JSON."""


@dataclass(frozen=True)
class Board:
    """TVM's RPC server on a board that cannot run Python, or the tracker that knows it by its ``key``.

    ``target`` is a TVM target as JSON, an empty object for this machine's own; ``cc`` the compiler that links for it.
    """

    host: str
    port: int
    key: str = ""
    tracked: bool = False
    target: str = "{}"
    cc: str = ""


@dataclass(frozen=True)
class Place:
    """Where a device's worker runs.

    ``device`` is what the engine is told to use there. ``python`` is another interpreter, a path; empty for this one.
    ``packages`` are that one's, versions by normalized name, and ``version`` is its own (``3.12``); ``None`` where only
    a worker can tell. ``host`` is another machine, as ssh knows it, and ``ssh_config`` a file for ssh; ``python`` is a
    command there. ``emulator`` is the program, with its arguments, that Python is started by. ``inputs`` is how
    many of a model's inputs are run there at most, ``options`` are settings of ``device``, ``patience`` how many times
    as long every stage may take. ``protocol`` is what an engine must speak to reach ``device``, where that takes one.
    ``absent`` says why there can be no worker, where that is known.
    """

    name: str
    device: str = "cpu"
    python: str = ""
    packages: Mapping[str, str] | None = None
    version: str = ""
    emulator: tuple[str, ...] = ()
    host: str = ""
    ssh_config: str = ""
    inputs: int | None = None
    patience: float = 1.0
    variables: Mapping[str, str] = field(default_factory=dict)
    options: Mapping[str, Any] = field(default_factory=dict)
    protocol: str = ""
    absent: Unavailable | None = None

    @property
    def is_emulated(self) -> bool:
        """Whether its processor is: times there are not that processor's."""
        return bool(self.emulator)

    @property
    def is_elsewhere(self) -> bool:
        """Whether its packages are not this Python's."""
        return self.packages is not None or bool(self.host)

    @property
    def lock(self) -> str:
        """The name of the lock that timing holds there: one for each kind of device of a machine."""
        kind = self.device.partition("+")[0].replace(":", "-")
        return f"{self.host}-{kind}".replace("/", "-") if self.host else kind

    def ssh_spec(self, name: str) -> str:
        """What execnet reaches its Python by."""
        config = f"//ssh_config={self.ssh_config}" if self.ssh_config else ""
        # the shell there is replaced: the process ends with the connection, not with a shell that outlives it
        return f"ssh={_SSH_OPTIONS} {self.host}{config}//python=exec {shlex.quote(self.python)}//id={name}"

    def ssh_command(self, *command: str) -> list[str]:
        """A command line that runs a command there."""
        config = ["-F", self.ssh_config] if self.ssh_config else []
        return ["ssh", *config, *_SSH_OPTIONS.split(), *self.host.split(), shlex.join(command)]

    def described(self) -> dict[str, Any]:
        """What the record says of it, as plain data."""
        told = {
            "device": self.device,
            "python": self.python,
            "version": self.version,
            "packages": dict(self.packages or {}),
            "emulator": list(self.emulator),
            "host": self.host,
            "board": json.loads(self.variables.get(BOARD_VARIABLE, "{}")),
            "inputs": self.inputs,
            "options": dict(self.options),
        }
        return {name: value for name, value in told.items() if value}

    def command(self, log: str) -> str:
        """The command that starts its Python, as a shell reads it; an emulator's own warnings go into ``log``."""
        python = f"{shlex.quote(self.python)} -I" if self.python else shlex.quote(sys.executable)
        if not self.emulator:
            return python
        line = f'exec {shlex.join(self.emulator)} {python} "$@" 2>>{shlex.quote(log)}'
        return f"sh -c {shlex.quote(line)} worker"


HERE = Place("")
"""This Python on this machine's processor."""


def board(name: str, declared: Board, *, inputs: int | None = None) -> Place:
    """A board behind TVM's RPC: the worker runs here, and what it has compiled runs there."""
    told = json.dumps(asdict(declared), sort_keys=True)
    return Place(name, device=RPC, variables={BOARD_VARIABLE: told}, inputs=inputs, protocol="TVM's RPC")


def emulated(model: str, name: str = "", *, device: str = "cpu", inputs: int | None = None) -> Place:
    """This Python on an emulated processor, by user-mode qemu; ``model`` is qemu's name for it."""
    program, absent = _emulator()
    return Place(
        name or f"{EMULATED_PREFIX}{model}",
        device=device,
        emulator=(program, "-cpu", model),
        inputs=inputs or EMULATED_INPUTS,
        patience=_EMULATED_PATIENCE,
        # what numpy's OpenBLAS finds out by itself has instructions in it that qemu lacks
        variables={"OPENBLAS_CORETYPE": "Nehalem"},
        absent=absent,
    )


def emulated_places() -> dict[str, Place]:
    """The emulated processors of the catalogue, by name."""
    return {place.name: place for place in map(emulated, EMULATED)}


@cache
def emulated_models() -> frozenset[str]:
    """The processors that the qemu which is here can emulate; empty where there is none."""
    program, absent = _emulator()
    if absent is not None:
        return frozenset()
    try:
        answer = subprocess.run([program, "-cpu", "help"], capture_output=True, text=True, timeout=_HELP_SECONDS)
    except (OSError, subprocess.SubprocessError):
        return frozenset()
    rows = (line.split() for line in answer.stdout.splitlines())
    return frozenset(row[1] for row in rows if len(row) > 1 and row[0] == "x86")


def _emulator() -> tuple[str, Unavailable | None]:
    if sys.platform != "linux" or platform.machine() not in ("x86_64", "AMD64"):
        cause = f"this Python is for {platform.machine()} on {platform.system()}"
        return "qemu", Unavailable("no x86 processor can be emulated here", cause=cause)
    found = next((path for name in _PROGRAMS if (path := shutil.which(name))), None)
    if found is None:
        remedy = "Debian, Ubuntu: apt-get install qemu-user-static"
        return "qemu", Unavailable("no processor can be emulated here", cause="there is no qemu", remedy=remedy)
    return found, None
