"""The errors users meet: each names the thing, the cause and the remedy."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from pytest_envrobust.core.status import Stage, Status
from pytest_envrobust.core.wording import listed


class EnvrobustError(Exception):
    """Base of every error raised on purpose: what is wrong, why, and what to do about it."""

    def __init__(self, thing: str, *, cause: str = "", remedy: str = "") -> None:
        self.thing, self.cause, self.remedy = thing, cause, remedy
        super().__init__(thing)

    @property
    def headline(self) -> str:
        """Thing, cause and remedy in one line."""
        text = f"{self.thing}: {self.cause}" if self.cause else self.thing
        return f"{text} ({self.remedy})" if self.remedy else text

    def __str__(self) -> str:
        return self.headline


class DeclarationError(EnvrobustError):
    """What the user declared cannot be used: a model, a source, inputs, a limit, an environment's name."""


class Unavailable(EnvrobustError):
    """A package or device that an environment needs is absent here."""


class NoRoute(EnvrobustError):
    """No chain of conversion steps leads from the model's sources to what the engine loads."""


class LacksOperator(EnvrobustError):
    """A converter or an engine has no implementation of an operator of the model."""

    def __init__(self, who: str, operators: Sequence[str]) -> None:
        noun = "operator" if len(operators) == 1 else "operators"
        super().__init__(f"{who} lacks the {noun} {listed(operators)}")


class StageFailure(EnvrobustError):
    """A stage of a cell's way (import, convert, compile, load, run) failed.

    ``detail`` is what explains it: a traceback, or the end of the worker's standard error.
    """

    def __init__(
        self,
        thing: str,
        *,
        stage: Stage,
        status: Status,
        cause: str = "",
        remedy: str = "",
        detail: str = "",
    ) -> None:
        super().__init__(thing, cause=cause, remedy=remedy)
        self.stage, self.status, self.detail = stage, status, detail

    @property
    def headline(self) -> str:
        """The stage, then thing, cause and remedy, in one line."""
        return f"{self.status.value} at stage {self.stage.value}: {super().headline}"

    def __str__(self) -> str:
        if not self.detail:
            return self.headline
        lines = "\n".join(f"    {line}" for line in self.detail.rstrip().splitlines())
        return f"{self.headline}\n{lines}"

    def about(self, subject: str) -> StageFailure:
        """The same failure, said of ``subject``."""
        return StageFailure(
            f"{subject}: {self.thing}",
            stage=self.stage,
            status=self.status,
            cause=self.cause,
            remedy=self.remedy,
            detail=self.detail,
        )


def chain_of(error: BaseException) -> Iterator[BaseException]:
    """The error and what led to it, nearest first: packages wrap an error of another one in their own.

    What stands behind ``raise ... from None`` counts too: it happened.
    """
    seen: set[int] = set()
    current: BaseException | None = error
    while current is not None and id(current) not in seen:
        seen.add(id(current))
        yield current
        current = current.__cause__ or current.__context__


for _error in (EnvrobustError, DeclarationError, Unavailable, NoRoute, StageFailure):
    # Messages name an error by where users import it from.
    _error.__module__ = "pytest_envrobust"
