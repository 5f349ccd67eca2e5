"""The same line on a cloud that is a file: a run costs what the engine, the store and the planning cost.

Callers: soak_world, where a world is on paper. Keeps the providers' contract (idempotent creates, deletes that wait for
what uses the thing); processes take turns by a file lock, so that a frozen one and the one that goes on see one cloud.
Non-goals: SDKs and HTTP, and with them lost answers, duplicates, refusals: those are the three clouds' runs.
"""

from __future__ import annotations

import fcntl
import json
import uuid
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from soak_hooks import Sites

from model.codec import resource_from_data, to_data
from model.errors import DependencyInUse, NotFound, RolloutFailed
from model.resources import Address, AnyResource, Change, Kind, KubernetesObject, Observed
from orchestrator.executor import ANY
from providers.base import Account, Call, Capability, Identity

_VERBS = frozenset({"list", "get", "create", "update", "delete", "changes"})
_USES: Mapping[Kind, Mapping[str, Kind]] = {
    Kind.SUBNET: {"network": Kind.NETWORK},
    Kind.FIREWALL_GROUP: {"network": Kind.NETWORK},
    Kind.CLUSTER: {"network": Kind.NETWORK},
    Kind.NODE_POOL: {"cluster": Kind.CLUSTER, "subnet": Kind.SUBNET},
    Kind.INSTANCE: {"subnet": Kind.SUBNET, "firewall_group": Kind.FIREWALL_GROUP},
}
"""Which field of which kind names a resource that it needs, and of what kind that is."""


class Paper:
    """The file: address -> {id, resource, owner}."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.sites: Sites | None = None

    def read(self) -> dict[str, Any]:
        return dict(json.loads(self.path.read_text(encoding="utf-8"))) if self.path.exists() else {}

    @contextmanager
    def changing(self) -> Iterator[dict[str, Any]]:
        """The contents, written back at the end, with a site before and after."""
        if self.sites is not None:
            self.sites.count("wire", "before")
        with self.path.with_suffix(".lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            contents = self.read()
            yield contents
            beside = self.path.with_suffix(f".{uuid.uuid4().hex[:8]}")
            beside.write_text(json.dumps(contents), encoding="utf-8")
            beside.replace(self.path)
        if self.sites is not None:
            self.sites.count("wire", "sent")

    def rows(self) -> dict[str, list[dict[str, Any]]]:
        """As the sandbox's inventory."""
        found = []
        for text, row in self.read().items():
            a = Address.parse(text)
            found.append(
                {
                    "kind": str(a.kind), "id": row["id"], "name": a.name, "tags": {"owner": row["owner"]},
                    "account": a.account, "region": a.region,
                }
            )  # fmt: skip
        return {"paper": found}


class PaperTargets:
    """As orchestrator.targets.Targets."""

    executor = ANY

    def __init__(self, paper: Paper) -> None:
        self._paper = paper

    def __call__(self, address: Address) -> PaperProvider:
        return PaperProvider(self._paper, address.partition, address.account)

    def cloud(self, spec: Any) -> PaperProvider:
        return PaperProvider(self._paper, spec.partition, spec.account_id)

    def cluster(self, spec: Any, _region: str, name: str, _call: Call | None = None) -> PaperProvider:
        return PaperProvider(self._paper, spec.partition, spec.account_id, name)

    def forget_cluster(self, _address: Address) -> None:
        """Nothing was opened."""


class PaperProvider:
    """One account, or one cluster in it."""

    def __init__(self, paper: Paper, partition: str, account_id: str, cluster: str = "") -> None:
        self._paper, self._plane, self._cluster = paper, (partition, account_id), cluster

    @property
    def account(self) -> Account:
        return Account(name="paper", cloud="paper", partition=self._plane[0], account_id=self._plane[1])

    @property
    def capabilities(self) -> tuple[Capability, ...]:
        return tuple(Capability(kind, _VERBS) for kind in Kind)

    def identity(self, _call: Call) -> Identity:
        return Identity("paper", self._plane[1])

    def list(self, kind: Kind, region: str, _call: Call, *, fleet: str | None = None) -> Iterator[Observed]:
        for text, row in self._paper.read().items():
            a = Address.parse(text)
            if (a.partition, a.account) != self._plane or (a.kind, a.region) != (kind, region):
                continue
            if a.name.startswith(f"{self._cluster}/" if self._cluster else "") and fleet in (None, row["owner"]):
                yield _seen(a, row)

    def get(self, address: Address, _call: Call) -> Observed:
        row = self._paper.read().get(str(address))
        if row is None:
            raise NotFound(f"{address} is not there")
        return _seen(address, row)

    def create(self, address: Address, desired: AnyResource, call: Call) -> Observed:
        call.guard()
        with self._paper.changing() as there:
            row = there.setdefault(
                str(address), {"id": uuid.uuid4().hex[:12], "resource": to_data(desired), "owner": call.fleet}
            )
        return _seen(address, row)

    def update(self, observed: Observed, desired: AnyResource, call: Call) -> Observed:
        call.guard()
        with self._paper.changing() as there:
            row = there.get(str(observed.address))
            if row is None:
                raise NotFound(f"{observed.address} is not there")
            row["resource"] = to_data(desired)
        return _seen(observed.address, row)

    def delete(self, observed: Observed, call: Call) -> None:
        call.guard()
        with self._paper.changing() as there:
            row = there.get(str(observed.address))
            if row is None or row["id"] != observed.provider_id:
                return
            if users := _users(observed.address, there):
                raise DependencyInUse(f"{observed.address} is used by {', '.join(users)}")
            del there[str(observed.address)]

    def needs_replace(self, before: AnyResource, desired: AnyResource) -> tuple[str, ...]:
        changed = getattr(before, "user_data", None) != getattr(desired, "user_data", None)
        return ("user_data",) if changed else ()

    def wait_ready(self, address: Address, call: Call) -> Observed:
        seen = self.get(address, call)
        if isinstance(seen.resource, KubernetesObject) and ":missing" in json.dumps(seen.resource.manifest):
            raise RolloutFailed(f"{address}: nobody has that image", address=str(address))
        return seen

    def wait_gone(self, _address: Address, _call: Call) -> None:
        """What is deleted is gone at once."""

    def changes(self, _address: Address, _since_s: float, _call: Call) -> tuple[Change, ...]:
        return ()


def _seen(address: Address, row: Mapping[str, Any]) -> Observed:
    ip = f"10.{int(row['id'][:2], 16)}.{int(row['id'][2:4], 16)}.7" if address.kind is Kind.INSTANCE else ""
    resource = resource_from_data(row["resource"])
    raw = {"object": resource.manifest} if isinstance(resource, KubernetesObject) else {}
    return Observed(
        address=address, resource=resource, provider_id=row["id"], owner=row["owner"], private_ip=ip, raw=raw,
    )  # fmt: skip


def _users(address: Address, there: Mapping[str, Any]) -> list[str]:
    users = []
    for text, row in there.items():
        other = Address.parse(text)
        if (other.partition, other.account, other.region) != (address.partition, address.account, address.region):
            continue
        uses = _USES.get(other.kind, {}).items()
        if any(kind is address.kind and row["resource"].get(name) == address.name for name, kind in uses):
            users.append(text)
        if address.kind is Kind.CLUSTER and other.name.startswith(f"{address.name}/"):
            users.append(text)
    return users


def without_probes(install: Callable[[str, Any], None]) -> None:
    """What is on paper answers no HTTP: a workload that is there is ready."""
    install("verify_instance", lambda *_args: None)
    install("verify_workload", lambda *_args: None)
