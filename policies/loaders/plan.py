"""`terraform show -json`: a plan, or a state, as native resources with what happens to each.

Callers: policies.loaders. Facts: https://developer.hashicorp.com/terraform/internals/json-format. Values that are known
only after apply are Pending; where the configuration says which resource such a value comes from, they name it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final

from model.errors import Diagnostic
from model.native import Native, Pending, Values

_CHANGES: Final[Mapping[tuple[str, ...], str]] = {
    ("no-op",): "none",
    ("create",): "create",
    ("read",): "read",
    ("update",): "update",
    ("delete",): "delete",
    ("delete", "create"): "replace",
    ("create", "delete"): "replace",
    ("forget",): "delete",
}
_MOST_DEPTH: Final = 64


class TooDeep(Exception):
    """Modules or values lie deeper in one another than is read."""


def is_plan(data: Any) -> bool:
    return (
        isinstance(data, Mapping)
        and "format_version" in data
        and ("resource_changes" in data or "planned_values" in data)
    )


def is_state(data: Any) -> bool:
    return isinstance(data, Mapping) and "format_version" in data and "values" in data


def read(data: Mapping[str, Any], file: str) -> tuple[list[Native], list[Diagnostic]]:
    """Resources after the change (those that go away: before it), and what is wrong with the document."""
    version = str(data.get("format_version", ""))
    if version.split(".", maxsplit=1)[0] not in ("0", "1"):
        what = f"the plan's format_version is {version}, and 1 is what can be read"
        return [], [Diagnostic(f"{file}:1:1", what, "make it with `terraform show -json` or `tofu show -json`")]
    if data.get("errored"):
        return [], [Diagnostic(f"{file}:1:1", "the plan ended with an error", "mend it, and plan again")]
    try:
        configuration = dict(_configured(_inside(data, "configuration", "root_module"), "", 0))
        providers = _inside(data, "configuration", "provider_config")
        if is_state(data):
            found = list(_of_state(_inside(data, "values", "root_module"), file, 0))
        else:
            found = [n for row in _rows(data) for n in _of_change(row, configuration, providers, file)]
            known = {n.address for n in found}
            prior = _inside(data, "prior_state", "values", "root_module")
            found += [n for n in _of_state(prior, file, 0) if n.data and n.address not in known]
    except TooDeep as exc:
        return [], [Diagnostic(f"{file}:1:1", str(exc), "judge parts of it on their own")]
    except (AttributeError, TypeError, KeyError) as exc:
        what = f"the plan is not as `terraform show -json` writes it ({type(exc).__name__}: {exc})"
        return [], [Diagnostic(f"{file}:1:1", what, "make it anew")]
    return found, []


def _rows(data: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    changes = data.get("resource_changes") or ()
    yield from changes
    if not changes:  # plans of `-refresh-only`, and cut ones, still say what is planned
        for row in _flat(_inside(data, "planned_values", "root_module"), 0):
            yield {**row, "change": {"actions": ["no-op"], "after": row.get("values")}}


def _inside(data: Any, *names: str) -> Any:
    for name in names:
        data = data.get(name) or {} if isinstance(data, Mapping) else {}
    return data


def _flat(module: Mapping[str, Any], depth: int) -> Iterator[Mapping[str, Any]]:
    if depth > _MOST_DEPTH:
        raise TooDeep(f"modules lie more than {_MOST_DEPTH} deep in one another")
    yield from module.get("resources") or ()
    for child in module.get("child_modules") or ():
        yield from _flat(child, depth + 1)


def _of_state(module: Mapping[str, Any], file: str, depth: int) -> Iterator[Native]:
    for row in _flat(module, depth):
        values = _values(row.get("values") or {}, None, None, "", file, 0)
        yield Native(row["address"], row["type"], row["name"], values, data=row.get("mode") == "data")


def _of_change(
    row: Mapping[str, Any], configuration: Mapping[str, Mapping[str, Any]], providers: Mapping[str, Any], file: str
) -> Iterator[Native]:
    if "deposed" in row:
        return
    change = row["change"]
    actions = tuple(change.get("actions") or ())
    told = _CHANGES.get(actions, "update")
    address = row["address"]
    written = configuration.get(_unindexed(address), {})
    before = change.get("before")
    gone = told == "delete"
    after = before if gone else change.get("after")
    waiting = None if gone else change.get("after_unknown")
    values = _values(after or {}, waiting, written.get("expressions"), _module_of(address), file, 0)
    yield Native(
        address,
        row["type"],
        row["name"],
        values,
        data=row.get("mode") == "data",
        provider=_provider(written, providers),
        change=told,
        before=_values(before, None, None, "", file, 0) if isinstance(before, Mapping) else None,
    )


def _module_of(address: str) -> str:
    """`module.a[0].` of `module.a[0].aws_vpc.main`."""
    at = address.rfind("module.")
    if at < 0:
        return ""
    rest = address[at:].split(".", 2)
    return address[:at] + ".".join(rest[:2]) + "." if len(rest) > 2 else ""


def _unindexed(address: str) -> str:
    """Without the keys of count and for_each, which the configuration does not have."""
    out, depth, quoted = [], 0, False
    for character in address:
        if character == '"':
            quoted = not quoted
        if character == "[" and not quoted:
            depth += 1
        if not depth:
            out.append(character)
        if character == "]" and not quoted:
            depth -= 1
    return "".join(out)


def _configured(module: Mapping[str, Any], prefix: str, depth: int) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """Configured resources by address without keys."""
    if depth > _MOST_DEPTH:
        raise TooDeep(f"modules lie more than {_MOST_DEPTH} deep in one another")
    for row in module.get("resources") or ():
        yield prefix + row["address"], row
    for name, call in (module.get("module_calls") or {}).items():
        yield from _configured(call.get("module") or {}, f"{prefix}module.{name}.", depth + 1)


def _provider(written: Mapping[str, Any], providers: Mapping[str, Any]) -> dict[str, Any]:
    """Constant settings of the provider block, such as its region."""
    key = str(written.get("provider_config_key", ""))
    found = providers.get(key) or providers.get(key.rsplit(":", 1)[-1]) or {}
    return {n: _constant(e) for n, e in (found.get("expressions") or {}).items() if _constant(e) is not None}


def _constant(expression: Any) -> Any:
    if isinstance(expression, Mapping):
        if "constant_value" in expression:
            return expression["constant_value"]
        return {n: c for n, e in expression.items() if (c := _constant(e)) is not None} or None
    return [_constant(e) for e in expression] if isinstance(expression, list) else None


def _values(after: Any, waiting: Any, written: Any, module: str, file: str, depth: int) -> Values:
    """Attributes, with a Pending for each that is known only after apply."""
    if depth > _MOST_DEPTH:
        raise TooDeep(f"values lie more than {_MOST_DEPTH} deep in one another")
    values = Values(file=file)
    unknown = waiting if isinstance(waiting, Mapping) else {}
    expressions = written if isinstance(written, Mapping) else {}
    for name in dict.fromkeys([*after, *unknown]):
        value = _value(after.get(name), unknown.get(name), expressions.get(name), module, file, depth)
        if value is not None and value not in ([], {}):
            values[name] = value
    return values


def _value(after: Any, waiting: Any, written: Any, module: str, file: str, depth: int) -> Any:
    if waiting is True:
        if after is not None:
            return after
        return _pending(written, module) if written is not None else None  # computed, and nobody asked for a value
    if isinstance(after, Mapping):
        return _values(after, waiting, written, module, file, depth + 1)
    if isinstance(after, list):
        if not after and isinstance(waiting, list) and waiting:
            after = [None] * len(waiting)
        return [
            _value(item, _nth(waiting, i), _nth(written, i), module, file, depth + 1) for i, item in enumerate(after)
        ]
    return after


def _nth(found: Any, index: int) -> Any:
    if isinstance(found, list):
        return found[index] if index < len(found) else None
    return found if isinstance(found, Mapping) and "references" in found else None


def _pending(written: Any, module: str) -> Pending:
    references = written.get("references") if isinstance(written, Mapping) else None
    for reference in references or ():
        parts = reference.split(".")
        if parts[0] in ("var", "local", "each", "count", "path", "terraform", "self", "module"):
            continue
        size = 3 if parts[0] == "data" else 2
        if len(parts) >= size:
            return Pending(
                reference,
                ref=module + ".".join(parts[:size]),
                attribute=".".join(parts[size:]),
                why="known after apply",
            )
    text = references[0] if references else "known after apply"
    return Pending(str(text))
