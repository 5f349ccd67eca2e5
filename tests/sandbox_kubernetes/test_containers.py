"""Containers by themselves: addresses, behaviour, and what is refused."""

from __future__ import annotations

import asyncio
import contextlib
import ipaddress
import itertools
import socket
from collections.abc import Awaitable, Callable
from typing import Any

import aiohttp
import pytest

from sandbox.containers import Behaviour, Containers, RunningContainer, image_is_missing
from sandbox.kubernetes.embedded import NoTime
from sandbox.world import ContainerSpec, ImageError


def _spec(*ports: int, image: str = "web:1", **behaviour: Any) -> ContainerSpec:
    return ContainerSpec(image, ports or (8080,), {}, behaviour, {"service": "web", "site": "a"})


def _run(test: Callable[[Containers, aiohttp.ClientSession], Awaitable[None]]) -> None:
    async def run() -> None:
        containers = Containers(NoTime(), seed=1)
        try:
            async with aiohttp.ClientSession() as session:
                await test(containers, session)
        finally:
            await containers.close()

    asyncio.run(run())


async def _start(containers: Containers, spec: ContainerSpec) -> RunningContainer:
    found = await containers.run(spec)
    assert isinstance(found, RunningContainer)
    return found


async def _status(
    session: aiohttp.ClientSession, container: RunningContainer, path: str = "/", port: int = 8080
) -> int:
    host, real = container.endpoint(port)
    async with session.get(f"http://{host}:{real}{path}") as answer:
        return answer.status


def test_each_container_has_an_address_of_its_own_and_answers_on_all_its_ports() -> None:
    async def test(containers: Containers, session: aiohttp.ClientSession) -> None:
        one, two = await _start(containers, _spec(8080, 9090)), await _start(containers, _spec())
        assert one.ip != two.ip
        assert one.ip.startswith("127.")
        assert [await _status(session, one, "/x", port) for port in (8080, 9090)] == [200, 200]
        async with session.get(f"http://{two.ip}:8080/any/path") as answer:
            body = await answer.json()
        assert body == {"service": "web", "site": "a", "image": "web:1", "path": "/any/path", "status": "ok"}
        await one.stop()
        await one.stop()
        with pytest.raises(aiohttp.ClientConnectionError):
            await _status(session, one)

    _run(test)


@pytest.mark.parametrize(
    ("behaviour", "health", "other"),
    [
        ({}, 200, 200),
        ({"never_ready": True}, 503, 503),
        ({"ready_after_s": 60}, 503, 503),
        ({"status": 418}, 418, 418),
        ({"error_rate": 1.0}, 200, 500),
    ],
)
def test_behaviour_shows_in_answers(behaviour: dict[str, Any], health: int, other: int) -> None:
    async def test(containers: Containers, session: aiohttp.ClientSession) -> None:
        container = await _start(containers, _spec(**behaviour))
        assert (await _status(session, container, "/healthz"), await _status(session, container)) == (health, other)

    _run(test)


def test_latency_and_error_rate_are_what_was_asked_for() -> None:
    async def test(containers: Containers, session: aiohttp.ClientSession) -> None:
        slow = await _start(containers, _spec(latency_ms=80))
        begin = asyncio.get_running_loop().time()
        await _status(session, slow)
        assert asyncio.get_running_loop().time() - begin >= 0.08
        flaky = await _start(containers, _spec(error_rate=0.5))
        codes = [await _status(session, flaky) for _ in range(100)]
        assert 25 <= codes.count(500) <= 75

    _run(test)


def test_a_crash_closes_the_listener_and_tells_its_code() -> None:
    async def test(containers: Containers, session: aiohttp.ClientSession) -> None:
        container = await _start(containers, _spec(crash_after_s=0.05))
        assert container.exited is None
        assert await container.wait() == 1
        assert container.exited == 1
        with pytest.raises(aiohttp.ClientConnectionError):
            await _status(session, container)
        again = await _start(containers, _spec(crash_after_s=0.0, exit_code=7))
        assert await again.wait() == 7

    _run(test)


def test_a_process_gets_its_address_and_is_ended_with_its_children() -> None:
    command = ["python3", "-m", "http.server", "--bind", "127.0.0.1", "0"]
    show = 'import os; print(os.environ["HOST"], os.environ["PORT"], os.environ["X"], "PATH" in os.environ)'

    async def test(containers: Containers, _session: aiohttp.ClientSession) -> None:
        spec = ContainerSpec("p:1", (8081,), {"X": "1"}, {"process": ["python3", "-c", show]}, {})
        shown = await _start(containers, spec)
        assert await shown.wait() == 0
        assert any(line == f"{shown.ip} 8081 1 True" for _at, line in shown.log)
        server = await _start(containers, ContainerSpec("p:1", (), {}, {"process": command}, {}))
        await server.stop()
        assert server.exited is not None

    _run(test)


@pytest.mark.parametrize(
    ("image", "missing"),
    [
        ("missing", True),
        ("registry.example:5000/team/missing-web:1", True),
        ("registry.example/web:missing-1", True),
        ("registry.example/web@sha256:abc", False),
        ("missing.example/web:1", False),
        ("web", False),
    ],
)
def test_which_images_are_missing(image: str, missing: bool) -> None:
    assert image_is_missing(image) is missing


def test_a_missing_image_and_a_bad_behaviour_are_refused() -> None:
    async def test(containers: Containers, _session: aiohttp.ClientSession) -> None:
        with pytest.raises(ImageError, match="missing"):
            await containers.run(_spec(image="missing:1"))
        with pytest.raises(ValueError, match="unknown behaviour"):
            await containers.run(_spec(speed=1))
        with pytest.raises(OSError, match="no-such-program"):
            await containers.run(_spec(process="no-such-program --flag"))

    _run(test)


def test_an_address_whose_port_is_taken_is_skipped() -> None:
    async def test(containers: Containers, _session: aiohttp.ClientSession) -> None:
        first = await _start(containers, _spec())
        following = first.ip.rpartition(".")
        with socket.socket() as holder:
            holder.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            # Somebody else may hold it already, which serves as well.
            with contextlib.suppress(OSError):
                holder.bind((f"{following[0]}.{int(following[2]) + 1}", 8080))
                holder.listen()
            second = await _start(containers, _spec())
        assert second.ip not in (first.ip, f"{following[0]}.{int(following[2]) + 1}")
        assert second.port_map == {}

    _run(test)


def test_a_port_that_is_taken_everywhere_is_moved(taken_port: int) -> None:
    async def test(containers: Containers, session: aiohttp.ClientSession) -> None:
        container = await _start(containers, _spec(taken_port))
        assert container.endpoint(taken_port)[1] != taken_port
        assert await _status(session, container, port=taken_port) == 200

    _run(test)


def test_behaviour_is_parsed_or_refused() -> None:
    assert Behaviour.parse({"process": "python3 -m x"}).process == ("python3", "-m", "x")
    with pytest.raises(ValueError, match="behaviour"):
        Behaviour.parse({"latency_ms": "fast"})


def test_one_that_is_cancelled_in_mid_start_leaves_no_listener_behind() -> None:
    """Whatever step of its start it had come to: its address and ports are free for a socket that shares nothing."""

    async def test(containers: Containers, _session: aiohttp.ClientSession) -> None:
        cancelled = 0
        first = await _start(containers, _spec())
        await first.stop()
        nearby = [str(ipaddress.IPv4Address(first.ip) + n) for n in range(16)]  # theirs follow, a block is of 254
        for steps in range(12):
            starting = asyncio.create_task(containers.run(_spec(8080, 9090, image=f"web:{steps}")))
            for _ in range(steps):
                await asyncio.sleep(0)
            starting.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                started = await starting
                assert isinstance(started, RunningContainer)
                await started.stop()
                continue
            cancelled += 1
            for address, port in itertools.product(nearby, (8080, 9090)):
                with socket.socket() as probe:
                    assert probe.connect_ex((address, port)) != 0, (steps, address, port)
        assert cancelled

    _run(test)
