"""Executing plans: order, parallelism, records, failures, stops, resumption."""

from __future__ import annotations

import threading
from dataclasses import replace

import pytest
from fake_provider import FakeProvider
from plans import SCOPE, action, at, deployment, networks, plan_of, three_services

from model.codec import digest
from model.errors import (
    PlanStale,
    QuotaExceeded,
    RolloutFailed,
)
from model.exit_codes import ExitCode
from model.plan import Op
from model.resources import Kind, KubernetesObject, Network, Ownership
from orchestrator.engine.outcome import ActionState
from orchestrator.store import RecordState
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


def test_only_what_may_take_time_is_asked_again_whether_it_is_ready(local_bench):
    """The answer that made a plain object says that it is ready; a workload's says nothing of its pods."""
    account = KubernetesObject(
        name="main/shop/ServiceAccount/plain", manifest={"kind": "ServiceAccount", "metadata": {"name": "plain"}}
    )
    web = deployment("web")
    made = [(at(Kind.KUBERNETES_OBJECT, thing.name), thing) for thing in (account, web)]
    names: list[str] = []
    local_bench.options = replace(local_bench.options, checkpoint=names.append)
    assert local_bench.run(plan_of([action(Op.CREATE, address, thing, None) for address, thing in made])).ok
    waits = [name for name in names if "before" in name and "wait until ready" in name]
    assert waits == ["before create-kubernetes_object-web: wait until ready"] * len(waits) and len(waits) == 1
    assert {str(a) for a, _ in made} == set(local_bench.records())


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


def test_the_key_of_a_call_is_the_same_in_a_resume_and_another_in_every_other_release(local_bench):
    plan, later = networks(1), replace(networks(1), created_at_s=2.0)
    address = str(plan.actions[0].address)
    keys = []
    for revision, made in ((7, plan), (8, plan), (7, later)):
        local_bench.cloud.resources.clear()
        with local_bench.engine() as engine:
            engine.forget_journal(SCOPE, revision)
            assert local_bench.run(made, revision=revision, engine=engine).ok
        keys.append(local_bench.cloud.resources[address]["key"])
        assert local_bench.cloud.resources[address]["owner"] == "prod"
    assert len(set(keys)) == 3 and all(k.startswith(plan.actions[0].id) and len(k) <= 64 for k in keys)
    local_bench.cloud.resources.clear()
    with local_bench.engine() as engine:
        engine.forget_journal(SCOPE, 7)
        assert local_bench.run(plan, revision=7, engine=engine).ok
    assert local_bench.cloud.resources[address]["key"] == keys[0]


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
