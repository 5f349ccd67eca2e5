"""Texts -> validated spec, with every mistake in every file at once. Pure: reading files is the caller's.

Callers: orchestrator.load, `duoyun validate`, `duoyun schema`, tests. A mistake inside one entry (a service, a region)
leaves that entry out of the checks between entries, and what would only follow from it is not reported.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, TypeVar, cast

from pydantic import BaseModel, ValidationError

from model.errors import Diagnostic, InvalidInput
from model.spec.app import API_VERSION, Application
from model.spec.assumptions import Assumptions
from model.spec.check import Checked, check
from model.spec.explain import Path, explain
from model.spec.fleet import Fleet
from model.spec.words import did_you_mean, shown
from model.spec.yaml_source import Document, Node, read_documents

KINDS: dict[str, type[BaseModel]] = {"Application": Application, "Fleet": Fleet, "Assumptions": Assumptions}
MAX_DIAGNOSTICS = 200
_REQUIRED = ("Application", "Fleet")
M = TypeVar("M", bound=BaseModel)


@dataclass(frozen=True, slots=True)
class Spec:
    """What was loaded. documents: kind -> the document, for positions (`document.position(path)`)."""

    app: Application
    fleet: Fleet
    assumptions: Assumptions
    warnings: tuple[Diagnostic, ...] = ()
    documents: dict[str, Document] = field(default_factory=dict, repr=False, compare=False)


def load_documents(files: Sequence[tuple[str, str]]) -> Spec:
    """One Application, one Fleet and at most one Assumptions, from (name, text) of each file, in any order.

    Raises InvalidInput with all diagnostics, in the order of the files. Same texts, same result.
    """
    found, diagnostics, unread = _read(files)
    for kind in _REQUIRED:
        if kind not in found and not unread:  # else it may be in the file that could not be read
            names = ", ".join(name for name, _ in files) or "no file at all"
            diagnostics.append(
                Diagnostic("", f"no document of kind {kind} in {names}", f"add one that begins with `kind: {kind}`")
            )
    app = _validate(Application, found.get("Application"), diagnostics)
    fleet = _validate(Fleet, found.get("Fleet"), diagnostics)
    assumptions = _validate(Assumptions, found.get("Assumptions"), diagnostics)
    seen = check(app, fleet, assumptions)
    errors = diagnostics + [d for d in seen if d.severity == "error"]
    if errors:
        raise InvalidInput(_in_order(files, errors), summary=_summary(errors))
    return Spec(
        app=cast(Application, app.value),
        fleet=cast(Fleet, fleet.value),
        assumptions=assumptions.value or Assumptions.none(),
        warnings=tuple(_in_order(files, [d for d in seen if d.severity != "error"])),
        documents=found,
    )


def load_fleet_document(files: Sequence[tuple[str, str]]) -> Fleet:
    """The Fleet alone, for what needs no application. Raises InvalidInput with all diagnostics."""
    found, diagnostics, unread = _read(files)
    if "Fleet" not in found and not unread:
        names = ", ".join(name for name, _ in files) or "no file at all"
        diagnostics.append(Diagnostic("", f"no document of kind Fleet in {names}", "name the fleet's file"))
    fleet = _validate(Fleet, found.get("Fleet"), diagnostics)
    seen = check(Checked(None, None), fleet, Checked(None, None))
    errors = diagnostics + [d for d in seen if d.severity == "error"]
    if errors:
        raise InvalidInput(_in_order(files, errors), summary=_summary(errors))
    return cast(Fleet, fleet.value)


def json_schema(kind: str) -> dict[str, Any]:
    """JSON Schema (draft 2020-12) of `app`, `fleet` or `assumptions`, for editors. KeyError otherwise."""
    models: dict[str, type[BaseModel]] = {"app": Application, "fleet": Fleet, "assumptions": Assumptions}
    model = models[kind]
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "$id": f"https://{API_VERSION.split('/', maxsplit=1)[0]}/schema/v1/{kind}.json",
        **model.model_json_schema(by_alias=True),
    }


# -- documents -------------------------------------------------------------------------------------------------


def _read(files: Sequence[tuple[str, str]]) -> tuple[dict[str, Document], list[Diagnostic], bool]:
    """Documents by kind, mistakes, and whether a file held something that could not be told apart."""
    found: dict[str, Document] = {}
    diagnostics: list[Diagnostic] = []
    unread = False
    for name, text in files:
        documents, mistakes = read_documents(name, text)
        diagnostics += mistakes
        if not documents and not mistakes:
            diagnostics.append(Diagnostic(f"{name}:1:1", "the file is empty", f"it holds one of {', '.join(KINDS)}"))
        unread |= not documents
        for document in documents:
            kind = _kind_of(document, diagnostics)
            if kind is None:
                unread = True
                continue
            if kind in found:
                first = found[kind].position(("kind",))
                diagnostics.append(
                    Diagnostic(document.position(("kind",)), f"a second {kind} (the first: {first})", "remove one")
                )
                continue
            found[kind] = document
    return found, diagnostics, unread


def _kind_of(document: Document, diagnostics: list[Diagnostic]) -> str | None:
    root = document.root
    if not isinstance(root.value, dict):
        what = "the document is no mapping"
        diagnostics.append(Diagnostic(document.position(()), what, "begin with `apiVersion:` and `kind:`"))
        return None
    if "kind" not in root.value:
        diagnostics.append(
            Diagnostic(document.position(()), "the document has no `kind`", f"add `kind:`, one of {', '.join(KINDS)}")
        )
        return None
    kind = root.value["kind"].value
    if not isinstance(kind, str) or kind not in KINDS:
        what = f"unknown kind {shown(kind)}"
        diagnostics.append(Diagnostic(document.position(("kind",)), what, did_you_mean(str(kind), KINDS)))
        return None
    return kind


# -- validation ------------------------------------------------------------------------------------------------


def _validate(model: type[M], document: Document | None, diagnostics: list[Diagnostic]) -> Checked[M]:
    """The whole value; or, where entries are wrong, what is left without them, and what was left out."""
    if document is None:
        return Checked(None, None)
    value, failure = None, None
    try:
        value = model.model_validate(document.root.plain())
    except ValidationError as exc:
        failure = exc
    rows = explain(failure, document, model)
    if not rows and value is not None:
        return Checked(value, document)
    diagnostics += [row for _, row in rows]
    return _without(model, document, [path for path, _ in rows])


def _without(model: type[M], document: Document, wrong: list[Path]) -> Checked[M]:
    data, root = document.root.plain(), document.root
    cut = {_entry(path) for path in wrong}
    kept: dict[Path, list[int]] = {}
    missing: set[str] = {_name_of(root, path) for path in cut}
    lists = {path[:-1] for path in cut if path and isinstance(path[-1], int)}
    for path in lists:
        items = _at(data, path)
        kept[path] = [i for i in range(len(items)) if (*path, i) not in cut]
        items[:] = [items[i] for i in kept[path]]
    for path in cut:
        if path and isinstance(path[-1], str):
            _at(data, path[:-1]).pop(path[-1], None)
    head = data.get("metadata")
    named = isinstance(head, dict) and "name" in head
    try:
        value = model.model_validate(
            {**data, "apiVersion": API_VERSION, "metadata": head if named else {"name": "unnamed"}}
        )
    except ValidationError:
        return Checked(None, document, partial=True)
    return Checked(value, document, partial=True, left_out=frozenset(missing - {""}), kept=kept)


def _entry(path: Path) -> Path:
    """The outermost list entry that a path lies in (`spec.services[3]`), else its last key."""
    for depth, part in enumerate(path):
        if isinstance(part, int):
            return path[: depth + 1]
    return path


def _at(data: Any, path: Path) -> Any:
    for part in path:
        data = data[part]
    return data


def _name_of(root: Node, path: Path) -> str:
    node = root
    for part in path:
        node = node.value[part]
    if isinstance(node.value, dict) and "name" in node.value:
        return str(node.value["name"].value)
    return ""


# -- the answer ------------------------------------------------------------------------------------------------


def _in_order(files: Sequence[tuple[str, str]], rows: list[Diagnostic]) -> list[Diagnostic]:
    rank = {name: i for i, (name, _) in enumerate(files)}

    def key(row: Diagnostic) -> tuple[int, int, int]:
        if not row.position:
            return (len(rank), 0, 0)
        name, line, column = row.position.rsplit(":", 2)
        return (rank.get(name, len(rank)), int(line), int(column))

    ordered = sorted(dict.fromkeys(rows), key=key)
    if len(ordered) > MAX_DIAGNOSTICS:
        more = len(ordered) - MAX_DIAGNOSTICS
        return [*ordered[:MAX_DIAGNOSTICS], Diagnostic("", f"and {more} more", "mend these first")]
    return ordered


def _summary(rows: list[Diagnostic]) -> str:
    count, names = len(dict.fromkeys(rows)), {r.position.rsplit(":", 2)[0] for r in rows if r.position}
    where = f"in {next(iter(names))}" if len(names) == 1 else f"in {len(names)} files" if names else "in the input"
    return f"{count} mistake{'s' if count != 1 else ''} {where}"
