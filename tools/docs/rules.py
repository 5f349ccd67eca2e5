"""The list of rules in docs/policies.md, from the metadata of the bundle that comes with duoyun."""

from __future__ import annotations

import json

from blocks import table

from policies.rules import default_bundle, header_of


def parts() -> dict[str, str]:
    """The generated part of docs/policies.md."""
    rows = []
    for rule in default_bundle().rules:
        given = ", ".join(f"`{name}: {json.dumps(value)}`" for name, value in rule.parameters.items())
        kinds, controls = ", ".join(rule.kinds), ", ".join(rule.controls)
        severity = rule.severity.name.lower()
        rows.append((rule.id, severity, rule.stage, rule.title, kinds, given, rule.mend, controls))
    head = ("id", "severity", "stage", "it finds", "in", "parameters and defaults", "mend", "controls")
    return {"rules": f"{len(rows)} rules.\n\n{table(head, rows)}"}


def headers() -> str:
    """policies/bundle/headers.json: the header of each rule by its digest, one a line."""
    modules = default_bundle().modules
    found = dict(h for name, text in modules.items() if (h := header_of(name, text)) is not None)
    lines = [f"{json.dumps(key)}: {json.dumps(found[key], ensure_ascii=False)}" for key in sorted(found)]
    return "{\n" + ",\n".join(lines) + "\n}\n"
