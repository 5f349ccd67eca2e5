"""The protocol that every cloud and every cluster adapter keeps, and the accounts it is opened with.

Callers: orchestrator only. An adapter translates between its SDK and model.resources, maps foreign errors to
model.errors once, and never decides. All methods are synchronous and safe to call from several threads.

Contract (tests/contract runs it over every adapter):
- create is idempotent by `call.key`: repeating it with the same key returns the first call's resource, also when the
  first answer was lost; an own resource of that name that already exists is returned. It returns as soon as the cloud
  has accepted, with state PENDING where it is not usable yet; waiting is `wait_ready`.
- update brings an existing resource to `desired`, touching only fields that differ; fields that the cloud cannot
  change in place make `needs_replace` answer with their names.
- what `desired` refers to by name and is not there (its network, subnet, firewall group or cluster) is InvalidRequest,
  on create and on update: NotFound only ever speaks of the resource that the call itself addresses.
- delete of something that is gone succeeds; DependencyInUse is raised while something uses it.
- every write calls `call.guard()` immediately before each request it sends, and no request outlasts `call.deadline_s`.
- what cannot be reached raises Unreachable; an empty list means "seen, and there is nothing".
"""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol, runtime_checkable

from model.facts.live import ListPrice, Quota, SpotPrice
from model.ports import Guard
from model.resources import Address, AnyResource, Change, Kind, Observed


def _no_guard() -> None:
    """Reads need no lease."""


@dataclass(frozen=True, slots=True)
class Call:
    """Circumstances of one call. deadline_s: monotonic second after which no request may be under way.

    key: idempotency key of a write (Action.id). fleet: value of our ownership tag. cancelled: asked between
    requests and during waits; True stops with Interrupted.
    """

    deadline_s: float = field(default_factory=lambda: time.monotonic() + 60.0)
    key: str = ""
    fleet: str = ""
    guard: Guard = _no_guard
    cancelled: Callable[[], bool] = lambda: False
    progress: Callable[[str], None] = lambda _line: None

    def remaining_s(self) -> float:
        return max(0.0, self.deadline_s - time.monotonic())


@dataclass(frozen=True, slots=True)
class Account:
    """One credential plane. partition: aws, aws-cn, azure, azure-cn, alibaba-cn, alibaba-intl.

    account_id: AWS account id, Azure subscription id, Alibaba account uid. endpoint: base URL that replaces the
    cloud's own (the sandbox, a private endpoint); "" for the cloud's. credential: how to find the secret, by name
    (profile, environment prefix, ...): see docs/credentials.md; `secrets` holds what was resolved from it and is
    never printed or stored.
    """

    name: str
    cloud: str
    partition: str
    account_id: str
    endpoint: str = ""
    proxy_url: str = ""
    ca_bundle: str = ""
    credential: Mapping[str, str] = field(default_factory=dict)
    secrets: Mapping[str, str] = field(default_factory=dict, repr=False)
    options: Mapping[str, Any] = field(default_factory=dict)


OPTIONAL_FIELDS: Mapping[Kind, frozenset[str]] = {
    Kind.CLUSTER: frozenset({"public_access_cidrs"}),
    Kind.INSTANCE_GROUP: frozenset({"load_balancers"}),
    Kind.DISK: frozenset({"attached_to", "key"}),
    Kind.LOAD_BALANCER: frozenset({"deletion_protection", "access_logs", "layer"}),
    Kind.DNS_RECORD: frozenset({"weights"}),
    Kind.REGISTRY: frozenset({"immutable_tags", "scan_on_push", "encrypted", "key", "public"}),
}
"""Fields of the model that not every cloud (or adapter) can set; every other field holds everywhere.

`layer` of a load balancer is asked for where it is 7; layer 4 is everywhere. `weights` of a DNS record are no field of
their own: they are asked for where `DnsRecord.weighted`.
"""


@dataclass(frozen=True, slots=True)
class Capability:
    """What an adapter can do with a kind. What is not listed is refused while planning (orchestrator.abilities).

    verbs: of list, get, create, update, delete, changes; image for registries whose adapter keeps ImageSource. fields:
    those of OPTIONAL_FIELDS that can be set.
    """

    kind: Kind
    verbs: frozenset[str]
    fields: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Identity:
    """Who we are there, as the cloud says."""

    principal: str
    account_id: str


@dataclass(frozen=True, slots=True)
class Rights:
    """Which of the actions that an adapter calls its credentials may do, each named as its cloud's policies name it.

    how: what told, e.g. `iam:SimulatePrincipalPolicy`; "" where nothing could be asked. unknown: what that does not
    tell; note: why.
    """

    how: str
    allowed: tuple[str, ...] = ()
    missing: tuple[str, ...] = ()
    unknown: tuple[str, ...] = ()
    note: str = ""


@dataclass(frozen=True, slots=True)
class ImageFacts:
    """What a registry says of an image. digest: `sha256:...`, of the index where there is one. architectures: as the
    OCI names them (`amd64`, `arm64`); () where the registry does not say. pull_identity: as Registry.pull_identity."""

    digest: str
    architectures: tuple[str, ...] = ()
    pull_identity: str = ""


@dataclass(frozen=True, slots=True)
class ClusterAccess:
    """How to reach a cluster's API without any CLI. token() gives a fresh bearer token (called per session).

    Client certificate and key are PEM texts where the cloud hands those out instead of tokens (AKS, ACK).
    tls_server_name: the name that the server's certificate is for, where it is not the server's own.
    """

    server: str
    ca_pem: str = ""
    token: Callable[[], str] | None = field(default=None, repr=False)
    client_certificate_pem: str = field(default="", repr=False)
    client_key_pem: str = field(default="", repr=False)
    proxy_url: str = ""
    tls_server_name: str = ""


@runtime_checkable
class Provider(Protocol):
    """One account of one cloud, or one cluster."""

    @property
    def account(self) -> Account: ...

    @property
    def capabilities(self) -> tuple[Capability, ...]: ...

    def identity(self, call: Call) -> Identity: ...

    def list(self, kind: Kind, region: str, call: Call, *, fleet: str | None = None) -> Iterator[Observed]:
        """All resources of a kind in a region; only those tagged with that fleet where one is given."""
        ...

    def get(self, address: Address, call: Call) -> Observed:
        """By our tags, else by name where the cloud has names. Raises NotFound."""
        ...

    def create(self, address: Address, desired: AnyResource, call: Call) -> Observed: ...

    def update(self, observed: Observed, desired: AnyResource, call: Call) -> Observed: ...

    def delete(self, observed: Observed, call: Call) -> None:
        """Starts the deletion; `wait_gone` waits for its end."""
        ...

    def needs_replace(self, before: AnyResource, desired: AnyResource) -> tuple[str, ...]:
        """Names of changed fields that cannot change in place; empty where an update will do. Pure."""
        ...

    def wait_ready(self, address: Address, call: Call) -> Observed:
        """Until READY, within the deadline. Raises RolloutFailed with evidence as soon as it cannot succeed."""
        ...

    def wait_gone(self, address: Address, call: Call) -> None:
        """Until nothing of it is left, what was made around it included. Also called where it is gone already."""
        ...

    def changes(self, address: Address, since_s: float, call: Call) -> tuple[Change, ...]:
        """Who changed it since then, newest first; empty where the audit log does not tell."""
        ...


@runtime_checkable
class CloudProvider(Provider, Protocol):
    """A cloud's account: a Provider that also opens its managed clusters and knows its catalogue."""

    def cluster_access(self, observed: Observed, call: Call) -> ClusterAccess:
        """Credentials for a cluster from the cloud's API, without a CLI."""
        ...


@runtime_checkable
class ImageSource(Protocol):
    """An adapter whose registries tell what an image's tag means (verb `image` of its registries' capability)."""

    def image(self, observed: Observed, reference: str, call: Call) -> ImageFacts:
        """observed: a registry; reference: a tag, or `sha256:...`. Raises NotFound where there is no such image."""
        ...


@runtime_checkable
class PriceSource(Protocol):
    """An adapter whose cloud has an API of list prices."""

    def prices(self, region: str, types: Collection[str], call: Call) -> Iterator[ListPrice]:
        """The prices of those machine types that the region sells, page by page; what it does not sell is left out.

        Raises model.errors: Unreachable too where an answer is longer than any price list may be.
        """
        ...


@runtime_checkable
class SpotSource(Protocol):
    """An adapter whose cloud tells what preemptible capacity costs now."""

    def spot_prices(self, region: str, types: Collection[str], call: Call) -> Iterator[SpotPrice]:
        """One price a type, of those machine types that the region sells as spot; what it does not is left out."""
        ...


@runtime_checkable
class OfferSource(Protocol):
    """An adapter whose cloud tells which zones sell a machine type to this account."""

    def zones_selling(self, region: str, types: Collection[str], call: Call) -> Mapping[str, tuple[str, ...]]:
        """Type -> zones, sorted, as sites name them; a type that no zone sells is left out. Says nothing of stock."""
        ...


@runtime_checkable
class QuotaSource(Protocol):
    """An adapter whose cloud tells how many vCPUs an account may have."""

    def quotas(self, region: str, call: Call) -> tuple[Quota, ...]:
        """The quotas of machines in a region, with what is used of them; at most one of Counts.VCPU."""
        ...


@runtime_checkable
class RightsSource(Protocol):
    """An adapter that knows which actions it calls, and can find out which of them its credentials may do."""

    @property
    def actions(self) -> tuple[str, ...]:
        """Every action that the adapter calls, sorted, as the cloud's policies name them."""
        ...

    def rights(self, call: Call) -> Rights:
        """Asks the cloud; changes nothing. What it does not tell is unknown. Raises model.errors."""
        ...

    def policy(self, actions: Iterable[str]) -> Mapping[str, Any]:
        """The document that allows exactly these actions, to paste into that cloud. Pure."""
        ...
