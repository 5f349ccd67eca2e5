"""Folders of Terraform files to native resources.

Callers: policies.loaders. A folder that another one calls as a module is judged where it is called, with what it is
called with; the others are roots. `terraform.tfvars` and `*.auto.tfvars` count for their own folder, files and values
that the options name for every root.
"""

from __future__ import annotations

import json
import posixpath
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from model.errors import Diagnostic
from policies.loaders.hcl import modules, nodes, scope
from policies.loaders.hcl.folder import Folder, read_folder
from policies.loaders.hcl.gathered import Bounds, Gathered
from policies.loaders.hcl.syntax import parse
from policies.loaders.limits import Reader

SUFFIXES = (".tf", ".tofu")


class Terraform:
    """Reads each folder once. variables: as `-var` gives them; var_files: paths as `-var-file` does."""

    def __init__(self, reader: Reader, variables: Mapping[str, Any], var_files: Iterable[str]) -> None:
        self._reader = reader
        self._given = dict(variables)
        self._var_files = tuple(var_files)
        self._folders: dict[str, Folder | None] = {}
        self._installed: dict[str, dict[str, str]] = {}
        self._root = "."

    def folder(self, path: str) -> Folder | None:
        """None where there are no Terraform files."""
        path = posixpath.normpath(path)
        if path not in self._folders:
            self._folders[path] = self._read(path)
        return self._folders[path]

    def _read(self, path: str) -> Folder | None:
        place = Path(path)
        names = sorted(p.name for p in place.iterdir() if p.suffix in SUFFIXES) if place.is_dir() else []
        return self.of_files(path, [posixpath.join(path, n) if path != "." else n for n in names]) if names else None

    def of_files(self, path: str, names: Iterable[str]) -> Folder:
        contents: dict[str, bytes] = {}
        mistakes: list[Diagnostic] = []
        for name in names:
            found = self._reader.read(Path(name), name)
            if isinstance(found, Diagnostic):
                mistakes.append(found)
            else:
                contents[name] = found
        folder = read_folder(path, contents)
        folder.mistakes[:0] = mistakes
        return folder

    def roots(self, paths: Iterable[str]) -> list[str]:
        """Of these folders, those that no other of them calls; in a circle nobody is first, so all of it is."""
        calls: dict[str, set[str]] = {}
        for path in map(posixpath.normpath, paths):
            folder = self.folder(path)
            found = (_source(d.block.body) for d in folder.modules.values()) if folder else ()
            calls[path] = {modules.beside(path, s) for s in found if s and s.startswith(".")} - {path}
        called = set().union(*calls.values()) if calls else set()
        roots = [p for p in calls if p not in called]
        seen: set[str] = set()
        stack = list(roots)
        while stack:
            path = stack.pop()
            if path not in seen:
                seen.add(path)
                stack += calls.get(path, ())
        for path in calls:
            if path not in seen:
                roots.append(path)
                stack = [path]
                while stack:
                    inner = stack.pop()
                    if inner not in seen:
                        seen.add(inner)
                        stack += calls.get(inner, ())
        return roots

    def evaluate(self, folder: Folder, bounds: Bounds) -> Gathered:
        self._root = folder.path
        values, mistakes = self._variables(folder.path)
        gathered = modules.evaluate(folder, values, self._open, bounds, self._read_file)
        gathered.mistakes[:0] = mistakes
        return gathered

    def _read_file(self, name: str, folder: str) -> bytes | str:
        """A file below the root module or the module that names it; nothing else of the machine is read."""
        path = Path(folder, name).resolve()
        if not any(path.is_relative_to(Path(p).resolve()) for p in (self._root, folder)):
            return f"{name} lies outside the module's folder, and is not read"
        if not path.is_file():
            return f"there is no file {name}"
        found = self._reader.read(path, name)
        return found.what if isinstance(found, Diagnostic) else found

    def _open(self, source: str, caller: str, address: str) -> Folder | None:
        if source.startswith(("./", "../")) or source in (".", ".."):
            return self.folder(modules.beside(caller, source))
        key = ".".join(address.replace("]", "").split("module.")[1:]).replace("..", ".")
        place = self._modules_json().get(key)
        return self.folder(modules.beside(self._root, place)) if place else None

    def _modules_json(self) -> dict[str, str]:
        """What `terraform init` has installed: module path -> folder, from .terraform/modules/modules.json."""
        if self._root not in self._installed:
            self._installed[self._root] = {}
            path = Path(self._root, ".terraform", "modules", "modules.json")
            content = self._reader.read(path, str(path)) if path.is_file() else b"{}"
            try:
                rows = json.loads(content).get("Modules", ()) if isinstance(content, bytes) else ()
                self._installed[self._root] = {r["Key"]: r["Dir"] for r in rows if r.get("Key")}
            except (ValueError, KeyError, AttributeError, TypeError):
                self._installed[self._root] = {}  # then its modules are missing, and that is said for each
        return self._installed[self._root]

    def _variables(self, path: str) -> tuple[dict[str, Any], list[Diagnostic]]:
        place = Path(path)
        own = [p for p in (place / "terraform.tfvars", place / "terraform.tfvars.json") if p.is_file()]
        own += sorted([*place.glob("*.auto.tfvars"), *place.glob("*.auto.tfvars.json")])
        values: dict[str, Any] = {}
        mistakes: list[Diagnostic] = []
        for name in [*map(str, own), *self._var_files]:
            found, wrong = self._var_file(name)
            values.update(found)
            mistakes += wrong
        return {**values, **self._given}, mistakes

    def _var_file(self, name: str) -> tuple[dict[str, Any], list[Diagnostic]]:
        content = self._reader.read(Path(name), name)
        if isinstance(content, Diagnostic):
            return {}, [content]
        if name.endswith(".json"):
            try:
                found = json.loads(content)
            except ValueError as exc:
                return {}, [Diagnostic(f"{name}:1:1", f"not JSON: {exc}", "mend it")]
            if isinstance(found, dict):
                return found, []
            return {}, [Diagnostic(f"{name}:1:1", "it is no object", "write variables and their values")]
        body, mistakes = parse(content, name)
        inner = scope.Names(scope.Module(Folder(name), "", {}, Gathered(), ()), {}, name)
        return {n: a.expression.value(inner) for n, a in body.attributes.items()}, mistakes


def _source(body: Any) -> str:
    attribute = body.attributes.get("source")
    expression = attribute.expression if attribute else None
    return expression.constant if isinstance(expression, nodes.Const) and isinstance(expression.constant, str) else ""
