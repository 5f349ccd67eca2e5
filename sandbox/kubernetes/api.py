"""What the API server does with a write: form, defaults, admission, validation, ownership, then the store.

Callers: the HTTP layer for users, the controllers for themselves (`system_*`, which trust what they are given).
Synchronous throughout, so a write is atomic on the loop. Non-goals: HTTP, authentication.
"""

from __future__ import annotations

import copy
import time
import uuid
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from random import Random
from typing import Any

from sandbox.kubernetes import admission, ownership, patches, schema, validation
from sandbox.kubernetes.conform import conform
from sandbox.kubernetes.defaults import fill_in
from sandbox.kubernetes.errors import ApiError, already_exists, bad_request, invalid, not_found, stale
from sandbox.kubernetes.kinds import GENERATION, PODS, ResourceKind
from sandbox.kubernetes.ownership import APPLY, UPDATE, Manager
from sandbox.kubernetes.store import Object, Store

SUFFIX_ALPHABET = "bcdfghjklmnpqrstvwxz2456789"
_META_KEPT = ("uid", "creationTimestamp", "deletionTimestamp", "deletionGracePeriodSeconds", "generation")
_WHOLE_META = ("name", "namespace", *_META_KEPT, "resourceVersion", "managedFields")


def timestamp(at_s: float | None = None) -> str:
    """RFC 3339 with whole seconds, as the API writes times; now where no time is given."""
    return datetime.fromtimestamp(time.time() if at_s is None else at_s, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


@dataclass(slots=True)
class Write:
    """Circumstances of a write. validation: Ignore, Warn or Strict; duplicates: paths of fields that stand twice in
    the body; warnings collects what a Warn answer tells."""

    manager: str
    subresource: str = ""
    dry_run: bool = False
    validation: str = "Warn"
    force: bool = False
    duplicates: tuple[str, ...] = ()
    warnings: list[str] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Deletion:
    """DeleteOptions. propagation: Background, Foreground or Orphan. grace_s: None takes the object's own."""

    propagation: str = "Background"
    grace_s: int | None = None
    uid: str = ""
    version: str = ""
    dry_run: bool = False


class Api:
    """Writes to one cluster's store."""

    def __init__(self, store: Store, rng: Random, clock: Callable[[], float] = time.time) -> None:
        self.store, self._rng, self.clock = store, rng, clock

    def now(self) -> str:
        return timestamp(self.clock())

    def random_name(self, length: int = 5) -> str:
        return "".join(self._rng.choices(SUFFIX_ALPHABET, k=length))

    def new_uid(self) -> str:
        return str(uuid.UUID(int=self._rng.getrandbits(128), version=4))

    def get(self, kind: ResourceKind, namespace: str, name: str) -> Object:
        found = self.store.get(kind, namespace, name)
        if found is None:
            raise not_found(kind, name)
        return found

    # -- users' writes -----------------------------------------------------------------------------------------

    def create(self, kind: ResourceKind, namespace: str, body: Object, write: Write) -> Object:
        """POST. ApiError 409 where it exists, 422 where it is invalid, 404 where its namespace is missing."""
        body = self._identify(kind, namespace, body)
        checked = conform(body, kind.model)
        once = Write(write.manager, validation=write.validation, duplicates=write.duplicates)
        self._tell_form(kind, checked.unknown, checked.errors, once)
        meta = body["metadata"]
        if not meta.get("name") and meta.get("generateName"):
            meta["name"] = meta["generateName"] + self.random_name()
        if meta.get("resourceVersion"):
            raise bad_request("resourceVersion should not be set on objects to be created")
        admission.check_namespace(self.store, kind, namespace, meta.get("name", ""))
        if self.store.get(kind, namespace, meta.get("name", "")) is not None:
            raise already_exists(kind, meta["name"])
        if kind.has_status and write.subresource != "status":
            body.pop("status", None)
        new = self._prepare(kind, body, None, write)
        writer = self._manager(kind, write, UPDATE)
        new = ownership.with_managers(new, ownership.record_update({}, new, writer, kind.model))
        return new if write.dry_run else self.store.put(kind, new)

    def replace(self, kind: ResourceKind, namespace: str, name: str, body: Object, write: Write) -> Object:
        """PUT. ApiError 409 where resourceVersion is stale."""
        body = self._identify(kind, namespace, body)
        if body["metadata"].setdefault("name", name) != name:
            raise bad_request(f"the name of the object ({body['metadata']['name']}) does not match the URL ({name})")
        return self._update(kind, self.get(kind, namespace, name), body, write)

    def patch(
        self, kind: ResourceKind, namespace: str, name: str, media_type: str, body: Any, write: Write
    ) -> tuple[Object, bool]:
        """PATCH of any media type; (object, whether it was created). Only apply creates."""
        if media_type.startswith("application/apply-patch"):
            return self._apply(kind, namespace, name, body, write)
        live = self.get(kind, namespace, name)
        if media_type == "application/json-patch+json":
            patched = patches.json_patch(live, body)
        elif media_type == "application/merge-patch+json":
            patched = patches.json_merge(live, body)
        elif media_type == "application/strategic-merge-patch+json":
            patched = patches.strategic_merge(live, body, kind.model)
        else:
            raise ApiError(
                415, "UnsupportedMediaType", f"the body of the request was in an unknown format: {media_type}"
            )
        if not isinstance(patched, dict) or not isinstance(patched.get("metadata"), dict):
            raise bad_request("the patch leaves no object")
        return self._update(kind, live, self._identify(kind, namespace, patched), write), False

    def _apply(self, kind: ResourceKind, namespace: str, name: str, body: Any, write: Write) -> tuple[Object, bool]:
        if not write.manager:
            raise bad_request(
                "PatchOptions.meta.k8s.io is invalid: fieldManager: Required value: is required for apply patch"
            )
        applied = self._identify(kind, namespace, body)
        if applied["metadata"].setdefault("name", name) != name:
            raise bad_request(f"the name of the object ({applied['metadata']['name']}) does not match the URL ({name})")
        if applied["metadata"].get("managedFields"):
            raise bad_request("metadata.managedFields must be nil")
        live = self.store.get(kind, namespace, name)
        if live is None:
            if write.subresource:
                raise not_found(kind, name)
            admission.check_namespace(self.store, kind, namespace, name)
        else:
            self._preconditions(kind, live, applied)
        applied["metadata"].pop("resourceVersion", None)
        if kind.has_status and not write.subresource:
            applied.pop("status", None)
        checked = conform(applied, kind.model)
        if checked.unknown:
            where = f"failed to create typed patch object ({namespace}/{name}; {kind.api_version}, Kind={kind.kind})"
            rows = [f".{path}: field not declared in schema" for path in checked.unknown]
            raise bad_request(f"{where}: {rows[0] if len(rows) == 1 else 'errors: ' + '; '.join(rows)}")
        applier = self._manager(kind, write, APPLY)
        # The form as it was written is what is owned; the cleaned one would lose an explicitly empty list.
        merged, managers = ownership.apply(
            live or {}, _with_quantities(applied, checked.obj), applier, kind.model, force=write.force, kind_name=name
        )
        new = self._prepare(kind, merged, live, write)
        if live is None:
            new = ownership.with_managers(new, managers)
            return (new if write.dry_run else self.store.put(kind, new)), True
        return self._commit(kind, live, ownership.with_managers(new, managers), write), False

    def _update(self, kind: ResourceKind, live: Object, body: Object, write: Write) -> Object:
        self._preconditions(kind, live, body)
        new = self._prepare(kind, body, live, write)
        managers = ownership.record_update(live, new, self._manager(kind, write, UPDATE), kind.model)
        if body["metadata"].get("managedFields") in ([], [{}]):
            managers = []
        return self._commit(kind, live, ownership.with_managers(new, managers), write)

    def _commit(self, kind: ResourceKind, live: Object, new: Object, write: Write) -> Object:
        """Stores what differs; an object that was waiting for its finalizers goes when none is left."""
        if _same(live, new):
            return live
        if write.dry_run:
            return new
        stored = self.store.put(kind, new)
        meta = stored["metadata"]
        gone = kind is not PODS and meta.get("deletionTimestamp") and not meta.get("finalizers")
        if gone and not (stored.get("spec") or {}).get("finalizers"):
            self.store.remove(kind, meta.get("namespace", ""), meta["name"])
        return stored

    def _identify(self, kind: ResourceKind, namespace: str, body: Any) -> Object:
        """A copy with the kind's own apiVersion, kind and namespace. ApiError 400 where the body says others."""
        if not isinstance(body, dict):
            raise bad_request(f"the body is no {kind.kind} object")
        said = (body.get("apiVersion") or kind.api_version, body.get("kind") or kind.kind)
        if said != (kind.api_version, kind.kind):
            raise bad_request(
                f"{said[0]}, Kind={said[1]} in the body does not match {kind.api_version}, Kind={kind.kind} of the URL"
            )
        if not isinstance(body.get("metadata", {}), dict):
            raise bad_request("metadata is no object")
        meta = dict(body.get("metadata") or {})
        if kind.namespaced:
            if meta.setdefault("namespace", namespace) != namespace:
                raise bad_request(
                    f"the namespace of the provided object does not match the namespace sent on the request"
                    f" ({meta['namespace']}, {namespace})"
                )
        else:
            meta.pop("namespace", None)
        return {**body, "apiVersion": kind.api_version, "kind": kind.kind, "metadata": meta}

    def _preconditions(self, kind: ResourceKind, live: Object, body: Object) -> None:
        meta, own = body["metadata"], live["metadata"]
        if meta.get("resourceVersion") and meta["resourceVersion"] != own["resourceVersion"]:
            raise stale(kind, own["name"])
        if meta.get("uid") and meta["uid"] != own["uid"]:
            raise ApiError(
                409,
                "Conflict",
                f'Operation cannot be fulfilled on {kind.qualified} "{own["name"]}": Precondition failed: '
                f"UID in precondition: {meta['uid']}, UID in object meta: {own['uid']}",
                kind=kind,
                name=own["name"],
            )

    def _prepare(self, kind: ResourceKind, body: Object, live: Object | None, write: Write) -> Object:
        """Form, reset of what this endpoint may not write, defaults, admission, validation, generation."""
        checked = conform(body, kind.model)
        self._tell_form(kind, checked.unknown, checked.errors, write)
        new = checked.obj
        if live is None:
            new["metadata"] |= {"uid": self.new_uid(), "creationTimestamp": self.now()}
            new["metadata"].pop("deletionTimestamp", None)
        else:
            new = _reset(kind, new, live, write.subresource)
        if "spec" in (schema.fields(kind.model) or {}):
            new.setdefault("spec", {})  # as Go writes a struct that nobody filled in
        fill_in(kind.kind, new)
        admission.admit(self.store, kind, new, live, self._rng)
        causes = validation.check(kind.kind, new, live)
        if causes:
            raise invalid(kind, new["metadata"].get("name", ""), causes)
        _count_generation(kind, new, live)
        return new

    @staticmethod
    def _tell_form(kind: ResourceKind, unknown: list[str], errors: list[str], write: Write) -> None:
        start = f'{kind.kind} in version "{kind.version}" cannot be handled as a {kind.kind}'
        if errors:
            raise bad_request(f"{start}: {errors[0]}")
        rows = [f'duplicate field "{path}"' for path in write.duplicates]
        rows += [f'unknown field "{path}"' for path in unknown]
        if rows and write.validation == "Strict":
            raise bad_request(f"{start}: strict decoding error: {', '.join(rows)}")
        if write.validation == "Warn":
            write.warnings += rows

    def _manager(self, kind: ResourceKind, write: Write, operation: str) -> Manager:
        return Manager(write.manager, operation, kind.api_version, write.subresource, self.now(), frozenset())

    # -- deletion ----------------------------------------------------------------------------------------------

    def delete(self, kind: ResourceKind, namespace: str, name: str, how: Deletion) -> tuple[Object, bool]:
        """(object, whether it is gone already). What it owns is the garbage collector's."""
        live = self.get(kind, namespace, name)
        self._preconditions(kind, live, {"metadata": {"uid": how.uid, "resourceVersion": how.version}})
        admission.check_deletion(kind, name)
        meta = live["metadata"]
        finalizers = list(meta.get("finalizers") or ())
        wanted = {"Foreground": "foregroundDeletion", "Orphan": "orphan"}.get(how.propagation)
        if wanted and wanted not in finalizers:
            finalizers.append(wanted)
        grace_s = _grace_s(kind, live, how)
        waits = bool(finalizers) or grace_s > 0 or bool((live.get("spec") or {}).get("finalizers"))
        if how.dry_run:
            return live, not waits
        if not waits:
            return self.store.remove(kind, namespace, name) or live, True
        if meta.get("deletionTimestamp") and meta.get("deletionGracePeriodSeconds", 0) <= grace_s:
            return live, False
        meta = meta | {"deletionTimestamp": timestamp(self.clock() + grace_s), "deletionGracePeriodSeconds": grace_s}
        if finalizers:
            meta["finalizers"] = finalizers
        if kind.kind in GENERATION:
            meta["generation"] = meta.get("generation", 0) + 1
        new = live | {"metadata": meta}
        if kind.kind == "Namespace":
            new["status"] = {**(live.get("status") or {}), "phase": "Terminating"}
        return self.store.put(kind, new), False

    # -- controllers' writes -----------------------------------------------------------------------------------

    def system_create(self, kind: ResourceKind, obj: Object, manager: str) -> Object:
        """Creates for a controller: defaults and ownership, no validation. ApiError 409 where it exists, 403 where
        its namespace is being deleted."""
        meta = obj["metadata"]
        if not meta.get("name"):
            meta["name"] = meta["generateName"] + self.random_name()
        admission.check_namespace(self.store, kind, meta.get("namespace", ""), meta["name"])
        if self.store.get(kind, meta.get("namespace", ""), meta["name"]) is not None:
            raise already_exists(kind, meta["name"])
        new = copy.deepcopy(obj) | {"apiVersion": kind.api_version, "kind": kind.kind}
        new["metadata"] |= {"uid": self.new_uid(), "creationTimestamp": self.now()}
        fill_in(kind.kind, new)
        admission.admit(self.store, kind, new, None, self._rng)
        _count_generation(kind, new, None)
        writer = Manager(manager, UPDATE, kind.api_version, "", self.now(), frozenset())
        return self.store.put(kind, ownership.with_managers(new, ownership.record_update({}, new, writer, kind.model)))

    def system_update(self, kind: ResourceKind, live: Object, new: Object, manager: str, sub: str = "") -> Object:
        """Replaces live by new for a controller, on whatever version there is. Writes nothing where nothing differs."""
        if _same(live, new):
            return live
        _count_generation(kind, new, live)
        writer = Manager(manager, UPDATE, kind.api_version, sub, self.now(), frozenset())
        return self._commit(
            kind,
            live,
            ownership.with_managers(new, ownership.record_update(live, new, writer, kind.model)),
            Write(manager, sub),
        )

    def system_status(self, kind: ResourceKind, live: Object, status: Object, manager: str) -> Object:
        """Replaces the status alone."""
        return self.system_update(kind, live, live | {"status": status}, manager, "status")


def _same(live: Object, new: Object) -> bool:
    """Equal but for the times and the bookkeeping of managedFields, and the version."""
    if any(live.get(k) != new.get(k) for k in live.keys() | new.keys() if k != "metadata"):
        return False
    a, b = dict(live["metadata"]), dict(new["metadata"])
    for meta in (a, b):
        meta.pop("resourceVersion", None)
        entries = meta.pop("managedFields", None) or []
        meta["_managers"] = [{k: v for k, v in e.items() if k != "time"} for e in entries]
    return a == b


def _count_generation(kind: ResourceKind, new: Object, live: Object | None) -> None:
    if kind.kind not in GENERATION:
        return
    before = (live or {}).get("metadata", {}).get("generation", 0)
    changed = live is None or live.get("spec") != new.get("spec")
    new["metadata"] = new["metadata"] | {"generation": before + 1 if changed else before}


def _reset(kind: ResourceKind, new: Object, live: Object, subresource: str) -> Object:
    """Puts back what this endpoint may not write: the status, or everything but the status."""
    own = live["metadata"]
    if subresource == "status":
        kept = {k: v for k, v in live.items() if k != "status"}
        return copy.deepcopy(kept) | ({"status": new["status"]} if "status" in new else {})
    meta = {k: v for k, v in new["metadata"].items() if k not in (*_META_KEPT, "resourceVersion", "managedFields")}
    meta |= {k: own[k] for k in (*_META_KEPT, "resourceVersion", "managedFields") if k in own}
    new = new | {"metadata": meta}
    if kind.has_status:
        new.pop("status", None)
        if "status" in live:
            new["status"] = copy.deepcopy(live["status"])
    if kind.kind == "Namespace" and "finalizers" in (live.get("spec") or {}) and subresource != "finalize":
        new["spec"] = copy.deepcopy(live["spec"])
    return new


def _grace_s(kind: ResourceKind, live: Object, how: Deletion) -> int:
    """Only pods that run on a node are given time to end."""
    if kind is not PODS or not live["spec"].get("nodeName"):
        return 0
    if (live.get("status") or {}).get("phase") in ("Succeeded", "Failed"):
        return 0
    own = live["spec"].get("terminationGracePeriodSeconds", 30)
    return int(own if how.grace_s is None else how.grace_s)


def _with_quantities(applied: Object, clean: Object) -> Object:
    """The applied form, with quantities as they read back, so that `0.5` and `500m` are no difference."""
    result: Object = {}
    for name, value in applied.items():
        other = clean.get(name)
        if isinstance(value, dict) and isinstance(other, dict):
            result[name] = _with_quantities(value, other)
        elif isinstance(value, list) and isinstance(other, list) and len(value) == len(other):
            result[name] = [
                _with_quantities(v, o) if isinstance(v, dict) and isinstance(o, dict) else o
                for v, o in zip(value, other, strict=True)
            ]
        else:
            result[name] = value if other is None else other
    return result
