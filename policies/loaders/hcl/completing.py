"""Values completed by the type of their variable.

Callers: scope.py.
"""

from __future__ import annotations

from typing import Any

from model.native import render
from policies.loaders.hcl import nodes


def completed(kind: nodes.Expression, value: Any, scope: nodes.Scope) -> Any:
    """A value with the defaults that its type names.

    https://developer.hashicorp.com/terraform/language/expressions/type-constraints#optional-object-type-attributes
    """
    if not isinstance(kind, nodes.Call) or not kind.arguments or value is None:
        return value
    inner = kind.arguments[0]
    if kind.name == "optional":
        return completed(inner, value, scope)
    if kind.name == "object" and isinstance(inner, nodes.Object) and isinstance(value, dict):
        out = dict(value)
        for key, wanted, _ in inner.pairs:
            name = render(key.value(scope))
            if out.get(name) is not None:
                out[name] = completed(wanted, out[name], scope)
            elif isinstance(wanted, nodes.Call) and wanted.name == "optional" and len(wanted.arguments) > 1:
                out[name] = completed(wanted.arguments[0], wanted.arguments[1].value(scope), scope)
            elif isinstance(wanted, nodes.Call) and wanted.name == "optional":
                out[name] = None
        return out
    if kind.name == "map" and isinstance(value, dict):
        return {k: completed(inner, v, scope) for k, v in value.items()}
    if kind.name in ("list", "set") and isinstance(value, list):
        return [completed(inner, v, scope) for v in value]
    return value
