"""What goes over the wire of Azure Resource Manager: resource paths, error bodies, answers.

Callers: sandbox.azure. Source: the ARM resource provider contract
(github.com/cloud-and-ai-microsoft/resource-provider-contract).
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from aiohttp import web


class ArmError(Exception):
    """An answer that refuses. headers: besides the usual ones, e.g. Retry-After."""

    def __init__(
        self, status: int, code: str, message: str, *, target: str = "", headers: Mapping[str, str] | None = None
    ) -> None:
        super().__init__(f"{status} {code}: {message}")
        self.status, self.code, self.message, self.target = status, code, message, target
        self.headers = dict(headers or {})

    def body(self) -> dict[str, Any]:
        error: dict[str, Any] = {"code": self.code, "message": self.message}
        if self.target:
            error["target"] = self.target
        return {"error": error}


@dataclass(slots=True)
class Reply:
    """status, JSON body (None: no body) and headers of an answer."""

    status: int
    body: Any = None
    headers: dict[str, str] = field(default_factory=dict)

    def response(self) -> web.Response:
        if self.body is None:
            return web.Response(status=self.status, headers=self.headers)
        data = json.dumps(self.body, separators=(",", ":")).encode()
        return web.Response(status=self.status, body=data, headers=self.headers, content_type="application/json")


@dataclass(frozen=True, slots=True)
class ArmPath:
    """A parsed request path. An odd number of segments after the namespace: a collection, or an action by POST.

    scope: for an extension resource, the id of what it extends; else "".
    """

    subscription: str
    group: str = ""
    namespace: str = ""
    types: tuple[str, ...] = ()
    names: tuple[str, ...] = ()
    scope: str = ""

    @property
    def type(self) -> str:
        return "/".join((self.namespace, *self.types))

    @property
    def is_collection(self) -> bool:
        return len(self.types) > len(self.names)

    @property
    def name(self) -> str:
        return self.names[-1] if self.names else ""

    @property
    def id(self) -> str:
        """The resource's id as the request spells it."""
        return self._id(len(self.names))

    @property
    def parent_id(self) -> str:
        """Id of the enclosing resource of a child; "" for a top-level one."""
        return self._id(len(self.types) - 1) if len(self.types) > 1 else ""

    def _id(self, depth: int) -> str:
        base = self.scope or f"/subscriptions/{self.subscription}" + (
            f"/resourceGroups/{self.group}" if self.group else ""
        )
        pairs = "".join(f"/{t}/{n}" for t, n in zip(self.types[:depth], self.names[:depth], strict=True))
        return f"{base}/providers/{self.namespace}{pairs}"


_PATH = re.compile(r"/subscriptions/([^/]+)(?:/resourcegroups/([^/]+))?(?:/providers/(.+))?", re.IGNORECASE)


def parse_path(path: str) -> ArmPath | None:
    """None where the path is no resource or collection of a provider (subscriptions, groups, locations)."""
    head, found, tail = path.rstrip("/").rpartition("/providers/")
    match = _PATH.fullmatch(path.rstrip("/"))
    if match is None or not found:
        return None
    segments = tail.split("/")
    scope = head if "/providers/" in head.lower() else ""
    rest = segments[1:]
    return ArmPath(match[1], match[2] or "", segments[0], tuple(rest[0::2]), tuple(rest[1::2]), scope)


def same(a: str, b: str) -> bool:
    """ARM compares ids and names without case."""
    return a.lower() == b.lower()


def reference(value: object) -> str:
    """The id in `{"id": ...}`, "" where there is none."""
    return str(value.get("id") or "") if isinstance(value, Mapping) else ""
