"""Deleting: waits for dependants, takes what is gone for gone, never touches what is not ours."""

from __future__ import annotations

import pytest
from plans import SCOPE, action, at, plan_of, three_services

from model.errors import (
    Conflict,
    DependencyInUse,
    NotFound,
)
from model.plan import Op
from model.resources import Kind, Network, Ownership
from orchestrator.store import Record, RecordState


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
