"""Route 53's changes take their time: PENDING until every server would answer alike, then INSYNC.

Callers: sandbox.aws.server, by the tables of Dns. moto says INSYNC at once. Nobody resolves these names here.
"""

from __future__ import annotations

from functools import partial

from sandbox.aws.cloud import After, Cloud, Handler
from sandbox.aws.wire import Answer, Incoming

_DONE, _UNDER_WAY = b"<Status>INSYNC</Status>", b"<Status>PENDING</Status>"


class Dns:
    def __init__(self, cloud: Cloud) -> None:
        self._cloud = cloud
        self._pending: set[str] = set()
        self.before: dict[str, Handler] = {}
        self.after: dict[str, After] = {
            "route53:ChangeResourceRecordSets": self._changed,
            "route53:GetChange": self._told,
        }

    def _changed(self, incoming: Incoming, answer: Answer) -> Answer:
        head, _, rest = answer.body.partition(b"<Id>")
        change, _, tail = rest.partition(b"</Id>")
        unique = f"/change/C{incoming.request_id.replace('-', '').upper()[:20]}"  # moto gives every change the same id
        self._pending.add(unique)
        self._cloud.later("aws.dns.create", partial(self._pending.discard, unique), detail=unique)
        body = head + b"<Id>" + (unique.encode() if change else b"") + b"</Id>" + tail
        return Answer(answer.status, answer.headers, body.replace(_DONE, _UNDER_WAY))

    def _told(self, incoming: Incoming, answer: Answer) -> Answer | None:
        change = str(incoming.params.get("Id", "")).rsplit("/", 1)[-1]
        if f"/change/{change}" not in self._pending:
            return None
        return Answer(answer.status, answer.headers, answer.body.replace(_DONE, _UNDER_WAY))
