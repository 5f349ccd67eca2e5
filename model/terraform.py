"""The tables by which a cloud says what its Terraform types mean in the model.

Callers: providers/<cloud>/terraform*.py fill them, orchestrator.registry gathers them, policies.loaders.mapping applies
them. A row says: this model field (or word of model.vocabulary) is read from that native path by that converter, and
is this where the path is not written. Pure data; nothing here names a cloud.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

from model.native import Native
from model.resource_base import Kind


class Context(Protocol):
    """What a converter may look at beside the value itself."""

    @property
    def native(self) -> Native:
        """The resource whose value is converted."""
        ...

    def find(self, reference: Any, *types: str) -> Native | None:
        """The resource that a value refers to, by reference or by its id or name, where the input has it."""
        ...

    def parts(self, *types: str) -> Iterable[Native]:
        """Resources of these types that refer to this one."""
        ...

    def parts_of(self, native: Native, *types: str) -> Iterable[Native]:
        """Resources of these types that refer to that one."""
        ...

    def mates(self, *types: str) -> Iterable[Native]:
        """All resources of these types."""
        ...


Converter = Callable[..., Any]
"""(value, context, *args) -> model data; UNKNOWN reads `model.native.unknown()`. What it cannot read is unknown, and so
is a value on which it raises. A converter whose name begins with `raw_` gets Pending values and absent ones, too."""


@dataclass(frozen=True, slots=True)
class Row:
    """field: a field of the kind, or a word of model.vocabulary.

    path: dotted, into the first block where blocks repeat; `a|b` takes the first that is written; "" is the whole
    resource, and reads then names what of it is read. convert: name of a converter, and args for it. default: what the
    provider's documentation says of a field that is left out, None where it says nothing.
    """

    field: str
    path: str
    convert: str = "flag"
    default: Any = None
    args: tuple[Any, ...] = ()
    reads: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Join:
    """That a type is a part of another: its rows go into the other's document, over what stands there.

    parents: native types. by: path to the reference.
    rows, fixed: as in Type; None takes the part's own. keep: the part is a document of its own, too. many: several
    such parts belong to one parent, as the rules of a firewall do; else a second one stands alone.
    """

    parents: tuple[str, ...]
    by: str
    rows: tuple[Row, ...] | None = None
    fixed: Mapping[str, Any] = field(default_factory=dict)
    keep: bool = False
    many: bool = False


@dataclass(frozen=True, slots=True)
class Type:
    """One native type. service: for Kind.MANAGED_SERVICE. fixed: fields with the same value always. name: path.

    ignores: attributes that mean nothing to a rule, so that leaving them out is not counted as unmapped.
    """

    native: str
    kind: Kind
    rows: tuple[Row, ...] = ()
    service: str = ""
    fixed: Mapping[str, Any] = field(default_factory=dict)
    joins: tuple[Join, ...] = ()
    name: str = "name"
    ignores: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class CloudTable:
    """prefix: how its types begin. place: (resource, region that its provider block says) -> (partition, region).
    defaults: tags that a provider block gives to all."""

    prefix: str
    types: Mapping[str, Type]
    converters: Mapping[str, Converter]
    place: Callable[[Native], tuple[str, str]]
    default_tags: Callable[[Native], Mapping[str, Any]] = lambda _: {}


@dataclass(frozen=True, slots=True)
class TableSource:
    """Where to get a cloud's table, so that it is only imported where the input holds a type that begins so."""

    prefix: str
    open: Callable[[], CloudTable]


def table(*groups: Iterable[Type]) -> dict[str, Type]:
    """Types by their native name. ValueError where one is given twice."""
    found: dict[str, Type] = {}
    for group in groups:
        for row in group:
            if row.native in found:
                raise ValueError(f"{row.native} stands in two tables")
            found[row.native] = row
    return found


def row(
    field_name: str, path: str, convert: str = "flag", default: Any = None, *args: Any, reads: tuple[str, ...] = ()
) -> Row:
    """A Row, short enough to stand on one line of a table."""
    return Row(field_name, path, convert, default, args, reads)


def ref(field_name: str, path: str, default: Any = "") -> Row:
    """A row for a reference to another resource, such as a key; left out, it reads ""."""
    return Row(field_name, path, "raw_reference", default)


def has(field_name: str, path: str) -> Row:
    """A row that is true where something is written at the path, false where it is left out."""
    return Row(field_name, path, "raw_present", False)


def typed(native: str, kind: Kind, *rows: Row, joins: tuple[Join, ...] = (), name: str = "name", **fixed: Any) -> Type:
    """A Type of a kind of its own; fixed: fields with the same value always."""
    return Type(native, kind, rows, fixed=fixed, joins=joins, name=name)


def managed(
    native: str, service: str, *rows: Row, joins: tuple[Join, ...] = (), name: str = "name", **fixed: Any
) -> Type:
    """A Type that becomes a managed service of that class (model.vocabulary.SERVICES)."""
    return Type(native, Kind.MANAGED_SERVICE, rows, service=service, fixed=fixed, joins=joins, name=name)
