"""Watches: a stream of JSON lines that begins where the client's list ended.

Callers: the HTTP layer. Bookmarks, and initial events ended by a bookmark, as kubectl 1.31 and later ask for them
(KEP-3157, "watch-list").
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import dataclass
from typing import Any

from sandbox.kubernetes.errors import ApiError, Cause, invalid_options
from sandbox.kubernetes.kinds import ResourceKind
from sandbox.kubernetes.listing import NOT_OLDER, number, resource_version, too_large
from sandbox.kubernetes.routes import is_true
from sandbox.kubernetes.store import ADDED, DELETED, MODIFIED, Change, Object, Store

Matches = Callable[[Mapping[str, Any]], bool]
BOOKMARK_EVERY_S = 30.0
_INITIAL_END = "k8s.io/initial-events-end"
_LONGEST_S = 3600.0


@dataclass(frozen=True, slots=True)
class WatchOptions:
    """From the query. version None: begin with the state as it is, which is to be at least as new as `least`."""

    version: int | None
    timeout_s: float = _LONGEST_S
    bookmarks: bool = False
    initial_events: bool = False
    least: int = 0

    @classmethod
    def parse(cls, query: Mapping[str, str]) -> WatchOptions:
        """ApiError 400 where a number is none, 422 where the options do not fit together."""
        version, timeout_s = resource_version(query), number(query, "timeoutSeconds")
        initial, match = is_true(query, "sendInitialEvents"), query.get("resourceVersionMatch", "")
        causes = []
        if "sendInitialEvents" in query and match != NOT_OLDER:
            text = f"Forbidden: sendInitialEvents requires setting resourceVersionMatch to {NOT_OLDER}"
            causes.append(Cause("FieldValueForbidden", text, "resourceVersionMatch"))
        elif match and "sendInitialEvents" not in query:
            text = "Forbidden: resourceVersionMatch is forbidden for watch unless sendInitialEvents is provided"
            causes.append(Cause("FieldValueForbidden", text, "resourceVersionMatch"))
        if query.get("continue"):
            causes.append(Cause("FieldValueForbidden", "Forbidden: continue is forbidden for watch", "continue"))
        if causes:
            raise invalid_options("ListOptions", causes)
        return cls(
            version=None if version == 0 or initial else version,
            timeout_s=min(float(timeout_s) if timeout_s > 0 else _LONGEST_S, _LONGEST_S),
            bookmarks=is_true(query, "allowWatchBookmarks"),
            initial_events=initial,
            least=version if initial else 0,
        )


def seen_by(change: Change, matches: Matches) -> str:
    """The event type that a watch with this selector is told, or "" for none."""
    now = change.type != DELETED and matches(change.obj)
    before = change.old is not None and matches(change.old)
    if now:
        return MODIFIED if before else ADDED
    return DELETED if before else ""


async def events(
    store: Store, kind: ResourceKind, matches: Matches, options: WatchOptions
) -> AsyncIterator[tuple[str, Object]]:
    """(type, object) until the timeout. ApiError 410 is an ERROR event, as the real API sends it."""
    queue: asyncio.Queue[Change] = asyncio.Queue()
    stop = store.subscribe(lambda change: queue.put_nowait(change) if change.kind is kind else None)
    loop = asyncio.get_running_loop()
    end = loop.time() + options.timeout_s
    try:
        if options.least > store.version:
            raise too_large(options.least, store.version)
        if options.version is None:
            version = store.version
            for obj in store.list(kind):
                if matches(obj):
                    yield ADDED, obj
            if options.initial_events and options.bookmarks:
                yield "BOOKMARK", bookmark(kind, version, {_INITIAL_END: "true"})
        else:
            try:
                missed = store.since(kind, options.version)
            except ApiError as exc:
                yield "ERROR", exc.to_status()
                return
            for change in missed:
                if event := seen_by(change, matches):
                    yield event, change.obj
        while (left := end - loop.time()) > 0:
            try:
                change = await asyncio.wait_for(queue.get(), min(left, BOOKMARK_EVERY_S))
            except TimeoutError:
                if options.bookmarks and loop.time() < end:
                    yield "BOOKMARK", bookmark(kind, store.version)
                continue
            if event := seen_by(change, matches):
                yield event, change.obj
    finally:
        stop()


def bookmark(kind: ResourceKind, version: int, annotations: Mapping[str, str] | None = None) -> Object:
    meta: Object = {"resourceVersion": str(version), "creationTimestamp": None}
    if annotations:
        meta["annotations"] = dict(annotations)
    return {"kind": kind.kind, "apiVersion": kind.api_version, "metadata": meta}


def line(event: str, obj: Object) -> bytes:
    return json.dumps({"type": event, "object": obj}, separators=(",", ":")).encode() + b"\n"
