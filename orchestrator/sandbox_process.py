"""Starts and ends the sandbox, which is a process of its own. Callers: the `sandbox` commands and the demo."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from model.errors import DuoyunError, Unreachable, UsageError
from model.exit_codes import ExitCode
from orchestrator.sandbox_endpoints import SandboxEndpoints, endpoints_path, read_endpoints

_START_TIMEOUT_S = 60.0
_STOP_TIMEOUT_S = 15.0
_children: dict[int, subprocess.Popen[bytes]] = {}
"""Sandboxes that this process started, by pid: only their parent can see them off once they have ended."""


@dataclass(frozen=True, slots=True)
class SandboxOptions:
    """state_dir: keeps the clouds' contents between starts. watch_parent: ends with this process.

    network, vantage: what lies between, and where the caller stands; "" leaves them off. faults: a file of fault rows.
    """

    profile: str = "instant"
    time_scale: float = 1.0
    seed: int = 0
    state_dir: Path | None = None
    watch_parent: bool = False
    network: str = ""
    vantage: str = ""
    faults: Path | None = None


def start(path: Path | None = None, options: SandboxOptions | None = None) -> SandboxEndpoints:
    """Starts a sandbox and waits until every cloud answers. Raises DuoyunError with its last words where it cannot.

    A sandbox that runs already is an error: two would share one endpoints file.
    """
    opts = options or SandboxOptions()
    where = path or endpoints_path()
    if is_running(where):
        raise DuoyunError(f"a sandbox runs already (process {read_endpoints(where).pid})", mend="duoyun sandbox down")
    where.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    where.unlink(missing_ok=True)
    log = where.with_name("sandbox.log")
    said_before = log.stat().st_size if log.exists() else 0
    with log.open("ab") as stream:
        process = subprocess.Popen(  # noqa: S603  (our own interpreter and module)
            _command(where, opts),
            stdin=subprocess.DEVNULL,
            stdout=stream,
            stderr=stream,
            start_new_session=not opts.watch_parent,
            cwd=Path(__file__).resolve().parents[1],
        )
    deadline = time.monotonic() + _START_TIMEOUT_S
    while time.monotonic() < deadline:
        if where.exists():
            _children[process.pid] = process
            return read_endpoints(where)
        code = process.poll()
        if code is not None:
            said = _tail(log, said_before)
            if code == ExitCode.USAGE:
                raise UsageError(said.rpartition("sandbox: ")[2], mend="duoyun sandbox up --help")
            raise DuoyunError(f"the sandbox did not start (exit {code})", detail=said, mend=_start_mend())
        time.sleep(0.05)
    process.terminate()
    raise DuoyunError(f"the sandbox was not ready within {_START_TIMEOUT_S:.0f} s", detail=_tail(log, said_before))


def _command(where: Path, opts: SandboxOptions) -> Sequence[str]:
    command = [sys.executable, "-m", "sandbox", "--endpoints-file", str(where), "--profile", opts.profile]
    command += ["--time-scale", str(opts.time_scale), "--seed", str(opts.seed)]
    if opts.state_dir:
        command += ["--state", str(opts.state_dir)]
    if opts.network:
        command += ["--network", opts.network]
    if opts.vantage:
        command += ["--vantage", opts.vantage]
    if opts.faults:
        command += ["--faults", str(opts.faults.absolute())]
    if opts.watch_parent:
        command += ["--watch-parent", str(os.getpid())]
    return command


def _start_mend() -> str:
    return "pip install 'duoyun[sandbox]' where a module is missing; else see the lines above"


def _tail(log: Path, begin: int, lines: int = 12) -> str:
    """The last lines of what was written from byte `begin` on."""
    return "\n".join(log.read_bytes()[begin:].decode(errors="replace").splitlines()[-lines:])


def is_running(path: Path | None = None) -> bool:
    """Whether the endpoints file names a live process."""
    try:
        pid = read_endpoints(path).pid
    except Unreachable:
        return False
    return _alive(pid)


def _alive(pid: int) -> bool:
    child = _children.get(pid)
    if child is not None:
        if child.poll() is not None:
            del _children[pid]
        return child.returncode is None
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    # A zombie that nobody has waited for is not running any more.
    stat = Path(f"/proc/{pid}/stat")
    return not (stat.exists() and stat.read_text().rpartition(")")[2].split()[0] == "Z")


def stop(path: Path | None = None) -> bool:
    """Ends the sandbox; False where none was running. Raises DuoyunError where it does not end."""
    where = path or endpoints_path()
    if not is_running(where):
        where.unlink(missing_ok=True)
        return False
    pid = read_endpoints(where).pid
    os.kill(pid, signal.SIGTERM)
    deadline = time.monotonic() + _STOP_TIMEOUT_S
    while _alive(pid):
        if time.monotonic() > deadline:
            raise DuoyunError(f"the sandbox (process {pid}) did not end within {_STOP_TIMEOUT_S:.0f} s")
        time.sleep(0.05)
    return True


def control(path: str, endpoints: SandboxEndpoints, method: str = "GET", body: Any = None) -> Any:
    """One call of the control API; returns its JSON.

    Raises UsageError with the sandbox's own sentence where it refuses what was asked, Unreachable where it is silent.
    """
    import httpx

    try:
        answer = httpx.request(
            method,
            endpoints.control_url + path,
            json=body,
            headers={"Authorization": f"Bearer {endpoints.control_token}"},
            timeout=10.0,
            trust_env=False,
        )
        if answer.status_code in (400, 404):
            raise UsageError(str(answer.json().get("error", answer.text)))
        answer.raise_for_status()
    except httpx.HTTPError as exc:
        raise Unreachable(f"the sandbox's control API does not answer: {exc}", mend="duoyun sandbox status") from exc
    return answer.json() if answer.content else None
