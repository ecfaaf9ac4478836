"""An ssh server of the tests' own on the loopback address, as the example of devices has one."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path

from support.examples import EXAMPLES

_SPEC = spec_from_file_location("places_of_the_example", EXAMPLES / "devices" / "places.py")
assert _SPEC is not None
assert _SPEC.loader is not None
_PLACES = module_from_spec(_SPEC)
_SPEC.loader.exec_module(_PLACES)

HOST: str = _PLACES.HOST
NEEDED = "there is no ssh server here: apt-get install openssh-server"


def is_here() -> bool:
    """Whether server, client and key generator are installed."""
    return bool(_PLACES.has_server())


@contextmanager
def ssh_server(folder: Path) -> Iterator[Path]:
    """Start one that knows `HOST`; the file that tells ssh how to reach it."""
    place = folder / "server"
    _PLACES.make_server(place)
    stop = _PLACES.serving(place)
    try:
        yield place / "ssh_config"
    finally:
        stop()
