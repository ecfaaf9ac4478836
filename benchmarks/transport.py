"""What a call costs beyond its inference: bringing inputs to a worker and scores back.

The host's wall time of a request to a live session less the inference times that the worker measured in it, for each
call in it, in milliseconds; EfficientNet-Lite0 in ONNX Runtime, one thread, the median of many requests. ``batch1_ms``
and ``batch32_ms``: predicting inputs that the worker has mapped, as it has a model's own, so many a call; the scores
come back. ``batch1_new_ms`` and ``batch32_new_ms``: the same for inputs that are new to it, written first and removed
afterwards. ``request_ms``: a request for the time of one single call, which pays alone for the way to the worker and
back.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Mapping

from _common import arguments, in_turns, median, report
from _sessions import Bench, bench, check_packages, plan_for

from pytest_envrobust.core.timing import Timing
from pytest_envrobust.workers.sessions import LiveSession

ENVIRONMENT = "torch/ort-all/cpu"
CALLS = {1: 20, 32: 4}
"""How many calls a request has, by how many inputs a call takes."""
TARGETS = {"batch1_ms": 0.1, "batch32_ms": 1.5}

Request = Callable[[], Timing]


def main() -> None:
    """Measure and report."""
    options = arguments(
        (__doc__ or "").partition("\n")[0],
        rounds=40,
        env={"default": ENVIRONMENT, "metavar": "ENV", "help": "the environment (default: %(default)s)"},
        calls={"type": int, "help": "calls in a request (default: 20 of one input, 4 of 32)"},
    )
    check_packages()
    if (absent := plan_for(options.env).absent) is not None:
        sys.exit(absent.headline)
    beyond: dict[str, list[float]] = {}
    for batch, calls in CALLS.items():
        with bench((options.calls or calls) * batch) as made:
            requests = requests_of(made, made.session(options.env, batch), batch)
            for request in requests.values():
                request()  # opens the session, and maps and proves what is kept from then on
            measured = [lambda _, each=each: milliseconds(each) for each in requests.values()]
            beyond |= dict(zip(requests, map(list, zip(*in_turns(options.rounds, *measured)))))
    report(
        f"{options.env}, one thread: milliseconds a call beyond its inference, {options.rounds} requests of each kind",
        {name: median(times) for name, times in beyond.items()},
        columns=("request", "median", "fastest", "slowest"),
        rows=[(name, median(times), min(times), max(times)) for name, times in beyond.items()],
        targets=TARGETS,
        json_path=options.json,
    )


def requests_of(made: Bench, session: LiveSession, batch: int) -> Mapping[str, Request]:
    """What is asked of a session, by the name of its figure."""
    handle, inputs = made.handle(session), made.inputs(session.plan.environment.source_framework)

    def known() -> Timing:
        return session.run(handle).timing

    def new() -> Timing:
        with made.scratch.lend(inputs) as lent:
            return session.run(lent).timing

    def one() -> Timing:
        return session.sample(handle, 0, 1, batch)

    requests = {f"batch{batch}_ms": known, f"batch{batch}_new_ms": new}
    return {**requests, "request_ms": one} if batch == 1 else requests


def milliseconds(request: Request) -> float:
    """What a request took beyond the inferences in it, for each of these."""
    start = time.perf_counter_ns()
    timing = request()
    wall = time.perf_counter_ns() - start
    return (wall - sum(timing.wall_ns)) / timing.calls / 1e6


if __name__ == "__main__":
    main()
