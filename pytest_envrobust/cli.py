"""The `envrobust` command: doctor, report, compare, merge."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING

from pytest_envrobust.core.errors import DeclarationError, EnvrobustError

if TYPE_CHECKING:
    from pytest_envrobust.record.predictions import Joined, Predictions
    from pytest_envrobust.record.schema import Record
    from pytest_envrobust.verdicts.limits import Limit


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; returns the exit status: 0, 1 where a cell fails or is worse, 2 for bad input."""
    given = sys.argv[1:] if arguments is None else arguments
    try:
        _import_named(given)
        options = _parser().parse_args(given)
        status: int = options.run(options)
        sys.stdout.flush()
    except EnvrobustError as error:
        print(f"envrobust: {error}", file=sys.stderr)
        return 2
    except BrokenPipeError:  # whoever read has seen enough; the interpreter must not flush into the pipe at its end
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    return status


def _import_named(arguments: Sequence[str]) -> None:
    """Import what ``report -p`` names: the options of its checks' limits are known only then.

    Raises `DeclarationError` for a module that cannot be imported.
    """
    if not arguments or arguments[0] != "report":
        return
    parser = argparse.ArgumentParser(add_help=False, allow_abbrev=False, usage=argparse.SUPPRESS)
    _add_modules(parser)
    for name in parser.parse_known_args(arguments[1:])[0].modules:
        try:
            import_module(name)
        except ImportError as error:
            raise DeclarationError(f"-p {name} cannot be imported", cause=str(error)) from None


def _add_modules(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "-p", dest="modules", action="append", default=[], metavar="MODULE", help="import it first: it registers checks"
    )


def _parser() -> argparse.ArgumentParser:
    from pytest_envrobust.checks.registry import limit_kinds

    parser = argparse.ArgumentParser(prog="envrobust", description="Consistency of a model across environments.")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    doctor = commands.add_parser("doctor", help="list every environment, and say what is missing for it here")
    doctor.set_defaults(run=_doctor)
    report = commands.add_parser("report", help="draw the reports of a record again, under other limits if you like")
    report.add_argument("record", type=Path, help="what --envrobust-json wrote")
    report.add_argument("--html", type=Path, metavar="PATH", help="write the HTML report there")
    report.add_argument("--markdown", type=Path, metavar="PATH", help="write the Markdown report there")
    report.add_argument("--json", type=Path, metavar="PATH", help="write the record, as it is judged now, there")
    _add_modules(report)
    for kind in limit_kinds().values():
        option, meaning = kind.name.replace("_", "-"), kind.meaning.replace("%", "%%")
        metavar = f"{{{','.join(kind.choices)}}}" if kind.choices else "X"
        report.add_argument(f"--{option}", metavar=metavar, help=f"judge every cell again: {meaning}")
    report.set_defaults(run=_report)
    compare = commands.add_parser("compare", help="say what differs between two runs")
    compare.add_argument("before", type=Path, metavar="A.json", help="a record")
    compare.add_argument("after", type=Path, metavar="B.json", help="another")
    compare.add_argument("--html", type=Path, metavar="PATH", help="write the comparison as a page there, too")
    compare.add_argument(
        "--strict", action="store_true", help="exit status 1 where a cell was lost, is graver or gives other labels"
    )
    compare.set_defaults(run=_compare)
    merge = commands.add_parser("merge", help="put the records of several jobs together, as if one run had made them")
    merge.add_argument("records", type=Path, nargs="+", metavar="RECORD.json", help="shards, or runs of other cells")
    merge.add_argument(
        "--json", type=Path, metavar="PATH", help="write the record there, and the predictions beside it"
    )
    merge.add_argument("--html", type=Path, metavar="PATH", help="write the HTML report there")
    merge.add_argument("--markdown", type=Path, metavar="PATH", help="write the Markdown report there")
    merge.add_argument("--partial", action="store_true", help="no failure where shards are missing")
    merge.set_defaults(run=_merge)
    return parser


def _doctor(options: argparse.Namespace) -> int:
    from pytest_envrobust.core.devices import DEVICES
    from pytest_envrobust.environments.devices import PYPROJECT, declared_places, devices_in
    from pytest_envrobust.planning.catalogue import Catalogue

    here = Path.cwd()
    declared = [(device, PYPROJECT) for device in devices_in(here)]
    catalogue = Catalogue(places=declared_places(declared, {PYPROJECT: here}, DEVICES))
    native = tuple(catalogue.frameworks)
    for environment in catalogue.environments(native):
        absent = catalogue.plan(environment, native).absent
        print(f"{environment.id:40} {'here' if absent is None else absent.headline}")
    return 0


def _report(options: argparse.Namespace) -> int:
    from pytest_envrobust.history.rejudge import judged_again
    from pytest_envrobust.record.document import read_record
    from pytest_envrobust.record.predictions import Predictions
    from pytest_envrobust.reports.terminal import terminal_lines

    limits = _limits(options)
    record = read_record(options.record)
    predictions = Predictions.beside(options.record)
    if limits:
        record = judged_again(record, predictions, limits)
    written = _written(options, record, predictions)
    print("\n".join(written or terminal_lines(record)))
    return int(bool(limits) and _tell_failures(record))


def _compare(options: argparse.Namespace) -> int:
    from pytest_envrobust.core.files import write_text
    from pytest_envrobust.history.changes import changes_between
    from pytest_envrobust.history.recorded_run import RecordedRun
    from pytest_envrobust.record.document import read_record
    from pytest_envrobust.record.predictions import Predictions
    from pytest_envrobust.reports.changes import changes_lines, changes_page

    before, after = (
        RecordedRun(str(path), read_record(path), Predictions.beside(path)) for path in (options.before, options.after)
    )
    changes = changes_between(before, after)
    print("\n".join(changes_lines(changes)))
    if options.html is not None:
        write_text(options.html, changes_page(changes), "page")
        print(f"\npage: {options.html}")
    return int(options.strict and changes.is_worse)


def _merge(options: argparse.Namespace) -> int:
    from pytest_envrobust.history.merging import merged
    from pytest_envrobust.history.recorded_run import RecordedRun
    from pytest_envrobust.record.document import read_record
    from pytest_envrobust.record.predictions import Joined, Predictions
    from pytest_envrobust.record.shards import missing_shards, shards_named
    from pytest_envrobust.reports.terminal import terminal_lines
    from pytest_envrobust.reports.words import NOTHING_COMPARED

    paths: list[Path] = options.records
    if options.json is not None and options.json.resolve() in [path.resolve() for path in paths]:
        raise DeclarationError(f"--json {options.json} is one of the records to merge", remedy="name another file")
    parts = [Predictions.beside(path) for path in paths]
    runs = [RecordedRun(str(path), read_record(path), part) for path, part in zip(paths, parts)]
    predictions = Joined(tuple(parts))
    record = merged(runs, ["envrobust", "merge", *map(str, paths)], predictions.scores)
    print("\n".join([*terminal_lines(record), *_written(options, record, predictions)]))
    failed = _tell_failures(record)
    if not record.compared_anything:
        print(f"envrobust: {NOTHING_COMPARED}")
        failed = True
    if record.run.interrupted is not None:
        print(f"envrobust: interrupted: {record.run.interrupted}")
        failed = True
    if (told := record.run.shard) is not None and not options.partial:
        print(f"envrobust: {shards_named(missing_shards(told))} of {told.of} missing (--partial lets that pass)")
        failed = True
    return int(failed)


def _tell_failures(record: Record) -> bool:
    """Say which cells failed, are inconclusive or did not run, and whether any failed or did not run."""
    from pytest_envrobust.core.status import Status
    from pytest_envrobust.history.view import model_views

    rows = [(view.name, row) for view in model_views(record) for row in view.rows]
    for name, row in rows:
        if row.has_failed or row.status in (Status.INCONCLUSIVE, Status.NOT_RUN):
            print(f"{row.status.value}: {_named(name, row.environment, row.reason)}")
    return any(row.has_failed or row.status is Status.NOT_RUN for _, row in rows)


def _limits(options: argparse.Namespace) -> dict[str, Limit]:
    """The limits that were given. Raises `DeclarationError` for a value that cannot be one."""
    from pytest_envrobust.checks.registry import limit_kinds
    from pytest_envrobust.checks.thresholds import parse_limit
    from pytest_envrobust.history.rejudge import ORIGIN

    given = {name: getattr(options, name) for name in limit_kinds()}
    return {name: parse_limit(text, name, ORIGIN) for name, text in given.items() if text is not None}


def _written(options: argparse.Namespace, record: Record, predictions: Predictions | Joined) -> list[str]:
    """Write what was asked for, and say where."""
    lines = []
    if options.html is not None:
        from pytest_envrobust.reports.html.page import write_html

        write_html(record, predictions, options.html)
        lines.append(f"report: {options.html}")
    if options.markdown is not None:
        from pytest_envrobust.reports.markdown import write_markdown

        write_markdown(record, options.markdown)
        lines.append(f"summary: {options.markdown}")
    if options.json is not None:
        from pytest_envrobust.record.document import write_record

        write_record(record, options.json)
        predictions.write_beside(options.json)
        lines.append(f"record: {options.json}")
    return lines


def _named(model: str, environment: str, reason: str) -> str:
    """The reason, with the cell's name before it unless it stands there."""
    subject = f"{model} in {environment}" if environment else model
    return reason if reason.startswith(subject) else f"{subject}: {reason}"


if __name__ == "__main__":
    sys.exit(main())
