"""Where the value that a rule finds fault with was written. Callers: gate, benchmarks. Pure."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

_LAST_STEP = re.compile(r"(\.[^.\[\]]+|\[[^\]]*\])$")


def source_of(document: Mapping[str, Any], field: str) -> tuple[str, str]:
    """(address, position) of what wrote that field: of the longest path in `sources` that the field begins with.

    Else the document's own.
    """
    sources = document.get("sources")
    path = field if isinstance(sources, Mapping) else ""
    while path and sources:
        found = sources.get(path)
        if isinstance(found, Mapping):
            return str(found.get("address", "")), str(found.get("position", ""))
        shorter = _LAST_STEP.sub("", path)
        path = shorter if shorter != path else ""
    return str(document.get("address", "")), str(document.get("position", ""))
