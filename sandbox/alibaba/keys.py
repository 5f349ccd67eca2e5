"""Temporary keys that AssumeRole handed out. They end with the sandbox.

Callers: server.py checks requests with them, sts.py makes them. Source of the codes: the gateway's common errors.
"""

from __future__ import annotations

import secrets
import time
from dataclasses import dataclass, field

from sandbox.alibaba.wire import ApiError
from sandbox.world import SandboxAccount


@dataclass(frozen=True, slots=True)
class Assumed:
    """A temporary key. role: `name/session`."""

    account: SandboxAccount
    role: str
    secret: str = field(repr=False)
    token: str = field(repr=False)
    until_s: float


class Assumptions:
    """Temporary keys by key id."""

    def __init__(self) -> None:
        self._keys: dict[str, Assumed] = {}

    def new(self, account: SandboxAccount, role: str, seconds: float) -> tuple[str, Assumed]:
        key_id = f"STS.{secrets.token_hex(12)}"
        found = Assumed(account, role, secrets.token_urlsafe(24), secrets.token_urlsafe(96), time.time() + seconds)
        self._keys[key_id] = found
        return key_id, found

    def find(self, key_id: str, token: str) -> Assumed | None:
        """None where the key is unknown. Raises what the gateway answers to a wrong or an old token."""
        found = self._keys.get(key_id)
        if found is None:
            return None
        if not token:
            raise ApiError(400, "MissingSecurityToken", "SecurityToken is mandatory for this action.")
        if not secrets.compare_digest(token.encode(), found.token.encode()):
            raise ApiError(
                400,
                "InvalidSecurityToken.MismatchWithAccessKey",
                "Specified SecurityToken mismatch with the AccessKey.",
            )
        if time.time() >= found.until_s:
            raise ApiError(403, "InvalidSecurityToken.Expired", "Specified SecurityToken is expired.")
        return found
