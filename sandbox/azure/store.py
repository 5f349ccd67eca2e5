"""The live resources of the Azure sandbox and its activity log, in memory, as plain data on request.

Callers: sandbox.azure.
"""

from __future__ import annotations

import time
import uuid
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from typing import Any

from model.rng import stream

EVENTS_KEPT = 5000


@dataclass(slots=True)
class Record:
    """One resource. body: top-level members besides the usual ones (sku, zones, identity). hidden: never answered."""

    id: str
    type: str
    name: str
    location: str = ""
    tags: dict[str, str] = field(default_factory=dict)
    properties: dict[str, Any] = field(default_factory=dict)
    body: dict[str, Any] = field(default_factory=dict)
    hidden: dict[str, Any] = field(default_factory=dict)
    state: str = "Succeeded"
    etag: str = ""
    guid: str = ""
    created_at_s: float = 0.0

    @property
    def group(self) -> str:
        """Name of its resource group in lower case; "" for what lies in none."""
        parts = self.id.lower().split("/")
        return parts[4] if len(parts) > 4 and parts[3] == "resourcegroups" else ""

    @property
    def subscription(self) -> str:
        return self.id.split("/")[2].lower()

    @property
    def parent(self) -> str:
        """Id of the enclosing resource, in lower case."""
        return self.id.lower().rsplit("/", 2)[0]

    @property
    def busy(self) -> bool:
        return self.state not in ("Succeeded", "Failed", "Canceled")


@dataclass(slots=True)
class Event:
    """One entry of the activity log."""

    at_s: float
    caller: str
    operation: str
    resource_id: str
    status: str
    correlation_id: str
    status_code: str = ""


def timestamp(at_s: float) -> str:
    return datetime.fromtimestamp(at_s, UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


class Store:
    """Keyed by id without case. Only used on the sandbox's loop."""

    def __init__(self, seed: int = 0) -> None:
        self.records: dict[str, Record] = {}
        self.events: list[Event] = []
        self._seed, self._number = seed, 0

    def new_guid(self) -> str:
        """Repeatable by seed and order."""
        self._number += 1
        return str(uuid.UUID(int=stream(self._seed, "azure", self._number).getrandbits(128), version=4))

    def get(self, resource_id: str) -> Record | None:
        return self.records.get(resource_id.lower())

    def put(self, record: Record) -> Record:
        record.etag = f'W/"{self.new_guid()}"'
        record.guid = record.guid or self.new_guid()
        record.created_at_s = record.created_at_s or time.time()
        self.records[record.id.lower()] = record
        return record

    def touch(self, record: Record) -> None:
        record.etag = f'W/"{self.new_guid()}"'

    def remove(self, record: Record) -> None:
        """It and everything below it."""
        prefix = record.id.lower() + "/"
        for key in [k for k in self.records if k == record.id.lower() or k.startswith(prefix)]:
            del self.records[key]

    def of_type(self, type_: str, *, subscription: str = "", group: str = "") -> Iterator[Record]:
        """In order of creation; group "" means all."""
        for record in list(self.records.values()):
            if (
                record.type.lower() == type_.lower()
                and (not subscription or record.subscription == subscription.lower())
                and (not group or record.group == group.lower())
            ):
                yield record

    def children(self, parent_id: str, type_: str) -> list[Record]:
        wanted = parent_id.lower()
        return [r for r in self.of_type(type_) if r.parent == wanted]

    def log(self, event: Event) -> None:
        self.events.append(event)
        del self.events[:-EVENTS_KEPT]

    def snapshot(self) -> dict[str, Any]:
        return {
            "number": self._number,
            "records": [asdict(r) for r in self.records.values()],
            "events": [asdict(e) for e in self.events],
        }

    def restore(self, data: dict[str, Any]) -> None:
        self._number = int(data["number"])
        self.records = {row["id"].lower(): Record(**row) for row in data["records"]}
        self.events = [Event(**row) for row in data["events"]]
