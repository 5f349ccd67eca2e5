"""The sentences of `duoyun explain`, in English and Chinese. Pure. Callers: cli.explaining."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from scheduler.problem import Problem, ServiceDemand

LANGUAGES = ("en", "zh")
WORDS = {
    "en": {
        "runs": "{service} runs in {where}.",
        "allowed": "{allowed} of {sites} sites are allowed by its rules.",
        "egress": "Its calls to {callees} cost {total:.4f} {currency}/h of egress.",
        "near": "Everything it calls is near enough to cost no egress.",
        "kept": "{kept} of {replicas} replicas stay where they are.",
        "pool": "It is on {count} x {type} in {site}: {price:.4f} {currency}/h, whose pods are worth {worth:.4f} at "
        "the dual prices (efficiency {efficiency:.0%}).",
        "free_pool": "It is on {count} x {type} in {site}, which costs nothing more.",
        "out": "{rule}: {names}.",
        "here": "{site}: it runs there.",
        "unknown": "{site}: no such site or region in the fleet.",
        "near_name": " Did you mean {}?",
        "data_residency": "{site}: breaks data residency: {what} must stay in {countries}; the site is in {country}.",
        "icp": "{site}: it needs an ICP filing for its public entry, and {region} has none.",
        "site_rule": "{site}: its own placement rules (sites, avoid_sites) leave this site out.",
        "capacity": "{site}: {reason}.",
        "external": "{site}: {reason}.",
        "latency": "{site}: {caller} would not reach {callee} within its limit.",
        "reach": "{site}: {caller} would not reach {callee}.",
        "wish": "{site}: one replica there instead breaks another rule: {reason}.",
        "full": "{site}: no machine more may be had there: its quota, its machines or their number are used up.",
        "cost": "{site}: one replica there instead would change the bill by {extra:+.4f} {currency}/h: "
        "machine {machine:+.4f}, egress {egress:+.4f}.",
        "whole": "{site}: all of it there would change the bill by {extra:+.4f} {currency}/h: compute {compute:+.4f}, "
        "egress {egress:+.4f}{gap}.",
        "same": "{site}: an equal zone; all of it there would cost the same.",
        "forbidden": "{site}: with all of it there, no placement of the whole exists: {reasons}.",
        "undecided": "{site}: with all of it there, no placement was found within the work limit, and none excluded.",
        "more": ", and {count} more",
        "gap": " (the two answers are within {a:.1%} and {b:.1%} of their optima)",
    },
    "zh": {
        "runs": "{service} 运行于 {where}。",
        "allowed": "{sites} 个站点中，其规则允许 {allowed} 个。",
        "egress": "它对 {callees} 的调用每小时产生 {total:.4f} {currency} 的出网费用。",
        "near": "它调用的一切都足够近，没有出网费用。",
        "kept": "{replicas} 个副本中有 {kept} 个留在原处。",
        "pool": "它运行在 {site} 的 {count} 台 {type} 上：{price:.4f} {currency}/小时，"
        "按对偶价格其上的 Pod 值 {worth:.4f}（效率 {efficiency:.0%}）。",
        "free_pool": "它运行在 {site} 的 {count} 台 {type} 上，不另外计费。",
        "out": "{rule}：{names}。",
        "here": "{site}：它已在此运行。",
        "unknown": "{site}：集群中没有这样的站点或地域。",
        "near_name": "是否指 {}？",
        "data_residency": "{site}：违反数据驻留：{what} 必须留在 {countries}，而该站点位于 {country}。",
        "icp": "{site}：公网入口需要 ICP 备案，而 {region} 没有。",
        "site_rule": "{site}：服务自身的放置规则（sites、avoid_sites）排除了该站点。",
        "capacity": "{site}：此处没有机型能容纳一个副本（{cpu}m CPU、{memory} MiB、{gpu} GPU）。",
        "external": "{site}：从 {region} 无法访问它调用的外部服务 {callee}。",
        "latency": "{site}：{caller} 将无法在时延上限内访问 {callee}。",
        "reach": "{site}：{caller} 将无法访问 {callee}。",
        "wish": "{site}：将一个副本移到此处会违反另一条规则：{reason}。",
        "full": "{site}：此处不能再增加机器：配额、机器数上限或机型数量已用完。",
        "cost": "{site}：将一个副本移到此处，费用变化 {extra:+.4f} {currency}/小时：机器 {machine:+.4f}，"
        "出网流量 {egress:+.4f}。",
        "whole": "{site}：全部移到此处，费用变化 {extra:+.4f} {currency}/小时：计算 {compute:+.4f}，"
        "出网流量 {egress:+.4f}{gap}。",
        "same": "{site}：等价的可用区；全部移到此处费用不变。",
        "forbidden": "{site}：若全部移到此处，则整体无解。",
        "undecided": "{site}：若全部移到此处，在工作量上限内既未找到方案，也未能排除。",
        "more": "，等共 {total} 个",
        "gap": "（两个解与各自最优值的差距不超过 {a:.1%} 和 {b:.1%}）",
    },
}
RULES = {
    "en": {
        "data_residency": "Its data may not be in",
        "icp": "There is no ICP filing in",
        "site_rule": "Its own placement rules leave out",
        "capacity": "Nothing sold there holds one replica",
        "external": "An external that it calls is out of reach from",
        "latency": "A call would take longer than its limit from",
        "reach": "A call would not arrive from",
        "wish": "One replica there instead would break another rule in",
        "full": "No machine more may be had in",
        "cost": "What one replica there instead would change of the bill, per hour",
    },
    "zh": {
        "data_residency": "数据不得位于",
        "icp": "没有 ICP 备案的",
        "site_rule": "被其自身放置规则排除的",
        "capacity": "没有机型能容纳一个副本的",
        "external": "无法访问它所调用外部服务的",
        "latency": "有调用会超过时延上限的",
        "reach": "有调用无法到达的",
        "wish": "移入一个副本会违反其他规则的",
        "full": "不能再增加机器的",
        "cost": "将一个副本移到该处，每小时费用变化",
    },
}
_LEVELS = {
    "en": {"node": "node", "zone": "zone", "region": "region", "cloud": "cloud"},
    "zh": {"node": "节点", "zone": "可用区", "region": "地域", "cloud": "云"},
}
_WISHES = {
    "en": {
        "spread": "at least {each} in each of {count} {level}s",
        "survives": "{share:.0%} of it is left when any one {level} is lost",
        "max_per": "at most {count} of it in one {level}",
        "node_share": "at most {share:.0%} of it on one node",
        "apart": "shares no {level} with {other}",
        "within": "has a replica of {other} in its own {level}",
        "users": "answers the users in {other} within {ms:g} ms",
        "pin": "at least {count} of it in {other}",
        "dearer": "rather not in {other}: {weight:g} {currency} per replica and hour",
        "team": "counts towards the quota of team {other}",
        "latency": "reaches {other} within {ms:g} ms",
    },
    "zh": {
        "spread": "至少 {count} 个{level}，每个至少 {each} 个副本",
        "survives": "任一{level}失效时保留 {share:.0%} 的副本",
        "max_per": "每个{level}最多 {count} 个副本",
        "node_share": "每个节点最多承载 {share:.0%} 的副本",
        "apart": "不与 {other} 共用{level}",
        "within": "与它同一{level}内有 {other} 的副本",
        "users": "在 {ms:g} 毫秒内响应 {other} 的用户",
        "pin": "{other} 至少 {count} 个副本",
        "dearer": "尽量不在 {other}：每副本每小时 {weight:g} {currency}",
        "team": "计入团队 {other} 的配额",
        "latency": "在 {ms:g} 毫秒内访问 {other}",
    },
}


def wishes(problem: Problem, demand: ServiceDemand, lang: str) -> list[str]:
    """What is asked of the service's placement beyond where it may be, a sentence each."""
    words, levels = _WISHES[lang], _LEVELS[lang]
    found = []
    for key, values in _asked(problem, demand):
        level = levels.get(values.get("level", ""), "")
        found.append(words[key].format(**{**values, "level": level}))
    return found


def _asked(problem: Problem, s: ServiceDemand) -> Iterator[tuple[str, dict[str, Any]]]:
    if s.spread is not None:
        yield "spread", {"each": s.spread.min_each, "count": s.spread.min_domains, "level": s.spread.over}
    for level, share in sorted(s.survives.items()):
        yield "survives", {"share": share, "level": level}
    for level, most in sorted(s.max_per.items()):
        yield "max_per", {"count": most, "level": level}
    if s.max_node_share < 1:
        yield "node_share", {"share": s.max_node_share}
    for rule in s.apart:
        yield "apart", {"other": rule.service, "level": rule.over}
    for edge in s.edges:
        if edge.within:
            yield "within", {"other": edge.callee, "level": edge.within}
        if edge.max_rtt_ms is not None:
            yield "latency", {"other": edge.callee, "ms": edge.max_rtt_ms}
    for users in s.users:
        yield "users", {"other": users.population, "ms": users.max_rtt_ms}
    for site, least in sorted(s.pinned.items()):
        yield "pin", {"other": site, "count": least}
    by_weight: dict[float, list[str]] = {}
    for site, weight in sorted(s.dearer.items()):
        by_weight.setdefault(weight, []).append(site)
    for weight, sites in sorted(by_weight.items()):
        names = ", ".join(sites[:4]) + (", ..." if len(sites) > 4 else "")
        yield "dearer", {"other": names, "weight": weight, "currency": problem.currency}
    if s.team and any(q.team == s.team for q in problem.team_quotas):
        yield "team", {"other": s.team}
