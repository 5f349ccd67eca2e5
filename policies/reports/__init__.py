"""A verdict in the formats that CI systems read. Callers: orchestrator.checking. Pure: text comes out.

Each format is one module with `render(verdict, context) -> str`; adding one is a row in FORMATS.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module

from policies.verdict import Verdict


@dataclass(frozen=True, slots=True)
class Context:
    """version: duoyun's own."""

    version: str = ""


FORMATS = ("text", "json", "sarif", "junit", "github", "gitlab", "diff")


def render(name: str, verdict: Verdict, context: Context) -> str:
    """The verdict as text of that format. KeyError for a format that there is not."""
    if name not in FORMATS:
        raise KeyError(name)
    module = import_module(f"policies.reports.{name}_format")
    function: Callable[[Verdict, Context], str] = module.render
    return function(verdict, context)
