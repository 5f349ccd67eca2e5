"""How much is read, and the reading itself: nothing that is too large, binary or unreadable passes in silence.

Callers: the loaders of this package. The only place of it that touches a disk.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from model.errors import Diagnostic
from model.units import MIB

BINARY_PROBE = 8192
"""Bytes in which a NUL says that a file is no text, as git judges it."""


@dataclass(slots=True)
class Limits:
    """file_bytes: of one source file; plan_bytes: of one JSON document (`terraform show -json` grows large);
    total_bytes: of all; files: how many; depth: folders inside one another, and levels inside a document."""

    file_bytes: int = 8 * MIB
    plan_bytes: int = 256 * MIB
    total_bytes: int = 512 * MIB
    files: int = 50_000
    depth: int = 64


class Reader:
    """Reads files within the limits, and keeps count."""

    def __init__(self, limits: Limits) -> None:
        self.limits = limits
        self.read_bytes = 0
        self.read_files = 0

    def read(self, path: Path, shown: str) -> bytes | Diagnostic:
        """The file's content, or why it is not read."""
        largest = self.limits.plan_bytes if path.suffix == ".json" else self.limits.file_bytes
        try:
            size = path.stat().st_size
            if size > largest:
                what = f"the file has {size / MIB:.1f} MiB, and more than {largest / MIB:.0f} MiB are not read"
                return Diagnostic(f"{shown}:1:1", what, "split it, or leave it out of the paths")
            content = path.read_bytes()
        except OSError as exc:
            return Diagnostic(f"{shown}:1:1", f"the file cannot be read: {exc.strerror}", "mend its path or rights")
        return self.accept(content, shown) or content

    def accept(self, content: bytes, shown: str) -> Diagnostic | None:
        """Counts what was read; a mistake where it is binary, or too much in all."""
        self.read_bytes += len(content)
        self.read_files += 1
        if self.read_bytes > self.limits.total_bytes or self.read_files > self.limits.files:
            what = f"more than {self.limits.total_bytes / MIB:.0f} MiB or {self.limits.files} files in all"
            return Diagnostic(f"{shown}:1:1", f"{what} are not read", "judge parts of it on their own")
        if b"\0" in content[:BINARY_PROBE]:
            return Diagnostic(f"{shown}:1:1", "the file is binary, not text", "leave it out of the paths")
        return None
