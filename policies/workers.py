"""Evaluates rules in processes of their own, with a limit of time and of memory, which are killed where they pass it.

Callers: rules (a bundle's evaluator). A process holds the bundle and is kept for the next judgement; it starts with the
first. regorus holds the interpreter's lock while it evaluates: processes are also how two rules run at once. A rule
that passes a limit comes back as a fault with its name, and the others are evaluated in a new process.
"""

from __future__ import annotations

import json
import os
import select
import signal
import subprocess
import sys
import threading
import time
import weakref
from collections import deque
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import IO, Any

from model.errors import Diagnostic, InvalidInput
from policies.evaluation import Answer, Document, Fault, Task, by_group, looked_at
from policies.worker import OUT_OF_MEMORY, frame

_ROOT = Path(__file__).resolve().parents[1]
# A process takes about 0.1 s to start: below so many documents another one does not pay; where there is more than one
# judgement, below so few.
_MANY_DOCUMENTS, _FEW_DOCUMENTS = 1_000, 100


@dataclass(frozen=True, slots=True)
class Limits:
    """What one rule may take: seconds (for each thousand documents begun), and memory beyond the engine's own."""

    seconds: float = 10.0
    memory_mib: int = 1024
    load_s: float = 30.0

    def of(self, documents: int) -> float:
        return self.seconds * (1 + documents // 1000)


class _Died(Exception):
    """The process ended, or was killed. The text says why, in words for the user."""


@dataclass(slots=True)
class _Worker:
    """One process. turn: the judgement whose documents it has; held: the groups of them that it has by now."""

    limits: Limits
    process: subprocess.Popen[bytes]
    buffer: bytearray = field(default_factory=bytearray)
    turn: int = 0
    held: set[str] = field(default_factory=set)

    @classmethod
    def start(cls, limits: Limits) -> _Worker:
        find = f"import sys; sys.path.insert(0, {str(_ROOT)!r})"
        code = f"{find}; from policies.worker import main; main({limits.memory_mib})"
        process = subprocess.Popen(  # noqa: S603  (our own interpreter)
            [sys.executable, "-I", "-c", code],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            start_new_session=True,  # Ctrl-C is for the parent, which decides what becomes of it
        )
        return cls(limits, process)

    def send(self, *messages: Any) -> None:
        try:
            for message in messages:
                _pipe(self.process.stdin).write(frame(message))
            _pipe(self.process.stdin).flush()
        except (BrokenPipeError, OSError):
            raise _Died(self._end()) from None

    def receive(self, limit_s: float) -> Any:
        """The next answer. Raises _Died, having killed the process where the time is up."""
        until = time.monotonic() + limit_s
        pipe = _pipe(self.process.stdout)
        while not (len(self.buffer) >= 8 and len(self.buffer) >= (size := 8 + int.from_bytes(self.buffer[:8], "big"))):
            ready, _, _ = select.select([pipe], [], [], max(0.0, until - time.monotonic()))
            if not ready:
                self.stop()
                raise _Died(f"it took longer than {limit_s:g} s and was stopped")
            chunk = os.read(pipe.fileno(), 2**20)
            if not chunk:
                raise _Died(self._end())
            self.buffer += chunk
        body = bytes(self.buffer[8:size])
        del self.buffer[:size]
        return json.loads(body)

    def stop(self) -> None:
        self.process.kill()
        self.process.wait()
        for pipe in (self.process.stdin, self.process.stdout):
            with suppress(OSError):
                _pipe(pipe).close()

    def _end(self) -> str:
        self.stop()
        code = self.process.returncode
        if code in (OUT_OF_MEMORY, -signal.SIGABRT, -signal.SIGKILL):
            return f"it took more than the {self.limits.memory_mib} MiB of memory that a rule may take, and was stopped"
        return f"the process that evaluated it ended ({f'signal {-code}' if code < 0 else f'code {code}'})"


def _pipe(pipe: IO[bytes] | None) -> IO[bytes]:
    assert pipe is not None
    return pipe


class Workers:
    """Evaluator of a fixed set of modules (file -> Rego text). checked: files whose calls are looked up; None: all."""

    def __init__(
        self,
        modules: Mapping[str, str],
        *,
        checked: Collection[str] | None = None,
        limits: Limits = Limits(),
        processes: int | None = None,
    ) -> None:
        self.limits = limits
        self._load = {"do": "load", "modules": dict(modules), "checked": None if checked is None else sorted(checked)}
        self._most = processes or min(4, os.cpu_count() or 1)
        self._idle: list[_Worker] = []
        self._lock = threading.Lock()
        self._pid = os.getpid()
        self._turn = 0
        self._early: threading.Thread | None = None
        weakref.finalize(self, _stop_all, self._idle, self._pid)

    def check(self) -> None:
        """Raises InvalidInput where a module does not parse, or calls a function that does not exist here."""
        with self._lock:
            self._idle.append(self._ready())

    def answers(self, tasks: Sequence[Task], documents: Sequence[Document]) -> list[Answer]:
        """One answer a task, in their order (policies.evaluation.Evaluator)."""
        with self._lock:
            self._after_fork()
            self._settle()
            self._turn += 1
            texts = {group: ",".join(json.dumps(d) for d in rows) for group, rows in by_group(documents).items()}
            parts = [(n, part) for n, task in enumerate(tasks) for part in _parts(task, texts)]
            job = _Job(self._turn, self.limits.of(len(documents)), [part for _, part in parts], texts)
            pays = len(documents) >= (_MANY_DOCUMENTS if self._turn == 1 else _FEW_DOCUMENTS)
            count = min(self._most, len(parts)) if pays else 1
            threads = [threading.Thread(target=self._serve, args=(job,), daemon=True) for _ in range(count - 1)]
            for thread in threads:
                thread.start()
            self._serve(job)
            for thread in threads:
                thread.join()
            if job.broken is not None:
                raise job.broken
            whole = [Answer() for _ in tasks]
            for i, (n, _) in enumerate(parts):
                whole[n] = Answer(whole[n].rows + job.done[i].rows, whole[n].faults + job.done[i].faults)
            return whole

    def warm(self) -> None:
        """Starts a process already, which the first judgement finds ready, while its documents are still being read."""
        with self._lock:
            self._after_fork()
            if not self._idle and self._early is None:
                self._early = threading.Thread(target=self._start_early, daemon=True)
                self._early.start()

    def _start_early(self) -> None:
        with suppress(InvalidInput):  # the judgement tries again, and raises it
            self._idle.append(self._ready())

    def _settle(self) -> None:
        """Waits for the process that is being started."""
        if self._early is not None:
            self._early.join()
            self._early = None

    def close(self) -> None:
        """Ends the processes. Another judgement starts new ones."""
        with self._lock:
            self._after_fork()
            self._settle()
            _stop_all(self._idle, self._pid)

    def _after_fork(self) -> None:
        """A fork has no use for its parent's processes: both would talk through the same pipes."""
        if self._pid != os.getpid():
            self._pid = os.getpid()
            self._idle.clear()
            self._early = None

    def _ready(self) -> _Worker:
        worker = _Worker.start(self.limits)
        try:
            worker.send(self._load)
            mistakes = worker.receive(self.limits.load_s)["mistakes"]
        except _Died as exc:
            raise InvalidInput([Diagnostic("", f"the policy bundle cannot be loaded: {exc}")]) from None
        if mistakes:
            worker.stop()
            raise InvalidInput([Diagnostic(*row) for row in mistakes])
        return worker

    def _serve(self, job: _Job) -> None:
        """One process's share of a judgement: some tasks at a time, until none are left."""
        worker: _Worker | None = None
        try:
            while chunk := job.take():
                worker = worker or self._free()
                worker = self._some(worker, job, chunk)
        except Exception as exc:  # noqa: BLE001  (raised again by whoever asked)
            job.broken = exc
        if worker is not None:
            self._idle.append(worker)

    def _free(self) -> _Worker:
        while self._idle:
            worker = self._idle.pop()
            if worker.process.poll() is None:
                return worker
            worker.stop()
        return self._ready()

    def _some(self, worker: _Worker, job: _Job, chunk: Sequence[int]) -> _Worker | None:
        """Evaluates some tasks; None where the process had to be killed. What it did not come to is put back."""
        done = 0
        try:
            tasks = [job.tasks[i] for i in chunk]
            worker.send(
                *_missing(worker, job, tasks),
                {"do": "evaluate", "tasks": [_row(t) for t in tasks], "limit_s": job.limit_s},
            )
            for done, index in enumerate(chunk):  # noqa: B007  (how far it came is wanted below)
                answer = worker.receive(job.limit_s)
                job.done[index] = Answer(tuple(answer["rows"]), tuple(Fault(*f) for f in answer["faults"]))
        except _Died as exc:
            job.done[chunk[done]] = Answer(faults=(Fault(str(exc)),))
            job.left.extendleft(reversed(chunk[done + 1 :]))
            return None
        return worker


def _missing(worker: _Worker, job: _Job, tasks: Sequence[Task]) -> Iterator[Any]:
    """What a process has to be sent before it can evaluate these tasks: documents that it does not have yet."""
    if worker.turn != job.turn:
        worker.turn = job.turn
        worker.held = set()
        yield {"do": "forget"}
    for group in sorted({g for t in tasks for g in looked_at(t.kinds, t.objects, job.texts)} - worker.held):
        worker.held.add(group)
        yield {"do": "hold", "group": group}
        yield job.texts[group]


def _parts(task: Task, groups: Collection[str]) -> list[Task]:
    """A task for each kind there is, where the rule bears that; itself, where it does not; nothing for no documents."""
    there = {g.partition("/")[0] for g in looked_at(task.kinds, task.objects, groups)}
    if not there:
        return []
    return [replace(task, kinds=(kind,)) for kind in sorted(there)] if task.apart else [task]


class _Job:
    """A judgement under way. left: indexes of the tasks that nobody has taken yet, those of the same documents and
    parameters together, since each change of them is an input that the engine has to read."""

    def __init__(self, turn: int, limit_s: float, tasks: Sequence[Task], texts: Mapping[str, str]) -> None:
        self.turn, self.limit_s, self.tasks, self.texts = turn, limit_s, tasks, texts
        keys = [(looked_at(t.kinds, t.objects, texts), json.dumps(t.parameters)) for t in tasks]
        self.left = deque(sorted(range(len(tasks)), key=keys.__getitem__))
        self.done: dict[int, Answer] = {}
        self.broken: Exception | None = None
        self._lock = threading.Lock()

    def take(self) -> list[int]:
        with self._lock:
            return [self.left.popleft() for _ in range(min(len(self.left), 8))]


def _row(task: Task) -> dict[str, Any]:
    return {
        "rule_id": task.rule_id,
        "package": task.package,
        "source": task.source,
        "kinds": list(task.kinds),
        "parameters": dict(task.parameters),
        "objects": list(task.objects),
    }


def _stop_all(workers: list[_Worker], pid: int) -> None:
    """In a fork, nothing: they are its parent's."""
    while workers and os.getpid() == pid:
        workers.pop().stop()
