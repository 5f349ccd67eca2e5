"""Opening the state: who wrote it, bringing its tables up to date, refusing what is newer than this program.

Callers: commands. Nothing is written to a state that a newer version wrote.
"""

from __future__ import annotations

import sqlite3
from importlib import metadata as packages
from pathlib import Path

import sqlalchemy as sa
from sqlalchemy.engine import URL

from model.errors import StoreTooNew
from model.ports import Clock
from orchestrator.store.database import Database, parse_url, prepare_file
from orchestrator.store.errors import named_errors
from orchestrator.store.store import Store
from orchestrator.store.tables import VERSION_TABLE, meta

SCHEMA_VERSION = "0004"
"""The newest migration in migrations/versions; a test holds them together."""

_MIGRATIONS = Path(__file__).parent / "migrations"
_READ_VERSION = f"SELECT version_num FROM {VERSION_TABLE}"  # noqa: S608  (a constant)
_READ_WRITER = f"SELECT value FROM {meta.name} WHERE key = 'written_by'"  # noqa: S608  (a constant)
_ADVISORY_LOCK = 0x64756F79756E  # "duoyun": one migration at a time per PostgreSQL database


def open_store(url: str, clock: Clock) -> Store:
    """The state at url (`sqlite:///...`, `postgresql://...`), its tables created or brought up to date.

    Raises InvalidInput (no such kind of URL), StoreTooNew (a newer duoyun wrote it; it is left untouched), and
    StoreUnavailable or its subclasses (unreachable, wrong password, damaged, unwritable, disk full).
    """
    parsed = parse_url(url)
    if parsed.drivername == "sqlite":
        path = prepare_file(parsed)
        parsed = parsed.set(database=str(path))
        _look_at_file(path, parsed)
    db = Database(parsed, clock)
    try:
        with db.read() as conn:
            version = _version(conn)
        if version != SCHEMA_VERSION:
            _upgrade(db)
    except BaseException:
        db.close()
        raise
    return Store(db)


def program_version() -> str:
    """duoyun's own version, as installed."""
    try:
        return packages.version("duoyun")
    except packages.PackageNotFoundError:
        return "uninstalled source"


def _look_at_file(path: Path, url: URL) -> None:
    """Refuses what is too new, or no database, before a connection that may write (journal mode, WAL) touches it."""
    if path.stat().st_size == 0:
        return
    with named_errors(url.render_as_string()):
        conn = sqlite3.connect(f"{path.as_uri()}?mode=ro", uri=True, timeout=30.0)
        try:
            tables = {name for (name,) in conn.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
            found = conn.execute(_READ_VERSION).fetchone() if VERSION_TABLE in tables else None
            writer = conn.execute(_READ_WRITER).fetchone() if found else None
        finally:
            conn.close()
    _refuse_newer(found[0] if found else None, writer[0] if writer else "", url.render_as_string())


def _version(conn: sa.Connection) -> str | None:
    """The schema's version; None where there is no state yet. Raises StoreTooNew."""
    if not sa.inspect(conn).has_table(VERSION_TABLE):
        return None
    found = conn.execute(sa.text(_READ_VERSION)).scalar()
    writer = conn.execute(sa.text(_READ_WRITER)).scalar() if found else None
    _refuse_newer(found, writer or "", conn.engine.url.render_as_string())
    return str(found) if found else None


def _refuse_newer(found: str | None, writer: str, where: str) -> None:
    # Migrations are numbered with leading zeros, so that text compares as the numbers do.
    if found is None or found <= SCHEMA_VERSION:
        return
    raise StoreTooNew(
        f"{where} was written by a newer duoyun ({writer or 'unknown version'}, state version {found}); "
        f"this is {program_version()}, which knows state up to version {SCHEMA_VERSION}",
        detail="nothing was changed",
        mend=f"upgrade duoyun to {writer or 'that version'} or later, or use another DUOYUN_STORE",
    )


def _upgrade(db: Database) -> None:
    """Runs the missing migrations in one transaction; whoever comes second finds them done."""
    from alembic import command
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", str(_MIGRATIONS).replace("%", "%%"))
    with db.write() as conn:
        if not db.is_sqlite:
            conn.execute(sa.select(sa.func.pg_advisory_xact_lock(_ADVISORY_LOCK)))
        if _version(conn) == SCHEMA_VERSION:
            return
        config.attributes["connection"] = conn
        command.upgrade(config, "head")
        conn.execute(
            db.insert(meta)
            .values(key="written_by", value=program_version())
            .on_conflict_do_update(index_elements=[meta.c.key], set_={"value": program_version()})
        )
