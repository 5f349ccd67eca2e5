"""Shared by the loaders' tests: the clouds' tables, and a way to load texts as files of a folder."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from orchestrator.registry import terraform_tables
from policies.loaders import Loaded, Options, load

TABLES = terraform_tables()
LoadFiles = Callable[..., Loaded]


@pytest.fixture
def load_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> LoadFiles:
    """(files by name, paths, **options) -> Loaded; a text alone is main.tf. Positions are relative to the folder."""
    monkeypatch.chdir(tmp_path)

    def run(files: dict[str, str | bytes] | str, *paths: str, **options: Any) -> Loaded:
        for name, content in ({"main.tf": files} if isinstance(files, str) else files).items():
            path = tmp_path / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return load(paths or ["."], mapping=TABLES, options=Options(**options))

    return run


def by_address(loaded: Loaded) -> dict[str, dict[str, Any]]:
    return {d["address"]: d for d in loaded.documents}


UNKNOWN = {"$unknown": True}
