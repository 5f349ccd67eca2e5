"""Why no answer came, in words that say what to do; the same on every cloud. Pure.

Callers: the adapters' error tables. SDKs wrap what the network said in errors of their own, some keep its type, some
its text alone; both are looked at. What is quoted holds no query: a signed request's stands in its URL.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Unanswered:
    """what: half a sentence, after the host's name. known: whether it was recognised."""

    what: str
    mend: str
    host: str = ""
    known: bool = True

    def sentence(self, operation: str, otherwise: str = "the cloud") -> str:
        return f"{operation}: {self.host or otherwise} {self.what}"


NO_ANSWER_MEND = (
    "something in between answered in the cloud's place (a proxy's or a captive portal's page): check the account's "
    "`endpoint` and `proxy_url`, and log in to the proxy where it asks for that"
)

_TEXTS: tuple[tuple[str, str, str], ...] = (
    (
        r"Tunnel connection failed: 407|ProxyAuthenticationRequired",
        "is not reached: the proxy wants to know who we are (407)",
        "let this machine pass the proxy, or correct the account's `proxy_url`",
    ),
    (
        r"[Pp]roxy.*(Connection refused|NewConnectionError|Name or service not known|Failed to resolve)",
        "is not reached: nothing answers where the proxy should be",
        "check host and port of the account's `proxy_url` (or HTTPS_PROXY), and that the proxy runs",
    ),
    (
        r"Tunnel connection failed|ProxyError|ProxyConnectionError|connect to proxy|Failed to connect to proxy",
        "is not reached: the proxy does not let us through",
        "check the account's `proxy_url` (or HTTPS_PROXY), and that the proxy allows CONNECT to that host",
    ),
    (
        r"gaierror|Name or service not known|Temporary failure in name resolution|NameResolution|getaddrinfo",
        "has a name that cannot be looked up (DNS)",
        "check this machine's DNS, the region's name and the account's `endpoint`",
    ),
    (
        r"CERTIFICATE_VERIFY_FAILED.*(not yet valid|has expired)",
        "shows a certificate that is not valid at this time",
        "set this machine's clock (NTP); if it is right, the other side has to renew its certificate",
    ),
    (
        r"CERTIFICATE_VERIFY_FAILED|certificate verify failed|doesn't match|SSLCertVerification",
        "shows a certificate that is not trusted here",
        "give the authority that signs it as the account's `ca_bundle` (a proxy that opens TLS has one of its own), "
        "and check the endpoint's name",
    ),
    (
        r"WRONG_VERSION_NUMBER|SSLError|SSL:|\bTLS\b|UNEXPECTED_EOF|record layer",
        "does not speak TLS as it should",
        "check that the account's `endpoint` or `proxy_url` is https where it says so, and what lies between",
    ),
    (
        r"IncompleteRead|Connection broken|Response ended prematurely|Connection aborted|RemoteDisconnected|"
        r"ConnectionResetError|closed before we received",
        "broke off in the middle of its answer",
        "it is tried again by itself; where it stays so, look at what lies between (proxy, VPN, MTU)",
    ),
    (
        r"Connection refused|ConnectionRefusedError|NewConnectionError|EndpointConnectionError|Could not connect",
        "refuses connections",
        "check the network, and the account's `endpoint` and `proxy_url`",
    ),
    (
        r"timed? ?out|Timeout",
        "does not answer in time",
        "check the network and the account's `proxy_url`, or raise --timeout",
    ),
)  # fmt: skip
_HOST = re.compile(r"host='([^']+)'|https?://([^/\s:?\"']+)|host=\\?\"([^\"]+)")
_QUERY = re.compile(r"\?[^\s\"')]*")


def unanswered(exc: BaseException) -> Unanswered:
    """What of the table fits best; where nothing does, that no answer came."""
    chain = list(_chain(exc))
    text = " | ".join(f"{type(e).__name__}: {e}" for e in chain)
    found = _HOST.search(text)
    host = next((g for g in found.groups() if g), "") if found else ""
    for pattern, what, mend in _TEXTS:
        if re.search(pattern, text, re.DOTALL):
            # Some SDKs name the proxy as the host then.
            return Unanswered(what, mend, "" if "proxy" in what else host)
    mend = "check the network, and the account's `endpoint` and `proxy_url`"
    return Unanswered("does not answer", mend, host, known=False)


def quoted(exc: BaseException, most: int = 300) -> str:
    """What the SDK said, on one line and without the queries of URLs."""
    return _QUERY.sub("?...", " ".join(str(exc).split()))[:most]


def _chain(exc: BaseException) -> Iterator[BaseException]:
    """The error and what lies behind it, in its causes and its arguments."""
    todo: list[BaseException] = [exc]
    seen: set[int] = set()
    while todo and len(seen) < 20:
        current = todo.pop(0)
        if id(current) in seen:
            continue
        seen.add(id(current))
        yield current
        behind = (current.__cause__, current.__context__, getattr(current, "inner_exception", None), *current.args)
        behind += (getattr(current, "reason", None),)
        todo += [b for b in behind if isinstance(b, BaseException)]
