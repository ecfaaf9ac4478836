"""A verdict: passed, failed or inconclusive, with the evidence in words."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from pytest_envrobust.core.status import Status
from pytest_envrobust.verdicts.limits import Limit

_GRAVITY = (Status.FAILED, Status.INCONCLUSIVE, Status.PASSED)


@dataclass(frozen=True)
class Verdict:
    """How a cell stands to a limit; ``message`` explains it, its first line alone is enough for a list."""

    status: Status
    message: str
    limit: Limit | None = None


def gravest(verdicts: Iterable[Verdict]) -> Verdict | None:
    """The first failed verdict, else the first inconclusive one, else the first; ``None`` where there are none."""
    return min(verdicts, key=lambda verdict: _GRAVITY.index(verdict.status), default=None)


def closing_lines(route: Iterable[str], rerun: str) -> list[str]:
    """The lines that end a message: the way from the source to the engine, and how to run this cell alone."""
    steps = " -> ".join(route)
    lines = [f"  route: {steps or 'no conversion, the source is loaded as it is'}"]
    return [*lines, f"  to run this cell alone: {rerun}"] if rerun else lines
