"""Expressions of HCL as values that can compute themselves in a scope.

Callers: syntax.py makes them, modules.py asks for their value. What a document does not tell is Pending, never a guess:
an operation on a Pending is Pending, a template keeps the parts that are known.
Semantics: https://developer.hashicorp.com/terraform/language/expressions.
"""

from __future__ import annotations

import operator
import textwrap
from collections.abc import Callable, Mapping
from typing import Any, Final, Protocol

from model.native import Known, Pending, holds_pending, render

MOST_TEXT: Final = 2_000_000
"""Characters that one template may make: locals that double one another stop here."""

Step = tuple[str, Any]
"""("attribute", name), ("index", Expression) or ("splat", steps)."""


class Scope(Protocol):
    """Where names have their values."""

    def resolve(self, root: str, steps: tuple[Step, ...], text: str) -> tuple[Any, int]:
        """The value of a path's beginning, and how many of its steps were used for it."""
        ...

    def child(self, names: Mapping[str, Any]) -> Scope:
        """The same scope with more names."""
        ...

    def call(self, name: str, arguments: list[Any], text: str) -> Any: ...


class Reachable:
    """Something that has attributes of its own making: a resource, a module."""

    __slots__ = ()

    def attribute(self, name: str) -> Any:
        raise NotImplementedError

    def item(self, key: Any, /) -> Any:
        raise NotImplementedError

    def items(self) -> list[Any] | Pending:
        """For a splat."""
        raise NotImplementedError

    def plain(self) -> Any:
        """What stands where a whole resource is used as a value."""
        raise NotImplementedError


class Expression:
    __slots__ = ()

    def value(self, _scope: Scope, /) -> Any:
        raise NotImplementedError


def plain(value: Any) -> Any:
    return value.plain() if isinstance(value, Reachable) else value


class Const(Expression):
    __slots__ = ("constant",)

    def __init__(self, constant: Any) -> None:
        self.constant = constant

    def value(self, _scope: Scope, /) -> Any:
        return self.constant


class Opaque(Expression):
    """What is read but not computed; its text still shows."""

    __slots__ = ("text", "why")

    def __init__(self, text: str, why: str) -> None:
        self.text, self.why = text, why

    def value(self, _scope: Scope, /) -> Any:
        return Pending(self.text, partial=True, why=self.why)


class Path(Expression):
    __slots__ = ("root", "steps", "text")

    def __init__(self, root: str, steps: tuple[Step, ...], text: str) -> None:
        self.root, self.steps, self.text = root, steps, text

    def value(self, scope: Scope, /) -> Any:
        found, used = scope.resolve(self.root, self.steps, self.text)
        return plain(_follow(found, self.steps[used:], scope, self.text))


class Steps(Expression):
    __slots__ = ("first", "steps", "text")

    def __init__(self, first: Expression, steps: tuple[Step, ...], text: str) -> None:
        self.first, self.steps, self.text = first, steps, text

    def value(self, scope: Scope, /) -> Any:
        return plain(_follow(self.first.value(scope), self.steps, scope, self.text))


def _follow(value: Any, steps: tuple[Step, ...], scope: Scope, text: str) -> Any:
    for kind, what in steps:
        if isinstance(value, Pending):
            return Pending(value.text if value.ref else text, ref=value.ref, attribute=value.attribute, why=value.why)
        if kind == "splat":
            return _splat(value, what, scope, text)
        key = what if kind == "attribute" else what.value(scope)
        if isinstance(key, Pending) and not isinstance(value, Reachable):
            return Pending(text, why=key.why)
        value = _one_step(value, kind, key, text)
    return value


def _one_step(value: Any, kind: str, key: Any, text: str) -> Any:
    if isinstance(value, Reachable):
        return value.attribute(key) if kind == "attribute" else value.item(key)
    if isinstance(value, Mapping):
        name = key if isinstance(key, str) else render(key)
        return value[name] if name in value else Pending(text, why=f"`{text}`: there is no `{name}`")
    if isinstance(value, list):
        if kind == "attribute" and len(value) == 1:
            return _one_step(value[0], kind, key, text)  # one nested block is written like an object
        try:
            return value[int(key)]
        except (ValueError, TypeError, IndexError):
            return Pending(text, why=f"`{text}`: there is no item {render(key)!r}")
    return Pending(text, why=f"`{text}` takes a part of what has none")


def _splat(value: Any, steps: tuple[Step, ...], scope: Scope, text: str) -> Any:
    if value is None:
        return []
    if isinstance(value, Reachable):
        found = value.items()
        if isinstance(found, Pending):
            return found
    else:
        found = value if isinstance(value, list) else [value]
    return [plain(_follow(item, steps, scope, text)) for item in found]


class Tuple(Expression):
    __slots__ = ("parts",)

    def __init__(self, parts: tuple[Expression, ...]) -> None:
        self.parts = parts

    def value(self, scope: Scope, /) -> Any:
        return [p.value(scope) for p in self.parts]


class Object(Expression):
    __slots__ = ("pairs",)

    def __init__(self, pairs: tuple[tuple[Expression, Expression, int], ...]) -> None:
        self.pairs = pairs

    def value(self, scope: Scope, /) -> Any:
        return {render(key.value(scope)): value.value(scope) for key, value, _ in self.pairs}


class Template(Expression):
    __slots__ = ("indented", "pieces")

    def __init__(self, pieces: tuple[str | Expression, ...], *, indented: bool = False) -> None:
        self.pieces, self.indented = pieces, indented

    def value(self, scope: Scope, /) -> Any:
        values = [p if isinstance(p, str) else p.value(scope) for p in self.pieces]
        if len(values) == 1 and not isinstance(self.pieces[0], str):
            return values[0]  # "${x}" is x itself
        text = "".join(render(v) if not isinstance(v, list | dict) else str(v) for v in values)
        if len(text) > MOST_TEXT:
            return Pending(self.pieces[0] if isinstance(self.pieces[0], str) else "", why="the text is too long")
        if self.indented:
            text = textwrap.dedent(text)
        waiting = [v for v in values if holds_pending(v)]
        ref = next((v.ref for v in values if isinstance(v, Known | Pending) and v.ref), "")
        if not waiting:
            return Known(text, ref) if ref else text
        why = next((v.why for v in waiting if isinstance(v, Pending)), "")
        return Pending(text, ref=ref, partial=True, why=why)


class Call(Expression):
    __slots__ = ("arguments", "name", "spread", "text")

    def __init__(self, name: str, arguments: tuple[Expression, ...], spread: bool, text: str) -> None:
        self.name, self.arguments, self.spread, self.text = name, arguments, spread, text

    def value(self, scope: Scope, /) -> Any:
        values = [a.value(scope) for a in self.arguments]
        if self.spread:
            last = values.pop()
            if not isinstance(last, list):
                return Pending(self.text, why="its arguments are not known")
            values += last
        return scope.call(self.name, values, self.text)


class Condition(Expression):
    __slots__ = ("condition", "no", "text", "yes")

    def __init__(self, condition: Expression, yes: Expression, no: Expression, text: str) -> None:
        self.condition, self.yes, self.no, self.text = condition, yes, no, text

    def value(self, scope: Scope, /) -> Any:
        found = truth(self.condition.value(scope))
        if not isinstance(found, Pending):
            return (self.yes if found else self.no).value(scope)
        yes, no = self.yes.value(scope), self.no.value(scope)
        if not holds_pending(yes) and not holds_pending(no) and yes == no and type(yes) is type(no):
            return yes
        return Pending(self.text, why=found.why)


def truth(value: Any) -> bool | Pending:
    if isinstance(value, Pending):
        return value
    if isinstance(value, bool):
        return value
    if value in ("true", "false"):
        return bool(value == "true")
    return Pending(render(value), why="a condition is neither true nor false")


def _both(left: Any, right: Any) -> Any:
    """`&&`: false where one is, whatever the other."""
    found = [truth(left), truth(right)]
    if False in found:
        return False
    return next((f for f in found if isinstance(f, Pending)), True)


def _either(left: Any, right: Any) -> Any:
    found = [truth(left), truth(right)]
    if True in found:
        return True
    return next((f for f in found if isinstance(f, Pending)), False)


def _equal(left: Any, right: Any) -> bool:
    if isinstance(left, bool) or isinstance(right, bool):
        return type(left) is type(right) and bool(left == right)
    return bool(left == right)


_OPERATIONS: Final[Mapping[str, Callable[[Any, Any], Any]]] = {
    "==": _equal,
    "!=": lambda a, b: not _equal(a, b),
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
    "+": operator.add,
    "-": operator.sub,
    "*": operator.mul,
    "/": operator.truediv,
    "%": operator.mod,
}
_LOGIC: Final = {"&&": _both, "||": _either}


def _numeric(value: Any) -> int | float:
    """HCL turns texts that are numbers into numbers. ValueError, TypeError where it is none."""
    if isinstance(value, bool) or value is None:
        raise TypeError("no number")
    if isinstance(value, int | float):
        return value
    found = float(value)
    return int(found) if found.is_integer() else found


class Binary(Expression):
    __slots__ = ("left", "right", "symbol", "text")

    def __init__(self, symbol: str, left: Expression, right: Expression, text: str) -> None:
        self.symbol, self.left, self.right, self.text = symbol, left, right, text

    def value(self, scope: Scope, /) -> Any:
        left, right = self.left.value(scope), self.right.value(scope)
        if self.symbol in _LOGIC:
            return _LOGIC[self.symbol](left, right)
        for side in (left, right):
            if isinstance(side, Pending):
                return Pending(self.text, why=side.why)
        try:
            if self.symbol not in ("==", "!="):
                left, right = _numeric(left), _numeric(right)
            found = _OPERATIONS[self.symbol](left, right)
        except (TypeError, ValueError, ArithmeticError):
            return Pending(self.text, why=f"`{self.text}` cannot be computed")
        return int(found) if isinstance(found, float) and found.is_integer() else found


class Unary(Expression):
    __slots__ = ("operand", "symbol", "text")

    def __init__(self, symbol: str, operand: Expression, text: str) -> None:
        self.symbol, self.operand, self.text = symbol, operand, text

    def value(self, scope: Scope, /) -> Any:
        found = self.operand.value(scope)
        if isinstance(found, Pending):
            return Pending(self.text, why=found.why)
        try:
            if self.symbol == "-":
                return -_numeric(found)
        except (TypeError, ValueError):
            return Pending(self.text, why=f"`{self.text}` cannot be computed")
        result = truth(found)
        return result if isinstance(result, Pending) else not result


class For(Expression):
    """`[for ...]` with one result, `{for ...}` with two (key, value); grouped: `...` gathers values of equal keys."""

    __slots__ = ("condition", "grouped", "names", "results", "source", "text")

    def __init__(
        self,
        names: tuple[str, ...],
        source: Expression,
        results: tuple[Expression, ...],
        condition: Expression | None,
        grouped: bool,
        text: str,
    ) -> None:
        self.names, self.source, self.results = names, source, results
        self.condition, self.grouped, self.text = condition, grouped, text

    def value(self, scope: Scope, /) -> Any:
        pairs = pairs_of(self.source.value(scope))
        if isinstance(pairs, Pending):
            return Pending(self.text, why=pairs.why)
        listed: list[Any] = []
        keyed: dict[str, Any] = {}
        for key, item in pairs:
            names = dict(zip(self.names, (key, item) if len(self.names) > 1 else (item,), strict=False))
            inner = scope.child(names)
            if self.condition is not None:
                wanted = truth(self.condition.value(inner))
                if isinstance(wanted, Pending):
                    return Pending(self.text, why=wanted.why)
                if not wanted:
                    continue
            found = [r.value(inner) for r in self.results]
            if len(found) == 1:
                listed.append(found[0])
            elif self.grouped:
                keyed.setdefault(render(found[0]), []).append(found[1])
            else:
                keyed[render(found[0])] = found[1]
        return keyed if len(self.results) > 1 else listed


def pairs_of(value: Any) -> list[tuple[Any, Any]] | Pending:
    """Keys and items of what can be walked through."""
    if isinstance(value, Pending):
        return value
    if isinstance(value, Mapping):
        return sorted(value.items())
    if isinstance(value, list):
        return list(enumerate(value))
    if value is None:
        return Pending("null", why="null cannot be walked through")
    return Pending(render(value), why=f"{render(value)!r} cannot be walked through")


def as_text(value: Any) -> str:
    return str(value) if isinstance(value, Known) else render(value)
