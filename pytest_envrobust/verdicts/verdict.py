"""A verdict: passed, failed or inconclusive, with the evidence in words."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from pytest_envrobust.core.status import Status, gravity
from pytest_envrobust.verdicts.limits import Limit


@dataclass(frozen=True)
class Subject:
    """The cell that a verdict is on, as its message names it.

    ``route`` are the steps from the source to the engine, ``rerun`` is a command line that runs this cell alone.
    """

    model: str
    environment: str
    reference: str
    route: tuple[str, ...] = ()
    rerun: str = ""

    def __str__(self) -> str:
        return f"{self.model} in {self.environment}"


@dataclass(frozen=True)
class Verdict:
    """How a cell stands to a limit; ``message`` explains it, its first line alone is enough for a list."""

    status: Status
    message: str
    limit: Limit | None = None


def gravest(verdicts: Iterable[Verdict]) -> Verdict | None:
    """The first failed verdict, else the first inconclusive one, else the first; ``None`` where there are none."""
    return min(verdicts, key=lambda verdict: gravity(verdict.status), default=None)


def closing_lines(subject: Subject) -> list[str]:
    """The lines that end a message: the way from the source to the engine, and how to run this cell alone."""
    steps = " -> ".join(subject.route)
    lines = [f"  route: {steps or 'no conversion, the source is loaded as it is'}"]
    return [*lines, f"  to run this cell alone: {subject.rerun}"] if subject.rerun else lines
