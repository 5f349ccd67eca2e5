"""Nodes for the pods of one zone: filled by the linear program's mix, or, where that is cheaper, on whole machines.

Callers: large, stay. Pure and deterministic.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from scheduler.bulk import SPARE, Load, Packer, Pods
from scheduler.cut_zone import on_patterns
from scheduler.grid import Floats, Grid, Ints, Place
from scheduler.prices import Kinds, mix_prices
from scheduler.sizes import CPU, DIMENSIONS, DISK, GPU, MEMORY
from scheduler.whole import Exchange, rounded_mix, types_of, whole_mix

REPAIRS = 240  # nodes or groups of nodes that are taken apart on trial
FEW_REPAIRS = 12  # where most of the nodes exist and are well filled, or other machines are tried after it
MANY_MACHINES = 150  # from which on a machine more of each type is as good as the cheapest whole ones
FINE = 0.004
SLACKS = (0.002, FINE, 0.006, 0.014, 0.03)  # room beyond what the pods ask for, one try after the other
SURE = 2  # tries of which a fit is hardly ever dearer than nodes that were improved one by one
SMALL = 20  # nodes up to which these are improved before anything else
COARSE_STEPS = 2  # the program that buys whole machines knows proportions of cpu and memory in steps of 2^(1/2)
CHEAPER = 1e-6  # what other machines must save per hour to be tried


def demand_of(grid: Grid, kinds: Kinds, here: Ints, counts: Floats) -> Floats:
    """What the pods of the services here ask for together. Shape: kinds x DIMENSIONS."""
    demand = np.zeros((kinds.count, DIMENSIONS))
    np.add.at(demand, kinds.kind[here], grid.sizes[here] * counts[here][:, None])
    return demand


def pack_site(
    grid: Grid, place: Place, kinds: Kinds, counts: Floats, spare: Floats, existing: Sequence[int] = ()
) -> list[Load] | None:
    """Nodes for so many pods of each service (counts, per service) and the spare room; None where a pod fits nowhere.

    existing: types of the nodes that run there now; they are filled first.
    """
    here = np.flatnonzero((counts > 0) & ~grid.dedicated)
    if not len(here):
        return []
    demand = demand_of(grid, kinds, here, counts)
    prices = mix_prices(place, kinds, demand, tidy=True, zones=1)
    if prices is None:
        return None
    packer = Packer(grid, place, kinds, prices)
    waiting = [pods for i in here for pods in packer.pods(int(i), int(counts[i]))]
    if spare.any():
        waiting.append(packer.spare(spare))
    packer.bulk(waiting, existing)
    rest = packer.one_by_one(waiting)
    if rest is None:
        return None
    packer.downsize(rest)
    packer.loads = [load for load in packer.loads if load.pods] + rest
    whole = not existing and not packer.strangers and not grid.problem.spare_node_per_pool
    if whole and len(packer.loads) > MANY_MACHINES and on_patterns(packer, _limits(packer)):
        return packer.loads
    first = SURE if whole and len(packer.loads) > SMALL else 0
    if not (first and _on_whole_machines(packer, demand, counts, spare, SLACKS[:first])):
        packer.improve(FEW_REPAIRS if existing or whole else REPAIRS)
        if whole:
            _on_whole_machines(packer, demand, counts, spare, SLACKS[first:])
    return packer.loads


def _limits(packer: Packer) -> tuple[float, float, float]:
    """What other machines for the same pods must cost less than, how many they and their vCPUs may be at most."""
    grid, place = packer.grid, packer.place
    paid = sum(float(place.prices[load.kind]) for load in packer.loads)
    many = math.inf if place.sites[0].max_machines is None else len(packer.loads)
    vcpu = sum(float(place.vcpu[load.kind]) for load in packer.loads)
    return paid - CHEAPER, many, vcpu if place.region in grid.problem.region_quota_vcpu else math.inf


def _on_whole_machines(packer: Packer, demand: Floats, counts: Floats, spare: Floats, slacks: Sequence[float]) -> bool:
    """The same pods on the machines that a mixed-integer program buys, where they are cheaper and all fit; whether."""
    grid, place = packer.grid, packer.place
    least_price = packer.prices.cost + (packer.known[SPARE].worth if spare.any() else 0.0)
    limits = _limits(packer)
    least = max(math.ceil(pods.total / pods.cap) for pods in packer.known.values())
    many_machines = packer.prices.machines.sum() > MANY_MACHINES
    coarse = coarser(packer.kinds, demand)
    for slack in slacks:
        if many_machines and slack == FINE:
            continue  # an exchange of so many pods takes seconds, and the next step fits as often
        if least_price * (1.0 + slack) >= limits[0]:
            return False
        if many_machines:
            mix = rounded_mix(place, packer.kinds, demand, slack, limits)
        else:
            mix = whole_mix(place, coarse, demand_in(coarse, demand), spare, slack, least, limits)
        if mix is None:
            return False
        shares = mix.shares if many_machines else mix.shares[coarse.kind]
        prices = replace(packer.prices, machines=mix.machines.astype(float), shares=shares)
        other = Packer(grid, place, packer.kinds, prices)
        waiting = [
            pods for i in np.flatnonzero((counts > 0) & ~grid.dedicated) for pods in other.pods(int(i), int(counts[i]))
        ]
        if spare.any():
            waiting.append(other.spare(spare))
        if _exchanged(other, waiting, types_of(mix.machines.tolist(), place.prices)):
            packer.loads = other.loads
            return True
    return False


def coarser(kinds: Kinds, demand: Floats) -> Kinds:
    """Kinds of kinds (kind: per kind): of nearly one proportion of memory to cpu, and fit for the same types. A program
    with a quarter as many columns, whose answers are answers for the finer kinds, too: each is shared out alike."""
    steps = np.round(COARSE_STEPS * np.log2(np.maximum(demand[:, MEMORY], 1.0) / np.maximum(demand[:, CPU], 1.0)))
    keys = np.column_stack([steps, demand[:, GPU] > 0, demand[:, DISK] > 0, kinds.fits])
    rows, which = np.unique(keys, axis=0, return_inverse=True)
    return Kinds(which.reshape(-1), len(rows), np.ascontiguousarray(rows[:, 3:]))


def demand_in(coarse: Kinds, demand: Floats) -> Floats:
    """The demand of finer kinds summed up per coarse one."""
    sums = np.zeros((coarse.count, DIMENSIONS))
    np.add.at(sums, coarse.kind, demand)
    return sums


def _exchanged(packer: Packer, waiting: list[Pods], kinds: list[int]) -> bool:
    """All of the pods on exactly these nodes; False where that was not found."""
    packer.bulk(waiting, kinds)
    place = {pods.service: i for i, pods in enumerate(waiting)}
    on = np.zeros((len(kinds), len(waiting)), np.int16)
    for node, load in enumerate(packer.loads):
        for service, n in load.pods.items():
            on[node, place[service]] = n
    sizes = np.array([pods.size for pods in waiting])
    caps = np.array([pods.cap for pods in waiting], float)
    totals = np.array([pods.total for pods in waiting], np.int64)
    exchange = Exchange(on, totals, sizes, caps, packer.place.rooms[[load.kind for load in packer.loads]])
    for i, pods in enumerate(waiting):
        for _ in range(pods.count):
            if not exchange.add(i):
                return False
    if not exchange.run():
        return False
    for node, load in enumerate(packer.loads):
        load.pods = {waiting[i].service: int(on[node, i]) for i in np.flatnonzero(on[node]).tolist()}
    packer.loads = [load for load in packer.loads if load.pods]
    return True
