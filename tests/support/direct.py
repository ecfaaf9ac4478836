"""Run as a process of its own: open jobs on a backend directly and print what became of the arrays."""

from __future__ import annotations

import json
import sys
from typing import Any

import numpy as np

from pytest_envrobust.backends import engines
from pytest_envrobust.workers.protocol import decode_job
from support import nets


def main() -> None:
    request = json.loads(sys.stdin.read())
    backend = engines()[request["engine"]]
    backend.start("cpu", 1, {})
    found = {}
    for name, message in request["jobs"].items():
        message["source"]["payload"] = b""
        found[name] = _facts(backend.open(decode_job(message)), request["layout"])
    print(json.dumps(found))


def _facts(session: Any, layout: str) -> dict[str, Any]:
    first, second = nets.images(1, layout, seed=3), nets.images(1, layout, seed=4)
    scores = session.run(first.copy())  # a model that works in place may write into it
    kept_scores = scores.copy()
    others = session.run(second.copy())
    facts = {
        "scores_kept": bool(np.array_equal(scores, kept_scores)),
        "scores_differ": not np.array_equal(others, kept_scores),
        "writeable": bool(scores.flags.writeable),
    }
    scores[:] = 12345.0
    facts["unaffected"] = bool(np.allclose(session.run(first), kept_scores, atol=1e-5))
    facts["input_type"] = f"{session.input.dtype} {session.input.shape[1:]}"
    facts["evidence"] = session.evidence()
    session.close()
    session.close()
    return facts


if __name__ == "__main__":
    main()
