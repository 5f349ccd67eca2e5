"""Every failure that duoyun can name, as a type.

Whether to retry is a property of the type, never of the message. Foreign errors are mapped to these once, at the
edge where they appear, with the cause chained (`raise Throttled(...) from exc`).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

from model.exit_codes import ExitCode


class DuoyunError(Exception):
    """A failure with an address, a sentence, and the way to mend it.

    summary: one sentence, what is wrong. detail: what was seen. mend: what the user can do now.
    """

    exit_code: ClassVar[ExitCode] = ExitCode.ERROR
    retryable: ClassVar[bool] = False

    def __init__(self, summary: str, *, detail: str = "", mend: str = "", address: str = "") -> None:
        super().__init__(summary)
        self.summary = summary
        self.detail = detail
        self.mend = mend
        self.address = address

    @property
    def reason(self) -> str:
        """The error's stable name for machines, e.g. `quota_exceeded`."""
        name = type(self).__name__
        return "".join(f"_{c.lower()}" if c.isupper() else c for c in name).lstrip("_")

    def to_dict(self) -> dict[str, Any]:
        return {
            "reason": self.reason,
            "summary": self.summary,
            "detail": self.detail,
            "mend": self.mend,
            "address": self.address,
            "retryable": self.retryable,
            "exit_code": int(self.exit_code),
        }

    def __reduce__(self) -> tuple[Any, ...]:
        # Exceptions with keyword-only arguments do not survive copying or a process boundary by themselves.
        return (_rebuild, (type(self), self.args, self.__dict__))


def _rebuild(cls: type[DuoyunError], args: tuple[Any, ...], state: dict[str, Any]) -> DuoyunError:
    exc = cls.__new__(cls)
    Exception.__init__(exc, *args)
    exc.__dict__.update(state)
    return exc


@dataclass(frozen=True, slots=True)
class Diagnostic:
    """One mistake in a document. position is `file:line:column`, or empty where there is none."""

    position: str
    what: str
    mend: str = ""
    severity: str = "error"

    def __str__(self) -> str:
        where = f"{self.position}: " if self.position else ""
        tail = f" ({self.mend})" if self.mend else ""
        return f"{where}{self.what}{tail}"


def _rows(diagnostics: Sequence[Diagnostic]) -> list[dict[str, str]]:
    return [{"position": d.position, "what": d.what, "mend": d.mend, "severity": d.severity} for d in diagnostics]


class InvalidInput(DuoyunError):
    """A document of the user's does not hold; carries every mistake found, not only the first."""

    exit_code = ExitCode.INVALID_INPUT

    def __init__(
        self, diagnostics: list[Diagnostic] | tuple[Diagnostic, ...], *, summary: str = "", mend: str = ""
    ) -> None:
        self.diagnostics = tuple(diagnostics)
        count = len(self.diagnostics)
        super().__init__(
            summary or f"{count} mistake{'s' if count != 1 else ''} in the input",
            detail="\n".join(map(str, self.diagnostics)),
            mend=mend,
        )

    def to_dict(self) -> dict[str, Any]:
        return super().to_dict() | {"diagnostics": _rows(self.diagnostics)}


class UsageError(DuoyunError):
    """The command line itself is wrong."""

    exit_code = ExitCode.USAGE


class DeniedByPolicy(DuoyunError):
    exit_code = ExitCode.DENIED


class ApprovalPending(DuoyunError):
    """Somebody has to agree first; the same command goes on once they have."""

    exit_code = ExitCode.APPROVAL_PENDING
    retryable = True


class ApprovalRefused(DuoyunError):
    """Somebody who may has said no, the approval has expired, or whoever wants to give one may not."""

    exit_code = ExitCode.APPROVAL_REFUSED


class Infeasible(DuoyunError):
    """No placement satisfies the constraints; detail names an irreducible set of them, conflicts with their places."""

    exit_code = ExitCode.INFEASIBLE

    def __init__(
        self, summary: str, *, conflicts: Sequence[Diagnostic] = (), detail: str = "", mend: str = "", address: str = ""
    ) -> None:
        super().__init__(summary, detail=detail, mend=mend, address=address)
        self.conflicts = tuple(conflicts)

    def to_dict(self) -> dict[str, Any]:
        return super().to_dict() | {"diagnostics": _rows(self.conflicts)}


class LeaseHeld(DuoyunError):
    """Somebody else is changing this application; detail says who, since when, until when."""

    exit_code = ExitCode.LEASE_HELD
    retryable = True


class LeaseLost(DuoyunError):
    """Our own lease expired or was taken; nothing more may be written under it."""

    exit_code = ExitCode.INTERRUPTED


class PlanStale(DuoyunError):
    """The world moved since the plan was made."""

    exit_code = ExitCode.STALE
    retryable = True


class ReleaseFailed(DuoyunError):
    exit_code = ExitCode.FAILED


class ReleaseRolledBack(DuoyunError):
    exit_code = ExitCode.ROLLED_BACK


class Interrupted(DuoyunError):
    """Stopped on request; `duoyun resume` goes on."""

    exit_code = ExitCode.INTERRUPTED


class NotBuiltYet(DuoyunError):
    """A documented part that this version does not have. Says so instead of pretending."""


class StoreTooNew(DuoyunError):
    """The state was written by a newer version of duoyun."""

    exit_code = ExitCode.INVALID_INPUT


class StoreUnavailable(DuoyunError):
    exit_code = ExitCode.TEMPORARY
    retryable = True


class RolloutFailed(DuoyunError):
    """A workload did not become healthy; detail holds the evidence (container state, last event, probe)."""

    exit_code = ExitCode.FAILED


# -- what clouds and clusters answer ---------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class CallSite:
    """Which call failed. request_id is the cloud's own, for its support desk."""

    cloud: str = ""
    account: str = ""
    region: str = ""
    operation: str = ""
    request_id: str = ""
    code: str = ""

    def __str__(self) -> str:
        where = "/".join(p for p in (self.cloud, self.account, self.region) if p)
        ids = ", ".join(f"{k} {v}" for k, v in (("code", self.code), ("request id", self.request_id)) if v)
        return f"{where} {self.operation}".strip() + (f" ({ids})" if ids else "")


class CloudError(DuoyunError):
    """Base of what a cloud or cluster answered. Only adapters raise these."""

    def __init__(
        self,
        summary: str,
        *,
        call: CallSite | None = None,
        detail: str = "",
        mend: str = "",
        address: str = "",
    ) -> None:
        self.call = call or CallSite()
        super().__init__(summary, detail=detail or str(self.call), mend=mend, address=address)


class Throttled(CloudError):
    exit_code = ExitCode.TEMPORARY
    retryable = True

    def __init__(self, summary: str, *, retry_after_s: float | None = None, **kwargs: Any) -> None:
        super().__init__(summary, **kwargs)
        self.retry_after_s = retry_after_s


class QuotaExceeded(CloudError):
    """quota, used and limit where the cloud says them."""

    def __init__(
        self,
        summary: str,
        *,
        quota: str = "",
        used: float | None = None,
        limit: float | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(summary, **kwargs)
        self.quota, self.used, self.limit = quota, used, limit


class CapacityUnavailable(CloudError):
    """The cloud has no stock of that type there now."""

    exit_code = ExitCode.TEMPORARY


class NotFound(CloudError):
    pass


class AlreadyExists(CloudError):
    pass


class Conflict(CloudError):
    """Somebody changed it meanwhile, or another manager owns the field."""


class DependencyInUse(CloudError):
    """It cannot go while something else uses it. Deletes wait for their dependants and try again."""

    retryable = True


class Unauthenticated(CloudError):
    exit_code = ExitCode.CREDENTIALS


class Forbidden(CloudError):
    exit_code = ExitCode.CREDENTIALS


class InvalidRequest(CloudError):
    """We asked for something that cannot be; never retried."""

    exit_code = ExitCode.INVALID_INPUT


class Transient(CloudError):
    """The cloud stumbled (5xx); the same call may succeed."""

    exit_code = ExitCode.TEMPORARY
    retryable = True


class Unreachable(CloudError):
    """No answer: what is behind it is unknown, never absent."""

    exit_code = ExitCode.TEMPORARY
    retryable = True


class OtherExecutor(Unreachable):
    """Its partition is another executor's to work for: unknown from here, and no credential was looked for."""

    exit_code = ExitCode.CREDENTIALS
    retryable = False


class UnknownCloudError(CloudError):
    """A code that no table maps; kept whole, counted, not retried."""
