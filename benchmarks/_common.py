"""What the benchmarks share: the command line, one timed process, the table, the JSON object."""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import entry_points, version
from pathlib import Path
from typing import Any, TypeVar

from pytest_envrobust.environments.availability import versions as installed_versions
from pytest_envrobust.environments.machine import this_machine
from pytest_envrobust.planning.catalogue import Catalogue

Measured = TypeVar("Measured")

ONE_THREAD = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "TVM_NUM_THREADS"), "1")


@dataclass(frozen=True)
class Cost:
    """Seconds that a process took, its ended children included in ``cpu``."""

    wall: float
    cpu: float

    def __add__(self, other: Cost) -> Cost:
        return Cost(self.wall + other.wall, self.cpu + other.cpu)


NOTHING = Cost(0.0, 0.0)


def arguments(description: str, *, rounds: int, **more: Mapping[str, Any]) -> argparse.Namespace:
    """The command line: ``--rounds``, ``--json`` and what ``more`` declares, by option name."""
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("--rounds", type=int, default=rounds, help="how often to measure (default: %(default)s)")
    parser.add_argument("--json", type=Path, metavar="PATH", help="write the figures there")
    for name, declaration in more.items():
        parser.add_argument(f"--{name}", **declaration)
    return parser.parse_args()


def run(command: Sequence[str | Path], *, cwd: Path, **environ: str) -> Cost:
    """Run a command with one thread to the end and say what it cost. Exits with its output where it fails.

    Python may keep its bytecode, as it does wherever nobody forbade it: without, every run would compile anew what
    pytest rewrites.
    """
    log = cwd / "output.txt"
    inherited = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    with log.open("w") as stream:
        start = time.perf_counter()
        process = subprocess.Popen(
            [str(part) for part in command],
            cwd=cwd,
            env={**inherited, **ONE_THREAD, **environ},
            stdout=stream,
            stderr=subprocess.STDOUT,
        )
        _, status, used = os.wait4(process.pid, 0)
        wall = time.perf_counter() - start
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        sys.exit(f"{' '.join(map(str, command))} ended with {process.returncode}:\n{log.read_text()[-4000:]}")
    return Cost(wall, used.ru_utime + used.ru_stime)


def in_turns(rounds: int, *contenders: Callable[[int], Measured]) -> list[tuple[Measured, ...]]:
    """What each contender measures in each round, one right after the other, the order turned round every time."""
    found = []
    for number in range(rounds):
        order = range(len(contenders)) if number % 2 == 0 else reversed(range(len(contenders)))
        measured = {index: contenders[index](number) for index in order}
        found.append(tuple(measured[index] for index in range(len(contenders))))
    return found


def median(values: Sequence[float]) -> float:
    """The median."""
    return statistics.median(values)


def other_plugins() -> list[str]:
    """Options that keep every installed pytest plugin but this one out of a run."""
    names = {entry.name for entry in entry_points(group="pytest11")} - {"envrobust"}
    return [part for name in sorted(names) for part in ("-p", f"no:{name}")]


def report(
    title: str,
    figures: Mapping[str, Any],
    *,
    columns: Sequence[str],
    rows: Sequence[Sequence[object]],
    targets: Mapping[str, float],
    json_path: Path | None,
) -> None:
    """Print the table, machine and versions, then the figures; write them where ``--json`` says."""
    machine, versions = _machine(), _versions()
    print(f"\n{title}\n")
    print(_table(columns, rows))
    print(f"\nmachine   {', '.join(f'{name} {value}' for name, value in machine.items())}")
    print(f"versions  {', '.join(f'{name} {number}' for name, number in versions.items())}\n")
    for name, value in figures.items():
        target = f"   (at most {targets[name]:g})" if name in targets else ""
        print(f"{name} = {_text(value)}{target}")
    if json_path is not None:
        content = {**figures, "machine": machine, "versions": versions}
        json_path.write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")


def _machine() -> dict[str, Any]:
    here = this_machine()
    return {
        "processor": here.processor,
        "cores": here.cores,
        "memory_gib": round(here.memory_bytes / 2**30, 1),
        "system": here.system,
        "load": round(os.getloadavg()[0], 1),
    }


def _versions() -> dict[str, str]:
    own = {name: version(name) for name in ("pytest-envrobust", "pytest", "numpy")}
    return {"python": this_machine().python, **own, **installed_versions(Catalogue().requirements)}


def _table(columns: Sequence[str], rows: Sequence[Sequence[object]]) -> str:
    lines = [list(columns), *([_text(cell) for cell in row] for row in rows)]
    widths = [max(len(line[index]) for line in lines) for index in range(len(columns))]
    lines.insert(1, ["-" * width for width in widths])
    return "\n".join(
        "  ".join(cell.ljust(width) if index == 0 else cell.rjust(width) for index, (cell, width) in columns_of)
        for columns_of in (list(enumerate(zip(line, widths))) for line in lines)
    )


def _text(value: object) -> str:
    return f"{value:.4g}" if isinstance(value, float) else str(value)
