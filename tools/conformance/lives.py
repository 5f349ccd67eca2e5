"""A fleet's whole life on one cloud, through our adapter: every kind is made, read, listed, changed and taken away.

Callers: tests/conformance, page.py. The same steps on every cloud and, for AWS, on plain moto; each step's outcome is
a word or two, so that two lives can be compared. Non-goal: to judge them; that it ends well is the contract suite's.
"""

from __future__ import annotations

import importlib
import ssl
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import httpx

from model.errors import CloudError
from model.resources import (
    Address,
    AnyResource,
    Cluster,
    Direction,
    FirewallGroup,
    FirewallRule,
    Instance,
    InstanceGroup,
    Kind,
    Network,
    NodePool,
    Observed,
    Subnet,
)
from orchestrator.compare import diff_resource
from orchestrator.registry import open_cloud
from providers.base import Account, Call, CloudProvider
from sandbox.threaded import Running
from tools.conformance.more import MADE, Base, Foreign, More, changed, wish
from tools.conformance.walks import AlibabaWalk, AzureWalk, without_roles
from tools.conformance.wire import Recording, recorded

USER_DATA = """#cloud-config
runcmd:
  - [podman, run, --detach, --publish, "8080:8080", registry.example/gate:v1]
"""
ZONE = "life.example"


@dataclass(frozen=True, slots=True)
class Place:
    """Where a life is led. limited: who may reach a cluster's API, () where the adapter cannot say."""

    partition: str
    region: str
    zones: tuple[str, str]
    instance_type: str
    larger_type: str
    limited: tuple[str, ...]


PLACES: Mapping[str, Place] = {
    "aws": Place("aws-cn", "cn-northwest-1", ("cn-northwest-1a", "cn-northwest-1b"), "m6i.large", "m6i.xlarge", ("203.0.113.0/24",)),  # noqa: E501
    "azure": Place("azure-cn", "chinanorth3", ("chinanorth3-1", "chinanorth3-2"), "Standard_D2s_v5", "Standard_D4s_v5", ("203.0.113.0/24",)),  # noqa: E501
    "alibaba": Place("alibaba-cn", "cn-hangzhou", ("cn-hangzhou-h", "cn-hangzhou-i"), "ecs.g7.large", "ecs.g7.xlarge", ()),  # noqa: E501
}  # fmt: skip


def rule(port: int, cidr: str = "0.0.0.0/0", **more: Any) -> FirewallRule:
    values: dict[str, Any] = {"direction": Direction.INGRESS, "protocol": "tcp", "port_from": port, "port_to": port}
    return FirewallRule(**{**values, "cidr": cidr, **more})


@dataclass
class Life:
    """One fleet's life. outcomes: step -> what came of it, in order.

    trail_s: how long the audit log is asked; a cloud without one is given up after that.
    """

    provider: CloudProvider
    place: Place
    fleet: str
    timeout_s: float = 30.0
    trail_s: float = 30.0
    image: str = "debian-12"
    more: More | None = None
    outcomes: dict[str, str] = field(default_factory=dict)
    seen: dict[str, Observed] = field(default_factory=dict)

    def call(self, key: str = "", timeout_s: float | None = None) -> Call:
        left = self.timeout_s if timeout_s is None else timeout_s
        return Call(deadline_s=time.monotonic() + left, key=key, fleet=self.fleet)

    def at(self, resource: AnyResource) -> Address:
        account = self.provider.account
        return Address(account.partition, account.account_id, self.place.region, resource.KIND, resource.name)

    def step(self, name: str, work: Callable[[], str]) -> None:
        """A step that a cloud refuses is an outcome too; the life goes on."""
        try:
            self.outcomes[name] = work()
        except CloudError as exc:
            self.outcomes[name] = f"{type(exc).__name__} {exc.call.code}".strip()

    # -- what is wanted ----------------------------------------------------------------------------------------

    def wishes(self) -> list[AnyResource]:
        """In the order in which they can be made."""
        place = self.place
        subnets = [
            Subnet(name=f"main-{n}", network="main", cidr=f"10.14.{n}.0/24", zone=zone)
            for n, zone in enumerate(place.zones)
        ]
        inside = rule(8080, "10.0.0.0/8", description="inside")
        out = rule(443, direction=Direction.EGRESS)
        return [
            Network(name="main", cidr="10.14.0.0/16", tags={"team": "shop"}),
            *subnets,
            FirewallGroup(name="web", network="main", rules=tuple(sorted((rule(443), inside, out))), description="web"),
            FirewallGroup(name="db", network="main", tags={"team": "shop"}),
            Instance(
                name="gate-0", zone=place.zones[0], subnet="main-0", firewall_group="web", public_ip=True,
                instance_type=place.instance_type, user_data=USER_DATA, disk_gib=40,
                machine_image=self.image, tags={"team": "shop"},
            ),
            Cluster(
                name="life", version="1.34", network="main", subnets=("main-0", "main-1"), firewall_group="web",
                public_access_cidrs=place.limited, tags={"team": "shop"},
            ),
            NodePool(
                name="pool", cluster="life", zone=place.zones[0], subnet="main-0", instance_type=place.larger_type,
                count=1, labels={"duoyun.dev/site": "here"}, tags={"team": "shop"},
            ),
        ]  # fmt: skip

    def further(self) -> list[AnyResource]:
        """Of the kinds that this cloud's adapter has declared, on what wishes() made."""
        if self.more is None:
            return []
        place = self.place
        base = Base(
            network="main", subnets=("main-0", "main-1"), zones=place.zones, firewall_group="web", zone=ZONE,
            instance_type=place.instance_type, instance="gate-0",
        )  # fmt: skip
        kinds = [kind for kind in MADE if kind not in self.more.lacking]
        found = [wish(self.more, kind, f"life-{kind.replace('_', '-')}", 7, base) for kind in kinds]
        return [replace(w, machine_image=self.image) if isinstance(w, InstanceGroup) else w for w in found]

    def changed(self, wanted: AnyResource) -> AnyResource:
        if self.more is not None and wanted.KIND in MADE:
            return changed(self.more, wanted)
        if isinstance(wanted, FirewallGroup) and wanted.rules:
            undescribed = rule(8080, "10.0.0.0/8")
            rules = tuple(sorted((undescribed, rule(8443))))
            return replace(wanted, rules=rules, description="front", tags={"team": "pay"})
        if isinstance(wanted, Cluster):
            more: dict[str, Any] = {"audit_logs": False, "public_access_cidrs": (), "firewall_group": "db"}
            return replace(wanted, version="1.35", tags={"team": "pay"}, **more)
        if isinstance(wanted, NodePool):
            return replace(wanted, count=2, labels={"duoyun.dev/site": "there"}, tags={"team": "pay"})
        if isinstance(wanted, Instance):
            return replace(wanted, firewall_group="db", tags={"team": "pay"})
        return replace(wanted, tags={"team": "pay"})

    # -- the life ----------------------------------------------------------------------------------------------

    def lead(self) -> dict[str, str]:
        """From nothing to nothing. Returns the outcomes."""
        provider = self.provider
        self.step("who we are", lambda: provider.identity(self.call()).account_id)
        if self.more is not None and self.more.dns_zone is not None:
            self.more.dns_zone(provider.account, self.place.region, ZONE)
        every = [*self.wishes(), *self.further()]
        for wanted in every:
            self.step(f"create {wanted.KIND} {wanted.name}", lambda w=wanted: self._create(w))  # type: ignore[misc]
        for wanted in every:
            self.step(f"list {wanted.KIND} {wanted.name}", lambda w=wanted: self._list(w))  # type: ignore[misc]
        self.step("reach cluster life", self._reach)
        for wanted in every:
            self.step(f"update {wanted.KIND} {wanted.name}", lambda w=wanted: self._update(w))  # type: ignore[misc]
        for wanted in every:
            name = f"changes {wanted.KIND} {wanted.name}"
            self.step(name, lambda w=wanted: self._changes(w))  # type: ignore[misc]
            if "told" not in self.outcomes[name]:
                break  # where one cannot be told, waiting for the others tells nothing more
        for wanted in reversed(every):
            self.step(f"delete {wanted.KIND} {wanted.name}", lambda w=wanted: self._delete(w))  # type: ignore[misc]
        for kind, stranger in (self.more.strangers if self.more is not None else {}).items():
            self.step(f"read {kind}", lambda k=kind, s=stranger: self._read(k, s))  # type: ignore[misc]
        return self.outcomes

    def _read(self, kind: Kind, stranger: Foreign) -> str:
        """What a stranger made, as our adapter shows it."""
        account, region = self.provider.account, self.place.region
        name = f"life-{kind.replace('_', '-')}"
        expected = dict(stranger(account, region, name))
        shown = expected.pop("name", name)
        (seen,) = (o for o in self.provider.list(kind, region, self.call()) if o.resource.name == shown)
        unlike = sorted(f for f, value in expected.items() if getattr(seen.resource, f) != value)
        return f"{seen.state}, but not {', '.join(unlike)}" if unlike else str(seen.state)

    def _create(self, wanted: AnyResource) -> str:
        at = self.at(wanted)
        made = self.provider.create(at, wanted, self.call(f"{self.fleet}-{wanted.KIND}-{wanted.name}"))
        ready = self.provider.wait_ready(at, self.call())
        self.seen[str(at)] = ready
        return f"{made.state} then {ready.state}{self._unlike(ready, wanted)}"

    def _unlike(self, seen: Observed, wanted: AnyResource) -> str:
        """What a plan would still change."""
        found = sorted({d.path for d in diff_resource(seen, wanted, wanted)})
        return f", but not {', '.join(found)}" if found else ""

    def _list(self, wanted: AnyResource) -> str:
        rows = self.provider.list(wanted.KIND, self.place.region, self.call(), fleet=self.fleet)
        found = [o for o in rows if o.address == self.at(wanted)]
        return f"{len(found)}{''.join(self._unlike(o, wanted) for o in found)}"

    def _reach(self) -> str:
        cluster = next(w for w in self.wishes() if isinstance(w, Cluster))
        seen = self.provider.get(self.at(cluster), self.call())
        access = self.provider.cluster_access(seen, self.call())
        if "://127." not in access.server or access.token is None:
            return "an address that does not exist"
        trust = ssl.create_default_context(cadata=access.ca_pem or None)
        with httpx.Client(verify=trust, trust_env=False, timeout=10.0) as client:
            answer = client.get(
                f"{access.server}/api/v1/nodes", headers={"Authorization": f"Bearer {access.token()}"}
            ).raise_for_status()
        nodes = answer.json()["items"]
        return f"{sum(n['metadata']['labels'].get('duoyun.dev/site') == 'here' for n in nodes)} node of ours"

    def _update(self, wanted: AnyResource) -> str:
        at, other = self.at(wanted), self.changed(wanted)
        self.provider.update(self.provider.get(at, self.call()), other, self.call(f"{self.fleet}-update-{wanted.name}"))
        ready = self.provider.wait_ready(at, self.call())
        return f"{ready.state}{self._unlike(ready, other)}"

    def _changes(self, wanted: AnyResource) -> str:
        found = self.provider.changes(self.at(wanted), time.time() - 3600.0, self.call(timeout_s=self.trail_s))
        return "told" if found else "nothing told"

    def _delete(self, wanted: AnyResource) -> str:
        self.provider.delete(self.provider.get(self.at(wanted), self.call()), self.call())
        self.provider.wait_gone(self.at(wanted), self.call())
        return "gone"


def more_of(cloud: str) -> More:
    """What the further kinds need to know of a cloud."""
    found: More = importlib.import_module(f"tools.conformance.strangers.{cloud}").MORE
    return found


def account_on(cloud: str, row: Mapping[str, Any], endpoint: str, **more: Any) -> Account:
    """row: of endpoints.json; more: further options of the account."""
    options = {**({"visible_within_s": 0.2} if cloud == "alibaba" else {}), **more}
    return Account(
        name=f"{cloud}-main", cloud=cloud, partition=row["partition"], account_id=row["account_id"], endpoint=endpoint,
        secrets={"key_id": row["key_id"], "secret": row["secret"]}, options=options,
    )  # fmt: skip


def _alibaba_walk(account: Account) -> None:
    from tools.conformance.alibaba_walk import FurtherWalk

    FurtherWalk(account).walk()


FURTHER_WALKS: Mapping[str, Callable[[Account], None]] = {"alibaba": _alibaba_walk}
"""What a stranger does with the further kinds, once the life of them has ended."""

IN_ONE_LIFE = frozenset({"aws"})
"""Clouds whose further kinds are part of the one life; the others' judges look at lives of their own for them."""


class Lives:
    """One life a cloud in a running sandbox, led and recorded when it is first asked for."""

    def __init__(self, running: Running) -> None:
        self.running = running
        self._led: dict[str, tuple[Recording, Mapping[str, str]]] = {}
        self._walked: dict[str, Recording] = {}
        self._further: dict[str, tuple[Recording, Mapping[str, str]]] = {}

    def of(self, cloud: str) -> tuple[Recording, Mapping[str, str]]:
        """What went over the wire, and what came of each step."""
        if cloud not in self._led:
            place = PLACES[cloud]
            if cloud == "aws":
                without_roles(self.running.endpoints["clouds"][cloud]["url"], self.running.account(place.partition))
            with recorded(self.running.endpoints["clouds"][cloud]["url"]) as recording:
                account = account_on(cloud, self.running.account(place.partition), recording.url)
                more = more_of(cloud) if cloud in IN_ONE_LIFE else None
                outcomes = Life(open_cloud(account), place, "conformance", more=more).lead()
            self._led[cloud] = (recording, outcomes)
        return self._led[cloud]

    def further(self, cloud: str) -> tuple[Recording, Mapping[str, str]]:
        """The same of the further kinds, and what a stranger does with them."""
        if cloud not in self._further:
            from tools.conformance.further import FurtherLife, more_of

            place = PLACES[cloud]
            with recorded(self.running.endpoints["clouds"][cloud]["url"]) as recording:
                account = account_on(cloud, self.running.account(place.partition), recording.url)
                life = Life(open_cloud(account), place, "further")
                outcomes = FurtherLife(life, account, more_of(cloud)).lead()
                walk = FURTHER_WALKS.get(cloud)
                if walk is not None:
                    walk(account)
            self._further[cloud] = (recording, outcomes)
        return self._further[cloud]

    def walked(self, cloud: str) -> Recording:
        """A stranger's walk; empty where the adapter's life is all that is looked at."""
        if cloud not in self._walked:
            with recorded(self.running.endpoints["clouds"][cloud]["url"]) as recording:
                walks: Mapping[str, Any] = {"azure": AzureWalk, "alibaba": AlibabaWalk}
                walk = walks.get(cloud)
                if walk is not None:
                    walk(recording.url, self.running.account(PLACES[cloud].partition)).walk()
            self._walked[cloud] = recording
        return self._walked[cloud]
