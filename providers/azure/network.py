"""Networks and subnets: virtual networks and their subnets.

Callers: provider.py. Azure's subnets span a region and carry no tags: a subnet's name is its logical name, its owner
and tags are its network's, its zone is reported empty.
"""

from __future__ import annotations

import threading
from collections.abc import Iterable, Iterator
from dataclasses import replace
from typing import Any, cast

from model.errors import DependencyInUse, InvalidRequest, NotFound
from model.resources import Address, AnyResource, Kind, Network, Observed, State, Subnet
from providers.azure.adapter import Adapter, visible
from providers.azure.names import ArmId, arm_name, merged_tags, own_tags, owner_of, parse_id, state_of, user_tags
from providers.azure.session import Session
from providers.base import Call


class Networks(Adapter):
    kind = Kind.NETWORK

    def read_all(self, _region: str, call: Call) -> Iterator[Any]:
        return self.session.pages(
            "network.virtual_networks.list", self.session.network.virtual_networks.list_all, call=call
        )

    def read(self, where: ArmId, call: Call) -> Any:
        networks = self.session.network.virtual_networks
        return self.session.run("network.virtual_networks.get", networks.get, where.group, where.name, call=call)

    def observe(self, raw: Any, _call: Call) -> Observed:
        prefixes = list(raw.address_space.address_prefixes or ()) if raw.address_space else []
        resource = Network(name=self.address(raw).name, tags=user_tags(raw.tags), cidr=prefixes[0] if prefixes else "")
        return self.observed(raw, resource, raw={"prefixes": prefixes})

    def create(self, address: Address, desired: AnyResource, call: Call) -> Observed:
        from azure.mgmt.network.models import AddressSpace, VirtualNetwork

        wanted = cast(Network, desired)
        raw = self.claim(address, call)
        if raw is None:
            body = VirtualNetwork(
                location=address.region,
                tags=own_tags(address, wanted.tags, call),
                address_space=AddressSpace(address_prefixes=[wanted.cidr]),
            )
            place = self.place(address, call)
            self.in_group(address, call, lambda: self._put(place, body, call))
            raw = self.read(place, call)
        return self.pending(self.observe(raw, call))

    def update(self, observed: Observed, desired: AnyResource, call: Call) -> Observed:
        """tags and the address range: other ranges that the network has stay."""
        wanted = cast(Network, desired)
        where = parse_id(observed.provider_id)

        def change() -> None:
            raw = self.read(where, call)
            had = list(raw.address_space.address_prefixes or ())
            kept = [p for p in had if p not in (cast(Network, observed.resource).cidr, wanted.cidr)]
            ranges, tags = [wanted.cidr, *kept], merged_tags(raw.tags, wanted.tags)
            if (ranges, tags) == (had, dict(raw.tags or {})):
                return
            raw.address_space.address_prefixes, raw.tags = ranges, tags
            self._put(where, raw, call, headers={"If-Match": raw.etag})

        self.settled(change)
        return self.pending(self.observe(self.read(where, call), call))

    def _put(self, where: ArmId, body: Any, call: Call, **kwargs: Any) -> None:
        method = self.session.network.virtual_networks.begin_create_or_update
        self.session.begin("network.virtual_networks.put", method, where.group, where.name, body, call=call, **kwargs)

    def delete(self, observed: Observed, call: Call) -> None:
        """Azure would take the subnets along, whosever they are: DependencyInUse while there are any."""
        where = parse_id(observed.provider_id)
        method = self.session.network.virtual_networks.begin_delete
        try:
            subnets = self.read(where, call).subnets or ()
            if subnets:
                raise DependencyInUse(
                    f"{observed.address} still has subnets: {', '.join(sorted(s.name for s in subnets))}",
                    mend="remove the subnets first",
                    address=str(observed.address),
                )
            self.session.begin("network.virtual_networks.delete", method, where.group, where.name, call=call)
        except NotFound:
            return

    def after_delete(self, address: Address, call: Call) -> None:
        self.drop_empty_group(address, call)


class Subnets(Adapter):
    """raw here is the pair (virtual network, subnet), as _Pair."""

    kind = Kind.SUBNET
    fixed = ("network", "cidr")

    def __init__(self, session: Session, networks: Networks) -> None:
        super().__init__(session)
        self.networks = networks
        self._locks: dict[str, threading.Lock] = {}
        self._guard = threading.Lock()

    def read_all(self, region: str, call: Call) -> Iterator[_Pair]:
        for network in self.networks.read_all(region, call):
            for subnet in network.subnets or ():
                yield _Pair(network, subnet)

    def read(self, where: ArmId, call: Call) -> _Pair:
        network = self.networks.read(ArmId(where.group, where.parent), call)
        for subnet in network.subnets or ():
            if subnet.name.lower() == where.name.lower():
                return _Pair(network, subnet)
        raise NotFound(f"subnet {where.name} is not in {where.parent}")

    def address(self, raw: _Pair) -> Address:
        where = self.networks.address(raw.network)
        return replace(where, kind=Kind.SUBNET, name=raw.subnet.name)

    def observe(self, raw: _Pair, _call: Call) -> Observed:
        prefixes = list(raw.subnet.address_prefixes or ()) or [raw.subnet.address_prefix or ""]
        resource = Subnet(
            name=raw.subnet.name,
            tags=user_tags(raw.network.tags),
            network=self.networks.address(raw.network).name,
            cidr=prefixes[0],
        )
        nsg = raw.subnet.network_security_group
        return Observed(
            address=self.address(raw),
            resource=resource,
            provider_id=raw.subnet.id,
            state=state_of(raw.subnet.provisioning_state),
            owner=owner_of(raw.network.tags),
            raw={"firewall_group_id": nsg.id if nsg else ""},
        )

    def find(self, address: Address, call: Call, *, own: bool = False) -> _Pair:
        """Among our own networks' subnets first. Raises NotFound."""
        found = [
            pair
            for pair in self.read_all(address.region, call)
            if pair.network.location == address.region
            and pair.subnet.name.lower() == address.name.lower()
            and visible(pair.network.tags, call, own=own)
        ]
        found.sort(key=lambda pair: owner_of(pair.network.tags) != call.fleet)
        if not found:
            raise NotFound(f"{address} is not there", address=str(address))
        return found[0]

    def network_id(self, name: str, address: Address, call: Call) -> str:
        """ARM id of the network with that logical name in the address' region. Raises InvalidRequest."""
        return str(self.networks.named(address, name, call).id)

    def ids_in(self, network_id: str, names: Iterable[str], of: Address, call: Call) -> list[str]:
        """ARM ids of a network's subnets that `of` names. Raises InvalidRequest where one is not there."""
        where = parse_id(network_id)
        there = {s.name.lower(): str(s.id) for s in self.networks.read(where, call).subnets or ()}
        missing = [name for name in names if name.lower() not in there]
        if missing:
            raise InvalidRequest(
                f"{of} names subnet {missing[0]!r}, which does not exist in {where.name}",
                mend="create it first, or correct the name in the fleet",
                address=str(of),
            )
        return [there[name.lower()] for name in names]

    def create(self, address: Address, desired: AnyResource, call: Call) -> Observed:
        from azure.mgmt.network.models import Subnet as Body

        wanted = cast(Subnet, desired)
        network = parse_id(self.network_id(wanted.network, address, call))
        where = ArmId(network.group, arm_name(self.account, self.kind, address.name, address.region), network.name)
        try:
            seen = self.observe(self.read(where, call), call)
            if seen.state is not State.DELETING:
                return self.pending(seen)
            self.wait_gone(address, call)
        except NotFound:
            pass
        self._put(where, Body(address_prefix=wanted.cidr), call)
        return self.pending(self.observe(self.read(where, call), call))

    def update(self, observed: Observed, _desired: AnyResource, call: Call) -> Observed:
        """Nothing of a subnet changes in place: its tags are its network's."""
        return self.observe(self.read(parse_id(observed.provider_id), call), call)

    def attach(self, where: ArmId, firewall_group_id: str, call: Call) -> None:
        """Puts a security group before a subnet, or takes it away (""); nothing else of the subnet changes."""
        from azure.mgmt.network.models import NetworkSecurityGroup

        def change() -> None:
            subnet = self.read(where, call).subnet
            current = subnet.network_security_group.id if subnet.network_security_group else ""
            if current.lower() == firewall_group_id.lower():
                return
            subnet.network_security_group = NetworkSecurityGroup(id=firewall_group_id) if firewall_group_id else None
            self._put(where, subnet, call, headers={"If-Match": subnet.etag})

        self.settled(change)

    def _put(self, where: ArmId, body: Any, call: Call, **kwargs: Any) -> None:
        # Azure takes one change of a network at a time (AnotherOperationInProgress): no need to race ourselves.
        method = self.session.network.subnets.begin_create_or_update
        with self._lock(where):
            self.session.begin(
                "network.subnets.put", method, where.group, where.parent, where.name, body, call=call, **kwargs
            )

    def _lock(self, where: ArmId) -> threading.Lock:
        with self._guard:
            return self._locks.setdefault(f"{where.group}/{where.parent}".lower(), threading.Lock())

    def delete(self, observed: Observed, call: Call) -> None:
        where = parse_id(observed.provider_id)
        method = self.session.network.subnets.begin_delete
        with self._lock(where):
            try:
                self.session.begin("network.subnets.delete", method, where.group, where.parent, where.name, call=call)
            except NotFound:
                return


class _Pair:
    """A subnet with its network; has the members that Adapter asks of any raw resource."""

    def __init__(self, network: Any, subnet: Any) -> None:
        self.network, self.subnet = network, subnet
        self.id, self.name, self.location, self.tags = subnet.id, subnet.name, network.location, network.tags
        self.provisioning_state = subnet.provisioning_state
