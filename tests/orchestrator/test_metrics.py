"""What a Prometheus' answer means: over real HTTP, from a server of a few lines."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any
from urllib.parse import parse_qs

import pytest
from pydantic import ValidationError

from model.errors import InvalidInput
from model.spec.app import Metric
from orchestrator.metrics import Judge, breach, read


class Prometheus:
    """answer: status and body of the next answers; asked: what came in."""

    def __init__(self) -> None:
        self.answer: tuple[int, bytes] = (200, b"")
        self.asked: list[dict[str, Any]] = []
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"])).decode()
                query = parse_qs(body)["query"][0]
                outer.asked.append({"path": self.path, "query": query, "auth": self.headers.get("Authorization")})
                status, content = outer.answer
                self.send_response(status)
                self.send_header("Content-Length", str(len(content)))
                self.end_headers()
                self.wfile.write(content)

            def log_message(self, *_args: object) -> None:
                """Tests say nothing."""

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}"
        Thread(target=self.server.serve_forever, args=(0.05,), daemon=True).start()

    def says(self, data: Any, status: int = 200) -> None:
        self.answer = (status, json.dumps(data).encode())

    def vector(self, *values: str) -> None:
        rows = [{"metric": {"n": str(i)}, "value": [1.0, v]} for i, v in enumerate(values)]
        self.says({"status": "success", "data": {"resultType": "vector", "result": rows}})


@pytest.fixture
def prometheus() -> Iterator[Prometheus]:
    found = Prometheus()
    yield found
    found.server.shutdown()
    found.server.server_close()


def metric(prometheus: Prometheus, **more: Any) -> Metric:
    return Metric(**({"name": "errors", "url": prometheus.url, "query": "up == 0", "max": 0.01} | more))


def test_series_and_scalars_are_read_and_what_is_no_number_is_none(prometheus: Prometheus) -> None:
    prometheus.vector("0.5", "NaN", "0.001")
    assert read(metric(prometheus)).values == (0.5, 0.001)
    prometheus.says({"status": "success", "data": {"resultType": "scalar", "result": [1.0, "3"]}})
    assert read(metric(prometheus)).values == (3.0,)
    assert prometheus.asked[0] == {"path": "/api/v1/query", "query": "up == 0", "auth": None}


@pytest.mark.parametrize(
    ("answer", "why"),
    [
        ((200, b"<html>"), "no JSON"),
        ((503, b'{"status":"error","errorType":"timeout","error":"query timed out"}'), "503 query timed out"),
        ((200, b'{"status":"success","data":{"resultType":"vector","result":[]}}'), "no result"),
        ((200, b'{"status":"success","data":{"resultType":"matrix","result":[{}]}}'), "no result"),
        ((200, b'{"status":"success","data":[1]}'), "no result"),
        ((200, b'{"status":"success","data":{"resultType":"vector","result":[{"value":[1]},3]}}'), "no result"),
        ((200, b"[]"), "answered 200"),
        ((200, b'"' + b"x" * (1 << 21) + b'"'), "larger than 1 MiB"),
    ],
)
def test_an_answer_without_a_value_says_why(prometheus: Prometheus, answer: tuple[int, bytes], why: str) -> None:
    prometheus.answer = answer
    found = read(metric(prometheus))
    assert found.values == ()
    assert why in found.why


def test_nobody_answers(prometheus: Prometheus) -> None:
    prometheus.server.shutdown()
    prometheus.server.server_close()
    assert "did not answer" in read(metric(prometheus)).why


def test_a_wrong_query_is_the_users_mistake(prometheus: Prometheus) -> None:
    prometheus.says({"status": "error", "errorType": "bad_data", "error": "1:3: parse error"}, 400)
    with pytest.raises(InvalidInput, match="errors: 1:3: parse error"):
        read(metric(prometheus))


def test_the_token_comes_from_the_environment(prometheus: Prometheus, monkeypatch: pytest.MonkeyPatch) -> None:
    prometheus.vector("0")
    wanted = metric(prometheus, token_env="SOME_TOKEN")
    monkeypatch.delenv("SOME_TOKEN", raising=False)
    assert read(wanted).why == "the environment has no SOME_TOKEN"
    assert not prometheus.asked
    monkeypatch.setenv("SOME_TOKEN", "hush")
    assert read(wanted).values == (0.0,)
    assert prometheus.asked[0]["auth"] == "Bearer hush"


def test_limits_hold_for_each_series(prometheus: Prometheus) -> None:
    prometheus.vector("0.001", "0.2")
    found = read(metric(prometheus))
    assert breach(metric(prometheus), found) == "errors is 0.2, above 0.01"
    assert breach(metric(prometheus, max=0.3), found) == ""
    assert breach(metric(prometheus, max=None, min=0.1), found) == "errors is 0.001, below 0.1"
    assert breach(metric(prometheus), replace(found, values=())) == ""


def test_twice_in_a_row_is_evidence_and_once_is_not(prometheus: Prometheus) -> None:
    judge = Judge((metric(prometheus),))
    assert judge.open, "it has had no value yet"
    for now_s, value, evidence, is_open in (
        (0.0, "0.5", "", True),
        (1.0, "0.0", "", True),  # too early: not asked
        (5.0, "0.0", "", False),
        (10.0, "0.5", "", True),
        (15.0, "0.5", "errors is 0.5, above 0.01", True),
    ):
        prometheus.vector(value)
        judge.ask(now_s)
        assert (judge.evidence, judge.open) == (evidence, is_open), now_s
    assert len(prometheus.asked) == 4


def test_a_query_that_is_refused_while_we_watch_is_evidence_and_no_crash(prometheus: Prometheus) -> None:
    judge = Judge((metric(prometheus),))
    prometheus.says({"status": "error", "errorType": "bad_data", "error": "unknown function"}, 400)
    judge.ask(0.0)
    assert judge.evidence == "canary metric errors: unknown function"


def test_what_has_no_value_is_neither_for_nor_against(prometheus: Prometheus) -> None:
    judge = Judge((metric(prometheus),))
    prometheus.vector()
    for now_s in (0.0, 5.0, 10.0):
        judge.ask(now_s)
    assert judge.evidence == ""
    assert judge.unjudged == "errors: the query has no result"


@pytest.mark.parametrize(
    ("more", "said"),
    [
        ({"max": None}, "judges nothing"),
        ({"url": "http://prometheus.example.com"}, "https"),
        ({"url": "https://me:hush@prometheus.example.com"}, "token_env"),
        ({"url": "file:///etc/passwd"}, "https"),
        ({"max": float("nan")}, "finite"),
    ],
)
def test_what_a_metric_may_not_be(more: dict[str, Any], said: str) -> None:
    with pytest.raises(ValidationError, match=said):
        Metric(**({"name": "errors", "url": "https://prometheus.example.com", "query": "up", "max": 1.0} | more))
