"""Closes places and second zones that cost more to keep open than moving their pods elsewhere would.

Prices of replicas know nothing of what opening a zone costs: room for a rolling update and a machine that is half
empty. Each move here is judged by an estimate of the whole: replica prices, egress exactly, and the opening of every
zone in use. Callers: large. Pure.
"""

from __future__ import annotations

import math

import numpy as np

from scheduler.chains import SpreadRows
from scheduler.choose import egress, reaches
from scheduler.grid import NEVER, Floats, Grid
from scheduler.problem import ServiceDemand
from scheduler.shares import Shares
from scheduler.sizes import AMD64, ARM64, DIMENSIONS, DISK, GPU, domain_cap

HALF = 0.5  # of the cheapest machine: what the last node of a zone leaves empty on average
SMALL = 25.0  # only places that cost less than so many times their opening are tried


def consolidate(grid: Grid, spreads: SpreadRows, shares: Shares, each: Floats, ahead: Floats, counts: Floats) -> Floats:
    """Replicas per service and place, with fewer places and zones in use where that is cheaper."""
    best = estimate(grid, each, counts)
    cost = np.where(counts > 0, each, 0.0) * counts
    for k in np.argsort(cost.sum(axis=0), kind="stable").tolist():
        if 0 < float(cost[:, k].sum()) < SMALL * opening(grid, counts[:, k], k):
            counts, best = _try(grid, spreads, shares, each, _without_place(grid, ahead, counts, k), counts, best)
    for k in range(len(grid.places)):
        counts, best = _try(grid, spreads, shares, each, _without_second_zone(grid, ahead, counts, k), counts, best)
    return counts


def _try(
    grid: Grid,
    spreads: SpreadRows,
    shares: Shares,
    each: Floats,
    trial: Floats | None,
    counts: Floats,
    best: float,
) -> tuple[Floats, float]:
    if trial is None or not spread_kept(grid, spreads, trial) or len(reaches(grid, trial)) or not shares.kept(trial):
        return counts, best
    found = estimate(grid, each, trial)
    return (trial, found) if found < best - 1e-9 else (counts, best)


def _without_place(grid: Grid, ahead: Floats, counts: Floats, k: int) -> Floats | None:
    """Everything in that place goes where it costs least among the other places in use."""
    trial = counts.copy()
    rows = np.flatnonzero(counts[:, k] > 0)
    open_ = counts.sum(axis=0) > 0
    open_[k] = False
    score = np.where(open_[None, :] & grid.allowed[rows], ahead[rows], math.inf)
    if not open_.any() or not np.isfinite(score.min(axis=1)).all() or (score.min(axis=1) >= NEVER / 1e3).any():
        return None
    target = score.argmin(axis=1)
    np.add.at(trial, (rows, target), counts[rows, k])
    trial[rows, k] = 0.0
    return trial


def _without_second_zone(grid: Grid, ahead: Floats, counts: Floats, k: int) -> Floats | None:
    """Services that would need another zone of that place get their second one in another place."""
    zoned = split_zones(grid, counts)[k]
    rows = np.flatnonzero(zoned[:, 1:].sum(axis=1) > 0)
    if not len(rows):
        return None
    trial = counts.copy()
    open_ = counts.sum(axis=0) > 0
    open_[k] = False
    for i in rows.tolist():
        score = np.where(open_ & grid.allowed[i] & (counts[i] == 0), ahead[i], math.inf)
        if not math.isfinite(score.min(initial=math.inf)):
            return None
        away = float(zoned[i, 1:].sum())
        trial[i, int(score.argmin())] += away
        trial[i, k] -= away
    return trial


def estimate(grid: Grid, each: Floats, counts: Floats) -> float:
    """Cost per hour, about: replicas by their prices, calls exactly, and what opening the zones costs."""
    total = float((np.where(counts > 0, each, 0.0) * counts).sum()) + egress(grid, counts)
    for k, zoned in enumerate(split_zones(grid, counts)):
        for z in range(zoned.shape[1]):
            if zoned[:, z].any():
                total += opening(grid, zoned[:, z], k)
    return total


def opening(grid: Grid, counts: Floats, k: int) -> float:
    """What a zone of that place costs beyond its pods: the spare pod and half an empty machine."""
    place = grid.places[k]
    if not ((counts > 0) & ~grid.dedicated).any():
        return 0.0
    spare = spare_size(grid, counts)
    holds = (place.rooms >= spare).all(axis=1)
    share = (spare / np.maximum(place.rooms, 1e-9)).max(axis=1)
    worth = float((share * place.prices)[holds].min(initial=math.inf))
    return (worth if math.isfinite(worth) else 0.0) + HALF * float(place.prices.min(initial=math.inf))


def spare_size(grid: Grid, counts: Floats) -> Floats:
    """As scheduler.check.spare_pod, for replicas per service."""
    here = (counts > 0) & ~grid.dedicated & grid.surging
    size = np.zeros(DIMENSIONS)
    if grid.problem.rollout_headroom and here.any():
        size = grid.sizes[here].max(axis=0)
        size[[GPU, DISK]] = 0.0
        size[ARM64] *= size[AMD64] == 0
    return size


def spread_kept(grid: Grid, spreads: SpreadRows, counts: Floats) -> bool:
    for rule, rows in spreads.rows.items():
        if rule is None:
            continue
        held = np.zeros(len(rows))
        for members in spreads.domains[rule.over]:
            there = counts[rows][:, members].sum(axis=1)
            zones = int(grid.zones[members[0]]) if rule.over == "zone" else 1
            held += np.minimum(zones, there // rule.min_each)
        if (held < rule.min_domains).any():
            return False
    return True


def split_zones(grid: Grid, counts: Floats) -> list[Floats]:
    """Per place: services x zones. Everything in the first zone, but for what spreads over zones."""
    zoned = [np.zeros((grid.count, len(p.sites))) for p in grid.places]
    for k in range(len(grid.places)):
        zoned[k][:, 0] = counts[:, k]
    for i, service in enumerate(grid.problem.services):
        if service.spread is not None and service.spread.over == "zone":
            _split(zoned, i, service)
        cap = domain_cap(service, "zone")
        if cap is not None:
            for z in zoned:
                _even_out(z[i], cap)
    return zoned


def _even_out(mine: Floats, cap: int) -> None:
    """At most cap replicas in each zone of a place, as far as its zones suffice."""
    while mine.max() > cap and mine.min() < cap:
        mine[int(mine.argmax())] -= 1
        mine[int(mine.argmin())] += 1


def _split(zoned: list[Floats], i: int, service: ServiceDemand) -> None:
    rule = service.spread
    assert rule is not None
    for _ in range(rule.min_domains):
        held = sum(int((z[i] >= rule.min_each).sum()) for z in zoned)
        if held >= rule.min_domains:
            return
        options = [(-z[i, 0], k) for k, z in enumerate(zoned) if z[i, 0] >= 2 * rule.min_each and (z[i, 1:] == 0).any()]
        if not options:
            return
        k = min(options)[1]
        empty = 1 + int(np.flatnonzero(zoned[k][i, 1:] == 0)[0])
        zoned[k][i, empty] = rule.min_each
        zoned[k][i, 0] -= rule.min_each
