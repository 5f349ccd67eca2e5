"""Tags: how we know our own, and the two shapes in which AWS writes them.

Callers: the kinds of this folder. Source of the limits: EC2 User Guide, "Tag your Amazon EC2 resources".
"""

from __future__ import annotations

import hashlib
import re
import uuid
from collections.abc import Iterable, Mapping
from typing import Any

from model.resources import TAG_FLEET, TAG_KEY, TAG_NAME, Address, AnyResource
from providers.base import Call
from providers.remembered import TAG_IMAGE, TAG_USER_DATA

NAME = "Name"
_OURS = (TAG_FLEET, TAG_NAME, TAG_KEY, TAG_USER_DATA, TAG_IMAGE, NAME)
_RESERVED = re.compile(r"^(aws:|kubernetes\.io/|eks:|k8s\.io/)")
_NOT_IN_DESCRIPTIONS = re.compile(r"[^a-zA-Z0-9. _\-:/()#,@\[\]+=&;{}!$*]")


def ownership_tags(address: Address, desired: AnyResource, call: Call) -> dict[str, str]:
    """What a resource that we create carries: the user's tags, and ours."""
    return {
        **desired.tags,
        NAME: address.name,
        TAG_FLEET: call.fleet,
        TAG_NAME: address.name,
        TAG_KEY: call.key,
    }


def specification(kind: str, tags: Mapping[str, str]) -> dict[str, Any]:
    """EC2's TagSpecification."""
    return {"ResourceType": kind, "Tags": pairs(tags)}


def pairs(tags: Mapping[str, str]) -> list[dict[str, str]]:
    return [{"Key": key, "Value": value} for key, value in sorted(tags.items())]


def from_pairs(rows: Iterable[Mapping[str, str]] | None) -> dict[str, str]:
    return {row["Key"]: row.get("Value", "") for row in rows or ()}


def user_tags(tags: Mapping[str, str]) -> dict[str, str]:
    """Without ours and without those that AWS and its services reserve."""
    return {k: v for k, v in sorted(tags.items()) if k not in _OURS and not _RESERVED.match(k)}


def changed_tags(have: Mapping[str, str], want: Mapping[str, str]) -> dict[str, str]:
    """Those of `want` that differ; other people's tags are left alone."""
    return {k: v for k, v in want.items() if have.get(k) != v}


def logical_name(tags: Mapping[str, str], fallback: str) -> str:
    """Our name, else the Name tag, else the fallback (the id, or the cloud's own name)."""
    return tags.get(TAG_NAME) or tags.get(NAME) or fallback


def client_token(call: Call, *purpose: str) -> str:
    """A token that is equal for an equal idempotency key and purpose: 64 ASCII characters, EC2's limit.

    Without a key every call has a token of its own, so that retries within it are still safe.
    """
    key = call.key or str(uuid.uuid4())
    return hashlib.sha256("\x1f".join((call.fleet, key, *purpose)).encode()).hexdigest()


def description(text: str, fallback: str = "") -> str:
    """What EC2 accepts as a description: 255 characters of a small alphabet; others become `_`."""
    return _NOT_IN_DESCRIPTIONS.sub("_", text or fallback)[:255]
