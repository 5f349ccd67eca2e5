"""Agents in the sites as a release uses them: a hub in a thread of its own, and questions that block.

Callers: run.py, verify.py. Who is connected when a pod or a machine of a site is asked looks at it from there, beside
us; a release waits for nobody. Settings come from the environment, all four or none: DUOYUN_PROBE_HUB (HOST:PORT to
listen on) and DUOYUN_PROBE_CA_FILE, DUOYUN_PROBE_CERT_FILE, DUOYUN_PROBE_KEY_FILE (PEM).
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial

from model.errors import UsageError
from probes.hub import Hub
from probes.mutual_tls import MutualTls
from probes.policy import Send, Vantage
from probes.prober import VantageGoneError
from probes.targets import Look, ProbeTarget

HUB, CA_FILE, CERT_FILE, KEY_FILE = VARIABLES = (
    "DUOYUN_PROBE_HUB",
    "DUOYUN_PROBE_CA_FILE",
    "DUOYUN_PROBE_CERT_FILE",
    "DUOYUN_PROBE_KEY_FILE",
)
_START_WITHIN_S = 10.0
LookFrom = Callable[[ProbeTarget, float], Look | None]
"""One probe within so many seconds; None where nobody looked."""


def host_and_port(text: str, what: str) -> tuple[str, int]:
    """HOST:PORT, [v6]:PORT. Raises UsageError."""
    host, _, port = text.rpartition(":")
    host = host.removeprefix("[").removesuffix("]")
    if not host or not port.isdigit() or not 0 <= int(port) < 65536:
        raise UsageError(f"{what}: {text[:80]!r} is no HOST:PORT", mend="for example 0.0.0.0:7443")
    return host, int(port)


@dataclass(frozen=True, slots=True)
class HubSettings:
    """Where to listen, and with which certificates."""

    host: str
    port: int
    tls: MutualTls


def settings_from(environ: Mapping[str, str]) -> HubSettings | None:
    """None where none of the variables is set. Raises UsageError where only some are."""
    given = {name: environ.get(name, "") for name in VARIABLES}
    if not any(given.values()):
        return None
    if missing := [name for name, value in given.items() if not value]:
        raise UsageError(
            f"agents need {', '.join(missing)}, too",
            mend="set all of them, or none: docs/probes.md, Agents",
        )
    return HubSettings(*host_and_port(given[HUB], HUB), MutualTls(given[CA_FILE], given[CERT_FILE], given[KEY_FILE]))


class Vantages:
    """The agents that are connected now. Safe from any thread."""

    def __init__(self, hub: Hub, loop: asyncio.AbstractEventLoop) -> None:
        self._hub = hub
        self._loop = loop

    @property
    def port(self) -> int:
        """Where the hub listens."""
        return self._hub.port

    def at(self, site: str) -> dict[Vantage, LookFrom]:
        """Who stands in that site (partition/region)."""
        return {v: partial(self._look, v) for v in self._hub.vantages if v.failure_domain == site}

    def _look(self, vantage: Vantage, target: ProbeTarget, timeout_s: float) -> Look | None:
        send = Send(0.0, target.name, vantage.name, fresh=True, timeout_s=timeout_s)
        try:
            return asyncio.run_coroutine_threadsafe(self._hub.look(vantage.name, target, send), self._loop).result()
        except VantageGoneError:
            return None


@contextmanager
def listening(settings: HubSettings, tell: Callable[[str], None] = lambda _: None) -> Iterator[Vantages]:
    """A hub while the block lasts. Raises UsageError where the address is taken or a file does not hold."""
    ready: threading.Event = threading.Event()
    opened: list[Vantages | OSError] = []
    stop: list[Callable[[], object]] = []

    async def scene() -> None:
        loop, over = asyncio.get_running_loop(), asyncio.Event()
        stop.append(lambda: loop.call_soon_threadsafe(over.set))
        try:
            async with Hub(settings.host, settings.port, settings.tls, tell=tell) as hub:
                opened.append(Vantages(hub, loop))
                ready.set()
                await over.wait()
        except OSError as exc:
            opened.append(exc)
        finally:
            ready.set()

    thread = threading.Thread(target=lambda: asyncio.run(scene()), name="probe hub", daemon=True)
    thread.start()
    ready.wait(_START_WITHIN_S)
    if not opened or isinstance(opened[0], OSError):
        why = str(opened[0]) if opened else "it did not start"
        raise UsageError(
            f"no agents can be heard on {settings.host}:{settings.port}: {why}",
            mend=f"look at {HUB} and the files in {', '.join(VARIABLES[1:])}",
        )
    try:
        yield opened[0]
    finally:
        stop[0]()
        thread.join(_START_WITHIN_S)
