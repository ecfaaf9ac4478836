"""The HTML report: whole, safe, complete without network and script, and silent about what the record lacks."""

from __future__ import annotations

import copy
import re
from collections.abc import Iterator
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest
from support.records import Synthetic, synthetic

from pytest_envrobust.checks.figures import was_timed
from pytest_envrobust.core.errors import DeclarationError
from pytest_envrobust.history.view import NO_MODEL
from pytest_envrobust.record.document import new_record, read_record
from pytest_envrobust.record.predictions import Predictions
from pytest_envrobust.reports.html.page import html_report, write_html

VOID = {"meta", "br", "img", "link", "input", "hr", "wbr"}
NOTHING = Predictions(Path("none.npz"))


class Page(HTMLParser):
    """A page read strictly: every element is closed where it should be; its elements, ids and text."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str]]] = []
        self.text = ""
        self._open: list[str] = []
        self.feed(text)
        self.close()
        assert self._open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, {name: value or "" for name, value in attrs}))
        if tag not in VOID:
            self._open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, {name: value or "" for name, value in attrs}))

    def handle_endtag(self, tag: str) -> None:
        assert self._open.pop() == tag

    def handle_data(self, data: str) -> None:
        if "style" not in self._open:
            self.text += data

    def all(self, tag: str, **wanted: str) -> list[dict[str, str]]:
        return [
            attributes
            for name, attributes in self.elements
            if name == tag and all(value in attributes.get(key.strip("_"), "").split() for key, value in wanted.items())
        ]


def page_of(run: Synthetic) -> Page:
    return Page(html_report(run.record, run))


@pytest.fixture(scope="module")
def run() -> Synthetic:
    return synthetic(models=2, environments=12, inputs=40)


@pytest.fixture(scope="module")
def page(run: Synthetic) -> Page:
    return page_of(run)


@pytest.fixture
def small() -> Synthetic:
    """One that a test may change."""
    return copy.deepcopy(synthetic(environments=4, inputs=20, disagreement=3.0))


def strings(value: Any) -> Iterator[tuple[Any, Any]]:
    """Every container and key in a record below which a text stands."""
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, item in items:
        if isinstance(item, str):
            yield value, key
        else:
            yield from strings(item)


def test_a_page_has_unique_ids_that_its_links_lead_to(page: Page) -> None:
    ids = [attributes["id"] for _, attributes in page.elements if "id" in attributes]
    assert len(ids) == len(set(ids))
    links = [attributes["href"] for attributes in page.all("a")]
    assert {"#model-1", "#model-2"} <= set(links)
    assert {link.removeprefix("#") for link in links} <= set(ids)
    for _, attributes in page.elements:
        assert set(attributes.get("aria-labelledby", "").split()) <= set(ids)


def test_a_page_needs_no_network_and_no_script(run: Synthetic, page: Page) -> None:
    assert not {tag for tag, _ in page.elements} & {"script", "link", "iframe", "object", "embed", "base"}
    for _, attributes in page.elements:
        assert not any(name.startswith("on") for name in attributes)
        assert attributes.get("src", "data:").startswith("data:image/jpeg;base64,") or "src" not in attributes
        assert attributes.get("href", "#").startswith("#")
    text = html_report(run.record, run)
    assert "http://" not in text
    assert "https://" not in text
    assert "@import" not in text
    assert "url(" not in text


def test_every_drawing_has_words_and_every_table_headers(page: Page) -> None:
    for drawing in page.all("svg"):
        assert drawing.get("aria-hidden") == "true" or drawing.get("role") == "img"
    assert len(page.all("desc")) == len(page.all("svg", role="img")) > 0
    assert len(page.all("table")) == len(page.all("thead"))
    assert all("scope" in header for header in page.all("th"))


def test_wide_content_scrolls_in_its_own_box_that_a_keyboard_reaches(page: Page) -> None:
    boxes = page.all("div", class_="scroll")
    assert len(boxes) >= len(page.all("table"))
    assert all(item["tabindex"] == "0" and item["aria-label"] for item in boxes)


def test_the_verdict_counts_cells_and_says_what_changed_most(run: Synthetic, page: Page) -> None:
    failed = sum(cell["status"] in ("failed", "crashed") for cell in run.record["cells"])
    environments = {(cell["model"], cell["environment"]) for cell in run.record["cells"]}
    assert f"{failed} of {len(environments) - 4} cells failed" in page.text
    assert "Labels changed most with the framework" in page.text
    assert "Time changed most with the compiler" in page.text
    assert "model-0 and model-1: weights in torch and keras: seeded, not trained (seed 0)" in page.text


def test_each_environment_has_its_figures(run: Synthetic, page: Page) -> None:
    for cell in run.record["cells"]:
        assert cell["environment"] in page.text
        assert cell.get("reason", "") in page.text
        if "labels" in cell:
            agreeing = round(cell["labels"]["agreement"] * cell["labels"]["n"])
            assert f"{agreeing}/{cell['labels']['n']}" in page.text
    ratio = next(cell["latency"]["ratio"]["cpu"] for cell in run.record["cells"] if "ratio" in cell.get("latency", {}))
    assert f"{ratio[0]:.2f} to {ratio[2]:.2f}" in page.text


def test_environments_of_the_same_bits_share_a_letter(page: Page) -> None:
    assert "torch/ort-off/cpu, torch/ort-basic/cpu, torch/ort-extended/cpu" in page.text
    assert "2 outputs given by several environments, bit for bit" in page.text


def test_flipped_inputs_have_cards_with_pictures_labels_and_margins(run: Synthetic, page: Page) -> None:
    flips = [flip for cell in run.record["cells"] for flip in cell.get("labels", {}).get("flipped", ())]
    inputs = {(cell["model"], flip["input"]) for cell in run.record["cells"]
              for flip in cell.get("labels", {}).get("flipped", ())}  # fmt: skip
    assert len(page.all("article")) == len(page.all("img")) == len(inputs) > 0
    names = run.record["models"][0]["class_names"]
    for flip in flips[:20]:
        assert flip["input"] in page.text
        assert f"{names[flip['actual']]} ({flip['actual']})" in page.text


def test_the_run_is_told_at_the_end(run: Synthetic, page: Page) -> None:
    for said in (
        "Example 9000, 8 cores",
        "pytest --envrobust",
        "torch 2.13.0",
        "318 s",
        "32.0 GiB",
        "Linux 6.1 x86_64",
    ):
        assert said in page.text.partition("The run")[2]


def test_every_text_of_a_record_is_escaped(small: Synthetic) -> None:
    attack = "<script>alert('\"&')</script>"
    for container, key in list(strings(small.record)):
        if key not in ("status", "factor", "kind", "from", "clock", "device") and "/" not in container[key]:
            container[key] = f"{container[key]}{attack}"
    for model in small.record["models"]:  # names that others refer to
        model["inputs"] = list(dict.fromkeys(model["inputs"]))
    page = page_of(small)
    assert not page.all("script")
    assert page.text.count(attack) > 20


@pytest.mark.parametrize("where", ["model", "class", "input", "reason", "environment", "notice", "version", "target"])
def test_markup_in_a_name_stays_text(small: Synthetic, where: str) -> None:
    attack = '"><script>1</script>'
    record, model = small.record, small.record["models"][0]
    flipping = next(cell for cell in record["cells"] if cell.get("labels", {}).get("flipped"))
    if where == "model":
        model["name"] = attack
        for cell in record["cells"]:
            cell["model"] = attack
    elif where == "class":
        model["class_names"] = [attack for _ in model["class_names"]]
    elif where == "input":
        model["inputs"] = [f"{name}{attack}" for name in model["inputs"]]
        for flip in flipping["labels"]["flipped"]:
            flip["input"] = f"{flip['input']}{attack}"
    elif where == "reason":
        record["cells"][-1]["reason"] = attack
    elif where == "environment":
        record["cells"][-1]["environment"] = f"torch/{attack}/cpu"
    elif where == "notice":
        model["analysis"]["notices"] = [attack]
    elif where == "version":
        record["run"]["versions"][attack] = attack
    else:
        model["sources"]["torch"]["target"] = attack
    page = page_of(small)
    assert not page.all("script")
    assert attack in page.text


def test_without_predictions_cards_have_no_pictures(small: Synthetic) -> None:
    page = Page(html_report(small.record, NOTHING))
    assert page.all("article")
    assert not page.all("img")


@pytest.mark.parametrize(
    "part", ["labels", "latency", "route", "engine_evidence", "artifact", "output_digest", "reason"]
)
def test_what_cells_lack_is_left_out(small: Synthetic, part: str) -> None:
    for cell in small.record["cells"]:
        cell.pop(part, None)
    page = page_of(small)
    heads = page.text.partition("· 20 inputs")[2].partition("torch/eager/cpu")[0]
    assert "status" in heads
    if title := {"labels": "agreement", "latency": "wall ms", "output_digest": "output"}.get(part):
        assert title not in heads
    assert "torch/ort-all/cpu" in page.text
    assert "None" not in page.text


@pytest.mark.parametrize(
    "part",
    ["analysis", "class_names", "truth", "truth_from", "input_digests", "inputs", "sources", "guesses"],
)
def test_what_a_model_lacks_is_left_out(small: Synthetic, part: str) -> None:
    del small.record["models"][0][part]
    page = page_of(small)
    assert page.all("article")
    assert "None" not in page.text


@pytest.mark.parametrize("part", ["sensitivity", "matrices", "accuracy", "notices"])
def test_what_an_analysis_lacks_is_left_out(small: Synthetic, part: str) -> None:
    del small.record["models"][0]["analysis"][part]
    page = page_of(small)
    absent = {"sensitivity": "What changes labels and time", "matrices": "Differences between", "accuracy": "top-5"}
    if part != "matrices":
        assert "Different top-5 sets" in page.text
    if part != "accuracy":
        assert absent.get(part, "not there at all") not in page.text


@pytest.mark.parametrize("part", ["labels", "time"])
def test_a_sensitivity_of_labels_or_time_alone_is_told(small: Synthetic, part: str) -> None:
    for entry in small.record["models"][0]["analysis"]["sensitivity"]:
        del entry[part]
    text = page_of(small).text
    assert ("Labels changed most" in text) == (part == "time")
    assert ("Time changed most" in text) == (part == "labels")


@pytest.mark.parametrize("part", ["samples_ms", "cpu_ms", "ratio"])
def test_what_was_not_timed_is_left_out(small: Synthetic, part: str) -> None:
    for cell in small.record["cells"]:
        cell.get("latency", {}).pop(part, None)
    text = page_of(small).text
    assert ("Time of a call" in text) == (part != "samples_ms")
    assert ("time ratio" in text) == (part != "ratio")
    assert ("median wall ms" in text) == (part == "cpu_ms")


def latencies(run: Synthetic) -> list[dict[str, Any]]:
    """Of the items that were about time."""
    return [cell["latency"] for cell in run.record["cells"] if was_timed(cell.get("latency", {}))]


def test_the_ratio_stands_with_the_clock_that_was_judged_and_its_control(small: Synthetic) -> None:
    text = page_of(small).text
    assert "1.00 CPU" in text
    assert "A/A 1.004" in text
    assert "outside 3 %" not in text
    _, one, other, *_ = latencies(small)
    one |= {"clock": "wall", "control": {"wall": [1.04, 1.0533, 1.06]}}
    one["ratio"]["wall"] = [2.1, 2.345, 2.6]
    other |= {"control_fault": "its worker died"}
    del other["control"]
    page = page_of(small)
    assert "2.35 wall" in page.text
    assert "? A/A 1.053, outside 3 %" in page.text
    assert "? A/A, not run" in page.text
    assert page.text.count("the A/A control could not run: its worker died") == 1
    assert (
        "A/A controls, the reference against itself: 2 of 3 outside 3 % or not run, by model: model-0 (2)" in page.text
    )


def test_tails_and_the_first_call_are_told_where_they_are_recorded(small: Synthetic) -> None:
    first = latencies(small)[0]
    first["wall_ms"] |= {"p90": 20.25, "p99": 31.75}
    first["first_call_ms"] = 123.4
    text = page_of(small).text
    assert "p90 20.25p99 31.75" in text
    assert "firstcall ms" in text
    assert "123" in text
    for cell in small.record["cells"]:
        cell.get("latency", {}).pop("first_call_ms", None)
    assert "firstcall ms" not in page_of(small).text


def test_device_time_has_a_column_where_it_was_read(small: Synthetic) -> None:
    assert "device ms" not in page_of(small).text
    latencies(small)[1]["device_ms"] = {"median": 7.125, "n": 60}
    text = page_of(small).text
    assert "device ms" in text
    assert "7.12" in text


def test_notices_of_a_timing_are_told_in_short_at_the_top_and_once_for_each_environment(small: Synthetic) -> None:
    for number, latency in enumerate(latencies(small)[:3], 1):
        latency["notices"] = [f"the load average was {number}.5 on 2 cores"]
    page = page_of(small)
    top, _, below = page.text.partition("What changes labels and time")
    assert "Times are doubtful in 3 of 4 timed cells: the load average was 1.5-3.5 on 2 cores (3)" in top
    assert [below.count(f"the load average was {number}.5 on 2 cores") for number in (1, 2, 3)] == [1, 1, 1]
    assert "How the times were taken, and what makes them doubtful" in below


def test_throughput_has_a_table_where_there_are_points(small: Synthetic) -> None:
    assert "Throughput" not in page_of(small).text
    whole = synthetic(environments=4, inputs=20, points=True)
    page = page_of(whole)
    wall = latencies(whole)[0]["points"][0]["wall_ms"]["median"]
    assert f"{wall / 8:.2f}{8e3 / wall:.2f}" in page.text  # an image's milliseconds, then images a second
    assert page.text.count("cannot be timed at batch 8: its source takes batches of 1") == 2
    assert len([box for box in page.all("div") if box.get("aria-label") == "Throughput"]) == 1
    latencies(small)[0]["batch"] = 4
    assert "Throughput" in page_of(small).text


def test_a_record_of_times_before_controls_and_clocks_is_shown_too(small: Synthetic) -> None:
    new = ("batch", "threads", "clock", "control", "rounds", "calls_a_turn", "warm_up_calls", "first_call_ms")
    for latency in latencies(small):
        for name in (*new, "images_per_second", "smallest_visible"):
            latency.pop(name, None)
    text = page_of(small).text
    assert "1.00 CPU" in text
    assert "A/A" not in text
    assert "How the times were taken" not in text
    assert "None" not in text


def test_the_governor_stands_with_the_processor(small: Synthetic) -> None:
    small.record["run"]["machine"]["governor"] = "powersave"
    assert "Example 9000, 8 cores, frequency governor powersave" in page_of(small).text


def test_a_model_whose_declaration_failed_is_told(small: Synthetic) -> None:
    small.record["cells"].append(
        {"nodeid": "test_x[broken]", "status": "failed", "reason": "source 'torch' of model 'broken' is no file"}
    )
    page = page_of(small)
    assert NO_MODEL in page.text
    assert "(declaration)" in page.text
    assert "is no file" in page.text


@pytest.mark.parametrize("run_facts", [{}, {"threads": 1}, {"machine": {}}])
def test_a_record_without_models_makes_a_page(run_facts: dict[str, Any]) -> None:
    page = Page(html_report(new_record(run_facts, [], []), NOTHING))
    assert "No cells were recorded" in page.text
    assert not page.all("table")


def test_a_model_without_cells_is_not_shown(small: Synthetic) -> None:
    record = {**small.record, "models": [*small.record["models"], {"name": "unused"}]}
    assert "unused" not in Page(html_report(record, small)).text


def test_absent_values_in_matrices_are_blank(small: Synthetic) -> None:
    matrices = small.record["models"][0]["analysis"]["matrices"]
    matrices["rank_correlation"] = [[None for _ in row] for row in matrices["rank_correlation"]]
    matrices["largest_difference"][0] = [None for _ in matrices["largest_difference"]]
    text = page_of(small).text
    assert "Rank correlation" not in text
    assert "Largest difference" in text
    assert "None" not in text


def test_what_was_recorded_elsewhere_needs_no_time(small: Synthetic) -> None:
    cell = next(cell for cell in small.record["cells"] if cell["environment"] == "keras/graph/cpu")
    cell.update(environment="keras/recorded/elsewhere", compiler="recorded", device="elsewhere")
    cell.pop("latency")
    assert "keras/recorded/elsewhere" in page_of(small).text


def test_the_notices_of_a_run_are_told(small: Synthetic) -> None:
    small.record["run"] |= {
        "preprocess_from": "reference",
        "reference_run": {"path": "x86.json", "started": "2026-01-02T03:04:05", "machine": {"processor": "Old One"}},
    }
    small.record["models"][0]["guesses"] = {"torch": "the preprocessing was guessed"}
    small.record["models"][0]["analysis"]["notices"] = ["scores look like a softmax of a softmax"]
    text = page_of(small).text
    assert "the reference's preprocessing, not its own" in text
    assert "an earlier run on Old One: x86.json, started 2026-01-02T03:04:05" in text
    assert "model-0: the preprocessing was guessed" in text
    assert "model-0: scores look like a softmax of a softmax" in text


def test_skipped_environments_are_folded_with_their_reason(small: Synthetic) -> None:
    page = page_of(small)
    assert "2 environments could not run here" in page.text
    assert page.text.count("cuda:0 is not here (no NVIDIA driver)") == 2


def test_a_report_is_written_from_files_whole(tmp_path: Path, small: Synthetic) -> None:
    record_path = small.write(tmp_path)
    target = tmp_path / "new" / "report.html"
    write_html(read_record(record_path), Predictions.beside(record_path), target)
    assert target.read_text(encoding="utf-8") == html_report(small.record, small)
    assert [file.name for file in target.parent.iterdir()] == ["report.html"]


def test_a_place_that_cannot_be_written_is_a_clear_error(tmp_path: Path, small: Synthetic) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(DeclarationError, match=r"report .*report\.html' cannot be written"):
        write_html(small.record, small, tmp_path / "file" / "report.html")


def test_light_dark_and_print_have_all_colors(page: Page, run: Synthetic) -> None:
    style = "".join(re.findall(r"<style>(.*?)</style>", html_report(run.record, run), re.DOTALL))
    roots = [set(re.findall(r"(--[\w-]+):", block)) for block in re.findall(r":root \{(.*?)\}", style, re.DOTALL)]
    assert len(roots) == 3
    assert roots[0] == roots[1] == roots[2] >= set(re.findall(r"var\((--[\w-]+)\)", style))


def luminance(color: str) -> float:
    """Relative luminance of ``#rrggbb``, as WCAG 2 defines it."""
    parts = [int(color[place : place + 2], 16) / 255 for place in (1, 3, 5)]
    linear = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(one: str, other: str) -> float:
    high, low = sorted((luminance(one), luminance(other)), reverse=True)
    return (high + 0.05) / (low + 0.05)


def test_text_stands_out_from_what_is_behind_it(run: Synthetic) -> None:
    page = html_report(run.record, run)
    for block in re.findall(r":root \{(.*?)\}", page, re.DOTALL):
        color = dict(re.findall(r"--([\w-]+): (#[0-9a-f]{6})", block))
        for ink in ("ink", "soft", "accent", "bad", "doubt"):
            assert contrast(color[ink], color["paper"]) >= 4.5, ink
        for step in range(1, 9):
            ink = color["on-pale" if step < 6 else "on-deep"]
            assert contrast(ink, color[f"q{step}"]) >= 4.5, step


def test_a_page_does_not_depend_on_where_predictions_come_from(tmp_path: Path, small: Synthetic) -> None:
    bare = replace(small, thumbnails={})
    assert html_report(small.record, bare) == html_report(small.record, NOTHING)
