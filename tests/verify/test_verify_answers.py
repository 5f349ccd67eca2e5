"""Verification: good answers in a row, bounded questions, evidence; pods by a stand-in cluster, VMs over HTTP."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Iterator, Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest
import yaml

from model.errors import Forbidden, Interrupted, RolloutFailed, Transient, Unreachable
from model.resources import Address, Instance, Kind, KubernetesObject, Observed
from model.spec.app import Application
from model.spec.fleet import Fleet, Site
from orchestrator import verify
from orchestrator.answers import NO_ROUTE, Answer
from orchestrator.verify import VerifyPolicy, verify_instance, verify_service, verify_workload
from providers.base import Call

QUICK = VerifyPolicy(adaptive=False, successes=3, attempts=6, interval_s=0.001)


def application(port: int = 8080) -> Application:
    services = [
        {
            "name": name,
            "image": "x:1",
            "runtime": runtime,
            "resources": {"cpu": 1, "memory": "1Gi"},
            "ports": [{"port": port}],
            "data_class": "internal",
            "zones": ["any"],
        }
        for name, runtime in (("web", "kubernetes"), ("legacy", "vm"))
    ]
    document = {"apiVersion": "duoyun.dev/v1", "kind": "Application", "metadata": {"name": "shop"}}
    return Application.model_validate(document | {"spec": {"services": services}})


@pytest.fixture(scope="module")
def sites() -> list[Site]:
    region = {
        "account": "a",
        "region": "cn-north-1",
        "zones": [{"zone": "cn-north-1a"}, {"zone": "cn-north-1b"}],
        "country": "CN",
        "network": {"cidr": "10.0.0.0/16"},
        "cluster": {"name": "main"},
    }
    text = yaml.safe_load("{apiVersion: duoyun.dev/v1, kind: Fleet, metadata: {name: f}}")
    accounts = [{"name": "a", "partition": "aws-cn", "account_id": "1"}]
    return list(Fleet.model_validate(text | {"spec": {"accounts": accounts, "regions": [region]}}).sites())


class Cluster:
    """Pods per site label; answers are taken from a script, the last one for ever."""

    def __init__(self, answers: Mapping[str, list[Any]]) -> None:
        self.answers = {pod: list(script) for pod, script in answers.items()}
        self.asked: list[tuple[str, int, str]] = []
        self.labels: list[dict[str, str]] = []

    def pods(self, namespace: str, labels: Mapping[str, str], call: Call) -> list[dict[str, Any]]:
        self.labels.append(dict(labels))
        site = labels["duoyun.dev/site"].rsplit(".", 1)[-1]
        ready = {"conditions": [{"type": "Ready", "status": "True"}]}
        old = {"metadata": {"name": "old", "deletionTimestamp": "2026-11-23T00:00:00Z"}, "status": ready}
        late = {"metadata": {"name": "late"}, "status": {}}
        pods = [{"metadata": {"name": p}, "status": ready} for p in self.answers if p.startswith(site)]
        return [*pods, old, late]

    def http_get_pod(self, namespace: str, pod: str, port: int, path: str, call: Call) -> tuple[int, bytes]:
        self.asked.append((pod, port, path))
        script = self.answers[pod]
        answer = script.pop(0) if len(script) > 1 else script[0]
        if isinstance(answer, Exception):
            raise answer
        return answer


def run(cluster: Cluster, sites: list[Site], policy: VerifyPolicy = QUICK, **kwargs: Any) -> Any:
    app = application()
    replicas = {s.id: 1 for s in sites}
    return verify_service(
        app,
        app.service("web"),
        replicas,
        sites,
        cluster=lambda _s: cluster,
        addresses=lambda _s: (),
        call=kwargs.pop("call", Call()),
        policy=policy,
    )


def test_every_site_is_asked_until_enough_answers_in_a_row_are_good(sites: list[Site]) -> None:
    cluster = Cluster({"cn-north-1a-x": [(503, b""), (200, b"ok")], "cn-north-1b-x": [(204, b"")]})
    found = run(cluster, sites)
    assert [(v.site, v.target, v.questions) for v in found] == [
        ("aws-cn/cn-north-1a", "pod cn-north-1a-x", 4),
        ("aws-cn/cn-north-1b", "pod cn-north-1b-x", 3),
    ]
    assert set(cluster.asked) == {("cn-north-1a-x", 8080, "/healthz"), ("cn-north-1b-x", 8080, "/healthz")}


def test_bad_answers_fail_with_the_last_of_them_as_evidence(sites: list[Site]) -> None:
    cluster = Cluster(
        {"cn-north-1a-x": [(200, b""), (200, b""), (500, b"database  gone")], "cn-north-1b-x": [(200, b"")]}
    )
    with pytest.raises(RolloutFailed, match="HTTP 500, 'database gone'") as caught:
        run(cluster, sites)
    assert "3 in a row are wanted" in caught.value.detail
    assert len([a for a in cluster.asked if a[0] == "cn-north-1a-x"]) <= QUICK.attempts


def test_it_stops_as_soon_as_too_few_questions_are_left(sites: list[Site]) -> None:
    cluster = Cluster({"cn-north-1a-x": [(500, b"")]})
    with pytest.raises(RolloutFailed):
        run(cluster, sites[:1])
    assert len(cluster.asked) == 4


def test_a_stumble_of_the_api_server_is_a_bad_answer_and_a_missing_right_is_an_error(sites: list[Site]) -> None:
    stumbling = Cluster({"cn-north-1a-x": [Transient("stumbled"), (200, b"")]})
    assert run(stumbling, sites[:1])[0].questions == 4
    with pytest.raises(Forbidden):
        run(Cluster({"cn-north-1a-x": [Forbidden("not allowed")]}), sites[:1])


def test_a_site_without_ready_pods_fails(sites: list[Site]) -> None:
    with pytest.raises(RolloutFailed, match="nothing that could answer in aws-cn/cn-north-1a"):
        run(Cluster({}), sites[:1])


def test_the_deadline_bounds_it(sites: list[Site]) -> None:
    cluster = Cluster({"cn-north-1a-x": [(500, b"")]})
    patient = VerifyPolicy(adaptive=False, attempts=10_000, interval_s=0.01)
    began_s = time.monotonic()
    with pytest.raises(RolloutFailed):
        run(cluster, sites[:1], patient, call=Call(deadline_s=began_s + 0.2))
    assert time.monotonic() - began_s < 2


def test_a_request_to_stop_is_heard(sites: list[Site]) -> None:
    with pytest.raises(Interrupted):
        run(Cluster({"cn-north-1a-x": [(200, b"")]}), sites[:1], call=Call(cancelled=lambda: True))


def test_only_so_many_pods_of_a_site_are_asked_spread_over_all(sites: list[Site]) -> None:
    cluster = Cluster({f"cn-north-1a-{i:02}": [(200, b"")] for i in range(20)})
    assert [v.target for v in run(cluster, sites[:1])] == ["pod cn-north-1a-00", "pod cn-north-1a-10"]


def test_a_deployment_is_asked_by_its_own_selector(sites: list[Site]) -> None:
    cluster = Cluster({"cn-north-1a-x": [(200, b"")]})
    labels = {"app.kubernetes.io/name": "web", "duoyun.dev/site": "aws-cn.cn-north-1a"}
    address = Address("aws-cn", "1", "cn-north-1", Kind.KUBERNETES_OBJECT, "main/shop/Deployment/web-a")
    manifest = {"kind": "Deployment", "spec": {"selector": {"matchLabels": labels}}}
    seen = Observed(address=address, resource=KubernetesObject(name=address.name, manifest=manifest), provider_id="u")
    found = verify_workload(cluster, application().service("web"), "shop", seen, Call(), QUICK)  # type: ignore[arg-type]
    assert [v.site for v in found] == ["aws-cn.cn-north-1a"]
    assert cluster.labels == [labels]


# -- VMs -------------------------------------------------------------------------------------------------------


@pytest.fixture
def vm() -> Iterator[tuple[int, list[int]]]:
    """A VM's service: (port, statuses still to be answered; 200 afterwards)."""
    statuses: list[int] = []

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(statuses.pop(0) if statuses else 200)
            self.end_headers()
            self.wfile.write(b"from a vm")

        def log_message(self, *_args: object) -> None:
            """Quiet."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield server.server_address[1], statuses
    server.shutdown()
    thread.join()
    server.server_close()


def instance(ip: str) -> Observed:
    address = Address("aws-cn", "1", "cn-north-1", Kind.INSTANCE, "legacy-a-0")
    resource = Instance(name="legacy-a-0", zone="a", subnet="s", firewall_group="g", instance_type="t")
    return Observed(address=address, resource=resource, provider_id="i-1", private_ip=ip)


def test_a_vm_is_asked_at_its_private_address(vm: tuple[int, list[int]]) -> None:
    port, statuses = vm
    statuses += [500]
    (found,) = verify_instance(application(port).service("legacy"), instance("127.0.0.1"), Call(), QUICK)
    assert (found.site, found.questions, found.last.body) == ("legacy-a-0", 4, "from a vm")


def test_a_vm_that_refuses_has_failed_and_one_that_is_out_of_reach_is_unknown(monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    legacy = application(port).service("legacy")
    with pytest.raises(RolloutFailed, match="connection refused"):
        verify_instance(legacy, instance("127.0.0.1"), Call(), QUICK)
    unreached = Answer(0, "", 1.0, NO_ROUTE)
    monkeypatch.setattr(verify, "get_url", lambda url, timeout_s: unreached)
    with pytest.raises(Unreachable, match="cannot be reached from here"):
        verify_instance(legacy, instance("10.255.255.1"), Call(), QUICK)
    with pytest.raises(RolloutFailed, match="nothing that could answer"):
        verify_instance(legacy, instance(""), Call(), QUICK)


def test_a_service_without_a_readiness_probe_has_nothing_to_ask(sites: list[Site]) -> None:
    web = application().service("web")
    silent = web.model_copy(update={"probes": web.probes.model_copy(update={"readiness": None})})
    assert verify_instance(silent, instance("127.0.0.1"), Call(), QUICK) == ()
