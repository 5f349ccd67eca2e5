"""Which KMS keys are AWS's own: those behind an alias `alias/aws/...`, which services make by themselves.

Callers: sandbox.aws.server, by the table of Kms. moto calls every key a customer's.
"""

from __future__ import annotations

import json
from typing import Any

from sandbox.aws.cloud import After, Cloud, Handler
from sandbox.aws.wire import Answer, Incoming


class Kms:
    def __init__(self, cloud: Cloud) -> None:
        self._cloud = cloud
        self.before: dict[str, Handler] = {}
        self.after: dict[str, After] = {"kms:DescribeKey": self._described}

    def _described(self, incoming: Incoming, answer: Answer) -> Answer | None:
        from moto.kms.models import kms_backends

        told: dict[str, Any] = json.loads(answer.body)
        keys = kms_backends[incoming.account_id][incoming.region].keys
        key_id = told["KeyMetadata"]["KeyId"]
        aliases = getattr(keys.get(key_id), "aliases", ())
        if not any(str(alias).startswith("alias/aws/") for alias in aliases):
            return None
        told["KeyMetadata"]["KeyManager"] = "AWS"
        return Answer(answer.status, answer.headers, json.dumps(told).encode())
