"""A region of a cloud's account with a fleet there, as the contract's tests see it: the same for every cloud."""

from __future__ import annotations

import json
import ssl
import time
import urllib.request
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from typing import Any

from model.resources import (
    Address,
    AnyResource,
    Cluster,
    Direction,
    FirewallGroup,
    FirewallRule,
    Instance,
    Kind,
    Network,
    NodePool,
    Observed,
    State,
    Subnet,
)
from orchestrator.registry import open_cloud
from providers.base import Account, Call, CloudProvider
from sandbox.threaded import Running
from tests.contract.clouds import Cloud

USER_DATA = """#cloud-config
runcmd:
  - [podman, run, --detach, --publish, "8080:8080", --label, app.kubernetes.io/name=gate, registry.example/gate:v1]
"""


def rule(port: int, cidr: str = "0.0.0.0/0", **more: Any) -> FirewallRule:
    values: dict[str, Any] = {"direction": Direction.INGRESS, "protocol": "tcp", "port_from": port, "port_to": port}
    return FirewallRule(**{**values, "cidr": cidr, **more})


@dataclass
class Site:
    """A region of a cloud's account, a fleet there, and desired values of every kind. Names are never used twice."""

    cloud: Cloud
    running: Running
    fleet: str
    numbers: Iterator[int]
    progress: list[str] = field(default_factory=list)
    standing: dict[Kind, tuple[AnyResource, Observed]] = field(default_factory=dict)
    zoned: int = 0
    wished: set[Kind] = field(default_factory=set)
    opener: Callable[[Account], CloudProvider] = open_cloud

    def __post_init__(self) -> None:
        self.account = self.account_with()
        self.provider = self.opener(self.account)

    # -- accounts and calls ----------------------------------------------------------------------------------------

    def account_with(self, *, reader: bool = False, **changes: Any) -> Account:
        row = self.running.account(self.cloud.partition)
        pair = (row["reader_key_id"], row["reader_secret"]) if reader else (row["key_id"], row["secret"])
        values: dict[str, Any] = {
            "name": f"{self.cloud.name}-main", "cloud": self.cloud.name, "partition": self.cloud.partition,
            "account_id": row["account_id"], "endpoint": self.running.endpoints["clouds"][self.cloud.name]["url"],
            "secrets": {"key_id": pair[0], "secret": pair[1]}, "options": self.cloud.options,
        }  # fmt: skip
        return Account(**{**values, **changes})

    def open(self, **kwargs: Any) -> CloudProvider:
        """Another adapter, as another process would have it."""
        return self.opener(self.account_with(**kwargs))

    def call(self, key: str = "", timeout_s: float = 30.0, **more: Any) -> Call:
        values: dict[str, Any] = {"fleet": self.fleet, "progress": self.progress.append}
        return Call(deadline_s=time.monotonic() + timeout_s, key=key, **{**values, **more})

    def at(self, resource: AnyResource) -> Address:
        where = self.cloud
        return Address(where.partition, self.account.account_id, where.region, resource.KIND, resource.name)

    # -- desired values --------------------------------------------------------------------------------------------

    def wish(self, kind: Kind, **changes: Any) -> AnyResource:
        """A new desired value; what it refers to is made first, once per site."""
        number = next(self.numbers)
        self.wished.add(kind)
        name = f"{kind.replace('_', '-')}-{number}"
        return replace(getattr(self, f"_{kind}")(name, number), **changes)

    def _network(self, name: str, _number: int) -> Network:
        return Network(name=name, cidr="10.30.0.0/16", tags={"team": "shop"})

    def _subnet(self, name: str, number: int) -> Subnet:
        cidr = f"10.40.{number}.0/24"
        network, zone = self.base(Kind.NETWORK), self.cloud.zones[0]
        return Subnet(name=name, network=network, cidr=cidr, zone=zone, tags={"team": "shop"})

    def _firewall_group(self, name: str, _number: int) -> FirewallGroup:
        rules = (rule(443), rule(8080, "10.0.0.0/8", description="inside"), rule(53, protocol="udp"))
        return FirewallGroup(
            name=name, network=self.base(Kind.NETWORK), rules=tuple(sorted(rules)), tags={"team": "shop"}
        )

    def _cluster(self, name: str, _number: int) -> Cluster:
        return Cluster(
            name=name, version="1.34", network=self.base(Kind.NETWORK), subnets=self.subnets(),
            public_access_cidrs=self._who_may("203.0.113.0/24"), tags={"team": "shop"},
        )  # fmt: skip

    def _who_may(self, cidr: str) -> tuple[str, ...]:
        return (cidr,) if self.cloud.access_lists else ()

    def _node_pool(self, name: str, _number: int) -> NodePool:
        return NodePool(
            name=name, cluster=self.base(Kind.CLUSTER), zone=self.cloud.zones[0], subnet=self.subnets()[0],
            instance_type=self.cloud.larger_type, count=1, labels={"duoyun.dev/site": "here"},
        )  # fmt: skip

    def _instance(self, name: str, _number: int) -> Instance:
        return Instance(
            name=name, zone=self.cloud.zones[0], subnet=self.subnets()[0],
            firewall_group=self.base(Kind.FIREWALL_GROUP), instance_type=self.cloud.instance_type,
            user_data=USER_DATA, disk_gib=40, tags={"team": "shop"},
        )  # fmt: skip

    def base(self, kind: Kind) -> str:
        """Name of the standing resource that others refer to."""
        return self.stands(kind)[1].address.name

    def stands(self, kind: Kind) -> tuple[AnyResource, Observed]:
        """A resource of that kind that is made once and that no test changes: (as wanted, as seen)."""
        if kind not in self.standing:
            wanted = self.wish(kind, cidr="10.40.0.0/16") if kind is Kind.NETWORK else self.wish(kind)
            self.standing[kind] = (wanted, self.make(wanted))
        return self.standing[kind]

    def subnets(self) -> tuple[str, ...]:
        """Names of one standing subnet per zone."""
        for number, zone in enumerate(self.cloud.zones[self.zoned :]):
            network = self.base(Kind.NETWORK)
            self.make(Subnet(name=f"base-{number}", network=network, cidr=f"10.40.{250 + number}.0/24", zone=zone))
            self.zoned += 1
        return tuple(f"base-{number}" for number in range(self.zoned))

    def changed(self, wanted: AnyResource) -> AnyResource:
        """The same with something else that every cloud can change in place."""
        if isinstance(wanted, FirewallGroup):
            kept = [r for r in wanted.rules if r.port_from != 443]
            return replace(wanted, rules=tuple(sorted([*kept, rule(8443, "192.0.2.0/24")])), tags={"team": "pay"})
        if isinstance(wanted, Cluster):
            who = self._who_may("198.51.100.0/24")
            return replace(wanted, public_access_cidrs=who, version="1.35", tags={"team": "pay"})
        if isinstance(wanted, NodePool):
            return replace(wanted, count=2, labels={"duoyun.dev/site": "there"})
        if isinstance(wanted, Instance):
            return replace(wanted, firewall_group=self.make(self.wish(Kind.FIREWALL_GROUP)).address.name)
        if isinstance(wanted, Subnet) and not self.cloud.subnet_tags:
            return wanted
        return replace(wanted, tags={"team": "pay"})

    # -- doing -----------------------------------------------------------------------------------------------------

    def make(self, wanted: AnyResource) -> Observed:
        """Created and ready."""
        at = self.at(wanted)
        self.provider.create(at, wanted, self.call(f"make-{wanted.KIND}-{wanted.name}"))
        return self.provider.wait_ready(at, self.call())

    def names(self, kind: Kind, provider: CloudProvider | None = None) -> list[str]:
        found = (provider or self.provider).list(kind, self.cloud.region, self.call(), fleet=self.fleet)
        return sorted(o.address.name for o in found)

    def fault(self, operation: str, **values: Any) -> None:
        self.running.sandbox.faults.add({"service": self.cloud.name, "operation": operation, **values})

    def fired(self) -> int:
        return len(self.running.sandbox.faults.log())

    def inventory(self) -> list[dict[str, Any]]:
        """What really exists, as the sandbox says it, not the adapter."""
        url, token = (self.running.endpoints["control"][k] for k in ("url", "token"))
        request = urllib.request.Request(f"{url}/inventory", headers={"Authorization": f"Bearer {token}"})
        with urllib.request.urlopen(request, timeout=10) as answer:
            rows: list[dict[str, Any]] = json.load(answer)["clouds"][self.cloud.name]
        return rows

    def new_since(self, before: list[dict[str, Any]]) -> Counter[str]:
        """How many things of each of the cloud's own types are there now that were not in an earlier inventory."""
        known = {row["id"] for row in before}
        return Counter(str(row["kind"]) for row in self.inventory() if row["id"] not in known)

    def tidy(self) -> None:
        """Clusters that a test left go: every further one makes each look at node pools dearer."""
        if Kind.CLUSTER in self.wished:
            kept = self.standing.get(Kind.CLUSTER)
            for left in self.provider.list(Kind.CLUSTER, self.cloud.region, self.call(), fleet=self.fleet):
                if (kept is None or left.address != kept[1].address) and left.state is not State.DELETING:
                    self.provider.wait_ready(left.address, self.call())
                    self.provider.delete(left, self.call())
        self.wished.clear()

    def nodes(self, cluster: Observed) -> list[dict[str, Any]]:
        """What the cluster's own API says of its nodes, with the access that the cloud gives."""
        access = self.provider.cluster_access(cluster, self.call())
        assert access.token is not None
        request = urllib.request.Request(
            f"{access.server}/api/v1/nodes", headers={"Authorization": f"Bearer {access.token()}"}
        )
        trust = ssl.create_default_context(cadata=access.ca_pem)
        with urllib.request.urlopen(request, timeout=10, context=trust) as answer:
            found: list[dict[str, Any]] = json.load(answer)["items"]
        return found

    @staticmethod
    def http_status(url: str) -> int:
        with urllib.request.urlopen(url, timeout=10) as answer:
            return int(answer.status)
