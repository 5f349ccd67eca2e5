"""The normalised resources: what a provider reports, a planner diffs, a policy judges and drift compares.

A resource is a frozen value. `spec` fields are what a user can want; what only the cloud knows lives in `Observed`.
References between resources are logical names within the same region (`network="main"`), never provider ids, so
that the same desired value holds on every cloud. Machines and clusters stand here; networks in model.network, what
traffic comes in by in model.edge, what holds data and rights in model.stores. Callers take all of them from here.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Final, get_args

from model.edge import (
    Certificate,
    DnsRecord,
    HealthCheck,
    Listener,
    LoadBalancer,
    NatGateway,
    PublicIp,
    TrafficWeight,
)
from model.network import Direction, FirewallGroup, FirewallRule, Network, Subnet, Verb
from model.resource_base import (
    UNKNOWN,
    Address,
    Flag,
    Kind,
    Ownership,
    Resource,
    Unknown,
)
from model.stores import (
    AuditTrail,
    Bucket,
    Cache,
    Database,
    Disk,
    Grant,
    Identity,
    Key,
    ManagedService,
    Number,
    Queue,
    Registry,
    Text,
)

__all__ = [
    "FIELD_MANAGER",
    "KINDS",
    "LABEL_APP",
    "LABEL_CAPACITY",
    "LABEL_MANAGED",
    "LABEL_POOL",
    "LABEL_SERVICE",
    "LABEL_SITE",
    "SPOT_TAINT",
    "TAG_FLEET",
    "TAG_KEY",
    "TAG_NAME",
    "UNKNOWN",
    "Address",
    "AnyResource",
    "AuditTrail",
    "Bucket",
    "Cache",
    "Capacity",
    "Certificate",
    "Change",
    "Cluster",
    "Database",
    "Direction",
    "Disk",
    "DnsRecord",
    "FieldDiff",
    "FirewallGroup",
    "FirewallRule",
    "Flag",
    "Grant",
    "HealthCheck",
    "Identity",
    "Instance",
    "InstanceGroup",
    "Key",
    "Kind",
    "KubernetesObject",
    "Listener",
    "LoadBalancer",
    "ManagedService",
    "NatGateway",
    "Network",
    "NodePool",
    "Observed",
    "Ownership",
    "PublicIp",
    "Queue",
    "Registry",
    "Resource",
    "State",
    "Subnet",
    "TrafficWeight",
    "Unknown",
    "Verb",
]


@dataclass(frozen=True, slots=True, kw_only=True)
class Cluster(Resource):
    """Managed Kubernetes control plane: EKS, AKS, ACK. version is `major.minor`.

    audit_logs: the API server's audit log; logs: every log of the control plane that the cloud offers. local_auth:
    accounts of the cluster's own beside the cloud's identities. key: the user's own key for secrets.
    """

    KIND = Kind.CLUSTER
    version: str
    network: str
    subnets: tuple[str, ...]
    firewall_group: str = ""
    public_endpoint: bool = True
    public_access_cidrs: tuple[str, ...] = ()
    secrets_encrypted: bool = False
    audit_logs: bool = True
    logs: Flag = None
    key: Text | None = None
    network_policy: Flag = None
    rbac: Flag = None
    local_auth: Flag = None
    auto_upgrades: Flag = None
    deletion_protection: Flag = None
    threat_detection: Flag = None


class Capacity(StrEnum):
    """How a cloud sells a node pool's machines. SPOT: cheaper, and it may take them back at any time."""

    ON_DEMAND = "on_demand"
    SPOT = "spot"


@dataclass(frozen=True, slots=True, kw_only=True)
class NodePool(Resource):
    """Nodes of one type in one zone. Nodes carry labels and `topology.kubernetes.io/zone`.

    taints: `key=value:Effect`, or `key:Effect` without a value; without those that the cloud puts on such nodes itself.
    """

    KIND = Kind.NODE_POOL
    cluster: str
    zone: str
    subnet: str
    instance_type: str
    count: int
    labels: Mapping[str, str] = field(default_factory=dict)
    capacity: Capacity = Capacity.ON_DEMAND
    taints: tuple[str, ...] = ()
    public_ip: Flag = None
    disk_encrypted: Flag = None
    disk_key: Text | None = None
    auto_repair: Flag = None
    auto_upgrades: Flag = None
    password_login: Flag = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Instance(Resource):
    """One VM that runs one container image (cloud-init, systemd, podman), described by `user_data`.

    machine_image: a role (`debian-12`), resolved by the provider to that region's image id.
    user_data: cloud-config text, not base64. It never holds a secret.
    disk_encrypted: all of its disks are. disk_key and what follows: in the words of model.vocabulary.
    """

    KIND = Kind.INSTANCE
    zone: str
    subnet: str
    firewall_group: str
    instance_type: str
    machine_image: str = "debian-12"
    user_data: str = ""
    disk_gib: int = 20
    disk_encrypted: bool = True
    public_ip: bool = False
    disk_key: Text | None = None
    imds_v2_only: Flag = None
    imds_hop_limit: Number = None
    password_login: Flag = None
    managed_identity: Flag = None
    monitoring: Flag = None
    auto_upgrades: Flag = None
    antimalware: Flag = None
    deletion_protection: Flag = None
    in_backup_plan: Flag = None


@dataclass(frozen=True, slots=True, kw_only=True)
class InstanceGroup(Resource):
    """Equal VMs that the cloud keeps at a count: Auto Scaling group with launch template, VM scale set, ESS group.

    zones and subnets: where its members may be. load_balancers: those whose targets its members are.
    size is what is wanted now; where an autoscaler owns it, the field is delegated between smallest and largest.
    largest 0: no more than size.
    """

    KIND = Kind.INSTANCE_GROUP
    zones: tuple[str, ...]
    subnets: tuple[str, ...]
    firewall_group: str
    instance_type: str
    size: int
    smallest: int = 0
    largest: int = 0
    machine_image: str = "debian-12"
    user_data: str = ""
    disk_gib: int = 20
    disk_encrypted: bool = True
    public_ip: bool = False
    load_balancers: tuple[str, ...] = ()
    disk_key: Text | None = None
    imds_v2_only: Flag = None
    imds_hop_limit: Number = None
    password_login: Flag = None
    managed_identity: Flag = None
    monitoring: Flag = None
    auto_upgrades: Flag = None
    antimalware: Flag = None
    health_check: Flag = None
    propagates_tags: Flag = None
    legacy_template: Flag = None


@dataclass(frozen=True, slots=True, kw_only=True)
class KubernetesObject(Resource):
    """One object of a cluster, as the manifest that we apply (server-side apply, field manager `duoyun`).

    name: see Address. delegated: JSON-pointer-like paths (`spec.replicas`) that another manager owns: shown in a
    diff, never mended.
    """

    KIND = Kind.KUBERNETES_OBJECT
    manifest: Mapping[str, Any]
    delegated: tuple[str, ...] = ()


AnyResource = (
    Network
    | Subnet
    | FirewallGroup
    | Cluster
    | NodePool
    | Instance
    | InstanceGroup
    | Disk
    | LoadBalancer
    | DnsRecord
    | Registry
    | Bucket
    | Key
    | Certificate
    | NatGateway
    | PublicIp
    | Database
    | Cache
    | Queue
    | AuditTrail
    | Identity
    | ManagedService
    | KubernetesObject
)

KINDS: Final[Mapping[Kind, type[Resource]]] = {c.KIND: c for c in get_args(AnyResource)}


class State(StrEnum):
    """Life of a resource as the cloud tells it."""

    PENDING = "pending"
    READY = "ready"
    UPDATING = "updating"
    FAILED = "failed"
    DELETING = "deleting"


@dataclass(frozen=True, slots=True, kw_only=True)
class Observed:
    """A resource as it was seen. provider_id is the cloud's own (sg-0a1b, an ARM id, a uid).

    resource: the normalised value, references turned back into logical names where they carry our tags.
    owner: value of the `duoyun-fleet` tag, or "" for foreign things. detail: one line for a person (why FAILED).
    endpoints: where it answers (`host:port` or URL); private_ip and public_ip for instances.
    raw: what else the provider wants to keep for its own later calls; never a secret.
    """

    address: Address
    resource: AnyResource
    provider_id: str
    state: State = State.READY
    owner: str = ""
    detail: str = ""
    endpoints: tuple[str, ...] = ()
    private_ip: str = ""
    public_ip: str = ""
    raw: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """Who changed a resource, from the cloud's audit log or managedFields. at_s: seconds since the epoch."""

    address: Address
    at_s: float
    actor: str
    operation: str


@dataclass(frozen=True, slots=True)
class FieldDiff:
    """One field that differs. path like `rules[ingress tcp 22-22 0.0.0.0/0]`; None means absent.

    delegated: another manager owns the field; it is shown and left alone.
    """

    path: str
    before: Any
    after: Any
    delegated: bool = False
    actor: str = ""


# Tags by which we know our own. Azure forbids `<>%&\?/` in tag names, Alibaba a leading `acs:` or `aliyun`.
TAG_FLEET: Final = "duoyun-fleet"
TAG_NAME: Final = "duoyun-name"
TAG_KEY: Final = "duoyun-key"
FIELD_MANAGER: Final = "duoyun"
LABEL_APP: Final = "app.kubernetes.io/part-of"
LABEL_SERVICE: Final = "app.kubernetes.io/name"
LABEL_MANAGED: Final = "app.kubernetes.io/managed-by"
LABEL_SITE: Final = "duoyun.dev/site"
LABEL_CAPACITY: Final = "duoyun.dev/capacity"
# On the nodes of our own spot pools, on every cloud, so that only what may be there is there.
SPOT_TAINT: Final = f"{LABEL_CAPACITY}={Capacity.SPOT}:NoSchedule"
LABEL_POOL: Final = "duoyun.dev/pool"  # of nodes: the name of their node pool
