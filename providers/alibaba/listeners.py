"""Listeners between the model and Slb 2014-05-15: what a CLB's front and its health check say. Pure.

Callers: load_balancers.py. Ranges: CreateLoadBalancerTCPListener and its like in the CLB reference. A layer-4 check may
be TCP or HTTP; a layer-7 one is HTTP. Port -520 of a check is the port that traffic goes to.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from model.errors import InvalidRequest
from model.resources import HealthCheck, Listener

_ANY_PORT = -520
LAYER_4, LAYER_7 = ("tcp", "udp"), ("http", "https")
SAFEST = "1.2"  # where none is wanted
_POLICIES = {"1.0": "tls_cipher_policy_1_0", "1.1": "tls_cipher_policy_1_1", "1.2": "tls_cipher_policy_1_2"}


def layer_of(listeners: tuple[Listener, ...]) -> int:
    return 7 if any(line.protocol in LAYER_7 for line in listeners) else 4


def check_listener(line: Listener, layer: int) -> None:
    """Raises InvalidRequest for what a CLB cannot say."""
    what, check = f"listener {line.protocol} {line.port}", line.health_check
    if line.protocol not in (LAYER_7 if layer == 7 else LAYER_4):
        allowed = ", ".join(LAYER_7 if layer == 7 else LAYER_4)
        raise InvalidRequest(f"{what}: a CLB of layer {layer} speaks {allowed}", mend="change layer, or the protocol")
    if line.redirect_to_https:
        return
    ranges = (
        ("interval_s", check.interval_s, 1, 50),
        ("timeout_s", check.timeout_s, 1, 300),
        ("healthy_threshold", check.healthy_threshold, 2, 10),
        ("unhealthy_threshold", check.unhealthy_threshold, 2, 10),
    )
    for name, value, low, high in ranges:
        if not low <= value <= high:
            raise InvalidRequest(f"{what}: {name} {value} is not in {low}..{high}", mend=f"choose {low} to {high}")
    if layer == 7 and check.protocol != "http":
        raise InvalidRequest(f"{what}: its health check is HTTP", mend="write health_check: {protocol: http, path: /}")
    if line.protocol == "udp" and check.protocol != "tcp":
        raise InvalidRequest(f"{what}: a UDP listener has no HTTP check", mend="leave health_check.protocol out")
    if line.protocol == "https" and not (line.certificate and line.tls_policy in ("", *_POLICIES)):
        raise InvalidRequest(
            f"{what}: it needs a certificate, and tls_policy is one of {', '.join(_POLICIES)}",
            mend="name the CLB's server certificate by its id, and write tls_policy: '1.2' or leave it out",
        )


def write_listener(line: Listener, *, new: bool) -> dict[str, Any]:
    """Parameters of Create...Listener, or of Set...ListenerAttribute. The load balancer's id comes besides."""
    if line.redirect_to_https:
        forward = {"ListenerForward": "on", "ForwardPort": line.target_port}
        return {"ListenerPort": line.port, **forward, "StickySession": "off", "HealthCheck": "off"}
    check = line.health_check
    layer7 = line.protocol in LAYER_7
    params: dict[str, Any] = {
        "ListenerPort": line.port,
        "HealthyThreshold": check.healthy_threshold,
        "UnhealthyThreshold": check.unhealthy_threshold,
        "HealthCheckTimeout" if layer7 else "HealthCheckConnectTimeout": check.timeout_s,
        "HealthCheckConnectPort": check.port or (None if new else _ANY_PORT),
        # Creating a layer-4 listener spells it with a small letter, everything else with a capital one.
        "healthCheckInterval" if new and not layer7 else "HealthCheckInterval": check.interval_s,
    }
    if new:
        params |= {"BackendServerPort": line.target_port, "Bandwidth": -1}
    if line.protocol == "tcp":
        params |= {"HealthCheckType": check.protocol, "HealthCheckURI": check.path if check.protocol == "http" else ""}
    if layer7:
        params |= {"HealthCheck": "on", "HealthCheckURI": check.path or "/", "StickySession": "off"}
    if line.protocol == "https":
        params |= {"ServerCertificateId": line.certificate, "TLSCipherPolicy": _POLICIES[line.tls_policy or SAFEST]}
    return params


def read_listener(row: Mapping[str, Any]) -> Listener:
    """One row of DescribeLoadBalancerListeners."""
    protocol = str(row.get("ListenerProtocol", "tcp")).lower()
    config = row.get(f"{protocol.upper()}ListenerConfig") or {}
    port = int(row.get("ListenerPort") or 0)
    if config.get("ListenerForward") == "on":
        return Listener(
            protocol=protocol, port=port, target_port=int(config.get("ForwardPort") or 443), redirect_to_https=True
        )
    kind = "http" if protocol in LAYER_7 else str(config.get("HealthCheckType") or "tcp")
    connect = int(config.get("HealthCheckConnectPort") or 0)
    timeout = config.get("HealthCheckTimeout") or config.get("HealthCheckConnectTimeout") or 5
    check = HealthCheck(
        protocol=kind,
        port=max(0, connect),
        path=str(config.get("HealthCheckURI") or "") if kind == "http" else "",
        interval_s=int(config.get("HealthCheckInterval") or 2),
        timeout_s=int(timeout),
        healthy_threshold=int(config.get("HealthyThreshold") or 3),
        unhealthy_threshold=int(config.get("UnhealthyThreshold") or 3),
    )
    policy = str(config.get("TLSCipherPolicy") or "")
    return Listener(
        protocol=protocol,
        port=port,
        target_port=int(row.get("BackendServerPort") or 0),
        health_check=check,
        certificate=str(config.get("ServerCertificateId") or ""),
        tls_policy=next((v for v, p in _POLICIES.items() if p == policy), policy),
    )


def same(there: Listener, wanted: Listener) -> bool:
    """Whether nothing of them differs, their checks included (Listener's own comparison leaves those out)."""
    free = there if wanted.tls_policy else replace(there, tls_policy="")
    return free == wanted and there.health_check == wanted.health_check


def in_place(before: Listener, after: Listener) -> bool:
    """Whether an existing listener can become the wanted one: where traffic goes is settled when it is made."""
    fixed = ("target_port", "redirect_to_https")
    return not before.redirect_to_https and all(getattr(before, f) == getattr(after, f) for f in fixed)
