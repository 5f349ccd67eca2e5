"""A service's placement in sentences, in English or Chinese, from the verdict's facts and from counterfactual solves.

Callers: cli.placing. A counterfactual is the whole problem solved again with the service held in the site asked for,
so its price difference counts everything that would follow; where a spread forbids a single site, the difference of
moving one replica is told instead.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from typing import Any

from model.plan import Rejection, ServicePlacement
from scheduler.problem import Problem
from scheduler.solve import solve
from scheduler.verdicts import Solved
from scheduler.what_if import only_there

LANGUAGES = ("en", "zh")
WORDS = {
    "en": {
        "runs": "{service} runs in {where}.",
        "allowed": "{allowed} of {sites} sites hold all its rules.",
        "spread": "Spread: at least {each} in each of {domains} {over}s.",
        "out": "Not in {count} sites by {rule}: {names}.",
        "here": "{site}: it runs there.",
        "unknown": "{site}: no such site or region in the fleet.",
        "data_residency": "{site}: breaks data residency: {what} must stay in {countries}; the site is in {country}.",
        "icp": "{site}: it needs an ICP filing for its public entry, and {region} has none.",
        "site_rule": "{site}: its own placement rules (sites, avoid_sites) leave this site out.",
        "capacity": "{site}: nothing sold there holds one replica of {cpu}m cpu, {memory} MiB, {gpu} GPU.",
        "external": "{site}: an external that it calls cannot be reached from {region}: {reason}.",
        "latency": "{site}: a call would take longer than its limit: {reason}.",
        "reach": "{site}: {reason}.",
        "cost": "{site}: one replica there instead would change the bill by {extra:+.4f} {currency}/h.",
        "whole": "{site}: all of it there would cost {extra:+.4f} {currency}/h: compute {compute:+.4f}, "
        "egress {egress:+.4f}{gap}.",
        "same": "{site}: an equal zone; all of it there would cost the same.",
        "forbidden": "{site}: with all of it there, no placement of the whole exists.",
        "gap": " (the two answers are within {a:.1%} and {b:.1%} of their optima)",
    },
    "zh": {
        "runs": "{service} 运行于 {where}。",
        "allowed": "{sites} 个站点中有 {allowed} 个满足其全部规则。",
        "spread": "分布要求：至少 {domains} 个 {over}，每个至少 {each} 个副本。",
        "out": "因 {rule} 排除 {count} 个站点：{names}。",
        "here": "{site}：它已在此运行。",
        "unknown": "{site}：集群中没有这样的站点或地域。",
        "data_residency": "{site}：违反数据驻留：{what} 必须留在 {countries}，而该站点位于 {country}。",
        "icp": "{site}：公网入口需要 ICP 备案，而 {region} 没有。",
        "site_rule": "{site}：服务自身的放置规则（sites、avoid_sites）排除了该站点。",
        "capacity": "{site}：此处没有机型能容纳一个副本（{cpu}m CPU、{memory} MiB、{gpu} GPU）。",
        "external": "{site}：从 {region} 无法访问它调用的外部服务：{reason}。",
        "latency": "{site}：有调用会超过其时延上限：{reason}。",
        "reach": "{site}：{reason}。",
        "cost": "{site}：将一个副本移到此处，费用变化 {extra:+.4f} {currency}/小时。",
        "whole": "{site}：全部移到此处，费用变化 {extra:+.4f} {currency}/小时：计算 {compute:+.4f}，"
        "出网流量 {egress:+.4f}{gap}。",
        "same": "{site}：等价的可用区；全部移到此处费用不变。",
        "forbidden": "{site}：若全部移到此处，则整体无解。",
        "gap": "（两个解与各自最优值的差距不超过 {a:.1%} 和 {b:.1%}）",
    },
}


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
    forbidden = [r for r in row.rejections if r.rule not in ("cost", "latency", "reach")]
    lines = [words["runs"].format(service=service, where=where)]
    lines.append(words["allowed"].format(allowed=len(problem.sites) - len(forbidden), sites=len(problem.sites)))
    if demand.spread is not None:
        s = demand.spread
        lines.append(words["spread"].format(each=s.min_each, domains=s.min_domains, over=s.over))
    if lang == "en":
        lines += [f"{reason[:1].upper()}{reason[1:]}." for reason in row.reasons[1:] if not reason.startswith("spread")]
    answers = []
    for asked in why_not:
        told = _why_not(problem, solved, row, asked, lang)
        lines += [t["words"] for t in told]
        answers += told
    if not why_not:
        lines += _overview(row, words)
    data = {"service": service, "replicas": dict(row.replicas), "reasons": list(row.reasons), "why_not": answers}
    return Told(lines, data)


def _overview(row: ServicePlacement, words: dict[str, str]) -> list[str]:
    by_rule: dict[str, list[str]] = {}
    for rejection in row.rejections:
        by_rule.setdefault(rejection.rule, []).append(rejection.site)
    return [
        words["out"].format(
            count=len(sites), rule=rule, names=", ".join(sites[:4]) + (", ..." if len(sites) > 4 else "")
        )
        for rule, sites in sorted(by_rule.items())
    ]


def _why_not(problem: Problem, solved: Solved, row: ServicePlacement, asked: str, lang: str) -> list[dict[str, Any]]:
    """One answer a region: its zones are alike in most things, so the first that it does not run in speaks for all."""
    sites = [s for s in problem.sites if asked in (s.id, s.region, s.cloud) or fnmatchcase(s.id, asked)]
    if not sites:
        return [{"site": asked, "rule": "unknown", "words": WORDS[lang]["unknown"].format(site=asked)}]
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
    if rejection.rule == "cost" and demand.spread is None:
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
        reason=rejection.reason,
        extra=rejection.extra_cost_per_hour or 0.0,
        currency=problem.currency,
    )
    extra = rejection.extra_cost_per_hour
    return {"site": site_id, "rule": rejection.rule, "extra_cost_per_hour": extra, "words": text}


def _whole(problem: Problem, solved: Solved, service: str, site_id: str, lang: str) -> dict[str, Any]:
    """The problem solved again with the service in that site."""
    words = WORDS[lang]
    other = solve(only_there(problem, service, site_id))
    if not isinstance(other, Solved):
        return {"site": site_id, "rule": "infeasible", "words": words["forbidden"].format(site=site_id)}
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
