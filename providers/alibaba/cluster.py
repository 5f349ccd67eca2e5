"""CLUSTER (ACK managed cluster): CS 2015-12-15.

Callers: provider.py. The model's version is `major.minor`; ACK's is `1.35.2-aliyun.1`, the newest that can be created
of that minor. CreateCluster takes no client token: a creation whose answer was lost is looked for by tag before it is
sent again. ACK does not tell whether Secrets are encrypted; our own clusters say so by a tag.
"""

from __future__ import annotations

import ipaddress
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from model.errors import CloudError, InvalidRequest, NotBuiltYet, NotFound
from model.resources import TAG_FLEET, Address, Cluster, Kind, Network, Observed, State
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
from providers.base import Call

TAG_ENCRYPTED = "duoyun-secrets"  # its value names the KMS key that was given at creation
OWN_GROUP = "alicloud-cs-auto-created-security-group"  # name of the group that ACK makes where none is given
_STATES = {
    "initial": State.PENDING,
    "running": State.READY,
    "updating": State.UPDATING,
    "upgrading": State.UPDATING,
    "scaling": State.UPDATING,
    "removing": State.UPDATING,
    "waiting": State.UPDATING,
    "inactive": State.UPDATING,
    "failed": State.FAILED,
    "delete_failed": State.FAILED,
    "disconnected": State.FAILED,
    "deleting": State.DELETING,
    "deleted": State.DELETING,
}
_CONTAINER_CIDRS = ("172.20.0.0/16", "10.244.0.0/16", "192.168.0.0/16", "172.28.0.0/16")
_SERVICE_CIDRS = ("172.21.0.0/20", "10.96.0.0/20", "192.168.240.0/20", "172.29.0.0/20")
PAGE_SIZE = 50


class Clusters(Adapter):
    KIND = Kind.CLUSTER
    HAS_TOKEN = False

    def rows(self, region: str, call: Call, *, tags: Mapping[str, str] | None = None, name: str = "") -> Iterator[Row]:
        """ACK cannot filter by tag: tags are compared here."""
        number, seen = 1, 0
        while True:
            query = {"region_id": region, "page_number": number, "page_size": PAGE_SIZE}
            query |= {"name": name} if name else {}
            answer = self.session.roa("DescribeClustersV1", "GET", "/api/v1/clusters", region, call, query=query)
            rows = answer.get("clusters") or []
            for row in rows:
                has = tags_of(row.get("tags"))
                if row.get("state") != "deleted" and all(has.get(k) == v for k, v in (tags or {}).items()):
                    yield row
            seen += len(rows)
            if not rows or seen >= int((answer.get("page_info") or {}).get("total_count", 0)):
                return
            number += 1

    def by_id(self, region: str, provider_id: str, call: Call) -> Row | None:
        try:
            row = self.session.roa("DescribeClusterDetail", "GET", f"/clusters/{provider_id}", region, call)
        except NotFound:
            return None
        return None if row.get("state") == "deleted" else dict(row)

    def identify(self, row: Row) -> Identified:
        return Identified(row["cluster_id"], row.get("name", ""), tags_of(row.get("tags")))

    def observe(self, region: str, row: Row, call: Call) -> Observed:
        who = self.identify(row)
        endpoints = json.loads(row.get("master_url") or "{}")
        public, private = endpoints.get("api_server_endpoint", ""), endpoints.get("intranet_api_server_endpoint", "")
        state = _STATES.get(row.get("state", ""), State.UPDATING)
        switches = row.get("vswitch_ids") or [i for i in (row.get("vswitch_id") or "").split(",") if i]
        cluster = Cluster(
            name=who.logical_name,
            tags={k: v for k, v in users_tags(who.tags).items() if k != TAG_ENCRYPTED},
            version=".".join(row.get("current_version", "").split(".")[:2]),
            network=self.references.name(Kind.NETWORK, region, row.get("vpc_id", ""), call),
            subnets=tuple(self.references.name(Kind.SUBNET, region, i, call) for i in switches),
            firewall_group=self._group_name(region, row.get("security_group_id", ""), call),
            public_endpoint=bool(public or row.get("external_loadbalancer_id")),
            secrets_encrypted=bool(who.tags.get(TAG_ENCRYPTED)),
            audit_logs=self._audited(region, row, state, call),
        )
        return Observed(
            address=self.address(region, who.logical_name),
            resource=cluster,
            provider_id=who.id,
            state=state,
            owner=who.tags.get(TAG_FLEET, ""),
            detail=f"ACK says {row.get('state')}" if state is not State.READY else "",
            endpoints=tuple(e for e in (public, private) if e)[:1],
            raw={"version": row.get("current_version", ""), "vpc_id": row.get("vpc_id", "")},
        )

    def _group_name(self, region: str, group_id: str, call: Call) -> str:
        """The logical name; "" for the group that ACK made by itself, which nobody asked for."""
        name = self.references.name(Kind.FIREWALL_GROUP, region, group_id, call)
        return "" if name.startswith(OWN_GROUP) else name

    def _audited(self, region: str, row: Row, state: State, call: Call) -> bool:
        """While a cluster is being made, what was asked for counts: ACK tells the audit log of running ones only."""
        if state not in (State.READY, State.UPDATING):
            return True
        try:
            path = f"/clusters/{row['cluster_id']}/audit"
            answer = self.session.roa("GetClusterAuditProject", "GET", path, region, call)
        except CloudError as exc:
            if exc.retryable or not isinstance(exc, NotFound | InvalidRequest):
                raise
            return False  # kinds of clusters that have no audit log at all
        return bool(answer.get("audit_enabled"))

    # -- writing -----------------------------------------------------------------------------------------------

    def make(self, address: Address, desired: Cluster, call: Call, token: Callable[[Mapping[str, Any]], str]) -> str:
        del token  # CreateCluster has none
        body = self._body(address, desired, call)

        def post() -> str:
            answer = self.session.roa(
                "CreateCluster", "POST", "/clusters", address.region, call, body=body, retry=False
            )
            return str(answer["cluster_id"])

        made = self.create_without_token(address, call, post)
        self.references.forget(self.KIND, address.region)
        return made

    def _body(self, address: Address, desired: Cluster, call: Call) -> dict[str, Any]:
        _check_access(desired)
        options = self.account.options
        network = self.references.find(Kind.NETWORK, address, desired.network, call)
        switches = [self.references.find(Kind.SUBNET, address, name, call).provider_id for name in desired.subnets]
        cidr = network.resource.cidr if isinstance(network.resource, Network) else ""
        tags = ownership_tags(desired, address, call)
        body: dict[str, Any] = {
            "name": address.name,
            "region_id": address.region,
            "cluster_type": "ManagedKubernetes",
            "cluster_spec": options.get("ack_cluster_spec", "ack.pro.small"),
            "kubernetes_version": self.full_version(address.region, desired.version, call),
            "vpcid": network.provider_id,
            "vswitch_ids": switches,
            "container_cidr": options.get("container_cidr") or free_block(cidr, _CONTAINER_CIDRS),
            "service_cidr": options.get("service_cidr") or free_block(cidr, _SERVICE_CIDRS),
            "snat_entry": bool(options.get("snat_entry", True)),
            "endpoint_public_access": desired.public_endpoint,
            "audit_log_config": {"enabled": desired.audit_logs},
            "addons": _addons(desired),
        }
        if desired.firewall_group:
            group = self.references.find(Kind.FIREWALL_GROUP, address, desired.firewall_group, call)
            body["security_group_id"] = group.provider_id
        if desired.secrets_encrypted:
            key = options.get("kms_key_id")
            if not key:
                raise InvalidRequest(
                    f"{address}: secrets_encrypted needs a KMS key",
                    mend="name it in the account's options as kms_key_id",
                    address=str(address),
                )
            body["encryption_provider_key"] = key
            tags[TAG_ENCRYPTED] = str(key)
        body["tags"] = [{"key": k, "value": v} for k, v in sorted(tags.items())]
        return body

    def full_version(self, region: str, version: str, call: Call) -> str:
        """The newest version of that minor that ACK creates now. Raises InvalidRequest with those there are."""
        query = {"Region": region, "ClusterType": "ManagedKubernetes"}
        path = "/api/v1/metadata/versions"
        rows = self.session.roa("DescribeKubernetesVersionMetadata", "GET", path, region, call, query=query)
        offered = [str(r["version"]) for r in rows if r.get("creatable", True)]
        matching = [v for v in offered if v == version or v.startswith(f"{version}.")]
        if not matching:
            minors = sorted({".".join(v.split(".")[:2]) for v in offered}, key=version_key)
            raise InvalidRequest(
                f"ACK in {region} does not create Kubernetes {version}",
                mend=f"choose one of {', '.join(minors)}",
            )
        return max(matching, key=version_key)

    def update(self, observed: Observed, desired: Cluster, call: Call) -> None:
        _check_access(desired)
        region, cluster_id, current = observed.address.region, observed.provider_id, observed.resource
        assert isinstance(current, Cluster)
        changes: dict[str, Any] = {}
        body: dict[str, Any]
        if current.public_endpoint != desired.public_endpoint:
            changes["api_server_eip"] = desired.public_endpoint
        if set(current.subnets) != set(desired.subnets):
            found = (self.references.find(Kind.SUBNET, observed.address, n, call) for n in desired.subnets)
            changes["vswitch_ids"] = [f.provider_id for f in found]
        if desired.firewall_group and current.firewall_group != desired.firewall_group:
            group = self.references.find(Kind.FIREWALL_GROUP, observed.address, desired.firewall_group, call)
            changes["security_group_id"] = group.provider_id
        if changes:
            self.session.roa("ModifyCluster", "PUT", f"/api/v2/clusters/{cluster_id}", region, call, body=changes)
        if current.audit_logs != desired.audit_logs:
            path, body = f"/clusters/{cluster_id}/audit_log", {"disable": not desired.audit_logs}
            self.session.roa("UpdateClusterAuditLogConfig", "PUT", path, region, call, body=body)
        tags = changed_tags(observed, desired)
        if tags:
            body = {
                "region_id": region,
                "resource_type": "CLUSTER",
                "resource_ids": [cluster_id],
                "tags": [{"key": k, "value": v} for k, v in sorted(tags.items())],
            }
            self.session.roa("TagResources", "PUT", "/tags", region, call, body=body)
        if current.version != desired.version:
            body = {"next_version": self.full_version(region, desired.version, call)}
            path = f"/api/v2/clusters/{cluster_id}/upgrade"
            self.session.roa("UpgradeCluster", "POST", path, region, call, body=body)

    def delete(self, observed: Observed, call: Call) -> None:
        if observed.state is State.DELETING:
            return
        region, path = observed.address.region, f"/clusters/{observed.provider_id}"
        gone_is_fine(lambda: self.session.roa("DeleteCluster", "DELETE", path, region, call))

    def fixed_fields(self) -> tuple[str, ...]:
        return ("network", "secrets_encrypted")


def needs_new_cluster(before: Cluster, desired: Cluster) -> tuple[str, ...]:
    """ACK upgrades one minor at a time, and never downgrades."""
    if before.version and version_key(desired.version) < version_key(before.version):
        return ("version",)
    return ()


def _check_access(desired: Cluster) -> None:
    if set(desired.public_access_cidrs) - {"0.0.0.0/0"}:
        raise NotBuiltYet(
            f"cluster {desired.name}: public_access_cidrs is not built for ACK, whose API server stands behind a load "
            "balancer with access lists of its own",
            mend="leave public_access_cidrs out, or set public_endpoint: false and reach the cluster privately",
        )


def _addons(desired: Cluster) -> list[dict[str, str]]:
    """Flannel as the network, disks, and the log agent where the audit log needs it."""
    names = ["flannel", "csi-plugin", "csi-provisioner", *(["logtail-ds"] if desired.audit_logs else [])]
    return [{"name": name, "config": ""} for name in names]


def free_block(vpc_cidr: str, candidates: Sequence[str]) -> str:
    """The first block that does not overlap the VPC. Raises InvalidRequest where there is none."""
    if not vpc_cidr:
        return candidates[0]
    vpc = ipaddress.ip_network(vpc_cidr)
    for block in candidates:
        if not ipaddress.ip_network(block).overlaps(vpc):
            return block
    raise InvalidRequest(
        f"no block of {', '.join(candidates)} is free beside VPC {vpc_cidr}",
        mend="name container_cidr and service_cidr in the account's options",
    )


def version_key(version: str) -> tuple[int, ...]:
    """`1.35.2-aliyun.1` -> (1, 35, 2, 1): orders versions as numbers."""
    numbers = version.replace("-aliyun", "").split(".")
    return tuple(int(n) if n.isdigit() else 0 for n in numbers)
