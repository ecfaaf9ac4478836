"""Writes what the code says best: tables of pages, between their markers, and the record's JSON schema.

``python docs/generate.py`` writes all of them; ``python docs/generate.py --check`` fails where one is out of date.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path

from pytest_envrobust.backends.base import Backend, Compiler
from pytest_envrobust.checks.registry import checks
from pytest_envrobust.core.devices import DEVICES
from pytest_envrobust.planning.catalogue import Catalogue
from pytest_envrobust.record.codec import json_schema

HERE = Path(__file__).parent
SCHEMA = HERE / "record.schema.json"


def compiler_table(catalogue: Catalogue) -> list[str]:
    """One row for each compiler: what it executes, where, and what it needs."""
    rows = [["compiler", "what it is", "frameworks", "devices", "taken", "extra"]]
    for backend in catalogue.backends.values():
        for compiler in backend.compilers:
            rows.append(
                [
                    f"`{compiler.name}`",
                    compiler.summary,
                    _coded(_frameworks(catalogue, compiler)),
                    _coded(_devices(backend, compiler)),
                    "when named" if compiler.named_only else "by default" if compiler.default else "when asked for",
                    _coded(dict.fromkeys(item.extra for item in (*backend.requires, *compiler.requires))),
                ]
            )
    return _table(rows)


def step_table(catalogue: Catalogue) -> list[str]:
    """One row for each conversion step."""
    rows = [["step", "from", "to", "extras"]]
    for step in catalogue.steps.values():
        extras = dict.fromkeys(item.extra for item in step.requires)
        rows.append([f"`{step.name}`", f"`{step.source}`", f"`{step.target}`", _coded(extras)])
    return _table(rows)


def option_table(catalogue: Catalogue) -> list[str]:
    """One row for each option that ``--envrobust-set`` knows."""
    rows = [["option", "default"]]
    for backend in catalogue.backends.values():
        for compiler in backend.compilers:
            rows += [[f"`{compiler.name}.{name}`", f"`{value}`"] for name, value in compiler.options.items()]
    for device in DEVICES:
        rows += [[f"`{device}.{name}`", f"`{value}`"] for name, value in catalogue.device_options(device).items()]
    return _table(rows)


def check_table(catalogue: Catalogue) -> list[str]:
    """One row a check: what must hold, and when a model without test code is given it."""
    rows = [["check", "what must hold", "made of a model without test code"]]
    for check in checks().values():
        when = "where a limit of it is set" if check.limits else "when `--envrobust-check` names it"
        rows.append(
            [f"`{check.name}`", check.summary, "unless others are named" if check.asked_for_by_default else when]
        )
    return _table(rows)


def limit_table(catalogue: Catalogue) -> list[str]:
    """One row a limit: its check, what it bounds, what its value may be."""
    rows = [["limit", "check", "what it bounds", "a value is"]]
    for check in checks().values():
        rows += [[f"`{kind.name}`", check.name, kind.meaning, kind.valid] for kind in check.limits]
    return _table(rows)


TABLES = {
    "environments.md": {"compilers": compiler_table, "steps": step_table, "options": option_table},
    "limits.md": {"checks": check_table, "limits": limit_table},
}
"""The generated tables of each page."""


def generated(page: str, text: str) -> str:
    """The page's text with each table between its markers made anew."""
    catalogue = Catalogue()
    for name, table in TABLES[page].items():
        begin, end = f"<!-- generated: {name} -->", f"<!-- end: {name} -->"
        head, _, rest = text.partition(begin)
        _, found, tail = rest.partition(end)
        if not found:
            raise SystemExit(f"{page} has no markers for {name}")
        lines = [begin, *table(catalogue), "", end]
        text = head + "\n".join(lines) + tail
    return text


def _frameworks(catalogue: Catalogue, compiler: Compiler) -> Iterator[str]:
    for framework in dict.fromkeys(environment.framework for environment in catalogue.everything):
        definition = framework.rpartition("-to-")[2]
        if compiler.frameworks is None or definition in compiler.frameworks:
            offered = [item for item in catalogue.everything if item.framework == framework]
            if any(item.compiler == compiler.name for item in offered):
                yield framework


def _devices(backend: Backend, compiler: Compiler) -> Iterator[str]:
    for device in DEVICES:
        if device in backend.devices and compiler.name not in backend.devices[device].absent:
            yield device


def _coded(names: Iterable[str]) -> str:
    return ", ".join(f"`{name}`" for name in names)


def _table(rows: list[list[str]]) -> list[str]:
    head, *body = [f"| {' | '.join(row)} |" for row in rows]
    return [head, "|" + " --- |" * len(rows[0]), *body]


def main() -> int:
    """Write all of them, or with ``--check`` say whether they are up to date."""
    pages = {HERE / page: generated(page, (HERE / page).read_text(encoding="utf-8")) for page in TABLES}
    texts = {
        **pages,
        SCHEMA: json.dumps(json_schema(), indent=1, ensure_ascii=False) + "\n",
    }
    stale = [path for path, text in texts.items() if not path.exists() or path.read_text(encoding="utf-8") != text]
    if sys.argv[1:] == ["--check"]:
        for path in stale:
            print(f"{path.name} is out of date: python docs/generate.py", file=sys.stderr)
        return int(bool(stale))
    for path in stale:
        path.write_text(texts[path], encoding="utf-8")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
