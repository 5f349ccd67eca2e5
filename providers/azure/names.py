"""Names, zones, tags and ids: between the model's words and Azure's. Pure.

Callers: the other files of this package. Limits: learn.microsoft.com/azure/azure-resource-manager/management/
resource-name-rules and .../tag-resources (50 tags, values up to 256 characters).
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass

from model.errors import InvalidRequest
from model.resources import TAG_FLEET, TAG_KEY, TAG_NAME, Address, Kind, State
from providers.base import Account, Call

TAG_PREFIX = "duoyun-"
TAG_NETWORK = "duoyun-network"
TAG_SUBNETS = "duoyun-subnets"
TAG_DESCRIPTION = "duoyun-description"
TAG_DISK_GIB = "duoyun-disk-gib"
TAG_REGION = "duoyun-region"
_TAG_VALUE_MAX = 256
_NAME_MAX = {
    Kind.NETWORK: 64,
    Kind.SUBNET: 80,
    Kind.FIREWALL_GROUP: 80,
    Kind.CLUSTER: 63,
    Kind.INSTANCE: 58,  # 64 for a VM, less room for `-nic` and `-ip`
    Kind.INSTANCE_GROUP: 58,  # 64, less room for `-scale`
    Kind.DISK: 80,
    Kind.LOAD_BALANCER: 77,  # 80, less room for `-ip`
}
_NAME = re.compile(r"[A-Za-z0-9]([A-Za-z0-9_.-]*[A-Za-z0-9_])?")
STATES = {
    "succeeded": State.READY,
    "creating": State.PENDING,
    "updating": State.UPDATING,
    "upgrading": State.UPDATING,
    "scaling": State.UPDATING,
    "deleting": State.DELETING,
    "failed": State.FAILED,
    "canceled": State.FAILED,
}


def state_of(provisioning_state: object) -> State:
    """Unknown words of a newer API count as an update under way."""
    return STATES.get(word(provisioning_state).lower() or "succeeded", State.UPDATING)


def word(value: object) -> str:
    """The text of an enumeration's member or of plain text; the SDK gives members for words that it knows."""
    return "" if value is None else str(getattr(value, "value", value))


# -- ids ---------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class ArmId:
    """/subscriptions/S/resourceGroups/G/providers/NS/type/name[/type/name]."""

    group: str
    name: str
    parent: str = ""  # name of the enclosing resource


def parse_id(text: str | None) -> ArmId:
    """Empty parts where the text is no id."""
    parts = (text or "").strip("/").split("/")
    if len(parts) < 8:
        return ArmId("", "")
    return ArmId(parts[3], parts[-1], parts[-3] if len(parts) > 8 else "")


def same_id(a: str | None, b: str | None) -> bool:
    """ARM compares ids without case."""
    return (a or "").lower() == (b or "").lower()


# -- names -------------------------------------------------------------------------------------------------------


def group_name(account: Account, fleet: str, region: str) -> str:
    """The resource group for what we create in a region."""
    return str(account.options.get("resource_group") or "") or f"duoyun-{fleet}-{region}"


def shared_group(account: Account) -> bool:
    """Whether all regions share one group, so that names must tell regions apart."""
    return bool(account.options.get("resource_group"))


def arm_name(account: Account, kind: Kind, logical: str, region: str) -> str:
    """Azure's name for a logical one, always the same; `-<region>` is added where regions share a group.

    Too long a name of a VM is cut and hashed (its tag keeps the logical name). Other kinds are referred to by name,
    so theirs must be reversible: InvalidRequest where it does not fit.
    """
    name = f"{logical}-{region}" if shared_group(account) and kind is not Kind.SUBNET else logical
    limit = _NAME_MAX[kind]
    if len(name) > limit and kind is Kind.INSTANCE:
        name = f"{name[: limit - 11].rstrip('-_.')}-{hashlib.sha256(name.encode()).hexdigest()[:10]}"
    if len(name) > limit or not _NAME.fullmatch(name) or (kind is Kind.NETWORK and len(name) < 2):
        raise InvalidRequest(
            f"{kind} name {logical!r} does not fit Azure: 1 to {limit} letters, digits, `-`, `_`, `.` (networks: 2)",
            mend="choose another name in the fleet",
        )
    return name


def logical_name(account: Account, name: str, region: str, tags: Mapping[str, str] | None = None) -> str:
    """Inverse of arm_name: by our tag where there is one, else by the name alone."""
    tagged = (tags or {}).get(TAG_NAME)
    if tagged:
        return tagged
    return name.removesuffix(f"-{region}") if shared_group(account) else name


def pool_name(logical: str) -> str:
    """AKS allows 12 lower-case alphanumerics that begin with a letter: `p` and 10 digits to base 36 of the hash."""
    number = int.from_bytes(hashlib.sha256(logical.encode()).digest()[:8], "big")
    digits = "0123456789abcdefghijklmnopqrstuvwxyz"
    text = ""
    for _ in range(10):
        number, rest = divmod(number, 36)
        text += digits[rest]
    return f"p{text}"


# -- zones -------------------------------------------------------------------------------------------------------


def zone_number(zone: str, region: str, known: tuple[str, ...]) -> str:
    """`chinanorth3-1` -> `1`; "" for no zone: `<region>-0`, or `<region>-1` in a region without zones (one site).

    known: the region's zones, () where it has none. Raises InvalidRequest for a zone that is not there.
    """
    if zone in ("", region, f"{region}-0") or (not known and zone == f"{region}-1"):
        return ""
    number = zone.removeprefix(f"{region}-")
    if number not in known:
        has = ", ".join(f"{region}-{n}" for n in known) or f"no zones: its one site is {region}-1"
        raise InvalidRequest(f"zone {zone!r} is not in {region}", mend=f"{region} has {has}")
    return number


def zone_name(region: str, zones: list[str] | None, known: tuple[str, ...]) -> str:
    """Inverse of zone_number; `<region>-0` for what lies in no zone of a region that has some."""
    if zones:
        return f"{region}-{zones[0]}"
    return f"{region}-0" if known else f"{region}-1"


# -- tags --------------------------------------------------------------------------------------------------------


def own_tags(address: Address, wanted: Mapping[str, str], call: Call, **more: str) -> dict[str, str]:
    """The user's tags and ours. more: further tags of ours by their full name."""
    ours = {TAG_FLEET: call.fleet, TAG_NAME: address.name, TAG_KEY: call.key}
    return {**wanted, **{k: v for k, v in (ours | more).items() if v}}


def merged_tags(existing: Mapping[str, str] | None, wanted: Mapping[str, str], **more: str) -> dict[str, str]:
    """Existing tags with the wanted ones over them: other people's stay."""
    return {**(existing or {}), **wanted, **{k: v for k, v in more.items() if v}}


def user_tags(tags: Mapping[str, str] | None) -> dict[str, str]:
    """Without ours."""
    return {k: v for k, v in (tags or {}).items() if not k.startswith(TAG_PREFIX)}


def owner_of(tags: Mapping[str, str] | None) -> str:
    return (tags or {}).get(TAG_FLEET, "")


def list_to_tags(name: str, values: tuple[str, ...]) -> dict[str, str]:
    """A list of names over as many tags as it needs: `name`, `name-2`, ..."""
    chunks = [""]
    for value in values:
        longer = f"{chunks[-1]},{value}" if chunks[-1] else value
        if len(longer) <= _TAG_VALUE_MAX:
            chunks[-1] = longer
        else:
            chunks.append(value)
    return {name if i == 0 else f"{name}-{i + 1}": chunk for i, chunk in enumerate(chunks) if chunk}


def list_from_tags(name: str, tags: Mapping[str, str] | None) -> tuple[str, ...]:
    found, number = [], 1
    while (key := name if number == 1 else f"{name}-{number}") in (tags or {}):
        found += (tags or {})[key].split(",")
        number += 1
    return tuple(found)
