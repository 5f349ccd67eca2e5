"""CloudTrail's event history: who changed what, for drift to name the actor.

Callers: sandbox.aws.server records, LookupEvents reads. In life events arrive after up to 15 minutes; here at once.
Non-goals: trails, S3 delivery, Insights (moto answers what it knows of those).
"""

from __future__ import annotations

import json
import re
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from sandbox.aws.wire import Answer, AwsError, Incoming

LIMIT = 50_000
MAX_RESULTS = 50
_ID = re.compile(
    r"\b(vpc|subnet|sg|sgr|igw|rtb|rtbassoc|i|eni|vol|ami|lt|eipalloc|nat|acl)-[0-9a-f]{8,17}\b",
)
_TYPES = {
    "vpc": "AWS::EC2::VPC",
    "subnet": "AWS::EC2::Subnet",
    "sg": "AWS::EC2::SecurityGroup",
    "igw": "AWS::EC2::InternetGateway",
    "rtb": "AWS::EC2::RouteTable",
    "i": "AWS::EC2::Instance",
    "eni": "AWS::EC2::NetworkInterface",
    "vol": "AWS::EC2::Volume",
    "ami": "AWS::EC2::Ami",
}
_CREATED = {
    "CreateVpc": "vpc",
    "CreateSubnet": "subnet",
    "CreateSecurityGroup": "sg",
    "CreateInternetGateway": "igw",
    "CreateRouteTable": "rtb",
    "RunInstances": "i",
    "CreateVolume": "vol",
}
"""Operation -> prefix of the id that its answer brings; other ids in an answer are not what it changed."""
_NAMED = {"name": "AWS::EKS::Cluster", "clusterName": "AWS::EKS::Cluster", "nodegroupName": "AWS::EKS::Nodegroup"}
_ELSEWHERE = {
    "elasticloadbalancing": (
        (r'"Name": "([^"]+)"', "AWS::ElasticLoadBalancingV2::LoadBalancer"),
        (r"(?:loadbalancer|listener)/(?:app|net|gwy)/([^/\"]+)/", "AWS::ElasticLoadBalancingV2::LoadBalancer"),
    ),
    "autoscaling": ((r'"(?:AutoScalingGroupName|ResourceId)": "([^"]+)"', "AWS::AutoScaling::AutoScalingGroup"),),
    "ecr": (
        (r'"repositoryName": "([^"]+)"', "AWS::ECR::Repository"),
        (r':repository/([^"]+)"', "AWS::ECR::Repository"),
    ),
    "route53": ((r'"HostedZoneId": "([^"]+)"', "AWS::Route53::HostedZone"),),
}
"""Signing name -> (what a name looks like in the parameters, its type)."""
_SECRET = re.compile(r"password|secret|userdata|token", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Event:
    """One mutating call. resources: (type, name)."""

    id: str
    at: datetime
    account_id: str
    region: str
    name: str
    source: str
    arn: str
    user: str
    key_id: str
    request_id: str
    parameters: str
    error: str
    resources: tuple[tuple[str, str], ...]


class Trail:
    """Newest last; bounded, the oldest half goes first."""

    def __init__(self) -> None:
        self.events: list[Event] = []

    def record(self, incoming: Incoming, answer: Answer, error: str = "") -> None:
        if not incoming.writes:
            return
        who = incoming.who
        self.events.append(
            Event(
                id=str(uuid.uuid4()),
                at=datetime.now(UTC),
                account_id=who.account_id,
                region=incoming.region,
                name=incoming.operation,
                source=f"{incoming.service}.amazonaws.com",
                arn=who.arn,
                user=who.arn.rsplit("/", 1)[-1],
                key_id=who.key_id,
                request_id=incoming.request_id,
                parameters=json.dumps(_plain(incoming.params), default=str),
                error=error,
                resources=tuple(_resources(incoming, answer)),
            )
        )
        if len(self.events) > LIMIT:
            del self.events[: LIMIT // 2]

    def lookup(self, incoming: Incoming) -> dict[str, Any]:
        """LookupEvents, newest first."""
        params = incoming.params
        wanted = params.get("LookupAttributes") or []
        if len(wanted) > 1:
            raise AwsError("InvalidLookupAttributesException", "You can specify only one lookup attribute")
        start, end = params.get("StartTime"), params.get("EndTime")
        found = [
            event
            for event in reversed(self.events)
            if (event.account_id, event.region) == (incoming.account_id, incoming.region)
            and (start is None or event.at >= _aware(start))
            and (end is None or event.at <= _aware(end))
            and all(_has(event, row["AttributeKey"], row["AttributeValue"]) for row in wanted)
        ]
        size = min(int(params.get("MaxResults") or MAX_RESULTS), MAX_RESULTS)
        token = str(params.get("NextToken") or "0")
        if not token.isdigit():
            raise AwsError("InvalidNextTokenException", "the token is not one of ours")
        begin = int(token)
        page: dict[str, Any] = {"Events": [_shown(event) for event in found[begin : begin + size]]}
        if begin + size < len(found):
            page["NextToken"] = str(begin + size)
        return page


def _resources(incoming: Incoming, answer: Answer) -> Iterator[tuple[str, str]]:
    seen: set[tuple[str, str]] = set()
    text = json.dumps(_plain(incoming.params), default=str) + " "
    created = _CREATED.get(incoming.operation)
    if answer.ok and created:
        text += " ".join(m[0] for m in _ID.finditer(answer.body.decode(errors="replace")) if m[1] == created)
    for match in _ID.finditer(text):
        seen.add((_TYPES.get(match[1], f"AWS::EC2::{match[1]}"), match[0]))
    if incoming.service == "eks":
        for name, kind in _NAMED.items():
            if isinstance(incoming.params.get(name), str):
                seen.add((kind, incoming.params[name]))
    for pattern, kind in _ELSEWHERE.get(incoming.service, ()):
        seen |= {(kind, match[1]) for match in re.finditer(pattern, text)}
    yield from sorted(seen)


def _plain(value: Any) -> Any:
    """Parameters without what must not be kept: user data, tokens, passwords."""
    if isinstance(value, dict):
        return {k: "HIDDEN" if _SECRET.search(k) else _plain(v) for k, v in value.items()}
    if isinstance(value, list):
        return [_plain(v) for v in value]
    return value


def _aware(value: datetime) -> datetime:
    return value if value.tzinfo else value.replace(tzinfo=UTC)


def _has(event: Event, key: str, value: str) -> bool:
    if key == "ResourceName":
        return any(name == value for _, name in event.resources)
    if key == "ResourceType":
        return any(kind == value for kind, _ in event.resources)
    known = {
        "EventId": event.id,
        "EventName": event.name,
        "ReadOnly": "false",
        "Username": event.user,
        "EventSource": event.source,
        "AccessKeyId": event.key_id,
    }
    if key not in known:
        raise AwsError("InvalidLookupAttributesException", f"there is no lookup attribute {key}")
    return known[key] == value


def _shown(event: Event) -> dict[str, Any]:
    record = {
        "eventVersion": "1.08",
        "userIdentity": {
            "type": "AssumedRole" if ":assumed-role/" in event.arn else "IAMUser",
            "arn": event.arn,
            "accountId": event.account_id,
            "accessKeyId": event.key_id,
            "userName": event.user,
        },
        "eventTime": event.at.strftime("%Y-%m-%dT%H:%M:%SZ"),
        "eventSource": event.source,
        "eventName": event.name,
        "awsRegion": event.region,
        "requestParameters": json.loads(event.parameters),
        "requestID": event.request_id,
        "eventID": event.id,
        "readOnly": False,
        "recipientAccountId": event.account_id,
    }
    if event.error:
        record["errorCode"] = event.error
    return {
        "EventId": event.id,
        "EventName": event.name,
        "ReadOnly": "false",
        "AccessKeyId": event.key_id,
        "EventTime": event.at,
        "EventSource": event.source,
        "Username": event.user,
        "Resources": [{"ResourceType": kind, "ResourceName": name} for kind, name in event.resources],
        "CloudTrailEvent": json.dumps(record),
    }
