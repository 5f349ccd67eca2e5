"""What a release is watched for afterwards."""

from __future__ import annotations

from dataclasses import replace

from plans import action, at, deployment, networks, plan_of

from model.plan import Item, Op
from model.resources import Kind, Network, Ownership
from orchestrator.bake import watched

WEB = Item(address=at(Kind.KUBERNETES_OBJECT, "main/shop/Deployment/web"), resource=deployment("web"))
NETWORK = Item(address=at(Kind.NETWORK, "main"), resource=Network(name="main", cidr="10.0.0.0/16"))


def test_workloads_that_are_made_or_taken_over_are_watched_and_nothing_else() -> None:
    def release(op: Op):
        return plan_of([action(op, WEB.address, WEB.resource, None)], [WEB, NETWORK])

    assert watched(release(Op.CREATE)) == watched(release(Op.ADOPT)) == (WEB.address,)
    assert watched(release(Op.DELETE)) == watched(networks(2)) == ()


def test_a_release_that_only_records_what_an_interrupted_one_left_watches_all_of_it() -> None:
    theirs = replace(WEB, address=at(Kind.KUBERNETES_OBJECT, "main/shop/Deployment/db"), ownership=Ownership.REFERENCE)
    assert watched(plan_of([], [WEB, theirs, NETWORK])) == (WEB.address,)
