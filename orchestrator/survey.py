"""What the fleet's accounts hold, and whose each thing is: a Terraform state's, a Helm release's, duoyun's, nobody's.

Callers: cli.survey. Reads only. What cannot be listed is unknown, with its reason; it is never left out in silence.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from pathlib import Path
from threading import Lock
from typing import Any

from model.errors import DuoyunError, Interrupted
from model.resources import Address, Kind, Observed, State
from model.spec.fleet import Fleet, RegionSpec
from orchestrator.observe import Plane
from orchestrator.registry import terraform_prefix
from orchestrator.store import Store, SystemClock, open_store
from orchestrator.targets import Targets
from orchestrator.terraform_state import Managed, States
from orchestrator.workspace import default_store_url
from providers.base import Call

NOBODY, DUOYUN, TERRAFORM = "nobody", "duoyun", "terraform"
_WORKERS = 16
Adopted = Callable[[Address], str]
"""The application that holds an address in its inventory, or ""."""


@dataclass(frozen=True, slots=True)
class Manager:
    """by: duoyun, terraform, helm, another tool's name, or nobody. what: fleet or application, the state's address, the
    release. where: the state's file."""

    by: str
    what: str = ""
    where: str = ""

    def __str__(self) -> str:
        return " ".join(p for p in (self.by, self.what, f"({self.where})" if self.where else "") if p)


@dataclass(frozen=True, slots=True)
class Surveyed:
    """One resource, and all who say that it is theirs: more than one is a quarrel to settle."""

    seen: Observed
    managers: tuple[Manager, ...]

    def to_dict(self) -> dict[str, Any]:
        at = self.seen.address
        return {
            "address": str(at),
            "partition": at.partition,
            "account": at.account,
            "region": at.region,
            "kind": at.kind.value,
            "name": at.name,
            "provider_id": self.seen.provider_id,
            "state": self.seen.state.value,
            "managed_by": [{"by": m.by, "what": m.what, "where": m.where} for m in self.managers],
        }


@dataclass(frozen=True, slots=True)
class Survey:
    """unknown: (plane, kind or "") -> why it could not be listed. unmatched: of the states, what no listing showed."""

    rows: tuple[Surveyed, ...]
    unknown: Mapping[tuple[Plane, str], DuoyunError] = field(default_factory=dict)
    unmatched: tuple[Managed, ...] = ()
    seconds: float = 0.0

    def counts(self) -> dict[str, int]:
        """Resources by manager; one with two counts for both."""
        found: dict[str, int] = {}
        for row in self.rows:
            for by in dict.fromkeys(m.by for m in row.managers):
                found[by] = found.get(by, 0) + 1
        return dict(sorted(found.items()))

    def to_dict(self) -> dict[str, Any]:
        return {
            "resources": [row.to_dict() for row in self.rows],
            "counts": self.counts(),
            "unknown": [
                {"where": str(plane), "kind": kind, "error": error.to_dict()}
                for (plane, kind), error in sorted(self.unknown.items(), key=lambda item: item[0])
            ],
            "unmatched": [row.to_dict() for row in self.unmatched],
            "seconds": round(self.seconds, 2),
        }


def survey(
    fleet: Fleet,
    targets: Targets,
    states: States,
    *,
    adopted: Adopted = lambda _address: "",
    timeout_s: float = 60.0,
    cancelled: Callable[[], bool] = lambda: False,
) -> Survey:
    """Lists every kind that the adapters list, in every region of the fleet, and what lies in the clusters found.

    timeout_s: for each listing. Raises Interrupted alone.
    """
    began = time.monotonic()
    seen, unknown = _Looking(fleet, targets, timeout_s, cancelled).look()
    clouds: dict[str, str] = {account.partition: account.cloud for account in fleet.spec.accounts}
    used: set[tuple[str, str]] = set()
    rows: list[Surveyed] = []
    for observed in seen:
        managers = tuple(_managers(observed, clouds, states, adopted, used))
        rows.append(Surveyed(observed, managers or (Manager(NOBODY),)))
    return Survey(
        rows=tuple(sorted(rows, key=lambda row: row.seen.address)),
        unknown=unknown,
        unmatched=tuple(m for m in states.resources if (m.file, m.address) not in used),
        seconds=time.monotonic() - began,
    )


def _managers(
    seen: Observed, clouds: Mapping[str, str], states: States, adopted: Adopted, used: set[tuple[str, str]]
) -> Iterator[Manager]:
    application = adopted(seen.address)
    if seen.owner or application:
        yield Manager(DUOYUN, application or seen.owner)
    found = states.manager_of(seen, terraform_prefix(clouds[seen.address.partition]))
    if found is not None:
        used.add((found.file, found.address))
        yield Manager(TERRAFORM, found.address, found.file)
    if seen.address.kind is Kind.KUBERNETES_OBJECT:
        from providers.kubernetes.objects import manager_of

        by, what = manager_of(seen.raw["object"])
        if by and by != DUOYUN:
            yield Manager(by, what)


class _Looking:
    """One survey's listings, side by side. The same thing shown by several regions counts once."""

    def __init__(self, fleet: Fleet, targets: Targets, timeout_s: float, cancelled: Callable[[], bool]) -> None:
        self._fleet, self._targets = fleet, targets
        self._timeout_s, self._cancelled = timeout_s, cancelled
        self._lock = Lock()
        self._seen: dict[tuple[str, str, Kind, str], Observed] = {}
        self._unknown: dict[tuple[Plane, str], DuoyunError] = {}

    def look(self) -> tuple[list[Observed], dict[tuple[Plane, str], DuoyunError]]:
        jobs = [(region, kind) for region in self._fleet.spec.regions for kind in self._kinds(region)]
        with ThreadPoolExecutor(_WORKERS, thread_name_prefix="survey") as pool:
            list(pool.map(lambda job: self._list(*job), jobs))
            clusters = [o for o in self._seen.values() if o.address.kind is Kind.CLUSTER]
            ready = [o for o in clusters if o.state in (State.READY, State.UPDATING)]
            list(pool.map(self._look_into, ready))
        return [*self._seen.values()], self._unknown

    def _call(self) -> Call:
        deadline_s = time.monotonic() + self._timeout_s
        return Call(deadline_s=deadline_s, fleet=self._fleet.name, cancelled=self._cancelled)

    def _plane(self, region: RegionSpec) -> Plane:
        account = self._fleet.account(region.account)
        return Plane(account.partition, account.account_id, region.region)

    def _kinds(self, region: RegionSpec) -> Iterator[Kind]:
        try:
            capabilities = self._targets.cloud(self._fleet.account(region.account)).capabilities
        except Interrupted:
            raise
        except DuoyunError as exc:
            self._unknown[(self._plane(region), "")] = exc
            return
        yield from (c.kind for c in capabilities if "list" in c.verbs)

    def _list(self, region: RegionSpec, kind: Kind) -> None:
        plane = self._plane(region)
        try:
            cloud = self._targets.cloud(self._fleet.account(region.account))
            self._add(cloud.list(kind, region.region, self._call()))
        except Interrupted:
            raise
        except DuoyunError as exc:
            self._unknown[(plane, kind.value)] = exc

    def _look_into(self, cluster: Observed) -> None:
        at = cluster.address
        plane = Plane(at.partition, at.account, at.region, at.name)
        try:
            self._add(self._objects(at))
        except Interrupted:
            raise
        except DuoyunError as exc:
            self._unknown[(plane, Kind.KUBERNETES_OBJECT.value)] = exc

    def _objects(self, at: Address) -> Iterator[Observed]:
        from providers.kubernetes import KubernetesProvider

        account = next(
            a for a in self._fleet.spec.accounts if (a.partition, a.account_id) == (at.partition, at.account)
        )
        # Another fleet's cluster is looked into as well: a call that names our fleet would not find it.
        provider = self._targets.cluster(account, at.region, at.name, replace(self._call(), fleet=""))
        if isinstance(provider, KubernetesProvider):
            yield from provider.everything(self._call())

    def _add(self, found: Iterable[Observed]) -> None:
        for seen in found:
            at = seen.address
            key = (at.partition, at.account, at.kind, seen.provider_id or str(at))
            with self._lock:
                if seen.state is not State.DELETING and (key not in self._seen or at < self._seen[key].address):
                    self._seen[key] = seen


# -- what the store knows -------------------------------------------------------------------------------------------


def store_for_reading(fleet: Fleet, url: str | None) -> Store | None:
    """The state where there is one; None where SQLite would have to be made first. Raises what open_store raises.

    SQLite is read for real accounts, too: nothing is written here.
    """
    where = url or fleet.spec.state.url or default_store_url()
    if where.startswith("sqlite:///") and not Path(where.removeprefix("sqlite:///")).exists():
        return None
    return open_store(where, SystemClock())


def adopted_in(store: Store | None, fleet: Fleet) -> Adopted:
    """Whose inventory of this fleet holds an address."""
    if store is None:
        return lambda _address: ""

    def holder(address: Address) -> str:
        return next((s.application for s in store.inventory.owners(address) if s.fleet == fleet.name), "")

    return holder
