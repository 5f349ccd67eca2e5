"""YAML text -> plain values that remember their place, with limits that a hostile file cannot pass.

Callers: model.spec.load. Reads events of PyYAML's parser and builds the tree itself, so that depth, aliases and total
size are bounded while reading, duplicate keys are seen, and each key and value keeps its line and column. Scalars
follow the YAML 1.2 core schema (https://yaml.org/spec/1.2.2/#103-core-schema): `NO` is text, `012` is twelve, a date
is text. Tags, apart from those of the core schema, are refused. Non-goals: comments, writing, preserving style.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import yaml

from model.errors import Diagnostic

MAX_BYTES = 8 * 2**20
MAX_DEPTH = 64
MAX_ALIASES = 1_000
MAX_NODES = 2_000_000  # after aliases are expanded: a service is about 40
MAX_DOCUMENTS = 64

_Loader: type = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_TAG = "tag:yaml.org,2002:"
_NULL = re.compile(r"(?:~|null|Null|NULL)?")
_BOOL = {"true": True, "True": True, "TRUE": True, "false": False, "False": False, "FALSE": False}
_INT = re.compile(r"[-+]?[0-9]+")
_BASED = re.compile(r"0o[0-7]+|0x[0-9a-fA-F]+")
_FLOAT = re.compile(r"[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?")
_NOT_FINITE = re.compile(r"[-+]?\.(?:inf|Inf|INF)|\.(?:nan|NaN|NAN)")
_MAX_DIGITS = 40


@dataclass(slots=True)
class Node:
    """A value with its place. line and column count from 1. value: scalar, dict of Nodes or list of Nodes.

    keys: places of a mapping's keys. size: nodes in it, aliases expanded.
    """

    line: int
    column: int
    value: Any = None
    keys: dict[str, tuple[int, int]] = field(default_factory=dict)
    size: int = 1

    def plain(self) -> Any:
        """The value without places: dict, list, str, int, float, bool or None."""
        if isinstance(self.value, dict):
            return {k: v.plain() for k, v in self.value.items()}
        if isinstance(self.value, list):
            return [v.plain() for v in self.value]
        return self.value


@dataclass(frozen=True, slots=True)
class Document:
    """One YAML document of a file."""

    file: str
    root: Node

    def has(self, path: tuple[str | int, ...]) -> bool:
        """Whether something is written at that path of keys."""
        node: Node | None = self.root
        for part in path:
            node = node.value.get(part) if node is not None and isinstance(node.value, dict) else None
        return node is not None

    def position(self, path: tuple[str | int, ...], *, of_key: bool = False) -> str:
        """`file:line:column` of the value at path, or of the nearest thing above it that exists."""
        node, place = self.root, (self.root.line, self.root.column)
        for part in path:
            child: Node | None = None
            if isinstance(node.value, dict) and isinstance(part, str):
                child = node.value.get(part)
            elif isinstance(node.value, list) and isinstance(part, int) and 0 <= part < len(node.value):
                child = node.value[part]
            if child is None:
                break
            on_key = of_key or isinstance(child.value, (dict, list))
            place = node.keys[part] if on_key and isinstance(part, str) else (child.line, child.column)
            node = child
        return f"{self.file}:{place[0]}:{place[1]}"


class _Refused(Exception):
    """A mistake at a place; ends the reading of one file."""

    def __init__(self, line: int, column: int, what: str, mend: str = "") -> None:
        super().__init__(what)
        self.line, self.column, self.what, self.mend = line, column, what, mend


def read_documents(
    file: str, text: str, *, most_documents: int = MAX_DOCUMENTS
) -> tuple[list[Document], list[Diagnostic]]:
    """All documents of a file, and what is wrong with it. Never raises for what the text holds.

    A syntax error ends the file: documents before it are returned. Duplicate keys do not end it.
    """
    text = text.removeprefix("\ufeff")
    if len(text) > MAX_BYTES or len(text.encode(errors="replace")) > MAX_BYTES:
        mend = "split it, or remove what is no spec"
        return [], [Diagnostic(f"{file}:1:1", f"the file is larger than {MAX_BYTES // 2**20} MiB", mend)]
    reader = _Reader(file, most_documents)
    try:
        reader.read(text)
    except _Refused as exc:
        reader.diagnostics.append(Diagnostic(f"{file}:{exc.line}:{exc.column}", exc.what, exc.mend))
    except yaml.MarkedYAMLError as exc:
        mark = exc.problem_mark or exc.context_mark
        line, column = (mark.line + 1, mark.column + 1) if mark else (1, 1)
        reader.diagnostics.append(Diagnostic(f"{file}:{line}:{column}", _syntax(exc), _syntax_mend(exc, text, line)))
    except yaml.reader.ReaderError as exc:
        line, column = _line_column(text, exc)
        reader.diagnostics.append(
            Diagnostic(f"{file}:{line}:{column}", "a character that YAML does not allow", "save the file as UTF-8 text")
        )
    return reader.documents, reader.diagnostics


def _line_column(text: str, exc: yaml.reader.ReaderError) -> tuple[int, int]:
    position = exc.position if isinstance(exc.position, int) else 0
    # The C parser counts bytes, the Python one characters; the character itself tells which.
    found = re.search(r"[^\t\n\r\x20-\x7e\x85\xa0-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]", text)
    before = text[: found.start() if found else position]
    return before.count("\n") + 1, len(before) - before.rfind("\n")


def _syntax(exc: yaml.MarkedYAMLError) -> str:
    problem = (exc.problem or "it cannot be read").replace("\x00", "")
    context = f" {exc.context}" if exc.context else ""
    return f"no valid YAML: {problem}{context}"


def _syntax_mend(exc: yaml.MarkedYAMLError, text: str, line: int) -> str:
    lines = text.splitlines()
    if "\\t" in (exc.problem or "") or (line <= len(lines) and lines[line - 1].lstrip(" ").startswith("\t")):
        return "indent with spaces, not tabs"
    if "mapping values are not allowed" in (exc.problem or ""):
        return "put text that contains `: ` in quotes, and check the indentation"
    if "undefined alias" in (exc.problem or "") or "did not find expected alphabetic" in (exc.problem or ""):
        return "put text that begins with `*`, `&` or `!` in quotes"
    return "check the indentation and the quotes here and in the line above"


class _Reader:
    """State of reading one file. Recursion is bounded by MAX_DEPTH."""

    def __init__(self, file: str, most_documents: int) -> None:
        self.most_documents = most_documents
        self.file = file
        self.documents: list[Document] = []
        self.diagnostics: list[Diagnostic] = []
        self._anchors: dict[str, Node | None] = {}  # None while the anchored node is still being read
        self._aliases = 0
        self._nodes = 0

    def read(self, text: str) -> None:
        events = yaml.parse(text, Loader=_Loader)
        for event in events:
            if isinstance(event, yaml.DocumentStartEvent):
                self._anchors.clear()
                if len(self.documents) >= self.most_documents:
                    raise _refused(event, f"more than {self.most_documents} documents in one file")
                root = self._node(next(events), events, 1)
                if root.value is not None:
                    self.documents.append(Document(self.file, root))

    def _node(self, event: Any, events: Iterator[Any], depth: int) -> Node:
        if depth > MAX_DEPTH:
            raise _refused(event, f"nested deeper than {MAX_DEPTH} levels", "this is no spec of ours")
        if isinstance(event, yaml.AliasEvent):
            return self._alias(event)
        self._charge(event, 1)
        node = Node(event.start_mark.line + 1, event.start_mark.column + 1)
        if event.anchor:
            self._anchors[event.anchor] = None
        if isinstance(event, yaml.ScalarEvent):
            node.value = _scalar(event)
        elif isinstance(event, yaml.SequenceStartEvent):
            _check_tag(event, "seq")
            self._sequence(node, events, depth)
        else:
            _check_tag(event, "map")
            self._mapping(node, events, depth)
        if event.anchor:
            self._anchors[event.anchor] = node
        return node

    def _charge(self, event: Any, nodes: int) -> None:
        self._nodes += nodes
        if self._nodes > MAX_NODES:
            raise _refused(event, f"more than {MAX_NODES:,} values once aliases are expanded", "write fewer aliases")

    def _alias(self, event: Any) -> Node:
        self._aliases += 1
        if self._aliases > MAX_ALIASES:
            raise _refused(event, f"more than {MAX_ALIASES:,} aliases", "write the values out")
        if event.anchor not in self._anchors:
            raise _refused(event, f"`*{event.anchor}` has no `&{event.anchor}` before it", "check the anchor's name")
        node = self._anchors[event.anchor]
        if node is None:
            raise _refused(event, f"`*{event.anchor}` contains itself", "break the circle")
        self._charge(event, node.size)
        return node

    def _sequence(self, node: Node, events: Iterator[Any], depth: int) -> None:
        node.value = items = []
        for event in events:
            if isinstance(event, yaml.SequenceEndEvent):
                return
            item = self._node(event, events, depth + 1)
            items.append(item)
            node.size += item.size

    def _mapping(self, node: Node, events: Iterator[Any], depth: int) -> None:
        node.value = entries = {}
        merged: list[Node] = []
        for event in events:
            if isinstance(event, yaml.MappingEndEvent):
                break
            key = self._node(event, events, depth + 1)
            value = self._node(next(events), events, depth + 1)
            node.size += key.size + value.size
            plain = isinstance(event, yaml.ScalarEvent) and event.implicit[0]
            if plain and event.value == "<<":
                merged += self._merged(event, value)
                continue
            name = self._key(event, key)
            if name is None:
                continue
            if name in entries:
                first = node.keys[name]
                what = f"the key `{name}` is here a second time (first in line {first[0]})"
                self._note(key.line, key.column, what, "keep one of them")
                continue
            entries[name], node.keys[name] = value, (key.line, key.column)
        for other in merged:
            for name, value in other.value.items():
                if name not in entries:
                    entries[name], node.keys[name] = value, other.keys[name]

    def _key(self, event: Any, key: Node) -> str | None:
        if isinstance(key.value, str):
            return key.value
        if key.value is None or isinstance(key.value, (bool, int, float)):
            text = event.value if isinstance(event, yaml.ScalarEvent) else key.value
            self._note(key.line, key.column, f"the key `{text}` is not text", "put it in quotes")
        else:
            self._note(key.line, key.column, "a list or mapping cannot be a key", "a key is text")
        return None

    def _merged(self, event: Any, value: Node) -> list[Node]:
        nodes = value.value if isinstance(value.value, list) else [value]
        if not all(isinstance(n.value, dict) for n in nodes):
            raise _refused(event, "`<<` takes a mapping, or a list of mappings")
        return list(nodes)

    def _note(self, line: int, column: int, what: str, mend: str) -> None:
        self.diagnostics.append(Diagnostic(f"{self.file}:{line}:{column}", what, mend))


def _refused(event: Any, what: str, mend: str = "") -> _Refused:
    return _Refused(event.start_mark.line + 1, event.start_mark.column + 1, what, mend)


def _check_tag(event: Any, wanted: str) -> None:
    if event.tag not in (None, "!", f"{_TAG}{wanted}"):
        raise _refused(event, f"the tag `{_shown(event.tag)}` is not allowed", "remove it; specs are plain data")


def _shown(tag: str) -> str:
    return f"!!{tag.removeprefix(_TAG)}" if tag.startswith(_TAG) else tag


def _scalar(event: Any) -> Any:
    if event.tag in ("!", f"{_TAG}str") or (event.tag is None and not event.implicit[0]):
        return event.value
    value = _resolve(event)
    kinds = {"null": type(None), "bool": bool, "int": int, "float": (int, float)}
    if event.tag is not None:
        kind = kinds.get(event.tag.removeprefix(_TAG))
        if kind is None or not event.tag.startswith(_TAG):
            raise _refused(event, f"the tag `{_shown(event.tag)}` is not allowed", "remove it; specs are plain data")
        if not isinstance(value, kind):  # type: ignore[arg-type]
            raise _refused(event, f"`{event.value[:40]}` does not fit its tag `{_shown(event.tag)}`", "remove the tag")
    return value


def _resolve(event: Any) -> Any:
    text: str = event.value
    if _NULL.fullmatch(text):
        return None
    if text in _BOOL:
        return _BOOL[text]
    if text[0] in "-+.0123456789":
        if _NOT_FINITE.fullmatch(text):
            raise _refused(event, f"`{text}` is no finite number", "write a number, or put text in quotes")
        if _INT.fullmatch(text) or _BASED.fullmatch(text) or _FLOAT.fullmatch(text):
            return _number(event, text)
    return text


def _number(event: Any, text: str) -> int | float:
    if len(text) > _MAX_DIGITS:
        raise _refused(event, f"a number of {len(text)} digits", "put text in quotes")
    if _INT.fullmatch(text):
        return int(text)
    if _BASED.fullmatch(text):
        return int(text, 0)
    value = float(text)
    if not math.isfinite(value):
        raise _refused(event, f"`{text}` is no finite number", "write a smaller number, or put text in quotes")
    return value
