"""The models that conftest files declare, by the test that they apply to."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest

from pytest_envrobust.core.errors import DeclarationError, EnvrobustError
from pytest_envrobust.models.model import Model


class Declarations:
    """Asks the hook `pytest_envrobust_models`, once for each folder of tests."""

    def __init__(self, config: pytest.Config) -> None:
        self._config = config
        self._found: dict[Path, tuple[Model, ...]] = {}

    def for_test(self, node: pytest.Item) -> tuple[Model, ...]:
        """The models that the conftest files which apply to a test declare, paths resolved against the root.

        Raises `DeclarationError` where a hook raises, returns something else, or a name is given twice.
        """
        folder = node.path.parent
        if folder not in self._found:
            models = self._asked(node)
            self._found[folder] = tuple(model.resolved(self._base) for model in models)
        return self._found[folder]

    def _asked(self, node: pytest.Item) -> list[Model]:
        try:
            answers: Sequence[Sequence[Model]] = node.ihook.pytest_envrobust_models(config=self._config)
        except EnvrobustError:
            raise
        except Exception as error:
            raise DeclarationError(
                "pytest_envrobust_models failed", cause=f"{type(error).__name__}: {error}"
            ) from error
        models = [model for answer in answers if answer for model in answer]
        for model in models:
            if not isinstance(model, Model):
                raise DeclarationError(
                    f"pytest_envrobust_models returned a {type(model).__name__}", cause="it returns a list of Model"
                )
        names = [model.name for model in models]
        for name in names:
            if names.count(name) > 1:
                raise DeclarationError(f"model {name!r} is declared {names.count(name)} times", remedy="rename one")
        return models

    @property
    def _base(self) -> Path:
        """Where relative paths of declarations begin: at the ini file or, without one, where pytest was started.

        Without an ini file pytest's root is a guess from its arguments, the paths of our own options among them.
        """
        config = self._config
        return config.rootpath if config.inipath is not None else Path(config.invocation_params.dir)
