"""Choosing environments by glob or by name."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from pytest_envrobust.core.environment import Environment, without_variant
from pytest_envrobust.core.errors import DeclarationError
from pytest_envrobust.core.globs import is_glob, matches
from pytest_envrobust.core.suggestions import did_you_mean


@dataclass(frozen=True)
class Selection:
    """Environments that were chosen; those ``required`` were named without a wildcard: their absence is a failure."""

    chosen: tuple[Environment, ...]
    required: frozenset[Environment]


def select(patterns: Sequence[str], candidates: Iterable[Environment], named_only: Iterable[str] = ()) -> Selection:
    """Those of ``candidates`` that any pattern matches, in the candidates' order.

    A pattern is a glob on the environment's id. Compilers and devices in ``named_only`` are taken only when the whole
    id is given or when the pattern spells their name, or the kind of it that stands before a colon (``qemu``).
    """
    only_named = frozenset(named_only)
    exact = {pattern for pattern in patterns if not is_glob(pattern)}
    globs = [pattern for pattern in patterns if is_glob(pattern)]
    chosen = []
    for environment in candidates:
        matched = [glob for glob in globs if matches(environment.id, glob)]
        for name in only_named.intersection((environment.compiler, environment.device)):
            matched = [glob for glob in matched if name.partition(":")[0] in glob]
        if matched or environment.id in exact:
            chosen.append(environment)
    return Selection(tuple(chosen), frozenset(item for item in chosen if item.id in exact))


def check_patterns(patterns: Sequence[str], known: Iterable[Environment], origin: str) -> None:
    """Raise `DeclarationError`, suggesting the nearest, where a pattern matches no environment there can be.

    A variant that it names may be any model's.
    """
    ids = [environment.id for environment in known]
    for pattern in patterns:
        if any(_covers(each, ids) for each in (pattern, without_variant(pattern))):
            continue
        what = "matches no environment" if is_glob(pattern) else "is not an environment"
        raise DeclarationError(
            f"{pattern!r} ({origin}) {what}",
            cause="an environment is framework/compiler/device",
            remedy=did_you_mean(pattern, ids, "`envrobust doctor` lists them", cutoff=0.5),
        )


def _covers(pattern: str, ids: Sequence[str]) -> bool:
    return any(matches(name, pattern) for name in ids) if is_glob(pattern) else pattern in ids
