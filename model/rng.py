"""Randomness as a value: a stream named by what it is for, seeded from the problem or the plan."""

import hashlib
from random import Random


def stream(seed: int | str, *purpose: str | int) -> Random:
    """A generator that depends on seed and purpose only: same words, same numbers, on every machine."""
    text = "\x1f".join(map(str, (seed, *purpose)))
    return Random(int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "big"))  # noqa: S311
