"""Objects in a cluster that duoyun knows nothing of, made with the Kubernetes SDK."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from kubernetes import client as k8s

from model.resources import Kind

SPACE = "theirs"


@contextmanager
def api(site: Any) -> Iterator[k8s.ApiClient]:
    """The SDK's client for a site's standing cluster."""
    access = site.provider.cluster_access(site.stands(Kind.CLUSTER)[1], site.call())
    with tempfile.NamedTemporaryFile("w", suffix=".pem") as ca:
        ca.write(access.ca_pem)
        ca.flush()
        options = k8s.Configuration(host=access.server, api_key={"authorization": f"Bearer {access.token()}"})
        options.ssl_ca_cert = ca.name
        client = k8s.ApiClient(options)
        try:
            yield client
        finally:
            client.close()


def make(site: Any) -> None:
    """A release as Helm leaves it, something that kubectl made, and what Argo CD put there."""
    with api(site) as client:
        core = k8s.CoreV1Api(client)
        core.create_namespace({"metadata": {"name": SPACE}})
        helm = {"meta.helm.sh/release-name": "shop", "meta.helm.sh/release-namespace": SPACE}
        for name, labels, notes in (
            ("by-helm", {"app.kubernetes.io/managed-by": "Helm"}, helm),
            ("by-old-helm", {"heritage": "Tiller", "release": "old"}, {}),
            ("by-argo", {"app.kubernetes.io/managed-by": "argocd"}, {}),
            ("by-hand", {}, {}),
        ):
            meta = {"name": name, "namespace": SPACE, "labels": labels, "annotations": notes}
            core.create_namespaced_config_map(SPACE, {"metadata": meta, "data": {"a": "b"}})
