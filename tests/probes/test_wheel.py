"""The wheel over real sockets: rounds, timeouts that are noticed a turn later, servers that come and go."""

from __future__ import annotations

import asyncio
import contextlib
import json
import socket
import struct
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

import pytest

from benchmarks.prober import main
from probes import calls, stamps
from probes.policy import Outcome
from probes.wheel import Wheel

Seen = list[tuple[int, float, Outcome, float]]
NEVER = ("/mute", "/drips")  # that never answer in time, however quick the machine is
WITHIN_S = 30.0


async def spin(targets: list[tuple[str, int, str]], enough: Callable[[Seen], bool], period_s: float = 0.1) -> Seen:
    """Asks until enough was seen, for WITHIN_S at most."""
    seen: Seen = []
    wheel = Wheel(targets, lambda i, _s, e, o, lag: seen.append((i, e, o, lag)), period_s, 0.3)
    await wheel.connect()
    stop = asyncio.Event()
    running = asyncio.create_task(wheel.run(stop))
    until_s = time.monotonic() + WITHIN_S
    while not enough(seen) and time.monotonic() < until_s:
        await asyncio.sleep(0.02)
    stop.set()
    await running
    return seen


async def served(answers: dict[str, bytes | None]) -> Counter[tuple[str, str]]:
    """Asks each path of one server until each was heard of three times; what came of each. None: never answered."""

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while head := await reader.readuntil(b"\r\n\r\n"):
                answer = answers[head.split(b" ")[1].decode()]
                if answer is not None:
                    for part in (answer[:20], answer[20:]) if b"split" in head else (answer,):
                        writer.write(part)
                        await asyncio.sleep(0.005)
        except (OSError, asyncio.IncompleteReadError, asyncio.CancelledError):
            writer.close()

    server = await asyncio.start_server(handle, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    paths = list(answers)

    def enough(seen: Seen) -> bool:
        heard = Counter(i for i, _, o, _ in seen if o is not Outcome.TIMEOUT or paths[i] in NEVER)
        return all(heard[i] >= 3 for i in range(len(paths)))

    seen = await spin([("127.0.0.1", port, p) for p in paths], enough)
    server.close()
    return Counter((paths[i], o.value) for i, _, o, _ in seen)


def test_each_kind_of_answer() -> None:
    ok = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
    found = asyncio.run(
        served(
            {
                "/well": ok,
                "/split": ok,
                "/chunked": b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n",
                "/closing": b"HTTP/1.1 204 No\r\nconnection: close\r\n\r\n",
                "/unwell": b"HTTP/1.1 503 No\r\nContent-Length: 0\r\n\r\n",
                "/nonsense": b"hello\r\n\r\n",
                "/mute": None,
                "/moved": b"HTTP/1.1 302 Found\r\nlocation: /well\r\nContent-Length: 0\r\n\r\n",
                "/elsewhere": b"HTTP/1.1 302 Found\r\nlocation: http://192.0.2.1/\r\nContent-Length: 0\r\n\r\n",
                "/nowhere": b"HTTP/1.1 302 Found\r\nlocation: http://[\r\nContent-Length: 0\r\n\r\n",
                "/endless": b"HTTP/1.1 200 OK\r\nContent-Length: 999999999\r\n\r\n" + b"x" * 300_000,
                "/drips": b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nx",
            },
        )
    )
    on_a_busy_machine = {"timeout"}  # anything may come too late
    assert {
        path: {o for p, o in found if p == path} - (on_a_busy_machine if path not in NEVER else set())
        for path, _ in found
    } == {
        "/well": {"ok"},
        "/split": {"ok"},
        "/chunked": {"ok"},
        "/closing": {"ok"},
        "/unwell": {"unhealthy"},
        "/nonsense": {"unhealthy"},
        "/mute": {"timeout"},
        "/moved": {"ok"},
        "/elsewhere": {"unhealthy"},
        "/nowhere": {"unhealthy"},
        "/endless": {"ok"},
        "/drips": {"timeout"},
    }


def test_nobody_listens_at_a_wheels_target() -> None:
    seen = asyncio.run(spin([("127.0.0.1", 1, "/")], lambda seen: len(seen) >= 2))
    assert {o for _, _, o, _ in seen} == {Outcome.REFUSED}
    assert len(seen) >= 2


def test_periods_and_timeouts_that_make_no_sense() -> None:
    for period_s, timeout_s in ((0.001, 1.0), (1.0, 0.0)):
        with pytest.raises(ValueError, match="above"):
            Wheel([], lambda *_: None, period_s, timeout_s)


def test_the_benchmark_runs_and_counts(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--targets", "50", "--seconds", "1.2", "--warm-up", "0.2", "-o", "json"]) == 0
    found = json.loads(capsys.readouterr().out)
    for run in ("idle", "busy", "idle_without_stamps", "busy_without_stamps"):
        assert set(found[run]["outcomes"]) <= {"ok", "timeout"}
        assert found[run]["outcomes"]["ok"] >= 20
    assert found["idle"]["rtt_error_p50_ms"] < 1
    assert found["idle"]["core_share"] < 1


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


def read_late(server: Answering, by_s: float, *, kernel: bool) -> tuple[float, float, Outcome, float]:
    """A second answer waits for so long before the loop, which stands still, reads it: sent_s and the rest of it."""
    seen: list[tuple[float, float, Outcome, float]] = []

    def on_answer(_index: int, sent_s: float, elapsed_s: float, outcome: Outcome, lag_s: float) -> None:
        seen.append((sent_s, elapsed_s, outcome, lag_s))

    async def go() -> None:
        stop = asyncio.Event()
        wheel = Wheel([(*server.at, "/")], on_answer, 0.1, 0.3, kernel_times=kernel)
        await wheel.connect()
        running = asyncio.create_task(wheel.run(stop))
        while len(seen) < 2:
            await asyncio.sleep(0)
            if len(seen) == 1 and wheel._spokes[0].pending_s:
                while len(server.wrote_s) < 2 or time.monotonic() < server.wrote_s[1] + by_s:
                    threading.Event().wait(0.01)
        stop.set()
        await running

    asyncio.run(go())
    return seen[1]


def test_a_loop_that_stood_still_knows_when_the_answer_came(answering: Answering) -> None:
    """Even beyond the timeout: what waits to be read was not late."""
    sent_s, elapsed_s, outcome, _ = read_late(answering, 0.4, kernel=True)
    assert outcome is Outcome.OK
    assert sent_s + elapsed_s < answering.wrote_s[1] + 0.01


def test_without_the_kernels_stamps_the_loops_lag_is_told(answering: Answering) -> None:
    sent_s, elapsed_s, outcome, lag_s = read_late(answering, 0.2, kernel=False)
    assert outcome is Outcome.OK
    assert sent_s + elapsed_s >= answering.wrote_s[1] + 0.2
    assert lag_s >= 0.15


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
    before_s = time.time()
    far.sendall(b"answer")
    assert found.read(near) == b"answer"
    assert found.stamp_s is not None
    assert before_s - 0.001 <= found.stamp_s <= time.time() + 0.001
    near.setsockopt(socket.SOL_SOCKET, stamps.TIMESTAMPNS, 0)
    far.sendall(b"x" * (calls.READ_BYTES + 1))
    assert len(found.read(near)) + len(found.read(near)) == calls.READ_BYTES + 1
    assert found.stamp_s is None
    far.close()
    assert found.read(near) == b""
    near.close()
    for call in (lambda: found.read(near), lambda: found.send(near, b"ask")):
        with pytest.raises(OSError, match="Bad file descriptor"):
            call()


def test_a_thread_that_never_rests_gets_nothing_of_a_held_call(pair: tuple[socket.socket, socket.socket]) -> None:
    """Python's own methods hand the interpreter's lock over at each call, to whoever waits for it."""
    near, far = pair
    far.sendall(b"answer")
    found, halt, done = calls.Held(), threading.Event(), [0]

    def restless() -> None:
        while not halt.is_set():
            done[0] += 1

    before_s = sys.getswitchinterval()
    thread = threading.Thread(target=restless)
    thread.start()
    sys.setswitchinterval(10.0)
    try:
        counted = done[0]
        for _ in range(1000):
            found.send(near, b"ask")
        assert found.read(near) == b"answer"
        assert done[0] == counted
    finally:
        halt.set()
        sys.setswitchinterval(before_s)
        thread.join()


def test_ticks_that_were_missed_are_made_up_for_together() -> None:
    """A loop that gets its turn each 0.03 s asks as often as one that rests."""
    seen: Seen = []

    async def go() -> int:
        wheel = Wheel([("127.0.0.1", 1, "/")] * 50, lambda i, _s, e, o, lag: seen.append((i, e, o, lag)), 1.0, 0.3)
        stop, turns = asyncio.Event(), 0
        running = asyncio.create_task(wheel.run(stop))
        while len({i for i, *_ in seen}) < 50:
            threading.Event().wait(0.03)
            await asyncio.sleep(0)
            turns += 1
        stop.set()
        await running
        return turns

    assert asyncio.run(go()) < 70  # one tick a turn would take 100


def test_stamps_are_read_and_a_wall_clock_that_was_set_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    stamp = (socket.SOL_SOCKET, 64, struct.pack("qq", 5, 250_000_000))
    assert stamps.wall_s([stamp]) == 5.25
    assert stamps.wall_s([]) is stamps.wall_s([(socket.SOL_SOCKET, 64, b"short")]) is None
    wall = stamps.Wall()
    now = {"wall": 1000.0, "step": 0.0}
    monkeypatch.setattr(stamps.time, "time", lambda: now["wall"])
    monkeypatch.setattr(stamps.time, "monotonic", lambda: now.update(wall=now["wall"]) or 10.0)
    assert wall.ahead_s() == wall.ahead_s() == 990.0
    now["wall"] += 3600.0
    assert wall.ahead_s() is None  # set: the stamps of answers that wait are of the old time
    assert wall.ahead_s() == 990.0 + 3600.0
