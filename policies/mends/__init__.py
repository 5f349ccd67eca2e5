"""Mends that are mechanical, as changes of the text that a finding was made in.

A rule says in its header which value of which field it wants (`wants`); the cloud's table says which setting of the
provider that field was read from. Where the setting is written as a literal it is replaced, where it is left out it is
added; else the reason is told. Callers: orchestrator.checking. Pure: texts are handed in.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from model.plan import Finding
from model.terraform import CloudTable, Row, TableSource
from policies.loaders.converters import CONVERTERS
from policies.mends.edits import Edit, NoEdit, lines_of
from policies.positions import Position
from policies.rules import Rule

Document = Mapping[str, Any]
_INDEX = re.compile(r"\[[^\]]*\]")
_HCL, _YAML = (".tf", ".tofu"), (".yaml", ".yml")


class Mender:
    """parameters: rule id -> its parameters, over the rule's defaults. texts: file -> its text, as it was read."""

    def __init__(
        self,
        documents: Iterable[Document],
        rules: Iterable[Rule],
        texts: Mapping[str, str],
        tables: Iterable[CloudTable | TableSource],
        parameters: Mapping[str, Mapping[str, Any]] | None = None,
    ) -> None:
        self.texts = texts
        self._documents = {str(d["address"]): d for d in documents}
        self._rules = {r.id: r for r in rules if r.wants}
        self._tables = tuple(tables)
        self._parameters = parameters or {}
        self._parsed: dict[str, Any] = {}
        self._lines: dict[str, list[str]] = {}

    def mend(self, finding: Finding) -> Edit | NoEdit | None:
        """None where the rule's mend is not mechanical, or the finding is none of the rule itself."""
        rule, document = self._rules.get(finding.rule_id), self._documents.get(finding.address)
        if rule is None or document is None or finding.fault or finding.unknown or finding.approval:
            return None
        ((field, wanted),) = rule.wants.items()
        value = self._value(rule, wanted)
        if document.get("kind") == "kubernetes_object":
            return self._in_manifest(finding, field, value)
        return self._in_terraform(document, field, value)

    def lines(self, path: str) -> list[str]:
        """Lines of one of the texts, without their ends."""
        if path not in self._lines:
            self._lines[path] = lines_of(self.texts[path])
        return self._lines[path]

    def _value(self, rule: Rule, wanted: Any) -> Any:
        """A text names a parameter of the rule."""
        if not isinstance(wanted, str) or wanted not in rule.parameters:
            return wanted
        return {**rule.parameters, **self._parameters.get(rule.id, {})}[wanted]

    def _file(self, position: str, suffixes: tuple[str, ...]) -> tuple[Any, int] | None:
        place = Position.parse(position)
        if place is None or not place.path.endswith(suffixes) or place.path not in self.texts:
            return None
        if place.path not in self._parsed:
            self._parsed[place.path] = _parse(place.path, self.texts[place.path])
        return self._parsed[place.path], place.line

    def _in_manifest(self, finding: Finding, field: str, value: Any) -> Edit | NoEdit | None:
        found = self._file(finding.position, _YAML)
        if found is None:
            return None
        file, line = found
        edit: Edit | NoEdit = file.put(line, field.split("."), value)
        return edit

    def _in_terraform(self, document: Document, field: str, value: Any) -> Edit | NoEdit | None:
        source = (document.get("sources") or {}).get(field)
        where = source if isinstance(source, Mapping) else document
        found = self._file(str(where.get("position", "")), _HCL)
        if found is None:
            return None
        file, line = found
        native = _INDEX.sub("", str(where.get("address", ""))).split(".")
        kind = native[-2] if len(native) > 1 else ""
        pairs = [p for row in self._rows(kind) if row.field == field for p in _settings(row, value)]
        if not pairs:
            return NoEdit(f"no single setting of {kind} says it")
        if source is None:
            path, wanted = pairs[0]
            edit: Edit | NoEdit = file.added(line, path, wanted)
            return edit
        edit = NoEdit("")
        for path, wanted in pairs:
            edit = file.changed(line, path[-1], wanted)
            if isinstance(edit, Edit):
                break
        return edit

    def _rows(self, native_type: str) -> Iterator[Row]:
        for entry in self._tables:
            if not native_type.startswith(entry.prefix):
                continue
            table = entry.open() if isinstance(entry, TableSource) else entry
            found = table.types.get(native_type)
            if found is not None:
                yield from found.rows
                for join in found.joins:
                    yield from join.rows or ()


def _parse(path: str, text: str) -> Any:
    if path.endswith(_YAML):
        from policies.mends.manifest import YamlText

        return YamlText(path, text)
    from policies.mends.hcl import HclText

    return HclText(path, text)


def _settings(row: Row, value: Any) -> Iterator[tuple[list[str], Any]]:
    """Paths of the provider's settings, and what to write there so that the row reads that value.

    Found by asking the row's own converter, of those that read one setting and nothing beside it.
    """
    if not row.path or row.convert not in _READ_ONE:
        return
    candidates: list[Any] = [value, not value] if isinstance(value, bool) else [value]
    if row.convert in ("is_one", "at_least"):
        candidates = list(row.args)
    elif row.convert == "above":
        candidates = [n + 1 for n in row.args]
    convert = CONVERTERS[row.convert]
    for candidate in candidates:
        if convert(candidate, None, *row.args) == value:
            for path in row.path.split("|"):
                yield path.split("."), candidate
            return


_READ_ONE = frozenset({"flag", "not_flag", "number", "is_one", "at_least", "above"})

__all__ = ["Edit", "Mender", "NoEdit"]
