"""Finds the running sandbox: its place, its endpoints and credentials (docs/sandbox-endpoints.md).

An account is only ever sent to the sandbox where its fleet says `endpoint: sandbox`; such an account never reaches a
real cloud.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from model.errors import Unauthenticated, Unreachable

SUPPORTED_SCHEMA = 1


def endpoints_path(environ: Mapping[str, str] | None = None) -> Path:
    """`$DUOYUN_SANDBOX`, else `$XDG_STATE_HOME/duoyun/sandbox/endpoints.json`."""
    env = os.environ if environ is None else environ
    if env.get("DUOYUN_SANDBOX"):
        return Path(env["DUOYUN_SANDBOX"])
    state = env.get("XDG_STATE_HOME") or str(Path(env.get("HOME", "~")).expanduser() / ".local" / "state")
    return Path(state) / "duoyun" / "sandbox" / "endpoints.json"


@dataclass(frozen=True, slots=True)
class SandboxEndpoints:
    """A running sandbox. accounts: (partition, account_id) -> its keys. environment: for the clouds' own tools."""

    pid: int
    clouds: Mapping[str, str]
    accounts: Mapping[tuple[str, str], Mapping[str, str]] = field(repr=False)
    control_url: str
    control_token: str = field(repr=False)
    environment: Mapping[str, str] = field(default_factory=dict, repr=False)
    profile: str = ""
    started_at: str = ""

    def secrets(self, partition: str, account_id: str, *, reader: bool = False) -> dict[str, str]:
        """Keys for an account. Raises Unauthenticated for one that the sandbox does not have."""
        row = self.accounts.get((partition, account_id))
        if row is None:
            known = ", ".join(f"{p}/{a}" for p, a in sorted(self.accounts))
            raise Unauthenticated(
                f"the sandbox has no account {account_id} in {partition}",
                detail=f"it has {known}",
                mend="use one of those ids in the fleet file",
            )
        prefix = "reader_" if reader else ""
        return {"key_id": row.get(f"{prefix}key_id", ""), "secret": row.get(f"{prefix}secret", "")}


def read_endpoints(path: Path | None = None) -> SandboxEndpoints:
    """Raises Unreachable, with the mend, where no sandbox runs there."""
    where = path or endpoints_path()
    mend = "start it with `duoyun sandbox up`, or point DUOYUN_SANDBOX at its endpoints.json"
    try:
        data: dict[str, Any] = json.loads(where.read_text(encoding="utf-8"))
    except FileNotFoundError as exc:
        raise Unreachable("the fleet uses the sandbox, and no sandbox is running", mend=mend) from exc
    except (OSError, ValueError) as exc:
        raise Unreachable(f"the sandbox's endpoints file {where} cannot be read: {exc}", mend=mend) from exc
    if data.get("schema_version") != SUPPORTED_SCHEMA:
        raise Unreachable(f"{where} was written by another version of the sandbox", mend="duoyun sandbox down; up")
    return SandboxEndpoints(
        pid=int(data["pid"]),
        clouds={name: row["url"] for name, row in data["clouds"].items()},
        accounts={(row["partition"], row["account_id"]): row for row in data["accounts"]},
        control_url=data["control"]["url"],
        control_token=data["control"]["token"],
        environment=data.get("environment", {}),
        profile=data.get("profile", ""),
        started_at=data.get("started_at", ""),
    )
