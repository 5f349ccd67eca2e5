"""How much of a service each place must or may have, for thousands of services: survival of a loss, anti-affinity,
pins, users, teams' quotas. What a choice of places breaks is mended by moving replicas to the cheapest place that may
have them. Callers: large, consolidate. Pure and deterministic. Non-goal: proving that nothing can be mended.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np

from scheduler.grid import NEVER, Flags, Floats, Grid
from scheduler.problem import LEVELS, ServiceDemand
from scheduler.sizes import domain_cap, domain_of

PASSES = 4


@dataclass(slots=True)
class Wishes:
    """Of one service. caps: rows of (places of a domain, most replicas there). floors: (places, least there)."""

    caps: list[tuple[Flags, float]] = field(default_factory=list)
    floors: list[tuple[Flags, float]] = field(default_factory=list)


class Shares:
    """The rules of a grid's services, looked up once."""

    def __init__(self, grid: Grid) -> None:
        self.grid = grid
        index = {s.name: i for i, s in enumerate(grid.problem.services)}
        self.wishes: dict[int, Wishes] = {}
        for i, service in enumerate(grid.problem.services):
            if service.max_per or service.survives or service.pinned or service.users:
                self.wishes[i] = self._of(service)
        # Over zones two services count as together in the whole group of equal zones, which is more than is asked for.
        self.apart = [
            (i, index[rule.service], self._domains(rule.over))
            for i, service in enumerate(grid.problem.services)
            for rule in service.apart
            if rule.over in LEVELS
        ]

    def _domains(self, level: str) -> list[Flags]:
        names = [domain_of(p.sites[0], level) for p in self.grid.places]
        return [np.array([n == name for n in names]) for name in dict.fromkeys(names)]

    def _of(self, service: ServiceDemand) -> Wishes:
        places, found = self.grid.places, Wishes()
        for level in LEVELS:
            cap = domain_cap(service, level)
            for members in self._domains(level) if cap is not None else ():
                zones = len(places[int(np.argmax(members))].sites) if level == "zone" else 1
                found.caps.append((members, float((cap or 0) * zones)))
        for site_id, least in service.pinned.items():
            found.floors.append((np.array([p.sites[0].id == site_id for p in places]), float(least)))
        for rule in service.users:
            rtt = self.grid.problem.population_by_name[rule.population].rtt_ms
            near = [rtt.get(p.region, math.inf) <= rule.max_rtt_ms for p in places]
            found.floors.append((np.array(near), 1.0))
        return found

    @cached_property
    def none(self) -> bool:
        """No service has such a rule, and no team a quota: the common case."""
        return not (self.wishes or self.apart or self.grid.problem.team_quotas)

    def kept(self, counts: Floats) -> bool:
        return not (self.broken(counts) or self._over_quota(counts))

    def broken(self, counts: Floats) -> list[int]:
        """Services with a rule of their own, or one for two of them, that does not hold; teams' quotas aside."""
        found = [
            i
            for i, wishes in self.wishes.items()
            if any(counts[i, members].sum() > cap for members, cap in wishes.caps)
            or any(counts[i, members].sum() < least for members, least in wishes.floors)
        ]
        for i, j, domains in self.apart:
            if any((counts[i] > 0)[d].any() and (counts[j] > 0)[d].any() for d in domains):
                found += [i, j]
        return found

    def _over_quota(self, counts: Floats) -> list[tuple[list[int], Flags]]:
        """(services of the team, places) of each quota that is exceeded."""
        grid, found = self.grid, []
        for quota in grid.problem.team_quotas:
            mine = [i for i, s in enumerate(grid.problem.services) if s.team == quota.team]
            where = np.array([quota.region in ("", p.region) for p in grid.places])
            used = (counts[mine][:, where].sum(axis=1)[:, None] * grid.sizes[mine]).sum(axis=0)
            limits = (quota.cpu_millicores, quota.memory_mib)
            if any(most is not None and used[axis] > most for axis, most in enumerate(limits)):
                found.append((mine, where))
        return found

    def mended(self, ahead: Floats, counts: Floats) -> Floats:
        """The same replicas in places that may have them, as far as that is found."""
        if self.none or self.kept(counts):
            return counts
        counts = counts.copy()
        for _ in range(PASSES):
            for i, wishes in self.wishes.items():
                self._fill(i, wishes, ahead[i], counts[i])
            for i, j, domains in self.apart:
                self._part(i, j, domains, ahead, counts)
            for mine, where in self._over_quota(counts):
                self._leave(mine, where, ahead, counts)
            if self.kept(counts):
                break
        return counts

    def _room(self, i: int, counts: Floats) -> Floats:
        """How many more replicas of a service each place may have."""
        room = np.where(self.grid.allowed[i], np.inf, 0.0)
        wishes = self.wishes.get(i)
        for members, cap in wishes.caps if wishes else ():
            room[members] = np.minimum(room[members], max(0.0, cap - counts[members].sum()))
        return room

    def _move(self, i: int, ahead: Floats, counts: Floats, source: int, targets: Flags, amount: float) -> None:
        """Up to so many replicas from one place to the cheapest of those that have room."""
        while amount > 0:
            counts[source] -= 1  # it makes room in the domains that it leaves
            room = np.where(targets, self._room(i, counts), 0.0)
            room[source] = 0.0
            score = np.where((room >= 1) & (ahead < NEVER / 1e3), ahead, np.inf)
            best = int(score.argmin())
            if not np.isfinite(score[best]):
                counts[source] += 1
                return
            counts[best] += 1
            amount -= 1

    def _fill(self, i: int, wishes: Wishes, ahead: Floats, counts: Floats) -> None:
        """counts: of one service, changed in place."""
        for members, least in wishes.floors:
            lacking = least - float(counts[members].sum())
            for _ in range(int(max(0.0, lacking))):
                donor = int(np.argmax(np.where(members, -1.0, counts)))
                if counts[donor] > 0:
                    self._move(i, ahead, counts, donor, members, 1)
        for members, cap in wishes.caps:
            for _ in range(int(max(0.0, float(counts[members].sum()) - cap))):
                donor = int(np.argmax(np.where(members, counts, -1.0)))
                self._move(i, ahead, counts, donor, ~members, 1)

    def _part(self, i: int, j: int, domains: list[Flags], ahead: Floats, counts: Floats) -> None:
        """One of two services leaves the domains that both are in: the one with fewer replicas there."""
        for domain in domains:
            if not (counts[i, domain].any() and counts[j, domain].any()):
                continue
            leaver, stayer = (i, j) if counts[i, domain].sum() <= counts[j, domain].sum() else (j, i)
            free = ~domain
            for other in domains:
                if counts[stayer, other].any():
                    free = free & ~other
            for source in np.flatnonzero(domain & (counts[leaver] > 0)).tolist():
                self._move(leaver, ahead[leaver], counts[leaver], source, free, float(counts[leaver, source]))

    def _leave(self, mine: list[int], where: Flags, ahead: Floats, counts: Floats) -> None:
        """A service of the team leaves those places: the one that loses least by it."""
        here = [i for i in mine if counts[i, where].any()]
        lost = {i: float(np.where(where, np.inf, ahead[i]).min() - ahead[i].min()) for i in here}
        for i in sorted(here, key=lambda i: (lost[i], i))[:1]:
            for source in np.flatnonzero(where & (counts[i] > 0)).tolist():
                self._move(i, ahead[i], counts[i], source, ~where, float(counts[i, source]))
