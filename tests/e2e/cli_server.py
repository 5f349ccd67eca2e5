"""Runs duoyun commands as forks of itself: processes of their own that need not import the SDKs once more.

Run as a program by conftest.py; most of what a command costs is its imports, and the specification has many commands.
Requests come as JSON lines on stdin (args, env, cwd, and files for stdout and stderr); answers go to stdout: the pid at
once, the exit code when it has ended. A request `warm` (a plan, which it saves as `saved`) is carried out in this
process, so that its forks find done what it did. Ends when stdin does.
"""

from __future__ import annotations

import contextlib
import gc
import importlib
import json
import os
import select
import signal
import sys
import threading
import traceback
from pathlib import Path
from typing import Any

REPOSITORY = Path(__file__).resolve().parents[2]


def enter(request: dict[str, Any]) -> None:
    os.environ.clear()
    os.environ.update(request["env"])
    os.chdir(request["cwd"])


def run(args: list[str]) -> int:
    """As duoyun.py does it."""
    import duoyun

    sys.argv = ["duoyun", *args]
    try:
        duoyun.main()
    except SystemExit as exc:
        return exc.code if isinstance(exc.code, int) else 1
    return 0


def child(request: dict[str, Any]) -> None:
    code = 70
    try:
        for number, name, flags in (
            (0, "/dev/null", os.O_RDONLY),
            (1, request["out"], os.O_WRONLY | os.O_CREAT),
            (2, request["err"], os.O_WRONLY | os.O_CREAT),
        ):
            os.dup2(os.open(name, flags, 0o600), number)
        signal.signal(signal.SIGINT, signal.default_int_handler)
        enter(request)
        code = run(request["args"])
    except BaseException:
        traceback.print_exc()
    finally:
        for stream in (sys.stdout, sys.stderr):
            stream.flush()
        os._exit(code)


def warm(request: dict[str, Any]) -> None:
    """Carries a command out here, its output unseen, and imports what executing takes besides."""
    before = dict(os.environ)
    enter(request)
    with Path(os.devnull).open("w") as nowhere, contextlib.redirect_stdout(nowhere):
        code = run(request["args"])
    if code != 0:
        raise RuntimeError(f"{request['args']} ended with {code}")
    for name in ("orchestrator.run", "providers.kubernetes"):
        importlib.import_module(name)
    # The code that reads a recorded plan is generated with the first one.
    saved_plans = importlib.import_module("cli.saved_plans")
    saved_plans.load_plan(Path(request["saved"]))
    os.environ.clear()
    os.environ.update(before)
    # A fork starts Rego processes of its own (policies/workers.py).
    lost = [t for t in threading.enumerate() if t is not threading.main_thread() and t.name != "rego"]
    if lost:
        raise RuntimeError(f"threads are left that a fork would lose: {lost}")
    gc.collect()
    gc.freeze()


def answer(**data: Any) -> None:
    sys.stdout.write(json.dumps(data) + "\n")
    sys.stdout.flush()


def main() -> None:
    sys.path.insert(0, str(REPOSITORY))
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C in the tests' terminal is for the tests
    pending = b""
    running = 0
    while True:
        if select.select([0], [], [], 0.01 if running else None)[0]:
            data = os.read(0, 1 << 20)
            if not data:
                return
            pending += data
            *lines, pending = pending.split(b"\n")
            for line in lines:
                request = json.loads(line)
                if request.get("warm"):
                    warm(request)
                    answer(warm=True)
                    continue
                pid = os.fork()
                if pid == 0:
                    child(request)
                running += 1
                answer(id=request["id"], pid=pid)
        while running:
            pid, status = os.waitpid(-1, os.WNOHANG)
            if pid == 0:
                break
            running -= 1
            answer(pid=pid, code=os.waitstatus_to_exitcode(status))


if __name__ == "__main__":
    main()
