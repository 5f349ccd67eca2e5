"""Executing plans: order, parallelism, records, failures, stops, resumption."""

from __future__ import annotations

import threading
import time

import pytest
from fake_provider import FakeProvider
from plans import SCOPE, action, at, deployment, networks, plan_of, three_services

from model.codec import digest
from model.errors import (
    Conflict,
    DependencyInUse,
    LeaseLost,
    NotFound,
    PlanStale,
    QuotaExceeded,
    RolloutFailed,
    StoreUnavailable,
)
from model.exit_codes import ExitCode
from model.plan import Op
from model.resources import Kind, Network, Ownership
from orchestrator.engine.outcome import ActionState
from orchestrator.store import Record, RecordState
from orchestrator.store.errors import StoreAway
from providers.base import Provider


def test_the_fake_keeps_the_protocol(local_bench):
    assert isinstance(FakeProvider(local_bench.cloud), Provider)


def test_every_operation_of_a_three_service_plan(bench):
    plan = three_services(bench.cloud, bench.store, bench.keeper.token)
    outcome = bench.run(plan)
    assert outcome.ok and not outcome.interrupted and outcome.error is None
    assert list(outcome.actions) == [a.id for a in plan.actions]
    records = bench.records()
    assert set(records) == set(bench.cloud.resources) == {str(a.address) for a in plan.actions if a.desired}
    for act in plan.actions:
        if act.desired is None:
            continue
        record = records[str(act.address)]
        assert (record.state, record.desired, record.revision) == (RecordState.LIVE, act.desired, 2)
        assert record.config_hash == digest(act.desired) and record.action_id == act.id
        assert record.provider_id == bench.cloud.resources[str(act.address)]["id"]
        assert record.endpoints == (f"{act.address.name}:80",) and record.last_sync_at_s is not None
    assert records[str(at(Kind.NETWORK, "theirs"))].ownership is Ownership.ADOPT
    assert bench.store.audit.verify(str(SCOPE)) is None


def test_nothing_begins_before_what_it_depends_on_is_done(local_bench):
    plan = three_services(local_bench.cloud, local_bench.store, local_bench.keeper.token)
    local_bench.cloud.latency_s = 0.01
    assert local_bench.run(plan).ok
    place = {(e.kind, e.data["action"]): n for n, e in enumerate(local_bench.events.all) if e.kind != "action_progress"}
    for act in plan.actions:
        for needed in act.depends_on:
            assert place["action_done", needed] < place["action_started", act.id]


def test_events_say_what_where_and_how_long(local_bench):
    plan = three_services(local_bench.cloud, local_bench.store, local_bench.keeper.token)
    local_bench.run(plan)
    web = next(a for a in plan.actions if a.service == "web")
    started, done = (e for e in local_bench.events.all if e.data["action"] == web.id)
    assert (started.kind, done.kind) == ("action_started", "action_done")
    assert done.data["address"] == str(web.address) and done.data["service"] == "web" and done.data["op"] == "create"
    assert done.data["seconds"] >= 0 and done.data["wave"] == 0 and done.at_s >= started.at_s


def test_independent_actions_run_at_once_up_to_the_limit(local_bench):
    """A barrier lets five pass together and nobody alone; a sixth would be counted."""
    barrier, lock, inside, most = threading.Barrier(5), threading.Lock(), [0], [0]

    def meet(name: str) -> None:
        with lock:
            inside[0] += name.startswith("cloud before")
            most[0] = max(most[0], inside[0])
        if name.startswith("cloud before"):
            barrier.wait(30)
        else:
            with lock:
                inside[0] -= 1

    local_bench.cloud.hook = meet
    local_bench.options = local_bench.options.__class__(parallelism=5, tick_s=0.02)
    assert local_bench.run(networks(15)).ok
    assert most[0] == 5


def test_the_key_of_a_call_is_the_action_and_its_revision(local_bench):
    plan = networks(1)
    local_bench.run(plan, revision=7)
    found = local_bench.cloud.resources[str(plan.actions[0].address)]
    assert found["key"] == f"{plan.actions[0].id}-7" and found["owner"] == "prod"


def test_an_empty_plan_is_done_at_once(local_bench):
    outcome = local_bench.run(plan_of([]))
    assert outcome.ok and outcome.actions == {}


@pytest.mark.parametrize(
    "actions",
    [
        [action(Op.CREATE, at(Kind.NETWORK, "a"), Network(name="a", cidr="10.0.0.0/8"), None, "create-network-nobody")],
        [
            action(Op.CREATE, at(Kind.NETWORK, "a"), Network(name="a", cidr="10.0.0.0/8"), None, "create-network-b"),
            action(Op.CREATE, at(Kind.NETWORK, "b"), Network(name="b", cidr="10.0.0.0/8"), None, "create-network-a"),
        ],
    ],
)
def test_a_plan_that_cannot_be_ordered_is_refused_before_anything_happens(local_bench, actions):
    with pytest.raises(ValueError, match="actions"):
        local_bench.run(plan_of(actions))
    assert local_bench.cloud.history == []


# -- failures --------------------------------------------------------------------------------------------------


def test_a_failure_lets_what_runs_finish_and_skips_the_rest(local_bench):
    plan = three_services(local_bench.cloud, local_bench.store, local_bench.keeper.token)
    error = QuotaExceeded("no more clusters", quota="clusters", mend="raise the quota")
    local_bench.cloud.faults["create", "main"] = [error]  # the network is made first, then the cluster of that name
    local_bench.cloud.faults = {("create", "p"): [error]}
    outcome = local_bench.run(plan)
    failed = outcome.actions["create-node_pool-p"]
    assert failed.state is ActionState.FAILED and failed.error["reason"] == "quota_exceeded"
    assert outcome.error is error and not outcome.interrupted and not outcome.ok
    for name in ("create-kubernetes_object-web", "update-kubernetes_object-api", "replace-kubernetes_object-cart"):
        skipped = outcome.actions[name]
        assert skipped.state is ActionState.SKIPPED and skipped.because == failed.id
        assert "create fake/1/r1/node_pool/p, which failed" in skipped.why
    assert outcome.actions["create-network-main"].state is ActionState.DONE
    record = local_bench.records()[str(at(Kind.NODE_POOL, "p"))]
    assert record.state is RecordState.CREATING and record.consecutive_failures == 1
    assert local_bench.events.kinds(failed.id) == ["action_started", "action_failed"]
    assert local_bench.events.kinds("create-kubernetes_object-web") == ["action_skipped"]


def test_after_a_failure_what_does_not_depend_on_it_is_not_begun_either(local_bench):
    local_bench.options = local_bench.options.__class__(parallelism=1, tick_s=0.02)
    local_bench.cloud.faults["create", "n0001"] = [RolloutFailed("no")]
    outcome = local_bench.run(networks(4))
    states = [a.state for a in outcome.actions.values()]
    assert states == [ActionState.DONE, ActionState.FAILED, ActionState.SKIPPED, ActionState.SKIPPED]
    assert "had failed" in outcome.actions["create-network-n0003"].why


def test_keep_going_stops_the_dependants_only(local_bench):
    local_bench.options = local_bench.options.__class__(parallelism=1, tick_s=0.02, keep_going=True)
    local_bench.cloud.faults["create", "n0001"] = [RolloutFailed("no")]
    outcome = local_bench.run(networks(4))
    assert [a.state for a in outcome.actions.values()].count(ActionState.DONE) == 3


def test_a_failed_action_is_tried_again_by_the_next_run_of_the_revision(bench):
    plan = networks(3, chain=True)
    bench.cloud.faults["create", "n0001"] = [RolloutFailed("no")]
    first = bench.run(plan)
    assert first.actions["create-network-n0001"].attempt == 1
    second = bench.run(plan)
    assert second.ok
    assert [a.journaled for a in second.actions.values()] == [True, False, False]
    assert second.actions["create-network-n0001"].attempt == 2
    assert bench.records()[str(at(Kind.NETWORK, "n0001"))].consecutive_failures == 0
    assert all(bench.cloud.effects("create", a.address) == 1 for a in plan.actions)


def test_a_mistake_in_an_adapter_is_named_as_one(local_bench):
    def broken(_address):
        raise ZeroDivisionError("oops")

    local_bench.targets = broken
    outcome = local_bench.run(networks(1))
    (failed,) = outcome.actions.values()
    assert failed.state is ActionState.FAILED and failed.error["reason"] == "unexpected_error"
    assert "ZeroDivisionError: oops" in failed.error["summary"] and "report" in failed.error["mend"]
    assert isinstance(outcome.error.__cause__, ZeroDivisionError)


def test_an_update_of_something_gone_makes_the_plan_stale(local_bench):
    web = deployment("web")
    plan = plan_of([action(Op.UPDATE, at(Kind.KUBERNETES_OBJECT, web.name), web, web)])
    outcome = local_bench.run(plan)
    assert isinstance(outcome.error, PlanStale) and outcome.error.exit_code == ExitCode.STALE


# -- deletions -------------------------------------------------------------------------------------------------


def deletion(bench, name: str, *, owner: str = "prod", recorded: Ownership | None = Ownership.OWN):
    network = Network(name=name, cidr="10.0.0.0/16")
    address = at(Kind.NETWORK, name)
    made = bench.cloud.seed(address, network, owner=owner)
    if recorded is not None:
        record = Record(
            address=address, desired=network, state=RecordState.LIVE, revision=1, provider_id=made, ownership=recorded
        )
        bench.store.inventory.put(SCOPE, bench.keeper.token, record)
    return plan_of([action(Op.DELETE, address, None, network)])


def test_a_delete_waits_for_those_who_still_use_it(local_bench):
    plan = deletion(local_bench, "x")
    local_bench.cloud.faults["delete", "x"] = [DependencyInUse("still used")] * 3
    outcome = local_bench.run(plan)
    assert outcome.ok and local_bench.cloud.resources == {}
    told = [e.data["line"] for e in local_bench.events.all if e.kind == "action_progress"]
    assert len(told) == 3 and "still used; again in" in told[0]


def test_a_delete_gives_up_at_its_time_limit(local_bench):
    plan = deletion(local_bench, "x")
    local_bench.options = local_bench.options.__class__(
        retry_base_s=0.01, retry_cap_s=0.05, tick_s=0.02, timeouts_s={Kind.NETWORK: 0.3}
    )
    local_bench.cloud.faults["delete", "x"] = [DependencyInUse("still used")] * 1000
    outcome = local_bench.run(plan)
    assert isinstance(outcome.error, DependencyInUse)
    assert local_bench.records()[str(at(Kind.NETWORK, "x"))].state is RecordState.DELETING


def test_what_is_gone_already_counts_as_deleted(local_bench):
    plan = deletion(local_bench, "x")
    local_bench.cloud.resources.clear()
    assert local_bench.run(plan).ok and local_bench.records() == {}


def test_what_was_in_a_cluster_that_is_gone_is_gone_too(local_bench):
    plan = deletion(local_bench, "x")

    def no_cluster(address):
        raise NotFound(f"{address}: no such cluster")

    local_bench.targets = no_cluster
    assert local_bench.run(plan).ok and local_bench.records() == {}


@pytest.mark.parametrize("recorded", [None, Ownership.REFERENCE])
def test_what_is_not_ours_is_never_deleted(local_bench, recorded):
    plan = deletion(local_bench, "x", owner="somebody", recorded=recorded)
    outcome = local_bench.run(plan)
    assert isinstance(outcome.error, Conflict) and "not ours" in outcome.error.summary
    assert local_bench.cloud.history == []


def test_what_somebody_made_anew_under_the_name_of_ours_is_not_deleted(local_bench):
    plan = deletion(local_bench, "x", owner="", recorded=Ownership.ADOPT)
    local_bench.cloud.resources[str(at(Kind.NETWORK, "x"))]["id"] = "another"
    outcome = local_bench.run(plan)
    assert isinstance(outcome.error, Conflict) and "somebody else made it" in outcome.error.summary


def test_what_we_only_meant_to_make_does_not_let_us_delete_anothers(local_bench):
    plan = deletion(local_bench, "x", owner="", recorded=None)
    record = Record(
        address=plan.actions[0].address, desired=plan.actions[0].before, state=RecordState.CREATING, revision=1
    )
    local_bench.store.inventory.put(SCOPE, local_bench.keeper.token, record)
    outcome = local_bench.run(plan)
    assert isinstance(outcome.error, Conflict) and "never made" in outcome.error.summary


def test_an_adopted_one_without_our_tag_can_be_deleted(local_bench):
    assert local_bench.run(deletion(local_bench, "x", owner="", recorded=Ownership.ADOPT)).ok


def test_a_deleted_cluster_is_forgotten_by_the_targets(local_bench):
    plan = three_services(local_bench.cloud, local_bench.store, local_bench.keeper.token)
    local_bench.run(plan)
    cluster = next(a for a in plan.actions if a.address.kind is Kind.CLUSTER)
    pool = next(a for a in plan.actions if a.address.kind is Kind.NODE_POOL)
    away = [action(Op.DELETE, pool.address, None, pool.desired)]
    away.append(action(Op.DELETE, cluster.address, None, cluster.desired, away[0].id))
    assert local_bench.run(plan_of(away), revision=3).ok
    assert local_bench.forgotten == [cluster.address]


# -- stops -----------------------------------------------------------------------------------------------------


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
        steps = set(conn.execute(sa.text(f"SELECT serialization FROM {schema}operation_outputs")).scalars())
        outputs = conn.execute(sa.text(f"SELECT output FROM {schema}workflow_output")).scalars().all()
    assert kinds == steps == {"portable_json"} and all(o.startswith("{") for o in outputs)


def test_one_engine_per_process(local_bench):
    with local_bench.engine(), pytest.raises(RuntimeError, match="already"):
        local_bench.engine().__enter__()
    with local_bench.engine():
        pass
