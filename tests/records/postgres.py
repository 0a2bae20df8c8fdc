"""A PostgreSQL server of the tests' own, on a socket in a folder of its own."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


def programs() -> Path | None:
    """Where initdb and pg_ctl are, None where there is no PostgreSQL."""
    found = shutil.which("initdb") or next(map(str, Path("/usr/lib/postgresql").glob("*/bin/initdb")), None)
    return Path(found).resolve().parent if found else None


@contextmanager
def running(programs: Path) -> Iterator[Path]:
    """A server whose socket is in the folder, until the block ends. PostgreSQL refuses to run as root: then as
    nobody."""
    folder = Path(tempfile.mkdtemp(prefix="switchyard-postgres-"))
    user = "nobody" if os.getuid() == 0 else None
    if user:
        shutil.chown(folder, user)

    def call(program: str, *arguments: str) -> None:
        command = [str(programs / program), "-D", str(folder / "data"), *arguments]
        with (folder / "log").open("a") as log:
            done = subprocess.run(command, cwd=folder, user=user, stdout=log, stderr=log, timeout=60)
        assert done.returncode == 0, (folder / "log").read_text()

    try:
        call("initdb", "-U", "tests", "--auth=trust", "--no-sync")
        call("pg_ctl", "-w", "-o", f"-k {folder} -c listen_addresses='' -c fsync=off", "start")
        try:
            yield folder
        finally:
            call("pg_ctl", "-w", "-m", "immediate", "stop")
    finally:
        shutil.rmtree(folder)
