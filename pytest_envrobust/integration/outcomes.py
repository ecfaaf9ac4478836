"""From what happened to a cell to what pytest shows: skipped, failed, inconclusive, known limitation."""

from __future__ import annotations

import shlex
from collections.abc import Generator
from typing import Any, NoReturn

import pytest
from msgspec.structs import replace

from pytest_envrobust.checks.registry import checks
from pytest_envrobust.core.errors import DeclarationError, EnvrobustError, StageFailure, Unavailable
from pytest_envrobust.core.globs import matches
from pytest_envrobust.core.status import Status
from pytest_envrobust.environments.selection import check_patterns
from pytest_envrobust.integration.entries import attempt_of, properties_of, reported_entry
from pytest_envrobust.integration.options import OPTIONS, options_of_checks, rerun_arguments
from pytest_envrobust.integration.parametrization import CASE_FIXTURE
from pytest_envrobust.integration.short_summary import put_cause_first
from pytest_envrobust.record import codec
from pytest_envrobust.record.schema import Attempt
from pytest_envrobust.runs.cases import Case, Fault
from pytest_envrobust.runs.cell import Cell
from pytest_envrobust.runs.entries import inconclusive_reason
from pytest_envrobust.runs.registry import Registry

SUBJECT: pytest.StashKey[Cell | Case | Fault] = pytest.StashKey()
"""What an item is about: its cell or, where none could be made, its case or the fault in its place."""
RERUN = "rerun"
"""The outcome of an attempt that another plugin makes again (pytest-rerunfailures)."""
_LAST: pytest.StashKey[Attempt] = pytest.StashKey()
"""How an item's attempt ended."""
_BEFORE: pytest.StashKey[list[Attempt]] = pytest.StashKey()
"""The attempts before it, whoever makes the item again."""
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
        """Begin an attempt: what the fixtures make of the case comes, and may not come to it.

        A limitation that cannot be read fails its items: ignored, it would hide what it was meant to say.
        """
        subject = subject_of(item)
        if subject is None:
            return
        item.stash[SUBJECT] = subject
        if _LAST in item.stash:
            item.stash.setdefault(_BEFORE, []).append(item.stash[_LAST])
            del item.stash[_LAST]
        error = item.stash.get(_MALFORMED, None)
        if error is not None and not is_rehearsal(item.config):
            refuse(error)

    @pytest.hookimpl(wrapper=True, trylast=True)
    def pytest_runtest_call(self, item: pytest.Item) -> Generator[None, Any, Any]:
        """What a worker found to be absent (package, device, operator) is a skip, or a failure where required.

        So is an inconclusive verdict: raised here, where every plugin that reports sees it as the test's own outcome.
        """
        __tracebackhide__ = True
        try:
            result = yield
        except (Unavailable, StageFailure) as error:
            if isinstance(error, StageFailure) and error.status is not Status.UNSUPPORTED:
                raise
            subject = item.stash.get(SUBJECT, None)
            skip_or_refuse(error, required=isinstance(subject, Cell) and subject.case.required)
        subject = item.stash.get(SUBJECT, None)
        if isinstance(subject, Cell) and (reason := inconclusive_reason(subject)):
            raise pytest.skip.Exception(reason, _use_item_location=True)
        return result

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_makereport(
        self, item: pytest.Item, call: pytest.CallInfo[None]
    ) -> Generator[None, pytest.TestReport, pytest.TestReport]:
        """Put what is known of the cell into the report, as plain data that xdist carries."""
        report = yield
        subject = item.stash.get(SUBJECT, None)
        if subject is None or (report.passed and report.when != "call"):
            return report
        error = _error_of(call)
        put_cause_first(report, error, subject)
        entry = reported_entry(item.nodeid, subject, report, error)
        if entry is not None:
            report.envrobust = codec.plain(replace(entry, attempts=item.stash.get(_BEFORE, None)))  # type: ignore[attr-defined]
            report.envrobust_refused = isinstance(error, EnvrobustError)  # type: ignore[attr-defined]
            item.stash[_LAST] = attempt_of(entry)
            own = properties_of(entry)
            others = [(name, value) for name, value in item.user_properties if name not in dict(own)]
            item.user_properties[:] = [*others, *own]
        return report

    def pytest_report_teststatus(self, report: pytest.TestReport) -> tuple[str, str, str] | None:
        """Inconclusive is a category of its own; a cell refused in setup failed, it is no error in the test."""
        entry = getattr(report, "envrobust", None)
        if entry is None:
            return None
        if entry["status"] == Status.INCONCLUSIVE and report.skipped:
            return "inconclusive", "?", "INCONCLUSIVE"
        if report.when == "setup" and report.failed and report.envrobust_refused:
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
    subject = subject_of(item)
    return subject if isinstance(subject, Case) else None


def subject_of(item: pytest.Item) -> Case | Fault | None:
    """The case that an item is about, or the fault in its place; ``None`` for an ordinary test."""
    callspec = getattr(item, "callspec", None)
    case = callspec.params.get(CASE_FIXTURE) if callspec is not None else getattr(item, "case", None)
    return case if isinstance(case, (Case, Fault)) else None


def is_rehearsal(config: pytest.Config) -> bool:
    """Whether no test is to be made: ``--collect-only``, ``--setup-only`` or ``--setup-plan``."""
    return any(config.getoption(name, False) for name in ("collectonly", "setuponly", "setupplan"))
