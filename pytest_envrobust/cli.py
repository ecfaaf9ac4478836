"""The `envrobust` command: doctor, report."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from pytest_envrobust.core.errors import EnvrobustError


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; returns the exit status."""
    parser = argparse.ArgumentParser(prog="envrobust", description="Consistency of a model across environments.")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    doctor = commands.add_parser("doctor", help="list every environment, and say what is missing for it here")
    doctor.set_defaults(run=_doctor)
    report = commands.add_parser("report", help="draw the table of a record again")
    report.add_argument("record", type=Path, help="what --envrobust-json wrote")
    report.set_defaults(run=_report)
    options = parser.parse_args(arguments)
    try:
        options.run(options)
    except EnvrobustError as error:
        print(f"envrobust: {error}", file=sys.stderr)
        return 2
    return 0


def _doctor(options: argparse.Namespace) -> None:
    from pytest_envrobust.planning.catalogue import Catalogue

    catalogue = Catalogue()
    native = tuple(catalogue.frameworks)
    for environment in catalogue.environments(native):
        absent = catalogue.plan(environment, native).absent
        print(f"{environment.id:40} {'here' if absent is None else absent.headline}")


def _report(options: argparse.Namespace) -> None:
    from pytest_envrobust.reports.record import read_record
    from pytest_envrobust.reports.terminal import terminal_lines

    print("\n".join(terminal_lines(read_record(options.record))))
