"""What an exception that ended a probe says of its target. Callers: who opens sockets (wheel.py, by_task.py)."""

from __future__ import annotations

import ssl

from probes.dial import NoAddressError
from probes.grpc_health import NotGrpcError
from probes.http1 import NotHttpError
from probes.policy import Outcome

ENDED = "the connection ended before the answer did"


class UnwellError(Exception):
    """The target answered, and is not well."""


def meaning(exc: Exception, timeout_s: float) -> tuple[Outcome, str]:
    """The outcome, and why in words. timeout_s: how long we waited. Raises exc where it is none of a probe's."""
    match exc:
        case TimeoutError():
            return Outcome.TIMEOUT, f"no answer within {timeout_s:g} s"
        case UnwellError() | NotHttpError() | NotGrpcError() | EOFError():
            return Outcome.UNHEALTHY, str(exc)
        case NoAddressError():
            return Outcome.ERROR, str(exc)
        case ssl.SSLError():
            return Outcome.UNHEALTHY, f"TLS: {getattr(exc, 'verify_message', '') or exc.reason or exc}"
        case ConnectionRefusedError() | ConnectionResetError() | BrokenPipeError():
            return Outcome.REFUSED, str(exc)
        case OSError():
            return Outcome.ERROR, str(exc)
    raise exc
