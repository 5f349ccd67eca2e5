"""Leaves out what cannot be part of any cheapest placement: dominated machine types and interchangeable zones.

Both arguments are exact: removing what is removed here never raises the optimum, so a bound on the smaller model is a
bound on the whole problem. Callers: formulation. Pure.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence

from scheduler.eligibility import Eligibility, usable_types
from scheduler.problem import InstanceOffer, Problem, ServiceDemand, SiteOffer, offer_order
from scheduler.sizes import room, size_of

Key = tuple[float, ...]


def pool_types(problem: Problem, site: SiteOffer, services: Sequence[ServiceDemand]) -> tuple[InstanceOffer, ...]:
    """Types worth considering for a Kubernetes pool of that site that may carry those services.

    A type goes when another one costs no more, counts no more against a quota and has at least as much of everything,
    where "as much" stops counting at what all those services together could use.
    """
    if not services:
        return ()
    slack = 2 if problem.rollout_headroom else 1
    sizes = [size_of(s) for s in services]
    most = tuple(
        slack * sum(size[axis] * s.replicas for size, s in zip(sizes, services, strict=True))
        for axis in range(len(sizes[0]))
    )
    usable = {t for s in services for t in usable_types(problem, s, site)}
    keys = {t: (*map(min, room(problem, t), most), *_quota(problem, site, t), -t.price_per_hour) for t in usable}
    return _undominated(keys)


def dedicated_types(problem: Problem, site: SiteOffer, service: ServiceDemand) -> tuple[InstanceOffer, ...]:
    """Types worth considering for one VM service: cheapest first, dearer ones only where they spare quota."""
    usable = usable_types(problem, service, site)
    return _undominated({t: (*_quota(problem, site, t), -t.price_per_hour) for t in usable})


def _quota(problem: Problem, site: SiteOffer, offer: InstanceOffer) -> Key:
    return (-offer.vcpu,) if site.region in problem.region_quota_vcpu else ()


def _undominated(keys: dict[InstanceOffer, Key]) -> tuple[InstanceOffer, ...]:
    """Types that no other type equals or beats in every entry; of equal ones the first by name stays.

    A type of which there are only so many makes no other one superfluous.
    """
    kept: list[InstanceOffer] = []
    for offer in sorted(keys, key=lambda t: (tuple(-v for v in keys[t]), t.name)):
        mine = keys[offer]
        unlimited = (other for other in kept if other.max_count is None)
        if not any(all(a >= b for a, b in zip(keys[other], mine, strict=True)) for other in unlimited):
            kept.append(offer)
    return tuple(sorted(kept, key=lambda t: (t.price_per_hour, t.name)))


def site_classes(problem: Problem, eligibility: Eligibility, *, aware: bool = True) -> list[list[SiteOffer]]:
    """Zones of a region that differ in nothing but their name, grouped; each group sorted by id.

    aware: a zone in which something runs is told from one that is empty.
    """
    eligible_at: dict[str, list[int]] = defaultdict(list)
    for number, site_ids in enumerate(dict.fromkeys(eligibility.allowed.values())):  # many services share theirs
        for site_id in site_ids:
            eligible_at[site_id].append(number)
    occupied = {s for service in problem.services for s in (*service.pinned, *service.dearer)}
    if aware:
        occupied |= {s for service in problem.services for s in service.current}
        occupied |= {p.site for p in problem.current_pools}
    groups: dict[tuple[object, ...], list[SiteOffer]] = defaultdict(list)
    for site in sorted(problem.sites, key=lambda s: s.id):
        mark = site.id if site.id in occupied else ""
        types = tuple(sorted(site.types, key=offer_order))
        facts = (site.region, types, site.max_machines, tuple(eligible_at[site.id]), mark)
        groups[facts].append(site)
    return [groups[k] for k in sorted(groups, key=lambda k: groups[k][0].id)]


def _minds_zones(service: ServiceDemand) -> bool:
    """Whether one zone instead of two could break a rule of it."""
    over_zones = service.spread is not None and service.spread.over == "zone"
    return (
        over_zones
        or "zone" in service.survives
        or "zone" in service.max_per
        or any(a.over == "zone" for a in service.apart)
    )


def sites_to_consider(
    problem: Problem, eligibility: Eligibility, merged: bool = False
) -> tuple[list[SiteOffer], list[list[SiteOffer]], dict[str, int]]:
    """The sites of the model, the groups of equal ones among them whose order may be fixed, and how many zones each
    stands for.

    Where no service spreads over zones and no zone limits its machines, whatever runs in two equal zones runs in one
    of them at no higher cost, so one zone of the group stands for all. merged: it does so in any case (a relaxation).
    """
    spreads_over_zones = {s.name for s in problem.services if _minds_zones(s)}
    chosen: list[SiteOffer] = []
    symmetric: list[list[SiteOffer]] = []
    zones: dict[str, int] = {}
    for group in site_classes(problem, eligibility):
        here = {name for name, sites in eligibility.allowed.items() if group[0].id in sites}
        if not here:
            continue
        limited = group[0].max_machines is not None or any(t.max_count is not None for t in group[0].types)
        apart = bool(here & spreads_over_zones) or limited
        keep = group if apart and not merged else group[:1]
        chosen.extend(keep)
        zones.update({s.id: len(group) if apart and merged else 1 for s in keep})
        if len(keep) > 1:
            symmetric.append(keep)
    return sorted(chosen, key=lambda s: s.id), symmetric, zones
