"""Which of a run's declarations had an effect: one that matches nothing is a mistake that nobody would see."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from pytest_envrobust.checks.thresholds import Thresholds
from pytest_envrobust.core.environment import Environment
from pytest_envrobust.core.globs import matches
from pytest_envrobust.core.wording import counted
from pytest_envrobust.environments.selection import is_possible, nearest_pattern


@dataclass(frozen=True)
class Declaration:
    """Something that a user declared for some of a run's cells.

    ``said`` is how it was written and where; ``lacks`` what the run has none of, so that it means nothing: ``no cell
    runs tvm-tuned``. ``pattern`` is the glob of environments, where it has one. ``is_general``: it stands for other
    runs too, as what is written in an ini file, and is told where this one has no use for it, but is no mistake.
    ``is_of_command_line``: it was said for this run alone.
    """

    said: str
    lacks: str
    remedy: str = ""
    pattern: str = ""
    is_general: bool = False
    is_of_command_line: bool = False

    @classmethod
    def of_environments(cls, said: str, pattern: str, *, is_of_command_line: bool = False) -> Declaration:
        """One for the environments that a glob matches, or for the one that it names."""
        lacks = "it matches no environment of this run"
        return cls(said, lacks, pattern=pattern, is_of_command_line=is_of_command_line)

    def line(self, known: Iterable[str]) -> str:
        """One line for the user; ``known`` are the ids that there can be, and those of this run."""
        remedy = nearest_pattern(self.pattern, known) if self.pattern else self.remedy
        return f"{self.said} has no effect: {self.lacks}" + (f" ({remedy})" if remedy else "")


class Effects:
    """The declarations that a run came across, and whether any of its cells had a use for each."""

    def __init__(self) -> None:
        self._known: dict[Declaration, bool] = {}

    def note(self, declaration: Declaration, had: bool) -> None:
        """Some part of the run had a use for it, or had not."""
        self._known[declaration] = self._known.get(declaration, False) or had

    def note_thresholds(self, thresholds: Thresholds, environment: Environment) -> None:
        """A test in that environment is given these limits."""
        for pattern, said in thresholds.narrowed():
            self.note(Declaration.of_environments(said, pattern), matches(environment.id, pattern))

    def without(self) -> list[Declaration]:
        """Those that nothing had a use for."""
        return [declaration for declaration, had in self._known.items() if not had]

    def learn(self, told: Iterable[tuple[Declaration, bool]]) -> None:
        """Take over what another process of the run came across."""
        for declaration, had in told:
            self.note(declaration, had)

    def __iter__(self) -> Iterator[tuple[Declaration, bool]]:
        return iter(self._known.items())


def sorted_out(
    found: Iterable[Declaration],
    environments: Sequence[str],
    possible: Sequence[Environment],
    *,
    is_partial: bool,
    is_narrowed: bool,
) -> tuple[list[str], list[str]]:
    """Lines on declarations without effect: those that are mistakes, and those that are only told.

    In a run of some of the tests (``is_partial``) another part may have a use for what this one has none for, and one
    of some environments (``is_narrowed``, by the command line) excuses what the command line did not say; but not where
    no environment that there could be (``possible``) matches. ``environments`` are the ids that the run has.
    """
    known = [*environments, *(environment.id for environment in possible)]
    mistakes: list[str] = []
    told: dict[str, list[Declaration]] = {}
    for declaration in found:
        excused = is_partial or declaration.is_general or (is_narrowed and not declaration.is_of_command_line)
        if not excused or (declaration.pattern and not is_possible(declaration.pattern, possible)):
            mistakes.append(declaration.line(known))
            continue
        would_be_used = declaration.pattern and any(matches(each, declaration.pattern) for each in environments)
        if not would_be_used:
            told.setdefault(declaration.lacks, []).append(declaration)
    return mistakes, [_together(each, known) for each in told.values()]


def _together(alike: Sequence[Declaration], known: Sequence[str]) -> str:
    line = alike[0].line(known)
    return line if len(alike) == 1 else f"{line}; so {counted(len(alike) - 1, 'other')}"
