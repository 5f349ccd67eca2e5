"""Slb 2014-05-15: the listeners of a load balancer (CLB), with their health checks.

Callers: sandbox/alibaba/further_actions.py. Source: CreateLoadBalancerTCPListener and its like in the CLB reference.
Not here: vServer groups, access lists, forwarding rules.
"""

from __future__ import annotations

import time
from typing import Any

from sandbox.alibaba import things
from sandbox.alibaba.slb import KIND, asked
from sandbox.alibaba.state import Ctx
from sandbox.alibaba.things import Thing
from sandbox.alibaba.wire import ApiError, Params

_MOST = 50
"""Listeners of one load balancer."""


def _check(p: Params, layer7: bool) -> dict[str, Any]:
    """Health check of a listener as DescribeLoadBalancerListeners shows it; refuses what is out of its range."""
    timeout, interval = ("HealthCheckTimeout", "HealthCheckInterval") if layer7 else ("HealthCheckConnectTimeout", "")
    given = p.get("healthCheckInterval") or p.get("HealthCheckInterval")
    spelled = interval or ("healthCheckInterval" if p.get("healthCheckInterval") else "HealthCheckInterval")
    shown: dict[str, Any] = {
        timeout: p.integer(timeout, 5, low=1, high=300),
        "HealthCheckInterval": p.integer(spelled, 2, low=1, high=50) if given else 2,
        "HealthyThreshold": p.integer("HealthyThreshold", 3, low=2, high=10),
        "UnhealthyThreshold": p.integer("UnhealthyThreshold", 3, low=2, high=10),
        "HealthCheckURI": p.get("HealthCheckURI"),
    }
    port = p.integer("HealthCheckConnectPort", 0, low=-520, high=65535)
    if port > 0:
        shown["HealthCheckConnectPort"] = port
    if layer7:
        if p.require("HealthCheck") not in ("on", "off"):
            raise ApiError(400, "InvalidParameter", "The specified HealthCheck is not valid.")
        return {**shown, "HealthCheck": p.get("HealthCheck"), "HealthCheckURI": p.get("HealthCheckURI") or "/"}
    return {
        **shown,
        "HealthCheck": p.get("HealthCheckSwitch", "on"),
        "HealthCheckType": p.get("HealthCheckType", "tcp"),
    }


def _config(p: Params, protocol: str) -> dict[str, Any]:
    if protocol == "http" and p.get("ListenerForward") == "on":
        return {"ListenerForward": "on", "ForwardPort": p.integer("ForwardPort", 443, low=1, high=65535)}
    config = _check(p, protocol in ("http", "https"))
    if protocol == "udp":
        return {k: v for k, v in config.items() if k not in ("HealthCheckType", "HealthCheckURI")}
    if protocol == "http":
        return {**config, "ListenerForward": "off", "StickySession": p.require("StickySession")}
    if protocol == "https":
        policy = p.get("TLSCipherPolicy", "tls_cipher_policy_1_0")
        certificate = p.require("ServerCertificateId")
        return {
            **config, "StickySession": p.require("StickySession"), "ServerCertificateId": certificate,
            "TLSCipherPolicy": policy,
        }  # fmt: skip
    return config


def creator(protocol: str) -> Any:
    """CreateLoadBalancer<protocol>Listener."""

    def create(ctx: Ctx) -> dict[str, Any]:
        p, found = ctx.params, asked(ctx)
        port = p.integer("ListenerPort", 0, low=1, high=65535)
        clash = ("udp",) if protocol == "udp" else ("tcp", "http", "https")
        if any(line["port"] == port and line["protocol"] in clash for line in found.values["listeners"]):
            raise ApiError(400, "ListenerAlreadyExists", "There is already a listener binding the port.")
        if len(found.values["listeners"]) >= _MOST:
            raise ApiError(400, "ListenerNumberOverLimit", "The maximum number of listeners is exceeded.")
        config = _config(p, protocol)
        forwards = config.get("ListenerForward") == "on"
        target = 0 if forwards else p.integer("BackendServerPort", 0, low=1, high=65535)
        if not forwards and not target:
            p.require("BackendServerPort")
        found.values["listeners"].append(
            {"port": port, "protocol": protocol, "target": target, "config": config, "started": False, "ready_s": 0.0}
        )
        return {}

    return create


def setter(protocol: str) -> Any:
    """SetLoadBalancer<protocol>ListenerAttribute: what is not given stays."""

    def change(ctx: Ctx) -> dict[str, Any]:
        p = ctx.params
        line = _line(asked(ctx), p.integer("ListenerPort", 0, low=1, high=65535), protocol)
        kept = {k: str(v) for k, v in line["config"].items()}
        kept.setdefault("HealthCheckSwitch", kept.get("HealthCheck", "on"))
        merged = Params({**kept, **{k: v for k, v in p.values.items() if v}})
        line["config"] = _config(merged, protocol)
        _starts(ctx, line, "update")
        return {}

    return change


def _line(found: Thing, port: int, protocol: str = "") -> dict[str, Any]:
    """The record itself."""
    lines: list[dict[str, Any]] = found.values["listeners"]
    for line in lines:
        if line["port"] == port and protocol in ("", line["protocol"]):
            return line
    raise ApiError(400, "InvalidParameter", "The specified resource does not exist.")


def _starts(ctx: Ctx, line: dict[str, Any], verb: str) -> None:
    if line["started"]:
        line["busy"] = "starting" if verb == "create" else "configuring"
        line["ready_s"] = time.time() + ctx.cloud.duration_s(f"listener.{verb}", f"{ctx.region}/{line['port']}")


def _named_line(ctx: Ctx) -> tuple[Thing, dict[str, Any]]:
    found = asked(ctx)
    port = ctx.params.integer("ListenerPort", 0, low=1, high=65535)
    return found, _line(found, port, ctx.params.get("ListenerProtocol"))


def start_listener(ctx: Ctx) -> dict[str, Any]:
    _, line = _named_line(ctx)
    line["started"] = True
    _starts(ctx, line, "create")
    return {}


def stop_listener(ctx: Ctx) -> dict[str, Any]:
    _, line = _named_line(ctx)
    line["started"] = False
    return {}


def delete_listener(ctx: Ctx) -> dict[str, Any]:
    found, line = _named_line(ctx)
    found.values["listeners"].remove(line)
    return {}


def describe_listeners(ctx: Ctx) -> dict[str, Any]:
    p = ctx.params
    ids, protocol = p.repeated("LoadBalancerId"), p.get("ListenerProtocol")
    rows = [
        _listener_row(t, line)
        for t in things.living(ctx.estate, KIND, ctx.region)
        for line in t.values["listeners"]
        if (not ids or t.id in ids) and protocol in ("", line["protocol"])
    ]
    size, start = p.integer("MaxResults", 20, low=1, high=100), p.integer("NextToken", 0)
    following = str(start + size) if start + size < len(rows) else ""
    return {
        "Listeners": rows[start : start + size],
        "NextToken": following,
        "MaxResults": size,
        "TotalCount": len(rows),
    }


def _listener_row(t: Thing, line: dict[str, Any]) -> dict[str, Any]:
    running = "running" if time.time() >= line["ready_s"] else line.get("busy", "starting")
    return {
        "LoadBalancerId": t.id,
        "ListenerPort": line["port"],
        "ListenerProtocol": line["protocol"],
        "BackendServerPort": line["target"],
        "Status": running if line["started"] else "stopped",
        "Bandwidth": -1,
        "Scheduler": "wrr",
        f"{line['protocol'].upper()}ListenerConfig": dict(line["config"]),
    }
