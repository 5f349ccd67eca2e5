"""Which pods end so that a more important one fits. Pure.

As documented in kubernetes.io, "Pod Priority and Preemption": only pods of lower priority, as few and as unimportant as
possible. Non-goals: disruption budgets are not weighed, and affinity to the victims is not looked at.
"""

from __future__ import annotations

from collections.abc import Sequence

from sandbox.kubernetes.controllers.affinity import Surroundings
from sandbox.kubernetes.controllers.fit import Slot, need_of, refusals
from sandbox.kubernetes.store import Object


def priority_of(pod: Object) -> int:
    return int(pod["spec"].get("priority", 0))


def victims_on(pod: Object, hopeful: Sequence[Slot], slots: Sequence[Slot]) -> tuple[str, list[Object]] | None:
    """(node, victims) with the least important victims, then the fewest; None where no node can be made to fit."""
    found: list[tuple[tuple[int, int, str], str, list[Object]]] = []
    for slot in hopeful:
        victims = _victims(pod, slot, slots)
        if victims:
            rank = (max(priority_of(v) for v in victims), len(victims), slot.name)
            found.append((rank, slot.name, victims))
    if not found:
        return None
    _rank, node, victims = min(found, key=lambda row: row[0])
    return node, victims


def _victims(pod: Object, slot: Slot, slots: Sequence[Slot]) -> list[Object]:
    """Pods of that node to end; empty where ending all of lower priority would not help."""
    lower = sorted((p for p in map(_plain, slot.each_pod()) if priority_of(p) < priority_of(pod)), key=priority_of)
    trial = Slot.of(slot.node)
    for other in slot.each_pod():
        trial.take(other)
    others = [trial if s.name == slot.name else s for s in slots]
    need, victims = need_of(pod), []
    for victim in lower:
        trial.drop(victim)
        victims.append(victim)
        reasons, _ = refusals(pod, trial, need, Surroundings.of(pod, others))
        if not reasons:
            return victims
    return []


def _plain(pod: object) -> Object:
    return pod if isinstance(pod, dict) else {}
