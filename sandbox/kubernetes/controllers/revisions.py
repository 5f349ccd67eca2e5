"""ControllerRevisions: the templates that a StatefulSet or DaemonSet had, numbered, as `kubectl rollout` reads them.

Callers: the controllers of those two kinds.
"""

from __future__ import annotations

import hashlib
import json

from sandbox.kubernetes.api import SUFFIX_ALPHABET, Api, Deletion
from sandbox.kubernetes.controllers.owners import Owners, reference
from sandbox.kubernetes.controllers.podcontrol import MANAGER
from sandbox.kubernetes.kinds import REVISIONS, ResourceKind
from sandbox.kubernetes.store import Object

HASH_LABEL = "controller-revision-hash"
_CAUSE = "kubernetes.io/change-cause"


def template_hash(template: Object, collisions: int = 0) -> str:
    """Ten characters that depend on the template alone."""
    text = json.dumps([template, collisions], sort_keys=True, separators=(",", ":"))
    number = int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "big")
    digits = []
    for _ in range(10):
        number, digit = divmod(number, len(SUFFIX_ALPHABET))
        digits.append(SUFFIX_ALPHABET[digit])
    return "".join(digits)


class Revisions:
    """The history of one kind of workload."""

    def __init__(self, api: Api, owners: Owners, kind: ResourceKind) -> None:
        self._api, self._owners, self._kind = api, owners, kind

    def of(self, owner: Object) -> list[Object]:
        """The oldest first."""
        return sorted(self._owners.of(owner["metadata"]["uid"], REVISIONS), key=lambda r: int(r["revision"]))

    def current(self, owner: Object) -> Object:
        """The revision of the owner's template: made where it is new, the newest again where it comes back."""
        data = {"spec": {"template": {**owner["spec"]["template"], "$patch": "replace"}}}
        known = self.of(owner)
        number = int(known[-1]["revision"]) + 1 if known else 1
        same = next((r for r in known if r["data"] == data), None)
        if same is not None:
            if same is not known[-1]:
                same = self._api.system_update(REVISIONS, same, same | {"revision": number}, MANAGER)
            return same
        return self._make(owner, data, number)

    def _make(self, owner: Object, data: Object, number: int) -> Object:
        meta = owner["metadata"]
        digest, collisions = template_hash(owner["spec"]["template"]), 0
        while self._api.store.get(REVISIONS, meta["namespace"], f"{meta['name']}-{digest}") is not None:
            collisions += 1
            digest = template_hash(owner["spec"]["template"], collisions)
        own = owner["spec"]["template"].get("metadata") or {}
        new: Object = {
            "metadata": {
                "name": f"{meta['name']}-{digest}",
                "namespace": meta["namespace"],
                "labels": {**(own.get("labels") or {}), HASH_LABEL: digest},
                "ownerReferences": [reference(self._kind, owner)],
            },
            "data": data,
            "revision": number,
        }
        if cause := (meta.get("annotations") or {}).get(_CAUSE):
            new["metadata"]["annotations"] = {_CAUSE: cause}
        return self._api.system_create(REVISIONS, new, MANAGER)

    def clean_up(self, owner: Object, used: set[str]) -> None:
        """Forgets the oldest beyond the owner's limit, but none that is used (by hash)."""
        rows = [r for r in self.of(owner) if hash_of(r) not in used]
        for row in rows[: max(0, len(rows) - owner["spec"].get("revisionHistoryLimit", 10))]:
            meta = row["metadata"]
            self._api.delete(REVISIONS, meta["namespace"], meta["name"], Deletion())


def hash_of(obj: Object) -> str:
    """The revision of a ControllerRevision or pod, by its label."""
    return str((obj["metadata"].get("labels") or {}).get(HASH_LABEL, ""))
