"""The fault table: which requests go wrong, how, and which did.

Callers: every server of the sandbox asks once per request, through sandbox.gate; the control API and `--faults FILE`
fill it. Rates are drawn from the sandbox's seed, per row and operation: other operations change no draw.
"""

from __future__ import annotations

import json
import threading
import time
from collections import Counter, deque
from collections.abc import Callable, Collection, Mapping
from dataclasses import asdict, dataclass, fields, replace
from fnmatch import fnmatchcase
from pathlib import Path
from typing import IO, Any

import yaml

from model.rng import stream
from sandbox import corrupt
from sandbox.files import append_private
from sandbox.gate import ERRORS
from sandbox.words import check_keys, did_you_mean
from sandbox.world import Fault

LOG_FILE = "faults.jsonl"
LOG_LIMIT = 100_000
_DETAIL_SHOWN = 200
_TYPES: Mapping[str, tuple[type, ...]] = {
    "str": (str,),
    "int": (int,),
    "float": (int, float),
    "bool": (bool,),
    "float | None": (int, float, type(None)),
}
Known = Callable[[str], Collection[str]]
"""A glob -> the operations of a service among which it must match one; those near it are enough."""


@dataclass(frozen=True, slots=True)
class Fired:
    """One fault that fired. at_s: seconds since the epoch. effect: what the row does, in a few words."""

    number: int
    at_s: float
    fault: str
    service: str
    operation: str
    detail: str
    effect: str


class Faults:
    """world.FaultTable. Rows are asked in the order in which they were added; the first that fires wins."""

    def __init__(self, seed: int = 0, log: Path | None = None) -> None:
        self._seed = seed
        self._rows: dict[str, Fault] = {}
        self._asked: Counter[tuple[str, str]] = Counter()
        self._log: deque[Fired] = deque(maxlen=LOG_LIMIT)
        self._fired = 0
        self._number = 0
        self._known: dict[str, Known] = {}
        self._lock = threading.Lock()
        self._file: IO[str] | None = None
        self.remembers = False
        if log is not None:
            self.log_to(log)

    def log_to(self, path: Path) -> None:
        """From now on every fault that fires is a JSON line there too. OSError where it cannot be written."""
        self._file = append_private(path)

    def close(self) -> None:
        with self._lock:
            if self._file is not None:
                self._file.close()
                self._file = None

    def knows(self, service: str, operations: Known) -> None:
        """Rows for that service are checked against its operations from now on."""
        self._known[service] = operations

    def check(
        self, service: str, operation: str, *, detail: str = "", write: bool = False, stale_s: float | None = None
    ) -> Fault | None:
        """The fault for this request, or None. A copy: changing it changes nothing.

        stale_s: for how long the answer that could be given again is out of date; None where there is none.
        """
        with self._lock:
            for row in self._rows.values():
                if not _matches(row, service, operation, detail, write, stale_s):
                    continue
                asked = self._asked[row.id, f"{service} {operation}"]
                self._asked[row.id, f"{service} {operation}"] += 1
                draw = stream(self._seed, "fault", row.id, service, operation, asked).random() if row.rate < 1 else 0.0
                if draw >= row.rate:
                    continue
                if row.count > 0:
                    row.count -= 1
                self._tell(row, service, operation, detail)
                return replace(row)
        return None

    def _tell(self, row: Fault, service: str, operation: str, detail: str) -> None:
        fired = Fired(self._fired, time.time(), row.id, service, operation, detail[:_DETAIL_SHOWN], effect_of(row))
        self._fired += 1
        self._log.append(fired)
        if self._file is not None:
            self._file.write(json.dumps(asdict(fired), ensure_ascii=False) + "\n")

    def add(self, data: Mapping[str, Any] | Fault) -> Fault:
        """Adds a row, or replaces the one of that id. ValueError names the field that does not hold."""
        return self.add_all([data])[0]

    def add_all(self, rows: Collection[Mapping[str, Any] | Fault]) -> list[Fault]:
        """All of them, or none where one does not hold."""
        made = []
        for data in rows:
            values = asdict(data) if isinstance(data, Fault) else dict(_mapping(data))
            fault = _fault({"id": "", **values})
            self._check_names(fault)
            made.append(fault)
        with self._lock:
            for fault in made:
                self._number += 1
                fault.id = fault.id or f"fault-{self._number}"
                self._rows[fault.id] = fault
                for key in [key for key in self._asked if key[0] == fault.id]:
                    del self._asked[key]
            self._changed()
        return [replace(fault) for fault in made]

    def remove(self, fault_id: str) -> bool:
        with self._lock:
            removed = self._rows.pop(fault_id, None) is not None
            self._changed()
            return removed

    def clear(self) -> None:
        """Removes every row; the log stays."""
        with self._lock:
            self._rows.clear()
            self._changed()

    def rows(self) -> list[dict[str, Any]]:
        with self._lock:
            return [asdict(row) for row in self._rows.values()]

    def log(self, since: int = 0) -> list[dict[str, Any]]:
        """What fired, from that number on; the last LOG_LIMIT are kept here, all of them in the file."""
        with self._lock:
            return [asdict(fired) for fired in self._log if fired.number >= since]

    def _changed(self) -> None:
        self.remembers = any(row.stale_s > 0 for row in self._rows.values())

    def _check_names(self, fault: Fault) -> None:
        if not self._known:
            return
        services = [name for name in self._known if fnmatchcase(name, fault.service)]
        if not services:
            raise ValueError(f"no service {fault.service!r}{did_you_mean(fault.service, self._known)}")
        near: list[str] = []
        for name in services:
            found = self._known[name](fault.operation)
            if any(fnmatchcase(operation, fault.operation) for operation in found):
                return
            near.extend(found)
        where = f"{services[0]} has" if len(services) == 1 else f"{', '.join(services)} have"
        raise ValueError(f"{where} no operation {fault.operation!r}{did_you_mean(fault.operation, near)}")


def read_file(path: Path) -> list[Mapping[str, Any]]:
    """Rows of a YAML or JSON file: a list, or an object with `faults`. ValueError says what is wrong, with the file."""
    try:
        data = yaml.safe_load(path.read_text(encoding="utf-8"))
    except OSError as exc:
        raise ValueError(f"{path}: {exc.strerror or exc}") from exc
    except (UnicodeDecodeError, yaml.YAMLError) as exc:
        raise ValueError(f"{path}: {exc}") from exc
    rows = data.get("faults") if isinstance(data, dict) and "faults" in data else data
    if not isinstance(rows, list):
        raise ValueError(f"{path}: a list of faults is wanted, or an object with `faults`")  # noqa: TRY004
    return rows


def effect_of(row: Fault) -> str:
    """What a row does, in a few words."""
    parts = [f"delayed {row.delay_s:g} s"] if row.delay_s else []
    if row.disappear_s:
        parts.append(f"gone for {row.disappear_s:g} s")
    elif row.stale_s:
        parts.append(f"stale answer, at most {row.stale_s:g} s behind")
    elif row.drop_answer:
        parts.append("executed, answer dropped")
    elif row.status or row.error:
        parts.append(f"refused: {' '.join(str(p) for p in (row.error, row.status or '', row.code) if p)}")
    if row.duplicate:
        parts.append("executed twice")
    if row.corrupt:
        parts.append(f"corrupted {row.corrupt}")
    return ", ".join(parts) or "nothing"


def _matches(row: Fault, service: str, operation: str, detail: str, write: bool, stale_s: float | None) -> bool:
    return (
        row.count != 0
        and (write or not row.writes_only)
        and (not row.stale_s or (stale_s is not None and stale_s <= row.stale_s))
        and (write or not row.duplicate)
        and fnmatchcase(service, row.service)
        and fnmatchcase(operation, row.operation)
        and (not row.match or row.match in detail)
    )


def _mapping(data: Any) -> Mapping[str, Any]:
    if not isinstance(data, Mapping):
        raise ValueError(f"a fault is an object, not {data!r}")  # noqa: TRY004  (data, not a caller's slip)
    return data


def _fault(values: Mapping[str, Any]) -> Fault:
    known = {f.name: str(f.type) for f in fields(Fault)}
    check_keys("a fault", values, known)
    for name, value in values.items():
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
    if fault.error and fault.error not in ERRORS:
        raise ValueError(f"no fault error {fault.error!r}{did_you_mean(fault.error, ERRORS)}")
    for name in ("delay_s", "retry_after_s", "stale_s", "disappear_s"):
        if not 0 <= (getattr(fault, name) or 0) < float("inf"):
            raise ValueError(f"fault {name} {getattr(fault, name)} must be a number of seconds, not negative")
    if fault.corrupt:
        corrupt.parse(fault.corrupt)
    if fault.duplicate and fault.service == "kubernetes":
        raise ValueError("fault duplicate is for the clouds: a cluster's requests do not arrive twice here")
    if fault.stale_s and fault.writes_only:
        raise ValueError("fault stale_s is for reads: it cannot be combined with writes_only")
    if effect_of(fault) == "nothing":
        wanted = "status, error, delay_s, drop_answer, duplicate, stale_s, disappear_s or corrupt"
        raise ValueError(f"this fault does nothing: it needs {wanted}")
    return fault
