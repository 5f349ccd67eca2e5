"""What a replica costs in a place at least: prices that no machine sold there can beat, from a linear program.

The assignment program of a place decides what share of each kind of pod runs on which type, and how many machines that
takes, fractions allowed. Its duals give every type t a price per unit of each resource, a_t, with a_t . room_t <= the
type's price; then a pod of size v costs at least min over the types that hold it of a_t . v: whatever pods a machine
of type t carries, they are worth no more than its price (linear programming duality; Gilmore and Gomory 1961 for the
pattern view). That holds for pods the program never saw, so pods are grouped by what they ask for before it is solved.
Unlike prices of the sum of all resources, these never mix types that no single pod could use. Callers: large. Pure.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from scheduler.grid import NEVER, Floats, Grid, Ints, Place
from scheduler.highs import LinearProgram, solve_linear
from scheduler.sizes import DIMENSIONS

STRAIN = 1e-4
RATIO_STEPS = 8  # pods are grouped by memory per cpu in steps of 2^(1/8)


@dataclass(slots=True)
class Kinds:
    """kind: per service; pods of a kind fit the same types of the place and ask for resources in about one ratio."""

    kind: Ints
    count: int
    fits: Floats  # kinds x types, 0 or 1


@dataclass(slots=True)
class PlacePrices:
    """per_unit: types x 4. machines: how many of each type the mix takes, in fractions. cost: of those per hour.

    shares: kinds x types, what part of a kind runs on which type. scarcity: per type of which there are only so many,
    what one more would be worth; a bound takes that off for each that there is.
    """

    per_unit: Floats
    machines: Floats
    cost: float
    shares: Floats
    scarcity: Floats


def kinds_of(grid: Grid, place: Place) -> Kinds:
    """Group the services that run as pods."""
    sizes = grid.sizes
    cpu = np.maximum(sizes[:, 0], 1.0)
    steps = np.round(RATIO_STEPS * np.log2(np.maximum(sizes[:, 1], 1.0) / cpu)).astype(np.int64)
    small = np.round(np.log2(np.maximum(sizes[:, 3], 1.0) / cpu)).astype(np.int64)
    packed = np.packbits(place.fits, axis=1).astype(np.int64)
    keys = np.column_stack([packed, steps, small, sizes[:, 2].astype(np.int64)])
    order = np.lexsort(keys.T[::-1])
    differs = (keys[order][1:] != keys[order][:-1]).any(axis=1)
    kind = np.empty(len(keys), np.int64)
    kind[order] = np.concatenate([[0], np.cumsum(differs)])[: len(keys)]
    count = int(kind.max(initial=-1)) + 1
    fits = np.zeros((count, len(place.types)))
    fits[kind] = place.fits
    return Kinds(kind, count, fits)


def start_prices(place: Place, sizes: Floats, weights: Floats) -> PlacePrices:
    """Each machine's price shared over its resources in the proportion in which the pods ask for them."""
    total = (sizes * weights[:, None]).sum(axis=0)
    with np.errstate(divide="ignore", invalid="ignore"):
        load = np.where(place.usable > 0, total[None, :] / place.usable, 0.0)
    part = load / np.maximum(load.sum(axis=1, keepdims=True), 1e-12)
    with np.errstate(divide="ignore", invalid="ignore"):
        unit = np.where(place.usable > 0, part * place.prices[:, None] / place.usable, 0.0)
    return PlacePrices(
        unit, np.zeros(len(place.types)), 0.0, np.zeros((0, len(place.types))), np.zeros(len(place.types))
    )


def mix_prices(
    place: Place, kinds: Kinds, demand: Floats, *, tidy: bool = False, zones: int | None = None
) -> PlacePrices | None:
    """Duals for a mix. demand: kinds x 4, the sums of what the pods of each kind ask for; None where there is none.

    tidy: of equally cheap solutions one where pods run on types of their own shape, as packing needs it; its duals and
    cost are very slightly off. zones: of how many of the place's zones the limited types may be taken; None for all.
    """
    used = np.flatnonzero(demand.sum(axis=1) > 1e-9)
    if not len(used) or not len(place.types):
        return None
    limits = place.limits * len(place.sites) if zones is None else place.limits * zones
    strain = _strain(place, demand[used]) if tidy else np.zeros((len(used), len(place.types)))
    # Columns: machines of each type, then what part of a kind runs on each type that holds it.
    which, on = np.nonzero(kinds.fits[used])
    width = len(place.types)
    program = LinearProgram()
    program.columns([*place.prices.tolist(), *strain[which, on].tolist()], limits.tolist())
    sells = place.usable.reshape(-1)  # rows: a resource of a type each, then one a kind
    cell, axis = np.nonzero(demand[used][which] > 0)
    bought, whole = np.flatnonzero(sells > 0), DIMENSIONS * width + np.arange(len(used))
    rows = np.concatenate([bought, DIMENSIONS * on[cell] + axis, whole[which]])
    columns = np.concatenate([bought // DIMENSIONS, width + cell, width + np.arange(len(which))])
    values = np.concatenate([sells[bought], -demand[used[which[cell]], axis], np.ones(len(which))])
    least = np.concatenate([np.zeros(DIMENSIONS * width), np.ones(len(used))])
    order = np.argsort(rows, kind="stable")
    program.rows(least, np.bincount(rows, minlength=len(least)), columns[order], values[order])
    answer = solve_linear(program)
    if answer is None:
        return None
    count = DIMENSIONS * len(place.types)
    per_unit = np.maximum(np.array(answer.duals[:count]).reshape(-1, DIMENSIONS), 0.0)
    scarcity = _scarcity(place, per_unit)
    found = np.zeros((kinds.count, len(place.types)))
    found[used[which], on] = answer.values[width:]
    return PlacePrices(
        sound(place, per_unit, scarcity), np.array(answer.values[:width]), answer.objective, found, scarcity
    )


def _strain(place: Place, demand: Floats) -> Floats:
    """kinds x types: a small charge that grows with how different the kind's and the type's proportions are."""
    rooms = np.maximum(place.rooms, 1.0)
    pods = np.log2(np.maximum(demand[:, 1], 1.0) / np.maximum(demand[:, 0], 1.0))
    types = np.log2(rooms[:, 1] / rooms[:, 0])
    value = (demand[:, None, :] / rooms[None, :, :]).max(axis=2) * place.prices
    return np.asarray(STRAIN * value * (pods[:, None] - types[None, :]) ** 2)


def between(old: PlacePrices, new: PlacePrices) -> PlacePrices:
    """Prices half-way, with the new mix."""
    per_unit, scarcity = (old.per_unit + new.per_unit) / 2, (old.scarcity + new.scarcity) / 2
    return PlacePrices(per_unit, new.machines, new.cost, new.shares, scarcity)


def _scarcity(place: Place, per_unit: Floats) -> Floats:
    """Of limited types: by how much what a full machine carries is worth more than its price."""
    worth = (per_unit * place.usable).sum(axis=1)
    extra: Floats = np.where(np.isfinite(place.limits), np.maximum(worth - place.prices, 0.0), 0.0)
    return extra


def sound(place: Place, per_unit: Floats, scarcity: Floats) -> Floats:
    """Scaled so that a full machine of each type is worth exactly its price, whatever rounding did to the duals.

    The price of a limited type is what it costs and what its scarcity makes it worth.
    """
    price = place.prices + scarcity
    worth = (per_unit * place.usable).sum(axis=1)
    start = np.where(place.usable > 0, price[:, None] / np.maximum(place.usable, 1e-9), 0.0)
    even = start / np.maximum((place.usable > 0).sum(axis=1, keepdims=True), 1)
    scaled = per_unit * (price / np.maximum(worth, 1e-9))[:, None]
    return np.asarray(np.where(worth[:, None] > 1e-9, scaled, even))


def replica_prices(grid: Grid, prices: list[PlacePrices]) -> Floats:
    """services x places: the least that one replica is worth there; NEVER where it may not be."""
    out = np.full(grid.allowed.shape, NEVER)
    for k, (place, found) in enumerate(zip(grid.places, prices, strict=True)):
        if len(place.types):
            rows = np.flatnonzero(grid.allowed[:, k])
            worth = np.where(place.fits[rows], grid.sizes[rows] @ found.per_unit.T, NEVER)
            out[rows, k] = worth.min(axis=1)
    out = np.where(grid.dedicated[:, None], grid.own_price, out)
    priced: Floats = np.where(grid.allowed, np.minimum(out, NEVER), NEVER)
    return priced
