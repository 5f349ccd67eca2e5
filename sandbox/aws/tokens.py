"""Client tokens: the same request again gets the first answer, another one with that token is refused.

Callers: sandbox.aws.server. Source: EC2 User Guide, "Ensuring idempotency in Amazon EC2 API requests"; EKS API
reference, clientRequestToken.
"""

from __future__ import annotations

import hashlib
import json
from typing import Any

from sandbox.aws.cloud import Cloud
from sandbox.aws.instances import SHUTTING_DOWN, TERMINATED
from sandbox.aws.wire import Answer, AwsError, Incoming, success

_NAMES = ("ClientToken", "clientRequestToken", "ClientRequestToken")


class Tokens:
    """Asked before a request is executed, told afterwards. Only what succeeded is remembered."""

    def __init__(self, cloud: Cloud) -> None:
        self._cloud = cloud

    def earlier(self, incoming: Incoming) -> Answer | None:
        """The first answer to this token, or None. AwsError where its parameters were others."""
        key = _key(incoming)
        found = self._cloud.memory.tokens.get(key) if key else None
        if key is None or found is None:
            return None
        digest, answer = found
        if incoming.service == "eks" and not self._still_there(incoming):
            del self._cloud.memory.tokens[key]
            return None
        if digest != _digest(incoming):
            code = "IdempotentParameterMismatch" if incoming.service == "ec2" else "InvalidParameterException"
            raise AwsError(code, "The client token was used before, with other parameters.")
        return self._instances_now(incoming, answer) if incoming.action == "ec2:RunInstances" else answer

    def remember(self, incoming: Incoming, digest: str, answer: Answer) -> None:
        key = _key(incoming)
        if key is not None and answer.ok:
            self._cloud.memory.tokens[key] = (digest, answer)

    def _instances_now(self, incoming: Incoming, answer: Answer) -> Answer:
        """The same reservation in its present state; an error of its own where its instances are gone."""
        backend = self._cloud.moto.ec2(incoming.account_id, incoming.region)
        body = answer.body.decode()
        reservation = next(r for r in reversed(backend.reservations.values()) if r.id in body)
        if all(i._state.code in (SHUTTING_DOWN, TERMINATED) for i in reservation.instances):
            raise AwsError(
                "IdempotentInstanceTerminated",
                "The client token was used by a request whose instance has been terminated.",
            )
        return success(incoming, reservation)

    def _still_there(self, incoming: Incoming) -> bool:
        """A token of a cluster or node group that was deleted since is free again."""
        clusters = self._cloud.moto.eks(incoming.account_id, incoming.region).clusters
        cluster = clusters.get(incoming.params.get("clusterName") or incoming.params.get("name") or "")
        if cluster is None or incoming.operation != "CreateNodegroup":
            return cluster is not None
        return incoming.params.get("nodegroupName") in cluster.nodegroups


def _key(incoming: Incoming) -> tuple[str, ...] | None:
    token = next((incoming.params[name] for name in _NAMES if incoming.params.get(name)), None)
    if not token or not incoming.writes:
        return None
    return incoming.account_id, incoming.region, incoming.action, str(token)


def _digest(incoming: Incoming) -> str:
    return digest_of(incoming.params)


def digest_of(params: dict[str, Any]) -> str:
    """Of all parameters but the token itself."""
    rest = {k: v for k, v in params.items() if k not in _NAMES}
    return hashlib.sha256(json.dumps(rest, sort_keys=True, default=str).encode()).hexdigest()
