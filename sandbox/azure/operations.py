"""Long-running operations of Azure Resource Manager: started, announced in an answer's headers, asked for.

Callers: engine.py, subscription.py, server.py. What takes less than INLINE_S has ended before the answer is sent.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

from sandbox.azure.kinds import Principal
from sandbox.azure.store import Record, Store, timestamp
from sandbox.azure.wire import ArmError, ArmPath, Reply
from sandbox.world import World

INLINE_S = 0.05
OPERATIONS_KEPT = 2000


@dataclass(slots=True)
class Request:
    """What the engine needs to know of one HTTP request."""

    method: str
    path: ArmPath
    query: dict[str, str]
    headers: dict[str, str]
    body: dict[str, Any]
    principal: Principal
    base_url: str


@dataclass(slots=True)
class Operation:
    """A long-running operation. result: what Location answers at the end."""

    id: str
    subscription: str
    started_at_s: float
    status: str = "InProgress"
    error: dict[str, Any] | None = None
    resource_id: str = ""
    ended_at_s: float | None = None


class Operations:
    """All that are under way, and the newest OPERATIONS_KEPT that have ended."""

    def __init__(self, store: Store, world: World) -> None:
        self._store, self._world = store, world
        self._known: dict[str, Operation] = {}
        self._tasks: set[asyncio.Task[None]] = set()

    async def close(self) -> None:
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def start(self, record: Record, timing: str, effect: Callable[[], Awaitable[None]]) -> Operation:
        """Runs an effect after its duration; returns at once if it takes longer than INLINE_S.

        A record that is left in a busy state by its effect becomes Succeeded; ArmError makes it Failed.
        """
        operation = Operation(self._store.new_guid(), record.subscription, time.time(), resource_id=record.id)
        self._forget_old()
        self._known[operation.id] = operation
        seconds = self._world.timing.duration_s(timing, record.id)

        async def run() -> None:
            await asyncio.sleep(seconds)
            try:
                await effect()
            except ArmError as exc:
                record.state, operation.status, operation.error = "Failed", "Failed", exc.body()["error"]
            else:
                operation.status = "Succeeded"
                if record.busy and self._store.get(record.id) is record:
                    record.state = "Succeeded"
                    self._store.touch(record)
            finally:
                if operation.status == "InProgress":  # cancelled, or a mistake of the sandbox's own: never left hanging
                    record.state, operation.status = "Failed", "Failed"
                    operation.error = {"code": "InternalExecutionError", "message": "An internal error occurred."}
                operation.ended_at_s = time.time()

        task = asyncio.get_running_loop().create_task(run())
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        if seconds < INLINE_S:
            await asyncio.wait({task}, timeout=INLINE_S)
        return operation

    def _forget_old(self) -> None:
        """Ended operations beyond the newest OPERATIONS_KEPT."""
        ended = [key for key, o in self._known.items() if o.ended_at_s is not None]
        for key in ended[: max(0, len(ended) - OPERATIONS_KEPT)]:
            del self._known[key]

    def announced(self, reply: Reply, request: Request, operation: Operation, *, location: bool = False) -> Reply:
        if operation.ended_at_s is not None:
            if operation.error is not None:
                raise ArmError(400, operation.error["code"], operation.error["message"])
            return reply
        record = self._store.get(operation.resource_id)
        region = record.location if record and record.location else "global"
        namespace = request.path.namespace or "Microsoft.Resources"
        root = request.base_url.split("/subscriptions/")[0]
        stem = f"{root}/subscriptions/{operation.subscription}/providers/{namespace}/locations/{region}"
        version = request.query.get("api-version", "")
        reply.headers["Azure-AsyncOperation"] = f"{stem}/operations/{operation.id}?api-version={version}"
        reply.headers["Retry-After"] = "1"
        if location:
            reply.headers["Location"] = f"{stem}/operationResults/{operation.id}?api-version={version}"
        return reply

    def status(self, operation_id: str, *, result: bool) -> Reply:
        """Azure-AsyncOperation (a status document) or Location (202 until it is done)."""
        operation = self._known.get(operation_id)
        if operation is None:
            raise ArmError(404, "OperationNotFound", f"No operation {operation_id} is known.")
        done = operation.ended_at_s is not None
        wait = {} if done else {"Retry-After": "1"}
        if result:
            if operation.error is not None:
                raise ArmError(400, operation.error["code"], operation.error["message"])
            return Reply(204 if done else 202, None, wait)
        body: dict[str, Any] = {
            "id": operation.id,
            "name": operation.id,
            "status": operation.status,
            "startTime": timestamp(operation.started_at_s),
        }
        if operation.ended_at_s is not None:
            body["endTime"] = timestamp(operation.ended_at_s)
        if operation.error is not None:
            body["error"] = operation.error
        return Reply(200, body, wait)
