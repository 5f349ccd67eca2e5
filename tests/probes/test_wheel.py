"""What is the wheel's own: the kernel's stamps, timeouts without timers, kept connections, room, and the benchmark."""

from __future__ import annotations

import asyncio
import contextlib
import json
import socket
import struct
import sys
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import pytest

from benchmarks.prober import main
from probes import calls, stamps
from probes.policy import Outcome, Send
from probes.prober import Prober, VantageGoneError
from probes.targets import Look, ProbeTarget

WITHIN_S = 30.0


@dataclass
class Answering:
    """A server in a thread of its own: it answers while our loop stands still. wrote_s: when it had, each time."""

    at: tuple[str, int]
    wrote_s: list[float] = field(default_factory=list)


@pytest.fixture
def answering() -> Iterator[Answering]:
    listener = socket.create_server(("127.0.0.1", 0))
    found = Answering(listener.getsockname())

    def serve() -> None:
        client, _ = listener.accept()
        with client, contextlib.suppress(ConnectionResetError):  # the wheel may end with an answer unread
            while client.recv(4096):
                client.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
                found.wrote_s.append(time.monotonic())

    with listener:
        thread = threading.Thread(target=serve)
        thread.start()
        yield found
        thread.join(10)


def read_late(server: Answering, by_s: float, *, kernel: bool) -> tuple[float, Look]:
    """An answer waits for so long before the loop, which stands still, reads it; when we asked, and what we saw."""

    async def go() -> tuple[float, Look]:
        seen: list[Look | None] = []
        async with Prober("here", kernel_times=kernel) as prober:
            target, send = ProbeTarget("t", *server.at), Send(0.0, "t", "here", timeout_s=0.3)
            for _ in range(1000):
                look = await prober.look(target, send)
                assert look.result.outcome is Outcome.OK
                if not kernel or look.result.loop_lag_s < 0.001:  # as below: stamps come a moment later
                    break
            before, asked_s = len(server.wrote_s), time.monotonic()
            prober.ask(target, send, seen.append)
            while len(server.wrote_s) == before or time.monotonic() < server.wrote_s[-1] + by_s:
                threading.Event().wait(0.01)
            while not seen:
                await asyncio.sleep(0)
        assert seen[0] is not None
        return asked_s, seen[0]

    return asyncio.run(go())


def test_a_loop_that_stood_still_knows_when_the_answer_came(answering: Answering) -> None:
    """Even beyond the timeout: what waits to be read was not late."""
    asked_s, look = read_late(answering, 0.4, kernel=True)
    assert look.result.outcome is Outcome.OK
    assert asked_s + look.result.elapsed_s < answering.wrote_s[-1] + 0.01


def test_without_the_kernels_stamps_the_loops_lag_is_told(answering: Answering) -> None:
    asked_s, look = read_late(answering, 0.2, kernel=False)
    assert look.result.outcome is Outcome.OK
    assert asked_s + look.result.elapsed_s >= answering.wrote_s[-1] + 0.2 - 0.001
    assert look.result.loop_lag_s >= 0.15


@pytest.fixture
def pair() -> Iterator[tuple[socket.socket, socket.socket]]:
    """A connection that asks for stamps, neither end of which blocks."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        near = socket.create_connection(listener.getsockname())
        far, _ = listener.accept()
    with near, far:
        assert stamps.wanted(near)
        near.setblocking(False)
        yield near, far


@pytest.mark.parametrize("kind", [calls.Plain, calls.Held])
def test_both_ways_to_read_and_send(kind: type[calls.Plain], pair: tuple[socket.socket, socket.socket]) -> None:
    near, far = pair
    found = kind()
    with pytest.raises(BlockingIOError):
        found.read(near)
    assert found.send(near, b"ask") == 3
    assert far.recv(10) == b"ask"
    for _ in range(1000):
        before_s = time.time()
        far.sendall(b"answer")
        assert found.read(near) == b"answer"
        if found.stamp_s is not None:  # the kernel begins to stamp a moment after it is told
            break
        threading.Event().wait(0.001)
    assert found.stamp_s is not None
    assert before_s - 0.001 <= found.stamp_s <= time.time() + 0.001
    near.setsockopt(socket.SOL_SOCKET, stamps.TIMESTAMPNS, 0)
    far.sendall(b"x" * (calls.READ_BYTES + 1))
    assert len(found.read(near)) + len(found.read(near)) == calls.READ_BYTES + 1
    assert found.stamp_s is None
    far.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    far.close()
    with pytest.raises(ConnectionResetError):
        found.read(near)
    here, there = socket.socketpair()
    there.close()
    with here:
        assert found.read(here) == b""
    near.close()
    for call in (lambda: found.read(near), lambda: found.send(near, b"ask")):
        with pytest.raises(OSError, match="Bad file descriptor"):
            call()


def test_a_thread_that_never_rests_gets_nothing_of_a_held_call(pair: tuple[socket.socket, socket.socket]) -> None:
    """Python's own methods hand the interpreter's lock over at each call, to whoever waits for it."""
    near, far = pair
    far.sendall(b"answer")
    found, halt, done = calls.Held(), threading.Event(), [0]

    go = threading.Event()

    def restless() -> None:
        go.wait()
        while not halt.is_set():
            done[0] += 1

    before_s = sys.getswitchinterval()
    thread = threading.Thread(target=restless)
    thread.start()
    sys.setswitchinterval(10.0)  # before the other thread begins to wait for the lock: a wait keeps its interval
    try:
        counted = done[0]
        go.set()
        for _ in range(1000):
            found.send(near, b"ask")
        assert found.read(near) == b"answer"
        assert done[0] == counted
    finally:
        halt.set()
        sys.setswitchinterval(before_s)
        thread.join()


def test_stamps_are_read_and_a_wall_clock_that_was_set_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    stamp = (socket.SOL_SOCKET, 64, struct.pack("qq", 5, 250_000_000))
    assert stamps.wall_s([stamp]) == 5.25
    assert stamps.wall_s([]) is stamps.wall_s([(socket.SOL_SOCKET, 64, b"short")]) is None
    wall = stamps.Wall()
    now = {"wall": 1000.0, "step": 0.0}
    monkeypatch.setattr("probes.stamps.time.time", lambda: now["wall"])
    monkeypatch.setattr("probes.stamps.time.monotonic", lambda: now.update(wall=now["wall"]) or 10.0)
    assert wall.ahead_s() == wall.ahead_s() == 990.0
    now["wall"] += 3600.0
    assert wall.ahead_s() is None  # set: the stamps of answers that wait are of the old time
    assert wall.ahead_s() == 990.0 + 3600.0


OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"


class Server:
    """Answers what its path says: /ok at once, /mute never, /closing and says that it ends the connection."""

    def __init__(self) -> None:
        self.opened = 0
        self.writers: set[asyncio.StreamWriter] = set()
        self.port = 0

    async def __aenter__(self) -> Server:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(self, *_exc: object) -> None:
        self._server.close()
        for writer in list(self.writers):
            writer.close()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.opened += 1
        self.writers.add(writer)
        with contextlib.suppress(OSError, asyncio.IncompleteReadError, asyncio.CancelledError):
            while head := await reader.readuntil(b"\r\n\r\n"):
                if b"/mute" not in head:
                    writer.write(OK)
        self.writers.discard(writer)
        writer.close()

    def target(self, path: str = "/ok", name: str = "t") -> ProbeTarget:
        return ProbeTarget(name, "127.0.0.1", self.port, path)


def order(*, fresh: bool = False, timeout_s: float = 5.0, name: str = "t") -> Send:
    return Send(1.0, name, "here", fresh, timeout_s)


def test_a_question_that_hangs_is_asked_again_beside_it_and_its_connection_given_up() -> None:
    async def go() -> None:
        async with Server() as server, Prober("here") as prober:
            mute = server.target("/mute")
            told: list[Look | None] = []
            for _ in range(3):
                prober.ask(mute, order(timeout_s=0.3), told.append)
            while len(told) < 3:
                await asyncio.sleep(0.01)
            assert server.opened == 3
            looks = [look for look in told if look is not None]
            assert [(k.result.outcome, k.reason) for k in looks] == [(Outcome.TIMEOUT, "no answer within 0.3 s")] * 3
            assert all(0.3 - 1e-6 <= look.result.elapsed_s < WITHIN_S for look in looks)
            assert not prober.wheel.open_connections

    asyncio.run(asyncio.wait_for(go(), WITHIN_S))


def test_timeouts_of_different_lengths_come_in_their_own_time() -> None:
    async def go() -> list[str]:
        told: list[str] = []
        async with Server() as server, Prober("here") as prober:
            for timeout_s in (20.0, 0.2, 0.5):
                name = f"{timeout_s:g}"

                def tell(look: Look | None, name: str = name) -> None:
                    told.append(name if look is not None else f"{name}: nobody looked")

                prober.ask(server.target("/mute", name), order(timeout_s=timeout_s, name=name), tell)
            while len(told) < 2:
                await asyncio.sleep(0.01)
        return told

    assert asyncio.run(asyncio.wait_for(go(), WITHIN_S)) == ["0.2", "0.5", "20: nobody looked"]


def test_who_still_waits_when_the_prober_closes_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    real, over = socket.getaddrinfo, threading.Event()

    def hangs(host: str, *args: Any, **kwargs: int) -> object:
        if not kwargs.get("flags"):
            over.wait(20)
        return real(host, *args, **kwargs)

    monkeypatch.setattr(socket, "getaddrinfo", hangs)

    async def go() -> None:
        async with Server() as server:
            async with Prober("here") as prober:
                kept = asyncio.create_task(prober.look(server.target("/mute"), order()))
                connecting = asyncio.create_task(prober.look(ProbeTarget("x", "x.example", 80), order(name="x")))
                by_task = asyncio.create_task(prober.look(ProbeTarget("y", "y.example", 80, ""), order(name="y")))
                while not server.writers:
                    await asyncio.sleep(0.01)
            over.set()
            for looking in (kept, connecting, by_task):
                with pytest.raises(VantageGoneError, match="closed"):
                    await looking

    asyncio.run(asyncio.wait_for(go(), WITHIN_S))


@pytest.mark.skipif(not isinstance(calls.held_or(calls.Plain()), calls.Held), reason="64-bit Linux only")
def test_whoever_was_kept_waiting_once_keeps_the_lock_for_a_while(monkeypatch: pytest.MonkeyPatch) -> None:
    """As we asked, or in a turn: else each other question would be made to wait again."""
    monkeypatch.setattr("probes.wheel.LATE_FOR_S", 0.3)

    class Slow(calls.Plain):
        def send(self, sock: socket.socket, data: bytes) -> int:
            time.sleep(0.005)  # as long as it takes to have the lock back from a thread that never rests
            return super().send(sock, data)

    async def go() -> None:
        async with Server() as server, Prober("here") as prober:
            target = server.target()
            await prober.look(target, order())
            wheel = prober.wheel
            assert isinstance(wheel.calls, calls.Plain)
            wheel.calls = Slow()
            for _ in range(2):
                await prober.look(target, order())
                assert isinstance(wheel.calls, calls.Held)
            while isinstance(wheel.calls, calls.Held):
                await prober.look(target, order())

    asyncio.run(asyncio.wait_for(go(), WITHIN_S))


def test_connections_are_kept_as_far_as_there_is_room_and_the_rest_is_no_fault_of_the_target() -> None:
    async def go() -> None:
        async with Server() as server, Prober("here", room=8) as prober:
            for _ in range(2):
                for i in range(10):
                    name = f"t{i}"
                    look = await prober.look(server.target(name=name), order(name=name))
                    assert look.result.outcome is Outcome.OK
            assert prober.wheel.open_connections == 6  # three quarters
            told: list[Look | None] = []
            for i in range(3):
                prober.ask(server.target("/mute", f"m{i}"), order(timeout_s=0.5, name=f"m{i}"), told.append)
            assert [(look.result.outcome, look.result.loop_lag_s) for look in told if look] == [(Outcome.ERROR, 0.5)]
            assert "raise the limit of open files" in told[0].reason  # type: ignore[union-attr]
            while len(told) < 3:
                await asyncio.sleep(0.01)

    asyncio.run(asyncio.wait_for(go(), WITHIN_S))


def test_a_connection_that_nobody_uses_is_ended(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("probes.wheel.KEEP_S", 0.05)
    monkeypatch.setattr("probes.wheel.REST_S", 0.05)

    async def go() -> None:
        async with Server() as server, Prober("here") as prober:
            await prober.look(server.target(), order())
            assert prober.wheel.open_connections == 1
            while prober.wheel.open_connections:
                await asyncio.sleep(0.01)

    asyncio.run(asyncio.wait_for(go(), WITHIN_S))


def test_two_targets_of_one_name_share_no_connection() -> None:
    async def go() -> None:
        async with Server() as one, Server() as two, Prober("here") as prober:
            for _ in range(3):
                for server in (one, two):
                    assert (await prober.look(server.target(), order())).result.outcome is Outcome.OK
            assert (one.opened, two.opened) == (1, 3)  # the first of them keeps the place

    asyncio.run(asyncio.wait_for(go(), WITHIN_S))


def test_the_benchmark_runs_and_counts(capsys: pytest.CaptureFixture[str]) -> None:
    assert (
        main(["--targets", "50", "--seconds", "1.2", "--warm-up", "0.2", "--blackbox-per-s", "20", "-o", "json"]) == 0
    )
    found = json.loads(capsys.readouterr().out)
    for run in ("idle", "with_detectors", "busy", "idle_without_stamps", "busy_without_stamps"):
        assert set(found[run]["outcomes"]) == {"ok"}
        assert found[run]["outcomes"]["ok"] >= 20
    assert found["idle"]["rtt_error_p50_ms"] < 1
    assert found["idle"]["core_share"] < 1
    assert found["idle"]["core_share_with_detectors"] == found["with_detectors"]["core_share"]
