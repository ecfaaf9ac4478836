"""Say how many changes to the code the tests noticed, by folder.

    mutmut results --all true | python tests/support/mutants.py

A change that the tests never end with is noticed too; one that no test runs is not. Each that was not is listed:
``mutmut show NAME`` shows it.
"""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Iterable, Iterator

NOTICED = ("killed", "timeout")
NOT_RUN = "not checked"


def lines(results: Iterable[str]) -> Iterator[str]:
    """What is not noticed, then a line for each folder and one for all of them."""
    found = [(name, status) for name, _, status in (line.strip().partition(": ") for line in results) if status]
    judged = [(name, status) for name, status in found if status != NOT_RUN]
    every, noticed = Counter(map(_folder, judged)), Counter(_folder(each) for each in judged if each[1] in NOTICED)
    yield from (f"{name}: {status}" for name, status in judged if status not in NOTICED)
    for folder, count in sorted(every.items()):
        yield _said(folder, noticed[folder], count)
    yield _said("all", noticed.total(), every.total())


def _folder(judged: tuple[str, str]) -> str:
    return judged[0].split(".")[1]


def _said(folder: str, noticed: int, count: int) -> str:
    share = f" ({noticed / count:.1%})" if count else ""
    return f"{folder}: {noticed} of {count} changes are noticed{share}"


if __name__ == "__main__":
    print(*lines(sys.stdin), sep="\n")
