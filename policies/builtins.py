"""Rego builtins of OPA that the embedded engine lacks, written in Python and added to it by their OPA names.

Callers: engine. A malformed argument raises ValueError: the engine turns that into an error of the query, which the
gate counts as a denial, never as a pass. Reference: OPA's policy reference, "Net" (openpolicyagent.org).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from ipaddress import IPv4Network, IPv6Network, collapse_addresses, ip_network
from typing import Any

Network = IPv4Network | IPv6Network


def network(text: Any) -> Network:
    """`10.0.0.0/8`, `2001:db8::/32`, or one address. Host bits are ignored, as clouds do. ValueError otherwise."""
    if not isinstance(text, str):
        raise ValueError(f"{text!r} is no CIDR")  # noqa: TRY004  (one error type for every malformed argument)
    return ip_network(text, strict=False)


def cidr_intersects(a: Any, b: Any) -> bool:
    """net.cidr_intersects: whether the two have an address in common; never, across IP versions."""
    one, other = network(a), network(b)
    return one.version == other.version and one.overlaps(other)


def cidr_merge(cidrs: Any) -> list[str]:
    """net.cidr_merge: the smallest list of blocks that covers the same addresses."""
    blocks = [network(c) for c in cidrs]
    v4 = [b for b in blocks if isinstance(b, IPv4Network)]
    v6 = [b for b in blocks if isinstance(b, IPv6Network)]
    return [str(b) for b in (*collapse_addresses(v4), *collapse_addresses(v6))]


# name -> (number of arguments, function)
EXTENSIONS: dict[str, tuple[int, Callable[..., Any]]] = {
    "net.cidr_intersects": (2, cidr_intersects),
    "net.cidr_merge": (1, cidr_merge),
}

# What the engine has and a verdict must not depend on: the clock, chance, the network, the process.
REFUSED = frozenset({"http.send", "opa.runtime", "rand.intn", "time.now_ns", "trace", "uuid.rfc4122"})


def available(builtins: Sequence[str]) -> frozenset[str]:
    """Names that a rule may call, given what the engine itself reports."""
    return (frozenset(builtins) | frozenset(EXTENSIONS)) - REFUSED
