"""Converters that every cloud's table may name: one native value in, model data out.

Callers: mapping. A value that is not known stays unknown; a value of an odd shape is unknown, too, never a guess.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Final

from model.native import Pending, Values, render, unknown
from model.terraform import Context, Converter

_TRUE: Final = frozenset({"true", "enabled", "enable", "on", "yes", "1"})
_FALSE: Final = frozenset({"false", "disabled", "disable", "off", "no", "0", "suspended", ""})


def flag(value: Any, _context: Context) -> Any:
    if isinstance(value, bool):
        return value
    text = render(value).lower()
    return True if text in _TRUE else False if text in _FALSE else unknown()


def not_flag(value: Any, context: Context) -> Any:
    found = flag(value, context)
    return not found if isinstance(found, bool) else found


def number(value: Any, _context: Context) -> Any:
    try:
        return int(float(value)) if not isinstance(value, bool) else unknown()
    except (TypeError, ValueError, OverflowError):
        return unknown()


def version(value: Any, _context: Context) -> Any:
    """`TLS1_2`, `TLSv1.2_2021`, `1.2` -> `1.2`; other texts stay."""
    text = render(value)
    found = re.search(r"(\d+)[._](\d+)", text)
    return f"{found[1]}.{found[2]}" if found else text


def lower(value: Any, _context: Context) -> Any:
    return render(value).lower()


def is_one(value: Any, _context: Context, *wanted: Any) -> Any:
    """Whether it is one of these; texts without regard to case."""
    return render(value).lower() in {render(w).lower() for w in wanted}


def is_none_of(value: Any, context: Context, *wanted: Any) -> Any:
    return not is_one(value, context, *wanted)


def at_least(value: Any, context: Context, least: int) -> Any:
    found = number(value, context)
    return found >= least if isinstance(found, int) else found


def above(value: Any, context: Context, least: int) -> Any:
    found = number(value, context)
    return found > least if isinstance(found, int) else found


def lookup(value: Any, _context: Context, choices: Mapping[str, Any], *other: Any) -> Any:
    """What a table of choices says; `other` for what it does not name, else the text itself."""
    text = render(value)
    return choices.get(text, other[0] if other else text)


def covers(value: Any, _context: Context, *wanted: str) -> Any:
    """Whether a list names all of these, without regard to case."""
    found = {render(v).lower() for v in (value if isinstance(value, list) else [value])}
    return all(w.lower() in found for w in wanted)


def names_one(value: Any, _context: Context, *wanted: str) -> Any:
    found = {render(v).lower() for v in (value if isinstance(value, list) else [value])}
    return any(w.lower() in found for w in wanted)


def count(value: Any, _context: Context) -> Any:
    """How many there are; an empty block is none."""
    if isinstance(value, list):
        return sum(1 for item in value if item not in ({}, "", None))
    return len(value) if isinstance(value, dict | str) else unknown()


def data(value: Any, _context: Context) -> Any:
    """As it is written; pending parts are UNKNOWN."""
    return plain(value)


def plain(value: Any) -> Any:
    if isinstance(value, Pending):
        return value.text if value.partial else unknown()
    if isinstance(value, Mapping):
        return {str(k): plain(v) for k, v in value.items()}
    if isinstance(value, list | tuple):
        return [plain(v) for v in value]
    return str(value) if isinstance(value, str) else value


def raw_text(value: Any, _context: Context) -> Any:
    """A text; of a template with unknown parts, those read `${...}`."""
    if isinstance(value, Pending):
        return value.text if value.partial else unknown()
    return None if value is None else render(value)


def raw_reference(value: Any, _context: Context) -> Any:
    """A text, or the address of the resource that is referred to: which one is known, though its id is not."""
    if isinstance(value, Pending):
        return value.text if value.partial else value.ref or unknown()
    if isinstance(value, list):
        return raw_reference(value[0], _context) if value else ""
    if isinstance(value, Mapping):
        return unknown()
    return None if value is None else getattr(value, "ref", "") or render(value)


def raw_references(value: Any, context: Context) -> Any:
    if isinstance(value, Pending):
        return [value.ref] if value.ref else unknown()
    if value is None:
        return None
    return [raw_reference(v, context) for v in (value if isinstance(value, list) else [value])]


def raw_texts(value: Any, context: Context) -> Any:
    """A list of texts; items that are not known are UNKNOWN, each on its own."""
    if isinstance(value, Pending):
        return unknown()
    if value is None:
        return None
    return [raw_text(v, context) for v in (value if isinstance(value, list) else [value])]


def raw_present(value: Any, _context: Context) -> Any:
    """Whether it is written and not empty; something that is not known yet is there all the same."""
    if isinstance(value, Pending):
        return True if value.ref or value.partial else unknown()
    return value not in (None, "", [], {}) or isinstance(value, Values)


def raw_absent(value: Any, context: Context) -> Any:
    found = raw_present(value, context)
    return not found if isinstance(found, bool) else found


def raw_contains(value: Any, _context: Context, part: str) -> Any:
    """Whether a text (a partly known one too) has that part, as a regular expression without regard to case."""
    if isinstance(value, Pending) and not value.partial:
        return unknown()
    text = value.text if isinstance(value, Pending) else render(value)
    return bool(re.search(part, text, re.IGNORECASE))


def each(value: Any, context: Context, path: str, name: str, *args: Any) -> Any:
    """Whether a converter's answer is true for every block of a list; True for none."""
    return _over(value, context, path, name, args, every=True)


def some(value: Any, context: Context, path: str, name: str, *args: Any) -> Any:
    return _over(value, context, path, name, args, every=False)


def _over(value: Any, context: Context, path: str, name: str, args: tuple[Any, ...], *, every: bool) -> Any:
    found = [
        _converted(at(block, path), context, name, args) for block in (value if isinstance(value, list) else [value])
    ]
    decided = not every
    if decided in found:
        return decided
    odd = next((f for f in found if not isinstance(f, bool)), None)
    return (not decided) if odd is None else odd


def _converted(value: Any, context: Context, name: str, args: tuple[Any, ...]) -> Any:
    """A path that is not written is false for each and some."""
    if not name.startswith("raw_"):
        if value is None:
            return False
        if isinstance(value, Pending):
            return unknown()
    return CONVERTERS[name](value, context, *args)


def at(value: Any, path: str) -> Any:
    """What stands at a dotted path, into the first block where they repeat; None where nothing does."""
    for step in path.split(".") if path else ():
        while isinstance(value, list):
            value = value[0] if value else None
        if isinstance(value, Pending):
            return value
        if not isinstance(value, Mapping):
            return None
        value = value.get(step)
    return value


CONVERTERS: Final[Mapping[str, Converter]] = {
    f.__name__: f
    for f in (
        *(
            flag,
            not_flag,
            number,
            version,
            lower,
            is_one,
            is_none_of,
            at_least,
            above,
            lookup,
            covers,
            names_one,
            count,
        ),
        *(data, raw_text, raw_reference, raw_references, raw_texts, raw_present, raw_absent, raw_contains, each, some),
    )
}
