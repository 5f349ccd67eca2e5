"""`duoyun init` writes files that are valid as they are, and never over somebody's own."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from cli import main
from orchestrator.load import load


def test_what_it_writes_is_valid_and_has_the_folders_name(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = tmp_path / "shop"
    assert main.run(["init", str(folder), "-o", "json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert sorted(told["files"]) == sorted(str(p) for p in folder.iterdir())
    loaded = load(folder)
    assert (loaded.app.name, loaded.fleet.name, loaded.assumptions.metadata.name) == ("shop", "shop", "shop")
    assert not loaded.warnings
    assert "starter" not in "".join(p.read_text(encoding="utf-8") for p in folder.iterdir())


def test_what_is_there_stays(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "fleet.yaml").write_text("mine\n", encoding="utf-8")
    assert main.run(["init", str(tmp_path), "--name", "shop"]) == 64
    assert [p.name for p in tmp_path.iterdir()] == ["fleet.yaml"]
    assert (tmp_path / "fleet.yaml").read_text(encoding="utf-8") == "mine\n"
    assert "is there already" in capsys.readouterr().err


@pytest.mark.parametrize("name", ["Shop", "1shop", "shop_1", "s" * 41, "shop-"])
def test_a_name_that_no_application_can_have(name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main.run(["init", str(tmp_path / name)]) == 64
    assert not (tmp_path / name).exists()
    assert "--name" in capsys.readouterr().err


def test_a_folder_that_cannot_be_made(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "file").write_text("", encoding="utf-8")
    assert main.run(["init", str(tmp_path / "file" / "shop")]) == 64
    assert "cannot be written" in capsys.readouterr().err


def test_where_no_fleet_is_init_is_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main.run(["validate", str(tmp_path)]) == 3
    said = capsys.readouterr().err
    assert "--fleet" in said
    assert said.count("duoyun init") == 2
