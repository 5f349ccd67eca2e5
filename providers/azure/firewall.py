"""Firewall groups: network security groups. The 65000s of Azure are no rules of ours and are not reported.

Callers: provider.py. A security group belongs to no network in Azure: the tag `duoyun-network` keeps which one it was
made for; for other people's groups it is the network of the first subnet that uses it.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, cast

from model.errors import NotFound
from model.resources import Address, AnyResource, FirewallGroup, Kind, Observed
from providers.azure.adapter import Adapter
from providers.azure.names import (
    TAG_DESCRIPTION,
    TAG_NETWORK,
    ArmId,
    logical_name,
    merged_tags,
    own_tags,
    parse_id,
    user_tags,
)
from providers.azure.network import Networks
from providers.azure.rules import expand, normalised, plan_rules
from providers.azure.session import Session
from providers.base import Call


class FirewallGroups(Adapter):
    kind = Kind.FIREWALL_GROUP

    def __init__(self, session: Session, networks: Networks) -> None:
        super().__init__(session)
        self.networks = networks

    def read_all(self, _region: str, call: Call) -> Iterator[Any]:
        return self.session.pages(
            "network.security_groups.list", self.session.network.network_security_groups.list_all, call=call
        )

    def read(self, where: ArmId, call: Call) -> Any:
        groups = self.session.network.network_security_groups
        return self.session.run("network.security_groups.get", groups.get, where.group, where.name, call=call)

    def observe(self, raw: Any, _call: Call) -> Observed:
        tags = raw.tags or {}
        network = tags.get(TAG_NETWORK, "")
        if not network and raw.subnets:
            network = logical_name(self.account, parse_id(raw.subnets[0].id).parent, raw.location)
        resource = FirewallGroup(
            name=self.address(raw).name,
            tags=user_tags(tags),
            network=network,
            rules=normalised(r for rule in raw.security_rules or () for r in expand(rule)),
            description=tags.get(TAG_DESCRIPTION, ""),
        )
        return self.observed(raw, resource)

    def create(self, address: Address, desired: AnyResource, call: Call) -> Observed:
        from azure.mgmt.network.models import NetworkSecurityGroup

        wanted = cast(FirewallGroup, desired)
        raw = self.claim(address, call)
        if raw is None:
            self.networks.named(address, wanted.network, call)  # Azure itself would not ask for it
            more = {TAG_NETWORK: wanted.network, TAG_DESCRIPTION: wanted.description[:256]}
            body = NetworkSecurityGroup(
                location=address.region,
                tags=own_tags(address, wanted.tags, call, **more),
                security_rules=plan_rules((), wanted.rules),
            )
            place = self.place(address, call)
            self.in_group(address, call, lambda: self._put(place, body, call))
            raw = self.read(place, call)
        return self.pending(self.observe(raw, call))

    def update(self, observed: Observed, desired: AnyResource, call: Call) -> Observed:
        """Rules that say what is desired keep name and priority; anything else in the group goes, also by others."""
        wanted = cast(FirewallGroup, desired)
        where = parse_id(observed.provider_id)
        more = {TAG_NETWORK: wanted.network, TAG_DESCRIPTION: wanted.description[:256]} if observed.owner else {}

        def change() -> None:
            raw = self.read(where, call)
            had = list(raw.security_rules or ())
            rules, tags = plan_rules(had, wanted.rules), merged_tags(raw.tags, wanted.tags, **more)
            if (rules, tags) == (had, dict(raw.tags or {})):  # rules that stay are the very ones that were read
                return
            raw.security_rules, raw.tags = rules, tags
            self._put(where, raw, call, headers={"If-Match": raw.etag})

        self.settled(change)
        return self.pending(self.observe(self.read(where, call), call))

    def _put(self, where: ArmId, body: Any, call: Call, **kwargs: Any) -> None:
        method = self.session.network.network_security_groups.begin_create_or_update
        self.session.begin("network.security_groups.put", method, where.group, where.name, body, call=call, **kwargs)

    def delete(self, observed: Observed, call: Call) -> None:
        where = parse_id(observed.provider_id)
        method = self.session.network.network_security_groups.begin_delete
        try:
            self.session.begin("network.security_groups.delete", method, where.group, where.name, call=call)
        except NotFound:
            return

    def after_delete(self, address: Address, call: Call) -> None:
        self.drop_empty_group(address, call)
