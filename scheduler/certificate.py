"""Judges a packing: nodes are the pools' nodes, every pod is on one, none is overfull, and there is room for updates.

A part of scheduler.check, and as it: no model, no solver, only the rules as documented. There may be a hundred thousand
pods, so they are counted in arrays; words are made only for what is wrong. Callers: check. Pure.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from itertools import chain
from typing import Any

import numpy as np
from numpy.typing import NDArray

from model.plan import PoolChoice
from scheduler.problem import LEVELS, NodeLoad, Problem
from scheduler.sizes import AMD64, ARM64, DIMENSIONS, DISK, GPU, ON_DEMAND, loose_count, node_cap, room, size_of
from scheduler.traffic import Assignment

Array = NDArray[Any]


def wrong_nodes(
    problem: Problem, assignment: Assignment, pools: Sequence[PoolChoice], packing: Sequence[NodeLoad]
) -> list[str]:
    """What is wrong with the certificate, in words; empty where nothing is."""
    found: list[str] = []
    bought = Counter({(p.site, p.instance_type): p.count for p in pools if not p.dedicated_to})
    if bought != Counter((load.site, load.instance_type) for load in packing):
        found.append("the certificate speaks of other nodes than the pools have")
    offers = {(site.id, t.name) for site in problem.sites for t in site.types}
    foreign = sorted({(load.site, load.instance_type) for load in packing} - offers)
    strange = sorted({name for load in packing for name in load.pods if name not in problem.service_by_name})
    if foreign or strange:  # nothing more can be said of these
        found += [f"{site} sells no {name}, and the certificate has one" for site, name in foreign]
        return found + [f"{name}: on a node, and no service of the problem" for name in strange]
    if problem.spare_node_per_pool:
        packing, missing = _without_spares(packing)
        found += [f"{site}: no spare node of {name}" for site, name in missing]
    return found + _Nodes(problem, assignment, packing).wrong()


class _Nodes:
    """Rows: one a node, and one for each service on each node."""

    def __init__(self, problem: Problem, assignment: Assignment, packing: Sequence[NodeLoad]) -> None:
        self.problem, self.assignment, self.packing = problem, assignment, packing
        self.site_number = {site.id: i for i, site in enumerate(problem.sites)}
        self.number = {s.name: i for i, s in enumerate(problem.services)}
        self.sizes = np.array([size_of(s) for s in problem.services], float).reshape(-1, DIMENSIONS)
        types = {(site.id, t.name): t for site in problem.sites for t in site.types}
        rooms = {key: room(problem, types[key]) for key in {(load.site, load.instance_type) for load in packing}}
        self.spot = {key for key in rooms if types[key].spot}
        self.rooms = np.array([rooms[load.site, load.instance_type] for load in packing], float).reshape(-1, DIMENSIONS)
        self.site = np.array([self.site_number[load.site] for load in packing], np.int64)
        each = [len(load.pods) for load in packing]
        self.node = np.repeat(np.arange(len(packing)), each)
        names = chain.from_iterable(load.pods for load in packing)
        self.service = np.fromiter(map(self.number.__getitem__, names), np.int64, sum(each))
        self.count = np.fromiter(chain.from_iterable(load.pods.values() for load in packing), np.int64, sum(each))

    def wrong(self) -> list[str]:
        return [*self._overfull(), *self._alone(), *self._on_spot(), *self._places()]

    def _overfull(self) -> list[str]:
        """Nodes that carry more than they have room for, and sites without room for a rolling update."""
        free = self.rooms.copy()
        for axis in range(DIMENSIONS):
            if axis != ON_DEMAND:  # how many may be on spot machines is counted by service
                asked = self.sizes[self.service, axis] * self.count
                free[:, axis] -= np.bincount(self.node, asked, minlength=len(free))
        found = [
            f"{self.packing[i].site}: a node of {self.packing[i].instance_type} is overfull"
            for i in np.flatnonzero((free < 0).any(axis=1)).tolist()
        ]
        extras = self._extras()
        fits = (free >= extras[self.site]).all(axis=1)
        without = set(self.site.tolist()) - set(self.site[fits].tolist())
        return found + [f"{self.problem.sites[i].id}: no room for a rolling update" for i in sorted(without)]

    def _extras(self) -> Array:
        """sites x resources: the room that each keeps, as scheduler.check.spare_pod says."""
        most = np.zeros((len(self.problem.sites), DIMENSIONS))
        if self.problem.rollout_headroom:
            who = [
                (self.site_number[site_id], i)
                for i, service in enumerate(self.problem.services)
                if service.surge and not service.dedicated
                for site_id, n in self.assignment.get(service.name, {}).items()
                if n
            ]
            if who:
                here, row = np.array(who).T
                np.maximum.at(most, here, self.sizes[row])
            most[:, [GPU, DISK]] = 0.0
            most[most[:, AMD64] > 0, ARM64] = 0.0
        return most

    def _alone(self) -> list[str]:
        """Nodes with too many of a service, or with two that keep apart; counts that are none."""
        services, found = self.problem.services, []
        caps = np.array([node_cap(self.problem, s) for s in services], np.int64)
        for i in np.flatnonzero(self.count > caps[self.service]).tolist():
            where, service = self.packing[self.node[i]].site, services[self.service[i]]
            found.append(f"{where}: one node carries {self.count[i]} replicas of {service.name}")
        for i in np.flatnonzero(self.count < 1).tolist():
            where, service = self.packing[self.node[i]].site, services[self.service[i]]
            found.append(f"{where}: {self.count[i]} replicas of {service.name} are no number of pods")
        wary = {s.name: s for s in services if any(rule.over not in LEVELS for rule in s.apart)}
        for load in self.packing if wary else ():
            for name in load.pods:
                for rule in wary[name].apart if name in wary else ():
                    if rule.service in load.pods and rule.over not in LEVELS:
                        found.append(f"{load.site}: {name} and {rule.service} share a node")
        return found

    def _on_spot(self) -> list[str]:
        found: list[str] = []
        carried: Counter[tuple[str, str]] = Counter()
        for load in self.packing if self.spot else ():
            if (load.site, load.instance_type) in self.spot:
                for name, count in load.pods.items():
                    carried[name, load.site] += count
        for (name, site_id), count in sorted(carried.items()):
            most = loose_count(self.problem.service_by_name[name], self.assignment.get(name, {}).get(site_id, 0))
            if count > most:
                found.append(f"{name} in {site_id}: {count} replicas on spot machines, at most {most}")
        return found

    def _places(self) -> list[str]:
        """Whether exactly the replicas that are meant to be in a site are on its nodes."""
        width = len(self.problem.sites)
        cells = self.service * width + self.site[self.node]
        held = np.bincount(cells, self.count, minlength=len(self.number) * width)
        meant = np.zeros(len(self.number) * width)
        for i, service in enumerate(self.problem.services):
            if not service.dedicated:
                for site_id, count in self.assignment.get(service.name, {}).items():
                    meant[i * width + self.site_number[site_id]] = count
        found = []
        for cell in np.flatnonzero(held != meant).tolist():
            name, site_id = self.problem.services[cell // width].name, self.problem.sites[cell % width].id
            found.append(f"{name} in {site_id}: {held[cell]:.0f} of {meant[cell]:.0f} on nodes")
        return found


def _without_spares(packing: Sequence[NodeLoad]) -> tuple[list[NodeLoad], list[tuple[str, str]]]:
    """The nodes without one empty one of each pool, and the pools that have none."""
    lacking = dict.fromkeys((load.site, load.instance_type) for load in packing)
    rest: list[NodeLoad] = []
    for load in packing:
        key = (load.site, load.instance_type)
        if key in lacking and not load.pods:
            del lacking[key]
        else:
            rest.append(load)
    return rest, list(lacking)
