"""The cheapest machines that hold given pods in one site: a small integer program over node counts, checked by packing.

Callers: nodes. Pure. The integer program knows sums per resource only; a mix that does not pack is excluded (some type
must be bought more often) and the next cheapest is asked for. So the answer is the cheapest mix that packs, as long as
the packing search decides (scheduler.packing) and the rounds suffice; otherwise a good one, or none.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import ceil

from scheduler.highs import MixedIntegerModel, Status, solve_model
from scheduler.packing import Group, Node, Outcome, Packing, pack
from scheduler.problem import InstanceOffer
from scheduler.sizes import DIMENSIONS, Vector

MAX_ROUNDS = 24
NODE_LIMIT = 200


@dataclass(frozen=True, slots=True)
class BestMix:
    """counts per type, the packing on them (dearest type first), and whether no cheaper mix packs, for certain."""

    counts: dict[str, int]
    packing: Packing
    price_per_hour: float
    proven: bool


def cheapest_mix(
    groups: Sequence[Group],
    offers: Mapping[InstanceOffer, Vector],
    max_machines: float = float("inf"),
    max_vcpu: float = float("inf"),
    *,
    spare: bool = False,
    taken: Mapping[str, int] | None = None,
) -> BestMix | None:
    """The cheapest mix within the limits; None where none was found.

    spare: each type in use is bought once more than counted here, and the price and the limits say so. taken: machines
    of a type that somebody else has of what there is.
    """
    types = sorted(offers, key=lambda t: (-t.price_per_hour, t.name))
    limits = _Limits(max_machines, max_vcpu, spare, taken or {})
    excluded: list[list[int]] = []
    proven = True
    for _ in range(MAX_ROUNDS):
        counts, sure = _next(groups, types, offers, limits, excluded)
        if counts is None:
            return None
        proven = proven and sure
        nodes = [Node(t.name, offers[t]) for t, n in zip(types, counts, strict=True) for _ in range(n)]
        packed = pack(groups, nodes, 2_000)
        if packed.outcome is Outcome.PACKED:
            chosen = {t.name: n for t, n in zip(types, counts, strict=True) if n}
            price = sum(t.price_per_hour * (chosen[t.name] + spare) for t in types if t.name in chosen)
            return BestMix(chosen, packed, price, proven)
        proven = proven and packed.outcome is Outcome.IMPOSSIBLE
        excluded.append(counts)
    return None


@dataclass(frozen=True, slots=True)
class _Limits:
    machines: float
    vcpu: float
    spare: bool
    taken: Mapping[str, int]

    def left(self, offer: InstanceOffer) -> float:
        """How many of a type may carry pods."""
        if offer.max_count is None:
            return float("inf")
        return max(0, offer.max_count - self.taken.get(offer.name, 0) - self.spare)


def _next(
    groups: Sequence[Group],
    types: Sequence[InstanceOffer],
    offers: Mapping[InstanceOffer, Vector],
    limits: _Limits,
    excluded: Sequence[Sequence[int]],
) -> tuple[list[int] | None, bool]:
    """The cheapest counts whose sums suffice and that are not within an excluded mix; and whether that is sure."""
    model = MixedIntegerModel()
    most = sum(g.count for g in groups)
    n = [model.column(t.price_per_hour, min(most, limits.left(t))) for t in types]
    bought = list(zip(n, types, strict=True))
    if limits.spare:
        for col, t in zip(n, types, strict=True):
            used = model.column(t.price_per_hour)
            model.row([(col, 1), (used, -most)], upper=0)
            bought.append((used, t))
    for axis in range(DIMENSIONS):
        need = sum(g.size[axis] * g.count for g in groups)
        model.row([(col, offers[t][axis]) for col, t in zip(n, types, strict=True)], lower=need)
    for group in groups:
        fits = [col for col, t in zip(n, types, strict=True) if all(map(_at_most, group.size, offers[t]))]
        model.row([(col, 1) for col in fits], lower=ceil(group.count / group.per_node))
        together = sum(g.count for g in groups if g.name == group.name)
        if together > group.count:
            model.row([(col, 1) for col in n], lower=ceil(together / group.per_node))
    if limits.machines != float("inf"):
        model.row([(col, 1) for col, _ in bought], upper=limits.machines)
    if limits.vcpu != float("inf"):
        model.row([(col, t.vcpu) for col, t in bought], upper=limits.vcpu)
    for counts in excluded:
        more = []
        for col, count in zip(n, counts, strict=True):
            mark = model.column()
            model.row([(col, 1), (mark, -(count + 1))], lower=0)
            more.append((mark, 1.0))
        model.row(more, lower=1)
    answer = solve_model(model, node_limit=NODE_LIMIT)
    counts_found = [round(answer.values[col]) for col in n] if answer.values is not None else None
    return counts_found, answer.status is Status.OPTIMAL


def _at_most(need: int, have: int) -> bool:
    return need <= have
