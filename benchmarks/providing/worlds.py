"""A sandbox to measure against: in this process for tests, in one of its own where memory and CPU are measured.

Callers: the measures beside this file. `python -m benchmarks.providing.worlds` is the process of its own: it answers
each line of standard input, a JSON list of a method's name and its arguments, with a line of JSON, and ends with it.
"""

from __future__ import annotations

import contextlib
import json
import subprocess
import sys
import threading
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

from benchmarks.providing import fill
from model.resources import TAG_FLEET, TAG_NAME, Kind
from providers.base import Account
from sandbox.app import Options
from sandbox.threaded import Running, running

ROOT = Path(__file__).parents[2]


@dataclass(frozen=True, slots=True)
class Place:
    """Where a cloud is measured, and the machine type and image that the sandbox sells there."""

    cloud: str
    partition: str
    region: str
    zone: str
    instance_type: str
    options: Mapping[str, Any] = field(default_factory=dict)


PLACES = (
    Place("aws", "aws-cn", "cn-north-1", "cn-north-1a", "m6i.large"),
    Place("azure", "azure-cn", "chinanorth3", "chinanorth3-1", "Standard_D2s_v5"),
    Place("alibaba", "alibaba-cn", "cn-hangzhou", "cn-hangzhou-h", "ecs.g7.large", {"visible_within_s": 0.2}),
)


class World(Protocol):
    """What the measures need of a sandbox, wherever it runs."""

    def endpoints(self) -> dict[str, Any]: ...

    def copies(self, cloud: str, kind: str, account_id: str, region: str, model_id: str, count: int) -> None:
        """As fill.copies."""
        ...

    def requests(self) -> dict[str, int]:
        """Requests that each cloud has seen since the world began, refused ones included."""
        ...

    def storm(self, rate: float) -> None:
        """From now on each request to a cloud is throttled with that probability; 0 ends it."""
        ...

    def owned(self, fleet: str) -> list[str]:
        """Our names of what exists and belongs to a fleet, as the clouds' own records have it."""
        ...


class Local:
    """In this process. Counts what the fault table is asked, which is once per request."""

    def __init__(self, sandbox: Running) -> None:
        self._running = sandbox
        self._seen: Counter[str] = Counter()
        self._lock = threading.Lock()

    @contextmanager
    def counting(self) -> Iterator[Local]:
        table = self._running.sandbox.faults
        asked = table.check

        def check(service: str, operation: str, **more: Any) -> Any:
            with self._lock:
                self._seen[service] += 1
            return asked(service, operation, **more)

        table.check = check  # type: ignore[method-assign]
        try:
            yield self
        finally:
            table.check = asked  # type: ignore[method-assign]

    def endpoints(self) -> dict[str, Any]:
        return self._running.endpoints

    def copies(self, cloud: str, kind: str, account_id: str, region: str, model_id: str, count: int) -> None:
        fill.copies(self._running, cloud, Kind(kind), account_id, region, model_id, count)

    def requests(self) -> dict[str, int]:
        with self._lock:
            return dict(self._seen)

    def storm(self, rate: float) -> None:
        faults = self._running.sandbox.faults
        for place in PLACES:
            row = f"storm-{place.cloud}"
            faults.remove(row)
            if rate > 0:
                faults.add({"id": row, "service": place.cloud, "error": "throttled", "rate": rate, "count": -1})

    def owned(self, fleet: str) -> list[str]:
        import asyncio

        from sandbox.control import inventory

        asked = asyncio.run_coroutine_threadsafe(inventory(self._running.sandbox.servers), self._running.loop)
        rows = [row for found in asked.result(300).values() for row in found]
        tags = [row.get("tags") or {} for row in rows]
        return [str(t[TAG_NAME]) for t in tags if t.get(TAG_FLEET) == fleet and TAG_NAME in t]


class Apart:
    """In a process of its own; started on entering, ended on leaving."""

    def __init__(self) -> None:
        self._process: subprocess.Popen[str] | None = None

    def __enter__(self) -> Apart:
        command = [sys.executable, "-m", "benchmarks.providing.worlds"]
        self._process = subprocess.Popen(
            command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, bufsize=1
        )
        return self

    def __exit__(self, *_: object) -> None:
        assert self._process is not None
        assert self._process.stdin is not None
        self._process.stdin.close()
        self._process.wait(60)

    def _ask(self, *message: Any) -> Any:
        assert self._process is not None
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps(message) + "\n")
        line = self._process.stdout.readline()
        if not line:
            raise RuntimeError(f"the sandbox's process ended while it was asked for {message[0]}")
        return json.loads(line)

    def endpoints(self) -> dict[str, Any]:
        return dict(self._ask("endpoints"))

    def copies(self, cloud: str, kind: str, account_id: str, region: str, model_id: str, count: int) -> None:
        self._ask("copies", cloud, kind, account_id, region, model_id, count)

    def requests(self) -> dict[str, int]:
        return dict(self._ask("requests"))

    def storm(self, rate: float) -> None:
        self._ask("storm", rate)

    def owned(self, fleet: str) -> list[str]:
        return list(self._ask("owned", fleet))


def account(world: World, place: Place) -> Account:
    """The place's account, as the fleet would name it."""
    told = world.endpoints()
    row = next(a for a in told["accounts"] if a["partition"] == place.partition)
    return Account(
        name=f"{place.cloud}-main", cloud=place.cloud, partition=place.partition, account_id=row["account_id"],
        endpoint=told["clouds"][place.cloud]["url"], secrets={"key_id": row["key_id"], "secret": row["secret"]},
        options=place.options,
    )  # fmt: skip


def main() -> None:
    with contextlib.ExitStack() as stack:
        world = stack.enter_context(Local(stack.enter_context(running(Options()))).counting())
        for line in sys.stdin:
            name, *arguments = json.loads(line)
            print(json.dumps(getattr(world, name)(*arguments)), flush=True)


if __name__ == "__main__":
    main()
