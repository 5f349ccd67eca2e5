"""What databases say, as model.errors: mapped once, here, by code; messages never carry a password.

Callers: the store's modules and the engine (DBOS uses the same database).
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager

import sqlalchemy as sa

from model.errors import DuoyunError, StoreUnavailable
from model.exit_codes import ExitCode


class StoreAway(StoreUnavailable):
    """The database does not answer for the moment: the same write may succeed soon."""


class StoreDamaged(StoreUnavailable):
    """The state cannot be trusted any more: repeating does not help, a backup does."""

    exit_code = ExitCode.ERROR
    retryable = False


class StoreRefused(StoreUnavailable):
    """The database does not accept our credentials, or they may not do this."""

    exit_code = ExitCode.CREDENTIALS
    retryable = False


_LOCKED = (
    "see which process holds it (`fuser FILE`); one that was stopped with Ctrl-Z holds it until it goes on or ends"
)
_SQLITE = (
    # (prefix of the result code's name, error, what, mend); https://www.sqlite.org/rescode.html
    ("SQLITE_FULL", StoreUnavailable, "the disk is full", "make room on that disk, then repeat"),
    (
        "SQLITE_READONLY", StoreUnavailable, "the state file or its directory is not writable",
        "make both writable for this user, or set DUOYUN_STORE to another place",
    ),
    (
        "SQLITE_CANTOPEN", StoreUnavailable, "the state file cannot be opened",
        "see that its directory exists and is writable for this user, or set DUOYUN_STORE to another place",
    ),
    (
        "SQLITE_PERM", StoreUnavailable, "the state file may not be accessed",
        "make it readable and writable for this user, or set DUOYUN_STORE to another place",
    ),
    (
        "SQLITE_NOTADB", StoreDamaged, "the state file is not a state file, or its beginning was overwritten",
        "restore it from a backup, or move it away and take over what runs (`ownership: adopt` in the fleet)",
    ),
    (
        "SQLITE_CORRUPT", StoreDamaged, "the state file is damaged",
        "restore it from a backup, or try `sqlite3 FILE .recover`; what runs in the clouds is untouched",
    ),
    ("SQLITE_BUSY", StoreAway, "the state file stayed locked for 30 s", _LOCKED),
    ("SQLITE_LOCKED", StoreAway, "the state file stayed locked for 30 s", _LOCKED),
    ("SQLITE_IOERR", StoreUnavailable, "the disk under the state file failed to answer", "look at that disk, repeat"),
)  # fmt: skip

_POSTGRES = (
    # (prefix of SQLSTATE, error, what, mend); https://www.postgresql.org/docs/current/errcodes-appendix.html
    ("28", StoreRefused, "the database refused the login", "set the right user and password in DUOYUN_STORE"),
    ("3D000", StoreRefused, "that database does not exist", "create it (createdb), or name another in DUOYUN_STORE"),
    (
        "42501", StoreRefused, "the database user may not do this",
        "let it create tables and schemas in that database, or have its owner run duoyun once",
    ),
    ("25006", StoreUnavailable, "the database is read-only (a standby?)", "name the primary in DUOYUN_STORE"),
    ("55P03", StoreAway, "another session holds a lock for too long", "see pg_stat_activity for who; then repeat"),
    ("25P0", StoreAway, "the database ended a transaction that stood still for too long", "repeat"),
    ("53100", StoreUnavailable, "the database's disk is full", "make room there, then repeat"),
    ("53300", StoreAway, "the database has no connection left", "raise max_connections, or use a pooler"),
    ("53", StoreUnavailable, "the database is out of resources", "look at its log, then repeat"),
    ("57P", StoreAway, "the database is shutting down or starting", "wait for it, then repeat"),
    ("08", StoreAway, "the connection to the database broke", "see that it runs and is reachable, then repeat"),
    ("XX", StoreDamaged, "the database reports damage", "look at its log; restore from a backup"),
)  # fmt: skip

# libpq reports a refused connection as text only: no SQLSTATE reaches the client.
_POSTGRES_CONNECT = (
    ("password authentication failed", "28P01"),
    ("no password supplied", "28P01"),
    ("authentication failed", "28000"),
    ("no pg_hba.conf entry", "28000"),
    ("permission denied for database", "42501"),
    ("role ", "28000"),
    ("database ", "3D000"),
    ("too many clients", "53300"),
    ("remaining connection slots", "53300"),
    ("the database system is", "57P03"),
)


def mapped(exc: BaseException, where: str) -> DuoyunError | None:
    """Our error for a database's, or None where it is a mistake of ours (a constraint, bad SQL).

    where: the database, as text without its password.
    """
    if isinstance(exc, DuoyunError):
        return exc
    if isinstance(exc, sa.exc.TimeoutError):
        return StoreAway(
            f"{where}: no free connection within the time limit",
            mend="see whether the database hangs; lower --parallelism",
        )
    original = exc.orig if isinstance(exc, sa.exc.DBAPIError) else exc
    if isinstance(original, sqlite3.Error):
        return _from_sqlite(original, where) or _before_rollback(exc, where)
    if type(original).__module__.split(".")[0] == "psycopg":
        return _from_postgres(original, where)
    return None


def _from_sqlite(original: sqlite3.Error, where: str) -> DuoyunError | None:
    name = getattr(original, "sqlite_errorname", "") or ""
    for prefix, error, what, mend in _SQLITE:
        if name.startswith(prefix):
            return error(f"{where}: {what}", detail=f"{name}: {original}", mend=mend)
    return None


def _before_rollback(exc: BaseException, where: str) -> DuoyunError | None:
    """What ended a transaction in which there was a savepoint.

    On a full disk SQLite rolls all of it back by itself, and then knows no savepoint to roll back to: what is raised
    is that, and the full disk stands behind it.
    """
    if "no such savepoint" not in str(exc):
        return None
    earlier = exc.__cause__ or exc.__context__
    while earlier is not None:
        error = _from_sqlite(earlier, where) if isinstance(earlier, sqlite3.Error) else None
        if error is not None:
            return error
        earlier = earlier.__cause__ or earlier.__context__
    return None


def _from_postgres(original: BaseException | None, where: str) -> DuoyunError | None:
    import psycopg

    text = str(original).strip()
    state = getattr(original, "sqlstate", None)
    if state is None and isinstance(original, psycopg.OperationalError | psycopg.InterfaceError):
        _, fatal, reason = text.partition("FATAL:")
        state = next((code for part, code in _POSTGRES_CONNECT if fatal and part in reason), "08001")
    for prefix, error, what, mend in _POSTGRES:
        if state is not None and state.startswith(prefix):
            return error(f"{where}: {what}", detail=text, mend=mend)
    return None


@contextmanager
def named_errors(where: str) -> Iterator[None]:
    """Raises what the database says as our errors; our own mistakes pass unchanged."""
    try:
        yield
    except Exception as exc:
        error = mapped(exc, where)
        if error is None or error is exc:
            raise
        raise error from exc
