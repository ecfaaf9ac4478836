"""The cache of files that a worker on another machine was sent: below its cache directory, by content."""

from __future__ import annotations

import os
import shutil
import tempfile
from pathlib import Path

from pytest_envrobust.workers.protocol import Message

REMOTE_OPERATIONS = ("find_files", "append", "commit", "new_target", "list_files", "read")
"""What a worker on another machine does beside what every worker does."""


class RemoteFileCache:
    """Files by the digest of their content; incomplete ones lie in ``scratch``, a folder of this process's own."""

    def __init__(self, home: Path) -> None:
        self._files = home / "files"
        self._files.mkdir(parents=True, exist_ok=True)
        self.scratch = Path(tempfile.mkdtemp(prefix=f"worker-{os.getpid()}-", dir=str(home)))

    def find_files(self, digest: str) -> Message:
        """Whether the files of that digest are here already (``cached``), and the folder where they are or will be."""
        path = self._files / digest
        return {"cached": path.is_dir(), "path": str(path)}

    def append(self, digest: str, name: str, content: bytes) -> Message:
        """Append a piece to the file ``name`` of that digest, which is on its way."""
        path = self.scratch / digest / name
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("ab") as stream:
            stream.write(content)
        return {}

    def commit(self, digest: str) -> Message:
        """Put the files of that digest, now complete, into the cache. Another process may have been faster."""
        aside = self.scratch / digest
        try:
            os.rename(aside, self._files / digest)
        except OSError:
            shutil.rmtree(aside, ignore_errors=True)
        return {}

    def new_target(self, name: str) -> Message:
        """The path, in a new folder, of a file that is to be written."""
        return {"path": str(Path(tempfile.mkdtemp(dir=str(self.scratch))) / name)}

    def list_files(self, path: str) -> Message:
        """The file at ``path`` and what was written beside it: sizes in bytes by the path from that folder."""
        folder = Path(path).parent
        files = sorted(file for file in folder.rglob("*") if file.is_file())
        return {"files": {file.relative_to(folder).as_posix(): file.stat().st_size for file in files}}

    def read(self, path: str, name: str, first: int, count: int) -> Message:
        """``count`` bytes, from ``first`` on, of the file ``name`` beside ``path``."""
        with (Path(path).parent / name).open("rb") as stream:
            stream.seek(first)
            return {"content": stream.read(count)}

    def close(self) -> None:
        """Remove what was this process's own."""
        shutil.rmtree(self.scratch, ignore_errors=True)
