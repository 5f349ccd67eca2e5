"""`--store` of the commands that probe: what was learned before, and what is learned now."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from cli.output import Output
    from orchestrator.remembering import Remembered


@contextmanager
def history_at(url: str, out: Output) -> Iterator[Remembered | None]:
    """None where no state is given. Raises what open_store raises."""
    if not url:
        yield None
        return
    from orchestrator.remembering import remembering
    from orchestrator.store import SystemClock, open_store

    clock = SystemClock()
    with open_store(url, clock) as store, remembering(store.probes, clock, tell=out.warning) as remembered:
        yield remembered
