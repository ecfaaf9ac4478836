"""Say which tests a run skipped and why, and fail where one of them is not on the list of expected skips.

    python .ci/skips.py build/tests.xml .ci/expected-skips.txt

The first is what pytest wrote by ``--junitxml``. Each line of the second is a node id and a reason, with a ``*`` for
anything in either, below a comment that says why such a test may be skipped. What stands below the line ``[nothing
installed]`` holds only with ``--nothing-installed``: on a machine where nothing may be installed for the tests.
"""

from __future__ import annotations

import argparse
import ast
import re
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from xml.etree import ElementTree

NOTHING_INSTALLED = "[nothing installed]"


class ListError(Exception):
    """The list of expected skips cannot be read."""


@dataclass(frozen=True)
class Skip:
    """A test, or a file whose collection was skipped, and the reason."""

    node: str
    reason: str


@dataclass(frozen=True)
class Expected:
    """A line of the list: patterns of node id and reason, and the comment above it."""

    node: str
    reason: str
    why: str

    def covers(self, skip: Skip) -> bool:
        """Whether it speaks of that skip."""
        return _matches(self.node, skip.node) and _matches(self.reason, skip.reason)


def read_skips(results: Path) -> list[Skip]:
    """The skips of a JUnit file in its order; a test that failed as it was expected to is none."""
    found = []
    for case in ElementTree.parse(results).iter("testcase"):
        for skipped in case.iter("skipped"):
            if skipped.get("type") != "pytest.xfail":
                found.append(Skip(_node(case.get("classname", ""), case.get("name", "")), _reason(skipped)))
    return found


def read_expected(text: str, *, nothing_installed: bool = False) -> list[Expected]:
    """The lines of the list that hold. Raises `ListError` for one without a reason or without a comment above it."""
    found: list[Expected] = []
    comment: list[str] = []
    holds, in_comment = True, False
    for number, line in enumerate(map(str.strip, text.splitlines()), 1):
        if line.startswith("#"):
            comment = [*comment, line.lstrip("# ")] if in_comment else [line.lstrip("# ")]
        elif line == NOTHING_INSTALLED:
            holds = nothing_installed
        elif line:
            node, _, reason = line.partition(" ")
            if not (reason.strip() and comment):
                raise ListError(f"line {number} needs a node id, a reason, and a comment above it: {line}")
            found += [Expected(node, reason.strip(), " ".join(comment))] if holds else []
        else:
            comment = []
        in_comment = line.startswith("#")
    return found


def report(skips: Sequence[Skip], expected: Sequence[Expected]) -> Iterator[str]:
    """Lines for the end of a log: each reason with its count, its tests by file, and why it is expected."""
    reasons: dict[tuple[str, str], list[Skip]] = {}
    for skip in skips:
        reasons.setdefault((_why(skip, expected), skip.reason), []).append(skip)
    yield f"==> left out by the tests and why ({len(skips)} in all)" if skips else "==> the tests left nothing out"
    for (why, reason), group in sorted(reasons.items(), key=lambda item: (not item[0][0], -len(item[1]), item[0])):
        yield f"{len(group):4} × {reason}"
        files = [skip.node.partition("::")[0] for skip in group]
        yield f"       in {', '.join(f'{file} ({files.count(file)})' for file in dict.fromkeys(files))}"
        yield f"       expected: {why}" if why else "       NOT EXPECTED:"
        yield from (f"         {skip.node}" for skip in group if not why)


def main(arguments: Sequence[str] | None = None) -> int:
    """Print the report; the exit status is 1 where a skip is not expected, 2 where a file cannot be read."""
    parser = argparse.ArgumentParser(description="Which tests were skipped, and whether that was expected.")
    parser.add_argument("results", type=Path, help="what pytest --junitxml wrote")
    parser.add_argument("expected", type=Path, help="the list of expected skips")
    parser.add_argument("--nothing-installed", action="store_true", help="nothing may be installed on this machine")
    options = parser.parse_args(arguments)
    try:
        text = options.expected.read_text(encoding="utf-8")
        expected = read_expected(text, nothing_installed=options.nothing_installed)
        skips = read_skips(options.results)
    except (OSError, UnicodeDecodeError, ListError, ElementTree.ParseError) as error:
        print(f"skips: {error}", file=sys.stderr)
        return 2
    print("\n".join(report(skips, expected)))
    surprises = sum(not _why(skip, expected) for skip in skips)
    if surprises:
        print(f"==> {surprises} of them not expected: bring what they need, or say in {options.expected} why not")
    return int(surprises > 0)


def _why(skip: Skip, expected: Sequence[Expected]) -> str:
    return next((line.why for line in expected if line.covers(skip)), "")


def _matches(pattern: str, text: str) -> bool:
    """As a glob in which only ``*`` is special: node ids have brackets."""
    return re.fullmatch(".*".join(map(re.escape, pattern.split("*"))), text, re.DOTALL) is not None


def _node(classname: str, name: str) -> str:
    """The node id of a test case; pytest writes ``tests.unit.test_it.TestThis`` and the test's name."""
    parts = classname.split(".") if classname else name.split(".")
    classes = [part for part in parts if part[:1].isupper()]
    file = "/".join(parts[: len(parts) - len(classes)]) + ".py"
    return "::".join([file, *classes, *([name] if classname else [])])


def _reason(skipped: ElementTree.Element) -> str:
    """Of a file that was skipped while it was collected only the text has the reason, in a tuple of three."""
    reason = skipped.get("message", "")
    if reason == "collection skipped":
        try:
            reason = str(ast.literal_eval(skipped.text or "")[2])
        except (ValueError, SyntaxError, IndexError, TypeError):
            reason = skipped.text or ""
    return reason.removeprefix("Skipped: ").strip()


if __name__ == "__main__":
    sys.exit(main())
