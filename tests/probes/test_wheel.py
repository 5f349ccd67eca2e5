"""The wheel over real sockets: rounds, timeouts that are noticed a turn later, servers that come and go."""

from __future__ import annotations

import asyncio
import json
from collections import Counter

import pytest

from benchmarks.prober import main
from probes.policy import Outcome
from probes.wheel import Wheel

Seen = list[tuple[int, float, Outcome, float]]


async def spin(targets: list[tuple[str, int, str]], seconds: float, period_s: float = 0.1) -> Seen:
    seen: Seen = []
    wheel = Wheel(targets, lambda i, _s, e, o, lag: seen.append((i, e, o, lag)), period_s, 0.3)
    await wheel.connect()
    stop = asyncio.Event()
    running = asyncio.create_task(wheel.run(stop))
    await asyncio.sleep(seconds)
    stop.set()
    await running
    return seen


async def served(answers: dict[str, bytes | None], seconds: float) -> Counter[tuple[str, str]]:
    """Asks each path of one server; what came of each. None: never answered."""

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
    seen = await spin([("127.0.0.1", port, p) for p in paths], seconds)
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
            },
            1.6,
        )
    )
    assert {path: {o for p, o in found if p == path} for path, _ in found} == {
        "/well": {"ok"},
        "/split": {"ok"},
        "/chunked": {"ok"},
        "/closing": {"ok"},
        "/unwell": {"unhealthy"},
        "/nonsense": {"unhealthy"},
        "/mute": {"timeout"},
    }
    assert found["/well", "ok"] >= 5
    assert found["/mute", "timeout"] >= 1


def test_nobody_listens_at_a_wheels_target() -> None:
    seen = asyncio.run(spin([("127.0.0.1", 1, "/")], 0.5))
    assert {o for _, _, o, _ in seen} == {Outcome.REFUSED}
    assert len(seen) >= 2


def test_periods_and_timeouts_that_make_no_sense() -> None:
    for period_s, timeout_s in ((0.001, 1.0), (1.0, 0.0)):
        with pytest.raises(ValueError, match="above"):
            Wheel([], lambda *_: None, period_s, timeout_s)


def test_the_benchmark_runs_and_counts(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--targets", "50", "--seconds", "1.2", "-o", "json"]) == 0
    found = json.loads(capsys.readouterr().out)
    for run in ("idle", "busy"):
        assert set(found[run]["outcomes"]) <= {"ok", "timeout"}
        assert found[run]["outcomes"]["ok"] >= 25
    assert found["idle"]["core_share"] < 1
