"""Taking an application's lease: who we are, waiting for it, and taking it from a process of ours that has died."""

from __future__ import annotations

import getpass
import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from model.errors import LeaseHeld
from model.ports import Clock
from orchestrator.store import Lease, LeaseKeeper, Scope, Store


def whoami() -> str:
    """Who asks, for leases and audit: `user@host`."""
    try:
        user = getpass.getuser()
    except (OSError, KeyError):
        user = f"uid {os.getuid()}"
    return f"{user}@{socket.gethostname()}"


def holder() -> str:
    """This process as a lease holder. Its start time tells it from a later process with the same number."""
    return f"{whoami()} pid {os.getpid()} start {_start_ticks(os.getpid())}"


def _start_ticks(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[19]
    except (OSError, IndexError):
        return "?"


def _died_here(text: str) -> bool:
    """Whether a lease's holder was a process of this machine that is gone: then nobody can be working under it."""
    words = text.split()
    if len(words) != 5 or words[0] != whoami() or not words[2].isdigit() or words[4] == "?":
        return False
    return _start_ticks(int(words[2])) != words[4]


@contextmanager
def leased(store: Store, scope: Scope, clock: Clock, *, ttl_s: float, wait_s: float = 0.0) -> Iterator[LeaseKeeper]:
    """The application's lease, kept until the block ends. Raises LeaseHeld after wait_s.

    A lease whose holder was a process of this machine that has died is taken at once, and the audit says so.
    """
    deadline = clock.monotonic_s() + wait_s
    while True:
        try:
            lease = _acquire(store, scope, ttl_s)
            break
        except LeaseHeld:
            left = deadline - clock.monotonic_s()
            if left <= 0:
                raise
            clock.sleep(min(1.0, left))
    with LeaseKeeper(store.leases, lease, clock) as keeper:
        yield keeper


def _acquire(store: Store, scope: Scope, ttl_s: float) -> Lease:
    try:
        return store.leases.acquire(scope, holder(), ttl_s)
    except LeaseHeld:
        current = store.leases.current(scope)
        if current is None or not _died_here(current.holder):
            raise
        store.leases.unlock(scope, f"{whoami()}: holder {current.holder} has died", token=current.token)
        return store.leases.acquire(scope, holder(), ttl_s)
