"""What the devices need: another interpreter, and an ssh server on the loopback address. Run it once before pytest.

What cannot be made here (no network, no ssh server installed) is left out, with the reason.
"""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import sys
import time
import venv
from collections.abc import Callable
from getpass import getuser
from pathlib import Path

BUILD = Path(__file__).parent / "build"
OTHER_PYTHON = BUILD / "ort-1.20" / "bin" / "python"
SERVER = BUILD / "ssh"
SSH_CONFIG = SERVER / "ssh_config"
HOST = "loopback"
SSHD = shutil.which("sshd") or shutil.which("/usr/sbin/sshd")


def make_python() -> None:
    """A virtual environment with an older release of ONNX Runtime, and nothing of pytest-envrobust."""
    if not OTHER_PYTHON.exists():
        venv.create(OTHER_PYTHON.parents[1], with_pip=True)
    subprocess.run([OTHER_PYTHON, "-m", "pip", "install", "--quiet", "onnxruntime==1.20.1", "numpy"], check=True)


def make_server(folder: Path = SERVER) -> None:
    """Write keys and configuration of an ssh server that nobody else can log in to."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    for name in ("host_key", "user_key"):
        subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", folder / name], check=True)
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        port = found.getsockname()[1]
    (folder / "sshd_config").write_text(
        f"ListenAddress 127.0.0.1\nPort {port}\nHostKey {folder / 'host_key'}\nPidFile {folder / 'pid'}\n"
        f"AuthorizedKeysFile {folder / 'user_key.pub'}\nStrictModes no\nUsePAM no\nPasswordAuthentication no\n"
        f"PermitRootLogin yes\nSetEnv XDG_CACHE_HOME={folder / 'cache'}\n"
    )
    (folder / "ssh_config").write_text(
        f"Host {HOST}\n  HostName 127.0.0.1\n  Port {port}\n  User {getuser()}\n  IdentityFile {folder / 'user_key'}\n"
        "  IdentitiesOnly yes\n  StrictHostKeyChecking no\n  UserKnownHostsFile /dev/null\n  LogLevel ERROR\n"
    )


def serving(folder: Path = SERVER) -> Callable[[], None]:
    """Start that server; what stops it."""
    if os.geteuid() == 0:
        Path("/run/sshd").mkdir(exist_ok=True)
    subprocess.run([str(SSHD), "-f", folder / "sshd_config", "-E", folder / "log"], check=True)
    pid = folder / "pid"
    for _ in range(100):  # it is written once the server listens
        if pid.exists() and pid.read_text().strip():
            break
        time.sleep(0.1)
    number = int(pid.read_text())
    return lambda: os.kill(number, signal.SIGTERM)


def main() -> None:
    """Make both."""
    BUILD.mkdir(exist_ok=True)
    try:
        make_python()
    except (OSError, subprocess.CalledProcessError) as error:
        print(f"no other interpreter: {error}", file=sys.stderr)
    if SSHD and shutil.which("ssh-keygen"):
        make_server()
    else:
        print("no ssh server here: the host is left out (Debian, Ubuntu: apt-get install openssh-server)")


if __name__ == "__main__":
    main()
