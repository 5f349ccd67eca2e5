"""Agents over mutual TLS on loopback, with real certificates."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import ssl
import threading
import time
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest

from probes.agent import Agent, AgentPolicy
from probes.detector import Detector
from probes.hub import Hub
from probes.loop import run
from probes.mutual_tls import MutualTls
from probes.policy import Outcome, ProbePolicy, Send, Status, Vantage, Verdict
from probes.prober import Asks, Prober, VantageGoneError
from probes.targets import ProbeTarget
from probes.watching import watch
from tests.probes.pki import Authority

QUICK = ProbePolicy(
    stable_interval_s=0.02, suspect_interval_s=0.02, jitter=0.0, soft_initial_s=0.5, target_budget_per_min=60_000,
    reporting_initial_s=0.5,
)  # fmt: skip
SOON = AgentPolicy(first_s=0.01, most_s=0.05, probes=QUICK)
WITHIN_S = 10.0


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("pki"), "ours")


@pytest.fixture(scope="module")
def certificates(authority: Authority) -> dict[str, MutualTls]:
    return {name: authority.sign(name) for name in ("hub", "probe-a", "probe-b")}


@contextlib.asynccontextmanager
async def running(agent: Agent) -> AsyncIterator[Agent]:
    stop = asyncio.Event()
    task = asyncio.create_task(agent.run(stop))
    try:
        yield agent
    finally:
        stop.set()
        await asyncio.wait_for(task, WITHIN_S)


@contextlib.asynccontextmanager
async def service() -> AsyncIterator[int]:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError, asyncio.IncompleteReadError):
            while await reader.readuntil(b"\r\n\r\n"):
                writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok")
        writer.close()

    listening = await asyncio.start_server(serve, "127.0.0.1", 0)
    try:
        yield listening.sockets[0].getsockname()[1]
    finally:
        listening.close()


def free_port() -> int:
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        return int(sock.getsockname()[1])


def agent_of(port: int, tls: MutualTls, name: str = "probe-a", **more: object) -> Agent:
    return Agent(Vantage(name, f"site-of-{name}"), ("127.0.0.1", port), tls, policy=SOON, **more)  # type: ignore[arg-type]


def test_an_agent_whose_hubs_name_hangs_ends_when_it_is_told_to(
    certificates: dict[str, MutualTls], monkeypatch: pytest.MonkeyPatch
) -> None:
    real, asked, over = socket.getaddrinfo, [], threading.Event()

    def hangs(host: str, *args: object, **kwargs: int) -> object:
        if kwargs.get("flags"):
            return real(host, *args, **kwargs)
        asked.append(host)
        over.wait(20)
        return []

    async def scene() -> None:
        stop = asyncio.Event()
        agent = Agent(Vantage("probe-a"), ("hub.example", 7443), certificates["probe-a"], policy=SOON)
        task = asyncio.create_task(agent.run(stop))
        async with asyncio.timeout(WITHIN_S):
            while not asked:
                await asyncio.sleep(0)
        stop.set()
        await task

    monkeypatch.setattr(socket, "getaddrinfo", hangs)
    began_s = time.monotonic()
    run(scene())
    took_s = time.monotonic() - began_s
    over.set()
    assert asked == ["hub.example"]
    assert took_s < 15


def order(target: ProbeTarget, timeout_s: float = 5.0) -> Send:
    return Send(3.0, target.name, "probe-a", fresh=True, timeout_s=timeout_s)


def test_an_agent_looks_for_us(certificates: dict[str, MutualTls]) -> None:
    async def scene() -> None:
        async with Hub("127.0.0.1", 0, certificates["hub"]) as hub, service() as port:
            async with running(agent_of(hub.port, certificates["probe-a"])):
                assert await hub.wait_for(frozenset({"probe-a"}), WITHIN_S) == frozenset()
                assert hub.vantages == (Vantage("probe-a", "site-of-probe-a"),)
                look = await hub.look("probe-a", well := ProbeTarget("well", "127.0.0.1", port), order(well))
                assert (look.result.outcome, look.http_status, look.reason) == (Outcome.OK, 200, "")
                assert (look.result.vantage, look.result.target, look.result.sent_s) == ("probe-a", "well", 3.0)
                assert 0 < look.result.elapsed_s < 5
                look = await hub.look("probe-a", dead := ProbeTarget("dead", "127.0.0.1", free_port()), order(dead))
                assert look.result.outcome is Outcome.REFUSED
                assert look.reason
            with pytest.raises(VantageGoneError, match="not connected"):
                await hub.look("probe-b", well, order(well))

    asyncio.run(scene())


def test_who_is_not_of_our_authority_is_not_heard(
    certificates: dict[str, MutualTls], authority: Authority, tmp_path: Path
) -> None:
    stranger = Authority(tmp_path, "stranger")
    told: list[str] = []

    async def scene() -> None:
        async with Hub("127.0.0.1", 0, certificates["hub"]) as hub:
            forged = stranger.sign("probe-a", trusting=authority)
            old = authority.sign("probe-a", days=-1)
            distrustful = replace(certificates["probe-a"], ca_file=str(stranger.file))
            for tls in (forged, old, distrustful):
                alone = asyncio.Event()

                def tell(line: str, alone: asyncio.Event = alone) -> None:
                    told.append(line)
                    if "judging by myself" in line:
                        alone.set()

                async with running(agent_of(hub.port, tls, tell=tell)):
                    await asyncio.wait_for(alone.wait(), WITHIN_S)
                    assert hub.vantages == ()
            plain = ssl.create_default_context(cafile=str(authority.file))  # knows us, shows nothing
            reader, writer = await asyncio.open_connection("127.0.0.1", hub.port, ssl=plain)
            with contextlib.suppress(OSError):
                writer.write(b'{"type":"hello","vantage":"probe-a","failure_domain":""}\n')
                assert await asyncio.wait_for(reader.read(), WITHIN_S) == b""
            writer.transport.abort()
            assert hub.vantages == ()

    asyncio.run(scene())
    assert any("certificate verify failed" in line.lower() for line in told)


def test_nobody_speaks_for_another(certificates: dict[str, MutualTls]) -> None:
    async def scene() -> str:
        told: asyncio.Queue[str] = asyncio.Queue()
        async with (
            Hub("127.0.0.1", 0, certificates["hub"], tell=told.put_nowait) as hub,
            running(agent_of(hub.port, certificates["probe-b"], "probe-a")),
        ):
            line = await asyncio.wait_for(told.get(), WITHIN_S)
            assert hub.vantages == ()
            return line

    line = asyncio.run(scene())
    assert "calls itself 'probe-a'" in line
    assert "certificate says 'probe-b'" in line


@pytest.mark.parametrize("said", [b"\xff\n", b"[]\n", b'{"type":"result"}\n', b"x" * 40_000, b"[" * 30_000 + b"\n"])
def test_an_agent_that_talks_nonsense_is_shown_the_door(certificates: dict[str, MutualTls], said: bytes) -> None:
    told: list[str] = []

    async def scene() -> None:
        async with Hub("127.0.0.1", 0, certificates["hub"], tell=told.append) as hub:
            reader, writer = await asyncio.open_connection(
                "127.0.0.1", hub.port, ssl=certificates["probe-a"].client(), server_hostname="127.0.0.1"
            )
            writer.write(b'{"type":"hello","vantage":"probe-a","failure_domain":"z"}\n' + said)
            with contextlib.suppress(OSError):
                while await asyncio.wait_for(reader.readline(), WITHIN_S):
                    pass
            writer.transport.abort()
            assert hub.vantages == ()

    asyncio.run(scene())
    assert any("agent probe-a is gone" in line for line in told)


def test_what_was_ordered_is_forgotten_after_a_while_alone(
    certificates: dict[str, MutualTls], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("probes.agent.FORGET_S", 0.0)

    async def scene() -> None:
        told: asyncio.Queue[Verdict] = asyncio.Queue()
        dead = ProbeTarget("ordered", "127.0.0.1", free_port())
        own = ProbeTarget("own", "127.0.0.1", free_port())
        async with Hub("127.0.0.1", 0, certificates["hub"]) as hub:
            agent = agent_of(hub.port, certificates["probe-a"], targets=[own], on_verdict=told.put_nowait)
            await stack.enter_async_context(running(agent))
            await hub.wait_for(frozenset({"probe-a"}), WITHIN_S)
            await hub.look("probe-a", dead, order(dead))
        seen: list[Verdict] = []
        while not seen or seen[-1].status is not Status.DOWN:
            seen.append(await asyncio.wait_for(told.get(), WITHIN_S))
        await stack.aclose()
        assert {v.target for v in seen} == {"own"}

    stack = contextlib.AsyncExitStack()
    asyncio.run(scene())


def test_a_hub_that_closes_says_nothing_of_those_it_sends_away(
    certificates: dict[str, MutualTls], caplog: pytest.LogCaptureFixture
) -> None:
    async def scene() -> None:
        async with Hub("127.0.0.1", 0, certificates["hub"]) as hub:
            await stack.enter_async_context(running(agent_of(hub.port, certificates["probe-a"])))
            await hub.wait_for(frozenset({"probe-a"}), WITHIN_S)
        await stack.aclose()

    stack = contextlib.AsyncExitStack()
    asyncio.run(scene())
    assert [r.message for r in caplog.records if r.name == "asyncio"] == []


def test_one_that_goes_away_under_way_is_no_result(certificates: dict[str, MutualTls]) -> None:
    async def mute(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        asked.set()
        await reader.read()
        writer.close()

    asked = asyncio.Event()

    async def scene() -> None:
        listening = await asyncio.start_server(mute, "127.0.0.1", 0)
        target = ProbeTarget("mute", "127.0.0.1", listening.sockets[0].getsockname()[1])
        async with Hub("127.0.0.1", 0, certificates["hub"]) as hub:
            async with running(agent_of(hub.port, certificates["probe-a"])):
                await hub.wait_for(frozenset({"probe-a"}), WITHIN_S)
                looking = asyncio.create_task(hub.look("probe-a", target, order(target, 30.0)))
                await asyncio.wait_for(asked.wait(), WITHIN_S)
            with pytest.raises(VantageGoneError, match="went away"):
                await asyncio.wait_for(looking, WITHIN_S)
        listening.close()

    asyncio.run(scene())


def test_cut_off_it_judges_by_itself_and_tells_when_it_is_heard_again(certificates: dict[str, MutualTls]) -> None:
    async def scene() -> None:
        port, judged = free_port(), asyncio.Event()
        dead = ProbeTarget("dead", "127.0.0.1", free_port())
        local: list[Verdict] = []

        def on_verdict(verdict: Verdict) -> None:
            local.append(verdict)
            if verdict.status is Status.DOWN:
                judged.set()

        agent = agent_of(port, certificates["probe-a"], on_verdict=on_verdict)
        async with running(agent):
            async with Hub("127.0.0.1", port, certificates["hub"]) as first:
                await first.wait_for(frozenset({"probe-a"}), WITHIN_S)
                assert (await first.look("probe-a", dead, order(dead))).result.outcome is Outcome.REFUSED
                assert local == []  # while it is heard, it judges nothing
            await asyncio.wait_for(judged.wait(), WITHIN_S)  # what it was ordered to look at before
            async with Hub("127.0.0.1", port, certificates["hub"]) as second:
                await second.wait_for(frozenset({"probe-a"}), WITHIN_S)
                look = await second.look("probe-a", dead, order(dead))  # behind its verdicts on the same line
                assert look.result.outcome is Outcome.REFUSED
                told = [v for _, name, v in second.verdicts if name == "probe-a"]
        assert [v.status for v in told][-1] is Status.DOWN
        assert all(v.target == "dead" and 0 <= v.age_s < WITHIN_S for v in told)
        assert "refused" in told[-1].evidence

    asyncio.run(scene())


@pytest.mark.parametrize("lost", [0, 1])
def test_a_detector_sees_through_agents(certificates: dict[str, MutualTls], lost: int) -> None:
    """A target that refuses is down in the eyes of us and an agent, also with one agent gone all the while."""
    names = ("probe-a", "probe-b")

    async def scene() -> list[Verdict]:
        verdicts: list[Verdict] = []
        stop = asyncio.Event()

        def on_verdict(verdict: Verdict) -> None:
            verdicts.append(verdict)
            if verdict.status is Status.DOWN:
                stop.set()

        async with contextlib.AsyncExitStack() as stack:
            hub = await stack.enter_async_context(Hub("127.0.0.1", 0, certificates["hub"]))
            here = await stack.enter_async_context(Prober("here"))
            for name in names[lost:]:
                await stack.enter_async_context(running(agent_of(hub.port, certificates[name], name)))
            assert await hub.wait_for(frozenset(names[lost:]), WITHIN_S) == frozenset()
            probers: dict[str, Asks] = {"here": here} | {name: hub.prober(name) for name in names}
            detector = Detector(QUICK, [Vantage("here"), *(Vantage(n) for n in names)])
            dead = ProbeTarget("dead", "127.0.0.1", free_port())
            await asyncio.wait_for(watch(detector, [dead], probers, on_verdict, stop), WITHIN_S)
        return verdicts

    down = asyncio.run(scene())[-1]
    assert down.status is Status.DOWN
    seen_from = down.evidence.partition("seen from ")[2].split(", ")
    assert len(seen_from) >= 2
    assert set(seen_from) <= {"here", *names[lost:]}
