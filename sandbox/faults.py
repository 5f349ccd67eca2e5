"""The fault table: which requests go wrong, how, and which did.

Callers: every server of the sandbox asks once per request; the control API fills it. Rates are drawn from the
sandbox's seed, so a run repeats as long as the same requests come in the same order.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields, replace
from fnmatch import fnmatchcase
from typing import Any

from model.rng import stream
from sandbox.world import Fault

LOG_LIMIT = 10_000
_TYPES: Mapping[str, tuple[type, ...]] = {
    "str": (str,),
    "int": (int,),
    "float": (int, float),
    "bool": (bool,),
    "float | None": (int, float, type(None)),
}


@dataclass(frozen=True, slots=True)
class Fired:
    """One fault that fired. at_s: seconds since the epoch."""

    at_s: float
    fault: str
    service: str
    operation: str
    detail: str


class Faults:
    """world.FaultTable. Rows are asked in the order in which they were added; the first that fires wins."""

    def __init__(self, seed: int = 0) -> None:
        self._seed = seed
        self._rows: dict[str, Fault] = {}
        self._asked: dict[str, int] = {}
        self._log: list[Fired] = []
        self._number = 0
        self._lock = threading.Lock()

    def check(self, service: str, operation: str, *, detail: str = "", write: bool = False) -> Fault | None:
        """The fault for this request, or None. A copy: changing it changes nothing."""
        with self._lock:
            for row in self._rows.values():
                if not _matches(row, service, operation, detail, write):
                    continue
                self._asked[row.id] += 1
                if row.rate < 1.0 and stream(self._seed, "fault", row.id, self._asked[row.id]).random() >= row.rate:
                    continue
                if row.count > 0:
                    row.count -= 1
                if len(self._log) < LOG_LIMIT:
                    self._log.append(Fired(time.time(), row.id, service, operation, detail[:500]))
                return replace(row)
        return None

    def add(self, data: Mapping[str, Any] | Fault) -> Fault:
        """Adds a row, or replaces the one of that id. ValueError names the field that does not hold."""
        values = asdict(data) if isinstance(data, Fault) else dict(data)
        with self._lock:
            self._number += 1
            values["id"] = values.get("id") or f"fault-{self._number}"
            fault = _fault(values)
            self._rows[fault.id] = fault
            self._asked[fault.id] = 0
            return replace(fault)

    def remove(self, fault_id: str) -> bool:
        with self._lock:
            return self._rows.pop(fault_id, None) is not None

    def clear(self) -> None:
        """Removes every row; the log stays."""
        with self._lock:
            self._rows.clear()

    def rows(self) -> list[dict[str, Any]]:
        with self._lock:
            return [asdict(row) for row in self._rows.values()]

    def log(self) -> list[dict[str, Any]]:
        with self._lock:
            return [asdict(fired) for fired in self._log]


def _matches(row: Fault, service: str, operation: str, detail: str, write: bool) -> bool:
    return (
        row.count != 0
        and (write or not row.writes_only)
        and fnmatchcase(service, row.service)
        and fnmatchcase(operation, row.operation)
        and (not row.match or row.match in detail)
    )


def _fault(values: Mapping[str, Any]) -> Fault:
    known = {f.name: str(f.type) for f in fields(Fault)}
    for name, value in values.items():
        if name not in known:
            raise ValueError(f"a fault has no field {name!r}; it has {', '.join(known)}")
        allowed = _TYPES[known[name]]
        if not isinstance(value, allowed) or (isinstance(value, bool) and bool not in allowed):
            raise ValueError(f"fault field {name!r} must be {known[name]}, not {value!r}")
    fault = Fault(**values)
    if fault.count < -1:
        raise ValueError(f"fault count {fault.count} must be -1 (always) or the number of times it fires")
    if not 0.0 <= fault.rate <= 1.0:
        raise ValueError(f"fault rate {fault.rate} must lie between 0 and 1")
    if fault.status and not 100 <= fault.status <= 599:
        raise ValueError(f"fault status {fault.status} is no HTTP status")
    if fault.delay_s < 0:
        raise ValueError(f"fault delay_s {fault.delay_s} must not be negative")
    return fault
