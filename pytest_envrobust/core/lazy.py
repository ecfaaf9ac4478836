"""Values that are made when first asked for, and kept; an error on the way is kept too, and raised each time."""

from __future__ import annotations

from collections.abc import Callable, Hashable
from typing import Generic, TypeVar

from pytest_envrobust.core.errors import EnvrobustError

Key = TypeVar("Key", bound=Hashable)
Value = TypeVar("Value")


class Memo(Generic[Key, Value]):
    """Values by key, each made once: what failed with an `EnvrobustError` fails again with the same, at once.

    Any other exception passes through and is not kept.
    """

    def __init__(self) -> None:
        self._made: dict[Key, Value] = {}
        self._failed: dict[Key, EnvrobustError] = {}

    def get(self, key: Key, make: Callable[[], Value]) -> Value:
        """The value of ``key``, which ``make`` makes where this is the first time that it is asked for."""
        if key in self._failed:
            raise self._failed[key]
        if key not in self._made:
            try:
                self._made[key] = make()
            except EnvrobustError as error:
                self._failed[key] = error
                raise
        return self._made[key]

    def done(self, key: Key) -> Value | None:
        """The value of ``key`` without making it; ``None`` where it was not made, or failed."""
        return self._made.get(key)


class Lazy(Generic[Value]):
    """One value, made by ``make`` when first asked for; what failed fails again with the same error, as in `Memo`."""

    def __init__(self, make: Callable[[], Value]) -> None:
        self._make = make
        self._memo: Memo[None, Value] = Memo()

    @property
    def value(self) -> Value:
        """The value, made now if it was not before."""
        return self._memo.get(None, self._make)

    @property
    def done(self) -> Value | None:
        """The value without making it; ``None`` where it was not made, or failed."""
        return self._memo.done(None)
