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
from sandbox.aws.wire import Incoming

_MANAGED = re.compile(r"^arn:[a-z-]+:iam::aws:policy(/.*/|/)([^/]+)$")


class Iam:
    """Permissions themselves are not evaluated: an account's key may all, its reader key may read."""

    def __init__(self, cloud: Cloud) -> None:
        self._cloud = cloud
        names = ("AttachRolePolicy", "AttachUserPolicy", "AttachGroupPolicy", "GetPolicy", "GetPolicyVersion")
        self.before: dict[str, Handler] = {f"iam:{name}": self._know_policy for name in names}
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


@cache
def _policies() -> dict[str, Any]:
    from moto.iam.aws_managed_policies import aws_managed_policies_data

    found: dict[str, Any] = json.loads(aws_managed_policies_data)
    return found
