"""One SQLAlchemy engine over SQLite or PostgreSQL, with the transactions and the clock that the store relies on.

Callers: the store's modules; the engine gives `Database.engine` to DBOS, so that both share pool and pragmas.

SQLite: WAL with synchronous FULL (a commit that was acknowledged survives a power cut), writers take the write lock
when they begin, so a transaction never fails half way because another writer was first. A process writes over one
connection, which its threads, DBOS among them, wait for in line: SQLite's own waiting for the lock is by polling with
sleeps up to 0.1 s, and thirty threads that poll leave a free lock unused most of the time (docs/benchmarks.md).
"""

from __future__ import annotations

import os
import sqlite3
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import URL, make_url

from model.errors import Diagnostic, InvalidInput, NotBuiltYet, StoreUnavailable
from model.ports import Clock
from orchestrator.store.errors import named_errors

BUSY_TIMEOUT_S = 30.0
CONNECT_TIMEOUT_S = 10
# A process that is frozen in the middle of a transaction holds its locks: PostgreSQL ends such a session by itself, so
# that the others can take the lease over. (SQLite cannot; there the others are told that the file stays locked.)
IDLE_IN_TRANSACTION_S = 10.0
LOCK_WAIT_S = 30.0
# Enough for every worker of a release to be in the database at once without taking a team's server for itself.
POOL_SIZE = 12
_SQLITE, _POSTGRES = "sqlite", "postgresql"


def parse_url(text: str) -> URL:
    """`sqlite:///state.db`, `postgresql://user@host/db` -> the URL with its driver. InvalidInput otherwise."""
    mend = "write sqlite:///path/to/state.db or postgresql://user@host:5432/database"
    try:
        url = make_url(text)
    except (sa.exc.ArgumentError, ValueError):
        # Whatever the text is, it may hold a password: it is not repeated.
        raise InvalidInput([Diagnostic("DUOYUN_STORE", "is no database URL", mend)]) from None
    backend = url.drivername.split("+")[0]
    if backend in ("postgres", _POSTGRES):
        if not url.database:
            raise InvalidInput([Diagnostic("DUOYUN_STORE", "names no database", mend)])
        return url.set(drivername=f"{_POSTGRES}+psycopg")
    if backend == _SQLITE:
        if not url.database or url.database == ":memory:":
            raise InvalidInput([Diagnostic("DUOYUN_STORE", "state in memory would be lost at once", mend)])
        return url.set(drivername=_SQLITE)
    raise InvalidInput([Diagnostic("DUOYUN_STORE", f"databases of the kind {backend} are not supported", mend)])


class Database:
    """Transactions over one engine. Thread-safe; close() it, or use it as a context manager."""

    def __init__(self, url: URL, clock: Clock) -> None:
        self.url = url
        self.clock = clock
        self.where = url.render_as_string(hide_password=True)
        self.is_sqlite = url.drivername.startswith(_SQLITE)
        self.engine = _sqlite_engine(url, pool_size=1) if self.is_sqlite else _postgres_engine(url)
        # Readers see the last commit and wait for nobody (WAL): they need not stand in the writers' line.
        self._readers = _sqlite_engine(url, pool_size=POOL_SIZE) if self.is_sqlite else self.engine

    def close(self) -> None:
        self.engine.dispose()
        self._readers.dispose()

    @contextmanager
    def read(self) -> Iterator[sa.Connection]:
        """One consistent snapshot per transaction (SQLite) or statement (PostgreSQL)."""
        with named_errors(self.where), self._readers.connect() as conn:
            if self.is_sqlite:
                conn.exec_driver_sql("BEGIN")
            yield conn

    @contextmanager
    def write(self) -> Iterator[sa.Connection]:
        """A transaction that commits at the end, or leaves nothing."""
        with named_errors(self.where), self.engine.begin() as conn:
            if self.is_sqlite:
                conn.exec_driver_sql("BEGIN IMMEDIATE")
            yield conn

    def now_s(self, conn: sa.Connection) -> float:
        """Seconds since the epoch by the clock that all processes on this database share.

        PostgreSQL: the server's, so that hosts whose clocks differ agree on when a lease ends. SQLite: this machine's,
        which all its users run on.
        """
        if self.is_sqlite:
            return self.clock.now_s()
        return float(conn.execute(sa.text("SELECT extract(epoch FROM clock_timestamp())")).scalar_one())

    def insert(self, table: sa.Table) -> Any:
        """An INSERT that understands on_conflict_do_update and on_conflict_do_nothing on both databases."""
        if self.is_sqlite:
            from sqlalchemy.dialects import sqlite

            return sqlite.insert(table)
        from sqlalchemy.dialects import postgresql

        return postgresql.insert(table)


def prepare_file(url: URL) -> Path:
    """The SQLite file's path, its directory (0700) and itself (0600) created where they are missing."""
    path = Path(str(url.database)).expanduser().absolute()
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        os.close(os.open(path, os.O_RDWR | os.O_CREAT, 0o600))
    except OSError as exc:
        raise StoreUnavailable(
            f"the state file {path} cannot be opened: {exc.strerror}",
            mend="make its directory writable for this user, or set DUOYUN_STORE to another place",
        ) from exc
    return path


def _sqlite_engine(url: URL, *, pool_size: int) -> sa.Engine:
    engine = sa.create_engine(
        url, pool_size=pool_size, max_overflow=0, pool_timeout=60, connect_args={"timeout": BUSY_TIMEOUT_S}
    )

    @sa.event.listens_for(engine, "connect")
    def prepare(conn: sqlite3.Connection, _record: object) -> None:
        # DBOS, which shares this engine, expects pysqlite to begin its transactions with BEGIN IMMEDIATE.
        conn.isolation_level = "IMMEDIATE"
        conn.execute(f"PRAGMA busy_timeout = {int(BUSY_TIMEOUT_S * 1000)}")
        _set_wal(conn)
        conn.execute("PRAGMA synchronous = FULL")
        conn.execute("PRAGMA foreign_keys = ON")
        if sqlite3.sqlite_version_info < (3, 42):
            conn.create_function("unixepoch", 1, _unixepoch)

    return engine


def _unixepoch(modifier: str) -> float:
    """`unixepoch('subsec')`, seconds since 1970: DBOS takes it for given from Python 3.12 on, and SQLite has it since
    3.42 (3.40 is what Debian 12 and its Python images have)."""
    if modifier != "subsec":
        raise ValueError(f"no time is told for {modifier!r}")
    return round(time.time(), 3)


def _set_wal(conn: sqlite3.Connection) -> None:
    """Switching to WAL needs the file alone and does not wait for it: two first openers would collide."""
    for attempt in range(50):
        try:
            conn.execute("PRAGMA journal_mode = WAL")
            return
        except sqlite3.OperationalError as exc:
            if getattr(exc, "sqlite_errorname", "") not in ("SQLITE_BUSY", "SQLITE_LOCKED") or attempt == 49:
                raise
            time.sleep(0.05)


def _postgres_engine(url: URL) -> sa.Engine:
    try:
        engine = sa.create_engine(
            url,
            pool_size=POOL_SIZE,
            max_overflow=0,
            pool_timeout=60,
            pool_pre_ping=True,
            connect_args={
                "connect_timeout": int(str(url.query.get("connect_timeout", CONNECT_TIMEOUT_S))),
                "application_name": "duoyun",
            },
        )
    except ModuleNotFoundError as exc:
        raise NotBuiltYet(
            f"state on PostgreSQL needs a driver ({exc.name}), which is not installed",
            mend="pip install 'duoyun[postgres]'",
        ) from exc

    @sa.event.listens_for(engine, "connect")
    def prepare(conn: Any, _record: object) -> None:
        with conn.cursor() as cursor:
            cursor.execute(f"SET idle_in_transaction_session_timeout = {int(IDLE_IN_TRANSACTION_S * 1000)}")
            cursor.execute(f"SET lock_timeout = {int(LOCK_WAIT_S * 1000)}")
        # The pool rolls back what is not committed, settings included.
        conn.commit()

    return engine
