"""What the plugin costs a run that does not ask for it.

``cpu_ms``: CPU milliseconds that a pytest run takes more with the plugin than with ``-p no:envrobust``, all other
plugins left out of both; the median of pairs, each side the best of three runs in turns, and ``cpu_ms_error`` its
standard error. ``frameworks_imported``: how many of the frameworks' modules such a run imports.
"""

from __future__ import annotations

import json
import math
import sys
import tempfile
from pathlib import Path
from statistics import pstdev

from _common import arguments, in_turns, median, other_plugins, report, run

from pytest_envrobust.planning.catalogue import Catalogue

TRIES = 3
"""Another process's load adds to CPU time too: the least of a few is nearest to what the run itself takes."""
TEST = "def test_nothing():\n    pass\n"
LISTING = """
import json
import sys


def test_modules(pytestconfig):
    assert pytestconfig.pluginmanager.has_plugin("envrobust")
    with open("modules.json", "w") as stream:
        json.dump(sorted({name.partition(".")[0] for name in sys.modules}), stream)
"""


def main() -> None:
    """Measure and report."""
    options = arguments((__doc__ or "").partition("\n")[0], rounds=30)
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", *other_plugins()]
    with tempfile.TemporaryDirectory(prefix="envrobust-startup-") as name:
        folder = Path(name)
        (folder / "test_nothing.py").write_text(TEST)
        (folder / "test_modules.py").write_text(LISTING)
        run([*command, "test_modules.py"], cwd=folder)
        imported = set(json.loads((folder / "modules.json").read_text()))
        without = [*command, "-p", "no:envrobust", "test_nothing.py"]
        run(without, cwd=folder)
        runs = in_turns(
            TRIES * options.rounds,
            lambda _: run(without, cwd=folder).cpu * 1e3,
            lambda _: run([*command, "test_nothing.py"], cwd=folder).cpu * 1e3,
        )
    bare, installed = (
        [min(side[first : first + TRIES]) for first in range(0, len(side), TRIES)] for side in zip(*runs)
    )
    frameworks = sorted({requirement.module for requirement in Catalogue().requirements} & imported)
    extra = [mine - theirs for mine, theirs in zip(installed, bare)]
    report(
        "A pytest run of one empty test that does not ask for envrobust",
        {
            "cpu_ms": median(extra),
            "cpu_ms_error": 1.25 * pstdev(extra) / math.sqrt(len(extra)),
            "frameworks_imported": len(frameworks),
            "frameworks": frameworks,
        },
        columns=("CPU milliseconds", "median", "least", "most", "rounds"),
        rows=[
            (label, median(values), min(values), max(values), options.rounds)
            for label, values in (
                ("-p no:envrobust", bare),
                ("plugin installed", installed),
                ("difference in a pair", extra),
            )
        ],
        targets={"cpu_ms": 5, "frameworks_imported": 0},
        json_path=options.json,
    )


if __name__ == "__main__":
    main()
