"""The generic part of Azure Resource Manager: GET, PUT, PATCH, DELETE, POST on any type, as long-running operations.

Callers: server.py, which parses and authenticates. What a type is lies in its ResourceKind. PUT is idempotent by id;
what takes less than INLINE_S is answered as done, anything else as 201 or 202 with Azure-AsyncOperation and Location.
"""

from __future__ import annotations

import copy
import json
import time
from collections.abc import Callable
from typing import Any
from urllib.parse import urlencode

from sandbox.azure.catalog import REGIONS
from sandbox.azure.kinds import Put, ResourceKind
from sandbox.azure.operations import Operation, Operations, Request
from sandbox.azure.store import Event, Record, Store
from sandbox.azure.wire import ArmError, ArmPath, Reply, same
from sandbox.world import World

_DEEP = {
    "microsoft.compute/virtualmachines": 0,
    "microsoft.compute/virtualmachinescalesets": 0,
    "microsoft.containerservice/managedclusters": 0,
}


class Engine:
    """kinds: filled by the server, by type in lower case."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.store = Store(world.seed)
        self.kinds: dict[str, ResourceKind] = {}
        self.operations = Operations(self.store, world)
        self.page_size = 100

    async def close(self) -> None:
        await self.operations.close()

    def kind(self, path: ArmPath) -> ResourceKind:
        found = self.kinds.get(path.type.lower())
        if found is not None:
            return found
        if not any(key.startswith(path.namespace.lower() + "/") for key in self.kinds):
            raise ArmError(404, "InvalidResourceNamespace", f"The resource namespace '{path.namespace}' is invalid.")
        kind = "/".join(path.types)
        raise ArmError(
            404,
            "InvalidResourceType",
            f"The resource type '{kind}' could not be found in the namespace '{path.namespace}'.",
        )

    # -- reads -------------------------------------------------------------------------------------------------

    def render(self, record: Record) -> dict[str, Any]:
        """A resource as GET answers it."""
        kind = self.kinds[record.type.lower()]
        answer: dict[str, Any] = {"id": record.id, "name": record.name, "type": record.type}
        if kind.tracked:
            answer |= {"location": record.location, "tags": dict(record.tags)}
        answer |= copy.deepcopy(record.body)
        state = {"provisioningState": record.state} if kind.has_state else {}
        answer["properties"] = state | copy.deepcopy(kind.view(record))
        answer |= kind.members(record)
        if kind.etag_member:
            inner = kind.etag_member.removeprefix("properties.")
            (answer if inner == kind.etag_member else answer["properties"])[inner] = record.etag
        return answer

    def place_of(self, record: Record) -> str:
        """`partition/region` of a resource."""
        account = next(a for a in self.world.accounts if same(a.account_id, record.subscription))
        return f"{account.partition}/{record.location}"

    def get(self, request: Request) -> Reply:
        record = self.existing(request.path)
        return Reply(200, self.render(record), {"ETag": record.etag})

    def collection(self, request: Request) -> Reply:
        path = request.path
        self.kind(path)
        if path.group:
            self.group(path)
        parent = path.scope or path.parent_id
        if parent:
            if self.store.get(parent) is None:
                raise self._parent_missing(path)
            prefix = parent.lower() + "/"
            found = [r for r in self.store.of_type(path.type) if r.id.lower().startswith(prefix)]
        else:
            found = list(self.store.of_type(path.type, subscription=path.subscription, group=path.group))
        return self.page(request, list(self.kind(path).listed(path, found)), self.render)

    def page(self, request: Request, rows: list[Any], shown: Callable[[Any], Any] = lambda row: row) -> Reply:
        """One page, and a nextLink where there are more. shown: a row as it is answered."""
        start = int(request.query.get("$skiptoken") or 0)
        top = min(int(request.query.get("$top") or self.page_size), self.page_size)
        body: dict[str, Any] = {"value": [shown(row) for row in rows[start : start + top]]}
        if start + top < len(rows):
            query = {k: v for k, v in request.query.items() if k != "$skiptoken"} | {"$skiptoken": str(start + top)}
            body["nextLink"] = f"{request.base_url}?{urlencode(query)}"
        return Reply(200, body)

    def existing(self, path: ArmPath) -> Record:
        self.kind(path)
        if path.group:
            self.group(path)
        record = self.store.get(path.id) or self.kind(path).builtin(path)
        if record is not None:
            return record
        if len(path.types) > 1:
            if self.store.get(path.parent_id) is None:
                raise self._parent_missing(path)
            raise ArmError(404, "NotFound", f"Resource {path.id} not found.")
        name = f"{path.type}/{path.name}"
        raise ArmError(
            404,
            "ResourceNotFound",
            f"The Resource '{name}' under resource group '{path.group}' was not found. For more details please go to "
            "https://aka.ms/ARMResourceNotFoundFix",
        )

    def group(self, path: ArmPath) -> Record:
        found = self.store.get(f"/subscriptions/{path.subscription}/resourceGroups/{path.group}")
        if found is None:
            raise ArmError(404, "ResourceGroupNotFound", f"Resource group '{path.group}' could not be found.")
        return found

    def _parent_missing(self, path: ArmPath) -> ArmError:
        return ArmError(
            404,
            "ParentResourceNotFound",
            f"Failed to perform 'read' on resource(s) of type '{'/'.join(path.types)}', because the parent resource "
            f"'{path.scope or path.parent_id}' could not be found.",
        )

    # -- writes ------------------------------------------------------------------------------------------------

    async def put(self, request: Request) -> Reply:
        path, kind = request.path, self.kind(request.path)
        if not kind.writable:
            raise ArmError(405, "MethodNotAllowed", f"The method PUT is not allowed for {kind.type}.")
        before = self.store.get(path.id)
        put = Put(path, request.body, before, request.principal, self._location(request, kind, before))
        self._preconditions(request, before)
        replay = self._busy(kind, before, request.body)
        if replay is not None:
            return Reply(200, self.render(replay))
        properties = kind.properties(put)
        fingerprint = json.dumps(request.body, sort_keys=True)
        record = self.store.put(
            Record(
                id=before.id if before else path.id,
                type=kind.type,
                name=before.name if before else path.name,
                location=put.location,
                tags=put.tags,
                properties=properties,
                body={k: copy.deepcopy(request.body[k]) for k in kind.extras if request.body.get(k) is not None},
                hidden=(before.hidden if before else {}) | {"body": fingerprint},
                state=kind.updating if before else kind.creating,
                guid=before.guid if before else "",
                created_at_s=before.created_at_s if before else 0.0,
            )
        )
        kind.prepare(record, put)
        verb = "update" if before else "create"
        operation = await self.operations.start(
            record, f"azure.{kind.timing}.{verb}", lambda: kind.apply(record, before)
        )
        reply = Reply(
            kind.replaced_status if before else kind.created_status, self.render(record), {"ETag": record.etag}
        )
        return self.operations.announced(reply, request, operation)

    def _location(self, request: Request, kind: ResourceKind, before: Record | None) -> str:
        path = request.path
        if path.scope or len(path.types) > 1:
            parent = self.store.get(path.scope or path.parent_id)
            if parent is None:
                raise self._parent_missing(path)
            return parent.location
        if not path.group:
            return ""  # of the subscription itself
        group = self.group(path)
        if group.state == "Deleting":
            raise ArmError(
                409,
                "ResourceGroupBeingDeleted",
                f"The resource group '{group.name}' is in deprovisioning state and cannot perform this operation.",
            )
        if not kind.tracked:
            return group.location
        location = str(request.body.get("location") or "").replace(" ", "").lower()
        if kind.everywhere:
            if location != "global":
                raise ArmError(
                    400,
                    "LocationNotAvailableForResourceType",
                    f"The provided location '{location}' is not available for resource type '{kind.type}'. List of "
                    "available regions for the resource type is 'global'.",
                )
            return location
        if not location:
            raise ArmError(400, "LocationRequired", "The location property is required for this definition.")
        regions = REGIONS[request.principal.partition]
        if location not in regions:
            raise ArmError(
                400,
                "LocationNotAvailableForResourceType",
                f"The provided location '{location}' is not available for resource type '{kind.type}'. List of "
                f"available regions for the resource type is '{','.join(sorted(regions))}'.",
            )
        if before is not None and before.location != location:
            raise ArmError(
                409,
                "InvalidResourceLocation",
                f"The resource '{before.name}' already exists in location '{before.location}' in resource group "
                f"'{path.group}'. A resource with the same name cannot be created in location '{location}'.",
            )
        return location

    def _preconditions(self, request: Request, before: Record | None) -> None:
        wanted = request.headers.get("if-match", "")
        if wanted and (before is None or (wanted not in ("*", before.etag))):
            raise ArmError(
                412,
                "PreconditionFailed",
                f"Precondition failed. Etag provided in if-match header {wanted} does not match etag "
                f"{before.etag if before else '(none)'} of resource.",
            )
        if request.headers.get("if-none-match") == "*" and before is not None:
            raise ArmError(412, "PreconditionFailed", f"Resource {before.id} already exists.")

    def _busy(self, kind: ResourceKind, before: Record | None, body: dict[str, Any]) -> Record | None:
        """The record itself where the same PUT is already under way; raises where another one is."""
        if before is None or not before.busy:
            return None
        if before.state != "Deleting" and before.hidden.get("body") == json.dumps(body, sort_keys=True):
            return before
        raise self.in_progress(kind, before)

    def in_progress(self, kind: ResourceKind, record: Record) -> ArmError:
        return ArmError(
            409,
            kind.busy_code,
            f"Another operation ({record.state}) on this or a dependent resource is in progress: {record.id}.",
        )

    async def patch(self, request: Request) -> Reply:
        record = self.existing(request.path)
        kind = self.kind(request.path)
        if not kind.patchable:
            raise ArmError(405, "MethodNotAllowed", f"The method PATCH is not allowed for {kind.type}.")
        self._preconditions(request, record)
        if record.busy:
            raise self.in_progress(kind, record)
        if "tags" in request.body:
            record.tags = dict(request.body["tags"] or {})
        kind.patch(record, request.body)
        self.store.touch(record)
        if set(request.body) <= {"tags"}:
            return Reply(200, self.render(record), {"ETag": record.etag})
        record.state = kind.updating
        operation = await self.operations.start(
            record, f"azure.{kind.timing}.update", lambda: kind.apply(record, record)
        )
        return self.operations.announced(Reply(200, self.render(record), {"ETag": record.etag}), request, operation)

    async def delete(self, request: Request) -> Reply:
        path, kind = request.path, self.kind(request.path)
        if not kind.writable:
            raise ArmError(405, "MethodNotAllowed", f"The method DELETE is not allowed for {kind.type}.")
        if path.group:
            self.group(path)
        record = self.store.get(path.id)
        if record is None:
            return Reply(204)
        self._preconditions(request, record)
        if record.state != "Deleting":
            if record.busy and not kind.delete_while_busy:
                raise self.in_progress(kind, record)
            kind.check_delete(record)
        operation = await self.start_delete(record)
        return self.operations.announced(Reply(200 if operation.ended_at_s else 202), request, operation, location=True)

    async def start_delete(self, record: Record) -> Operation:
        kind = self.kinds[record.type.lower()]
        record.state = "Deleting"

        async def effect() -> None:
            await kind.remove(record)
            self.store.remove(record)

        return await self.operations.start(record, f"azure.{kind.timing}.delete", effect)

    async def act(self, request: Request, action: str, target: ArmPath) -> Reply:
        record, kind = self.existing(target), self.kind(target)
        name = next((a for a in kind.actions if same(a, action)), None)
        if name is None:
            raise ArmError(404, "InvalidResourceType", f"{kind.type} has no action {action}.")
        return await kind.act(record, name, request.principal, request.body)

    async def delete_group(self, group: Record) -> None:
        """A resource group with all that it holds, users before what they use."""
        prefix = group.id.lower() + "/"
        tops = [r for r in self.store.records.values() if r.id.lower().startswith(prefix) and r.id.count("/") == 8]
        tops.sort(key=lambda r: (_DEEP.get(r.type.lower(), 1), -r.created_at_s))
        for record in tops:
            if self.store.get(record.id) is record:
                record.state = "Deleting"
                await self.kinds[record.type.lower()].remove(record)
                self.store.remove(record)
        self.store.remove(group)

    def record_event(self, request: Request, status: int) -> None:
        """An entry of the activity log for a write."""
        verb = {"PUT": "write", "PATCH": "write", "DELETE": "delete"}.get(request.method, "action")
        self.store.log(
            Event(
                at_s=time.time(),
                caller=request.principal.caller,
                operation=f"{request.path.type}/{verb}",
                resource_id=request.path.id,
                status="Succeeded" if status < 400 else "Failed",
                correlation_id=self.store.new_guid(),
                status_code=str(status),
            )
        )
