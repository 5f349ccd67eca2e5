"""Where an Alibaba Cloud account's access key comes from.

Callers: session.py. Order: what was resolved already (`Account.secrets`), the named environment variables, the named
profile of the Alibaba Cloud CLI (~/.aliyun/config.json), else the usual environment variables and its current
profile. Nothing found here is ever printed or stored.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from model.errors import CallSite, Unauthenticated
from providers.base import Account


@dataclass(frozen=True, slots=True)
class AccessKey:
    """security_token is empty for a lasting key."""

    key_id: str
    secret: str = field(repr=False)
    security_token: str = field(default="", repr=False)


_USUAL = ("ALIBABA_CLOUD", "ALIBABACLOUD", "ALICLOUD", "ALIYUN")


def resolve(account: Account, environ: Mapping[str, str] | None = None) -> AccessKey:
    """The key itself, before any role is assumed with it. Raises Unauthenticated with the mend where there is none."""
    env = os.environ if environ is None else environ
    named = account.credential
    given = account.secrets
    if given.get("key_id") and given.get("secret"):
        return AccessKey(given["key_id"], given["secret"], given.get("security_token", ""))
    if named.get("env_prefix"):
        key, tried = _from_environment(named["env_prefix"], env), f"{named['env_prefix']}_ACCESS_KEY_ID"
    elif named.get("profile"):
        key, tried = _from_profile(named["profile"], env), f"profile {named['profile']} of ~/.aliyun/config.json"
    else:
        found = (_from_environment(prefix, env) for prefix in _USUAL)
        key = next((k for k in found if k), None) or _from_profile("", env)
        tried = "ALIBABA_CLOUD_ACCESS_KEY_ID and ~/.aliyun/config.json"
    if key is None:
        raise Unauthenticated(
            f"account {account.name}: no Alibaba Cloud access key found",
            call=CallSite("alibaba", account.name),
            detail=f"looked at {tried}",
            mend="export ALIBABA_CLOUD_ACCESS_KEY_ID and ALIBABA_CLOUD_ACCESS_KEY_SECRET, or run `aliyun configure`, "
            "or name the credential in the fleet (docs/credentials.md)",
        )
    return key


def _from_environment(prefix: str, env: Mapping[str, str]) -> AccessKey | None:
    key_id = env.get(f"{prefix}_ACCESS_KEY_ID") or env.get(f"{prefix}_ACCESS_KEY")
    names = ("ACCESS_KEY_SECRET", "SECRET_ACCESS_KEY", "SECRET_KEY")
    secret = next((env[f"{prefix}_{name}"] for name in names if env.get(f"{prefix}_{name}")), None)
    if not key_id or not secret:
        return None
    return AccessKey(key_id, secret, env.get(f"{prefix}_SECURITY_TOKEN", ""))


def _from_profile(name: str, env: Mapping[str, str]) -> AccessKey | None:
    """A profile of mode AK or StsToken; the current one where no name is given."""
    home = env.get("HOME", "")
    path = Path(home) / ".aliyun" / "config.json"
    if not home or not path.is_file():
        return None
    try:
        document: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, json.JSONDecodeError) as exc:
        raise Unauthenticated(f"{path} cannot be read", mend="run `aliyun configure` again") from exc
    wanted = name or document.get("current", "default")
    profile = next((p for p in document.get("profiles", ()) if p.get("name") == wanted), None)
    if profile is None or not profile.get("access_key_id") or not profile.get("access_key_secret"):
        return None
    return AccessKey(profile["access_key_id"], profile["access_key_secret"], profile.get("sts_token", ""))
