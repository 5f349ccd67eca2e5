"""The user's own constraints, each of which can be dropped from the Problem as a value, and how a set of them shrinks.

Dropping a service's demand drops the service, so the empty set always holds. The method is QuickXplain (Junker 2004),
a deletion filter by halves. Callers: conflicts, extras, verdicts.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import TypeVar

from scheduler.problem import ARCHITECTURES, Problem, ServiceDemand, SiteOffer

T = TypeVar("T")


@dataclass(frozen=True, slots=True, order=True)
class Conflict:
    """One constraint in the user's words. kind: demand, data_residency, icp, sites, avoid, spread, latency, calls,
    affinity, survives, at_most, node_share, apart, users, pin, spot, arch, quota, machines, team, headroom, node_loss,
    node_headroom, spare_node, budget, moves. subject: the service, region, site or team; detail: the callee of an edge,
    or what else tells two of a kind apart. members: of several of one kind that are told as one (scheduler.families);
    then there is no subject."""

    kind: str
    subject: str
    words: str
    detail: str = ""
    members: tuple[Conflict, ...] = ()

    @property
    def parts(self) -> tuple[Conflict, ...]:
        """What it stands for: its members, or itself."""
        return self.members or (self,)


@dataclass(frozen=True, slots=True)
class Relaxation:
    """Giving up one constraint: enough is None where that was not decided within the limit.

    cost_per_hour: of the best placement that was found then, which may not be the cheapest. needed: what that placement
    asks of the limit, in words ("23 vCPU"); "" where the constraint is no limit with a number.
    """

    conflict: Conflict
    enough: bool | None
    cost_per_hour: float | None = None
    needed: str = ""


def advice(way: Relaxation) -> str:
    """What to do about it, in the user's words, without the price."""
    c = way.conflict
    if c.kind == "demand":
        return f"leave {c.subject} out" if c.subject else "leave services out"
    if way.needed and c.members:
        return f"raise the quotas to: {way.needed}" if c.kind == "quota" else f"allow: {way.needed}"
    if way.needed and c.kind == "quota":
        return f"raise the quota of {c.subject} to {way.needed}"
    if way.needed and c.kind == "machines":
        return f"let {c.subject} have {way.needed}"
    if way.needed and c.kind == "team":
        return f"let team {c.subject} request {way.needed}" + (f" in {c.detail}" if c.detail else "")
    return f"give up: {c.words}"


def constraints_of(problem: Problem) -> list[Conflict]:
    """Every constraint that the user could relax, in a fixed order: services first, then what they share."""
    found: list[Conflict] = []
    for service in problem.services:
        found += _of_service(problem, service)
    for region, quota in sorted(problem.region_quota_vcpu.items()):
        found.append(Conflict("quota", region, f"the quota of {region} is {quota:g} vCPU"))
    for site in problem.sites:
        if site.max_machines is not None:
            found.append(Conflict("machines", site.id, f"{site.id} may have at most {site.max_machines} machines"))
    if problem.rollout_headroom:
        found.append(Conflict("headroom", "", "every site keeps room for one more replica during a rolling update"))
    if problem.survive_node_loss:
        found.append(Conflict("node_loss", "", "no single node may carry all replicas of a service"))
    for team in problem.team_quotas:
        where = f" in {team.region}" if team.region else ""
        parts = [f"{team.cpu_millicores}m cpu"] if team.cpu_millicores is not None else []
        parts += [f"{team.memory_mib} MiB"] if team.memory_mib is not None else []
        words = f"team {team.team} may request {' and '.join(parts) or 'anything'}{where}"
        found.append(Conflict("team", team.team, words, team.region))
    if problem.node_headroom:
        words = f"each node keeps {problem.node_headroom:.0%} of its cpu and memory free"
        found.append(Conflict("node_headroom", "", words))
    for site in problem.sites:
        most = max((t.headroom or 0.0 for t in site.types), default=0.0)
        if most:
            words = f"each node in {site.id} keeps {most:.0%} of its cpu and memory free"
            found.append(Conflict("node_headroom", site.id, words))
    if problem.spare_node_per_pool:
        found.append(Conflict("spare_node", "", "each pool has one node more than its pods need"))
    return found


def _of_service(problem: Problem, s: ServiceDemand) -> Iterator[Conflict]:
    machine = "machine of its own" if s.dedicated else "replica"
    gpu = f", {s.gpu} GPU" if s.gpu else ""
    disk = f", {s.disk_gib} GiB of local disk" if s.disk_gib else ""
    size = f"{s.cpu_millicores}m cpu, {s.memory_mib} MiB{gpu}{disk}"
    yield Conflict("demand", s.name, f"{s.name} needs {s.replicas} x {size} (each a {machine})")
    if s.allowed_countries is not None:
        what = f"{s.data_class} data" if s.data_class else "data"
        yield Conflict("data_residency", s.name, f"{s.name}: its {what} stay in {', '.join(s.allowed_countries)}")
    if s.icp_required:
        yield Conflict("icp", s.name, f"{s.name} runs only where there is an ICP filing")
    if s.allowed_sites is not None:
        yield Conflict("sites", s.name, f"{s.name}: placement.sites leaves {len(s.allowed_sites)} sites")
    if s.avoided_sites:
        yield Conflict("avoid", s.name, f"{s.name}: placement.avoid_sites excludes {len(s.avoided_sites)} sites")
    if s.spread is not None:
        rule = f"at least {s.spread.min_each} in each of {s.spread.min_domains} {s.spread.over}s"
        yield Conflict("spread", s.name, f"{s.name}: {rule}")
    yield from _shares(s)
    offers = [t for site in problem.sites for t in site.types]
    if any(t.arch not in s.architectures for t in offers):
        yield Conflict("arch", s.name, f"{s.name}: its image exists for {', '.join(s.architectures)} only")
    if s.max_spot_share < 1 and any(t.spot for t in offers):
        share = f"at most {s.max_spot_share:.0%} of it on spot machines" if s.max_spot_share else "on no spot machine"
        yield Conflict("spot", s.name, f"{s.name}: {share}")
    for edge in s.edges:
        kind = "external" if edge.callee in problem.external_by_name else "service"
        yield Conflict("calls", s.name, f"{s.name} calls the {kind} {edge.callee}", edge.callee)
        if edge.max_rtt_ms is not None:
            words = f"{s.name} reaches {edge.callee} within {edge.max_rtt_ms:g} ms"
            yield Conflict("latency", s.name, words, edge.callee)
        if edge.within:
            words = f"{s.name} has a replica of {edge.callee} in its own {edge.within}"
            yield Conflict("affinity", s.name, words, edge.callee)


def _shares(s: ServiceDemand) -> Iterator[Conflict]:
    """How much of it may be where, and on what."""
    for level, share in sorted(s.survives.items()):
        yield Conflict("survives", s.name, f"{s.name} keeps {share:.0%} of its replicas when a {level} is lost", level)
    for level, most in sorted(s.max_per.items()):
        yield Conflict("at_most", s.name, f"{s.name}: at most {most} replicas in one {level}", level)
    if s.max_node_share < 1:
        yield Conflict("node_share", s.name, f"{s.name}: one node carries at most {s.max_node_share:.0%} of it")
    for rule in s.apart:
        words = f"{s.name} and {rule.service} share no {rule.over}"
        yield Conflict("apart", s.name, words, f"{rule.service}/{rule.over}")
    for users in s.users:
        words = f"{s.name} answers the users in {users.population} within {users.max_rtt_ms:g} ms"
        yield Conflict("users", s.name, words, users.population)
    for site, least in sorted(s.pinned.items()):
        yield Conflict("pin", s.name, f"{s.name}: at least {least} replicas are pinned to {site}", site)


def without(problem: Problem, dropped: Sequence[Conflict]) -> Problem:
    """The Problem with those constraints given up."""
    dropped = [part for c in dropped for part in c.parts]
    gone = {c.subject for c in dropped if c.kind == "demand"}
    by_service: dict[str, list[Conflict]] = {}
    for c in dropped:
        by_service.setdefault(c.subject, []).append(c)
    services = [_relaxed(s, by_service.get(s.name, []), gone) for s in problem.services if s.name not in gone]
    kinds = {(c.kind, c.subject) for c in dropped}
    return replace(
        problem,
        services=tuple(services),
        sites=tuple(_relaxed_site(s, kinds) for s in problem.sites),
        region_quota_vcpu={r: q for r, q in problem.region_quota_vcpu.items() if ("quota", r) not in kinds},
        rollout_headroom=problem.rollout_headroom and ("headroom", "") not in kinds,
        survive_node_loss=problem.survive_node_loss and ("node_loss", "") not in kinds,
        team_quotas=tuple(
            q
            for q in problem.team_quotas
            if not any(c.kind == "team" and (c.subject, c.detail) == (q.team, q.region) for c in dropped)
        ),
        node_headroom=0.0 if ("node_headroom", "") in kinds else problem.node_headroom,
        spare_node_per_pool=problem.spare_node_per_pool and ("spare_node", "") not in kinds,
    )


def _relaxed_site(site: SiteOffer, kinds: set[tuple[str, str]]) -> SiteOffer:
    if ("machines", site.id) in kinds:
        site = replace(site, max_machines=None)
    if ("node_headroom", site.id) in kinds:
        site = replace(site, types=tuple(replace(t, headroom=0.0 if t.headroom else t.headroom) for t in site.types))
    return site


def _relaxed(service: ServiceDemand, dropped: Sequence[Conflict], gone: set[str]) -> ServiceDemand:
    kinds = {(c.kind, c.detail) for c in dropped}
    edges = tuple(
        replace(
            e,
            max_rtt_ms=None if ("latency", e.callee) in kinds else e.max_rtt_ms,
            within="" if ("affinity", e.callee) in kinds else e.within,
        )
        for e in service.edges
        if e.callee not in gone and ("calls", e.callee) not in kinds
    )
    return replace(
        service,
        allowed_countries=None if ("data_residency", "") in kinds else service.allowed_countries,
        icp_required=service.icp_required and ("icp", "") not in kinds,
        allowed_sites=None if ("sites", "") in kinds else service.allowed_sites,
        avoided_sites=() if ("avoid", "") in kinds else service.avoided_sites,
        spread=None if ("spread", "") in kinds else service.spread,
        edges=edges,
        survives={k: v for k, v in service.survives.items() if ("survives", k) not in kinds},
        max_per={k: v for k, v in service.max_per.items() if ("at_most", k) not in kinds},
        max_node_share=1.0 if ("node_share", "") in kinds else service.max_node_share,
        apart=tuple(
            a for a in service.apart if a.service not in gone and ("apart", f"{a.service}/{a.over}") not in kinds
        ),
        users=tuple(u for u in service.users if ("users", u.population) not in kinds),
        pinned={k: v for k, v in service.pinned.items() if ("pin", k) not in kinds},
        architectures=ARCHITECTURES if ("arch", "") in kinds else service.architectures,
        max_spot_share=1.0 if ("spot", "") in kinds else service.max_spot_share,
    )


def quick_xplain(suspects: list[T], conflicting: Callable[[Sequence[T]], bool]) -> list[T]:
    """As few of the suspects as still conflict, none of which is superfluous; all of them together must conflict."""
    return _quick_xplain([], suspects, conflicting, fresh=False)


def _quick_xplain(
    background: list[T], suspects: list[T], conflicting: Callable[[Sequence[T]], bool], fresh: bool
) -> list[T]:
    if fresh and conflicting(background):
        return []
    if len(suspects) <= 1:
        return suspects
    half = len(suspects) // 2
    first, second = suspects[:half], suspects[half:]
    needed_second = _quick_xplain(background + first, second, conflicting, bool(first))
    needed_first = _quick_xplain(background + needed_second, first, conflicting, bool(needed_second))
    return needed_first + needed_second
