"""The Problem as JSON and back, and everything that can be wrong with one. `problem_schema` documents the format.

Callers: `python -m scheduler`, orchestrator.placing. Raises InvalidInput with all mistakes at once. Pure.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import fields, is_dataclass
from typing import Any

from model.errors import Diagnostic, InvalidInput
from model.spec.words import did_you_mean
from scheduler.problem import ARCHITECTURES, INTERNET, LEVELS, NODE, Problem, ServiceDemand, SiteOffer
from scheduler.sizes import domain_cap

SCHEMA_VERSION = 1
MAX_REPLICAS = 1_000_000  # in all; more is refused, since no answer would come in reasonable time
_MAX_NUMBER = 1e12


def problem_to_data(problem: Problem) -> dict[str, Any]:
    """Plain data for JSON. Inverse of problem_from_data."""
    from model.codec import to_data

    return {"schema_version": SCHEMA_VERSION, **to_data(problem)}


def problem_from_data(data: Any) -> Problem:
    """Plain data -> a checked Problem. InvalidInput names every mistake with its place in the document."""
    if not isinstance(data, Mapping):
        raise InvalidInput([Diagnostic("", "a problem is a JSON object", "see docs/scheduler.md")])
    rest = dict(data)
    version = rest.pop("schema_version", SCHEMA_VERSION)
    if version != SCHEMA_VERSION:
        raise InvalidInput([Diagnostic("schema_version", f"{version!r} is not {SCHEMA_VERSION}")])
    problem = _structure(rest)
    diagnostics = check_problem(problem)
    if diagnostics:
        raise InvalidInput(diagnostics)
    return problem


def _structure(data: Mapping[str, Any]) -> Problem:
    from cattrs import transform_error
    from cattrs.preconf.json import make_converter

    converter = make_converter(forbid_extra_keys=True)
    for kind in (int, float, bool, str):
        converter.register_structure_hook(kind, _strict(kind))
    try:
        return converter.structure(data, Problem)
    except Exception as exc:
        rows = [_split(line) for line in transform_error(exc)]
        raise InvalidInput([Diagnostic(place, what) for place, what in rows]) from exc


def _strict(kind: type) -> Any:
    """No silent conversions: "3" is no number, 1 is no truth value, 2.5 is no count."""

    def structure(value: Any, _: type) -> Any:
        if kind is float and isinstance(value, int) and not isinstance(value, bool):
            return float(value)
        if type(value) is not kind:
            raise ValueError(f"{value!r} is no {kind.__name__}")
        return value

    return structure


def _split(line: str) -> tuple[str, str]:
    what, _, place = line.rpartition(" @ ")
    return place.removeprefix("$."), what or line


def check_problem(problem: Problem) -> list[Diagnostic]:
    """Everything that would make an answer meaningless; empty where the Problem is sound."""
    found = list(_numbers(problem, ""))
    if found:  # with NaN or negative sizes no further sentence would be true
        return found
    found += _names(problem)
    site_ids = {s.id for s in problem.sites}
    for service in problem.services:
        found += _service(problem, service, site_ids)
        found += _wishes(problem, service, site_ids)
    for site in problem.sites:
        found += _site(site)
    found += _shared(problem)
    found += _routes(problem)
    found += [Diagnostic(f"region_quota_vcpu[{r}]", "no site is in that region") for r in _unknown_quota(problem)]
    found += [
        Diagnostic(f"node_pools[{r}]", "no site is in that region" if r not in problem.regions else "at least 1")
        for r, most in sorted(problem.node_pools.items())
        if r not in problem.regions or most < 1
    ]
    found += [
        Diagnostic(f"current_pools[{p.site}]", "no such site") for p in problem.current_pools if p.site not in site_ids
    ]
    found += [
        Diagnostic(f"current_nodes[{site}]", "no such site")
        for site in sorted({node.site for node in problem.current_nodes} - site_ids)
    ]
    return found


def _numbers(value: Any, place: str) -> Iterator[Diagnostic]:
    """Every number anywhere must be finite, not negative and not absurd."""
    if isinstance(value, bool) or value is None or isinstance(value, str):
        return
    if isinstance(value, int | float):
        if not math.isfinite(value) or value < 0 or value > _MAX_NUMBER:
            yield Diagnostic(place, f"{value!r} must be a number from 0 to {_MAX_NUMBER:g}")
    elif is_dataclass(value) and not isinstance(value, type):
        for f in fields(value):
            yield from _numbers(getattr(value, f.name), f"{place}.{f.name}".lstrip("."))
    elif isinstance(value, Mapping):
        for key, item in value.items():
            yield from _numbers(item, f"{place}[{key}]")
    elif isinstance(value, Iterable):
        for index, item in enumerate(value):
            label = getattr(item, "name", "") or getattr(item, "id", "") or index
            yield from _numbers(item, f"{place}[{label}]")


def _names(problem: Problem) -> Iterator[Diagnostic]:
    for place, names in (
        ("services", [s.name for s in problem.services]),
        ("sites", [s.id for s in problem.sites]),
        ("externals", [e.name for e in problem.externals]),
        ("routes", [f"{r.src} -> {r.dst}" for r in problem.routes]),
        ("populations", [p.name for p in problem.populations]),
        ("team_quotas", [f"{q.team} {q.region}".strip() for q in problem.team_quotas]),
    ):
        for name, count in sorted(Counter(names).items()):
            if not name:
                yield Diagnostic(place, "a name is empty")
            if count > 1:
                yield Diagnostic(f"{place}[{name}]", f"occurs {count} times")
    both = {s.name for s in problem.services} & {e.name for e in problem.externals}
    for name in sorted(both):
        yield Diagnostic(f"externals[{name}]", "is the name of a service, too")
    if not problem.sites:
        yield Diagnostic("sites", "there is no site to place anything on")
    total = sum(s.replicas for s in problem.services)
    if total > MAX_REPLICAS:
        mend = "fewer and larger replicas, or several problems"
        yield Diagnostic("services", f"{total} replicas in all; at most {MAX_REPLICAS} are solved", mend)


def _service(problem: Problem, service: ServiceDemand, site_ids: set[str]) -> Iterator[Diagnostic]:
    place = f"services[{service.name}]"
    if service.replicas < 1:
        yield Diagnostic(f"{place}.replicas", "at least one replica is needed")
    if service.pods < 1 and not service.dedicated:
        yield Diagnostic(f"{place}.pods", "a replica is at least one pod")
    for key, sites in (
        ("allowed_sites", service.allowed_sites or ()),
        ("avoided_sites", service.avoided_sites),
        ("current", tuple(service.current)),
    ):
        for site in sorted(set(sites) - site_ids):
            yield Diagnostic(f"{place}.{key}", f"no such site: {site}", did_you_mean(site, sorted(site_ids)))
    if service.allowed_countries == ():
        yield Diagnostic(f"{place}.allowed_countries", "names no country; null means any")
    if service.spread is not None:
        if service.spread.over not in LEVELS:
            yield Diagnostic(f"{place}.spread.over", f"{service.spread.over!r} is none of {', '.join(LEVELS)}")
        if service.spread.min_domains < 1 or service.spread.min_each < 1:
            yield Diagnostic(f"{place}.spread", "min_domains and min_each start at 1")
    known = problem.service_by_name.keys() | problem.external_by_name.keys()
    for edge, count in sorted(Counter(e.callee for e in service.edges).items()):
        if edge not in known:
            mend = did_you_mean(edge, sorted(known))
            yield Diagnostic(f"{place}.edges[{edge}]", "is neither a service nor an external", mend)
        if edge == service.name:
            yield Diagnostic(f"{place}.edges[{edge}]", "a service does not call itself over the network")
        if count > 1:
            yield Diagnostic(f"{place}.edges[{edge}]", f"occurs {count} times")


def _wishes(problem: Problem, service: ServiceDemand, site_ids: set[str]) -> Iterator[Diagnostic]:
    """Shares, levels, pins and preferences of one service, and whether they contradict one another."""
    place = f"services[{service.name}]"
    for key, share in (("max_spot_share", service.max_spot_share), ("max_node_share", service.max_node_share)):
        if share > 1 or (key == "max_node_share" and share <= 0):
            yield Diagnostic(f"{place}.{key}", f"{share:g} is no share; 0.5 means half of its replicas")
    for level, share in sorted(service.survives.items()):
        if level not in LEVELS or share > 1:
            yield Diagnostic(f"{place}.survives[{level}]", f"is a share up to 1 for one of {', '.join(LEVELS)}")
        elif share > 0 and service.replicas - math.ceil(share * service.replicas - 1e-9) < 1:
            what = f"{share:.0%} of {service.replicas} replicas are all of them; no placement survives a loss so"
            yield Diagnostic(f"{place}.survives[{level}]", what, "more replicas, or a smaller share")
    for level, most in sorted(service.max_per.items()):
        if level not in (NODE, *LEVELS) or most < 1:
            yield Diagnostic(f"{place}.max_per[{level}]", f"is at least 1 for one of {', '.join((NODE, *LEVELS))}")
    unknown = sorted(set(service.architectures) - set(ARCHITECTURES))
    if unknown or not service.architectures:
        yield Diagnostic(f"{place}.architectures", f"is one or more of {', '.join(ARCHITECTURES)}")
    for key, sites in (("pinned", service.pinned), ("dearer", service.dearer)):
        for site in sorted(set(sites) - site_ids):
            yield Diagnostic(f"{place}.{key}", f"no such site: {site}", did_you_mean(site, sorted(site_ids)))
    yield from _pins(service)
    yield from _others(problem, service)


def _others(problem: Problem, service: ServiceDemand) -> Iterator[Diagnostic]:
    """What a service's wishes say of other services and of users."""
    place = f"services[{service.name}]"
    for rule in service.apart:
        if rule.service not in problem.service_by_name or rule.service == service.name:
            yield Diagnostic(
                f"{place}.apart[{rule.service}]", "is no other service; max_per keeps replicas of one apart"
            )
        if rule.over not in (NODE, *LEVELS):
            yield Diagnostic(f"{place}.apart[{rule.service}].over", f"is none of {', '.join((NODE, *LEVELS))}")
    for users in service.users:
        if users.population not in problem.population_by_name:
            mend = did_you_mean(users.population, sorted(problem.population_by_name))
            yield Diagnostic(f"{place}.users[{users.population}]", "is no population", mend)
    for edge in service.edges:
        if edge.within not in ("", *LEVELS):
            yield Diagnostic(f"{place}.edges[{edge.callee}].within", f"is none of {', '.join(LEVELS)}")


def _pins(service: ServiceDemand) -> Iterator[Diagnostic]:
    place = f"services[{service.name}].pinned"
    if sum(service.pinned.values()) > service.replicas:
        yield Diagnostic(place, f"{sum(service.pinned.values())} replicas are pinned and there are {service.replicas}")
    for site, least in sorted(service.pinned.items()):
        outside = service.allowed_sites is not None and site not in service.allowed_sites
        if least and (outside or site in service.avoided_sites):
            yield Diagnostic(place, f"contradicts itself: {site} is pinned and not allowed")
        cap = domain_cap(service, "zone")
        if cap is not None and least > cap:
            yield Diagnostic(place, f"contradicts itself: {least} in {site}, where at most {cap} may be")


def _shared(problem: Problem) -> Iterator[Diagnostic]:
    """What belongs to no single service or site."""
    regions = set(problem.regions)
    for people in problem.populations:
        for region in sorted(set(people.rtt_ms) - regions):
            yield Diagnostic(f"populations[{people.name}].rtt_ms", f"no site is in {region}")
        if not people.rtt_ms:
            yield Diagnostic(f"populations[{people.name}].rtt_ms", "names no region")
    teams = {s.team for s in problem.services} - {""}
    for quota in problem.team_quotas:
        if quota.team not in teams:
            mend = did_you_mean(quota.team, sorted(teams))
            yield Diagnostic(f"team_quotas[{quota.team}]", "is the team of no service", mend)
        if quota.region and quota.region not in regions:
            yield Diagnostic(f"team_quotas[{quota.team}].region", f"no site is in {quota.region}")
    if problem.node_headroom >= 1:
        yield Diagnostic("node_headroom", f"{problem.node_headroom:g} leaves nothing; 0.1 keeps a tenth of a node free")


def _site(site: SiteOffer) -> Iterator[Diagnostic]:
    place = f"sites[{site.id}]"
    for offer in site.types:
        if offer.headroom is not None and offer.headroom >= 1:
            what = f"{offer.headroom:g} leaves nothing; 0.1 keeps a tenth of a node free"
            yield Diagnostic(f"{place}.types[{offer.name}].headroom", what)
        if offer.arch not in ARCHITECTURES:
            yield Diagnostic(
                f"{place}.types[{offer.name}].arch", f"{offer.arch!r} is none of {', '.join(ARCHITECTURES)}"
            )
    for name, count in sorted(Counter(t.name for t in site.types).items()):
        if count > 1:
            yield Diagnostic(f"{place}.types[{name}]", f"occurs {count} times")


def _routes(problem: Problem) -> Iterator[Diagnostic]:
    """A hole in the matrix is named, never guessed. Within a region a default is documented (Problem.route)."""
    regions = set(problem.regions)
    for route in problem.routes:
        for end in (route.src, route.dst):
            if end not in regions and not (end == INTERNET and end == route.dst):
                yield Diagnostic(f"routes[{route.src} -> {route.dst}]", f"no site is in {end}")
        if route.rtt_ms is None and route.reachable and route.dst != INTERNET:
            yield Diagnostic(f"routes[{route.src} -> {route.dst}].rtt_ms", "is missing")
    for external in problem.externals:
        for region in sorted(set(external.regions) - regions):
            yield Diagnostic(f"externals[{external.name}].regions", f"no site is in {region}")
        if not external.regions and not external.internet:
            yield Diagnostic(f"externals[{external.name}]", "is nowhere: name its regions, or internet")
    wanted = [(a, b) for a in problem.regions for b in problem.regions if a != b]
    if any(e.internet for e in problem.externals):
        wanted += [(a, INTERNET) for a in problem.regions]
    for src, dst in wanted:
        if (src, dst) not in problem.route_by_pair:
            mend = "give its rtt_ms and price_per_gb, or reachable: false where nothing leads there"
            yield Diagnostic("routes", f"no row from {src} to {dst}", mend)


def _unknown_quota(problem: Problem) -> list[str]:
    return sorted(set(problem.region_quota_vcpu) - set(problem.regions))


def problem_schema() -> dict[str, Any]:
    """JSON Schema of the document; what a field means and its unit is told in scheduler.problem."""
    from pydantic import TypeAdapter

    schema = TypeAdapter(Problem).json_schema()
    schema["properties"] = {"schema_version": {"const": SCHEMA_VERSION}, **schema["properties"]}
    schema["additionalProperties"] = False
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", "title": "duoyun scheduling problem", **schema}
