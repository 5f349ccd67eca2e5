"""One connection that asks HTTP/1.1 in the clear, a question at a time, without a task or a timer of its own.

Callers: the wheel, which owns the socket's turns; whoever measures derives from it. Non-goals: connecting; when to ask.
"""

from __future__ import annotations

import socket
import time
from typing import TYPE_CHECKING

from probes.failures import ENDED
from probes.http1 import Exchange, NotHttpError, question, unwell
from probes.policy import Outcome, Send
from probes.targets import ProbeTarget, Tell, Timings

if TYPE_CHECKING:
    from probes.wheel import Wheel

# Python 3.11 looks an enumeration's member up by a function of Python's: too dear for each answer.
_OK = Outcome.OK
_UNHEALTHY = Outcome.UNHEALTHY


class Spoke:
    """A connection, and the question that is under way on it.

    send: the order that is being obeyed; None where none is. began_s: when we began, connecting included; asked_s: when
    the request went out; doubt_s: how long sending it took. reused: an answer came on this connection before.
    """

    __slots__ = (
        "_exchange", "_length", "_mark", "_request", "_tail", "asked_s", "began_s", "deadline_s", "doubt_s", "fresh",
        "reused", "send", "sock", "target", "tell", "timings", "wheel",
    )  # fmt: skip

    def __init__(self, wheel: Wheel, target: ProbeTarget, *, fresh: bool) -> None:
        self.wheel = wheel
        self.target = target
        self.fresh = fresh
        self.send: Send | None = None
        self.tell: Tell | None = None
        self.timings: Timings | None = None  # of a question that opens the connection
        self.began_s = self.asked_s = self.deadline_s = self.doubt_s = 0.0
        self.reused = False
        self.sock: socket.socket | None = None
        self._request = question(target, fresh=fresh)
        self._length = len(self._request)
        self._exchange: Exchange | None = None
        self._mark = b""  # the Content-Length line of the last whole answer, and how long its body was
        self._tail = -1

    def begin(self, send: Send, tell: Tell, now_s: float) -> None:
        """Takes an order; `ask` follows once there is a connection."""
        self.send, self.tell, self.began_s, self.deadline_s = send, tell, now_s, now_s + send.timeout_s

    def ask(self, now_s: float) -> None:
        """Sends the request. What the connection says against it is an answer, too."""
        if self.sock is None:
            raise RuntimeError("there is no connection")
        self.asked_s = now_s
        try:
            whole = self.wheel.calls.send(self.sock, self._request) == self._length
        except BlockingIOError:
            whole = False
        except OSError as exc:
            self.lost(exc)
            return
        self.doubt_s = time.monotonic() - now_s
        if not whole:  # nothing is under way on this connection, and yet a few bytes find no room
            self.drop()
            self.wheel.finished(self, Outcome.ERROR, "a request of a few hundred bytes found no room")

    def lost(self, exc: OSError | None) -> None:
        """The other side ended it, with an error or without."""
        heard = self._exchange is not None
        self.drop()
        if self.send is None:
            return
        if self.reused and not heard:
            self.wheel.reopen(self)  # it was closed while nobody asked: nothing against the target
        else:
            self.wheel.failed(self, exc or EOFError(ENDED))

    def data_received(self, data: bytes) -> None:
        """What came, never empty."""
        if self.send is None:
            self.drop()  # nobody asked
            return
        if self._exchange is None and self._tail >= 0 and data.startswith(b"HTTP/1.1 2"):
            end = data.find(b"\r\n\r\n")
            if end > 0 and len(data) - end - 4 == self._tail and self._mark in data and b"onnection:" not in data:
                status = data[9:12]
                if status.isdigit():
                    self.wheel.finished(self, _OK, "", int(status))
                    return
        self._slowly(data)

    def _slowly(self, data: bytes) -> None:
        first = self._exchange is None
        self._exchange = exchange = self._exchange or Exchange()
        try:
            head = exchange.feed(data)
        except NotHttpError as exc:
            self.drop()
            self.wheel.failed(self, exc)
            return
        if head is None:
            return
        self._exchange = None
        start = data.lower().find(b"content-length:") if first and exchange.reusable else -1
        if start >= 0 and head.length is not None:
            self._mark, self._tail = data[start : data.find(b"\r\n", start) + 2], head.length
        if self.fresh or not exchange.reusable:
            self.drop()
        why = unwell(head, self.target)
        self.wheel.finished(self, _UNHEALTHY if why else _OK, why, head.status)

    def drop(self) -> None:
        """Ends the connection."""
        self._exchange = None
        if self.sock is not None:
            self.wheel.closing(self)
            self.sock.close()
            self.sock = None
