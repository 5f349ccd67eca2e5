"""moto's tags of one resource, looked up: by itself it reads every tag there is, with regular expressions, for each.

Callers: sandbox.aws.moto_app, once when moto is loaded. Answers are the same; with 10,000 tagged resources a list takes
a second instead of several minutes.
"""

from __future__ import annotations

from typing import Any

_WILD = frozenset("*?\\")


def patch() -> None:
    """Once per process; harmless again."""
    from moto.ec2.models.tags import EC2_PREFIX_TO_RESOURCE, TagBackend, get_prefix

    if getattr(TagBackend, "shim_patched", False):
        return
    told = TagBackend.describe_tags

    def describe_tags(self: Any, filters: dict[str, list[str]] | None = None) -> list[dict[str, str]]:
        ids = filters.get("resource-id", []) if filters is not None and len(filters) == 1 else []
        if len(ids) != 1 or _WILD & set(ids[0]):
            found: list[dict[str, str]] = told(self, filters)
            return found
        (resource_id,) = ids
        kind = EC2_PREFIX_TO_RESOURCE.get(get_prefix(resource_id), "")
        return [
            {"resource_id": resource_id, "key": key, "value": value, "resource_type": kind}
            for key, value in (self.tags.get(resource_id) or {}).items()
        ]

    TagBackend.describe_tags = describe_tags
    TagBackend.shim_patched = True
