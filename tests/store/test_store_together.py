"""Writes that wait while another commits are committed together; one that is refused takes no other with it."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest
import sqlalchemy as sa

from model.errors import LeaseLost, StoreUnavailable
from model.resources import Ownership
from orchestrator.store import Record, RecordState
from orchestrator.store.together import Together


class Gate:
    """A first write that holds the line until as many others stand in it."""

    def __init__(self, together: Together) -> None:
        self.together, self.entered, self.opened = together, threading.Event(), threading.Event()

    def __call__(self, _conn: sa.Connection) -> None:
        self.entered.set()
        assert self.opened.wait(30)

    def run(self, others: list) -> list:
        with ThreadPoolExecutor(len(others) + 1) as pool:
            first = pool.submit(self.together.run, self)
            assert self.entered.wait(30)
            rest = [pool.submit(other) for other in others]
            while len(self.together._waiting) < len(others):
                threading.Event().wait(0.001)
            self.opened.set()
            first.result()
            return [future.exception() for future in rest]


@pytest.fixture
def commits(store) -> list:
    seen: list[int] = []
    sa.event.listen(store.inventory._db.engine, "commit", lambda _conn: seen.append(1))
    return seen


def record(address, network, name: str) -> Record:
    return Record(
        address=address.__class__(address.partition, address.account, address.region, address.kind, name),
        state=RecordState.LIVE, ownership=Ownership.OWN, desired=network, provider_id=f"vpc-{name}", revision=1,
    )  # fmt: skip


def test_those_that_wait_share_one_commit(store, scope, address, network, commits):
    token = store.leases.acquire(scope, "ann", 30.0).token
    commits.clear()
    puts = [record(address, network, f"n{number}") for number in range(9)]
    failed = Gate(store.inventory._together).run([lambda r=r: store.inventory.put(scope, token, r) for r in puts])
    assert failed == [None] * 9
    assert len(commits) == 2
    assert {r.provider_id for r in store.inventory.list(scope)} == {f"vpc-n{number}" for number in range(9)}
    assert store.audit.verify(str(scope)) is None


def test_a_refused_write_takes_no_other_with_it(store, scope, address, network):
    token = store.leases.acquire(scope, "ann", 30.0).token
    puts = [(token - number % 2, record(address, network, f"n{number}")) for number in range(8)]
    failed = Gate(store.inventory._together).run([lambda t=t, r=r: store.inventory.put(scope, t, r) for t, r in puts])
    assert [type(exc) for exc in failed] == [type(None), LeaseLost] * 4
    assert {r.provider_id for r in store.inventory.list(scope)} == {f"vpc-n{number}" for number in range(0, 8, 2)}


def test_where_the_commit_fails_nobody_is_told_otherwise(store, scope, address, network):
    token = store.leases.acquire(scope, "ann", 30.0).token

    def broken(_conn: sa.Connection) -> None:
        raise MemoryError("no room")

    together = store.inventory._together
    puts = [lambda n=n: store.inventory.put(scope, token, record(address, network, n)) for n in "ab"]
    failed = Gate(together).run([*puts, lambda: together.run(broken)])
    assert [type(exc) for exc in failed] == [MemoryError] * 3
    assert store.inventory.list(scope) == ()


@pytest.mark.parametrize("store_url", ["sqlite"], indirect=True)  # a PostgreSQL server says it by its own code
def test_a_disk_that_is_full_while_several_write_is_told_as_that(store, scope, address, network):
    """SQLite rolls the whole transaction back by itself, and SQLAlchemy finds no savepoint to roll back to."""
    token = store.leases.acquire(scope, "ann", 30.0).token

    def no_page_more(conn, *_more):
        conn.execute("PRAGMA max_page_count = 1")  # what is there stays; SQLite takes the present size for the limit

    sa.event.listen(store.inventory._db.engine, "checkout", no_page_more)
    long = "x" * 20_000
    puts = [record(address, network, f"n{number}-{long}") for number in range(4)]
    failed = Gate(store.inventory._together).run([lambda r=r: store.inventory.put(scope, token, r) for r in puts])
    assert {str(exc) for exc in failed} == {str(failed[0])} and "the disk is full" in str(failed[0])
    assert all(type(exc) is StoreUnavailable for exc in failed)
    assert list(store.inventory.list(scope)) == []
