"""What two processes are worth: label cells of EfficientNet-Lite0 by pytest, and by ``pytest -n 2``.

Both run the same cells in turns, with a store that has all conversions and a pytest cache that knows how long each cell
took before. ``speedup`` is the median of one process's wall time over that of two. Each process of pytest-xdist imports
what its cells need, and runs the reference for itself.
"""

from __future__ import annotations

import shutil
import sys
import tempfile
from functools import partial
from pathlib import Path

from _common import Cost, arguments, in_turns, median, report, run

DEMO = Path(__file__).resolve().parent.parent / "examples" / "demo"
ENVIRONMENTS = (
    *("torch/eager/cpu", "torch/eager/cpu+sse41", "torch/eager/cpu+avx2", "torch/script/cpu", "torch/script/cpu+sse41"),
    *(
        "torch/script/cpu+avx2",
        "torch/inductor/cpu",
        "torch/aotinductor/cpu",
        "torch/ort-off/cpu",
        "torch/ort-basic/cpu",
    ),
    *("torch/ort-extended/cpu", "torch/ort-all/cpu", "torch/openvino-f32/cpu", "torch/openvino-f32/cpu+sse41"),
    *("torch/openvino-f32/cpu+avx2", "torch/tvm-o0/cpu", "torch/tvm-o1/cpu", "torch/tvm-o2/cpu", "torch/tvm-o3/cpu"),
    *("torch/tvm-o3/cpu+avx2", "torch/tvm-o4/cpu"),
)
"""Those of the demo's torch model that any x86 processor with AVX2 has."""
CONFTEST = """
import pytest_envrobust as er
from demo_models import photographs

LITE0 = er.Preprocess(resize=256, filter="bicubic", crop=224, mean=(127, 127, 127), std=(128, 128, 128))

def pytest_envrobust_models(config):
    inputs = er.ImageFolder(photographs(), LITE0, pattern="imagenet_*.jpg")
    return [er.Model("lite0", sources={"torch": "demo_models:efficientnet_lite0"}, inputs=inputs)]
"""
TEST = "def test_labels(envrobust):\n    envrobust.assert_labels_agree()\n"


def labels(environments: list[str], folder: Path, processes: int) -> Cost:
    """Run the label cells in so many processes. Exits where one does not pass."""
    command = [sys.executable, "-m", "pytest", "-o", f"cache_dir={folder / 'pytest-cache'}", "--envrobust"]
    command += [f"--envrobust-cache-dir={folder / 'cache'}", *(f"--envrobust-env={name}" for name in environments)]
    command += [f"--rootdir={folder}", "-c", "/dev/null", "-o", f"pythonpath={DEMO}", str(folder / "test_labels.py")]
    command += [f"--numprocesses={processes}"] if processes > 1 else []
    cost = run(command, cwd=folder)
    output = (folder / "output.txt").read_text()
    if f"{len(environments)} passed" not in output:
        sys.exit(output)
    return cost


def main() -> None:
    """Measure and report."""
    options = arguments(
        "How much faster label cells are in two processes.",
        rounds=5,
        envs={
            "nargs": "+",
            "default": list(ENVIRONMENTS),
            "metavar": "ENV",
            "help": "environments (default: the demo's 21)",
        },
    )
    with tempfile.TemporaryDirectory(prefix="envrobust-scaling-") as name:
        folder = Path(name)
        (folder / "conftest.py").write_text(CONFTEST)
        (folder / "test_labels.py").write_text(TEST)
        labels(options.envs, folder, 1)  # fills store and cache
        one, two = (partial(labels, options.envs, folder, processes) for processes in (1, 2))
        rounds = in_turns(options.rounds, lambda _: one(), lambda _: two())
        shutil.rmtree(folder / "cache")
    alone, beside = zip(*rounds)
    rows = [
        (title, median([cost.wall for cost in side]), median([cost.cpu for cost in side]))
        for title, side in (("one process", alone), ("-n 2", beside))
    ]
    report(
        f"Labels of EfficientNet-Lite0 on 20 photographs in {len(options.envs)} environments, "
        f"{options.rounds} rounds in turns",
        {"speedup": median([first.wall / second.wall for first, second in rounds]), "environments": options.envs},
        columns=("seconds, median", "wall", "CPU"),
        rows=rows,
        targets={},
        json_path=options.json,
    )


if __name__ == "__main__":
    main()
