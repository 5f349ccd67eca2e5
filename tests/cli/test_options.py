"""Every option can be set by a DUOYUN_ variable, but for those that consent: these must be typed."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
import typer

from cli import main

CONSENT = {"--yes", "--remediate", "--take-over", "--confirm", "--local-state"}
CONSENT |= {"--hash", "--signature"}  # what is agreed to, and the proof of it: each time anew
CONSENT |= {"--undo"}  # takes something out of the record
# what is asked of one call, or names a thing that it is about
OF_THE_CALL = {"--help", "--version", "--install-completion", "--show-completion"}


def _commands(command: Any, path: str = "duoyun") -> Iterator[tuple[str, Any]]:
    yield path, command
    for name, child in getattr(command, "commands", {}).items():
        yield from _commands(child, f"{path} {name}")


@pytest.fixture(scope="module")
def tree() -> Any:
    main._register()
    return typer.main.get_command(main.app)


def test_each_option_has_its_variable_or_must_be_typed(tree: Any) -> None:
    wrong, seen = [], 0
    for path, command in _commands(tree):
        for option in command.params:
            if option.param_type_name != "option" or set(option.opts) & OF_THE_CALL:
                continue
            seen += 1
            typed = bool(set(option.opts) & CONSENT)
            if typed == bool(option.envvar) or (option.envvar and not str(option.envvar).startswith("DUOYUN_")):
                wrong.append(f"{path} {option.opts[0]}: {option.envvar}")
    assert seen > 40
    assert not wrong
