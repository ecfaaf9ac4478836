"""The models that conftest files declare, by the test that they apply to."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from pytest_envrobust.core.errors import DeclarationError, EnvrobustError
from pytest_envrobust.core.telling import named_cause
from pytest_envrobust.core.wording import listed
from pytest_envrobust.models.model import Model
from pytest_envrobust.runs.declared import DeclaredModels

if TYPE_CHECKING:
    from pluggy import HookCaller


@dataclass(frozen=True, eq=False)
class _Declared:
    """A model, and the conftest (or plugin) that declares it."""

    model: Model
    origin: str
    folder: Path | None


class Declarations:
    """Asks the hook `pytest_envrobust_models`, each conftest once: what it declares is the same in all its folders."""

    def __init__(self, config: pytest.Config, declared: DeclaredModels) -> None:
        self._config, self._known = config, declared
        self._found: dict[Path, tuple[Model, ...]] = {}
        self._answers: dict[Any, list[_Declared]] = {}

    def for_test(self, node: pytest.Item) -> tuple[Model, ...]:
        """The models that the conftest files which apply to a test declare, paths resolved against the root.

        Raises `DeclarationError` where a hook raises, returns something else, or a name is given twice.
        """
        folder = node.path.parent
        if folder not in self._found:
            declared = list(self._asked(node.ihook.pytest_envrobust_models))
            _check_names(declared)
            self._found[folder] = tuple(self._known.add(each.model, each.origin, each.folder) for each in declared)
        return self._found[folder]

    def _asked(self, hook: HookCaller) -> Iterator[_Declared]:
        """What each implementation declares, in the order in which pluggy asks them."""
        implementations = hook.get_hookimpls()[::-1]
        if wrapper := next((each for each in implementations if each.wrapper or each.hookwrapper), None):
            yield from self._answer(tuple(each.plugin for each in implementations), hook, wrapper.plugin)
            return
        manager = self._config.pluginmanager
        every = [each.plugin for each in manager.hook.pytest_envrobust_models.get_hookimpls()]
        for each in implementations:
            alone = manager.subset_hook_caller(hook.name, [plugin for plugin in every if plugin is not each.plugin])
            yield from self._answer(each.plugin, alone, each.plugin)

    def _answer(self, key: Any, hook: HookCaller, plugin: Any) -> list[_Declared]:
        if key not in self._answers:
            file = getattr(plugin, "__file__", None)
            place = self._origin(plugin), None if file is None else Path(file).parent
            self._answers[key] = [_Declared(model.resolved(self._base), *place) for model in self._models(hook)]
        return self._answers[key]

    def _models(self, hook: HookCaller) -> list[Model]:
        try:
            answers: Sequence[Sequence[Model]] = hook(config=self._config)
        except EnvrobustError:
            raise
        except Exception as error:
            raise DeclarationError("pytest_envrobust_models failed", cause=named_cause(error)) from error
        models = [model for answer in answers if answer for model in answer]
        for model in models:
            if not isinstance(model, Model):
                raise DeclarationError(
                    f"pytest_envrobust_models returned a {type(model).__name__}", cause="it returns a list of Model"
                )
        return models

    def _origin(self, plugin: Any) -> str:
        """How messages and the record call the place of a declaration: a file below the root, or a plugin's name."""
        file = getattr(plugin, "__file__", None)
        if file is None:
            return str(self._config.pluginmanager.get_name(plugin) or type(plugin).__name__)
        path = Path(file)
        return path.relative_to(self._base).as_posix() if path.is_relative_to(self._base) else str(path)

    @property
    def _base(self) -> Path:
        """Where relative paths of declarations begin: at the ini file or, without one, where pytest was started.

        Without an ini file pytest's root is a guess from its arguments, the paths of our own options among them.
        """
        config = self._config
        return config.rootpath if config.inipath is not None else Path(config.invocation_params.dir)


def _check_names(declared: Sequence[_Declared]) -> None:
    """Raise `DeclarationError` where one test would have two models of one name."""
    for each in declared:
        origins = [other.origin for other in declared if other.model.name == each.model.name]
        if len(origins) > 1:
            raise DeclarationError(
                f"model {each.model.name!r} is declared {len(origins)} times",
                cause=f"in {listed(list(dict.fromkeys(origins)))}",
                remedy="rename one",
            )
