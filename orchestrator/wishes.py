"""What a service and its fleet wish of a placement, in the scheduler's words. Pure. Callers: placing."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from fnmatch import fnmatchcase
from typing import Any

from model.spec.app import Service
from model.spec.fleet import Fleet
from scheduler.problem import Apart, Edge, Population, Spread, TeamQuota, UserLatency


def sites_like(sites: Iterable[str], globs: Iterable[str]) -> tuple[str, ...]:
    """The sites that one of the globs matches, sorted."""
    patterns = tuple(globs)
    return tuple(sorted(s for s in sites if any(fnmatchcase(s, p) for p in patterns)))


def wishes_of(spec: Service, sites: tuple[str, ...]) -> dict[str, Any]:
    """The fields of a ServiceDemand that say where it may and would rather be."""
    rules, spread = spec.placement, spec.placement.spread
    return {
        "allowed_sites": sites_like(sites, rules.sites) if rules.sites else None,
        "avoided_sites": sites_like(sites, rules.avoid_sites),
        "pinned": dict(rules.pin),
        "dearer": _dearer(spec, sites),
        "spread": Spread(over=spread.over, min_domains=spread.min_domains, min_each=spread.min_each)
        if spread
        else None,
        "survives": dict(rules.survive),
        "max_per": dict(rules.max_per),
        "max_node_share": rules.max_node_share,
        "max_spot_share": rules.max_spot_share,
        "disk_gib": spec.resources.disk,
        "architectures": ("amd64",) if spec.runtime == "vm" else tuple(sorted(set(spec.architectures))),
        "apart": tuple(Apart(service=a.service, over=a.over) for a in rules.apart),
        "users": tuple(UserLatency(population=u.population, max_rtt_ms=u.max_rtt_ms) for u in rules.users),
        "team": spec.team or "",
        "priority": spec.priority,
        "edges": tuple(
            Edge(
                callee=d.name,
                calls_per_s=d.calls_per_s,
                bytes_per_call=d.bytes_per_call,
                max_rtt_ms=d.max_rtt_ms,
                within=d.within or "",
            )
            for d in spec.depends_on
        ),
    }


def _dearer(spec: Service, sites: tuple[str, ...]) -> dict[str, float]:
    """What being there costs in wishes: the weight of each preference that names other sites."""
    found: defaultdict[str, float] = defaultdict(float)
    for wish in spec.placement.prefer:
        liked = set(sites_like(sites, wish.sites))
        for site in sites:
            if site not in liked:
                found[site] += wish.weight_per_hour
    return dict(sorted(found.items()))


def populations(fleet: Fleet) -> tuple[Population, ...]:
    """Users, with the round trip from them to each region."""
    return tuple(Population(name=p.name, rtt_ms=dict(p.rtt_ms)) for p in fleet.spec.populations)


def team_quotas(fleet: Fleet, teams: set[str | None]) -> tuple[TeamQuota, ...]:
    """The quotas of the teams that this application has services of."""
    return tuple(
        TeamQuota(team=q.team, cpu_millicores=q.cpu, memory_mib=q.memory, region=q.region or "")
        for q in fleet.spec.capacity.team_quotas
        if q.team in teams
    )
