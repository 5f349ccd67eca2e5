"""What loading could not turn into documents, and why.

Callers: every loader makes these; `duoyun policy check` counts and lists them, and denies above --max-unassessed.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from model.errors import Diagnostic

UNMAPPED_TYPE: Final = "unmapped_type"
UNMAPPED_FIELD: Final = "unmapped_field"
MISSING_MODULE: Final = "missing_module"
UNKNOWN_COUNT: Final = "unknown_count"
UNKNOWN_VALUE: Final = "unknown_value"
UNRENDERED: Final = "unrendered"
REASONS: Final[Mapping[str, str]] = {
    UNMAPPED_TYPE: "no table maps this type: it is judged as a managed service with native settings",
    UNMAPPED_FIELD: "no row maps this field: no rule reads it",
    MISSING_MODULE: "the module's files are not there: nothing of it was judged",
    UNKNOWN_COUNT: "how many there are is not known: one stands for all",
    UNKNOWN_VALUE: "the value is not known yet",
    UNRENDERED: "a template that has to be rendered first",
}


@dataclass(frozen=True, slots=True)
class Unassessed:
    """One thing that no rule could see. reason: a key of REASONS; detail: what is special about this one."""

    address: str
    native_type: str
    field: str
    position: str
    reason: str
    detail: str = ""

    def __str__(self) -> str:
        what = f"{self.address}{'.' if self.field else ''}{self.field}"
        return f"{self.position}: {what}: {REASONS[self.reason]}{f' ({self.detail})' if self.detail else ''}"


@dataclass(slots=True)
class Loaded:
    """documents: what rules read (policies.documents). mistakes: the input cannot be read as it is (exit 3)."""

    documents: list[dict[str, Any]] = field(default_factory=list)
    unassessed: list[Unassessed] = field(default_factory=list)
    mistakes: list[Diagnostic] = field(default_factory=list)
    notes: list[Diagnostic] = field(default_factory=list)
