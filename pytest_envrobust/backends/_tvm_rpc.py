"""TVM on a board that it reaches by its own RPC: what is compiled here is sent there, loaded and run."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from pytest_envrobust.backends import base
from pytest_envrobust.core.digests import file_digest
from pytest_envrobust.core.errors import Unavailable
from pytest_envrobust.core.telling import named_cause
from pytest_envrobust.environments.places import BOARD_VARIABLE, RPC, Board
from pytest_envrobust.frameworks.outputs import single_output

_SESSION_SECONDS = 600
"""How long a tracker lends a board."""


def board_of(device: str) -> Board | None:
    """The board that this worker speaks to; ``None`` for another device."""
    return Board(**json.loads(os.environ[BOARD_VARIABLE])) if device == RPC else None


def target_of(board: Board, level: Mapping[str, Any]) -> Any:
    """The board's target with the attributes of a level; without one an LLVM target of this machine's kind."""
    import tvm

    declared = json.loads(board.target)
    own = {"kind": "llvm", "mtriple": str(tvm.target.codegen.llvm_get_system_triple())}
    asked = declared or own
    return tvm.target.Target({**asked, **(level if asked.get("kind") == "llvm" else {})})


class BoardSession(base.Session):
    """A library on the board, in a relax virtual machine there. Each call takes the way there and back."""

    def __init__(self, job: base.Job, board: Board, record: Mapping[str, Any]) -> None:
        from tvm import relax

        self.input = job.input
        self._board, self._record = board, dict(record)
        self._path = Path(job.source.target)
        self._remote = _connected(board)
        name = f"{file_digest(self._path)[:16]}{self._path.suffix}"
        try:
            self._remote.upload(str(self._path), target=name)
            library = self._remote.load_module(name)
        except Exception as error:
            raise Unavailable(
                f"the library cannot be loaded on {_named(board)}",
                cause=named_cause(error),
                remedy="is target= the board's, and does its TVM have this one's version?",
            ) from error
        on_gpu = json.loads(board.target).get("kind") == "cuda"
        self._device = self._remote.cuda(0) if on_gpu else self._remote.cpu()
        self._machine: Any = relax.VirtualMachine(library, self._device)

    def run(self, batch: NDArray[Any]) -> NDArray[Any]:
        """One call, there; scores of shape (N, classes), brought back.

        Raises `ConnectionError` where the board is gone.
        """
        import tvm

        try:
            self._machine.set_input("main", tvm.runtime.tensor(batch, self._device))
            self._machine.invoke_stateful("main")
            found = self._machine.get_outputs("main")
            scores = found.numpy() if hasattr(found, "numpy") else [each.numpy() for each in found]
        except Exception as error:
            raise ConnectionError(f"{_named(self._board)} does not answer: {named_cause(error)}") from error
        return single_output(scores, rows=len(batch))

    def evidence(self) -> dict[str, str]:
        """The board, and what the compiled code said of itself when it was built, if it is still that library."""
        digest = file_digest(self._path)
        found = {"board": _named(self._board), "transport": "inside the times", "library_sha256": digest}
        record = {name: str(value) for name, value in self._record.items() if name != "library"}
        return found | (record if self._record.get("library") == digest else {})

    def close(self) -> None:
        """Let go of the board."""
        self._machine = self._remote = None


def _connected(board: Board) -> Any:
    from tvm import rpc

    try:
        if board.tracked:
            return rpc.connect_tracker(board.host, board.port).request(board.key, session_timeout=_SESSION_SECONDS)
        return rpc.connect(board.host, board.port, key=board.key)
    except Exception as error:
        raise Unavailable(
            f"{_named(board)} cannot be reached",
            cause=named_cause(error),
            remedy=f"start it there: python -m tvm.exec.rpc_server --host 0.0.0.0 --port {board.port}",
        ) from error


def _named(board: Board) -> str:
    kind = "tracker" if board.tracked else "server"
    return f"TVM's RPC {kind} {board.host}:{board.port}" + (f" ({board.key})" if board.key else "")
