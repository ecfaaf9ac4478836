"""The hooks that a conftest or another plugin can implement. Each docstring shows one that works."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pytest_envrobust import Device, Model


@pytest.hookspec
def pytest_envrobust_models(config: pytest.Config) -> Sequence[Model] | None:
    """Declare models; those of all conftest files that apply to a test are put together.

    .. code-block:: python

        import pytest_envrobust as er


        def pytest_envrobust_models(config):
            return [
                er.Model(
                    "signs",
                    sources={"torch": "mypkg.nets:load", "keras": "exports/signs.keras"},
                    inputs=er.ImageFolder("tests/images", er.Preprocess.imagenet(size=224)),
                )
            ]
    """


@pytest.hookspec
def pytest_envrobust_devices(config: pytest.Config) -> Sequence[Device] | None:
    """Declare devices of your own; asked once, of the conftest files that pytest loads before it collects.

    .. code-block:: python

        import pytest_envrobust as er


        def pytest_envrobust_devices(config):
            return [er.Device("denverton", emulate="Denverton", inputs=4)]
    """
