"""Services: who stands behind them, the API's proxy, and load balancers that really answer."""

from __future__ import annotations

import json
from collections import Counter
from typing import Any

import pytest
from kubernetes.client import ApiException, DiscoveryV1Api

from sandbox.kubernetes.services import LISTENERS

PROXY = "/api/v1/namespaces/default/services/web:80/proxy"


def _slices(kube: Any) -> list[Any]:
    found = DiscoveryV1Api(kube.api).list_namespaced_endpoint_slice(
        "default", label_selector="kubernetes.io/service-name=web"
    )
    return list(found.items)


def _ready(kube: Any) -> list[str]:
    return [a for s in _slices(kube) for e in s.endpoints or [] if e.conditions.ready for a in e.addresses]


def test_endpoint_slices_follow_readiness(kube: Any) -> None:
    kube.apply(kube.service())
    kube.apply(kube.deployment(replicas=2))
    kube.rolled_out()
    kube.until(lambda: len(_ready(kube)) == 2)
    (row,) = _slices(kube)
    assert (row.ports[0].port, row.address_type) == (8080, "IPv4")
    assert {e.zone for e in row.endpoints} <= {"zone-a", "zone-b", "zone-c"}
    kube.apply(kube.deployment(replicas=0))
    kube.until(lambda: not _ready(kube))


def test_the_proxy_forwards_and_says_503_without_endpoints(kube: Any) -> None:
    kube.apply(kube.service())
    answer = kube.http(f"{PROXY}/")
    assert (answer.status, answer.json()["reason"]) == (503, "ServiceUnavailable")
    kube.apply(kube.deployment(replicas=2))
    kube.rolled_out()
    kube.until(lambda: len(_ready(kube)) == 2)
    seen = Counter(kube.http(f"{PROXY}/hello?x=1").json()["pod"] for _ in range(8))
    assert sorted(seen.values()) == [4, 4], "round robin"
    assert kube.http("/api/v1/namespaces/default/services/web/proxy/").status == 200
    assert kube.http("/api/v1/namespaces/default/services/nope:80/proxy/").status == 404
    assert kube.http("/api/v1/namespaces/default/services/web:9/proxy/").status == 400


def test_what_a_pod_answers_goes_through_the_proxy_unchanged(kube: Any) -> None:
    kube.apply(kube.service())
    kube.apply(kube.deployment(replicas=1, behaviour={"error_rate": 1.0}))
    kube.rolled_out()
    kube.until(lambda: _ready(kube))
    answer = kube.http(f"{PROXY}/pay", method="POST", body=b"{}")
    assert (answer.status, answer.json()["status"]) == (500, "error"), "ready, and yet failing"


def test_a_load_balancer_has_an_address_that_answers(kube: Any, plain_get: Any, free_port: int) -> None:
    kube.apply(kube.service(kind="LoadBalancer", port=free_port))

    def address() -> Any:
        found = kube.core.read_namespaced_service("web", "default")
        ingress = found.status.load_balancer.ingress
        return found if ingress else None

    service = kube.until(address)
    assert service.spec.cluster_ip.startswith("10.")
    assert 30000 <= service.spec.ports[0].node_port < 32768
    url = f"http://{service.status.load_balancer.ingress[0].ip}:{free_port}/"
    assert plain_get(url).status == 503, "nobody is ready"
    kube.apply(kube.deployment(replicas=2))
    kube.rolled_out()
    kube.until(lambda: len(_ready(kube)) == 2)
    assert len({plain_get(url).json()["pod"] for _ in range(6)}) == 2
    kube.core.delete_namespaced_service("web", "default")
    kube.until(lambda: plain_get(url) is None)


def test_a_load_balancer_moves_a_port_that_is_refused_and_says_where_to(kube: Any, taken_port: int) -> None:
    kube.apply(kube.service(kind="LoadBalancer", port=taken_port))

    def moved() -> Any:
        return (kube.core.read_namespaced_service("web", "default").metadata.annotations or {}).get(LISTENERS)

    where = json.loads(kube.until(moved))
    assert list(where) == [str(taken_port)]
    assert "PortMoved" in kube.reasons()


def test_a_service_without_a_selector_uses_the_slices_it_is_given(kube: Any) -> None:
    kube.apply(kube.deployment("real", replicas=1))
    kube.rolled_out("real")
    (pod,) = kube.pods("real")
    manifest = kube.service()
    del manifest["spec"]["selector"]
    manifest["spec"]["ports"] = [{"port": 80, "targetPort": 8080, "name": "http"}]
    kube.apply(manifest)
    body = {
        "metadata": {"name": "web-far", "labels": {"kubernetes.io/service-name": "web"}},
        "addressType": "IPv4",
        "endpoints": [{"addresses": [pod.status.pod_ip]}],
        "ports": [{"name": "http", "port": 8080}],
    }
    DiscoveryV1Api(kube.api).create_namespaced_endpoint_slice("default", body)
    assert kube.http(f"{PROXY}/").json()["service"] == "real"
    assert len(_slices(kube)) == 1


def test_cluster_addresses_stay_and_bad_ones_are_refused(kube: Any) -> None:
    first = kube.apply(kube.service())
    assert kube.apply(kube.service(port=81)).spec.cluster_ip == first.spec.cluster_ip
    manifest = kube.service("other")
    manifest["spec"]["clusterIP"] = first.spec.cluster_ip
    with pytest.raises(ApiException) as caught:
        kube.apply(manifest)
    assert caught.value.status == 422
    manifest["spec"]["clusterIP"] = "None"
    assert kube.apply(manifest).spec.cluster_ip == "None"
