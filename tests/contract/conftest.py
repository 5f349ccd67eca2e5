"""One sandbox with all clouds, and per cloud the little that a test of the contract has to know about it.

The tests say `site` and mean a cloud's account and region with a fleet of its own; they run once per row of CLOUDS.
What a fourth cloud needs here is one row and one stranger: see docs/checklists/new-provider.md.
"""

from __future__ import annotations

import json
import runpy
import ssl
import sys
import time
import urllib.request
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from itertools import count
from pathlib import Path
from typing import Any

import pytest

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
from sandbox.threaded import Running, shared
from tools.conformance.called import Sent, in_table, recording

KINDS = (Kind.NETWORK, Kind.SUBNET, Kind.FIREWALL_GROUP, Kind.CLUSTER, Kind.NODE_POOL, Kind.INSTANCE)
USER_DATA = """#cloud-config
runcmd:
  - [podman, run, --detach, --publish, "8080:8080", --label, app.kubernetes.io/name=gate, registry.example/gate:v1]
"""
MESSAGE = "the sandbox was told to say so"

# -- what differs by cloud ---------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Stranger:
    """Somebody who knows nothing of duoyun and changes things with the cloud's own means.

    network(account, region, name): makes one without our tags. open_port(account, region, group's provider id, port):
    lets the world in. actor: what the audit log says of them, at least this text.
    """

    network: Callable[[Account, str, str], None]
    open_port: Callable[[Account, str, str, int], None]
    actor: Callable[[Account], str]


@dataclass(frozen=True)
class Cloud:
    """creates: the fault table's operation that makes a kind. refusals: how this cloud says it, (status, code)."""

    name: str
    partition: str
    region: str
    zones: tuple[str, str]
    instance_type: str
    larger_type: str
    creates: Mapping[Kind, str]
    throttled: tuple[int, str]
    stumbles: tuple[int, str]
    quota: tuple[int, str]
    stranger: Stranger
    access_lists: bool = True
    """Whether a cluster's public endpoint can be limited to some addresses by this adapter."""
    subnet_tags: bool = True
    """Whether subnets have tags; else theirs are those of their network."""
    options: Mapping[str, Any] = field(default_factory=dict)
    """Options of the account that let the adapter wait less, as the sandbox shows at once what was made."""


def _aws(account: Account, region: str) -> Any:
    import boto3

    return boto3.client(
        "ec2", region_name=region, endpoint_url=account.endpoint,
        aws_access_key_id=account.secrets["key_id"], aws_secret_access_key=account.secrets["secret"],
    )  # fmt: skip


def _aws_network(account: Account, region: str, name: str) -> None:
    tags = [{"ResourceType": "vpc", "Tags": [{"Key": "Name", "Value": name}]}]
    _aws(account, region).create_vpc(CidrBlock="10.77.0.0/16", TagSpecifications=tags)


def _aws_open(account: Account, region: str, group: str, port: int) -> None:
    _aws(account, region).authorize_security_group_ingress(
        GroupId=group, IpProtocol="tcp", FromPort=port, ToPort=port, CidrIp="0.0.0.0/0"
    )


def _azure(account: Account, path: str, body: Mapping[str, Any]) -> None:
    request = urllib.request.Request(
        f"{account.endpoint}{path}?api-version=2024-05-01",
        method="PUT",
        data=json.dumps(body).encode(),
        headers={"Authorization": f"Bearer {account.secrets['secret']}~mallory", "Content-Type": "application/json"},
    )
    with urllib.request.urlopen(request, timeout=10) as answer:
        answer.read()


def _azure_network(account: Account, region: str, name: str) -> None:
    group = f"/subscriptions/{account.account_id}/resourceGroups/theirs"
    _azure(account, group, {"location": region})
    body = {"location": region, "properties": {"addressSpace": {"addressPrefixes": ["10.77.0.0/16"]}}}
    _azure(account, f"{group}/providers/Microsoft.Network/virtualNetworks/{name}", body)


def _azure_open(account: Account, _region: str, group: str, port: int) -> None:
    rule = {
        "protocol": "Tcp", "access": "Allow", "direction": "Inbound", "priority": 4000, "sourcePortRange": "*",
        "sourceAddressPrefix": "0.0.0.0/0", "destinationAddressPrefix": "*", "destinationPortRange": str(port),
    }  # fmt: skip
    _azure(account, f"{group}/securityRules/oops", {"properties": rule})


def _alibaba(account: Account, region: str, product: str, version: str, action: str, **params: str) -> None:
    from aliyunsdkcore.client import AcsClient
    from aliyunsdkcore.request import CommonRequest

    request = CommonRequest(product=product, version=version, action_name=action)
    request.set_domain(account.endpoint.removeprefix("http://"))
    request.set_method("POST")
    for name, value in {"RegionId": region, **params}.items():
        request.add_query_param(name, value)
    AcsClient(account.secrets["key_id"], account.secrets["secret"], region).do_action_with_exception(request)


def _alibaba_network(account: Account, region: str, name: str) -> None:
    _alibaba(account, region, "Vpc", "2016-04-28", "CreateVpc", VpcName=name, CidrBlock="10.77.0.0/16")


def _alibaba_open(account: Account, region: str, group: str, port: int) -> None:
    rule = {"SecurityGroupId": group, "IpProtocol": "tcp", "PortRange": f"{port}/{port}", "SourceCidrIp": "0.0.0.0/0"}
    _alibaba(account, region, "Ecs", "2014-05-26", "AuthorizeSecurityGroup", **rule)


CLOUDS = (
    Cloud(
        "aws", "aws-cn", "cn-north-1", ("cn-north-1a", "cn-north-1b"), "m6i.large", "m6i.xlarge",
        creates={
            Kind.NETWORK: "ec2:CreateVpc", Kind.SUBNET: "ec2:CreateSubnet",
            Kind.FIREWALL_GROUP: "ec2:CreateSecurityGroup", Kind.CLUSTER: "eks:CreateCluster",
            Kind.NODE_POOL: "eks:CreateNodegroup", Kind.INSTANCE: "ec2:RunInstances",
        },
        throttled=(503, "RequestLimitExceeded"), stumbles=(500, "InternalError"), quota=(400, "VcpuLimitExceeded"),
        stranger=Stranger(_aws_network, _aws_open, lambda _account: "arn:"),
    ),
    Cloud(
        "azure", "azure-cn", "chinanorth3", ("chinanorth3-1", "chinanorth3-2"), "Standard_D2s_v5", "Standard_D4s_v5",
        creates={
            Kind.NETWORK: "PUT Microsoft.Network/virtualNetworks",
            Kind.SUBNET: "PUT Microsoft.Network/virtualNetworks/subnets",
            Kind.FIREWALL_GROUP: "PUT Microsoft.Network/networkSecurityGroups",
            Kind.CLUSTER: "PUT Microsoft.ContainerService/managedClusters",
            Kind.NODE_POOL: "PUT Microsoft.ContainerService/managedClusters/agentPools",
            Kind.INSTANCE: "PUT Microsoft.Compute/virtualMachines",
        },
        throttled=(429, "TooManyRequests"), stumbles=(500, "InternalServerError"), quota=(409, "QuotaExceeded"),
        stranger=Stranger(_azure_network, _azure_open, lambda _account: "mallory"), subnet_tags=False,
    ),
    Cloud(
        "alibaba", "alibaba-cn", "cn-hangzhou", ("cn-hangzhou-h", "cn-hangzhou-i"), "ecs.g7.large", "ecs.g7.xlarge",
        creates={
            Kind.NETWORK: "vpc:CreateVpc", Kind.SUBNET: "vpc:CreateVSwitch",
            Kind.FIREWALL_GROUP: "ecs:CreateSecurityGroup", Kind.CLUSTER: "cs:CreateCluster",
            Kind.NODE_POOL: "cs:CreateClusterNodePool", Kind.INSTANCE: "ecs:RunInstances",
        },
        throttled=(400, "Throttling.User"), stumbles=(503, "ServiceUnavailable"),
        quota=(403, "QuotaExceed.ElasticQuota"),
        stranger=Stranger(_alibaba_network, _alibaba_open, lambda account: account.secrets["key_id"]),
        access_lists=False, options={"visible_within_s": 0.2},
    ),
)  # fmt: skip


# -- what is the same everywhere ---------------------------------------------------------------------------------------


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


@pytest.fixture(scope="session")
def sent() -> Iterator[Sent]:
    """What the adapters of this session have sent so far, and its rights have not been looked at yet."""
    with recording() as operations:
        yield operations


@pytest.fixture(scope="session")
def running(sent: Sent) -> Iterator[Running]:
    with shared() as sandbox:
        yield sandbox


@pytest.fixture(autouse=True)
def _least_privilege(sent: Sent) -> Iterator[None]:
    """Whatever a test made an adapter send stands in its cloud's table of permissions."""
    yield
    unknown = sorted(f"{cloud}: {operation}" for cloud, operation in sent if not in_table(cloud, operation))
    sent.clear()
    assert not unknown, f"add to providers/CLOUD/permissions.py: {unknown}"


@pytest.fixture(scope="session")
def sites(running: Running) -> Mapping[str, Site]:
    return {cloud.name: Site(cloud, running, "contract", count(1)) for cloud in CLOUDS}


@pytest.fixture(scope="session")
def fake_site() -> Any:
    path = Path(__file__).with_name("in_memory.py")
    in_memory = runpy.run_path(str(path), run_name="in_memory")
    return in_memory["site"](sys.modules[__name__])


@pytest.fixture(params=[*(cloud.name for cloud in CLOUDS), "fake"])
def site(request: pytest.FixtureRequest) -> Iterator[Site]:
    """A cloud, or providers.fake. Faults that a test puts in are taken out; the sandbox starts for a cloud only."""
    if request.param == "fake":
        found: Site = request.getfixturevalue("fake_site")
    else:
        found = request.getfixturevalue("sites")[request.param]
    found.progress.clear()
    found.base(Kind.NETWORK)
    yield found
    found.running.sandbox.faults.clear()
    found.tidy()


@pytest.fixture(params=KINDS)
def kind(request: pytest.FixtureRequest) -> Kind:
    return Kind(request.param)
