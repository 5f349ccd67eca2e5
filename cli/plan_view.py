"""How a plan, its cost and its gate look in a terminal. Draws values; decides nothing."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from model.plan import Action, Cost, GateReport, Op, Placement, Plan, PoolChoice
from model.resources import FieldDiff, Kind

_SIGNS = {
    Op.CREATE: ("+", "green"),
    Op.UPDATE: ("~", "yellow"),
    Op.REPLACE: ("!", "bold red"),
    Op.DELETE: ("-", "red"),
    Op.ADOPT: ("=", "cyan"),
}
_MANY = 40


def action_line(action: Action) -> str:
    """`+ create deployment web-a in cn-north-1`, as markup."""
    sign, colour = _SIGNS[action.op]
    address = action.address
    is_object = address.kind is Kind.KUBERNETES_OBJECT
    kind = address.name.split("/")[2] if is_object else address.kind.value.replace("_", " ")
    name = address.name.rsplit("/", 1)[-1]
    text = f"[{colour}]{sign} {action.op.value} {kind}[/] {escape(name)} in {address.partition}/{address.region}"
    return text + (f"  [bold red]REPLACED: {escape(action.reason)}[/]" if action.op is Op.REPLACE else "")


def diff_line(diff: FieldDiff) -> str:
    """`spec.replicas: 3 -> 5`, as markup; says who owns a delegated field."""
    tail = f"  [dim](left to {escape(diff.actor or 'its manager')})[/]" if diff.delegated else ""
    path = diff.path
    said = diff.before if diff.after is None else diff.after
    if isinstance(said, str) and path.endswith(f"[{said}]"):
        path = path.removesuffix(f"[{said}]")  # a rule's path names it already
    if diff.before is None:
        return f"{escape(path)}: [green]{escape(_short(diff.after))}[/]{tail}"
    if diff.after is None:
        return f"{escape(path)}: [red]{escape(_short(diff.before))}[/] [dim]->[/] (none){tail}"
    before, after = escape(_short(diff.before)), escape(_short(diff.after))
    return f"{escape(path)}: [red]{before}[/] [dim]->[/] [green]{after}[/]{tail}"


def drift_line(diff: FieldDiff) -> str:
    """`spec.replicas: is 5, recorded 3`, as markup: here the live value is the news, not what will replace it."""
    said = diff.before if diff.after is None else diff.after
    path = diff.path.removesuffix(f"[{said}]") if isinstance(said, str) else diff.path
    tail = f"  [dim](held by {escape(diff.actor or 'another manager')}, left alone)[/]" if diff.delegated else ""
    live = f"[red]{escape(_short(diff.before))}[/]" if diff.before is not None else "[red](not there)[/]"
    recorded = f"[green]{escape(_short(diff.after))}[/]" if diff.after is not None else "[green](nothing)[/]"
    return f"{escape(path)}: is {live}, recorded {recorded}{tail}"


def _short(value: Any, limit: int = 100) -> str:
    text = str(value)
    return text if len(text) <= limit else f"{text[: limit - 3]}..."


def show_plan(
    console: Console, plan: Plan, regions: Mapping[str, str], *, verbose: bool = False, approval: str = ""
) -> None:
    """Placement, what will change, the price and the gate's verdict. regions: site id -> partition/region.

    approval: where it stands, which the fleet's terms decide beside the rules.
    """
    moved = plan.cost_before is None or plan.cost_before != plan.placement.cost
    if plan.placement.services and (moved or verbose):
        show_placement(console, plan.placement, regions)
    show_actions(console, plan.actions, verbose=verbose, unobserved=bool(plan.unobserved))
    if plan.placement.services and not (moved or verbose):
        console.print("[dim]nothing moves: services and nodes stay where they are (--verbose lists them)[/]")
    show_stages(console, plan)
    show_cost(console, plan.placement, plan.cost_before)
    if plan.gate:
        show_gate(console, plan.gate, approval)
    for row in plan.unobserved:
        console.print(f"[yellow]unknown:[/] {escape(row)}")
    show_part(console, plan)
    for row in plan.warnings:
        console.print(f"[yellow]warning:[/] {escape(row)}")


_HELD_SHOWN = 10


def show_part(console: Console, plan: Plan) -> None:
    """What an executor that works for some partitions leaves to others."""
    if not plan.partitions:
        return
    console.print(f"[yellow]part:[/] planned is {', '.join(plan.partitions)} alone; what is elsewhere is unknown here")
    for row in plan.held[:_HELD_SHOWN]:
        console.print(f"  held back: {escape(row)}", soft_wrap=True)
    if len(plan.held) > _HELD_SHOWN:
        console.print(f"  held back: {len(plan.held) - _HELD_SHOWN} more")
    for line in still_to_do(plan):
        console.print(f"  next: {line}", soft_wrap=True)


def still_to_do(plan: Plan) -> list[str]:
    """Whose turn it is once this part is done, in order."""
    lines = [f"deploy on an executor for {partition} (DUOYUN_PARTITION={partition})" for partition in plan.elsewhere]
    if plan.held:
        lines.append(f"then here again: {len(plan.held)} of {', '.join(plan.partitions)} wait for that")
    return lines


def show_placement(console: Console, placement: Placement, regions: Mapping[str, str]) -> None:
    """Services x regions, one column a region, zones summed; then the node pools."""
    used = sorted({regions.get(site, site) for s in placement.services for site, n in s.replicas.items() if n})
    table = Table(title="services and where they run (replicas)", title_justify="left", pad_edge=False)
    table.add_column("service", no_wrap=True)
    for region in used:
        table.add_column(region.replace("/", "\n", 1), justify="right")
    for row in sorted(placement.services, key=lambda s: s.service):
        counts: Counter[str] = Counter()
        for site, count in row.replicas.items():
            counts[regions.get(site, site)] += count
        table.add_row(row.service, *(str(counts[r]) if counts[r] else "[dim].[/]" for r in used))
    console.print(table)
    show_pools(console, placement)


def show_pools(
    console: Console, placement: Placement, asked: Mapping[PoolChoice, tuple[int, int]] | None = None
) -> None:
    """Node pools and instances. asked: of each, the cpu (millicores) and memory (MiB) that is requested there."""
    from orchestrator.machines import offer_name

    table = Table(title="nodes and instances", title_justify="left", pad_edge=False)
    for name in ("site", "type", "for"):
        table.add_column(name, no_wrap=True)
    for name in ("count", f"each, {placement.cost.currency}/h", *(("cpu", "memory") if asked is not None else ())):
        table.add_column(name, justify="right")
    for pool in sorted(placement.pools, key=lambda p: (p.site, p.dedicated_to, p.instance_type)):
        price = f"{pool.price_per_hour:.3f}{'*' if pool.assumed_price else ''}"
        cells = [pool.site, escape(offer_name(pool)), pool.dedicated_to or "[dim]pods[/]", str(pool.count), price]
        if asked is not None:
            cpu, memory = asked[pool]
            cells.append(f"{cpu / max(1, pool.allocatable_cpu_millicores * pool.count):.0%}")
            cells.append(f"{memory / max(1, pool.allocatable_memory_mib * pool.count):.0%}")
        table.add_row(*cells)
    console.print(table)
    notes = ["* assumed: no public price; the fleet's assumptions file gives the formula"]
    notes = notes if any(pool.assumed_price for pool in placement.pools) else []
    if asked is not None:
        notes.append("cpu and memory: requested of what is allocatable")
    if notes:
        console.print(f"[dim]{'; '.join(notes)}[/]")


def show_actions(
    console: Console, actions: Sequence[Action], *, verbose: bool = False, unobserved: bool = False
) -> None:
    """Every action, or a count per kind where there are very many and nobody asked for all.

    unobserved: part of the world could not be seen, so that nothing to do there is no statement about it.
    """
    if not actions and unobserved:
        console.print("[yellow]unknown whether anything would change[/]: not everything could be observed (below)")
        return
    if not actions:
        console.print("[green]no change[/]: what is there is what the files want")
        return
    if len(actions) > _MANY and not verbose:
        counts: Counter[tuple[Op, str]] = Counter()
        for action in actions:
            is_object = action.address.kind is Kind.KUBERNETES_OBJECT
            kind = action.address.name.split("/")[2] if is_object else action.address.kind.value.replace("_", " ")
            counts[(action.op, kind)] += 1
        for (op, kind), count in sorted(counts.items()):
            sign, colour = _SIGNS[op]
            console.print(f"  [{colour}]{sign} {op.value} {count} x {kind}[/]")
        for action in actions:
            if action.op is Op.REPLACE:
                console.print(f"  {action_line(action)}")
    else:
        for action in actions:
            console.print(f"  {action_line(action)}")
            for diff in action.diffs:
                console.print(f"      {diff_line(diff)}")
    totals = Counter(a.op.value for a in actions)
    console.print(f"{len(actions)} actions: " + ", ".join(f"{n} to {op}" for op, n in sorted(totals.items())))


def show_stages(console: Console, plan: Plan) -> None:
    """Which Deployments are new first, and how long they are watched."""
    by_id = {a.id: a for a in plan.actions}
    for number, stage in enumerate(plan.stages, 1):
        names = ", ".join(
            f"{by_id[i].address.name.rsplit('/', 1)[-1]} in {by_id[i].address.partition}/{by_id[i].address.region}"
            for i in stage.canaries
        )
        console.print(
            f"  canaries {number}: {escape(names)}; watched for {stage.watch_s:.0f} s before the rest follows"
        )


def show_cost(console: Console, placement: Placement, before: Cost | None) -> None:
    """List price per hour, its parts, what share is assumed, how far from the bound, and against what it was."""
    cost = placement.cost
    if not placement.services:
        return
    change = ""
    if before is not None:
        delta = cost.total_per_hour - before.total_per_hour
        change = f" ({delta:+.2f} against now)" if abs(delta) >= 0.005 else " (as now)"
    dated = f", list prices of {cost.price_date}" if cost.price_date else ""
    console.print(
        f"[bold]{cost.total_per_hour:.2f} {cost.currency}/h[/]{change}: compute {cost.compute_per_hour:.2f}, "
        f"egress {cost.egress_per_hour:.2f}{dated}; {cost.assumed_share:.0%} of it rests on assumptions"
    )
    optimal = "proven optimal" if placement.proven_optimal else f"at most {placement.gap:.1%} above the optimum"
    console.print(f"  {optimal} (lower bound {placement.lower_bound_per_hour:.2f} {cost.currency}/h)")


_STANDINGS = {"approved": "green", "pending": "yellow", "rejected": "bold red", "expired": "yellow"}


def _stage(name: str, ok: bool, approval: str) -> str:
    if name == "approval" and approval in _STANDINGS:
        return f"[{_STANDINGS[approval]}]{name} {approval}[/]"
    if name == "approval" and not ok:
        return f"[yellow]{name} asked for[/]"
    return f"[green]{name} ok[/]" if ok else f"[bold red]{name} DENIED[/]"


def show_gate(console: Console, gate: GateReport, approval: str = "") -> None:
    """Stages, and every finding with its mend. approval: where it stands, if that is known."""
    stages = ", ".join(_stage(name, ok, approval) for name, ok in gate.stages.items())
    console.print(f"gate: {stages}  ({gate.rules_checked} rules over {gate.documents_checked} documents)")
    grouped: dict[tuple[str, str], list[Any]] = {}
    for finding in sorted(gate.findings, key=lambda f: (-f.severity, f.rule_id, f.address)):
        grouped.setdefault((finding.rule_id, finding.waived_by), []).append(finding)
    for (rule, waived), rows in grouped.items():
        first = rows[0]
        colour = "red" if first.severity >= 3 and not waived else "yellow"
        note = f" [dim]waived by {escape(waived)}[/]" if waived else ""
        more = f" [dim]and {len(rows) - 1} more[/]" if len(rows) > 1 else ""
        console.print(f"  [{colour}]{rule} {first.severity.name.lower()}[/] {escape(first.title)}{note}")
        console.print(f"    {escape(first.address)}: {escape(first.message)}{more}")
        if first.mend and not waived:
            console.print(f"    [green]mend:[/] {escape(first.mend)}")


def part_summary(plan: Plan) -> dict[str, Any] | None:
    """None where the plan is for all of the fleet's partitions."""
    if not plan.partitions:
        return None
    return {"partitions": list(plan.partitions), "held": list(plan.held), "elsewhere": list(plan.elsewhere)}


def plan_summary(plan: Plan) -> Mapping[str, Any]:
    """The plan as a program reads it: counts, cost, gate; the whole is in `plan --save`."""
    from model.codec import digest, to_data

    cost = plan.placement.cost
    return {
        "plan_sha256": digest(plan),
        "application": plan.application,
        "fleet": plan.fleet,
        "base_revision": plan.base_revision,
        "changes": dict(Counter(a.op.value for a in plan.actions)),
        "actions": [
            {
                "id": a.id,
                "op": a.op.value,
                "address": str(a.address),
                "service": a.service,
                "site": a.site,
                "wave": a.wave,
                "reason": a.reason,
                "diffs": to_data(a.diffs),
            }
            for a in plan.actions
        ],
        "cost": to_data(cost) | {"total_per_hour": cost.total_per_hour},
        "lower_bound_per_hour": plan.placement.lower_bound_per_hour,
        "proven_optimal": plan.placement.proven_optimal,
        "placement": {s.service: dict(s.replicas) for s in plan.placement.services},
        "on_spot": {s.service: dict(s.on_spot) for s in plan.placement.services if s.on_spot},
        "pools": to_data(plan.placement.pools),
        "stages": to_data(plan.stages),
        "gate": to_data(plan.gate) if plan.gate else None,
        "unobserved": list(plan.unobserved),
        "part": part_summary(plan),
        "warnings": list(plan.warnings),
    }
