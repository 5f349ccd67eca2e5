"""The keeper: renews in time, and refuses as soon as a clock or the database says that the lease is gone."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading

import pytest

from model.errors import LeaseHeld, LeaseLost, StoreUnavailable
from orchestrator.store import LeaseKeeper, SystemClock, open_store


@pytest.fixture
def lease(store, scope):
    return store.leases.acquire(scope, "ann", 30.0)


@pytest.fixture
def keeper(store, lease, manual_clock):
    """Without its thread: the test renews by hand."""
    return LeaseKeeper(store.leases, lease, manual_clock)


class CountingLeases:
    """Leases that count their calls, and may be cut off from the database."""

    def __init__(self, leases) -> None:
        self._leases = leases
        self.calls: list[str] = []
        self.cut = False

    def _ask(self, name: str, lease):
        self.calls.append(name)
        if self.cut:
            raise StoreUnavailable("the database is gone")
        return getattr(self._leases, name)(lease)

    def renew(self, lease):
        return self._ask("renew", lease)

    def check(self, lease):
        return self._ask("check", lease)

    def release(self, lease):
        return self._ask("release", lease)


@pytest.fixture
def counted(store, lease, manual_clock):
    leases = CountingLeases(store.leases)
    return leases, LeaseKeeper(leases, lease, manual_clock)


def test_guard_is_cheap_and_asks_the_database_every_sixth_of_the_time(counted, manual_clock):
    leases, keeper = counted
    for _ in range(1000):
        keeper.guard()
    assert leases.calls == []
    manual_clock.advance(5.0)
    for _ in range(1000):
        keeper.guard()
    assert leases.calls == ["check"]


def test_guard_refuses_when_the_time_is_over_and_for_ever(keeper, manual_clock):
    keeper.guard()
    manual_clock.advance(31.0)
    with pytest.raises(LeaseLost):
        keeper.guard()
    assert keeper.lost is not None
    manual_clock.advance(-31.0)
    with pytest.raises(LeaseLost):
        keeper.guard()


def test_renewal_keeps_it(keeper, manual_clock):
    for _ in range(20):
        manual_clock.advance(10.0)
        keeper.renew()
        keeper.guard()
    assert keeper.token == 1 and keeper.lost is None


def test_guard_renews_by_itself_where_little_is_left(counted, manual_clock):
    leases, keeper = counted
    manual_clock.advance(26.0)
    keeper.guard()
    assert leases.calls == ["renew"]
    manual_clock.advance(20.0)
    keeper.guard()


def test_guard_refuses_where_little_is_left_and_the_database_is_gone(counted, manual_clock):
    leases, keeper = counted
    leases.cut = True
    manual_clock.advance(20.0)
    keeper.guard()  # two thirds of the time are over, and the rest is still ours
    manual_clock.advance(6.0)
    with pytest.raises(LeaseLost, match="about to end"):
        keeper.guard()


def test_guard_notices_a_takeover_within_a_sixth(store, scope, keeper, manual_clock):
    store.leases.unlock(scope, "boss")
    store.leases.acquire(scope, "bob", 30.0)
    manual_clock.advance(5.0)
    with pytest.raises(LeaseLost, match="bob"):
        keeper.guard()


def test_a_wall_clock_that_jumps_forward_is_cleared_up_by_the_database(store_url, store, keeper, manual_clock):
    """A machine that slept: its monotonic clock stood still, the lease did not. On PostgreSQL the server's clock
    decides, and it did not jump here."""
    manual_clock.wall_s += 3600.0
    if store_url.startswith("sqlite"):
        with pytest.raises(LeaseLost):
            keeper.guard()
    else:
        keeper.guard()
        keeper.guard()


def test_a_wall_clock_that_jumps_back_does_not_prolong_the_lease(keeper, manual_clock):
    manual_clock.wall_s -= 3600.0
    keeper.guard()
    manual_clock.mono_s += 31.0
    with pytest.raises(LeaseLost):
        keeper.guard()


def test_a_jump_with_the_database_gone_counts_as_lost(counted, manual_clock):
    leases, keeper = counted
    leases.cut = True
    manual_clock.wall_s += 60.0
    with pytest.raises(LeaseLost, match="jumped"):
        keeper.guard()


def test_guards_of_many_threads_ask_once(counted, manual_clock):
    leases, keeper = counted
    manual_clock.advance(5.0)
    threads = [threading.Thread(target=keeper.guard) for _ in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert set(leases.calls) == {"check"} and len(leases.calls) <= 2


def test_the_thread_renews_and_gives_back(store_url, scope, eventually):
    clock = SystemClock()
    with open_store(store_url, clock) as store:
        lease = store.leases.acquire(scope, "ann", 1.5)
        with LeaseKeeper(store.leases, lease, clock) as keeper:
            eventually(lambda: keeper.lease.until_s > lease.until_s + 0.4)
            keeper.guard()
            with pytest.raises(LeaseHeld):
                store.leases.acquire(scope, "bob", 1.5)
        assert store.leases.current(scope) is None
        assert not [t for t in threading.enumerate() if t.name.startswith("lease ")]


def test_the_thread_notices_an_unlock(store_url, scope, eventually):
    clock = SystemClock()
    with open_store(store_url, clock) as store:
        lease = store.leases.acquire(scope, "ann", 0.9)
        with LeaseKeeper(store.leases, lease, clock) as keeper:
            store.leases.unlock(scope, "boss")
            eventually(lambda: keeper.lost is not None)


_HOLDER = """
import sys
from model.errors import LeaseLost
from orchestrator.store import LeaseKeeper, Scope, SystemClock, open_store
clock = SystemClock()
with open_store(sys.argv[1], clock) as store:
    lease = store.leases.acquire(Scope("prod", "shop"), "ann", 1.5)
    with LeaseKeeper(store.leases, lease, clock) as keeper:
        keeper.guard()
        print("holding", flush=True)
        sys.stdin.readline()
        try:
            keeper.guard()
            print("accepted", flush=True)
        except LeaseLost as exc:
            print("refused:", exc.summary, flush=True)
"""


def test_a_process_that_was_stopped_past_its_lease_refuses_to_write(store_url, scope, eventually, freeze):
    with subprocess.Popen(
        [sys.executable, "-c", _HOLDER, store_url], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as child:
        try:
            assert child.stdout.readline() == "holding\n"
            freeze(child.pid, store_url)
            with open_store(store_url, SystemClock()) as store:
                eventually(lambda: store.leases.current(scope) is None)
                taken = store.leases.acquire(scope, "bob", 30.0)
                assert taken.token == 2
                os.kill(child.pid, signal.SIGCONT)
                assert child.communicate("go\n", timeout=60)[0].startswith("refused:")
                assert store.leases.current(scope).token == taken.token
        finally:
            child.kill()
