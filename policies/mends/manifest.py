"""A field of a Kubernetes manifest, changed or added in its YAML text. Callers: policies.mends. Pure.

Only block style is changed, and only values that are plain scalars.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

import yaml

from policies.mends.edits import Edit, NoEdit, lines_of


class YamlText:
    """One file. path: as positions show it."""

    def __init__(self, path: str, text: str) -> None:
        self.path = path
        self.lines = lines_of(text)
        self._items: dict[int, yaml.MappingNode] = {}
        loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
        stack: list[yaml.Node] = [node for node in yaml.compose_all(text, Loader=loader) if node is not None]
        while stack:
            node = stack.pop()
            if isinstance(node, yaml.MappingNode):
                stack += [value for _, value in node.value]
            elif isinstance(node, yaml.SequenceNode):
                stack += node.value
                self._items |= {n.start_mark.line + 1: n for n in node.value if isinstance(n, yaml.MappingNode)}

    def put(self, line: int, path: Sequence[str], value: Any) -> Edit | NoEdit:
        """The field at a path into the item of a list (a container) that begins on that line, replaced or added."""
        holder = self._items.get(line)
        if holder is None:
            return NoEdit(f"no item of a list begins on line {line}")
        for depth, step in enumerate(path):
            if holder.flow_style or not holder.value:
                return NoEdit(f"it is written in one line: set {'.'.join(path)} to {json.dumps(value)}")
            found = next((v for k, v in holder.value if k.value == step), None)
            if found is None:
                return self._added(holder, path[depth:], value)
            if depth == len(path) - 1:
                return self._replaced(found, path, value)
            if not isinstance(found, yaml.MappingNode):
                return NoEdit(f"{step} is no mapping")
            holder = found
        raise AssertionError("unreachable")

    def _added(self, holder: yaml.MappingNode, path: Sequence[str], value: Any) -> Edit | NoEdit:
        """Before the second field, as the first may stand behind the dash of its list."""
        key = holder.value[1][0] if len(holder.value) > 1 else None
        column = holder.start_mark.column
        if key is None or key.start_mark.column != column:
            return NoEdit(f"set {'.'.join(path)} to {json.dumps(value)}")
        rows = [f"{' ' * (column + 2 * depth)}{step}:" for depth, step in enumerate(path)]
        rows[-1] += f" {json.dumps(value)}"
        return Edit(self.path, key.start_mark.line + 1, "\n".join(rows))

    def _replaced(self, node: yaml.Node, path: Sequence[str], value: Any) -> Edit | NoEdit:
        line = node.start_mark.line
        if not isinstance(node, yaml.ScalarNode) or node.end_mark.line != line or node.style in ("|", ">"):
            return NoEdit(f"{path[-1]} is no plain value: set it to {json.dumps(value)}")
        old = self.lines[line]
        new = old[: node.start_mark.column] + json.dumps(value) + old[node.end_mark.column :]
        return Edit(self.path, line + 1, new, old)
