"""The published cases, and which of our rules answers to which check.

A case is one or more files and, of one check, the addresses that break it and those that do not. Where its authors only
say that the file as a whole breaks it, there is one unit: whatever of it is found. Callers: __main__, tests.
"""

from __future__ import annotations

import csv
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

COUNTERPARTS = Path(__file__).with_name("counterparts.csv")
DIFFERENCES = Path(__file__).with_name("reasons.csv")
DATA = Path(__file__).resolve().parents[2].parent / "shared" / "data" / "policy"
WHOLE = "*"  # the unit of a case without addresses


@dataclass(frozen=True, slots=True)
class Case:
    """check: the id of the check, or its class where it has none. parameters: of the check, as its authors name them.

    failing: units, each a set of addresses of which one has to be found. passing: addresses that must not be.
    """

    id: str
    check: str
    cloud: str
    topic: str
    kind: str
    in_scope: bool
    files: tuple[str, ...]
    parameters: Mapping[str, Any]
    failing: tuple[frozenset[str], ...]
    passing: frozenset[str]


def read_cases(folder: Path = DATA) -> list[Case]:
    """Every case of the file. FileNotFoundError where the reference data are not there."""
    text = (folder / "cases.jsonl").read_text(encoding="utf-8")
    return [_case(json.loads(line)) for line in text.splitlines() if line.strip()]


def _case(row: Mapping[str, Any]) -> Case:
    failing = [frozenset([a]) for a in row.get("fail") or ()]
    if not failing and row.get("verdict") == "fail":
        failing = [frozenset(row.get("fail_any_of") or [WHOLE])]
    passing = frozenset(row.get("pass") or ([WHOLE] if row.get("verdict") == "pass" else ()))
    return Case(
        id=row["id"],
        check=row["check_id"] or row["check_class"],
        cloud=row["cloud"],
        topic=row["topic"],
        kind=row["kind"],
        in_scope=row["in_scope"],
        files=(*row["files"], *(row.get("inventory") or ())),
        parameters=row.get("params") or {},
        failing=tuple(failing),
        passing=passing,
    )


def read_counterparts(path: Path = COUNTERPARTS) -> dict[str, tuple[str, ...]]:
    """Check -> our rules that answer to it; empty where there is none."""
    with path.open(encoding="utf-8", newline="") as file:
        return {row["check"]: tuple(row["rules"].split()) for row in csv.DictReader(file)}


@cache
def read_differences(path: Path = DIFFERENCES) -> dict[str, tuple[str, str]]:
    """Case -> (side, why) of where we differ from its labels. side: `label` (it contradicts what the provider or the
    service documents), `ours` (our rule means something else, or sees less), `both`, `data` (a file is missing)."""
    with path.open(encoding="utf-8", newline="") as file:
        return {row["case"]: (row["side"], row["why"]) for row in csv.DictReader(file)}


@cache
def read_reasons(path: Path = COUNTERPARTS) -> dict[str, str]:
    """Check -> why no rule of ours answers to it."""
    with path.open(encoding="utf-8", newline="") as file:
        return {row["check"]: row["why_none"] for row in csv.DictReader(file) if row["why_none"]}


_PARTS = {
    "AWS-0086": "block_public_acls",
    "AWS-0087": "block_public_policy",
    "AWS-0091": "ignore_public_acls",
    "AWS-0093": "restrict_public_buckets",
}
"""Of a public access block, the one part that a check asks for."""


def translated(check: str, given: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    """Our rules' parameters for a case's: what the check's author set for it, in our words."""
    return {rule: values for rule, values in _translated(check, given) if values}


def _translated(check: str, given: Mapping[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    match check:
        case "CKV_AZURE_208":  # three replicas are what the service's own promise for updates asks for
            yield "DY-AVL-011", {"least": 3}
        case "AZU-0025":
            yield "DY-LOG-009", {"least_days": 90}
        case "AWS-0086" | "AWS-0087" | "AWS-0091" | "AWS-0093":
            yield "DY-PUB-005", {"parts": [_PARTS[check]]}
        case "CKV_AWS_378":  # asks that nobody calls the balancer in the clear, not what lies behind it
            yield "DY-TLS-014", {"front_is_enough": True}
        case "disallowanonymous":
            yield (
                "DY-K8S-023",
                {
                    "allowed_roles": given.get("allowedRoles", []),
                    "also_authenticated": given.get("disallowAuthenticated", False),
                },
            )
        case "httpsonly":
            # The check asks for the annotation as well as for TLS, unless TLS is optional.
            patterns = [r"^kubernetes\.io/ingress\.allow-http=false$"]
            yield "DY-K8S-026", {"tls_optional": given.get("tlsOptional", False), "https_annotations": patterns}
        case "forbidden-sysctls":
            yield (
                "DY-K8S-035",
                {"allowed": given.get("allowedSysctls", ["*"]), "forbidden": given.get("forbiddenSysctls", [])},
            )
        case "fsgroup":
            must = given.get("rule") == "MustRunAs"
            ranges = given.get("ranges") or [{"min": -1, "max": -1}]
            yield "DY-K8S-041", {"ranges": ranges if given.get("rule") else [], "required": must}
        case "host-network-ports":
            yield "DY-K8S-002", {"allowed": ["hostNetwork"] if given.get("hostNetwork") else []}
            yield (
                "DY-K8S-011",
                {
                    "least_port": given.get("min", 0),
                    "most_port": given.get("max", 0),
                    "exempt_images": given.get("exemptImages", []),
                },
            )
        case "privileged-containers":
            yield "DY-K8S-001", {"exempt_images": given.get("exemptImages", [])}
        case "requiredlabels":
            labels = [
                {"key": row["key"], "allowed": row.get("allowedRegex") or ".*"} for row in given.get("labels", [])
            ]
            yield "DY-TAG-006", {"labels": labels}
