"""Resources as another tool describes them, before a table turns them into model data.

Callers: policies.loaders makes them from Terraform and plans; the tables of each cloud (model.terraform) and their
converters read them. Attributes are plain data, and a few values that carry more than their text. Pure.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

UNKNOWN_DATA: Final[Mapping[str, Any]] = {"$unknown": True}
"""UNKNOWN as documents hold it (policies.documents)."""


def unknown() -> dict[str, Any]:
    """A fresh UNKNOWN, so that no two documents share a mutable value."""
    return {"$unknown": True}


class Pending:
    """A value that the input does not tell.

    text: how a person reads it: `aws_kms_key.k.arn`, `var.size`, or a template's text where `partial`.
    ref: address of the resource whose attribute it is, "" where it is none's. why: one line, said in reports.
    """

    __slots__ = ("attribute", "partial", "ref", "text", "why")

    def __init__(self, text: str, *, ref: str = "", attribute: str = "", partial: bool = False, why: str = "") -> None:
        self.text, self.ref, self.attribute, self.partial = text, ref, attribute, partial
        self.why = why or "known only after apply"

    def __repr__(self) -> str:
        return f"Pending({self.text!r})"


class Known(str):
    """A text that was read from another resource's attribute: `aws_s3_bucket.b.bucket` where that is written."""

    __slots__ = ("ref",)
    ref: str

    def __new__(cls, text: str, ref: str) -> Known:
        value = super().__new__(cls, text)
        value.ref = ref
        return value


class JsonText(str):
    """What jsonencode made: data holds the value itself, in which Pending parts are still themselves."""

    __slots__ = ("data",)
    data: Any

    def __new__(cls, text: str, data: Any) -> JsonText:
        value = super().__new__(cls, text)
        value.data = data
        return value


class Values(dict[str, Any]):
    """The attributes and nested blocks of one block; nested blocks are lists of Values.

    line: of the block; lines: of each attribute; file: where all of them stand. A plan has none of these ("" and 0).
    """

    __slots__ = ("file", "line", "lines")

    def __init__(self, data: Iterable[Any] | Mapping[str, Any] = (), *, file: str = "", line: int = 0) -> None:
        super().__init__(data)
        self.file, self.line = file, line
        self.lines: dict[str, int] = {}

    def where(self, name: str) -> str:
        """file:line of an attribute, of the block itself where that is not known, "" where nothing is."""
        line = self.lines.get(name, self.line)
        return f"{self.file}:{line}" if line else self.file


@dataclass(slots=True)
class Native:
    """One resource or data source as its own tool describes it, evaluated.

    address: as that tool writes it (`module.m[0].aws_s3_bucket.b`). provider: settings of its provider block.
    change: create, update, replace, delete, no-op; "" where the input shows no change. before: its values before.
    """

    address: str
    type: str
    name: str
    values: Values
    data: bool = False
    provider: Mapping[str, Any] = field(default_factory=dict)
    change: str = ""
    before: Values | None = None

    @property
    def position(self) -> str:
        return f"{self.values.file}:{self.values.line}" if self.values.line else self.values.file


def holds_pending(value: Any) -> bool:
    if isinstance(value, Pending):
        return True
    if isinstance(value, Mapping):
        return any(holds_pending(v) for v in value.values())
    return isinstance(value, list | tuple) and any(holds_pending(v) for v in value)


def render(value: Any) -> str:
    """Text for a template or a person; a pending part reads `${...}`."""
    if isinstance(value, Pending):
        return value.text if value.partial else "${" + value.text + "}"
    if value is True or value is False:
        return "true" if value else "false"
    if value is None:
        return ""
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    return str(value)
