"""Exec probes through a cluster's API server: the port that probes.prober wants.

Callers: whoever probes commands in pods. A target is `NAMESPACE/POD` or `NAMESPACE/POD/CONTAINER`. What keeps us from
running the command (no such pod, no right, no way there) is raised as OSError: it says nothing against the command.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from typing import Protocol

from model.errors import CloudError
from providers.base import Call


class RunsInPods(Protocol):
    """What is needed of a cluster's adapter."""

    def exec_in_pod(self, namespace: str, pod: str, command: Sequence[str], call: Call, container: str = "") -> int: ...


class PodExec:
    """probes.prober.Exec over one cluster. Each probe takes a thread while it runs."""

    def __init__(self, cluster: RunsInPods) -> None:
        self._cluster = cluster

    async def __call__(self, target: str, command: tuple[str, ...], timeout_s: float) -> int:
        """The command's exit code. Raises OSError or TimeoutError where it could not be run."""
        namespace, _, rest = target.partition("/")
        pod, _, container = rest.partition("/")
        if not namespace or not pod:
            raise OSError(f"{target[:80]!r} is no NAMESPACE/POD")
        call = Call(deadline_s=time.monotonic() + timeout_s)
        try:
            return await asyncio.to_thread(self._cluster.exec_in_pod, namespace, pod, command, call, container)
        except CloudError as exc:
            raise OSError(exc.summary) from exc
