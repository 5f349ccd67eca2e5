"""Pods that an update has put elsewhere go back to their planned nodes, and leave the room for the next update."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest

from model.errors import RolloutFailed
from model.resources import ANNOTATION_PLANNED, LABEL_POOL, KubernetesObject
from providers.kubernetes.returning import astray, planned_of
from sandbox.kubernetes.embedded import Running, running_cluster
from sandbox.kubernetes.nodes.worker import Backoff
from sandbox.world import NodeSpec

NODES = [
    NodeSpec(f"n-{p}", "a", "cn-north-1", "t", 1000, 4096, labels={LABEL_POOL: p}) for p in ("home", "far", "room")
]


@pytest.fixture
def running() -> Iterator[Running]:
    """Of the test's own: what another one leaves there would take room."""
    with running_cluster(NODES, backoff=Backoff(first_s=0.1, most_s=0.2)) as cluster:
        yield cluster


def tied(
    bench: Any, name: str, cpu: str, pool: str, *, image: str = "shop/web:1", replicas: int = 1
) -> KubernetesObject:
    """A Deployment that prefers one node pool, as we render it."""
    made = bench.deployment(name, cpu=cpu, image=image, replicas=replicas)
    terms = [
        {"weight": 100, "preference": {"matchExpressions": [{"key": LABEL_POOL, "operator": "In", "values": [pool]}]}}
    ]
    affinity = {"nodeAffinity": {"preferredDuringSchedulingIgnoredDuringExecution": terms}}
    made.manifest["spec"]["template"]["spec"]["affinity"] = affinity
    made.manifest["metadata"]["annotations"] = {ANNOTATION_PLANNED: f"{pool}={replicas}"}
    return made


def put(bench: Any, wanted: KubernetesObject, *, back: bool = True) -> int:
    """As the engine does: applied, ready, brought back."""
    at = bench.at("Deployment", wanted.manifest["metadata"]["name"])
    if any(o.address == at for o in bench.provider.list_owned(bench.call())):
        bench.provider.update(bench.provider.get(at, bench.call()), wanted, bench.call())
    else:
        bench.create(wanted)
    bench.provider.wait_ready(at, bench.call())
    return bench.provider.return_pods(at, wanted, bench.call()) if back else 0


def pools(bench: Any, name: str) -> Counter[str]:
    pods = bench.provider.pods(bench.namespace, {"app": name}, bench.call())
    return Counter(p["spec"]["nodeName"] for p in pods if not p["metadata"].get("deletionTimestamp"))


def test_a_large_update_finds_its_room_after_a_small_one(bench: Any) -> None:
    """The room for updates is 900m on one node: a small service's new pod takes it, and gives it back."""
    put(bench, tied(bench, "fill", "600m", "home"))
    put(bench, tied(bench, "small", "350m", "home"))
    put(bench, tied(bench, "large", "900m", "far"))
    assert pools(bench, "small") == {"n-home": 1} and pools(bench, "large") == {"n-far": 1}
    assert put(bench, tied(bench, "small", "350m", "home", image="shop/web:2"), back=False) == 0
    assert pools(bench, "small") == {"n-room": 1}
    with pytest.raises(RolloutFailed, match="Unschedulable"):
        put(bench, tied(bench, "large", "900m", "far", image="shop/web:2"), back=False)
    put(bench, tied(bench, "large", "900m", "far"))
    assert put(bench, tied(bench, "small", "350m", "home", image="shop/web:2")) == 1
    assert pools(bench, "small") == {"n-home": 1}
    assert put(bench, tied(bench, "large", "900m", "far", image="shop/web:2")) == 1
    assert pools(bench, "large") == {"n-far": 1}
    assert bench.provider.get(bench.at("Deployment", "large"), bench.call()).resource.manifest["spec"]["replicas"] == 1


def test_where_the_planned_node_is_full_the_pod_stays_and_the_replicas_are_as_before(bench: Any) -> None:
    put(bench, tied(bench, "block", "900m", "home"))
    wanted = tied(bench, "late", "300m", "home")
    assert put(bench, wanted) == 0
    assert sum(pools(bench, "late").values()) == 1 and "n-home" not in pools(bench, "late")
    assert bench.provider.get(bench.at("Deployment", "late"), bench.call()).resource.manifest["spec"]["replicas"] == 1


def test_replicas_in_other_hands_are_left_alone(bench: Any) -> None:
    wanted = replace(tied(bench, "scaled", "50m", "home"), delegated=("spec.replicas",))
    assert bench.provider.return_pods(bench.at("Deployment", "scaled"), wanted, bench.call()) == 0


def test_the_plan_is_read_from_the_deployment_and_pods_beyond_it_are_astray() -> None:
    planned = planned_of({"metadata": {"annotations": {ANNOTATION_PLANNED: "p=2,ip-1.local=1"}}})
    assert planned == {"p": 2, "ip-1.local": 1}
    assert planned_of({"metadata": {}}) == {}
    rows = [("a", "n1"), ("b", "n1"), ("c", "n1"), ("d", "n2"), ("e", "")]
    pods = [{"metadata": {"name": name}, "spec": {"nodeName": node}} for name, node in rows]
    assert astray(pods, {"n1": "p", "n2": "q"}, planned) == ["c", "d"]
