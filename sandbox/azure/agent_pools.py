"""AKS agent pools of the Azure sandbox: their nodes join the world's clusters.

Callers: aks.py, served.py. Source of the rules: learn.microsoft.com/azure/aks (use-system-pools, spot-node-pool,
quotas-skus-regions). A spot pool bears the label and the taint that AKS puts on it, in its answers and on its nodes.
"""

from __future__ import annotations

import asyncio
import re
from typing import Any

from model.rng import stream
from sandbox.azure.arm_types import AGENT_POOL
from sandbox.azure.catalog import KUBERNETES_VERSIONS, aks_allocatable, size_of
from sandbox.azure.compute import check_size
from sandbox.azure.kinds import Put, ResourceKind, invalid
from sandbox.azure.store import Record
from sandbox.azure.wire import ArmError
from sandbox.world import ClusterHandle, NodeSpec

CLUSTER = "Microsoft.ContainerService/managedClusters"
PREFIX = "kubernetes.azure.com/"
PRIORITY_LABEL = f"{PREFIX}scalesetpriority"
SPOT_TAINT = f"{PRIORITY_LABEL}=spot:NoSchedule"
_POOL_NAME = re.compile(r"[a-z][a-z0-9]{0,11}")
# What cannot be changed once a pool is there.
_FIXED = (
    "vmSize",
    "vnetSubnetID",
    "availabilityZones",
    "osType",
    "maxPods",
    "scaleSetPriority",
    "scaleSetEvictionPolicy",
    "spotMaxPrice",
)
_KEPT = ("availabilityZones", "vnetSubnetID", "maxPods", "scaleSetPriority", "scaleSetEvictionPolicy", "spotMaxPrice")


def full_version(text: str, name: str) -> str:
    """`1.35` or `1.35.3` -> `1.35.3`. Raises K8sVersionNotSupported."""
    found = KUBERNETES_VERSIONS.get(".".join(text.split(".")[:2]))
    if found is None or text not in (found, found.rpartition(".")[0]):
        raise ArmError(
            400,
            "K8sVersionNotSupported",
            f"Managed cluster {name} is on version {text}, which is not supported in this region. Please use "
            "[az aks get-versions] command to get the supported version list in this region.",
        )
    return found


def pool_defaults(properties: dict[str, Any], version: str) -> dict[str, Any]:
    done: dict[str, Any] = {
        "count": 1,
        "osDiskSizeGB": 128,
        "osType": "Linux",
        "osSKU": "Ubuntu",
        "maxPods": 110,
        "type": "VirtualMachineScaleSets",
        "mode": "User",
        "orchestratorVersion": version,
        "enableAutoScaling": False,
    } | {k: v for k, v in properties.items() if v is not None and k not in ("provisioningState", "eTag")}
    if is_spot(done):
        done.setdefault("scaleSetEvictionPolicy", "Delete")
        done.setdefault("spotMaxPrice", -1.0)
        done["nodeLabels"] = dict(done.get("nodeLabels") or {}) | {PRIORITY_LABEL: "spot"}
        done["nodeTaints"] = [SPOT_TAINT, *(t for t in done.get("nodeTaints") or () if t != SPOT_TAINT)]
    full = full_version(str(done["orchestratorVersion"]), "agentPool")
    return done | {"currentOrchestratorVersion": full, "powerState": {"code": "Running"}}


def is_spot(properties: dict[str, Any]) -> bool:
    return str(properties.get("scaleSetPriority") or "Regular") == "Spot"


def _check_spot(properties: dict[str, Any], mode: str) -> None:
    """A spot pool is a user pool; its price is -1, or positive with at most five decimals."""
    priority = str(properties.get("scaleSetPriority") or "Regular")
    if priority not in ("Regular", "Spot"):
        raise invalid(f"The value {priority!r} of scaleSetPriority is not valid.", "scaleSetPriority")
    if str(properties.get("scaleSetEvictionPolicy") or "Delete") not in ("Delete", "Deallocate"):
        raise invalid("scaleSetEvictionPolicy must be Delete or Deallocate.", "scaleSetEvictionPolicy")
    if priority == "Spot" and mode == "System":
        raise invalid("A spot agent pool cannot be a system agent pool.", "scaleSetPriority")
    price = properties.get("spotMaxPrice")
    if priority == "Regular" and (price is not None or properties.get("scaleSetEvictionPolicy")):
        raise invalid("spotMaxPrice and scaleSetEvictionPolicy are for spot agent pools.", "spotMaxPrice")
    if price is not None and (not isinstance(price, int | float) or not (price == -1 or price > 0)):
        raise invalid("spotMaxPrice must be -1, or a positive number.", "spotMaxPrice")


def _check_labels_and_taints(properties: dict[str, Any]) -> None:
    """Reserved prefixes are refused; those that AKS itself put there may be written back."""
    spot = is_spot(properties)
    for key, value in (properties.get("nodeLabels") or {}).items():
        if not re.fullmatch(r"([a-z0-9.-]{1,253}/)?[A-Za-z0-9]([A-Za-z0-9_.-]{0,61}[A-Za-z0-9])?", key) or not (
            re.fullmatch(r"([A-Za-z0-9]([A-Za-z0-9_.-]{0,61}[A-Za-z0-9])?)?", str(value))
        ):
            raise invalid(f"The label {key}={value} is not valid.", "nodeLabels")
        if key.startswith(PREFIX) and not (spot and (key, value) == (PRIORITY_LABEL, "spot")):
            raise invalid(f"The label {key} has a reserved prefix.", "nodeLabels")
    for text in properties.get("nodeTaints") or ():
        if not re.fullmatch(r"[^=:\s]+(=[^=:\s]*)?:(NoSchedule|NoExecute|PreferNoSchedule)", str(text)):
            raise invalid(f"The taint {text} is not valid: key=value:Effect is wanted.", "nodeTaints")
        if str(text).startswith(PREFIX) and not (spot and text == SPOT_TAINT):
            raise invalid(f"The taint {text} has a reserved prefix.", "nodeTaints")


def check_pool(kind: ResourceKind, put: Put, name: str, properties: dict[str, Any], default_mode: str = "User") -> None:
    """Rules for one agent pool, given inline or by itself."""
    if not _POOL_NAME.fullmatch(name):
        raise invalid(
            f"The value of parameter agentPoolProfile.name is invalid: {name!r}. It must consist of lower-case "
            "alphanumeric characters, begin with a letter, and be at most 12 long.",
            "agentPoolProfile.name",
        )
    check_size(properties.get("vmSize"), put)
    count = properties.get("count", 1)
    if not isinstance(count, int) or not 0 <= count <= 1000:
        raise invalid("The value of agentPoolProfile.count must lie between 0 and 1000.", "agentPoolProfile.count")
    if count == 0 and str(properties.get("mode") or "User") == "System":
        raise invalid("A system pool must have at least one node.", "agentPoolProfile.count")
    zones = Put(put.path, {"zones": properties.get("availabilityZones")}, put.before, put.principal, put.location)
    kind.zones(zones)
    subnet = str(properties.get("vnetSubnetID") or "")
    if subnet and kind.store.get(subnet) is None:
        raise invalid(f"The subnet {subnet} of the agent pool was not found.", "vnetSubnetID", "InvalidParameter")
    _check_spot(properties, str(properties.get("mode") or default_mode))
    _check_labels_and_taints(properties)


class AgentPools(ResourceKind):
    type = AGENT_POOL
    patchable = False
    timing = "nodepool"
    etag_member = "properties.eTag"
    tracked = False
    busy_code = "OperationNotAllowed"

    def properties(self, put: Put) -> dict[str, Any]:
        cluster = self.store.get(put.path.parent_id)
        assert cluster is not None  # the engine has looked
        if cluster.busy:
            raise self.engine.in_progress(self, cluster)
        properties = put.properties
        old = put.before.properties if put.before else {}
        check_pool(self, put, put.path.name, {k: old[k] for k in _KEPT if k in old} | properties)
        for name in _FIXED:
            if old and properties.get(name) is not None and properties[name] != old.get(name):
                raise ArmError(
                    400,
                    "PropertyChangeNotAllowed",
                    f"Changing property 'properties.{name}' is not allowed.",
                    target=f"properties.{name}",
                )
        kept = {k: old[k] for k in _KEPT if k in old}
        return pool_defaults(kept | properties, cluster.properties["kubernetesVersion"])

    async def apply(self, record: Record, _before: Record | None) -> None:
        """Nodes as many as count says; returns once all of them are Ready."""
        handle = self._cluster(record)
        wanted = {node.name: node for node in self.nodes(record)}
        have = set(record.hidden.get("nodes") or ())
        for name in sorted(have - wanted.keys()):
            await handle.remove_node(name)
        for name in sorted(wanted.keys() & have):
            await handle.change_node(wanted[name])
        for name in sorted(wanted.keys() - have):
            await handle.add_node(wanted[name])
        record.hidden["nodes"] = sorted(wanted)
        # Asked anew at each look: one of them may be evicted meanwhile.
        while not set(record.hidden["nodes"]) <= set(await handle.ready_nodes()):
            await asyncio.sleep(0.02)

    async def reclaim(self, node: str, back: bool) -> bool:
        """Evicts a node as Azure evicts a spot machine. back: its scale set gets another one, which has another number;
        else the pool's count is one less. False where the node is none of a spot pool."""
        for record in self.store.of_type(AGENT_POOL):
            if node in (record.hidden.get("nodes") or ()) and is_spot(record.properties):
                break
        else:
            return False
        index = next(i for i in self._indices(record) if self._node_name(record, i) == node)
        record.hidden["gone"] = [*record.hidden.get("gone", ()), index]
        record.hidden["nodes"] = [n for n in record.hidden["nodes"] if n != node]
        if not back:
            record.properties["count"] -= 1
            self.store.touch(record)
        await self._cluster(record).lose_node(node)
        if back:
            await self.engine.operations.start(record, "azure.nodepool.update", lambda: self.apply(record, record))
        return True

    def _cluster(self, record: Record) -> ClusterHandle:
        cluster = self.store.get(record.parent)
        if cluster is None:
            raise ArmError(404, "ParentResourceNotFound", f"The cluster of agent pool {record.name} is gone.")
        return self.engine.kinds[CLUSTER.lower()].handle(cluster)  # type: ignore[attr-defined, no-any-return]

    def nodes(self, record: Record) -> list[NodeSpec]:
        """What the pool's nodes look like; zones in turn, `0` where the pool has none, as AKS labels them."""
        properties = record.properties
        size = size_of(properties["vmSize"])
        assert size is not None  # checked when it was put
        cpu, memory = aks_allocatable(size, properties["maxPods"])
        scale_set = self._scale_set(record)
        root = f"/subscriptions/{record.subscription}/resourceGroups/mc_{record.group}_{record.parent.split('/')[-1]}"
        zones = properties.get("availabilityZones") or []
        labels = dict(properties.get("nodeLabels") or {}) | {
            "agentpool": record.name,
            "kubernetes.azure.com/agentpool": record.name,
            "kubernetes.azure.com/mode": properties["mode"].lower(),
        }
        return [
            NodeSpec(
                name=self._node_name(record, index),
                zone=f"{record.location}-{zones[number % len(zones)]}" if zones else "0",
                region=record.location,
                instance_type=properties["vmSize"],
                cpu_millicores=cpu,
                memory_mib=memory,
                pods=properties["maxPods"],
                labels=labels,
                provider_id=f"azure://{root}/providers/Microsoft.Compute/virtualMachineScaleSets/{scale_set}"
                f"/virtualMachines/{index}",
                taints=tuple(properties.get("nodeTaints") or ()),
            )
            for number, index in enumerate(self._indices(record))
        ]

    def _indices(self, record: Record) -> list[int]:
        """Numbers of the scale set's instances; one that was evicted is not used again."""
        gone, found, index = set(record.hidden.get("gone", ())), list[int](), 0
        while len(found) < record.properties["count"]:
            if index not in gone:
                found.append(index)
            index += 1
        return found

    def _scale_set(self, record: Record) -> str:
        return f"aks-{record.name}-{stream(record.parent, 'aks').randrange(10**8):08d}-vmss"

    def _node_name(self, record: Record, index: int) -> str:
        return f"{self._scale_set(record)}{_base36(index)}"

    def check_delete(self, record: Record) -> None:
        systems = [p for p in self.store.children(record.parent, AGENT_POOL) if p.properties["mode"] == "System"]
        if systems == [record]:
            raise invalid("There has to be at least one system agent pool.", "mode", "CannotDeleteLastSystemPool")

    async def remove(self, record: Record) -> None:
        handle = self._cluster(record)
        for name in record.hidden.get("nodes") or ():
            await handle.remove_node(name)


def _base36(index: int) -> str:
    """Scale-set instance numbers in node names: six digits to base 36."""
    digits = "0123456789abcdefghijklmnopqrstuvwxyz"
    text = ""
    while index:
        index, rest = divmod(index, 36)
        text = digits[rest] + text
    return text.rjust(6, "0")
