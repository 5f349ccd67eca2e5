"""Clusters as a sandbox keeps them: apart from one another, gone for a while, saved and brought back, and light."""

from __future__ import annotations

import asyncio
import json
import time
from typing import Any

import pytest
import urllib3

from sandbox.containers import Containers
from sandbox.kubernetes import Clusters
from sandbox.kubernetes.api import Write
from sandbox.kubernetes.embedded import FaultList, NoTime, running_loop
from sandbox.kubernetes.kinds import DEPLOYMENTS, PODS, SERVICES
from sandbox.world import NodeSpec

NODE = NodeSpec("n", "zone-a", "region-1", "test.large", 8000, 16384)


def test_a_cluster_that_disappears_refuses_and_comes_back_where_it_was(kube: Any) -> None:
    kube.apply(kube.deployment(replicas=2))
    kube.rolled_out()
    pod = kube.pods()[0]
    running = kube.running
    running.call(running.clusters.disappear("test", True))
    with pytest.raises(urllib3.exceptions.HTTPError, match="refused"):
        kube.core.list_namespace()
    running.call(running.clusters.disappear("test", True))
    running.call(running.clusters.disappear("test", False))
    assert running.cluster.url == running.url
    assert kube.core.read_namespaced_pod(pod.metadata.name, "default").metadata.uid == pod.metadata.uid


def test_a_disappearing_cluster_breaks_open_watches(kube: Any) -> None:
    running = kube.running
    path = "/api/v1/namespaces?watch=1&timeoutSeconds=30"
    request = urllib3.PoolManager(retries=False, ca_certs=str(running.ca_file)).request(
        "GET", running.url + path, preload_content=False, headers={"Authorization": f"Bearer {running.token}"}
    )
    assert b"ADDED" in next(request.stream(1024))
    begin = time.monotonic()
    running.call(running.clusters.disappear("test", True))
    # Cut off in the middle of the stream, or ended: either way the client is told soon.
    with pytest.raises((urllib3.exceptions.ProtocolError, StopIteration)):
        while True:
            next(iter(request.stream(1024)))
    assert time.monotonic() - begin < 5
    request.close()


def _clusters() -> tuple[Clusters, Containers]:
    containers = Containers(NoTime())
    return Clusters(timing=NoTime(), faults=FaultList(), containers=containers), containers


async def _available(clusters: Clusters, cluster_id: str, count: int) -> list[dict[str, Any]]:
    store = clusters.cluster(cluster_id).store
    async with asyncio.timeout(10):
        while True:
            ready = [
                p
                for p in store.list(PODS)
                if any(
                    c["type"] == "Ready" and c["status"] == "True"
                    for c in (p.get("status") or {}).get("conditions") or ()
                )
            ]
            if len(ready) == count:
                return ready
            await asyncio.sleep(0.01)


def test_a_snapshot_survives_a_restart(kube: Any, plain_get: Any) -> None:
    manifest = kube.deployment(replicas=2)
    service = kube.service(kind="LoadBalancer", port=18088)
    created: dict[str, Any] = {}

    async def first(clusters: Clusters) -> None:
        handle = await clusters.create("c", version="1.31", authenticate=lambda _t: None)
        await handle.add_node(NODE)
        api = clusters.cluster("c").api
        created["uid"] = api.create(DEPLOYMENTS, "default", manifest, Write("me"))["metadata"]["uid"]
        api.create(SERVICES, "default", service, Write("me"))
        await _available(clusters, "c", 2)
        while "ingress" not in api.get(SERVICES, "default", "web")["status"]["loadBalancer"]:
            await asyncio.sleep(0.01)
        created["url"], created["token"] = handle.url, handle.admin_token
        created["ip"] = api.get(SERVICES, "default", "web")["status"]["loadBalancer"]["ingress"][0]["ip"]
        created["ca"] = handle.ca_pem
        created["version"] = clusters.cluster("c").store.version

    async def second(clusters: Clusters, saved: dict[str, Any]) -> None:
        await clusters.restore(saved)
        handle = clusters.get("c")
        assert handle is not None
        assert (handle.url, handle.admin_token) == (created["url"], created["token"])
        assert handle.ca_pem == created["ca"]
        pods = await _available(clusters, "c", 2)
        assert {p["spec"]["nodeName"] for p in pods} == {"n"}
        store = clusters.cluster("c").store
        assert store.version >= created["version"]
        again = await clusters.create("c", version="1.31", authenticate={"t": "wang"}.get)
        assert again is handle

    with running_loop() as loop:

        def call(coro: Any) -> Any:
            return asyncio.run_coroutine_threadsafe(coro, loop).result(20)

        async def end(clusters: Clusters, containers: Containers) -> None:
            await clusters.close()
            await containers.close()

        async def build() -> tuple[Clusters, Containers]:
            return _clusters()

        clusters, containers = call(build())
        call(first(clusters))
        saved = json.loads(json.dumps(clusters.snapshot()))
        call(end(clusters, containers))
        assert plain_get(f"http://{created['ip']}:18088/") is None
        clusters, containers = call(build())
        call(second(clusters, saved))
        deadline = time.monotonic() + 5
        while (answer := plain_get(f"http://{created['ip']}:18088/")) is None or answer.status != 200:
            assert time.monotonic() < deadline
            time.sleep(0.05)
        call(end(clusters, containers))


def test_a_snapshot_of_another_version_is_refused() -> None:
    async def run() -> None:
        clusters, _containers = _clusters()
        with pytest.raises(ValueError, match="schema 99"):
            await clusters.restore({"schema_version": 99, "clusters": []})

    asyncio.run(run())


def test_many_clusters_are_light() -> None:
    """9 clusters of 30 pods with 1 s probes: a second of their life costs little CPU."""

    async def run() -> float:
        clusters, containers = _clusters()
        for number in range(9):
            handle = await clusters.create(f"c{number}", version="1.31", authenticate=lambda _t: None)
            await handle.add_node(NODE)
            clusters.cluster(f"c{number}").api.create(DEPLOYMENTS, "default", _plain_deployment(30), Write("me"))
        for number in range(9):
            await _available(clusters, f"c{number}", 30)
        before = time.process_time()
        await asyncio.sleep(2.0)
        used = time.process_time() - before
        await clusters.close()
        await containers.close()
        return used / 2.0

    share = asyncio.run(run())
    assert share < 0.6, f"{share:.0%} of a core for 270 probed pods"


def _plain_deployment(replicas: int) -> dict[str, Any]:
    probe = {"httpGet": {"path": "/healthz", "port": 8080}, "periodSeconds": 1}
    container = {"name": "c", "image": "web:1", "ports": [{"containerPort": 8080}], "readinessProbe": probe}
    template = {"metadata": {"labels": {"app": "w"}}, "spec": {"containers": [container]}}
    spec = {"replicas": replicas, "selector": {"matchLabels": {"app": "w"}}, "template": template}
    return {"metadata": {"name": "w"}, "spec": spec}
