"""An ssh server of the tests' own on the loopback address, with keys that nobody else has."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from getpass import getuser
from pathlib import Path

SSHD = shutil.which("sshd") or shutil.which("/usr/sbin/sshd")
NEEDED = "there is no ssh server here: apt-get install openssh-server"
HOST = "loopback"


def is_here() -> bool:
    """Whether server, client and key generator are installed."""
    return bool(SSHD and shutil.which("ssh") and shutil.which("ssh-keygen"))


@contextmanager
def ssh_server(folder: Path) -> Iterator[Path]:
    """Start one that knows `HOST`; the file that tells ssh how to reach it."""
    assert SSHD is not None
    for name in ("host_key", "user_key"):
        subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(folder / name)], check=True)
    shutil.copy(folder / "user_key.pub", folder / "authorized_keys")
    if os.geteuid() == 0:
        Path("/run/sshd").mkdir(exist_ok=True)
    port = _free_port()
    (folder / "sshd_config").write_text(
        f"ListenAddress 127.0.0.1\nPort {port}\nHostKey {folder / 'host_key'}\nPidFile {folder / 'pid'}\n"
        f"AuthorizedKeysFile {folder / 'authorized_keys'}\nStrictModes no\nUsePAM no\nPasswordAuthentication no\n"
        f"PermitRootLogin yes\nSetEnv XDG_CACHE_HOME={folder / 'cache'}\n"
    )
    config = folder / "ssh_config"
    config.write_text(
        f"Host {HOST}\n  HostName 127.0.0.1\n  Port {port}\n  User {getuser()}\n  IdentityFile {folder / 'user_key'}\n"
        "  IdentitiesOnly yes\n  StrictHostKeyChecking no\n  UserKnownHostsFile /dev/null\n  LogLevel ERROR\n"
    )
    subprocess.run([SSHD, "-f", str(folder / "sshd_config"), "-E", str(folder / "log")], check=True)
    try:
        _wait_for(port)
        yield config
    finally:
        os.kill(int((folder / "pid").read_text()), signal.SIGTERM)


def _free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        port: int = found.getsockname()[1]
        return port


def _wait_for(port: int) -> None:
    for _ in range(100):
        with socket.socket() as tried:
            if tried.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.1)
    raise AssertionError("the ssh server does not answer")
