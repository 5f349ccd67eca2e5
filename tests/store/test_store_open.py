"""Opening a state: made as it should be, refused with a sentence and left alone where it cannot be used."""

from __future__ import annotations

import hashlib
import re
import sqlite3
import stat
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import sqlalchemy as sa

from model.errors import InvalidInput, StoreTooNew, StoreUnavailable
from model.exit_codes import ExitCode
from orchestrator.store import SystemClock, open_store
from orchestrator.store.errors import StoreDamaged, StoreRefused
from orchestrator.store.open import SCHEMA_VERSION

VERSIONS = Path(__file__).parents[2] / "orchestrator" / "store" / "migrations" / "versions"


def test_sqlite_state_is_private_and_survives_power_cuts(tmp_path):
    path = tmp_path / "a" / "b" / "state.db"
    with open_store(f"sqlite:///{path}", SystemClock()) as store:
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
        assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
        with store.db.engine.connect() as conn:
            pragmas = [conn.exec_driver_sql(f"PRAGMA {p}").scalar() for p in ("journal_mode", "synchronous")]
            assert pragmas == ["wal", 2]
            assert conn.exec_driver_sql("PRAGMA foreign_keys").scalar() == 1
            assert conn.exec_driver_sql("PRAGMA busy_timeout").scalar() == 30_000
        for beside in path.parent.glob("state.db-*"):
            assert stat.S_IMODE(beside.stat().st_mode) == 0o600


def test_an_old_sqlite_tells_the_time_as_dbos_asks_for_it(tmp_path):
    """From Python 3.12 on; SQLite before 3.42 answered NULL, and no release could begin."""
    with open_store(f"sqlite:///{tmp_path}/state.db", SystemClock()) as store, store.db.engine.connect() as conn:
        told_s = conn.exec_driver_sql("SELECT unixepoch('subsec')").scalar()
    assert abs(told_s - time.time()) < 60


def test_opening_again_changes_nothing(store_url):
    for _ in range(2):
        with open_store(store_url, SystemClock()) as store, store.db.read() as conn:
            assert conn.execute(sa.text("SELECT version_num FROM duoyun_schema_version")).scalars().all() == ["0004"]


def test_the_newest_migration_is_the_version_that_the_program_knows():
    assert max(p.name[:4] for p in VERSIONS.glob("[0-9]*.py")) == SCHEMA_VERSION


def test_migrations_and_table_definitions_agree(store_url):
    from alembic.autogenerate import compare_metadata
    from alembic.migration import MigrationContext

    from orchestrator.store.tables import VERSION_TABLE, metadata

    with open_store(store_url, SystemClock()) as store, store.db.engine.begin() as conn:
        conn.execute(sa.text("CREATE TABLE workflow_status (id TEXT)"))  # as DBOS has beside ours
        options = {
            "version_table": VERSION_TABLE,
            "compare_type": True,
            "include_name": lambda name, kind, _: kind != "table" or name.startswith("duoyun_"),
        }
        assert compare_metadata(MigrationContext.configure(conn, opts=options), metadata) == []


def test_state_of_a_newer_version_is_refused_and_left_untouched(store_url, manual_clock):
    with open_store(store_url, manual_clock) as store, store.db.write() as conn:
        conn.execute(sa.text("UPDATE duoyun_schema_version SET version_num = '0042'"))
        conn.execute(sa.text("UPDATE duoyun_meta SET value = '9.8.7' WHERE key = 'written_by'"))
    file = Path(store_url.removeprefix("sqlite:///"))
    before = hashlib.sha256(file.read_bytes()).hexdigest() if file.exists() else None
    with pytest.raises(StoreTooNew) as caught:
        open_store(store_url, manual_clock)
    assert "9.8.7" in caught.value.summary and "0042" in caught.value.summary and SCHEMA_VERSION in caught.value.summary
    assert caught.value.exit_code == ExitCode.INVALID_INPUT
    if before:
        assert hashlib.sha256(file.read_bytes()).hexdigest() == before


def test_many_may_open_a_new_state_at_once(store_url):
    def opened(_: int) -> str:
        with open_store(store_url, SystemClock()) as store, store.db.read() as conn:
            return str(conn.execute(sa.text("SELECT version_num FROM duoyun_schema_version")).scalar_one())

    with ThreadPoolExecutor(6) as pool:
        assert set(pool.map(opened, range(6))) == {SCHEMA_VERSION}


@pytest.mark.parametrize(
    "url", ["", "nonsense", "mysql://user:hunter2@host/db", "sqlite://", "sqlite:///:memory:", "postgresql://host"]
)
def test_urls_that_cannot_be_are_refused(url):
    with pytest.raises(InvalidInput) as caught:
        open_store(url, SystemClock())
    assert "hunter2" not in str(caught.value.to_dict())
    assert "sqlite:///" in str(caught.value.to_dict())


def test_a_file_that_is_no_state_is_refused_and_left_alone(tmp_path):
    path = tmp_path / "notes.txt"
    path.write_text("not a database, " * 200)
    with pytest.raises(StoreDamaged) as caught:
        open_store(f"sqlite:///{path}", SystemClock())
    assert not caught.value.retryable and caught.value.exit_code == ExitCode.ERROR
    assert "not a state file" in caught.value.summary and caught.value.mend
    assert path.read_text() == "not a database, " * 200


def test_a_damaged_state_is_named_so(tmp_path, plan, scope):
    path = tmp_path / "state.db"
    with open_store(f"sqlite:///{path}", SystemClock()) as store:
        lease = store.leases.acquire(scope, "a", 30.0)
        for _ in range(50):
            store.revisions.start(scope, lease.token, plan_sha256=store.plans.save(plan), actor="a", message="m" * 500)
    raw = bytearray(path.read_bytes())
    raw[4096:] = b"\xa5" * (len(raw) - 4096)
    path.write_bytes(raw)
    with pytest.raises(StoreDamaged) as caught:
        open_store(f"sqlite:///{path}", SystemClock()).revisions.list(scope)
    assert "backup" in caught.value.mend


def test_a_place_where_nothing_can_be_written_is_refused(tmp_path):
    (tmp_path / "file").write_text("")
    for url in (f"sqlite:///{tmp_path}/file/state.db", f"sqlite:///{tmp_path}", "sqlite:////proc/state.db"):
        with pytest.raises(StoreUnavailable) as caught:
            open_store(url, SystemClock())
        assert caught.value.mend


def test_a_read_only_state_says_so(tmp_path, scope):
    url = f"sqlite:///{tmp_path / 'state.db'}"
    with open_store(url, SystemClock()) as store:
        with store.db.engine.connect() as conn:
            conn.exec_driver_sql("PRAGMA query_only = ON")
        with pytest.raises(StoreUnavailable, match="not writable"):
            store.leases.acquire(scope, "a", 30.0)
        with store.db.engine.connect() as conn:
            conn.exec_driver_sql("PRAGMA query_only = OFF")


def test_a_full_disk_says_so_and_loses_nothing(tmp_path, scope, plan):
    with open_store(f"sqlite:///{tmp_path / 'state.db'}", SystemClock()) as store:
        lease = store.leases.acquire(scope, "a", 30.0)
        sha256 = store.plans.save(plan)
        with store.db.engine.connect() as conn:
            pages = conn.exec_driver_sql("PRAGMA page_count").scalar()
            conn.exec_driver_sql(f"PRAGMA max_page_count = {pages}")
        made = 0
        with pytest.raises(StoreUnavailable, match="the disk is full"):
            for _ in range(1000):
                store.revisions.start(scope, lease.token, plan_sha256=sha256, actor="a", message="m" * 2000)
                made += 1
        with store.db.engine.connect() as conn:
            conn.exec_driver_sql("PRAGMA max_page_count = 1000000")
        assert store.revisions.latest_number(scope) == made
        assert store.audit.verify(str(scope)) is None
        assert store.revisions.start(scope, lease.token, plan_sha256=sha256, actor="a").number == made + 1


def test_a_locked_state_says_so(tmp_path, scope, monkeypatch):
    monkeypatch.setattr("orchestrator.store.database.BUSY_TIMEOUT_S", 0.05)
    with open_store(f"sqlite:///{tmp_path / 'state.db'}", SystemClock()) as store:
        other = sqlite3.connect(tmp_path / "state.db", isolation_level=None)
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(StoreUnavailable, match="locked"):
            store.leases.acquire(scope, "a", 30.0)
        other.close()


def test_postgres_that_is_not_there(tmp_path):
    with pytest.raises(StoreUnavailable) as caught:
        open_store("postgresql://user:hunter2@127.0.0.1:1/db", SystemClock())
    assert caught.value.exit_code == ExitCode.TEMPORARY and caught.value.retryable
    assert "hunter2" not in str(caught.value.to_dict()) and "127.0.0.1" in caught.value.summary


@pytest.mark.postgres
def test_postgres_database_that_does_not_exist(postgres_url):
    with pytest.raises(StoreRefused, match="does not exist"):
        open_store(re.sub(r"/[^/]+$", "/no_such_database", postgres_url), SystemClock())


@pytest.mark.postgres
def test_postgres_user_that_does_not_exist(postgres_url):
    with pytest.raises(StoreRefused) as caught:
        open_store(re.sub(r"//[^@]*@", "//nobody_of_that_name:hunter2@", postgres_url), SystemClock())
    assert caught.value.exit_code == ExitCode.CREDENTIALS
    assert "hunter2" not in str(caught.value.to_dict())


@pytest.mark.postgres
def test_postgres_wrong_password(postgres_url, postgres_server):
    import psycopg

    with psycopg.connect(postgres_server, autocommit=True) as conn:
        conn.execute("DROP ROLE IF EXISTS somebody")
        conn.execute("CREATE ROLE somebody LOGIN PASSWORD 'right'")
    try:
        with pytest.raises(StoreRefused, match="refused the login") as caught:
            open_store(re.sub(r"//[^@]*@", "//somebody:hunter2@", postgres_url), SystemClock())
        assert caught.value.exit_code == ExitCode.CREDENTIALS
        assert "hunter2" not in str(caught.value.to_dict())
    finally:
        with psycopg.connect(postgres_server, autocommit=True) as conn:
            conn.execute("DROP ROLE somebody")


@pytest.mark.postgres
def test_postgres_user_without_the_right_to_create_tables(postgres_url, postgres_server):
    import psycopg

    with psycopg.connect(postgres_server, autocommit=True) as conn:
        conn.execute("DROP ROLE IF EXISTS reader_only")
        conn.execute("CREATE ROLE reader_only LOGIN PASSWORD 'right'")
    try:
        with psycopg.connect(postgres_url, autocommit=True) as conn:
            conn.execute("REVOKE CREATE ON SCHEMA public FROM PUBLIC")
        with pytest.raises(StoreRefused) as caught:
            open_store(re.sub(r"//[^@]*@", "//reader_only:right@", postgres_url), SystemClock())
        assert "create tables" in caught.value.mend
    finally:
        with psycopg.connect(postgres_server, autocommit=True) as conn:
            conn.execute("DROP ROLE reader_only")
