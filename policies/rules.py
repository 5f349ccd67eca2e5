"""What a bundle holds: each rule with its metadata, and the modules it is made of.

A rule is one Rego package with a set `violations` of objects {address, message, position?, approval?}, headed by OPA's
own annotation comment (`# METADATA`, then YAML; openpolicyagent.org, "Annotations"). Modules without one are libraries.
Callers: gate, orchestrator (listing and explaining rules), tests. Raises InvalidInput with every mistake of a bundle.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections import Counter
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cache
from importlib.resources import files
from typing import Any

from model.errors import Diagnostic, InvalidInput
from model.plan import Severity
from policies.evaluation import Evaluator
from policies.workers import Workers

HEADERS = "headers.json"
NETWORK, POLICIES = "network", "policies"
_STAGES = (NETWORK, POLICIES)
PODS = (*("CronJob", "DaemonSet", "Deployment", "Job", "Pod", "ReplicaSet", "ReplicationController", "StatefulSet"),)
_ID = re.compile(r"^[A-Z][A-Z0-9]*(-[A-Z0-9]+)+$")
_JUDGES = re.compile(r"^(violations|deny)\b", re.MULTILINE)
_PACKAGE = re.compile(r"^package\s+([A-Za-z_][\w.]*)\s*$", re.MULTILINE)


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """One rule. kinds: documents it looks at, `*` for all. parameters: name -> default.

    unknown: `report` (a value known only after apply is shown and does not deny) or `fail`. reads: the fields whose
    UNKNOWN matters (`rules.cidr`; a list is looked into); empty means all. examples: `pass` and `fail`, each a list of
    cases, a case being a list of documents or {documents, parameters}. apart: documents of one kind may be judged
    without those of its other kinds, so that each kind has to be read by the engine only once. objects: of Kubernetes
    objects, it looks only at those of these kinds of manifest (`pods` in the header: all that make pods). wants: the
    value (or the parameter) of one field that mends it, which makes the mend mechanical; for rules about containers the
    field is a path into the container.
    """

    id: str
    package: str
    title: str
    severity: Severity
    rationale: str
    mend: str
    kinds: tuple[str, ...]
    stage: str = POLICIES
    parameters: Mapping[str, Any] = field(default_factory=dict)
    unknown: str = "report"
    reads: tuple[str, ...] = ()
    controls: tuple[str, ...] = ()
    source: str = ""
    apart: bool = False
    objects: tuple[str, ...] = ()
    wants: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Bundle:
    """Rules in order of their ids, and what evaluates them."""

    rules: tuple[Rule, ...]
    modules: Mapping[str, str]
    evaluator: Evaluator

    def rule(self, rule_id: str) -> Rule:
        """KeyError where there is none of that id."""
        for rule in self.rules:
            if rule.id == rule_id:
                return rule
        raise KeyError(rule_id)

    def extended(self, modules: Mapping[str, str]) -> Bundle:
        """This bundle and a user's own modules (path -> Rego text)."""
        if not modules:
            return self
        own = {f"user:{k}": v for k, v in modules.items()}
        return load_bundle({**self.modules, **own}, checked=own)


def load_bundle(modules: Mapping[str, str], *, checked: Collection[str] | None = None, isolated: bool = True) -> Bundle:
    """Parse metadata and Rego of every module. Raises InvalidInput with all mistakes.

    checked: modules whose calls are looked up (None: all). Those that come with duoyun are checked by its tests; with
    an empty `checked` nothing is parsed before the first judgement. isolated: rules run in processes that can be
    killed; False is for tests and tools that load many bundles and trust them.
    """
    mistakes: list[Diagnostic] = []
    rules: list[Rule] = []
    for name, text in sorted(modules.items()):
        try:
            rule = parse_rule(name, text)
        except InvalidInput as exc:
            mistakes += exc.diagnostics
            continue
        if rule is not None:
            rules.append(rule)
    for what, values in (("rule id", [r.id for r in rules]), ("package", [r.package for r in rules])):
        mistakes += [Diagnostic("", f"{what} {v} occurs {n} times") for v, n in Counter(values).items() if n > 1]
    evaluator: Evaluator | None = None
    try:
        evaluator = _evaluator(modules, checked, isolated=isolated)
    except InvalidInput as exc:
        mistakes += exc.diagnostics
    if mistakes or evaluator is None:
        raise InvalidInput(mistakes)
    return Bundle(tuple(sorted(rules, key=lambda r: r.id)), dict(modules), evaluator)


def _evaluator(modules: Mapping[str, str], checked: Collection[str] | None, *, isolated: bool) -> Evaluator:
    if not isolated:
        from policies.engine import RegoEngine

        return RegoEngine(modules, checked=checked)
    workers = Workers(modules, checked=checked)
    if checked is None or checked:
        workers.check()
    return workers


@cache
def default_bundle() -> Bundle:
    """The rules that come with duoyun."""
    return load_bundle(dict(_shipped(".rego")), checked=())


def shipped_examples() -> dict[str, Mapping[str, Any]]:
    """Rule id -> {"pass": [...], "fail": [...]}, from the files beside the rules."""
    import yaml

    found: dict[str, Mapping[str, Any]] = {}
    for name, text in _shipped(".examples.yaml"):
        found[name.rpartition("/")[2].removesuffix(".examples.yaml").upper()] = yaml.safe_load(text)
    return found


def _shipped(suffix: str) -> Iterator[tuple[str, str]]:
    root = files("policies") / "bundle"
    for folder in (root, root / "lib"):
        for entry in sorted(folder.iterdir(), key=lambda e: e.name):
            if entry.name.endswith(suffix):
                yield f"{folder.name}/{entry.name}", entry.read_text(encoding="utf-8")


def parse_rule(name: str, text: str) -> Rule | None:
    """The rule that a module holds, None for a library. Raises InvalidInput."""
    package = _PACKAGE.search(text)
    block = _metadata_lines(text)
    if block is None:
        if _JUDGES.search(text):
            what = "it has violations, but no METADATA comment that says which rule they break"
            raise InvalidInput([Diagnostic(name, what, "see docs/policies.md for the header of a rule")])
        return None
    if package is None:
        raise InvalidInput([Diagnostic(name, "there is no package line")])
    data = _read_before().get(digest(block)) or _yaml(name, block)
    custom = data.get("custom")
    if not isinstance(custom, Mapping):
        raise InvalidInput([Diagnostic(name, "METADATA has no `custom` with the rule's id")])
    mistakes = list(_mistakes(name, data, custom))
    if mistakes:
        raise InvalidInput(mistakes)
    return Rule(
        id=custom["id"],
        package=package[1],
        title=data["title"],
        severity=Severity[str(custom["severity"]).upper()],
        rationale=str(data.get("description", "")).strip(),
        mend=str(custom["mend"]).strip(),
        kinds=tuple(custom["kinds"]),
        stage=custom.get("stage", POLICIES),
        parameters=dict(custom.get("parameters") or {}),
        unknown=custom.get("unknown", "report"),
        reads=tuple(custom.get("reads") or ()),
        controls=tuple(custom.get("controls") or ()),
        source=name,
        apart=custom.get("apart", False) is True,
        objects=_objects(custom.get("objects")),
        wants=dict(custom.get("wants") or {}),
    )


def _objects(names: Any) -> tuple[str, ...]:
    return tuple(o for name in names or () for o in (PODS if name == "pods" else (name,)))


def _metadata_lines(text: str) -> str | None:
    lines = text.splitlines()
    for start, line in enumerate(lines):
        if line.strip() == "# METADATA":
            found = []
            for follower in lines[start + 1 :]:
                if not follower.startswith("#"):
                    break
                found.append(follower.removeprefix("#").removeprefix(" "))
            return "\n".join(found)
    return None


def digest(block: str) -> str:
    """By which a header is found among those that were read before."""
    return hashlib.sha256(block.encode()).hexdigest()


@cache
def _read_before() -> Mapping[str, Any]:
    """Headers that come with duoyun, by their digest: YAML takes the most of what loading the bundle takes.

    Made by tools/docs/build.py from the rules themselves; one that was changed since is not found, and read as YAML.
    """
    try:
        found: dict[str, Any] = json.loads((files("policies") / "bundle" / HEADERS).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return found


def header_of(name: str, text: str) -> tuple[str, Mapping[str, Any]] | None:
    """A module's header, as its digest and what its YAML says; None where it has none. Raises InvalidInput."""
    block = _metadata_lines(text)
    return None if block is None else (digest(block), _yaml(name, block))


def _yaml(name: str, block: str) -> Mapping[str, Any]:
    import yaml

    try:
        data = yaml.load(block, Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader))  # noqa: S506  (both are safe)
    except yaml.YAMLError as exc:
        raise InvalidInput([Diagnostic(name, f"METADATA is no YAML: {exc}")]) from exc
    if not isinstance(data, Mapping):
        raise InvalidInput([Diagnostic(name, "METADATA is no mapping")])
    return data


def _mistakes(name: str, data: Mapping[str, Any], custom: Mapping[str, Any]) -> Iterator[Diagnostic]:
    known = {"id", "severity", "mend", "kinds", "objects", "stage", "parameters", "unknown", "reads", "controls"}
    known |= {"apart", "wants"}
    for key in sorted(set(custom) - known):
        yield Diagnostic(name, f"METADATA: custom.{key} means nothing here", f"known: {', '.join(sorted(known))}")
    if not isinstance(data.get("title"), str):
        yield Diagnostic(name, "METADATA: title is missing")
    if not _ID.fullmatch(str(custom.get("id", ""))):
        yield Diagnostic(name, f"METADATA: custom.id {custom.get('id')!r} is no id such as ACME-NET-001")
    if str(custom.get("severity", "")).upper() not in Severity.__members__:
        names = ", ".join(s.name.lower() for s in Severity)
        yield Diagnostic(name, f"METADATA: custom.severity is none of {names}")
    if not isinstance(custom.get("kinds"), list) or not custom["kinds"]:
        yield Diagnostic(name, "METADATA: custom.kinds must list the kinds of documents that the rule looks at")
    if not _is_list_of_texts(custom.get("objects", [])):
        yield Diagnostic(name, "METADATA: custom.objects must list kinds of Kubernetes objects, such as Deployment")
    if not isinstance(wants := custom.get("wants", {"": ""}), Mapping) or len(wants) != 1:
        yield Diagnostic(name, "METADATA: custom.wants must name one field and the value that it should have")
    if not custom.get("mend"):
        yield Diagnostic(name, "METADATA: custom.mend must say how to mend it")
    if custom.get("stage", POLICIES) not in _STAGES:
        yield Diagnostic(name, f"METADATA: custom.stage is none of {', '.join(_STAGES)}")
    if custom.get("unknown", "report") not in ("report", "fail"):
        yield Diagnostic(name, "METADATA: custom.unknown is neither report nor fail")


def _is_list_of_texts(value: Any) -> bool:
    return isinstance(value, list) and all(isinstance(v, str) for v in value)
