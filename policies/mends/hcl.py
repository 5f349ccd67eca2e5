"""A setting of a Terraform block, changed or added in its text. Callers: policies.mends. Pure.

The tree is tree-sitter's, as the loader's; only what is written literally is changed.
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from typing import Any

from policies.loaders.hcl.syntax import tree
from policies.mends.edits import Edit, NoEdit, rows_of

_LITERAL = re.compile(r'true|false|null|-?\d+(\.\d+)?|"[^"\\$%\n]*"')


class HclText:
    """One file. path: as positions show it."""

    def __init__(self, path: str, text: str) -> None:
        self.path = path
        self.lines = [row.rstrip("\r\n") for row in rows_of(text)]
        self._source = text.removeprefix("\ufeff").encode()
        self._blocks: dict[int, Any] = {}
        self._attributes: dict[tuple[int, str], Any] = {}
        stack = [tree(self._source).root_node]
        while stack:
            node = stack.pop()
            row = node.start_point[0] + 1
            if node.type == "block":
                self._blocks.setdefault(row, node)
            elif node.type == "attribute":
                self._attributes[row, self._text(node.named_children[0])] = node
            if node.type in ("config_file", "body", "block"):
                stack.extend(node.named_children)

    def _text(self, node: Any) -> str:
        return self._source[node.start_byte : node.end_byte].decode()

    def changed(self, line: int, name: str, value: Any) -> Edit | NoEdit:
        """The value of that attribute on that line replaced."""
        node = self._attributes.get((line, name))
        if node is None:
            return NoEdit(f"{name} is not written on line {line} itself")
        expression = next(c for c in node.named_children[1:] if c.type != "comment")
        text = self._text(expression)
        if not _LITERAL.fullmatch(text) or expression.start_point[0] != node.start_point[0]:
            return NoEdit(f"{name} = {text.splitlines()[0][:60]} is no literal: change what it is computed from")
        old = self.lines[line - 1]
        raw = old.encode()
        begin, end = expression.start_point[1], expression.end_point[1]
        new = (raw[:begin] + literal(value, text).encode() + raw[end:]).decode()
        return Edit(self.path, line, new, old)

    def added(self, line: int, path: Sequence[str], value: Any) -> Edit | NoEdit:
        """The attribute at a path into the block on that line, put at the end of the innermost block."""
        block = self._blocks.get(line)
        if block is None:
            return NoEdit(f"there is no block on line {line}")
        for step in path[:-1]:
            inner = self._inner(block, step)
            if inner is None:
                return NoEdit(f"it has no block `{step}` to put {path[-1]} into: {'.'.join(path)} = {literal(value)}")
            block = inner
        last = block.end_point[0]
        if last == block.start_point[0]:
            return NoEdit(f"its block stands on one line: add {path[-1]} = {literal(value)}")
        row = self.lines[last]
        if not row.strip().startswith("}"):
            return NoEdit(f"its block does not end on a line of its own: add {path[-1]} = {literal(value)}")
        indent = row[: len(row) - len(row.lstrip())] + "  "
        return Edit(self.path, last + 1, f"{indent}{path[-1]} = {literal(value)}")

    def _inner(self, block: Any, name: str) -> Any:
        body = next((c for c in block.named_children if c.type == "body"), None)
        for child in body.named_children if body is not None else ():
            if child.type == "block" and self._text(child.named_children[0]) == name:
                return child
        return None


def literal(value: Any, like: str = "") -> str:
    """A value as HCL; a flag that was written as a text stays one."""
    text = json.dumps(value)
    return f'"{text}"' if isinstance(value, bool) and like.startswith('"') else text
