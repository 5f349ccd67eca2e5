"""Node pools: AKS agent pools in user mode. The system pool belongs to its cluster and is not listed.

Callers: provider.py. AKS's names are short, so a pool's name is a hash; its tag `duoyun-name` holds the logical one.

Spot: AKS itself puts a label and a taint with its own prefix on such a pool. They are no part of the model, and are
written back as they are (learn.microsoft.com/azure/aks/spot-node-pool).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any, cast

from model.errors import NotFound
from model.resources import TAG_NAME, Address, AnyResource, Capacity, Kind, NodePool, Observed, State
from providers.azure.adapter import Adapter, visible
from providers.azure.cluster import SYSTEM_POOL, Clusters
from providers.azure.names import (
    ArmId,
    merged_tags,
    own_tags,
    parse_id,
    pool_name,
    state_of,
    user_tags,
    word,
    zone_name,
    zone_number,
)
from providers.azure.session import Session
from providers.base import Call

MAX_PODS = 110
RESERVED_PREFIX = "kubernetes.azure.com/"
SPOT_MAX_PRICE = -1.0  # no ceiling: up to the price on demand, so that a node is never evicted for its price


class NodePools(Adapter):
    """raw is the pair (managed cluster, agent pool), as _Pool."""

    kind = Kind.NODE_POOL
    fixed = ("cluster", "zone", "subnet", "instance_type", "capacity")

    def __init__(self, session: Session, clusters: Clusters) -> None:
        super().__init__(session)
        self.clusters = clusters

    def read_all(self, region: str, call: Call) -> Iterator[_Pool]:
        pools = self.session.aks.agent_pools
        for cluster in self.clusters.read_all(region, call):
            if cluster.location != region:
                continue
            where = parse_id(cluster.id)
            try:
                yield from (
                    _Pool(cluster, pool)
                    for pool in self.session.pages("aks.pools.list", pools.list, where.group, where.name, call=call)
                    if not _is_ours_for_system(pool)
                )
            except NotFound:  # the cluster went away between the two lists
                continue

    def read(self, where: ArmId, call: Call) -> _Pool:
        cluster = self.clusters.read(ArmId(where.group, where.parent), call)
        pools = self.session.aks.agent_pools
        pool = self.session.run("aks.pools.get", pools.get, where.group, where.parent, where.name, call=call)
        return _Pool(cluster, pool)

    def address(self, raw: _Pool) -> Address:
        where = self.clusters.address(raw.cluster)
        return replace(where, kind=Kind.NODE_POOL, name=(raw.tags or {}).get(TAG_NAME) or raw.name)

    def find(self, address: Address, call: Call, *, own: bool = False) -> _Pool:
        """By our tag, else by AKS's name, in any cluster of the region. Raises NotFound."""
        fallback = None
        for raw in self.read_all(address.region, call):
            if not visible(raw.tags, call, own=own):
                continue
            if (raw.tags or {}).get(TAG_NAME) == address.name:
                return raw
            if raw.name in (address.name, pool_name(address.name)):
                fallback = raw
        if fallback is None:
            raise NotFound(f"{address} is not there", address=str(address))
        return fallback

    def observe(self, raw: _Pool, call: Call) -> Observed:
        pool = raw.pool
        resource = NodePool(
            name=self.address(raw).name,
            tags=user_tags(raw.tags),
            cluster=self.clusters.address(raw.cluster).name,
            zone=zone_name(raw.location, pool.availability_zones, self.session.zones(raw.location, call)),
            subnet=parse_id(pool.vnet_subnet_id).name,
            instance_type=pool.vm_size or "",
            count=pool.count or 0,
            labels=dict(pool.node_labels or {}),
            capacity=Capacity.SPOT if word(pool.scale_set_priority) == "Spot" else Capacity.ON_DEMAND,
            taints=tuple(sorted(t for t in pool.node_taints or () if not t.startswith(RESERVED_PREFIX))),
        )
        return self.observed(raw, resource)

    def evidence(self, raw: Any, call: Call) -> str:
        error = getattr(raw.pool.status, "provisioning_error", None) if raw.pool.status else None
        return f"{error.code}: {error.message}" if error else super().evidence(raw, call)

    def create(self, address: Address, desired: AnyResource, call: Call) -> Observed:
        from azure.mgmt.containerservice.models import AgentPool

        wanted = cast(NodePool, desired)
        cluster = self.clusters.named(address, wanted.cluster, call)
        above = parse_id(cluster.id)
        where = ArmId(above.group, pool_name(address.name), above.name)
        raw = self._claim_in(where, address, call)
        if raw is None:
            zone = zone_number(wanted.zone, address.region, self.session.zones(address.region, call))
            subnet_id = None
            if parse_id(cluster.agent_pool_profiles[0].vnet_subnet_id).parent:
                ids = self.clusters.subnets.ids_in(_network_id(cluster), [wanted.subnet], address, call)
                subnet_id = ids[0]
            spot = wanted.capacity is Capacity.SPOT
            body = AgentPool(
                count=wanted.count,
                vm_size=wanted.instance_type,
                mode="User",
                os_type="Linux",
                type_properties_type="VirtualMachineScaleSets",
                max_pods=MAX_PODS,
                vnet_subnet_id=subnet_id,
                availability_zones=[zone] if zone else None,
                node_labels=dict(wanted.labels) or None,
                node_taints=list(wanted.taints) or None,
                scale_set_priority="Spot" if spot else None,
                # Deallocated nodes would count against the quota, and stay in the cluster as not ready.
                scale_set_eviction_policy="Delete" if spot else None,
                spot_max_price=SPOT_MAX_PRICE if spot else None,
                tags=own_tags(address, wanted.tags, call),
            )
            self._put(where, body, call)
            raw = self.read(where, call)
        return self.pending(self.observe(raw, call))

    def _claim_in(self, where: ArmId, address: Address, call: Call) -> _Pool | None:
        """place() cannot know the cluster, so the look-up is by where the pool would lie."""
        try:
            raw = self.read(where, call)
        except NotFound:
            return None
        if state_of(raw.provisioning_state) is State.DELETING:
            self.wait_gone(address, call)
            return None
        return raw

    def update(self, observed: Observed, desired: AnyResource, call: Call) -> Observed:
        """count, labels, taints, tags; a count under an autoscaler is not ours to set."""
        wanted = cast(NodePool, desired)
        where = parse_id(observed.provider_id)
        raw = self.read(where, call)
        pool = raw.pool
        count = pool.count if pool.enable_auto_scaling else wanted.count
        has_labels, has_taints = dict(pool.node_labels or {}), list(pool.node_taints or ())
        labels = {k: v for k, v in has_labels.items() if k.startswith(RESERVED_PREFIX)} | dict(wanted.labels)
        taints = [t for t in has_taints if t.startswith(RESERVED_PREFIX)] + list(wanted.taints)
        tags = merged_tags(raw.tags, wanted.tags)
        same_taints = sorted(taints) == sorted(has_taints)
        if same_taints and (count, labels, tags) == (pool.count, has_labels, dict(raw.tags or {})):
            return self.observe(raw, call)
        pool.count, pool.node_labels, pool.tags = count, labels, tags
        pool.node_taints = has_taints if same_taints else taints
        self._put(where, pool, call)
        return self.observe(self.read(where, call), call)

    def _put(self, where: ArmId, body: Any, call: Call) -> None:
        method = self.session.aks.agent_pools.begin_create_or_update
        self.session.begin("aks.pools.put", method, where.group, where.parent, where.name, body, call=call)

    def delete(self, observed: Observed, call: Call) -> None:
        where = parse_id(observed.provider_id)
        method = self.session.aks.agent_pools.begin_delete
        try:
            self.session.begin("aks.pools.delete", method, where.group, where.parent, where.name, call=call)
        except NotFound:
            return


def _is_ours_for_system(pool: Any) -> bool:
    return bool(pool.name == SYSTEM_POOL and word(pool.mode) == "System")


def _network_id(cluster: Any) -> str:
    return str(cluster.agent_pool_profiles[0].vnet_subnet_id).rsplit("/subnets/", 1)[0]


class _Pool:
    """An agent pool with its cluster; has the members that Adapter asks of any raw resource."""

    def __init__(self, cluster: Any, pool: Any) -> None:
        self.cluster, self.pool = cluster, pool
        self.id, self.name, self.location, self.tags = pool.id, pool.name, cluster.location, pool.tags
        self.provisioning_state = pool.provisioning_state
