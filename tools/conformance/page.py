"""docs/sandbox-conformance.md: what was compared with what others wrote, counted, and what was not, with the reason.

Callers: __main__.py, tests/conformance. The same lives and walks give the same page: it has no times and no numbers of
requests.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sandbox.azure.faults import operations
from tools.conformance import alibaba, aws, azure
from tools.conformance.lives import FURTHER_WALKS, Lives
from tools.conformance.wire import Exchange

NO_SDK = "nothing in the reference data, and no SDK of it is a dependency"
AWS_REASONS = {
    "ec2.DescribeLaunchTemplates": "asked before a template is made: there is none",
    "ecr.GetRepositoryPolicy": "the life's repository has no policy, which is an error in AWS",
    "s3.GetBucketReplication": "the life's bucket has no replica, which is an error in AWS",
    "s3.GetPublicAccessBlock": "the life's bucket has no such switch, which is an error in AWS",
}
"""Operation -> why no answer but an error of it was judged."""
AZURE_REASONS = {
    f"Microsoft.{name}": NO_SDK
    for name in (
        "Authorization/permissions", "Cache/", "DBforMySQL/", "DBforPostgreSQL/", "DocumentDB/", "EventHub/",
        "Insights/", "KeyVault/", "ManagedIdentity/", "OperationalInsights/",
        "Resources/subscriptions", "Resources/locations", "ServiceBus/",
        "Sql/", "Storage/", "Web/",
    )
} | {
    "Microsoft.Compute/skus": "what Compute sells is no resource: the schemas and types describe none of it",
    "retail/prices": "a price list of its own, outside Resource Manager and its descriptions",
}  # fmt: skip
"""Beginning of a type -> why an operation on it was judged by nothing."""
ALIBABA_REASONS = {
    "Ecs.CreateLaunchTemplate": "duoyun makes no launch templates",
    "bssopenapi.": "duoyun reads no bills",
}
AZURE_RECORDED_REASONS = {
    "Microsoft.Network/routeTables": "duoyun's networks use the routes that Azure makes",
}


@dataclass(frozen=True, slots=True)
class Judged:
    """One cloud. rows: operation -> (request judged by, answer judged by), "" for nothing. missing: what -> reason."""

    title: str
    rows: Mapping[str, tuple[str, str]]
    missing: Mapping[str, str]
    wrong: tuple[str, ...]
    heading: str = "Not covered, and why:"

    @property
    def counts(self) -> dict[str, tuple[int, int]]:
        """covered / total, of requests and answers."""
        asked = [request for request, _ in self.rows.values() if request != "-"]
        told = [answer for _, answer in self.rows.values() if answer != "-"]
        return {
            "requests": (sum(bool(a) for a in asked), len(asked)),
            "answers": (sum(bool(t) for t in told), len(told)),
        }


def judge(lives: Lives, data: Path) -> list[Judged]:
    """All clouds. data: .../clouds. Raises ModuleNotFoundError where a typed SDK is not installed."""
    return [_aws(lives), _azure(lives, data / "azure"), _alibaba(lives, data / "alibaba")]


def exchanges(lives: Lives, cloud: str) -> list[Exchange]:
    """The adapter's lives and a stranger's walk."""
    further = lives.further(cloud)[0].exchanges if cloud in FURTHER_WALKS else []
    return [*lives.of(cloud)[0].exchanges, *lives.walked(cloud).exchanges, *further]


def _aws(lives: Lives) -> Judged:
    checker = aws.Checker()
    checker.check(exchanges(lives, "aws"))
    rows = {name: (checker.requests[name], checker.answers.get(name, "")) for name in sorted(checker.requests)}
    silent = {name: why for name, why in AWS_REASONS.items() if not rows.get(name, ("", "-"))[1]}
    heading = "Otherwise than the model says, or answered by an error only, and why:"
    return Judged("AWS", rows, {**aws.KNOWN, **silent}, tuple(checker.wrong), heading)


def _azure(lives: Lives, data: Path) -> Judged:
    checker = azure.Checker(data)
    checker.check(exchanges(lives, "azure"))
    server: Any = lives.running.sandbox.servers["azure"]
    # What is deleted has no body; operations' status documents are the SDK's own to read while it polls.
    every = {
        name for name in operations(server.engine.kinds.values())
        if not name.startswith("DELETE ") and "/locations" not in name
    }  # fmt: skip
    seen = every | set(checker.requests) | set(checker.answers)
    rows, missing = {}, {}
    for name in sorted(seen):
        bodyless = name.split()[0] in ("GET", "POST")
        request = checker.requests.get(name, "-" if bodyless else "")
        answer = checker.answers.get(name, "")
        if name not in checker.answers and name.startswith("POST "):
            answer = "-"  # start and the like answer nothing
        rows[name] = (request, answer)
        if not request or not answer:
            missing[name] = _reason(name, AZURE_REASONS)
    for type_ in sorted(recorded_types(data) - {name.partition(" ")[2].lower() for name in seen}):
        spelled = next((t for t in AZURE_RECORDED_REASONS if t.lower() == type_), type_)
        missing[f"{spelled} (recorded by others)"] = AZURE_RECORDED_REASONS.get(spelled, "")
    return Judged("Azure", rows, missing, tuple(checker.wrong))


def recorded_types(data: Path) -> set[str]:
    """Types of the resources in others' recordings, in lower case."""
    found = set[str]()
    for path in sorted((data / "recorded_c7n").glob("*.json")):
        for interaction in json.loads(path.read_text(encoding="utf-8"))["interactions"]:
            body = interaction["response"]["body"].get("data")
            rows = (body.get("value") or [body]) if isinstance(body, dict) else []
            found |= {str(row["type"]).lower() for row in rows if isinstance(row, dict) and "/" in str(row.get("type"))}
    return found


def _alibaba(lives: Lives, data: Path) -> Judged:
    checker = alibaba.Checker(data)
    checker.check(exchanges(lives, "alibaba"))
    served = alibaba.served()
    rows = {name: (checker.requests.get(name, ""), checker.answers.get(name, "")) for name in served}
    missing = {name: _reason(name, ALIBABA_REASONS) for name in alibaba.described(data) if name not in served}
    missing |= {"OSS": "it speaks XML and signs otherwise: nothing of it is in the reference data"}
    return Judged("Alibaba Cloud", rows, missing, tuple(checker.wrong))


def _reason(name: str, reasons: Mapping[str, str]) -> str:
    return next((reason for key, reason in reasons.items() if name.rpartition(" ")[2].startswith(key)), "")


def text(judged: list[Judged]) -> str:
    """The page."""
    lines = [
        "# The sandbox against what others wrote",
        "",
        "Written by `python -m tools.conformance --write`; tests/conformance checks that it is current. A life of",
        "our adapter, and a stranger's walk through what duoyun does not use, are recorded on the wire of each",
        "sandbox; every request and every answer is judged by what the clouds' makers published: botocore's",
        "models; Azure's ARM schemas, bicep types and typed SDK; Alibaba Cloud's openapi_meta, tea models and",
        "typed SDKs. Nothing is wrong but what is listed. Plain moto beside the sandbox's AWS:",
        "[sandbox-aws.md](sandbox-aws.md).",
        "",
        "| cloud | requests: covered / total | answers: covered / total |",
        "|---|---|---|",
    ]
    for j in judged:
        covered = j.counts
        lines.append(f"| {j.title} | {' | '.join(f'{a} / {b}' for a, b in covered.values())} |")
    for j in judged:
        lines += ["", f"## {j.title}", "", "| operation | request judged by | answer judged by |", "|---|---|---|"]
        lines += [f"| `{name}` | {a or '**nothing**'} | {b or '**nothing**'} |" for name, (a, b) in j.rows.items()]
        if j.missing:
            lines += ["", j.heading, "", *(f"- `{name}`: {why}" for name, why in j.missing.items())]
    return "\n".join([*lines, ""])
