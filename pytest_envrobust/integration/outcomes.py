"""From what happened to a cell to what pytest shows: skipped, failed, inconclusive, known limitation."""

from __future__ import annotations

import shlex
from collections.abc import Generator
from typing import Any, NoReturn

import pytest

from pytest_envrobust.checks.registry import checks
from pytest_envrobust.core.errors import DeclarationError, EnvrobustError, StageFailure, Unavailable
from pytest_envrobust.core.globs import matches
from pytest_envrobust.core.status import Status
from pytest_envrobust.environments.selection import check_patterns
from pytest_envrobust.integration.entries import properties_of, reported_entry
from pytest_envrobust.integration.options import OPTIONS, options_of_checks, rerun_arguments
from pytest_envrobust.integration.parametrization import CASE_FIXTURE
from pytest_envrobust.record import codec
from pytest_envrobust.runs.cases import Case, Fault
from pytest_envrobust.runs.cell import Cell
from pytest_envrobust.runs.entries import inconclusive_reason
from pytest_envrobust.runs.registry import Registry

SUBJECT: pytest.StashKey[Cell | Case | Fault] = pytest.StashKey()
"""What an item is about: its cell or, where none could be made, its case or the fault in its place."""
_MALFORMED: pytest.StashKey[DeclarationError] = pytest.StashKey()
"""What is wrong with an item's limitation."""


def refuse(error: EnvrobustError) -> NoReturn:
    """Fail the item with the error's message alone."""
    __tracebackhide__ = True
    raise _marked(pytest.fail.Exception(str(error), pytrace=False), error) from None


def skip_or_refuse(error: EnvrobustError, *, required: bool) -> NoReturn:
    """Skip the item with the error's remedy as the reason; fail it where the user required the environment."""
    __tracebackhide__ = True
    if required:
        refuse(error)
    raise _marked(pytest.skip.Exception(error.headline, _use_item_location=True), error) from None


def rerun_command(item: pytest.Item) -> str:
    """A line to copy that runs this item alone, with the envrobust options of this run."""
    arguments = [str(argument) for argument in item.config.invocation_params.args]
    options = (*OPTIONS, *options_of_checks(checks().values()))
    return shlex.join(["pytest", *rerun_arguments(arguments, options), item.nodeid])


class Outcomes:
    """Hooks around each item that is about a cell."""

    def __init__(self, registry: Registry) -> None:
        self._registry = registry

    @pytest.hookimpl(tryfirst=True)
    def pytest_collection_modifyitems(self, items: list[pytest.Item]) -> None:
        """Known limitations are strict expected failures in the environments they name."""
        for item in items:
            case = case_of(item)
            if case is not None:
                for marker in item.iter_markers("envrobust_limitation"):
                    try:
                        mark = self._expected_failure(marker, case)
                    except DeclarationError as error:
                        item.stash[_MALFORMED] = error
                        continue
                    if mark is not None:
                        item.add_marker(mark)

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtest_setup(self, item: pytest.Item) -> None:
        """A limitation that cannot be read fails its items: ignored, it would hide what it was meant to say."""
        error = item.stash.get(_MALFORMED, None)
        case = case_of(item)
        if error is not None and case is not None:
            item.stash[SUBJECT] = case
            refuse(error)

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_call(self, item: pytest.Item) -> Generator[None, Any, Any]:
        """What a worker found to be absent (package, device, operator) is a skip, or a failure where required."""
        try:
            return (yield)
        except (Unavailable, StageFailure) as error:
            if isinstance(error, StageFailure) and error.status is not Status.UNSUPPORTED:
                raise
            subject = item.stash.get(SUBJECT, None)
            required = isinstance(subject, Cell) and subject.case.required
            skip_or_refuse(error, required=required)

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_makereport(
        self, item: pytest.Item, call: pytest.CallInfo[None]
    ) -> Generator[None, pytest.TestReport, pytest.TestReport]:
        """Put what is known of the cell into the report, as plain data that xdist carries."""
        report = yield
        subject = item.stash.get(SUBJECT, None)
        if subject is None or report.when == "teardown" or (report.when == "setup" and report.passed):
            return report
        if isinstance(subject, Cell) and report.passed and (reason := inconclusive_reason(subject)):
            path, line, _ = item.location
            report.outcome = "skipped"
            report.longrepr = (path, (line or 0) + 1, reason)
        error = _error_of(call)
        entry = reported_entry(item.nodeid, subject, report, error)
        if entry is not None:
            report.envrobust = codec.plain(entry)  # type: ignore[attr-defined]
            item.user_properties.extend(properties_of(entry))
        return report

    def pytest_report_teststatus(self, report: pytest.TestReport) -> tuple[str, str, str] | None:
        """Inconclusive is a category of its own; a cell refused in setup failed, it is no error in the test."""
        entry = getattr(report, "envrobust", None)
        if entry is None:
            return None
        if entry["status"] == Status.INCONCLUSIVE and report.skipped:
            return "inconclusive", "?", "INCONCLUSIVE"
        if report.when == "setup" and report.failed:
            return "failed", "F", "FAILED"
        return None

    def _expected_failure(self, marker: pytest.Mark, case: Case) -> pytest.MarkDecorator | None:
        """The mark for a case that the limitation names. Raises `DeclarationError` where it cannot be read."""
        pattern = marker.args[0] if marker.args else marker.kwargs.get("environment")
        reason = marker.kwargs.get("reason")
        unknown = marker.kwargs.keys() - {"environment", "reason", "raises"}
        if not isinstance(pattern, str) or not reason or unknown or len(marker.args) > 1:
            raise DeclarationError(
                "the envrobust_limitation marker cannot be read",
                cause="it needs an environment's glob and a reason=, and may have raises=",
            )
        check_patterns([pattern], self._registry.context.catalogue.everything, "envrobust_limitation")
        if not matches(case.environment.id, pattern):
            return None
        return pytest.mark.xfail(reason=reason, raises=marker.kwargs.get("raises"), strict=True)


def _marked(exception: Any, error: EnvrobustError) -> Any:
    exception.envrobust_error = error
    return exception


def _error_of(call: pytest.CallInfo[None]) -> BaseException | None:
    if call.excinfo is None:
        return None
    error: BaseException = getattr(call.excinfo.value, "envrobust_error", call.excinfo.value)
    return error


def case_of(item: pytest.Item) -> Case | None:
    """The case that an item is about; ``None`` for an ordinary test, or where the declaration is at fault."""
    callspec = getattr(item, "callspec", None)
    case = callspec.params.get(CASE_FIXTURE) if callspec is not None else getattr(item, "case", None)
    return case if isinstance(case, Case) else None
