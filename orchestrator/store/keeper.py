"""Holding a lease while work goes on: renews it in the background, and answers "may I still write?" cheaply.

Callers: commands (`with LeaseKeeper(...) as keeper`), which hand `keeper.guard` to the engine and every adapter.

Once lost, a lease stays lost. It is lost as soon as any of these says so: the monotonic clock (no renewal for ttl_s),
the database (expired, taken over, unlocked), or a jump of the wall clock against the monotonic one (the machine slept
or was frozen and its clock was set) that the database does not clear up.
"""

from __future__ import annotations

import threading
from types import TracebackType

from model.errors import DuoyunError, LeaseLost, StoreUnavailable
from model.ports import Clock
from orchestrator.store.leases import Leases
from orchestrator.store.values import Lease

RENEW_PART = 3.0  # renewed every ttl/3: two renewals may fail before the third is the last chance
CHECK_PART = 6.0  # guard() asks the database every ttl/6, and leaves a request at least ttl/6 to end in


class LeaseKeeper:
    """Renews from __enter__ to __exit__, then gives the lease back. guard() is safe from many threads."""

    def __init__(self, leases: Leases, lease: Lease, clock: Clock) -> None:
        self._leases = leases
        self._lease = lease
        self._clock = clock
        self._lost: LeaseLost | None = None
        self._offset_s = clock.now_s() - clock.monotonic_s()
        self._checked_at_s = lease.asked_at_s
        self._lock = threading.Lock()  # the fields above
        self._database = threading.Lock()  # one renewal or check at a time
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None

    @property
    def lease(self) -> Lease:
        return self._lease

    @property
    def token(self) -> int:
        return self._lease.token

    @property
    def lost(self) -> LeaseLost | None:
        """The reason, once the lease is known to be lost. Local: asks the clock, not the database."""
        if self._lost is None and self._left_s() <= 0:
            self._lose("it was not renewed in time")
        return self._lost

    def __enter__(self) -> LeaseKeeper:
        self._thread = threading.Thread(target=self._keep, name=f"lease {self._lease.scope}", daemon=True)
        self._thread.start()
        return self

    def __exit__(
        self, _type: type[BaseException] | None, _exc: BaseException | None, _tb: TracebackType | None
    ) -> None:
        self._stop.set()
        if self._thread is not None:
            self._thread.join(timeout=5.0)
        if self._lost is None:
            try:
                self._leases.release(self._lease)
            except StoreUnavailable:
                return  # the lease then ends by itself, at until_s; what went before must not be hidden by this

    def guard(self) -> None:
        """Raises LeaseLost where we may no longer write. Call it right before each request that changes something.

        Costs two clock readings; every ttl/6, and after a jump of the wall clock, one question to the database.
        """
        if self._lost is not None:
            raise self._lost
        now_s = self._clock.monotonic_s()
        offset_s = self._clock.now_s() - now_s
        slice_s = self._lease.ttl_s / CHECK_PART
        if abs(offset_s - self._offset_s) > slice_s:
            self._after_jump(offset_s)
        elif self._left_s() <= slice_s:
            self._renew_late()
        elif now_s - self._checked_at_s >= slice_s:
            self._ask_database(now_s)
        # What went before may have waited for the database: only now is it certain.
        lost = self.lost
        if lost is not None:
            raise lost

    def give_up(self, refusal: LeaseLost) -> None:
        """The store refused a write under our token: the lease is lost, before any clock or renewal could tell."""
        self._lose_to(refusal)

    def renew(self) -> None:
        """One renewal now. Raises LeaseLost, StoreUnavailable."""
        with self._database:
            if self._lost is not None:
                raise self._lost
            try:
                lease = self._leases.renew(self._lease)
            except LeaseLost as exc:
                raise self._lose_to(exc) from exc
            with self._lock:
                self._lease = lease
                self._checked_at_s = lease.asked_at_s

    def _left_s(self) -> float:
        with self._lock:
            return self._lease.asked_at_s + self._lease.ttl_s - self._clock.monotonic_s()

    def _keep(self) -> None:
        interval_s = self._lease.ttl_s / RENEW_PART
        wait_s = interval_s
        while not self._stop.wait(wait_s):
            try:
                self.renew()
                wait_s = interval_s
            except LeaseLost:
                return
            except DuoyunError as exc:
                if self._left_s() <= 0:
                    self._lose(f"it could not be renewed: {exc.summary}")
                    return
                wait_s = min(1.0, interval_s)

    def _after_jump(self, offset_s: float) -> None:
        """The wall clock moved by itself, or this process stood still while it went on: the database decides."""
        with self._database:
            self._check(if_unreachable="the clock jumped, and the database cannot say whether it is still ours")
            with self._lock:
                self._offset_s = offset_s

    def _renew_late(self) -> None:
        """Little is left: a request sent now could outlast the lease, unless it can be renewed first."""
        if self._left_s() <= 0:
            return
        try:
            self.renew()
        except StoreUnavailable as exc:
            self._lose(f"it is about to end and could not be renewed: {exc.summary}")

    def _ask_database(self, now_s: float) -> None:
        if not self._database.acquire(blocking=False):
            return  # another thread is asking; the lease is valid by the clock meanwhile
        try:
            self._check(if_unreachable="")
            with self._lock:
                self._checked_at_s = max(self._checked_at_s, now_s)
        finally:
            self._database.release()

    def _check(self, *, if_unreachable: str) -> None:
        """Asks the database. if_unreachable: why the lease counts as lost then; empty where its time still runs."""
        try:
            self._leases.check(self._lease)
        except LeaseLost as exc:
            self._lose_to(exc)
        except StoreUnavailable as exc:
            if if_unreachable:
                self._lose(f"{if_unreachable} ({exc.summary})")

    def _lose(self, why: str) -> LeaseLost:
        scope = self._lease.scope
        return self._lose_to(
            LeaseLost(
                f"{scope.application} on {scope.fleet}: this process no longer holds the lease: {why}",
                mend="`duoyun status` shows who goes on, `duoyun resume` takes it up again",
                address=str(scope),
            )
        )

    def _lose_to(self, exc: LeaseLost) -> LeaseLost:
        with self._lock:
            self._lost = self._lost or exc
            return self._lost
