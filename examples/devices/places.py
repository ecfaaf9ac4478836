"""What the devices need: another interpreter, and an ssh server on the loopback address. Run it once before pytest.

What cannot be made here (no network, no ssh server installed) is left out, and `left_out` says what would bring it.
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

OTHER, HOST = "ort-1.20", "loopback"
"""The devices that are made here."""
BUILD = Path(__file__).parent / "build"
OTHER_PYTHON = BUILD / OTHER / "bin" / "python"
SERVER = BUILD / "ssh"
SSH_CONFIG = SERVER / "ssh_config"
SSHD = shutil.which("sshd") or shutil.which("/usr/sbin/sshd")
MAKE = "python places.py"
PACKAGES = ("onnxruntime==1.20.1", "numpy")


def make_python() -> None:
    """A virtual environment with an older release of ONNX Runtime, and nothing of pytest-envrobust; or none at all."""
    folder = OTHER_PYTHON.parents[1]
    try:
        if not OTHER_PYTHON.exists():
            venv.create(folder, with_pip=True)
        subprocess.run([OTHER_PYTHON, "-m", "pip", "install", "--quiet", *PACKAGES], check=True)
    except BaseException:  # half of one would be taken for all of it
        shutil.rmtree(folder, ignore_errors=True)
        raise


def has_server() -> bool:
    """Whether server, client and key generator are installed."""
    return bool(SSHD and shutil.which("ssh") and shutil.which("ssh-keygen"))


def left_out() -> dict[str, str]:
    """The devices that are not made, each with what would bring it."""
    found = {}
    if not OTHER_PYTHON.exists():
        found[OTHER] = f"there is no such interpreter ({MAKE}, with a Python and an index that have {PACKAGES[0]})"
    if not has_server():
        found[HOST] = f"there is no ssh server (Debian, Ubuntu: apt-get install openssh-server; then {MAKE})"
    elif not SSH_CONFIG.exists():
        found[HOST] = f"the ssh server has no keys, or could not be logged in to ({MAKE}, which says why)"
    return found


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


def try_server(folder: Path = SERVER) -> None:
    """Log in once: a server that cannot start, or refuses the key, shall not end every run."""
    stop = serving(folder)
    try:
        subprocess.run(["ssh", "-F", folder / "ssh_config", "-o", "BatchMode=yes", HOST, "true"], check=True)
    finally:
        stop()


def main() -> None:
    """Make both."""
    BUILD.mkdir(exist_ok=True)
    try:
        make_python()
    except (OSError, subprocess.CalledProcessError) as error:
        print(f"no other interpreter: {error}", file=sys.stderr)
    if has_server():
        try:
            make_server()
            try_server()
        except (OSError, ValueError, subprocess.CalledProcessError) as error:
            print(f"no ssh server: {error}", file=sys.stderr)
            shutil.rmtree(SERVER)
    for name, remedy in left_out().items():
        print(f"{name} is left out: {remedy}")


if __name__ == "__main__":
    main()
