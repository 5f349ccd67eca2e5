"""IAM policy documents -> model.resources.Grant. Pure.

Callers: the kinds that have policies. Source: IAM User Guide, "IAM JSON policy elements reference".
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

from model.resources import Grant

_ORDINARY = frozenset(
    {"aws:principalorgid", "aws:sourceaccount", "aws:sourcearn", "aws:principalaccount", "aws:sourcevpc",
     "aws:sourcevpce", "aws:principalarn", "aws:userid", "kms:calleraccount"}
)  # fmt: skip
"""Condition keys that bind an open principal to somebody."""


def grants_of(document: str | Mapping[str, Any] | None) -> tuple[Grant, ...]:
    """The statements of a policy; () for none."""
    return tuple(_grant(row) for row in _statements(document))


def open_to_all(document: str | Mapping[str, Any] | None) -> bool:
    """Whether some statement lets anybody in: principal `*`, and no condition that binds it to somebody."""
    return any(
        g.effect == "allow" and "*" in g.principals and not _ORDINARY & {c.lower() for c in g.conditions}
        for g in grants_of(document)
    )


def tls_only(document: str | Mapping[str, Any] | None) -> bool:
    """Whether plain HTTP is denied to everybody (S3 User Guide: aws:SecureTransport false is denied)."""
    return any(
        str(row.get("Effect", "")).lower() == "deny"
        and str(((row.get("Condition") or {}).get("Bool") or {}).get("aws:SecureTransport", "")).lower() == "false"
        for row in _statements(document)
    )


def _statements(document: str | Mapping[str, Any] | None) -> Iterator[Mapping[str, Any]]:
    parsed = json.loads(document) if isinstance(document, str) and document else document or {}
    rows = parsed.get("Statement") or () if isinstance(parsed, Mapping) else ()
    yield from [rows] if isinstance(rows, Mapping) else rows


def _grant(row: Mapping[str, Any]) -> Grant:
    conditions = {key for test in (row.get("Condition") or {}).values() for key in test}
    return Grant(
        effect=str(row.get("Effect", "Allow")).lower(),
        actions=_several(row.get("Action")),
        not_actions=_several(row.get("NotAction")),
        resources=_several(row.get("Resource")),
        principals=_principals(row.get("Principal")),
        conditions=tuple(sorted(conditions)),
    )


def _several(value: Any) -> tuple[str, ...]:
    return (value,) if isinstance(value, str) else tuple(str(v) for v in value or ())


def _principals(value: Any) -> tuple[str, ...]:
    if isinstance(value, Mapping):
        return tuple(p for kind in value.values() for p in _several(kind))
    return _several(value)
