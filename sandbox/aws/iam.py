"""AWS's managed policies, put into moto when they are first named.

Callers: sandbox.aws.server, by the table of Iam. Loading all of them at start would cost 0.5 s and much of the state
file; a sandbox uses four.
"""

from __future__ import annotations

import json
import re
from functools import cache
from typing import Any

from sandbox.aws.cloud import After, Cloud, Handler
from sandbox.aws.wire import AwsError, Incoming, writes

_MANAGED = re.compile(r"^arn:[a-z-]+:iam::aws:policy(/.*/|/)([^/]+)$")


class Iam:
    """Permissions themselves are not evaluated: an account's key may all, its reader key may read."""

    def __init__(self, cloud: Cloud) -> None:
        self._cloud = cloud
        names = ("AttachRolePolicy", "AttachUserPolicy", "AttachGroupPolicy", "GetPolicy", "GetPolicyVersion")
        self.before: dict[str, Handler] = {f"iam:{name}": self._know_policy for name in names}
        self.before["iam:SimulatePrincipalPolicy"] = _simulate
        self.after: dict[str, After] = {}

    def _know_policy(self, incoming: Incoming) -> None:
        from moto.iam.models import AWSManagedPolicy, iam_backends

        arn = str(incoming.params.get("PolicyArn", ""))
        named = _MANAGED.match(arn)
        backend = iam_backends[incoming.account_id][incoming.who.partition]
        if named is None or arn in backend.managed_policies or named[2] not in _policies():
            return
        policy = AWSManagedPolicy.from_data(
            named[2], incoming.account_id, incoming.who.partition, _policies()[named[2]]
        )
        if policy.arn == arn:
            backend.managed_policies[arn] = policy
            backend.aws_managed_policies.append(policy)


def _simulate(incoming: Incoming) -> object:
    """As the sandbox decides it: who is simulated may all, its reader may what does not write. Conditions are not.

    Source: IAM API Reference, SimulatePrincipalPolicy.
    """
    params, who = incoming.params, incoming.who
    source = str(params.get("PolicySourceArn", ""))
    if not re.fullmatch(rf"arn:{who.partition}:iam::{who.account_id}:(user|role|group)/.+", source):
        raise AwsError("InvalidInput", f"Invalid Entity Arn: {source} does not clearly define entity type and name.")
    names = [str(name) for name in params.get("ActionNames") or ()]
    malformed = [name for name in names if name.count(":") != 1]
    if malformed:
        raise AwsError("InvalidInput", f"Invalid Action: {malformed[0]} is not in the correct format.")
    resources = [str(arn) for arn in params.get("ResourceArns") or ()] or ["*"]
    reader = source.endswith(":user/sandbox-reader")
    start, size = int(params.get("Marker") or 0), int(params.get("MaxItems") or 100)
    rows: list[dict[str, Any]] = [
        {
            "EvalActionName": name,
            "EvalResourceName": resource,
            "EvalDecision": "implicitDeny" if reader and writes(*name.split(":")) else "allowed",
            "MatchedStatements": [],
            "MissingContextValues": [],
        }
        for name in names
        for resource in resources
    ]
    more = start + size < len(rows)
    return {
        "EvaluationResults": rows[start : start + size],
        "IsTruncated": more,
        **({"Marker": str(start + size)} if more else {}),
    }


@cache
def _policies() -> dict[str, Any]:
    from moto.iam.aws_managed_policies import aws_managed_policies_data

    found: dict[str, Any] = json.loads(aws_managed_policies_data)
    return found
