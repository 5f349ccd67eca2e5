"""Machines for many pods of few sizes, by column generation on node patterns (Gilmore and Gomory 1961).

A pattern is what one machine carries. A linear program says how many machines to buy with each of the patterns that are
known; its duals say what a pod of each size is worth, and a machine that could carry more worth than its price is a
new pattern (scheduler.fillings). Room for a pod holds any pod that asks for less, which further columns say: fewer
rounds and a better bound (dual cuts, Valerio de Carvalho 2005). In the end the machines are bought whole by an integer
program over the patterns. Where pods of a size are many that is hardly dearer than the linear program, which knows,
unlike one over sums of resources (scheduler.prices), that two pods of 12 cores on a machine of 32 leave 8 of no use.
Callers: cut_zone, pooled. Pure and deterministic.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from scheduler.fillings import Filling, Machines, fitting
from scheduler.grid import Flags, Floats, Ints
from scheduler.highs import Covering, LinearAnswer, MixedIntegerModel, solve_model

ROUNDS = 150  # of new patterns, at most
SLOW = 1e-3  # it is enough where as many rounds as `patience` have made it cheaper by less than that part
ENOUGH = 3  # new patterns in a round
INWARDS = 0.3  # of the way from the duals to those that gave the best bound, which is where patterns are sought first
NEAR = 1e-3  # gap at which it is enough
MOST_COLUMNS = 3_000  # patterns that are kept, those first that are nearest to being bought
WHOLE_NODES, WHOLE_GAP = 50, 2e-3  # of the integer program
PODS_A_ROW = 8  # from which on it is worth it: with fewer of a size most patterns are used once, and are too many
MISSING = 1e3  # times the dearest machine: what it costs to leave a pod out
OPTIONAL = 3.0  # times what an optional pod costs alone on the dearest type
DUST = 1e-9  # of the dearest pod's worth: rounding of the simplex method, which a machine at price 0 would multiply
EPSILON = 1e-9


@dataclass(frozen=True, slots=True)
class Stock:
    """What is to be cut from what. Rows are pods of one size.

    sizes: rows x resources; demand: pods a row; caps: of these at most so many on one machine, finite; rooms: types x
    resources; prices: per type and hour; may: rows x types, what may be on which; limits: (weight per type, most): what
    the weights of all machines may come to together; optional: rows that may be left out, at a price.
    """

    sizes: Floats
    demand: Floats
    caps: Floats
    rooms: Floats
    prices: Floats
    may: Flags
    limits: Sequence[tuple[Floats, float]] = ()
    optional: Flags | bool = False

    def machines(self) -> Machines:
        most = np.where(self.may, np.minimum(fitting(self.sizes, self.rooms), self.caps[:, None]), 0.0)
        return Machines(self.sizes, self.rooms, most)

    def charged(self, dues: Floats) -> Floats:
        """Prices with what a machine takes of what is limited. dues: per limit, of one unit."""
        prices = self.prices.copy()
        for (weights, _), due in zip(self.limits, dues, strict=True):
            prices += due * weights
        return prices

    def own_limits(self) -> Ints:
        """Per type the limit of it alone, -1 for none."""
        own = np.full(len(self.prices), -1, np.int64)
        for i, (weights, _) in enumerate(self.limits):
            used = np.flatnonzero(weights)
            if len(used) == 1 and weights[used[0]] == 1.0:
                own[used[0]] = i
        return own


@dataclass(slots=True)
class Cut:
    """What the linear program found.

    kinds, patterns: of each column its type and the pods it carries; values: machines, in fractions. instead: (small,
    large) rows; taken: how many pods of the first are in room for the second. cost: per hour. worth, of a pod of each
    row, and dues, of a unit of each limit, are prices that no machine beats: all pods at these less all limits are a
    bound (zero where none was shown).
    """

    kinds: Ints
    patterns: Floats
    values: Floats
    instead: list[tuple[int, int]]
    taken: Floats
    worth: Floats
    dues: Floats
    cost: float

    def carried(self, group: Ints, groups: int) -> Floats:
        """groups x rows: how many pods of each row the columns of each group carry, in fractions."""
        found = np.zeros((groups, self.patterns.shape[1]))
        np.add.at(found, group, self.patterns * self.values[:, None])
        for large in dict.fromkeys(large for _, large in self.instead):  # largest first
            out = [(small, taken) for (small, row), taken in zip(self.instead, self.taken, strict=True) if row == large]
            total, room = sum(taken for _, taken in out), float(found[:, large].sum())
            if total > EPSILON and room > EPSILON:
                part = found[:, large].copy()
                for small, taken in out:
                    found[:, small] += part * (taken / room)
                found[:, large] = part * max(0.0, 1.0 - total / room)
        return found


class _Program:
    """The linear program: what is left out, pods in the room of larger ones, and the patterns known so far."""

    def __init__(self, stock: Stock, machines: Machines) -> None:
        self.stock, self.count = stock, len(stock.demand)
        self.instead = _instead(stock, machines)
        self.kinds: list[int] = []
        self.patterns: list[Floats] = []
        self.least = np.concatenate([stock.demand, [-most for _, most in stock.limits]])
        self._seen: set[tuple[int, bytes]] = set()
        self._told = 0
        self._solver = Covering(self.least)
        width = len(self.least)
        self._solver.add(self._missing(machines), np.eye(self.count, width))
        if self.instead:
            pairs = np.zeros((len(self.instead), width))
            for i, (small, large) in enumerate(self.instead):
                pairs[i, small], pairs[i, large] = 1.0, -1.0
            self._solver.add(np.zeros(len(self.instead)), pairs)

    def _missing(self, machines: Machines) -> Floats:
        """What it costs to leave out a pod: more than any machine; of optional rows a few times what it costs alone, so
        that these do not hide what the others save."""
        alone = (self.stock.prices[None, :] / np.maximum(machines.most, 1.0)).max(axis=1, initial=0.0)
        dear = MISSING * float(self.stock.prices.max(initial=1.0))
        return np.where(self.stock.optional, OPTIONAL * alone, dear)

    def add(self, fillings: Iterable[Filling]) -> int:
        """How many of them are new."""
        before = len(self.kinds)
        for kind, pattern in fillings:
            key = kind, pattern.astype(np.int32).tobytes()
            if key not in self._seen:
                self._seen.add(key)
                self.kinds.append(kind)
                self.patterns.append(pattern)
        return len(self.kinds) - before

    def solve(self) -> LinearAnswer | None:
        kinds, patterns = np.array(self.kinds[self._told :], np.int64), np.array(self.patterns[self._told :])
        self._told = len(self.kinds)
        taken = [-weights[kinds][:, None] for weights, _ in self.stock.limits]
        if len(kinds):
            self._solver.add(self.stock.prices[kinds], np.hstack([patterns, *taken]))
        return self._solver.solve()


@dataclass(slots=True)
class _Bound:
    """The highest that was shown, and the duals that show it."""

    value: float
    duals: Floats


def cut(stock: Stock, start: Iterable[Filling] = (), *, enough: float = 0.0, patience: int = 10) -> Cut | None:
    """The linear program over patterns. start: some that are known to fit. enough: a cost at which no more are
    sought. None where limits leave pods out."""
    machines = stock.machines()
    program = _Program(stock, machines)
    program.add(start)
    program.add(_alone(stock, machines))
    rng = np.random.default_rng(0)
    bound = _Bound(0.0, np.zeros(len(program.least)))
    costs: list[float] = []
    while (answer := program.solve()) is not None:
        costs.append(answer.objective)
        slow = len(costs) > patience and costs[-1] > costs[-1 - patience] * (1.0 - SLOW)
        if slow or costs[-1] <= enough or len(costs) == ROUNDS:
            break
        duals = np.maximum(np.array(answer.duals), 0.0)
        duals[: program.count][duals[: program.count] < DUST * duals.max()] = 0.0
        if not _more(program, machines, duals, bound, rng) or answer.objective <= bound.value * (1.0 + NEAR):
            break
    first, count = program.count + len(program.instead), program.count
    if answer is None or (np.array(answer.values[:count]) > np.where(stock.optional, stock.demand, EPSILON)).any():
        return None
    width = len(answer.values) - first
    kinds, patterns = np.array(program.kinds[:width], np.int64), np.array(program.patterns[:width])
    duals = np.maximum(np.array(answer.duals), 0.0)
    reduced = stock.charged(duals[count:])[kinds] - patterns @ duals[:count]
    best = np.sort(np.argsort(reduced, kind="stable")[:MOST_COLUMNS])  # those in use have none
    return Cut(
        kinds=kinds[best],
        patterns=patterns[best],
        values=np.array(answer.values[first:])[best],
        instead=program.instead,
        taken=np.array(answer.values[count:first]),
        worth=bound.duals[:count],
        dues=bound.duals[count:],
        cost=answer.objective,
    )


def _more(program: _Program, machines: Machines, duals: Floats, bound: _Bound, rng: np.random.Generator) -> int:
    """How many new patterns were found. Where these are few the worths are looked at exactly, which may raise the
    bound: first some way from the duals towards those of the bound, where patterns do more for it."""
    stock, count, fresh = program.stock, program.count, 0
    for fillings in machines.better(duals[:count], stock.charged(duals[count:]), rng):
        fresh += program.add(fillings)
        if fresh >= ENOUGH:
            return fresh
    for inwards in (INWARDS, 0.0) if bound.value else (0.0,):
        inner = inwards * bound.duals + (1.0 - inwards) * duals
        fillings, carried = machines.exact(inner[:count], stock.charged(inner[count:]))
        fresh += program.add(fillings)
        if carried is not None:
            shown = _shown(stock, inner, carried)
            if float(shown @ program.least) > bound.value:
                bound.value, bound.duals = float(shown @ program.least), shown
        if fresh:
            break
    return fresh


def _shown(stock: Stock, duals: Floats, carried: Floats) -> Floats:
    """Duals that no machine beats. carried: per type, what a machine can be worth at most at the given ones.

    All worths are divided by what the worst type carries beyond its price; for a type with a limit of its own its due
    rises instead (both are feasible for the dual program, whatever the factors are).
    """
    count = len(stock.demand)
    shown, prices = duals.copy(), stock.charged(duals[count:])
    own = stock.own_limits()
    free = own < 0
    factor = float((carried[free] / np.maximum(prices[free], EPSILON)).max(initial=1.0))
    shown[:count] /= factor
    for kind in np.flatnonzero(~free).tolist():
        shown[count + own[kind]] += max(0.0, carried[kind] / factor - prices[kind])
    return shown


def _instead(stock: Stock, machines: Machines) -> list[tuple[int, int]]:
    """(small, large): a pod of the first may be wherever one of the second is; pairs that follow from others left out,
    the largest first. A row of which a machine may carry fewer than it has room for is in none."""
    capped = (stock.caps[:, None] < np.minimum(fitting(stock.sizes, stock.rooms), stock.demand[:, None])) & stock.may
    free = np.flatnonzero(~capped.any(axis=1) & (stock.demand > 0))
    sizes, able = stock.sizes[free], machines.most[free] > 0
    one, other = sizes[:, None, :], sizes[None, :, :]
    smaller = np.all(one <= other, axis=2) & np.any(one < other, axis=2)
    elsewhere = (~able).astype(float) @ able.T.astype(float)  # types that hold the larger and not the smaller
    below = np.where(smaller & (elsewhere < 0.5), 1.0, 0.0)
    follows = below @ below > 0.5
    pairs = [(int(free[a]), int(free[b])) for a, b in zip(*np.nonzero((below > 0.5) & ~follows), strict=True)]
    rank = {int(row): int(n) for row, n in zip(free, below.sum(axis=0), strict=True)}  # how many are smaller
    return sorted(pairs, key=lambda pair: (-rank[pair[1]], pair[1], pair[0]))


def _alone(stock: Stock, machines: Machines) -> Iterator[Filling]:
    """Each row alone on the type where that is cheapest."""
    each = np.where(machines.most > 0, stock.prices[None, :] / np.maximum(machines.most, 1.0), np.inf)
    for row, kind in enumerate(each.argmin(axis=1).tolist()):
        if machines.most[row, kind] > 0:
            pattern = np.zeros(len(stock.demand))
            pattern[row] = machines.most[row, kind]
            yield kind, pattern


def whole(stock: Stock, found: Cut) -> list[Filling] | None:
    """Whole machines and what each carries, every pod once; None where the integer program found nothing."""
    model, demand = MixedIntegerModel(), stock.demand
    much = float(demand.sum())
    rows: list[list[tuple[int, float]]] = [[] for _ in demand]
    for kind, pattern in zip(found.kinds.tolist(), found.patterns, strict=True):
        column = model.column(float(stock.prices[kind]), much)
        for row in np.flatnonzero(pattern).tolist():
            rows[row].append((column, float(pattern[row])))
    for small, large in found.instead:
        column = model.column(0.0, much)
        rows[small].append((column, 1.0))
        rows[large].append((column, -1.0))
    for terms, least in zip(rows, demand.tolist(), strict=True):
        model.row(terms, lower=least)
    for weights, most in stock.limits:
        model.row([(c, float(weights[kind])) for c, kind in enumerate(found.kinds.tolist())], upper=most)
    start = [*np.ceil(found.values - 1e-7).tolist(), *np.floor(found.taken + 1e-7).tolist()]
    answer = solve_model(model, node_limit=WHOLE_NODES, relative_gap=WHOLE_GAP, start=start)
    if answer.values is None:
        return None
    counts = np.round(answer.values).astype(np.int64)
    width = len(found.kinds)
    kinds = np.repeat(found.kinds, counts[:width])
    loads = np.repeat(found.patterns, counts[:width], axis=0)
    _hand_down(loads, demand, [(*pair, int(n)) for pair, n in zip(found.instead, counts[width:], strict=True) if n])
    if (loads.sum(axis=0) != demand).any():
        return None  # rounding of the integer program left a pod out
    return [(int(kind), load) for kind, load in zip(kinds, loads, strict=True) if load.any()]


def _hand_down(loads: Floats, demand: Floats, instead: Sequence[tuple[int, int, int]]) -> None:
    """Smaller pods in the room of larger ones, which come first; then what is beyond the demand is left out."""
    for small, large, count in instead:
        left = count
        for machine in np.flatnonzero(loads[:, large] > 0).tolist():
            n = min(left, int(loads[machine, large]))
            loads[machine, large] -= n
            loads[machine, small] += n
            left -= n
            if not left:
                break
    for row in range(len(demand)):
        beyond = max(0, int(loads[:, row].sum() - demand[row]))
        for machine in np.flatnonzero(loads[:, row] > 0)[::-1].tolist():
            n = min(beyond, int(loads[machine, row]))
            loads[machine, row] -= n
            beyond -= n
