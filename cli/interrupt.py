"""Ctrl-C and the time limit, as a question that work asks: may I go on? A second Ctrl-C ends at once."""

from __future__ import annotations

import signal
import time
from types import FrameType, TracebackType
from typing import Any, Self

from model.errors import Interrupted
from model.exit_codes import ExitCode


class Terminated(Interrupted):
    """Stopped by SIGTERM."""

    exit_code = ExitCode.TERMINATED


class Stop:
    """While in the block, SIGINT and SIGTERM set a flag; `asked()` is handed to whatever can stop cleanly."""

    def __init__(self, limit_s: float) -> None:
        self._deadline_s = time.monotonic() + limit_s
        self._signal: int | None = None
        self._before: dict[int, Any] = {}

    def asked(self) -> bool:
        return self._signal is not None or time.monotonic() > self._deadline_s

    def __enter__(self) -> Self:
        for number in (signal.SIGINT, signal.SIGTERM):
            self._before[number] = signal.signal(number, self._note)
        return self

    def __exit__(
        self, _type: type[BaseException] | None, value: BaseException | None, _trace: TracebackType | None
    ) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)
        if isinstance(value, Interrupted) and self._signal == signal.SIGTERM:
            raise Terminated(value.summary, detail=value.detail, mend=value.mend) from value

    def _note(self, number: int, _frame: FrameType | None) -> None:
        if self._signal is not None:
            raise KeyboardInterrupt
        self._signal = number
