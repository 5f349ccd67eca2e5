"""Roles and their assignments, and diagnostic settings of the Azure sandbox: kept and shown, not enforced.

Callers: server.py. Source: learn.microsoft.com/azure/role-based-access-control/built-in-roles (ids),
.../rest/api/authorization/role-assignments, .../rest/api/monitor/diagnostic-settings.
"""

from __future__ import annotations

import uuid
from typing import Any

from sandbox.azure.arm_types import ASSIGNMENT, DIAGNOSTICS, ROLE
from sandbox.azure.kinds import Put, ResourceKind, required
from sandbox.azure.store import Record
from sandbox.azure.wire import ArmError, ArmPath

BUILTIN: dict[str, tuple[str, tuple[str, ...], tuple[str, ...]]] = {
    "8e3af657-a8ff-443c-a75c-2fe8c4bcb635": ("Owner", ("*",), ()),
    "b24988ac-6180-42a0-ab88-20f7382dd24c": (
        "Contributor", ("*",), ("Microsoft.Authorization/*/Delete", "Microsoft.Authorization/*/Write"),
    ),
    "acdd72a7-3385-48ef-bd42-f606fba81ae7": ("Reader", ("*/read",), ()),
    "7f951dda-4ed3-4680-a7ca-43fe172d538d": ("AcrPull", ("Microsoft.ContainerRegistry/registries/pull/read",), ()),
}  # fmt: skip
"""Id -> name, actions, notActions. A few of several hundred."""
_PRINCIPALS = ("User", "Group", "ServicePrincipal", "ForeignGroup", "Device")


PERMISSIONS = "Microsoft.Authorization/permissions"


def permission(title: str) -> dict[str, Any]:
    """What a built-in role grants, as role definitions and lists of permissions show it.

    Source: learn.microsoft.com/rest/api/authorization/permissions.
    """
    actions, not_actions = next((does, not_) for name, does, not_ in BUILTIN.values() if name == title)
    return {"actions": list(actions), "notActions": list(not_actions), "dataActions": [], "notDataActions": []}


def _guid(text: str) -> bool:
    try:
        uuid.UUID(text)
    except ValueError:
        return False
    return True


class RoleDefinitions(ResourceKind):
    type = ROLE
    tracked = has_state = False
    etag_member = ""
    timing = "identity"
    patchable = False

    def properties(self, put: Put) -> dict[str, Any]:
        if not _guid(put.path.name) or put.path.name.lower() in BUILTIN:
            raise ArmError(400, "InvalidRoleDefinitionId", f"The role definition ID '{put.path.name}' is not valid.")
        for name in ("roleName", "permissions", "assignableScopes"):
            required(put.properties, name)
        wanted = str(put.properties["roleName"]).lower()
        for other in self.store.of_type(ROLE, subscription=put.path.subscription):
            if other is not put.before and str(other.properties["roleName"]).lower() == wanted:
                raise ArmError(409, "RoleDefinitionWithSameNameExists", f"A role named {wanted} exists already.")
        return {"description": ""} | dict(put.properties) | {"type": "CustomRole"}

    def listed(self, path: ArmPath, found: list[Record]) -> list[Record]:
        return [*(self._made(path.subscription, name) for name in BUILTIN), *found]

    def builtin(self, path: ArmPath) -> Record | None:
        return self._made(path.subscription, path.name.lower()) if path.name.lower() in BUILTIN else None

    def _made(self, subscription: str, name: str) -> Record:
        title = BUILTIN[name][0]
        return Record(
            id=f"/subscriptions/{subscription}/providers/{ROLE}/{name}",
            type=ROLE,
            name=name,
            properties={
                "roleName": title, "type": "BuiltInRole", "description": title, "assignableScopes": ["/"],
                "permissions": [permission(title)],
            },
        )  # fmt: skip

    def check_delete(self, record: Record) -> None:
        for assignment in self.store.of_type(ASSIGNMENT):
            if str(assignment.properties["roleDefinitionId"]).lower() == record.id.lower():
                raise ArmError(
                    400, "RoleDefinitionHasAssignments", "There are existing role assignments referencing role."
                )


class RoleAssignments(ResourceKind):
    type = ASSIGNMENT
    tracked = has_state = False
    etag_member = ""
    timing = "identity"
    patchable = False

    def properties(self, put: Put) -> dict[str, Any]:
        if not _guid(put.path.name):
            raise ArmError(400, "InvalidRoleAssignmentId", f"The role assignment ID '{put.path.name}' is not a GUID.")
        role, principal = (str(required(put.properties, n)) for n in ("roleDefinitionId", "principalId"))
        name = role.rpartition("/")[2].lower()
        if name not in BUILTIN and self.store.get(role) is None:
            raise ArmError(400, "RoleDefinitionDoesNotExist", f"The specified role definition '{name}' does not exist.")
        if not _guid(principal):
            raise ArmError(400, "PrincipalNotFound", f"Principal {principal} does not exist in the directory.")
        kind = str(put.properties.get("principalType") or "ServicePrincipal")
        if kind not in _PRINCIPALS:
            raise ArmError(400, "InvalidPrincipalType", f"{kind} is no type of a principal.")
        scope = put.path.id.rpartition("/providers/")[0]
        same = {"roleDefinitionId": role, "principalId": principal, "scope": scope}
        if put.before is not None:
            if any(put.before.properties[k].lower() != v.lower() for k, v in same.items()):
                raise ArmError(
                    409, "RoleAssignmentUpdateNotPermitted", "Role assignments cannot be changed but in their comment."
                )
        elif any(
            all(r.properties[k].lower() == v.lower() for k, v in same.items()) for r in self.store.of_type(ASSIGNMENT)
        ):
            raise ArmError(409, "RoleAssignmentExists", "The role assignment already exists.")
        return same | {"principalType": kind}

    def listed(self, path: ArmPath, found: list[Record]) -> list[Record]:
        """At a resource's scope also what holds from above."""
        if not path.scope:
            return found
        above = [
            r
            for r in self.store.of_type(ASSIGNMENT, subscription=path.subscription)
            if path.scope.lower().startswith(str(r.properties["scope"]).lower() + "/")
        ]
        return [*found, *(r for r in above if r not in found)]


class DiagnosticSettings(ResourceKind):
    """Of a resource, or of the whole subscription: then it sends the activity log."""

    type = DIAGNOSTICS
    tracked = has_state = False
    etag_member = ""
    timing = "network"
    patchable = False

    def properties(self, put: Put) -> dict[str, Any]:
        places = ("workspaceId", "storageAccountId", "eventHubAuthorizationRuleId", "marketplacePartnerId")
        if not any(put.properties.get(name) for name in places):
            raise ArmError(400, "BadRequest", "At least one data sink needs to be specified.")
        for row in put.properties.get("logs") or ():
            if bool(row.get("category")) == bool(row.get("categoryGroup")):
                raise ArmError(400, "BadRequest", "A log must have either a category or a categoryGroup.")
        return {"logs": [], "metrics": []} | dict(put.properties)

    def listed(self, path: ArmPath, found: list[Record]) -> list[Record]:
        if path.scope or path.group:
            return found
        prefix = f"/subscriptions/{path.subscription}/providers/".lower()
        return [r for r in found if r.id.lower().startswith(prefix) and r.id.count("/") == prefix.count("/") + 2]
