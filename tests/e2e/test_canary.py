"""A canary over two clouds: watched, killed and gone on with, judged by a metric, and taken back alone."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any

import pytest

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(300)]


class Meter:
    """Something that answers as a Prometheus does, with one number. first: what it answers before, once each."""

    def __init__(self) -> None:
        self.value = 0.0
        self.first: list[float] = []
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                self.rfile.read(int(self.headers["Content-Length"]))
                value = outer.first.pop(0) if outer.first else outer.value
                result = {"resultType": "scalar", "result": [1.0, str(value)]}
                body = json.dumps({"status": "success", "data": result}).encode()
                self.send_response(200)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_args: object) -> None:
                """Tests say nothing."""

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}"
        Thread(target=self.server.serve_forever, args=(0.05,), daemon=True).start()


@pytest.fixture
def meter() -> Iterator[Meter]:
    found = Meter()
    yield found
    found.server.shutdown()
    found.server.server_close()


def images(duoyun: Any) -> dict[str, str]:
    """Region -> the tag of web's image there, as the clusters themselves have it."""
    from kubernetes import client

    found = {}
    for region in ("aws-cn/cn-north-1", "alibaba-cn/cn-hangzhou"):
        apps = client.AppsV1Api(duoyun.cluster(region))
        (row,) = [d for d in apps.list_namespaced_deployment("small").items if d.metadata.name.startswith("web-")]
        found[region] = row.spec.template.spec.containers[0].image.rpartition(":")[2]
    return found


def test_one_canary_over_all_clouds_with_a_single_way_back(
    duoyun: Any, meter: Meter, until: Callable[..., Any]
) -> None:
    metric = f"{{name: error ratio, url: '{meter.url}', query: errors, max: 0.01}}"
    duoyun.edit(
        duoyun.app,
        ("spec:\n  services:", f"spec:\n  canary: {{share: 0.5, watch: 3s, metrics: [{metric}]}}\n  services:"),
    )
    duoyun.deploy()

    duoyun.edit(duoyun.app, ("small/web:1.0.0", "small/web:1.1.0"))
    (stage,) = duoyun.plan()["stages"]
    assert len(stage["canaries"]) == 1
    running = duoyun.start("deploy", duoyun.files, "--yes", "--bake", "0s")
    until(lambda: "watching canaries" in running.said, "the watching of the canary")
    assert sorted(images(duoyun).values()) == ["1.0.0", "1.1.0"], "one is new, and one is not"
    running.kill()
    running.end()

    duoyun.on("unlock", "--yes").ended(0)
    resumed = duoyun.on("resume").ended(0)
    assert "watching canaries" in resumed.out + resumed.err, "nobody had watched it to the end"
    assert set(images(duoyun).values()) == {"1.1.0"}

    duoyun.edit(duoyun.app, ("small/web:1.1.0", "small/web:1.2.0"))
    meter.value = 0.2
    duoyun.on("deploy", "--yes").refused(1, "nothing was touched", "error ratio is 0.2, above 0.01", "--no-canary")
    meter.first = [0.0]  # before anything is touched; bad as soon as the canary is watched
    running = duoyun.start("deploy", duoyun.files, "--yes", "--bake", "0s")
    until(lambda: "watching canaries" in running.said, "the watching of the canary")
    running.end().refused(8, "error ratio is 0.2, above 0.01", "the rest of their services was not touched")
    assert set(images(duoyun).values()) == {"1.1.0"}
    assert duoyun.plan()["changes"] == {"update": 2}

    duoyun.on("deploy", "--yes", "--no-canary", "--bake", "0s").ended(0)
    assert set(images(duoyun).values()) == {"1.2.0"}
    meter.value = 0.0

    duoyun.edit(duoyun.app, ("small/web:1.2.0", "small/web:missing"))
    duoyun.on("deploy", "--yes").refused(8, "among the canaries", "not found")
    assert set(images(duoyun).values()) == {"1.2.0"}
    duoyun.destroy()
