"""What an agent and the orchestrator say to one another: one JSON object a line. Pure: bytes and values.

Callers: probes.agent, probes.hub. The orchestrator says `probe`; an agent says `hello` once, `result` for each probe,
and `verdict` for what it found by itself while nobody heard it. An agent says how long a probe took by its own clock,
never when it was: no two clocks are compared. Non-goal: sockets.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, fields
from math import isfinite
from typing import Any, Final

from probes.policy import Outcome, Result, Send, Status
from probes.targets import Kind, Look, ProbeTarget

MAX_LINE_BYTES: Final = 32 * 1024
MAX_NAME: Final = 500
MAX_UNREAD_BYTES: Final = 1024 * 1024  # so much may lie in front of who does not read; more ends the connection
_TEXTS: Final = ("name", "host", "path", "host_header", "grpc_service")
_NOT_FROM_AFAR: Final = (Kind.EXEC,)


class BadMessageError(Exception):
    """What came is none of the messages that the other side may send."""


@dataclass(frozen=True, slots=True)
class Hello:
    """An agent's first words: the vantage that it is, and what it shares with others when it fails (its site)."""

    vantage: str
    failure_domain: str


@dataclass(frozen=True, slots=True)
class Order:
    """A probe to send now."""

    number: int
    target: ProbeTarget
    fresh: bool
    timeout_s: float


@dataclass(frozen=True, slots=True)
class Report:
    """What came of an order."""

    number: int
    outcome: Outcome
    elapsed_s: float
    loop_lag_s: float
    reason: str
    http_status: int = 0

    def look(self, vantage: str, send: Send) -> Look:
        """As the prober would have told it."""
        result = Result(vantage, send.target, send.sent_s, self.elapsed_s, self.outcome, self.loop_lag_s)
        return Look(result, reason=self.reason, http_status=self.http_status)


@dataclass(frozen=True, slots=True)
class LocalVerdict:
    """What an agent held of a target while it was cut off. age_s: how long before the message."""

    target: str
    status: Status
    age_s: float
    evidence: str


def encode(message: Hello | Order | Report | LocalVerdict) -> bytes:
    """A line. ValueError where it would be longer than MAX_LINE_BYTES."""
    match message:
        case Hello():
            data: dict[str, Any] = {"type": "hello", **_plain(message)}
        case Order():
            data = {"type": "probe", **_plain(message), "target": _target_data(message.target)}
        case Report():
            data = {"type": "result", **_plain(message)}
        case LocalVerdict():
            data = {"type": "verdict", **_plain(message)}
    line = json.dumps(data, separators=(",", ":"), allow_nan=False).encode() + b"\n"
    if len(line) > MAX_LINE_BYTES:
        raise ValueError(f"a message of {len(line)} bytes")
    return line


def decode_from_agent(line: bytes) -> Hello | Report | LocalVerdict:
    """Raises BadMessageError."""
    data = _object(line)
    match data.get("type"):
        case "hello":
            return Hello(_text(data, "vantage", least=1), _text(data, "failure_domain"))
        case "result":
            outcome = _member(Outcome, data, "outcome")
            times = _number(data, "elapsed_s"), _number(data, "loop_lag_s")
            return Report(_whole(data, "number"), outcome, *times, _text(data, "reason"), _whole(data, "http_status"))
        case "verdict":
            status = _member(Status, data, "status")
            return LocalVerdict(_text(data, "target"), status, _number(data, "age_s"), _text(data, "evidence"))
    raise BadMessageError(f"an agent says {str(data.get('type'))[:40]!r}")


def decode_from_hub(line: bytes) -> Order:
    """Raises BadMessageError; also for what nobody may have an agent do from afar: commands, files of its machine."""
    data = _object(line)
    if data.get("type") != "probe":
        raise BadMessageError(f"the orchestrator says {str(data.get('type'))[:40]!r}")
    return Order(
        _whole(data, "number"), _target(data.get("target")), _flag(data, "fresh"), _number(data, "timeout_s", most=60.0)
    )


def _plain(message: Any) -> dict[str, Any]:
    return {f.name: getattr(message, f.name) for f in fields(message)}


def _target_data(target: ProbeTarget) -> dict[str, Any]:
    if target.how in _NOT_FROM_AFAR or target.ca_file:
        raise ValueError(f"{target.name}: commands and files of the agent's machine are not for others to name")
    data = {name: getattr(target, name) for name in _TEXTS}
    return data | {"port": target.port, "tls": target.tls, "kind": target.how.value, "min_days": target.min_days}


def _target(data: object) -> ProbeTarget:
    if not isinstance(data, dict):
        raise BadMessageError("no target")
    kind = _member(Kind, data, "kind")
    if kind in _NOT_FROM_AFAR:
        raise BadMessageError(f"a probe of kind {kind} from afar")
    texts = {name: _text(data, name) for name in _TEXTS}
    numbers = {"port": _whole(data, "port"), "min_days": _number(data, "min_days")}
    try:
        return ProbeTarget(**texts, **numbers, kind=kind, tls=_flag(data, "tls"))  # type: ignore[arg-type]
    except ValueError as exc:
        raise BadMessageError(str(exc)) from exc


def _object(line: bytes) -> dict[str, Any]:
    try:
        data = json.loads(line)
    except (ValueError, RecursionError) as exc:
        raise BadMessageError(f"no JSON: {line[:40]!r}") from exc
    if not isinstance(data, dict):
        raise BadMessageError(f"no JSON object: {line[:40]!r}")
    return data


def _text(data: Mapping[str, Any], name: str, least: int = 0) -> str:
    value = data.get(name)
    if not isinstance(value, str) or not least <= len(value) <= MAX_NAME:
        raise BadMessageError(f"{name}: a text of {least} to {MAX_NAME} characters")
    return value


def _number(data: Mapping[str, Any], name: str, most: float = 1e9) -> float:
    value = data.get(name)
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not isfinite(value) or not 0 <= value <= most:
        raise BadMessageError(f"{name}: a number from 0 to {most:g}")
    return float(value)


def _whole(data: Mapping[str, Any], name: str) -> int:
    value = data.get(name)
    if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value < 2**53:
        raise BadMessageError(f"{name}: a whole number")
    return value


def _flag(data: Mapping[str, Any], name: str) -> bool:
    value = data.get(name)
    if not isinstance(value, bool):
        raise BadMessageError(f"{name}: true or false")
    return value


def _member(kind: type[Any], data: Mapping[str, Any], name: str) -> Any:
    try:
        return kind(data.get(name))
    except ValueError as exc:
        raise BadMessageError(f"{name}: {str(data.get(name))[:40]!r}") from exc
