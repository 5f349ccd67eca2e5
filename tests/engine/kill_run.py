"""The kill test: one release, killed with SIGKILL at a chosen place, resumed, and compared with an undisturbed one.

Run as a program by test_engine_kill.py, with PYTHONPATH naming the repository; prints JSON:
`kill_run.py URL FOLDER --sample N --seed S [--twice]`. URL is a SQLite folder's (`sqlite:///DIR`) or a PostgreSQL
server's. Imports once and forks for each run, so that a run costs what the engine costs. Places are named by the fake
cloud (around each effect) and by the engine's checkpoints (around each cloud call and record write, inside and outside
the journal's own writes).
"""

from __future__ import annotations

import argparse
import json
import os
import random
import shutil
import signal
import sys
import time
import traceback
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import sqlalchemy as sa
from fake_provider import FakeCloud, FakeProvider
from plans import SCOPE, three_services

from model.errors import LeaseHeld
from model.plan import Op, Plan, RevisionState
from orchestrator.engine.engine import Engine
from orchestrator.engine.options import EngineOptions
from orchestrator.store import LeaseKeeper, RecordState, Store, SystemClock, open_store


class Silent:
    def emit(self, _event: object) -> None:
        """Nobody looks."""


@dataclass
class World:
    """Where one run's state and cloud are."""

    url: str
    cloud: Path


@dataclass
class Worlds:
    """Makes worlds that begin as the template does."""

    url: str
    folder: Path
    made: int = 0

    def template(self) -> World:
        return self._world("template", None)

    def fresh(self) -> World:
        self.made += 1
        return self._world(f"w{self.made}", "template")

    def _world(self, name: str, source: str | None) -> World:
        folder = self.folder / name
        folder.mkdir()
        if source:
            shutil.copy(self.folder / source / "cloud.json", folder / "cloud.json")
        if self.url.startswith("sqlite"):
            if source:
                shutil.copy(self.folder / source / "state.db", folder / "state.db")
            return World(f"sqlite:///{folder / 'state.db'}", folder / "cloud.json")
        import psycopg

        database = f"{self.folder.name}_{name}".replace("-", "_").lower()
        with psycopg.connect(self.url, autocommit=True) as conn:
            template = f' TEMPLATE "{self.folder.name}_{source}"'.replace("-", "_").lower() if source else ""
            conn.execute(f'CREATE DATABASE "{database}"{template}')
        return World(
            sa.make_url(self.url).set(database=database).render_as_string(hide_password=False), folder / "cloud.json"
        )

    def drop(self, world: World) -> None:
        shutil.rmtree(world.cloud.parent)
        if not self.url.startswith("sqlite"):
            import psycopg

            with psycopg.connect(self.url, autocommit=True) as conn:
                conn.execute(f'DROP DATABASE "{sa.make_url(world.url).database}" WITH (FORCE)')


def in_child(work: Callable[[], None]) -> int:
    """Runs work in a forked process; its wait status: 0 done, negative the signal that killed it."""
    pid = os.fork()
    if pid == 0:
        code = 1
        try:
            work()
            code = 0
        except BaseException:
            traceback.print_exc()
        finally:
            sys.stderr.flush()
            os._exit(code)
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


def prepare(world: World, named_ids: bool) -> None:
    """The template: what is there before, the saved plan, revision 1 begun, DBOS's tables made."""
    clock = SystemClock()
    with open_store(world.url, clock) as store:
        lease = store.leases.acquire(SCOPE, "before", 60.0)
        cloud = FakeCloud(path=world.cloud, named_ids=named_ids)
        plan = three_services(cloud, store, lease.token)
        store.revisions.start(SCOPE, lease.token, plan_sha256=store.plans.save(plan), actor="test")
        store.leases.release(lease)
        with Engine(store, lambda _a: FakeProvider(cloud), clock, Silent()):
            pass


def release(world: World, named_ids: bool, kill_at: str | None = None, names: Path | None = None) -> None:
    """Goes on with the unfinished revision; dies at the named place, or writes down the places it passes."""

    def place(name: str) -> None:
        if names is not None:
            with names.open("a") as out:
                out.write(name + "\n")
        if name == kill_at:
            os.kill(os.getpid(), signal.SIGKILL)
            time.sleep(60)

    clock = SystemClock()
    with open_store(world.url, clock) as store:
        try:
            lease = store.leases.acquire(SCOPE, str(os.getpid()), 60.0)
        except LeaseHeld:
            store.leases.unlock(SCOPE, "test")  # its holder was killed
            lease = store.leases.acquire(SCOPE, str(os.getpid()), 60.0)
        cloud = FakeCloud(path=world.cloud, hook=place, named_ids=named_ids)
        revision = store.revisions.unfinished(SCOPE)
        assert revision is not None
        plan = store.plans.load(revision.plan_sha256)
        options = EngineOptions(checkpoint=place, tick_s=0.02, retry_base_s=0.01)
        with (
            LeaseKeeper(store.leases, lease, clock) as keeper,
            Engine(store, lambda _a: FakeProvider(cloud), clock, Silent(), options) as engine,
        ):
            outcome = engine.execute(plan, revision.number, keeper)
            outcome.raise_for_error()
            store.revisions.set_state(SCOPE, lease.token, revision.number, RevisionState.DEPLOYED, actor="test")


def problems(world: World, expected: dict[str, object]) -> list[str]:
    """What differs from the undisturbed run's end; empty where nothing does."""
    found: list[str] = []
    cloud = FakeCloud(path=world.cloud)
    if json.loads(json.dumps(cloud.inventory())) != expected:
        found.append(f"inventory {sorted(cloud.inventory())}")
    with open_store(world.url, SystemClock()) as store:
        revision = store.revisions.latest(SCOPE)
        assert revision is not None
        found += _effects(cloud, store.plans.load(revision.plan_sha256))
        found += _records(cloud, store)
        if revision.state is not RevisionState.DEPLOYED or revision.number != 1:
            found.append(f"revision {revision.number} {revision.state}")
        if store.audit.verify(str(SCOPE)) is not None:
            found.append("audit chain broken")
        if store.leases.current(SCOPE) is not None:
            found.append("lease still held")
        schema = "" if store.db.is_sqlite else "dbos."
        with store.db.read() as conn:
            pending = conn.execute(
                sa.text(f"SELECT count(*) FROM {schema}workflow_status WHERE status IN ('PENDING', 'ENQUEUED')")
            ).scalar()
        if pending:
            found.append(f"{pending} attempts left under way in the journal")
    return found


def _effects(cloud: FakeCloud, plan: Plan) -> list[str]:
    """Every effect exactly as often as the plan says."""
    wanted = {
        Op.CREATE: (1, 0, 0),
        Op.UPDATE: (0, 1, 0),
        Op.REPLACE: (1, 0, 1),
        Op.DELETE: (0, 0, 1),
        Op.ADOPT: (0, 0, 0),
    }
    return [
        f"{action.id}: {what} {cloud.effects(what, action.address)} times"
        for action in plan.actions
        for what, times in zip(("create", "update", "delete"), wanted[action.op], strict=True)
        if cloud.effects(what, action.address) != times
    ]


def _records(cloud: FakeCloud, store: Store) -> list[str]:
    """Everything in the cloud is recorded as it is there, and nothing else is."""
    records = {str(r.address): r for r in store.inventory.list(SCOPE)}
    found = [f"orphan {a}" for a in cloud.resources if a not in records]
    found += [f"record of nothing {a}" for a in records if a not in cloud.resources]
    for address, record in records.items():
        there = cloud.resources.get(address)
        if record.state is not RecordState.LIVE or (there and there["id"] != record.provider_id):
            found.append(f"{address} recorded as {record.state} {record.provider_id}")
    return found


def main() -> int:
    parser = argparse.ArgumentParser()
    parser.add_argument("url")
    parser.add_argument("folder", type=Path)
    parser.add_argument("--sample", type=int, default=0, help="how many places; 0: all")
    parser.add_argument("--boundaries", action="store_true", help="only between actions, not inside them")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--twice", action="store_true", help="the resuming run is killed too, somewhere")
    args = parser.parse_args()
    rng = random.Random(args.seed)
    worlds = Worlds(args.url, args.folder)
    named_ids = bool(args.seed % 2)
    template = worlds.template()
    if in_child(lambda: prepare(template, named_ids)) != 0:
        return 1
    undisturbed = worlds.fresh()
    names_file = args.folder / "names"
    if in_child(lambda: release(undisturbed, named_ids, names=names_file)) != 0:
        return 1
    expected = json.loads(json.dumps(FakeCloud(path=undisturbed.cloud).inventory()))
    failures = {"undisturbed": problems(undisturbed, expected)} if problems(undisturbed, expected) else {}
    names = sorted(set(names_file.read_text().splitlines()))
    if args.boundaries:
        names = [n for n in names if n.startswith("after ") and ":" not in n]
    chosen = rng.sample(names, args.sample) if args.sample else names
    killed = 0
    for name in chosen:
        world = worlds.fresh()
        statuses = [in_child(lambda w=world, n=name: release(w, named_ids, n))]
        if args.twice:
            second = rng.choice(names)
            statuses.append(in_child(lambda w=world, n=second: release(w, named_ids, n)))
        killed += statuses.count(-signal.SIGKILL)
        bad = [f"exit {s}" for s in statuses if s not in (0, -signal.SIGKILL)]
        if statuses[0] != -signal.SIGKILL:
            bad.append("was not killed")
        if statuses[-1] != 0 and in_child(lambda w=world: release(w, named_ids)) != 0:
            bad.append("the last run failed")
        bad = bad or problems(world, expected)
        if bad:
            failures[name] = bad
        else:
            worlds.drop(world)
    print(json.dumps({"places": len(names), "runs": len(chosen), "killed": killed, "failures": failures}))
    return 0


if __name__ == "__main__":
    sys.exit(main())
