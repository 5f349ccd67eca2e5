"""What all normalised resources have in common: kinds, addresses, ownership, and the value that is not known yet.

Callers: model.resources and the modules with its kinds; everybody else takes these names from model.resources.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum, StrEnum
from typing import ClassVar, Final


class Unknown(Enum):
    """The value of something a document does not say yet (known after apply). Neither pass nor fail."""

    UNKNOWN = "unknown"

    def __repr__(self) -> str:
        return "UNKNOWN"


UNKNOWN: Final = Unknown.UNKNOWN

Flag = bool | Unknown | None
"""Yes, no, known only after apply, or None: nobody says, and the cloud does not show it."""


class Ownership(StrEnum):
    """reference: read, never written. adopt: ours from now on. own: created by us, and ours to destroy."""

    REFERENCE = "reference"
    ADOPT = "adopt"
    OWN = "own"


class Kind(StrEnum):
    NETWORK = "network"
    SUBNET = "subnet"
    FIREWALL_GROUP = "firewall_group"
    CLUSTER = "cluster"
    NODE_POOL = "node_pool"
    INSTANCE = "instance"
    INSTANCE_GROUP = "instance_group"
    DISK = "disk"
    LOAD_BALANCER = "load_balancer"
    DNS_RECORD = "dns_record"
    REGISTRY = "registry"
    BUCKET = "bucket"
    KEY = "key"
    CERTIFICATE = "certificate"
    NAT_GATEWAY = "nat_gateway"
    PUBLIC_IP = "public_ip"
    DATABASE = "database"
    CACHE = "cache"
    QUEUE = "queue"
    AUDIT_TRAIL = "audit_trail"
    IDENTITY = "identity"
    MANAGED_SERVICE = "managed_service"
    KUBERNETES_OBJECT = "kubernetes_object"


@dataclass(frozen=True, slots=True, order=True)
class Address:
    """partition/account/region/kind/name, e.g. `aws-cn/222222222222/cn-north-1/firewall_group/web`.

    For KUBERNETES_OBJECT the name is `cluster/namespace/ApiKind/object`, e.g. `main/shop/Deployment/web`
    (namespace `-` where the object has none).
    """

    partition: str
    account: str
    region: str
    kind: Kind
    name: str

    def __str__(self) -> str:
        return f"{self.partition}/{self.account}/{self.region}/{self.kind}/{self.name}"

    @classmethod
    def parse(cls, text: str) -> Address:
        """Inverse of str(). ValueError where the text is no address."""
        parts = text.split("/", 4)
        if len(parts) != 5 or not all(parts):
            raise ValueError(f"{text!r} is no address; it reads partition/account/region/kind/name")
        return cls(parts[0], parts[1], parts[2], Kind(parts[3]), parts[4])


@dataclass(frozen=True, slots=True, kw_only=True)
class Resource:
    """Base of all kinds. name is the logical name, unique per partition, account, region and kind."""

    KIND: ClassVar[Kind]
    name: str
    tags: Mapping[str, str] = field(default_factory=dict)
