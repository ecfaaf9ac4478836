"""The drawings of a model: times, and agreement against time."""

from __future__ import annotations

from typing import Any

from support.records import record_of

from pytest_envrobust.history.view import ModelView, model_views
from pytest_envrobust.reports.html.drawings import pareto_drawing, time_drawing


def view(**rows: dict[str, Any]) -> ModelView:
    """A model's view: environments ``torch/NAME/cpu`` with these entries."""
    cells = [
        {"model": "signs", "environment": f"torch/{name}/cpu", "reference": "", "status": "passed", **entry}
        for name, entry in rows.items()
    ]
    (found,) = model_views(record_of(cells))
    return found


def row(agreement: float, wall: float, cpu: float | None = None, origin: str = "pairs") -> dict[str, Any]:
    latency: dict[str, Any] = {"wall_ms": {"median": wall, "n": 9}, "from": origin}
    if cpu is not None:
        latency["cpu_ms"] = {"median": cpu, "n": 9}
    flips = {"real": 0, "tie": 0, "undefined": 0}
    return {"labels": {"agreement": agreement, "n": 100, "bound": 0.5, "flips": flips}, "latency": latency}


def test_faster_is_further_left_and_more_agreement_further_up() -> None:
    drawing = pareto_drawing(view(a=row(1.0, 9.0, 8.0), b=row(0.8, 3.0, 2.0)))
    assert drawing is not None
    dots = {dot.text.partition(":")[0]: dot for dot in drawing.dots}
    assert dots["torch/b/cpu"].x < dots["torch/a/cpu"].x
    assert dots["torch/a/cpu"].y < dots["torch/b/cpu"].y
    assert drawing.clock == "cpu"
    assert dots["torch/b/cpu"].text == "torch/b/cpu: 80.0 %, 2.00 ms"
    assert set(drawing.best) == {"torch/a/cpu", "torch/b/cpu"}
    assert drawing.said == ""


def test_what_is_slower_and_agrees_less_is_not_on_the_front() -> None:
    drawing = pareto_drawing(view(a=row(1.0, 3.0), b=row(0.8, 9.0)))
    assert drawing is not None
    assert drawing.best == ("torch/a/cpu",)
    assert [dot.is_best for dot in drawing.dots] == [True, False]


def test_where_one_has_no_cpu_time_all_are_drawn_by_wall_time() -> None:
    drawing = pareto_drawing(view(a=row(1.0, 9.0, 8.0), b=row(0.8, 3.0)))
    assert drawing is not None
    assert drawing.clock == "wall"
    assert len(drawing.dots) == 2


def test_where_all_agree_equally_a_sentence_names_the_fastest() -> None:
    drawing = pareto_drawing(view(a=row(0.9, 9.0, 8.0), b=row(0.9, 3.0, 2.0)))
    assert drawing is not None
    assert drawing.said == (
        "All 2 environments agree with the reference in 90.0 % of the labels. The fastest is torch/b/cpu, "
        "2.00 ms of CPU time a call."
    )


def test_times_of_predictions_are_not_drawn_beside_times_that_were_asked_for() -> None:
    mixed = pareto_drawing(view(a=row(1.0, 9.0), b=row(0.8, 3.0), c=row(0.9, 1.0, origin="predictions")))
    assert mixed is not None
    assert mixed.untimed == 1
    assert len(mixed.dots) == 2
    alone = pareto_drawing(view(b=row(0.8, 3.0, origin="predictions"), c=row(0.9, 1.0, origin="predictions")))
    assert alone is not None
    assert (len(alone.dots), alone.untimed) == (2, 0)


def test_one_environment_is_no_drawing() -> None:
    assert pareto_drawing(view(a=row(1.0, 9.0))) is None
    assert time_drawing(view(a=row(1.0, 9.0))) is None


def timed(wall: list[float], cpu: list[float] | None = None, origin: str = "pairs") -> dict[str, Any]:
    samples = {"wall": wall} if cpu is None else {"wall": wall, "cpu": cpu}
    return {"latency": {"wall_ms": {"median": wall[0], "n": len(wall)}, "samples_ms": samples, "from": origin}}


def test_each_clock_that_was_read_has_a_box() -> None:
    drawing = time_drawing(view(a=timed([5.0] * 9, [4.0] * 9), b=timed([50.0] * 9, origin="predictions")))
    assert drawing is not None
    first, second = drawing.lines
    assert [clock for clock, _ in first.boxes] == ["wall", "cpu"]
    assert [clock for clock, _ in second.boxes] == ["wall"]
    assert first.boxes[0][1].middle < second.boxes[0][1].middle
    assert (first.is_untimed, second.is_untimed) == (False, True)
    assert first.text == "wall 5.00 to 5.00 ms, cpu 4.00 to 4.00 ms"
    assert first.y < second.y < drawing.height


def test_the_axis_of_times_is_logarithmic_where_they_span_much() -> None:
    near, far = (time_drawing(view(a=timed([1.0] * 6), b=timed([slow] * 6))) for slow in (10.0, 100.0))
    assert near is not None
    assert far is not None
    assert (near.axis.log, far.axis.log) == (False, True)


def test_too_few_samples_make_no_box() -> None:
    assert time_drawing(view(a=timed([1.0, 2.0]))) is None
