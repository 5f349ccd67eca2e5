"""Every `duoyun ...` line of the documentation parses with the command line as it is; nothing is run."""

from __future__ import annotations

import importlib
import re
import shlex
from collections.abc import Iterator
from typing import Any

import pytest
import typer

_CUT = {">", ">>", "|", "&&", ";", "&"}


@pytest.fixture(scope="module")
def tree() -> Any:
    main = importlib.import_module("cli.main")
    main._register()
    return typer.main.get_command(main.app)


@pytest.fixture(autouse=True)
def _no_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    import os

    for name in [n for n in os.environ if n.startswith("DUOYUN_")]:
        monkeypatch.delenv(name)


def commands_of(line: str) -> Iterator[list[str]]:
    """The duoyun commands in one line of shell, as words after `duoyun`."""
    line = re.sub(r"\$\(([^)]*)\)", r" ; \1 ; ", line.replace('"$(', "$(").replace(')"', ")"))
    words = list(shlex.shlex(line, posix=True, punctuation_chars=True))  # tells `>` and `&&` apart
    words = shlex.split(line, comments=True) if not any(set(w) <= set("();<>|&") for w in words) else _words(line)
    current: list[str] | None = None
    for word in [*words, ";"]:
        if word in _CUT:
            if current is not None:
                yield current
            current = None
        elif current is not None:
            current.append(word)
        elif word == "duoyun":
            current = []


def _words(line: str) -> list[str]:
    spaced = re.sub(r"(&&|>>|[>|;])", r" \1 ", line)
    return shlex.split(spaced, comments=True)


def parse(tree: Any, words: list[str], *, whole: bool = True) -> None:
    """Raises what the command line raises at an unknown command, an unknown option, a missing or a bad value."""
    main = importlib.import_module("cli.main")
    words = main._output_option_first(words)
    command, path = tree, "duoyun"
    while getattr(command, "commands", None) is not None:
        while words and words[0].startswith("-"):
            known = {o for p in command.params for o in p.opts} | {"-h", "--help"}
            assert words[0].split("=")[0] in known, f"{path} has no option {words[0]}"
            words = words[2:] if words[0] in ("-o", "--output") else words[1:]
        if not words:
            return
        assert words[0] in command.commands, f"{path} has no command {words[0]}"
        command, path, words = command.commands[words[0]], f"{path} {words[0]}", words[1:]
    if not {"-h", "--help"} & set(words):
        command.make_context(path, list(words), resilient_parsing=not whole)


def test_every_command_line_in_code_blocks_parses(pages: dict[str, Any], tree: Any) -> None:
    seen = 0
    for page in pages.values():
        for language, text in page.blocks:
            if language not in ("console", "sh", "bash", "ini", "yaml"):
                continue
            for line in text.splitlines():
                shell = line.removeprefix("$ ") if language == "console" else line
                if (language == "console" and not line.startswith("$ ")) or "duoyun " not in shell:
                    continue
                if language in ("ini", "yaml"):
                    continue  # unit files and pipelines are tested where they live
                for words in commands_of(shell):
                    try:
                        parse(tree, words)
                    except Exception as exc:
                        raise AssertionError(f"{page.name}: {line}: {exc}") from exc
                    seen += 1
    assert seen > 40


def test_every_command_named_in_the_text_exists(pages: dict[str, Any], tree: Any) -> None:
    for page in pages.values():
        for span in re.findall(r"`(duoyun [^`|]+)`", page.prose):
            for words in commands_of(span.replace("...", "")):
                try:
                    parse(tree, words, whole=False)
                except Exception as exc:
                    raise AssertionError(f"{page.name}: `{span}`: {exc}") from exc


@pytest.mark.parametrize("line", ["duoyun plam", "duoyun plan --nope", "duoyun schema", "duoyun sandbox upp"])
def test_the_parser_of_this_test_refuses_what_the_command_line_refuses(tree: Any, line: str) -> None:
    with pytest.raises(Exception, match=r"no command|No such option|Missing"):
        parse(tree, shlex.split(line)[1:])


def test_the_chinese_readme_shows_the_same_commands(pages: dict[str, Any]) -> None:
    def shown(name: str) -> list[str]:
        lines = [line for text in pages[name].of("console") for line in text.splitlines() if line.startswith("$ ")]
        return [re.sub(r' -m ".*?"', "", line) for line in lines]

    assert shown("README.zh-CN.md") == shown("README.md")
