"""Node pools of spot machines on every cloud: made, seen, changed, and their nodes taken back."""

from __future__ import annotations

import json
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

import pytest

from model.errors import InvalidRequest
from model.resources import LABEL_CAPACITY, LABEL_SITE, SPOT_TAINT, Capacity, Kind, NodePool, Observed
from orchestrator.compare import diff_resource
from orchestrator.registry import CLOUDS

# The labels that the clouds themselves put on spot nodes.
THEIRS = {
    "aws": {"eks.amazonaws.com/capacityType": "SPOT"},
    "azure": {"kubernetes.azure.com/scalesetpriority": "spot"},
    "alibaba": {"node.alibabacloud.com/spot-strategy": "SpotAsPriceGo"},
}
Node = Mapping[str, Any]
of_clouds = pytest.mark.parametrize("site", sorted(THEIRS), indirect=True)  # providers.fake has no nodes


def spot_pool(site: Any, **changes: Any) -> NodePool:
    here = f"spot-{next(site.numbers)}"
    values = {"capacity": Capacity.SPOT, "taints": (SPOT_TAINT,), "labels": {LABEL_SITE: here, LABEL_CAPACITY: "spot"}}
    wanted = site.wish(Kind.NODE_POOL, **{**values, **changes})
    assert isinstance(wanted, NodePool)
    return wanted


def nodes_of(site: Any, pool: NodePool) -> list[Node]:
    cluster = site.provider.get(site.stands(Kind.CLUSTER)[1].address, site.call())
    mine = pool.labels[LABEL_SITE]
    return [n for n in site.nodes(cluster) if n["metadata"]["labels"].get(LABEL_SITE) == mine]


def taints(node: Node) -> set[str]:
    rows = node["spec"].get("taints") or ()
    return {f"{t['key']}={t.get('value', '')}:{t['effect']}" for t in rows if "node.kubernetes.io" not in t["key"]}


def is_ready(node: Node) -> bool:
    return any(c["type"] == "Ready" and c["status"] == "True" for c in node["status"]["conditions"])


def reclaim(site: Any, node: Node, *, back: bool) -> dict[str, Any]:
    url, token = (site.running.endpoints["control"][k] for k in ("url", "token"))
    body = json.dumps({"node": node["metadata"]["name"], "back": back}).encode()
    request = urllib.request.Request(f"{url}/reclaim", body, headers={"Authorization": f"Bearer {token}"})
    with urllib.request.urlopen(request, timeout=10) as answer:
        found: dict[str, Any] = json.load(answer)
    return found


def until(holds: Callable[[], bool], timeout_s: float = 20.0) -> None:
    end = time.monotonic() + timeout_s
    while not holds():
        assert time.monotonic() < end, "it never came"
        time.sleep(0.05)


def seen_as(seen: Observed, wanted: NodePool) -> bool:
    return diff_resource(seen, wanted, wanted) == ()


@pytest.fixture(scope="module")
def made() -> dict[str, tuple[NodePool, Observed]]:
    """Of each cloud one spot pool, which the tests below use in turn."""
    return {}


def pool_of(site: Any, made: dict[str, tuple[NodePool, Observed]]) -> tuple[NodePool, Observed]:
    if site.cloud.name not in made:
        wanted = spot_pool(site)
        made[site.cloud.name] = (wanted, site.make(wanted))
    return made[site.cloud.name]


def test_what_is_wanted_is_what_is_seen(site: Any, made: Any) -> None:
    wanted, seen = pool_of(site, made)
    assert seen_as(seen, wanted)
    assert isinstance(seen.resource, NodePool)
    assert (seen.resource.capacity, seen.resource.taints) == (Capacity.SPOT, (SPOT_TAINT,))
    writes: list[int] = []
    site.provider.update(seen, wanted, site.call("same", guard=lambda: writes.append(1)))
    assert writes == []
    on_demand = replace(wanted, capacity=Capacity.ON_DEMAND)
    assert site.provider.needs_replace(seen.resource, on_demand) == ("capacity",)


@of_clouds
def test_its_nodes_bear_the_clouds_own_words_and_ours(site: Any, made: Any) -> None:
    wanted, _ = pool_of(site, made)
    (node,) = nodes_of(site, wanted)
    labels = node["metadata"]["labels"]
    assert labels.items() >= (THEIRS[site.cloud.name] | {LABEL_CAPACITY: "spot"}).items()
    own = {text for text in (CLOUDS[site.cloud.name].spot_taint,) if text}
    assert taints(node) == {SPOT_TAINT} | own
    regular = site.provider.get(site.stands(Kind.NODE_POOL)[1].address, site.call()).resource
    assert (regular.capacity, regular.taints) == (Capacity.ON_DEMAND, ())


def test_taints_and_count_change_in_place(site: Any, made: Any) -> None:
    wanted, seen = pool_of(site, made)
    other = replace(wanted, taints=("team=shop:PreferNoSchedule", "alone:NoExecute"), count=2)
    assert site.provider.needs_replace(seen.resource, other) == ()
    for step in (other, wanted):
        site.provider.update(site.provider.get(seen.address, site.call()), step, site.call(f"u-{step.count}"))
        ready = site.provider.wait_ready(seen.address, site.call())
        assert seen_as(ready, step), diff_resource(ready, step, step)
        assert ready.provider_id == seen.provider_id
        if site.cloud.name != "fake":
            own = {text for text in (CLOUDS[site.cloud.name].spot_taint,) if text}
            ours = {t if "=" in t else t.replace(":", "=:") for t in step.taints}
            until(lambda own=own, ours=ours: all(taints(n) == ours | own for n in nodes_of(site, wanted)))  # type: ignore[misc]


@of_clouds
@pytest.mark.parametrize("back", [True, False])
def test_a_node_that_is_taken_back(site: Any, made: Any, back: bool) -> None:
    """Its pool gets another one; or none, until somebody asks for the old count again."""
    wanted, seen = pool_of(site, made)
    (node,) = nodes_of(site, wanted)
    assert reclaim(site, node, back=back) == {"cloud": site.cloud.name, "node": node["metadata"]["name"]}
    if not back:
        assert nodes_of(site, wanted) == []
        if site.cloud.name == "azure":  # evicted machines leave the scale set, so the pool's count is one less
            assert not seen_as(site.provider.get(seen.address, site.call()), wanted)
        site.provider.delete(seen, site.call())
        site.provider.wait_gone(seen.address, site.call())
        del made[site.cloud.name]
        return
    until(lambda: [is_ready(n) for n in nodes_of(site, wanted)] == [True])
    assert nodes_of(site, wanted)[0]["metadata"]["uid"] != node["metadata"]["uid"]
    assert seen_as(site.provider.wait_ready(seen.address, site.call()), wanted)


@of_clouds
def test_only_spot_nodes_are_taken_back(site: Any) -> None:
    wanted, _ = site.stands(Kind.NODE_POOL)
    node = nodes_of(site, wanted)[0]
    with pytest.raises(urllib.error.HTTPError) as refused:
        reclaim(site, node, back=True)
    refused.value.close()
    assert refused.value.code == 404


@of_clouds
def test_what_a_cloud_refuses_of_a_taint(site: Any) -> None:
    wanted, before = spot_pool(site, taints=("=:NoSchedule",)), site.inventory()
    with pytest.raises(InvalidRequest):
        site.provider.create(site.at(wanted), wanted, site.call("bad"))
    assert site.new_since(before) == {}
