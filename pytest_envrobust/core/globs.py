"""Globs on environments' ids: ``torch/*/cpu``."""

from __future__ import annotations

from fnmatch import fnmatchcase

_WILDCARDS = "*?["


def is_glob(pattern: str) -> bool:
    """Whether the pattern can match more than one environment."""
    return any(character in pattern for character in _WILDCARDS)


def matches(environment_id: str, glob: str) -> bool:
    """Whether a glob matches an environment's id, as a whole and in its letters' case; ``*`` matches slashes too."""
    return fnmatchcase(environment_id, glob)
