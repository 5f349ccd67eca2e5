"""What probes learn goes to the store, and comes back to the next process. Callers: run.py, `duoyun probe`.

A thread of its own writes what changed every EVERY_S and at the end, BATCH rows to a transaction; nobody who probes
waits for it. A store that does not answer costs no release and no watch anything: it is told once, what could not be
written is tried again, and what was lost is counted. Targets whose URL carries a user part or a query are not kept:
there may be a secret in it. Non-goals: judging; metrics.
"""

from __future__ import annotations

import os
import socket
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Final

from model.errors import DuoyunError
from model.ports import Clock
from orchestrator.store.probe_history import ProbeHistory
from probes.history import History
from probes.policy import Result

EVERY_S: Final = 60.0
BATCH: Final = 500
_PAUSE_S: Final = 0.05  # between two batches, for whoever else wants the processor and the database
_NAME_MOST: Final = 400
HERE: Final = "here"
NAME = "DUOYUN_PROBE_VANTAGE"


def own_name(environ: Mapping[str, str] | None = None) -> str:
    """What we are called where we look from: DUOYUN_PROBE_VANTAGE, or the host's name."""
    env = os.environ if environ is None else environ
    return env.get(NAME, "") or socket.gethostname() or HERE


def may_be_kept(target: str) -> bool:
    """Whether the name holds nothing that might be a secret, and is of a sane length."""
    return "@" not in target and "?" not in target and len(target) <= _NAME_MOST


class Remembered:
    """Safe from any thread. `here` in results and answers is this place; the store knows it by own_name."""

    def __init__(self, store: ProbeHistory, clock: Clock, tell: Callable[[str], None], name: str) -> None:
        self._store = store
        self._clock = clock
        self._tell = tell
        self._name = name
        self._history = History()
        self._asked: set[str] = set()
        self._lock = threading.Lock()
        self._told = False
        self._pruned = False

    @property
    def lost(self) -> int:
        """Results that found no room, or were never written."""
        return self._history.lost

    def learned(self, targets: Sequence[str], vantages: Sequence[str]) -> dict[tuple[str, str], tuple[float, ...]]:
        """Response times by (target, vantage), oldest first; what is not known is missing."""
        new = [t for t in targets if t not in self._asked and may_be_kept(t)]
        try:
            rows = self._store.of(new) if new else []
        except DuoyunError as exc:
            self._say(f"what probes learned before cannot be read: {exc.summary}")
            rows = []
        with self._lock:
            self._asked.update(new)
            self._history.begin(rows)
            found = {(t, v): self._history.times_s(t, self._known_as(v)) for t in targets for v in vantages}
        return {pair: times for pair, times in found.items() if times}

    def of(self, target: str) -> OfTarget:
        """What a release's watch over one target begins with (orchestrator.patience.Memory)."""
        return OfTarget(self, target)

    def add(self, result: Result) -> None:
        """Takes a result; returns at once."""
        if not may_be_kept(result.target):
            return
        at_s = self._clock.now_s()
        with self._lock:
            self._history.add(result, at_s, self._known_as(result.vantage))

    def flush(self, pause: Callable[[float], object] = lambda _: None) -> None:
        """Writes what changed. What cannot be written waits for the next time."""
        while True:
            with self._lock:
                rows = self._history.take(BATCH)
            if not rows:
                return
            try:
                if not self._pruned:
                    self._store.prune(self._clock.now_s())
                    self._pruned = True
                self._store.put(rows)
            except DuoyunError as exc:
                with self._lock:
                    self._history.put_back(rows)
                self._say(f"what probes learn cannot be written: {exc.summary}")
                return
            pause(_PAUSE_S)

    def _known_as(self, vantage: str) -> str:
        return self._name if vantage == HERE else vantage

    def _say(self, line: str) -> None:
        if not self._told:
            self._told = True
            self._tell(line)


@dataclass(frozen=True, slots=True)
class OfTarget:
    """One target, whatever its pods and machines are called."""

    remembered: Remembered
    target: str

    def learned(self, vantages: Sequence[str]) -> dict[str, tuple[float, ...]]:
        """By vantage."""
        return {v: times for (_, v), times in self.remembered.learned([self.target], vantages).items()}

    def add(self, result: Result) -> None:
        """Takes a result of one of its pods or machines."""
        self.remembered.add(result._replace(target=self.target))


@contextmanager
def remembering(
    store: ProbeHistory,
    clock: Clock,
    *,
    tell: Callable[[str], None] = lambda _: None,
    name: str | None = None,
    every_s: float = EVERY_S,
) -> Iterator[Remembered]:
    """Writes behind the block's back while it lasts, and once more at its end."""
    remembered, over = Remembered(store, clock, tell, name or own_name()), threading.Event()

    def run() -> None:
        while not over.wait(every_s):
            remembered.flush(over.wait)

    thread = threading.Thread(target=run, name="probe history", daemon=True)
    thread.start()
    try:
        yield remembered
    finally:
        over.set()
        thread.join()
        remembered.flush()
        if remembered.lost:
            tell(f"{remembered.lost} response times were not kept: more came than was written")
