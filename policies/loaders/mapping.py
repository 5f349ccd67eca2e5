"""Native resources to documents, by the tables of the clouds.

Callers: policies.loaders. Pure. Three passes: every resource becomes a document of its own, or waits as a part; parts
are written into the documents that they belong to, or stand alone where those are not in the input; what no table maps
becomes a managed service with its settings below `native`, and is counted.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Final

from model.native import Native, Pending, unknown
from model.resource_base import Kind
from model.terraform import CloudTable, Converter, Join, Row, TableSource, Type
from policies.loaders.converters import CONVERTERS, at, plain
from policies.loaders.draft import LISTS, Document, first_of, name_and_tags
from policies.loaders.index import Natives
from policies.loaders.links import link
from policies.loaders.report import UNKNOWN_VALUE, UNMAPPED_FIELD, UNMAPPED_TYPE, Unassessed

_ODD: Final = (AttributeError, TypeError, ValueError, LookupError, ArithmeticError)
_GROWING: Final = frozenset({"allowed_cidrs", "cidrs", "contacts", "replica_regions"})
"""Lists that parts add to, and which may read None before."""
_UNJUDGED: Final = frozenset({"name", "network", "subnet", "subnets", "zone", "zones", "description", "region"})
"""Fields whose unknown value leaves no rule in the dark."""
_IGNORED: Final = frozenset(
    {
        *("id", "name", "name_prefix", "tags", "tags_all", "timeouts", "region", "arn", "location", "lifecycle"),
        *("resource_group_name", "description", "display_name", "resource_group_id", "depends_on"),
    }
)
_STICKY: Final = frozenset(
    {
        "any_principal",
        "any_action",
        "public",
        "public_write",
        "foreign_principals",
        "shared_publicly",
        "any_cloud_customer",
    }
)
"""What one part of a resource has opened, another does not close."""


class Mapper:
    """One input's resources. tables: of every cloud."""

    def __init__(self, natives: Iterable[Native], tables: Iterable[CloudTable | TableSource]) -> None:
        self.tables = sorted(tables, key=lambda t: -len(t.prefix))
        self.natives = Natives(list(natives))
        self.unassessed: list[Unassessed] = []
        self._tables: dict[str, CloudTable | None] = {}

    # -- mapping -----------------------------------------------------------------------------------------------

    def table(self, native_type: str) -> CloudTable | None:
        if native_type not in self._tables:
            found = next((t for t in self.tables if native_type.startswith(t.prefix)), None)
            self._tables[native_type] = found.open() if isinstance(found, TableSource) else found
        return self._tables[native_type]

    def documents(self) -> list[dict[str, Any]]:
        made: dict[str, Document] = {}
        parts: list[tuple[Native, Type, CloudTable]] = []
        for native in self.natives:
            if native.data:
                continue
            table = self.table(native.type)
            row = table.types.get(native.type) if table else None
            if table is None or row is None:
                made[_free(made, native)] = self._unmapped(native, table)
                continue
            if row.joins:
                parts.append((native, row, table))
            if not row.joins or any(j.keep for j in row.joins):
                made[_free(made, native)] = self._document(native, row, table)
        for native, row, table in parts:
            kept = any(j.keep for j in row.joins)
            if not self._join(native, row, table, made) and not kept:
                made[_free(made, native)] = self._document(native, row, table, alone=True)
        documents = [d.data for d in made.values()]
        link(documents)
        return documents

    def _document(self, native: Native, row: Type, table: CloudTable, *, alone: bool = False) -> Document:
        document = Document(native, row, table.place(native))
        name_and_tags(document, table)
        for field, value in row.fixed.items():
            document.put(field, value)
        self._apply(document, native, row.rows, table, defaults=True)
        if not alone or not row.joins:
            self._unmapped_fields(native, row)
        if native.before is not None:
            before = Native(native.address, native.type, native.name, native.before, provider=native.provider)
            document.data["before"] = self._before(before, row, table)
        return document

    def _before(self, native: Native, row: Type, table: CloudTable) -> dict[str, Any]:
        document = Document(native, row, table.place(native))
        name_and_tags(document, table)
        for field, value in row.fixed.items():
            document.put(field, value)
        self._apply(document, native, row.rows, table, defaults=True, quiet=True)
        return document.data

    def _join(self, native: Native, row: Type, table: CloudTable, made: Mapping[str, Document]) -> bool:
        joined = False
        for join in row.joins:
            for reference in _listed(first_of(native.values, join.by)[0]):
                parent = self.natives.find(reference, join.parents)
                document = made.get(parent.address) if parent is not None else None
                if document is None or not self._joins_once(native, row, join, document):
                    continue
                joined = True
                for field, value in join.fixed.items():
                    document.put(field, value)
                    document.sources[field] = {"address": native.address, "position": native.position}
                rows = row.rows if join.rows is None else join.rows
                self._apply(document, native, rows, table, defaults=False)
                if not join.keep:
                    self._unmapped_fields(native, row)
        return joined

    def _joins_once(self, native: Native, row: Type, join: Join, document: Document) -> bool:
        """A bucket has one policy: a second one that claims to be it is a document of its own, and judged as such."""
        rows = row.rows if join.rows is None else join.rows
        if join.keep or join.many or not rows or all(r.field in LISTS for r in rows):
            return True
        if native.type in document.joined:
            return False
        document.joined.add(native.type)
        return True

    def _apply(
        self,
        document: Document,
        native: Native,
        rows: Iterable[Row],
        table: CloudTable,
        *,
        defaults: bool,
        quiet: bool = False,
    ) -> None:
        context = _Context(self, native, document)
        for row in rows:
            if row.path:
                value, holder, key = first_of(native.values, row.path)
            else:
                value = holder = native.values
                key = ""
                for read in row.reads:
                    if read in holder:
                        key = read
                        break
            raw = row.convert.startswith("raw_")
            if value is None and not raw:
                result = row.default
                if (result is None or not defaults) and document.get(row.field) is not None:
                    continue
                if not defaults and result is None:
                    continue
            else:
                convert = table.converters.get(row.convert) or CONVERTERS[row.convert]
                result = self._converted(convert, value, context, row, raw)
                if not defaults and row.field in _STICKY and document.get(row.field) is True and result is not True:
                    continue
                if result is None:
                    if not row.path:  # asked of the whole resource, "nobody says" is an answer
                        continue
                    result = row.default
                    if not defaults or document.get(row.field) is not None:
                        continue
            self._put(document, native, row, result, holder.where(key) if value is not None else "", quiet)

    def _converted(self, convert: Converter, value: Any, context: _Context, row: Row, raw: bool) -> Any:
        if isinstance(value, Pending) and not raw:
            context.why = value.why
            return unknown()
        try:
            return convert(value, context, *row.args)
        except _ODD:  # a value of a shape that the provider does not document
            context.why = "its value has a shape that the provider does not document"
            return unknown()

    def _put(self, document: Document, native: Native, row: Row, result: Any, where: str, quiet: bool) -> None:
        if isinstance(result, list) and (
            row.field in LISTS or (row.field in _GROWING and native is not document.native)
        ):
            self._extend(document, native, row.field, result, where)
        else:
            document.put(row.field, result.copy() if isinstance(result, dict | list) else result)
            if where:
                document.sources[row.field] = {"address": native.address, "position": where}
        if not quiet and _is_unknown(result) and row.field not in _UNJUDGED:
            value = first_of(native.values, row.path)[0] if row.path else None
            why = value.why if isinstance(value, Pending) else ""
            why = why or "a part of it is not known, or not as the provider documents it"
            self.unassessed.append(
                Unassessed(native.address, native.type, row.path, where or native.position, UNKNOWN_VALUE, why)
            )

    def _extend(self, document: Document, native: Native, field: str, items: list[Any], where: str) -> None:
        """Lists grow by every part that says something of them; each item keeps where it stands."""
        held = document.get(field)
        if not isinstance(held, list):
            held = []
            document.put(field, held)
        if where and field not in document.sources:
            document.sources[field] = {"address": native.address, "position": where}
        for item in items:
            if isinstance(item, dict):
                item = dict(item)  # noqa: PLW2901 - the marks of the loader go no further
                source = item.pop("$source", None)
                position, address = source if source else (where, native.address)
                if position:
                    document.sources[f"{field}[{len(held)}]"] = {"address": address, "position": position}
            elif where:
                document.sources[f"{field}[{len(held)}]"] = {"address": native.address, "position": where}
            if item not in held or isinstance(item, dict):
                held.append(item)

    # -- what no table maps ------------------------------------------------------------------------------------

    def _unmapped(self, native: Native, table: CloudTable | None) -> Document:
        place = table.place(native) if table else ("", "")
        document = Document(native, Type(native.type, Kind.MANAGED_SERVICE), place)
        name_and_tags(document, table)
        document.data["native"] = plain({k: v for k, v in native.values.items() if k not in ("tags", "lifecycle")})
        for key in native.values:
            document.sources[key] = {"address": native.address, "position": native.values.where(key)}
        self.unassessed.append(Unassessed(native.address, native.type, "", native.position, UNMAPPED_TYPE))
        return document

    def _unmapped_fields(self, native: Native, row: Type) -> None:
        known = _reads(row)
        for key in native.values:
            if key not in known and key not in _IGNORED:
                where = native.values.where(key)
                self.unassessed.append(Unassessed(native.address, native.type, key, where, UNMAPPED_FIELD))


def _free(made: Mapping[str, Document], native: Native) -> str:
    """Its address; where another was declared under the same one, a key of its own, so that neither is lost."""
    return native.address if native.address not in made else f"{native.address} {native.position}"


class _Context:
    """model.terraform.Context."""

    __slots__ = ("document", "mapper", "native", "why")

    def __init__(self, mapper: Mapper, native: Native, document: Document) -> None:
        self.mapper, self.native, self.document, self.why = mapper, native, document, ""

    def find(self, reference: Any, *types: str) -> Native | None:
        return self.mapper.natives.find(reference, types)

    def parts(self, *types: str) -> Iterable[Native]:
        return self.mapper.natives.parts(self.native, types)

    def parts_of(self, native: Native, *types: str) -> Iterable[Native]:
        return self.mapper.natives.parts(native, types)

    def mates(self, *types: str) -> Iterable[Native]:
        return self.mapper.natives.of_types(types)


_heads_cache: dict[int, tuple[Type, frozenset[str]]] = {}


def _reads(row: Type) -> frozenset[str]:
    """First steps of every path that the type's rows read."""
    found = _heads_cache.get(id(row))
    if found is None or found[0] is not row:
        rows = [*row.rows, *(r for j in row.joins for r in j.rows or ())]
        paths = [p for r in rows for p in (*r.path.split("|"), *r.reads)] + [
            p for j in row.joins for p in j.by.split("|")
        ]
        found = (row, frozenset([*(p.split(".")[0] for p in paths), *row.ignores, *row.name.split("|")]))
        _heads_cache[id(row)] = found
    return found[1]


def _listed(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [] if value is None else [value]


def _is_unknown(value: Any) -> bool:
    return isinstance(value, dict) and value.get("$unknown") is True


__all__ = ["Mapper", "at"]
