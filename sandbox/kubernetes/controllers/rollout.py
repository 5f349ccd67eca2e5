"""The arithmetic of a rollout: how many replicas each ReplicaSet should have next. Pure.

After the documented behaviour of the Deployment controller (kubernetes.io, "Deployments": max surge rounds up, max
unavailable rounds down, proportional scaling) and its status conditions.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Limits:
    """Of one rollout. desired, surge and unavailable are pods."""

    desired: int
    surge: int
    unavailable: int

    @property
    def most(self) -> int:
        """As many pods as may exist at once."""
        return self.desired + self.surge

    @property
    def least_available(self) -> int:
        """As few pods as must be available."""
        return self.desired - self.unavailable


@dataclass(frozen=True, slots=True)
class Replicas:
    """One ReplicaSet as the arithmetic sees it. order: creation, oldest first. most_before: the pods that might
    exist when it was last scaled (annotation max-replicas), 0 where that is not known."""

    name: str
    wanted: int
    available: int = 0
    order: int = 0
    most_before: int = 0


def resolve(value: int | str, total: int, *, up: bool) -> int:
    """A count, or a percentage of total rounded up or down. ValueError where it is neither."""
    if isinstance(value, int):
        return value
    if not value.endswith("%"):
        raise ValueError(f"{value!r} is neither a count nor a percentage")
    share = int(value[:-1]) * total
    return -(-share // 100) if up else share // 100


def limits(max_surge: int | str, max_unavailable: int | str, desired: int) -> Limits:
    """Surge rounds up, unavailable down; where both come out as zero, one pod may be unavailable."""
    surge = resolve(max_surge, desired, up=True)
    unavailable = resolve(max_unavailable, desired, up=False)
    if surge == 0 and unavailable == 0:
        unavailable = 1
    return Limits(desired, surge, min(unavailable, desired))


def scale_up_new(new: Replicas, old: Sequence[Replicas], limit: Limits) -> int:
    """Replicas of the new ReplicaSet after this step."""
    if new.wanted >= limit.desired:
        return limit.desired
    total = new.wanted + sum(r.wanted for r in old)
    room = limit.most - total
    return new.wanted + min(max(room, 0), limit.desired - new.wanted)


def scale_down_old(new: Replicas, old: Sequence[Replicas], limit: Limits) -> dict[str, int]:
    """Replicas of the old ReplicaSets after this step, those that change: first what is not healthy, then what the
    available pods of the others allow."""
    total_old = sum(r.wanted for r in old)
    new_unavailable = new.wanted - new.available
    allowed = new.wanted + total_old - limit.least_available - new_unavailable
    if total_old == 0 or allowed <= 0:
        return {}
    wanted = {r.name: r.wanted for r in old}
    oldest_first = sorted(old, key=lambda r: r.order)
    cleaned = 0
    for row in oldest_first:
        unhealthy = max(row.wanted - row.available, 0)
        step = min(allowed - cleaned, unhealthy)
        wanted[row.name] -= step
        cleaned += step
    spare = new.available + sum(r.available for r in old) - limit.least_available
    for row in oldest_first:
        if spare <= 0:
            break
        step = min(wanted[row.name], spare)
        wanted[row.name] -= step
        spare -= step
    return {r.name: wanted[r.name] for r in old if wanted[r.name] != r.wanted}


def scale_in_proportion(active: Sequence[Replicas], limit: Limits) -> dict[str, int]:
    """Replicas of several active ReplicaSets when the Deployment is scaled during a rollout."""
    total = sum(r.wanted for r in active)
    to_add = (limit.most if limit.desired > 0 else 0) - total
    sign = -1 if to_add > 0 else 1
    # The larger first; among equals the newer when adding, the older when removing.
    ordered = sorted(active, key=lambda r: (-r.wanted, sign * r.order))
    sizes: dict[str, int] = {}
    added = 0
    for row in ordered:
        step = _share(row, limit, to_add, added) if to_add else 0
        sizes[row.name] = row.wanted + step
        added += step
    if ordered and to_add != added:
        first = ordered[0].name
        sizes[first] = max(0, sizes[first] + to_add - added)
    return sizes


def _share(row: Replicas, limit: Limits, to_add: int, added: int) -> int:
    if row.wanted == 0 or to_add == added:
        return 0
    if limit.desired == 0:
        fraction = -row.wanted
    else:
        before = row.most_before or limit.most
        fraction = math.floor(row.wanted * limit.most / before + 0.5) - row.wanted
    left = to_add - added
    return min(fraction, left) if to_add > 0 else max(fraction, left)
