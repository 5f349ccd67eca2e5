"""Constraints of one kind told as one: nobody reads a list of 45. Callers: conflicts. Pure."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

from scheduler.infeasible import Conflict
from scheduler.problem import Problem

NAMED = 4  # members of a family that are named; the others are counted

# What is said of several constraints of a kind: {n} of them, of {names}.
_WORDS = {
    "icp": "{n} services run only where there is an ICP filing: {names}",
    "sites": "placement.sites of {n} services leaves out sites: {names}",
    "avoid": "placement.avoid_sites of {n} services excludes sites: {names}",
    "spread": "{n} services are spread: {names}",
    "arch": "the images of {n} services do not exist for every architecture: {names}",
    "spot": "{n} services may not all be on spot machines: {names}",
    "calls": "{n} calls: {names}",
    "latency": "{n} calls have a limit of their round trip: {names}",
    "affinity": "{n} calls must be answered nearby: {names}",
    "survives": "{n} services must survive a loss: {names}",
    "at_most": "{n} services have a largest number of replicas in one place: {names}",
    "node_share": "{n} services have a largest share on one node: {names}",
    "apart": "{n} pairs of services are kept apart: {names}",
    "users": "{n} services must be near their users: {names}",
    "pin": "{n} pins: {names}",
    "team": "the quotas of {n} teams: {names}",
    "node_headroom": "nodes keep cpu and memory free in {n} zones: {names}",
}
_OF_CALLS = ("calls", "latency", "affinity")


def family(problem: Problem, members: Sequence[Conflict]) -> Conflict:
    """Several constraints of one kind as one; a single one stays what it is."""
    if len(members) == 1:
        return members[0]
    tell = _TOLD.get(members[0].kind)
    words = tell(problem, members) if tell else _plain(members)
    return Conflict(members[0].kind, "", words, members=tuple(members))


def by_kind(constraints: Iterable[Conflict]) -> list[tuple[Conflict, ...]]:
    """The constraints of each kind, in the order in which the kinds occur first."""
    found: dict[str, list[Conflict]] = {}
    for c in constraints:
        found.setdefault(c.kind, []).append(c)
    return [tuple(members) for members in found.values()]


def _names(names: Iterable[str]) -> str:
    every = list(dict.fromkeys(names))
    rest = len(every) - NAMED
    return ", ".join(every if rest <= 1 else [*every[:NAMED], f"and {rest} more"])


def _plain(members: Sequence[Conflict]) -> str:
    kind = members[0].kind
    if kind in _OF_CALLS:
        names = _names(f"{c.subject} to {c.detail}" for c in members)
    elif kind == "apart":
        names = _names(f"{c.subject} and {c.detail.partition('/')[0]}" for c in members)
    elif kind == "pin":
        names = _names(f"{c.subject} in {c.detail}" for c in members)
    else:
        names = _names(c.subject for c in members)
    return _WORDS[kind].format(n=len(members), names=names)


def _quotas(problem: Problem, members: Sequence[Conflict]) -> str:
    total = sum(problem.region_quota_vcpu[c.subject] for c in members)
    every = "all " if len(members) == len(problem.regions) else ""
    names = _names(c.subject for c in members)
    return f"the quotas of {every}{len(members)} regions together are {total:g} vCPU: {names}"


def _machines(problem: Problem, members: Sequence[Conflict]) -> str:
    total = sum(problem.site_by_id[c.subject].max_machines or 0 for c in members)
    return f"{len(members)} zones together may have at most {total} machines: {_names(c.subject for c in members)}"


def _demands(problem: Problem, members: Sequence[Conflict]) -> str:
    mine = [problem.service_by_name[c.subject] for c in members]
    every = "all " if len(mine) == len(problem.services) else ""
    cpu, memory = sum(s.replicas * s.cpu_millicores for s in mine), sum(s.replicas * s.memory_mib for s in mine)
    largest = sorted(mine, key=lambda s: (-s.replicas * s.cpu_millicores, s.name))
    return (
        f"{every}{len(mine)} services need {sum(s.replicas for s in mine)} replicas, together {cpu}m cpu and {memory} "
        f"MiB: {_names(s.name for s in largest)}"
    )


def _residency(problem: Problem, members: Sequence[Conflict]) -> str:
    countries = sorted({c for m in members for c in problem.service_by_name[m.subject].allowed_countries or ()})
    return f"the data of {len(members)} services stay in {', '.join(countries)}: {_names(c.subject for c in members)}"


_TOLD: dict[str, Callable[[Problem, Sequence[Conflict]], str]] = {
    "quota": _quotas,
    "machines": _machines,
    "demand": _demands,
    "data_residency": _residency,
}
