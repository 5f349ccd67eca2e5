"""Parts of a Markdown file that a script writes: between `<!-- generated: NAME -->` and `<!-- end: NAME -->`."""

from __future__ import annotations

import re
from collections.abc import Sequence


def filled(text: str, parts: dict[str, str]) -> str:
    """The text with each named part replaced. Raises KeyError where the file has no such marks."""
    for name, body in parts.items():
        marks = re.compile(rf"(<!-- generated: {re.escape(name)} -->\n).*?(<!-- end: {re.escape(name)} -->)", re.DOTALL)
        if not marks.search(text):
            raise KeyError(f"no marks for {name}")
        text = marks.sub(lambda m, body=body: f"{m[1]}\n{body.strip()}\n\n{m[2]}", text)  # type: ignore[misc]
    return text


def table(head: tuple[str, ...], rows: Sequence[tuple[str, ...]]) -> str:
    """A Markdown table; `|` in cells is escaped, line breaks become spaces."""
    lines = [head, tuple("---" for _ in head), *rows]
    return "\n".join("| " + " | ".join(" ".join(c.replace("|", "\\|").split()) for c in row) + " |" for row in lines)
