"""A release that listens for agents asks them, too: a real hub, a real agent, a machine that answers on loopback."""

from __future__ import annotations

import http.server
import json
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from cli.main import run
from model.errors import UsageError
from orchestrator.answers import Answer
from orchestrator.vantages import VARIABLES, HubSettings, Vantages, listening, settings_from
from orchestrator.verify import VerifyPolicy, _from_agents, _near
from probes.policy import Outcome, Vantage
from tests.probes.pki import Authority

SITE = "azure-cn/chinanorth3"


class _Well(http.server.BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self.send_response(200 if self.path == "/healthz" else 503)
        self.end_headers()

    def log_message(self, format: str, *args: object) -> None:
        """Quiet."""


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("pki"), "ours")


@pytest.fixture
def port() -> Iterator[int]:
    listener = http.server.ThreadingHTTPServer(("127.0.0.1", 0), _Well)
    thread = threading.Thread(target=listener.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    yield listener.server_port
    listener.shutdown()
    thread.join()
    listener.server_close()


@pytest.fixture
def heard(authority: Authority) -> Iterator[tuple[Vantages, Callable[[], None]]]:
    """A hub, and how to wait until an agent is there."""
    here = threading.Event()
    settings = HubSettings("127.0.0.1", 0, authority.sign("hub"))
    with listening(settings, lambda line: here.set() if "is here" in line else None) as vantages:
        yield vantages, lambda: None if here.wait(10) else pytest.fail("no agent came")


def test_the_program_that_stands_in_a_site_is_asked_by_a_release(
    heard: tuple[Vantages, Callable[[], None]], authority: Authority, port: int, capsys: pytest.CaptureFixture[str]
) -> None:
    vantages, wait = heard
    tls = authority.sign("probe-a")
    found: list[tuple[Outcome, Answer] | None] = []

    def release() -> None:
        wait()
        assert vantages.at("aws-cn/cn-north-1") == {}
        for path in ("/healthz", "/broken"):
            asks = _from_agents(SITE, _near("VM 127.0.0.1", "127.0.0.1", port, path), vantages)
            found.extend(ask(5.0) for ask in asks.values())

    asking = threading.Thread(target=release)
    asking.start()
    code = run(
        ["probe", "agent", "--hub", f"127.0.0.1:{vantages.port}", "--vantage", "probe-a", "--site", SITE, "--for", "1",
         "--ca-file", tls.ca_file, "--cert-file", tls.cert_file, "--key-file", tls.key_file, "-o", "json"]
    )  # fmt: skip
    asking.join()
    captured = capsys.readouterr()
    assert code == 0, captured.err
    assert json.loads(captured.out)["local_verdicts"] == 0
    assert "connected to 127.0.0.1" in captured.err
    answers = [row[1] for row in found if row is not None]
    assert [(a.good, a.status, a.error) for a in answers] == [
        (True, 200, ""), (False, 503, "HTTP 503, seen by probe-a")
    ]  # fmt: skip


def test_an_agent_that_is_gone_looked_at_nothing(heard: tuple[Vantages, Callable[[], None]]) -> None:
    vantages, _ = heard
    assert vantages.at(SITE) == {}
    near = _near("VM", "127.0.0.1", 1, "/")
    assert near is not None
    assert vantages._look(Vantage("probe-a", SITE), near, 1.0) is None
    assert _from_agents(SITE, None, vantages) == {}
    assert VerifyPolicy().vantages is None


def test_settings_are_all_or_none(authority: Authority) -> None:
    tls = authority.sign("hub")
    whole = dict(zip(VARIABLES, ("[::1]:7443", tls.ca_file, tls.cert_file, tls.key_file), strict=True))
    assert settings_from({}) is None
    assert settings_from(whole) == HubSettings("::1", 7443, tls)
    with pytest.raises(UsageError, match="DUOYUN_PROBE_KEY_FILE"):
        settings_from(whole | {"DUOYUN_PROBE_KEY_FILE": ""})
    for wrong in ("7443", "host:", ":1", "host:x", "host:70000"):
        with pytest.raises(UsageError, match="no HOST:PORT"):
            settings_from(whole | {"DUOYUN_PROBE_HUB": wrong})


def test_a_hub_that_cannot_listen_says_why(authority: Authority, port: int, tmp_path: Path) -> None:
    tls = authority.sign("hub")
    for settings in (HubSettings("127.0.0.1", port, tls), HubSettings("127.0.0.1", 0, type(tls)("x", "y", "z"))):
        with pytest.raises(UsageError, match="no agents can be heard"), listening(settings):
            pytest.fail("it listens")
