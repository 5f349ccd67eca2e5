"""HCL text to bodies of attributes and blocks, with a line for each; every mistake with file:line:column.

Callers: modules.py. The grammar is tree-sitter-hcl's, imported with the first file; what it lets pass and Terraform
refuses (an attribute set twice, a wrong escape) is refused here.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cache
from typing import Any

from model.errors import Diagnostic, NotBuiltYet
from policies.loaders.hcl import nodes

MAX_DEPTH = 80
"""Blocks or expressions inside one another; Terraform's own modules stay below twenty."""
_MOST_MISTAKES = 20

_PLAIN = re.compile(rb'"[^"\\$%\n]*"\Z')
_WORD = re.compile(rb"(?:true|false|null)\Z")
_INTEGER = re.compile(rb"-?\d{1,15}\Z")
_TEXTS = re.compile(rb'\[\s*(?:"[^"\\$%\n]*"\s*,\s*)*"[^"\\$%\n]*"\s*\]\Z')
_PATH = re.compile(rb"[A-Za-z_][\w-]*(?:\.[A-Za-z_][\w-]*)+\Z")
_WORDS = {b"true": True, b"false": False, b"null": None}
_ESCAPE = re.compile(r'\\(?:(["\\nrt])|u([0-9a-fA-F]{4})|U([0-9a-fA-F]{8})|(.|\Z))|\$\$\{|%%\{', re.DOTALL)
_PLAIN_ESCAPES = {"n": "\n", "r": "\r", "t": "\t", '"': '"', "\\": "\\"}


@dataclass(slots=True)
class Attribute:
    line: int
    expression: nodes.Expression


@dataclass(slots=True)
class Block:
    type: str
    labels: tuple[str, ...]
    body: Body
    line: int


@dataclass(slots=True)
class Body:
    attributes: dict[str, Attribute] = field(default_factory=dict)
    blocks: list[Block] = field(default_factory=list)


class _Mistake(Exception):
    def __init__(self, node: Any, what: str, mend: str) -> None:
        super().__init__(what)
        self.node, self.what, self.mend = node, what, mend


@cache
def _parser() -> Any:
    try:
        import tree_sitter
        import tree_sitter_hcl
    except ModuleNotFoundError as exc:
        what = f"reading Terraform needs {exc.name}, which is not installed"
        raise NotBuiltYet(what, mend="pip install 'duoyun[policy]'") from exc
    return tree_sitter.Parser(tree_sitter.Language(tree_sitter_hcl.language()))


def tree(source: bytes) -> Any:
    """The syntax tree of a text; what it does not understand is in it as ERROR nodes."""
    return _parser().parse(source)


def parse(source: bytes, file: str) -> tuple[Body, list[Diagnostic]]:
    """The file's body and its mistakes; where there is a mistake the body holds what could be read."""
    mistakes: list[Diagnostic] = []
    source = source.removeprefix(b"\xef\xbb\xbf")
    try:
        source.decode()
    except UnicodeDecodeError as exc:
        line = source.count(b"\n", 0, exc.start) + 1
        column = exc.start - source.rfind(b"\n", 0, exc.start)
        return Body(), [Diagnostic(f"{file}:{line}:{column}", "the file is not UTF-8 text", "save it as UTF-8")]
    root = tree(source).root_node
    if root.has_error:
        mistakes = [_syntax_mistake(node, source, file) for node in _errors(root)]
        return Body(), mistakes
    reader = _Reader(source, file, mistakes)
    body = next((n for n in root.named_children if n.type == "body"), None)
    return (reader.body(body, 0) if body is not None else Body()), mistakes


def _errors(root: Any) -> list[Any]:
    """Nodes that show where the text goes wrong, in its order: an open quote, what is missing, what has no place."""
    found: list[Any] = []
    stack = [root]
    while stack and len(found) < _MOST_MISTAKES:
        node = stack.pop()
        unplaced = node.type == "ERROR" and not any(c.has_error or c.is_missing for c in node.children)
        if _is_open_quote(node) or node.is_missing or unplaced:
            found.append(node)
        stack.extend(reversed(node.children))
    first = next((n for n in found if _is_open_quote(n)), None)
    if first is not None:  # the rest is only its consequence
        found = [first]
    return sorted(found, key=lambda n: n.start_byte)


def _is_open_quote(node: Any) -> bool:
    """A text over several lines that is no heredoc."""
    if node.type != "template_literal" or node.start_point[0] == node.end_point[0]:
        return False
    return bool(node.parent.type != "heredoc_template")


def _syntax_mistake(node: Any, source: bytes, file: str) -> Diagnostic:
    row, column = node.start_point
    if _is_open_quote(node):
        where = f"{file}:{row + 1}:{max(column, 1)}"
        return Diagnostic(where, "the text has no closing quote on its line", 'end it with `"`')
    inside = node.parent is not None and node.parent.type not in ("block_end", "block_start", "tuple_end", "object_end")
    if node.is_missing and not inside:
        where = f"{file}:{row + 1}:{column + 1}"
        return Diagnostic(where, f"`{node.type}` is missing here", "close what was opened before this place")
    if node.type == "ERROR" and node.children:  # the part before the end was understood; what follows was not
        row, column = node.children[-1].start_point
    where = f"{file}:{row + 1}:{column + 1}"
    lines = source.split(b"\n")
    text = lines[row][column:].decode(errors="replace").strip() if row < len(lines) else ""
    what = f"`{text[:60]}` is not HCL at this place" if text else "this is not HCL"
    return Diagnostic(where, what, "look for a missing quote, brace, `=` or comma at or before this place")


class _Reader:
    def __init__(self, source: bytes, file: str, mistakes: list[Diagnostic]) -> None:
        self.source, self.file, self.mistakes = source, file, mistakes

    def text(self, node: Any) -> str:
        return self.source[node.start_byte : node.end_byte].decode()

    def say(self, node: Any, what: str, mend: str) -> None:
        row, column = node.start_point
        self.mistakes.append(Diagnostic(f"{self.file}:{row + 1}:{column + 1}", what, mend))

    def body(self, node: Any, depth: int) -> Body:
        body = Body()
        if depth > MAX_DEPTH:
            self.say(node, f"blocks lie more than {MAX_DEPTH} deep in one another", "split them up")
            return body
        for child in node.named_children:
            if child.type == "attribute":
                self._attribute(child, body)
            elif child.type == "block":
                body.blocks.append(self._block(child, depth))
        return body

    def _attribute(self, node: Any, body: Body) -> None:
        parts = node.named_children
        name = self.text(parts[0])
        line = node.start_point[0] + 1
        if name in body.attributes:
            first = body.attributes[name].line
            self.say(node, f"`{name}` is set twice, first on line {first}", "keep one of the two")
            return
        expression = next(p for p in parts[1:] if p.type != "comment")
        try:
            body.attributes[name] = Attribute(line, self.expression(expression, 0))
        except _Mistake as exc:
            self.say(exc.node, exc.what, exc.mend)

    def _block(self, node: Any, depth: int) -> Block:
        parts = node.named_children
        labels: list[str] = []
        inner = Body()
        for part in parts[1:]:
            if part.type == "string_lit":
                labels.append(self.text(part)[1:-1])
            elif part.type == "identifier":
                labels.append(self.text(part))
            elif part.type == "body":
                inner = self.body(part, depth + 1)
        return Block(self.text(parts[0]), tuple(labels), inner, node.start_point[0] + 1)

    # -- expressions -------------------------------------------------------------------------------------------

    def expression(self, node: Any, depth: int) -> nodes.Expression:
        raw = self.source[node.start_byte : node.end_byte]
        quick = _quick(raw)
        if quick is not None:
            return quick
        if depth > MAX_DEPTH:
            raise _Mistake(node, f"expressions lie more than {MAX_DEPTH} deep in one another", "name parts as locals")
        children = [c for c in node.named_children if c.type != "comment"]
        if node.type == "expression" and node.children and node.children[0].type == "(":
            return self.expression(children[0], depth + 1)
        return self._term(children, raw, depth) if node.type == "expression" else self._one(node, depth)

    def _term(self, children: list[Any], raw: bytes, depth: int) -> nodes.Expression:
        """A first term and what is taken of it: `.x`, `[0]`, `[*]`."""
        first = self._one(children[0], depth)
        steps = self._steps(children[1:], depth)
        if isinstance(first, nodes.Path) and not first.steps:
            return nodes.Path(first.root, steps, raw.decode())
        return nodes.Steps(first, steps, raw.decode()) if steps else first

    def _steps(self, found: list[Any], depth: int) -> tuple[nodes.Step, ...]:
        steps: list[nodes.Step] = []
        for node in found:
            if node.type == "get_attr":
                steps.append(("attribute", self.text(node.named_children[0])))
            elif node.type == "index":
                inner = node.named_children[0]
                if inner.type == "legacy_index":
                    steps.append(("index", nodes.Const(int(self.text(inner)[1:] or 0))))
                else:
                    steps.append(("index", self.expression(inner.named_children[0], depth + 1)))
            elif node.type == "splat":
                steps.append(("splat", self._steps(node.named_children[0].named_children, depth)))
            else:
                # `(a ? b : c).d` has its dots as children too
                raise _Mistake(node, f"`{self.text(node)[:60]}` cannot be read here", "simplify the expression")
        return tuple(steps)

    def _one(self, node: Any, depth: int) -> nodes.Expression:
        read = getattr(self, f"_read_{node.type}", None)
        if read is None:
            raise _Mistake(node, f"`{self.text(node)[:60]}` cannot be read", "simplify the expression")
        return read(node, depth)  # type: ignore[no-any-return]

    def _read_expression(self, node: Any, depth: int) -> nodes.Expression:
        return self.expression(node, depth + 1)

    def _read_variable_expr(self, node: Any, _depth: int) -> nodes.Expression:
        name = self.text(node)
        return nodes.Path(name, (), name)

    def _read_literal_value(self, node: Any, _depth: int) -> nodes.Expression:
        inner = node.named_children[0]
        text = self.text(inner)
        if inner.type == "string_lit":
            return nodes.Const(self._unescape(text[1:-1], inner))
        if inner.type == "numeric_lit":
            return nodes.Const(_number(text))
        return nodes.Const({"true": True, "false": False, "null": None}[text])

    def _read_collection_value(self, node: Any, depth: int) -> nodes.Expression:
        inner = node.named_children[0]
        if inner.type == "tuple":
            items = [self.expression(c, depth + 1) for c in inner.named_children if c.type == "expression"]
            return nodes.Tuple(tuple(items))
        pairs: list[tuple[nodes.Expression, nodes.Expression, int]] = []
        for element in inner.named_children:
            if element.type != "object_elem":
                continue
            key, value = [c for c in element.named_children if c.type == "expression"]
            line = element.start_point[0] + 1
            pairs.append((self._key(key, depth), self.expression(value, depth + 1), line))
        return nodes.Object(tuple(pairs))

    def _key(self, node: Any, depth: int) -> nodes.Expression:
        """A bare word is a text; in parentheses it is an expression."""
        raw = self.text(node)
        if re.fullmatch(r"[A-Za-z_][\w-]*", raw):
            return nodes.Const(raw)
        return self.expression(node, depth + 1)

    def _read_function_call(self, node: Any, depth: int) -> nodes.Expression:
        name = self.text(node.named_children[0])
        given = next((c for c in node.named_children if c.type == "function_arguments"), None)
        found = [c for c in given.named_children if c.type != "comment"] if given is not None else []
        spread = bool(found) and found[-1].type == "ellipsis"
        arguments = tuple(self.expression(c, depth + 1) for c in found if c.type == "expression")
        return nodes.Call(name, arguments, spread, self.text(node))

    def _read_conditional(self, node: Any, depth: int) -> nodes.Expression:
        condition, yes, no = (self.expression(c, depth + 1) for c in node.named_children if c.type != "comment")
        return nodes.Condition(condition, yes, no, self.text(node))

    def _read_operation(self, node: Any, depth: int) -> nodes.Expression:
        inner = node.named_children[0]
        if inner.type == "unary_operation":
            operand = [c for c in inner.named_children if c.type != "comment"]
            return nodes.Unary(inner.children[0].type, self._term(operand, b"", depth + 1), self.text(node))
        symbol = next(i for i, c in enumerate(inner.children) if not c.is_named)
        left = [c for c in inner.children[:symbol] if c.type != "comment"]
        right = [c for c in inner.children[symbol + 1 :] if c.type != "comment"]
        return nodes.Binary(
            inner.children[symbol].type, self._side(left, depth), self._side(right, depth), self.text(node)
        )

    def _side(self, found: list[Any], depth: int) -> nodes.Expression:
        if depth > MAX_DEPTH:
            raise _Mistake(
                found[0], f"expressions lie more than {MAX_DEPTH} deep in one another", "name parts as locals"
            )
        raw = self.source[found[0].start_byte : found[-1].end_byte]
        inner = [c for c in found if c.is_named]
        return _quick(raw) or self._term(inner, raw, depth + 1)

    def _read_for_expr(self, node: Any, depth: int) -> nodes.Expression:
        inner = node.named_children[0]
        intro = next(c for c in inner.named_children if c.type == "for_intro")
        names = [self.text(c) for c in intro.named_children if c.type == "identifier"]
        source = self.expression(next(c for c in intro.named_children if c.type == "expression"), depth + 1)
        results = [self.expression(c, depth + 1) for c in inner.named_children if c.type == "expression"]
        found = next((c for c in inner.named_children if c.type == "for_cond"), None)
        condition = None
        if found is not None:
            condition = self.expression(next(c for c in found.named_children if c.type == "expression"), depth + 1)
        grouped = any(c.type == "ellipsis" for c in inner.named_children)
        return nodes.For(tuple(names), source, tuple(results), condition, grouped, self.text(node))

    # -- templates ---------------------------------------------------------------------------------------------

    def _read_template_expr(self, node: Any, depth: int) -> nodes.Expression:
        inner = node.named_children[0]
        if inner.type == "heredoc_template":
            return self._heredoc(inner, depth)
        parts = [c for c in inner.named_children if c.type in ("template_interpolation", "template_directive")]
        if any(c.type == "template_directive" for c in parts):
            return nodes.Opaque(self.text(inner)[1:-1], "a template directive, which is not computed")
        start, end = inner.start_byte + 1, inner.end_byte - 1
        return nodes.Template(tuple(self._parts(parts, start, end, inner, depth, quoted=True)))

    def _parts(
        self, found: list[Any], start: int, end: int, node: Any, depth: int, *, quoted: bool
    ) -> Iterator[str | nodes.Expression]:
        for part in found:
            if part.start_byte > start:
                yield self._literal(start, part.start_byte, node, quoted)
            inner = next((c for c in part.named_children if c.type == "expression"), None)
            yield self.expression(inner, depth + 1) if inner is not None else ""
            start = part.end_byte
        if end > start:
            yield self._literal(start, end, node, quoted)

    def _literal(self, start: int, end: int, node: Any, quoted: bool) -> str:
        text = self.source[start:end].decode()
        return self._unescape(text, node) if quoted else text.replace("$${", "${").replace("%%{", "%{")

    def _heredoc(self, node: Any, depth: int) -> nodes.Expression:
        names = [c for c in node.named_children if c.type == "heredoc_identifier"]
        start = self.source.find(b"\n", names[0].end_byte) + 1
        end = self.source.rfind(b"\n", 0, names[-1].start_byte) + 1
        parts = [c for c in node.named_children if c.type in ("template_interpolation", "template_directive")]
        if any(c.type == "template_directive" for c in parts):
            return nodes.Opaque(self.source[start:end].decode(), "a template directive, which is not computed")
        pieces = tuple(self._parts(parts, start, max(start, end), node, depth, quoted=False))
        return nodes.Template(pieces, indented=self.source[node.start_byte : node.start_byte + 3] == b"<<-")

    def _unescape(self, text: str, node: Any) -> str:
        if "\n" in text:
            raise _Mistake(node, "the text has no closing quote on its line", 'end it with `"`, or write a heredoc')
        if "\\" not in text and "$$" not in text and "%%" not in text:
            return text

        def replace(match: re.Match[str]) -> str:
            plain, short, long, wrong = match.groups()
            if wrong is not None:
                mend = 'valid are \\n, \\r, \\t, \\", \\\\, \\uNNNN and \\UNNNNNNNN'
                raise _Mistake(node, f"`\\{wrong}` is no escape sequence", mend)
            if plain:
                return _PLAIN_ESCAPES[plain]
            return chr(int(short or long, 16)) if short or long else match.group()[1:]

        return _ESCAPE.sub(replace, text)


def _quick(raw: bytes) -> nodes.Expression | None:
    """The commonest expressions by their text alone: most of a file, so that few trees are walked."""
    first = raw[:1]
    if first == b'"':
        return nodes.Const(raw[1:-1].decode()) if _PLAIN.match(raw) else None
    if first == b"[":
        if raw == b"[]":
            return nodes.Tuple(())
        if _TEXTS.match(raw):
            return nodes.Tuple(tuple(nodes.Const(t) for t in json.loads(raw)))
        return None
    if _WORD.match(raw):
        return nodes.Const(_WORDS[raw])
    if _INTEGER.match(raw):
        return nodes.Const(int(raw))
    if _PATH.match(raw):
        text = raw.decode()
        root, *rest = text.split(".")
        return nodes.Path(root, tuple(("attribute", r) for r in rest), text)
    return None


def _number(text: str) -> int | float:
    return float(text) if any(c in text for c in ".eE") else int(text)
