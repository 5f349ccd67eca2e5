"""What passes between the gate and whatever evaluates its rules: tasks in, answers out.

Callers: gate; engine, workers and server, which evaluate. Pure. An evaluator never loses a task: what it could not
evaluate comes back as a fault, which the gate counts as a denial.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from model.errors import DuoyunError
from model.exit_codes import ExitCode

Document = Mapping[str, Any]


class RuleError(DuoyunError):
    """A rule could not be evaluated; the summary is the engine's first line, with file and line where it says them."""

    exit_code = ExitCode.DENIED


@dataclass(frozen=True, slots=True)
class Task:
    """One rule to evaluate: `data.<package>.violations` over the documents of its kinds (`*`: all).

    apart: it says of documents of one kind what it says of them beside those of its other kinds.
    objects: of Kubernetes objects, only those of these kinds of manifest; empty: all.
    """

    rule_id: str
    package: str
    source: str
    kinds: tuple[str, ...]
    parameters: Mapping[str, Any] = field(default_factory=dict)
    apart: bool = False
    objects: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Fault:
    """Why a rule could not be evaluated. address: the document it happened on; empty: all of them."""

    why: str
    address: str = ""


@dataclass(frozen=True, slots=True)
class Answer:
    """The violations that a rule found, and where it could not be evaluated."""

    rows: tuple[Mapping[str, Any], ...] = ()
    faults: tuple[Fault, ...] = ()


class Evaluator(Protocol):
    """Something that runs the rules of one bundle."""

    def answers(self, tasks: Sequence[Task], documents: Sequence[Document]) -> list[Answer]:
        """One answer a task, in their order. Raises nothing for a rule's own faults."""
        ...


def rows_of(task: Task, value: Any) -> tuple[Mapping[str, Any], ...]:
    """The violations, checked. Raises RuleError where the answer is not a set of objects with address and message."""
    if not isinstance(value, list) or not all(isinstance(v, Mapping) for v in value):
        raise RuleError(f"{task.source}: `violations` is not a set of objects")
    for row in value:
        if not isinstance(row.get("address"), str) or not isinstance(row.get("message"), str):
            raise RuleError(f"{task.source}: a violation lacks its address or its message")
    return tuple(value)


_OBJECT = "kubernetes_object"
_NOT_KNOWN = f"{_OBJECT}/?"  # one whose kind is known only after apply may be any


def group_of(document: Document) -> str | None:
    """The group that a document is in: its kind, and of a Kubernetes object that of its manifest, too."""
    kind = document.get("kind")
    if kind != _OBJECT:
        return kind if isinstance(kind, str) else None
    manifest = document.get("manifest")
    name = manifest.get("kind") if isinstance(manifest, Mapping) else None
    return f"{_OBJECT}/{name}" if isinstance(name, str) else _NOT_KNOWN


def looked_at(kinds: Collection[str], objects: Collection[str], there: Iterable[str]) -> list[str]:
    """Of the groups that there are, in order, those that a rule of these kinds and objects looks at."""
    return sorted(group for group in there if _looks_at(kinds, objects, group))


def _looks_at(kinds: Collection[str], objects: Collection[str], group: str) -> bool:
    kind, _, name = group.partition("/")
    if kind not in kinds and "*" not in kinds:
        return False
    return not objects or kind != _OBJECT or name in objects or group == _NOT_KNOWN


def by_group(documents: Sequence[Document]) -> dict[str, list[Document]]:
    """Documents by their group, in order; one without a kind is the syntax stage's to name, and judged by nobody."""
    found: dict[str, list[Document]] = {}
    for document in documents:
        group = group_of(document)
        if group is not None:
            found.setdefault(group, []).append(document)
    return found


def chosen(kinds: Collection[str], objects: Collection[str], documents: Iterable[Document]) -> list[Document]:
    """The documents that a rule of these kinds and objects looks at."""
    return [d for d in documents if (group := group_of(d)) is not None and _looks_at(kinds, objects, group)]
