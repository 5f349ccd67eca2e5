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
from scheduler.grid import NEVER, Flags, Floats, Grid, Ints, Place
from scheduler.problem import Spread
from scheduler.shares import Shares
from scheduler.sizes import AMD64, ARM64, DIMENSIONS, DISK, GPU

HALF = 0.5  # of the cheapest machine that holds the spare pod: what a zone leaves empty on average
MANY = 1_000_000
LIGHTER = (1, 2, 4, 8, 16)  # so many of the largest services are moved out of a zone on trial
SMALL = 25.0  # only places that cost less than so many times their opening are tried


def consolidate(grid: Grid, spreads: SpreadRows, shares: Shares, each: Floats, ahead: Floats, counts: Floats) -> Floats:
    """Replicas per service and place, with fewer and lighter places and zones in use where that is cheaper."""
    return _Consolidation(grid, spreads, shares, each, ahead, counts).run()


class _Consolidation:
    """The best counts so far, and what they are estimated to cost."""

    def __init__(
        self, grid: Grid, spreads: SpreadRows, shares: Shares, each: Floats, ahead: Floats, counts: Floats
    ) -> None:
        self.grid, self.spreads, self.shares = grid, spreads, shares
        self.each, self.ahead, self.counts = each, ahead, counts
        self.best = estimate(grid, spreads, each, counts)
        # Services that need several regions or clouds stay where they are when a place is made lighter.
        self.tied = np.array([r is not None and r.over != "zone" for r in spreads.rule_of])

    def run(self) -> Floats:
        cost = np.where(self.counts > 0, self.each, 0.0) * self.counts
        for k in np.argsort(cost.sum(axis=0), kind="stable").tolist():
            there = float(cost[:, k].sum())
            if 0 < there < SMALL * opening(self.grid, self.counts[:, k], k):
                self._try(self._leave(k, np.flatnonzero(self.counts[:, k] > 0)))
        for k in range(len(self.grid.places)):
            if self._in_second_zones(k).any() and not self._try(self._second_zone(k, MANY)):
                for most in LIGHTER:
                    self._try(self._second_zone(k, most))
        for k in np.argsort(cost.sum(axis=0), kind="stable").tolist():
            if 0 < float(cost[:, k].sum()) < SMALL * opening(self.grid, self.counts[:, k], k):
                for most in LIGHTER:
                    self._try(self._leave(k, self._largest(k, (self.counts[:, k] > 0) & ~self.tied, most)))
        return self.counts

    def _try(self, trial: Floats | None) -> bool:
        if trial is None or len(reaches(self.grid, trial)):
            return False
        if not spread_kept(self.grid, self.spreads, trial) or not self.shares.kept(trial):
            return False
        found = estimate(self.grid, self.spreads, self.each, trial)
        if found >= self.best - 1e-9:
            return False
        self.counts, self.best = trial, found
        return True

    def _in_second_zones(self, k: int) -> Floats:
        """Replicas per service in all but the first zone of a place."""
        beyond: Floats = split_zones(self.grid, self.spreads, self.counts)[k][:, 1:].sum(axis=1)
        return beyond

    def _largest(self, k: int, among: Flags, most: int) -> Ints:
        """Those services there whose pods are largest: they decide how much room for updates is kept."""
        rows = np.flatnonzero(among & self.grid.surging & ~self.grid.dedicated)
        share = (self.grid.sizes[rows] / np.maximum(self.grid.places[k].rooms.max(axis=0), 1.0)).max(axis=1)
        return rows[np.argsort(-share, kind="stable")[:most]]

    def _leave(self, k: int, rows: Ints) -> Floats | None:
        """Those services go from that place to where they cost least among the other places in use."""
        trial = self.counts.copy()
        open_ = self.counts.sum(axis=0) > 0
        open_[k] = False
        if not len(rows) or not open_.any():
            return None
        score = np.where(open_[None, :] & self.grid.allowed[rows], self.ahead[rows], math.inf)
        if (score.min(axis=1) >= NEVER / 1e3).any():
            return None
        np.add.at(trial, (rows, score.argmin(axis=1)), self.counts[rows, k])
        trial[rows, k] = 0.0
        return trial

    def _second_zone(self, k: int, most: int) -> Floats | None:
        """Services that would need another zone of that place get their second one in another place: the largest."""
        beyond = self._in_second_zones(k)
        rows = np.flatnonzero(beyond > 0) if most >= MANY else self._largest(k, beyond > 0, most)
        trial = self.counts.copy()
        open_ = self.counts.sum(axis=0) > 0
        open_[k] = False
        score = np.where(
            open_[None, :] & self.grid.allowed[rows] & (self.counts[rows] == 0), self.ahead[rows], math.inf
        )
        able = score.min(axis=1, initial=math.inf) < NEVER / 1e3
        if not len(rows) or not able.all():
            return None
        np.add.at(trial, (rows, score.argmin(axis=1)), beyond[rows])
        trial[rows, k] -= beyond[rows]
        return trial


def estimate(grid: Grid, spreads: SpreadRows, each: Floats, counts: Floats) -> float:
    """Cost per hour, about: replicas by their prices, calls exactly, and what opening the zones costs."""
    total = float((np.where(counts > 0, each, 0.0) * counts).sum()) + egress(grid, counts)
    for k, zoned in enumerate(split_zones(grid, spreads, counts)):
        for z in range(zoned.shape[1]):
            if zoned[:, z].any():
                total += opening(grid, zoned[:, z], k)
    return total


def opening(grid: Grid, counts: Floats, k: int) -> float:
    """What a zone of that place costs beyond its pods: the spare pod and half an empty machine that holds it."""
    if not ((counts > 0) & ~grid.dedicated).any():
        return 0.0
    return float(opening_costs(grid.places[k], spare_size(grid, counts)[None, :])[0])


def opening_costs(place: Place, spares: Floats) -> Floats:
    """Per row of spare pods' sizes; 0 where no machine holds it."""
    holds = (place.rooms[None, :, :] >= spares[:, None, :]).all(axis=2)
    share = (spares[:, None, :] / np.maximum(place.rooms, 1e-9)[None, :, :]).max(axis=2)
    worth = np.where(holds, share * place.prices, np.inf).min(axis=1, initial=np.inf)
    last = np.where(holds, place.prices, np.inf).min(axis=1, initial=np.inf)
    return np.asarray(np.where(np.isfinite(worth), worth + HALF * last, 0.0))


def spare_size(grid: Grid, counts: Floats) -> Floats:
    """As scheduler.check.spare_pod, for replicas per service."""
    here = np.flatnonzero((counts > 0) & ~grid.dedicated)
    size: Floats = spare_sizes(grid, here, np.zeros(len(here), np.int64), 1)[0]
    return size


def spare_sizes(grid: Grid, here: Ints, group: Ints, groups: int) -> Floats:
    """groups x resources: the spare pod of those services, each in its group."""
    sizes = np.zeros((groups, DIMENSIONS))
    if grid.problem.rollout_headroom:
        forced = grid.surging[here]
        np.maximum.at(sizes, group[forced], grid.sizes[here[forced]])
        sizes[:, [GPU, DISK]] = 0.0
        sizes[:, ARM64] *= sizes[:, AMD64] == 0
    return sizes


def spread_kept(grid: Grid, spreads: SpreadRows, counts: Floats) -> bool:
    return not spread_broken(grid, spreads, counts)


def spread_broken(grid: Grid, spreads: SpreadRows, counts: Floats) -> list[int]:
    """Services whose replicas are in fewer domains than they should be."""
    found: list[int] = []
    for rule, rows in spreads.rows.items():
        if rule is None:
            continue
        held = np.zeros(len(rows))
        for members in spreads.domains[rule.over]:
            there = counts[rows][:, members].sum(axis=1)
            zones = int(grid.zones[members[0]]) if rule.over == "zone" else 1
            held += np.minimum(zones, there // rule.min_each)
        found += rows[held < rule.min_domains].tolist()
    return found


def split_zones(grid: Grid, spreads: SpreadRows, counts: Floats) -> list[Floats]:
    """Per place: services x zones. Everything in the first zone, but for what spreads over zones."""
    zoned = [np.zeros((grid.count, len(p.sites))) for p in grid.places]
    for k in range(len(grid.places)):
        zoned[k][:, 0] = counts[:, k]
    for rule, rows in spreads.rows.items():
        if rule is not None and rule.over == "zone":
            held = (counts[rows] >= rule.min_each).sum(axis=1)
            _split(zoned, rows[held < rule.min_domains], rule)
    for i, cap in spreads.zone_caps:
        for z in zoned:
            _even_out(z[i], cap)
    return zoned


def _even_out(mine: Floats, cap: int) -> None:
    """At most cap replicas in each zone of a place, as far as its zones suffice."""
    while mine.max() > cap and mine.min() < cap:
        mine[int(mine.argmax())] -= 1
        mine[int(mine.argmin())] += 1


def _split(zoned: list[Floats], rows: Ints, rule: Spread) -> None:
    """Those services get replicas in further zones of the places where they have most, until the rule holds."""
    least = rule.min_each
    for _ in range(rule.min_domains):
        held = np.sum([(z[rows] >= least).sum(axis=1) for z in zoned], axis=0)
        rows = rows[held < rule.min_domains]
        if not len(rows):
            return
        first = np.stack([z[rows, 0] for z in zoned], axis=1)
        room = np.stack([(z[rows, 1:] == 0).any(axis=1) for z in zoned], axis=1)
        most = np.where(room & (first >= 2 * least), first, -1.0)
        target = most.argmax(axis=1)
        able = most[np.arange(len(rows)), target] > 0
        rows, target = rows[able], target[able]
        for k in np.unique(target).tolist():
            mine = rows[target == k]
            empty = 1 + (zoned[k][mine, 1:] == 0).argmax(axis=1)
            zoned[k][mine, empty] = least
            zoned[k][mine, 0] -= least
