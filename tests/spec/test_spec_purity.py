"""The pure modules take time, randomness and the network as values: they import none of it."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
IMPURE = {
    "time",
    "datetime",
    "random",
    "secrets",
    "uuid",
    "socket",
    "asyncio",
    "os",
    "subprocess",
    "threading",
    "httpx",
}
FOLDERS = ("model/spec", "model/facts", "probes")
AT_THE_EDGE = {
    f"probes/{name}.py"
    for name in (
        "agent",
        "by_task",
        "calls",
        "dial",
        "http1",
        "hub",
        "lag",
        "loop",
        "prober",
        "spoke",
        "stamps",
        "watching",
        "wheel",
    )
}
EVERY = sorted(p.relative_to(ROOT).as_posix() for folder in FOLDERS for p in (ROOT / folder).glob("*.py"))


@pytest.mark.parametrize("module", EVERY)
def test_pure_modules_import_nothing_impure(module: str) -> None:
    tree = ast.parse((ROOT / module).read_text())
    found = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            found |= {alias.name.split(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            found.add(node.module.split(".")[0])
    if module in AT_THE_EDGE:
        assert found & IMPURE, "it is pure: take it off the list"
    else:
        assert not found & IMPURE
