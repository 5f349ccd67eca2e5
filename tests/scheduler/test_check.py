"""The judge of finished placements: each rule that is broken on purpose is found, and nothing else is."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any

import pytest

from model.plan import PoolChoice
from scheduler.check import broken_rules
from scheduler.eligibility import eligible_sites, reject
from scheduler.problem import Apart, Edge, External, InstanceOffer, NodeLoad, Problem, Route, ServiceDemand, SiteOffer

SMALL = InstanceOffer(name="small", vcpu=2, cpu_millicores=2000, memory_mib=4000, price_per_hour=0.1)
SPOT = replace(SMALL, name="small-spot", spot=True, price_per_hour=0.04)


def site(name: str, **more: Any) -> SiteOffer:
    plain = {"region": f"a/{name[2]}", "cloud": "a", "partition": "a", "country": "CN", "types": (SMALL, SPOT)}
    return SiteOffer(id=name, **{**plain, **more})


def service(name: str, **more: Any) -> ServiceDemand:
    return ServiceDemand(name=name, **{"replicas": 2, "cpu_millicores": 500, "memory_mib": 500, **more})


@dataclass
class Case:
    """A placement that holds; each test breaks one thing of it."""

    problem: Problem
    assignment: dict[str, dict[str, int]]
    pools: list[PoolChoice]
    packing: list[NodeLoad] = field(default_factory=list)

    def broken(self) -> list[str]:
        return broken_rules(self.problem, self.assignment, self.pools, self.packing)


def pool(site_id: str, offer: InstanceOffer, count: int, owner: str = "") -> PoolChoice:
    return PoolChoice(
        site=site_id,
        instance_type=offer.name,
        count=count,
        price_per_hour=offer.price_per_hour,
        assumed_price=False,
        vcpu=offer.vcpu,
        allocatable_cpu_millicores=offer.cpu_millicores,
        allocatable_memory_mib=offer.memory_mib,
        dedicated_to=owner,
    )


def node(site_id: str, offer: InstanceOffer, **pods: int) -> NodeLoad:
    return NodeLoad(site=site_id, instance_type=offer.name, pods=pods)


def whole() -> Case:
    """web and db share two nodes of a/x1, batch is half on spot in a/y1, vm has a machine of its own."""
    services = (
        service("web", surge=False),
        service("db", apart=(Apart(service="batch", over="node"),)),
        service("batch", max_spot_share=0.5),
        service("vm", replicas=1, dedicated=True),
    )
    problem = Problem(services=services, sites=(site("a/x1"), site("a/y1")))
    return Case(
        problem,
        {"web": {"a/x1": 2}, "db": {"a/x1": 2}, "batch": {"a/y1": 2}, "vm": {"a/y1": 1}},
        [pool("a/x1", SMALL, 2), pool("a/y1", SMALL, 1), pool("a/y1", SPOT, 1), pool("a/y1", SMALL, 1, "vm")],
        [
            node("a/x1", SMALL, web=1, db=1),
            node("a/x1", SMALL, web=1, db=1),
            node("a/y1", SMALL, batch=1),
            node("a/y1", SPOT, batch=1),
        ],
    )


def _larger(case: Case, name: str, **more: Any) -> None:
    services = tuple(replace(s, **more) if s.name == name else s for s in case.problem.services)
    case.problem = replace(case.problem, services=services)


def _lose_a_node(case: Case) -> None:
    case.packing.pop()


def _overfill(case: Case) -> None:
    _larger(case, "db", cpu_millicores=1600)


def _overfill_memory(case: Case) -> None:
    _larger(case, "db", memory_mib=3900)


def _no_room_for_an_update(case: Case) -> None:
    _larger(case, "db", cpu_millicores=1100)


def _all_on_one_node(case: Case) -> None:
    case.packing[0].pods.update(web=2)  # type: ignore[attr-defined]
    del case.packing[1].pods["web"]  # type: ignore[attr-defined]


def _too_much_on_spot(case: Case) -> None:
    _larger(case, "batch", max_spot_share=0.4)


def _lose_a_pod(case: Case) -> None:
    del case.packing[1].pods["web"]  # type: ignore[attr-defined]


def _a_pod_too_many(case: Case) -> None:
    case.packing[2].pods["web"] = 1  # type: ignore[attr-defined]


def _less_than_nothing(case: Case) -> None:
    case.packing[2].pods["web"] = -1  # type: ignore[attr-defined]
    case.packing[3].pods["web"] = 1  # type: ignore[attr-defined]


def _a_machine_and_a_node(case: Case) -> None:
    case.packing[2].pods["vm"] = 1  # type: ignore[attr-defined]


def _together(case: Case) -> None:
    case.assignment["db"] = {"a/x1": 1, "a/y1": 1}
    del case.packing[1].pods["db"]  # type: ignore[attr-defined]
    case.packing[2].pods["db"] = 1  # type: ignore[attr-defined]


def _unknown_service(case: Case) -> None:
    case.packing[2].pods["who"] = 1  # type: ignore[attr-defined]


def _unknown_machine(case: Case) -> None:
    case.packing.append(NodeLoad(site="a/x1", instance_type="huge", pods={}))


def _too_small_for_it(case: Case) -> None:
    case.problem = replace(
        case.problem, sites=(case.problem.sites[0], site("a/y1", types=(replace(SMALL, memory_mib=400), SPOT)))
    )


def _no_cluster(case: Case) -> None:
    case.problem = replace(case.problem, sites=(site("a/x1", kubernetes=False), case.problem.sites[1]))


def _abroad(case: Case) -> None:
    _larger(case, "web", allowed_countries=("SG",))


@pytest.mark.parametrize(
    ("breaking", "words"),
    [
        (_lose_a_node, "other nodes than the pools have"),
        (_overfill, "a node of small is overfull"),
        (_overfill_memory, "a node of small is overfull"),
        (_no_room_for_an_update, "a/x1: no room for a rolling update"),
        (_all_on_one_node, "a/x1: one node carries 2 replicas of web"),
        (_too_much_on_spot, "batch in a/y1: 1 replicas on spot machines, at most 0"),
        (_lose_a_pod, "web in a/x1: 1 of 2 on nodes"),
        (_a_pod_too_many, "web in a/y1: 1 of 0 on nodes"),
        (_less_than_nothing, "-1 replicas of web are no number of pods"),
        (_a_machine_and_a_node, "vm in a/y1: 1 of 0 on nodes"),
        (_together, "a/y1: db and batch share a node"),
        (_unknown_service, "who: on a node, and no service of the problem"),
        (_unknown_machine, "a/x1 sells no huge"),
        (_too_small_for_it, "vm in a/y1: no machine type sold here holds"),
        (_no_cluster, "web in a/x1: a/x has no cluster"),
        (_abroad, "web in a/x1: its data must stay in SG"),
    ],
)
def test_what_is_broken_on_purpose_is_found(breaking: Callable[[Case], None], words: str) -> None:
    case = whole()
    assert case.broken() == []
    breaking(case)
    assert any(words in told for told in case.broken()), case.broken()


def test_affinity_to_an_external_is_asked_of_each_service() -> None:
    """Two services call the same external; one of them must be in its region."""
    routes = tuple(Route(src=a, dst=b, rtt_ms=1.0) for a in ("a/x", "a/y") for b in ("a/x", "a/y"))
    near = service("near", edges=(Edge(callee="cache", within="region"),))
    far = service("far", edges=(Edge(callee="cache"),))
    cache = External(name="cache", regions=("a/x",))
    for services in ((far, near), (near, far)):
        p = Problem(services=services, sites=(site("a/x1"), site("a/y1")), externals=(cache,), routes=routes)
        found = eligible_sites(p)
        assert found.allowed == {"near": ("a/x1",), "far": ("a/x1", "a/y1")}
        (no,) = found.rejections["near"]
        assert (no.rule, no.caller, no.callee) == ("external", "near", "cache")


def test_what_is_allowed_is_what_is_not_rejected(make_featured: Callable[[int], Problem]) -> None:
    for seed in range(25):
        p = make_featured(seed)
        found = eligible_sites(p)
        for s in p.services:
            told = {no.site: no for no in found.rejections[s.name]}
            assert told == {i.id: no for i in p.sites if (no := reject(p, s, i)) is not None}
            assert set(found.allowed[s.name]) == {i.id for i in p.sites} - told.keys()
