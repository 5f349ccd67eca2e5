"""The soak: deploys, updates, breaks, rolls back and destroys, with something done to every operation.

    python tests/soak/soak.py --runs 1000 --minutes 55 --seed 7 --workers 2
    python tests/soak/soak.py --seed 7 --chain 31          # replays one chain of that seed

A run is one operation of a chain (deploy, update, a broken update that is rolled back, rollback, destroy), disturbed,
gone on with until it is through, and judged by every invariant of soak_checks. The first chains sweep: they kill at
every site of a class, process after process. A worker has a sandbox of its own, imports once and forks for each
process. Exit code 1 where an invariant did not hold. Callers: make soak, test_soak.py.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import shutil
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from soak_checks import problems, reference
from soak_faults import ON_POSTGRES, ON_SQLITE, ON_THE_WIRE, Run, clear_faults, sweep
from soak_hooks import CLASSES
from soak_postgres import Server, binaries
from soak_world import ENDED, OPERATIONS, World, asked, disturbed, files_in, listing, note, nowhere, warm_up

from orchestrator import sandbox_process

ATTEMPTS = 8
POSTGRES_EVERY = 5
NAMES = {"sandbox": "the three clouds", "paper": "paper"}
PAPER_OF = (3, 5)
"""Of five chains, three are on paper: engine, store and planning are hit at a third of the cost."""


@dataclass
class Line:
    """What undisturbed operations leave and pass: on the sandbox's three clouds, or on paper."""

    paper: bool
    expected: dict[str, list[str]] = field(default_factory=dict)
    sites: dict[str, dict[str, list[str]]] = field(default_factory=dict)
    takes_s: dict[str, float] = field(default_factory=dict)

    def learn(self, folder: Path) -> None:
        files_in(folder)
        world = World(folder, f"sqlite:///{folder}/undisturbed.db", self.paper)
        for operation in OPERATIONS:
            place, read = listing(folder)
            began = time.monotonic()
            child = disturbed(world, operation, "command", folder / "undisturbed.txt", place)
            if (code := child.wait()) != ENDED:
                raise RuntimeError(f"the undisturbed {operation} ended with {code}: {child.told}")
            self.takes_s[operation] = time.monotonic() - began
            self.sites[operation] = read()
            if operation == "deploy":
                warm_up(world)
            self.expected[operation] = asked(lambda o=operation: reference(world, o))  # type: ignore[misc]
            if rows := asked(lambda o=operation: problems(world, o, self.expected[o])):  # type: ignore[misc]
                raise RuntimeError(f"after the undisturbed {operation}: {rows}")


@dataclass
class Ground:
    """A worker's sandbox, its PostgreSQL once one is wanted, and the two lines."""

    folder: Path
    seed: int
    only_paper: bool = False
    clouds: Line = field(default_factory=lambda: Line(paper=False))
    paper: Line = field(default_factory=lambda: Line(paper=True))
    server: Server | None = None

    def begin(self) -> None:
        os.environ["DUOYUN_SANDBOX"] = str(self.folder / "endpoints.json")
        self._sandbox()
        for line in (self.paper,) if self.only_paper else (self.clouds, self.paper):
            folder = self.folder / ("paper" if line.paper else "clouds")
            folder.mkdir()
            line.learn(folder)

    def _sandbox(self) -> None:
        if self.only_paper:
            return
        sandbox_process.start(options=sandbox_process.SandboxOptions(watch_parent=True, seed=self.seed))

    def anew(self) -> None:
        """After a finding: nothing of it may spoil the next run."""
        if not self.only_paper:
            sandbox_process.stop()
            self._sandbox()

    def counted(self) -> dict[str, dict[str, int]]:
        """Sites that undisturbed operations pass, by line and class."""
        return {
            name: {k: sum(len(kinds.get(k, ())) for kinds in line.sites.values()) for k in CLASSES}
            for name, line in (("sandbox", self.clouds), ("paper", self.paper))
            if line.sites
        }

    def close(self) -> None:
        if not self.only_paper:
            sandbox_process.stop()
        if self.server is not None:
            self.server.close()


@dataclass(frozen=True)
class Result:
    """One run. rows: what did not hold."""

    chain: int
    operation: str
    kind: str
    clouds: str
    store: str
    kills: int
    died_at: list[str]
    attempts: int
    seconds: float
    rows: list[str]
    notes: list[str]


def chain(ground: Ground, seed: int, number: int, tell: Callable[[Result], None]) -> None:
    """One application's life. All of its choices follow from seed and number."""
    rng = random.Random(f"{seed}/{number}")
    folder = ground.folder / f"chain{number}"
    folder.mkdir()
    files_in(folder)
    kind = CLASSES[number] if number < len(CLASSES) else ""
    on_paper = kind != "wire" if kind else number % PAPER_OF[1] < PAPER_OF[0]
    line = ground.paper if on_paper or ground.only_paper else ground.clouds
    on_postgres = not kind and rng.random() < 1 / POSTGRES_EVERY and binaries() is not None
    if on_postgres and ground.server is None:
        ground.server = Server()
    url = ground.server.database(f"chain{number}") if on_postgres and ground.server else f"sqlite:///{folder}/state.db"
    table = {
        k: v for k, v in (ON_POSTGRES if on_postgres else ON_SQLITE).items() if not (line.paper and k in ON_THE_WIRE)
    }
    for operation in OPERATIONS:
        if operation == "broken" and not kind and rng.random() < 0.6:
            continue
        world = World(folder, url, line.paper)
        notes = folder / f"{operation}.txt"
        run = Run(world, operation, notes, rng, line.sites[operation], line.takes_s[operation], ground.server)
        name = f"sweep: kill at every {kind} site" if kind else _chosen(rng, table)
        began = time.monotonic()
        ended = sweep(run, kind) if kind else table[name][1](run)
        if not line.paper:
            clear_faults()
        attempts, rows = _gone_on_with(run, ended)
        rows = rows or asked(lambda w=world, o=operation: problems(w, o, line.expected[o]))  # type: ignore[misc]
        told = notes.read_text(encoding="utf-8").splitlines() if notes.exists() else []
        store = "postgresql" if on_postgres else "sqlite"
        clouds, known = "paper" if line.paper else "sandbox", line.sites[operation]
        died_at = sorted(f"{clouds} {k} {operation} {s}" for k, s in run.died_at if s in known.get(k, ()))
        seconds = round(time.monotonic() - began, 2)
        tell(Result(number, operation, name, clouds, store, run.kills, died_at, attempts, seconds, rows, told))
        if rows:
            if not line.paper:
                ground.anew()
            return
    shutil.rmtree(folder)


def _chosen(rng: random.Random, table: Mapping[str, tuple[float, Any]]) -> str:
    return rng.choices(list(table), [weight for weight, _ in table.values()])[0]


def _gone_on_with(run: Run, ended: int) -> tuple[int, list[str]]:
    """Until a process ends well; by resume or by the command again, as somebody would. Attempts, and what is wrong."""
    attempts = 0
    how = run.rng.choice(("resume", "command"))
    while ended != ENDED:
        attempts += 1
        if attempts > ATTEMPTS:
            return attempts, [f"not through after {ATTEMPTS} attempts"]
        note(run.notes, f"ended with {ended}; {how}")
        ended = disturbed(run.world, run.operation, how, run.notes, nowhere, wait_s=20.0).wait()
        how = "resume" if how == "command" else "command"
    return attempts, []


# -- a worker, and the program ---------------------------------------------------------------------------------------


def worker(args: argparse.Namespace) -> int:
    """Chains number, number + workers, ... until this worker's share of the runs is done or its time is over."""
    folder = Path(tempfile.mkdtemp(prefix=f"soak{args.worker}-", dir=args.folder))
    ground = Ground(folder, args.seed, args.paper)
    done = 0
    end_s = time.monotonic() + args.minutes * 60.0

    def tell(result: Result) -> None:
        nonlocal done
        done += 1
        print(json.dumps(result.__dict__), flush=True)

    try:
        ground.begin()
        print(json.dumps({"sites": ground.counted()}), flush=True)
        if args.chain is not None:
            chain(ground, args.seed, args.chain, tell)
            return 0
        number = args.first + args.worker
        while done < args.runs / args.workers and time.monotonic() < end_s:
            chain(ground, args.seed, number, tell)
            number += args.workers
    finally:
        ground.close()
    return 0


def table(results: list[dict[str, Any]], sites: dict[str, dict[str, int]], seed: int) -> str:
    """The summary, for people and for docs/reliability.md. sites: by line and class, how many there are."""
    died = Counter(tuple(site.split()[:2]) for site in {site for r in results for site in r["died_at"]})
    lines = [f"seed {seed}; sites died at, of those that undisturbed operations pass:"]
    for name, kinds in sites.items():
        lines.append(f"- {NAMES[name]}: " + ", ".join(f"{k} {died[(name, k)]} of {n}" for k, n in kinds.items()))
    lines += ["", "| what was done | runs | kills | deploy | update | broken | rollback | destroy | findings |"]
    lines.append("|---|---|---|---|---|---|---|---|---|")
    for kind in sorted({r["kind"] for r in results}):
        of = [r for r in results if r["kind"] == kind]
        by = Counter(r["operation"] for r in of)
        cells = [len(of), sum(r["kills"] for r in of), *(by[o] for o in OPERATIONS), sum(bool(r["rows"]) for r in of)]
        lines.append(f"| {kind} | " + " | ".join(map(str, cells)) + " |")
    by = Counter(r["operation"] for r in results)
    kills, bad = sum(r["kills"] for r in results), [r for r in results if r["rows"]]
    cells = [len(results), kills, *(by[o] for o in OPERATIONS), len(bad)]
    lines.append("| all | " + " | ".join(map(str, cells)) + " |")
    split = Counter((r["clouds"], r["store"]) for r in results)
    lines += ["", "runs: " + ", ".join(f"{n} on {NAMES[c]} with {s}" for (c, s), n in sorted(split.items()))]
    for r in bad:
        lines += [
            "",
            f"FINDING chain {r['chain']}, {r['operation']}, {r['kind']} ({r['clouds']}, {r['store']}):",
            *r["rows"][:8],
        ]
        lines += [f"  {line[:1500]}" for line in r["notes"][-12:]]
        lines.append(f"  replay: python tests/soak/soak.py --seed {seed} --chain {r['chain']}")
    return "\n".join(lines)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seed", type=int, default=int(os.environ.get("DUOYUN_SOAK_SEED") or time.time() // 86_400))
    parser.add_argument("--runs", type=int, default=1000)
    parser.add_argument("--minutes", type=float, default=55.0, help="no chain is begun after that")
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--first", type=int, default=0, help="the first chain's number; the first ones sweep")
    parser.add_argument("--chain", type=int, help="this chain only")
    parser.add_argument("--paper", action="store_true", help="on paper only: no sandbox, no HTTP")
    parser.add_argument("--worker", type=int, help=argparse.SUPPRESS)
    parser.add_argument("--folder", type=Path, help="where the work is kept; default: a folder that goes afterwards")
    args = parser.parse_args()
    if args.worker is not None:
        return worker(args)
    if args.chain is not None:
        args.workers = 1
    with tempfile.TemporaryDirectory(prefix="duoyun-soak-") as own:
        args.folder = args.folder or Path(own)
        args.folder.mkdir(exist_ok=True, parents=True)
        return run_all(args)


def run_all(args: argparse.Namespace) -> int:
    """Starts the workers, gathers what they print, and sums it up. 1 where anything was found or a worker failed."""
    began, usage = time.monotonic(), os.times()
    command = [sys.executable, __file__, *sys.argv[1:], "--seed", str(args.seed), "--folder", str(args.folder)]
    processes = [
        subprocess.Popen([*command, "--worker", str(n)], stdout=subprocess.PIPE, text=True) for n in range(args.workers)
    ]
    print(
        f"soak: seed {args.seed}, {args.runs} runs, {args.workers} workers, at most {args.minutes:.0f} min", flush=True
    )
    results, sites, failed = _gathered(processes, args.seed)
    print(table(results, sites, args.seed))
    now = os.times()
    cpu_s = now.children_user + now.children_system - usage.children_user - usage.children_system
    print(f"\n{len(results)} runs in {time.monotonic() - began:.0f} s, {cpu_s:.0f} s of CPU")
    return int(failed or any(r["rows"] for r in results) or not results)


def _gathered(processes: list[subprocess.Popen[str]], seed: int) -> tuple[list[dict[str, Any]], dict[str, Any], bool]:
    import selectors

    results: list[dict[str, Any]] = []
    sites: dict[str, Any] = {}
    with selectors.DefaultSelector() as selector:
        for process in processes:
            selector.register(process.stdout, selectors.EVENT_READ)  # type: ignore[arg-type]
        while selector.get_map():
            for key, _events in selector.select():
                line = key.fileobj.readline()  # type: ignore[union-attr]
                if not line:
                    selector.unregister(key.fileobj)
                    continue
                row = json.loads(line)
                if "sites" in row:
                    sites = row["sites"]
                    continue
                results.append(row)
                if row["rows"]:
                    print(table([row], sites, seed).partition("\nFINDING")[2], flush=True)
                elif len(results) % 50 == 0:
                    print(f"{len(results)} runs, {sum(bool(r['rows']) for r in results)} findings", flush=True)
    codes = [process.wait() for process in processes]
    return results, sites, any(codes)


if __name__ == "__main__":
    sys.exit(main())
