"""`duoyun probe ...` as a user calls it, against servers on loopback."""

from __future__ import annotations

import contextlib
import http.server
import json
import socket
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from cli.main import run
from cli.probe_table import Row, sparkline, table
from cli.probe_targets import parse_targets
from model.errors import UsageError
from probes.targets import Kind


class _Well(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        self.send_response(200)
        self.send_header("content-length", "2")
        self.end_headers()
        self.wfile.write(b"ok")

    def log_message(self, format: str, *args: object) -> None:
        """Quiet."""


@pytest.fixture
def server() -> Iterator[str]:
    listening = http.server.ThreadingHTTPServer(("127.0.0.1", 0), _Well)
    listening.daemon_threads = True
    thread = threading.Thread(target=listening.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    yield f"http://127.0.0.1:{listening.server_port}/healthz"
    listening.shutdown()
    thread.join()
    listening.server_close()


def test_watch_says_up_and_how_fast(server: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["probe", "watch", server, "--interval", "0.1", "--for", "0.6", "-o", "json"]) == 0
    captured = capsys.readouterr()
    row = json.loads(captured.out)["targets"][server]
    assert row["status"] == "up"
    assert row["probes"] >= 3
    assert 0 < row["p50_ms"] <= row["max_ms"] < 1000
    assert "up: it answers" in captured.err


def test_watch_serves_metrics_while_it_watches(server: str, capsys: pytest.CaptureFixture[str]) -> None:
    pytest.importorskip("prometheus_client")
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        at = f"127.0.0.1:{sock.getsockname()[1]}"
    read: list[str] = []

    def scrape() -> None:
        end_s = time.monotonic() + 10
        while time.monotonic() < end_s and not (read and 'outcome="ok"' in read[-1]):
            with contextlib.suppress(httpx.TransportError):
                read.append(httpx.get(f"http://{at}/metrics", trust_env=False).text)

    scraping = threading.Thread(target=scrape)
    scraping.start()
    assert run(["probe", "watch", server, "--interval", "0.1", "--for", "1", "--metrics", at, "-o", "json"]) == 0
    scraping.join()
    place = f'target="{server}",vantage="here"'
    assert f'duoyun_probe_outcomes_total{{outcome="ok",{place}}}' in read[-1]
    assert f"duoyun_probe_last_duration_seconds{{{place}}} 0.0" in read[-1]
    assert f'duoyun_probe_status{{duoyun_probe_status="up",target="{server}"}} 1.0' in read[-1]
    assert run(["probe", "watch", server, "--metrics", server.partition("//")[2].partition("/")[0]]) == 64
    assert "no metrics at" in capsys.readouterr().err


def test_watch_and_export_begin_with_what_was_learned(
    server: str, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("cli.probe_export._ASK_EVERY_S", 0.01)
    kept = ["--store", f"sqlite:///{tmp_path / 'state.db'}", "-o", "json"]
    exported = ["probe", "export", server, "--to", "envoy", "--samples", "8", *kept]
    assert run(exported) == 0
    assert json.loads(capsys.readouterr().out)["wanted"]["samples"] == 8
    assert run(["probe", "watch", server, "--interval", "0.1", "--for", "0.5", *kept]) == 0
    probes = json.loads(capsys.readouterr().out)["targets"][server]["probes"]
    assert run(exported) == 0
    assert json.loads(capsys.readouterr().out)["wanted"]["samples"] == 8 + probes + 8


def test_watch_fails_where_a_target_is_down(capsys: pytest.CaptureFixture[str]) -> None:
    code = run(["probe", "watch", "tcp://127.0.0.1:1", "--interval", "0.1", "--for", "0.8", "-o", "json"])
    found = json.loads(capsys.readouterr().out)
    assert (code, found["exit_code"]) == (9, 9)
    assert found["targets"]["tcp://127.0.0.1:1"]["status"] == "down"


def test_export_prints_settings_and_what_is_lost(
    server: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("cli.probe_export._ASK_EVERY_S", 0.01)
    assert run(["probe", "export", server, "--to", "kubernetes", "--samples", "8", "-o", "json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["settings"]["readinessProbe"]["failureThreshold"] == 3
    assert found["wanted"]["samples"] == 8
    assert run(["probe", "export", server, "--to", "nomad"]) == 64
    assert "there are alibaba, aws, azure, envoy, kubernetes" in capsys.readouterr().err.replace("\n", " ")
    assert run(["probe", "export", "tcp://127.0.0.1:1", "--to", "envoy"]) != 0
    assert "answered 0 of" in capsys.readouterr().err


def test_simulate_draws_and_tells(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    plot = tmp_path / "x.svg"
    arguments = ["probe", "simulate", "--scenario", "calm", "--crash", "silent", "--detectors", "fixed,ours"]
    assert run([*arguments, "--plot", str(plot), "-o", "json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert set(found["detectors"]) == {"fixed", "ours"}
    assert found["crash"] == {"service": "link0/service0", "at_s": 100.0, "refuses": False}
    assert plot.read_text().startswith("<svg")
    assert run(arguments) == 0
    assert "link0/service0 falls silent at 100 s" in capsys.readouterr().out


def test_simulate_draws_png_where_matplotlib_is(tmp_path: Path) -> None:
    pytest.importorskip("matplotlib")
    plot = tmp_path / "x.png"
    assert run(["probe", "simulate", "--scenario", "calm", "--detectors", "ours", "--plot", str(plot)]) == 0
    assert plot.read_bytes().startswith(b"\x89PNG")


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["simulate", "--detectors", "magic"], "unknown detectors: magic"),
        (["simulate", "--crash", "slowly"], "refused or silent"),
        (["simulate", "--plot", "x.gif"], "neither .svg nor .png"),
        (["simulate", "--from-prometheus", "/nonexistent"], "cannot be read"),
        (["watch", "http://127.0.0.1/", "http://127.0.0.1/"], "stands there twice"),
        (["watch", "http://127.0.0.1/", "--interval", "0"], "above zero"),
        (["watch", "ftp://x"], "unknown scheme"),
        (["watch", "tcp://127.0.0.1:99999"], "is no target"),
    ],
)
def test_mistakes_are_told(arguments: list[str], said: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["probe", *arguments]) == 64
    assert said in capsys.readouterr().err.replace("\n", " ")


def test_targets_as_they_are_written() -> None:
    texts = "https://a.example/x?y=1 tcp://[::1]:5432 tls://b.example grpc://c.example:9/shop.Cart http://d"
    found = parse_targets([*texts.split(), "h2://e.example/x", "h2c://f:81"])
    assert [(t.how, t.host, t.port) for t in found] == [
        (Kind.HTTP, "a.example", 443),
        (Kind.TCP, "::1", 5432),
        (Kind.TLS, "b.example", 443),
        (Kind.GRPC, "c.example", 9),
        (Kind.HTTP, "d", 80),
        (Kind.HTTP2, "e.example", 443),
        (Kind.HTTP2, "f", 81),
    ]
    assert (found[0].path, found[0].tls, found[3].grpc_service, found[4].path) == ("/x?y=1", True, "shop.Cart", "/")
    for wrong in ("", "http://", "x", "tcp://h", "http://[::1"):
        with pytest.raises(UsageError):
            parse_targets([wrong])


def test_sparklines() -> None:
    assert sparkline([]) == ""
    assert sparkline([0.1, None, 0.8]) == "▂×█"
    assert sparkline([0.0]) == "▁"


def test_of_thousands_the_worst_are_shown_and_the_rest_is_counted() -> None:
    rows = {f"t{i}": Row(status="up", why="it answers") for i in range(3000)}
    rows["t2999"].status, rows["t7"].status = "down", "suspect"
    found = table(rows, 10)
    assert found.caption == "9 of 3,000 targets, the worst first; 1 down, 1 suspect, 2,998 up"
    assert list(found.columns[0].cells) == ["t2999", "t7", *(f"t{i}" for i in range(7))]
    few = table(dict(list(rows.items())[:10]), 10)
    assert (few.caption, len(few.rows)) == (None, 10)
    assert next(iter(few.columns[0].cells)) == "t0"
