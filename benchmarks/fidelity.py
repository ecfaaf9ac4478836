"""Whether the time that a worker measures is the time that a script would see.

EfficientNet-Lite0 in five engines, one thread: the plugin's live session and a bare script (``bare/time_*.py``: the
engine's plain API in a loop, nothing of the plugin), each a process of its own, are timed in turns on the same inputs,
by the plugin's own sampling; both load the very same file from the store, or, for torch, build the same network.
``worst_ratio`` is the largest deviation of the worker's time from the script's over the engines, max(r, 1/r) of the
wall-time ratio r: too short a time would be as wrong as one too long, and wall time is what both a user and the
plugin's limits see. r is the median of turns in pairs, so that a change of the machine meets both sides.

Two processes of one thing differ by 1 to 3 % for as long as they live, by where their memory lies. So both sides are
started anew in every round, and an engine's r is the median over the rounds; a second process of the same script says
by how much such a median is off where nothing differs (``control``).
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

import numpy as np
from _common import ONE_THREAD, arguments, median, report
from _sessions import BARE, Bench, bench, check_packages, plan_for

from pytest_envrobust.core.timing import Clock, Timing
from pytest_envrobust.timing.intervals import Estimate
from pytest_envrobust.timing.ratios import paired_ratio
from pytest_envrobust.timing.sampling import Effort, Sampler, Turns, in_rounds
from pytest_envrobust.workers.sessions import LiveSession

SCRIPTS = {
    "torch/eager/cpu": "time_eager",
    "keras-to-tensorflow/graph/cpu": "time_graph",
    "keras/litert/cpu": "time_litert",
    "torch/ort-all/cpu": "time_ort",
    "torch/openvino-f32/cpu": "time_openvino",
}
"""The script that does what each environment does."""
INPUTS = 20
PAIRED = ("wall", "cpu", "control_wall", "control_cpu")
"""Ratios of turns in pairs: of the worker to the script, then of a second process of the script."""


@dataclass(frozen=True)
class Round:
    """One life of the processes: ratios to the script's times, paired, and those of the plain medians; its median."""

    wall: Estimate
    cpu: Estimate
    control_wall: Estimate
    control_cpu: Estimate
    plain_wall: float
    script_ms: float

    @classmethod
    def of(cls, worker: Turns, script: Turns, control: Turns) -> Round:
        """What the turns of all three say."""
        return cls(
            wall=_ratio(worker, script, "wall"),
            cpu=_ratio(worker, script, "cpu"),
            control_wall=_ratio(control, script, "wall"),
            control_cpu=_ratio(control, script, "cpu"),
            plain_wall=worker.timing.median_wall_ms / script.timing.median_wall_ms,
            script_ms=script.timing.median_wall_ms,
        )


def main() -> None:
    """Measure and report."""
    options = arguments(
        (__doc__ or "").partition("\n")[0],
        rounds=9,
        envs={
            "nargs": "+",
            "default": list(SCRIPTS),
            "choices": list(SCRIPTS),
            "metavar": "ENV",
            "help": f"environments, of {', '.join(SCRIPTS)} (default: all)",
        },
        budget={"type": float, "default": 4.0, "help": "seconds of turns in a round (%(default)s)"},
        raw={"type": Path, "metavar": "PATH", "help": "write what each round measured there, as JSON"},
    )
    check_packages()
    left_out = {name: plan.absent.headline for name in options.envs if (plan := plan_for(name)).absent is not None}
    environments = [name for name in options.envs if name not in left_out]
    if not environments:
        sys.exit("\n".join(left_out.values()))
    rounds: dict[str, list[Round]] = {name: [] for name in environments}
    with bench(INPUTS) as made:
        sessions = {name: made.session(name) for name in environments}
        made.end_workers()
        for number in range(options.rounds):  # in turns, so that a change of the machine meets every engine
            for name, session in sessions.items():
                print(f"round {number + 1}/{options.rounds}  {name:30}", end="\r", file=sys.stderr)
                rounds[name].append(measured(made, session, options.budget))
    engines = {name: described(each) for name, each in rounds.items()}
    if options.raw is not None:
        options.raw.write_text(json.dumps({name: [raw(one) for one in each] for name, each in rounds.items()}))
    for name, reason in left_out.items():
        print(f"left out: {name}: {reason}")
    report(
        f"EfficientNet-Lite0: a worker's time as a multiple of a bare script's, one thread; median of "
        f"{options.rounds} rounds, each with new processes, and the lowest and highest of them",
        {
            "worst_ratio": max(deviation(each["wall"]) for each in engines.values()),
            "worst_cpu_ratio": max(deviation(each["cpu"]) for each in engines.values()),
            "worst_control_ratio": max(deviation(each["control_wall"]) for each in engines.values()),
            **engines,
            **({"left_out": left_out} if left_out else {}),
        },
        columns=("environment", "script ms", "medians", *(cell for name in PAIRED for cell in (name, "rounds"))),
        rows=[row(name, engine) for name, engine in engines.items()],
        targets={"worst_ratio": 1.02},
        json_path=options.json,
    )


def measured(made: Bench, session: LiveSession, budget: float) -> Round:
    """Time worker, script and a second process of the script in turns, in processes started for this alone."""
    environment = session.plan.environment
    command = [sys.executable, str(BARE / f"{SCRIPTS[environment.id]}.py")]
    try:
        with ExitStack() as stack:
            folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="benchmark-")))
            np.save(folder / "inputs.npy", made.inputs(environment.source_framework))
            command += [str(folder / "inputs.npy"), *(str(artifact.path) for artifact in session.artifacts[-1:])]
            session.run(made.handle(session))  # as in a test: labels first, then times
            scripts = [stack.enter_context(script(command, folder / f"{name}.txt")) for name in ("script", "control")]
            return Round.of(*in_rounds([made.sampler(session), *scripts], Effort(budget=budget)))
    finally:
        made.end_workers()


@contextmanager
def script(command: Sequence[str], log: Path) -> Iterator[Sampler]:
    """Start a script and ask it for calls. Exits with what it wrote where it ends by itself."""
    with log.open("w") as errors:
        process = subprocess.Popen(
            command,
            env={**os.environ, **ONE_THREAD, "TF_CPP_MIN_LOG_LEVEL": "2", "CUDA_VISIBLE_DEVICES": "-1"},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=errors,
            text=True,
        )
    asked, answers = _pipe(process.stdin), _pipe(process.stdout)

    def answer() -> str:
        line = answers.readline()
        if not line:
            sys.exit(f"{' '.join(command)} ended with {process.wait()}:\n{log.read_text()[-4000:]}")
        return line

    def sample(first: int, calls: int) -> Timing:
        asked.write(f"{first} {calls}\n")
        asked.flush()
        return Timing.of(**json.loads(answer()))

    try:
        while answer() != "ready\n":  # a library may say something on being imported
            pass
        yield sample
    finally:
        process.kill()
        process.communicate()


def described(rounds: Sequence[Round]) -> dict[str, Any]:
    """The median of each figure over the rounds, and the lowest and highest of those that are ratios of pairs."""
    ratios = {name: [getattr(each, name).mid for each in rounds] for name in PAIRED}
    return {
        **{name: round(median(mids), 5) for name, mids in ratios.items()},
        **{f"{name}_range": [round(min(mids), 5), round(max(mids), 5)] for name, mids in ratios.items()},
        "plain_wall": round(median([each.plain_wall for each in rounds]), 5),
        "script_ms": round(median([each.script_ms for each in rounds]), 5),
    }


def raw(one: Round) -> dict[str, Any]:
    """A round as plain data: of each ratio its low end, middle and high end, the ends only where it has any."""
    ratios = {name: getattr(one, name) for name in PAIRED}
    return {
        **{
            name: [ratio.low, ratio.mid, ratio.high] if ratio.is_bounded else [ratio.mid]
            for name, ratio in ratios.items()
        },
        "plain_wall": one.plain_wall,
        "script_ms": one.script_ms,
    }


def row(name: str, engine: Mapping[str, Any]) -> tuple[object, ...]:
    """An engine's line of the table."""
    ratios = (cell for each in PAIRED for cell in (engine[each], "{:.3f} .. {:.3f}".format(*engine[f"{each}_range"])))
    return (name, engine["script_ms"], engine["plain_wall"], *ratios)


def deviation(ratio: float) -> float:
    """How far a ratio is from 1, on whichever side, as a ratio of at least 1."""
    return max(ratio, 1 / ratio)


def _ratio(mine: Turns, theirs: Turns, clock: Clock) -> Estimate:
    return paired_ratio(mine.typical(clock), theirs.typical(clock))


def _pipe(stream: IO[str] | None) -> IO[str]:
    assert stream is not None
    return stream


if __name__ == "__main__":
    main()
