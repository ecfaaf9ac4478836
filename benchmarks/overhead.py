"""What the plugin costs beside bare scripts that make the same builds and the same inferences.

``cold_ratio``: wall time of a run with an empty cache, as a multiple of the scripts' total (the median of pairs,
taken in turns). ``warm_ratio``: wall time of an unchanged second run, as a multiple of the first. The same of CPU time
in ``cold_cpu_ratio`` and ``warm_cpu_ratio``: on a busy machine they tell more.

The scripts lie in ``bare/``: one for each artifact, one for each environment, every one a process of its own.
"""

from __future__ import annotations

import re
import shutil
import sys
import tempfile
from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path

from _common import NOTHING, Cost, arguments, in_turns, median, report, run

HERE = Path(__file__).resolve().parent
DEMO = HERE.parent / "examples" / "demo"
SCRIPTS = {
    "torch/eager/cpu": ("run_eager",),
    "torch/script/cpu": ("run_script",),
    "torch/inductor/cpu": ("run_inductor",),
    "torch/aotinductor/cpu": ("build_aotinductor", "run_aotinductor"),
    "torch/ort-all/cpu": ("build_onnx", "run_ort"),
    "torch/openvino-f32/cpu": ("build_onnx", "build_openvino", "run_openvino"),
    "torch/tvm-o3/cpu": ("build_tvm", "run_tvm"),
}
"""The scripts that bring each environment to its labels, in order: torch's compilers, the default of other engines."""
PROGRESS = re.compile(r"envrobust +([\d.]+) s  (.+)")

CONFTEST = """
import pytest_envrobust as er
from demo_models import photographs

PREPROCESS = er.Preprocess(resize=256, filter="bicubic", crop=224, mean=(127, 127, 127), std=(128, 128, 128))


def pytest_envrobust_models(config):
    images = er.ImageFolder(photographs(), PREPROCESS, pattern="imagenet_*.jpg", limit={limit})
    return [er.Model("lite0", sources={{"torch": "demo_models:efficientnet_lite0"}}, inputs=images)]
"""
TEST = """
def test_labels(envrobust):
    envrobust.assert_labels_agree()
"""


@dataclass(frozen=True)
class Round:
    """One side in one round: what it cost, wall seconds of its parts by name, and what an unchanged second run cost."""

    first: Cost
    parts: dict[str, float]
    again: Cost = NOTHING


def scripts(environments: list[str], images: int, folder: Path) -> Round:
    """Run the scripts in an empty folder, each once. Exits where two environments' labels differ."""
    folder.mkdir()
    names = dict.fromkeys(name for environment in environments for name in SCRIPTS[environment])
    costs: dict[str, Cost] = {}
    labels = {}
    for name in names:
        command = [sys.executable, HERE / "bare" / f"{name}.py", *([images] if name.startswith("run") else [])]
        costs[name] = run(command, cwd=folder, TORCHINDUCTOR_CACHE_DIR=str(folder / "inductor"))
        if name.startswith("run"):
            labels[name] = (folder / "output.txt").read_text().split()[-images:]
    if len({tuple(found) for found in labels.values()}) != 1:
        sys.exit(f"the scripts' labels differ: {labels}")
    shutil.rmtree(folder)
    return Round(sum(costs.values(), NOTHING), {name: cost.wall for name, cost in costs.items()})


def plugin(environments: list[str], images: int, folder: Path) -> Round:
    """Run pytest in an empty folder with an empty cache, and again."""
    folder.mkdir()
    (folder / "conftest.py").write_text(CONFTEST.format(limit=images))
    (folder / "test_labels.py").write_text(TEST)
    command = [sys.executable, "-m", "pytest", "-v", "--envrobust", "--envrobust-cache-dir", folder / "cache"]
    command += [f"--envrobust-env={environment}" for environment in environments]
    command += ["--rootdir", folder, "-c", "/dev/null", "-o", f"pythonpath={DEMO}", folder / "test_labels.py"]
    cold = run(command, cwd=folder)
    output = (folder / "output.txt").read_text()
    if f"{len(environments)} passed" not in output:
        sys.exit(output)
    warm = run(command, cwd=folder)
    shutil.rmtree(folder)
    return Round(cold, _stages(output, cold.wall), again=warm)


def _stages(output: str, total: float) -> dict[str, float]:
    """Seconds from each line of progress to the next."""
    lines = [(float(seconds), text) for seconds, text in PROGRESS.findall(output)]
    parts: dict[str, float] = defaultdict(float)
    parts["start and collect"] = lines[0][0]
    for (start, text), (end, _) in zip(lines, [*lines[1:], (total, "")]):
        parts[text] += end - start
    return parts


def _medians(costs: list[Cost]) -> tuple[float, float]:
    return median([cost.wall for cost in costs]), median([cost.cpu for cost in costs])


def main() -> None:
    """Measure and report."""
    options = arguments(
        "The plugin's wall time beside that of bare scripts.",
        rounds=3,
        envs={
            "nargs": "+",
            "default": list(SCRIPTS),
            "choices": list(SCRIPTS),
            "metavar": "ENV",
            "help": f"environments, of {', '.join(SCRIPTS)} (default: all)",
        },
        images={"type": int, "default": 20, "help": "photographs, at most 20 (default: %(default)s)"},
    )
    with tempfile.TemporaryDirectory(prefix="envrobust-overhead-") as name:
        folder = Path(name)
        rounds = in_turns(
            options.rounds,
            lambda number: scripts(options.envs, options.images, folder / f"scripts{number}"),
            lambda number: plugin(options.envs, options.images, folder / f"plugin{number}"),
        )
    bare, tested = zip(*rounds)
    rows: list[tuple[object, ...]] = []
    for title, side in (("bare scripts", bare), ("plugin, empty cache", tested)):
        rows += [(f"  {part}", median([each.parts.get(part, 0.0) for each in side]), "") for part in side[0].parts]
        rows.append((title, *_medians([each.first for each in side])))
    rows.append(("plugin, again", *_medians([each.again for each in tested])))
    cold = [(mine.first, theirs.first) for theirs, mine in rounds]
    warm = [(mine.again, mine.first) for mine in tested]
    report(
        f"EfficientNet-Lite0 in {len(options.envs)} environments on {options.images} photographs, "
        f"{options.rounds} rounds in turns",
        {
            "cold_ratio": median([mine.wall / theirs.wall for mine, theirs in cold]),
            "warm_ratio": median([again.wall / first.wall for again, first in warm]),
            "cold_cpu_ratio": median([mine.cpu / theirs.cpu for mine, theirs in cold]),
            "warm_cpu_ratio": median([again.cpu / first.cpu for again, first in warm]),
            "environments": options.envs,
            "images": options.images,
        },
        columns=("seconds, median", "wall", "CPU"),
        rows=rows,
        targets={"cold_ratio": 1.25, "warm_ratio": 0.25},
        json_path=options.json,
    )


if __name__ == "__main__":
    main()
