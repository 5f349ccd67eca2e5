"""A process that evaluates rules and may be killed: frames of JSON on standard input, answers on standard output.

Started by workers, as a process of its own. A frame is 8 bytes of length (big endian) and JSON text. Commands:
load {modules, checked} -> {mistakes}; hold {group}, after which comes a frame with its documents; forget; evaluate
{tasks, limit_s} -> an answer a task, as each is done. A rule that takes too long is the parent's to notice, which kills
this process.
"""

from __future__ import annotations

import json
import math
import os
import resource
import signal
import sys
from pathlib import Path
from typing import Any, BinaryIO

from model.errors import Diagnostic, InvalidInput
from policies.engine import RegoEngine
from policies.evaluation import Fault, Task

OUT_OF_MEMORY = 86  # how this process ends then; an allocation that fails in the engine itself aborts it
GRACE_S = 5


def read_frame(stream: BinaryIO) -> Any:
    """The next frame, None at the end of the stream."""
    body = read_bytes(stream)
    return None if body is None else json.loads(body)


def read_bytes(stream: BinaryIO) -> bytes | None:
    head = stream.read(8)
    return stream.read(int.from_bytes(head, "big")) if len(head) == 8 else None


def frame(value: Any) -> bytes:
    """A value as JSON, or text that is sent as it is."""
    body = (value if isinstance(value, str) else json.dumps(value, separators=(",", ":"))).encode()
    return len(body).to_bytes(8, "big") + body


def main(memory_mib: int) -> None:
    """Serves until standard input ends. memory_mib: what rules may take beyond what the process has at its start."""
    import regorus  # noqa: F401  (counted with the process, not with what rules may take)

    limit = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize() + memory_mib * 2**20
    resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
    inward, outward = sys.stdin.buffer, sys.stdout.buffer
    engine: RegoEngine | None = None
    while (command := read_frame(inward)) is not None:
        match command["do"]:
            case "load":
                engine, mistakes = _load(command)
                outward.write(frame({"mistakes": mistakes}))
                outward.flush()
            case "hold":
                text = read_bytes(inward)
                assert engine is not None and text is not None
                engine.hold(command["group"], text.decode())
            case "forget":
                assert engine is not None
                engine.forget()
            case "evaluate":
                assert engine is not None
                for row in command["tasks"]:
                    # Where the parent was killed in the middle of an endless rule, nobody else would end this process.
                    signal.alarm(math.ceil(command["limit_s"]) + GRACE_S)
                    outward.write(frame(_answer(engine, Task(**row))))
                    outward.flush()
                signal.alarm(0)


def _load(command: Any) -> tuple[RegoEngine | None, list[tuple[str, str, str]]]:
    try:
        return RegoEngine(command["modules"], checked=command["checked"]), []
    except InvalidInput as exc:
        return None, [_row(d) for d in exc.diagnostics]


def _row(diagnostic: Diagnostic) -> tuple[str, str, str]:
    return diagnostic.position, diagnostic.what, diagnostic.mend


def _answer(engine: RegoEngine, task: Task) -> dict[str, Any]:
    try:
        answer = engine.answer(task)
    except MemoryError:
        os._exit(OUT_OF_MEMORY)  # nothing of this process is to be trusted any more
    return {"rows": list(answer.rows), "faults": [_fault(f) for f in answer.faults]}


def _fault(fault: Fault) -> tuple[str, str]:
    return fault.why, fault.address
