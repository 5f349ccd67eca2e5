"""Machines that are paid for or there already, as offers of the scheduler, and back from its answer. Pure.

The scheduler knows an offer by its name alone, one of each name in a site; so what is not bought on demand carries its
terms in the name while placing. Callers: placing.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Final

from model.plan import PoolChoice, Terms
from model.spec.fleet import ExistingNodeSpec
from scheduler.problem import InstanceOffer, NodeLoad, Problem

_RESERVED: Final = " (reserved)"
_EXISTING: Final = "node "
_SPOT: Final = " (spot)"


def reserved(offer: InstanceOffer, count: int) -> InstanceOffer:
    """So many machines of that type for nothing: they are paid for whether they run or not."""
    name = f"{offer.name}{_RESERVED}"
    return replace(offer, name=name, price_per_hour=0.0, assumed=False, max_count=count)


def on_spot_offer(offer: InstanceOffer, price_per_hour: float, assumed: bool) -> InstanceOffer:
    """The same machine, which may be taken back at any time, at that price."""
    name = f"{offer.name}{_SPOT}"
    return replace(offer, name=name, price_per_hour=price_per_hour, assumed=assumed, spot=True)


def machine_name(instance_type: str, *, spot: bool) -> str:
    """What it is called where spot machines and others of a type are told apart."""
    return f"{instance_type}{_SPOT}" if spot else instance_type


def existing_node(node: ExistingNodeSpec) -> InstanceOffer:
    """The free room of one node that is there, which counts towards no quota once more."""
    return InstanceOffer(
        name=f"{_EXISTING}{node.name}",
        vcpu=0.0,
        cpu_millicores=node.cpu,
        memory_mib=node.memory,
        gpu=node.gpu,
        pods=node.pods,
        price_per_hour=0.0,
        max_count=1,
        bare=True,
        disk_gib=node.disk,
        arch=node.arch,
        spot=node.spot,
    )


def is_existing(name: str) -> bool:
    """Whether the scheduler's offer of that name is a node that is there."""
    return name.startswith(_EXISTING)


def replicas_on_spot(problem: Problem, packing: Sequence[NodeLoad]) -> dict[str, dict[str, int]]:
    """Service -> site -> replicas that the certificate puts on spot machines, existing ones too."""
    spot = {(s.id, t.name) for s in problem.sites for t in s.types if t.spot}
    found: dict[str, dict[str, int]] = {}
    for load in packing:
        if (load.site, load.instance_type) in spot:
            for service, count in load.pods.items():
                at = found.setdefault(service, {})
                at[load.site] = at.get(load.site, 0) + count
    return {service: dict(sorted(sites.items())) for service, sites in sorted(found.items())}


def machine_of(pool: PoolChoice) -> PoolChoice:
    """The scheduler's choice with the type's own name and its terms beside it."""
    name = pool.instance_type
    if name.endswith(_RESERVED):
        return replace(pool, instance_type=name.removesuffix(_RESERVED), terms=Terms.RESERVED)
    if name.endswith(_SPOT):
        return replace(pool, instance_type=name.removesuffix(_SPOT), terms=Terms.SPOT)
    if name.startswith(_EXISTING):
        return replace(pool, instance_type=name.removeprefix(_EXISTING), terms=Terms.EXISTING)
    return pool


def offer_name(pool: PoolChoice) -> str:
    """The name under which the scheduler knows it. Inverse of machine_of."""
    if pool.terms is Terms.RESERVED:
        return f"{pool.instance_type}{_RESERVED}"
    if pool.terms is Terms.SPOT:
        return machine_name(pool.instance_type, spot=True)
    return f"{_EXISTING}{pool.instance_type}" if pool.terms is Terms.EXISTING else pool.instance_type
