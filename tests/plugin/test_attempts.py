"""Tests that another plugin makes again, and verdicts that other plugins report."""

from __future__ import annotations

import json

import pytest

AGAIN = """
import pytest
from _pytest.runner import runtestprotocol


def pytest_runtest_protocol(item, nextitem):
    for last in (False, False, True):
        item.ihook.pytest_runtest_logstart(nodeid=item.nodeid, location=item.location)
        reports = runtestprotocol(item, nextitem=nextitem, log=False)
        again = not last and any(report.failed for report in reports)
        for report in reports:
            if again and report.failed:
                report.outcome = "rerun"
            if not again or {logs_each}:
                item.ihook.pytest_runtest_logreport(report=report)
        if not again:
            return True


def pytest_report_teststatus(report):
    if report.outcome == "rerun":
        return "rerun", "R", "RERUN"
"""
UNSTEADY = """
attempts = {}

def test_labels(envrobust):
    name = envrobust.environment.compiler
    attempts[name] = attempts.get(name, 0) + 1
    envrobust.assert_labels_agree()
    assert attempts[name] > {'ort-off': 2, 'ort-all': 0, 'ort-basic': 3}[name]
"""
ENVIRONMENTS = "--envrobust-env=onnx/ort-off/cpu,onnx/ort-all/cpu,onnx/ort-basic/cpu"


@pytest.mark.parametrize(("logs_each", "processes"), [(True, 0), (False, 0), (True, 2)])
def test_the_last_attempt_counts_and_the_others_are_told(project, logs_each: bool, processes: int) -> None:
    """Whether the plugin reports each attempt, as pytest-rerunfailures does, or the last alone, as flaky does."""
    if processes:
        pytest.importorskip("xdist")
    project.declare_colors(AGAIN.format(logs_each=logs_each))
    project.write("test_it.py", UNSTEADY)
    distributed = ("-n", str(processes)) if processes else ()
    result = project.run(ENVIRONMENTS, "--envrobust-markdown=run.md", *distributed, plugins=("xdist",))
    assert "2 passed" in result.stdout.str()
    cells = {cell["environment"]: cell for cell in project.record()["cells"]}
    assert len(project.record()["cells"]) == 3
    found = {name: (cell["status"], len(cell.get("attempts", []))) for name, cell in cells.items()}
    assert found == {
        "onnx/ort-off/cpu": ("passed", 2),
        "onnx/ort-all/cpu": ("passed", 0),
        "onnx/ort-basic/cpu": ("failed", 2),
    }
    first, second = cells["onnx/ort-off/cpu"]["attempts"]
    assert first == {"status": "failed", "reason": "assert 1 > 2"}
    assert second["reason"] == "assert 2 > 2"
    told = "onnx/ort-off/cpu: passed at attempt 3; before it failed (assert 1 > 2); failed (assert 2 > 2)"
    assert told in result.stdout.str()
    markdown = (project.path / "run.md").read_text(encoding="utf-8")
    assert markdown.startswith("### ❌ envrobust: 1 failed, 2 passed of 3 cells\n")
    assert "passed at attempt 3" in markdown


REPORTER = """
import json
import pytest


class Reporter:
    found = {}

    %s
    def pytest_runtest_makereport(self, item, call):
        report = yield
        if report.when == "call":
            self.found[item.nodeid] = [report.outcome, call.excinfo is not None]
        return report

    def pytest_sessionfinish(self):
        with open("found.json", "w") as file:
            json.dump(self.found, file)


def pytest_configure(config):
    config.pluginmanager.register(Reporter())
"""


@pytest.mark.parametrize(
    ("order", "strict", "outcome"),
    [
        ("tryfirst=True", (), "skipped"),
        ("trylast=True", (), "skipped"),
        ("trylast=True", ("--envrobust-strict",), "failed"),
    ],
)
def test_no_reporter_takes_an_inconclusive_verdict_for_a_pass(
    project, order: str, strict: tuple[str, ...], outcome: str
) -> None:
    """Whenever in the order of hooks it looks: eight inputs show no agreement of 0.999."""
    hook = f"@pytest.hookimpl(wrapper=True, {order})"
    project.declare_colors(REPORTER % hook)
    project.write(
        "test_it.py", "def test_it(envrobust):\n    envrobust.assert_labels_agree(min_agreement=0.999, bound=True)\n"
    )
    project.run("--envrobust-env=onnx/ort-all/cpu", *strict)
    ((_, found),) = json.loads((project.path / "found.json").read_text(encoding="utf-8")).items()
    assert found == [outcome, True]
    (cell,) = project.record()["cells"]
    assert cell["labels"]["verdict"] == "inconclusive"
