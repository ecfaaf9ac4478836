"""Sources that go wrong: factories that abort, raise, hang, exit or eat all memory, and models that do so on a run."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

from support import nets

TRIGGER = 1000.0
"""An input value that makes the models of this module misbehave; opening a session never feeds it."""


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


def aborts() -> Any:
    _say("assertion failed in the native library")
    os.abort()


def segfaults() -> Any:
    import ctypes

    ctypes.string_at(0)


def exits() -> Any:
    _say("giving up")
    os._exit(3)


def exits_politely() -> Any:
    sys.exit("no license found")


def raises() -> Any:
    raise ValueError("no layer of that name")


def runs_out_of_memory() -> Any:
    raise MemoryError


def lacks_a_module() -> Any:
    import a_module_that_is_not_there  # noqa: F401


def hangs() -> Any:
    _say("about to loop")
    while True:
        pass


def hangs_in_native_code() -> Any:
    """Holds the interpreter's lock all the while: no other thread of the process runs."""
    import ctypes

    _say("about to sleep")
    ctypes.PyDLL(None).sleep(3600)


def leaves_a_child_and_hangs() -> Any:
    _child()
    hangs()


def leaves_a_child_and_aborts() -> Any:
    _child()
    os.abort()


def _child() -> None:
    process = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(3600)"])
    Path(os.environ["SUPPORT_NOTES"]).write_text(str(process.pid))


def not_a_model() -> Any:
    return {"weights": 1}


def _torch_model(act: Any) -> Any:
    import torch

    class Model(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.net = nets.torch_net()

        def forward(self, x: Any) -> Any:
            return act(x, self.net(x))

    return Model().eval()


def _on_trigger(act: Any) -> Any:
    def forward(x: Any, scores: Any) -> Any:
        if float(x.max()) >= TRIGGER:
            act()
        return scores

    return _torch_model(forward)


def run_aborts() -> Any:
    return _on_trigger(aborts)


def run_raises() -> Any:
    return _on_trigger(raises)


def run_hangs() -> Any:
    return _on_trigger(hangs)


def run_hangs_in_native_code() -> Any:
    return _on_trigger(hangs_in_native_code)


def run_notes_and_hangs() -> Any:
    def act() -> None:
        Path(os.environ["SUPPORT_NOTES"]).write_text("running")
        hangs()

    return _on_trigger(act)


def returns_a_tuple() -> Any:
    return _torch_model(lambda x, scores: (scores, x))


def returns_a_dict() -> Any:
    return _torch_model(lambda x, scores: {"scores": scores, "hidden": x})


def returns_a_tuple_of_one() -> Any:
    return _torch_model(lambda x, scores: (scores,))


def returns_an_image() -> Any:
    return _torch_model(lambda x, scores: x)


def returns_text() -> Any:
    return _torch_model(lambda x, scores: "cat")


def returns_nan() -> Any:
    return _torch_model(lambda x, scores: scores * float("nan"))
