"""A vantage in a site: takes orders to probe from the orchestrator, and judges by itself while it is cut off.

Callers: `duoyun probe agent`. It connects out, so that a site needs no way in. What it was last ordered to look at, and
what it was given at its start, it goes on watching with a detector of its own while nobody is there; its verdicts are
handed over when somebody is again. After FORGET_S it goes on with what it was given at its start only: pods that were
ordered come and go. Bounds: KNOWN_MOST targets, UNDER_WAY_MOST probes at once, KEPT_MOST verdicts.
Non-goals: acting on a verdict; deciding what to look at.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections import OrderedDict, deque
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Final

from model.rng import stream
from probes.detector import Detector
from probes.dial import NoAddressError, Resolver
from probes.messages import (
    MAX_LINE_BYTES,
    MAX_NAME,
    MAX_UNREAD_BYTES,
    BadMessageError,
    Hello,
    LocalVerdict,
    Order,
    Report,
    decode_from_hub,
    encode,
)
from probes.mutual_tls import MutualTls
from probes.policy import ProbePolicy, Send, Vantage, Verdict
from probes.prober import Prober
from probes.targets import Look, ProbeTarget
from probes.watching import watch

KNOWN_MOST: Final = 10_000
UNDER_WAY_MOST: Final = 1_000
KEPT_MOST: Final = 1_000
FORGET_S: Final = 3600.0
CONNECT_TIMEOUT_S: Final = 10.0
SILENT_MOST_S: Final = 90.0  # the orchestrator sends a word at least every 30 s: after three without, it is gone
Tell = Callable[[str], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class AgentPolicy:
    """Back-off between attempts to connect: from first_s, doubled, to most_s, with jitter."""

    first_s: float = 0.5
    most_s: float = 30.0
    probes: ProbePolicy = field(default_factory=ProbePolicy)


class Agent:
    """Run it once. tell: a line for the log at each change; on_verdict, on_look: told of local verdicts and probes."""

    def __init__(
        self,
        vantage: Vantage,
        hub: tuple[str, int],
        tls: MutualTls,
        targets: Iterable[ProbeTarget] = (),
        *,
        tell: Tell = lambda _: None,
        on_verdict: Callable[[Verdict], None] = lambda _: None,
        on_look: Callable[[Look], None] | None = None,
        policy: AgentPolicy | None = None,
    ) -> None:
        self._vantage = vantage
        self._hub = hub
        self._tls = tls
        self._tell = tell
        self._on_verdict = on_verdict
        self._on_look = on_look
        self._policy = policy or AgentPolicy()
        self._own = {t.name: t for t in targets}
        self._ordered: OrderedDict[str, ProbeTarget] = OrderedDict()
        self._resolver = Resolver()
        self._why_not = ""  # the last attempt's failure: it is told when it changes
        self._kept: deque[tuple[float, Verdict]] = deque(maxlen=KEPT_MOST)
        self._under_way = 0  # orders
        self.refused = 0  # orders beyond UNDER_WAY_MOST

    async def run(self, stop: asyncio.Event) -> None:
        """Until stop is set. Never raises for what the network or the other side does."""
        rng, wait_s = stream(self._vantage.name, "reconnect"), self._policy.first_s
        async with Prober(self._vantage.name) as prober:
            alone = asyncio.create_task(self._alone(prober))
            try:
                while not stop.is_set():
                    connected = await self._connect(stop)
                    if connected is not None:
                        await _ended(alone)
                        wait_s = self._policy.first_s
                        await self._serve(prober, *connected, stop)
                        alone = asyncio.create_task(self._alone(prober))
                    with contextlib.suppress(TimeoutError):
                        async with asyncio.timeout(wait_s * rng.uniform(0.5, 1.0)):
                            await stop.wait()
                    wait_s = min(self._policy.most_s, wait_s * 2)
            finally:
                await _ended(alone)

    async def _connect(self, stop: asyncio.Event) -> tuple[asyncio.StreamReader, asyncio.StreamWriter] | None:
        host, port = self._hub
        stopping = asyncio.create_task(stop.wait())
        try:
            opening = asyncio.create_task(self._open())
            waiting = {opening, stopping}
            await asyncio.wait(waiting, timeout=CONNECT_TIMEOUT_S, return_when=asyncio.FIRST_COMPLETED)
            if opening.done():
                return opening.result()
            await _ended(opening)
            why = "no connection in time"
        except (OSError, UnicodeError, NoAddressError) as exc:
            why = str(exc)
        finally:
            await _ended(stopping)
        if why != self._why_not and not stop.is_set():
            self._tell(f"{host}:{port} cannot be reached: {why}; judging by myself")
        self._why_not = why
        return None

    async def _open(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        """The first address of the hub's that takes us. Raises OSError, UnicodeError, NoAddressError."""
        host, port = self._hub
        addresses, _ = await self._resolver.addresses(host, port)
        tls, failed = self._tls.client(), OSError("no address")
        for _, address in addresses:
            try:
                return await asyncio.open_connection(
                    str(address[0]), port, ssl=tls, server_hostname=host, limit=MAX_LINE_BYTES
                )
            except OSError as exc:
                failed = exc
        raise failed

    async def _serve(
        self, prober: Prober, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, stop: asyncio.Event
    ) -> None:
        self._tell(f"connected to {self._hub[0]}:{self._hub[1]}")
        self._why_not = ""
        stopping = asyncio.create_task(stop.wait())
        stopping.add_done_callback(lambda _: writer.transport.abort())
        try:
            writer.write(encode(Hello(self._vantage.name, self._vantage.failure_domain)))
            self._hand_over(writer)
            why = "it closed the connection"
            while line := await _line(reader):
                if line.strip():
                    self._obey(prober, decode_from_hub(line), writer)
        except (OSError, TimeoutError, ValueError, BadMessageError) as exc:
            why = str(exc) or "it says nothing"  # ValueError: a line longer than MAX_LINE_BYTES
        finally:
            await _ended(stopping)
            writer.transport.abort()
        if not stop.is_set():
            self._tell(f"cut off from the orchestrator: {why}; judging by myself")

    def _hand_over(self, writer: asyncio.StreamWriter) -> None:
        now_s = time.monotonic()
        while self._kept:
            at_s, verdict = self._kept.popleft()
            told = LocalVerdict(verdict.target, verdict.status, max(0.0, now_s - at_s), verdict.evidence[:MAX_NAME])
            writer.write(encode(told))

    def _obey(self, prober: Prober, order: Order, writer: asyncio.StreamWriter) -> None:
        if self._under_way >= UNDER_WAY_MOST:
            self.refused += 1
            return
        self._ordered[order.target.name] = order.target
        self._ordered.move_to_end(order.target.name)
        while len(self._ordered) > KNOWN_MOST:
            self._ordered.popitem(last=False)
        self._under_way += 1
        send = Send(0.0, order.target.name, self._vantage.name, order.fresh, order.timeout_s)
        prober.ask(order.target, send, lambda look: self._report(order, writer, look))

    def _report(self, order: Order, writer: asyncio.StreamWriter, look: Look | None) -> None:
        self._under_way -= 1
        if look is None:
            return
        if self._on_look is not None:
            self._on_look(look)
        found = look.result
        report = Report(
            order.number, found.outcome, found.elapsed_s, found.loop_lag_s, look.reason[:MAX_NAME], look.http_status
        )
        if writer.transport.get_write_buffer_size() > MAX_UNREAD_BYTES:
            writer.transport.abort()
        if not writer.is_closing():
            writer.write(encode(report))

    async def _alone(self, prober: Prober) -> None:
        """Watches what is known until cancelled. Verdicts are kept, and told."""
        if self._ordered:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(FORGET_S):
                    await self._watch({**self._own, **self._ordered}, prober)
            self._ordered.clear()
        await self._watch(self._own, prober)

    async def _watch(self, targets: Mapping[str, ProbeTarget], prober: Prober) -> None:
        if not targets:
            return
        # One vantage sees one vantage's share: the quorum is what it is, the gate that acts is not here.
        detector = Detector(replace(self._policy.probes, down_vantages=1), [self._vantage], self._vantage.name)

        def on_verdict(verdict: Verdict) -> None:
            self._kept.append((time.monotonic(), verdict))
            self._on_verdict(verdict)

        await watch(
            detector, targets.values(), {self._vantage.name: prober}, on_verdict, asyncio.Event(), self._on_look
        )


async def _line(reader: asyncio.StreamReader) -> bytes:
    async with asyncio.timeout(SILENT_MOST_S):
        return await reader.readline()


async def _ended(*tasks: asyncio.Task[object]) -> None:
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
