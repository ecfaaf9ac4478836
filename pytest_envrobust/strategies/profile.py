"""Hypothesis's settings profile ``envrobust``, which an entry point registers when Hypothesis is imported."""

from __future__ import annotations

from typing import Any

NAME = "envrobust"
MAX_EXAMPLES = 50


def register() -> None:
    """Register the profile: no deadline, as the first example may compile; fixtures are kept for all examples."""
    from hypothesis import settings

    settings.register_profile(NAME, max_examples=MAX_EXAMPLES, deadline=None, suppress_health_check=_checks())


def fitted(own: Any) -> Any:
    """A test's settings, without what cannot hold of a session in a worker: the usual deadline, two health checks."""
    from hypothesis import settings

    is_usual = own.deadline == settings.get_profile("default").deadline
    return settings(
        own,
        deadline=None if is_usual else own.deadline,
        suppress_health_check={*own.suppress_health_check, *_checks()},
    )


def _checks() -> list[Any]:
    from hypothesis import HealthCheck

    return [HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
