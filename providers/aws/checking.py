"""What an account's credentials may do: IAM's policy simulation, else EC2's dry runs.

Callers: provider.py, for `duoyun providers check`. Nothing is changed: a dry run is answered before anything is done.
Sources: IAM API Reference, SimulatePrincipalPolicy; EC2 API Reference, "Common query parameters", DryRun.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any

from botocore import xform_name
from botocore.exceptions import ClientError

from model.errors import CloudError, Forbidden, NotFound
from providers.aws.permissions import ACTIONS
from providers.aws.session import Session
from providers.base import Call, Rights

SIMULATION = "iam:SimulatePrincipalPolicy"
DRY_RUN = "ec2:DryRun"
_BATCH = 50  # actions of one simulation; answers come by pages, and AWS's limit is on the request's size
_SESSION = re.compile(r"arn:([a-z-]+):sts::(\d{12}):assumed-role/([^/]+)/.+")
_ALONE: Mapping[str, Mapping[str, Any]] = {
    "CreateInternetGateway": {},
    "CreateSecurityGroup": {"GroupName": "duoyun-dry-run", "Description": "dry run"},
    "CreateVpc": {"CidrBlock": "10.255.0.0/28"},
}
"""Writes of EC2 whose dry run needs nothing that exists already; reads need nothing ever."""
_READS = tuple(name.partition(":")[2] for name in ACTIONS if name.startswith("ec2:Describe"))


def rights(session: Session, region: str, call: Call) -> Rights:
    """region: where dry runs are asked. Raises Unauthenticated, Unreachable and what else the first question meets."""
    arn = str(session.caller(call)["Arn"])
    if arn.endswith(":root"):
        why = "IAM simulates nothing for the account's root user: use a user or a role"
        return Rights(how="", unknown=ACTIONS, note=why)
    try:
        return _simulated(session, _source(session, arn, call), call)
    except (Forbidden, NotFound) as exc:
        why = f"the policy simulation is not allowed ({exc.summary}); only EC2 tells by dry runs"
        return _dry_runs(session, region, why, call)


def _source(session: Session, arn: str, call: Call) -> str:
    """The ARN whose policies count: a role's session has those of its role, whose path only IAM knows."""
    assumed = _SESSION.fullmatch(arn)
    if assumed is None:
        return arn
    found = session.run("iam", "", "GetRole", lambda client: client.get_role(RoleName=assumed[3]), call)
    return str(found["Role"]["Arn"])


def _simulated(session: Session, source: str, call: Call) -> Rights:
    told: dict[str, str] = {}
    for start in range(0, len(ACTIONS), _BATCH):
        names = list(ACTIONS[start : start + _BATCH])
        more: dict[str, Any] = {}
        while True:
            page = session.run(
                "iam", "", "SimulatePrincipalPolicy", _simulation(source, names, more), call
            )  # asked as the simulator does for resource "*": a policy that names resources may allow more than is told
            for row in page.get("EvaluationResults") or ():
                told[str(row["EvalActionName"])] = _verdict(row)
            if not page.get("IsTruncated"):
                break
            more = {"Marker": page["Marker"]}
    return Rights(
        how=SIMULATION,
        allowed=tuple(a for a in ACTIONS if told.get(a) == "allowed"),
        missing=tuple(a for a in ACTIONS if told.get(a) == "denied"),
        unknown=tuple(a for a in ACTIONS if told.get(a, "unknown") == "unknown"),
        note="" if "unknown" not in told.values() else "policies with conditions that the simulation has no values for",
    )


def _simulation(source: str, names: list[str], more: Mapping[str, Any]) -> Callable[[Any], Any]:
    return lambda client: client.simulate_principal_policy(PolicySourceArn=source, ActionNames=names, **more)


def _verdict(row: Mapping[str, Any]) -> str:
    """An implicit denial that hangs on a condition without a value is not known; an explicit one stands."""
    decision = str(row.get("EvalDecision", ""))
    if decision == "allowed":
        return "allowed"
    if decision == "implicitDeny" and row.get("MissingContextValues"):
        return "unknown"
    return "denied" if decision in ("implicitDeny", "explicitDeny") else "unknown"


def _dry_runs(session: Session, region: str, why: str, call: Call) -> Rights:
    allowed: list[str] = []
    missing: list[str] = []
    asked: dict[str, Mapping[str, Any]] = {**{name: {} for name in _READS}, **_ALONE}
    for name, params in asked.items():
        verdict = _dry_run(session, region, name, params, call)
        if verdict is not None:
            (allowed if verdict else missing).append(f"ec2:{name}")
    known = {*allowed, *missing}
    return Rights(
        how=DRY_RUN,
        allowed=tuple(sorted(allowed)),
        missing=tuple(sorted(missing)),
        unknown=tuple(a for a in ACTIONS if a not in known),
        note=why,
    )


def _dry_run(session: Session, region: str, name: str, params: Mapping[str, Any], call: Call) -> bool | None:
    """Whether it would be allowed; None where the answer says neither."""

    def ask(client: Any) -> bool | None:
        try:
            getattr(client, xform_name(name))(DryRun=True, **params)
        except ClientError as exc:
            code = str(exc.response.get("Error", {}).get("Code", ""))
            if code == "DryRunOperation":
                return True
            if code == "UnauthorizedOperation":
                return False
            raise
        return None

    try:
        return session.run("ec2", region, name, ask, call)
    except CloudError as exc:
        call.progress(f"{name}: the dry run says neither yes nor no ({exc.summary})")
        return None
