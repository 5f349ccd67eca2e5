"""Clusters: AKS with a managed identity, Azure CNI overlay, and a small system pool that belongs to the cluster.

Callers: provider.py. Account options: aks_system_size (Standard_D2s_v5), aks_system_count (1), aks_identity_id (a
user-assigned identity; else system-assigned), aks_service_cidr, aks_pod_cidr, audit_workspace_id (audit.py).
A firewall group stands before every subnet of the cluster: AKS has no group of its own to name.
"""

from __future__ import annotations

import base64
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import replace
from ipaddress import ip_network
from typing import Any, cast

import yaml

from model.errors import InvalidRequest, NotFound, UnknownCloudError
from model.resources import Address, AnyResource, Cluster, Kind, Observed
from providers.azure.adapter import Adapter
from providers.azure.audit import AuditLogs
from providers.azure.firewall import FirewallGroups
from providers.azure.names import (
    TAG_SUBNETS,
    ArmId,
    list_from_tags,
    list_to_tags,
    logical_name,
    merged_tags,
    own_tags,
    parse_id,
    user_tags,
    word,
)
from providers.azure.network import Networks, Subnets
from providers.azure.session import Session
from providers.base import Call, ClusterAccess

SYSTEM_POOL = "system"
SYSTEM_TAINT = "CriticalAddonsOnly=true:NoSchedule"
DEFAULT_SYSTEM_SIZE = "Standard_D2s_v5"
DEFAULT_SERVICE_CIDR, DEFAULT_POD_CIDR = "172.30.0.0/16", "172.24.0.0/14"
# Application id of "Azure Kubernetes Service AAD Server", the same in all clouds (github.com/Azure/kubelogin).
_AKS_AAD_SCOPE = "6dae42f8-4368-4678-94ff-3960e28e3630/.default"


class Clusters(Adapter):
    kind = Kind.CLUSTER
    fixed = ("network", "public_endpoint", "secrets_encrypted")

    def __init__(self, session: Session, networks: Networks, subnets: Subnets, firewalls: FirewallGroups) -> None:
        super().__init__(session)
        self.networks, self.subnets, self.firewalls = networks, subnets, firewalls
        self.audit = AuditLogs(session)

    def read_all(self, _region: str, call: Call) -> Iterator[Any]:
        return self.session.pages("aks.clusters.list", self.session.aks.managed_clusters.list, call=call)

    def read(self, where: ArmId, call: Call) -> Any:
        clusters = self.session.aks.managed_clusters
        return self.session.run("aks.clusters.get", clusters.get, where.group, where.name, call=call)

    def replaced(self, before: Any, desired: Any) -> tuple[str, ...]:
        """AKS upgrades only."""
        older = ("version",) if _is_older(desired.version, before.version) else ()
        return super().replaced(before, desired) + older

    # -- reading -----------------------------------------------------------------------------------------------

    def observe(self, raw: Any, call: Call) -> Observed:
        profile = raw.api_server_access_profile
        used = [p.vnet_subnet_id for p in raw.agent_pool_profiles or () if p.vnet_subnet_id]
        vnet = parse_id(used[0]).parent if used else ""
        names = list_from_tags(TAG_SUBNETS, raw.tags) or tuple(dict.fromkeys(parse_id(i).name for i in used))
        version = str(raw.current_kubernetes_version or raw.kubernetes_version or "")
        encryption = getattr(raw.security_profile, "kubernetes_resource_object_encryption_profile", None)
        kms = getattr(raw.security_profile, "azure_key_vault_kms", None)
        resource = Cluster(
            name=self.address(raw).name,
            tags=user_tags(raw.tags),
            version=".".join(version.split(".")[:2]),
            network=logical_name(self.account, vnet, raw.location) if vnet else "",
            subnets=names,
            firewall_group=self._firewall(raw, used, names, call),
            public_endpoint=not (profile and profile.enable_private_cluster),
            public_access_cidrs=tuple(profile.authorized_ip_ranges or ()) if profile else (),
            secrets_encrypted=bool(
                (encryption and word(encryption.infrastructure_encryption) == "Enabled") or (kms and kms.enabled)
            ),
            audit_logs=self.audit.enabled(raw.id, call),
        )
        host = raw.private_fqdn or raw.fqdn
        return self.observed(raw, resource, endpoints=(f"https://{host}",) if host else ())

    def _firewall(self, raw: Any, used: list[str], names: tuple[str, ...], call: Call) -> str:
        """The group before all of the cluster's subnets; "" where they have none, or not the same."""
        if not used:
            return ""
        where = parse_id(used[0])
        try:
            network = self.networks.read(ArmId(where.group, where.parent), call)
        except NotFound:
            return ""
        groups = {
            s.network_security_group.id.lower() if s.network_security_group else ""
            for s in network.subnets or ()
            if s.name in names
        }
        if len(groups) != 1 or groups == {""}:
            return ""
        exact = next(s.network_security_group.id for s in network.subnets if s.name in names)
        return logical_name(self.account, parse_id(exact).name, raw.location)

    def evidence(self, raw: Any, call: Call) -> str:
        error = getattr(raw.status, "provisioning_error", None) if raw.status else None
        return f"{error.code}: {error.message}" if error else super().evidence(raw, call)

    # -- writing -----------------------------------------------------------------------------------------------

    def create(self, address: Address, desired: AnyResource, call: Call) -> Observed:
        wanted = cast(Cluster, desired)
        raw = self.claim(address, call)
        place = self.place(address, call)
        if raw is None:
            network_id = self.subnets.network_id(wanted.network, address, call)
            subnet_ids = self.subnets.ids_in(network_id, wanted.subnets, address, call)
            if wanted.firewall_group:
                self._attach(address, network_id, wanted, call)
            body = self._body(address, wanted, subnet_ids[0], call)
            self.in_group(address, call, lambda: self._put(place, body, call))
            raw = self.read(place, call)
        if wanted.audit_logs and not self.audit.enabled(raw.id, call):
            self.audit.enable(raw.id, address.region, own_tags(address, wanted.tags, call), call)
        return self.pending(self.observe(raw, call))

    def _body(self, address: Address, wanted: Cluster, subnet_id: str, call: Call) -> Any:
        from azure.mgmt.containerservice import models as m

        options = self.account.options
        identity = str(options.get("aks_identity_id") or "")
        service_cidr = str(options.get("aks_service_cidr") or DEFAULT_SERVICE_CIDR)
        return m.ManagedCluster(
            location=address.region,
            tags=own_tags(address, wanted.tags, call, **list_to_tags(TAG_SUBNETS, wanted.subnets)),
            identity=m.ManagedClusterIdentity(
                type="UserAssigned", user_assigned_identities={identity: m.UserAssignedIdentity()}
            )
            if identity
            else m.ManagedClusterIdentity(type="SystemAssigned"),
            dns_prefix=self.place(address, call).name[:54],
            kubernetes_version=wanted.version,
            enable_rbac=True,
            agent_pool_profiles=[
                m.ManagedClusterAgentPoolProfile(
                    name=SYSTEM_POOL,
                    mode="System",
                    count=int(options.get("aks_system_count") or 1),
                    vm_size=str(options.get("aks_system_size") or DEFAULT_SYSTEM_SIZE),
                    os_type="Linux",
                    type="VirtualMachineScaleSets",
                    max_pods=110,
                    vnet_subnet_id=subnet_id,
                    node_taints=[SYSTEM_TAINT],
                    tags=own_tags(replace(address, name=SYSTEM_POOL), wanted.tags, call),
                )
            ],
            network_profile=m.ContainerServiceNetworkProfile(
                network_plugin="azure",
                network_plugin_mode="overlay",
                pod_cidr=str(options.get("aks_pod_cidr") or DEFAULT_POD_CIDR),
                service_cidr=service_cidr,
                dns_service_ip=str(ip_network(service_cidr)[10]),
                load_balancer_sku="standard",
            ),
            api_server_access_profile=m.ManagedClusterAPIServerAccessProfile(
                authorized_ip_ranges=list(wanted.public_access_cidrs) or None,
                enable_private_cluster=not wanted.public_endpoint,
            ),
            security_profile=m.ManagedClusterSecurityProfile(
                kubernetes_resource_object_encryption_profile=m.KubernetesResourceObjectEncryptionProfile(
                    infrastructure_encryption="Enabled"
                )
            )
            if wanted.secrets_encrypted
            else None,
        )

    def _attach(self, address: Address, network_id: str, wanted: Cluster, call: Call) -> None:
        """Puts the firewall group before every subnet, one after the other: Azure changes a network serially.

        None wanted: takes away what is there.
        """
        group_id = ""
        if wanted.firewall_group:
            group_id = self.firewalls.named(address, wanted.firewall_group, call).id
        for name in wanted.subnets:
            self.subnets.attach(parse_id(f"{network_id}/subnets/{name}"), group_id, call)
            self.subnets.wait_ready(replace(address, kind=Kind.SUBNET, name=name), call)

    def update(self, observed: Observed, desired: AnyResource, call: Call) -> Observed:
        """version (nodes of all pools too), authorised ranges, firewall group, audit logs, tags."""
        wanted, before = cast(Cluster, desired), cast(Cluster, observed.resource)
        where = parse_id(observed.provider_id)

        def change() -> Any:
            raw = self.read(where, call)
            raw.tags = merged_tags(raw.tags, wanted.tags, **list_to_tags(TAG_SUBNETS, wanted.subnets))
            if wanted.version != before.version:
                raw.kubernetes_version = wanted.version
                for pool in raw.agent_pool_profiles or ():
                    pool.orchestrator_version = wanted.version
            if wanted.public_access_cidrs != before.public_access_cidrs:
                raw.api_server_access_profile.authorized_ip_ranges = list(wanted.public_access_cidrs)
            self._put(where, raw, call)
            return raw

        same = (wanted.version, wanted.public_access_cidrs, wanted.subnets) == (
            before.version, before.public_access_cidrs, before.subnets,
        ) and wanted.tags.items() <= before.tags.items()  # fmt: skip
        if not same:
            change()
        if wanted.firewall_group != before.firewall_group:
            network_id = self.subnets.network_id(wanted.network, observed.address, call)
            self._attach(observed.address, network_id, wanted, call)
        if wanted.audit_logs and not before.audit_logs:
            tags = own_tags(observed.address, wanted.tags, call)
            self.audit.enable(observed.provider_id, observed.address.region, tags, call)
        elif before.audit_logs and not wanted.audit_logs:
            self.audit.disable(observed.provider_id, call)
            self.audit.remove_workspace(observed.provider_id, call)
        return self.observe(self.read(where, call), call)

    def _put(self, where: ArmId, body: Any, call: Call) -> None:
        method = self.session.aks.managed_clusters.begin_create_or_update
        self.session.begin("aks.clusters.put", method, where.group, where.name, body, call=call)

    def delete(self, observed: Observed, call: Call) -> None:
        """Takes away first what creating put around it: the firewall group before its subnets, the audit setting."""
        where = parse_id(observed.provider_id)
        method = self.session.aks.managed_clusters.begin_delete
        before = cast(Cluster, observed.resource)
        if before.firewall_group and observed.owner:
            with suppress(NotFound, InvalidRequest):  # its network or a subnet is gone: nothing is left to take away
                network_id = self.subnets.network_id(before.network, observed.address, call)
                self._attach(observed.address, network_id, replace(before, firewall_group=""), call)
        try:
            self.audit.disable(observed.provider_id, call)
            self.session.begin("aks.clusters.delete", method, where.group, where.name, call=call)
        except NotFound:
            return

    def after_delete(self, address: Address, call: Call) -> None:
        where = self.place(address, call)
        cluster_id = (
            f"/subscriptions/{self.account.account_id}/resourceGroups/{where.group}"
            f"/providers/Microsoft.ContainerService/managedClusters/{where.name}"
        )
        self.audit.remove_workspace(cluster_id, call)

    # -- access ------------------------------------------------------------------------------------------------

    def access(self, observed: Observed, call: Call) -> ClusterAccess:
        """From the kubeconfig that AKS hands out: a token, a client certificate, or our own Entra ID token."""
        where = parse_id(observed.provider_id)
        method = self.session.aks.managed_clusters.list_cluster_user_credentials
        answer = self.session.run("aks.clusters.credentials", method, where.group, where.name, call=call)
        if not answer.kubeconfigs:
            raise UnknownCloudError(f"{observed.address}: Azure handed out no kubeconfig")
        config = yaml.safe_load(bytes(answer.kubeconfigs[0].value).decode())
        cluster, user = config["clusters"][0]["cluster"], config["users"][0]["user"]
        found = ClusterAccess(
            server=cluster["server"],
            ca_pem=_pem(cluster.get("certificate-authority-data")),
            proxy_url=self.account.proxy_url if not self.session.loopback else "",
        )
        if user.get("token") and not user.get("client-certificate-data"):
            token = str(user["token"])
            return replace(found, token=lambda: token)
        if user.get("client-certificate-data"):
            return replace(
                found,
                client_certificate_pem=_pem(user["client-certificate-data"]),
                client_key_pem=_pem(user.get("client-key-data")),
            )
        credential = self.session.credential
        return replace(found, token=lambda: str(credential.get_token(_AKS_AAD_SCOPE).token))


def _pem(data: str | None) -> str:
    return base64.b64decode(data).decode() if data else ""


def _is_older(version: str, than: str) -> bool:
    """Of two `major.minor`; an unknown one is neither older nor newer."""
    left, right = ([int(n) for n in text.split(".") if n.isdigit()] for text in (version, than))
    return bool(left and right and left < right)
