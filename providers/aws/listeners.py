"""What belongs to a load balancer: listeners, one target group behind each, and the targets.

Callers: balancers.py. A target group's name is derived from all that cannot be changed of it (protocol, port, what its
targets are), so a changed listener gets a new group and the old one goes. Machines of a scaling group register
themselves; they carry the tag that AWS gives them and are none of `targets`. Source: ELBv2 API Reference,
CreateTargetGroup, CreateListener; User Guide, "Security policies" (which lowest TLS version a policy speaks).
"""

from __future__ import annotations

import ipaddress
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from model.errors import InvalidRequest, NotBuiltYet, NotFound
from model.resources import Address, HealthCheck, Listener, LoadBalancer, Observed
from providers.aws.instances import Instances
from providers.aws.names import with_digest
from providers.aws.tags import ownership_tags, pairs
from providers.base import Call

if TYPE_CHECKING:
    from providers.aws.balancers import LoadBalancers

_BEHIND = {"TCP": "TCP", "UDP": "UDP", "TLS": "TCP", "HTTP": "HTTP", "HTTPS": "HTTP"}
"""Protocol of a listener -> of its targets: what comes in by TLS is decrypted."""
_POLICIES = {
    "1.3": "ELBSecurityPolicy-TLS13-1-3-2021-06",
    "1.2": "ELBSecurityPolicy-TLS13-1-2-2021-06",
    "1.1": "ELBSecurityPolicy-TLS13-1-1-2021-06",
    "1.0": "ELBSecurityPolicy-TLS13-1-0-2021-06",
}
_LOWEST = {
    **{policy: version for version, policy in _POLICIES.items()},
    "ELBSecurityPolicy-2016-08": "1.0",
    "ELBSecurityPolicy-TLS-1-0-2015-04": "1.0",
    "ELBSecurityPolicy-TLS-1-1-2017-01": "1.1",
    "ELBSecurityPolicy-TLS-1-2-2017-01": "1.2",
    "ELBSecurityPolicy-TLS-1-2-Ext-2018-06": "1.2",
    "ELBSecurityPolicy-FS-1-2-2019-08": "1.2",
    "ELBSecurityPolicy-FS-1-2-Res-2020-10": "1.2",
    "ELBSecurityPolicy-FS-1-1-2019-08": "1.1",
    "ELBSecurityPolicy-FS-2018-06": "1.0",
    "ELBSecurityPolicy-TLS13-1-2-Res-2021-06": "1.2",
}
_DEFAULT_POLICY = _POLICIES["1.2"]
_GROUP_TAG = "aws:autoscaling:groupName"
_LONGEST = 32


@dataclass(frozen=True, slots=True)
class Parts:
    """As AWS describes them. groups: target group's ARN -> row; targets: names or addresses, sorted."""

    listeners: tuple[Mapping[str, Any], ...] = ()
    groups: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    members: Mapping[str, frozenset[str]] = field(default_factory=dict)
    targets: tuple[str, ...] = ()
    attributes: Mapping[str, str] = field(default_factory=dict)


class Listeners:
    def __init__(self, balancers: LoadBalancers, instances: Instances) -> None:
        self._lb, self._instances = balancers, instances

    # -- reading ----------------------------------------------------------------------------------------------

    def of(self, region: str, row: Mapping[str, Any], call: Call) -> Parts:
        session, arn = self._lb.session, row["LoadBalancerArn"]
        listeners = session.pages("elbv2", region, "describe_listeners", "Listeners", call, LoadBalancerArn=arn)
        groups = self._groups(region, arn, call)
        told = self._lb.read("elbv2", region, "DescribeLoadBalancerAttributes", call, LoadBalancerArn=arn)
        by_arn = {group["TargetGroupArn"]: group for group in groups}
        members = {group: self._members(region, group, call) for group in by_arn}
        ids = frozenset().union(*members.values()) if members else frozenset[str]()
        return Parts(
            tuple(listeners),
            by_arn,
            members,
            tuple(sorted(self._names(region, ids, call))),
            {a["Key"]: a.get("Value", "") for a in told["Attributes"]},
        )

    def _groups(self, region: str, arn: str, call: Call) -> list[dict[str, Any]]:
        """A balancer that has none may be answered by an error."""
        try:
            return self._lb.session.pages(
                "elbv2", region, "describe_target_groups", "TargetGroups", call, LoadBalancerArn=arn
            )
        except NotFound as exc:
            if exc.call.code != "TargetGroupNotFound":
                raise
            return []

    def _members(self, region: str, group: str, call: Call) -> frozenset[str]:
        rows = self._lb.read("elbv2", region, "DescribeTargetHealth", call, TargetGroupArn=group)
        return frozenset(
            row["Target"]["Id"]
            for row in rows.get("TargetHealthDescriptions") or ()
            if (row.get("TargetHealth") or {}).get("State") != "draining"
        )

    def _names(self, region: str, ids: frozenset[str], call: Call) -> list[str]:
        """Of machines their logical names, without those that a scaling group brought; addresses as they are."""
        if not ids:
            return []
        machines = self._instances.named(region, [i for i in ids if i.startswith("i-")], call)
        theirs = {i for i, (_, tags) in machines.items() if _GROUP_TAG in tags}
        return [machines[i][0] if i in machines else i for i in ids - theirs]

    # -- checking ---------------------------------------------------------------------------------------------

    def check(self, address: Address, desired: LoadBalancer, call: Call) -> None:
        """Refuses what cannot be, before anything is written."""
        if desired.access_logs:
            raise NotBuiltYet(
                f"{address}: duoyun cannot set access_logs of a load balancer on AWS", mend="leave access_logs out"
            )
        fitting = ("http", "https") if desired.layer == 7 else ("tcp", "udp", "tls")
        for listener in desired.listeners:
            if listener.protocol not in fitting:
                raise InvalidRequest(
                    f"{address}: a load balancer of layer {desired.layer} has no {listener.protocol} listener",
                    mend=f"one of {', '.join(fitting)}",
                    address=str(address),
                )
            if desired.layer == 7 and not listener.redirect_to_https and listener.health_check.protocol != "http":
                raise InvalidRequest(
                    f"{address}: an application load balancer asks its targets by HTTP only",
                    mend=f"give the listener on port {listener.port} a health_check with protocol http and a path",
                    address=str(address),
                )
            if listener.protocol in ("tls", "https") and not listener.certificate.startswith("arn:"):
                raise InvalidRequest(
                    f"{address}: the {listener.protocol} listener on port {listener.port} names no certificate",
                    mend="give the certificate's ARN (ACM, in the same region)",
                    address=str(address),
                )
        self._targets(address, desired, call)

    def _targets(self, address: Address, desired: LoadBalancer, call: Call) -> tuple[str, frozenset[str]]:
        """(target type, ids): machines by id, unless an address is among them: then all by address."""
        if any(_is_address(t) for t in desired.targets):
            ids = [t if _is_address(t) else self._instances.ip_of(address, t, call) for t in desired.targets]
            return "ip", frozenset(ids)
        return "instance", frozenset(self._instances.id_of(address, t, call) for t in desired.targets)

    # -- writing ----------------------------------------------------------------------------------------------

    def bring(self, observed: Observed, desired: LoadBalancer, call: Call) -> bool:
        """Makes the listeners what is wanted; whether anything was written."""
        address, region = observed.address, observed.address.region
        parts = self.of(region, {"LoadBalancerArn": observed.provider_id}, call)
        kind, ids = self._targets(address, desired, call)
        have = {int(row["Port"]): row for row in parts.listeners}
        changed = False
        kept: set[str] = set()
        for listener in desired.listeners:
            group = ""
            if not listener.redirect_to_https:
                group, wrote = self._group(observed, desired, listener, kind, parts, call)
                kept.add(group)
                changed |= wrote
                changed |= self._register(region, group, parts.members.get(group, frozenset()), ids, call)
            changed |= self._listener(observed, desired, listener, group, have.pop(listener.port, None), call)
        for row in have.values():
            self._lb.gone_is_fine("elbv2", region, "DeleteListener", call, ListenerArn=row["ListenerArn"])
            changed = True
        for group in set(parts.groups) - kept:
            self._lb.gone_is_fine("elbv2", region, "DeleteTargetGroup", call, TargetGroupArn=group)
            changed = True
        return changed

    def _group(
        self, observed: Observed, desired: LoadBalancer, listener: Listener, kind: str, parts: Parts, call: Call
    ) -> tuple[str, bool]:
        """(ARN of the listener's target group, whether something was written)."""
        region = observed.address.region
        protocol, check = _BEHIND[listener.protocol.upper()], listener.health_check
        name = with_digest(
            observed.raw["elb_name"], _LONGEST, call.fleet, observed.provider_id, protocol, str(listener.port),
            str(listener.target_port), kind,
        )  # fmt: skip
        found = next((g for g in parts.groups.values() if g["TargetGroupName"] == name), None)
        wanted = _check_request(check, protocol)
        if found is None:
            request = {
                "Name": name, "Protocol": protocol, "Port": listener.target_port, "VpcId": observed.raw["vpc"],
                "TargetType": kind, "Tags": pairs(ownership_tags(observed.address, desired, call)), **wanted,
            }  # fmt: skip

            def look_or_create(client: Any) -> str:
                try:
                    rows = client.describe_target_groups(Names=[name])["TargetGroups"]
                except client.exceptions.TargetGroupNotFoundException:
                    call.guard()
                    rows = client.create_target_group(**request)["TargetGroups"]
                return str(rows[0]["TargetGroupArn"])

            run = self._lb.session.run
            return run("elbv2", region, "CreateTargetGroup", look_or_create, call, write=True), True
        arn = found["TargetGroupArn"]
        if {k: found.get(k) for k in wanted} == wanted:
            return arn, False
        self._lb.write("elbv2", region, "ModifyTargetGroup", call, TargetGroupArn=arn, **wanted)
        return arn, True

    def _register(self, region: str, group: str, have: frozenset[str], want: frozenset[str], call: Call) -> bool:
        gone = self._without_members(region, have - want, call)
        for operation, ids in (("RegisterTargets", want - have), ("DeregisterTargets", gone)):
            if ids:
                rows = [{"Id": one} for one in sorted(ids)]
                self._lb.write("elbv2", region, operation, call, TargetGroupArn=group, Targets=rows)
        return bool(want - have or gone)

    def _without_members(self, region: str, ids: frozenset[str], call: Call) -> frozenset[str]:
        machines = self._instances.named(region, [i for i in ids if i.startswith("i-")], call) if ids else {}
        return frozenset(i for i in ids if _GROUP_TAG not in machines.get(i, ("", {}))[1])

    def _listener(
        self,
        observed: Observed,
        desired: LoadBalancer,
        listener: Listener,
        group: str,
        row: Mapping[str, Any] | None,
        call: Call,
    ) -> bool:
        region = observed.address.region
        wanted = _listener_request(listener, group)
        if row is None:
            tags = pairs(ownership_tags(observed.address, desired, call))
            request = {"LoadBalancerArn": observed.provider_id, "Port": listener.port, "Tags": tags, **wanted}

            def look_or_create(client: Any) -> None:
                rows = client.describe_listeners(LoadBalancerArn=observed.provider_id)["Listeners"]
                if not any(int(one["Port"]) == listener.port for one in rows):
                    call.guard()
                    client.create_listener(**request)

            self._lb.session.run("elbv2", region, "CreateListener", look_or_create, call, write=True)
            return True
        if _same_listener(row, listener, group):
            return False
        self._lb.write("elbv2", region, "ModifyListener", call, ListenerArn=row["ListenerArn"], **wanted)
        return True

    def clear(self, observed: Observed, call: Call) -> None:
        """Takes away all listeners and then the target groups that only they used."""
        region = observed.address.region
        parts = self.of(region, {"LoadBalancerArn": observed.provider_id}, call)
        for row in parts.listeners:
            self._lb.gone_is_fine("elbv2", region, "DeleteListener", call, ListenerArn=row["ListenerArn"])
        for group in parts.groups:
            self._lb.gone_is_fine("elbv2", region, "DeleteTargetGroup", call, TargetGroupArn=group)


# -- translation: pure -------------------------------------------------------------------------------------------------


def listeners_of(parts: Parts) -> tuple[Listener, ...]:
    found = [_observed_listener(row, parts.groups) for row in parts.listeners]
    return tuple(sorted(found, key=lambda one: (one.port, one.protocol)))


def _observed_listener(row: Mapping[str, Any], groups: Mapping[str, Mapping[str, Any]]) -> Listener:
    actions = row.get("DefaultActions") or ()
    group = groups.get(_forward(row), {})
    protocol = str(row.get("Protocol", "")).lower()
    front = protocol in ("tls", "https")
    redirected = any((a.get("RedirectConfig") or {}).get("Protocol") == "HTTPS" for a in actions)
    return Listener(
        protocol=protocol,
        port=int(row["Port"]),
        target_port=int(group.get("Port") or (443 if redirected else 0)),
        health_check=_observed_check(group) if group else HealthCheck(),
        certificate=next((c["CertificateArn"] for c in row.get("Certificates") or ()), ""),
        tls_policy=_LOWEST.get(row.get("SslPolicy", ""), "") if front else "",
        redirect_to_https=redirected,
    )


def _forward(row: Mapping[str, Any]) -> str:
    for action in row.get("DefaultActions") or ():
        if action.get("TargetGroupArn"):
            return str(action["TargetGroupArn"])
        for group in (action.get("ForwardConfig") or {}).get("TargetGroups") or ():
            return str(group.get("TargetGroupArn", ""))
    return ""


def _observed_check(group: Mapping[str, Any]) -> HealthCheck:
    port = str(group.get("HealthCheckPort", "traffic-port"))
    protocol = str(group.get("HealthCheckProtocol", "TCP")).lower()
    return HealthCheck(
        protocol=protocol,
        port=int(port) if port.isdigit() else 0,
        path=str(group.get("HealthCheckPath") or "") if protocol != "tcp" else "",
        interval_s=int(group.get("HealthCheckIntervalSeconds") or 0),
        timeout_s=int(group.get("HealthCheckTimeoutSeconds") or 0),
        healthy_threshold=int(group.get("HealthyThresholdCount") or 0),
        unhealthy_threshold=int(group.get("UnhealthyThresholdCount") or 0),
    )


def _check_request(check: HealthCheck, behind: str) -> dict[str, Any]:
    protocol = "HTTP" if behind == "HTTP" else check.protocol.upper()  # an application load balancer asks by HTTP only
    request: dict[str, Any] = {
        "HealthCheckProtocol": protocol,
        "HealthCheckPort": str(check.port) if check.port else "traffic-port",
        "HealthCheckIntervalSeconds": check.interval_s,
        "HealthCheckTimeoutSeconds": check.timeout_s,
        "HealthyThresholdCount": check.healthy_threshold,
        "UnhealthyThresholdCount": check.unhealthy_threshold,
    }
    if protocol != "TCP":
        request["HealthCheckPath"] = check.path or "/"
    return request


def _listener_request(listener: Listener, group: str) -> dict[str, Any]:
    action: dict[str, Any] = {"Type": "forward", "TargetGroupArn": group}
    if listener.redirect_to_https:
        target = {"Protocol": "HTTPS", "Port": str(listener.target_port or 443), "StatusCode": "HTTP_301"}
        action = {"Type": "redirect", "RedirectConfig": target}
    request: dict[str, Any] = {"Protocol": listener.protocol.upper(), "DefaultActions": [action]}
    if listener.protocol in ("tls", "https"):
        request["SslPolicy"] = _POLICIES.get(listener.tls_policy, _DEFAULT_POLICY)
        request["Certificates"] = [{"CertificateArn": listener.certificate}]
    return request


def _same_listener(row: Mapping[str, Any], listener: Listener, group: str) -> bool:
    seen = _observed_listener(row, {})
    if (seen.protocol, seen.redirect_to_https) != (listener.protocol, listener.redirect_to_https):
        return False
    if listener.protocol in ("tls", "https"):
        if seen.certificate != listener.certificate:
            return False
        if listener.tls_policy and seen.tls_policy != listener.tls_policy:
            return False
    return listener.redirect_to_https or _forward(row) == group


def _is_address(text: str) -> bool:
    try:
        ipaddress.ip_address(text)
    except ValueError:
        return False
    return True
