"""NAT_GATEWAY and PUBLIC_IP (EIP), read only: Vpc 2016-04-28. Callers: provider.py."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from model.resources import Kind, NatGateway, Observed, PublicIp, State
from providers.alibaba.common import Identified, Row, tag_list, tags_of, users_tags
from providers.alibaba.reader import Reader
from providers.base import Call

_STATES = {"Creating": State.PENDING, "Available": State.READY, "InUse": State.READY, "Deleting": State.DELETING}
_USERS = {"EcsInstance": Kind.INSTANCE, "SlbInstance": Kind.LOAD_BALANCER, "Nat": Kind.NAT_GATEWAY}


class NatGateways(Reader):
    KIND = Kind.NAT_GATEWAY

    def rows(self, region: str, call: Call, *, tags: Mapping[str, str] | None = None, name: str = "") -> Iterator[Row]:
        asked = {"Tag": tag_list(tags or {}), "Name": name}
        where = ("NatGateways", "NatGateway")
        return self.session.pages("Vpc", "DescribeNatGateways", region, call, where, asked)

    def by_id(self, region: str, provider_id: str, call: Call) -> Row | None:
        answer = self.session.rpc("Vpc", "DescribeNatGateways", region, call, {"NatGatewayId": provider_id})
        return next(iter(answer["NatGateways"]["NatGateway"]), None)

    def identify(self, row: Row) -> Identified:
        return Identified(row["NatGatewayId"], row.get("Name", ""), tags_of((row.get("Tags") or {}).get("Tag")))

    def observe(self, region: str, row: Row, call: Call) -> Observed:
        who = self.identify(row)
        addresses = (row.get("IpLists") or {}).get("IpList") or ()
        switch = (row.get("NatGatewayPrivateInfo") or {}).get("VswitchId") or ""
        gateway = NatGateway(
            name=who.logical_name,
            tags=users_tags(who.tags),
            network=self.references.name(Kind.NETWORK, region, row.get("VpcId", ""), call),
            subnet=self.references.name(Kind.SUBNET, region, switch, call),
            public_ips=tuple(sorted(str(a["IpAddress"]) for a in addresses if a.get("IpAddress"))),
        )
        return self.seen(region, row, gateway, state=_STATES.get(row.get("Status", ""), State.UPDATING))


class PublicIps(Reader):
    KIND = Kind.PUBLIC_IP

    def rows(self, region: str, call: Call, *, tags: Mapping[str, str] | None = None, name: str = "") -> Iterator[Row]:
        asked = {"Tag": tag_list(tags or {}), "EipName": name}
        where = ("EipAddresses", "EipAddress")
        return self.session.pages("Vpc", "DescribeEipAddresses", region, call, where, asked)

    def by_id(self, region: str, provider_id: str, call: Call) -> Row | None:
        answer = self.session.rpc("Vpc", "DescribeEipAddresses", region, call, {"AllocationId": provider_id})
        return next(iter(answer["EipAddresses"]["EipAddress"]), None)

    def identify(self, row: Row) -> Identified:
        return Identified(row["AllocationId"], row.get("Name", ""), tags_of((row.get("Tags") or {}).get("Tag")))

    def observe(self, region: str, row: Row, call: Call) -> Observed:
        who = self.identify(row)
        protection = (row.get("SecurityProtectionTypes") or {}).get("SecurityProtectionType") or ()
        address = PublicIp(
            name=who.logical_name,
            tags=users_tags(who.tags),
            address=row.get("IpAddress", ""),
            attached_to=self._user(region, str(row.get("InstanceType") or ""), str(row.get("InstanceId") or ""), call),
            ddos_protection="AntiDDoS_Enhanced" in protection,
        )
        return self.seen(region, row, address, state=_STATES.get(row.get("Status", ""), State.UPDATING))

    def _user(self, region: str, kind: str, provider_id: str, call: Call) -> str:
        """`instance/gate-0`; the cloud's own words for what has no kind here."""
        if not provider_id:
            return ""
        known = _USERS.get(kind)
        if known is None:
            return f"{kind}/{provider_id}"
        return f"{known}/{self.references.name(known, region, provider_id, call)}"
