"""Pages of lists, as small as a client or a test asks: moto pages few of its lists, and those as it likes.

Callers: sandbox.aws.server, around moto. By botocore's own paginator descriptions. What a first page leaves over is
kept under a token of ours, so later pages show what was there when the first was asked for. Only lists with one token
are paged here; Route 53's records, whose next page begins at a name, moto pages itself, asked for as many.
"""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass
from functools import cache
from typing import Any

from sandbox.aws.wire import Answer, AwsError, Incoming, model_name, success

_PREFIX = "page-"
_KEPT = 1000
_BY_NAME = "route53:ListResourceRecordSets"


@dataclass(frozen=True, slots=True)
class _Described:
    """token: the request's parameter; following: the answer's member; size: the parameter for it; rows: the list."""

    token: str
    following: str
    size: str
    rows: str
    more: str


class Pages:
    """Under the cloud's lock."""

    def __init__(self) -> None:
        self._left: OrderedDict[str, dict[str, Any]] = OrderedDict()

    def before(self, incoming: Incoming, forced: int) -> Answer | None:
        """A later page; None where moto is to be asked."""
        if forced and incoming.action == _BY_NAME:
            incoming.query = "&".join(filter(None, [incoming.query, f"maxitems={forced}"]))
            return None
        described = _described(incoming.service, incoming.operation)
        given = str(incoming.params.get(described.token) or "") if described else ""
        if described is None or not given.startswith(_PREFIX):
            return None
        told = self._left.get(given)
        if told is None:
            raise AwsError("InvalidNextToken", "the token is none of ours, or too old")
        return self._cut(incoming, described, told, forced)

    def after(self, incoming: Incoming, answer: Answer, forced: int) -> Answer:
        """The first page of what moto answered."""
        described = _described(incoming.service, incoming.operation)
        if described is None or not answer.ok or not _asked(incoming, described, forced):
            return answer
        told = _read(incoming, answer)
        if len(told.get(described.rows) or ()) <= _asked(incoming, described, forced):
            return answer
        return self._cut(incoming, described, told, forced)

    def _cut(self, incoming: Incoming, described: _Described, told: dict[str, Any], forced: int) -> Answer:
        rows = told[described.rows]
        size = _asked(incoming, described, forced) or len(rows)
        page = {**told, described.rows: rows[:size]}
        page.pop(described.following, None)
        if described.more:
            page[described.more] = len(rows) > size
        if len(rows) > size:
            token = f"{_PREFIX}{incoming.request_id}"
            self._left[token] = {**told, described.rows: rows[size:]}
            page[described.following] = token
            while len(self._left) > _KEPT:
                self._left.popitem(last=False)
        return success(incoming, page)


def _asked(incoming: Incoming, described: _Described, forced: int) -> int:
    asked = int(incoming.params.get(described.size) or 0)
    return min(asked, forced) if asked and forced else asked or forced


@cache
def _described(service: str, operation: str) -> _Described | None:
    row = _paginators(service).get(operation) or {}
    keys = ("input_token", "output_token", "limit_key", "result_key")
    names = [name for name in map(row.get, keys) if isinstance(name, str) and name.isidentifier()]
    if len(names) != len(keys):
        return None
    token, following, size, rows = names
    return _Described(token, following, size, rows, str(row.get("more_results") or ""))


@cache
def _paginators(service: str) -> dict[str, Any]:
    import botocore.session
    from botocore.exceptions import UnknownServiceError

    loader = botocore.session.Session().get_component("data_loader")
    try:
        found: dict[str, Any] = loader.load_service_model(model_name(service), "paginators-1")["pagination"]
    except UnknownServiceError:
        return {}
    return found


def _read(incoming: Incoming, answer: Answer) -> dict[str, Any]:
    """An answer as a client reads it."""
    from botocore.awsrequest import HeadersDict
    from botocore.parsers import create_parser
    from moto.core.request import determine_request_protocol

    from sandbox.aws.wire import service_model

    model = service_model(incoming.service)
    shape = model.operation_model(incoming.operation).output_shape
    parser = create_parser(determine_request_protocol(model, incoming.headers.get("content-type", "")))
    headers = HeadersDict(answer.headers)
    found: dict[str, Any] = parser.parse({"status_code": answer.status, "headers": headers, "body": answer.body}, shape)
    found.pop("ResponseMetadata", None)
    return found
