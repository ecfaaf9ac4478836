"""Finding the operators that a converter or an engine says it lacks in the errors that it raises."""

from __future__ import annotations

import re
from collections.abc import Callable

from pytest_envrobust.core.errors import chain_of


def said_by(*patterns: str) -> Callable[[BaseException], tuple[str, ...]]:
    """A function from an error to the operators that it, or what led to it, names by one of the patterns.

    A pattern has a group ``names``: one operator, or several with commas between them.
    """
    compiled = [re.compile(pattern) for pattern in patterns]

    def lacking(error: BaseException) -> tuple[str, ...]:
        for each in chain_of(error):
            for pattern in compiled:
                if match := pattern.search(str(each)):
                    named = (name.strip(" '[]") for name in match["names"].split(","))
                    return tuple(dict.fromkeys(name for name in named if name))
        return ()

    return lacking
