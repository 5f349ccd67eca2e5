"""One change of a text, and changes as a unified diff. Callers: policies.mends, reports. Pure."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

_ROW = re.compile(r"[^\n]*\n|[^\n]+")


@dataclass(frozen=True, slots=True)
class Edit:
    """A line that is replaced, or (old is None) lines that are put before it.

    path: as positions show it. line: from 1. old: the line as it is now. new: what stands there then; both without the
    last line end.
    """

    path: str
    line: int
    new: str
    old: str | None = None


@dataclass(frozen=True, slots=True)
class NoEdit:
    """Why a mend that is mechanical as such cannot be drawn here."""

    why: str


def rows_of(text: str) -> list[str]:
    """Lines with their ends. (`splitlines` also splits at what editors and Terraform count as no line.)"""
    return _ROW.findall(text)


def lines_of(text: str) -> list[str]:
    """Lines without their ends."""
    return [row.rstrip("\r\n") for row in rows_of(text)]


def applied(text: str, edits: Iterable[Edit]) -> str:
    """The text after all edits, each once. Those of the same line: the first replacement, all insertions."""
    lines = rows_of(text)
    end_of_line = "\r\n" if "\r\n" in text else "\n"
    replaced: dict[int, Edit] = {}
    added: dict[int, dict[str, list[str]]] = {}  # line -> first row -> the rows below it, of all that begin with it
    for edit in edits:
        if edit.old is not None:
            replaced.setdefault(edit.line, edit)
            continue
        first, *below = edit.new.split("\n")
        held = added.setdefault(edit.line, {}).setdefault(first, [])
        held += [row for row in below if row not in held]
    # From below, so that lines keep their numbers; at the same line the replacement first, as it keeps the count.
    for line in sorted({*replaced, *added}, reverse=True):
        at = line - 1
        if line in replaced:
            end = lines[at][len(lines[at].rstrip("\r\n")) :]
            lines[at] = replaced[line].new + end
        lines[at:at] = [row + end_of_line for first, below in added.get(line, {}).items() for row in (first, *below)]
    return "".join(lines)


def patch(edits: Iterable[Edit], texts: Mapping[str, str]) -> str:
    """A unified diff over all files, as `git apply` and `patch -p1` take it."""
    by_file: dict[str, list[Edit]] = {}
    for edit in edits:
        by_file.setdefault(edit.path, []).append(edit)
    parts: list[str] = []
    for path in sorted(by_file):
        before = texts[path]
        after = applied(before, by_file[path])
        rows = difflib.unified_diff(rows_of(before), rows_of(after), f"a/{path}", f"b/{path}")
        parts += [row if row.endswith("\n") else f"{row}\n\\ No newline at end of file\n" for row in rows]
    return "".join(parts)


def hunk(edit: Edit, lines: Sequence[str]) -> str:
    """The diff of one edit, with the lines around it, without the names of the files. lines: lines_of its file."""
    at, gone = edit.line - 1, 0 if edit.old is None else 1
    first, last = max(at - 3, 0), min(at + gone + 3, len(lines))
    new = edit.new.split("\n")
    head = f"@@ -{first + 1},{last - first} +{first + 1},{last - first - gone + len(new)} @@"
    before = [f" {row}" for row in lines[first:at]]
    after = [f" {row}" for row in lines[at + gone : last]]
    return "\n".join([head, *before, *([f"-{edit.old}"] if gone else []), *(f"+{row}" for row in new), *after])
