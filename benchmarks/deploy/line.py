"""One measured release: a sandbox of its own, the clusters, then the release of everything else.

Callers: benchmarks.deploy.__main__, which starts a process for each run, and the tests with a tiny application.
"""

from __future__ import annotations

import os
import signal
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from benchmarks.deploy import generate
from benchmarks.deploy.floor import Floor, floor, parts_of
from benchmarks.deploy.meters import Spent, measured, peak_mib
from model.errors import DuoyunError
from model.plan import Plan
from model.ports import Event
from model.resources import LABEL_SERVICE, LABEL_SITE, Kind
from orchestrator import sandbox_process
from orchestrator.desired import desired_items
from orchestrator.engine.options import EngineOptions
from orchestrator.load import Loaded, load
from orchestrator.planning import Context, Planned, make_plan, plan_for
from orchestrator.release import Released, release
from orchestrator.run import running
from orchestrator.sandbox_endpoints import read_endpoints
from orchestrator.store import SystemClock, open_store
from orchestrator.targets import Targets
from providers.base import Call

EXAMPLE = Path(__file__).resolve().parents[2] / "examples" / "miniprogram"
WORKLOADS = (Kind.KUBERNETES_OBJECT, Kind.INSTANCE)


class Nobody:
    """Nobody looks at the events."""

    def emit(self, event: Event) -> None:
        """Drops it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Setting:
    """services 0: the example. parallelism 1: one action after the other, measured."""

    services: int = 0
    profile: str = "realistic"
    time_scale: float = 20.0
    seed: int = 1
    parallelism: int = 32


@contextmanager
def sandbox(folder: Path, options: sandbox_process.SandboxOptions) -> Iterator[Path]:
    """A sandbox of our own; what the environment named before is in force again afterwards. Yields its file."""
    place = folder / "endpoints.json"
    with _environment("DUOYUN_SANDBOX", str(place)):
        sandbox_process.start(place, options)
        try:
            yield place
        finally:
            _end(place)


def _end(place: Path) -> None:
    """Ends our sandbox; one that takes too long on a busy machine is killed, and costs no result."""
    pid = read_endpoints(place).pid
    try:
        sandbox_process.stop(place)
    except DuoyunError:
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)


@contextmanager
def _environment(name: str, value: str) -> Iterator[None]:
    before = os.environ.get(name)
    os.environ[name] = value
    try:
        yield
    finally:
        if before is None:
            del os.environ[name]
        else:
            os.environ[name] = before


def run(setting: Setting) -> dict[str, Any]:
    """Measures one release; see benchmarks.deploy for what comes back."""
    options = sandbox_process.SandboxOptions(
        profile=setting.profile, time_scale=setting.time_scale, seed=setting.seed, watch_parent=True
    )
    with tempfile.TemporaryDirectory(prefix="duoyun-bench-") as name:
        folder = Path(name)
        with sandbox(folder, options) as place, open_store(f"sqlite:///{folder}/state.db", SystemClock()) as store:
            loaded = _loaded(folder, setting)
            return _measure(Context(loaded, store, Targets(loaded.fleet)), place, setting)


def _loaded(folder: Path, setting: Setting) -> Loaded:
    files = generate.write(folder / "app", setting.services, setting.seed) if setting.services else EXAMPLE
    loaded = load(files)
    # `min_ready` is a wait that the application asks for, in whole seconds that no time scale divides.
    services = tuple(
        s.model_copy(update={"rollout": s.rollout.model_copy(update={"min_ready": 0.0})})
        for s in loaded.app.spec.services
    )
    spec = loaded.app.spec.model_copy(update={"services": services})
    return replace(loaded, app=loaded.app.model_copy(update={"spec": spec}))


def _planned(context: Context, setting: Setting) -> Planned:
    if not setting.services:
        return make_plan(context)
    loaded = context.loaded
    where = generate.placement(loaded.app)
    items = desired_items(loaded.app, loaded.linked_fleet, where, loaded.manifests)
    return plan_for(context, items, where, app=loaded.app.to_plain(), app_sha256=loaded.app_sha256)


def _measure(context: Context, place: Path, setting: Setting) -> dict[str, Any]:
    with measured() as planning:
        first = _planned(context, setting)
    plan = first.plan
    infrastructure = tuple(i for i in plan.items if i.address.kind not in WORKLOADS)
    clusters = plan_for(context, infrastructure, plan.placement, app=plan.app, app_sha256=plan.app_sha256)
    with measured() as cold:
        _release(context, clusters, setting)
    planned = _planned(context, setting)
    endpoints = read_endpoints(place)
    drawn_before = len(sandbox_process.control("/draws", endpoints)["draws"])
    with measured() as spent:
        released = _release(context, planned, setting)
    draws = sandbox_process.control(f"/draws?since={drawn_before}", endpoints)["draws"]
    bound = floor(parts_of(context.loaded.app, draws, nodes_of(context, planned.plan)), draws)
    cold_start = {
        "makespan_s": round(cold.wall_s, 3),
        "cpu_s": round(cold.cpu_s, 3),
        "actions": len(clusters.plan.actions),
    }
    return {
        **_setting(setting, context.loaded, planned.plan, released),
        **_figures(bound, spent),
        "plan_cpu_s": round(planning.cpu_s, 3),
        "cold_start": cold_start,
    }


def _setting(setting: Setting, loaded: Loaded, plan: Plan, released: Released) -> dict[str, Any]:
    return {
        "services": len(loaded.app.spec.services), "actions": len(plan.actions), "profile": setting.profile,
        "time_scale": setting.time_scale, "seed": setting.seed, "parallelism": setting.parallelism,
        "state": str(released.revision.state),
    }  # fmt: skip


def _figures(bound: Floor, spent: Spent) -> dict[str, Any]:
    return {
        "sequential_s": round(bound.sequential_s, 3),
        "drawn_s": round(bound.drawn_s, 3),
        "critical_path_s": round(bound.critical_path_s, 3),
        "critical_path": [f"{name} {seconds:.2f}" for name, seconds in bound.path],
        "makespan_s": round(spent.wall_s, 3),
        "over_floor": round(spent.wall_s / bound.critical_path_s, 3),
        "speedup": round(bound.sequential_s / spent.wall_s, 3),
        "engine_cpu_s": round(spent.cpu_s, 3),
        "peak_mib": round(peak_mib(), 1),
        "rate_limited_s": round(spent.rate_limited_s, 3),
    }


def _release(context: Context, planned: Planned, setting: Setting) -> Released:
    options = EngineOptions(parallelism=setting.parallelism)
    with running(context, Nobody(), options=options, bake_s=0.0) as runner:
        return release(runner, planned)


def nodes_of(context: Context, plan: Plan) -> Mapping[tuple[str, str], str]:
    """(site, pod) -> node, from the clusters; sites as the sandbox writes them in its draws."""
    found = {}
    clusters = {}
    for item in plan.items:
        if item.address.kind is Kind.KUBERNETES_OBJECT:
            clusters[item.address.region, item.address.name.split("/")[0]] = item.address
    for address in clusters.values():
        cluster: Any = context.targets(address)
        call = Call(fleet=context.loaded.fleet.name)
        for pod in cluster.pods(context.loaded.app.namespace, {}, call):
            labels = pod["metadata"].get("labels") or {}
            if LABEL_SERVICE in labels:
                site = labels.get(LABEL_SITE, "")
                found[site, pod["metadata"]["name"]] = str(pod["spec"].get("nodeName", ""))
    return found


__all__ = ["Nobody", "Setting", "nodes_of", "run", "sandbox"]
