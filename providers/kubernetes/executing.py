"""Runs a command in a pod through the API server: the `exec` subresource over a WebSocket.

Callers: provider.py. Channels by the protocol v5.channel.k8s.io, or v4 of clusters before 1.29: the first byte of a
message names the stream; on ERROR comes a v1.Status that says how the command ended
(https://kubernetes.io/docs/reference/using-api/, k8s.io/apimachinery/pkg/util/remotecommand). What the command prints
is not kept. Non-goals: stdin, a terminal.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any, Final

import websocket

from model.errors import CallSite, DuoyunError, Unreachable

PROTOCOLS: Final = ["v5.channel.k8s.io", "v4.channel.k8s.io"]
_ERROR: Final = b"\x03"
_MAX_STATUS: Final = 64 * 1024
_MAX_PRINTED: Final = 4 * 1024 * 1024


def exit_code(connection: websocket.WebSocket, left_s: Callable[[], float], fail: Callable[[str], DuoyunError]) -> int:
    """Reads until the command has ended. Raises TimeoutError, and what fail makes of everything else."""
    printed = 0
    while True:
        rest_s = left_s()
        if rest_s <= 0:
            raise TimeoutError("the command did not end in time")
        connection.settimeout(rest_s)
        try:
            opcode, data = connection.recv_data()
        except websocket.WebSocketTimeoutException as exc:
            raise TimeoutError("the command did not end in time") from exc
        except (websocket.WebSocketException, OSError) as exc:
            raise fail(f"the connection broke off: {exc}") from exc
        if opcode == websocket.ABNF.OPCODE_CLOSE:
            raise fail("the connection was closed before the command ended")
        if data[:1] == _ERROR and len(data) > 1:
            return _code_of(data[1 : _MAX_STATUS + 1], fail)
        printed += len(data)
        if printed > _MAX_PRINTED:
            raise fail(f"the command prints more than {_MAX_PRINTED} bytes")


def _code_of(text: bytes, fail: Callable[[str], DuoyunError]) -> int:
    """From a v1.Status: Success is 0, reason NonZeroExitCode has the code among its causes."""
    try:
        status: Any = json.loads(text)
        if status.get("status") == "Success":
            return 0
        if status.get("reason") == "NonZeroExitCode":
            causes = status["details"]["causes"]
            return int(next(c["message"] for c in causes if c["reason"] == "ExitCode"))
        message = str(status.get("message", ""))[:400]
    except (ValueError, KeyError, TypeError, AttributeError, StopIteration) as exc:
        raise fail(f"no status: {text[:80]!r}") from exc
    raise fail(message or "the command could not be run")


def unreachable(operation: str, where: CallSite) -> Callable[[str], DuoyunError]:
    """Makes errors of what went wrong after the connection stood."""
    return lambda why: Unreachable(f"{operation}: {why}", call=where, mend="look at the pod and its container")
