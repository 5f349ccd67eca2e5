"""Other worlds: the same Problem without some sites, at other prices, or with one service elsewhere. Pure.

Callers: cli, whoever asks what a decision would cost. Raises InvalidInput where a name matches nothing.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from fnmatch import fnmatchcase

from model.errors import Diagnostic, InvalidInput
from model.spec.words import did_you_mean
from scheduler.problem import Problem, SiteOffer


def without_sites(problem: Problem, patterns: Iterable[str]) -> Problem:
    """As if those clouds, regions or sites did not exist; a pattern is a cloud, a partition or a glob of ids."""
    gone: set[str] = set()
    for pattern in patterns:
        gone |= _matching(problem, pattern)
    sites = tuple(s for s in problem.sites if s.id not in gone)
    regions = {s.region for s in sites}
    if not sites:
        raise InvalidInput([Diagnostic("", "no site would be left")])
    return replace(
        problem,
        sites=sites,
        routes=tuple(r for r in problem.routes if r.src in regions and (r.dst in regions or r.dst == "internet")),
        region_quota_vcpu={r: q for r, q in problem.region_quota_vcpu.items() if r in regions},
        externals=tuple(
            replace(
                e,
                regions=tuple(r for r in e.regions if r in regions),
                callers_from=None if e.callers_from is None else tuple(r for r in e.callers_from if r in regions),
            )
            for e in problem.externals
        ),
        services=tuple(
            replace(
                s,
                allowed_sites=None if s.allowed_sites is None else tuple(i for i in s.allowed_sites if i not in gone),
                avoided_sites=tuple(i for i in s.avoided_sites if i not in gone),
                current={i: n for i, n in s.current.items() if i not in gone},
                pinned={i: n for i, n in s.pinned.items() if i not in gone},
                dearer={i: n for i, n in s.dearer.items() if i not in gone},
            )
            for s in problem.services
        ),
        current_pools=tuple(p for p in problem.current_pools if p.site not in gone),
        current_nodes=tuple(n for n in problem.current_nodes if n.site not in gone),
        populations=tuple(
            replace(p, rtt_ms={r: ms for r, ms in p.rtt_ms.items() if r in regions}) for p in problem.populations
        ),
        team_quotas=tuple(q for q in problem.team_quotas if q.region in ("", *regions)),
    )


def at_prices(problem: Problem, factors: Mapping[str, float]) -> Problem:
    """Machines of those clouds, regions or sites at so many times their price, and what leaves a region all of whose
    sites are among them. Of several that name a site, all count."""
    sites = dict.fromkeys((s.id for s in problem.sites), 1.0)
    regions = dict.fromkeys(problem.regions, 1.0)
    for pattern, factor in factors.items():
        if not 0 <= factor < 1e6:
            raise InvalidInput([Diagnostic(pattern, f"{factor!r} is no factor of a price; 1.2 means 20 % more")])
        named = _matching(problem, pattern)
        for site_id in named:
            sites[site_id] *= factor
        for region in regions:
            if all(s.id in named for s in problem.sites if s.region == region):
                regions[region] *= factor
    return replace(
        problem,
        sites=tuple(
            replace(s, types=tuple(replace(t, price_per_hour=t.price_per_hour * sites[s.id]) for t in s.types))
            for s in problem.sites
        ),
        routes=tuple(replace(r, price_per_gb=r.price_per_gb * regions[r.src]) for r in problem.routes),
    )


def only_there(problem: Problem, service: str, site: str) -> Problem:
    """That service may run in that site only."""
    return replace(
        problem,
        services=tuple(
            replace(s, allowed_sites=(site,), avoided_sites=()) if s.name == service else s for s in problem.services
        ),
    )


def _matching(problem: Problem, pattern: str) -> set[str]:
    found = {s.id for s in problem.sites if _names(s, pattern)}
    if not found:
        known = sorted({s.cloud for s in problem.sites} | {s.partition for s in problem.sites})
        mend = did_you_mean(
            pattern, (*known, *problem.regions, *problem.site_by_id), f"clouds here: {', '.join(known)}"
        )
        raise InvalidInput([Diagnostic(pattern, "no cloud, partition, region or site is of that name", mend)])
    return found


def _names(site: SiteOffer, pattern: str) -> bool:
    return pattern in (site.cloud, site.partition, site.region) or fnmatchcase(site.id, pattern)
