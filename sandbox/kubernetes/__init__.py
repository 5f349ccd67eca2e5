"""Kubernetes clusters on loopback: one API per cluster, with the controllers, nodes and pods behind it.

Callers: the sandbox's assembly (`Clusters`), through world.ClusterHost. What the official client and kubectl use is
spoken over real HTTP. Non-goals: kinds without a controller here, isolation, etcd.
"""

from sandbox.kubernetes.host import Clusters
from sandbox.kubernetes.nodes.worker import Backoff

__all__ = ["Backoff", "Clusters"]
