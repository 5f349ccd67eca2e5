"""Azure: what the contract of the further kinds has to know of it, and somebody who makes things with bare HTTP."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any

import httpx

from model.resources import Kind
from providers.base import Account
from sandbox.threaded import Running
from tools.conformance.more import READ, More

GROUP = "theirs"


def send(account: Account, method: str, path: str, body: Mapping[str, Any] | None = None) -> dict[str, Any]:
    """One request as `mallory`; the answer's body."""
    answer = httpx.request(
        method,
        f"{account.endpoint}{path}",
        params={"api-version": "2024-05-01"},
        json=body,
        headers={"Authorization": f"Bearer {account.secrets['secret']}~mallory"},
        timeout=10.0,
        trust_env=False,
    ).raise_for_status()
    found: dict[str, Any] = answer.json() if answer.content else {}
    return found


def put(account: Account, region: str, type_: str, *names: str, scope: str = "", **body: Any) -> str:
    """Made in the group `theirs`, or below scope, and settled; its id."""
    if not scope:
        scope = f"/subscriptions/{account.account_id}/resourceGroups/{GROUP}"
        send(account, "PUT", scope, {"location": region})
    namespace, *types = type_.split("/")
    path = f"{scope}/providers/{namespace}" + "".join(f"/{t}/{n}" for t, n in zip(types, names, strict=True))
    send(account, "PUT", path, body)
    deadline = time.monotonic() + 10
    while str(send(account, "GET", path)["properties"].get("provisioningState", "Succeeded")) != "Succeeded":
        assert time.monotonic() < deadline, path
        time.sleep(0.02)
    return path


def dns_zone(account: Account, region: str, name: str) -> None:
    put(account, region, "Microsoft.Network/dnsZones", name, location="global")


def page_size(running: Running, rows: int) -> int:
    engine: Any = running.sandbox.servers["azure"].engine  # type: ignore[attr-defined]
    usual, engine.page_size = engine.page_size, rows
    return int(usual)


MORE = More(
    creates={
        Kind.INSTANCE_GROUP: "PUT Microsoft.Compute/virtualMachineScaleSets",
        Kind.DISK: "PUT Microsoft.Compute/disks",
        Kind.LOAD_BALANCER: "PUT Microsoft.Network/loadBalancers",
        Kind.DNS_RECORD: "PUT Microsoft.Network/dnsZones/A",
        Kind.REGISTRY: "PUT Microsoft.ContainerRegistry/registries",
    },
    lacking=frozenset(READ),
    dns_zone=dns_zone,
    page_size=page_size,
)
