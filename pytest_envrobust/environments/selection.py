"""Choosing environments by glob or by name."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from difflib import get_close_matches

from pytest_envrobust.core.environment import Environment, without_variant
from pytest_envrobust.core.errors import DeclarationError
from pytest_envrobust.core.globs import is_glob, matches
from pytest_envrobust.core.suggestions import did_you_mean

_PARTS = 3
"""Framework, compiler, device."""
_NEAR = 0.5
"""How alike (0 to 1) a name must be to be suggested."""


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
    known = tuple(known)
    for pattern in patterns:
        if is_possible(pattern, known):
            continue
        what = "matches no environment" if is_glob(pattern) else "is not an environment"
        raise DeclarationError(
            f"{pattern!r} ({origin}) {what}",
            cause="an environment is framework/compiler/device",
            remedy=nearest_pattern(pattern, [environment.id for environment in known])
            or "`envrobust doctor` lists them",
        )


def is_possible(pattern: str, known: Iterable[Environment]) -> bool:
    """Whether a glob matches any of the environments, or a name is one's; a variant in it may be any model's."""
    ids = [environment.id for environment in known]
    return any(
        any(matches(name, each) for name in ids) if is_glob(each) else each in ids
        for each in (pattern, without_variant(pattern))
    )


def nearest_pattern(pattern: str, ids: Iterable[str]) -> str:
    """A remedy, ``did you mean '*/ort-*/*'?``: the pattern with each part that no id has replaced by the nearest.

    Empty where an id matches, where nothing is near, and where there is only no such combination of the parts.
    """
    ids = list(ids)
    if any(matches(name, pattern) for name in ids):
        return ""
    parts = pattern.split("/", _PARTS - 1)
    if len(parts) != _PARTS:
        return did_you_mean(pattern, ids, cutoff=_NEAR)
    columns = list(zip(*(name.split("/", _PARTS - 1) for name in ids)))
    mended = [_nearest_part(part, column) for part, column in zip(parts, columns)]
    if not columns or None in mended:
        return ""
    text = "/".join(part for part in mended if part is not None)
    return "" if text == pattern else did_you_mean(text, [text])


def _nearest_part(part: str, values: Iterable[str]) -> str | None:
    """The part itself where a value matches it; else the nearest value or, of a glob, family with a wildcard."""
    known = dict.fromkeys(values)
    if any(matches(value, part) for value in known):
        return part
    if is_glob(part):
        known = dict.fromkeys(f"{value.partition('-')[0]}-*" for value in known)
    near = get_close_matches(part, known, 1, _NEAR)
    return near[0] if near else None
