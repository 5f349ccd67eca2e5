"""What the pure parts need from the world, as protocols: the world is handed in, never imported."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol


class Clock(Protocol):
    """now_s: seconds since the epoch, for records. monotonic_s: for durations and deadlines."""

    def now_s(self) -> float: ...
    def monotonic_s(self) -> float: ...
    def sleep(self, seconds: float) -> None: ...


@dataclass(frozen=True, slots=True)
class Event:
    """Something that happened, for people, logs and JSON lines. data holds plain values, never secrets.

    kind: release_planned, gate_passed, action_started, action_progress, action_done, action_failed, wave_started,
    wave_done, probe_verdict, rollback_started, rollback_done, release_done, drift_found, drift_mended, waiting.
    """

    kind: str
    at_s: float
    data: Mapping[str, Any] = field(default_factory=dict)


class EventSink(Protocol):
    def emit(self, event: Event) -> None: ...


class Guard(Protocol):
    """Asked right before each write: raises LeaseLost where we may no longer write."""

    def __call__(self) -> None: ...
