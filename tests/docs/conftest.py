"""The project's Markdown pages, and what stands in their code blocks."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
_FENCE = re.compile(r"^```(\w*)\n(.*?)^```", re.DOTALL | re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Page:
    """name: relative to the project. prose: the text without its fenced blocks. blocks: (language, text)."""

    name: str
    text: str

    @property
    def path(self) -> Path:
        return ROOT / self.name

    @property
    def blocks(self) -> list[tuple[str, str]]:
        return [(m[1], m[2]) for m in _FENCE.finditer(self.text)]

    @property
    def prose(self) -> str:
        return _FENCE.sub("", self.text)

    def of(self, language: str) -> list[str]:
        return [text for name, text in self.blocks if name == language]


@pytest.fixture(scope="session")
def pages() -> dict[str, Page]:
    """All pages that a user may read, by name."""
    found = [*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md"), *(ROOT / "examples").rglob("*.md")]
    found.append(ROOT / "model" / "facts" / "README.md")
    names = sorted(str(p.relative_to(ROOT)) for p in found)
    return {name: Page(name, (ROOT / name).read_text(encoding="utf-8")) for name in names}
