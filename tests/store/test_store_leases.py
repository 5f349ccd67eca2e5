"""Leases: one holder, larger tokens, old tokens refused, also between processes whose clocks differ."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import pytest
import sqlalchemy as sa

from model.errors import LeaseHeld, LeaseLost
from model.exit_codes import ExitCode
from orchestrator.store import Scope, SystemClock, open_store
from orchestrator.store.errors import StoreAway
from orchestrator.store.leases import _utc


def lapse(store, scope) -> None:
    """Ends the lease's time, on either database, without waiting for it."""
    with store.db.write() as conn:
        conn.execute(sa.text("UPDATE duoyun_lease SET until_s = until_s - 1000 WHERE fleet = :f"), {"f": scope.fleet})


def test_a_second_holder_is_told_who_since_when_and_until_when(store, scope):
    first = store.leases.acquire(scope, "ann@laptop", 30.0)
    with pytest.raises(LeaseHeld) as caught:
        store.leases.acquire(scope, "bob@ci", 30.0)
    told = caught.value
    assert told.exit_code == ExitCode.LEASE_HELD and told.retryable
    assert "ann@laptop" in told.summary
    assert _utc(first.since_s) in told.summary and _utc(first.until_s) in told.summary
    assert "duoyun unlock" in told.mend and "wait" in told.mend
    assert store.leases.current(scope).holder == "ann@laptop"


def test_other_scopes_have_leases_of_their_own(store, scope):
    store.leases.acquire(scope, "a", 30.0)
    assert store.leases.acquire(Scope("staging", "shop"), "b", 30.0).token == 1
    assert store.leases.acquire(Scope("prod", "blog"), "c", 30.0).token == 1


def test_tokens_grow_over_release_expiry_and_unlock(store, scope):
    first = store.leases.acquire(scope, "a", 30.0)
    store.leases.release(first)
    second = store.leases.acquire(scope, "b", 30.0)
    lapse(store, scope)
    third = store.leases.acquire(scope, "c", 30.0)
    assert store.leases.unlock(scope, "boss").holder == "c"
    fourth = store.leases.acquire(scope, "d", 30.0)
    assert first.token < second.token < third.token < fourth.token
    kinds = [(e.kind, e.actor) for e in store.audit.entries(str(scope))]
    assert ("lease_unlocked", "boss") in kinds and kinds.count(("lease_acquired", "d")) == 1
    assert store.audit.verify(str(scope)) is None


def test_who_comes_second_to_a_dead_holder_takes_nothing_from_who_came_first(store, scope):
    dead = store.leases.acquire(scope, "dead", 30.0)
    assert store.leases.unlock(scope, "first", token=dead.token).holder == "dead"
    first = store.leases.acquire(scope, "first", 30.0)
    assert store.leases.unlock(scope, "second", token=dead.token) is None
    store.leases.check(first)
    assert store.leases.current(scope).holder == "first"


@pytest.mark.parametrize("how", ["released", "taken over", "unlocked"])
def test_an_old_token_can_do_nothing(store, scope, plan, how):
    old = store.leases.acquire(scope, "a", 30.0)
    sha256 = store.plans.save(plan)
    if how == "released":
        store.leases.release(old)
    elif how == "unlocked":
        store.leases.unlock(scope, "boss")
    else:
        lapse(store, scope)
        store.leases.acquire(scope, "b", 30.0)
    for attempt in (
        lambda: store.leases.renew(old),
        lambda: store.leases.check(old),
        lambda: store.revisions.start(scope, old.token, plan_sha256=sha256, actor="a"),
    ):
        with pytest.raises(LeaseLost):
            attempt()
    assert store.revisions.latest(scope) is None
    store.leases.release(old)  # harmless
    assert (store.leases.current(scope) is not None) == (how == "taken over")


def test_an_expired_lease_is_not_renewed_but_may_record_what_was_done(store, scope, plan):
    lease = store.leases.acquire(scope, "a", 30.0)
    lapse(store, scope)
    with pytest.raises(LeaseLost, match="without being renewed"):
        store.leases.renew(lease)
    assert store.leases.current(scope) is None
    sha256 = store.plans.save(plan)
    assert store.revisions.start(scope, lease.token, plan_sha256=sha256, actor="a").number == 1


def test_renewal_prolongs(store, scope, manual_clock):
    lease = store.leases.acquire(scope, "a", 30.0)
    manual_clock.advance(20.0)
    renewed = store.leases.renew(lease)
    assert renewed.token == lease.token
    assert renewed.until_s > lease.until_s and renewed.asked_at_s == lease.asked_at_s + 20.0


def test_of_many_at_once_exactly_one_wins(store, scope):
    def attempt(n: int) -> int | None:
        try:
            return store.leases.acquire(scope, f"h{n}", 30.0).token
        except LeaseHeld:
            return None

    with ThreadPoolExecutor(8) as pool:
        tokens = [t for t in pool.map(attempt, range(16)) if t is not None]
    assert tokens == [1]


@pytest.mark.postgres
def test_hosts_whose_clocks_differ_agree_on_postgres(postgres_url, scope, manual_clock):
    """A host three hours ahead must not think a valid lease expired, nor one behind hold it for longer."""
    ahead, behind = manual_clock, type(manual_clock)(time.time() - 3 * 3600)
    ahead.wall_s = time.time() + 3 * 3600
    with open_store(postgres_url, ahead) as first, open_store(postgres_url, behind) as second:
        lease = first.leases.acquire(scope, "ahead", 30.0)
        assert abs(lease.until_s - time.time() - 30.0) < 5.0
        with pytest.raises(LeaseHeld):
            second.leases.acquire(scope, "behind", 30.0)
        lapse(first, scope)
        assert second.leases.acquire(scope, "behind", 30.0).token == 2


@pytest.mark.postgres
def test_a_holder_that_stands_still_inside_a_transaction_is_thrown_out(postgres_url, scope, monkeypatch):
    """Its row locks would keep everybody from the lease, for as long as it is frozen."""
    monkeypatch.setattr("orchestrator.store.database.IDLE_IN_TRANSACTION_S", 0.3)
    with open_store(postgres_url, SystemClock()) as frozen, open_store(postgres_url, SystemClock()) as other:
        lease = frozen.leases.acquire(scope, "frozen", 30.0)
        lapse(other, scope)
        with pytest.raises(StoreAway), frozen.db.write() as conn:
            frozen.leases.fence(conn, scope, lease.token)
            assert other.leases.acquire(scope, "other", 30.0).token == 2
            conn.execute(sa.text("SELECT 1"))


_CONTENDER = """
import json, sys
from model.errors import LeaseHeld
from orchestrator.store import Scope, SystemClock, open_store
sys.stdin.readline()
with open_store(sys.argv[1], SystemClock()) as store:
    try:
        print(json.dumps({"token": store.leases.acquire(Scope("prod", "shop"), sys.argv[2], 30.0).token}))
    except LeaseHeld as exc:
        print(json.dumps({"held": exc.summary, "exit": int(exc.exit_code)}))
"""


def test_of_two_processes_exactly_one_wins(store_url):
    children = [
        subprocess.Popen(
            [sys.executable, "-c", _CONTENDER, store_url, name],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
        )
        for name in ("ann", "bob")
    ]  # fmt: skip
    answers = [json.loads(child.communicate("go\n", timeout=60)[0]) for child in children]
    won = [a for a in answers if "token" in a]
    held = [a for a in answers if "held" in a]
    assert [a["token"] for a in won] == [1]
    assert len(held) == 1 and held[0]["exit"] == 7
    winner = "ann" if "token" in answers[0] else "bob"
    assert f"by {winner}" in held[0]["held"]


def test_a_lease_value_is_not_enough_to_forge_one(store, scope):
    lease = store.leases.acquire(scope, "a", 30.0)
    with pytest.raises(LeaseLost):
        store.leases.renew(replace(lease, token=lease.token + 1))
    store.leases.renew(lease)


def test_system_clock_is_what_it_says():
    clock = SystemClock()
    assert abs(clock.now_s() - time.time()) < 1.0
    assert abs(clock.monotonic_s() - time.monotonic()) < 1.0
