"""How a placement looks in a terminal: services, pools with how full they are, cost, bound. Draws; decides nothing."""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING

from rich.console import Console
from rich.table import Table

from cli.plan_view import show_cost, show_pools

if TYPE_CHECKING:
    from model.plan import PoolChoice
    from scheduler.problem import Problem
    from scheduler.verdicts import Solved

_MANY = 60


def show(console: Console, problem: Problem, solved: Solved) -> None:
    """Everything that a person asks first. Services beyond a screenful are summed up per site."""
    placement = solved.placement
    if len(placement.services) <= _MANY:
        _services(console, solved)
    show_pools(console, placement, _asked(problem, solved))
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


def _asked(problem: Problem, solved: Solved) -> dict[PoolChoice, tuple[int, int]]:
    """What is requested in each pool, or of each VM service's machines: millicores and MiB."""
    pods: dict[tuple[str, str], tuple[int, int]] = defaultdict(lambda: (0, 0))
    for load in solved.packing:
        cpu, memory = pods[load.site, load.instance_type]
        for name, count in load.pods.items():
            service = problem.service_by_name[name]
            cpu, memory = cpu + service.cpu_millicores * count, memory + service.memory_mib * count
        pods[load.site, load.instance_type] = cpu, memory
    found = {}
    for pool in solved.placement.pools:
        if pool.dedicated_to:
            service = problem.service_by_name[pool.dedicated_to]
            found[pool] = service.cpu_millicores * pool.count, service.memory_mib * pool.count
        else:
            found[pool] = pods[pool.site, pool.instance_type]
    return found
