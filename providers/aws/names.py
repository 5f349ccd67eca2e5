"""Names that AWS accepts, derived once from ours: always the same, and turned back by the tag `duoyun-name`.

Callers: kinds whose names AWS restricts (load balancers, target groups, repositories, groups). Pure.
"""

from __future__ import annotations

import hashlib
import re

_DIGEST = 8


def fit(name: str, allowed: str, longest: int, *, lower: bool = False) -> str:
    """name itself where it fits; else what is left of it with a digest of the whole. allowed: of a character class.

    longest: characters. Two names that are equal after cleaning stay apart by their digests.
    """
    replaced = re.sub(f"[^{allowed}]+", "-", name.lower() if lower else name)
    cleaned = re.sub("--+", "-", replaced).strip("-")
    if cleaned == name and len(name) <= longest:
        return name
    return with_digest(cleaned, longest, name)


def with_digest(stem: str, longest: int, *parts: str) -> str:
    """stem, cut so that a digest of the parts fits behind it."""
    digest = hashlib.sha256("\x1f".join(parts).encode()).hexdigest()[:_DIGEST]
    head = stem[: longest - _DIGEST - 1].strip("-")
    return f"{head}-{digest}" if head else digest
