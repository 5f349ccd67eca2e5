"""The end-to-end specification's tools: a sandbox process, and somebody who types duoyun commands against it.

Every command is a process of its own (`duoyun.py`) with its own HOME. One sandbox serves a test session (each xdist
worker has its own); a test that leaves something behind costs the next one a new sandbox, never its result.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
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


@dataclass
class Line:
    """Somebody at a terminal: a HOME, a copy of the small example's files, and a state."""

    home: Path
    environment: dict[str, str]
    sandbox: Sandbox

    @property
    def app(self) -> Path:
        return self.home / "files" / "app.yaml"

    @property
    def fleet(self) -> Path:
        return self.home / "files" / "fleet.yaml"

    @property
    def files(self) -> str:
        return str(self.home / "files")

    def start(self, *args: str, env: Mapping[str, str] | None = None) -> subprocess.Popen[str]:
        """Begins a command and does not wait for it."""
        return subprocess.Popen(
            [sys.executable, str(REPOSITORY / "duoyun.py"), *args],
            env=self.environment | dict(env or {}),
            cwd=self.home,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def end(self, process: subprocess.Popen[str], timeout_s: float = 240.0) -> Ran:
        try:
            out, err = process.communicate(timeout=timeout_s)
        except subprocess.TimeoutExpired:
            process.kill()
            out, err = process.communicate()
            pytest.fail(f"{process.args} did not end within {timeout_s:.0f} s\n{out}\n{err}")
        assert isinstance(process.args, list)
        return Ran(tuple(map(str, process.args[2:])), process.returncode, out, err)

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
def _python_cache(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """Where nothing may be compiled beside the sources, hundreds of processes would each compile them anew."""
    if not os.environ.get("PYTHONDONTWRITEBYTECODE"):
        return {}
    base = tmp_path_factory.getbasetemp()
    shared = base.parent if os.environ.get("PYTEST_XDIST_WORKER") else base
    return {"PYTHONPYCACHEPREFIX": str(shared / "pycache")}


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


@pytest.fixture
def new_line(sandbox: Sandbox, tmp_path: Path, _python_cache: dict[str, str]) -> Callable[..., Line]:
    """Makes people with HOMEs of their own: new_line("anna", store=URL)."""

    def make(name: str = "home", store: str = "") -> Line:
        home = tmp_path / name
        shutil.copytree(SMALL, home / "files")
        kept = ("PATH", "LANG", "LC_ALL", "TMPDIR", "COVERAGE_PROCESS_START", "SYSTEMROOT")
        environment = {k: v for k, v in os.environ.items() if k in kept} | {
            "HOME": str(home),
            "XDG_STATE_HOME": str(home / "state"),
            "DUOYUN_SANDBOX": str(sandbox.file),
            "DUOYUN_STORE": store or f"sqlite:///{home / 'state.db'}",
            "NO_COLOR": "1",
        }
        return Line(home, environment | _python_cache, sandbox)

    return make


@pytest.fixture
def duoyun(new_line: Callable[..., Line]) -> Line:
    """One person with a HOME, the small example's files, and an empty state."""
    return new_line()


@pytest.fixture
def until() -> Callable[..., Any]:
    """until(happened, what): polls with a deadline."""
    return wait_until


@pytest.fixture
def interrupt() -> Callable[[subprocess.Popen[str]], None]:
    """Ctrl-C."""

    def send(process: subprocess.Popen[str]) -> None:
        process.send_signal(signal.SIGINT)

    return send
