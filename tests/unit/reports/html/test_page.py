"""The HTML report: whole, safe, complete without network and script, and silent about what the record lacks."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Callable, Iterator
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from msgspec.structs import replace
from support.records import Synthetic, record_of, synthetic

from pytest_envrobust.comparison.accuracy import holm
from pytest_envrobust.comparison.labels import compare_labels
from pytest_envrobust.core.errors import DeclarationError
from pytest_envrobust.core.status import Status
from pytest_envrobust.core.timing import Timing
from pytest_envrobust.core.wording import percent
from pytest_envrobust.history.view import NO_MODEL
from pytest_envrobust.record import codec
from pytest_envrobust.record.document import read_record
from pytest_envrobust.record.label_part import labels_part
from pytest_envrobust.record.latency_part import latency_part
from pytest_envrobust.record.predictions import Predictions
from pytest_envrobust.record.schema import (
    Analysis,
    Cell,
    Invariant,
    Labels,
    Latency,
    Machine,
    Model,
    OtherPart,
    Record,
    ReferenceRun,
    Scores,
    Times,
)
from pytest_envrobust.reports.html.page import html_report, write_html
from pytest_envrobust.timing.evidence import LatencyEvidence

VOID = {"meta", "br", "img", "link", "input", "hr", "wbr"}
NOTHING = Predictions(Path("none.npz"))


class Page(HTMLParser):
    """A page read strictly: every element is closed where it should be; its elements, ids, tables and text."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str]]] = []
        self.text = ""
        self._open: list[str] = []
        self._section = ""
        self._tables: dict[tuple[str, str], list[list[str]]] = {}
        self._rows: list[list[str]] = []
        self.feed(text)
        self.close()
        assert self._open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        attributes = {name: value or "" for name, value in attrs}
        self.elements.append((tag, attributes))
        if tag not in VOID:
            self._open.append(tag)
        if tag == "section":
            self._section = attributes["aria-labelledby"]
        elif attributes.get("role") == "region":
            self._rows = self._tables[self._section, attributes["aria-label"]] = []
        elif tag == "tr":
            self._rows.append([])
        elif tag in ("td", "th"):
            self._rows[-1].append("")
        elif tag == "br" and self._rows:
            self._rows[-1][-1] += " "

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, {name: value or "" for name, value in attrs}))

    def handle_endtag(self, tag: str) -> None:
        assert self._open.pop() == tag

    def handle_data(self, data: str) -> None:
        if "style" not in self._open:
            self.text += data
        if "td" in self._open or "th" in self._open:
            self._rows[-1][-1] += data

    def table(self, label: str, section: str = "model-1") -> dict[str, dict[str, str]]:
        """The rows of a table by the first cell: the texts by heading, that below no heading as ``""``."""
        heads, *rows = [[" ".join(cell.split()) for cell in row] for row in self._tables[section, label]]
        heads = [head if head[:1].isalpha() else "" for head in heads]
        return {row[0]: dict(zip(heads, row)) for row in rows if len(row) == len(heads)}

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


@pytest.fixture(scope="module")
def small() -> Synthetic:
    return synthetic(environments=4, inputs=20, disagreement=3.0)


def changed(run: Synthetic, **parts: Any) -> Synthetic:
    """With other parts of the record."""
    return dataclasses.replace(run, record=replace(run.record, **parts))


def with_cells(run: Synthetic, change: Callable[[Cell], Cell]) -> Synthetic:
    return changed(run, cells=[change(cell) for cell in run.record.cells])


def with_model(run: Synthetic, **parts: Any) -> Synthetic:
    """Of a run of one model, with other parts of it."""
    (model,) = run.record.models
    return changed(run, models=[replace(model, **parts)])


def with_analysis(run: Synthetic, **parts: Any) -> Synthetic:
    return with_model(run, analysis=replace(analysis_in(run), **parts))


def with_run(run: Synthetic, **parts: Any) -> Synthetic:
    return dataclasses.replace(run, record=replace(run.record, run=replace(run.record.run, **parts)))


def with_latencies(run: Synthetic, change: Callable[[int, Latency], Latency]) -> Synthetic:
    """With other times in the items that were about time, which are numbered."""
    numbers = {cell.nodeid: number for number, cell in enumerate(timed_cells(run))}

    def other(cell: Cell) -> Cell:
        if cell.latency is None or cell.nodeid not in numbers:
            return cell
        return replace(cell, latency=change(numbers[cell.nodeid], cell.latency))

    return with_cells(run, other)


def timed_cells(run: Synthetic) -> list[Cell]:
    return [cell for cell in run.record.cells if cell.latency is not None and cell.latency.was_asked_for]


def latencies(run: Synthetic) -> list[Latency]:
    """Of the items that were about time."""
    return [cell.latency for cell in timed_cells(run) if cell.latency is not None]


def labels_in(run: Synthetic) -> list[tuple[Cell, Labels]]:
    return [(cell, cell.labels) for cell in run.record.cells if cell.labels is not None]


def analysis_in(run: Synthetic) -> Analysis:
    (model,) = run.record.models
    assert model.analysis is not None
    return model.analysis


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
    failed = sum(cell.status in (Status.FAILED, Status.CRASHED) for cell in run.record.cells)
    environments = {cell.name for cell in run.record.cells}
    assert f"{failed} of {len(environments) - 4} cells failed" in page.text
    assert "Labels changed most with the framework" in page.text
    assert "Time changed most with the compiler" in page.text
    assert "model-0 and model-1: weights in torch and keras: seeded, not trained (seed 0)" in page.text


def test_each_environment_has_its_labels_and_its_reason(run: Synthetic, page: Page) -> None:
    for cell in run.record.cells:
        assert cell.environment is not None
        assert cell.environment in page.text
        assert (cell.reason or "") in page.text
    for number, model in enumerate(run.record.models, 1):
        rows = page.table("Environments", f"model-{number}")
        for cell, labels in labels_in(run):
            if cell.model != model.name:
                continue
            row = rows[cell.environment or ""]
            bound = "" if cell.is_reference else f", ≥ {percent(labels.bound)}"
            counted = f"{round(labels.agreement * labels.n)}/{labels.n}"
            assert row["agreement limit ≥ 0.9"] == f"{percent(labels.agreement)} {counted}{bound}"
            kinds = [(labels.flips.real, "real"), (labels.flips.tie, "tie" if labels.flips.tie == 1 else "ties")]
            assert row["flips"] == ", ".join(f"{count} {kind}" for count, kind in kinds if count)


def test_accuracy_stands_beside_the_environments(small: Synthetic) -> None:
    rows = page_of(small).table("Environments")
    tested = [each for each in analysis_in(small).accuracy or () if each.against_reference is not None]
    p_values = holm([each.against_reference.p for each in tested if each.against_reference is not None])
    adjusted = {each.environment: f"{p:.3f}" for each, p in zip(tested, p_values)}
    for accuracy in analysis_in(small).accuracy or ():
        row = rows[accuracy.environment]
        assert accuracy.top5 is not None
        assert accuracy.interval is not None
        low, high = (100 * end for end in accuracy.interval)
        assert row["accuracy top-1"] == f"{percent(accuracy.top1)} {low:.1f} to {high:.1f} %"
        assert row["accuracy top-5"] == percent(accuracy.top5)
        assert row["p (Holm)"] == adjusted.get(accuracy.environment, "")


def test_environments_of_the_same_bits_share_a_letter(page: Page) -> None:
    assert "torch/ort-off/cpu, torch/ort-basic/cpu, torch/ort-extended/cpu" in page.text
    assert "2 outputs given by several environments, bit for bit" in page.text


def test_flipped_inputs_have_cards_with_pictures_labels_and_margins(run: Synthetic, page: Page) -> None:
    flips = [(cell.model, flip) for cell, labels in labels_in(run) for flip in labels.flipped or ()]
    inputs = {(model, flip.input) for model, flip in flips}
    assert len(page.all("article")) == len(page.all("img")) == len(inputs) > 0
    names = run.record.models[0].class_names
    assert names is not None
    for _, flip in flips[:20]:
        assert flip.input in page.text
        assert f"{names[flip.expected]} ({flip.expected})" in page.text
        assert f"{names[flip.actual]} ({flip.actual})" in page.text
        assert f"reference, margin {flip.margin:.3g}" in page.text


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
    fixed = ("status", "stage", "factor", "kind", "from", "clock", "device", "verdict", "ties", "limit_on")
    data = codec.plain(small.record)
    for container, key in list(strings(data)):
        if key not in fixed and "/" not in container[key]:
            container[key] = f"{container[key]}{attack}"
    for model in data["models"]:  # names that others refer to
        model["inputs"] = list(dict.fromkeys(model["inputs"]))
    page = page_of(dataclasses.replace(small, record=codec.typed(data, Record)))
    assert not page.all("script")
    assert page.text.count(attack) > 20


ATTACK = '"><script>1</script>'


def attacked(small: Synthetic, where: str) -> Synthetic:
    """With markup in one kind of name."""
    (model,) = small.record.models
    cells = small.record.cells
    if where == "model":
        return with_cells(with_model(small, name=ATTACK), lambda cell: replace(cell, model=ATTACK))
    if where == "class":
        return with_model(small, class_names=[ATTACK for _ in model.class_names or ()])
    if where == "input":
        return with_cells(
            with_model(small, inputs=[f"{name}{ATTACK}" for name in model.inputs or ()]), with_attacked_flips
        )
    if where == "reason":
        return changed(small, cells=[*cells[:-1], replace(cells[-1], reason=ATTACK)])
    if where == "environment":
        return changed(small, cells=[*cells[:-1], replace(cells[-1], environment=f"torch/{ATTACK}/cpu")])
    if where == "notice":
        return with_analysis(small, notices=[ATTACK])
    if where == "version":
        return with_run(small, versions={ATTACK: ATTACK})
    if where == "check":
        part = OtherPart(figures={ATTACK: ATTACK, "more": 1})
        return with_cells(small, lambda cell: replace(cell, checks={ATTACK: part}))
    sources = model.sources or {}
    return with_model(small, sources={**sources, "torch": replace(sources["torch"], target=ATTACK)})


def with_attacked_flips(cell: Cell) -> Cell:
    if cell.labels is None:
        return cell
    flipped = [replace(flip, input=f"{flip.input}{ATTACK}") for flip in cell.labels.flipped or ()]
    return replace(cell, labels=replace(cell.labels, flipped=flipped))


@pytest.mark.parametrize(
    "where", ["model", "class", "input", "reason", "environment", "notice", "version", "target", "check"]
)
def test_markup_in_a_name_stays_text(small: Synthetic, where: str) -> None:
    page = page_of(attacked(small, where))
    assert not page.all("script")
    assert ATTACK in page.text


def test_without_predictions_cards_have_no_pictures(small: Synthetic) -> None:
    page = Page(html_report(small.record, NOTHING))
    assert page.all("article")
    assert not page.all("img")


@pytest.mark.parametrize(
    "part", ["labels", "latency", "route", "engine_evidence", "artifact", "output_digest", "reason"]
)
def test_what_cells_lack_is_left_out(small: Synthetic, part: str) -> None:
    page = page_of(with_cells(small, lambda cell: replace(cell, **{part: None})))
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
    page = page_of(with_model(small, **{part: None}))
    assert page.all("article")
    assert "None" not in page.text


@pytest.mark.parametrize(
    ("part", "nothing", "said"),
    [
        ("sensitivity", [], "What changes labels and time"),
        ("accuracy", None, "accuracy"),
        ("outputs", [], "top-5 sets"),
    ],
)
def test_what_an_analysis_lacks_is_left_out(small: Synthetic, part: str, nothing: Any, said: str) -> None:
    assert said in page_of(small).text
    text = page_of(with_analysis(small, **{part: nothing})).text
    assert said not in text
    assert "None" not in text


@pytest.mark.parametrize("part", ["labels", "time"])
def test_a_sensitivity_of_labels_or_time_alone_is_told(small: Synthetic, part: str) -> None:
    sensitivity = [replace(factor, **{part: None}) for factor in analysis_in(small).sensitivity]
    text = page_of(with_analysis(small, sensitivity=sensitivity)).text
    assert ("Labels changed most" in text) == (part == "time")
    assert ("Time changed most" in text) == (part == "labels")


@pytest.mark.parametrize("part", ["samples_ms", "cpu_ms", "ratio"])
def test_what_was_not_timed_is_left_out(small: Synthetic, part: str) -> None:
    def without(cell: Cell) -> Cell:
        return cell if cell.latency is None else replace(cell, latency=replace(cell.latency, **{part: None}))

    text = page_of(with_cells(small, without)).text
    assert ("Time of a call" in text) == (part != "samples_ms")
    assert ("time ratio" in text) == (part != "ratio")
    assert ("median wall ms" in text) == (part == "cpu_ms")


def test_the_ratio_stands_with_the_clock_that_was_judged_and_its_control(small: Synthetic) -> None:
    text = page_of(small).text
    assert "1.00 CPU" in text
    assert "A/A 1.004" in text
    assert "outside 3 %" not in text

    def doubtful(number: int, latency: Latency) -> Latency:
        if number == 1:
            ratio = {**(latency.ratio or {}), "wall": (2.1, 2.345, 2.6)}
            return replace(latency, clock="wall", control={"wall": (1.04, 1.0533, 1.06)}, ratio=ratio)
        return replace(latency, control_fault="its worker died", control=None) if number == 2 else latency

    page = page_of(with_latencies(small, doubtful))
    assert "2.35 wall" in page.text
    assert "? A/A 1.053, outside 3 %" in page.text
    assert "? A/A, not run" in page.text
    assert page.text.count("the A/A control could not run: its worker died") == 1
    assert (
        "A/A controls, the reference against itself: 2 of 3 outside 3 % or not run, by model: model-0 (2)" in page.text
    )


def test_a_control_that_could_not_run_is_told_without_any_ratio_too(small: Synthetic) -> None:
    def failed(number: int, latency: Latency) -> Latency:
        return replace(latency, ratio=None, control=None, control_fault="its worker died" if number else None)

    page = page_of(with_latencies(small, failed))
    assert "time ratio" in page.text
    assert page.text.count("? A/A, not run") == 3


def test_the_page_shows_what_the_times_of_a_record_are(small: Synthetic) -> None:
    """Each figure that the product writes of a time stands where it belongs."""
    page = page_of(small)
    rows, measurements = page.table("Environments"), page.table("How the times were taken")
    for cell, latency in zip(timed_cells(small), latencies(small)):
        row, how = rows[cell.environment or ""], measurements[cell.environment or ""]
        wall, cpu, first = latency.wall_ms, latency.cpu_ms, latency.first_call_ms
        assert wall is not None
        assert cpu is not None
        assert first is not None
        assert wall.p90 is not None
        assert row["wall ms"] == f"{wall.median:.2f} p90 {wall.p90:.2f}"
        assert row["CPU ms"] == f"{cpu.median:.2f}"
        assert row["first call ms"] == f"{first:.2f}"
        assert (how["clock"], how["rounds × calls"], how["warm-up calls"]) == ("CPU", "30 × 3", "12")
        assert (latency.rounds, latency.calls_a_turn, latency.warm_up_calls) == (30, 3, 12)
        if cell.is_reference:
            assert (row["time ratio"], how["visible slowdown"], how["A/A control"]) == ("", "", "")
            continue
        assert latency.ratio is not None
        assert latency.control is not None
        low, middle, high = latency.ratio["cpu"]
        assert row["time ratio"] == f"{middle:.2f} CPU {low:.2f} to {high:.2f}"
        assert how["visible slowdown"] == f"{latency.smallest_visible:.2f}×"
        low, middle, high = latency.control["cpu"]
        assert row[""] == f"A/A {middle:.3f}"
        assert how["A/A control"] == f"{middle:.3f} ({low:.3f} to {high:.3f})"


def test_tails_device_times_notices_and_a_missing_control_are_shown_as_the_product_writes_them(
    small: Synthetic,
) -> None:
    calls = [number * 10**5 for number in range(1, 401)]
    evidence = LatencyEvidence(
        Timing.of(calls, calls, [call // 2 for call in calls]),
        clock="wall",
        control_fault="its worker died",
        notices=("the machine runs on battery",),
    )
    written = latency_part(evidence)
    page = page_of(with_latencies(small, lambda number, latency: written if number == 1 else latency))
    row = page.table("Environments")["torch/ort-all/cpu"]
    assert (row["wall ms"], row["device ms"]) == ("20.05 p90 36.01 p99 39.60", "10.03")
    assert (row["time ratio"], row[""]) == ("", "? A/A, not run")
    how = page.table("How the times were taken")["torch/ort-all/cpu"]
    assert how["clock"] == "wall"
    assert how["doubts"] == "the A/A control could not run: its worker died; the machine runs on battery"


def test_flips_are_shown_as_the_product_writes_them(small: Synthetic) -> None:
    """A real flip that is known, a tie, and an input without a label."""
    expected = np.array([[9.0, 5.0], [5.001, 5.0], [9.0, 5.0], [9.0, 5.0]])
    actual = np.array([[5.0, 6.5], [5.0, 5.001], [np.nan, 5.0], [9.0, 5.0]])
    names = ["dog.jpg", "cat.jpg", "fog.jpg", "log.jpg"]
    written = labels_part(compare_labels(actual, expected, noise=0.002, inputs=names), 0.002, {0: "waits for a fix"})

    def flipped(cell: Cell) -> Cell:
        return cell if cell.labels is None or cell.is_reference else replace(cell, labels=written)

    page = page_of(with_cells(small, flipped))
    row = page.table("Environments")["torch/ort-all/cpu"]
    assert row["flips"] == "1 real, 1 tie, 1 undefined; 1 known"
    assert row["agreement"].startswith("25.0 % 1/4, ≥ ")
    cards = page.text.partition("Inputs whose label flips")[2]
    dog, cat, fog = (" ".join(cards.partition(f"{name}\n")[2].split("jpg")[0].split()) for name in names[:3])
    assert "reference, margin 4" in dog
    assert "real, margin 1.5, in 3 environments" in dog
    assert "known: waits for a fix" in dog
    assert "tie, margin 0.001, in 3 environments" in cat
    assert "no label" in fog
    assert "undefined, in 3 environments" in fog
    assert "known" not in cat + fog


def test_where_no_flip_was_possible_is_told_beside_the_agreement(small: Synthetic) -> None:
    told = {labels.out_of_reach for cell, labels in labels_in(small) if not cell.is_reference and labels.out_of_reach}
    assert told
    titles = {attributes.get("title", "") for attributes in page_of(small).all("td", class_="n")}
    for count in told:
        assert f"no flip was possible on {count}: margins over twice the largest difference" in titles


def test_tails_and_the_first_call_are_told_where_they_are_recorded(small: Synthetic) -> None:
    def first(number: int, latency: Latency) -> Latency:
        wall = replace(latency.wall_ms or Times(median=1.0), p90=20.25, p99=31.75)
        return replace(latency, wall_ms=wall, first_call_ms=123.4) if number == 0 else latency

    text = page_of(with_latencies(small, first)).text
    assert "p90 20.25p99 31.75" in text
    assert "firstcall ms" in text
    assert "123" in text
    without = with_latencies(small, lambda _, latency: replace(latency, first_call_ms=None))
    assert "firstcall ms" not in page_of(without).text


def test_device_time_has_a_column_where_it_was_read(small: Synthetic) -> None:
    assert "device ms" not in page_of(small).text

    def on_device(number: int, latency: Latency) -> Latency:
        return replace(latency, device_ms=Times(median=7.125, n=60)) if number == 1 else latency

    text = page_of(with_latencies(small, on_device)).text
    assert "device ms" in text
    assert "7.12" in text


def test_notices_of_a_timing_are_told_in_short_at_the_top_and_once_for_each_environment(small: Synthetic) -> None:
    def loaded(number: int, latency: Latency) -> Latency:
        notices = [f"the load average was {number + 1}.5 on 2 cores"] if number < 3 else latency.notices
        return replace(latency, notices=notices)

    page = page_of(with_latencies(small, loaded))
    top, _, below = page.text.partition("What changes labels and time")
    assert "Times are doubtful in 3 of 4 timed cells: the load average was 1.5-3.5 on 2 cores (3)" in top
    assert [below.count(f"the load average was {number}.5 on 2 cores") for number in (1, 2, 3)] == [1, 1, 1]
    assert "How the times were taken, and what makes them doubtful" in below


def test_throughput_has_a_table_where_there_are_points(small: Synthetic) -> None:
    assert "Throughput" not in page_of(small).text
    whole = synthetic(environments=4, inputs=20, points=True)
    page = page_of(whole)
    points = latencies(whole)[0].points
    assert points
    wall = points[0].median_on("wall")
    assert wall is not None
    assert f"{wall / 8:.2f}{8e3 / wall:.2f}" in page.text  # an image's milliseconds, then images a second
    assert page.text.count("cannot be timed at batch 8: its source takes batches of 1") == 2
    assert len([box for box in page.all("div") if box.get("aria-label") == "Throughput"]) == 1
    one = with_latencies(small, lambda number, latency: latency if number else replace(latency, batch=4))
    assert "Throughput" in page_of(one).text


def test_a_record_of_times_before_controls_and_clocks_is_shown_too(small: Synthetic) -> None:
    new = ("batch", "threads", "clock", "control", "rounds", "calls_a_turn", "warm_up_calls", "first_call_ms",
           "images_per_second", "smallest_visible")  # fmt: skip
    old = with_latencies(small, lambda _, latency: replace(latency, **dict.fromkeys(new)))
    text = page_of(old).text
    assert "1.00 CPU" in text
    assert "A/A" not in text
    assert "How the times were taken" not in text
    assert "None" not in text


def test_scores_and_invariants_have_columns_with_what_was_found(small: Synthetic) -> None:
    assert "absoluteerror" not in page_of(small).text
    scores = codec.typed(
        {"abs_error": 0.0123456, "relative_error": 0.25, "fidelity": {"exact": "torch/float64/cpu", "ratio": 1.5}},
        Scores,
    )
    held = [Invariant(name="finite", holds=True, said=""), Invariant(name="repeatable", holds=False, said="no")]
    page = page_of(with_cells(small, lambda cell: replace(cell, scores=scores, invariants=held)))
    row = page.table("Environments")["keras/graph/cpu"]
    assert (row["absolute error"], row["relative error"], row["fidelity ratio"]) == ("0.0123", "0.25", "1.5")
    assert row["invariants"] == "2 of 4 hold not repeatable, repeatable"


def test_another_check_has_a_column_with_its_figures(small: Synthetic) -> None:
    def checked(cell: Cell) -> Cell:
        parts = {
            "torch/ort-all/cpu": {"drift": OtherPart(figures={"angle": 0.125})},
            "keras/graph/cpu": {"drift": OtherPart(figures={"angle": 0.5, "inputs": 3})},
        }
        return replace(cell, checks=parts.get(cell.environment or ""))

    rows = page_of(with_cells(small, checked)).table("Environments")
    assert {name: row["drift"] for name, row in rows.items() if row["drift"]} == {
        "torch/ort-all/cpu": "0.125",
        "keras/graph/cpu": "angle 0.5, inputs 3",
    }


def test_a_line_that_explains_is_as_wide_as_the_table(small: Synthetic) -> None:
    assert analysis_in(small).accuracy is not None
    columns = 14  # the ratio has two
    spans = [attributes["colspan"] for attributes in page_of(small).all("td") if "colspan" in attributes]
    assert str(columns) in spans
    without = with_latencies(with_analysis(small, accuracy=None), lambda _, latency: replace(latency, ratio=None))
    spans = [attributes["colspan"] for attributes in page_of(without).all("td") if "colspan" in attributes]
    assert str(columns - 5) in spans


def test_the_governor_stands_with_the_processor(small: Synthetic) -> None:
    machine = replace(small.record.run.machine or Machine(), governor="powersave")
    assert "Example 9000, 8 cores, frequency governor powersave" in page_of(with_run(small, machine=machine)).text


def test_a_model_whose_declaration_failed_is_told(small: Synthetic) -> None:
    failed = Cell(nodeid="test_x[broken]", status=Status.FAILED, reason="source 'torch' of model 'broken' is no file")
    page = page_of(changed(small, cells=[*small.record.cells, failed]))
    assert NO_MODEL in page.text
    assert "(declaration)" in page.text
    assert "is no file" in page.text


@pytest.mark.parametrize("run_facts", [{}, {"threads": 1}, {"machine": {}}])
def test_a_record_without_models_makes_a_page(run_facts: dict[str, Any]) -> None:
    page = Page(html_report(record_of(**run_facts), NOTHING))
    assert "No cells were recorded" in page.text
    assert not page.all("table")


def test_a_model_without_cells_is_not_shown(small: Synthetic) -> None:
    assert "unused" not in page_of(changed(small, models=[*small.record.models, Model(name="unused")])).text


def test_absent_values_in_matrices_are_blank(small: Synthetic) -> None:
    matrices = analysis_in(small).matrices
    correlation = [[None for _ in row] for row in matrices.rank_correlation]
    largest = [[None for _ in matrices.largest_difference], *matrices.largest_difference[1:]]
    absent = replace(matrices, rank_correlation=correlation, largest_difference=largest)
    text = page_of(with_analysis(small, matrices=absent)).text
    assert "Rank correlation" not in text
    assert "Largest difference" in text
    assert "None" not in text


def test_what_was_recorded_elsewhere_needs_no_time(small: Synthetic) -> None:
    def elsewhere(cell: Cell) -> Cell:
        if cell.environment != "keras/graph/cpu":
            return cell
        return replace(
            cell, environment="keras/recorded/elsewhere", compiler="recorded", device="elsewhere", latency=None
        )

    assert "keras/recorded/elsewhere" in page_of(with_cells(small, elsewhere)).table("Environments")


def test_the_notices_of_a_run_are_told(small: Synthetic) -> None:
    earlier = ReferenceRun(path="x86.json", started="2026-01-02T03:04:05", machine=Machine(processor="Old One"))
    run = with_run(small, preprocess_from="reference", reference_run=earlier)
    run = with_model(run, guesses={"torch": "the preprocessing was guessed"})
    text = page_of(with_analysis(run, notices=["scores look like a softmax of a softmax"])).text
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
    bare = dataclasses.replace(small, thumbnails={})
    assert html_report(small.record, bare) == html_report(small.record, NOTHING)
