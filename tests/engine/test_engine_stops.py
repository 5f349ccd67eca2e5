"""Stops: on request, by a lost lease, by a database that is away; and what a later run knows of an earlier one."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest
from engine_bench import Bench
from fake_provider import FakeCloud, FakeProvider
from plans import SCOPE, networks, three_services

from model.errors import (
    LeaseLost,
    RolloutFailed,
    StoreUnavailable,
)
from model.exit_codes import ExitCode
from orchestrator.engine.outcome import ActionState
from orchestrator.store import RecordState, SystemClock, open_store
from orchestrator.store.errors import StoreAway


def stopper(events, after: str):
    """A `cancelled` that turns true when that action has begun."""
    return lambda: any(e.kind == "action_started" and e.data["action"] == after for e in events.all)


def test_a_stop_is_noticed_at_once_and_the_next_run_goes_on(bench):
    plan = networks(6, chain=True)
    bench.cloud.latency_s = 0.05

    def slow_third(kind: str) -> None:
        bench.cloud.latency_s = 60.0 if "n0002" in kind else bench.cloud.latency_s

    bench.cloud.hook = slow_third
    began = time.monotonic()
    outcome = bench.run(plan, cancelled=stopper(bench.events, "create-network-n0002"))
    assert time.monotonic() - began < 10.0
    assert outcome.interrupted and not outcome.ok and outcome.lease_lost is None
    assert outcome.error.exit_code == ExitCode.INTERRUPTED and "duoyun resume" in outcome.error.mend
    states = [a.state for a in outcome.actions.values()]
    assert states == [ActionState.DONE] * 2 + [ActionState.CANCELLED] * 4
    assert "not begun" in outcome.actions["create-network-n0005"].why
    bench.cloud.hook, bench.cloud.latency_s = (lambda _k: None), 0.0
    assert bench.run(plan).ok
    assert all(bench.cloud.effects("create", a.address) == 1 for a in plan.actions)


def test_a_stop_is_noticed_within_half_a_second(local_bench):
    local_bench.cloud.latency_s = 60.0
    stop = threading.Event()
    stopped_at: list[float] = []

    def press() -> None:
        while local_bench.cloud.under_way < 4:
            time.sleep(0.01)
        stopped_at.append(time.monotonic())
        stop.set()

    with local_bench.engine() as engine:
        presser = threading.Thread(target=press)
        presser.start()
        outcome = local_bench.run(networks(4), cancelled=stop.is_set, engine=engine)
        took = time.monotonic() - stopped_at[0]
        presser.join()
    assert outcome.interrupted and took < 0.5


def test_a_call_that_hangs_is_left_behind(local_bench):
    local_bench.options = local_bench.options.__class__(tick_s=0.02, stop_grace_s=0.2)
    release = threading.Event()
    hanging = threading.Event()

    def hang(name: str) -> None:
        if name.startswith("cloud before"):
            hanging.set()
            release.wait(30)

    local_bench.cloud.hook = hang
    with local_bench.engine() as engine:
        outcome = local_bench.run(networks(1), cancelled=hanging.is_set, engine=engine)
        (left,) = outcome.actions.values()
        assert left.state is ActionState.CANCELLED and "its end is unknown" in left.why
        assert outcome.interrupted
        release.set()
        for thread in [t for t in threading.enumerate() if t.name.startswith("action ")]:
            thread.join(10)


def test_ctrl_c_stops_cleanly(local_bench, monkeypatch):
    local_bench.cloud.latency_s = 60.0
    with local_bench.engine() as engine:
        from orchestrator.engine.driver import Driver

        pressed = []
        plain = Driver._wait

        def wait(self):
            if not pressed and local_bench.cloud.under_way == 2:
                pressed.append(True)
                raise KeyboardInterrupt
            plain(self)

        monkeypatch.setattr(Driver, "_wait", wait)
        outcome = local_bench.run(networks(2), engine=engine)
    assert pressed and outcome.interrupted


def test_a_lost_lease_stops_everything(bench):
    plan = networks(6, chain=True)

    def taken(name: str) -> None:
        if name == "cloud before create n0002":
            bench.store.leases.unlock(SCOPE, "boss")

    bench.cloud.hook = taken
    outcome = bench.run(plan)
    assert isinstance(outcome.lease_lost or outcome.error, LeaseLost) and outcome.interrupted
    states = [a.state for a in outcome.actions.values()]
    assert states[:2] == [ActionState.DONE] * 2 and set(states[2:]) == {ActionState.CANCELLED}
    # What was under way in the cloud could not be recorded any more; the record of the intent finds it.
    assert bench.records()[str(plan.actions[2].address)].state is RecordState.CREATING
    bench.cloud.hook = lambda _name: None
    bench.keeper = bench.lease("bob")
    assert bench.run(plan).ok
    assert all(bench.cloud.effects("create", a.address) == 1 for a in plan.actions)


def test_an_expired_lease_executes_nothing(local_bench):
    local_bench.store.leases.unlock(SCOPE, "boss")
    local_bench.keeper._lose("test")
    with pytest.raises(LeaseLost):
        local_bench.run(networks(2))
    assert local_bench.cloud.history == []


def test_records_wait_for_a_database_that_is_away_for_a_moment(local_bench, monkeypatch):
    put = local_bench.store.inventory.put
    away = [StoreAway("gone"), StoreAway("gone")]

    def flaky(*args):
        if away:
            raise away.pop()
        return put(*args)

    monkeypatch.setattr(local_bench.store.inventory, "put", flaky)
    assert local_bench.run(networks(1)).ok and away == []


def test_a_full_disk_fails_with_its_name_and_the_next_run_goes_on(local_bench):
    import sqlalchemy as sa

    plan = networks(60, chain=True)
    engine = local_bench.store.db.engine
    limit = [0]

    @sa.event.listens_for(engine, "checkout")
    def small_disk(conn, _record, _proxy):
        if limit[0]:
            conn.execute(f"PRAGMA max_page_count = {limit[0]}")

    with engine.connect() as conn:
        pages = conn.exec_driver_sql("PRAGMA page_count").scalar()
    with local_bench.engine() as running:
        limit[0] = pages + 60  # DBOS's tables are there by now, and a few actions find room
        outcome = local_bench.run(plan, engine=running)
        assert isinstance(outcome.error, StoreUnavailable) and "the disk is full" in outcome.error.summary
        assert "make room" in outcome.error.mend
        limit[0] = 1_000_000
        assert local_bench.run(plan, engine=running).ok
    assert all(local_bench.cloud.effects("create", a.address) == 1 for a in plan.actions)
    assert local_bench.store.audit.verify(str(SCOPE)) is None


# -- the journal -----------------------------------------------------------------------------------------------


def test_what_is_finished_is_not_begun_again(bench):
    plan = three_services(bench.cloud, bench.store, bench.keeper.token)
    assert bench.run(plan).ok
    calls = bench.cloud.calls
    bench.new_lease()
    again = bench.run(plan)
    assert again.ok and all(a.journaled for a in again.actions.values())
    assert bench.cloud.calls == calls
    assert again.actions["create-network-main"].result["provider_id"]


def test_revisions_have_journals_of_their_own(local_bench):
    plan = networks(2)
    with local_bench.engine() as engine:
        for revision in (1, 10):
            outcome = engine.execute(plan, revision, local_bench.keeper)
            assert not any(a.journaled for a in outcome.actions.values())
        assert engine.forget_journal(SCOPE, 1) == 2
        assert not any(a.journaled for a in engine.execute(plan, 1, local_bench.keeper).actions.values())
        assert all(a.journaled for a in engine.execute(plan, 10, local_bench.keeper).actions.values())


def test_two_scopes_execute_at_once_on_one_engine(local_bench):
    from dataclasses import replace

    from orchestrator.store import LeaseKeeper, Scope

    other = Scope("prod", "blog")
    keeper = LeaseKeeper(
        local_bench.store.leases, local_bench.store.leases.acquire(other, "bob", 30.0), local_bench.clock
    )
    plan = networks(20)
    outcomes = []
    with local_bench.engine() as engine:
        thread = threading.Thread(
            target=lambda: outcomes.append(engine.execute(replace(plan, application="blog"), 1, keeper))
        )
        thread.start()
        outcomes.append(engine.execute(plan, 1, local_bench.keeper))
        thread.join()
    assert [o.ok for o in outcomes] == [True, True]
    assert len(local_bench.store.inventory.list(other)) == len(local_bench.store.inventory.list(SCOPE)) == 20


def test_no_pickle_no_console_no_threads_left(bench, capfd):
    import sqlalchemy as sa

    before = set(threading.enumerate())
    bench.cloud.faults["create", "n0001"] = [RolloutFailed("no")]
    bench.run(networks(2))
    assert set(threading.enumerate()) <= before
    assert capfd.readouterr() == ("", "")
    schema = "dbos." if "postgres" in bench.store.db.where else ""
    with bench.store.db.engine.connect() as conn:
        kinds = set(conn.execute(sa.text(f"SELECT serialization FROM {schema}workflow_status")).scalars())
        steps = conn.execute(sa.text(f"SELECT count(*) FROM {schema}operation_outputs")).scalar_one()
        outputs = conn.execute(sa.text(f"SELECT output FROM {schema}workflow_output")).scalars().all()
    assert kinds == {"portable_json"} and all(o.startswith("{") for o in outputs)
    assert steps == 0, "an attempt is one entry of the journal: its parts are never gone on with by themselves"


def test_one_engine_per_process(local_bench):
    with local_bench.engine(), pytest.raises(RuntimeError, match="already"):
        local_bench.engine().__enter__()
    with local_bench.engine():
        pass


# -- other processes, other databases' moods -------------------------------------------------------------------


@pytest.mark.postgres
def test_connections_that_break_are_made_again(postgres_url):
    import psycopg

    bench = Bench(postgres_url)

    def cut(name: str) -> None:
        if name == "cloud after create n0001":
            with psycopg.connect(postgres_url, autocommit=True) as conn:
                conn.execute(
                    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
                    "WHERE datname = current_database() AND pid <> pg_backend_pid()"
                )

    bench.cloud.hook = cut
    plan = networks(4, chain=True)
    outcome = bench.run(plan)
    bench.store.close()
    assert outcome.ok, [e.summary for e in outcome.errors]
    assert all(bench.cloud.effects("create", a.address) == 1 for a in plan.actions)


_FROZEN = """
import sys
from pathlib import Path
from fake_provider import FakeCloud, FakeProvider
from plans import SCOPE, networks
from orchestrator.engine.engine import Engine
from orchestrator.engine.options import EngineOptions
from orchestrator.store import LeaseKeeper, SystemClock, open_store

class Silent:
    def emit(self, event): pass

def freeze(name):
    if name == "before create-network-n0001: create":
        print("here", flush=True)
        sys.stdin.readline()

clock = SystemClock()
cloud = FakeCloud(path=Path(sys.argv[2]))
with open_store(sys.argv[1], clock) as store:
    lease = store.leases.acquire(SCOPE, "frozen", 3.0)
    with LeaseKeeper(store.leases, lease, clock) as keeper:
        options = EngineOptions(checkpoint=freeze, tick_s=0.02)
        with Engine(store, lambda _a: FakeProvider(cloud), clock, Silent(), options) as engine:
            outcome = engine.execute(networks(3, chain=True), 2, keeper)
print("lost" if outcome.lease_lost else "kept", [a.state.value for a in outcome.actions.values()], flush=True)
"""


def test_a_process_frozen_past_its_lease_changes_nothing_when_it_wakes(store_url, tmp_path, eventually, freeze):
    cloud_file = tmp_path / "cloud.json"
    here = Path(__file__).parent
    with subprocess.Popen(
        [sys.executable, "-c", _FROZEN, store_url, cloud_file],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env=os.environ | {"PYTHONPATH": f"{here.parents[1]}:{here}"},
    ) as child:
        try:
            assert child.stdout.readline() == "here\n"
            freeze(child.pid, store_url)
            with open_store(store_url, SystemClock()) as looking:
                eventually(lambda: looking.leases.current(SCOPE) is None)
            bench = Bench(store_url)
            assert bench.keeper.token == 2
            bench.cloud = FakeCloud(path=cloud_file)
            bench.provider = FakeProvider(bench.cloud)
            plan = networks(3, chain=True)
            assert bench.run(plan).ok
            before, records = cloud_file.read_text(), bench.records()
            os.kill(child.pid, signal.SIGCONT)
            assert child.communicate("go\n", timeout=60)[0] == "lost ['done', 'cancelled', 'cancelled']\n"
            assert cloud_file.read_text() == before and bench.records() == records
            assert all(bench.cloud.effects("create", a.address) == 1 for a in plan.actions)
            assert all(a.journaled for a in bench.run(plan).actions.values())
            bench.store.close()
        finally:
            child.kill()
