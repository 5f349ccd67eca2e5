"""How many of a service a node carries: what is rendered, and what a scheduler makes of it."""

from __future__ import annotations

from typing import Any

import pytest

from model.spec.app import Application, PlacementRules
from model.spec.fleet import Fleet
from orchestrator.render import render_service
from sandbox.kubernetes.controllers.fit import Slot, choose

HERE = "aws-cn/cn-north-1a"


def with_rules(app: Application, replicas: int = 6, **rules: Any) -> Application:
    """The application whose web has those placement rules."""
    changes = {"replicas": replicas, "placement": PlacementRules.model_validate(rules)}
    services = tuple(s.model_copy(update=changes) if s.name == "web" else s for s in app.spec.services)
    return app.model_copy(update={"spec": app.spec.model_copy(update={"services": services})})


def pod(app: Application, fleet: Fleet, service: str, version: str = "v1") -> dict[str, Any]:
    """A pod of the service as its ReplicaSet would make it."""
    sites = [s for s in fleet.sites() if s.region.region == "cn-north-1"]
    objects = render_service(app, app.service(service), {HERE: 2}, sites)
    (deployment,) = [o.manifest for o in objects if o.manifest["kind"] == "Deployment"]
    template = deployment["spec"]["template"]
    labels = {**template["metadata"]["labels"], "pod-template-hash": version}
    return {"metadata": {"name": "p", "namespace": app.namespace, "labels": labels}, "spec": template["spec"]}


def nodes(*names: str) -> list[Slot]:
    labels = {"duoyun.dev/site": "aws-cn.cn-north-1a"}
    room = {"cpu": "64", "memory": "256Gi", "pods": "100"}
    return [
        Slot.of({
            "metadata": {"name": n, "labels": {**labels, "kubernetes.io/hostname": n}},
            "status": {"allocatable": room},
        })
        for n in names
    ]  # fmt: skip


def filled(slots: list[Slot], pod: dict[str, Any]) -> list[str]:
    """Where pods like this one go, one after another, until one waits; at most 20."""
    where: list[str] = []
    for _ in range(20):
        node = choose(pod, slots).node
        if node is None:
            return where
        next(s for s in slots if s.name == node).take({**pod, "spec": {**pod["spec"], "nodeName": node}})
        where.append(node)
    return where


@pytest.mark.parametrize(
    ("rules", "each"), [({"max_per": {"node": 1}}, 1), ({"max_per": {"node": 2}}, 2), ({"max_node_share": "50%"}, 3)]
)
def test_no_node_carries_more_of_it_than_allowed(
    app: Application, fleet: Fleet, rules: dict[str, Any], each: int
) -> None:
    where = filled(nodes("a", "b"), pod(with_rules(app, **rules), fleet, "web"))
    assert sorted(where) == ["a"] * each + ["b"] * each


def test_a_new_version_is_counted_by_itself(app: Application, fleet: Fleet) -> None:
    """Else a rollout could not go on where every node carries what it may."""
    slots, limited = nodes("a", "b"), with_rules(app, max_per={"node": 1})
    assert len(filled(slots, pod(limited, fleet, "web"))) == 2
    assert len(filled(slots, pod(limited, fleet, "web", "v2"))) == 2


def test_without_rules_a_node_may_carry_all_of_it(app: Application, fleet: Fleet) -> None:
    assert len(filled(nodes("a"), pod(app, fleet, "web"))) == 20
    spec = pod(app, fleet, "web")["spec"]
    assert len(spec["topologySpreadConstraints"]) == 1


def test_a_changed_rule_is_a_new_version_of_the_pod(app: Application, fleet: Fleet) -> None:
    """duoyun tells versions by this hash."""

    def version(rules: dict[str, Any]) -> str:
        sites = [s for s in fleet.sites() if s.region.region == "cn-north-1"]
        changed = with_rules(app, **rules)
        objects = render_service(changed, changed.service("web"), {HERE: 2}, sites)
        (manifest,) = [o.manifest for o in objects if o.manifest["kind"] == "Deployment"]
        return str(manifest["spec"]["template"]["metadata"]["annotations"]["duoyun.dev/config-hash"])

    hashes = [version(rules) for rules in ({}, {"max_per": {"node": 1}}, {"max_per": {"node": 2}})]
    assert len(set(hashes)) == 3
    for rules in ({"max_per": {"zone": 2}}, {"apart": [{"service": "orders"}]}):
        assert version(rules) == hashes[0]  # kept by numbers, no matter of the pod's
