"""What the scripts that are timed share: a loop of calls, made when they are asked for."""

from __future__ import annotations

import json
import sys
import time

import numpy as np


def answer(call):
    """Read how many calls to make, and from which input on; make them and print their times (ns) as JSON.

    The script's first argument is the file with the inputs. It says that it is ready once ``call`` has seen them all.
    """
    images = np.load(sys.argv[1])
    for image in images:
        call(image[None])
    print("ready", flush=True)
    for line in sys.stdin:
        first, calls = map(int, line.split())
        wall, cpu = [], []
        for number in range(first, first + calls):
            image = images[number % len(images)][None]
            used = time.process_time_ns()
            start = time.perf_counter_ns()
            call(image)
            end = time.perf_counter_ns()
            cpu.append(time.process_time_ns() - used)
            wall.append(end - start)
        print(json.dumps({"wall_ns": wall, "cpu_ns": cpu}), flush=True)
