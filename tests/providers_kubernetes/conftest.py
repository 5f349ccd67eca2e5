"""A cluster of the sandbox in a thread, the adapter opened on it, and objects to apply."""

from __future__ import annotations

import os
import time
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from kubernetes import client as k8s

from model.resources import Address, Kind, KubernetesObject
from providers.base import Account, Call, ClusterAccess
from providers.calls import Calls
from providers.kubernetes import KubernetesProvider, open_cluster
from providers.kubernetes.errors import map_error
from sandbox.kubernetes.embedded import Running, running_cluster
from sandbox.kubernetes.nodes.worker import Backoff

FLEET = "prod"
ACCOUNT = Account(
    "north", "aws", "aws-cn", "222222222222", options={"unschedulable_grace_s": 0.5, "stuck_grace_s": 0.5}
)


@pytest.fixture(scope="session")
def reference() -> Path:
    """The shared reference data; tests that need it are skipped by name where it is absent."""
    folder = Path(os.environ.get("DUOYUN_REFERENCE_DATA", Path(__file__).parents[2].parent / "shared" / "data"))
    if not folder.is_dir():
        pytest.skip(f"reference data is not there: {folder}")
    return folder


@pytest.fixture(scope="module")
def running() -> Iterator[Running]:
    with running_cluster(backoff=Backoff(first_s=0.1, most_s=0.2)) as cluster:
        yield cluster


def address(name: str) -> Address:
    return Address(ACCOUNT.partition, ACCOUNT.account_id, "cn-north-1", Kind.KUBERNETES_OBJECT, name)


@dataclass
class Bench:
    """What a test works with, in a namespace of its own."""

    running: Running
    provider: KubernetesProvider
    namespace: str
    progress: list[str] = field(default_factory=list)
    guarded: list[int] = field(default_factory=list)

    def call(self, seconds: float = 20.0, **kwargs: Any) -> Call:
        kwargs.setdefault("fleet", FLEET)
        kwargs.setdefault("guard", lambda: self.guarded.append(1))
        return Call(deadline_s=time.monotonic() + seconds, progress=self.progress.append, **kwargs)

    def at(self, kind: str, name: str) -> Address:
        return address(f"main/{self.namespace}/{kind}/{name}")

    def open(self, token: Callable[[], str], **kwargs: Any) -> KubernetesProvider:
        """Another adapter on the same cluster."""
        calls = Calls(map_error, rate_per_s=1000, burst=1000, base_s=0.01, **kwargs)
        access = ClusterAccess(self.running.url, ca_pem=self.running.ca_pem, token=token)
        return open_cluster(ACCOUNT, "cn-north-1", "main", access, calls=calls)

    def api(self) -> k8s.ApiClient:
        """The official client, as a stranger uses it."""
        configuration = k8s.Configuration(host=self.running.url, ssl_ca_cert=str(self.running.ca_file))
        configuration.api_key = {"authorization": f"Bearer {self.running.token}"}
        return k8s.ApiClient(configuration)

    def create(self, obj: KubernetesObject, **kwargs: Any) -> Any:
        return self.provider.create(address(obj.name), obj, self.call(**kwargs))

    def manifest(self, kind: str, name: str, api_version: str = "v1", **rest: Any) -> KubernetesObject:
        """An object with our labels."""
        metadata = {"name": name, "namespace": self.namespace, "labels": {"app.kubernetes.io/managed-by": "duoyun"}}
        manifest = {"apiVersion": api_version, "kind": kind, "metadata": metadata, **rest}
        return KubernetesObject(name=f"main/{self.namespace}/{kind}/{name}", manifest=manifest)

    def deployment(
        self,
        name: str = "web",
        *,
        replicas: int = 2,
        image: str = "shop/web:1",
        behaviour: str = "",
        cpu: str = "100m",
        delegated: tuple[str, ...] = (),
        deadline_s: int = 600,
        env: list[dict[str, Any]] | None = None,
    ) -> KubernetesObject:
        container: dict[str, Any] = {
            "name": name,
            "image": image,
            "ports": [{"name": "http", "containerPort": 8080, "protocol": "TCP"}],
            "resources": {"requests": {"cpu": cpu, "memory": "64Mi"}, "limits": {"memory": "64Mi"}},
            "readinessProbe": {"httpGet": {"path": "/healthz", "port": "http"}, "periodSeconds": 1},
        }
        if env:
            container["env"] = env
        template: dict[str, Any] = {"metadata": {"labels": {"app": name}}, "spec": {"containers": [container]}}
        if behaviour:
            template["metadata"]["annotations"] = {"sandbox.duoyun.dev/behaviour": behaviour}
        spec = {
            "replicas": replicas,
            "progressDeadlineSeconds": deadline_s,
            "selector": {"matchLabels": {"app": name}},
            "strategy": {"type": "RollingUpdate", "rollingUpdate": {"maxSurge": 1, "maxUnavailable": 0}},
            "template": template,
        }
        made = self.manifest("Deployment", name, "apps/v1", spec=spec)
        return KubernetesObject(name=made.name, manifest=made.manifest, delegated=delegated)

    def service(self, name: str = "web", kind: str = "ClusterIP") -> KubernetesObject:
        ports = [{"name": "http", "port": 80, "targetPort": 8080, "protocol": "TCP"}]
        return self.manifest("Service", name, spec={"type": kind, "selector": {"app": name}, "ports": ports})


@pytest.fixture
def bench(running: Running, request: pytest.FixtureRequest) -> Iterator[Bench]:
    """A namespace of the test's own, made through the adapter; it goes with the cluster."""
    namespace = f"t-{zlib.crc32(request.node.name.encode())}"
    base = Bench(running, None, namespace)  # type: ignore[arg-type]
    base.provider = base.open(lambda: running.token)
    manifest = {
        "apiVersion": "v1",
        "kind": "Namespace",
        "metadata": {"name": namespace, "labels": {"app.kubernetes.io/managed-by": "duoyun"}},
    }
    base.create(KubernetesObject(name=f"main/-/Namespace/{namespace}", manifest=manifest))
    base.guarded.clear()
    yield base
    base.provider.close()
