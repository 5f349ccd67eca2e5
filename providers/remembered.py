"""What no cloud gives back as it was wanted, kept as tags on the machine: its image and a digest of its user data.

Callers: the clouds' instance adapters. A plan compares what is wanted with what is seen; without these tags a new image
or new user data would be no difference, or always one. Non-goal: keeping the text itself, which may be long.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping

from model.resources import Instance, InstanceGroup

Machine = Instance | InstanceGroup

TAG_USER_DATA = "duoyun-user-data"
TAG_IMAGE = "duoyun-image"


def user_data_digest(text: str) -> str:
    """`sha256:...` of user data; "" for none."""
    return f"sha256:{hashlib.sha256(text.encode()).hexdigest()}" if text else ""


def machine_tags(wanted: Machine) -> dict[str, str]:
    """Tags that a new machine gets beside its owner's."""
    tags = {TAG_USER_DATA: user_data_digest(wanted.user_data), TAG_IMAGE: wanted.machine_image}
    return {name: value for name, value in tags.items() if value}


def user_data_of(tags: Mapping[str, str]) -> str:
    """What an observed machine says instead of its user data: the digest, "" where nobody wrote it down."""
    return tags.get(TAG_USER_DATA, "")


def image_of(tags: Mapping[str, str], image_id: str) -> str:
    """The role that a machine was made from, else the cloud's own id of its image."""
    return tags.get(TAG_IMAGE) or image_id


def made_differently(before: Machine, desired: Machine) -> tuple[str, ...]:
    """user_data and machine_image where they differ. What is not known of other people's machines does not."""
    changed = []
    if before.user_data and before.user_data not in (desired.user_data, user_data_digest(desired.user_data)):
        changed.append("user_data")
    if before.machine_image and before.machine_image != desired.machine_image:
        changed.append("machine_image")
    return tuple(changed)
