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
from scheduler.packing import DIMENSIONS, Group, Node, Outcome, Packing, pack
from scheduler.problem import InstanceOffer

MAX_ROUNDS = 24
NODE_LIMIT = 200
Room = tuple[int, int, int, int]


@dataclass(frozen=True, slots=True)
class BestMix:
    """counts per type, the packing on them (dearest type first), and whether no cheaper mix packs, for certain."""

    counts: dict[str, int]
    packing: Packing
    price_per_hour: float
    proven: bool


def cheapest_mix(
    groups: Sequence[Group],
    offers: Mapping[InstanceOffer, Room],
    max_machines: float = float("inf"),
    max_vcpu: float = float("inf"),
) -> BestMix | None:
    """The cheapest mix within the limits; None where none was found."""
    types = sorted(offers, key=lambda t: (-t.price_per_hour, t.name))
    excluded: list[list[int]] = []
    proven = True
    for _ in range(MAX_ROUNDS):
        counts, sure = _next(groups, types, offers, max_machines, max_vcpu, excluded)
        if counts is None:
            return None
        proven = proven and sure
        nodes = [Node(t.name, offers[t]) for t, n in zip(types, counts, strict=True) for _ in range(n)]
        packed = pack(groups, nodes, 2_000)
        if packed.outcome is Outcome.PACKED:
            chosen = {t.name: n for t, n in zip(types, counts, strict=True) if n}
            return BestMix(chosen, packed, sum(t.price_per_hour * chosen.get(t.name, 0) for t in types), proven)
        proven = proven and packed.outcome is Outcome.IMPOSSIBLE
        excluded.append(counts)
    return None


def _next(
    groups: Sequence[Group],
    types: Sequence[InstanceOffer],
    offers: Mapping[InstanceOffer, Room],
    max_machines: float,
    max_vcpu: float,
    excluded: Sequence[Sequence[int]],
) -> tuple[list[int] | None, bool]:
    """The cheapest counts whose sums suffice and that are not within an excluded mix; and whether that is sure."""
    model = MixedIntegerModel()
    most = sum(g.count for g in groups)
    n = [model.column(t.price_per_hour, most) for t in types]
    for axis in range(DIMENSIONS):
        need = sum(g.size[axis] * g.count for g in groups)
        model.row([(col, offers[t][axis]) for col, t in zip(n, types, strict=True)], lower=need)
    for group in groups:
        fits = [col for col, t in zip(n, types, strict=True) if all(map(_at_most, group.size, offers[t]))]
        model.row([(col, 1) for col in fits], lower=ceil(group.count / group.per_node))
    if max_machines != float("inf"):
        model.row([(col, 1) for col in n], upper=max_machines)
    if max_vcpu != float("inf"):
        model.row([(col, t.vcpu) for col, t in zip(n, types, strict=True)], upper=max_vcpu)
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
