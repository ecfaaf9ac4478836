"""Verdicts in a record: of a part that was held against limits."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TypeVar

from msgspec.structs import replace

from pytest_envrobust.core.status import gravity
from pytest_envrobust.record import schema
from pytest_envrobust.record.schema import Judged, VerdictOnLimit
from pytest_envrobust.verdicts.family import ALONE, Family
from pytest_envrobust.verdicts.limits import Limit
from pytest_envrobust.verdicts.verdict import Verdict, gravest

JudgedPart = TypeVar("JudgedPart", bound=Judged)


def with_verdicts(part: JudgedPart, verdicts: Sequence[Verdict]) -> JudgedPart:
    """The part with these verdicts: the gravest one's figures, and all of them; as it is where there are none."""
    worst = gravest(verdicts)
    if worst is None:
        return part
    told = _told(worst)
    return replace(
        part,
        limit=told.limit,
        limit_name=told.limit_name,
        limit_from=told.limit_from,
        verdict=told.verdict,
        verdicts=[_told(verdict) for verdict in verdicts],
    )


def recorded_verdicts(part: Judged | None) -> list[VerdictOnLimit]:
    """The verdicts that a record has on a part, the gravest first."""
    if part is None:
        return []
    found = part.verdicts
    if found is None:
        only = _only_verdict(part)
        found = [] if only is None else [only]
    return sorted(found, key=lambda told: gravity(told.verdict))


def recorded_limits(part: Judged | None) -> dict[str, Limit]:
    """The limits that a part was held against, by name."""
    found: dict[str, Limit] = {}
    for told in recorded_verdicts(part):
        found.setdefault(told.limit_name, Limit(told.limit_name, told.limit, told.limit_from))
    return found


def family_of(told: schema.Family | None, *, with_reference: bool = False) -> Family:
    """The family that a record tells of; one cell alone where it does not."""
    if told is None:
        return ALONE
    return Family(max(1, told.cells + (told.references if with_reference else 0)))


def finite(value: float | None) -> float | None:
    """The value, or ``None`` where it is not finite: JSON has no such numbers."""
    return value if value is not None and math.isfinite(value) else None


def _told(verdict: Verdict) -> VerdictOnLimit:
    assert verdict.limit is not None
    limit = verdict.limit
    return VerdictOnLimit(limit=limit.value, limit_name=limit.name, limit_from=limit.origin, verdict=verdict.status)


def _only_verdict(part: Judged) -> VerdictOnLimit | None:
    if part.limit is None or part.limit_name is None or part.verdict is None:
        return None
    return VerdictOnLimit(
        limit=part.limit, limit_name=part.limit_name, limit_from=part.limit_from or "", verdict=part.verdict
    )
