"""NODE_POOL (ACK node pool): CS 2015-12-15.

Callers: provider.py. provider_id is `cluster id/node pool id`. Ownership tags stand in scaling_group.tags, which ACK
copies to the pool's ECS instances; instances.py leaves those out. No client token: see cluster.py.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from model.errors import NotFound
from model.resources import TAG_FLEET, Address, Capacity, Kind, NodePool, Observed, State
from providers.alibaba.common import (
    Adapter,
    Identified,
    Row,
    changed_tags,
    gone_is_fine,
    ownership_tags,
    tags_of,
    users_tags,
)
from providers.alibaba.instances import architecture_of
from providers.base import Call

_STATES = {
    "initial": State.PENDING,
    "active": State.READY,
    "scaling": State.UPDATING,
    "updating": State.UPDATING,
    "removing": State.UPDATING,
    "deleting": State.DELETING,
}
IMAGES = {"x86_64": "AliyunLinux3", "arm64": "AliyunLinux3Arm64"}
DISK_GIB = 120  # what ACK itself proposes for nodes
# CreateClusterNodePool, scaling_group.spot_strategy. AsPriceGo: at the market's price, up to the price on demand.
SPOT, NOT_SPOT = "SpotAsPriceGo", "NoSpot"


class NodePools(Adapter):
    KIND = Kind.NODE_POOL
    HAS_TOKEN = False

    def rows(self, region: str, call: Call, *, tags: Mapping[str, str] | None = None, name: str = "") -> Iterator[Row]:
        for cluster in self.references.adapters[Kind.CLUSTER].rows(region, call):
            if cluster.get("state") in ("initial", "deleting", "failed"):
                continue
            yield from self._rows_of(region, str(cluster["cluster_id"]), call, tags or {}, name)

    def _rows_of(self, region: str, cluster_id: str, call: Call, tags: Mapping[str, str], name: str) -> Iterator[Row]:
        path, query = f"/clusters/{cluster_id}/nodepools", {"NodepoolName": name} if name else {}
        try:
            answer = self.session.roa("DescribeClusterNodePools", "GET", path, region, call, query=query)
        except NotFound:
            return  # the cluster went away meanwhile, and its pools with it
        for row in answer.get("nodepools") or []:
            has = tags_of(row["scaling_group"].get("tags"))
            if all(has.get(k) == v for k, v in tags.items()):
                yield {**row, "cluster_id": cluster_id}

    def by_id(self, region: str, provider_id: str, call: Call) -> Row | None:
        cluster_id, _, pool_id = provider_id.partition("/")
        path = f"/clusters/{cluster_id}/nodepools/{pool_id}"
        try:
            row = self.session.roa("DescribeClusterNodePoolDetail", "GET", path, region, call)
        except NotFound:
            return None
        return {**row, "cluster_id": cluster_id}

    def identify(self, row: Row) -> Identified:
        info = row["nodepool_info"]
        pool_id = f"{row['cluster_id']}/{info['nodepool_id']}"
        return Identified(pool_id, info.get("name", ""), tags_of(row["scaling_group"].get("tags")))

    def observe(self, region: str, row: Row, call: Call) -> Observed:
        who, group, status = self.identify(row), row["scaling_group"], row.get("status") or {}
        switch = next(iter(group.get("vswitch_ids") or ()), "")
        config = row.get("kubernetes_config") or {}
        count, healthy = int(group.get("desired_size") or 0), int(status.get("healthy_nodes") or 0)
        if (row.get("auto_scaling") or {}).get("enable"):
            count = int(status.get("total_nodes") or 0)
        pool = NodePool(
            name=who.logical_name,
            tags=users_tags(who.tags),
            cluster=self.references.name(Kind.CLUSTER, region, str(row["cluster_id"]), call),
            zone=self.references.zone(region, switch, call),
            subnet=self.references.name(Kind.SUBNET, region, switch, call),
            instance_type=next(iter(group.get("instance_types") or ()), ""),
            count=count,
            labels=tags_of(config.get("labels")),
            # SpotWithPriceLimit, which we do not set, is spot as well.
            capacity=Capacity.ON_DEMAND if (group.get("spot_strategy") or NOT_SPOT) == NOT_SPOT else Capacity.SPOT,
            taints=tuple(sorted(map(_taint_text, config.get("taints") or ()))),
        )
        state = _STATES.get(status.get("state", ""), State.UPDATING)
        failed = int(status.get("failed_nodes") or 0)
        if state is State.READY and healthy < count:
            state = State.FAILED if failed else State.UPDATING
        return Observed(
            address=self.address(region, who.logical_name),
            resource=pool,
            provider_id=who.id,
            state=state,
            owner=who.tags.get(TAG_FLEET, ""),
            detail=f"{healthy} of {count} nodes are healthy" + (f", {failed} failed" if failed else ""),
            raw={"cluster_id": str(row["cluster_id"])},
        )

    def make(self, address: Address, desired: NodePool, call: Call, token: Callable[[Mapping[str, Any]], str]) -> str:
        del token  # CreateClusterNodePool has none
        cluster = self.references.find(Kind.CLUSTER, address, desired.cluster, call)
        subnet = self.references.find(Kind.SUBNET, address, desired.subnet, call)
        tags = ownership_tags(desired, address, call)
        body = {
            "nodepool_info": {"name": address.name, "type": "ess"},
            "scaling_group": {
                "desired_size": desired.count,
                "instance_types": [desired.instance_type],
                "vswitch_ids": [subnet.provider_id],
                "system_disk_category": "cloud_essd",
                "system_disk_size": DISK_GIB,
                "instance_charge_type": "PostPaid",
                "spot_strategy": SPOT if desired.capacity is Capacity.SPOT else NOT_SPOT,
                "image_type": IMAGES[architecture_of(self.session, address.region, desired.instance_type, call)],
                "tags": [{"key": k, "value": v} for k, v in sorted(tags.items())],
            },
            "kubernetes_config": {
                "runtime": "containerd",
                "labels": _labels(desired.labels),
                "taints": [_taint(text) for text in desired.taints],
            },
            "auto_scaling": {"enable": False},
        }
        path = f"/clusters/{cluster.provider_id}/nodepools"

        def post() -> str:
            answer = self.session.roa(
                "CreateClusterNodePool", "POST", path, address.region, call, body=body, retry=False
            )
            return f"{cluster.provider_id}/{answer['nodepool_id']}"

        return self.create_without_token(address, call, post)

    def update(self, observed: Observed, desired: NodePool, call: Call) -> None:
        current = observed.resource
        assert isinstance(current, NodePool)
        group: dict[str, Any] = {}
        if current.count != desired.count:
            group["desired_size"] = desired.count
        if changed_tags(observed, desired):
            row = self.by_id(observed.address.region, observed.provider_id, call)
            has = self.identify(row).tags if row else {}
            group["tags"] = [{"key": k, "value": v} for k, v in sorted({**has, **desired.tags}.items())]
        body: dict[str, Any] = {"scaling_group": group} if group else {}
        config: dict[str, Any] = {}
        if any(current.labels.get(k) != v for k, v in desired.labels.items()):
            config["labels"] = _labels({**current.labels, **desired.labels})
        if set(current.taints) != set(desired.taints):
            config["taints"] = [_taint(text) for text in desired.taints]
        if config:
            body |= {"kubernetes_config": config, "update_nodes": True}
        if body:
            cluster_id, _, pool_id = observed.provider_id.partition("/")
            path = f"/clusters/{cluster_id}/nodepools/{pool_id}"
            self.session.roa("ModifyClusterNodePool", "PUT", path, observed.address.region, call, body=body)

    def delete(self, observed: Observed, call: Call) -> None:
        if observed.state is State.DELETING:
            return
        cluster_id, _, pool_id = observed.provider_id.partition("/")
        path, region = f"/clusters/{cluster_id}/nodepools/{pool_id}", observed.address.region
        gone_is_fine(
            lambda: self.session.roa("DeleteClusterNodepool", "DELETE", path, region, call, query={"force": True})
        )

    def fixed_fields(self) -> tuple[str, ...]:
        return ("cluster", "zone", "subnet", "instance_type", "capacity")


def _labels(labels: Mapping[str, str]) -> list[dict[str, str]]:
    return [{"key": k, "value": v} for k, v in sorted(labels.items())]


def _taint(text: str) -> dict[str, str]:
    """`key=value:NoSchedule` in ACK's words."""
    head, _, effect = text.rpartition(":")
    key, _, value = head.partition("=")
    return {"key": key, "value": value, "effect": effect}


def _taint_text(row: Mapping[str, str]) -> str:
    value = row.get("value")
    return f"{row['key']}={value}:{row.get('effect')}" if value else f"{row['key']}:{row.get('effect')}"
