"""Policy documents (Statement, Effect, Action, Resource, Principal, Condition) as grants, and what they let do.

Callers: the clouds' Terraform tables; loaders. AWS IAM and Alibaba RAM share the grammar
(https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_grammar.html). Grants are plain data with the
fields of model.stores.Grant; a part that is not known yet reads UNKNOWN. Pure.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

from model.native import JsonText, Pending, render, unknown

ANYBODY: Final = "*"
Grants = list[dict[str, Any]]

_ANY_ACCOUNT: Final = re.compile(r"(?:arn:[\w-]+:iam|acs:ram)::\*:")
_TRAILING: Final = re.compile(r",(\s*[\]}])")
_SAYS_WHO: Final = frozenset(
    {
        "accessedviamounttarget",
        "accesspointarn",
        "calleraccount",
        "dataaccesspointaccount",
        "dataaccesspointarn",
        "endpoint",
        "functionurlauthtype",
        "principalaccount",
        "principalarn",
        "principalorgid",
        "principalorgpaths",
        "sourceaccount",
        "sourcearn",
        "sourceip",
        "sourceorgid",
        "sourceowner",
        "sourcevpc",
        "sourcevpce",
        "userid",
        "username",
        "viaservice",
        "vpceaccount",
        "vpceorgid",
        "vpceorgpaths",
        "vpcsourceip",
    }
)
"""Conditions that narrow down who may call: lower case, without the prefix of the cloud or service before the colon."""


def read(document: Any) -> Grants | dict[str, Any]:
    """Grants of a JSON text, of what jsonencode made, or of the data itself; UNKNOWN where nothing can be read."""
    if isinstance(document, JsonText):
        document = document.data
    if isinstance(document, Pending):
        if not document.partial:
            return unknown()
        document = document.text
    if isinstance(document, str):
        document = _json(document)
    if not isinstance(document, Mapping):
        return unknown()
    named = {str(k).lower(): v for k, v in document.items()}
    statements = named.get("statement", [])
    if isinstance(statements, Pending):
        return unknown()
    rows = statements if isinstance(statements, list) else [statements]
    return [_grant(row) for row in rows if isinstance(row, Mapping)]


def _json(text: str) -> Any:
    """None where it is no JSON. Commas before a closing bracket are forgiven: what is meant can be judged."""
    for attempt in (text, _TRAILING.sub(r"\1", text)):
        try:
            return json.loads(attempt)
        except ValueError:
            continue
    return None


def _grant(row: Mapping[str, Any]) -> dict[str, Any]:
    named = {str(k).lower(): v for k, v in row.items()}
    conditions = named.get("condition") or {}
    grant = {
        "effect": text_of(named.get("effect", "Allow"), lower=True),
        "actions": texts(named.get("action")),
        "not_actions": texts(named.get("notaction")),
        "resources": texts(named.get("resource")),
        "principals": principals(named.get("principal")),
        "conditions": [],
        "claims": [],
    }
    if "notresource" in named:
        grant["not_resources"] = texts(named["notresource"])
    if "notprincipal" in named:
        grant["not_principals"] = principals(named["notprincipal"])
        if grant["effect"] == "allow" and not grant["principals"]:
            grant["principals"] = [ANYBODY]  # everybody but those named
    if isinstance(conditions, Mapping):
        for test, pairs in conditions.items():
            for name, values in pairs.items() if isinstance(pairs, Mapping) else ():
                add_condition(grant, str(test), str(name), values)
    else:
        grant["conditions"].append("unknown")
    return grant


def add_condition(grant: dict[str, Any], test: str, name: str, values: Any) -> None:
    grant["conditions"].append(name)
    grant["claims"] += [f"{test} {name} {value}" for value in texts(values)]


def text_of(value: Any, *, lower: bool = False) -> Any:
    if isinstance(value, Pending):
        return value.text if value.partial or value.ref else unknown()
    text = render(value)
    return text.lower() if lower else text


def texts(value: Any) -> list[str]:
    """Texts of one or many; a reference reads as the address that it names, which is certainly no wildcard."""
    if value is None:
        return []
    values = value if isinstance(value, list) else [value]
    return [render(v) for v in values]


def principals(value: Any) -> list[str]:
    """`{"AWS": ["arn:..."]}` and `"*"` as one list; the kind of principal is dropped, as its text tells it."""
    if isinstance(value, Mapping):
        return [text for kind in sorted(value) for text in texts(value[kind])]
    return texts(value)


def _allows(grants: Iterable[Mapping[str, Any]]) -> Iterable[Mapping[str, Any]]:
    return (g for g in grants if g["effect"] == "allow")


def is_anybody(grant: Mapping[str, Any]) -> bool:
    """Whether a grant is for everybody, and no condition says who."""
    named = any(str(p).strip() == ANYBODY or _ANY_ACCOUNT.match(str(p)) for p in grant["principals"])
    return named and not any(_says_who(str(c), grant["claims"]) for c in grant["conditions"])


_EVERYTHING: Final = re.compile(r"\*|0\.0\.0\.0/0|::/0|arn:[^:]*:[^:]*:[^:]*:\*.*|arn:[^:]*:[^:]*:[^:]*::\*")


def _says_who(condition: str, claims: Sequence[str]) -> bool:
    """Whether a condition names somebody: its name says who, and no value that it takes stands for every account."""
    values = [words[2] for c in claims if len(words := str(c).split(" ", 2)) == 3 and words[1] == condition]
    return _bare(condition) in _SAYS_WHO and not any(_EVERYTHING.fullmatch(v) for v in values)


def any_principal(grants: Grants | dict[str, Any]) -> Any:
    """Whether anybody may do something; UNKNOWN for UNKNOWN."""
    return grants if isinstance(grants, dict) else any(is_anybody(g) for g in _allows(grants))


def any_action(grants: Grants | dict[str, Any]) -> Any:
    """Whether a grant allows every action: `*`, or `service:*`."""
    if isinstance(grants, dict):
        return grants
    return any(str(a) == "*" or str(a).endswith(":*") for g in _allows(grants) for a in g["actions"])


def public_write(grants: Grants | dict[str, Any]) -> Any:
    """Whether anybody may put or delete."""
    if isinstance(grants, dict):
        return grants
    found = (str(a).split(":")[-1].lower() for g in _allows(grants) if is_anybody(g) for a in g["actions"])
    return any(a.startswith(("put", "delete", "*")) for a in found)


def _bare(condition: Any) -> str:
    """`cloud:SourceArn` -> `sourcearn`."""
    return str(condition).lower().rpartition(":")[2]


def tls_only(grants: Grants | dict[str, Any]) -> Any:
    """Whether a statement denies everybody who does not come by TLS."""
    if isinstance(grants, dict):
        return grants
    return any(
        g["effect"] == "deny" and any(_is_plain(str(c)) for c in g["claims"])
        for g in grants
        if ANYBODY in g["principals"] or not g["principals"]
    )


def _is_plain(claim: str) -> bool:
    words = claim.lower().split()
    return len(words) == 3 and _bare(words[1]) == "securetransport" and words[2] == "false"


def foreign_principals(grants: Grants | dict[str, Any], own_account: str = "") -> Any:
    """Whether an account other than our own is named. Only those that stand as text can be told."""
    if isinstance(grants, dict):
        return grants
    open_to = [g for g in _allows(grants) if not any(_bare(c) in _SAYS_WHO for c in g["conditions"])]
    named = [str(p) for g in open_to for p in g["principals"]]
    return any(p.startswith("arn:") and not (own_account and f":{own_account}:" in p) and "${" not in p for p in named)
