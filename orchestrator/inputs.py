"""Files and streams as documents that the gate judges: Kubernetes YAML, application and fleet specs, saved plans.

Callers: checking. Nothing is skipped in silence: what cannot be read is a mistake, what cannot be assessed is a row.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from model.errors import Diagnostic, InvalidInput
from model.spec.yaml_source import Document, read_documents
from policies.documents import Surroundings, of_plan

STDIN = "-"
_SUFFIXES = (".yaml", ".yml", ".json")
_SPECS = "duoyun.dev/"
_MAX_BYTES = 200 * 2**20
_SKIPPED = frozenset({"node_modules", "__pycache__"})


@dataclass(slots=True)
class Inputs:
    """documents: for the gate. unassessed: what could not be assessed, a line each. mistakes: what cannot be read.

    fleets: files that hold a fleet, whose policies apply. texts: file -> its text, for waivers written as comments.
    """

    documents: list[dict[str, Any]] = field(default_factory=list)
    unassessed: list[str] = field(default_factory=list)
    mistakes: list[Diagnostic] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    fleets: list[Path] = field(default_factory=list)
    texts: dict[str, str] = field(default_factory=dict)


def read_inputs(paths: Sequence[str], stdin: str | None, surroundings: Surroundings) -> Inputs:
    """Every document of the files, folders and standard input (`-`, handed in as text) that were named."""
    found = Inputs()
    for name, text in _texts(paths, stdin, found):
        if name.endswith(".json") and text.lstrip()[:1] == "{":
            _json(name, text, found, surroundings)
        else:
            _yaml(name, text, found)
    return found


def _texts(paths: Sequence[str], stdin: str | None, found: Inputs) -> Iterator[tuple[str, str]]:
    for path in _files(paths, found):
        name = "<stdin>" if path == STDIN else path
        text = (stdin or "") if path == STDIN else _read(path, found)
        if text is None:
            continue
        found.texts[name] = text
        yield name, text


def _files(paths: Sequence[str], found: Inputs) -> Iterator[str]:
    seen: set[str] = set()
    for given in paths:
        path = Path(given)
        if given == STDIN or path.is_file():
            names = [given]
        elif path.is_dir():
            names = [
                str(p) for p in sorted(path.rglob("*")) if p.suffix in _SUFFIXES and p.is_file() and _wanted(path, p)
            ]
            if not names:
                found.mistakes.append(Diagnostic(given, "no file in it can be checked", f"name {', '.join(_SUFFIXES)}"))
        else:
            found.mistakes.append(Diagnostic(given, "there is no such file or folder", "check the path"))
            continue
        yield from (n for n in names if n not in seen)
        seen.update(names)


def _wanted(root: Path, path: Path) -> bool:
    parts = path.relative_to(root).parts
    return not any(p.startswith(".") or p in _SKIPPED for p in parts)


def _read(path: str, found: Inputs) -> str | None:
    try:
        data = Path(path).read_bytes()
        if len(data) > _MAX_BYTES:
            found.mistakes.append(
                Diagnostic(path, f"is larger than {_MAX_BYTES // 2**20} MiB", "is it the right file?")
            )
            return None
        text = data.decode("utf-8-sig")
    except OSError as exc:
        found.mistakes.append(Diagnostic(path, f"cannot be read: {exc.strerror}", "check its permissions"))
        return None
    except UnicodeDecodeError:
        found.mistakes.append(Diagnostic(path, "is not UTF-8 text", "save it as UTF-8 text"))
        return None
    return text


def _json(name: str, text: str, found: Inputs, surroundings: Surroundings) -> None:
    from model.codec import from_data
    from model.plan import SCHEMA_VERSION, Plan

    try:
        data = json.loads(text)
    except (ValueError, RecursionError) as exc:
        place = f"{name}:{exc.lineno}:{exc.colno}" if isinstance(exc, json.JSONDecodeError) else name
        found.mistakes.append(Diagnostic(place, f"no valid JSON: {getattr(exc, 'msg', exc)}", "check it there"))
        return
    if "apiVersion" in data:
        _kubernetes(name, data, f"{name}:1:1", found)
    elif data.get("schema_version") == SCHEMA_VERSION and "placement" in data:
        try:
            plan = from_data(data, Plan)
        except Exception as exc:  # noqa: BLE001  (cattrs raises groups of whatever its parts raised)
            found.mistakes.append(Diagnostic(name, f"is no plan that duoyun wrote: {exc}", "duoyun plan --save FILE"))
            return
        found.documents += of_plan(plan, surroundings)
    else:
        found.unassessed.append(f"{name}: JSON of a form that is not known")


def _yaml(name: str, text: str, found: Inputs) -> None:
    documents, mistakes = read_documents(name, text)
    found.mistakes += mistakes
    for document in documents:
        data, position = document.root.plain(), document.position(())
        if data is None:
            continue
        if not isinstance(data, dict):
            found.unassessed.append(f"{position}: a document that is no mapping")
        elif str(data.get("apiVersion", "")).startswith(_SPECS):
            _spec(name, document, data, found)
        elif "apiVersion" in data and "kind" in data:
            _kubernetes(name, data, position, found)
        else:
            found.unassessed.append(f"{position}: YAML of a form that is not known")


def _spec(name: str, document: Document, data: dict[str, Any], found: Inputs) -> None:
    if data.get("kind") == "Fleet":
        found.fleets.append(Path(name))
    elif data.get("kind") == "Application":
        title = str((data.get("metadata") or {}).get("name", "unnamed"))
        found.documents.append(
            {
                "kind": "application",
                "address": f"application/{title}",
                "position": document.position(("spec",)),
                "spec": data.get("spec") or {},
            }
        )
    else:
        found.notes.append(f"{document.position(())}: kind {data.get('kind')!r} holds nothing that rules judge")


def _kubernetes(name: str, data: dict[str, Any], position: str, found: Inputs) -> None:
    """One object, or each of a List's."""
    kind = str(data.get("kind", ""))
    if kind == "List" and isinstance(data.get("items"), list):
        for item in data["items"]:
            _kubernetes(name, item, position, found)
        return
    metadata = data.get("metadata") if isinstance(data.get("metadata"), dict) else {}
    assert isinstance(metadata, dict)
    title = metadata.get("name") or metadata.get("generateName") or "unnamed"
    where = f"-/{metadata.get('namespace') or '-'}/{kind}/{title}"
    found.documents.append(
        {
            "kind": "kubernetes_object",
            "address": f"kubernetes/-/-/kubernetes_object/{where}",
            "name": where,
            "manifest": data,
            "delegated": [],
            "tags": metadata.get("labels") or {},
            "partition": "kubernetes",
            "region": "-",
            "country": None,
            "icp": None,
            "ownership": "reference",
            "service": "",
            "site": "",
            "public": False,
            "position": position,
        }
    )


def require_some(found: Inputs) -> None:
    """Raises InvalidInput where nothing was found to check: an empty pass would say more than is known."""
    if not (found.documents or found.unassessed or found.mistakes or found.fleets):
        raise InvalidInput([Diagnostic("", "nothing to check was found in what was named")])
