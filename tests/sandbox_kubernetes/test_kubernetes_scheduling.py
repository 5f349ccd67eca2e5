"""Where pods go, and why they wait."""

from __future__ import annotations

import time
from typing import Any

import pytest
from kubernetes.client import ApiException, PolicyV1Api

from sandbox.kubernetes.controllers.fit import Slot, choose, need_of
from sandbox.kubernetes.embedded import NoTime, running_cluster
from sandbox.kubernetes.kinds import NODES
from sandbox.world import NodeSpec


def _node(
    name: str, *, cpu: str = "4", zone: str = "z1", taints: list[Any] | None = None, pods: int = 10
) -> dict[str, Any]:
    labels = {"kubernetes.io/hostname": name, "topology.kubernetes.io/zone": zone}
    room = {"cpu": cpu, "memory": "8Gi", "pods": str(pods)}
    return {
        "metadata": {"name": name, "labels": labels},
        "spec": {"taints": taints or []},
        "status": {"allocatable": room},
    }


def _pod(name: str = "p", *, cpu: str = "1", labels: dict[str, str] | None = None, **spec: Any) -> dict[str, Any]:
    containers = [{"name": "c", "resources": {"requests": {"cpu": cpu, "memory": "1Gi"}}}]
    meta = {"name": name, "namespace": "default", "labels": labels or {}}
    return {"metadata": meta, "spec": {"containers": containers} | spec}


def _slots(*nodes: dict[str, Any]) -> list[Slot]:
    return [Slot.of(n) for n in nodes]


def test_the_need_of_a_pod_is_its_containers_or_its_largest_init_container() -> None:
    pod = _pod(cpu="500m", initContainers=[{"name": "i", "resources": {"requests": {"cpu": "2", "memory": "1Mi"}}}])
    assert (need_of(pod).cpu_millicores, need_of(pod).memory_mib) == (2000, 1024)


def test_reasons_are_counted_by_node() -> None:
    taint = {"key": "gpu", "value": "true", "effect": "NoSchedule"}
    slots = _slots(_node("a", cpu="500m"), _node("b", cpu="500m"), _node("c", taints=[taint]))
    verdict = choose(_pod(), slots)
    assert verdict.node is None
    assert verdict.message.startswith(
        "0/3 nodes are available: 1 node(s) had untolerated taint {gpu: true}, 2 Insufficient cpu. preemption: "
    )
    tolerant = _pod(tolerations=[{"key": "gpu", "operator": "Exists"}])
    assert choose(tolerant, slots).node == "c"


def _node_affinity(operator: str, *zones: str) -> dict[str, Any]:
    term = {"matchExpressions": [{"key": "topology.kubernetes.io/zone", "operator": operator, "values": list(zones)}]}
    required = {"requiredDuringSchedulingIgnoredDuringExecution": {"nodeSelectorTerms": [term]}}
    return {"affinity": {"nodeAffinity": required}}


@pytest.mark.parametrize(
    ("spec", "node"),
    [
        ({"nodeSelector": {"topology.kubernetes.io/zone": "z2"}}, "b"),
        ({"nodeSelector": {"topology.kubernetes.io/zone": "z9"}}, None),
        (_node_affinity("NotIn", "z1"), "b"),
        (_node_affinity("In", "z3", "z4"), None),
    ],
)
def test_selectors_and_required_affinity(spec: dict[str, Any], node: str | None) -> None:
    assert choose(_pod(**spec), _slots(_node("a"), _node("b", zone="z2"))).node == node


def test_required_anti_affinity_keeps_pods_apart_both_ways() -> None:
    term = {"topologyKey": "kubernetes.io/hostname", "labelSelector": {"matchLabels": {"app": "web"}}}
    apart = {"podAntiAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": [term]}}
    slots = _slots(_node("a"), _node("b"))
    slots[0].take(_pod("first", labels={"app": "web"}, affinity=apart))
    assert choose(_pod("second", labels={"app": "web"}, affinity=apart), slots).node == "b"
    assert choose(_pod("plain", labels={"app": "web"}), slots).node == "b", "the pod that is there does not want it"
    slots[1].take(_pod("second", labels={"app": "web"}, affinity=apart))
    assert "anti-affinity" in choose(_pod("third", labels={"app": "web"}, affinity=apart), slots).message


def test_topology_spread_keeps_the_skew() -> None:
    rule = {
        "maxSkew": 1,
        "topologyKey": "topology.kubernetes.io/zone",
        "whenUnsatisfiable": "DoNotSchedule",
        "labelSelector": {"matchLabels": {"app": "web"}},
    }
    slots = _slots(_node("a", zone="z1"), _node("b", zone="z2", cpu="2"))
    counts: dict[str, int] = {"a": 0, "b": 0}
    while (node := choose(_pod(labels={"app": "web"}, topologySpreadConstraints=[rule]), slots).node) is not None:
        next(s for s in slots if s.name == node).take(_pod(labels={"app": "web"}))
        counts[node] += 1
        assert abs(counts["a"] - counts["b"]) <= 1
    assert counts == {"a": 3, "b": 2}, "b is full, and a may not run ahead"


def test_the_limit_of_pods_counts() -> None:
    slots = _slots(_node("a", pods=1))
    slots[0].take(_pod())
    assert "Too many pods" in choose(_pod(), slots).message


def test_a_pod_waits_for_room_and_is_placed_when_it_appears(kube: Any) -> None:
    manifest = kube.deployment(replicas=1)
    manifest["spec"]["template"]["spec"]["containers"][0]["resources"] = {"requests": {"cpu": "6", "memory": "1Gi"}}
    kube.apply(manifest)

    def waiting() -> Any:
        pods = kube.pods()
        rows = (pods[0].status.conditions or []) if pods else []
        return next((c for c in rows if c.type == "PodScheduled" and c.status == "False"), None)

    found = kube.until(waiting)
    assert found.reason == "Unschedulable"
    assert "3 Insufficient cpu" in found.message
    assert "FailedScheduling" in kube.reasons()
    assert kube.pods()[0].status.phase == "Pending"
    kube.running.call(
        kube.running.cluster.add_node(NodeSpec("node-big", "zone-a", "region-1", "test.xlarge", 8000, 16384))
    )
    kube.rolled_out()
    assert kube.pods()[0].spec.node_name == "node-big"


def test_removing_a_node_moves_its_pods(kube: Any) -> None:
    kube.apply(kube.deployment())
    kube.rolled_out()
    kube.running.call(kube.running.cluster.remove_node("node-a"))
    assert kube.running.call(kube.running.cluster.ready_nodes()) == ("node-b", "node-c")
    kube.rolled_out()
    assert {p.spec.node_name for p in kube.pods()} == {"node-b", "node-c"}


def test_a_node_takes_its_time_to_join() -> None:
    with running_cluster((), timing=NoTime({"node.join": 0.2})) as running:
        begin = time.monotonic()
        spec = NodeSpec("n", "z", "r", "t", 1000, 1024, labels={"pool": "a"})
        running.call(running.cluster.add_node(spec))
        assert running.call(running.cluster.ready_nodes()) == ()
        while not running.call(running.cluster.ready_nodes()):
            time.sleep(0.01)
        assert time.monotonic() - begin >= 0.2
        node = running.do(lambda: running.cluster.store.get(NODES, "", "n"))
        assert node is not None
        assert node["metadata"]["labels"]["pool"] == "a"
        assert not node["spec"].get("taints")


def test_a_disruption_budget_refuses_evictions_below_its_bound(kube: Any) -> None:
    kube.apply(kube.deployment(replicas=2))
    kube.rolled_out()
    policy = PolicyV1Api(kube.api)
    spec = {"minAvailable": 2, "selector": {"matchLabels": {"app": "web"}}}
    policy.create_namespaced_pod_disruption_budget("default", {"metadata": {"name": "web"}, "spec": spec})
    read = policy.read_namespaced_pod_disruption_budget
    kube.until(lambda: (s := read("web", "default").status) and s.current_healthy == 2)
    assert read("web", "default").status.disruptions_allowed == 0
    name = kube.pods()[0].metadata.name
    with pytest.raises(ApiException) as caught:
        kube.core.create_namespaced_pod_eviction(name, "default", {"metadata": {"name": name}})
    assert caught.value.status == 429
    policy.patch_namespaced_pod_disruption_budget("web", "default", {"spec": {"minAvailable": 1}})
    kube.until(lambda: read("web", "default").status.disruptions_allowed == 1)
    kube.core.create_namespaced_pod_eviction(name, "default", {"metadata": {"name": name}})
    kube.until(lambda: name not in {p.metadata.name for p in kube.pods()})
