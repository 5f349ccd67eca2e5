"""What came of executing a plan. Callers: release flow, commands. Imports no DBOS."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from model.errors import DuoyunError, Interrupted, LeaseLost


class ActionState(StrEnum):
    """cancelled: begun or not, but not known to be finished; a resume goes on with it. skipped: never begun."""

    DONE = "done"
    FAILED = "failed"
    SKIPPED = "skipped"
    CANCELLED = "cancelled"


@dataclass(frozen=True, slots=True, kw_only=True)
class ActionOutcome:
    """One action's end. error: DuoyunError.to_dict(). because: the failed action that this one was skipped for.

    journaled: it was finished by an earlier run of this revision and not begun again. attempt counts from 1 over all
    runs; 0 where it was never begun.
    """

    id: str
    state: ActionState
    seconds: float = 0.0
    attempt: int = 0
    journaled: bool = False
    result: Mapping[str, Any] = field(default_factory=dict)
    error: Mapping[str, Any] | None = None
    because: str = ""
    why: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """actions: one entry per action of the plan, in the plan's order.

    interrupted: stopped on request or because the lease was lost; the same plan and revision can be executed again.
    errors: what was raised, the first failure first.
    """

    actions: Mapping[str, ActionOutcome]
    seconds: float
    interrupted: bool = False
    lease_lost: LeaseLost | None = None
    errors: tuple[DuoyunError, ...] = ()

    @property
    def ok(self) -> bool:
        """Everything was done."""
        return all(a.state is ActionState.DONE for a in self.actions.values())

    def of(self, state: ActionState) -> tuple[ActionOutcome, ...]:
        return tuple(a for a in self.actions.values() if a.state is state)

    @property
    def error(self) -> DuoyunError | None:
        """The one to end with: a lost lease, then the first failure, then the interruption; None where all is done."""
        if self.lease_lost is not None:
            return self.lease_lost
        if self.errors:
            return self.errors[0]
        if self.ok:
            return None
        return Interrupted("stopped on request", mend="`duoyun resume` goes on from here")

    def raise_for_error(self) -> None:
        """Raises `error` where there is one."""
        if self.error is not None:
            raise self.error
