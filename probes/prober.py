"""Opens the sockets: one HTTP or TCP probe with its time, and a loop that lets a detector drive probes.

Callers: orchestrator (release gates), later a probe agent. Redirects are never followed, bodies are read up to a
limit, the proxy of the environment is not used: a probe asks the target and nobody else. Non-goals: verdicts.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Final

import httpx

from probes.detector import Detector
from probes.policy import Outcome, Result, Send, Verdict

MAX_BODY_BYTES: Final = 64 * 1024
TICK_S: Final = 0.25
LAG_PERIOD_S: Final = 0.05


@dataclass(frozen=True, slots=True)
class ProbeTarget:
    """What to ask. path: of an HTTP probe (status 200 to 399 is well); "" probes TCP only.

    host: name or address to connect to. host_header: what the request says instead, where it differs.
    """

    name: str
    host: str
    port: int
    path: str = "/healthz"
    host_header: str = ""
    tls: bool = False

    @property
    def url(self) -> str:
        """Where the HTTP request goes."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{'https' if self.tls else 'http'}://{host}:{self.port}{self.path}"


class LagMeter:
    """Measures how late the event loop runs, so that a busy prober can distrust its own times."""

    def __init__(self) -> None:
        self._worst: list[tuple[float, float]] = []  # (when, lag), of the last half minute

    async def run(self) -> None:
        """Until cancelled."""
        while True:
            before_s = time.monotonic()
            await asyncio.sleep(LAG_PERIOD_S)
            now_s = time.monotonic()
            self._worst.append((now_s, max(0.0, now_s - before_s - LAG_PERIOD_S)))
            if len(self._worst) > 2 * 600:
                del self._worst[:600]

    def worst_since(self, since_s: float) -> float:
        """The largest lag in seconds that was seen since then; 0 where nothing was measured."""
        return max((lag for when, lag in self._worst if when >= since_s), default=0.0)


class Prober:
    """Sends probes from one vantage. Open it with `async with`; safe for any number of probes at once."""

    def __init__(self, vantage: str) -> None:
        self._vantage = vantage
        self._lag = LagMeter()
        self._meter: asyncio.Task[None] | None = None
        self._client: httpx.AsyncClient | None = None

    async def __aenter__(self) -> Prober:
        self._client = _client(keep_alive=True)
        self._meter = asyncio.create_task(self._lag.run())
        return self

    async def __aexit__(self, *_exc: object) -> None:
        if self._meter is not None:
            self._meter.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._meter
        if self._client is not None:
            await self._client.aclose()

    async def probe(self, target: ProbeTarget, send: Send) -> Result:
        """One probe; never raises for what the target or the network does. elapsed_s is measured here."""
        began_s = time.monotonic()
        try:
            async with asyncio.timeout(send.timeout_s):
                outcome = await (self._http(target, send) if target.path else _tcp(target))
        except (TimeoutError, httpx.TimeoutException):
            outcome = Outcome.TIMEOUT
        elapsed_s = time.monotonic() - began_s
        return Result(self._vantage, target.name, send.sent_s, elapsed_s, outcome, self._lag.worst_since(began_s))

    async def _http(self, target: ProbeTarget, send: Send) -> Outcome:
        if self._client is None:
            raise RuntimeError("open the prober with `async with` first")
        if not send.fresh:
            return await _request(self._client, target)
        async with _client(keep_alive=False) as client:
            return await _request(client, target)


def _client(*, keep_alive: bool) -> httpx.AsyncClient:
    limits = httpx.Limits(max_connections=None, max_keepalive_connections=None if keep_alive else 0)
    return httpx.AsyncClient(timeout=None, limits=limits, follow_redirects=False, trust_env=False)  # noqa: S113


async def _request(client: httpx.AsyncClient, target: ProbeTarget) -> Outcome:
    headers = {"user-agent": "duoyun-probe", **({"host": target.host_header} if target.host_header else {})}
    try:
        async with client.stream("GET", target.url, headers=headers) as response:
            read = 0
            async for chunk in response.aiter_raw():
                read += len(chunk)
                if read > MAX_BODY_BYTES:
                    break  # it answered; how much it has to say is its own affair
            return Outcome.OK if 200 <= response.status_code < 400 else Outcome.UNHEALTHY
    except httpx.TimeoutException:
        raise
    except httpx.ConnectError as exc:
        return _connect_outcome(exc)
    except (httpx.ReadError, httpx.WriteError, httpx.CloseError):
        return Outcome.REFUSED
    except httpx.RemoteProtocolError:
        return Outcome.UNHEALTHY
    except (httpx.HTTPError, httpx.InvalidURL, UnicodeError):
        return Outcome.ERROR


async def _tcp(target: ProbeTarget) -> Outcome:
    try:
        _, writer = await asyncio.open_connection(target.host, target.port)
    except (OSError, UnicodeError) as exc:  # UnicodeError: what idna makes of a name that is none
        return _connect_outcome(exc)
    writer.close()
    with contextlib.suppress(OSError):
        await writer.wait_closed()
    return Outcome.OK


def _connect_outcome(exc: BaseException) -> Outcome:
    """refused where the target said no; error where we could not even ask (name, route)."""
    seen: BaseException | None = exc
    while seen is not None:
        if isinstance(seen, (ConnectionRefusedError, ConnectionResetError)):
            return Outcome.REFUSED
        if isinstance(seen, OSError) and "refused" in str(seen).lower():
            return Outcome.REFUSED  # several addresses tried: asyncio wraps the refusals in one OSError
        seen = seen.__cause__ or seen.__context__
    return Outcome.ERROR


async def watch(
    detector: Detector,
    targets: Iterable[ProbeTarget],
    probers: Mapping[str, Prober],
    on_verdict: Callable[[Verdict], None],
    stop: asyncio.Event,
) -> None:
    """Lets the detector drive the probers (one a vantage) until stop is set. Pending probes are cancelled then."""
    by_name = {t.name: t for t in targets}
    for name in by_name:
        detector.watch(name, time.monotonic())
    running: set[asyncio.Task[None]] = set()

    async def run(send: Send) -> None:
        detector.on_result(await probers[send.vantage].probe(by_name[send.target], send))

    try:
        while not stop.is_set():
            for order in detector.poll(time.monotonic()):
                if isinstance(order, Verdict):
                    on_verdict(order)
                else:
                    task = asyncio.create_task(run(order))
                    running.add(task)
                    task.add_done_callback(running.discard)
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(stop.wait(), TICK_S)
    finally:
        for task in running:
            task.cancel()
        await asyncio.gather(*running, return_exceptions=True)


def probe_once(targets: Iterable[ProbeTarget], *, timeout_s: float = 5.0, vantage: str = "here") -> list[Result]:
    """Asks each target once, all at the same time, on fresh connections. For gates that want one look."""

    async def ask() -> list[Result]:
        async with Prober(vantage) as prober:
            now_s = time.monotonic()
            sends = [(t, Send(now_s, t.name, vantage, True, timeout_s)) for t in targets]
            return await asyncio.gather(*(prober.probe(t, s) for t, s in sends))

    return asyncio.run(ask())
