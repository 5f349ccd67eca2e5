"""The end-to-end specification's tools: a sandbox process, and somebody who types duoyun commands against it.

Every command is a process of its own with its own HOME: `duoyun.py` itself where a test says so, else a fork that has
the SDKs imported already (cli_server.py). One sandbox serves a test session (each xdist worker has its own); a test
that leaves something behind costs the next one a new sandbox, never its result.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from orchestrator import sandbox_process
from orchestrator.sandbox_endpoints import SandboxEndpoints, read_endpoints

REPOSITORY = Path(__file__).resolve().parents[2]
SMALL = Path(__file__).parent / "small"
AWS_CN, AZURE_CN, ALIBABA_CN = "222222222222", "00000000-0000-0000-0000-000000000002", "5000000000000002"


@dataclass(frozen=True)
class Ran:
    """A command that has ended."""

    args: tuple[str, ...]
    code: int
    out: str
    err: str

    @property
    def json(self) -> dict[str, Any]:
        """What `-o json` printed: one object and nothing else."""
        data = json.loads(self.out)
        assert isinstance(data, dict)
        assert data["schema_version"] == 1
        assert data["exit_code"] == self.code, self.told
        return data

    @property
    def told(self) -> str:
        """All that the user saw, for assertion messages."""
        return f"duoyun {' '.join(self.args)} -> exit {self.code}\n{self.out}\n{self.err}"

    def ended(self, code: int) -> Ran:
        """Itself, where the exit code is that; no traceback ever reaches a user."""
        assert self.code == code, self.told
        assert "Traceback" not in self.out + self.err, self.told
        return self

    def refused(self, code: int, *words: str) -> Ran:
        """Ended with that code, and said each of these words and how to mend it."""
        self.ended(code)
        said = self.out + self.err
        for word in words:
            assert word in said, f"{word!r} was not said\n{self.told}"
        assert "mend" in said, f"nothing says how to mend it\n{self.told}"
        return self


@dataclass
class Sandbox:
    """A running sandbox process."""

    file: Path
    options: sandbox_process.SandboxOptions = field(
        default_factory=lambda: sandbox_process.SandboxOptions(watch_parent=True)
    )

    @property
    def endpoints(self) -> SandboxEndpoints:
        return read_endpoints(self.file)

    def start(self) -> Sandbox:
        sandbox_process.start(self.file, self.options)
        return self

    def stop(self) -> None:
        sandbox_process.stop(self.file)

    def control(self, path: str, method: str = "GET", body: Any = None) -> Any:
        return sandbox_process.control(path, self.endpoints, method, body)

    def inventory(self) -> dict[str, list[dict[str, Any]]]:
        """Cloud -> what is alive there, as the clouds themselves see it."""
        return dict(self.control("/inventory")["clouds"])

    @property
    def empty(self) -> bool:
        return not any(self.inventory().values())

    def fault(self, **row: Any) -> None:
        """Adds a row to the fault table; `faultless` takes them all away."""
        self.control("/faults", "POST", row)

    def faultless(self) -> None:
        self.control("/faults", "DELETE")

    def fired(self) -> list[dict[str, Any]]:
        return list(self.control("/faults/log")["log"])

    def keys(self, partition: str, account_id: str, *, reader: bool = False) -> dict[str, str]:
        return self.endpoints.secrets(partition, account_id, reader=reader)

    def ec2(self) -> Any:
        """boto3's own EC2 client, as somebody else's script would make it."""
        import boto3

        keys = self.keys("aws-cn", AWS_CN)
        return boto3.client(
            "ec2",
            region_name="cn-north-1",
            endpoint_url=self.endpoints.clouds["aws"],
            aws_access_key_id=keys["key_id"],
            aws_secret_access_key=keys["secret"],
        )


class Commands:
    """The forking server of commands, and who has ended."""

    def __init__(self, environment: Mapping[str, str]) -> None:
        self._process = subprocess.Popen(
            [sys.executable, str(Path(__file__).with_name("cli_server.py"))],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env=dict(environment),
        )
        self._number = 0
        self._codes: dict[int, int] = {}

    def warm(self, files: Path, env: Mapping[str, str], cwd: Path) -> None:
        saved = str(cwd / "plan.json")
        args = ["plan", str(files), "-o", "json", "--save", saved]
        self._ask(warm=True, args=args, env=dict(env), cwd=str(cwd), saved=saved)
        assert self._next() == {"warm": True}

    def start(self, args: Sequence[str], env: Mapping[str, str], cwd: Path, out: Path, err: Path) -> int:
        """The new process's id."""
        self._number += 1
        self._ask(id=self._number, args=list(args), env=dict(env), cwd=str(cwd), out=str(out), err=str(err))
        while (row := self._next()).get("id") != self._number:
            self._codes[row["pid"]] = row["code"]
        return int(row["pid"])

    def code(self, pid: int) -> int:
        """Waits for its end."""
        while pid not in self._codes:
            row = self._next()
            self._codes[row["pid"]] = row["code"]
        return self._codes.pop(pid)

    def close(self) -> None:
        self._process.communicate(timeout=60)

    def _ask(self, **request: Any) -> None:
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps(request) + "\n")
        self._process.stdin.flush()

    def _next(self) -> dict[str, Any]:
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        assert line, f"the server of commands ended with {self._process.wait()}"
        return dict(json.loads(line))


@dataclass
class Running:
    """A command that may still be under way."""

    args: tuple[str, ...]
    pid: int
    out: Path
    err: Path
    wait: Callable[[], int]

    def interrupt(self) -> None:
        """Ctrl-C."""
        os.kill(self.pid, signal.SIGINT)

    def kill(self) -> None:
        os.kill(self.pid, signal.SIGKILL)

    @property
    def said(self) -> str:
        """What it has printed so far."""
        return self.out.read_text(encoding="utf-8") + self.err.read_text(encoding="utf-8")

    def end(self) -> Ran:
        """Waits for its end; a test's own time limit is the only one."""
        code = self.wait()
        return Ran(self.args, code, self.out.read_text(encoding="utf-8"), self.err.read_text(encoding="utf-8"))


@dataclass
class Line:
    """Somebody at a terminal: a HOME, a copy of the small example's files, and a state.

    forked: commands are forks of the server; else each is `python duoyun.py`.
    """

    home: Path
    environment: dict[str, str]
    sandbox: Sandbox
    commands: Commands
    forked: bool = True
    count: int = 0

    @property
    def app(self) -> Path:
        return self.home / "files" / "app.yaml"

    @property
    def fleet(self) -> Path:
        return self.home / "files" / "fleet.yaml"

    @property
    def files(self) -> str:
        return str(self.home / "files")

    def start(self, *args: str, env: Mapping[str, str] | None = None) -> Running:
        """Begins a command and does not wait for it."""
        self.count += 1
        out, err = (self.home / f"{self.count}.{stream}" for stream in ("out", "err"))
        environment = self.environment | dict(env or {})
        if self.forked:
            out.touch()
            err.touch()
            pid = self.commands.start(args, environment, self.home, out, err)
            return Running(args, pid, out, err, lambda: self.commands.code(pid))
        with out.open("w") as stdout, err.open("w") as stderr:
            process = subprocess.Popen(
                [sys.executable, str(REPOSITORY / "duoyun.py"), *args],
                env=environment,
                cwd=self.home,
                stdin=subprocess.DEVNULL,
                stdout=stdout,
                stderr=stderr,
            )
        return Running(args, process.pid, out, err, process.wait)

    def end(self, running: Running) -> Ran:
        """Waits for a command that was begun."""
        return running.end()

    def __call__(self, *args: str, env: Mapping[str, str] | None = None) -> Ran:
        """One command, run to its end."""
        return self.end(self.start(*args, env=env))

    def on(self, command: str, *args: str, env: Mapping[str, str] | None = None) -> Ran:
        """A command on this application: `on("drift scan", "--remediate")`."""
        return self(*command.split(), self.files, *args, env=env)

    def edit(self, file: Path, *changes: tuple[str, str]) -> None:
        """Replaces text that must be there, as an editor would."""
        text = file.read_text(encoding="utf-8")
        for old, new in changes:
            assert old in text, f"{old!r} is not in {file}"
            text = text.replace(old, new)
        file.write_text(text, encoding="utf-8")

    def deploy(self, *args: str) -> dict[str, Any]:
        """Deploys without a question and without watching afterwards; the JSON that it printed."""
        return self.on("deploy", "--yes", "--bake", "0s", "-o", "json", *args).ended(0).json

    def destroy(self) -> None:
        self.on("destroy", "--confirm", "small").ended(0)

    def plan(self, *args: str, code: int = 0) -> dict[str, Any]:
        return self.on("plan", "-o", "json", *args).ended(code).json

    def cluster(self, region: str) -> Any:
        """The official client's ApiClient for one of the fleet's clusters, by `duoyun kubeconfig`."""
        import yaml
        from kubernetes import config

        text = self("kubeconfig", region, "--app", self.files).ended(0).out
        return config.new_client_from_config_dict(yaml.safe_load(text))


def wait_until(happened: Callable[[], Any], what: str, timeout_s: float = 60.0) -> Any:
    """Polls until the answer is true, and returns it."""
    deadline = time.monotonic() + timeout_s
    while not (answer := happened()):
        assert time.monotonic() < deadline, f"{what} did not happen within {timeout_s:.0f} s"
        time.sleep(0.05)
    return answer


@pytest.fixture(scope="session")
def _sandbox_process(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sandbox]:
    sandbox = Sandbox(tmp_path_factory.mktemp("sandbox") / "endpoints.json").start()
    yield sandbox
    sandbox.stop()


@pytest.fixture
def sandbox(_sandbox_process: Sandbox) -> Iterator[Sandbox]:
    """Three empty clouds without faults."""
    yield _sandbox_process
    if not sandbox_process.is_running(_sandbox_process.file):
        _sandbox_process.start()
        return
    _sandbox_process.faultless()
    if not _sandbox_process.empty:
        _sandbox_process.stop()
        _sandbox_process.start()


def environment_of(home: Path, sandbox: Sandbox, store: str = "") -> dict[str, str]:
    """What somebody's shell hands on, and nothing of ours."""
    kept = ("PATH", "LANG", "LC_ALL", "TMPDIR", "COVERAGE_PROCESS_START")
    return {k: v for k, v in os.environ.items() if k in kept} | {
        "HOME": str(home),
        "XDG_STATE_HOME": str(home / "state"),
        "DUOYUN_SANDBOX": str(sandbox.file),
        "DUOYUN_STORE": store or f"sqlite:///{home / 'state.db'}",
        "NO_COLOR": "1",
    }


@pytest.fixture(scope="session")
def _commands(_sandbox_process: Sandbox, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Commands]:
    home = tmp_path_factory.mktemp("warm")
    environment = environment_of(home, _sandbox_process)
    commands = Commands(environment)
    commands.warm(SMALL, environment, home)
    yield commands
    commands.close()


@pytest.fixture
def new_line(sandbox: Sandbox, tmp_path: Path, _commands: Commands) -> Callable[..., Line]:
    """Makes people with HOMEs of their own: new_line("anna", store=URL)."""

    def make(name: str = "home", store: str = "", *, forked: bool = True) -> Line:
        home = tmp_path / name
        shutil.copytree(SMALL, home / "files")
        return Line(home, environment_of(home, sandbox, store), sandbox, _commands, forked)

    return make


@pytest.fixture
def duoyun(new_line: Callable[..., Line]) -> Line:
    """One person with a HOME, the small example's files, and an empty state."""
    return new_line()


@pytest.fixture
def until() -> Callable[..., Any]:
    """until(happened, what): polls with a deadline."""
    return wait_until
