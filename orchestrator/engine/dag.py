"""Dependencies between actions: what may start, what falls with a failure, what the longest chain is. Pure.

Callers: the engine's driver; benchmarks and previews (critical_path). Terms: a depends on b, b is a's dependency, a is
b's dependant.
"""

from __future__ import annotations

from bisect import bisect_left, insort
from collections import deque
from collections.abc import Callable, Collection, Mapping

Depends = Mapping[str, Collection[str]]


def order(depends: Depends) -> tuple[str, ...]:
    """Every id after all it depends on; among equals in the mapping's order (A. B. Kahn, CACM 5(11), 1962).

    Raises ValueError, naming the ids, where one is unknown or they go round in a circle.
    """
    open_count = {i: len(set(ds)) for i, ds in depends.items()}
    above = dependants(depends)
    queue = deque(i for i, n in open_count.items() if n == 0)
    done: list[str] = []
    while queue:
        current = queue.popleft()
        done.append(current)
        for other in above[current]:
            open_count[other] -= 1
            if open_count[other] == 0:
                queue.append(other)
    if len(done) < len(depends):
        raise ValueError(f"actions wait for one another: {', '.join(sorted(set(depends) - set(done)))}")
    return tuple(done)


def dependants(depends: Depends) -> dict[str, tuple[str, ...]]:
    """The graph turned round: who waits for each. Raises ValueError, naming the ids, where one is unknown."""
    unknown = sorted({d for ds in depends.values() for d in ds} - set(depends))
    if unknown:
        raise ValueError(f"actions depend on what the plan does not hold: {', '.join(unknown)}")
    above: dict[str, list[str]] = {i: [] for i in depends}
    for i, ds in depends.items():
        for d in dict.fromkeys(ds):
            above[d].append(i)
    return {i: tuple(others) for i, others in above.items()}


def fallen(depends: Depends, failed: str) -> tuple[str, ...]:
    """All that directly or indirectly depends on failed, nearest first."""
    above = dependants(depends)
    seen = {failed}
    queue = deque([failed])
    while queue:
        for other in above[queue.popleft()]:
            if other not in seen:
                seen.add(other)
                queue.append(other)
    return tuple(i for i in order(depends) if i in seen and i != failed)


def remaining(depends: Depends, weight: Callable[[str], float]) -> dict[str, float]:
    """For each id: the weight of the heaviest chain that begins with it and goes on to its dependants.

    Starting the largest first is highest-level-first list scheduling (R. L. Graham, SIAM J. Appl. Math. 17(2), 1969).
    """
    above = dependants(depends)
    longest: dict[str, float] = {}
    for i in reversed(order(depends)):
        longest[i] = weight(i) + max((longest[o] for o in above[i]), default=0.0)
    return longest


def critical_path(depends: Depends, weight: Callable[[str], float]) -> tuple[str, ...]:
    """The heaviest chain of dependencies, first to last: no execution, however parallel, is shorter than it."""
    longest = remaining(depends, weight)
    above = dependants(depends)
    path: list[str] = []
    starts: Collection[str] = [i for i, ds in depends.items() if not ds]
    while starts:
        path.append(max(starts, key=lambda i: longest[i]))
        starts = above[path[-1]]
    return tuple(path)


class Frontier:
    """What may start now. An id is waiting, ready, running, and then done, failed or skipped; once, and for ever."""

    def __init__(self, depends: Depends, weight: Callable[[str], float] = lambda _i: 1.0) -> None:
        """Raises ValueError for an unknown id or a circle."""
        self._depends = {i: frozenset(ds) for i, ds in depends.items()}
        self._above = dependants(depends)
        self._rank = {i: n for n, i in enumerate(order(depends))}
        self._longest = remaining(depends, weight)
        self._open = {i: set(ds) for i, ds in self._depends.items()}
        self._ready = sorted(self._place(i) for i, ds in self._open.items() if not ds)
        self._running: set[str] = set()
        self._ended: set[str] = set()

    @property
    def running(self) -> frozenset[str]:
        return frozenset(self._running)

    @property
    def unstarted(self) -> tuple[str, ...]:
        """Neither running nor ended, dependencies first."""
        left = set(self._depends) - self._running - self._ended
        return tuple(sorted(left, key=self._rank.__getitem__))

    def ready(self, most: int | None = None) -> tuple[str, ...]:
        """All dependencies done, not started: heaviest remaining chain first, then in the plan's order."""
        return tuple(i for _, _, i in self._ready[:most])

    def is_ready(self, action_id: str) -> bool:
        """Whether `start` would take it."""
        place = self._place(action_id)
        at = bisect_left(self._ready, place)
        return at < len(self._ready) and self._ready[at] == place

    def _place(self, action_id: str) -> tuple[float, int, str]:
        """Where it stands among what is ready."""
        return (-self._longest[action_id], self._rank[action_id], action_id)

    def start(self, action_id: str) -> None:
        """ValueError where it is not ready."""
        if not self.is_ready(action_id):
            raise ValueError(f"{action_id} is not ready")
        del self._ready[bisect_left(self._ready, self._place(action_id))]
        self._running.add(action_id)

    def done(self, action_id: str) -> None:
        """It ended well: what waited for it alone becomes ready."""
        self._end(action_id)
        for other in self._above[action_id]:
            self._open[other].discard(action_id)
            if not self._open[other] and other not in self._ended:
                insort(self._ready, self._place(other))

    def failed(self, action_id: str) -> tuple[str, ...]:
        """It did not end well. Returns what is skipped because of it: all its dependants, nearest first."""
        self._end(action_id)
        skipped = tuple(i for i in fallen(self._depends, action_id) if i not in self._ended)
        self._ended.update(skipped)
        return skipped

    def _end(self, action_id: str) -> None:
        if action_id not in self._running:
            raise ValueError(f"{action_id} is not running")
        self._running.remove(action_id)
        self._ended.add(action_id)
