"""Guesses at what a user meant to write."""

from __future__ import annotations

from collections.abc import Iterable
from difflib import get_close_matches

_MANY = 12


def close(word: str, known: Iterable[str]) -> str | None:
    """The known word that this one most likely misspells; None where nothing is near."""
    folded: dict[str, str] = {}
    for name in known:
        folded.setdefault(_fold(name), name)
    if (same := folded.get(_fold(word))) is not None:
        return same
    found = get_close_matches(_fold(word), folded, n=1, cutoff=0.6)
    return folded[found[0]] if found else None


def did_you_mean(word: str, known: Iterable[str], otherwise: str = "") -> str:
    """A mend: the near word, else the list of known ones where it is short, else the given sentence."""
    names = list(dict.fromkeys(known))
    near = close(word, names)
    if near is not None:
        return f"did you mean `{near}`?"
    if otherwise:
        return otherwise
    return f"known: {', '.join(names)}" if 0 < len(names) <= _MANY else ""


def shown(value: object, limit: int = 60) -> str:
    """A value of the user's as it may stand in a sentence: one line, cut where long."""
    text = str(value).replace("\n", " ").strip()
    return f"`{text if len(text) <= limit else text[: limit - 1] + '…'}`"


def _fold(word: str) -> str:
    return word.lower().replace("_", "").replace("-", "")
