"""The kill test's driver: deploys and destroys the small application, killed with SIGKILL at chosen places.

Run as a program by test_kill.py, with PYTHONPATH naming the repository and DUOYUN_SANDBOX the sandbox; prints JSON.
Imports once and forks for each run: a run is a process of its own, with its own engine, lease and SDK clients, that
costs no more than its work. Places are the engine's checkpoints: around each cloud call and each record, and after each
action. A run that was killed is gone on with by the next process, with `resume` or with a new deploy.

- `successive`: one deployment; process k is killed at the first place of its kind that no process has reached yet,
  until one comes through. So every place is died at once, and every state in between is resumed from.
- `single`: for each chosen place a deployment of its own, killed there once and gone on with.
"""

from __future__ import annotations

import argparse
import gc
import json
import os
import random
import re
import signal
import sys
import threading
import time
import traceback
from collections.abc import Callable
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from orchestrator import drift, sandbox_process
from orchestrator.engine.options import EngineOptions
from orchestrator.planning import Context, make_plan, plan_destroy
from orchestrator.release import nothing_to_do, release, resume
from orchestrator.run import running
from orchestrator.sandbox_endpoints import read_endpoints
from orchestrator.workspace import Options, opened

Place = Callable[[str], None]


class Silent:
    def emit(self, _event: object) -> None:
        """Nobody looks."""


class World:
    """One state file, beside the sandbox that all worlds of a program share one after another."""

    def __init__(self, files: Path, folder: Path, name: str) -> None:
        self.files, self.state, self.notes = files, folder / f"{name}.db", folder / f"{name}.txt"

    @contextmanager
    def open(self) -> Any:
        options = Options(f"sqlite:///{self.state}")
        with opened(self.files / "app.yaml", self.files / "fleet.yaml", options) as context:
            yield context

    def seen(self) -> set[str]:
        return set(self.notes.read_text().splitlines()) if self.notes.exists() else set()


# -- what a process does -----------------------------------------------------------------------------------------


def go(world: World, place: Place, *, destroy: bool = False, anew: bool = False) -> None:
    """Deploys or destroys; goes on with what a dead process left, or (anew) makes a new release of it."""
    options = EngineOptions(checkpoint=place, tick_s=0.02, retry_base_s=0.05)
    with world.open() as context, running(context, Silent(), options=options, bake_s=0.0) as runner:
        unfinished = context.store.revisions.unfinished(context.scope)
        if unfinished is not None and not anew and not _done_before(context, unfinished, destroy):
            resume(runner)
            return
        planned = plan_destroy(context) if destroy else make_plan(context)
        if not nothing_to_do(context, planned):
            release(runner, planned, auto_rollback=False)


def _done_before(context: Context, revision: Any, destroy: bool) -> bool:
    """Whether the unfinished revision is of the other kind than what is to be done now."""
    return bool(context.store.plans.load(revision.plan_sha256).items) is destroy


def noting(world: World) -> Place:
    """Writes down every place that is passed."""
    lock = threading.Lock()

    def place(name: str) -> None:
        with lock, world.notes.open("a") as out:
            out.write(name + "\n")

    return place


def deadly(world: World, wanted: Callable[[str], bool]) -> Place:
    """Dies at the first wanted place that no process has reached before."""
    lock, seen = threading.Lock(), world.seen()

    def place(name: str) -> None:
        with lock:
            if not wanted(name) or name in seen:
                return
            with world.notes.open("a") as out:
                out.write(name + "\n")
            os.kill(os.getpid(), signal.SIGKILL)
            time.sleep(60)  # a signal to oneself may take a moment; nothing is to happen in it

    return place


def in_child(work: Callable[[], None]) -> int:
    """Runs work in a forked process; 0 where it ended well, negative the signal that killed it."""
    pid = os.fork()
    if pid == 0:
        code = 1
        try:
            work()
            code = 0
        except BaseException as exc:
            traceback.print_exc()
            print(getattr(exc, "detail", ""), file=sys.stderr)
        finally:
            sys.stderr.flush()
            os._exit(code)
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


def warm_up(world: World) -> None:
    """Plans and compares in this process, so that its forks find the SDKs imported and their models read."""
    with world.open() as context:
        make_plan(context)
        drift.scan(context)
    gc.collect()
    gc.freeze()
    # A fork starts Rego processes of its own (policies/workers.py).
    lost = [t for t in threading.enumerate() if t is not threading.main_thread() and t.name != "rego"]
    if lost:
        raise Failed(f"threads are left that a fork would lose: {lost}")


# -- what must come out ------------------------------------------------------------------------------------------


def inventory() -> list[str]:
    """The three clouds' contents as sorted text, without ids and without the tag that names the creating action."""
    clouds = sandbox_process.control("/inventory", read_endpoints())["clouds"]
    kinds = {row["id"]: f"<{row['kind']}>" for rows in clouds.values() for row in rows}
    ids = re.compile("|".join(re.escape(i) for i in sorted(kinds, key=len, reverse=True)) or "(?!)")

    def plain(text: str) -> str:
        # A scaling group is no row of the inventory, yet its id is in its machines' tags.
        return re.sub(r"\basg-[0-9a-z]+", "<asg>", ids.sub(lambda m: kinds[m[0]], text))

    found = []
    for cloud, rows in clouds.items():
        for row in rows:
            tags = {plain(k): plain(v) for k, v in row["tags"].items() if k != "duoyun-key"}
            place = [row.get("account", ""), row.get("region", "")]
            found.append(json.dumps([cloud, row["kind"], plain(row["name"]), *place, tags], sort_keys=True))
    return sorted(found)


def problems(world: World, expected: list[str]) -> list[str]:
    """How the end differs from the undisturbed run's; empty where it does not. In a child: it opens clients."""
    here = inventory()
    found = [f"not there: {row}" for row in expected if row not in here]
    found += [f"too much: {row}" for row in here if here.count(row) > expected.count(row)]
    with world.open() as context:
        report = drift.scan(context)
        found += [f"{row.kind} {row.address}" for row in report.rows] + [f"unknown {p}" for p in report.unobserved]
        records = context.store.inventory.list(context.scope)
        found += [f"{r.address} is recorded as {r.state}" for r in records if r.state != "live"]
        found += [f"the plan is not empty: {a.id} {a.address}" for a in make_plan(context).plan.actions]
        found += _records(context, "deployed")
    return found


def _records(context: Context, state: str) -> list[str]:
    latest = context.store.revisions.latest(context.scope)
    found = []
    if latest is None or latest.state != state:
        found.append(f"the last revision is {latest.state if latest else 'none'}, not {state}")
    if context.store.revisions.unfinished(context.scope) is not None:
        found.append("a revision is unfinished")
    if context.store.leases.current(context.scope) is not None:
        found.append("the lease is still held")
    if (broken := context.store.audit.verify(str(context.scope))) is not None:
        found.append(f"the audit chain is broken: {broken}")
    return found


def gone(world: World) -> list[str]:
    """What is left after a destroy; empty where nothing is."""
    with world.open() as context:
        records = [str(r.address) for r in context.store.inventory.list(context.scope)]
        return inventory() + [f"recorded: {a}" for a in records] + _records(context, "destroyed")


class Failed(Exception):
    """What did not hold, for the test to show."""


def require(what: str, check: Callable[[], list[str]]) -> None:
    """check in a process of its own. Raises Failed with its rows."""
    reader, writer = os.pipe()

    def work() -> None:
        os.write(writer, json.dumps(check()).encode())

    code = in_child(work)
    os.close(writer)
    with os.fdopen(reader) as stream:
        text = stream.read()
    rows = json.loads(text) if code == 0 else [f"the check itself ended with {code}"]
    if rows:
        raise Failed(f"{what}: " + "; ".join(rows[:20]))


def well(what: str, work: Callable[[], None]) -> None:
    code = in_child(work)
    if code != 0:
        raise Failed(f"{what} ended with {code}")


# -- the two programs ------------------------------------------------------------------------------------------------


def undisturbed(files: Path, folder: Path) -> tuple[list[str], list[str], list[str]]:
    """Inventory after a deploy that nobody disturbs, and the places that it and its destroy pass."""
    world = World(files, folder, "undisturbed")
    well("the undisturbed deploy", lambda: go(world, noting(world)))
    places = sorted(world.seen())
    warm_up(world)
    expected = inventory()
    require("undisturbed", lambda: problems(world, expected))
    well("the undisturbed destroy", lambda: go(world, noting(world), destroy=True))
    require("after the undisturbed destroy", lambda: gone(world))
    return expected, places, sorted(world.seen() - set(places))


def successive(files: Path, folder: Path, wanted: Callable[[str], bool]) -> dict[str, Any]:
    """kills and kills_destroying may be a few less than the boundaries: an action that had just ended when another
    one's end killed the process is not ended again."""
    expected, places, places_back = undisturbed(files, folder)
    world = World(files, folder, "killed")
    kills = _killed_until_done(world, wanted, destroy=False)
    require(f"after {kills} kills", lambda: problems(world, expected))
    kills_back = _killed_until_done(world, wanted, destroy=True)
    require(f"after a destroy with {kills_back} kills", lambda: gone(world))
    return {
        "resources": len(expected),
        "boundaries": len([p for p in places if wanted(p)]),
        "kills": kills,
        "boundaries_destroying": len([p for p in places_back if wanted(p)]),
        "kills_destroying": kills_back,
    }


def _killed_until_done(world: World, wanted: Callable[[str], bool], *, destroy: bool) -> int:
    kills = 0
    while (code := in_child(lambda: go(world, deadly(world, wanted), destroy=destroy))) == -signal.SIGKILL:
        kills += 1
    if code != 0:
        raise Failed(f"{'destroy' if destroy else 'deploy'} {kills + 1} ended with {code}")
    return kills


def single(files: Path, folder: Path, seed: int, count: int) -> dict[str, Any]:
    """count 0: every place. Every second one is gone on with by a new deploy instead of a resume."""
    expected, places, places_back = undisturbed(files, folder)
    rng = random.Random(seed)
    chosen = rng.sample(places, count) if count else places
    chosen_back = rng.sample(places_back, count) if count else places_back
    failures = []
    for number, name in enumerate(chosen):
        world, anew = World(files, folder, f"w{number}"), bool((number + seed) % 2)
        back = chosen_back[number % len(chosen_back)] if number < len(chosen_back) and not anew else ""
        try:
            _one(world, expected, name, back, anew=anew)
        except Failed as exc:
            failures.append(str(exc))
            well("the destroy that clears up", lambda w=world: go(w, _nothing, destroy=True))  # type: ignore[misc]
            if inventory():
                break
    if failures:
        raise Failed(f"{len(failures)} of {len(chosen)} places: " + "\n".join(failures[:10]))
    return {"resources": len(expected), "places": len(places), "kills": len(chosen)}


def _one(world: World, expected: list[str], name: str, back: str, *, anew: bool) -> None:
    """A deployment that is killed at name, and a destroy that is killed at back."""
    how = "deployed anew" if anew else "resumed"
    _die(world, name, destroy=False)
    well(f"killed at {name!r} and {how}", lambda: go(world, _nothing, anew=anew))
    require(f"killed at {name!r} and {how}", lambda: problems(world, expected))
    if back:
        _die(world, back, destroy=True)
    well(f"the destroy, killed at {back!r}", lambda: go(world, _nothing, destroy=True))
    require(f"after the destroy, killed at {back!r}", lambda: gone(world))


def _die(world: World, name: str, *, destroy: bool) -> None:
    code = in_child(lambda: go(world, deadly(world, lambda n: n == name), destroy=destroy))
    if code != -signal.SIGKILL:
        raise Failed(f"it was not killed at {name!r} but ended with {code}")


def _nothing(_name: str) -> None:
    """Nobody dies here."""


def boundary(name: str) -> bool:
    """Between two actions."""
    return name.startswith("after ") and ": " not in name


def main() -> int:
    parser = argparse.ArgumentParser()
    parser.add_argument("how", choices=("successive", "single"))
    parser.add_argument("files", type=Path)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--all", action="store_true", help="every checkpoint, not only the boundaries between actions")
    parser.add_argument("--count", type=int, default=0, help="single: how many places; 0: all")
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args()
    try:
        if args.how == "successive":
            told = successive(args.files, args.folder, (lambda _n: True) if args.all else boundary)
        else:
            told = single(args.files, args.folder, args.seed, args.count)
    except Failed as exc:
        told = {"failed": str(exc)}
    print(json.dumps(told))
    return 0


if __name__ == "__main__":
    sys.exit(main())
