"""Devices that the user declares: in pyproject.toml, by the hook, on the command line."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from pytest_envrobust.core.errors import DeclarationError, EnvrobustError
from pytest_envrobust.environments.devices import PYPROJECT, Device, declared_places, devices_in
from pytest_envrobust.environments.places import Place
from pytest_envrobust.planning.catalogue import DEVICES

_HOOK, _OPTION = "pytest_envrobust_devices", "--envrobust-device"


def read_places(config: pytest.Config) -> dict[str, Place]:
    """The places of all devices that have one, by name; of one that is declared twice, the command line's.

    Raises `DeclarationError` for one that cannot be used.
    """
    base = {PYPROJECT: config.rootpath, _HOOK: config.rootpath, _OPTION: Path(config.invocation_params.dir)}
    return declared_places(_declared(config), base, DEVICES)


def _declared(config: pytest.Config) -> Iterator[tuple[Device, str]]:
    for device in devices_in(config.rootpath):
        yield device, PYPROJECT
    for device in _of_hook(config):
        yield device, _HOOK
    for line in config.getoption("envrobust_device") or ():
        yield Device.parse(line, _OPTION), _OPTION


def _of_hook(config: pytest.Config) -> list[Device]:
    try:
        answers = config.hook.pytest_envrobust_devices(config=config)
    except EnvrobustError:
        raise
    except Exception as error:
        raise DeclarationError(f"{_HOOK} failed", cause=f"{type(error).__name__}: {error}") from error
    devices = [device for answer in answers if answer for device in answer]
    for device in devices:
        if not isinstance(device, Device):
            raise DeclarationError(f"{_HOOK} returned a {type(device).__name__}", cause="it returns a list of Device")
    return devices
