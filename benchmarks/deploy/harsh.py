"""How many releases succeed on bad links: 600 ms round trip, 5 % loss, resets, also towards the API servers.

One release is a new version of a small application (`front` calls `back`, one pod each) in one cluster: observing its
account and cluster, planning, the policies' gate, two rolling updates in order, asking the pods, watching them for the
default bake, recording. It opens its connections itself, as a command does. It succeeds where its revision is recorded
as deployed. Applications work side by side, each in one of three clouds, each releasing one version after the other.

Two arms in fresh sandboxes of the same seed: `ours`, and `bare`: every API call is tried once and probes are fixed
(DUOYUN_PROBES=fixed). The relays draw from that seed per connection; which connection comes when depends on the
threads, so the arms see the same network and not the same packets.
"""

from __future__ import annotations

import os
import statistics
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any
from unittest import mock

import yaml

from benchmarks.deploy import generate
from benchmarks.deploy.interval import clopper_pearson
from benchmarks.deploy.line import Nobody, sandbox
from benchmarks.deploy.meters import measured, no_retries
from model.errors import DuoyunError
from model.plan import Cost, Placement, PoolChoice, ServicePlacement
from model.resources import Address, Kind
from orchestrator import sandbox_process
from orchestrator.carry_out import Runner
from orchestrator.desired import desired_items
from orchestrator.engine.engine import Engine
from orchestrator.executing import ExecutingTarget
from orchestrator.leasing import leased, whoami
from orchestrator.load import Loaded, load
from orchestrator.planning import Context, plan_for
from orchestrator.release import release
from orchestrator.sandbox_endpoints import read_endpoints
from orchestrator.store import Store, SystemClock, open_store
from orchestrator.targets import Targets
from orchestrator.verify import PROBES_VARIABLE
from orchestrator.workspace import known_addresses
from providers.base import Provider

ARMS = ("ours", "bare")
HARSH = {"profile": "harsh"}
_LEASE_TTL_S = 60.0


@dataclass(frozen=True, slots=True)
class Setting:
    """releases per arm, over `at_once` applications. network: as the sandbox's control API takes it."""

    releases: int = 200
    at_once: int = 16
    seed: int = 1
    bake_s: float = 5.0
    network: Mapping[str, Any] = field(default_factory=lambda: dict(HARSH))


@dataclass(slots=True)
class Tally:
    """What became of the releases of one arm."""

    seconds: list[float] = field(default_factory=list)
    failures: list[str] = field(default_factory=list)
    lock: threading.Lock = field(default_factory=threading.Lock)

    def note(self, seconds: float, failure: str = "") -> None:
        with self.lock:
            self.seconds.append(seconds)
            if failure:
                self.failures.append(failure)
            print(f"{len(self.seconds)}: {seconds:.1f} s {failure or 'deployed'}", file=sys.stderr, flush=True)


def run(setting: Setting, arms: str = "both") -> dict[str, Any]:
    """The figures of each arm: release_success with its exact 95 % interval, seconds, kinds of failure."""
    return {
        "network": dict(setting.network), "seed": setting.seed, "at_once": setting.at_once, "bake_s": setting.bake_s,
        "arms": {arm: _arm(setting, arm) for arm in ARMS if arms in ("both", arm)},
    }  # fmt: skip


def _arm(setting: Setting, arm: str) -> dict[str, Any]:
    options = sandbox_process.SandboxOptions(seed=setting.seed, watch_parent=True)
    with tempfile.TemporaryDirectory(prefix="duoyun-harsh-") as name:
        folder = Path(name)
        with sandbox(folder, options) as place, open_store(f"sqlite:///{folder}/state.db", SystemClock()) as store:
            bench = _Bench(folder, store, setting)
            with bench.engine:
                bench.set_up()
                sandbox_process.control("/network", read_endpoints(place), "PUT", dict(setting.network))
                with _handicap(arm), measured() as spent:
                    tally = bench.release_all()
    wins = len(tally.seconds) - len(tally.failures)
    low, high = clopper_pearson(wins, len(tally.seconds))
    return {
        "releases": len(tally.seconds), "succeeded": wins, "release_success": round(wins / len(tally.seconds), 4),
        "interval_95": [round(low, 4), round(high, 4)],
        "median_s": round(statistics.median(tally.seconds), 1), "longest_s": round(max(tally.seconds), 1),
        "cpu_s": round(spent.cpu_s, 1), "failures": dict(Counter(tally.failures).most_common(8)),
    }  # fmt: skip


@contextmanager
def _handicap(arm: str) -> Iterator[None]:
    with ExitStack() as stack:
        if arm == "bare":
            stack.enter_context(no_retries())
            stack.enter_context(mock.patch.dict(os.environ, {PROBES_VARIABLE: "fixed"}))
        yield


class _Bench:
    """The applications, one engine for all of them, and which adapters each uses now."""

    def __init__(self, folder: Path, store: Store, setting: Setting) -> None:
        self._store, self._setting = store, setting
        self._clock = SystemClock()
        self._apps = [_load(folder, n) for n in range(min(setting.at_once, setting.releases))]
        self._contexts: dict[str, Context] = {}
        self.engine = Engine(store, self._target, self._clock, Nobody())

    def set_up(self) -> None:
        """First versions, on a good network; the clusters are there after the first of each cloud."""
        clouds = len(generate.REGIONS)
        with ThreadPoolExecutor(max_workers=4) as pool:
            for batch in (self._apps[:clouds], self._apps[clouds:]):
                list(pool.map(lambda loaded: self._release(loaded, 0), batch))

    def release_all(self) -> Tally:
        """Every application releases its share, one version after the other."""
        tally = Tally()
        shares = [len(range(n, self._setting.releases, len(self._apps))) for n in range(len(self._apps))]

        def work(job: tuple[Loaded, int]) -> None:
            loaded, share = job
            for version in range(1, share + 1):
                began_s = time.monotonic()
                try:
                    self._release(loaded, version)
                    tally.note(time.monotonic() - began_s)
                except DuoyunError as exc:
                    tally.note(time.monotonic() - began_s, _in_short(exc))

        with ThreadPoolExecutor(max_workers=len(self._apps)) as pool:
            list(pool.map(work, zip(self._apps, shares, strict=True)))
        return tally

    def _release(self, first: Loaded, version: int) -> None:
        loaded = _version(first, version)
        context = Context(loaded, self._store, Targets(loaded.fleet))
        self._contexts[loaded.app.namespace] = context
        placement = _placement(loaded)
        items = desired_items(loaded.app, loaded.linked_fleet, placement, loaded.manifests)
        planned = plan_for(context, items, placement, app=loaded.app.to_plain(), app_sha256=f"{version}")
        with leased(self._store, context.scope, self._clock, ttl_s=_LEASE_TTL_S) as keeper:
            runner = Runner(
                context=context, engine=self.engine, keeper=keeper, clock=self._clock, events=Nobody(), actor=whoami(),
                bake_s=self._setting.bake_s if version else 0.0,
            )  # fmt: skip
            release(runner, planned)

    def _target(self, address: Address) -> Provider:
        """The adapters of the application whose namespace it is; infrastructure comes in set_up, one cloud an app."""
        context = self._context_of(address)
        services = {s.name: s for s in context.loaded.app.spec.services}

        def known() -> Any:
            return known_addresses(self._store, context.scope)

        return ExecutingTarget(context.targets(address), known, services, context.loaded.app.namespace)

    def _context_of(self, address: Address) -> Context:
        if address.kind is Kind.KUBERNETES_OBJECT:
            _, namespace, kind, name = address.name.split("/")
            return self._contexts[name if kind == "Namespace" else namespace]
        return next(iter(self._contexts.values()))


def _in_short(exc: DuoyunError) -> str:
    """Kind of failure and the first line of its evidence, without names and numbers of this one release."""
    cause = (exc.detail or exc.summary).splitlines()[0].rpartition(": ")[2]
    return f"{type(exc).__name__}: {cause}"[:120]


def _load(folder: Path, number: int) -> Loaded:
    """Application `small-NN` in the site of one cloud."""
    name, site = f"small-{number:02}", generate.REGIONS[number % len(generate.REGIONS)].site
    place = folder / name
    place.mkdir()
    services = [
        {
            "name": service, "image": f"registry.example.com/small/{service}:1.0.0", "replicas": 1,
            "resources": {"cpu": "20m", "memory": "32Mi"}, "ports": [{"name": "http", "port": 8080}],
            "depends_on": [{"name": callee, "calls_per_s": 1, "bytes_per_call": 1000} for callee in callees],
            "data_class": "internal", "zones": ["CN"], "placement": {"sites": [site]},
        }
        for service, callees in (("front", ["back"]), ("back", []))
    ]  # fmt: skip
    document = {
        "apiVersion": "duoyun.dev/v1",
        "kind": "Application",
        "metadata": {"name": name},
        "spec": {"services": services},
    }
    (place / "app.yaml").write_text(yaml.safe_dump(document))
    (place / "fleet.yaml").write_text(yaml.safe_dump(generate.fleet()))
    return load(place)


def _version(loaded: Loaded, version: int) -> Loaded:
    services = tuple(
        s.model_copy(update={"image": f"{s.image.rpartition(':')[0]}:1.0.{version}"}) for s in loaded.app.spec.services
    )
    return replace(
        loaded,
        app=loaded.app.model_copy(update={"spec": loaded.app.spec.model_copy(update={"services": services})}),
    )


def _placement(loaded: Loaded) -> Placement:
    """Both services in their site, on two nodes that all the applications of that cloud share."""
    site = loaded.app.spec.services[0].placement.sites[0]
    node = next(r.node for r in generate.REGIONS if r.site == site)
    rows = tuple(ServicePlacement(service=s.name, replicas={site: s.replicas}) for s in loaded.app.spec.services)
    pool = PoolChoice(
        site=site, instance_type=node, count=2, price_per_hour=0.0, assumed_price=True, vcpu=16.0,
        allocatable_cpu_millicores=15_000, allocatable_memory_mib=28_000,
    )  # fmt: skip
    cost = Cost(compute_per_hour=0.0, egress_per_hour=0.0, assumed_share=0.0, currency="CNY", price_date="")
    return Placement(services=rows, pools=(pool,), cost=cost, lower_bound_per_hour=0.0)
