"""EKS managed node groups: nodes of one type in one subnet.

Callers: provider.py. Names are unique per cluster only; our addresses know no cluster, so a pool is found by our tags
over the region's clusters.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from model.errors import AlreadyExists, InvalidRequest, NotFound
from model.resources import TAG_FLEET, Address, AnyResource, Capacity, Kind, NodePool, Observed, State
from providers.aws import roles
from providers.aws.cluster import Clusters
from providers.aws.kinds import address_of, need_fleet, ours, pick
from providers.aws.network import Subnets
from providers.aws.session import Session
from providers.aws.tags import changed_tags, client_token, logical_name, ownership_tags, user_tags
from providers.base import Call

_STATES = {
    "CREATING": State.PENDING,
    "ACTIVE": State.READY,
    "UPDATING": State.UPDATING,
    "DELETING": State.DELETING,
    "CREATE_FAILED": State.FAILED,
    "DELETE_FAILED": State.FAILED,
    "DEGRADED": State.FAILED,
}
_AMI_TYPES = {"x86_64": "AL2023_x86_64_STANDARD", "arm64": "AL2023_ARM_64_STANDARD"}
# EKS API Reference, "Taint": its words for the effects of Kubernetes.
_EFFECTS = {"NO_SCHEDULE": "NoSchedule", "NO_EXECUTE": "NoExecute", "PREFER_NO_SCHEDULE": "PreferNoSchedule"}
_EKS_EFFECTS = {effect: word for word, effect in _EFFECTS.items()}
_GPU_AMI_TYPES = {"x86_64": "AL2023_x86_64_NVIDIA", "arm64": "AL2023_ARM_64_NVIDIA"}


class NodePools:
    """scalingConfig is fixed: minimum, maximum and desired are `count`."""

    events = r"Nodegroup|^TagResource$|^UntagResource$"

    def __init__(self, session: Session, clusters: Clusters, subnets: Subnets) -> None:
        self.session, self._clusters, self._subnets = session, clusters, subnets
        self._ami_types: dict[tuple[str, str], str] = {}
        self._lock = threading.Lock()

    # -- reading ----------------------------------------------------------------------------------------------

    def all(self, region: str, call: Call, fleet: str | None) -> list[Observed]:
        rows = list(self._rows(region, call))
        if fleet is not None:
            rows = [pair for pair in rows if pair[1].get("tags", {}).get(TAG_FLEET) == fleet]
        return self._observe(region, rows, call)

    def find(self, address: Address, call: Call) -> Observed | None:
        rows = [pair for pair in self._rows(address.region, call) if _name(pair[1]) == address.name]
        return pick(self.session, address, self._observe(address.region, rows, call), call)

    def peek(self, address: Address, call: Call) -> Observed | None:
        rows = [pair for pair in self._rows(address.region, call) if _name(pair[1]) == address.name]
        observed = [self._observed(address.region, cluster, row, {}) for cluster, row in rows]
        return pick(self.session, address, observed, call)

    def _rows(self, region: str, call: Call) -> Iterator[tuple[str, dict[str, Any]]]:
        """(cluster's logical name, DescribeNodegroup) for each node group of the region."""
        for cluster in self._clusters.rows(region, call):
            eks_name = cluster["name"]
            cluster_name = logical_name(cluster.get("tags") or {}, eks_name)
            try:
                names = self.session.pages("eks", region, "list_nodegroups", "nodegroups", call, clusterName=eks_name)
            except NotFound:
                continue  # the cluster went while we were looking
            for name in names:
                row = self._row(region, eks_name, str(name), call)
                if row is not None:
                    yield cluster_name, row

    def _row(self, region: str, cluster: str, name: str, call: Call) -> dict[str, Any] | None:
        try:
            row: dict[str, Any] = self.session.run(
                "eks",
                region,
                "DescribeNodegroup",
                lambda eks: eks.describe_nodegroup(clusterName=cluster, nodegroupName=name)["nodegroup"],
                call,
            )
        except NotFound:
            return None
        return row

    def _observe(self, region: str, rows: list[tuple[str, dict[str, Any]]], call: Call) -> list[Observed]:
        subnets = self._subnets.names(region, call) if rows else {}
        return [self._observed(region, cluster, row, subnets) for cluster, row in rows]

    def _observed(
        self, region: str, cluster: str, row: Mapping[str, Any], subnets: Mapping[str, tuple[str, str]]
    ) -> Observed:
        tags = row.get("tags") or {}
        name = _name(row)
        subnet_ids = row.get("subnets") or ()
        subnet, zone = subnets.get(subnet_ids[0], (subnet_ids[0], "")) if subnet_ids else ("", "")
        issues = (row.get("health") or {}).get("issues") or ()
        return Observed(
            address=address_of(self.session, region, Kind.NODE_POOL, name),
            resource=NodePool(
                name=name,
                tags=user_tags(tags),
                cluster=cluster,
                zone=zone,
                subnet=subnet,
                instance_type=(row.get("instanceTypes") or ("",))[0],
                count=int((row.get("scalingConfig") or {}).get("desiredSize", 0)),
                labels=dict(row.get("labels") or {}),
                capacity=Capacity.SPOT if row.get("capacityType") == "SPOT" else Capacity.ON_DEMAND,
                taints=tuple(sorted(map(_taint_text, row.get("taints") or ()))),
            ),
            provider_id=row["nodegroupArn"],
            state=_STATES.get(row.get("status", ""), State.PENDING),
            owner=tags.get(TAG_FLEET, ""),
            detail="; ".join(f"{i.get('code')}: {i.get('message')}" for i in issues),
            raw={"tags": dict(tags), "eks_cluster": row["clusterName"], "nodegroup": row["nodegroupName"]},
        )

    # -- writing ----------------------------------------------------------------------------------------------

    def create(self, address: Address, desired: AnyResource, call: Call) -> Observed:
        assert isinstance(desired, NodePool)
        need_fleet(call)
        existing = self._own(address, call)
        if existing is not None:
            return existing
        cluster = self._clusters.find(address_of(self.session, address.region, Kind.CLUSTER, desired.cluster), call)
        if cluster is None:
            raise InvalidRequest(
                f"{address} names cluster {desired.cluster!r}, which does not exist",
                address=str(address),
                mend="create it first",
            )
        request = {
            "clusterName": cluster.raw["eks_name"],
            "nodegroupName": address.name,
            "nodeRole": roles.node_role(self.session, call),
            "subnets": self._subnets.ids_of(address, [desired.subnet], call),
            "scalingConfig": _scaling(desired.count),
            "instanceTypes": [desired.instance_type],
            "amiType": self._ami_type(address.region, desired.instance_type, call),
            "capacityType": desired.capacity.upper(),
            "labels": dict(desired.labels),
            "taints": [_taint(text) for text in desired.taints],
            "tags": ownership_tags(address, desired, call),
            "clientRequestToken": client_token(call, "CreateNodegroup", str(address)),
        }
        try:
            self._write(address.region, "CreateNodegroup", lambda eks: eks.create_nodegroup(**request), call)
        except AlreadyExists:
            if self._own(address, call) is None:  # raises where it is somebody else's
                raise
        calls = self.session.calls("eks", address.region)
        return calls.poll("DescribeNodegroup", lambda: self.find(address, call), call)

    def _own(self, address: Address, call: Call) -> Observed | None:
        return ours(self.find(address, call), address, self.session, call)

    def _ami_type(self, region: str, instance_type: str, call: Call) -> str:
        """EKS's own image for the type's processor; asked once per type. InvalidRequest for an unknown type."""
        key = (region, instance_type)
        with self._lock:
            known = self._ami_types.get(key)
        if known is not None:
            return known
        row = self.session.run(
            "ec2",
            region,
            "DescribeInstanceTypes",
            lambda ec2: ec2.describe_instance_types(InstanceTypes=[instance_type])["InstanceTypes"],
            call,
        )[0]
        architectures = (row.get("ProcessorInfo") or {}).get("SupportedArchitectures") or ()
        table = _GPU_AMI_TYPES if row.get("GpuInfo") else _AMI_TYPES
        found = next((table[a] for a in architectures if a in table), None)
        if found is None:
            raise InvalidRequest(f"{instance_type} has a processor for which EKS has no image")
        with self._lock:
            self._ami_types[key] = found
        return found

    def update(self, observed: Observed, desired: AnyResource, call: Call) -> Observed:
        assert isinstance(desired, NodePool)
        before = observed.resource
        assert isinstance(before, NodePool)
        region = observed.address.region
        changed = changed_tags(observed.raw["tags"], desired.tags)
        if changed:
            arn = observed.provider_id
            self._write(region, "TagResource", lambda eks: eks.tag_resource(resourceArn=arn, tags=changed), call)
        request: dict[str, Any] = {}
        if before.count != desired.count:
            request["scalingConfig"] = _scaling(desired.count)
        labels = changed_tags(before.labels, desired.labels)
        if labels:
            request["labels"] = {"addOrUpdateLabels": labels}
        taints = {
            "addOrUpdateTaints": [_taint(t) for t in desired.taints if t not in before.taints],
            "removeTaints": [_taint(t) for t in _gone(before.taints, desired.taints)],
        }
        if any(taints.values()):
            request["taints"] = {verb: rows for verb, rows in taints.items() if rows}
        if request:
            request |= {"clusterName": observed.raw["eks_cluster"], "nodegroupName": observed.raw["nodegroup"]}
            self._write(region, "UpdateNodegroupConfig", lambda eks: eks.update_nodegroup_config(**request), call)
        return self.find(observed.address, call) or observed

    def delete(self, observed: Observed, call: Call) -> None:
        cluster, name = observed.raw["eks_cluster"], observed.raw["nodegroup"]
        try:
            self._write(
                observed.address.region,
                "DeleteNodegroup",
                lambda eks: eks.delete_nodegroup(clusterName=cluster, nodegroupName=name),
                call,
            )
        except NotFound:
            call.progress(f"{observed.address} is gone already")

    def needs_replace(self, before: AnyResource, desired: AnyResource) -> tuple[str, ...]:
        assert isinstance(before, NodePool)
        assert isinstance(desired, NodePool)
        fixed = ("cluster", "zone", "subnet", "instance_type", "capacity")
        return tuple(f for f in fixed if getattr(before, f) != getattr(desired, f))

    def _write(self, region: str, operation: str, fn: Callable[[Any], Any], call: Call) -> Any:
        return self.session.run("eks", region, operation, fn, call, write=True)


def _name(row: Mapping[str, Any]) -> str:
    return logical_name(row.get("tags") or {}, str(row["nodegroupName"]))


def _scaling(count: int) -> dict[str, int]:
    """EKS wants a maximum of at least one."""
    return {"minSize": count, "maxSize": max(1, count), "desiredSize": count}


def _taint(text: str) -> dict[str, str]:
    """`key=value:NoSchedule` in EKS's words."""
    head, _, effect = text.rpartition(":")
    key, _, value = head.partition("=")
    return {"key": key, "effect": _EKS_EFFECTS.get(effect, effect)} | ({"value": value} if value else {})


def _taint_text(row: Mapping[str, str]) -> str:
    value, effect = row.get("value"), row.get("effect", "")
    return (
        f"{row['key']}={value}:{_EFFECTS.get(effect, effect)}"
        if value
        else f"{row['key']}:{_EFFECTS.get(effect, effect)}"
    )


def _gone(before: tuple[str, ...], wanted: tuple[str, ...]) -> list[str]:
    """Taints to take off: what only has another value now is overwritten, since key and effect name a taint."""

    def named(text: str) -> tuple[str, str]:
        head, _, effect = text.rpartition(":")
        return head.partition("=")[0], effect

    kept = {named(t) for t in wanted}
    return [t for t in before if named(t) not in kept]
