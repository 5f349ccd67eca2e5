"""Alibaba Cloud: what the contract of the further kinds has to know of it."""

from __future__ import annotations

from typing import Any

from model.resources import Kind
from providers.base import Account
from sandbox.threaded import Running
from tools.conformance.more import READ, More


def send(account: Account, region: str, product: str, version: str, action: str, **params: str) -> dict[str, Any]:
    """One RPC action with the bare SDK. A dot in a name is written as two underscores."""
    import json

    from aliyunsdkcore.client import AcsClient
    from aliyunsdkcore.request import CommonRequest

    request = CommonRequest(product=product, version=version, action_name=action)
    request.set_domain(account.endpoint.removeprefix("http://"))
    request.set_method("POST")
    for name, value in {"RegionId": region, **params}.items():
        request.add_query_param(name.replace("__", "."), value)
    client = AcsClient(account.secrets["key_id"], account.secrets["secret"], region)
    found: dict[str, Any] = json.loads(client.do_action_with_exception(request))
    return found


def dns_zone(account: Account, region: str, name: str) -> None:
    from aliyunsdkcore.acs_exception.exceptions import ServerException

    try:
        send(account, region, "Alidns", "2015-01-09", "AddDomain", DomainName=name)
    except ServerException as exc:
        if exc.error_code != "InvalidDomainName.Duplicate":
            raise


def page_size(_running: Running, rows: int) -> int:
    """The adapter asks for pages of that size, as the cloud gives what is asked for."""
    from providers.alibaba import session

    before, session.PAGE_SIZE = session.PAGE_SIZE, rows
    return before


MORE = More(
    creates={
        Kind.INSTANCE_GROUP: "ess:CreateScalingGroup",
        Kind.DISK: "ecs:CreateDisk",
        Kind.LOAD_BALANCER: "slb:CreateLoadBalancer",
        Kind.DNS_RECORD: "alidns:AddDomainRecord",
        Kind.REGISTRY: "cr:CreateRepository",
    },
    lacking=frozenset(READ),
    dns_zone=dns_zone,
    page_size=page_size,
)
