"""Packs replicas on the machines of one site: the certificate that a node pool really holds what it is meant to hold.

First-fit decreasing (by the scarcer resource), then an exhaustive search with a step limit that decides small cases
exactly. Callers: solve, check. Pure and deterministic.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import Enum

from scheduler.sizes import DIMENSIONS, Vector


class Outcome(Enum):
    """impossible is proven; unknown means that the step limit came first."""

    PACKED = "packed"
    IMPOSSIBLE = "impossible"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class Group:
    """count equal pods of one service; at most per_node pods of that name, in all groups, may share a node.

    apart: names of groups none of whose pods may be on a node with one of these.
    """

    name: str
    size: Vector
    count: int
    per_node: int
    apart: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Node:
    """An empty node of a type."""

    type: str
    room: Vector


@dataclass(slots=True)
class Packing:
    """outcome, and where it is PACKED: per node (as given), group name -> pods."""

    outcome: Outcome
    loads: list[dict[str, int]] = field(default_factory=list)


def pack(groups: Sequence[Group], nodes: Sequence[Node], step_limit: int = 20_000) -> Packing:
    """Put every pod of every group on a node, or prove that it cannot be done; step_limit 0: only try first-fit."""
    for axis in range(DIMENSIONS):
        if sum(g.size[axis] * g.count for g in groups) > sum(n.room[axis] for n in nodes):
            return Packing(Outcome.IMPOSSIBLE)
    ordered = sorted(groups, key=lambda g: (-_weight(g.size, nodes), g.name))
    for fullest_first in (False, True):
        loads = _greedy(ordered, nodes, fullest_first)
        if loads is not None:
            return Packing(Outcome.PACKED, loads)
    if step_limit <= 0:
        return Packing(Outcome.UNKNOWN)
    return _Search(ordered, nodes, step_limit).run()


def _weight(size: Vector, nodes: Sequence[Node]) -> float:
    """The share of the whole site that one pod takes, in its scarcest resource."""
    totals = [sum(n.room[axis] for n in nodes) for axis in range(DIMENSIONS)]
    return max((size[a] / totals[a] for a in range(DIMENSIONS) if totals[a]), default=0.0)


def _fits(size: Vector, free: list[int]) -> bool:
    return all(s <= f for s, f in zip(size, free, strict=True))


def _welcome(group: Group, load: dict[str, int]) -> bool:
    return load.get(group.name, 0) < group.per_node and not (group.apart and any(n in group.apart for n in load))


def _greedy(groups: Sequence[Group], nodes: Sequence[Node], fullest_first: bool) -> list[dict[str, int]] | None:
    free = [list(n.room) for n in nodes]
    loads: list[dict[str, int]] = [{} for _ in nodes]
    for group in groups:
        for _ in range(group.count):
            open_nodes = [
                i for i in range(len(nodes))
                if _fits(group.size, free[i]) and _welcome(group, loads[i])
            ]  # fmt: skip
            if not open_nodes:
                return None
            best = min(open_nodes, key=lambda i: (sum(free[i][:2]), i)) if fullest_first else open_nodes[0]
            _add(group, free[best], loads[best], 1)
    return loads


def _add(group: Group, free: list[int], load: dict[str, int], count: int) -> None:
    for axis in range(DIMENSIONS):
        free[axis] -= group.size[axis] * count
    load[group.name] = load.get(group.name, 0) + count
    if not load[group.name]:
        del load[group.name]


class _Search:
    """Depth first over pods, largest first; equal nodes are tried once, equal pods in node order."""

    def __init__(self, groups: Sequence[Group], nodes: Sequence[Node], step_limit: int) -> None:
        self.pods = [g for g in groups for _ in range(g.count)]
        self.nodes = nodes
        self.free = [list(n.room) for n in nodes]
        self.loads: list[dict[str, int]] = [{} for _ in nodes]
        self.steps = 0
        self.step_limit = step_limit

    def run(self) -> Packing:
        if len(self.pods) > 400:  # the recursion is one level a pod
            return Packing(Outcome.UNKNOWN)
        if self._place(0, 0):
            return Packing(Outcome.PACKED, self.loads)
        return Packing(Outcome.UNKNOWN if self.steps >= self.step_limit else Outcome.IMPOSSIBLE)

    def _place(self, index: int, first_node: int) -> bool:
        if index == len(self.pods):
            return True
        group, tried = self.pods[index], set()
        for i in range(first_node, len(self.nodes)):
            if self.steps >= self.step_limit:
                return False
            if not _fits(group.size, self.free[i]) or not _welcome(group, self.loads[i]):
                continue
            state = (tuple(self.free[i]), tuple(sorted(self.loads[i].items())))
            if state in tried:
                continue
            tried.add(state)
            self.steps += 1
            _add(group, self.free[i], self.loads[i], 1)
            following_is_equal = index + 1 < len(self.pods) and self.pods[index + 1] is group
            if self._place(index + 1, i if following_is_equal else 0):
                return True
            _add(group, self.free[i], self.loads[i], -1)
        return False
