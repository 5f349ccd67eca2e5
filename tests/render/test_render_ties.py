"""What ties pods to the node pools that the placement meant, and what a scheduler that is not ours makes of it."""

from __future__ import annotations

from collections import Counter
from typing import Any

from model.plan import Cost, Placement, PoolChoice, ServicePlacement, Terms
from model.resources import LABEL_POOL
from model.spec.app import Application
from model.spec.fleet import Fleet, Site
from orchestrator.render import render_service
from orchestrator.ties import PlannedNodes, made_pools, named
from sandbox.kubernetes.controllers.fit import Slot, choose

HERE = "aws-cn/cn-north-1a"
COST = Cost(compute_per_hour=1, egress_per_hour=0, assumed_share=0, currency="USD", price_date="")


def pool(instance_type: str, count: int, node_pools: int, terms: Terms = Terms.ON_DEMAND) -> PoolChoice:
    return PoolChoice(
        site=HERE,
        instance_type=instance_type,
        count=count,
        price_per_hour=0.1,
        assumed_price=False,
        vcpu=2,
        allocatable_cpu_millicores=2000,
        allocatable_memory_mib=4000,
        terms=terms,
        node_pools=node_pools,
    )


def placement(nodes: dict[str, int], *pools: PoolChoice, service: str = "web") -> Placement:
    row = ServicePlacement(service=service, replicas={HERE: sum(nodes.values())}, nodes={HERE: nodes})
    return Placement(services=(row,), pools=pools, cost=COST, lower_bound_per_hour=1)


def site(fleet: Fleet) -> Site:
    return next(s for s in fleet.sites() if s.id == HERE)


def test_each_node_pool_has_one_node_and_the_last_the_rest(fleet: Fleet) -> None:
    made = made_pools(placement({}, pool("c6i.large", 5, 3), pool("m6i.large", 1, 1)), {HERE})
    assert [(p.name(site(fleet)), p.count) for p in made] == [
        ("a-c6i-large", 1),
        ("a-c6i-large-n2", 1),
        ("a-c6i-large-n3", 3),
        ("a-m6i-large", 1),
    ]
    assert made_pools(placement({}, pool("c6i.large", 5, 3)), set()) == ()


def test_reserved_machines_and_bought_ones_of_a_type_are_numbered_through() -> None:
    before = placement(
        {"c6i.large (reserved)#0": 1, "c6i.large#0": 2, "c6i.large#1": 3, "node ip-1#0": 4},
        pool("c6i.large", 2, 2),
        pool("c6i.large (reserved)", 1, 1),
        pool("node ip-1", 1, 1),
    )
    after = named(before)
    assert after.services[0].nodes[HERE] == {"c6i.large#0": 1, "c6i.large#1": 2, "c6i.large#2": 3, "ip-1#0": 4}
    assert [(p.key, p.count) for p in made_pools(after, {HERE})] == [
        ("c6i.large#0", 1),
        ("c6i.large#1", 1),
        ("c6i.large#2", 1),
    ]


def test_a_node_that_is_there_is_preferred_by_its_name(fleet: Fleet) -> None:
    planned = placement({"ip-1#0": 1}, pool("ip-1", 1, 1, Terms.EXISTING))
    assert PlannedNodes(planned).ties("web", site(fleet)).weights == {("kubernetes.io/hostname", "ip-1"): 100}


def test_nothing_is_preferred_where_the_placement_does_not_say(app: Application, fleet: Fleet) -> None:
    planned = PlannedNodes(placement({}, pool("c6i.large", 2, 1)))
    assert planned.ties("web", site(fleet)).weights == {}
    assert planned.ties("unheard-of", site(fleet)).weights == {}


def test_pods_go_where_they_are_planned_in_unequal_numbers_too(app: Application, fleet: Fleet) -> None:
    nodes = {"c6i.large#0": 3, "c6i.large#2": 1}
    planned = PlannedNodes(placement(nodes, pool("c6i.large", 4, 4)))
    pods, template = pods_of(app, fleet, planned, 4)
    terms = template["affinity"]["nodeAffinity"]["preferredDuringSchedulingIgnoredDuringExecution"]
    assert [(t["weight"], t["preference"]["matchExpressions"][0]["values"]) for t in terms] == [
        (100, ["a-c6i-large"]),
        (50, ["a-c6i-large-n3"]),
    ]
    names = ["a-c6i-large", "a-c6i-large-n2", "a-c6i-large-n3", "a-c6i-large-n4"]
    assert Counter(scheduled(pods, slots(*names))) == {"a-c6i-large": 3, "a-c6i-large-n3": 1}
    # where a planned node is gone, they go to the others
    assert set(scheduled(pods, slots(*names[1:]))) <= set(names[1:])
    assert len(scheduled(pods, slots(*names[1:]))) == 4


def pods_of(
    app: Application, fleet: Fleet, planned: PlannedNodes, count: int
) -> tuple[list[dict[str, Any]], dict[str, Any]]:
    here = [s for s in fleet.sites() if s.region.region == "cn-north-1"]
    ties = {HERE: planned.ties("web", site(fleet))}
    objects = render_service(app, app.service("web"), {HERE: count}, here, ties=ties)
    (deployment,) = [o.manifest for o in objects if o.manifest["kind"] == "Deployment"]
    template = deployment["spec"]["template"]
    labels = {**template["metadata"]["labels"], "pod-template-hash": "v1"}
    made = [
        {"metadata": {"name": f"p{n}", "namespace": app.namespace, "labels": labels}, "spec": template["spec"]}
        for n in range(count)
    ]
    return made, template["spec"]


def slots(*pools: str) -> list[Slot]:
    """One empty node of each pool."""
    return [
        Slot.of({
            "metadata": {
                "name": name,
                "labels": {
                    "duoyun.dev/site": "aws-cn.cn-north-1a",
                    "kubernetes.io/hostname": name,
                    LABEL_POOL: name,
                },
            },
            "status": {"allocatable": {"cpu": "8", "memory": "32Gi", "pods": "50"}},
        })
        for name in pools
    ]  # fmt: skip


def scheduled(pods: list[dict[str, Any]], slots: list[Slot]) -> list[str]:
    where: list[str] = []
    for pod in pods:
        node = choose(pod, slots).node
        if node is not None:
            next(s for s in slots if s.name == node).take({**pod, "spec": {**pod["spec"], "nodeName": node}})
            where.append(node)
    return where
