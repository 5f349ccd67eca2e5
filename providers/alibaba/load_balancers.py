"""LOAD_BALANCER (CLB, classic load balancer): Slb 2014-05-15, billed by use.

Callers: provider.py. A CLB stands in one vSwitch: a private one in the first of its subnets, and the zone of the second
is its standby zone; a public one stands in no network at all. What it does not tell - network, subnets and layer - is
kept as tags. Its targets are the servers of its default group; instances that a scaling group put there are the
group's.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from model.errors import InvalidRequest
from model.resources import TAG_FLEET, Address, Kind, Listener, LoadBalancer, Observed, State, Subnet
from providers.alibaba.common import (
    TAG_GROUP,
    TAG_LAYER,
    TAG_NETWORK,
    TAG_SUBNETS,
    Adapter,
    Identified,
    Row,
    changed_tags,
    gone_is_fine,
    ownership_tags,
    tag_list,
    tags_of,
    users_tags,
)
from providers.alibaba.listeners import (
    check_listener,
    in_place,
    layer_of,
    read_listener,
    same,
    write_listener,
)
from providers.base import Call

SERVERS_PER_CALL = 20
INSTANCES_PER_CALL = 100
_TAG_VALUE_LIMIT = 128


class LoadBalancers(Adapter):
    KIND = Kind.LOAD_BALANCER

    def rows(self, region: str, call: Call, *, tags: Mapping[str, str] | None = None, name: str = "") -> Iterator[Row]:
        asked = {"Tag": tag_list(tags or {}), "LoadBalancerName": name}
        where = ("LoadBalancers", "LoadBalancer")
        return self.session.pages("Slb", "DescribeLoadBalancers", region, call, where, asked)

    def by_id(self, region: str, provider_id: str, call: Call) -> Row | None:
        answer = self.session.rpc("Slb", "DescribeLoadBalancers", region, call, {"LoadBalancerId": provider_id})
        return next(iter(answer["LoadBalancers"]["LoadBalancer"]), None)

    def identify(self, row: Row) -> Identified:
        tags = tags_of((row.get("Tags") or {}).get("Tag"))
        return Identified(row["LoadBalancerId"], row.get("LoadBalancerName", ""), tags)

    def observe(self, region: str, row: Row, call: Call) -> Observed:
        who = self.identify(row)
        found = row["listeners"] if "listeners" in row else self._listeners(region, who.id, call)
        logged = row["logged"] if "logged" in row else who.id in self._logged(region, call)
        listeners = tuple(sorted(map(read_listener, found), key=lambda line: (line.port, line.protocol)))
        public = row.get("AddressType") == "internet"
        balancer = LoadBalancer(
            name=who.logical_name,
            tags=users_tags(who.tags),
            network=self._network(region, row, who.tags, call),
            subnets=self._subnets(region, row, who.tags, call),
            listeners=listeners,
            targets=self._targets(region, who.id, call),
            layer=layer_of(listeners) if listeners else int(who.tags.get(TAG_LAYER, "4")),
            public=public,
            deletion_protection=row.get("DeleteProtection") == "on",
            access_logs=logged,
        )
        state, detail = _state(row, found)
        address = str(row.get("Address") or "")
        return Observed(
            address=self.address(region, who.logical_name),
            resource=balancer,
            provider_id=who.id,
            state=state,
            owner=who.tags.get(TAG_FLEET, ""),
            detail=detail,
            endpoints=tuple(f"{address}:{line.port}" for line in listeners),
            private_ip="" if public else address,
            public_ip=address if public else "",
            raw={"stopped": tuple((r["ListenerProtocol"], r["ListenerPort"]) for r in found if _stopped(r))},
        )

    def list(self, region: str, call: Call, fleet: str | None) -> Iterator[Observed]:
        """Listeners and logs of all of them at once."""
        wanted = {TAG_FLEET: fleet} if fleet is not None else None
        rows = [*self.rows(region, call, tags=wanted)]
        lines: dict[str, Any] = {str(row["LoadBalancerId"]): [] for row in rows}
        for line in self._listeners(region, "", call) if rows else ():
            lines.get(str(line["LoadBalancerId"]), []).append(line)
        logged = self._logged(region, call) if rows else set()
        for row in rows:
            who = self.identify(row)
            if fleet is None or who.tags.get(TAG_FLEET) == fleet:
                yield self.observe(region, {**row, "listeners": lines[who.id], "logged": who.id in logged}, call)

    def _listeners(self, region: str, balancer_id: str, call: Call) -> Sequence[Row]:
        """Of one, or of all."""
        asked = {"LoadBalancerId": [balancer_id] if balancer_id else []}
        where = ("Listeners",)
        return [*self.session.token_pages("Slb", "DescribeLoadBalancerListeners", region, call, where, asked)]

    def _logged(self, region: str, call: Call) -> set[str]:
        """Those whose access logs are delivered somewhere."""
        where = ("LogsDownloadAttributes", "LogsDownloadAttribute")
        found = self.session.pages("Slb", "DescribeAccessLogsDownloadAttribute", region, call, where, {})
        return {str(row.get("LoadBalancerId")) for row in found}

    def _network(self, region: str, row: Row, tags: Mapping[str, str], call: Call) -> str:
        if row.get("VpcId"):
            return self.references.name(Kind.NETWORK, region, str(row["VpcId"]), call)
        return tags.get(TAG_NETWORK, "")

    def _subnets(self, region: str, row: Row, tags: Mapping[str, str], call: Call) -> tuple[str, ...]:
        """As they were wanted, unless it stands elsewhere."""
        kept = tuple(name for name in tags.get(TAG_SUBNETS, "").split(",") if name)
        if not row.get("VSwitchId"):
            return kept
        stands = self.references.name(Kind.SUBNET, region, str(row["VSwitchId"]), call)
        return kept if kept[:1] == (stands,) else (stands,)

    def _servers(self, region: str, balancer_id: str, call: Call) -> dict[str, str]:
        """Instances behind it by id, without those of scaling groups: their names."""
        answer = self.session.rpc("Slb", "DescribeLoadBalancerAttribute", region, call, {"LoadBalancerId": balancer_id})
        ids = [str(s["ServerId"]) for s in (answer.get("BackendServers") or {}).get("BackendServer") or ()]
        theirs = self._members_among(region, ids, call)
        return {i: self.references.name(Kind.INSTANCE, region, i, call) for i in ids if i not in theirs}

    def _members_among(self, region: str, instance_ids: Sequence[str], call: Call) -> set[str]:
        """Those of the instances that a scaling group made."""
        found = set[str]()
        for start in range(0, len(instance_ids), INSTANCES_PER_CALL):
            part = [*instance_ids[start : start + INSTANCES_PER_CALL]]
            asked = {"InstanceIds": json.dumps(part), "PageSize": INSTANCES_PER_CALL}
            rows = self.session.rpc("Ecs", "DescribeInstances", region, call, asked)["Instances"]["Instance"]
            found |= {r["InstanceId"] for r in rows if TAG_GROUP in tags_of((r.get("Tags") or {}).get("Tag"))}
        return found

    def _targets(self, region: str, balancer_id: str, call: Call) -> tuple[str, ...]:
        return tuple(sorted(self._servers(region, balancer_id, call).values()))

    # -- writing -----------------------------------------------------------------------------------------------

    def make(
        self, address: Address, desired: LoadBalancer, call: Call, token: Callable[[Mapping[str, Any]], str]
    ) -> str:
        for line in desired.listeners:
            check_listener(line, desired.layer)
        network = self.references.find(Kind.NETWORK, address, desired.network, call)
        subnets = [self.references.find(Kind.SUBNET, address, name, call) for name in desired.subnets]
        for target in desired.targets:
            self.references.find(Kind.INSTANCE, address, target, call)
        zones = [s.resource.zone for s in subnets if isinstance(s.resource, Subnet)]
        params: dict[str, Any] = {
            "LoadBalancerName": address.name,
            "AddressType": "internet" if desired.public else "intranet",
            "InstanceChargeType": "PayByCLCU",
            "DeleteProtection": "on" if desired.deletion_protection is True else "off",
            "Tag": tag_list(ownership_tags(desired, address, call) | _kept(desired, address)),
        }
        if desired.public:
            params["InternetChargeType"] = "paybytraffic"
        else:
            if not subnets:
                raise InvalidRequest(f"{address}: a private CLB needs a subnet", mend="name at least one subnet")
            params |= {"VpcId": network.provider_id, "VSwitchId": subnets[0].provider_id}
        if zones:
            params |= {"MasterZoneId": zones[0], "SlaveZoneId": next((z for z in zones if z != zones[0]), "")}
        sent = {**params, "ClientToken": token(params)}
        answer = self.session.rpc("Slb", "CreateLoadBalancer", address.region, call, sent, write=True)
        self.references.forget(self.KIND, address.region)
        return str(answer["LoadBalancerId"])

    def create(self, address: Address, desired: Any, call: Call) -> Observed:
        """The load balancer, then its listeners and targets; repeated after a crash in between, what is missing."""
        made = super().create(address, desired, call)
        self._bring(made, desired, call)
        row = self.by_id(address.region, made.provider_id, call)
        return self.observe(address.region, row, call) if row is not None else made

    def update(self, observed: Observed, desired: LoadBalancer, call: Call) -> None:
        for line in desired.listeners:
            check_listener(line, desired.layer)
        self._bring(observed, desired, call)
        region, current = observed.address.region, observed.resource
        assert isinstance(current, LoadBalancer)
        balancer = {"LoadBalancerId": observed.provider_id}
        if isinstance(desired.deletion_protection, bool) and desired.deletion_protection != current.deletion_protection:
            wanted = {**balancer, "DeleteProtection": "on" if desired.deletion_protection else "off"}
            self.session.rpc("Slb", "SetLoadBalancerDeleteProtection", region, call, wanted, write=True)
        tags = changed_tags(observed, desired)
        if tags:
            params = {"ResourceType": "instance", "ResourceId": [observed.provider_id], "Tag": tag_list(tags)}
            self.session.rpc("Slb", "TagResources", region, call, params, write=True)

    def _bring(self, observed: Observed, desired: LoadBalancer, call: Call) -> None:
        current = observed.resource
        assert isinstance(current, LoadBalancer)
        self._bring_listeners(observed, current, desired, call)
        if tuple(sorted(current.targets)) != tuple(sorted(desired.targets)):
            self._bring_targets(observed, desired, call)

    def _bring_listeners(self, observed: Observed, current: LoadBalancer, desired: LoadBalancer, call: Call) -> None:
        """What goes first makes room for what comes on the same port."""
        have = {(line.protocol, line.port): line for line in current.listeners}
        wanted = {(line.protocol, line.port): line for line in desired.listeners}
        stopped = set(observed.raw.get("stopped", ()))
        for key, line in list(have.items()):
            if key not in wanted or not (same(line, wanted[key]) or in_place(line, wanted[key])):
                self._line(observed, "DeleteLoadBalancerListener", _named(line), call)
                del have[key]
        for key, line in wanted.items():
            protocol = line.protocol.upper()
            if key not in have:
                self._line(observed, f"CreateLoadBalancer{protocol}Listener", write_listener(line, new=True), call)
                stopped.add(key)
            elif not same(have[key], line):
                change = write_listener(line, new=False)
                self._line(observed, f"SetLoadBalancer{protocol}ListenerAttribute", change, call)
            if key in stopped:
                self._line(observed, "StartLoadBalancerListener", _named(line), call)

    def _line(self, observed: Observed, action: str, params: Mapping[str, Any], call: Call) -> None:
        sent = {"LoadBalancerId": observed.provider_id, **params}
        self.session.rpc("Slb", action, observed.address.region, call, sent, write=True)

    def _bring_targets(self, observed: Observed, desired: LoadBalancer, call: Call) -> None:
        region, balancer_id = observed.address.region, observed.provider_id
        found = [self.references.find(Kind.INSTANCE, observed.address, name, call) for name in desired.targets]
        wanted, have = {seen.provider_id for seen in found}, set(self._servers(region, balancer_id, call))
        rows = [{"ServerId": i, "Weight": "100", "Type": "ecs"} for i in sorted(wanted - have)]
        self._send_servers(observed, "AddBackendServers", rows, call)
        rows = [{"ServerId": i, "Type": "ecs"} for i in sorted(have - wanted)]
        self._send_servers(observed, "RemoveBackendServers", rows, call)

    def _send_servers(self, observed: Observed, action: str, rows: Sequence[Row], call: Call) -> None:
        for start in range(0, len(rows), SERVERS_PER_CALL):
            part = [*rows[start : start + SERVERS_PER_CALL]]
            params = {"LoadBalancerId": observed.provider_id, "BackendServers": json.dumps(part)}
            self.session.rpc("Slb", action, observed.address.region, call, params, write=True)

    def delete(self, observed: Observed, call: Call) -> None:
        params, region = {"LoadBalancerId": observed.provider_id}, observed.address.region
        gone_is_fine(lambda: self.session.rpc("Slb", "DeleteLoadBalancer", region, call, params, write=True))
        self.references.forget(self.KIND, region)

    def fixed_fields(self) -> tuple[str, ...]:
        return ("network", "subnets", "layer", "public")


def _named(line: Listener) -> dict[str, Any]:
    return {"ListenerPort": line.port, "ListenerProtocol": line.protocol}


def _stopped(row: Row) -> bool:
    return row.get("Status") == "stopped"


def _state(row: Row, listeners: Sequence[Row]) -> tuple[State, str]:
    """locked: the bill is not paid. A stopped listener does nothing for anybody."""
    status = str(row.get("LoadBalancerStatus", "active"))
    if status != "active":
        return State.FAILED, f"it is {status}"
    stopped = [f"{r['ListenerProtocol']} {r['ListenerPort']}" for r in listeners if _stopped(r)]
    if stopped:
        return State.FAILED, f"listeners that are stopped: {', '.join(stopped)}"
    busy = {str(r.get("Status")) for r in listeners} - {"running"}
    if not busy:
        return State.READY, ""
    return (State.PENDING if "starting" in busy else State.UPDATING), f"its listeners are {', '.join(sorted(busy))}"


def _kept(desired: LoadBalancer, address: Address) -> dict[str, str]:
    subnets = ",".join(desired.subnets)
    if len(subnets) > _TAG_VALUE_LIMIT:
        raise InvalidRequest(f"{address}: too many subnets for a CLB", mend="name two: where it stands, and standby")
    kept = {TAG_NETWORK: desired.network, TAG_SUBNETS: subnets, TAG_LAYER: str(desired.layer)}
    return {k: v for k, v in kept.items() if v}
