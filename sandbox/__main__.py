"""`python -m sandbox`: runs the sandbox until it is told to stop. Arguments in, exit code out.

Exit codes: 0 stopped as asked, 1 cannot start, 64 wrong usage, 75 another one runs there.
"""

from __future__ import annotations

import argparse
import asyncio
import signal
import sys
import time
from pathlib import Path
from typing import NoReturn

from sandbox.app import CLOUDS, Options, Sandbox, SandboxError, default_endpoints_file, watch
from sandbox.network import PROFILES as NETWORKS
from sandbox.network.matrix import DEFAULT_VANTAGE
from sandbox.timing import PROFILES


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        self.print_usage(sys.stderr)
        self.exit(64, f"{self.prog}: {message}\n")


def _positive(text: str) -> float:
    value = float(text)
    if not value > 0:
        raise ValueError(text)
    return value


def parse(argv: list[str] | None = None) -> tuple[Options, int | None]:
    """Options, and the process to watch."""
    parser = _Parser(prog="python -m sandbox", description="The three clouds and their clusters, on loopback.")
    parser.add_argument("--state", type=Path, metavar="DIR", help="keep everything here; without it, all is forgotten")
    parser.add_argument("--profile", choices=PROFILES, default="instant", help="how long things take")
    parser.add_argument("--time-scale", type=_positive, default=1.0, metavar="N", help="realistic, N times faster")
    parser.add_argument("--seed", type=int, default=0, help="of latencies, faults and behaviours")
    parser.add_argument("--network", choices=NETWORKS, default="", help="between caller, clouds and sites; default off")
    parser.add_argument("--vantage", default=DEFAULT_VANTAGE, metavar="PLACE", help="where the caller stands")
    parser.add_argument("--faults", type=Path, metavar="FILE", help="rows of the fault table, YAML or JSON")
    parser.add_argument("--endpoints-file", type=Path, metavar="FILE", help="default: docs/sandbox-endpoints.md")
    parser.add_argument("--watch-parent", type=int, metavar="PID", help="stop when that process is gone")
    parser.add_argument("--clouds", default=",".join(CLOUDS), metavar="LIST", help="comma-separated")
    given = parser.parse_args(argv)
    options = Options(
        state_dir=given.state.absolute() if given.state else None,
        profile=given.profile,
        time_scale=given.time_scale,
        seed=given.seed,
        endpoints_file=(given.endpoints_file or default_endpoints_file()).absolute(),
        network=given.network,
        faults=given.faults,
        vantage=given.vantage,
        clouds=tuple(name for name in given.clouds.split(",") if name),
    )
    return options, given.watch_parent


async def run(options: Options, parent: int | None, began_s: float) -> int:
    sandbox = Sandbox(options)
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, sandbox.stop)
    watcher = asyncio.create_task(watch(parent, sandbox)) if parent else None
    await sandbox.start()
    try:
        took_s = time.monotonic() - began_s
        print(f"sandbox ready after {took_s:.1f} s: {options.endpoints_file}", flush=True)  # noqa: T201
        await sandbox.wait()
    finally:
        await sandbox.close()
        if watcher is not None:
            watcher.cancel()
    return 0


def main(argv: list[str] | None = None) -> int:
    began_s = time.monotonic()
    options, parent = parse(argv)
    try:
        return asyncio.run(run(options, parent, began_s))
    except SandboxError as exc:
        print(f"sandbox: {exc}", file=sys.stderr)  # noqa: T201
        return exc.exit_code


if __name__ == "__main__":
    sys.exit(main())
