"""What the process says when it ends (docs/cli.md lists the same table for users)."""

from enum import IntEnum


class ExitCode(IntEnum):
    """Exit codes of the console script. `gravest` says which wins when several causes meet."""

    OK = 0
    ERROR = 1
    DIFFERENCES = 2
    INVALID_INPUT = 3
    DENIED = 4
    APPROVAL_PENDING = 5
    INFEASIBLE = 6
    LEASE_HELD = 7
    ROLLED_BACK = 8
    FAILED = 9
    UNDECIDED = 10
    STALE = 11
    APPROVAL_REFUSED = 12
    USAGE = 64
    BROKEN_INSTALLATION = 70
    TEMPORARY = 75
    CREDENTIALS = 77
    INTERRUPTED = 130
    TERMINATED = 143


# Gravest first. What is broken or left half done outranks what was refused; a refusal outranks "try again".
_ORDER = (
    ExitCode.BROKEN_INSTALLATION,
    ExitCode.FAILED,
    ExitCode.ROLLED_BACK,
    ExitCode.TERMINATED,
    ExitCode.INTERRUPTED,
    ExitCode.ERROR,
    ExitCode.INVALID_INPUT,
    ExitCode.USAGE,
    ExitCode.DENIED,
    ExitCode.APPROVAL_REFUSED,
    ExitCode.CREDENTIALS,
    ExitCode.INFEASIBLE,
    ExitCode.STALE,
    ExitCode.LEASE_HELD,
    ExitCode.TEMPORARY,
    ExitCode.UNDECIDED,
    ExitCode.APPROVAL_PENDING,
    ExitCode.DIFFERENCES,
    ExitCode.OK,
)


def gravest(*codes: ExitCode) -> ExitCode:
    """The code to exit with when several causes apply; OK when there is none."""
    return min(codes, key=_ORDER.index, default=ExitCode.OK)
