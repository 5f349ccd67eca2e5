"""A setting of a Terraform block, changed or added in its text. Callers: policies.mends. Pure.

The tree is tree-sitter's, as the loader's; only what is written literally is changed. A large file has findings in a
few of its blocks: only these are parsed again.
"""

from __future__ import annotations

import json
import re
from bisect import bisect_right
from collections.abc import Sequence
from typing import Any

from policies.loaders.hcl.syntax import tree
from policies.mends.edits import Edit, NoEdit, lines_of

_LITERAL = re.compile(r'true|false|null|-?\d+(\.\d+)?|"[^"\\$%\n]*"')


_BEGINS = re.compile(r"[A-Za-z_]")


class _Part:
    """Some lines of a file, parsed. first: how many lines of the file stand before them."""

    def __init__(self, first: int, lines: Sequence[str]) -> None:
        self.first = first
        self.blocks: dict[int, Any] = {}
        self.attributes: dict[tuple[int, str], Any] = {}
        self._source = "\n".join([*lines, ""]).removeprefix("\ufeff").encode()
        root = tree(self._source).root_node
        self.whole = not root.has_error
        stack = [root]
        while stack:
            node = stack.pop()
            line = first + node.start_point[0] + 1
            if node.type == "block":
                self.blocks.setdefault(line, node)
            elif node.type == "attribute":
                self.attributes[line, self.text(node.named_children[0])] = node
            if node.type in ("config_file", "body", "block"):
                stack.extend(node.named_children)

    def text(self, node: Any) -> str:
        return self._source[node.start_byte : node.end_byte].decode()


class HclText:
    """One file. path: as positions show it."""

    def __init__(self, path: str, text: str) -> None:
        self.path = path
        self.lines = lines_of(text)
        self._begins = [n for n, row in enumerate(self.lines) if _BEGINS.match(row)]
        self._parts: dict[int, _Part] = {}

    def _part(self, line: int) -> _Part:
        """What stands between the two lines around it that begin at their first column, as blocks of a file do.

        Where these lines alone are no HCL (a text of several lines began among them), the whole file.
        """
        at = bisect_right(self._begins, line - 1)
        first = self._begins[at - 1] if at else 0
        end = self._begins[at] if at < len(self._begins) else len(self.lines)
        if first not in self._parts:
            part = _Part(first, self.lines[first:end])
            if not part.whole:
                part = self._parts.get(-1) or _Part(0, self.lines)
                self._parts[-1] = part
            self._parts[first] = part
        return self._parts[first]

    def changed(self, line: int, name: str, value: Any) -> Edit | NoEdit:
        """The value of that attribute on that line replaced."""
        part = self._part(line)
        node = part.attributes.get((line, name))
        if node is None:
            return NoEdit(f"{name} is not written on line {line} itself")
        expression = next(c for c in node.named_children[1:] if c.type != "comment")
        text = part.text(expression)
        if not _LITERAL.fullmatch(text) or expression.start_point[0] != node.start_point[0]:
            return NoEdit(f"{name} = {text.splitlines()[0][:60]} is no literal: change what it is computed from")
        old = self.lines[line - 1]
        raw = old.encode()
        begin, end = expression.start_point[1], expression.end_point[1]
        new = (raw[:begin] + literal(value, text).encode() + raw[end:]).decode()
        return Edit(self.path, line, new, old)

    def added(self, line: int, path: Sequence[str], value: Any) -> Edit | NoEdit:
        """The attribute at a path into the block on that line, put at the end of the innermost block."""
        part = self._part(line)
        block = part.blocks.get(line)
        if block is None:
            return NoEdit(f"there is no block on line {line}")
        for step in path[:-1]:
            inner = _inner(part, block, step)
            if inner is None:
                return NoEdit(f"it has no block `{step}` to put {path[-1]} into: {'.'.join(path)} = {literal(value)}")
            block = inner
        last = part.first + block.end_point[0]
        if last == part.first + block.start_point[0]:
            return NoEdit(f"its block stands on one line: add {path[-1]} = {literal(value)}")
        row = self.lines[last]
        if not row.strip().startswith("}"):
            return NoEdit(f"its block does not end on a line of its own: add {path[-1]} = {literal(value)}")
        indent = row[: len(row) - len(row.lstrip())] + "  "
        return Edit(self.path, last + 1, f"{indent}{path[-1]} = {literal(value)}")


def _inner(part: _Part, block: Any, name: str) -> Any:
    body = next((c for c in block.named_children if c.type == "body"), None)
    for child in body.named_children if body is not None else ():
        if child.type == "block" and part.text(child.named_children[0]) == name:
            return child
    return None


def literal(value: Any, like: str = "") -> str:
    """A value as HCL; a flag that was written as a text stays one."""
    text = json.dumps(value)
    return f'"{text}"' if isinstance(value, bool) and like.startswith('"') else text
