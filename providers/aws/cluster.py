"""EKS clusters, and how to reach their API without a CLI.

Callers: provider.py. EKS takes one change of a cluster at a time; an update that needs several waits in between.
The public endpoint open to 0.0.0.0/0 is AWS's default and reads as `public_access_cidrs=()`.
"""

from __future__ import annotations

import base64
from collections.abc import Callable, Mapping
from typing import Any

from botocore.hooks import HierarchicalEmitter
from botocore.model import ServiceId
from botocore.signers import RequestSigner

from model.errors import AlreadyExists, Conflict, InvalidRequest, NotFound
from model.resources import TAG_FLEET, Address, AnyResource, Cluster, Kind, Observed, State
from providers.aws import roles
from providers.aws.firewall import FirewallGroups
from providers.aws.kinds import address_of, need_fleet, ours, pick
from providers.aws.network import Networks, Subnets
from providers.aws.session import DNS_SUFFIX, Session
from providers.aws.tags import changed_tags, client_token, logical_name, ownership_tags, user_tags
from providers.base import Call, ClusterAccess

_STATES = {
    "CREATING": State.PENDING,
    "PENDING": State.PENDING,
    "ACTIVE": State.READY,
    "UPDATING": State.UPDATING,
    "DELETING": State.DELETING,
    "FAILED": State.FAILED,
}
_ANYWHERE = ("0.0.0.0/0",)
_AUDIT = "audit"
TOKEN_PREFIX = "k8s-aws-v1."  # noqa: S105  (a prefix, not a secret)
_TOKEN_EXPIRES_S = 60
_EMITTER = HierarchicalEmitter()  # the signer keeps a weak reference only


class Clusters:
    """EKS names are unique per account and region, so our logical name is EKS's name."""

    events = r"Cluster|EncryptionConfig|AccessEntry|^TagResource$|^UntagResource$"

    def __init__(self, session: Session, networks: Networks, subnets: Subnets, groups: FirewallGroups) -> None:
        self.session, self._networks, self._subnets, self._groups = session, networks, subnets, groups

    # -- reading ----------------------------------------------------------------------------------------------

    def rows(self, region: str, call: Call) -> list[dict[str, Any]]:
        """Every cluster of the region, described."""
        names = self.session.pages("eks", region, "list_clusters", "clusters", call)
        found = (self.row(region, str(name), call) for name in names)
        return [row for row in found if row is not None]

    def row(self, region: str, name: str, call: Call) -> dict[str, Any] | None:
        """DescribeCluster, or None where there is none."""
        try:
            row: dict[str, Any] = self.session.run(
                "eks", region, "DescribeCluster", lambda eks: eks.describe_cluster(name=name)["cluster"], call
            )
        except NotFound:
            return None
        return row

    def all(self, region: str, call: Call, fleet: str | None) -> list[Observed]:
        rows = self.rows(region, call)
        if fleet is not None:
            rows = [row for row in rows if row.get("tags", {}).get(TAG_FLEET) == fleet]
        return self._observe(region, rows, call)

    def find(self, address: Address, call: Call) -> Observed | None:
        """By EKS's own name, which is ours; else by our tag on a cluster of another name."""
        row = self.row(address.region, address.name, call)
        if row is not None:
            return self._observe(address.region, [row], call)[0]
        rows = [r for r in self.rows(address.region, call) if logical_name(r.get("tags", {}), "") == address.name]
        return pick(self.session, address, self._observe(address.region, rows, call), call)

    def peek(self, address: Address, call: Call) -> Observed | None:
        row = self.row(address.region, address.name, call)
        return self._observed(address.region, row, {}, {}, {}) if row is not None else self.find(address, call)

    def _observe(self, region: str, rows: list[dict[str, Any]], call: Call) -> list[Observed]:
        if not rows:
            return []
        networks = self._networks.names(region, call)
        subnets = self._subnets.names(region, call)
        groups = self._groups.names(region, call)
        return [self._observed(region, row, networks, subnets, groups) for row in rows]

    def _observed(
        self,
        region: str,
        row: Mapping[str, Any],
        networks: Mapping[str, str],
        subnets: Mapping[str, tuple[str, str]],
        groups: Mapping[str, str],
    ) -> Observed:
        tags = row.get("tags") or {}
        config = row.get("resourcesVpcConfig") or {}
        name = logical_name(tags, row["name"])
        group_ids = config.get("securityGroupIds") or ()
        cidrs = tuple(sorted(config.get("publicAccessCidrs") or ()))
        issues = (row.get("health") or {}).get("issues") or ()
        return Observed(
            address=address_of(self.session, region, Kind.CLUSTER, name),
            resource=Cluster(
                name=name,
                tags=user_tags(tags),
                version=str(row.get("version", "")),
                network=networks.get(config.get("vpcId", ""), config.get("vpcId", "")),
                subnets=tuple(sorted(subnets.get(s, (s, ""))[0] for s in config.get("subnetIds") or ())),
                firewall_group=groups.get(group_ids[0], group_ids[0]) if group_ids else "",
                public_endpoint=bool(config.get("endpointPublicAccess", True)),
                public_access_cidrs=() if cidrs == _ANYWHERE else cidrs,
                secrets_encrypted=bool(row.get("encryptionConfig")),
                audit_logs=_AUDIT in _enabled_logs(row),
            ),
            provider_id=row["arn"],
            state=_STATES.get(row.get("status", ""), State.PENDING),
            owner=tags.get(TAG_FLEET, ""),
            detail="; ".join(f"{i.get('code')}: {i.get('message')}" for i in issues),
            endpoints=(row["endpoint"],) if row.get("endpoint") else (),
            raw={
                "tags": dict(tags),
                "eks_name": row["name"],
                "ca": (row.get("certificateAuthority") or {}).get("data", ""),
            },
        )

    # -- create -----------------------------------------------------------------------------------------------

    def create(self, address: Address, desired: AnyResource, call: Call) -> Observed:
        assert isinstance(desired, Cluster)
        need_fleet(call)
        existing = self._own(address, call)
        if existing is not None:
            return existing
        request = self._request(address, desired, call)
        try:
            self._write(address.region, "CreateCluster", lambda eks: eks.create_cluster(**request), call)
        except AlreadyExists:
            if self._own(address, call) is None:  # raises where it is somebody else's
                raise
        calls = self.session.calls("eks", address.region)
        return calls.poll("DescribeCluster", lambda: self.find(address, call), call)

    def _own(self, address: Address, call: Call) -> Observed | None:
        mend = "choose another name, or make it `ownership: reference` or `adopt` in the fleet"
        return ours(self.find(address, call), address, self.session, call, mend)

    def _request(self, address: Address, desired: Cluster, call: Call) -> dict[str, Any]:
        region = address.region
        self._networks.id_of(address, desired.network, call)  # EKS itself only asks for the subnets
        subnet_ids = self._subnets.ids_of(address, desired.subnets, call)
        config: dict[str, Any] = {"subnetIds": subnet_ids, **_access(desired)}
        if desired.firewall_group:
            config["securityGroupIds"] = [self._groups.id_of(address, desired.firewall_group, call)]
        request: dict[str, Any] = {
            "name": address.name,
            "version": desired.version,
            "roleArn": roles.cluster_role(self.session, call),
            "resourcesVpcConfig": config,
            "logging": _logging(desired.audit_logs),
            "tags": ownership_tags(address, desired, call),
            "clientRequestToken": client_token(call, "CreateCluster", str(address)),
        }
        if desired.secrets_encrypted:
            key = roles.secrets_key(self.session, region, call)
            request["encryptionConfig"] = _encryption(key)
        return request

    # -- update -----------------------------------------------------------------------------------------------

    def update(self, observed: Observed, desired: AnyResource, call: Call) -> Observed:
        """Sends what differs, one change after the other; the last one may still be under way."""
        assert isinstance(desired, Cluster)
        before = observed.resource
        assert isinstance(before, Cluster)
        address, name = observed.address, str(observed.raw["eks_name"])
        changed = changed_tags(observed.raw["tags"], desired.tags)
        if changed:
            self._write(
                address.region,
                "TagResource",
                lambda eks: eks.tag_resource(resourceArn=observed.provider_id, tags=changed),
                call,
            )
        for number, (operation, request) in enumerate(self._changes(address, before, desired, call)):
            if number or observed.state is State.UPDATING:
                self._until_active(address, call)
            params = {"name": name, **request}
            if "encryptionConfig" in request:
                params = {"clusterName": name, **request}
            self._write(address.region, operation, _caller(operation, params), call)
        return self.find(address, call) or observed

    def _changes(
        self, address: Address, before: Cluster, desired: Cluster, call: Call
    ) -> list[tuple[str, dict[str, Any]]]:
        found: list[tuple[str, dict[str, Any]]] = []
        if before.version != desired.version:
            _check_upgrade(address, before.version, desired.version)
            found.append(("UpdateClusterVersion", {"version": desired.version}))
        if _access(before) != _access(desired):
            found.append(("UpdateClusterConfig", {"resourcesVpcConfig": _access(desired)}))
        config: dict[str, Any] = {}
        if sorted(before.subnets) != sorted(desired.subnets):
            config["subnetIds"] = self._subnets.ids_of(address, desired.subnets, call)
        if before.firewall_group != desired.firewall_group:
            group = desired.firewall_group
            config["securityGroupIds"] = [self._groups.id_of(address, group, call)] if group else []
        if config:
            found.append(("UpdateClusterConfig", {"resourcesVpcConfig": config}))
        if before.audit_logs != desired.audit_logs:
            found.append(("UpdateClusterConfig", {"logging": _logging(desired.audit_logs)}))
        if desired.secrets_encrypted and not before.secrets_encrypted:
            key = roles.secrets_key(self.session, address.region, call)
            encryption = _encryption(key)
            found.append(("AssociateEncryptionConfig", {"encryptionConfig": encryption}))
        return found

    def _until_active(self, address: Address, call: Call) -> None:
        def active() -> bool | None:
            found = self.find(address, call)
            return True if found is not None and found.state is State.READY else None

        self.session.calls("eks", address.region).poll("DescribeCluster", active, call)

    def delete(self, observed: Observed, call: Call) -> None:
        name = str(observed.raw.get("eks_name") or observed.address.name)
        try:
            self._write(observed.address.region, "DeleteCluster", lambda eks: eks.delete_cluster(name=name), call)
        except NotFound:
            call.progress(f"{observed.address} is gone already")

    def needs_replace(self, before: AnyResource, desired: AnyResource) -> tuple[str, ...]:
        assert isinstance(before, Cluster)
        assert isinstance(desired, Cluster)
        fixed = []
        if before.network != desired.network:
            fixed.append("network")
        if _minor(desired.version) < _minor(before.version):
            fixed.append("version")
        if before.secrets_encrypted and not desired.secrets_encrypted:
            fixed.append("secrets_encrypted")
        return tuple(fixed)

    def _write(self, region: str, operation: str, fn: Callable[[Any], Any], call: Call) -> Any:
        return self.session.run("eks", region, operation, fn, call, write=True)

    # -- access -----------------------------------------------------------------------------------------------

    def access(self, observed: Observed, call: Call) -> ClusterAccess:
        """Endpoint, CA and tokens. Raises Conflict while the cluster has no endpoint yet, NotFound where it is gone."""
        address = observed.address
        found = self.find(address, call)
        if found is None:
            raise NotFound(f"{address} does not exist", address=str(address))
        if not found.endpoints:
            raise Conflict(f"{address} has no endpoint yet ({found.state})", address=str(address))
        name = str(found.raw["eks_name"])
        ca = base64.b64decode(str(found.raw["ca"])).decode("ascii", "replace") if found.raw.get("ca") else ""
        return ClusterAccess(
            server=found.endpoints[0],
            ca_pem=ca,
            token=lambda: eks_token(self.session, address.region, name),
            proxy_url=self.session.account.proxy_url,
        )


def eks_token(session: Session, region: str, cluster: str) -> str:
    """A bearer token for a cluster: GetCallerIdentity, presigned for the region's real STS, with the cluster's name.

    Source: aws-iam-authenticator, README, "API authorization from outside a cluster". Nothing is sent.
    """
    host = f"sts.{region}.{DNS_SUFFIX[session.account.partition]}"
    signer = RequestSigner(ServiceId("STS"), region, "sts", "v4", session.credentials(), _EMITTER)
    url = signer.generate_presigned_url(
        {
            "method": "GET",
            "url": f"https://{host}/?Action=GetCallerIdentity&Version=2011-06-15",
            "body": {},
            "headers": {"x-k8s-aws-id": cluster},
            "context": {},
        },
        region_name=region,
        expires_in=_TOKEN_EXPIRES_S,
        operation_name="",
    )
    return TOKEN_PREFIX + base64.urlsafe_b64encode(url.encode()).decode().rstrip("=")


def _caller(operation: str, params: Mapping[str, Any]) -> Callable[[Any], Any]:
    method = {
        "UpdateClusterVersion": "update_cluster_version",
        "UpdateClusterConfig": "update_cluster_config",
        "AssociateEncryptionConfig": "associate_encryption_config",
    }[operation]
    return lambda eks: getattr(eks, method)(**params)


def _access(cluster: Cluster) -> dict[str, Any]:
    """The private endpoint is always on: nodes reach the control plane through it."""
    config: dict[str, Any] = {"endpointPublicAccess": cluster.public_endpoint, "endpointPrivateAccess": True}
    if cluster.public_endpoint:
        config["publicAccessCidrs"] = sorted(cluster.public_access_cidrs) or list(_ANYWHERE)
    return config


def _encryption(key_arn: str) -> list[dict[str, Any]]:
    return [{"resources": ["secrets"], "provider": {"keyArn": key_arn}}]


def _logging(audit: bool) -> dict[str, Any]:
    return {"clusterLogging": [{"types": [_AUDIT], "enabled": audit}]}


def _enabled_logs(row: Mapping[str, Any]) -> set[str]:
    setups = (row.get("logging") or {}).get("clusterLogging") or ()
    return {kind for setup in setups if setup.get("enabled") for kind in setup.get("types") or ()}


def _minor(version: str) -> int:
    return int(version.partition(".")[2] or 0)


def _check_upgrade(address: Address, before: str, desired: str) -> None:
    if _minor(desired) != _minor(before) + 1:
        raise InvalidRequest(
            f"{address}: EKS goes from {before} to {desired} one minor version at a time",
            address=str(address),
            mend=f"set version 1.{_minor(before) + 1} first",
        )
