"""A real PostgreSQL server in a temporary folder, reached by a socket in it and by nothing else.

initdb refuses root, so a test run as root hands the folder to the user postgres (or nobody).
"""

from __future__ import annotations

import os
import pwd
import shutil
import subprocess
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

#: Users that may own the server, in order.
USERS = ("postgres", "nobody")


def programs() -> Path | None:
    """Folder of initdb and pg_ctl; None where PostgreSQL is not installed."""
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"), reverse=True)
    if found:
        return found[0].parent
    plain = shutil.which("initdb")
    return Path(plain).resolve().parent if plain else None


def _owner() -> pwd.struct_passwd | None:
    """User to run as; None when the test runs unprivileged already."""
    if os.geteuid() != 0:
        return None
    for name in USERS:
        try:
            return pwd.getpwnam(name)
        except KeyError:
            continue
    message = f"none of the users {', '.join(USERS)} is there to run PostgreSQL"
    raise RuntimeError(message)


def _as_owner(command: Sequence[str], owner: pwd.struct_passwd | None) -> None:
    switch = (
        []
        if owner is None
        else ["setpriv", f"--reuid={owner.pw_uid}", f"--regid={owner.pw_gid}", "--clear-groups"]
    )
    answer = subprocess.run(
        [*switch, *command], capture_output=True, text=True, timeout=120, cwd="/", stdin=subprocess.DEVNULL
    )
    if answer.returncode:
        raise RuntimeError(answer.stdout + answer.stderr)


@contextmanager
def server() -> Iterator[str]:
    """Start a server and yield its connection string; it is stopped and removed afterwards."""
    folder = programs()
    if folder is None:
        message = "PostgreSQL is not installed"
        raise RuntimeError(message)
    owner = _owner()
    # Not below pytest's folder: others may not enter that, and names of sockets are short.
    root = Path(tempfile.mkdtemp(prefix="pg", dir="/tmp"))
    try:
        if owner is not None:
            os.chown(root, owner.pw_uid, owner.pw_gid)
        data = str(root / "data")
        _as_owner(
            [str(folder / "initdb"), "-D", data, "-U", "tester", "-A", "trust", "-E", "UTF8", "--no-sync"],
            owner,
        )
        options = f"-k {root} -c listen_addresses='' -c fsync=off -c shared_buffers=16MB"
        _as_owner(
            [
                str(folder / "pg_ctl"),
                "-D",
                data,
                "-l",
                str(root / "log"),
                "-w",
                "-t",
                "60",
                "-o",
                options,
                "start",
            ],
            owner,
        )
        try:
            yield f"host={root} user=tester dbname=postgres"
        finally:
            _as_owner([str(folder / "pg_ctl"), "-D", data, "-m", "immediate", "-w", "stop"], owner)
    finally:
        shutil.rmtree(root, ignore_errors=True)
