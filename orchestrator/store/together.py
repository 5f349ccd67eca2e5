"""Writes of several threads in one transaction, so that one wait for the disk serves them all (group commit).

Callers: inventory, whose writes are most of a release's. Who comes while another's commit is under way is written by
the next one; nobody waits for company. Each caller returns only once a commit holds its write, as if it had written
alone (D. DeWitt et al., "Implementation Techniques for Main Memory Database Systems", SIGMOD 1984).
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass

import sqlalchemy as sa

from model.errors import DuoyunError
from orchestrator.store.database import Database

MOST = 64
"""Writes in one transaction: what another process may have to wait for."""

Write = Callable[[sa.Connection], None]


@dataclass(slots=True, eq=False)
class _Job:
    write: Write
    over: bool = False
    error: BaseException | None = None


class Together:
    def __init__(self, db: Database) -> None:
        self._db = db
        self._waiting: deque[_Job] = deque()
        self._turn = threading.Lock()

    def run(self, write: Write) -> None:
        """Returns when the write is committed. Raises what it raised, or the database's error, with nothing written."""
        job = _Job(write)
        self._waiting.append(job)
        with self._turn:
            while not job.over:
                self._commit([self._waiting.popleft() for _ in range(min(MOST, len(self._waiting)))])
        if job.error is not None:
            raise job.error

    def _commit(self, jobs: list[_Job]) -> None:
        try:
            self._all(jobs)
        except BaseException as exc:  # noqa: BLE001  (each of them is told, and raises it in its own thread)
            for job in jobs:
                job.error = exc
        for job in jobs:
            job.over = True

    def _all(self, jobs: list[_Job]) -> None:
        with self._db.write() as conn:
            if len(jobs) == 1:
                jobs[0].write(conn)
                return
            for job in jobs:
                try:
                    with conn.begin_nested():
                        job.write(conn)
                except DuoyunError as exc:  # its own refusal (a lost lease) is not the others'
                    job.error = exc
