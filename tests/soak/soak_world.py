"""One application on the sandbox's three clouds, and what is done to it: the operations of the soak, undisturbed.

Callers: soak_faults, soak_checks, soak. Every operation runs in a fork, which is a deployer of its own with its own
engine, lease and SDK clients, and costs no more than its work.
"""

from __future__ import annotations

import gc
import json
import os
import sys
import threading
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from functools import cached_property, partial
from pathlib import Path
from typing import Any

from soak_hooks import Place, Sites, Wire, watch_database
from soak_paper import Paper, PaperTargets, without_probes

from model.errors import DuoyunError, ReleaseRolledBack
from model.plan import RevisionState
from model.ports import Clock
from orchestrator import executing
from orchestrator.engine.options import EngineOptions
from orchestrator.planning import Context, Planned, make_plan, plan_destroy, plan_of_revision
from orchestrator.release import nothing_to_do, release, resume
from orchestrator.rollback import backwards
from orchestrator.run import running
from orchestrator.store import SystemClock
from orchestrator.workspace import Options, opened

SMALL = Path(__file__).parent / "small"
OPERATIONS = ("deploy", "update", "broken", "rollback", "destroy")
FILES = {"deploy": "app", "update": "update", "broken": "broken", "rollback": "update", "destroy": "app"}
"""Which of the three versions lies in the folder while the operation is asked for."""
ENDED, REFUSED, CRASHED = 0, 3, 4


@dataclass
class World:
    """A folder with the application's files, and a state. lease_s: how long a lease lasts without renewal.

    paper: the clouds are a file in that folder, not the sandbox.
    """

    folder: Path
    url: str
    paper: bool = False
    lease_s: float = 30.0
    clock: Clock = field(default_factory=SystemClock)

    @contextmanager
    def open(self, operation: str) -> Iterator[Context]:
        options = Options(self.url, clock=self.clock, timeout_s=120.0)
        with opened(self.folder / f"{FILES[operation]}.yaml", self.folder / "fleet.yaml", options) as context:
            targets: Any = PaperTargets(self.cloud) if self.paper else context.targets
            yield replace(context, targets=targets)

    @cached_property
    def cloud(self) -> Paper:
        return Paper(self.folder / "paper.json")


def files_in(folder: Path) -> None:
    """The three versions: as it is, two services changed, one of them with an image that nobody has."""
    text = (SMALL / "app.yaml").read_text(encoding="utf-8")
    for name in ("fleet.yaml", "assumptions.yaml"):
        (folder / name).write_text((SMALL / name).read_text(encoding="utf-8"), encoding="utf-8")
    update = text.replace("web:1.0.0", "web:2.0.0").replace("ledger:1.0.0", "ledger:2.0.0")
    for name, version in (("app", text), ("update", update), ("broken", update.replace("web:2.0.0", "web:missing"))):
        (folder / f"{name}.yaml").write_text(version, encoding="utf-8")


def perform(world: World, operation: str, how: str, sites: Sites, *, wait_s: float = 0.0) -> None:
    """Carries the operation out as its command does. how: `command`, or `resume` where a release is unfinished.

    A broken release that was rolled back has ended as it should. Raises what the command would.
    """
    options = EngineOptions(checkpoint=sites.checkpoint, tick_s=0.02, retry_base_s=0.05)
    if world.paper:
        world.cloud.sites = sites
        without_probes(partial(setattr, executing))
    with world.open(operation) as context:
        watch_database(context.store.db.engine, sites)
        context.loaded.fleet.spec.state.__dict__["lease"] = world.lease_s
        with running(context, sites, lock_timeout_s=wait_s, options=options, bake_s=0.0) as runner:
            try:
                if how == "resume" and context.store.revisions.unfinished(context.scope) is not None:
                    resume(runner)
                    return
                planned = _planned(context, operation)
                if not nothing_to_do(context, planned):
                    release(runner, planned, message=operation, auto_rollback=operation in ("deploy", "broken"))
            except ReleaseRolledBack:
                if not _is_broken(context):
                    raise


def _planned(context: Context, operation: str) -> Planned:
    if operation == "destroy":
        return plan_destroy(context)
    if operation == "rollback":
        planned = plan_of_revision(context, first_version(context))
        return replace(planned, plan=replace(planned.plan, actions=backwards(planned.plan.actions)))
    return make_plan(context)


def first_version(context: Context) -> int:
    """The newest revision of the first version that was ever in place."""
    ended_well = (RevisionState.DEPLOYED, RevisionState.SUPERSEDED)
    for row in context.store.revisions.list(context.scope, limit=200):
        if row.state in ended_well and row.images.get("web", "").endswith("web:1.0.0"):
            return row.number
    raise LookupError("no revision of the first version is on record")


def _is_broken(context: Context) -> bool:
    """Whether the newest release that was not a roll-back is the broken one."""
    for row in context.store.revisions.list(context.scope):
        if row.rollback_of is None:
            return row.images.get("web", "").endswith(":missing")
    return False


# -- processes -------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Child:
    """A forked deployer. notes: what it wrote down, a line each."""

    pid: int
    notes: Path

    def wait(self) -> int:
        """0 ended well, REFUSED with one of our errors, CRASHED otherwise, negative: the signal that killed it."""
        return os.waitstatus_to_exitcode(os.waitpid(self.pid, 0)[1])

    @property
    def told(self) -> list[str]:
        return self.notes.read_text(encoding="utf-8").splitlines() if self.notes.exists() else []


def note(notes: Path, line: str) -> None:
    with notes.open("a", encoding="utf-8") as out:
        out.write(line + "\n")


def spawn(notes: Path, work: Callable[[], None]) -> Child:
    """work in a fork. Our errors are noted with their exit code, anything else with its traceback."""
    sys.stdout.flush()
    sys.stderr.flush()
    pid = os.fork()
    if pid:
        return Child(pid, notes)
    code = CRASHED
    try:
        work()
        code = ENDED
    except DuoyunError as exc:
        code = REFUSED
        note(notes, f"error {type(exc).__name__}: {exc.summary} | {exc.detail[:1500]}".replace("\n", " / "))
    except BaseException:
        note(notes, "crash " + traceback.format_exc().replace("\n", " / "))
    finally:
        os._exit(code)


def disturbed(
    world: World,
    operation: str,
    how: str,
    notes: Path,
    place: Place,
    *,
    wire: Callable[[Wire], None] = lambda _wire: None,
    wait_s: float = 0.0,
) -> Child:
    """The operation in a fork, with place at every site and the wire as it is set up."""

    def work() -> None:
        sites = Sites(place)
        below = Wire(sites)
        wire(below)
        below.install()
        perform(world, operation, how, sites, wait_s=wait_s)

    return spawn(notes, work)


def asked(check: Callable[[], list[str]]) -> list[str]:
    """check's rows, from a fork: it may open clients and threads. What it raises is a row."""
    reader, writer = os.pipe()

    def work() -> None:
        os.close(reader)
        try:
            rows = check()
        except Exception:
            rows = ["the check itself failed: " + traceback.format_exc().replace("\n", " / ")]
        with os.fdopen(writer, "w") as out:
            json.dump(rows, out)

    child = spawn(Path(os.devnull), work)
    os.close(writer)
    with os.fdopen(reader) as stream:
        text = stream.read()
    code = child.wait()
    return list(json.loads(text)) if code == ENDED else [f"the check itself ended with {code}"]


def warm_up(world: World) -> None:
    """Plans in this process, so that its forks find the SDKs imported and their models read."""
    with world.open("deploy") as context:
        make_plan(context)
    gc.collect()
    gc.freeze()
    # A fork starts Rego processes of its own (policies/workers.py).
    lost = [t for t in threading.enumerate() if t is not threading.main_thread() and t.name != "rego"]
    if lost:
        raise RuntimeError(f"threads are left that a fork would lose: {lost}")


def nowhere(_kind: str, _site: str) -> None:
    """Nothing happens anywhere."""


def listing(folder: Path) -> tuple[Place, Callable[[], dict[str, Any]]]:
    """Writes down every site that is passed; and reads it back as class -> sites in order."""
    path, lock = folder / "sites.txt", threading.Lock()
    path.unlink(missing_ok=True)

    def place(kind: str, site: str) -> None:
        with lock:
            note(path, f"{kind}\t{site}")

    def read() -> dict[str, Any]:
        found: dict[str, dict[str, None]] = {}
        for line in path.read_text(encoding="utf-8").splitlines() if path.exists() else ():
            kind, _, site = line.partition("\t")
            found.setdefault(kind, {})[site] = None
        return {kind: list(sites) for kind, sites in found.items()}

    return place, read
