"""Commands in pods over a WebSocket, as an API server speaks it on the wire (RFC 6455, v5.channel.k8s.io)."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import hashlib
import json
import socketserver
import threading
import time
from collections.abc import Callable, Iterator
from urllib.parse import parse_qs, urlsplit

import pytest

from model.errors import Forbidden, NotFound, Unreachable
from orchestrator.pod_exec import PodExec
from probes.policy import Outcome, Send
from probes.prober import Prober
from probes.targets import Kind, Look, ProbeTarget
from providers.base import Account, Call, ClusterAccess
from providers.kubernetes.provider import KubernetesProvider
from providers.kubernetes.wire import ClusterClient

GUID = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"  # RFC 6455, 1.3


def frame(channel: int, payload: bytes) -> bytes:
    data = bytes([channel]) + payload
    length = bytes([len(data)]) if len(data) < 126 else b"\x7e" + len(data).to_bytes(2, "big")
    return b"\x82" + length + data


def ended(code: int) -> bytes:
    if code == 0:
        return frame(3, b'{"kind":"Status","status":"Success"}')
    causes = [{"reason": "ExitCode", "message": str(code)}]
    status = {"status": "Failure", "reason": "NonZeroExitCode", "details": {"causes": causes}}
    return frame(3, json.dumps(status).encode())


class ApiServer(socketserver.ThreadingTCPServer):
    """Answers exec with what `says` holds for the pod; None: nothing, ever."""

    daemon_threads = True
    allow_reuse_address = True

    def __init__(self, says: dict[str, bytes | int | None]) -> None:
        self.says = says
        self.asked: list[tuple[str, dict[str, list[str]], dict[str, str]]] = []
        self.over = threading.Event()
        super().__init__(("127.0.0.1", 0), _Handler)


class _Handler(socketserver.StreamRequestHandler):
    server: ApiServer

    def handle(self) -> None:
        target = self.rfile.readline().split()[1].decode()
        headers: dict[str, str] = {}
        while (line := self.rfile.readline().strip()) != b"":
            name, _, value = line.decode().partition(": ")
            headers[name.lower()] = value
        parts = urlsplit(target)
        self.server.asked.append((parts.path, parse_qs(parts.query), headers))
        answer = self.server.says[parts.path.split("/")[6]]
        if isinstance(answer, int):
            body = json.dumps({"kind": "Status", "code": answer, "message": "no"}).encode()
            self.wfile.write(f"HTTP/1.1 {answer} No\r\ncontent-length: {len(body)}\r\n\r\n".encode() + body)
            return
        accept = base64.b64encode(hashlib.sha1((headers["sec-websocket-key"] + GUID).encode()).digest()).decode()
        self.wfile.write(
            "HTTP/1.1 101 Switching Protocols\r\nupgrade: websocket\r\nconnection: Upgrade\r\n"
            f"sec-websocket-accept: {accept}\r\nsec-websocket-protocol: v5.channel.k8s.io\r\n\r\n".encode()
        )
        if answer is None:
            self.server.over.wait(30)
            return
        with contextlib.suppress(OSError):
            self.wfile.write(answer)


Cluster = Callable[[dict[str, bytes | int | None]], tuple[KubernetesProvider, ApiServer]]


@pytest.fixture
def cluster() -> Iterator[Cluster]:
    servers: list[ApiServer] = []

    def make(says: dict[str, bytes | int | None]) -> tuple[KubernetesProvider, ApiServer]:
        server = ApiServer(says)
        servers.append(server)
        threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
        access = ClusterAccess(server=f"http://127.0.0.1:{server.server_address[1]}", token=lambda: "a-token")
        account = Account(name="acc", cloud="aws", partition="aws-cn", account_id="1")
        client = ClusterClient(account, "cn-north-1", "main", access)
        return KubernetesProvider(account, "cn-north-1", "main", client), server

    yield make
    for server in servers:
        server.over.set()
        server.shutdown()
        server.server_close()


def call(seconds: float = 10.0) -> Call:
    return Call(deadline_s=time.monotonic() + seconds)


def test_the_exit_code_comes_back_whatever_is_printed(cluster: Cluster) -> None:
    said = frame(1, b"out") + frame(2, b"err") + b"\x89\x00" + frame(1, b"")
    provider, server = cluster({"good": said + ended(0), "bad": said + ended(7)})
    assert provider.exec_in_pod("shop", "good", ["pg_isready", "-U", "a b"], call()) == 0
    assert provider.exec_in_pod("shop", "bad", ["false"], call(), "web") == 7
    path, query, headers = server.asked[0]
    assert path == "/api/v1/namespaces/shop/pods/good/exec"
    assert query == {"command": ["pg_isready", "-U", "a b"], "stdout": ["true"], "stderr": ["true"]}
    assert headers["authorization"] == "Bearer a-token"
    assert headers["sec-websocket-protocol"] == "v5.channel.k8s.io,v4.channel.k8s.io"
    assert server.asked[1][1]["container"] == ["web"]


@pytest.mark.parametrize(
    ("answer", "error", "words"),
    [
        (404, NotFound, "exec pods shop/web"),
        (403, Forbidden, "exec pods shop/web"),
        (frame(3, b'{"status":"Failure","message":"container not found"}'), Unreachable, "container not found"),
        (frame(3, b"nonsense"), Unreachable, "no status"),
        (frame(3, b"[]"), Unreachable, "no status"),
        (b"\x88\x02\x03\xe8", Unreachable, "before the command ended"),
        (b"", Unreachable, "broke off"),
        (frame(1, b"x" * 60_000) * 80, Unreachable, "prints more than"),
    ],
)
def test_what_keeps_a_command_from_running(
    cluster: Cluster, answer: bytes | int, error: type[Exception], words: str
) -> None:
    provider, _ = cluster({"web": answer})
    with pytest.raises(error, match=words):
        provider.exec_in_pod("shop", "web", ["true"], call())


def test_an_exec_probe_goes_all_the_way(cluster: Cluster) -> None:
    provider, _ = cluster({"good": ended(0), "bad": ended(1), "gone": 404, "hangs": None})

    async def scene() -> dict[str, Look]:
        async with Prober("here", PodExec(provider)) as prober:
            looks = {}
            for pod in ("good", "bad", "gone", "hangs"):
                target = ProbeTarget(f"shop/{pod}/web", "", 0, kind=Kind.EXEC, command=("true",))
                looks[pod] = await prober.look(target, Send(0.0, target.name, "here", True, 0.3))
            nowhere = ProbeTarget("web", "", 0, kind=Kind.EXEC, command=("true",))
            looks["nowhere"] = await prober.look(nowhere, Send(0.0, "web", "here", True, 5.0))
            return looks

    looks = asyncio.run(scene())
    assert {pod: look.result.outcome for pod, look in looks.items()} == {
        "good": Outcome.OK, "bad": Outcome.UNHEALTHY, "gone": Outcome.ERROR, "hangs": Outcome.TIMEOUT,
        "nowhere": Outcome.ERROR,
    }  # fmt: skip
    assert looks["bad"].reason == "the command ended with 1"
    assert "not" in looks["gone"].reason
