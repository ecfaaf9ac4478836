"""Devices that users declare: other interpreters, emulated processors, other machines, boards."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from typing import Any

from pytest_envrobust.core.errors import DeclarationError
from pytest_envrobust.core.requirements import NUMPY
from pytest_envrobust.core.suggestions import did_you_mean
from pytest_envrobust.environments.interpreters import asked_interpreter, has_package
from pytest_envrobust.environments.places import Board, Place, board, emulated, emulated_models, emulated_places

PYPROJECT = "[tool.envrobust.devices] in pyproject.toml"
"""Where a project's own file declares them."""
SEPARATOR = "//"
"""Between the parts of a device in one line: ``old=python=venv/bin/python//inputs=8``."""
_KINDS = ("python", "emulate", "ssh", "tvm_rpc", "tvm_tracker")
"""What a device is; with ``ssh``, ``python`` is what runs there."""
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._+-]*")


@dataclass(frozen=True)
class Device:
    """A device of the user's own, one more value of the device axis.

    ``python`` is another interpreter, with other versions of an engine: a path, a relative one from the ini file on.
    It needs numpy and the engine. ``ssh`` is another machine, ``user@host``, reached without a question (by a key);
    ``python`` is then the command there, ``ssh_config`` a file for ssh. ``emulate`` is a processor as user-mode qemu
    names it. ``tvm_rpc`` is TVM's RPC server on a board, ``host:port``, or ``tvm_tracker`` the tracker that knows one
    by its ``key``; ``target`` is the board's as TVM names it, a mapping or JSON (an LLVM target of this machine where
    there is none), and ``cc`` the compiler that links for it. ``device`` is what the engine is to use there, ``inputs``
    how many of a model's inputs are run at most (all; on an emulated processor 8). ``options`` are settings of
    ``device``, by name; with nothing else beside them the device is this machine's, in this Python.
    """

    name: str
    python: str = ""
    emulate: str = ""
    ssh: str = ""
    ssh_config: str = ""
    tvm_rpc: str = ""
    tvm_tracker: str = ""
    key: str = ""
    target: Mapping[str, Any] | str = ""
    cc: str = ""
    device: str = "cpu"
    inputs: int | None = None
    options: Mapping[str, Any] | str = field(default_factory=dict)

    @classmethod
    def parse(cls, line: str, origin: str) -> Device:
        """Read ``NAME=KEY=VALUE//KEY=VALUE``. Raises `DeclarationError` for anything else."""
        name, _, parts = line.partition("=")
        table = dict(part.partition("=")[::2] for part in parts.split(SEPARATOR) if part)
        if not name.strip() or not all(key.strip() and value.strip() for key, value in table.items()):
            raise DeclarationError(f"device {line!r} ({origin})", remedy="write it as NAME=python=PATH")
        plain: dict[str, Any] = {key.strip(): value.strip() for key, value in table.items()}
        if plain.get("inputs", "").isdigit():
            plain["inputs"] = int(plain["inputs"])
        return cls.of(name.strip(), plain, origin)

    @classmethod
    def of(cls, name: str, table: object, origin: str) -> Device:
        """A device of what a TOML table says. Raises `DeclarationError` for a key or a value that it cannot have."""
        known = {item.name for item in fields(cls)} - {"name"}
        if not isinstance(table, Mapping):
            raise DeclarationError(f"device {name!r} ({origin})", cause=f"it is a table, {_listed(known)}")
        for key, value in table.items():
            if key not in known:
                remedy = did_you_mean(key, known)
                raise DeclarationError(
                    f"{key!r} of device {name!r} ({origin})", cause=f"it is a table, {_listed(known)}", remedy=remedy
                )
            if not _fits(key, value):
                wanted = {"inputs": "a whole number above 0", "options": "a table of settings"}.get(key, "text")
                raise DeclarationError(f"{key}={value!r} of device {name!r} ({origin})", cause=f"it is {wanted}")
        return cls(name, **table)

    def place(self, base: Path, origin: str, builtin: Iterable[str]) -> Place:
        """Where its worker runs, a relative path taken from ``base``; an interpreter is asked what it has.

        Raises `DeclarationError` where the name is taken by a ``builtin`` device or is none, or nothing can be there.
        """
        what = f"device {self.name!r} ({origin})"
        if not _NAME.fullmatch(self.name):
            raise DeclarationError(what, cause="a name is of letters, digits, and . _ + -")
        if self.name in builtin:
            raise DeclarationError(what, cause="there is one of that name already", remedy="choose another name")
        kinds = [key for key in _KINDS if getattr(self, key)]
        if self.ssh and "python" in kinds:
            kinds.remove("python")
        if len(kinds) != 1 and (kinds or not self.options):
            given = f"has {' and '.join(kinds)}" if kinds else "has none"
            raise DeclarationError(what, cause=f"it needs one of {', '.join(_KINDS)}, and {given}")
        return replace(self._place(what, base), options=self._options(what))

    def _place(self, what: str, base: Path) -> Place:
        if self.ssh:
            return self._host(what, base)
        if self.emulate:
            return self._emulated(what)
        if self.python:
            return self._interpreter(what, base)
        if self.tvm_rpc or self.tvm_tracker:
            return board(self.name, self._board(what), inputs=self.inputs)
        return Place(self.name, self.device, inputs=self.inputs)

    def _options(self, what: str) -> dict[str, Any]:
        """By name; in one line they are ``NAME=VALUE``, with commas between them."""
        if not isinstance(self.options, str):
            return dict(self.options)
        pairs = [part.partition("=") for part in self.options.split(",")]
        if not all(name.strip() and separator and value.strip() for name, separator, value in pairs):
            raise DeclarationError(f"options={self.options} of {what}", cause="they are NAME=VALUE,NAME=VALUE")
        return {name.strip(): value.strip() for name, _, value in pairs}

    def _interpreter(self, what: str, base: Path) -> Place:
        python, version, packages = asked_interpreter(self.python, base, what)
        if not has_package(packages, NUMPY):
            raise DeclarationError(what, cause="numpy is not installed there", remedy=f"{python} -m pip install numpy")
        return Place(self.name, self.device, python, packages, version, inputs=self.inputs)

    def _host(self, what: str, base: Path) -> Place:
        config = str(base / Path(self.ssh_config).expanduser()) if self.ssh_config else ""
        if config and not Path(config).is_file():
            raise DeclarationError(what, cause=f"there is no ssh_config {config}")
        python = self.python or "python3"
        return Place(self.name, self.device, python, host=self.ssh, ssh_config=config, inputs=self.inputs)

    def _board(self, what: str) -> Board:
        address = self.tvm_rpc or self.tvm_tracker
        host, _, port = address.rpartition(":")
        if not (host and port.isdigit()):
            raise DeclarationError(what, cause=f"{address!r} is no address", remedy="write it as host:port")
        if self.tvm_tracker and not self.key:
            raise DeclarationError(what, cause="a tracker knows boards by a key", remedy="add key=")
        target: object = self.target
        if isinstance(target, str):
            try:
                target = json.loads(target or "{}")
            except ValueError as error:
                raise DeclarationError(what, cause=f"its target is no JSON: {error}") from None
        if not isinstance(target, Mapping):
            raise DeclarationError(what, cause='its target is a mapping, such as {"kind": "llvm", "mtriple": "..."}')
        return Board(
            host, int(port), self.key, bool(self.tvm_tracker), json.dumps(dict(target), sort_keys=True), self.cc
        )

    def _emulated(self, what: str) -> Place:
        models = emulated_models()
        if models and self.emulate not in models:
            remedy = did_you_mean(self.emulate, models, "see qemu-x86_64-static -cpu help")
            raise DeclarationError(what, cause=f"qemu knows no processor {self.emulate!r}", remedy=remedy)
        return emulated(self.emulate, self.name, device=self.device, inputs=self.inputs)


def _fits(key: str, value: object) -> bool:
    """Whether a key of a device can have that value."""
    if key == "inputs":
        return isinstance(value, int) and not isinstance(value, bool) and value > 0
    return (isinstance(value, str) and bool(value)) or (key in ("target", "options") and isinstance(value, Mapping))


def devices_in(folder: Path) -> list[Device]:
    """The devices that the ``pyproject.toml`` in a folder declares; none where there is no such file or table.

    Raises `DeclarationError` for one that is malformed.
    """
    import tomlkit
    import tomlkit.exceptions

    try:
        text = (folder / "pyproject.toml").read_text(encoding="utf-8")
    except FileNotFoundError:
        return []
    if "envrobust" not in text:  # reading it takes a while
        return []
    try:
        tables: Any = tomlkit.parse(text).unwrap()
    except tomlkit.exceptions.TOMLKitError as error:
        raise DeclarationError(f"{folder / 'pyproject.toml'} cannot be read", cause=str(error)) from None
    for key in ("tool", "envrobust", "devices"):
        tables = tables.get(key, {}) if isinstance(tables, Mapping) else None
    if not isinstance(tables, Mapping):
        raise DeclarationError(PYPROJECT, cause="it is a table of tables, one for each device")
    return [Device.of(name, table, PYPROJECT) for name, table in tables.items()]


def declared_places(
    devices: Iterable[tuple[Device, str]], base: Mapping[str, Path], builtin: Iterable[str]
) -> dict[str, Place]:
    """The places of declared devices, each with where it was declared, and those of the catalogue, by name.

    ``base`` says where relative paths begin, by that origin. A later declaration of a name wins.
    """
    last = {device.name: (device, origin) for device, origin in devices}
    places = emulated_places()
    taken = {*builtin, *places}
    return places | {name: device.place(base[origin], origin, taken) for name, (device, origin) in last.items()}


def _listed(known: Iterable[str]) -> str:
    return f"whose keys are {', '.join(sorted(known))}"
