"""AKS clusters of the Azure sandbox: their control planes are the world's clusters. Their pools: agent_pools.py.

Callers: server.py. Source of the rules: learn.microsoft.com/azure/aks (use-system-pools, quotas-skus-regions,
supported-kubernetes-versions, availability-zones).
"""

from __future__ import annotations

import base64
import hashlib
import hmac
from collections.abc import Callable, Mapping
from typing import Any

import yaml

from sandbox.azure.agent_pools import CLUSTER, check_pool, full_version, pool_defaults
from sandbox.azure.arm_types import AGENT_POOL
from sandbox.azure.catalog import KUBERNETES_VERSIONS
from sandbox.azure.kinds import Principal, Put, ResourceKind, invalid, required
from sandbox.azure.network import parse_prefix
from sandbox.azure.store import Record
from sandbox.azure.wire import ArmError, Reply
from sandbox.world import ClusterHandle

_MANAGED = ("currentKubernetesVersion", "fqdn", "nodeResourceGroup", "powerState", "agentPoolProfiles", "maxAgentPools")


def cluster_id(record: Record) -> str:
    """The world's name of a managed cluster."""
    return "aks-" + hashlib.sha256(record.id.lower().encode()).hexdigest()[:10]


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
            check_pool(self, put, str(profile.get("name") or ""), profile, "System")

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
