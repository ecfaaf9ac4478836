"""Heat maps for the HTML report: the matrices between a model's distinct outputs, as tables of colored figures."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from pytest_envrobust.core.wording import percent
from pytest_envrobust.history.view import ModelView
from pytest_envrobust.record.schema import Analysis, Matrices, Matrix
from pytest_envrobust.reports.html.charts import HEAT_STEPS, heat_step
from pytest_envrobust.reports.words import compact, score

SMALL = 8
"""Up to so many distinct outputs, the maps of a model stand side by side; of more, all but the first are folded."""


@dataclass(frozen=True)
class HeatCell:
    """A figure and the step of its color, 0 .. 8; empty on the diagonal and where nothing is defined."""

    text: str
    step: int


@dataclass(frozen=True)
class HeatRow:
    """A row: the output's letter, the environments that gave it, its kind where they are of several, its cells."""

    letter: str
    environments: tuple[str, ...]
    kind: str
    cells: tuple[HeatCell, ...]


@dataclass(frozen=True)
class HeatMap:
    """A matrix to draw; no rows where all is equal. ``low`` and ``high``: the palest and the deepest color."""

    title: str
    unit: str
    summary: str
    low: str
    high: str
    letters: tuple[str, ...]
    rows: tuple[HeatRow, ...]

    @property
    def is_small(self) -> bool:
        return len(self.letters) <= SMALL


@dataclass(frozen=True)
class _Style:
    title: str
    unit: str
    matrix: Callable[[Matrices], Matrix]
    text: Callable[[float], str]
    summary: Callable[[float], str]
    same: float = 0.0
    log: bool = False


def heat_maps(view: ModelView, analysis: Analysis | None) -> list[HeatMap]:
    """The matrices of a model's analysis that have a figure for at least two distinct outputs."""
    if analysis is None or len(analysis.outputs) < 2:
        return []
    outputs = analysis.outputs
    letters = tuple(view.outputs.get(output.digest, str(number)) for number, output in enumerate(outputs))
    groups: list[tuple[str, ...]] = [
        tuple(name for name, of in zip(analysis.environments, analysis.output_of) if of == number)
        for number in range(len(outputs))
    ]
    kinds = [output.kind for output in outputs]
    heads = [
        (letter, group, kind if len(set(kinds)) > 1 else "") for letter, group, kind in zip(letters, groups, kinds)
    ]
    maps = (_heat_map(style, style.matrix(analysis.matrices), heads) for style in _STYLES)
    return [item for item in maps if item is not None]


def _heat_map(style: _Style, matrix: Matrix, heads: Sequence[tuple[str, tuple[str, ...], str]]) -> HeatMap | None:
    letters = tuple(letter for letter, _, _ in heads)
    apart = [(value, i, j) for i, j, value in _off_diagonal(matrix)]
    if not apart:
        return None
    falls = style.same == 1.0
    worst, i, j = (min if falls else max)(apart)
    if worst == style.same:
        return HeatMap(style.title, style.unit, f"{style.summary(worst)} between any two", "", "", letters, ())
    values = [value for value, _, _ in apart]
    low = min(value for value in values if value > 0) if style.log and max(values) > 0 else 0.0
    colored = _colored(style, low, worst)
    rows = tuple(
        HeatRow(
            *heads[row],
            tuple(
                HeatCell("", 0) if value is None or (row == column and value == style.same) else colored(value)
                for column, value in enumerate(values_of)
            ),
        )
        for row, values_of in enumerate(matrix)
    )
    extreme = "lowest" if falls else "largest"
    summary = f"{extreme} {style.summary(worst)}, between {letters[i]} and {letters[j]}"
    return HeatMap(
        style.title, style.unit, summary, style.text(style.same if falls else low), style.text(worst), letters, rows
    )


def _colored(style: _Style, low: float, worst: float) -> Callable[[float], HeatCell]:
    def cell(value: float) -> HeatCell:
        if style.same == 1.0:
            return HeatCell(style.text(value), heat_step(1.0 - value, 0.0, 1.0 - worst))
        step = heat_step(value, low, worst, log=style.log)
        return HeatCell(style.text(value), max(step, 1) if value > 0 else 0)

    return cell


def _off_diagonal(matrix: Matrix) -> Iterator[tuple[int, int, float]]:
    for i, row in enumerate(matrix):
        for j, value in enumerate(row):
            if i < j and value is not None:
                yield i, j, value


def _share(value: float) -> str:
    return f"{100 * value:.0f}" if value >= 0.0995 or value == 0 else f"{100 * value:.1f}"


def _rho(value: float) -> str:
    if value >= 0.9995:
        return "1" if value == 1.0 else "~1"
    return f"{value:.3f}".replace("0.", ".", 1)


def _full_rho(value: float) -> str:
    if value == 1.0:
        return "1"
    return f"{value:.4f}" if value < 0.9999 else f"1 − {1.0 - value:.1g}"


_STYLES = (
    _Style(
        "Different labels",
        "percent of the inputs",
        lambda matrices: matrices.label_dissimilarity,
        _share,
        percent,
    ),
    _Style(
        "Different top-5 sets",
        "percent of the five",
        lambda matrices: matrices.top5_dissimilarity,
        _share,
        percent,
    ),
    _Style(
        "Rank correlation",
        "Spearman's rho of all scores, mean",
        lambda matrices: matrices.rank_correlation,
        _rho,
        _full_rho,
        same=1.0,
    ),
    _Style(
        "Largest difference",
        "of two scores, in their own unit",
        lambda matrices: matrices.largest_difference,
        compact,
        score,
        log=True,
    ),
)

STEPS = tuple(range(HEAT_STEPS + 1))
"""The steps of the color scale, for a legend."""
