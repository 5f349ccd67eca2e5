"""What docs/sandbox.md shows of durations, network and faults is what happens."""

from __future__ import annotations

import json
import re
import shlex
from pathlib import Path
from typing import Any

import pytest
import yaml

from cli.main import run
from sandbox.faults import Faults
from sandbox.world import Fault

PAGE = (Path(__file__).resolve().parents[2] / "docs" / "sandbox.md").read_text(encoding="utf-8")


def section(heading: str) -> str:
    return PAGE.split(f"\n## {heading}\n")[1].split("\n## ")[0]


def blocks(heading: str, language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", section(heading), re.DOTALL | re.MULTILINE)


def shown(heading: str) -> list[tuple[str, str]]:
    """(command, output as shown) of a section's console blocks."""
    found: list[tuple[str, str]] = []
    for line in "".join(blocks(heading, "console")).splitlines():
        if line.startswith("$ "):
            found.append((line[2:], ""))
        else:
            command, output = found.pop()
            found.append((command, f"{output}{line}\n"))
    return found


@pytest.fixture
def sandbox(services: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """The sandbox where the command line finds it."""
    running = services["aws"].running
    file = tmp_path / "endpoints.json"
    file.write_text(json.dumps(running.endpoints))
    monkeypatch.setenv("DUOYUN_SANDBOX", str(file))
    running.sandbox.faults.clear()
    return running.sandbox


@pytest.mark.parametrize("heading", ["The network", "Faults"])
def test_the_commands_answer_as_shown(heading: str, sandbox: Any, capsys: pytest.CaptureFixture[str]) -> None:
    number = len(sandbox.faults.log())
    for command, output in shown(heading):
        words = shlex.split(command)[1:]
        if words[-1] == "log":
            words += ["--since", str(number)]
        code = run(words)
        said = capsys.readouterr()
        assert (code != 0) == output.startswith("error:"), (command, said)
        if output:
            lines = (said.err if code else said.out).splitlines()
            # the page shows the clouds alone; a cluster of another test may have a path too
            assert [line for line in lines if line in output.splitlines()] == output.splitlines(), command


def test_the_file_of_faults_is_accepted(sandbox: Any) -> None:
    rows = yaml.safe_load(blocks("Faults", "yaml")[0])["faults"]
    assert [row.id for row in sandbox.faults.add_all(rows)] == [row["id"] for row in rows]
    sandbox.faults.clear()


def test_every_field_of_a_fault_is_in_the_table_of_the_page() -> None:
    named = set(
        re.findall(r"`(\w+)`", "\n".join(r.split("|")[1] for r in section("Faults").splitlines() if r[:3] == "| `"))
    )
    assert named == set(Fault.__dataclass_fields__)


def test_the_example_in_python_works(sandbox: Any, capsys: pytest.CaptureFixture[str]) -> None:
    names: dict[str, Any] = {}
    exec(compile(blocks("Faults", "python")[0], "docs/sandbox.md", "exec"), names)
    names["control"].close()
    assert "log" in capsys.readouterr().out
    assert sandbox.faults.rows() == []
    assert not sandbox.network.settings.on


def test_the_up_line_is_one_that_python_m_sandbox_takes() -> None:
    from sandbox.__main__ import parse

    ((command, _output),) = shown("How long things take")
    options, _parent = parse(shlex.split(command)[3:])
    assert (options.profile, options.time_scale, options.seed) == ("realistic", 60.0, 7)
    assert isinstance(Faults(options.seed), Faults)
