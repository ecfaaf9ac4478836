"""Run as a process of its own: a host with workers that is interrupted or killed from outside.

Prints the process ids of its workers, then does what its argument says.
"""

from __future__ import annotations

import signal
import sys

from pytest_envrobust.backends import engines
from pytest_envrobust.core.sources import SourceRef
from pytest_envrobust.core.status import Stage
from pytest_envrobust.workers.pool import Pool
from pytest_envrobust.workers.protocol import encode_source
from pytest_envrobust.workers.transport import Scratch


def main(factory: str) -> None:
    # a run that a shell started in the background ignores interrupts, and so does what it starts
    signal.signal(signal.SIGINT, signal.default_int_handler)
    scratch = Scratch()
    pool = Pool(scratch)
    idle = pool.worker(engines()["onnxruntime"], "cpu", 1, 120)
    busy = pool.worker(engines()["torch"], "cpu", 1, 120)
    print(idle.pid, busy.pid, scratch.path, flush=True)
    source = encode_source(SourceRef("torch", "factory", target=f"support.faulty:{factory}"))
    state = str(scratch.path / "state")
    try:
        busy.ask("inspect", {"source": source, "state": state}, stage=Stage.LOAD, what="load", limit=600)
    finally:
        pool.close()
        print("closed", flush=True)


if __name__ == "__main__":
    main(sys.argv[1])
