"""Rules with one thing broken, and whether their own examples notice. Used by test_mutants.

A mutant is a rule's text with one condition left out, one comparison turned or shifted, one number changed, one member
of a set taken out, one definition removed, or one kind of documents or objects no longer looked at. Where a definition
only spares work, so that nothing comes out otherwise without it, the rule says why in a comment right above it:
`# equivalent: why`.
"""

from __future__ import annotations

import copy
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from policies.engine import RegoEngine, RuleError
from policies.evaluation import chosen
from policies.network import with_reach
from policies.rules import Rule, parse_rule

IDENTITY = {"kind", "address", "apiVersion", "name", "class", "family"}  # what a document is cannot be unknown
_COMPARISONS = {"==": ("!=",), "!=": ("==",), "<": ("<=", ">"), ">": (">=", "<"), "<=": ("<", ">"), ">=": (">", "<")}


_EQUIVALENT = "# equivalent: "
_PARTS = re.compile(r'"(?:[^"\\]|\\.)*"|`[^`]*`|(?<![<>=!:])(==|!=|<=|>=|<|>)(?!=)|\b(true|false)\b|\b\d+\b')


@dataclass(frozen=True, slots=True)
class Mutant:
    """what: the line and how it was broken. text: the whole module."""

    what: str
    text: str


def mutants(text: str) -> Iterator[Mutant]:
    """Every way in which this tool can break a rule; each loads, or the engine says why not."""
    head, _, body = text.partition("import rego.v1")
    head += "import rego.v1"
    lines = body.splitlines()
    for what, broken in _broken(lines):
        yield Mutant(what, head + "\n".join(broken) + "\n")
    for field in ("kinds", "objects"):
        found = re.search(rf"^#   {field}: \[(.*)\]$", head, re.MULTILINE)
        names = found[1].split(", ") if found else []
        for name in names if found and len(names) > 1 else ():
            rest = ", ".join(n for n in names if n != name)
            yield Mutant(f"{field}: {name} left out", head.replace(found[0], f"#   {field}: [{rest}]") + body)


def _broken(lines: Sequence[str]) -> Iterator[tuple[str, list[str]]]:
    for n, line in enumerate(lines):
        code = line.strip()
        if not code or code.startswith(("#", "}", "]", ")", "import")):
            continue
        for changed in _changed(line):
            yield f"{code}  ->  {changed.strip()}", [*lines[:n], changed, *lines[n + 1 :]]
        if line.startswith("\t") and not line.startswith("\t\t") and _is_condition(code):
            yield f"{code}  ->  left out", [*lines[:n], *lines[n + 1 :]]
    blocks = _blocks(lines)
    for start, end in blocks if len(blocks) > 1 else ():
        if lines[start - 1].startswith(_EQUIVALENT):
            continue
        yield f"{lines[start].strip()}  ->  the whole of it left out", [*lines[:start], *lines[end:]]


def _is_condition(code: str) -> bool:
    return not code.startswith("some ") and ":=" not in code and not code.endswith(("{", ",", "[", "("))


def _changed(line: str) -> Iterator[str]:
    """The line with one comparison, constant or member of a set changed; what stands in strings stays."""
    for match in _PARTS.finditer(line):
        found, (start, end) = match[0], match.span()
        for other in _COMPARISONS.get(found, ()):
            yield line[:start] + other + line[end:]
        if found in ("true", "false"):
            yield line[:start] + ("false" if found == "true" else "true") + line[end:]
        elif found.isdigit():
            yield line[:start] + str(int(found) + 1) + line[end:]
    for members in re.finditer(r'\{("[^"{}]*"(?:, "[^"{}]*")+)\}', line):
        names = re.findall(r'"[^"]*"', members[1])
        for name in names:
            rest = ", ".join(n for n in names if n != name)
            yield line[: members.start(1)] + rest + line[members.end(1) :]


def _blocks(lines: Sequence[str]) -> list[tuple[int, int]]:
    """First and last line of each definition at the top."""
    starts = [n for n, line in enumerate(lines) if line and not line[0].isspace() and line[0] not in "#}])"]
    return [(s, e) for s, e in zip(starts, [*starts[1:], len(lines)], strict=True)]


def survivors(text: str, examples: Mapping[str, Any], libraries: Mapping[str, str], name: str) -> list[str]:
    """What was broken in each mutant that nobody noticed."""
    return [m.what for m in mutants(text) if not noticed(m.text, examples, libraries, name)]


def noticed(text: str, examples: Mapping[str, Any], libraries: Mapping[str, str], name: str) -> bool:
    """Whether an example, or a passing example with one unknown value, comes out otherwise; or it does not load."""
    from model.errors import InvalidInput

    rule = parse_rule(name, text)
    assert rule
    try:
        engine = RegoEngine({**libraries, name: text})
    except (InvalidInput, RuntimeError):  # the latter where a name is used that is no longer defined
        return True
    try:
        if any(not rows(engine, rule, case) for case in examples["fail"]):
            return True
        if any(rows(engine, rule, case) for case in examples["pass"]):
            return True
        return any(rows(engine, rule, u) for case in examples["pass"] for _, u in unknown_variants(case))
    except RuleError:
        return True


def rows(engine: RegoEngine, rule: Rule, case: Any) -> list[Any]:
    """The violations of a case: a list of documents, or {documents, parameters}."""
    documents = case["documents"] if isinstance(case, Mapping) else case
    given = case.get("parameters", {}) if isinstance(case, Mapping) else {}
    wanted = chosen(rule.kinds, rule.objects, with_reach(documents))
    found = engine.evaluate(
        rule.package, "violations", {"documents": wanted, "parameters": {**rule.parameters, **given}}
    )
    assert isinstance(found, list)
    return found


def unknown_variants(case: Any) -> Iterator[tuple[str, Any]]:
    """Copies of a case, each with one value of its documents known only after apply."""
    documents = case["documents"] if isinstance(case, Mapping) else case
    for path in _leaves(documents, ()):
        changed = copy.deepcopy(documents)
        holder = changed
        for step in path[:-1]:
            holder = holder[step]
        holder[path[-1]] = {"$unknown": True}
        yield ".".join(map(str, path)), ({**case, "documents": changed} if isinstance(case, Mapping) else changed)


def _leaves(value: Any, path: tuple[Any, ...]) -> Iterator[tuple[Any, ...]]:
    if value == {"$unknown": True}:
        return
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, item in items:
        if isinstance(item, dict | list) and item:
            yield from _leaves(item, (*path, key))
            if len(path) == 1 and key not in IDENTITY:  # a field of a document as a whole
                yield (*path, key)
        elif key not in IDENTITY and path:
            yield (*path, key)
