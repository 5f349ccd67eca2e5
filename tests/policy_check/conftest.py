"""`duoyun policy ...` run in this process: exit code and output, in a folder of its own."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from cli.main import run

PRIVILEGED = """\
apiVersion: v1
kind: Pod
metadata: {name: web}
spec:
  containers:
  - name: app
    image: registry.example.com/web:1.4.2
    resources: {requests: {cpu: 100m, memory: 64Mi}, limits: {memory: 64Mi}}
    securityContext: {privileged: true, runAsNonRoot: true, allowPrivilegeEscalation: false}
"""
FINE = PRIVILEGED.replace("privileged: true", "privileged: false").replace("name: web}", "name: fine}")


@dataclass(frozen=True)
class Ran:
    code: int
    out: str
    err: str


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for name in ("CI", "DUOYUN_OUTPUT", "DUOYUN_FLEET"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("COLUMNS", "200")
    monkeypatch.chdir(tmp_path)
    (tmp_path / "pod.yaml").write_text(PRIVILEGED)
    (tmp_path / "fine.yaml").write_text(FINE)
    return tmp_path


@pytest.fixture
def duoyun(folder: Path, capsys: pytest.CaptureFixture[str]) -> Callable[..., Ran]:
    def call(*args: str) -> Ran:
        code = run(list(args))
        said = capsys.readouterr()
        return Ran(code, said.out, said.err)

    return call
