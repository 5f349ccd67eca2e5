"""Fixtures for every area: a private PostgreSQL, a state on both databases, a clock that tests move by hand."""

from __future__ import annotations

import contextlib
import os
import pwd
import shutil
import signal
import socket
import sqlite3
import subprocess
import tempfile
import time
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

# Whether drawing examples is slow says how busy the machine is, not whether the code is right. A change that broke
# nothing must not fail by what was drawn: the same examples every time, and others at night.
for _name, _same in (("duoyun", True), ("nightly", False)):
    settings.register_profile(_name, deadline=None, derandomize=_same, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile(os.environ.get("DUOYUN_TEST_EXAMPLES", "duoyun"))


class ManualClock:
    """model.ports.Clock whose hands the test moves. sleep() moves them, too."""

    def __init__(self, now_s: float = 1_800_000_000.0) -> None:
        self.wall_s = now_s
        self.mono_s = 1000.0

    def now_s(self) -> float:
        return self.wall_s

    def monotonic_s(self) -> float:
        return self.mono_s

    def sleep(self, seconds: float) -> None:
        self.advance(seconds)

    def advance(self, seconds: float) -> None:
        self.wall_s += seconds
        self.mono_s += seconds


@pytest.fixture
def manual_clock() -> ManualClock:
    return ManualClock()


@pytest.fixture(scope="session", autouse=True)
def _no_cache_of_the_users(tmp_path_factory: pytest.TempPathFactory) -> None:
    """Prices that somebody fetched on this machine decide no test."""
    os.environ["XDG_CACHE_HOME"] = str(tmp_path_factory.mktemp("cache"))


def _postgres_binaries() -> Path | None:
    """The folder with initdb and postgres, on PATH or where Debian keeps them; the newest wins."""
    for name in sorted(Path("/usr/lib/postgresql").glob("*/bin/postgres"), key=lambda p: -float(p.parts[-3])):
        return name.parent
    found = shutil.which("postgres")
    return Path(found).resolve().parent if found and shutil.which("initdb") else None


def _server_user() -> str | None:
    """PostgreSQL refuses to run as root; None where we are not root."""
    if os.geteuid() != 0:
        return None
    names = {entry.pw_name for entry in pwd.getpwall()}
    return "postgres" if "postgres" in names else "nobody"


@contextlib.contextmanager
def _private_postgres(binaries: Path) -> Iterator[str]:
    user = _server_user()
    # Not under pytest's folder: its 0700 parents keep the server's user out.
    root = Path(tempfile.mkdtemp(prefix="duoyun-pg-", dir="/tmp"))
    try:
        if user:
            shutil.chown(root, user)
        data = root / "data"
        subprocess.run(
            [binaries / "initdb", "-D", data, "-U", "duoyun", "-A", "trust", "-E", "UTF8", "--locale=C", "--no-sync"],
            check=True, user=user, stdout=subprocess.DEVNULL, cwd=root,
        )  # fmt: skip
        # Others than the test's own user have to log in, as on a team's server.
        (data / "pg_hba.conf").write_text(
            "host all duoyun 127.0.0.1/32 trust\nhost all all 127.0.0.1/32 scram-sha-256\n"
        )
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port = probe.getsockname()[1]
        options = {
            "listen_addresses": "127.0.0.1", "port": port, "unix_socket_directories": root, "max_connections": 200,
            # Nothing here has to survive a power cut; what the tests kill is the client.
            "fsync": "off", "synchronous_commit": "off", "full_page_writes": "off",
        }  # fmt: skip
        log = (root / "log").open("wb")
        server = subprocess.Popen(
            [binaries / "postgres", "-D", data, *(f"--{k}={v}" for k, v in options.items())],
            user=user, stdout=log, stderr=log, cwd=root,
        )  # fmt: skip
        log.close()
        try:
            deadline = time.monotonic() + 30
            ready = [binaries / "pg_isready", "-q", "-h", "127.0.0.1", "-p", str(port)]
            while subprocess.run(ready, check=False).returncode != 0:
                if server.poll() is not None or time.monotonic() > deadline:
                    raise RuntimeError(f"PostgreSQL did not start: {(root / 'log').read_text()[-2000:]}")
                time.sleep(0.05)
            yield f"postgresql://duoyun@127.0.0.1:{port}/postgres"
        finally:
            server.terminate()
            try:
                server.wait(10)
            except subprocess.TimeoutExpired:
                server.kill()
                server.wait()
    finally:
        shutil.rmtree(root, ignore_errors=True)


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[str]:
    """URL of a PostgreSQL where databases may be created: DUOYUN_TEST_POSTGRES, else a private server."""
    given = os.environ.get("DUOYUN_TEST_POSTGRES")
    if given:
        yield given
        return
    binaries = _postgres_binaries()
    if binaries is None:
        pytest.skip("postgres: no DUOYUN_TEST_POSTGRES, and no PostgreSQL is installed")
    with _private_postgres(binaries) as url:
        yield url


@pytest.fixture
def postgres_url(postgres_server: str) -> Iterator[str]:
    """URL of an empty database of its own."""
    import psycopg
    from sqlalchemy.engine import make_url

    name = f"t{uuid.uuid4().hex[:16]}"
    with psycopg.connect(postgres_server, autocommit=True) as conn:
        conn.execute(f'CREATE DATABASE "{name}"')
    yield make_url(postgres_server).set(database=name).render_as_string(hide_password=False)
    with psycopg.connect(postgres_server, autocommit=True) as conn:
        conn.execute(f'DROP DATABASE IF EXISTS "{name}" WITH (FORCE)')


@pytest.fixture(params=["sqlite", pytest.param("postgres", marks=pytest.mark.postgres)])
def store_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """The URL of an empty state, once on each database."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path / 'state' / 'state.db'}"
    return str(request.getfixturevalue("postgres_url"))


@pytest.fixture
def eventually() -> Callable[[Callable[[], bool]], None]:
    """Waits until something that another thread or process does has happened; fails after 20 s."""

    def wait(happened: Callable[[], bool]) -> None:
        deadline = time.monotonic() + 20
        while not happened():
            assert time.monotonic() < deadline, "it did not happen within 20 s"
            time.sleep(0.01)

    return wait


@pytest.fixture
def freeze() -> Callable[[int, str], None]:
    """Stops a child process; again, where it stood still holding SQLite's write lock, which nobody could break."""

    def stop(pid: int, url: str) -> None:
        while True:
            os.kill(pid, signal.SIGSTOP)
            os.waitpid(pid, os.WUNTRACED)
            if not url.startswith("sqlite"):
                return
            probe = sqlite3.connect(url.removeprefix("sqlite:///"), timeout=0.5, isolation_level=None)
            try:
                probe.execute("BEGIN IMMEDIATE")
                probe.execute("ROLLBACK")
                return
            except sqlite3.OperationalError:
                os.kill(pid, signal.SIGCONT)
            finally:
                probe.close()

    return stop
