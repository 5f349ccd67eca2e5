"""Finds kinds that are not built in (`HTTPRoute.gateway.networking.k8s.io`) in the API's own directory."""

from __future__ import annotations

import threading
from urllib.parse import quote

from model.errors import NotFound
from providers.base import Call
from providers.kubernetes.kinds import BUILT_IN, ApiKind
from providers.kubernetes.wire import ClusterClient


class Kinds:
    """Thread-safe; asks once per kind."""

    def __init__(self, client: ClusterClient) -> None:
        self._client = client
        self._found: dict[str, ApiKind] = {}
        self._lock = threading.Lock()

    def get(self, name: str, call: Call) -> ApiKind:
        """By the name that stands in addresses. Raises NotFound where the cluster does not serve it."""
        known = BUILT_IN.get(name) or self._found.get(name)
        if known is None:
            known = self._discover(name, call)
            with self._lock:
                self._found[name] = known
        return known

    def _discover(self, name: str, call: Call) -> ApiKind:
        kind, _, group = name.partition(".")
        missing = NotFound(
            f"the cluster serves no kind {name}",
            call=self._client.where,
            mend="install its CustomResourceDefinition, or correct the manifest",
        )
        if not group:
            raise missing
        try:
            listed = self._client.request("GET", f"/apis/{quote(group, safe='.')}", call, f"get apis {group}")
            version = str((listed.get("preferredVersion") or {}).get("version", ""))
            served = self._client.request("GET", f"/apis/{group}/{version}", call, f"get apis {group}/{version}")
        except NotFound as exc:
            raise missing from exc
        for row in served.get("resources") or ():
            if row.get("kind") == kind and "/" not in str(row.get("name", "")):
                return ApiKind(name, group, version, kind, str(row["name"]), bool(row.get("namespaced", True)))
        raise missing
