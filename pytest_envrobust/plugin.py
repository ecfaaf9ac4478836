"""The pytest plugin's front door: options, ini keys, markers. All else is imported only when a run asks for it."""

from __future__ import annotations

import pytest

_MARKERS = (
    "envrobust(models=, environments=, reference=, batch_sizes=, threads=, and any limit=): "
    "run this test in the chosen environments; needs --envrobust",
    "envrobust_limitation(environment, *, reason, raises=): a known limitation of environments that match the glob; "
    "the test must fail there",
)
_FIXTURES = frozenset(
    {
        "envrobust",
        "envrobust_model",
        "envrobust_environment",
        "envrobust_reference",
        "envrobust_inputs",
        "envrobust_benchmark",
    }
)
"""Fixtures that need a run with --envrobust; `envrobust_thresholds` alone does not."""
_NEEDED = "needs --envrobust (or `envrobust = true` in the ini file)"


def pytest_addoption(parser: pytest.Parser, pluginmanager: pytest.PytestPluginManager) -> None:
    """Declare the options and ini keys, but for those of checks."""
    _import_as_compiled(pluginmanager)
    from pytest_envrobust.integration.options import OPTIONS, add_options

    add_options(parser, OPTIONS)


@pytest.hookimpl(tryfirst=True)
def pytest_load_initial_conftests(early_config: pytest.Config, parser: pytest.Parser, args: list[str]) -> None:
    """Declare those of checks too where the run has to do with envrobust: each has to be imported for its limits."""
    if _concerns_envrobust(early_config, args):
        from pytest_envrobust.checks.registry import checks
        from pytest_envrobust.integration.options import add_options, options_of_checks

        add_options(parser, options_of_checks(checks().values()))


def pytest_addhooks(pluginmanager: pytest.PytestPluginManager) -> None:
    """Declare envrobust's own hooks."""
    from pytest_envrobust import hookspecs

    pluginmanager.add_hookspecs(hookspecs)


@pytest.hookimpl(trylast=True)
def pytest_configure(config: pytest.Config) -> None:
    """Register the markers and, where the run asks for it, the rest of the plugin."""
    for marker in _MARKERS:
        config.addinivalue_line("markers", marker)
    if is_enabled(config):
        from pytest_envrobust.integration import register

        register(config)
    else:
        config.pluginmanager.register(_Disabled(), "envrobust-disabled")


def _import_as_compiled(pluginmanager: pytest.PytestPluginManager) -> None:
    """Have the package's modules imported as Python compiled them when the package was installed.

    pytest compiles a plugin's modules again for its own words on assertions, of which none here fails a test; where no
    bytecode may be written (`PYTHONDONTWRITEBYTECODE`, a read-only installation) it does so in every process.
    """
    hook = pluginmanager.rewrite_hook
    marked, known = getattr(hook, "_must_rewrite", None), getattr(hook, "_marked_for_rewrite_cache", None)
    if isinstance(marked, set) and isinstance(known, dict):
        marked.discard(__package__)
        known.clear()


def _concerns_envrobust(config: pytest.Config, args: list[str]) -> bool:
    """Whether an argument or the ini file mentions envrobust, xdist handed an option on, or help is asked for."""
    given = any(value is not None for name, value in vars(config.option).items() if name.startswith("envrobust"))
    mentioned = any("envrobust" in argument or argument in ("-h", "--help") for argument in args)
    return given or mentioned or _is_in_the_ini_file(config)


def _is_in_the_ini_file(config: pytest.Config) -> bool:
    return config.inipath is not None and "envrobust" in config.inipath.read_text("utf-8", errors="replace")


def is_enabled(config: pytest.Config) -> bool:
    """Whether this run asks for envrobust: the flag, a model on the command line, or the ini key."""
    asked = config.getoption("envrobust")
    if asked is None:
        return bool(config.getini("envrobust"))
    return bool(asked)


class _Disabled:
    """What is left of the plugin in a run that does not ask for it: marked tests are skipped, with the reason."""

    def pytest_collection_modifyitems(self, items: list[pytest.Item]) -> None:
        """Skip what is marked or uses one of the fixtures."""
        skip = pytest.mark.skip(reason=_NEEDED)
        for item in items:
            used = _FIXTURES.intersection(getattr(item, "fixturenames", ()))
            if used or item.get_closest_marker("envrobust"):
                item.add_marker(skip)
