"""AKS clusters and agent pools of the Azure sandbox: their control planes are the world's clusters.

Callers: server.py. Source of the rules: learn.microsoft.com/azure/aks (use-system-pools, quotas-skus-regions,
supported-kubernetes-versions, availability-zones).
"""

from __future__ import annotations

import asyncio
import base64
import hashlib
import hmac
import re
from collections.abc import Callable, Mapping
from typing import Any

import yaml

from model.rng import stream
from sandbox.azure.arm_types import AGENT_POOL
from sandbox.azure.catalog import KUBERNETES_VERSIONS, aks_allocatable, size_of
from sandbox.azure.compute import check_size
from sandbox.azure.kinds import Principal, Put, ResourceKind, invalid, required
from sandbox.azure.network import parse_prefix
from sandbox.azure.store import Record
from sandbox.azure.wire import ArmError, Reply
from sandbox.world import ClusterHandle, NodeSpec

CLUSTER = "Microsoft.ContainerService/managedClusters"
_POOL_NAME = re.compile(r"[a-z][a-z0-9]{0,11}")
_MANAGED = ("currentKubernetesVersion", "fqdn", "nodeResourceGroup", "powerState", "agentPoolProfiles", "maxAgentPools")


def cluster_id(record: Record) -> str:
    """The world's name of a managed cluster."""
    return "aks-" + hashlib.sha256(record.id.lower().encode()).hexdigest()[:10]


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


def _minor(version: str) -> int:
    return int(version.split(".")[1])


class ManagedClusters(ResourceKind):
    type = CLUSTER
    timing = "cluster"
    etag_member = "eTag"
    extras = ("identity", "sku", "kind", "extendedLocation")
    busy_code = "OperationNotAllowed"
    actions = {
        "listClusterUserCredential": True,
        "listClusterMonitoringUserCredential": True,
        "listClusterAdminCredential": False,
    }

    def properties(self, put: Put) -> dict[str, Any]:
        properties = {k: v for k, v in put.properties.items() if k not in _MANAGED or k == "agentPoolProfiles"}
        profiles = properties.pop("agentPoolProfiles", None)
        required(properties, "dnsPrefix")
        identity = str((put.body.get("identity") or {}).get("type") or "None")
        if identity == "None" and not properties.get("servicePrincipalProfile"):
            raise invalid("A managed cluster needs an identity or a servicePrincipalProfile.", "identity")
        wanted = str(properties.get("kubernetesVersion") or max(KUBERNETES_VERSIONS))
        properties["kubernetesVersion"] = wanted
        version = full_version(wanted, put.path.name)
        if put.before is not None:
            self._changes(put.before, properties, version)
        for cidr in (properties.get("apiServerAccessProfile") or {}).get("authorizedIPRanges") or ():
            parse_prefix(cidr, put.path.id)
        self._profiles(put, profiles)
        properties["networkProfile"] = {
            "networkPlugin": "kubenet",
            "loadBalancerSku": "standard",
            "serviceCidr": "10.0.0.0/16",
            "dnsServiceIP": "10.0.0.10",
            "outboundType": "loadBalancer",
        } | dict(properties.get("networkProfile") or {})
        return properties

    def _changes(self, before: Record, properties: dict[str, Any], version: str) -> None:
        old = before.properties
        step = _minor(version) - _minor(full_version(old["kubernetesVersion"], before.name))
        if step < 0 or step > 1:
            raise ArmError(
                400,
                "OperationNotAllowed",
                f"Upgrading Kubernetes version {old['kubernetesVersion']} to {properties['kubernetesVersion']} is not "
                "allowed. Control planes go up one minor version at a time.",
            )
        was = bool((old.get("apiServerAccessProfile") or {}).get("enablePrivateCluster"))
        now = bool((properties.get("apiServerAccessProfile") or {}).get("enablePrivateCluster"))
        if was != now or old["dnsPrefix"] != properties["dnsPrefix"]:
            raise ArmError(
                400,
                "PropertyChangeNotAllowed",
                "Changing property 'properties.apiServerAccessProfile.enablePrivateCluster' or "
                "'properties.dnsPrefix' is not allowed.",
            )

    def _profiles(self, put: Put, profiles: list[dict[str, Any]] | None) -> None:
        have = {p.name for p in self.store.children(put.before.id, AGENT_POOL)} if put.before else set()
        if profiles is None and have:
            return
        names = [str(p.get("name") or "") for p in profiles or ()]
        if have - set(names):
            raise invalid("Agent pools are removed by their own DELETE, not by leaving them out.", "agentPoolProfiles")
        if not any(str(p.get("mode") or "System") == "System" for p in profiles or ()):
            raise invalid("There must be at least one system agent pool.", "agentPoolProfiles")
        for profile in profiles or ():
            check_pool(self, put, str(profile.get("name") or ""), profile)

    def prepare(self, record: Record, put: Put) -> None:
        for profile in put.properties.get("agentPoolProfiles") or ():
            pool_id = f"{record.id}/agentPools/{profile['name']}"
            before = self.store.get(pool_id)
            properties = {k: v for k, v in profile.items() if k != "name"} | {"mode": profile.get("mode") or "System"}
            self.store.put(
                Record(
                    id=pool_id,
                    type=AGENT_POOL,
                    name=profile["name"],
                    location=record.location,
                    properties=pool_defaults(properties, record.properties["kubernetesVersion"]),
                    hidden=before.hidden if before else {},
                    state="Updating" if before else "Creating",
                )
            )

    async def apply(self, record: Record, before: Record | None) -> None:
        version = full_version(record.properties["kubernetesVersion"], record.name)
        if before is None:
            await self.engine.world.clusters.create(
                cluster_id(record),
                version=version,
                authenticate=self._authenticator(record),
                place=self.engine.place_of(record),
            )
        pools = self.engine.kinds[AGENT_POOL.lower()]
        for pool in self.store.children(record.id, AGENT_POOL):
            if pool.busy:
                await pools.apply(pool, None)
                pool.state = "Succeeded"

    def _authenticator(self, record: Record) -> Callable[[str], str | None]:
        users = {self.token(record, user): user for user in ("clusterUser", "reader:clusterUser")}

        def authenticate(token: str) -> str | None:
            return users.get(token)

        return authenticate

    def token(self, record: Record, user: str) -> str:
        """Bearer token of a cluster's user: the same after a restart, and of no use elsewhere."""
        account = next(a for a in self.engine.world.accounts if a.account_id.lower() == record.subscription)
        text = f"{record.id.lower()}|{record.guid}|{user}".encode()
        return hmac.new(account.secret.encode(), text, hashlib.sha256).hexdigest()

    def view(self, record: Record) -> dict[str, Any]:
        pools = [
            {"name": p.name, "provisioningState": p.state} | p.properties
            for p in self.store.children(record.id, AGENT_POOL)
        ]
        host = f"{record.properties['dnsPrefix']}-{record.guid[:8]}.hcp.{record.location}.azmk8s.io"
        group = record.id.split("/")[4]
        return record.properties | {
            "agentPoolProfiles": pools,
            "currentKubernetesVersion": full_version(record.properties["kubernetesVersion"], record.name),
            "fqdn": host,
            "powerState": {"code": "Running"},
            "nodeResourceGroup": record.properties.get("nodeResourceGroup")
            or f"MC_{group}_{record.name}_{record.location}",
            "enableRBAC": True,
            "maxAgentPools": 100,
            "supportPlan": "KubernetesOfficial",
        }

    async def act(self, record: Record, action: str, principal: Principal, _body: Mapping[str, Any]) -> Reply:
        handle = self.handle(record)
        if action == "listClusterAdminCredential":
            user, token = "clusterAdmin", handle.admin_token
        else:
            user = "clusterUser"
            token = self.token(record, f"reader:{user}" if principal.reader else user)
        ca = base64.b64encode(handle.ca_pem.encode()).decode()
        context = record.name + ("-admin" if user == "clusterAdmin" else "")
        config = {
            "apiVersion": "v1",
            "kind": "Config",
            "clusters": [
                {"name": record.name, "cluster": {"server": handle.url, "certificate-authority-data": ca}}
            ],
            "users": [{"name": f"{user}_{record.group}_{record.name}", "user": {"token": token}}],
            "contexts": [
                {"name": context,
                 "context": {"cluster": record.name, "user": f"{user}_{record.group}_{record.name}"}}
            ],
            "current-context": context,
        }  # fmt: skip
        text = base64.b64encode(yaml.safe_dump(config).encode()).decode()
        return Reply(200, {"kubeconfigs": [{"name": user, "value": text}]})

    def handle(self, record: Record) -> ClusterHandle:
        handle = self.engine.world.clusters.get(cluster_id(record))
        if handle is None:
            raise ArmError(
                409, "OperationNotAllowed", f"Managed cluster {record.name} is not provisioned: {record.state}."
            )
        return handle

    async def remove(self, record: Record) -> None:
        await self.engine.world.clusters.delete(cluster_id(record))

    async def restore(self, record: Record) -> None:
        """The world has brought its clusters back already; one that it lost comes back empty, with its nodes."""
        kept = self.engine.world.clusters.get(cluster_id(record)) is not None
        await self.apply(record, None)
        for pool in self.store.children(record.id, AGENT_POOL):
            if not kept:
                pool.hidden["nodes"] = []
                await self.engine.kinds[AGENT_POOL.lower()].apply(pool, None)


def pool_defaults(properties: dict[str, Any], version: str) -> dict[str, Any]:
    done = {
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
    full = full_version(str(done["orchestratorVersion"]), "agentPool")
    return done | {"currentOrchestratorVersion": full, "powerState": {"code": "Running"}}


def check_pool(kind: ResourceKind, put: Put, name: str, properties: dict[str, Any]) -> None:
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
    for key, value in (properties.get("nodeLabels") or {}).items():
        if not re.fullmatch(r"([a-z0-9.-]{1,253}/)?[A-Za-z0-9]([A-Za-z0-9_.-]{0,61}[A-Za-z0-9])?", key) or not (
            re.fullmatch(r"([A-Za-z0-9]([A-Za-z0-9_.-]{0,61}[A-Za-z0-9])?)?", str(value))
        ):
            raise invalid(f"The label {key}={value} is not valid.", "nodeLabels")
        if key.startswith("kubernetes.azure.com/"):
            raise invalid(f"The label {key} has a reserved prefix.", "nodeLabels")


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
        check_pool(self, put, put.path.name, properties)
        old = put.before.properties if put.before else {}
        for name in ("vmSize", "vnetSubnetID", "availabilityZones", "osType", "maxPods"):
            if old and properties.get(name) is not None and properties[name] != old.get(name):
                raise ArmError(
                    400,
                    "PropertyChangeNotAllowed",
                    f"Changing property 'properties.{name}' is not allowed.",
                    target=f"properties.{name}",
                )
        kept = {k: old[k] for k in ("availabilityZones", "vnetSubnetID", "maxPods") if k in old}
        return pool_defaults(kept | properties, cluster.properties["kubernetesVersion"])

    async def apply(self, record: Record, _before: Record | None) -> None:
        """Nodes as many as count says; returns once all of them are Ready."""
        handle = self._cluster(record)
        wanted = {node.name: node for node in self.nodes(record)}
        have = set(record.hidden.get("nodes") or ())
        for name in sorted(have - wanted.keys()):
            await handle.remove_node(name)
        for name in sorted(wanted.keys() - have):
            await handle.add_node(wanted[name])
        record.hidden["nodes"] = sorted(wanted)
        while not wanted.keys() <= set(await handle.ready_nodes()):
            await asyncio.sleep(0.02)

    def _cluster(self, record: Record) -> ClusterHandle:
        cluster = self.store.get(record.parent)
        if cluster is None:
            raise ArmError(404, "ParentResourceNotFound", f"The cluster of agent pool {record.name} is gone.")
        clusters: ManagedClusters = self.engine.kinds[CLUSTER.lower()]  # type: ignore[assignment]
        return clusters.handle(cluster)

    def nodes(self, record: Record) -> list[NodeSpec]:
        """What the pool's nodes look like; zones in turn, `0` where the pool has none, as AKS labels them."""
        properties = record.properties
        size = size_of(properties["vmSize"])
        assert size is not None  # checked when it was put
        cpu, memory = aks_allocatable(size, properties["maxPods"])
        number = stream(record.parent, "aks").randrange(10**8)
        scale_set = f"aks-{record.name}-{number:08d}-vmss"
        root = f"/subscriptions/{record.subscription}/resourceGroups/mc_{record.group}_{record.parent.split('/')[-1]}"
        zones = properties.get("availabilityZones") or []
        labels = dict(properties.get("nodeLabels") or {}) | {
            "agentpool": record.name,
            "kubernetes.azure.com/agentpool": record.name,
            "kubernetes.azure.com/mode": properties["mode"].lower(),
        }
        return [
            NodeSpec(
                name=f"{scale_set}{_base36(index)}",
                zone=f"{record.location}-{zones[index % len(zones)]}" if zones else "0",
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
            for index in range(properties["count"])
        ]

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
