"""What a service says when it is asked over HTTP, and how one is asked directly.

Callers: verify. Not here: whom to ask, how often and how patiently.
"""

from __future__ import annotations

import ssl
import time
from dataclasses import dataclass
from functools import cache

from probes.policy import Outcome

NO_ROUTE = "no connection"
_BODY_SHOWN = 200


@dataclass(frozen=True, slots=True)
class Answer:
    """One answer: HTTP status (0: none came), the body's beginning, seconds it took."""

    status: int
    body: str
    seconds: float
    error: str = ""
    outcome: Outcome = Outcome.ERROR

    @property
    def good(self) -> bool:
        """As the kubelet judges an HTTP probe: 200 to 399."""
        return 200 <= self.status < 400


def answered(status: int, body: bytes, began_s: float) -> Answer:
    """An answer that came with this status; began_s is of the monotonic clock."""
    outcome = Outcome.OK if 200 <= status < 400 else Outcome.UNHEALTHY
    return Answer(status, _shown(body), time.monotonic() - began_s, outcome=outcome)


@cache
def _tls() -> ssl.SSLContext:
    """What every client checks certificates with; reading the authorities takes 20 ms of CPU, once a question."""
    return ssl.create_default_context()


def get_url(url: str, timeout_s: float) -> Answer:
    """One GET, no redirects followed, proxies of the environment ignored. error is NO_ROUTE where nothing was there to
    refuse us (a timeout while connecting, no route): the caller may not be in that network."""
    import httpx

    began_s = time.monotonic()
    try:
        with (
            httpx.Client(timeout=timeout_s, trust_env=False, verify=_tls()) as client,
            client.stream("GET", url) as response,
        ):
            body = next(response.iter_bytes(_BODY_SHOWN * 4), b"")
            return answered(response.status_code, body, began_s)
    except httpx.ConnectTimeout:
        return Answer(0, "", time.monotonic() - began_s, NO_ROUTE, Outcome.TIMEOUT)
    except httpx.ConnectError as exc:
        refused = "refused" in str(exc).lower()
        outcome = Outcome.REFUSED if refused else Outcome.ERROR
        return Answer(0, "", time.monotonic() - began_s, "connection refused" if refused else NO_ROUTE, outcome)
    except httpx.TimeoutException as exc:
        return Answer(0, "", time.monotonic() - began_s, type(exc).__name__, Outcome.TIMEOUT)
    except (httpx.ReadError, httpx.WriteError, httpx.CloseError) as exc:
        return Answer(0, "", time.monotonic() - began_s, type(exc).__name__, Outcome.REFUSED)
    except httpx.HTTPError as exc:
        return Answer(0, "", time.monotonic() - began_s, type(exc).__name__, Outcome.UNHEALTHY)


def _shown(body: bytes) -> str:
    return " ".join(body[: _BODY_SHOWN * 4].decode(errors="replace").split())[:_BODY_SHOWN]
