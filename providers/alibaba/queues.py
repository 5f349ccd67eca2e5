"""QUEUE (MNS queues and topics, Kafka, RocketMQ 5), read only.

Callers: provider.py. What a service does not tell of - encryption of RocketMQ, TLS of MNS - is None.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from model.resources import Kind, Observed, Queue, State
from providers.alibaba.common import Identified, Row, tags_of, users_tags
from providers.alibaba.reader import Reader
from providers.alibaba.session import PageNames, inside
from providers.base import Call

_MNS = PageNames(number="PageNum", total=("Data", "Total"))
_KAFKA_PUBLIC = 4  # DeployType: 4 is reached from the internet too, 5 from its VPC only
_KAFKA_RUNS = 5


class Queues(Reader):
    KIND = Kind.QUEUE

    def rows(self, region: str, call: Call, *, tags: Mapping[str, str] | None = None, name: str = "") -> Iterator[Row]:
        del name
        found = (*self._mns(region, call), *self._kafka(region, call), *self._rocketmq(region, call))
        yield from (row for row in found if all(self.identify(row).tags.get(k) == v for k, v in (tags or {}).items()))

    def _mns(self, region: str, call: Call) -> Iterator[Row]:
        for family, spelled in (("queue", "QueueName"), ("topic", "TopicName")):
            where = ("Data", "PageData")
            for row in self.session.pages("Mns-open", f"List{family.title()}", region, call, where, {}, _MNS):
                name = str(row[spelled])
                yield {**row, "family": family, "id": f"{family}/{name}", "name": name, "tags": row.get("Tags")}

    def _kafka(self, region: str, call: Call) -> Iterator[Row]:
        """All instances come at once."""
        answer = self.session.rpc("alikafka", "GetInstanceList", region, call)
        for row in inside(answer, ("InstanceList", "InstanceVO")):
            tags = inside(row, ("Tags", "TagVO"))
            yield {**row, "family": "stream", "id": row["InstanceId"], "name": row.get("Name", ""), "tags": tags}

    def _rocketmq(self, region: str, call: Call) -> Iterator[Row]:
        number, seen = 1, 0
        while True:
            query = {"pageNumber": number, "pageSize": self.session.page_size()}
            answer = self.session.roa(
                "ListInstances", "GET", "/instances", region, call, query=query, service="RocketMQ"
            )
            rows = inside(answer, ("data", "list"))
            for row in rows:
                yield {
                    **row, "family": "broker", "id": row["instanceId"], "name": row.get("instanceName", ""),
                    "tags": row.get("tags"),
                }  # fmt: skip
            seen += len(rows)
            if not rows or seen >= int(inside(answer, ("data", "totalCount")) or 0):
                return
            number += 1

    def identify(self, row: Row) -> Identified:
        return Identified(str(row["id"]), str(row["name"]), tags_of(row.get("tags")))

    def observe(self, region: str, row: Row, call: Call) -> Observed:  # noqa: ARG002  (the same for every kind)
        who, family = self.identify(row), str(row["family"])
        told: dict[str, Any] = {}
        state = State.READY
        if family in ("queue", "topic"):
            told = {
                "encrypted": bool(row.get("EnableSSE") or row.get("EncryptionEnabled")),
                "key": str(row.get("KmsKeyId") or ""),
                "audit_logs": bool(row.get("LoggingEnabled", False)),
            }
        elif family == "stream":
            key = str(row.get("KmsKeyId") or "")
            told = {"public": row.get("DeployType") == _KAFKA_PUBLIC, "encrypted": bool(key), "key": key}
            state = State.READY if row.get("ServiceStatus") == _KAFKA_RUNS else State.UPDATING
        queue = Queue(name=who.logical_name, tags=users_tags(who.tags), family=family, **told)
        return self.seen(region, row, queue, state=state)
