"""What the HTML report of a large study costs: 4 models, 30 environments each, 200 inputs of 1000 classes.

``seconds``: from the record and the file of predictions on disk to the page on disk. ``megabytes``: the page.
``peak_memory_mib``: the largest resident memory of a process that only does this.
"""

from __future__ import annotations

import json
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from _common import arguments, median, report

from pytest_envrobust.record.document import read_record
from pytest_envrobust.record.predictions import Predictions
from pytest_envrobust.reports.html.page import write_html

TESTS = Path(__file__).parents[1] / "tests"
MAKE, REPORT = "make-study", "report-once"
"""What this file does in processes of their own; a report's must not be the child of one that has held the arrays."""
_UNITS_A_MIB = 1024 if sys.platform != "darwin" else 2**20


def main() -> None:
    """Measure and report."""
    options = arguments(
        (__doc__ or "").partition("\n")[0],
        rounds=3,
        environments={"type": int, "default": 30, "help": "environments of a model (%(default)s)"},
        inputs={"type": int, "default": 200, "help": "inputs of a model (%(default)s)"},
    )
    with tempfile.TemporaryDirectory(prefix="envrobust-report-") as name:
        _child(MAKE, name, str(options.environments), str(options.inputs))
        runs = [json.loads(_child(REPORT, name)) for _ in range(options.rounds)]
    seconds = [run["seconds"] for run in runs]
    report(
        f"The HTML report of 4 models × {options.environments} environments × {options.inputs} inputs",
        {
            "seconds": median(seconds),
            "megabytes": runs[0]["bytes"] / 1e6,
            "peak_memory_mib": max(run["peak_mib"] for run in runs),
        },
        columns=("seconds", "median", "fastest", "slowest", "rounds"),
        rows=[("record to page", median(seconds), min(seconds), max(seconds), options.rounds)],
        targets={"seconds": 10, "megabytes": 5},
        json_path=options.json,
    )


def _child(*command: str) -> str:
    done = subprocess.run([sys.executable, __file__, *command], capture_output=True, text=True, check=False)
    if done.returncode:
        sys.exit(f"{command[0]} failed:\n{done.stderr[-4000:]}")
    return done.stdout


def _make_study(folder: Path, environments: int, inputs: int) -> None:
    """A synthetic record with its predictions, on disk."""
    sys.path.insert(0, str(TESTS))
    from support.records import synthetic

    synthetic(models=4, environments=environments, inputs=inputs, classes=1000).write(folder)


def _report_once(folder: Path) -> None:
    """One report, and what it cost, as JSON on standard output."""
    record, page = folder / "run.json", folder / "run.html"
    start = time.perf_counter()
    write_html(read_record(record), Predictions.beside(record), page)
    seconds = time.perf_counter() - start
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / _UNITS_A_MIB
    print(json.dumps({"seconds": seconds, "bytes": page.stat().st_size, "peak_mib": peak}))


if __name__ == "__main__":
    if sys.argv[1:2] == [MAKE]:
        _make_study(Path(sys.argv[2]), *map(int, sys.argv[3:5]))
    elif sys.argv[1:2] == [REPORT]:
        _report_once(Path(sys.argv[2]))
    else:
        main()
