"""The further kinds on one cloud: a fleet's life of them through our adapter, and a reading of what strangers made.

Callers: lives.py. What is wanted comes from more.py, what differs by cloud from strangers/.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

from model.resources import (
    DnsRecord,
    FirewallGroup,
    HealthCheck,
    Instance,
    Kind,
    Listener,
    LoadBalancer,
    Network,
    Observed,
    Subnet,
    TrafficWeight,
)
from providers.base import Account
from tools.conformance.lives import Life
from tools.conformance.more import MADE, READ, Base, More, changed, wish

ZONE = "further.example"


@dataclass
class FurtherLife:
    """On the first life's account, with a fleet of its own."""

    life: Life
    account: Account
    more: More

    def lead(self) -> dict[str, str]:
        """From nothing to nothing; outcomes as the first life's."""
        life, stays = self.life, self._stays()
        for wanted in stays:
            self._make(wanted)
        base = self._base()
        for kind in (k for k in MADE if k not in self.more.lacking):
            wanted = wish(self.more, kind, f"further-{kind.replace('_', '-')}", 7, base)
            for number, other in enumerate((wanted, changed(self.more, wanted), *_besides(wanted, base))):
                self._step(f"{'create' if number == 0 else f'change {number}'} {kind}", self._bring, other)
            self._step(f"changes {kind}", self._changes, wanted)
            self._step(f"delete {kind}", self._delete, wanted)
        for kind in (k for k in READ if k not in self.more.lacking):
            self._step(f"read {kind}", self._read, kind)
        for wanted in reversed(stays):
            self._step(f"delete {wanted.KIND} {wanted.name}", self._delete, wanted)
        return life.outcomes

    def _stays(self) -> list[Any]:
        place = self.life.place
        return [
            Network(name="main", cidr="10.15.0.0/16"),
            *(
                Subnet(name=f"main-{n}", network="main", cidr=f"10.15.{n}.0/24", zone=zone)
                for n, zone in enumerate(place.zones)
            ),
            FirewallGroup(name="web", network="main"),
            Instance(
                name="gate-0", zone=place.zones[0], subnet="main-0", firewall_group="web",
                instance_type=place.instance_type, machine_image=self.life.image,
            ),
            LoadBalancer(name="front", network="main", subnets=("main-0",)),
        ]  # fmt: skip

    def _base(self) -> Base:
        place = self.life.place
        if self.more.dns_zone is not None:
            self.more.dns_zone(self.account, place.region, ZONE)
        return Base("main", ("main-0", "main-1"), place.zones, "web", place.instance_type, ZONE, "gate-0")

    # -- steps -------------------------------------------------------------------------------------------------

    def _step(self, name: str, work: Callable[[Any], str], what: Any) -> None:
        self.life.step(name, lambda: work(what))

    def _make(self, wanted: Any) -> None:
        at, life = self.life.at(wanted), self.life
        life.provider.create(at, wanted, life.call(f"{life.fleet}-{wanted.KIND}-{wanted.name}"))
        life.provider.wait_ready(at, life.call())

    def _bring(self, wanted: Any) -> str:
        """Made, or changed where it is there already."""
        at, life = self.life.at(wanted), self.life
        there = [
            o for o in life.provider.list(wanted.KIND, at.region, life.call(), fleet=life.fleet) if o.address == at
        ]
        if there:
            life.provider.update(there[0], wanted, life.call(f"u-{wanted.name}"))
        else:
            life.provider.create(at, wanted, life.call(f"k-{wanted.name}"))
        return f"{life.provider.wait_ready(at, life.call()).state}"

    def _delete(self, wanted: Any) -> str:
        at, life = self.life.at(wanted), self.life
        seen: Observed = life.provider.get(at, life.call())
        life.provider.delete(seen, life.call())
        life.provider.wait_gone(at, life.call())
        return "gone"

    def _changes(self, wanted: Any) -> str:
        life = self.life
        return "told" if life.provider.changes(life.at(wanted), 0.0, life.call(timeout_s=life.trail_s)) else "nothing"

    def _read(self, kind: Kind) -> str:
        life, region = self.life, self.life.place.region
        self.more.strangers[kind](self.account, region, f"further-{kind.replace('_', '-')}")
        return "seen" if list(life.provider.list(kind, region, life.call())) else "nothing"


def _besides(wanted: Any, base: Base) -> list[Any]:
    """What else the cloud can be asked for in place, where our adapter declares it."""
    if isinstance(wanted, DnsRecord):
        shares = (TrafficWeight(value="192.0.2.1", weight=9), TrafficWeight(value="192.0.2.2", weight=1))
        shifted = (replace(shares[0], weight=0), replace(shares[1], weight=255))
        return [replace(wanted, answers=shares), replace(wanted, answers=shifted), replace(wanted, answers=shares[1:])]
    if isinstance(wanted, LoadBalancer):
        udp = Listener(protocol="udp", port=53, target_port=53)
        slower = replace(udp, health_check=HealthCheck(interval_s=20))
        guarded = replace(wanted, listeners=(udp,), deletion_protection=True)
        return [guarded, replace(guarded, listeners=(slower,)), replace(wanted, deletion_protection=False)]
    if wanted.KIND is Kind.DISK:
        return [replace(wanted, size_gib=wanted.size_gib + 20, attached_to=base.instance), replace(wanted, size_gib=40)]
    if wanted.KIND is Kind.INSTANCE_GROUP:
        return [replace(wanted, load_balancers=("front",)), wanted]
    return []


def more_of(cloud: str) -> More:
    found: More = importlib.import_module(f"tools.conformance.strangers.{cloud}").MORE
    return found
