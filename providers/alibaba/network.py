"""NETWORK (VPC) and SUBNET (vSwitch): Vpc 2016-04-28.

Callers: provider.py. A vSwitch lies in one zone. CIDR, zone and VPC cannot change in place.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from model.resources import TAG_FLEET, Address, Kind, Network, Observed, State, Subnet
from providers.alibaba.common import (
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
from providers.base import Call

_STATES = {"Available": State.READY, "Pending": State.PENDING, "Deleted": State.DELETING, "Deleting": State.DELETING}


class Networks(Adapter):
    KIND = Kind.NETWORK

    def rows(self, region: str, call: Call, *, tags: Mapping[str, str] | None = None, name: str = "") -> Iterator[Row]:
        asked = {"Tag": tag_list(tags or {}), "VpcName": name}
        return self.session.pages("Vpc", "DescribeVpcs", region, call, ("Vpcs", "Vpc"), asked)

    def by_id(self, region: str, provider_id: str, call: Call) -> Row | None:
        answer = self.session.rpc("Vpc", "DescribeVpcs", region, call, {"VpcId": provider_id})
        return next(iter(answer["Vpcs"]["Vpc"]), None)

    def identify(self, row: Row) -> Identified:
        return Identified(row["VpcId"], row.get("VpcName", ""), tags_of(row.get("Tags", {}).get("Tag")))

    def observe(self, region: str, row: Row, call: Call) -> Observed:  # noqa: ARG002  (the same for every kind)
        who = self.identify(row)
        return Observed(
            address=self.address(region, who.logical_name),
            resource=Network(name=who.logical_name, tags=users_tags(who.tags), cidr=row.get("CidrBlock", "")),
            provider_id=who.id,
            state=_STATES.get(row.get("Status", ""), State.PENDING),
            owner=who.tags.get(TAG_FLEET, ""),
        )

    def make(self, address: Address, desired: Network, call: Call, token: Callable[[Mapping[str, Any]], str]) -> str:
        params = {
            "CidrBlock": desired.cidr,
            "VpcName": address.name,
            "Tag": tag_list(ownership_tags(desired, address, call)),
        }
        sent = {**params, "ClientToken": token(params)}
        answer = self.session.rpc("Vpc", "CreateVpc", address.region, call, sent, write=True)
        self.references.forget(self.KIND, address.region)
        return str(answer["VpcId"])

    def update(self, observed: Observed, desired: Network, call: Call) -> None:
        _tag(self, observed, changed_tags(observed, desired), "VPC", call)

    def delete(self, observed: Observed, call: Call) -> None:
        params, region = {"VpcId": observed.provider_id}, observed.address.region
        gone_is_fine(lambda: self.session.rpc("Vpc", "DeleteVpc", region, call, params, write=True))

    def fixed_fields(self) -> tuple[str, ...]:
        return ("cidr",)


class Subnets(Adapter):
    KIND = Kind.SUBNET

    def rows(self, region: str, call: Call, *, tags: Mapping[str, str] | None = None, name: str = "") -> Iterator[Row]:
        asked = {"Tag": tag_list(tags or {}), "VSwitchName": name}
        return self.session.pages("Vpc", "DescribeVSwitches", region, call, ("VSwitches", "VSwitch"), asked)

    def by_id(self, region: str, provider_id: str, call: Call) -> Row | None:
        answer = self.session.rpc("Vpc", "DescribeVSwitches", region, call, {"VSwitchId": provider_id})
        return next(iter(answer["VSwitches"]["VSwitch"]), None)

    def identify(self, row: Row) -> Identified:
        return Identified(row["VSwitchId"], row.get("VSwitchName", ""), tags_of(row.get("Tags", {}).get("Tag")))

    def observe(self, region: str, row: Row, call: Call) -> Observed:
        who = self.identify(row)
        subnet = Subnet(
            name=who.logical_name,
            tags=users_tags(who.tags),
            network=self.references.name(Kind.NETWORK, region, row.get("VpcId", ""), call),
            cidr=row.get("CidrBlock", ""),
            zone=row.get("ZoneId", ""),
        )
        return Observed(
            address=self.address(region, who.logical_name),
            resource=subnet,
            provider_id=who.id,
            state=_STATES.get(row.get("Status", ""), State.PENDING),
            owner=who.tags.get(TAG_FLEET, ""),
            raw={"vpc_id": row.get("VpcId", "")},
        )

    def make(self, address: Address, desired: Subnet, call: Call, token: Callable[[Mapping[str, Any]], str]) -> str:
        network = self.references.find(Kind.NETWORK, address, desired.network, call)
        params = {
            "VpcId": network.provider_id,
            "ZoneId": desired.zone,
            "CidrBlock": desired.cidr,
            "VSwitchName": address.name,
            "Tag": tag_list(ownership_tags(desired, address, call)),
        }
        sent = {**params, "ClientToken": token(params)}
        answer = self.session.rpc("Vpc", "CreateVSwitch", address.region, call, sent, write=True)
        self.references.forget(self.KIND, address.region)
        return str(answer["VSwitchId"])

    def update(self, observed: Observed, desired: Subnet, call: Call) -> None:
        _tag(self, observed, changed_tags(observed, desired), "VSWITCH", call)

    def delete(self, observed: Observed, call: Call) -> None:
        params, region = {"VSwitchId": observed.provider_id}, observed.address.region
        gone_is_fine(lambda: self.session.rpc("Vpc", "DeleteVSwitch", region, call, params, write=True))

    def fixed_fields(self) -> tuple[str, ...]:
        return ("network", "cidr", "zone")


def _tag(adapter: Adapter, observed: Observed, tags: Mapping[str, str], resource_type: str, call: Call) -> None:
    if tags:
        params = {"ResourceType": resource_type, "ResourceId": [observed.provider_id], "Tag": tag_list(tags)}
        adapter.session.rpc("Vpc", "TagResources", observed.address.region, call, params, write=True)
