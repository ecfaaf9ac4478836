"""Devices that the user declares: in pyproject.toml, by the hook, on the command line."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from pytest_envrobust.core.devices import DEVICES
from pytest_envrobust.core.errors import DeclarationError, EnvrobustError
from pytest_envrobust.core.telling import named_cause
from pytest_envrobust.environments.devices import PYPROJECT, Device, declared_places, devices_in
from pytest_envrobust.environments.places import Place
from pytest_envrobust.integration.option_values import option_value

if TYPE_CHECKING:
    from pytest_envrobust.backends.base import Option
    from pytest_envrobust.planning.catalogue import Catalogue

_HOOK, _OPTION = "pytest_envrobust_devices", "--envrobust-device"


def read_places(config: pytest.Config, catalogue: Catalogue) -> dict[str, Place]:
    """The places of all devices that have one, by name; of one that is declared twice, the command line's.

    Raises `DeclarationError` for one that cannot be used.
    """
    base = {PYPROJECT: config.rootpath, _HOOK: config.rootpath, _OPTION: Path(config.invocation_params.dir)}
    places = declared_places(_declared(config), base, DEVICES)
    return {name: _with_known_options(place, catalogue.device_options(place.device)) for name, place in places.items()}


def _with_known_options(place: Place, known: Mapping[str, Option]) -> Place:
    """The place with its options' values as the engines take them. Raises `DeclarationError` for one that none has."""
    if not place.options:
        return place
    for name in place.options:
        if name not in known:
            there = f"those of {place.device} are {', '.join(known)}" if known else f"{place.device} has none"
            raise DeclarationError(f"option {name!r} of device {place.name!r}", cause=there)
    what = f"of device {place.name!r}"
    options = {
        name: option_value(known[name], value, f"{name}={value} {what}") for name, value in place.options.items()
    }
    return replace(place, options=options)


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
        raise DeclarationError(f"{_HOOK} failed", cause=named_cause(error)) from error
    devices = [device for answer in answers if answer for device in answer]
    for device in devices:
        if not isinstance(device, Device):
            raise DeclarationError(f"{_HOOK} returned a {type(device).__name__}", cause="it returns a list of Device")
    return devices
