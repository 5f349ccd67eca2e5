"""Load balancers of layer 4: Microsoft.Network/loadBalancers (Standard), with a public address where one is wanted.

Callers: provider.py, groups.py. Layer 7 (Application Gateway), deletion protection and access logs are not built.
Targets are addresses of the one pool `main`, each named after the target as it was wanted: an instance, or a private
address. What instance groups put into the pool is theirs; Azure takes addresses or members in one pool, never both.
The network and subnets of a public one stand in tags: Azure puts it into none.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from ipaddress import ip_address
from typing import Any, cast

from model.errors import InvalidRequest, NotBuiltYet, NotFound
from model.resources import Address, AnyResource, Kind, LoadBalancer, Observed, State
from providers.azure.adapter import Adapter
from providers.azure.instances import Instances
from providers.azure.listeners import check_listeners, listeners_of, plan_listeners
from providers.azure.names import (
    TAG_NETWORK,
    TAG_SUBNETS,
    ArmId,
    list_from_tags,
    list_to_tags,
    logical_name,
    merged_tags,
    own_tags,
    owner_of,
    parse_id,
    state_of,
    user_tags,
)
from providers.azure.network import Subnets
from providers.azure.parts import Parts
from providers.azure.session import Session
from providers.base import Call

POOL = FRONT = "main"
Names = Mapping[tuple[str, str], str]
"""(id of a virtual network in lower case, private address) -> the machine that has it there; ("", id of an interface in
lower case) -> the machine that has it."""


class LoadBalancers(Adapter):
    kind = Kind.LOAD_BALANCER
    cannot_set = frozenset({"deletion_protection", "access_logs", "layer"})
    fixed = ("network", "layer", "public")

    def __init__(self, session: Session, subnets: Subnets, instances: Instances) -> None:
        super().__init__(session)
        self.subnets, self.instances = subnets, instances
        self.parts = Parts(session)

    def replaced(self, before: Any, desired: Any) -> tuple[str, ...]:
        """The subnet of an inner front stays; a public one lies in none."""
        moved = not desired.public and before.subnets != desired.subnets
        return super().replaced(before, desired) + (("subnets",) if moved and not before.public else ())

    # -- reading -----------------------------------------------------------------------------------------------

    def read_all(self, _region: str, call: Call) -> Iterator[Any]:
        return self.session.pages("network.balancers.list", self.session.network.load_balancers.list_all, call=call)

    def read(self, where: ArmId, call: Call) -> Any:
        balancers = self.session.network.load_balancers
        return self.session.run("network.balancers.get", balancers.get, where.group, where.name, call=call)

    def list(self, region: str, call: Call, fleet: str | None) -> Iterator[Observed]:
        """One list each of addresses and interfaces, and only where there is a balancer."""
        found = [
            raw
            for raw in self.read_all(region, call)
            if raw.location == region and (fleet is None or owner_of(raw.tags) == fleet)
        ]
        if found:
            publics = {ip.id.lower(): ip for ip in self.parts.all_public_ips(call)}
            names = self._machine_names(call)
            yield from (self._observed(raw, publics, names) for raw in found)

    def observe(self, raw: Any, call: Call) -> Observed:
        fronts = raw.frontend_ip_configurations or ()
        ids = [f.public_ip_address.id for f in fronts if f.public_ip_address]
        publics = {i.lower(): self.parts.public_ip_by_id(i, call) for i in ids}
        members = any(p.load_balancer_backend_addresses or p.backend_ip_configurations for p in _pools(raw))
        return self._observed(raw, publics, self._machine_names(call) if members else {})

    def _machine_names(self, call: Call) -> Names:
        found = {}
        for nic in self.parts.all_interfaces(call):
            machine = parse_id(nic.virtual_machine.id).name if nic.virtual_machine else ""
            name = logical_name(self.account, machine, nic.location, nic.tags if owner_of(nic.tags) else None)
            if name:
                found["", str(nic.id).lower()] = name
            for config in nic.ip_configurations or ():
                if name and config.subnet and config.private_ip_address:
                    network = str(config.subnet.id).rsplit("/subnets/", 1)[0].lower()
                    found[network, str(config.private_ip_address)] = name
        return found

    def _observed(self, raw: Any, publics: Mapping[str, Any], names: Names) -> Observed:
        tags = raw.tags or {}
        fronts = list(raw.frontend_ip_configurations or ())
        subnets = [f.subnet.id for f in fronts if f.subnet]
        network = tags.get(TAG_NETWORK, "") or (
            logical_name(self.account, parse_id(subnets[0]).parent, raw.location) if subnets else ""
        )
        addresses = []
        for front in fronts:
            public = publics.get(front.public_ip_address.id.lower()) if front.public_ip_address else None
            addresses.append(str((public.ip_address if public is not None else front.private_ip_address) or ""))
        listeners = listeners_of(raw)
        resource = LoadBalancer(
            name=self.address(raw).name,
            tags=user_tags(tags),
            network=network,
            subnets=list_from_tags(TAG_SUBNETS, tags) or tuple(dict.fromkeys(parse_id(i).name for i in subnets)),
            listeners=listeners,
            targets=targets_of(raw, names),
            layer=4,
            public=any(f.public_ip_address for f in fronts),
            deletion_protection=False,
        )
        answers = tuple(f"{a}:{line.port}" for a in addresses if a for line in listeners)
        public_ip = addresses[0] if resource.public and addresses else ""
        return self.observed(raw, resource, endpoints=answers, public_ip=public_ip)

    # -- writing -----------------------------------------------------------------------------------------------

    def create(self, address: Address, desired: AnyResource, call: Call) -> Observed:
        wanted = cast(LoadBalancer, desired)
        _check(wanted)
        raw = self.claim(address, call)
        if raw is None:
            subnet_ids = self._subnet_ids(address, wanted, call)
            addresses = self._addresses(address, wanted, call)
            self.in_group(address, call, lambda: self._make(address, wanted, subnet_ids, addresses, call))
            raw = self.read(self.place(address, call), call)
        return self.pending(self.observe(raw, call))

    def _subnet_ids(self, address: Address, wanted: LoadBalancer, call: Call) -> tuple[str, ...]:
        network_id = self.subnets.network_id(wanted.network, address, call)
        return tuple(self.subnets.ids_in(network_id, wanted.subnets, address, call))

    def _addresses(self, address: Address, wanted: LoadBalancer, call: Call) -> dict[str, str]:
        """Target as it is wanted -> its private address. Raises InvalidRequest for an instance that is not there."""
        found = {}
        for target in wanted.targets:
            if _is_address(target):
                found[target] = target
                continue
            seen = self.instances.observe(self.instances.named(address, target, call), call)
            if not seen.private_ip:
                raise InvalidRequest(
                    f"{address} names target {target!r}, which has no address in a network",
                    mend="make the instance anew, or name another one",
                    address=str(address),
                )
            found[target] = seen.private_ip
        return found

    def _make(
        self, address: Address, wanted: LoadBalancer, subnet_ids: tuple[str, ...], addresses: dict[str, str], call: Call
    ) -> None:
        from azure.mgmt.network import models as m

        place = self.place(address, call)
        zones = list(self.session.zones(address.region, call))
        more = {TAG_NETWORK: wanted.network, **list_to_tags(TAG_SUBNETS, wanted.subnets)}
        tags = own_tags(address, wanted.tags, call, **more)
        if wanted.public:
            public_id = self.parts.ensure_public_ip(place, address.region, zones, tags, call)
            front = m.FrontendIPConfiguration(name=FRONT, public_ip_address=m.PublicIPAddress(id=public_id))
        else:
            subnet = m.Subnet(id=subnet_ids[0])
            front = m.FrontendIPConfiguration(
                name=FRONT, subnet=subnet, private_ip_allocation_method="Dynamic", zones=zones or None
            )
        body = m.LoadBalancer(
            location=address.region,
            tags=tags,
            sku=m.LoadBalancerSku(name="Standard"),
            frontend_ip_configurations=[front],
            backend_address_pools=[m.BackendAddressPool(name=POOL)],
        )
        self._fill(self._id(place), body, wanted, addresses, subnet_ids[0].rsplit("/subnets/", 1)[0])
        self._put(place, body, call)

    def _id(self, place: ArmId) -> str:
        return (
            f"/subscriptions/{self.account.account_id}/resourceGroups/{place.group}"
            f"/providers/Microsoft.Network/loadBalancers/{place.name}"
        )

    def _fill(
        self, own_id: str, body: Any, wanted: LoadBalancer, addresses: Mapping[str, str], network_id: str
    ) -> None:
        """Pool, rules and probes as they are wanted."""
        from azure.mgmt.network import models as m

        pool = next(p for p in body.backend_address_pools if p.name == POOL)
        if addresses or _by_address(pool):
            pool.load_balancer_backend_addresses = [
                m.LoadBalancerBackendAddress(name=name, ip_address=ip, virtual_network=m.SubResource(id=network_id))
                for name, ip in sorted(addresses.items())
            ]
        plan_listeners(own_id, body, wanted.listeners, f"{own_id}/frontendIPConfigurations/{FRONT}", POOL)

    def update(self, observed: Observed, desired: AnyResource, call: Call) -> Observed:
        """Listeners, targets, tags. Rules that say what is wanted stay as they are, other rules go, by whomever."""
        wanted = cast(LoadBalancer, desired)
        _check(wanted)
        where = parse_id(observed.provider_id)
        addresses = self._addresses(observed.address, wanted, call)
        network_id = self._subnet_ids(observed.address, wanted, call)[0].rsplit("/subnets/", 1)[0]

        def change() -> None:
            raw = self.read(where, call)
            more = list_to_tags(TAG_SUBNETS, wanted.subnets) if observed.owner else {}
            tags = merged_tags(raw.tags, wanted.tags, **more)
            told = {a.name: a.ip_address for p in _pools(raw) for a in _by_address(p)}
            same = (tags, dict(addresses)) == (dict(raw.tags or {}), told)
            if same and repr(listeners_of(raw)) == repr(tuple(sorted(wanted.listeners))):  # health checks included
                return
            raw.tags = tags
            self._fill(raw.id, raw, wanted, addresses, network_id)
            self._put(where, raw, call, headers={"If-Match": raw.etag})

        self.settled(change)
        return self.pending(self.observe(self.read(where, call), call))

    def _put(self, where: ArmId, body: Any, call: Call, **kwargs: Any) -> None:
        method = self.session.network.load_balancers.begin_create_or_update
        self.session.begin("network.balancers.put", method, where.group, where.name, body, call=call, **kwargs)

    def for_members(self, of: Address, name: str, call: Call) -> str:
        """ARM id of the balancer that a group names. Raises InvalidRequest where it has targets of its own."""
        raw = self.named(of, name, call)
        if any(_by_address(p) for p in _pools(raw)):
            raise InvalidRequest(
                f"{of} names load balancer {name!r}, which has targets of its own",
                mend="Azure takes targets or an instance group behind one load balancer: leave its targets empty",
                address=str(of),
            )
        return str(raw.id)

    def delete(self, observed: Observed, call: Call) -> None:
        where = parse_id(observed.provider_id)
        method = self.session.network.load_balancers.begin_delete
        try:
            self.session.begin("network.balancers.delete", method, where.group, where.name, call=call)
        except NotFound:
            return

    def after_delete(self, address: Address, call: Call) -> None:
        """Its public address goes after it, also where it was the only part ever made."""
        if not call.fleet:
            return
        place = self.place(address, call)

        def gone() -> bool | None:
            public = self.parts.public_ip(place, call)
            if public is None or owner_of(public.tags) != call.fleet:
                return True
            if state_of(public.provisioning_state) is not State.DELETING:
                self.parts.delete_public_ip(place, call)
            return None

        self.session.calls.poll("azure.load_balancer.address_gone", gone, call)
        self.drop_empty_group(address, call)


def _check(wanted: LoadBalancer) -> None:
    if wanted.layer != 4:
        raise NotBuiltYet("Azure: load balancers of layer 7 (Application Gateway) are not built yet")
    if wanted.deletion_protection or wanted.access_logs:
        name = "deletion_protection" if wanted.deletion_protection else "access_logs"
        raise NotBuiltYet(f"Azure: {name} of a load balancer is not built yet")
    if not wanted.subnets:
        raise InvalidRequest("a load balancer needs a subnet", mend="name one under subnets")
    check_listeners(wanted.listeners)


def _pools(raw: Any) -> list[Any]:
    return list(raw.backend_address_pools or ())


def _by_address(pool: Any) -> list[Any]:
    """Entries that are addresses, not interfaces of machines or members of scale sets."""
    return [
        a
        for a in pool.load_balancer_backend_addresses or ()
        if a.ip_address and not a.network_interface_ip_configuration
    ]


def targets_of(raw: Any, names: Names) -> tuple[str, ...]:
    """Instances by name where names tells them, else addresses; members of scale sets are left out."""
    found = []
    for pool in _pools(raw):
        for entry in _by_address(pool):
            network = str(entry.virtual_network.id).lower() if entry.virtual_network else ""
            found.append(names.get((network, entry.ip_address), entry.ip_address))
        for config in pool.backend_ip_configurations or ():
            nic = str(config.id).rsplit("/ipConfigurations/", 1)[0]
            if "/virtualmachinescalesets/" not in nic.lower():
                found.append(names.get(("", nic.lower()), parse_id(nic).name))
    return tuple(sorted(dict.fromkeys(found)))


def _is_address(text: str) -> bool:
    try:
        ip_address(text)
    except ValueError:
        return False
    return True
