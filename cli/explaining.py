"""A service's placement in sentences, in English or Chinese, from the verdict's facts and from counterfactual solves.

Callers: cli.placing. A counterfactual is the whole problem solved again with the service held in the site asked for,
so its price difference counts everything that would follow; where a spread forbids a single site, the difference of
moving one replica is told instead.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from typing import Any

from cli.explaining_words import RULES, WORDS, wishes
from model.plan import Rejection, ServicePlacement
from model.spec.words import close
from scheduler.efficiency import PoolWorth, pool_worths
from scheduler.problem import Problem, ServiceDemand
from scheduler.sizes import domain_cap
from scheduler.solve import solve
from scheduler.traffic import edge_costs
from scheduler.verdicts import InfeasibleVerdict, Solved, Undecided
from scheduler.what_if import only_there

AS_IT_IS = ("cost", "latency", "reach", "wish", "full")  # said of one replica, everything else as it is


@dataclass(frozen=True, slots=True)
class Told:
    lines: list[str] = field(default_factory=list)
    data: dict[str, Any] = field(default_factory=dict)


def explanation(problem: Problem, solved: Solved, service: str, why_not: tuple[str, ...], lang: str) -> Told:
    """What runs where and why; for each site asked for, why not there."""
    words = WORDS[lang]
    row = next(s for s in solved.placement.services if s.service == service)
    demand = problem.service_by_name[service]
    where = ", ".join(f"{site} x{n}" for site, n in sorted(row.replicas.items()))
    forbidden = [r for r in row.rejections if r.rule not in AS_IT_IS]
    lines = [words["runs"].format(service=service, where=where)]
    lines.append(words["allowed"].format(allowed=len(problem.sites) - len(forbidden), sites=len(problem.sites)))
    lines += [f"- {wish}" for wish in wishes(problem, demand, lang)]
    lines += _bill(problem, solved, demand, words)
    pools = [p for p in pool_worths(problem, solved) if service in p.services]
    lines += [_pool(p, words, problem.currency) for p in pools]
    answers = []
    for asked in why_not:
        told = _why_not(problem, solved, row, asked, lang)
        lines += [t["words"] for t in told]
        answers += told
    if not why_not:
        lines += _overview(row, lang)
    data = {
        "service": service,
        "replicas": dict(row.replicas),
        "reasons": list(row.reasons),
        "pools": [_pool_data(p) for p in pools],
        "rejections": [_rejected(r) for r in row.rejections],
        "why_not": answers,
    }
    return Told(lines, data)


def _pool(pool: PoolWorth, words: dict[str, str], currency: str) -> str:
    """One node pool that carries the service, and what its pods are worth at the dual prices."""
    key = "pool" if pool.efficiency is not None else "free_pool"
    return words[key].format(
        count=pool.count,
        type=pool.instance_type,
        site=pool.site,
        price=pool.price_per_hour,
        worth=pool.worth_per_hour,
        efficiency=pool.efficiency or 0.0,
        currency=currency,
    )


def _pool_data(pool: PoolWorth) -> dict[str, Any]:
    return {
        "site": pool.site,
        "instance_type": pool.instance_type,
        "count": pool.count,
        "price_per_hour": pool.price_per_hour,
        "worth_per_hour": pool.worth_per_hour,
        "efficiency": pool.efficiency,
    }


def _rejected(rejection: Rejection) -> dict[str, Any]:
    """Why not there; of a site that is only dearer, the difference of moving one replica."""
    return {
        "site": rejection.site,
        "rule": rejection.rule,
        "reason": rejection.reason,
        "extra_cost_per_hour": rejection.extra_cost_per_hour,
    }


def _bill(problem: Problem, solved: Solved, demand: ServiceDemand, words: dict[str, str]) -> list[str]:
    """What its calls cost, and how many of its replicas stay where they are."""
    where = {s.service: s.replicas for s in solved.placement.services}
    paid = [(r.callee, r.per_hour) for r in edge_costs(problem, demand, where) if r.per_hour > 0]
    lines = []
    if paid:
        callees = ", ".join(sorted({callee for callee, _ in paid}))
        total = sum(cost for _, cost in paid)
        lines.append(words["egress"].format(callees=callees, total=total, currency=problem.currency))
    elif any(e.gb_per_hour > 0 for e in demand.edges):
        lines.append(words["near"])
    if demand.current:
        kept = sum(min(n, demand.current.get(site, 0)) for site, n in where[demand.name].items())
        lines.append(words["kept"].format(kept=kept, replicas=demand.replicas))
    return lines


def _overview(row: ServicePlacement, lang: str) -> list[str]:
    """Where it does not run, by rule; of those that are only dearer, the cheapest first."""
    by_rule: dict[str, list[Rejection]] = {}
    for rejection in row.rejections:
        by_rule.setdefault(rejection.rule, []).append(rejection)
    lines = []
    for rule, rejections in sorted(by_rule.items()):
        rejections.sort(key=lambda r: (r.extra_cost_per_hour or 0.0, r.site))
        names = [_priced(r) for r in rejections]
        rest = WORDS[lang]["more"].format(count=len(names) - 4, total=len(names)) if len(names) > 4 else ""
        lines.append(WORDS[lang]["out"].format(rule=RULES[lang][rule], names=", ".join(names[:4]) + rest))
    return lines


def _priced(rejection: Rejection) -> str:
    extra = rejection.extra_cost_per_hour
    return rejection.site if extra is None else f"{rejection.site} ({extra:+.4f})"


def _why_not(problem: Problem, solved: Solved, row: ServicePlacement, asked: str, lang: str) -> list[dict[str, Any]]:
    """One answer a region: its zones are alike in most things, so the first that it does not run in speaks for all."""
    sites = [s for s in problem.sites if asked in (s.id, s.region, s.partition, s.cloud) or fnmatchcase(s.id, asked)]
    if not sites:
        near = close(asked, (*problem.site_by_id, *problem.regions))
        told = WORDS[lang]["unknown"].format(site=asked)
        return [
            {"site": asked, "rule": "unknown", "words": told + (WORDS[lang]["near_name"].format(near) if near else "")}
        ]
    answers = []
    seen: set[str] = set()
    for site in sorted(sites, key=lambda s: (s.id in row.replicas, s.id)):
        if site.region not in seen or asked == site.id:
            seen.add(site.region)
            answers.append(_answer(problem, solved, row, site.id, lang))
    return answers


def _answer(problem: Problem, solved: Solved, row: ServicePlacement, site_id: str, lang: str) -> dict[str, Any]:
    words = WORDS[lang]
    if site_id in row.replicas:
        return {"site": site_id, "rule": "here", "words": words["here"].format(site=site_id)}
    site, demand = problem.site_by_id[site_id], problem.service_by_name[row.service]
    rejection = next((r for r in row.rejections if r.site == site_id), None) or Rejection(
        site=site_id, rule="cost", reason="", extra_cost_per_hour=0.0
    )
    if rejection.rule in AS_IT_IS and _movable(demand):
        return _whole(problem, solved, row.service, site_id, lang)
    text = words[rejection.rule].format(
        site=site_id,
        region=site.region,
        country=site.country,
        countries=", ".join(demand.allowed_countries or ()),
        what=f"{demand.data_class} data" if demand.data_class and lang == "en" else demand.data_class or "data",
        cpu=demand.cpu_millicores,
        memory=demand.memory_mib,
        gpu=demand.gpu,
        caller=rejection.caller,
        callee=rejection.callee,
        reason=rejection.reason,
        machine=rejection.machine_per_hour or 0.0,
        egress=rejection.egress_per_hour or 0.0,
        extra=rejection.extra_cost_per_hour or 0.0,
        currency=problem.currency,
    )
    extra = rejection.extra_cost_per_hour
    return {
        "site": site_id,
        "rule": rejection.rule,
        "extra_cost_per_hour": extra,
        "machine_per_hour": rejection.machine_per_hour,
        "egress_per_hour": rejection.egress_per_hour,
        "words": text,
    }


def _movable(demand: ServiceDemand) -> bool:
    """Whether all of it may be in one zone as far as its own rules go."""
    return demand.spread is None and not demand.pinned and domain_cap(demand, "zone") is None


def _whole(problem: Problem, solved: Solved, service: str, site_id: str, lang: str) -> dict[str, Any]:
    """The problem solved again with the service in that site."""
    words = WORDS[lang]
    other = solve(only_there(problem, service, site_id))
    if isinstance(other, Undecided):
        return {"site": site_id, "rule": "undecided", "words": words["undecided"].format(site=site_id)}
    if isinstance(other, InfeasibleVerdict):
        reasons = [c.words for c in other.conflicts]
        text = words["forbidden"].format(site=site_id, reasons="; ".join(reasons))
        return {"site": site_id, "rule": "infeasible", "conflicts": reasons, "words": text}
    now, then = solved.placement, other.placement
    compute = then.cost.compute_per_hour - now.cost.compute_per_hour
    egress = then.cost.egress_per_hour - now.cost.egress_per_hour
    both = now.proven_optimal and then.proven_optimal
    gap = "" if both else words["gap"].format(a=now.gap, b=then.gap)
    key = "same" if abs(compute) + abs(egress) < 5e-5 else "whole"
    text = words[key].format(
        site=site_id, extra=compute + egress, compute=compute, egress=egress, currency=problem.currency, gap=gap
    )
    return {
        "site": site_id,
        "rule": "cost",
        "extra_cost_per_hour": compute + egress,
        "compute_per_hour": compute,
        "egress_per_hour": egress,
        "proven": both,
        "words": text,
    }
