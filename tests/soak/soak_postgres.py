"""A private PostgreSQL that may be stopped in the roughest way. Callers: soak.

Durable settings stay on but for fsync: what dies here is the server, not the machine under it.
"""

from __future__ import annotations

import os
import pwd
import shutil
import socket
import subprocess
import tempfile
from pathlib import Path

import sqlalchemy as sa


def binaries() -> Path | None:
    """The folder with initdb and pg_ctl; None where no PostgreSQL is installed."""
    for path in sorted(Path("/usr/lib/postgresql").glob("*/bin/pg_ctl"), key=lambda p: -float(p.parts[-3])):
        return path.parent
    found = shutil.which("pg_ctl")
    return Path(found).resolve().parent if found and shutil.which("initdb") else None


class Server:
    """start, crash, stop. Runs as `postgres` or `nobody` where we are root, since PostgreSQL refuses root."""

    def __init__(self) -> None:
        found = binaries()
        if found is None:
            raise RuntimeError("no PostgreSQL is installed")
        self._bin, self._user = found, None
        # Not under the work folder: its 0700 parents keep the server's user out.
        self._root = Path(tempfile.mkdtemp(prefix="duoyun-soak-pg-", dir="/tmp"))
        if os.geteuid() == 0:
            names = {entry.pw_name for entry in pwd.getpwall()}
            self._user = "postgres" if "postgres" in names else "nobody"
            shutil.chown(self._root, self._user)
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = int(probe.getsockname()[1])
        data = self._root / "data"
        self._run("initdb", "-D", data, "-U", "duoyun", "-A", "trust", "-E", "UTF8", "--locale=C", "--no-sync")
        with (data / "postgresql.conf").open("a") as conf:
            conf.write(f"listen_addresses='127.0.0.1'\nport={self.port}\nunix_socket_directories='{self._root}'\n")
            conf.write("fsync=off\nmax_connections=100\n")
        self.start()

    @property
    def url(self) -> str:
        return f"postgresql://duoyun@127.0.0.1:{self.port}/postgres"

    def database(self, name: str) -> str:
        """The URL of a new database."""
        import psycopg

        with psycopg.connect(self.url, autocommit=True) as conn:
            conn.execute(f'CREATE DATABASE "{name}"')
        return sa.make_url(self.url).set(database=name).render_as_string(hide_password=False)

    def dump(self) -> str:
        """Everything in every database, as SQL text."""
        done = subprocess.run(
            [self._bin / "pg_dumpall", "-h", "127.0.0.1", "-p", str(self.port), "-U", "duoyun"],
            check=True, capture_output=True, text=True, cwd=self._root,
        )  # fmt: skip
        return done.stdout

    def start(self) -> None:
        self._run("pg_ctl", "-D", self._root / "data", "-l", self._root / "log", "-w", "start")

    def crash(self) -> None:
        self._run("pg_ctl", "-D", self._root / "data", "-m", "immediate", "-w", "stop")

    def close(self) -> None:
        self.crash()
        shutil.rmtree(self._root, ignore_errors=True)

    def _run(self, program: str, *args: object) -> None:
        subprocess.run(
            [self._bin / program, *map(str, args)],
            check=True, user=self._user, cwd=self._root, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        )  # fmt: skip
