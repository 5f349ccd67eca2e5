"""One Kubernetes cluster as a Provider: server-side apply with one field manager, waits by watch, field-wise diff.

Callers: orchestrator, through `open_cluster` (with what a cloud's `cluster_access` returned). The kind served is
KUBERNETES_OBJECT; addresses are `cluster/namespace/ApiKind/object`. Not here: rendering, ordering, judging releases.
"""

from __future__ import annotations

from providers.base import Account, ClusterAccess
from providers.calls import Calls
from providers.kubernetes.compare import diff_manifests as diff_manifests
from providers.kubernetes.provider import KubernetesProvider as KubernetesProvider


def open_cluster(
    account: Account, region: str, cluster: str, access: ClusterAccess, *, calls: Calls | None = None
) -> KubernetesProvider:
    """Opens one cluster; no request is sent yet. Raises InvalidRequest for plain http to anything but loopback.

    account: whose cluster it is (names addresses, gives the CA bundle). calls: shared rate limit and retry; by default
    the cluster has its own. access.token is asked again before it can expire, and after a 401.
    """
    from providers.kubernetes.wire import ClusterClient

    return KubernetesProvider(account, region, cluster, ClusterClient(account, region, cluster, access, calls))


__all__ = ["KubernetesProvider", "diff_manifests", "open_cluster"]
