"""The Provider protocol for one cluster.

Ownership: what we apply carries LABEL_MANAGED and the label `duoyun.dev/fleet`, which is added here and taken out of
what is reported, so that desired and observed manifests compare. Fields of others are never forced: see `update`.
"""

from __future__ import annotations

import builtins
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import quote

from model.errors import AlreadyExists, Conflict, Forbidden, InvalidRequest, NotFound
from model.resources import (
    FIELD_MANAGER,
    LABEL_MANAGED,
    Address,
    AnyResource,
    Change,
    FieldDiff,
    Kind,
    KubernetesObject,
    Observed,
)
from providers.base import Account, Call, Capability, Identity
from providers.kubernetes.compare import LABEL_FLEET, applied_by_us, diff_manifests, left_alone, managers
from providers.kubernetes.discovery import Kinds
from providers.kubernetes.evidence import list_pods
from providers.kubernetes.kinds import BUILT_IN, COMMON, RENDERED, ApiKind
from providers.kubernetes.objects import epoch_s, immutable_changes, manifest_of, observed_of, of_the_cluster
from providers.kubernetes.waiting import Patience, Wait
from providers.kubernetes.wire import APPLY, ClusterClient
from providers.kubernetes.withheld import restored

_WORKERS = 8
_PAGE = "500"
BODY_MAX: Final = 64 * 1024
_VERBS = frozenset({"list", "get", "create", "update", "delete", "changes"})


@dataclass(frozen=True, slots=True)
class _Target:
    kind: ApiKind
    namespace: str
    name: str

    @property
    def path(self) -> str:
        return self.kind.path(self.namespace, self.name)

    def operation(self, verb: str) -> str:
        return f"{verb} {self.kind.resource} {self.namespace}/{self.name}".replace(" /", " ")


class KubernetesProvider:
    """Thread-safe. Close it to give back its connections."""

    def __init__(self, account: Account, region: str, cluster: str, client: ClusterClient) -> None:
        self._account, self._region, self._cluster, self._client = account, region, cluster, client
        options = account.options
        graces = {"unschedulable_s": "unschedulable_grace_s", "stuck_s": "stuck_grace_s", "spot_s": "spot_grace_s"}
        self._patience = Patience(**{f: float(options[name]) for f, name in graces.items() if name in options})
        self._kinds = Kinds(client)

    @property
    def account(self) -> Account:
        return self._account

    @property
    def capabilities(self) -> tuple[Capability, ...]:
        return (Capability(Kind.KUBERNETES_OBJECT, _VERBS),)

    def close(self) -> None:
        self._client.close()

    # -- reading -----------------------------------------------------------------------------------------------

    def identity(self, call: Call) -> Identity:
        """Who the cluster says we are; principal is "" where it cannot say (before Kubernetes 1.28)."""
        body = {"apiVersion": "authentication.k8s.io/v1", "kind": "SelfSubjectReview"}
        path = "/apis/authentication.k8s.io/v1/selfsubjectreviews"
        principal = ""
        try:
            answer = self._client.request("POST", path, call, "create selfsubjectreviews", body=body)
            principal = str(((answer.get("status") or {}).get("userInfo") or {}).get("username", ""))
        except (NotFound, InvalidRequest, Forbidden):
            self._client.request(
                "GET", BUILT_IN["Namespace"].path(), call, "list namespaces", query={"limit": "1"}
            )  # proves at least that we are let in
        return Identity(principal, self._account.account_id)

    def list(self, kind: Kind, region: str, call: Call, *, fleet: str | None = None) -> Iterator[Observed]:
        """What duoyun applied (of one fleet, where given), over the kinds of kinds.RENDERED and kinds.COMMON."""
        if kind is not Kind.KUBERNETES_OBJECT or region != self._region:
            return
        selector = f"{LABEL_MANAGED}=duoyun" + (f",{LABEL_FLEET}={fleet}" if fleet is not None else "")
        names = (*RENDERED, *COMMON)
        with ThreadPoolExecutor(_WORKERS, thread_name_prefix="kubernetes-list") as pool:
            pages = pool.map(lambda name: self._list_kind(BUILT_IN[name], selector, call, name in RENDERED), names)
            for objects in pages:
                yield from (self._observed(o) for o in objects if applied_by_us(o))

    def list_owned(self, call: Call) -> builtins.list[Observed]:
        """Everything of call.fleet here, for pruning."""
        return builtins.list(self.list(Kind.KUBERNETES_OBJECT, self._region, call, fleet=call.fleet))

    def everything(self, call: Call) -> Iterator[Observed]:
        """What people and their tools put into the cluster, whoever did; see objects.of_the_cluster for what is not.

        The kinds are those of `list`: Secrets are never asked for.
        """
        with ThreadPoolExecutor(_WORKERS, thread_name_prefix="kubernetes-list") as pool:
            for objects in pool.map(
                lambda n: self._list_kind(BUILT_IN[n], "", call, needed=True), (*RENDERED, *COMMON)
            ):
                yield from (self._observed(o) for o in objects if not of_the_cluster(o))

    def get(self, address: Address, call: Call) -> Observed:
        """The object as it is, whoever made it; `owner` and the reduced manifest tell what is ours. Raises NotFound."""
        return self._observed(self._read(self._target(address, call), call))

    def changes(self, address: Address, since_s: float, call: Call) -> tuple[Change, ...]:
        """From managedFields: each manager's last write, newest first."""
        live = self._read(self._target(address, call), call)
        found = [
            Change(address=address, at_s=at_s, actor=m.name, operation=f"{m.operation} {m.subresource}".strip())
            for m in managers(live)
            if (at_s := epoch_s(m.at)) is not None and at_s >= since_s
        ]
        return tuple(sorted(found, key=lambda c: (-c.at_s, c.actor)))

    def diff(self, observed: Observed, desired: KubernetesObject) -> tuple[FieldDiff, ...]:
        """See compare.diff_manifests. Pure; needs no rights beyond those that read `observed`."""
        return diff_manifests(observed, desired)

    def secret_exists(self, namespace: str, name: str, call: Call) -> bool:
        """Whether a Secret is there. Its data is not asked for."""
        target = _Target(BUILT_IN["Secret"], namespace, name)
        return self._client.exists(target.path, call, target.operation("get"))

    def pods(self, namespace: str, labels: Mapping[str, str], call: Call) -> builtins.list[dict[str, Any]]:
        """Pods with these labels, as the API gives them."""
        return list_pods(self._client, namespace, ",".join(f"{k}={v}" for k, v in sorted(labels.items())), call)

    def http_get(self, namespace: str, service: str, port: int | str, path: str, call: Call) -> tuple[int, bytes]:
        """(status, body of at most BODY_MAX bytes) of a GET through the API server's proxy to one of the Service's
        ready pods. 503 where it has none. Raises NotFound where there is no such Service, Forbidden, Unreachable."""
        return self._proxied(BUILT_IN["Service"], namespace, f"{service}:{port}", path, call)

    def http_get_pod(self, namespace: str, pod: str, port: int, path: str, call: Call) -> tuple[int, bytes]:
        """The same, to one pod."""
        return self._proxied(BUILT_IN["Pod"], namespace, f"{pod}:{port}", path, call)

    def exec_in_pod(self, namespace: str, pod: str, command: Sequence[str], call: Call, container: str = "") -> int:
        """The exit code of a command in one of a pod's containers ("": the pod's only or default one). Needs the right
        to create pods/exec. Raises TimeoutError, NotFound, Forbidden, Unreachable."""
        target = _Target(BUILT_IN["Pod"], namespace, pod)
        return self._client.run_in_pod(target.path, command, container, call, target.operation("exec"))

    # -- writing -----------------------------------------------------------------------------------------------

    def create(self, address: Address, desired: AnyResource, call: Call) -> Observed:
        """Applies the object, once an older one of that name that is being deleted is gone. AlreadyExists where one is
        there that is not this fleet's."""
        wanted = manifest_of(desired)
        target = self._target(address, call)
        try:
            live = self._read(target, call)
            if live["metadata"].get("deletionTimestamp"):
                self._wait(address, call).until_gone()
                live = self._read(target, call)
        except NotFound:
            return self._apply(target, left_alone(wanted, ()), call)
        owner = (live["metadata"].get("labels") or {}).get(LABEL_FLEET, "")
        if owner != call.fleet or not applied_by_us(live):
            raise AlreadyExists(
                f"{address.name} exists already and is not ours" + (f" (fleet {owner})" if owner else ""),
                call=self._client.where,
                mend=f"rename the application or its namespace, remove the object, or `duoyun adopt {address}`",
                address=str(address),
            )
        return self._update_live(target, live, wanted, call)

    def update(self, observed: Observed, desired: AnyResource, call: Call) -> Observed:
        """Applies the object. Left out: what `desired.delegated` names, and what the observation shows in another
        manager's hands; what was changed by hand is taken back. Conflict, naming manager and field, where one took
        hold of a field since."""
        live = observed.raw.get("object")
        target = self._target(observed.address, call)
        if live is None:
            live = self._read(target, call)
        wanted = restored(manifest_of(desired), live, lambda: self._older(target, live, call))
        return self._update_live(target, live, wanted, call)

    def take_over(self, observed: Observed, desired: AnyResource, call: Call) -> Observed:
        """Applies the object with force: fields of other managers become ours. Only where the user asked for it."""
        wanted = manifest_of(desired)
        return self._apply(self._target(observed.address, call), left_alone(wanted, ()), call, force=True)

    def delete(self, observed: Observed, call: Call) -> None:
        """In the foreground (dependents first), and only the very object that was observed."""
        target = self._target(observed.address, call)
        body = {
            "apiVersion": "v1",
            "kind": "DeleteOptions",
            "propagationPolicy": "Foreground",
            "preconditions": {"uid": observed.provider_id},
        }
        try:
            self._client.request("DELETE", target.path, call, target.operation("delete"), body=body, write=True)
        except NotFound:
            return
        except Conflict:
            try:
                live = self._read(target, call)
            except NotFound:
                return
            if live["metadata"].get("uid") == observed.provider_id:
                raise
            # Another object of that name is there now: the one that was to go is gone.

    def needs_replace(self, before: AnyResource, desired: AnyResource) -> tuple[str, ...]:
        """Immutable fields that differ, e.g. `spec.selector`."""
        return immutable_changes(before, desired)

    def wait_ready(self, address: Address, call: Call) -> Observed:
        return self._observed(self._wait(address, call).until_ready())

    def wait_gone(self, address: Address, call: Call) -> None:
        self._wait(address, call).until_gone()

    # -- inside ------------------------------------------------------------------------------------------------

    def _wait(self, address: Address, call: Call) -> Wait:
        target = self._target(address, call)
        return Wait(self._client, target.kind, target.namespace, target.name, address, call, self._patience)

    def _read(self, target: _Target, call: Call) -> dict[str, Any]:
        if target.kind.name == "Secret":
            raise InvalidRequest("Secrets are never read", mend="refer to them by secretRefs")
        return self._client.request("GET", target.path, call, target.operation("get"))

    def _older(self, target: _Target, live: Mapping[str, Any], call: Call) -> builtins.list[dict[str, Any]]:
        """The ReplicaSets that a Deployment has made, the current one's among them."""
        uid = live["metadata"].get("uid")
        path = f"/apis/apps/v1/namespaces/{target.namespace}/replicasets"
        found = self._client.request("GET", path, call, "list replicasets.apps").get("items") or ()
        return [r for r in found if any(o.get("uid") == uid for o in r["metadata"].get("ownerReferences") or ())]

    def _update_live(self, target: _Target, live: Mapping[str, Any], wanted: KubernetesObject, call: Call) -> Observed:
        diffs = diff_manifests(self._observed(live), wanted)
        # Force takes hold of nothing that another manager has otherwise: left_alone has taken those fields out.
        by_hand = any(d.actor and not d.delegated for d in diffs)
        return self._apply(target, left_alone(wanted, diffs), call, force=by_hand)

    def _apply(self, target: _Target, manifest: dict[str, Any], call: Call, *, force: bool = False) -> Observed:
        metadata = dict(manifest["metadata"])
        if call.fleet:
            metadata["labels"] = {**(metadata.get("labels") or {}), LABEL_FLEET: call.fleet}
        live = self._client.request(
            "PATCH",
            target.path,
            call,
            target.operation("patch"),
            query={
                "fieldManager": FIELD_MANAGER,
                "force": "true" if force else "false",
                "fieldValidation": "Strict",
            },
            body={**manifest, "metadata": metadata},
            content_type=APPLY,
            write=True,
        )
        return self._observed(live)

    def _proxied(self, kind: ApiKind, namespace: str, name: str, path: str, call: Call) -> tuple[int, bytes]:
        url = kind.path(namespace, name, "proxy") + quote("/" + path.lstrip("/"), safe="/?&=%:@,;+~.-_!$'()*")
        operation = f"get {kind.plural}/proxy {namespace}/{name}"
        status, body, by_server = self._client.proxied(url, call, operation, limit=BODY_MAX)
        if by_server and status == 404:
            raise NotFound(f"{operation}: not found", call=self._client.where, detail=body.decode(errors="replace"))
        if by_server and status == 403:
            raise Forbidden(
                f"not allowed to {operation}",
                call=self._client.where,
                mend=f"grant the verb get on {kind.plural}/proxy by a Role or ClusterRole",
            )
        return status, body

    def _list_kind(self, kind: ApiKind, selector: str, call: Call, needed: bool) -> builtins.list[dict[str, Any]]:
        """All pages. A kind that is not served has no objects; one that we do not need and may not list is left out."""
        found: builtins.list[dict[str, Any]] = []
        token, restarts = "", 0
        while True:
            query = {"limit": _PAGE} | ({"labelSelector": selector} if selector else {})
            query |= {"continue": token} if token else {}
            try:
                answer = self._client.request("GET", kind.path(), call, f"list {kind.resource}", query=query)
            except NotFound:
                return []
            except Forbidden:
                if needed:
                    raise
                return []
            except Conflict:  # 410: the snapshot that the pages are of is no longer kept
                restarts += 1
                if not token or restarts > 3:
                    raise
                found, token = [], ""
                continue
            found += [{**item, "apiVersion": kind.api_version, "kind": kind.kind} for item in answer.get("items") or ()]
            token = str((answer.get("metadata") or {}).get("continue") or "")
            if not token:
                return found

    def _observed(self, live: Mapping[str, Any]) -> Observed:
        return observed_of(self._account, self._region, self._cluster, live)

    def _target(self, address: Address, call: Call) -> _Target:
        parts = address.name.split("/")
        if address.kind is not Kind.KUBERNETES_OBJECT or len(parts) != 4 or parts[0] != self._cluster:
            raise InvalidRequest(
                f"{address} is no object of cluster {self._cluster}",
                mend="an object's name reads cluster/namespace/ApiKind/object",
            )
        _, namespace, kind, name = parts
        return _Target(self._kinds.get(kind, call), "" if namespace == "-" else namespace, name)
