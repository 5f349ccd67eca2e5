"""Waivers as comments in the file that they excuse: `# duoyun:waive RULE owner=... expires=... reason="..."`.

On a line of its own, such a comment covers the next statement and the block that it opens; behind a statement, that
line and its block; before the first statement of a YAML document, all of it. `#` and `//` begin a comment. Callers:
orchestrator.checking. Pure: the text is handed in.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator, Sequence

from model.errors import Diagnostic
from policies.waivers import Waiver, day

MARK = "duoyun:waive"
_COMMENT = re.compile(rf"(?:#|//)\s*{re.escape(MARK)}\b(?P<rest>.*)$")
_NEEDED = ("owner", "expires", "reason")
_MEND = f'write: # {MARK} DY-NET-001 owner=network-team expires=2027-03-31 reason="until the VPN is there"'


def inline_waivers(path: str, text: str) -> tuple[tuple[Waiver, ...], tuple[Diagnostic, ...]]:
    """The waivers that a file's comments give, and what is wrong with those that give none."""
    if MARK not in text:
        return (), ()
    lines = text.splitlines()
    waivers: list[Waiver] = []
    mistakes: list[Diagnostic] = []
    for index, line in enumerate(lines):
        found = _COMMENT.search(line)
        if found is None:
            continue
        where = f"{path}:{index + 1}:{found.start() + 1}"
        wrong = list(_mistakes(where, _words(found["rest"])))
        mistakes += wrong
        if not wrong:
            rule, *pairs = _words(found["rest"])
            values = dict(p.split("=", 1) for p in pairs)
            waivers.append(
                Waiver(
                    id=f"{path}:{index + 1}",
                    rule=rule,
                    path=path,
                    reason=values["reason"],
                    owner=values["owner"],
                    expires=day(values["expires"]),
                    lines=_covered(lines, index, alone=not line[: found.start()].strip()),
                )
            )
    return tuple(waivers), tuple(mistakes)


def _words(rest: str) -> list[str]:
    try:
        return shlex.split(rest)
    except ValueError:  # a quotation that does not end
        return []


def _mistakes(where: str, words: Sequence[str]) -> Iterator[Diagnostic]:
    if not words or "=" in words[0]:
        yield Diagnostic(where, "a waiver that names no rule", _MEND)
        return
    given = {}
    for word in words[1:]:
        key, equals, value = word.partition("=")
        if not equals or key not in _NEEDED:
            yield Diagnostic(where, f"{word!r} means nothing in a waiver", _MEND)
        given[key] = value
    for key in _NEEDED:
        if not given.get(key, "").strip():
            yield Diagnostic(where, f"the waiver of {words[0]} has no {key}", _MEND)
    try:
        day(given.get("expires", "2000-01-01"))
    except ValueError:
        yield Diagnostic(where, f"expires {given['expires']!r} is no date such as 2027-03-31", _MEND)


def _covered(lines: Sequence[str], index: int, *, alone: bool) -> tuple[int, int]:
    """First and last line, counted from 1, that a comment on lines[index] covers."""
    start = index
    if alone:
        start = next((i for i in range(index + 1, len(lines)) if _is_statement(lines[i])), index)
        if _heads_a_document(lines, index):
            return index + 1, _document_end(lines, index)
    return index + 1, 1 + max(start, _block_end(lines, start))


def _is_statement(line: str) -> bool:
    text = line.strip()
    return bool(text) and not text.startswith(("#", "//", "---"))


def _heads_a_document(lines: Sequence[str], index: int) -> bool:
    """Whether nothing but comments stands between the start of a YAML document and this line."""
    for line in reversed(lines[:index]):
        if line.strip() == "---":
            break
        if _is_statement(line):
            return False
    following = next((line for line in lines[index + 1 :] if _is_statement(line)), "")
    return re.match(r"[A-Za-z_]\w*:(\s|$)", following) is not None


def _document_end(lines: Sequence[str], index: int) -> int:
    return next((i for i in range(index + 1, len(lines)) if lines[i].strip() == "---"), len(lines))


def _block_end(lines: Sequence[str], start: int) -> int:
    """The last line of the block that a line opens: to its closing bracket, or while lines are indented further."""
    depth = _depth(lines[start])
    if depth > 0:
        for i in range(start + 1, len(lines)):
            depth += _depth(lines[i])
            if depth <= 0:
                return i
        return len(lines) - 1
    indent, end = _indent(lines[start]), start
    if lines[start].lstrip().startswith("- "):
        indent += 1  # the item's own keys stand further in
    elif not lines[start].split("#")[0].rstrip().endswith(":"):
        return start
    for i in range(start + 1, len(lines)):
        if lines[i].strip() and _indent(lines[i]) < indent + (0 if lines[start].lstrip().startswith("- ") else 1):
            break
        end = i
    return end


def _depth(line: str) -> int:
    """Brackets that a line opens and does not close; those in quotes do not count."""
    code = re.sub(r'"(?:\\.|[^"\\])*"', "", line).split("#")[0]
    return sum(code.count(c) for c in "{[(") - sum(code.count(c) for c in "}])")


def _indent(line: str) -> int:
    return len(line) - len(line.lstrip())
