"""Paths and streams to documents: finds out what each file is, and hands it to the loader for that.

Callers: policies.loaders. In a folder, files that are clearly something else are passed by and noted; a file that is
named by itself must be readable, or it is a mistake.
"""

from __future__ import annotations

import gc
import json
import os
import re
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from model.errors import Diagnostic
from model.native import Native
from model.terraform import CloudTable, TableSource
from policies.loaders import kubernetes, specs
from policies.loaders import plan as plans
from policies.loaders.limits import Limits, Reader
from policies.loaders.mapping import Mapper
from policies.loaders.report import UNRENDERED, Loaded, Unassessed

_YAML: Final = (".yaml", ".yml")
_TERRAFORM: Final = (".tf", ".tofu")
_SKIPPED: Final = frozenset({"node_modules", "__pycache__", "venv"})
_MOST_DOCUMENTS: Final = 20_000
_TEMPLATE: Final = re.compile(r"\{\{-?\s*[.$\w(]")


@dataclass(frozen=True, slots=True)
class Stream:
    """Text that comes from no file, such as `helm template` on standard input. name: as positions show it."""

    name: str
    content: bytes


@dataclass(frozen=True, slots=True)
class Options:
    """variables and var_files: as `-var` and `-var-file` of Terraform, for every root module.

    countries: `partition/region` -> (country, ICP filing or None), over what the model knows.
    """

    variables: Mapping[str, Any] = field(default_factory=dict)
    var_files: tuple[str, ...] = ()
    limits: Limits = field(default_factory=Limits)
    countries: Mapping[str, tuple[str, bool | None]] = field(default_factory=dict)
    most_instances: int = 10_000
    most_resources: int = 200_000


def load(
    paths_or_streams: Iterable[str | Path | Stream],
    *,
    mapping: Iterable[CloudTable | TableSource],
    options: Options | None = None,
) -> Loaded:
    """Documents of everything that is named. Never raises for what a file holds."""
    run = _Run(tuple(mapping), options or Options())
    with no_collection():
        for item in paths_or_streams:
            if isinstance(item, Stream):
                run.stream(item)
            else:
                run.path(Path(item))
        return run.finish()


@contextmanager
def no_collection() -> Iterator[None]:
    """What is loaded, and found in it, lives on: walks through it for circles are a fifth of the time."""
    was = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was:
            gc.enable()


class _Run:
    def __init__(self, tables: tuple[CloudTable | TableSource, ...], options: Options) -> None:
        self.tables, self.options = tables, options
        self.reader = Reader(options.limits)
        self.loaded = Loaded()
        self.folders: dict[str, None] = {}
        self.lone_files: list[str] = []
        self.specs: dict[str, str] = {}
        self.seen: set[str] = set()
        self.addresses: set[str] = set()

    def mistake(self, position: str, what: str, mend: str) -> None:
        self.loaded.mistakes.append(Diagnostic(position, what, mend))

    def note(self, position: str, what: str, mend: str = "") -> None:
        self.loaded.notes.append(Diagnostic(position, what, mend, "warning"))

    # -- what there is -----------------------------------------------------------------------------------------

    def path(self, path: Path) -> None:
        if path.is_dir():
            before = self.reader.read_files, len(self.folders)
            self._folder(path, 0)
            if before == (self.reader.read_files, len(self.folders)):
                self.note(str(path), "nothing to judge in this folder", "name a folder with Terraform or manifests")
        elif path.suffix in _TERRAFORM:
            self.lone_files.append(str(path))
        else:
            self._file(path, named=True)

    def _folder(self, folder: Path, depth: int) -> None:
        if depth > self.options.limits.depth:
            self.mistake(f"{folder}:1:1", "folders lie too deep in one another", "name the inner folder itself")
            return
        try:
            entries = sorted(os.scandir(folder), key=lambda e: e.name)
        except OSError as exc:
            self.mistake(f"{folder}:1:1", f"the folder cannot be read: {exc.strerror}", "mend its rights")
            return
        names = {e.name for e in entries}
        if any(n.endswith(_TERRAFORM) for n in names):
            self.folders[os.path.normpath(folder)] = None
        chart = "Chart.yaml" in names
        for entry in entries:
            if entry.is_symlink() and entry.is_dir():
                continue  # what it points to is read where it is, and circles end here
            if entry.is_dir():
                if entry.name.startswith(".") or entry.name in _SKIPPED:
                    continue
                if chart and entry.name == "templates":
                    self._chart(Path(entry.path))
                else:
                    self._folder(Path(entry.path), depth + 1)
            elif entry.name.endswith((*_YAML, ".json", ".tf.json", ".tofu.json")) and not entry.name.startswith("."):
                self._file(Path(entry.path), named=False)

    def _chart(self, templates: Path) -> None:
        why = "render it: helm template CHART | duoyun policy check -"
        self.loaded.unassessed.append(Unassessed(str(templates), "chart", "", str(templates), UNRENDERED, why))

    def _file(self, path: Path, *, named: bool) -> None:
        shown = str(path)
        if shown in self.seen:
            return
        self.seen.add(shown)
        if shown.endswith((".tf.json", ".tofu.json")):
            why = "Terraform's JSON syntax is not read; judge the plan: terraform show -json"
            self.loaded.unassessed.append(Unassessed(shown, "terraform_json", "", shown, UNRENDERED, why))
            return
        content = self.reader.read(path, shown)
        if isinstance(content, Diagnostic):
            self.loaded.mistakes.append(content)
        else:
            self._content(shown, content, named=named)

    def stream(self, stream: Stream) -> None:
        wrong = self.reader.accept(stream.content, stream.name)
        if wrong is not None:
            self.loaded.mistakes.append(wrong)
        elif not stream.content.strip():
            self.mistake(f"{stream.name}:1:1", "the input is empty", "was the command before it successful?")
        else:
            self._content(stream.name, stream.content, named=True)

    # -- what it is --------------------------------------------------------------------------------------------

    def _content(self, shown: str, content: bytes, *, named: bool) -> None:
        if shown.endswith(".json") or content.lstrip()[:1] in (b"{", b"["):
            self._json(shown, content, named=named)
        else:
            self._yaml(shown, content, named=named)

    def _json(self, shown: str, content: bytes, *, named: bool) -> None:
        if not named and not _may_be_ours(content):
            self.note(shown, "neither a plan nor a manifest: passed by")
            return
        try:
            data = json.loads(content)
        except (ValueError, RecursionError) as exc:
            line, column = getattr(exc, "lineno", 1), getattr(exc, "colno", 1)
            what = getattr(exc, "msg", "values lie too deep in one another")
            self.mistake(f"{shown}:{line}:{column}", f"not JSON: {what}", "make it anew, or leave it out of the paths")
            return
        if plans.is_plan(data) or plans.is_state(data):
            natives, mistakes = plans.read(data, shown)
            self.loaded.mistakes += mistakes
            del data  # a large plan is held once
            self._map(natives, shown)
        elif specs.is_plan(data):
            documents, mistakes = specs.of_plan(data, shown)
            self.loaded.mistakes += mistakes
            self._add(documents, shown)
        elif isinstance(data, dict) and "apiVersion" in data and "kind" in data:
            self._yaml(shown, content, named=named)
        elif named:
            mend = "a plan comes from `terraform show -json`, or from `duoyun plan --save`"
            self.mistake(f"{shown}:1:1", "neither a plan nor a manifest", mend)
        else:
            self.note(shown, "neither a plan nor a manifest: passed by")

    def _yaml(self, shown: str, content: bytes, *, named: bool) -> None:
        from model.spec.yaml_source import read_documents

        try:
            text = content.decode("utf-8-sig")
        except UnicodeDecodeError as exc:
            line = content.count(b"\n", 0, exc.start) + 1
            self.mistake(f"{shown}:{line}:1", "the file is not UTF-8 text", "save it as UTF-8")
            return
        if not named and not re.search(r"^apiVersion\s*:", text, re.MULTILINE):
            self.note(shown, "no manifest: passed by")
            return
        documents, mistakes = read_documents(shown, text, most_documents=_MOST_DOCUMENTS)
        if mistakes and not named and _TEMPLATE.search(text):
            why = "it is a template: render it first"
            self.loaded.unassessed.append(Unassessed(shown, "template", "", shown, UNRENDERED, why))
            return
        self.loaded.mistakes += mistakes
        if named and not documents and not mistakes:
            self.mistake(f"{shown}:1:1", "there is no document in it", "name a file with manifests")
        for document in documents:
            if specs.is_spec(document.root):
                self.specs[shown] = text
                self._add([specs.of_spec(document)], shown)
            elif kubernetes.is_object(document.root):
                self._add(kubernetes.documents(document), shown)
            elif named:
                mend = "a manifest has apiVersion and kind"
                self.mistake(document.position(()), "neither a manifest nor a spec", mend)
            else:
                self.note(document.position(()), "neither a manifest nor a spec: passed by")

    # -- Terraform ---------------------------------------------------------------------------------------------

    def _terraform(self) -> None:
        if not self.folders and not self.lone_files:
            return
        from policies.loaders.hcl.gathered import Bounds
        from policies.loaders.terraform import Terraform

        bounds = Bounds(self.options.most_instances, self.options.most_resources)
        terraform = Terraform(self.reader, self.options.variables, self.options.var_files)
        modules = [(terraform.folder(p), p) for p in terraform.roots(self.folders)]
        lone: dict[str, list[str]] = {}
        for name in self.lone_files:
            lone.setdefault(str(Path(name).parent), []).append(name)
        modules += [(terraform.of_files(p, names), p) for p, names in lone.items() if p not in self.folders]
        for folder, path in modules:
            if folder is None:
                continue
            gathered = terraform.evaluate(folder, bounds)
            self.loaded.mistakes += [m for m in gathered.mistakes if m not in self.loaded.mistakes]
            self.loaded.unassessed += gathered.unassessed
            self.loaded.notes += gathered.notes
            self._map(gathered.natives, path)

    def _map(self, natives: list[Native], origin: str) -> None:
        mapper = Mapper(natives, self.tables)
        self._add(mapper.documents(), origin)
        self.loaded.unassessed += mapper.unassessed

    def _add(self, documents: Iterable[dict[str, Any]], origin: str) -> None:
        """Two inputs may hold the same address: the second one's begins with where it comes from."""
        for document in documents:
            address = document["address"]
            number = 1
            while document["address"] in self.addresses:
                document["address"] = f"{origin}//{address}" + (f"#{number}" if number > 1 else "")
                number += 1
            self.addresses.add(document["address"])
            if document.get("country") is None and document.get("region"):
                self._locate(document)
            self.loaded.documents.append(document)

    def _locate(self, document: dict[str, Any]) -> None:
        partition, region = document["partition"], document["region"]
        given = self.options.countries.get(f"{partition}/{region}")
        if given is not None:
            document["country"], document["icp"] = given
        else:
            document["country"] = specs.country_of(partition, region) or None

    def finish(self) -> Loaded:
        self._terraform()
        if self.specs:
            kinds = {d["kind"] for d in self.loaded.documents}
            if {"application", "fleet"} <= kinds:
                self.loaded.mistakes += specs.mistakes(self.specs)
        return self.loaded


def _may_be_ours(content: bytes) -> bool:
    head = content[:4096]
    return b'"format_version"' in head or b'"schema_version"' in content or b'"apiVersion"' in head
