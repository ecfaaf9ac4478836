"""The content-addressed store of converted and compiled files.

An artifact is a directory named by the hash of all that made it: the source's digest, the step or compiler and its
code, the versions of the packages involved, the options, the input's shape and the device. It is written aside and
renamed, so that a reader never sees half of one; one process makes it while others wait; its files are checked against
their digests when it is read; and it counts only once it has been proven by running.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import tempfile
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pytest_envrobust.core.digests import file_digest, file_digests
from pytest_envrobust.core.errors import DeclarationError

FORMAT = "v1"


@dataclass(frozen=True)
class Artifact:
    """A converted or compiled file in the store. ``made`` says whether this run made it."""

    key: str
    path: Path
    made: bool = False


def recipe_key(recipe: Mapping[str, Any]) -> str:
    """The hash of all that makes an artifact, as 64 hexadecimal digits."""
    return hashlib.sha256(json.dumps(recipe, sort_keys=True, separators=(",", ":")).encode()).hexdigest()


def default_root() -> Path:
    """The store's place under the user's cache directory."""
    from platformdirs import user_cache_path

    return Path(user_cache_path("pytest-envrobust"))


class Store:
    """Artifacts below ``root``. Raises `DeclarationError` where the directory cannot be written."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self._objects = root / FORMAT
        try:
            self._objects.mkdir(parents=True, exist_ok=True)
            with tempfile.TemporaryFile(dir=self._objects):
                pass
        except OSError as error:
            raise DeclarationError(
                f"cache directory {str(root)!r} cannot be written",
                cause=error.strerror or str(error),
                remedy="choose another with --envrobust-cache-dir",
            ) from None

    def get_or_make(self, recipe: Mapping[str, Any], file: str, make: Callable[[Path], None]) -> Artifact:
        """The artifact of that recipe; where absent, damaged or unproven, ``make`` is called with a path to write.

        ``file`` names the artifact's main file (or directory); what ``make`` writes beside it is kept too. Whatever
        ``make`` raises passes through and leaves nothing behind.
        """
        from filelock import FileLock

        key = recipe_key(recipe)
        home = self._home(key)
        home.parent.mkdir(parents=True, exist_ok=True)
        with FileLock(str(home) + ".lock"):
            if (home / "proven").exists() and _is_intact(home):
                return Artifact(key, home / "files" / file)
            self._make(home, recipe, make, file)
        return Artifact(key, home / "files" / file, made=True)

    def prove(self, artifact: Artifact) -> None:
        """Say that the artifact has run and given the right shape: from now on it counts."""
        (artifact.path.parent.parent / "proven").touch()

    def clear(self) -> None:
        """Remove every artifact."""
        shutil.rmtree(self._objects, ignore_errors=True)
        self._objects.mkdir(parents=True, exist_ok=True)

    def engine_cache(self, engine: str) -> Path:
        """A directory for an engine that keeps a cache of its own."""
        path = self._objects / "engines" / engine
        path.mkdir(parents=True, exist_ok=True)
        return path

    def _home(self, key: str) -> Path:
        return self._objects / key[:2] / key

    def _make(self, home: Path, recipe: Mapping[str, Any], make: Callable[[Path], None], file: str) -> None:
        aside = Path(tempfile.mkdtemp(prefix="making-", dir=home.parent))
        try:
            files = aside / "files"
            files.mkdir()
            make(files / file)
            manifest = {"recipe": dict(recipe), "files": file_digests(files)}
            (aside / "manifest.json").write_text(json.dumps(manifest, indent=1))
            if home.exists():
                trash = home.with_name(f"trash-{uuid.uuid4().hex}")
                os.replace(home, trash)
                shutil.rmtree(trash, ignore_errors=True)
            os.replace(aside, home)
        finally:
            shutil.rmtree(aside, ignore_errors=True)


def _is_intact(home: Path) -> bool:
    try:
        manifest = json.loads((home / "manifest.json").read_text())
        recorded: dict[str, str] = manifest["files"]
        return all(file_digest(home / "files" / name) == digest for name, digest in recorded.items())
    except (OSError, ValueError, KeyError):
        return False
