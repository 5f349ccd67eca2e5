"""The journal of running work, kept by DBOS Transact in the store's own database.

Callers: the engine. One DBOS workflow is one attempt at one action, with the id
`<fleet>/<application>/<revision>/<action id>/<lease token>.<attempt>`. It has no DBOS steps: an attempt that was cut
off is never gone on with but begun anew under another id, so nobody would read what its steps had answered, and each
costs two transactions. DBOS's own recovery is not used: every process has an executor id of its own, so nothing is
recovered at launch, and queues stay empty. Instead `past` says what need not be done again, and `abandon` ends in the
journal what dead processes had under way; should one not be dead after all, the lease's token voids its writes.

Non-goals: remembering results that later actions need (the inventory does); secrets (inputs and answers are
references).
"""

from __future__ import annotations

import contextvars
import logging
import os
import socket
import threading
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from types import TracebackType
from typing import Any

# Before the import: DBOS adds a handler that prints to the console where its logger has none.
logging.getLogger("dbos").addHandler(logging.NullHandler())

from dbos import DBOS, DBOSConfig, SetWorkflowID  # noqa: E402
from dbos._serialization import DBOSPortableJSON  # noqa: E402

from model.errors import DuoyunError  # noqa: E402
from orchestrator.store.database import Database  # noqa: E402
from orchestrator.store.errors import named_errors  # noqa: E402
from orchestrator.store.open import SCHEMA_VERSION  # noqa: E402

APPLICATION = "duoyun"
_WORKFLOW = "duoyun_action"
_process = threading.Lock()  # DBOS is one per process

_body: contextvars.ContextVar[Callable[[], dict[str, Any]]] = contextvars.ContextVar("duoyun_action_body")


@DBOS.workflow(name=_WORKFLOW)
def _action_workflow(action_id: str) -> dict[str, Any]:
    """Runs the body that `Journal.run` put into this thread's context; action_id is for people who read the tables."""
    body = _body.get(None)
    if body is None:
        raise RuntimeError(f"{action_id}: only the process that began an attempt can carry it out")
    return body()


@dataclass(frozen=True, slots=True)
class Past:
    """What the journal knows of one action: attempts made, and the answer where one of them succeeded."""

    attempts: int
    answer: dict[str, Any] | None


class Journal:
    """DBOS, launched by __enter__ and gone without a trace of threads after __exit__. One at a time per process."""

    def __init__(self, db: Database) -> None:
        self._db = db
        # Two processes with one executor id would take each other's live work for their own.
        self.executor_id = f"{socket.gethostname()}-{os.getpid()}-{uuid.uuid4().hex[:8]}"

    def __enter__(self) -> Journal:
        if not _process.acquire(blocking=False):
            raise RuntimeError("this process runs an engine already; execute on that one")
        config: DBOSConfig = {
            "name": APPLICATION,
            "system_database_engine": self._db.engine,
            "executor_id": self.executor_id,
            "application_version": SCHEMA_VERSION,
            "serializer": DBOSPortableJSON,
            "use_listen_notify": False,
            "enable_otlp": False,
            "log_level": "ERROR",
            # Nothing is sent or scheduled through DBOS: its pollers may sleep, as long as closing stays quick.
            "notification_listener_polling_interval_sec": 0.2,
            "scheduler_polling_interval_sec": 3600.0,
        }
        try:
            with named_errors(self._db.where):
                DBOS(config=config)
                DBOS.launch()
        except BaseException:
            self._close()
            raise
        return self

    def __exit__(
        self, _type: type[BaseException] | None, _exc: BaseException | None, _tb: TracebackType | None
    ) -> None:
        self._close()

    def _close(self) -> None:
        try:
            DBOS.destroy()
        finally:
            _process.release()

    def past(self, prefix: str) -> dict[str, Past]:
        """By action id, for all attempts whose workflow id begins with prefix (which ends in `/`)."""
        found: dict[str, Past] = {}
        with named_errors(self._db.where):
            rows = DBOS.list_workflows(workflow_id_prefix=prefix, load_input=False, application_name=APPLICATION)
        for row in rows:
            action_id, _, _attempt = row.workflow_id.removeprefix(prefix).rpartition("/")
            before = found.get(action_id, Past(0, None))
            answer = row.output if row.status == "SUCCESS" and isinstance(row.output, dict) else None
            if answer is not None and "error" in answer:
                answer = None
            found[action_id] = Past(before.attempts + 1, before.answer if answer is None else answer)
        return found

    def abandon(self, prefix: str) -> int:
        """Ends what earlier processes left under way; returns how many attempts. Call it under the lease only."""
        with named_errors(self._db.where):
            rows = DBOS.list_workflows(
                workflow_id_prefix=prefix, status=["PENDING", "ENQUEUED"], load_input=False, load_output=False
            )
            if rows:
                DBOS.cancel_workflows([row.workflow_id for row in rows])
        return len(rows)

    def forget(self, prefix: str) -> int:
        """Removes the journal of a release that is over; returns how many attempts it held."""
        with named_errors(self._db.where):
            rows = DBOS.list_workflows(workflow_id_prefix=prefix, load_input=False, load_output=False)
            if rows:
                DBOS.delete_workflows([row.workflow_id for row in rows])
        return len(rows)

    def run(self, workflow_id: str, action_id: str, body: Callable[[], dict[str, Any]]) -> dict[str, Any]:
        """Carries body out as the workflow of that id, in this thread.

        A DuoyunError of body's is journaled as `{"error": ...}` and raised; so is what the database says.
        """
        raised: list[DuoyunError] = []

        def caught() -> dict[str, Any]:
            try:
                return body()
            except DuoyunError as exc:
                raised.append(exc)
                return {"error": exc.to_dict()}

        token = _body.set(caught)
        try:
            with named_errors(self._db.where), SetWorkflowID(workflow_id):
                answer = _action_workflow(action_id)
        finally:
            _body.reset(token)
        if raised:
            raise raised[0]
        return answer
