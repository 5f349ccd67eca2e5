"""What the soak does to a run, one class a function: each starts the operation, disturbs it, and sees it end or die.

Callers: soak. Every function returns how the disturbed process ended, for the notes; recovery and judgement come after.
All choices come from the run's own random generator. What cannot repeat to the microsecond is where parallel threads
stand meanwhile.
"""

from __future__ import annotations

import fcntl
import os
import random
import signal
import sqlite3
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from soak_hooks import CLASSES, Place, Wire
from soak_world import Child, World, disturbed, note, nowhere

from orchestrator import sandbox_process
from orchestrator.sandbox_endpoints import read_endpoints
from orchestrator.store import SystemClock

STOPPED_LEASE_S = 1.5
_STORMS: Mapping[str, tuple[str, int, str]] = {
    "aws": ("aws", 503, "RequestLimitExceeded"),
    "azure": ("azure", 429, "TooManyRequests"),
    "alibaba": ("alibaba", 429, "Throttling.User"),
    "kubernetes": ("kubernetes", 429, "TooManyRequests"),
}


class JumpingClock(SystemClock):
    """The machine's clock, whose wall time somebody sets while we work (the Clock port; monotonic time goes on)."""

    def __init__(self) -> None:
        self.offset_s = 0.0

    def now_s(self) -> float:
        return super().now_s() + self.offset_s


@dataclass
class Run:
    """One operation that is to be disturbed. sites: those of the undisturbed run, by class; takes_s: how long it took.

    server: the PostgreSQL server where the state is on one.
    """

    world: World
    operation: str
    notes: Path
    rng: random.Random
    sites: Mapping[str, list[str]]
    takes_s: float
    server: Any = None
    how: str = "command"
    kills: int = 0
    died_at: set[tuple[str, str]] = field(default_factory=set)

    def some_site(self, kinds: tuple[str, ...] = CLASSES) -> tuple[str, str]:
        kind = self.rng.choice([k for k in kinds if self.sites.get(k)])
        return kind, self.rng.choice(self.sites[kind])

    def start(self, place: Place, **more: Any) -> Child:
        return disturbed(self.world, self.operation, self.how, self.notes, place, **more)

    def ended(self, child: Child) -> int:
        code = child.wait()
        self.kills += code == -signal.SIGKILL
        return code


def once(wanted: tuple[str, str], act: Callable[[], None]) -> Place:
    """act() in the thread that first comes to that site."""
    lock, done = threading.Lock(), []

    def place(kind: str, site: str) -> None:
        if (kind, site) != wanted or done:
            return
        with lock:
            if done:
                return
            done.append(True)
        act()

    return place


def die() -> None:
    os.kill(os.getpid(), signal.SIGKILL)
    time.sleep(60)  # a signal to oneself may take a moment; nothing is to happen in it


# -- kills -----------------------------------------------------------------------------------------------------------


def kill_at_site(run: Run) -> int:
    """SIGKILL at one site of the undisturbed run."""
    site = run.some_site()
    note(run.notes, f"kill at {site}")
    code = run.ended(run.start(once(site, die)))
    if code == -signal.SIGKILL:
        run.died_at.add(site)
    return code


def kill_at_random(run: Run) -> int:
    """SIGKILL from outside at any moment."""
    child = run.start(nowhere)
    time.sleep(run.rng.uniform(0.0, run.takes_s))
    os.kill(child.pid, signal.SIGKILL)
    return run.ended(child)


def kill_again(run: Run) -> int:
    """SIGKILL, and again in what goes on with it, up to three times."""
    code = 0
    for how in ("command", run.rng.choice(("resume", "command")), "resume")[: run.rng.choice((2, 3))]:
        run.how = how
        code = kill_at_site(run)
    return code


def sweep(run: Run, kind: str) -> int:
    """Process after process, each killed at the first site of that class that none has reached before."""
    seen: set[str] = set()
    path = run.notes.with_name("swept.txt")
    path.unlink(missing_ok=True)
    while True:
        seen.update(path.read_text(encoding="utf-8").splitlines() if path.exists() else ())
        known, lock = frozenset(seen), threading.Lock()

        def place(here: str, site: str, known: frozenset[str] = known, lock: threading.Lock = lock) -> None:
            if here != kind:
                return
            with lock:
                if site not in known:
                    note(path, site)
                    die()

        code = run.ended(run.start(place))
        run.how = "resume"
        if code != -signal.SIGKILL or len(seen) > 3 * len(run.sites.get(kind, ())) + 20:
            run.died_at.update((kind, site) for site in seen)
            return code


# -- the wire --------------------------------------------------------------------------------------------------------


def lost_answers(run: Run) -> int:
    """Writes that are carried out and whose answers are lost, in the sandbox's fault table."""
    rate = run.rng.choice((0.1, 0.3, 0.6))
    _fault(id="soak", service="*", operation="*", drop_answer=True, writes_only=True, rate=rate, count=12)
    note(run.notes, f"answers lost at rate {rate}, at most 12")
    return run.ended(run.start(nowhere))


def duplicate_deliveries(run: Run) -> int:
    """Every written request, or a share of them, arrives twice at once."""
    share, rng = run.rng.choice((0.3, 1.0)), random.Random(run.rng.random())
    note(run.notes, f"written requests arrive twice at rate {share}")

    def wire(below: Wire) -> None:
        below.duplicate = lambda: rng.random() < share

    return run.ended(run.start(nowhere, wire=wire))


def throttled(run: Run) -> int:
    """A storm of refusals with Retry-After, on one API or on all; sometimes with a kill in it."""
    chosen = run.rng.choice([[name] for name in _STORMS] + [list(_STORMS)])
    for name in chosen:
        service, status, code = _STORMS[name]
        _fault(
            id=f"soak-{name}", service=service, operation="*", status=status, code=code, retry_after_s=1,
            count=run.rng.choice((3, 8, 20)) // len(chosen) + 1, rate=0.7,
        )  # fmt: skip
    note(run.notes, f"storm on {', '.join(chosen)}")
    if run.rng.random() < 0.3:
        return kill_at_site(run)
    return run.ended(run.start(nowhere))


def cut_network(run: Run) -> int:
    """No packet passes, from one site on: for a moment, or until the process gives up."""
    site, lasts_s = run.some_site(("call", "wire")), run.rng.choice((0.3, 1.5, 1e9))
    until: list[float] = []
    note(run.notes, f"network cut at {site} for {lasts_s} s")

    def wire(below: Wire) -> None:
        below.cut = lambda: bool(until) and time.monotonic() < until[0]

    child = run.start(once(site, lambda: until.append(time.monotonic() + lasts_s)), wire=wire)
    if lasts_s > 60:
        # Without a network a release tries for minutes, as it should: whoever looks on ends it.
        _kill_later(child, 2.0 + run.takes_s)
    return run.ended(child)


# -- processes and clocks --------------------------------------------------------------------------------------------


def frozen(run: Run) -> int:
    """SIGSTOP at a site, past the lease or until somebody unlocks it; another goes on; SIGCONT during or after that."""
    site, during, unlocked = run.some_site(), run.rng.random() < 0.5, run.rng.random() < 0.3
    note(run.notes, f"frozen at {site}, woken {'during' if during else 'after'}, {'unlocked' if unlocked else 'past'}")
    run.world.lease_s = STOPPED_LEASE_S
    child = run.start(once(site, lambda: os.kill(os.getpid(), signal.SIGSTOP)))
    _pid, status = os.waitpid(child.pid, os.WUNTRACED)
    if os.WIFSTOPPED(status):
        status = _without_locks(child.pid, status, run.world)
    run.world.lease_s = 30.0
    if not os.WIFSTOPPED(status):
        return os.waitstatus_to_exitcode(status)
    if unlocked:
        with run.world.open(run.operation) as context:
            context.store.leases.unlock(context.scope, "soak")
    other = disturbed(run.world, run.operation, "resume", run.notes, nowhere, wait_s=20.0)
    waker = threading.Timer(run.rng.uniform(0.0, run.takes_s), os.kill, (child.pid, signal.SIGCONT))
    if during:
        waker.start()
    note(run.notes, f"the other ended with {other.wait()}")
    waker.join() if during else os.kill(child.pid, signal.SIGCONT)
    code = run.ended(child)
    note(run.notes, f"the frozen one ended with {code}")
    return code


def clock_jumps(run: Run) -> int:
    """The wall clock is set forward or back by minutes or hours while the operation runs, and sometimes set right."""
    clock = JumpingClock()
    run.world.clock = clock
    site, back = run.some_site(), run.some_site()
    jump_s = run.rng.choice((-86_400.0, -3600.0, -45.0, 20.0, 45.0, 3600.0, 86_400.0))
    killed, right = run.rng.random() < 0.3, run.rng.random() < 0.5
    note(run.notes, f"clock {jump_s:+.0f} s at {site}{', killed' if killed else ''}{', set right' if right else ''}")
    first = once(site, lambda: setattr(clock, "offset_s", jump_s))
    second = once(back, die if killed else lambda: setattr(clock, "offset_s", 0.0 if right else jump_s))

    def place(kind: str, name: str) -> None:
        first(kind, name)
        second(kind, name)

    code = run.ended(run.start(place))
    # Who comes next lives in the same machine: its clock is what it was set to, unless somebody mended it.
    clock.offset_s = 0.0 if right else jump_s
    return code


# -- the state -------------------------------------------------------------------------------------------------------


def full_disk(run: Run) -> int:
    """SQLite gets no further page, from a site on (PRAGMA max_page_count; SQLITE_FULL, as from a full disk)."""
    site, room = run.some_site(("call", "journal", "audit")), run.rng.choice((0, 1, 4))
    note(run.notes, f"disk full at {site} with room for {room} pages")
    limit: list[int] = []
    full: list[bool] = []

    def fill(conn: Any, *_more: Any) -> None:
        if full and isinstance(conn, sqlite3.Connection):
            limit[:] = limit or [conn.execute("PRAGMA page_count").fetchone()[0] + room]
            conn.execute(f"PRAGMA max_page_count = {limit[0]}")

    sa.event.listen(sa.pool.Pool, "checkout", fill)
    try:
        return run.ended(run.start(once(site, lambda: full.append(True))))
    finally:
        sa.event.remove(sa.pool.Pool, "checkout", fill)


def database_dies(run: Run) -> int:
    """Killed at a site; and while the next process recovers, `pg_ctl stop -m immediate` and a start."""
    kill_at_site(run)
    run.how = "resume"
    site = run.some_site()
    reader, writer = os.pipe()

    def tell() -> None:
        os.write(writer, b"now")

    child = run.start(once(site, tell))
    os.close(writer)
    with os.fdopen(reader) as stream:
        if stream.read(1):
            note(run.notes, f"pg_ctl stop -m immediate at {site}")
            run.server.crash()
            time.sleep(run.rng.uniform(0.0, 0.5))
            run.server.start()
    return run.ended(child)


# -- their parts -----------------------------------------------------------------------------------------------------


def _fault(**row: Any) -> None:
    sandbox_process.control("/faults", read_endpoints(), "POST", row)


def clear_faults() -> int:
    """Takes the fault table's rows away; how many had fired since it was asked last."""
    sandbox_process.control("/faults", read_endpoints(), "DELETE")
    return len(sandbox_process.control("/faults/log", read_endpoints())["log"])


def _kill_later(child: Child, after_s: float) -> None:
    deadline = time.monotonic() + after_s
    while time.monotonic() < deadline:
        if os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is not None:
            return
        time.sleep(0.05)
    os.kill(child.pid, signal.SIGKILL)


def _without_locks(pid: int, status: int, world: World) -> int:
    """Who stands still inside a SQLite transaction keeps everybody out: let it come out, and stop it again.

    The status in which it was left: stopped, or ended where that was the last thing it did.
    """
    for _ in range(400):
        if not os.WIFSTOPPED(status) or _free(world):
            return status
        os.kill(pid, signal.SIGCONT)
        time.sleep(0.005)
        os.kill(pid, signal.SIGSTOP)
        status = os.waitpid(pid, os.WUNTRACED)[1]
    raise RuntimeError("the process never let go of its locks")


def _free(world: World) -> bool:
    if world.paper:
        with world.cloud.path.with_suffix(".lock").open("w") as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                return False
    if not world.url.startswith("sqlite"):
        return True
    probe = sqlite3.connect(world.url.removeprefix("sqlite:///"), timeout=0.3, isolation_level=None)
    try:
        probe.execute("BEGIN IMMEDIATE")
        probe.execute("ROLLBACK")
    except sqlite3.OperationalError:
        return False
    finally:
        probe.close()
    return True


ON_SQLITE: Mapping[str, tuple[float, Callable[[Run], int]]] = {
    "kill at a site": (36, kill_at_site),
    "kill at random": (10, kill_at_random),
    "kill again and again": (10, kill_again),
    "lost answers": (8, lost_answers),
    "duplicate deliveries": (8, duplicate_deliveries),
    "429 storm": (5, throttled),
    "SIGSTOP past the lease": (8, frozen),
    "clock jumps": (8, clock_jumps),
    "full disk": (8, full_disk),
    "cut network": (7, cut_network),
}
ON_POSTGRES: Mapping[str, tuple[float, Callable[[Run], int]]] = {
    "database dies in recovery": (70, database_dies),
    "kill at a site": (15, kill_at_site),
    "SIGSTOP past the lease": (15, frozen),
}
"""Class -> (weight, what it does)."""
ON_THE_WIRE = frozenset({"lost answers", "duplicate deliveries", "429 storm", "cut network"})
"""What needs real HTTP, and so the sandbox."""
