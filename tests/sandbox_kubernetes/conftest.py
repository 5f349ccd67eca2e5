"""A cluster over real HTTP with the official client, and manifests to put into it."""

from __future__ import annotations

import copy
import json
import socket
import ssl
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import pytest
from kubernetes import client

from sandbox.kubernetes import Backoff
from sandbox.kubernetes.embedded import Running, running_cluster

BEHAVIOUR = "sandbox.duoyun.dev/behaviour"


def _deployment(
    name: str = "web",
    *,
    image: str = "registry.example/web:1",
    replicas: int = 3,
    behaviour: dict[str, Any] | None = None,
    namespace: str = "default",
    probe: bool = True,
    **spec: Any,
) -> dict[str, Any]:
    container: dict[str, Any] = {
        "name": "app",
        "image": image,
        "ports": [{"containerPort": 8080, "name": "http"}],
        "resources": {"requests": {"cpu": "100m", "memory": "64Mi"}},
    }
    if probe:
        container["readinessProbe"] = {"httpGet": {"path": "/healthz", "port": "http"}, "periodSeconds": 1}
    template: dict[str, Any] = {"metadata": {"labels": {"app": name}}, "spec": {"containers": [container]}}
    if behaviour is not None:
        template["metadata"]["annotations"] = {BEHAVIOUR: json.dumps(behaviour)}
    body = {"replicas": replicas, "selector": {"matchLabels": {"app": name}}, "template": template}
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": name, "namespace": namespace},
        "spec": body | spec,
    }


def _service(name: str = "web", *, kind: str = "ClusterIP", port: int = 80) -> dict[str, Any]:
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": name, "namespace": "default"},
        "spec": {"type": kind, "selector": {"app": name}, "ports": [{"port": port, "targetPort": "http"}]},
    }


@dataclass(frozen=True)
class Answer:
    """One HTTP answer, whatever its status."""

    status: int
    body: bytes
    headers: Mapping[str, str]

    def json(self) -> Any:
        return json.loads(self.body)


def fetch(request: urllib.request.Request | str, trust: ssl.SSLContext | None = None) -> Answer:
    """OSError where nobody answers."""
    try:
        with urllib.request.urlopen(request, timeout=10, context=trust) as answer:
            return Answer(answer.status, answer.read(), dict(answer.headers))
    except urllib.error.HTTPError as exc:
        with exc:
            return Answer(exc.code, exc.read(), dict(exc.headers))


@dataclass
class Kube:
    """The official client on one cluster, and what tests do with it again and again."""

    running: Running
    api: client.ApiClient
    core: client.CoreV1Api
    apps: client.AppsV1Api
    deployment: Callable[..., dict[str, Any]] = _deployment
    service: Callable[..., dict[str, Any]] = _service

    def apply(self, manifest: dict[str, Any], manager: str = "duoyun", *, force: bool = False, **options: Any) -> Any:
        """Server-side apply of a Deployment, Service or ConfigMap."""
        meta = manifest["metadata"]
        name = manifest["kind"].lower()
        group = self.apps if manifest["kind"] == "Deployment" else self.core
        name = {"configmap": "config_map"}.get(name, name)
        call = getattr(group, f"patch_namespaced_{name}")
        return call(
            meta["name"],
            meta.get("namespace", "default"),
            copy.deepcopy(manifest),
            field_manager=manager,
            force=force,
            _content_type="application/apply-patch+yaml",
            **options,
        )

    def until(self, probe: Callable[[], Any], timeout_s: float = 20.0) -> Any:
        """The first truthy value of probe(); fails with the last one at the end of the time."""
        end = time.monotonic() + timeout_s
        while True:
            value = probe()
            if value:
                return value
            assert time.monotonic() < end, f"not within {timeout_s} s; last seen {value!r}"
            time.sleep(0.02)

    def rolled_out(self, name: str = "web", timeout_s: float = 20.0) -> Any:
        """Waits as `kubectl rollout status` does."""

        def done() -> Any:
            found = self.apps.read_namespaced_deployment(name, "default")
            status, wanted = found.status, found.spec.replicas
            seen = status.observed_generation == found.metadata.generation
            counts = (status.replicas or 0, status.updated_replicas or 0, status.available_replicas or 0)
            return found if seen and counts == (wanted, wanted, wanted) else None

        return self.until(done, timeout_s)

    def pods(self, app: str = "web") -> list[Any]:
        """Those that are not being deleted."""
        found = self.core.list_namespaced_pod("default", label_selector=f"app={app}").items
        return [p for p in found if p.metadata.deletion_timestamp is None]

    def http(self, path: str, *, method: str = "GET", body: bytes | None = None, **headers: str) -> Answer:
        """A plain request with the bearer token, for what the typed client hides."""
        token = self.api.configuration.api_key["authorization"]
        request = urllib.request.Request(
            self.running.url + path, body, {"Authorization": token} | headers, method=method
        )
        return fetch(request, ssl.create_default_context(cadata=self.running.ca_pem))

    def condition(self, kind: str, name: str = "web") -> Any:
        rows = self.apps.read_namespaced_deployment(name, "default").status.conditions or []
        return next((c for c in rows if c.type == kind), None)

    def reasons(self) -> set[str]:
        return {e.reason for e in self.core.list_namespaced_event("default").items}


def make_kube(running: Running, token: str = "") -> Kube:
    configuration = client.Configuration(ssl_ca_cert=str(running.ca_file))
    configuration.host = running.url
    configuration.api_key = {"authorization": f"Bearer {token or running.token}"}
    configuration.retries = False
    api = client.ApiClient(configuration)
    return Kube(running, api, client.CoreV1Api(api), client.AppsV1Api(api))


@pytest.fixture
def running() -> Iterator[Running]:
    with running_cluster(backoff=Backoff(first_s=0.2, most_s=0.4)) as found:
        yield found


@pytest.fixture
def kube(running: Running) -> Iterator[Kube]:
    made = make_kube(running)
    with made.api:
        yield made


@pytest.fixture
def as_user(running: Running) -> Iterator[Callable[[str], Kube]]:
    """as_user(name): the client of a user of that name."""
    made: list[Kube] = []

    def give(name: str) -> Kube:
        running.tokens[f"token-of-{name}"] = name
        made.append(make_kube(running, f"token-of-{name}"))
        return made[-1]

    yield give
    for each in made:
        each.api.close()


@pytest.fixture
def plain_get() -> Callable[[str], Answer | None]:
    """A GET without credentials; None where nobody listens, or the connection breaks."""

    def get(url: str) -> Answer | None:
        try:
            return fetch(url)
        except OSError:
            return None

    return get


@pytest.fixture
def free_port() -> int:
    """A port that nobody listens on, on any loopback address that matters here."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@pytest.fixture
def taken_port() -> Iterator[int]:
    """A port that is taken on every address."""
    with socket.socket() as holder:
        holder.bind(("0.0.0.0", 0))
        holder.listen()
        yield int(holder.getsockname()[1])
