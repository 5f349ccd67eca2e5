"""Listeners of a load balancer: its rules and probes, to the model and back. Pure.

Callers: balancers.py. Azure's probes have no timeout of their own (an answer counts until the next probe is due) and
come back after as many successes as failures: timeout_s and healthy_threshold are kept in the probe's name, so that
they read as they were wanted, and have no effect. Source: learn.microsoft.com/azure/load-balancer/
load-balancer-custom-probe-overview.
"""

from __future__ import annotations

import re
from typing import Any

from model.errors import InvalidRequest
from model.resources import HealthCheck, Listener
from providers.azure.names import same_id, word

SHORTEST_INTERVAL_S = 5
_REMEMBERED = re.compile(r".*-t(\d+)-h(\d+)")


def check_listeners(listeners: tuple[Listener, ...]) -> None:
    """Raises InvalidRequest naming what this load balancer cannot do."""
    seen: set[tuple[str, str, int]] = set()
    for line in listeners:
        name = f"listener {line.protocol} {line.port}"
        if line.protocol not in ("tcp", "udp"):
            raise InvalidRequest(
                f"{name}: Azure's load balancer of layer 4 speaks tcp and udp", mend="use tcp, and end TLS behind it"
            )
        if line.certificate or line.tls_policy or line.redirect_to_https:
            raise InvalidRequest(f"{name}: Azure's load balancer of layer 4 ends no TLS", mend="leave it out")
        if line.health_check.interval_s < SHORTEST_INTERVAL_S:
            raise InvalidRequest(
                f"{name}: Azure probes every {SHORTEST_INTERVAL_S} s at most, not every {line.health_check.interval_s}",
                mend=f"set interval_s to {SHORTEST_INTERVAL_S} or more",
            )
        for taken in ((line.protocol, "port", line.port), (line.protocol, "target_port", line.target_port)):
            if taken in seen:  # RulesUseSameBackendPortProtocolAndPool
                raise InvalidRequest(
                    f"{name}: another listener has the same {taken[1]} {taken[2]}, which Azure refuses in one pool",
                    mend="give each listener a port and a target_port of its own",
                )
            seen.add(taken)


def listeners_of(raw: Any) -> tuple[Listener, ...]:
    """Of an SDK LoadBalancer; sorted."""
    probes = {str(p.id).lower(): p for p in raw.probes or ()}
    return tuple(sorted(_listener(rule, probes) for rule in raw.load_balancing_rules or ()))


def _listener(rule: Any, probes: dict[str, Any]) -> Listener:
    protocol = word(rule.protocol).lower()
    target = int(rule.backend_port or rule.frontend_port or 0)
    probe = probes.get(str(rule.probe.id).lower()) if rule.probe else None
    check = _check_of(probe, target) if probe is not None else HealthCheck()
    return Listener(
        protocol="any" if protocol == "all" else protocol,
        port=int(rule.frontend_port or 0),
        target_port=target,
        health_check=check,
    )


def _check_of(probe: Any, target_port: int) -> HealthCheck:
    interval = int(probe.interval_in_seconds or 15)
    failures = int(probe.probe_threshold or probe.number_of_probes or 1)
    remembered = _REMEMBERED.fullmatch(str(probe.name or ""))
    timeout, successes = (int(n) for n in remembered.groups()) if remembered else (interval, failures)
    http = word(probe.protocol).lower() != "tcp"
    return HealthCheck(
        protocol="http" if http else "tcp",
        port=0 if probe.port == target_port else int(probe.port or 0),
        path=str(probe.request_path or "") if http else "",
        interval_s=interval,
        timeout_s=timeout,
        healthy_threshold=successes,
        unhealthy_threshold=failures,
    )


def plan_listeners(own_id: str, body: Any, wanted: tuple[Listener, ...], front_id: str, pool: str) -> None:
    """Sets rules and probes of an SDK LoadBalancer. A rule that says what is wanted stays, with its probe."""
    probes = {str(p.id).lower(): p for p in body.probes or ()}
    present = {
        (line, _text(line)): rule
        for rule in body.load_balancing_rules or ()
        if rule.probe
        for line in [_listener(rule, probes)]
    }
    rules: list[Any] = []
    kept: list[Any] = []
    for line in sorted(wanted):
        rule = present.get((line, _text(line)))
        if rule is None:
            rule, probe = _made(own_id, line, front_id, pool)
        else:
            probe = next(p for p in body.probes if same_id(p.id, rule.probe.id))
        rules.append(rule)
        if all(p.name != probe.name for p in kept):
            kept.append(probe)
    body.load_balancing_rules, body.probes = rules, kept


def _text(line: Listener) -> str:
    """With the health check, which does not count where listeners are compared."""
    return repr(line)


def _made(own_id: str, line: Listener, front_id: str, pool: str) -> tuple[Any, Any]:
    """A rule and its probe."""
    from azure.mgmt.network import models as m

    check = line.health_check
    name = f"{line.protocol}-{line.port}-t{check.timeout_s}-h{check.healthy_threshold}"
    http = check.protocol == "http"
    probe = m.Probe(
        name=name,
        protocol="Http" if http else "Tcp",
        port=check.port or line.target_port,
        request_path=(check.path or "/") if http else None,
        interval_in_seconds=check.interval_s,
        number_of_probes=1,
        probe_threshold=check.unhealthy_threshold,
    )
    rule = m.LoadBalancingRule(
        name=f"{line.protocol}-{line.port}",
        protocol=line.protocol.capitalize(),
        frontend_port=line.port,
        backend_port=line.target_port,
        frontend_ip_configuration=m.SubResource(id=front_id),
        backend_address_pool=m.SubResource(id=f"{own_id}/backendAddressPools/{pool}"),
        probe=m.SubResource(id=f"{own_id}/probes/{name}"),
        idle_timeout_in_minutes=4,
        enable_tcp_reset=line.protocol == "tcp",
    )
    return rule, probe
