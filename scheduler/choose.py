"""Chooses places for every service, callers first, given what a replica costs in each place.

Each service is put where its own replicas, everything it calls (as seen by scheduler.chains from below) and the calls
of its callers, which are placed already, cost least together: most replicas in one place, where worth it one in a
second or third, and as many more as its spread asks for. Callers: large. Pure.
"""

from __future__ import annotations

import numpy as np

from scheduler.chains import Chain, SpreadRows
from scheduler.grid import NEVER, Calls, Floats, Grid, Ints

MORE_PLACES = 2  # places beyond the first two that are tried for single replicas
WORTH = 1e-9


def choose_places(grid: Grid, spreads: SpreadRows, chain: Chain) -> Floats:
    """services x places: replicas. Rows that could not be placed sum up to less than the replicas wanted."""
    counts = np.zeros(chain.ahead.shape)
    each = chain.ahead / grid.replicas[:, None]
    for level in range(int(grid.depth.max(initial=0)) + 1):
        nodes = np.flatnonzero(grid.depth == level)
        pull = Pull(grid, nodes, counts)
        counts[nodes] = _place(grid, spreads, nodes, each[nodes], pull)
    return counts


class Pull:
    """What the callers of some services pay per place that answers them: rows of (service, price per place)."""

    def __init__(self, grid: Grid, nodes: Ints, counts: Floats) -> None:
        calls: Calls = grid.calls
        width = len(grid.places)
        position = np.full(grid.count, -1, np.int64)
        position[nodes] = np.arange(len(nodes))
        edges = np.flatnonzero(position[calls.target] >= 0)
        edges = edges[counts[calls.source[edges]].sum(axis=1) > 0]
        share = counts[calls.source[edges]] / np.maximum(grid.replicas[calls.source[edges]], 1)[:, None]
        which, place = np.nonzero(share)
        self.of = position[calls.target[edges[which]]]
        self.rows = np.zeros((len(which), width))
        for limit, prices in enumerate(grid.hop_price):
            rows = np.flatnonzero(calls.limit[edges[which]] == limit)
            hop = prices[place[rows]]
            gb = calls.gb_per_hour[edges[which[rows]]] * share[which[rows], place[rows]]
            self.rows[rows] = np.where(hop >= NEVER, NEVER, gb[:, None] * hop)
        self.count = len(nodes)

    def single(self) -> Floats:
        """services x places: the callers' bill if the service answered from that place only."""
        out = np.zeros((self.count, self.rows.shape[1]))
        np.add.at(out, self.of, self.rows)
        return np.minimum(out, NEVER)

    def pairs(self) -> Floats:
        """services x places x places: the callers' bill if it answered from both."""
        width = self.rows.shape[1]
        out = np.zeros((self.count, width, width))
        np.add.at(out, self.of, np.minimum(self.rows[:, :, None], self.rows[:, None, :]))
        return np.minimum(out, NEVER)

    def saved(self, present: Floats) -> Floats:
        """services x places: what the callers would save if it answered from there, too."""
        now = np.where(present[self.of] > 0, self.rows, np.inf).min(axis=1, initial=np.inf)
        out = np.zeros((self.count, self.rows.shape[1]))
        np.add.at(out, self.of, np.maximum(0.0, np.minimum(now, NEVER)[:, None] - self.rows))
        return out


def _place(grid: Grid, spreads: SpreadRows, nodes: Ints, each: Floats, pull: Pull) -> Floats:
    """One level: the best pair of places (most replicas in the first, one in the second), then more where worth it."""
    r = grid.replicas[nodes]
    width = each.shape[1]
    pair = (r - 1)[:, None, None] * each[:, :, None] + each[:, None, :] + pull.pairs()
    pair[:, ~np.eye(width, dtype=bool)] += WORTH  # of equal ones a single place
    alone = r < 2
    pair[np.ix_(alone, np.arange(width), np.arange(width))] = np.where(
        np.eye(width, dtype=bool), pair[alone], 4 * NEVER
    )
    flat = pair.reshape(len(nodes), -1).argmin(axis=1)
    main, second = flat // width, flat % width
    every = np.arange(len(nodes))
    counts = np.zeros(each.shape)
    counts[every, main] = r - 1
    counts[every, second] += 1
    for _ in range(MORE_PLACES):
        gain = pull.saved(counts) - (each - each[every, main][:, None])
        gain[counts > 0] = -NEVER
        best = gain.argmax(axis=1)
        worth = (gain[every, best] > WORTH) & (counts[every, main] > 1)
        counts[every[worth], best[worth]] += 1
        counts[every[worth], main[worth]] -= 1
    _keep_spreads(grid, spreads, nodes, each - np.minimum(pull.saved(counts), NEVER), counts, main)
    counts[each[every, main] >= NEVER / 1e3] = 0
    return counts


def _keep_spreads(grid: Grid, spreads: SpreadRows, nodes: Ints, each: Floats, counts: Floats, main: Ints) -> None:
    """Give services with a spread the domains they lack, the cheapest first, from where most replicas are."""
    for row, node in enumerate(nodes.tolist()):
        rule = spreads.rule_of[node]
        if rule is None:
            continue
        mine = counts[row]
        for _ in range(rule.min_domains + 1):
            held, lacking = 0, []
            for members in spreads.domains[rule.over]:
                there = float(mine[members].sum())
                zones = int(grid.zones[members[0]]) if rule.over == "zone" else 1
                held += int(min(zones, there // rule.min_each))
                if there < rule.min_each:
                    best = min(members, key=lambda k: (each[row, k], k))
                    lacking.append((float(each[row, best]), best, rule.min_each - there))
            if held >= rule.min_domains or not lacking:
                break
            _, target, need = min(lacking)
            for _ in range(int(need)):
                donor = int(np.argmax(mine))
                mine[donor] -= 1
                mine[target] += 1
        main[row] = int(np.argmax(mine))


def reaches(grid: Grid, counts: Floats) -> Ints:
    """Edges with a caller from which no replica of the callee can be reached within the limit."""
    calls = grid.calls
    bad = np.zeros(len(calls.source), bool)
    for limit, prices in enumerate(grid.hop_price):
        rows = np.flatnonzero(calls.limit == limit)
        best = np.full((len(rows), len(grid.places)), np.inf)
        present = counts[calls.target[rows]] > 0
        for a in range(len(grid.places)):
            best[:, a] = np.where(present, prices[a][None, :], np.inf).min(axis=1)
        bad[rows] = ((counts[calls.source[rows]] > 0) & (best >= NEVER)).any(axis=1)
    return np.flatnonzero(bad)


def egress(grid: Grid, counts: Floats) -> float:
    """What all calls cost per hour: to externals, and between places."""
    return float(calls_cost(grid, counts).sum())


def calls_cost(grid: Grid, counts: Floats) -> Floats:
    """What each service's calls cost per hour."""
    calls = grid.calls
    paid: Floats = (grid.fixed * counts / grid.replicas[:, None]).sum(axis=1)
    for limit, prices in enumerate(grid.hop_price):
        rows = np.flatnonzero(calls.limit == limit)
        share = counts[calls.source[rows]] / grid.replicas[calls.source[rows]][:, None]
        present = counts[calls.target[rows]] > 0
        for a in range(len(grid.places)):
            best = np.where(present, prices[a][None, :], np.inf).min(axis=1, initial=NEVER)
            used = share[:, a] > 0
            np.add.at(paid, calls.source[rows][used], (calls.gb_per_hour[rows] * share[:, a] * best)[used])
    return paid


def mend_reach(grid: Grid, each: Floats, counts: Floats) -> Floats:
    """Callers that cannot reach a callee from some place go to where they can, cheapest first; a few passes."""
    calls = grid.calls
    for _ in range(MORE_PLACES + 2):
        bad = reaches(grid, counts)
        if not len(bad):
            break
        counts = counts.copy()
        for caller in dict.fromkeys(calls.source[bad].tolist()):
            able = grid.allowed[caller].copy()
            for e in np.flatnonzero(calls.source == caller).tolist():
                present = counts[calls.target[e]] > 0
                prices = grid.hop_price[int(calls.limit[e])]
                able &= np.where(present[None, :], prices, NEVER).min(axis=1) < NEVER
            if not able.any():
                continue
            stranded = (counts[caller] > 0) & ~able
            target = int(np.where(able, each[caller], np.inf).argmin())
            counts[caller, target] += counts[caller][stranded].sum()
            counts[caller][stranded] = 0.0
    return counts
