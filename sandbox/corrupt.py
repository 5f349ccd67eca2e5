"""Changes one field of an answer's body, JSON or XML. Pure. Caller: sandbox.gate."""

from __future__ import annotations

import json
import re
from typing import Any
from xml.sax.saxutils import escape

_NOTHING = object()


def parse(text: str) -> tuple[tuple[str, ...], Any]:
    """`a.b=VALUE` -> (path, value). VALUE is JSON, or else a text; without it the field becomes another of its type."""
    path, equals, value = text.partition("=")
    names = tuple(path.strip().split("."))
    if not all(names):
        raise ValueError(f"fault corrupt {text!r} must be FIELD or FIELD=VALUE, with dots between nested names")
    if not equals:
        return names, _NOTHING
    try:
        return names, json.loads(value)
    except ValueError:
        return names, value


def corrupted(body: bytes, text: str) -> bytes | None:
    """The body with the first such field changed; None where it has none, or is neither JSON nor XML."""
    names, value = parse(text)
    try:
        document = json.loads(body)
    except ValueError:
        return _in_xml(body, names[-1], value)
    return json.dumps(document).encode() if _in_json(document, names, value) else None


def _in_json(node: Any, names: tuple[str, ...], value: Any) -> bool:
    """Whether a field was found and changed. A path may begin anywhere in the document; lists are looked through."""
    if isinstance(node, list):
        return any(_in_json(item, names, value) for item in node)
    if not isinstance(node, dict):
        return False
    holder: Any = node
    for name in names[:-1]:
        holder = holder.get(name) if isinstance(holder, dict) else None
    if isinstance(holder, dict) and names[-1] in holder:
        holder[names[-1]] = _other(holder[names[-1]]) if value is _NOTHING else value
        return True
    return any(_in_json(item, names, value) for item in node.values())


def _in_xml(body: bytes, name: str, value: Any) -> bytes | None:
    text = body.decode("utf-8", "replace")
    found = re.search(rf"<{re.escape(name)}>([^<]*)</{re.escape(name)}>", text)
    if found is None:
        return None
    new = _other(found[1]) if value is _NOTHING else value
    shown = new if isinstance(new, str) else json.dumps(new)
    return (text[: found.start(1)] + escape(shown) + text[found.end(1) :]).encode()


def _other(value: Any) -> Any:
    """Another value of that type, which no API answers."""
    if isinstance(value, bool):
        return not value
    if isinstance(value, int | float):
        return -1 - value
    if isinstance(value, str):
        return "corrupted"
    return None
