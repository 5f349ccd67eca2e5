"""NAT gateways and public addresses, read only, by the network SDK.

Callers: provider.py. Addresses that a machine or a load balancer of ours was made with are among them, as they are
reserved addresses too.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from model.resources import Kind, NatGateway, Observed, PublicIp
from providers.azure.names import logical_name, parse_id, user_tags, word
from providers.azure.parts import Parts
from providers.azure.readers import Reader
from providers.azure.session import Session
from providers.base import Call


class NatGateways(Reader):
    kind = Kind.NAT_GATEWAY

    def __init__(self, session: Session) -> None:
        super().__init__(session)
        self.parts = Parts(session)

    def read_all(self, _region: str, call: Call) -> Iterator[Any]:
        return self.session.pages("network.nat_gateways.list", self.session.network.nat_gateways.list_all, call=call)

    def observe(self, raw: Any, call: Call) -> Observed:
        ids = [str(entry.id) for entry in raw.public_ip_addresses or ()]
        found = [self.parts.public_ip_by_id(i, call) for i in ids]
        subnet = parse_id(raw.subnets[0].id) if raw.subnets else parse_id("")
        resource = NatGateway(
            name=self.address(raw).name,
            tags=user_tags(raw.tags),
            network=logical_name(self.account, subnet.parent, raw.location) if subnet.parent else "",
            subnet=subnet.name,
            public_ips=tuple(sorted(str(ip.ip_address) for ip in found if ip is not None and ip.ip_address)),
        )
        return self.observed(raw, resource)


class PublicIps(Reader):
    kind = Kind.PUBLIC_IP

    def __init__(self, session: Session) -> None:
        super().__init__(session)
        self.parts = Parts(session)

    def read_all(self, _region: str, call: Call) -> Iterator[Any]:
        return self.parts.all_public_ips(call)

    def observe(self, raw: Any, _call: Call) -> Observed:
        mode = word(raw.ddos_settings.protection_mode) if raw.ddos_settings else ""
        resource = PublicIp(
            name=self.address(raw).name,
            tags=user_tags(raw.tags),
            address=str(raw.ip_address or ""),
            attached_to=user_of(raw),
            ddos_protection={"Enabled": True, "Disabled": False}.get(mode),
        )
        return self.observed(raw, resource, public_ip=resource.address)


_USERS = {
    "networkinterfaces": "network_interface", "loadbalancers": "load_balancer", "natgateways": "nat_gateway",
    "applicationgateways": "application_gateway", "bastionhosts": "bastion", "azurefirewalls": "firewall",
    "virtualnetworkgateways": "vpn_gateway",
}  # fmt: skip


def user_of(raw: Any) -> str:
    """`load_balancer web`: kind and name of what has the address; "" for nothing."""
    used = raw.ip_configuration.id if raw.ip_configuration else raw.nat_gateway.id if raw.nat_gateway else ""
    parts = str(used or "").split("/")
    if len(parts) < 9:
        return ""
    return f"{_USERS.get(parts[7].lower(), parts[7])} {parts[8]}"
