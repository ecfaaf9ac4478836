"""Verdicts held against the truth: broken and harmless variants of two networks, on few photographs and on many.

The variants (``variants`` of them) are of EfficientNet-Lite0 and of keras' MobileNetV2 with seeded, calibrated
weights; ``bare/`` makes them. The few photographs are those that foolbox carries, the many are crops of them. The truth
comes from the bare framework: a variant is broken where the labels of at least 1 % of the many really differ, or where
one class or some answers are wrong by construction; harmless ones are the same function but for rounding.

A run of the plugin with its default limit gives the verdicts. For each set, ``wrong_pass`` counts broken variants that
pass without the report's saying so: neither does a notice speak of the variant, nor does the report name its kind among
what these inputs would not see. ``wrong_fail`` counts harmless ones that fail, ``undecided`` those of either kind that
the run decides nothing about, and ``told`` the broken ones that pass where the report says why that shows little.
``tools`` has what others make of the same scores, where they are installed:
pip install --no-deps --target FOLDER polygraphy pytest-torch, and --tools FOLDER.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
from _common import ONE_THREAD, arguments, other_plugins, report
from _rivals import Trial, rivals
from _sessions import check_packages
from _variants import BARE, NETWORKS, WRONG_ANYHOW, Network, is_harmless, is_weaker_than
from numpy.typing import NDArray

from pytest_envrobust.core.status import Status
from pytest_envrobust.record.adequacy_part import recorded_adequacy
from pytest_envrobust.record.document import read_record
from pytest_envrobust.record.schema import Cell, Model, Record

OURS = "pytest-envrobust"
CONFTEST = """
from dataclasses import replace

import _variants

def pytest_envrobust_models(config):
    return [replace(_variants.NETWORKS[{network.name!r}], only={network.only!r}).model({pictures!r})]
"""
SHARE = 0.01
"""Of the larger set's labels at least so many differ where a variant is broken."""
REAL = 1e-4
"""A margin of less than this share of the scores' spread is rounding."""
CROPS = 10
"""Crops of each photograph in the larger set."""


@dataclass(frozen=True)
class Truth:
    """Scores by the bare framework, (N, classes), of the network as it is (``reference``) and of each variant."""

    scores: Mapping[str, NDArray[np.float32]]

    def flips(self, variant: str) -> int:
        """On how many inputs the label really differs, or there is none."""
        expected, actual = self.scores["reference"], self.scores[variant]
        ordered = np.sort(expected, axis=1)
        sure = ordered[:, -1] - ordered[:, -2] > REAL * expected.std()
        return int((((expected.argmax(1) != actual.argmax(1)) & sure) | np.isnan(actual).any(1)).sum())

    def is_broken(self, variant: str) -> bool:
        """Whether it is, by the labels of these inputs or by construction."""
        if is_harmless(variant):
            return False
        return variant.startswith(WRONG_ANYHOW) or self.flips(variant) >= SHARE * len(self.scores["reference"])


@dataclass(frozen=True)
class Judged:
    """What our run says of a variant: its status, and whether the report tells that a pass shows little, and how."""

    status: str
    told: str = ""


def main() -> None:
    """Measure and report."""
    options = arguments(
        __doc__ or "",
        rounds=1,
        networks={"nargs": "*", "default": list(NETWORKS), "choices": list(NETWORKS), "help": "which of them"},
        only={"nargs": "*", "default": [], "metavar": "VARIANT", "help": "the variants that are tried, instead of all"},
        crops={"type": int, "default": CROPS, "help": "of each photograph in the larger set (%(default)s)"},
        photographs={"type": int, "default": 20, "help": "how many (%(default)s)"},
        processes={"type": int, "default": 2, "help": "how many at once (%(default)s)"},
        tools={"type": Path, "metavar": "FOLDER", "help": "where the other tools are installed"},
        keep={"type": Path, "metavar": "FOLDER", "help": "where records, pictures and scores are kept"},
    )
    check_packages()
    with tempfile.TemporaryDirectory(prefix="benchmark-") as made:
        measure(options, options.keep or Path(made))


def measure(options: Any, folder: Path) -> None:
    """Make the pictures, run everything on both sets, and report."""
    networks = [replace(NETWORKS[name], only=tuple(options.only)) for name in options.networks]
    sets = {"few": photographs(folder / "few", options.photographs, crops=0)}
    sets["many"] = photographs(folder / "many", options.photographs, crops=options.crops)
    environ = {"MOBILENET": str(keras_network(folder))}
    trials = [(network, size) for size in sets for network in networks]
    with ThreadPoolExecutor(options.processes) as pool:  # nothing here rests on time
        told = [pool.submit(truth_of, *trial, sets[trial[1]], folder, environ) for trial in trials[::-1]][::-1]
        runs = [pool.submit(run, *trial, sets[trial[1]], folder, environ) for trial in trials[::-1]][::-1]
    truths = {(network.name, size): found.result() for (network, size), found in zip(trials, told)}
    rows = []
    for (network, size), record in zip(trials, runs):
        truth, population = truths[network.name, size], truths[network.name, "many"]
        ours = judged(record.result(), network)
        rows += [
            row(network, size, variant, population, truth, ours[variant], options.tools) for variant in network.variants
        ]
    report(
        "Verdicts on variants of EfficientNet-Lite0 and MobileNetV2, held against the truth",
        {"variants": sum(len(network.variants) for network in networks), **counted(rows)},
        columns=("network", "inputs", "variant", "truth", "flips here", OURS, "told", *tools_of(rows)),
        rows=[tuple(each.values()) for each in rows],
        targets={f"{size}_{name}": 0 for size in sets for name in ("wrong_pass", "wrong_fail")},
        json_path=options.json,
    )


def row(
    network: Network, size: str, variant: str, population: Truth, truth: Truth, ours: Judged, tools: Path | None
) -> dict[str, Any]:
    """What there is to say of a variant on one set of inputs."""
    expected, actual = truth.scores["reference"], truth.scores[variant]
    broken = population.is_broken(variant)
    said = {tool: "pass" if check(trial(expected, actual)) else "FAIL" for tool, check in rivals(tools).items()}
    return {
        "network": network.name,
        "inputs": size,
        "variant": variant,
        "truth": "harmless" if is_harmless(variant) else "broken" if broken else "neither",
        "flips here": truth.flips(variant),
        OURS: ours.status,
        "told": ours.told,
        **said,
    }


def counted(rows: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """The figures that the benchmark is about, by set of inputs, and those of the other tools."""
    figures: dict[str, Any] = {}
    for size in dict.fromkeys(row["inputs"] for row in rows):
        mine = [row for row in rows if row["inputs"] == size]
        broken = [row for row in mine if row["truth"] == "broken"]
        harmless = [row for row in mine if row["truth"] == "harmless"]
        passed = [row for row in broken if row[OURS] == Status.PASSED.value]
        figures |= {
            f"{size}_broken": len(broken),
            f"{size}_harmless": len(harmless),
            f"{size}_wrong_pass": sum(not row["told"] for row in passed),
            f"{size}_told": sum(bool(row["told"]) for row in passed),
            f"{size}_wrong_fail": sum(row[OURS] == Status.FAILED.value for row in harmless),
            f"{size}_undecided": sum(row[OURS] == Status.INCONCLUSIVE.value for row in [*broken, *harmless]),
            f"{size}_tools": {
                tool: {
                    "wrong_pass": sum(row[tool] == "pass" for row in broken),
                    "wrong_fail": sum(row[tool] == "FAIL" for row in harmless),
                }
                for tool in tools_of(mine)
            },
        }
    return figures


def tools_of(rows: Sequence[Mapping[str, Any]]) -> list[str]:
    """The other tools' columns."""
    names = list(rows[0])
    return names[names.index("told") + 1 :]


def judged(document: Record, network: Network) -> dict[str, Judged]:
    """What a run says of each variant of a network."""
    model = next(each for each in document.models if each.name == network.name)
    by_source = {cell.environment.partition("/")[0]: cell for cell in document.cells if cell.model == network.name}
    return {
        variant: Judged(
            by_source[network.key(variant)].status.value, told(variant, by_source[network.key(variant)], model)
        )
        for variant in network.variants
    }


def told(variant: str, cell: Cell, model: Model) -> str:
    """How the report says that a pass of this variant shows little: a notice that speaks of it, or its kind's name."""
    own = [*(cell.notices or ()), *((model.unsteady or {}).get(cell.environment or "", ()))]
    notices = [*(model.notices or ()), *((model.analysis.notices if model.analysis else None) or ())]
    if own or any(str(cell.environment) in notice for notice in notices):
        return "notice"
    for part in (model.adequacy or {}).values():
        visible = recorded_adequacy(part).smallest_visible(1.0)
        if any(is_weaker_than(variant, kind, level and level.strength) for kind, level in visible.items()):
            return "unseen"
    return ""


def trial(expected: NDArray[np.float32], actual: NDArray[np.float32]) -> Trial:
    """The scores as networks that have given them."""
    import torch

    class Recorded(torch.nn.Module):
        def __init__(self, scores: NDArray[np.float32]) -> None:
            super().__init__()
            self.scores = torch.from_numpy(scores)

        def forward(self, batch: torch.Tensor) -> torch.Tensor:
            return self.scores

    return Trial(Recorded(expected), Recorded(actual), torch.zeros(len(expected), 1), expected, actual)


def truth_of(network: Network, size: str, pictures: Path, folder: Path, environ: Mapping[str, str]) -> Truth:
    """Every variant's scores by its framework alone, in a process of its own."""
    target = folder / f"{network.name}-{size}.npz"
    if not target.exists():
        command = [sys.executable, str(BARE / "score_variants.py"), network.name, str(pictures), str(target)]
        call([*command, *network.variants], target.with_suffix(".txt"), environ)
    with np.load(target) as found:
        return Truth(dict(found))


def run(network: Network, size: str, pictures: Path, folder: Path, environ: Mapping[str, str]) -> Record:
    """A run of the plugin on all variants of a network."""
    project = folder / f"run-{network.name}-{size}"
    project.mkdir(exist_ok=True)
    record = project / "run.json"
    if not record.exists():
        declared = CONFTEST.format(network=network, pictures=str(pictures))
        (project / "conftest.py").write_text(declared)
        (project / "test_it.py").write_text("def test_labels(envrobust):\n    envrobust.assert_labels_agree()\n")
        (project / "pytest.ini").write_text("[pytest]\n")
        command = [sys.executable, "-m", "pytest", "--envrobust", f"--envrobust-json={record}", "--rootdir=."]
        chosen = ["--envrobust-env=*/eager/cpu", "--envrobust-stop=early", f"--envrobust-cache-dir={project / 'cache'}"]
        call([*command, *chosen, *other_plugins()], project / "output.txt", environ, cwd=project, may_fail=True)
    return read_record(record)


def call(
    command: Sequence[str],
    output: Path,
    environ: Mapping[str, str],
    *,
    cwd: Path = BARE,
    may_fail: bool = False,
) -> None:
    """Run a command to its end. Exits with its output where it fails and must not."""
    demo = BARE.parents[1] / "examples" / "demo"
    path = os.pathsep.join(map(str, [BARE.parent, BARE, demo, os.environ.get("PYTHONPATH", "")]))
    own = {**os.environ, **ONE_THREAD, **environ, "PYTHONPATH": path, "TF_CPP_MIN_LOG_LEVEL": "3"}
    with output.open("w") as stream:
        done = subprocess.run(command, cwd=cwd, env=own, stdout=stream, stderr=subprocess.STDOUT, check=False)
    if done.returncode and not may_fail:
        sys.exit(f"{' '.join(command[:4])} ... ended with {done.returncode}:\n{output.read_text()[-4000:]}")


def photographs(folder: Path, count: int, crops: int) -> Path:
    """A folder with the first photographs that foolbox carries or, of each, so many crops of half its side or more."""
    from PIL import Image

    if folder.exists():
        return folder
    spec = find_spec("foolbox")
    if spec is None or spec.origin is None:
        sys.exit("foolbox, which carries the photographs, is not installed: pip install 'pytest-envrobust[demo]'")
    folder.mkdir(parents=True)
    random = np.random.default_rng(0)
    for file in sorted((Path(spec.origin).parent / "data").glob("imagenet_*.jpg"))[:count]:
        picture = Image.open(file).convert("RGB")
        if not crops:
            picture.save(folder / f"{file.stem}.png")
        for number in range(crops):
            size = [round(side * random.uniform(0.5, 1)) for side in picture.size]
            left, top = (int(random.integers(0, whole - part + 1)) for whole, part in zip(picture.size, size))
            picture.crop((left, top, left + size[0], top + size[1])).save(folder / f"{file.stem}_{number}.png")
    return folder


def keras_network(folder: Path) -> Path:
    """The file of keras' MobileNetV2, its weights drawn and its statistics taken from the photographs."""
    target = folder / "mobilenet_v2.keras"
    if not target.exists():
        code = "import sys, pathlib, demo_models; demo_models.build_mobilenet_v2(pathlib.Path(sys.argv[1]))"
        call([sys.executable, "-c", code, str(target)], folder / "keras.txt", {})
    return target


if __name__ == "__main__":
    main()
