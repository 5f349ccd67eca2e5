"""What exists in the sandbox's Alibaba Cloud: records per account, their ids, and what runs in the background.

Callers: the action modules beside this file. Records are plain data (strings, numbers, lists, dicts), so that a
snapshot is `asdict` and a restore the constructor. Not here: the wire, and the rules of the single actions.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable, Coroutine, Iterator
from dataclasses import asdict, dataclass, field
from typing import Any

from model.rng import stream
from sandbox.alibaba.keys import Assumptions
from sandbox.alibaba.things import Thing
from sandbox.alibaba.wire import ApiError, Params
from sandbox.world import Container, SandboxAccount, World

log = logging.getLogger(__name__)
_ALPHABET = "abcdefghijklmnopqrstuvwxyz0123456789"
EVENT_LIMIT = 20_000
TAG_GROUP = "acs:autoscaling:scalingGroupId"  # which ESS puts on its instances
TAG_FLEET = "duoyun-fleet"  # by which an inventory tells whose a thing is


@dataclass(slots=True)
class Vpc:
    id: str
    region: str
    name: str
    cidr: str
    description: str
    tags: dict[str, str]
    created_s: float
    ready_s: float

    @property
    def status(self) -> str:
        return "Available" if time.time() >= self.ready_s else "Pending"


@dataclass(slots=True)
class VSwitch:
    id: str
    region: str
    zone: str
    vpc: str
    name: str
    cidr: str
    description: str
    tags: dict[str, str]
    created_s: float
    ready_s: float

    @property
    def status(self) -> str:
        return "Available" if time.time() >= self.ready_s else "Pending"


@dataclass(slots=True)
class Rule:
    """One rule of a security group, with the values as the API shows them."""

    id: str
    direction: str
    protocol: str
    port_range: str
    policy: str
    priority: int
    cidr: str = ""
    ipv6_cidr: str = ""
    group: str = ""
    prefix_list: str = ""
    description: str = ""
    created_s: float = 0.0

    @property
    def key(self) -> tuple[Any, ...]:
        """What makes two rules one: all but id, description and time."""
        peers = (self.cidr, self.ipv6_cidr, self.group, self.prefix_list)
        return (self.direction, self.protocol, self.port_range, self.policy, self.priority, *peers)


@dataclass(slots=True)
class Group:
    id: str
    region: str
    vpc: str
    name: str
    description: str
    tags: dict[str, str]
    created_s: float
    kind: str = "normal"
    rules: list[Rule] = field(default_factory=list)


@dataclass(slots=True)
class Machine:
    """An ECS instance; a worker node where pool is set. user_data is base64, as it was sent."""

    id: str
    region: str
    zone: str
    name: str
    type: str
    image: str
    vpc: str
    vswitch: str
    groups: list[str]
    tags: dict[str, str]
    created_s: float
    status: str = "Pending"
    private_ip: str = ""
    public_ip: str = ""
    wants_public_ip: bool = False
    user_data: str = ""
    disk_id: str = ""
    disk_gib: int = 40
    disk_category: str = "cloud_essd"
    disk_encrypted: bool = False
    host_name: str = ""
    description: str = ""
    deletion_protection: bool = False
    cluster: str = ""
    pool: str = ""
    spot_strategy: str = "NoSpot"


@dataclass(slots=True)
class AckCluster:
    """A managed cluster. state: initial, running, updating, deleting, failed."""

    id: str
    region: str
    name: str
    version: str
    spec: str
    vpc: str
    vswitches: list[str]
    group: str
    own_group: bool
    public_access: bool
    audit: bool
    kms_key: str
    deletion_protection: bool
    container_cidr: str
    service_cidr: str
    tags: dict[str, str]
    created_s: float
    updated_s: float
    state: str = "initial"
    spot_strategy: str = "NoSpot"


@dataclass(slots=True)
class Pool:
    """A node pool. state: initial, active, scaling, updating, deleting."""

    id: str
    cluster: str
    region: str
    name: str
    vswitches: list[str]
    types: list[str]
    desired: int
    labels: dict[str, str]
    taints: list[dict[str, str]]
    tags: dict[str, str]
    disk_gib: int
    disk_encrypted: bool
    created_s: float
    updated_s: float
    state: str = "initial"
    spot_strategy: str = "NoSpot"


@dataclass(slots=True)
class Token:
    """A client token that was used: what was asked with it and what was answered."""

    fingerprint: str
    answer: dict[str, Any]
    at_s: float


@dataclass
class Estate:
    """All of one account. things: "kind/id" -> what the newer services keep. tokens: "service:action:region:token" ->
    Token. events: newest last."""

    vpcs: dict[str, Vpc] = field(default_factory=dict)
    vswitches: dict[str, VSwitch] = field(default_factory=dict)
    groups: dict[str, Group] = field(default_factory=dict)
    machines: dict[str, Machine] = field(default_factory=dict)
    clusters: dict[str, AckCluster] = field(default_factory=dict)
    pools: dict[str, Pool] = field(default_factory=dict)
    things: dict[str, Thing] = field(default_factory=dict)
    tokens: dict[str, Token] = field(default_factory=dict)
    events: list[dict[str, Any]] = field(default_factory=list)

    def there(self) -> list[Thing]:
        """Things of the inventory."""
        now = time.time()
        return [t for t in self.things.values() if not t.kind.startswith("_") and not (t.leaving and now >= t.gone_s)]

    def pools_of(self, cluster_id: str) -> list[Pool]:
        return [p for p in self.pools.values() if p.cluster == cluster_id]

    def machines_of(self, pool_id: str) -> list[Machine]:
        return [m for m in self.machines.values() if m.pool == pool_id]

    def to_dict(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def from_dict(cls, data: dict[str, Any]) -> Estate:
        def groups(row: dict[str, Any]) -> Group:
            return Group(**{**row, "rules": [Rule(**rule) for rule in row["rules"]]})

        return cls(
            vpcs={k: Vpc(**v) for k, v in data["vpcs"].items()},
            vswitches={k: VSwitch(**v) for k, v in data["vswitches"].items()},
            groups={k: groups(v) for k, v in data["groups"].items()},
            machines={k: Machine(**v) for k, v in data["machines"].items()},
            clusters={k: AckCluster(**v) for k, v in data["clusters"].items()},
            pools={k: Pool(**v) for k, v in data["pools"].items()},
            things={k: Thing(**v) for k, v in data.get("things", {}).items()},
            tokens={k: Token(**v) for k, v in data["tokens"].items()},
            events=list(data["events"]),
        )


@dataclass(frozen=True, slots=True)
class Caller:
    """Who signed the request. role: `name/session` of an assumed role, else ""."""

    account: SandboxAccount
    key_id: str
    reader: bool
    role: str = ""


@dataclass
class Ctx:
    """One request on its way through an action. touched: (resource type, id) pairs for the audit log."""

    cloud: Cloud
    estate: Estate
    caller: Caller
    region: str
    params: Params
    body: dict[str, Any] = field(default_factory=dict)
    path: dict[str, str] = field(default_factory=dict)
    touched: list[tuple[str, str]] = field(default_factory=list)


class Cloud:
    """All estates, the ids, and the background work. Only used on the world's loop."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.estates: dict[str, Estate] = {
            a.account_id: Estate() for a in world.accounts if a.partition.startswith("alibaba-")
        }
        self.containers: dict[str, Container] = {}
        self.busy: set[str] = set()  # node pools whose worker runs
        self.assumed = Assumptions()
        self._rng = stream(world.seed, "alibaba", "ids")
        self._used: set[str] = set()
        self._tasks: set[asyncio.Task[None]] = set()

    def new_id(self, prefix: str, length: int = 20, alphabet: str = _ALPHABET) -> str:
        """An id that was never given out here: repeatable for a seed, also unique after a restore."""
        while True:
            value = prefix + "".join(self._rng.choices(alphabet, k=length))
            if value not in self._used:
                self._used.add(value)
                return value

    def duration_s(self, operation: str, resource: str, detail: str = "") -> float:
        return self.world.timing.duration_s(f"alibaba.{operation}", resource, detail)

    def spawn(self, what: str, work: Callable[[], Coroutine[Any, Any, None]]) -> None:
        """Runs in the background; what goes wrong there is logged, never lost."""

        async def run() -> None:
            try:
                await work()
            except Exception:
                log.exception("alibaba sandbox: %s failed", what)

        task = asyncio.ensure_future(run())
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def close(self) -> None:
        tasks = list(self._tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        containers, self.containers = list(self.containers.values()), {}
        for container in containers:
            await container.stop()

    def forget_ids(self) -> None:
        """After a restore: ids in use must not be given out again."""
        for estate in self.estates.values():
            for records in (
                estate.vpcs,
                estate.vswitches,
                estate.groups,
                estate.machines,
                estate.clusters,
                estate.pools,
            ):
                self._used.update(records)
            self._used.update(rule.id for group in estate.groups.values() for rule in group.rules)
            self._used.update(thing.id for thing in estate.things.values())
            self._used.update(machine.disk_id for machine in estate.machines.values())

    def everything(self) -> Iterator[dict[str, Any]]:
        """A row for all that exists: kind, id, name, ... Kinds are named as in model.resources; besides, `node` is one
        of ACK's workers, `member` an instance of a scaling group."""
        for account, estate in self.estates.items():
            records: list[tuple[str, Any]] = [
                *(("network", v) for v in estate.vpcs.values()),
                *(("subnet", s) for s in estate.vswitches.values()),
                *(("firewall_group", g) for g in estate.groups.values()),
                *((_machine_kind(m), m) for m in estate.machines.values()),
                *(("cluster", c) for c in estate.clusters.values()),
                *(("node_pool", p) for p in estate.pools.values()),
                *((t.kind, t) for t in estate.there()),
            ]
            for kind, r in records:
                yield {
                    "kind": kind,
                    "id": r.id,
                    "name": r.name,
                    "tags": dict(r.tags),
                    "owner": r.tags.get(TAG_FLEET, ""),
                    "account": account,
                    "region": r.region,
                }


def _machine_kind(machine: Machine) -> str:
    if machine.pool:
        return "node"
    return "member" if TAG_GROUP in machine.tags else "instance"


def region_code(region: str) -> str:
    """The letters that ids of a region begin with, e.g. bp1 for cn-hangzhou (as seen in real ids)."""
    known = {"cn-hangzhou": "bp1", "cn-beijing": "2ze", "cn-shanghai": "uf6", "cn-shenzhen": "wz9"}
    return known.get(region) or stream("alibaba", "region code", region).choice("jklmnt") + region[-1] + "w"


def iso(at_s: float, *, seconds: bool = True) -> str:
    """ISO 8601 in UTC as ECS writes it (without seconds in most of its fields)."""
    return time.strftime("%Y-%m-%dT%H:%M:%SZ" if seconds else "%Y-%m-%dT%H:%MZ", time.gmtime(at_s))


def page(ctx: Ctx, rows: list[Any], *, default: int = 10, limit: int = 100) -> tuple[list[Any], dict[str, Any]]:
    """The asked page by PageNumber/PageSize, with the fields that tell about paging."""
    number = ctx.params.integer("PageNumber", 1, low=1)
    size = ctx.params.integer("PageSize", default, low=1, high=limit)
    part = rows[(number - 1) * size : number * size]
    return part, {"PageNumber": number, "PageSize": size, "TotalCount": len(rows)}


def token_page(ctx: Ctx, rows: list[Any], *, default: int = 10, limit: int = 100) -> tuple[list[Any], dict[str, Any]]:
    """The asked page by NextToken/MaxResults where the caller uses those, else by number."""
    if not (ctx.params.get("NextToken") or ctx.params.get("MaxResults")):
        part, fields = page(ctx, rows, default=default, limit=limit)
        return part, {**fields, "NextToken": ""}
    size = ctx.params.integer("MaxResults", default, low=1, high=limit)
    text = ctx.params.get("NextToken")
    if text and not text.removeprefix("caeba0").isdigit():
        raise ApiError(400, "InvalidParameter.NextToken", "The specified NextToken is not valid.")
    start = int(text.removeprefix("caeba0")) if text else 0
    more = f"caeba0{start + size}" if start + size < len(rows) else ""
    return rows[start : start + size], {"NextToken": more, "TotalCount": len(rows)}


def has_tags(tags: dict[str, str], wanted: list[dict[str, str]]) -> bool:
    """Whether all of Tag.N hold; a filter without a value asks for the key alone."""
    return all(t["Key"] in tags and ("Value" not in t or tags[t["Key"]] == t["Value"]) for t in wanted if t.get("Key"))


def tag_rows(tags: dict[str, str], key: str = "TagKey", value: str = "TagValue") -> list[dict[str, str]]:
    return [{key: k, value: v} for k, v in tags.items()]
