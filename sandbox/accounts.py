"""The accounts that a sandbox has from the start, with random credentials kept in the state folder.

Callers: sandbox.app. Non-goal: accounts added while it runs.
"""

from __future__ import annotations

import json
import secrets
import string
import uuid
from dataclasses import asdict, fields
from pathlib import Path

from sandbox.files import write_private
from sandbox.partitions import ACCOUNTS
from sandbox.world import SandboxAccount

_UPPER = string.ascii_uppercase + string.digits
_MIXED = string.ascii_letters + string.digits


def _word(alphabet: str, length: int) -> str:
    return "".join(secrets.choice(alphabet) for _ in range(length))


def _key_id(cloud: str) -> str:
    """In the form in which that cloud's keys come, so that a client's own checks accept it."""
    if cloud == "aws":
        return "AKIA" + _word(_UPPER, 16)
    if cloud == "alibaba":
        return "LTAI" + _word(_MIXED, 20)
    return str(uuid.uuid4())


def _secret(cloud: str) -> str:
    return _word(_MIXED, 64 if cloud == "azure" else 40 if cloud == "aws" else 30)


def new_account(cloud: str, partition: str, account_id: str) -> SandboxAccount:
    return SandboxAccount(
        partition=partition,
        account_id=account_id,
        key_id=_key_id(cloud),
        secret=_secret(cloud),
        reader_key_id=_key_id(cloud),
        reader_secret=_secret(cloud),
    )


def load_accounts(state_dir: Path | None) -> tuple[SandboxAccount, ...]:
    """Fresh credentials, or those of the state folder. OSError or ValueError where the file is unusable."""
    known: dict[str, SandboxAccount] = {}
    path = state_dir / "credentials.json" if state_dir else None
    if path is not None and path.exists():
        rows = [_account(row) for row in json.loads(path.read_text(encoding="utf-8"))]
        known = {account.partition: account for account in rows}
    accounts = tuple(known.get(p) or new_account(c, p, a) for c, p, a in ACCOUNTS)
    if path is not None:
        write_private(path, json.dumps([asdict(a) for a in accounts], indent=1))
    return accounts


def _account(row: object) -> SandboxAccount:
    names = {f.name for f in fields(SandboxAccount)}
    if not isinstance(row, dict) or set(row) != names:
        raise ValueError("credentials.json is not of this version; remove the state folder to begin anew")
    return SandboxAccount(**row)
