"""Brings a Deployment's pods back to the nodes that the placement meant for them, one more first and none less.

Callers: the engine, after a rollout. A rolling update begins with a pod more, which takes the zone's room for updates,
and ends with a hole where the last old pod was: small holes everywhere, and the next large pod finds none. So the
Deployment gets one replica more, which goes to the hole, since its pods prefer their nodes; then it gives up the pod
that took the room, told by its deletion cost (kubernetes.io/docs/concepts/workloads/controllers/replicaset, "Pod
deletion cost").

What runs where no annotation of ours says how many each node is to carry is left alone, and so is a Deployment whose
replicas are in other hands. A pod that finds no place within a few seconds ends the attempt: the replicas are taken
back, and the pods stay where they are.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from model.errors import Forbidden, RolloutFailed
from model.resources import ANNOTATION_PLANNED, LABEL_POOL
from providers.base import Call
from providers.kubernetes.evidence import workload_pods
from providers.kubernetes.kinds import BUILT_IN
from providers.kubernetes.wire import ClusterClient

HOSTNAME: Final = "kubernetes.io/hostname"
DELETION_COST: Final = "controller.kubernetes.io/pod-deletion-cost"
FIRST_TO_GO: Final = "-100"
MERGE_PATCH: Final = "application/merge-patch+json"


def planned_of(manifest: Mapping[str, Any]) -> dict[str, int]:
    """Node pool (or the name of a node that is nobody's pool) -> pods that it is to carry; empty where not said."""
    text = str((manifest["metadata"].get("annotations") or {}).get(ANNOTATION_PLANNED, ""))
    rows = (row.rpartition("=") for row in text.split(",") if row)
    return {name: int(count) for name, _, count in rows if count.isdigit()}


def astray(pods: Iterable[Mapping[str, Any]], pool_of: Mapping[str, str], planned: Mapping[str, int]) -> list[str]:
    """Names of pods beyond what each pool is to carry, in the order of their names."""
    carried: Counter[str] = Counter()
    found = []
    for pod in sorted(pods, key=lambda p: str(p["metadata"]["name"])):
        node = str(pod["spec"].get("nodeName") or "")
        if not node or pod["metadata"].get("deletionTimestamp"):
            continue
        pool = pool_of.get(node, "")
        carried[pool] += 1
        if carried[pool] > planned.get(pool, 0):
            found.append(str(pod["metadata"]["name"]))
    return found


@dataclass(frozen=True, slots=True)
class Return:
    """One attempt for one Deployment. read: it as it is; scale: sets its replicas; settle: waits until it is ready
    again, RolloutFailed where a pod finds no room."""

    client: ClusterClient
    namespace: str
    planned: Mapping[str, int]
    count: int
    read: Callable[[], Mapping[str, Any]]
    scale: Callable[[int], None]
    settle: Callable[[], None]
    call: Call

    def run(self) -> int:
        """How many pods are back. Raises model.errors where the cluster does not answer, or the replicas cannot be
        taken back."""
        pool_of: dict[str, str] = {}
        for moved in range(self.count):
            live = self.read()
            if int((live.get("spec") or {}).get("replicas", 1)) != self.count:
                return moved
            try:
                pool_of = pool_of or self._pools()
            except Forbidden as exc:
                self.call.progress(f"pods stay where they are: {exc.summary}")
                return moved
            before = {str(p["metadata"]["name"]) for p in workload_pods(self.client, live, self.call)}
            if not self._astray(live, pool_of) or not self._moved(live, pool_of, before):
                return moved
        return self.count

    def _moved(self, live: Mapping[str, Any], pool_of: Mapping[str, str], before: set[str]) -> bool:
        """One pod more and one less; whether the new one is where it should be."""
        self.scale(self.count + 1)
        better = False
        try:
            self.settle()
            stray = self._astray(live, pool_of)
            new = [name for name in stray if name not in before]
            old = [name for name in stray if name in before]
            better = bool(old) and not new
            for name in (new or old)[:1]:
                self._give_up(name)
        except (RolloutFailed, Forbidden) as exc:
            self.call.progress(f"pods stay where they are: {exc.summary}")
        finally:
            self.scale(self.count)
        self.settle()
        return better

    def _astray(self, live: Mapping[str, Any], pool_of: Mapping[str, str]) -> list[str]:
        return astray(workload_pods(self.client, live, self.call), pool_of, self.planned)

    def _pools(self) -> dict[str, str]:
        """Node -> its pool by our label, else its own name."""
        answer = self.client.request("GET", "/api/v1/nodes", self.call, "list nodes")
        labels = {str(n["metadata"]["name"]): n["metadata"].get("labels") or {} for n in answer.get("items") or ()}
        return {node: str(found.get(LABEL_POOL) or found.get(HOSTNAME) or node) for node, found in labels.items()}

    def _give_up(self, pod: str) -> None:
        body = {"metadata": {"annotations": {DELETION_COST: FIRST_TO_GO}}}
        path = BUILT_IN["Pod"].path(self.namespace, pod)
        self.client.request(
            "PATCH",
            path,
            self.call,
            f"patch pods {self.namespace}/{pod}",
            body=body,
            content_type=MERGE_PATCH,
            write=True,
        )
