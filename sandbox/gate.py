"""What goes wrong with one request: asks the fault table, and does what the row says around the execution.

Callers: the four servers of the sandbox, once per request that is known and allowed. Non-goals: the network's own
faults (sandbox.network), and which rows there are (sandbox.faults).

A stale read is the answer that the same question had before the last writes, as a replica gives it that lags: an answer
is kept while it is asked for again, and from the first write after it on it is stale. Only answers that somebody asked
for since such a row is in the table can be given again.
"""

from __future__ import annotations

import asyncio
import time
from bisect import bisect_right
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, replace

from aiohttp import web

from sandbox.corrupt import corrupted
from sandbox.world import Fault, FaultTable

Words = Mapping[str, tuple[int, str, str]]
"""Error in our words -> (status, code, message) in the cloud's."""
ERRORS = ("throttled", "quota", "capacity", "unavailable", "internal", "forbidden", "not_found", "conflict")
_BY_STATUS = {
    429: "throttled",
    503: "unavailable",
    500: "internal",
    403: "forbidden",
    404: "not_found",
    409: "conflict",
}
_KEPT_ANSWERS, _KEPT_WRITES, _KEPT_BYTES = 1000, 10_000, 1_000_000


@dataclass(frozen=True, slots=True)
class Asked:
    """A request as the fault table sees it. question: equal for reads that ask the same; "" for what is never kept."""

    service: str
    operation: str
    detail: str = ""
    write: bool = False
    question: str = ""


@dataclass(slots=True)
class _Kept:
    at_s: float
    status: int
    headers: dict[str, str]
    body: bytes


class Gate:
    """One per server. words: the cloud's words for an operation. vanish: refuses connections for so many seconds."""

    def __init__(
        self,
        faults: FaultTable,
        words: Callable[[str], Words],
        vanish: Callable[[float], None] | None = None,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self._faults, self._words, self._vanish, self._sleep = faults, words, vanish, sleep
        self._kept: OrderedDict[str, _Kept] = OrderedDict()
        self._writes: list[float] = []

    async def answer(
        self,
        request: web.BaseRequest,
        asked: Asked,
        refuse: Callable[[Fault], web.StreamResponse],
        execute: Callable[[], Awaitable[web.StreamResponse]],
    ) -> web.StreamResponse:
        """The answer, or what is left of it. refuse: makes the cloud's error of a fault with status, code, message."""
        age_s = self._stale_s(asked)
        fault = self._faults.check(
            asked.service, asked.operation, detail=asked.detail, write=asked.write, stale_s=age_s
        )
        if fault is None:
            return await self._executed(asked, execute)
        if fault.delay_s > 0:
            await self._sleep(fault.delay_s)
        if fault.disappear_s > 0 and self._vanish is not None:
            self._vanish(fault.disappear_s)
            return _broken(request)
        if fault.stale_s > 0 and age_s is not None:
            kept = self._kept[asked.question]
            return web.Response(status=kept.status, headers=kept.headers, body=kept.body)
        if (fault.status or fault.error) and not fault.drop_answer:
            return _with_retry_after(refuse(self._in_words(fault, asked.operation)), fault)
        try:
            if fault.duplicate:
                await self._executed(asked, execute)
            response = await self._executed(asked, execute)
        finally:
            if fault.drop_answer and request.transport is not None:
                request.transport.abort()
        return _corrupted(response, fault.corrupt) if fault.corrupt else response

    def _in_words(self, fault: Fault, operation: str) -> Fault:
        """status, code and message filled in as the cloud has them."""
        name = fault.error or _BY_STATUS.get(fault.status, "internal")
        status, code, message = self._words(operation)[name]
        return replace(fault, status=fault.status or status, code=fault.code or code, message=fault.message or message)

    async def _executed(self, asked: Asked, execute: Callable[[], Awaitable[web.StreamResponse]]) -> web.StreamResponse:
        began_s = time.monotonic()
        try:
            response = await execute()
        finally:
            if asked.write and self._faults.remembers:
                self._writes = [*self._writes[-_KEPT_WRITES:], time.monotonic()]
        if asked.question and not asked.write and self._faults.remembers:
            self._keep(asked.question, response, began_s)
        return response

    # -- stale reads -------------------------------------------------------------------------------------------

    def _keep(self, question: str, response: web.StreamResponse, at_s: float) -> None:
        body = response.body if isinstance(response, web.Response) else None
        if not isinstance(body, bytes) or response.status >= 500 or len(body) > _KEPT_BYTES:
            return
        headers = {k: v for k, v in response.headers.items() if k.lower() not in ("content-length", "date", "server")}
        self._kept[question] = _Kept(at_s, response.status, headers, body)
        self._kept.move_to_end(question)
        while len(self._kept) > _KEPT_ANSWERS:
            self._kept.popitem(last=False)

    def _stale_s(self, asked: Asked) -> float | None:
        """For how long the kept answer to this question is out of date; None where there is none, or it is not."""
        kept = self._kept.get(asked.question) if asked.question and not asked.write else None
        if kept is None:
            return None
        after = bisect_right(self._writes, kept.at_s)
        return time.monotonic() - self._writes[after] if after < len(self._writes) else None


def _broken(request: web.BaseRequest) -> web.StreamResponse:
    """The connection ends; nothing was executed. The answer goes nowhere."""
    if request.transport is not None:
        request.transport.abort()
    return web.Response(status=503)


def _with_retry_after(response: web.StreamResponse, fault: Fault) -> web.StreamResponse:
    if fault.retry_after_s is not None:
        response.headers["Retry-After"] = f"{fault.retry_after_s:g}"
    return response


def _corrupted(response: web.StreamResponse, text: str) -> web.StreamResponse:
    if isinstance(response, web.Response) and isinstance(response.body, bytes):
        changed = corrupted(response.body, text)
        if changed is not None:
            response.body = changed
    return response
