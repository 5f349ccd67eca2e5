"""Where a run of the soak can be hit: names every site that a process passes, and lets the wire misbehave.

Callers: soak_faults, inside a forked deployer. Sites are of five classes:

- `call`: before and after each cloud call and each record, and after each action (the engine's own checkpoints);
- `wire`: each HTTP request that writes: before it is sent, when it is sent, when it is answered (http.client is the
  bottom of all four SDKs);
- `journal`, `audit`, `lease`: before a statement that writes DBOS's tables, the audit chain or the lease, and after its
  commit (SQLAlchemy's events on the one engine that they share).

`call` sites are named by what they do, the others are counted within their action. Non-goals: product code knows
nothing of this.
"""

from __future__ import annotations

import http.client
import re
import socket
import ssl
import threading
from collections import Counter
from collections.abc import Callable
from typing import Any

import sqlalchemy as sa

CLASSES = ("call", "journal", "audit", "lease", "wire")
Place = Callable[[str, str], None]
"""(class, site): called in the thread that passes it."""

_TABLES = (
    ("audit", re.compile(r"\bduoyun_audit\b")),
    ("lease", re.compile(r"\bduoyun_lease\b")),
    ("journal", re.compile(r"\b(workflow_status|workflow_output|workflow_input|operation_outputs)\b")),
)
_READS = re.compile(r"Action=(Describe|Get|List)|DescribeClusters")


class Sites:
    """Numbers what is passed. place is told of each site once, under its name in this process."""

    def __init__(self, place: Place) -> None:
        self._place = place
        self._numbers: Counter[str] = Counter()
        self._lock = threading.Lock()
        self._actions: dict[str, str] = {}

    def emit(self, event: Any) -> None:
        """As the engine's event sink: learns what action ids mean."""
        if event.kind == "action_started":
            place = event.data["address"].split("/")
            self._actions[event.data["action"]] = f"{event.data['op']} {place[0]} {'/'.join(place[3:])}"

    def checkpoint(self, name: str) -> None:
        """As EngineOptions.checkpoint: `before|after ID[: step]`."""
        when, _, rest = name.partition(" ")
        action_id, _, step = rest.partition(": ")
        self._place("call", f"{when} {self._actions.get(action_id, action_id)}" + (f": {step}" if step else ""))

    def count(self, kind: str, when: str) -> None:
        """One more site of a class whose sites are counted, in each action by itself (its thread bears its name)."""
        action_id = threading.current_thread().name.removeprefix("action ")
        name = f"{when} {self._actions.get(action_id, 'the release')}"
        with self._lock:
            self._numbers[f"{kind} {name}"] += 1
            number = self._numbers[f"{kind} {name}"]
        self._place(kind, f"{name} {number}")


class Wire:
    """Every HTTP connection of this process. cut: no packet passes. duplicate: each written request arrives twice."""

    def __init__(self, sites: Sites) -> None:
        self.sites = sites
        self.cut: Callable[[], bool] = lambda: False
        self.duplicate: Callable[[], bool] = lambda: False
        self.duplicated = 0

    def install(self) -> None:
        """Wraps http.client in this process, which has to be a fork that ends with the run."""
        wire, plain = self, http.client.HTTPConnection
        connect, putrequest, send, getresponse = plain.connect, plain.putrequest, plain.send, plain.getresponse

        def new_connect(conn: Any) -> None:
            wire._pass()
            connect(conn)

        def new_putrequest(conn: Any, method: str, url: str, *args: Any, **more: Any) -> None:
            conn._soak = (method, url, bytearray(), [False])
            putrequest(conn, method, url, *args, **more)

        def new_send(conn: Any, data: Any) -> None:
            wire._pass()
            method, url, sent, told = getattr(conn, "_soak", ("GET", "", bytearray(), [False]))
            if isinstance(data, bytes | bytearray | memoryview):
                sent += bytes(data)
            if not told[0] and _writes(method, url, sent):
                told[0] = True
                wire.sites.count("wire", "before")
            send(conn, data)

        def new_getresponse(conn: Any, *args: Any, **more: Any) -> Any:
            method, url, sent, _told = getattr(conn, "_soak", ("GET", "", bytearray(), [False]))
            writes = _writes(method, url, sent)
            if writes:
                wire.sites.count("wire", "sent")
                if wire.duplicate():
                    wire._again(conn, bytes(sent))
            wire._pass()
            answer = getresponse(conn, *args, **more)
            if writes:
                wire.sites.count("wire", "answered")
            return answer

        plain.connect, plain.putrequest, plain.send, plain.getresponse = (  # type: ignore[method-assign]
            new_connect, new_putrequest, new_send, new_getresponse,
        )  # fmt: skip

    def _pass(self) -> None:
        if self.cut():
            raise ConnectionResetError(104, "the soak has cut the network")

    def _again(self, conn: Any, request: bytes) -> None:
        """The same bytes on a connection of their own, answered before the first is read: a proxy that tries again."""
        with socket.create_connection(conn.sock.getpeername()[:2], timeout=10) as raw:
            stream = raw
            if isinstance(conn.sock, ssl.SSLSocket):
                stream = conn.sock.context.wrap_socket(raw, server_hostname=conn.sock.server_hostname or conn.host)
            stream.sendall(request)
            answer = http.client.HTTPResponse(stream)
            answer.begin()
            answer.read()
            stream.close()
        self.duplicated += 1


def _writes(method: str, url: str, sent: bytes | bytearray) -> bool:
    if method in ("GET", "HEAD", "OPTIONS"):
        return False
    return not _READS.search(url) and not _READS.search(sent[:4096].decode("latin-1"))


def watch_database(engine: sa.Engine, sites: Sites) -> None:
    """Sites around what the engine writes: before the first such statement of a transaction, after its commit."""
    commit = engine.dialect.do_commit

    def before(conn: Any, _cursor: Any, statement: str, _parameters: Any, _context: Any, _many: bool) -> None:
        if statement.lstrip()[:6].upper() not in ("INSERT", "UPDATE", "DELETE"):
            return
        pending = conn.connection.info.setdefault("soak", set())
        for kind, pattern in _TABLES:
            if kind not in pending and pattern.search(statement):
                pending.add(kind)
                sites.count(kind, "before")

    def committed(connection: Any) -> None:
        commit(connection)
        for kind in sorted(connection.info.pop("soak", ())):
            sites.count(kind, "after")

    def undone(conn: Any) -> None:
        if not conn.invalidated:  # what the server has cut off holds nothing any more
            conn.connection.info.pop("soak", None)

    sa.event.listen(engine, "before_cursor_execute", before)
    sa.event.listen(engine, "rollback", undone)
    engine.dialect.do_commit = committed  # type: ignore[method-assign]  (there is no event after a commit)
