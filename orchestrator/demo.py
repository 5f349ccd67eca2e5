"""The story of `duoyun demo`: a backend over three clouds, a bad release, a port opened behind our back.

Everything is real but the clouds: the example's files, the SDKs, HTTP, the store, the engine. Callers: cli/demo.py,
which shows it. Starts a sandbox of its own and leaves nothing behind.
"""

from __future__ import annotations

import os
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, Protocol

from model.errors import DuoyunError, ReleaseRolledBack
from model.plan import Plan
from model.ports import EventSink
from model.resources import Kind
from model.spec.app import Application
from model.spec.fleet import SANDBOX
from orchestrator import drift, sandbox_process
from orchestrator.load import Loaded, load
from orchestrator.planning import Context, Planned, make_plan
from orchestrator.records import endpoints
from orchestrator.release import release
from orchestrator.run import running
from orchestrator.store import SystemClock, open_store
from orchestrator.targets import Targets, resolve_account
from providers.aws.intruder import open_port

EXAMPLE = Path(__file__).resolve().parents[1] / "examples" / "miniprogram"
BROKEN_SERVICE = "order-service"
NEW_VERSION = "1.1.0"
_UPDATED = ("product-catalog", "mp-bff", BROKEN_SERVICE)
_INTRUSION_PORT = 22


@dataclass(frozen=True, slots=True)
class Answer:
    """What a public entry said."""

    service: str
    region: str
    url: str
    status: int
    body: str


@dataclass(slots=True)
class Numbers:
    """What happened; the object that `-o json` prints."""

    deployed_services: int = 0
    clouds: int = 0
    sites: int = 0
    rolled_back: bool = False
    drift_found: int = 0
    drift_mended: bool = False
    seconds: float = 0.0

    def to_dict(self) -> dict[str, Any]:
        return asdict(self)


class Show(Protocol):
    """How the story is told. events: the live view; phase: told of a plan before it runs."""

    @property
    def events(self) -> EventSink: ...
    def chapter(self, number: int, title: str) -> None: ...
    def say(self, text: str) -> None: ...
    def planned(self, context: Context, planned: Planned) -> None: ...
    def phase(self, title: str, plan: Plan) -> None: ...
    def phase_over(self) -> None: ...
    def answers(self, answers: list[Answer]) -> None: ...
    def rolled_back(self, error: ReleaseRolledBack) -> None: ...
    def drifted(self, report: drift.DriftReport) -> None: ...


def run(show: Show) -> Numbers:
    """The whole story. Raises DuoyunError where a chapter does not come out as told."""
    began_s = time.monotonic()
    numbers = Numbers()
    with _sandbox(show) as context:
        deploy(show, context, numbers)
        bad_release(show, context, numbers)
        intrusion(show, context, numbers)
    numbers.seconds = round(time.monotonic() - began_s, 1)
    return numbers


@contextmanager
def _sandbox(show: Show) -> Iterator[Context]:
    """A sandbox, a store and a context in a folder that is gone afterwards."""
    with tempfile.TemporaryDirectory(prefix="duoyun-demo-") as folder:
        place = Path(folder) / "endpoints.json"
        before = os.environ.get("DUOYUN_SANDBOX")
        os.environ["DUOYUN_SANDBOX"] = str(place)
        began_s = time.monotonic()
        try:
            sandbox_process.start(place, sandbox_process.SandboxOptions(watch_parent=True))
            show.say(f"sandbox: three clouds on this machine, ready in {time.monotonic() - began_s:.1f} s")
            loaded = load(EXAMPLE)
            _require_sandbox(loaded)
            with open_store(f"sqlite:///{folder}/state.db", SystemClock()) as store:
                yield Context(loaded, store, Targets(loaded.fleet, folder=loaded.fleet_path.parent))
        finally:
            sandbox_process.stop(place)
            if before is None:
                del os.environ["DUOYUN_SANDBOX"]
            else:
                os.environ["DUOYUN_SANDBOX"] = before


def _require_sandbox(loaded: Loaded) -> None:
    real = [a.name for a in loaded.fleet.spec.accounts if a.endpoint != SANDBOX]
    if real:
        raise DuoyunError(f"the example's fleet names real accounts ({', '.join(real)}); the demo will not touch them")


# -- 1 and 2: plan, deploy -------------------------------------------------------------------------------------


def deploy(show: Show, context: Context, numbers: Numbers) -> None:
    show.chapter(1, "the plan: where 27 services go, and what that costs")
    choices = len(list(context.loaded.fleet.sites()))
    services = len(context.loaded.app.spec.services)
    show.say(f"placing {services} services over {choices} sites, cheapest first, within law, links and quotas ...")
    planned = make_plan(context)
    show.planned(context, planned)
    show.chapter(2, "the release, callees before callers, over three clouds at once")
    with running(context, show.events, on_phase=show.phase) as runner:
        try:
            done = release(runner, planned, message="first release")
        finally:
            show.phase_over()
    show.say(f"revision {done.revision.number}: {len(done.outcome.actions)} actions in {done.seconds:.1f} s")
    sites = {site: count for s in planned.plan.placement.services for site, count in s.replicas.items() if count}
    cloud_of = {s.id: s.cloud for s in context.loaded.fleet.sites()}
    numbers.deployed_services = len(planned.plan.placement.services)
    numbers.sites = len(sites)
    numbers.clouds = len({cloud_of[s] for s in sites})
    show.answers(_call_entries(context))


def _call_entries(context: Context) -> list[Answer]:
    """Calls every public entry once, as a stranger would."""
    import httpx

    answers, called = [], set()
    for row in endpoints(context):
        if row["url"] in called or row["service"] != "edge-gateway":
            continue
        called.add(row["url"])
        answer = httpx.get(row["url"], timeout=10.0, trust_env=False)
        answers.append(Answer(row["service"], row["region"], row["url"], answer.status_code, answer.text.strip()))
    return answers


# -- 3: a bad release ------------------------------------------------------------------------------------------


def second_version(app: Application) -> Application:
    """Three services in a new version, one of which falls over a second after it starts."""
    import json

    services = []
    for service in app.spec.services:
        if service.name in _UPDATED:
            update: dict[str, Any] = {"image": f"{service.image.rpartition(':')[0]}:{NEW_VERSION}"}
            if service.name == BROKEN_SERVICE:
                crash = {"sandbox.duoyun.dev/behaviour": json.dumps({"crash_after_s": 0.5})}
                update["annotations"] = {**service.annotations, **crash}
            service = service.model_copy(update=update)  # noqa: PLW2901
        services.append(service)
    return app.model_copy(update={"spec": app.spec.model_copy(update={"services": tuple(services)})})


def bad_release(show: Show, context: Context, numbers: Numbers) -> None:
    show.chapter(3, f"version {NEW_VERSION} of three services; {BROKEN_SERVICE} is broken")
    changed = replace(context, loaded=replace(context.loaded, app=second_version(context.loaded.app)))
    planned = make_plan(changed)
    show.say(f"the plan has {len(planned.plan.actions)} actions")
    try:
        with running(changed, show.events, on_phase=show.phase) as runner:
            release(runner, planned, message=f"version {NEW_VERSION}")
    except ReleaseRolledBack as exc:
        numbers.rolled_back = True
        show.phase_over()
        show.rolled_back(exc)
    else:
        show.phase_over()
        raise DuoyunError("the broken release was not noticed", mend="this is a defect of duoyun")


# -- 4: drift --------------------------------------------------------------------------------------------------


def intrusion(show: Show, context: Context, numbers: Numbers) -> None:
    show.chapter(4, f"somebody opens port {_INTRUSION_PORT} to the world, through the cloud's own API")
    group = next(
        r
        for r in context.store.inventory.list(context.scope)
        if r.address.kind is Kind.FIREWALL_GROUP and r.address.partition == "aws-cn" and r.address.name == "web"
    )
    spec = next(a for a in context.loaded.fleet.spec.accounts if a.partition == group.address.partition)
    open_port(resolve_account(spec), group.address.region, group.provider_id, _INTRUSION_PORT)
    show.say(f"opened: tcp {_INTRUSION_PORT} from 0.0.0.0/0 in {group.address}")
    report = drift.scan(context)
    numbers.drift_found = len(report.drifted)
    show.drifted(report)
    planned = drift.plan_mend(context)
    with running(context, show.events, on_phase=show.phase) as runner:
        try:
            release(runner, planned, message="drift remediation", auto_rollback=False)
        finally:
            show.phase_over()
    after = drift.scan(context)
    numbers.drift_mended = numbers.drift_found > 0 and not after.drifted
    show.drifted(after)
