"""Things that are made when first needed, and kept; failures too."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

from pytest_envrobust.core.errors import EnvrobustError

Made = TypeVar("Made")


class Memo:
    """Makes each thing once; what failed fails again with the same error."""

    def __init__(self) -> None:
        self._made: dict[object, Any] = {}

    def __call__(self, key: object, make: Callable[[], Made]) -> Made:
        if key not in self._made:
            try:
                self._made[key] = make()
            except EnvrobustError as error:
                self._made[key] = error
        found: Made | EnvrobustError = self._made[key]
        if isinstance(found, EnvrobustError):
            raise found
        return found

    def done(self, key: object) -> Any:
        """What was made under that key; ``None`` where it was not made, or failed."""
        made = self._made.get(key)
        return None if isinstance(made, EnvrobustError) else made
