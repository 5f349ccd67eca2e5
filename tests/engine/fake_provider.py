"""A cloud in a file, behind the Provider protocol: seeded faults, latencies, and hooks around every effect.

What a killed process leaves behind stays in the file. Callers: the engine's tests and the kill test's processes.
"""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from model.codec import resource_from_data, to_data
from model.errors import DependencyInUse, DuoyunError, Interrupted, NotFound, RolloutFailed, Unreachable
from model.resources import Address, AnyResource, Change, Kind, Observed, State
from providers.base import Account, Call, Capability, Identity

# Which field of which kind names a resource that it needs, and of what kind that is.
USES = {
    Kind.SUBNET: {"network": Kind.NETWORK},
    Kind.FIREWALL_GROUP: {"network": Kind.NETWORK},
    Kind.CLUSTER: {"network": Kind.NETWORK},
    Kind.NODE_POOL: {"cluster": Kind.CLUSTER, "subnet": Kind.SUBNET},
    Kind.INSTANCE: {"subnet": Kind.SUBNET, "firewall_group": Kind.FIREWALL_GROUP},
}


def _no_hook(_name: str) -> None:
    """Nothing happens there."""


@dataclass
class FakeCloud:
    """resources: address -> {id, resource, owner, key}; history: every effect, as [what, address, id].

    latency_s: until something is ready or gone. faults: (operation, address name) -> errors, raised one by one.
    named_ids: provider ids are names, as Azure's, so that a resource made anew has its predecessor's id.
    """

    path: Path | None = None
    latency_s: float = 0.0
    hook: Callable[[str], None] = _no_hook
    faults: dict[tuple[str, str], list[DuoyunError]] = field(default_factory=dict)
    named_ids: bool = False
    resources: dict[str, dict[str, Any]] = field(default_factory=dict)
    history: list[list[str]] = field(default_factory=list)
    calls: int = 0
    under_way: int = 0
    most_under_way: int = 0
    lock: threading.RLock = field(default_factory=threading.RLock)

    def __post_init__(self) -> None:
        if self.path and self.path.exists():
            state = json.loads(self.path.read_text())
            self.resources, self.history = state["resources"], state["history"]

    def save(self) -> None:
        if self.path is None:
            return
        beside = self.path.with_suffix(".new")
        beside.write_text(json.dumps({"resources": self.resources, "history": self.history}))
        beside.replace(self.path)

    def seed(self, address: Address, resource: AnyResource, *, owner: str) -> str:
        """Puts a resource there, as if it had been made long ago."""
        with self.lock:
            made = self._id(address, "seeded")
            self.resources[str(address)] = {"id": made, "resource": to_data(resource), "owner": owner, "key": ""}
            self.save()
            return made

    def inventory(self) -> dict[str, Any]:
        """What is there, without ids."""
        return {a: (r["resource"], r["owner"]) for a, r in sorted(self.resources.items())}

    def effects(self, what: str, address: Address) -> int:
        return sum(1 for h in self.history if h[0] == what and h[1] == str(address))

    def effect(self, what: str, address: Address, change: Callable[[], str]) -> None:
        """One change, with the places before and after it where a process may die."""
        self.hook(f"cloud before {what} {address.name}")
        with self.lock:
            made = change()
            self.history.append([what, str(address), made])
            self.save()
        self.hook(f"cloud after {what} {address.name}")

    def _id(self, address: Address, salt: str) -> str:
        return f"id/{address.name}" if self.named_ids else f"{address.kind}-{len(self.history)}-{salt}"


class FakeProvider:
    """One account of the fake cloud; also serves as its clusters."""

    def __init__(self, cloud: FakeCloud) -> None:
        self.cloud = cloud

    @property
    def account(self) -> Account:
        return Account(name="fake", cloud="fake", partition="fake", account_id="1")

    @property
    def capabilities(self) -> tuple[Capability, ...]:
        return tuple(Capability(k, frozenset({"list", "get", "create", "update", "delete"})) for k in Kind)

    def identity(self, call: Call) -> Identity:
        return Identity("fake", "1")

    def list(self, kind: Kind, region: str, call: Call, *, fleet: str | None = None) -> Iterator[Observed]:
        for text in sorted(self.cloud.resources):
            address = Address.parse(text)
            if (address.kind, address.region) == (kind, region):
                yield self._observed(address)

    def get(self, address: Address, call: Call) -> Observed:
        self._fault("get", address)
        return self._observed(address)

    def create(self, address: Address, desired: AnyResource, call: Call) -> Observed:
        call.guard()
        self._fault("create", address)
        present = self.cloud.resources.get(str(address))
        if present is None:

            def make() -> str:
                made = self.cloud._id(address, call.key)
                self.cloud.resources[str(address)] = {
                    "id": made, "resource": to_data(desired), "owner": call.fleet, "key": call.key,
                }  # fmt: skip
                return made

            self.cloud.effect("create", address, make)
        self._fault("create answer", address)
        return self._observed(address)

    def update(self, observed: Observed, desired: AnyResource, call: Call) -> Observed:
        call.guard()
        self._fault("update", observed.address)
        if self._observed(observed.address).resource != desired:

            def change() -> str:
                self.cloud.resources[str(observed.address)]["resource"] = to_data(desired)
                return observed.provider_id

            self.cloud.effect("update", observed.address, change)
        return self._observed(observed.address)

    def delete(self, observed: Observed, call: Call) -> None:
        call.guard()
        self._fault("delete", observed.address)
        users = self._users(observed.address)
        if users:
            raise DependencyInUse(f"{observed.address} is used by {', '.join(users)}")
        if str(observed.address) in self.cloud.resources:
            self.cloud.effect(
                "delete", observed.address, lambda: str(self.cloud.resources.pop(str(observed.address))["id"])
            )

    def needs_replace(self, before: AnyResource, desired: AnyResource) -> tuple[str, ...]:
        return ()

    def wait_ready(self, address: Address, call: Call) -> Observed:
        self._wait(call, address)
        self._fault("wait_ready", address)
        return self._observed(address)

    def wait_gone(self, address: Address, call: Call) -> None:
        self._wait(call, address)
        self._fault("wait_gone", address)
        if str(address) in self.cloud.resources:
            raise RolloutFailed(f"{address} does not go")

    def changes(self, address: Address, since_s: float, call: Call) -> tuple[Change, ...]:
        return ()

    def _wait(self, call: Call, address: Address) -> None:
        cloud = self.cloud
        with cloud.lock:
            cloud.under_way += 1
            cloud.most_under_way = max(cloud.most_under_way, cloud.under_way)
        try:
            until = time.monotonic() + cloud.latency_s
            while (left := until - time.monotonic()) > 0:
                if call.cancelled():
                    raise Interrupted(f"{address}: stopped on request")
                if call.remaining_s() <= 0:
                    raise Unreachable(f"{address}: no time left before the deadline")
                time.sleep(min(0.01, left))
        finally:
            with cloud.lock:
                cloud.under_way -= 1

    def _observed(self, address: Address) -> Observed:
        found = self.cloud.resources.get(str(address))
        if found is None:
            raise NotFound(f"{address} is not there")
        return Observed(
            address=address, resource=resource_from_data(found["resource"]), provider_id=found["id"],
            state=State.READY, owner=found["owner"], endpoints=(f"{address.name}:80",),
        )  # fmt: skip

    def _users(self, address: Address) -> list[str]:
        users = []
        for text, found in self.cloud.resources.items():
            other = Address.parse(text)
            if other.region != address.region:
                continue
            for name, kind in USES.get(other.kind, {}).items():
                if kind is address.kind and found["resource"].get(name) == address.name:
                    users.append(text)
        return users

    def _fault(self, operation: str, address: Address) -> None:
        with self.cloud.lock:
            self.cloud.calls += 1
            waiting = self.cloud.faults.get((operation, address.name))
            error = waiting.pop(0) if waiting else None
        if error is not None:
            raise error
