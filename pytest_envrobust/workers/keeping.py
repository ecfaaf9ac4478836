"""What a far worker keeps of the files that it was sent: below its cache directory, by content."""

from __future__ import annotations

import os
import shutil
import tempfile
from pathlib import Path

from pytest_envrobust.workers.protocol import Message

FAR_OPERATIONS = ("keeps", "receive", "keep", "room", "written", "read")
"""What a far worker does beside what every worker does."""


class Keeping:
    """Files by the digest of their content; what is not whole yet lies aside, in a folder of this process's own."""

    def __init__(self, home: Path) -> None:
        self._kept = home / "files"
        self._kept.mkdir(parents=True, exist_ok=True)
        self.scratch = Path(tempfile.mkdtemp(prefix=f"worker-{os.getpid()}-", dir=str(home)))

    def keeps(self, digest: str) -> Message:
        """Whether it is here already, and where it is or will be."""
        path = self._kept / digest
        return {"kept": path.is_dir(), "path": str(path)}

    def receive(self, digest: str, name: str, content: bytes) -> Message:
        """Add a piece to a file that is on its way."""
        path = self.scratch / digest / name
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("ab") as stream:
            stream.write(content)
        return {}

    def keep(self, digest: str) -> Message:
        """All of it has come: from now on it is kept. Another process may have been faster."""
        aside = self.scratch / digest
        try:
            os.rename(aside, self._kept / digest)
        except OSError:
            shutil.rmtree(aside, ignore_errors=True)
        return {}

    def room(self, name: str) -> Message:
        """A place for a file that is to be written."""
        return {"path": str(Path(tempfile.mkdtemp(dir=str(self.scratch))) / name)}

    def written(self, path: str) -> Message:
        """What was written there, and beside it: sizes in bytes by the path from that folder."""
        folder = Path(path).parent
        files = sorted(file for file in folder.rglob("*") if file.is_file())
        return {"files": {file.relative_to(folder).as_posix(): file.stat().st_size for file in files}}

    def read(self, path: str, name: str, first: int, count: int) -> Message:
        """A piece of a file that was written."""
        with (Path(path).parent / name).open("rb") as stream:
            stream.seek(first)
            return {"content": stream.read(count)}

    def close(self) -> None:
        """Remove what was this process's own."""
        shutil.rmtree(self.scratch, ignore_errors=True)
