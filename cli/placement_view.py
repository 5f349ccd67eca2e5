"""How a placement looks in a terminal: services, pools with how full they are, cost, bound. Draws; decides nothing."""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING

from rich.console import Console
from rich.table import Table

from cli.plan_view import show_cost

if TYPE_CHECKING:
    from scheduler.problem import Problem
    from scheduler.verdicts import Solved

_MANY = 60


def show(console: Console, problem: Problem, solved: Solved) -> None:
    """Everything that a person asks first. Services beyond a screenful are summed up per site."""
    placement = solved.placement
    if len(placement.services) <= _MANY:
        _services(console, solved)
    _pools(console, problem, solved)
    show_cost(console, placement, None)
    replicas = sum(s.replicas for s in problem.services)
    moved = f", {solved.moved_replicas} of them moved" if solved.moved_replicas else ""
    console.print(f"  {len(problem.services)} services, {replicas} replicas{moved}, over {_used(solved)} sites")
    for warning in solved.warnings:
        console.print(f"  [yellow]warning: {warning}[/]")
    if solved.binding and len(placement.services) <= _MANY:
        console.print("  limits that are used up:")
        for limit in solved.binding:
            console.print(f"    {limit}", markup=False)


def _used(solved: Solved) -> int:
    return len({site for row in solved.placement.services for site in row.replicas})


def _services(console: Console, solved: Solved) -> None:
    table = Table(title="services", title_justify="left", pad_edge=False)
    table.add_column("service", no_wrap=True)
    table.add_column("where (replicas)")
    for row in solved.placement.services:
        table.add_row(row.service, ", ".join(f"{site} x{n}" for site, n in sorted(row.replicas.items())))
    console.print(table)


def _pools(console: Console, problem: Problem, solved: Solved) -> None:
    """Each pool with what of its allocatable cpu and memory is asked for."""
    asked: dict[tuple[str, str], list[int]] = defaultdict(lambda: [0, 0])
    for load in solved.packing:
        for name, count in load.pods.items():
            service = problem.service_by_name[name]
            asked[load.site, load.instance_type][0] += service.cpu_millicores * count
            asked[load.site, load.instance_type][1] += service.memory_mib * count
    currency = solved.placement.cost.currency
    table = Table(title="nodes and instances", title_justify="left", pad_edge=False)
    for name in ("site", "type", "for"):
        table.add_column(name, no_wrap=True)
    for name in ("count", f"each, {currency}/h", "cpu", "memory"):
        table.add_column(name, justify="right")
    for pool in sorted(solved.placement.pools, key=lambda p: (p.site, p.dedicated_to, p.instance_type)):
        cpu, memory = asked[pool.site, pool.instance_type]
        if pool.dedicated_to:
            service = problem.service_by_name[pool.dedicated_to]
            cpu, memory = service.cpu_millicores * pool.count, service.memory_mib * pool.count
        table.add_row(
            pool.site,
            pool.instance_type,
            pool.dedicated_to or "pods",
            str(pool.count),
            f"{pool.price_per_hour:.3f}{'*' if pool.assumed_price else ''}",
            f"{cpu / max(1, pool.allocatable_cpu_millicores * pool.count):.0%}",
            f"{memory / max(1, pool.allocatable_memory_mib * pool.count):.0%}",
        )
    console.print(table)
    if any(pool.assumed_price for pool in solved.placement.pools):
        console.print("[dim]* assumed price; cpu and memory: requested of what is allocatable[/]")
