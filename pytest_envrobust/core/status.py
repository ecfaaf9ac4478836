"""The stages a cell goes through and the statuses it can end in."""

from __future__ import annotations

from enum import Enum


class Stage(str, Enum):
    """Where on its way through the house a cell is."""

    IMPORT = "import"
    CONVERT = "convert"
    COMPILE = "compile"
    LOAD = "load"
    RUN = "run"


class Status(str, Enum):
    """How a cell ended; the values are those of the record."""

    PASSED = "passed"
    FAILED = "failed"
    INCONCLUSIVE = "inconclusive"
    UNAVAILABLE = "unavailable"
    NO_ROUTE = "no-route"
    UNSUPPORTED = "unsupported"
    BROKEN = "broken"
    CONVERSION_FAILED = "conversion-failed"
    CRASHED = "crashed"
    TIMED_OUT = "timed-out"
    OUT_OF_MEMORY = "out-of-memory"
    LIMITED = "limited"
    NOT_RUN = "not-run"


GRAVITY = (
    Status.BROKEN,
    Status.CONVERSION_FAILED,
    Status.CRASHED,
    Status.TIMED_OUT,
    Status.OUT_OF_MEMORY,
    Status.FAILED,
    Status.NO_ROUTE,
    Status.UNSUPPORTED,
    Status.NOT_RUN,
    Status.INCONCLUSIVE,
    Status.LIMITED,
    Status.UNAVAILABLE,
    Status.PASSED,
)
"""Every status, the gravest first."""


def gravity(status: Status) -> int:
    """A key to sort by: the gravest status comes first."""
    return GRAVITY.index(status)
