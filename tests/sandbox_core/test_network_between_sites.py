"""Two clusters and their entries: what each call costs on its way, with real clients."""

from __future__ import annotations

import ssl
import time
import urllib.request
from collections.abc import Iterator
from typing import Any

import pytest

from sandbox.kubernetes.api import Write
from sandbox.kubernetes.kinds import BY_PLURAL, DEPLOYMENTS, SERVICES
from sandbox.network import Settings
from sandbox.threaded import Running, shared
from sandbox.world import NodeSpec

HERE, THERE = "azure-cn/chinanorth3", "alibaba-cn/cn-hangzhou"
LINKS = Settings.parse(
    {
        "links": [
            {"a": "vantage", "b": HERE, "rtt_ms": 60},
            {"a": "vantage", "b": THERE, "rtt_ms": 20},
            {"a": HERE, "b": THERE, "rtt_ms": 150},
        ]
    }
)


@pytest.fixture(scope="module")
def sites() -> Iterator[tuple[Running, Any, str]]:
    """A cluster here, and one there with an entry; here a name for the service there. (sandbox, handle here, entry)"""
    with shared() as running:
        world, clusters = running.world, running.world.clusters

        async def make() -> tuple[Any, str]:
            here, there = [
                await clusters.create(f"between-{n}", version="1.35", authenticate=lambda _t: None, place=place)
                for n, place in enumerate((HERE, THERE))
            ]
            await there.add_node(NodeSpec("n", "z", "r", "t", 4000, 8192))
            api = clusters.cluster("between-1").api  # type: ignore[attr-defined]
            labels = {"app": "web"}
            container = {"name": "web", "image": "web:1", "ports": [{"containerPort": 8080}]}
            template = {"metadata": {"labels": labels}, "spec": {"containers": [container]}}
            spec = {"replicas": 1, "selector": {"matchLabels": labels}, "template": template}
            api.create(DEPLOYMENTS, "default", {"metadata": {"name": "web"}, "spec": spec}, Write("me"))
            entry = {"type": "LoadBalancer", "selector": labels, "ports": [{"port": 8080}]}
            api.create(SERVICES, "default", {"metadata": {"name": "web"}, "spec": entry}, Write("me"))
            return here, ""

        here, _ = world.from_thread(make())
        there = clusters.cluster("between-1")  # type: ignore[attr-defined]

        def entry_ip() -> str:
            service = there.api.get(SERVICES, "default", "web")
            rows = (service.get("status") or {}).get("loadBalancer", {}).get("ingress") or [{}]
            found: str = rows[0].get("ip", "")
            return found

        deadline_s = time.monotonic() + 30
        while not (entry := entry_ip()) or not answered(f"http://{entry}:8080/"):
            assert time.monotonic() < deadline_s, "the entry did not come up"
            time.sleep(0.05)

        async def name_it() -> None:
            api = clusters.cluster("between-0").api  # type: ignore[attr-defined]
            ports = [{"name": "", "port": 8080, "protocol": "TCP"}]
            api.create(
                SERVICES, "default", {"metadata": {"name": "web"}, "spec": {"ports": [{"port": 8080}]}}, Write("me")
            )
            slice_ = {
                "metadata": {"name": "web-there", "labels": {"kubernetes.io/service-name": "web"}},
                "addressType": "IPv4",
                "endpoints": [{"addresses": [entry], "conditions": {"ready": True}}],
                "ports": ports,
            }
            api.create(BY_PLURAL["endpointslices"], "default", slice_, Write("me"))

        world.from_thread(name_it())
        yield running, here, entry
        running.loop.call_soon_threadsafe(running.sandbox.network.set, Settings())
        for number in range(2):
            world.from_thread(clusters.delete(f"between-{number}"))


def answered(url: str) -> bool:
    try:
        with urllib.request.urlopen(url, timeout=5) as answer:
            return bool(answer.status == 200)
    except OSError:
        return False


def seconds(url: str, token: str = "", ca_pem: str = "") -> float:
    """The quickest of three calls, each over a connection of its own."""
    request = urllib.request.Request(url, headers={"Authorization": f"Bearer {token}"} if token else {})
    context = ssl.create_default_context(cadata=ca_pem) if ca_pem else None
    found = []
    for _ in range(3):
        began_s = time.monotonic()
        with urllib.request.urlopen(request, timeout=20, context=context) as answer:
            assert answer.status == 200
            answer.read()
        found.append(time.monotonic() - began_s)
    return min(found)


def test_each_way_costs_its_own_round_trips(sites: tuple[Running, Any, str]) -> None:
    running, here, entry = sites
    through = f"{here.url}/api/v1/namespaces/default/services/web:8080/proxy/"
    cluster = (here.admin_token, here.ca_pem)
    running.loop.call_soon_threadsafe(running.sandbox.network.set, LINKS)
    assert seconds(f"http://{entry}:8080/") >= 2 * 0.020  # from the vantage to the entry, over a fresh connection
    assert seconds(f"{here.url}/version", *cluster) >= 3 * 0.060  # with TLS, to the cluster here
    # and from there one or two more to the entry of the other site: its connection may be kept
    assert seconds(through, *cluster) >= 3 * 0.060 + 0.150
    paths = {(p["from"], p["to"]): p["counted"] for p in running.sandbox.network.describe()["paths"]}
    assert paths[HERE, THERE]["connections"] >= 1
    assert paths["vantage", THERE]["connections"] >= 3
