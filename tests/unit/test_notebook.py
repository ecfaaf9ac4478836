"""A model's environments compared without pytest."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from support import nets

import pytest_envrobust as er
from pytest_envrobust.cli import main
from pytest_envrobust.core.status import Status

ROOT = Path(__file__).parents[2]
ORT_OFF, ORT_ALL = "onnx/ort-off/cpu", "onnx/ort-all/cpu"


@pytest.fixture
def net(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> er.Model:
    """A model whose files lie in the working directory."""
    pytest.importorskip("onnxruntime")
    monkeypatch.chdir(tmp_path)
    nets.write_onnx(Path("signs.onnx"))
    np.save("inputs.npy", nets.images(8))
    return er.Model("signs", sources={"onnx": "signs.onnx"}, inputs="inputs.npy")


def test_labels_and_limits(net: er.Model) -> None:
    said: list[str] = []
    limits = er.Thresholds(min_label_agreement=0.5, bound=True).where(ORT_ALL, min_label_agreement=0.9)
    record = er.compare(net, [ORT_OFF, ORT_ALL], limits=limits, json="run.json", say=said.append)
    off, best = record.cells
    assert [cell.nodeid for cell in record.cells] == [f"signs::labels[{name}]" for name in (ORT_OFF, ORT_ALL)]
    assert (off.status, off.labels and off.labels.agreement) == (Status.PASSED, 1.0)
    assert best.status is Status.INCONCLUSIVE  # eight inputs show no 0.9
    assert "8 of 8 shows 0.688" in (best.reason or "")
    assert best.compared
    assert best.output_digest
    assert best.route == ["onnx", "ort-all"]
    (model,) = record.models
    assert model.analysis is not None
    assert f"prepare signs in {ORT_ALL}" in said
    assert json.loads(Path("run.json").read_text(encoding="utf-8"))["cells"][1]["status"] == "inconclusive"
    with np.load("run.npz", allow_pickle=False) as kept:
        assert {off.output_digest, best.output_digest} <= set(kept.files)
    assert main(["report", "run.json", "--min-label-agreement", "0.6"]) == 0


def test_a_bound_is_taken_over_all_cells_that_are_compared(net: er.Model) -> None:
    limits = er.Thresholds(min_label_agreement=0.65, bound=True)
    others = [ORT_ALL, "onnx/ort-basic/cpu", "onnx/ort-extended/cpu"]
    alone, several = (er.compare(net, [ORT_OFF, *names], limits=limits) for names in (others[:1], others))
    assert [cell.status for cell in alone.cells[1:]] == [Status.PASSED]  # eight of eight show 0.688
    assert [cell.status for cell in several.cells[1:]] == [Status.INCONCLUSIVE] * 3
    assert "8 of 8 shows 0.599" in (several.cells[1].reason or "")
    assert {(cell.family.cells, cell.family.references) for cell in several.cells if cell.family} == {(3, 1)}


def test_a_cell_that_fails_is_an_entry(net: er.Model) -> None:
    limits = er.Thresholds(max_abs_error=1e-30, max_latency_ms=1e-9)
    record = er.compare(net, ["onnx/tvm-o0/cpu"], checks=["scores", "finite"], limits=limits)
    scores, finite = record.cells
    if scores.status is Status.UNAVAILABLE:
        pytest.skip(scores.reason or "")
    assert (scores.status, finite.status) == (Status.FAILED, Status.PASSED)
    assert "limit 1e-30" in (scores.reason or "")
    assert scores.scores is not None
    assert scores.latency is not None
    assert scores.latency.verdict is None  # nobody asked for the check that this limit is one of


@pytest.mark.parametrize(
    ("environments", "more", "message"),
    [
        (["onnx/ort-al/cpu"], {}, "'onnx/ort-al/cpu' \\(environments\\) is not an environment"),
        ([ORT_ALL], {"reference": "onnx/none/cpu"}, "'onnx/none/cpu' \\(reference\\) is not an environment"),
        ([ORT_ALL], {"checks": ["lables"]}, "there is no check 'lables'.*did you mean 'labels'"),
        (
            [ORT_ALL],
            {"limits": er.Thresholds().where("*/otr-*/*", ties="ignore")},
            "where\\('\\*/otr-\\*/\\*', ties='ignore'\\) .* has no effect: it matches no environment of this run "
            "\\(did you mean '\\*/ort-\\*/\\*'",
        ),
    ],
)
def test_what_there_cannot_be_is_an_error(net: er.Model, environments, more, message: str) -> None:
    with pytest.raises(er.DeclarationError) as found:
        er.compare(net, environments, **more)
    assert re.search(message, found.value.headline)


def test_the_block_of_the_documentation_runs_without_pytest(net: er.Model) -> None:
    text = (ROOT / "docs" / "runs.md").read_text(encoding="utf-8")
    (block,) = re.findall(r"^```python\n(import pytest_envrobust.*?)^```$", text, re.DOTALL | re.MULTILINE)
    code = f"{block}\nimport sys\nassert 'pytest' not in sys.modules\n"
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=300)
    assert found.returncode == 0, found.stderr
    assert f"{ORT_ALL} passed 1.0 None" in found.stdout.splitlines()


def test_what_an_interrupted_comparison_found_is_kept_and_said_to_be_a_part(net: er.Model) -> None:
    said: list[str] = []

    def interrupting(line: str) -> None:
        said.append(line)
        if line == f"prepare signs in {ORT_ALL}":
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        er.compare(net, [ORT_OFF, ORT_ALL], json="run.json", say=interrupting)
    record = json.loads(Path("run.json").read_text(encoding="utf-8"))
    assert record["run"]["interrupted"] == "KeyboardInterrupt"
    assert [cell["status"] for cell in record["cells"]] == ["passed", "not-run"]
    assert main(["merge", "run.json"]) == 1
