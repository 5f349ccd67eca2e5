"""Queues, topics and streams, read: SQS, SNS, Kinesis.

Callers: provider.py. Sources: the services' API references, GetQueueAttributes, GetTopicAttributes,
DescribeStreamSummary; all three speak TLS, and refuse plain HTTP only where their policy says so.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from model.resources import Kind, Observed, Queue
from providers.aws.keys import chosen_key
from providers.aws.listed import Listed, if_told, tags_of_pairs
from providers.aws.policy_text import open_to_all, tls_only
from providers.aws.tags import logical_name, user_tags
from providers.base import Call


class Queues(Listed):
    kind = Kind.QUEUE

    def rows(self, region: str, call: Call) -> Iterable[Observed]:
        yield from self._queues(region, call)
        for row in self.session.pages("sns", region, "list_topics", "Topics", call):
            yield self._topic(region, row["TopicArn"], call)
        yield from self._streams(region, call)

    def _queues(self, region: str, call: Call) -> Iterator[Observed]:
        for url in self.session.pages("sqs", region, "list_queues", "QueueUrls", call, MaxResults=1000):
            yield self._queue(region, str(url), call)

    def _queue(self, region: str, url: str, call: Call) -> Observed:
        def ask(operation: str, **more: Any) -> Any:
            return if_told(lambda: self.read("sqs", region, operation, call, QueueUrl=url, **more), call, {})

        told = ask("GetQueueAttributes", AttributeNames=["All"])
        attributes = (told or {}).get("Attributes") or {}
        tags = dict((ask("ListQueueTags") or {}).get("Tags") or {})
        return self._observed(region, "queue", url.rsplit("/", 1)[-1], attributes, tags, told is not None, call)

    def _topic(self, region: str, arn: str, call: Call) -> Observed:
        told = if_told(lambda: self.read("sns", region, "GetTopicAttributes", call, TopicArn=arn), call, {})
        tagged = if_told(lambda: self.read("sns", region, "ListTagsForResource", call, ResourceArn=arn), call, {})
        attributes = {"QueueArn": arn, **((told or {}).get("Attributes") or {})}
        tags = tags_of_pairs((tagged or {}).get("Tags"))
        return self._observed(region, "topic", arn.rsplit(":", 1)[-1], attributes, tags, told is not None, call)

    def _observed(
        self,
        region: str,
        family: str,
        name: str,
        attributes: Mapping[str, str],
        tags: Mapping[str, str],
        told: bool,
        call: Call,
    ) -> Observed:
        key, policy = attributes.get("KmsMasterKeyId", ""), attributes.get("Policy", "")
        own = attributes.get("SqsManagedSseEnabled") == "true"
        return self.observed(
            region,
            Queue(
                name=logical_name(tags, name),
                tags=user_tags(tags),
                family=family,
                public=open_to_all(policy) if told else None,
                encrypted=bool(key or own) if told else None,
                key=chosen_key(self.session, region, key, call) if key else "",
                tls_required=tls_only(policy) if told else None,
                local_auth=False,  # signed requests only
            ),
            attributes.get("QueueArn", ""),
            raw={"tags": dict(tags)},
        )

    def _streams(self, region: str, call: Call) -> Iterator[Observed]:
        start: dict[str, str] = {}
        while True:
            page = self.read("kinesis", region, "ListStreams", call, **start)
            for name in page["StreamNames"]:
                yield self._stream(region, name, call)
            if not page.get("HasMoreStreams"):
                return
            start = {"ExclusiveStartStreamName": page["StreamNames"][-1]}

    def _stream(self, region: str, name: str, call: Call) -> Observed:
        def ask(operation: str) -> Any:
            return if_told(lambda: self.read("kinesis", region, operation, call, StreamName=name), call, {})

        row = (ask("DescribeStreamSummary") or {}).get("StreamDescriptionSummary") or {}
        tags = tags_of_pairs((ask("ListTagsForStream") or {}).get("Tags"))
        key = row.get("KeyId", "") if row.get("EncryptionType") == "KMS" else ""
        return self.observed(
            region,
            Queue(
                name=logical_name(tags, name),
                tags=user_tags(tags),
                family="stream",
                encrypted=row["EncryptionType"] == "KMS" if "EncryptionType" in row else None,
                key=chosen_key(self.session, region, key, call) if key else "",
                tls_required=True,
                local_auth=False,
            ),
            row.get("StreamARN") or name,
            raw={"tags": tags},
        )
