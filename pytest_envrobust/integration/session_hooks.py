"""What a run says and does at its begin and its end."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pytest_envrobust.core.wording import counted
from pytest_envrobust.environments.machine import this_machine
from pytest_envrobust.integration.timing_settings import xdist_workers

if TYPE_CHECKING:
    from pytest_envrobust.runs.laboratory import Laboratory


class SessionHooks:
    """Hooks around the whole run."""

    def __init__(self, laboratory: Laboratory) -> None:
        self._laboratory = laboratory

    def pytest_report_header(self) -> list[str]:
        """What is compared with what, and where converted files are kept."""
        settings = self._laboratory.settings
        asked = ", ".join(settings.environments) or "each engine's default level on the CPU"
        lines = [f"envrobust: environments {asked} ({settings.environments_origin}); cache {settings.cache_dir}"]
        threads = max(settings.timing.threads, *settings.timing.axes.threads, 1)
        workers, cores = xdist_workers(self._laboratory.config), this_machine().cores
        if threads * workers > cores:
            each = f" in each of {workers} processes" if workers > 1 else ""
            lines.append(
                f"envrobust: {counted(threads, 'thread')}{each} on {counted(cores, 'core')}: times will suffer; "
                "--envrobust-threads=auto shares them out"
            )
        return lines
