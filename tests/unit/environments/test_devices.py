from __future__ import annotations

import json
import sys
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pytest
from support.interpreters import empty_python

from pytest_envrobust import DeclarationError, Device
from pytest_envrobust.core.devices import EMULATED_PREFIX
from pytest_envrobust.environments import devices
from pytest_envrobust.environments.devices import declared_places, devices_in
from pytest_envrobust.environments.places import BOARD_VARIABLE, EMULATED, EMULATED_INPUTS, RPC, emulated_models

ORIGIN = "the test"


def headline(device: Device, base: Path = Path()) -> str:
    """The headline of the error that the device is."""
    with pytest.raises(DeclarationError) as caught:
        device.place(base, ORIGIN, ["cpu"])
    return caught.value.headline


@pytest.mark.parametrize(
    ("line", "device"),
    [
        ("old=python=venv/bin/python", Device("old", python="venv/bin/python")),
        (" old = python = a/b//inputs=4 ", Device("old", python="a/b", inputs=4)),
        ("atom=emulate=Denverton//device=cpu", Device("atom", emulate="Denverton")),
        ("old=python=/a=b/python", Device("old", python="/a=b/python")),
        ("pi=ssh=me@pi//python=python3", Device("pi", ssh="me@pi", python="python3")),
    ],
)
def test_a_line_is_read(line: str, device: Device) -> None:
    assert Device.parse(line, ORIGIN) == device


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("old", "device 'old' (the test): it needs one of python, emulate, ssh, tvm_rpc, tvm_tracker, and has none"),
        ("", "device '' (the test) (write it as NAME=python=PATH)"),
        ("=python=x", "device '=python=x' (the test) (write it as NAME=python=PATH)"),
        ("old=python=", "device 'old=python=' (the test) (write it as NAME=python=PATH)"),
        ("old=python", "device 'old=python' (the test) (write it as NAME=python=PATH)"),
        (
            "old=pyton=x",
            "'pyton' of device 'old' (the test): it is a table, *python* (did you mean 'python'?)",
        ),
        ("old=python=x//inputs=0", "inputs=0 of device 'old' (the test): it is a whole number above 0"),
        ("old=python=x//inputs=few", "inputs='few' of device 'old' (the test): it is a whole number above 0"),
        ("a/b=python=x", "device 'a/b' (the test): a name is of letters, digits, and . _ + -"),
        ("qemu:Mine=emulate=Haswell", "device 'qemu:Mine' (the test): a name is of letters, digits, and . _ + -"),
        ("cpu=python=x", "device 'cpu' (the test): there is one of that name already (choose another name)"),
        (
            "pi=ssh=me@pi//emulate=Haswell",
            "device 'pi' (the test): it needs one of *, and has emulate and ssh",
        ),
        (
            "old=python=x//emulate=Haswell",
            "device 'old' (the test): it needs one of *, and has python and emulate",
        ),
    ],
)
def test_a_malformed_line_is_one_error(line: str, message: str) -> None:
    with pytest.raises(DeclarationError) as caught:
        Device.parse(line, ORIGIN).place(Path(), ORIGIN, ["cpu"])
    before, _, after = message.partition("*")
    assert caught.value.headline.startswith(before)
    assert caught.value.headline.endswith(after.rpartition("*")[2])


@pytest.mark.parametrize(
    ("table", "message"),
    [
        (
            "venv/bin/python",
            "device 'old' (the test): it is a table, whose keys are cc, device, emulate, inputs, ",
        ),
        ({"python": 3}, "python=3 of device 'old' (the test): it is text"),
        ({"python": "x", "inputs": True}, "inputs=True of device 'old' (the test): it is a whole number above 0"),
        ({"python": "x", "inputs": 2.0}, "inputs=2.0 of device 'old' (the test): it is a whole number above 0"),
    ],
)
def test_a_malformed_table_is_one_error(table: Any, message: str) -> None:
    with pytest.raises(DeclarationError) as caught:
        Device.of("old", table, ORIGIN)
    assert caught.value.headline.startswith(message)


@pytest.mark.parametrize(
    ("device", "message"),
    [
        (Device("b", tvm_rpc="10.0.0.5"), "'10.0.0.5' is no address (write it as host:port)"),
        (Device("b", tvm_rpc="host:port"), "'host:port' is no address (write it as host:port)"),
        (Device("b", tvm_tracker="host:9190"), "a tracker knows boards by a key (add key=)"),
        (Device("b", tvm_rpc="host:9090", target="{"), "its target is no JSON: "),
        (Device("b", tvm_rpc="host:9090", target="[1]"), "its target is a mapping, such as "),
    ],
)
def test_a_board_that_cannot_be_one(device: Device, message: str) -> None:
    assert message in headline(device)


def test_a_board_is_known_to_tvm_by_a_variable_that_its_artifacts_depend_on() -> None:
    line = 'b=tvm_tracker=pi:9190//key=small//target={"kind": "llvm", "mtriple": "aarch64-linux-gnu"}//cc=arm-g++'
    place = Device.parse(line, ORIGIN).place(Path(), ORIGIN, ["cpu"])
    assert place.device == RPC
    told = json.loads(place.variables[BOARD_VARIABLE])
    assert (told["host"], told["port"], told["key"], told["tracked"], told["cc"]) == (
        "pi",
        9190,
        "small",
        True,
        "arm-g++",
    )
    assert json.loads(told["target"]) == {"kind": "llvm", "mtriple": "aarch64-linux-gnu"}
    assert place.described()["board"] == told


def test_an_interpreter_is_asked_what_it_has() -> None:
    place = Device("old", python=sys.executable, inputs=3).place(Path(), ORIGIN, ["cpu"])
    assert (place.name, place.device, place.python, place.inputs) == ("old", "cpu", sys.executable, 3)
    assert place.packages is not None
    assert place.packages["numpy"] == version("numpy")
    assert not place.is_emulated
    assert place.described()["packages"]["numpy"] == version("numpy")


def test_an_interpreter_needs_numpy_and_the_remedy_installs_it(tmp_path: Path) -> None:
    python = empty_python(tmp_path / "venv")
    message = headline(Device("old", python="venv/bin/python"), tmp_path)
    assert message == f"device 'old' (the test): numpy is not installed there ({python} -m pip install numpy)"


def test_a_path_that_is_none_says_what_it_is(tmp_path: Path) -> None:
    assert "nowhere does not exist" in headline(Device("old", python="nowhere"), tmp_path)
    assert "is a directory (name the python in it)" in headline(Device("old", python="."), tmp_path)
    (tmp_path / "text").write_text("no program")
    assert "is no Python" in headline(Device("old", python="text"), tmp_path)


def test_a_processor_that_qemu_does_not_know_suggests_the_nearest(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(devices, "emulated_models", lambda: frozenset({"Haswell", "Denverton"}))
    message = headline(Device("old", emulate="Haswel"))
    assert message == "device 'old' (the test): qemu knows no processor 'Haswel' (did you mean 'Haswell'?)"
    place = Device("old", emulate="Denverton").place(Path(), ORIGIN, ["cpu"])
    assert place.emulator[1:] == ("-cpu", "Denverton")
    assert place.inputs == EMULATED_INPUTS
    assert place.is_emulated


def test_the_catalogues_own_are_known_to_qemu_where_it_is_here() -> None:
    if not emulated_models():
        pytest.skip("there is no qemu here: apt-get install qemu-user-static")
    assert set(EMULATED) <= emulated_models()


def test_a_later_declaration_wins_and_an_emulated_processor_keeps_its_name() -> None:
    declared = [(Device("old", python="nowhere"), "first"), (Device("old", python=sys.executable), "second")]
    places = declared_places(declared, {"first": Path(), "second": Path()}, ["cpu"])
    assert list(places) == [*(f"{EMULATED_PREFIX}{model}" for model in EMULATED), "old"]
    assert places["old"].python == sys.executable
    with pytest.raises(DeclarationError, match="there is one of that name already"):
        declared_places([(Device("cpu+avx2", python="x"), "first")], {"first": Path()}, ["cpu", "cpu+avx2"])


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[tool.envrobust.devices\n", "pyproject.toml cannot be read: "),
        ("[tool.envrobust]\ndevices = 3\n", "it is a table of tables, one for each device"),
        ("[tool]\nenvrobust = 3\n", "it is a table of tables, one for each device"),
    ],
)
def test_a_file_that_cannot_be_read_is_told(tmp_path: Path, text: str, message: str) -> None:
    (tmp_path / "pyproject.toml").write_text(text)
    with pytest.raises(DeclarationError) as caught:
        devices_in(tmp_path)
    assert message in caught.value.headline


def test_without_a_file_or_a_table_there_are_none(tmp_path: Path) -> None:
    assert devices_in(tmp_path) == []
    (tmp_path / "pyproject.toml").write_text("[tool.envrobust]\nother = 1\n")
    assert devices_in(tmp_path) == []
