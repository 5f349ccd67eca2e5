"""A RAM role that is assumed with the account's own key: STS AssumeRole, renewed before its key ends.

Callers: session.py. Source: "AssumeRole" in the STS reference: a role's session lasts an hour unless the role allows
more, and at least 15 minutes.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any

from model.errors import Unauthenticated
from providers.alibaba.credentials import AccessKey
from providers.base import Call

SESSION_NAME = "duoyun"
DURATION_S = 3600
RENEW_BEFORE_S = 600.0
Ask = Callable[[Mapping[str, Any], Call], Mapping[str, Any]]


class AssumedRole:
    """Thread-safe. ask: sends AssumeRole with these parameters, signed with the account's own key."""

    def __init__(self, arn: str, ask: Ask, now_s: Callable[[], float] = time.time) -> None:
        self._arn, self._ask, self._now_s = arn, ask, now_s
        self._lock = threading.Lock()
        self._key: AccessKey | None = None
        self._until_s = 0.0

    def key(self, call: Call) -> AccessKey:
        """The role's temporary key, good for some minutes yet. Raises what STS answers."""
        with self._lock:
            if self._key is None or self._now_s() >= self._until_s - RENEW_BEFORE_S:
                self._key, self._until_s = self._assume(call)
            return self._key

    def _assume(self, call: Call) -> tuple[AccessKey, float]:
        asked = {"RoleArn": self._arn, "RoleSessionName": SESSION_NAME, "DurationSeconds": DURATION_S}
        given = self._ask(asked, call).get("Credentials") or {}
        values = [str(given.get(name) or "") for name in ("AccessKeyId", "AccessKeySecret", "SecurityToken")]
        if not all(values):
            raise Unauthenticated(f"STS gave no key for {self._arn}", mend="check credential.role_arn in the fleet")
        return AccessKey(*values), _seconds(str(given.get("Expiration") or ""), self._now_s() + DURATION_S)


def _seconds(text: str, default: float) -> float:
    try:
        return datetime.fromisoformat(text.replace("Z", "+00:00")).timestamp()
    except ValueError:
        return default
