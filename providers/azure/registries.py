"""Registries: an Azure Container Registry each, with the repository of its logical name to push to.

Callers: provider.py. Names of registries are letters and digits and unique in the whole cloud, so ours is derived and
the tag keeps the logical one. A repository comes to be with its first image. Account option: registry_sku (Standard).
Not here: digests and architectures of images, and tags that cannot be moved (immutable_tags): they are of the
registry's own data plane, another address with tokens of its own. Source: learn.microsoft.com/rest/api/
containerregistry (API 2023-07-01), .../azure/role-based-access-control/built-in-roles (AcrPull).
"""

from __future__ import annotations

import hashlib
import re
import uuid
from collections.abc import Iterable, Iterator
from typing import Any, cast

from model.errors import InvalidRequest, NotBuiltYet
from model.resources import Address, AnyResource, Kind, Observed, Registry
from providers.azure.adapter import Adapter
from providers.azure.arm import Arm, Raw
from providers.azure.names import ArmId, group_name, merged_tags, own_tags, owner_of, user_tags
from providers.azure.session import Session
from providers.base import Call

TYPE = "Microsoft.ContainerRegistry/registries"
API = "2023-07-01"
ASSIGNMENTS, ASSIGNMENTS_API = "Microsoft.Authorization/roleAssignments", "2022-04-01"
ACR_PULL = "7f951dda-4ed3-4680-a7ca-43fe172d538d"


class Registries(Adapter):
    kind = Kind.REGISTRY
    cannot_set = frozenset({"immutable_tags", "scan_on_push", "key"})

    def __init__(self, session: Session) -> None:
        super().__init__(session)
        self.arm = Arm(session)

    def place(self, address: Address, call: Call) -> ArmId:
        """5 to 50 letters and digits; the hash tells subscriptions, fleets and regions apart."""
        group = group_name(self.account, call.fleet, address.region)
        text = f"{self.account.account_id} {group} {address.region} {address.name}"
        readable = re.sub(r"[^a-z0-9]", "", address.name.lower())[:38]
        return ArmId(group, f"{readable}{hashlib.sha256(text.encode()).hexdigest()[:12]}")

    def _id(self, place: ArmId) -> str:
        return f"{self.arm.subscription}/resourceGroups/{place.group}/providers/{TYPE}/{place.name}"

    # -- reading -----------------------------------------------------------------------------------------------

    def read_all(self, region: str, call: Call) -> Iterator[Raw]:
        return self.arm.of_type(TYPE, API, region, call)

    def read(self, where: ArmId, call: Call) -> Raw:
        return self.arm.get("registry.registries.get", self._id(where), API, call)

    def list(self, region: str, call: Call, fleet: str | None) -> Iterator[Observed]:
        """Who may pull is asked once for all of them."""
        grants: list[Raw] | None = None
        for raw in self.read_all(region, call):
            if raw.location == region and (fleet is None or owner_of(raw.tags) == fleet):
                if grants is None:
                    path = f"{self.arm.subscription}/providers/{ASSIGNMENTS}"
                    grants = list(self.arm.rows("authorization.assignments.list", path, ASSIGNMENTS_API, call))
                yield self._observed(raw, grants)

    def observe(self, raw: Raw, call: Call) -> Observed:
        path = f"{raw.id}/providers/{ASSIGNMENTS}"
        rows = self.arm.rows("authorization.assignments.list", path, ASSIGNMENTS_API, call, **{"$filter": "atScope()"})
        return self._observed(raw, rows)

    def _observed(self, raw: Raw, grants: Iterable[Raw]) -> Observed:
        name = self.address(raw).name
        server = str(raw.said("loginServer") or "")
        encryption = raw.said("encryption") or {}
        resource = Registry(
            name=name,
            tags=user_tags(raw.tags),
            url=f"{server}/{name.lower()}" if owner_of(raw.tags) and server else server,
            encrypted=True,  # always, with Azure's key where the user gives none
            key=str((encryption.get("keyVaultProperties") or {}).get("keyIdentifier") or ""),
            public=bool(raw.said("anonymousPullEnabled")),
            pull_identity=pullers(raw.id, grants),
        )
        return self.observed(raw, resource, endpoints=(server,) if server else ())

    # -- writing -----------------------------------------------------------------------------------------------

    def create(self, address: Address, desired: AnyResource, call: Call) -> Observed:
        wanted = cast(Registry, desired)
        _check(wanted)
        place = self.place(address, call)
        raw = self.claim(address, call)
        if raw is None:
            body = {
                "location": address.region,
                "tags": own_tags(address, wanted.tags, call),
                "sku": {"name": str(self.account.options.get("registry_sku") or "Standard")},
                "properties": {"adminUserEnabled": False, "anonymousPullEnabled": bool(wanted.public)},
            }
            self.in_group(
                address, call, lambda: self.arm.put("registry.registries.put", self._id(place), body, API, call)
            )
            raw = self.read(place, call)
        self._grant(raw, wanted, call)
        return self.pending(self.observe(raw, call))

    def _grant(self, raw: Raw, wanted: Registry, call: Call) -> None:
        """Gives the role AcrPull to the principals that are wanted; takes it from nobody."""
        if not wanted.pull_identity:
            return
        has = cast(Registry, self.observe(raw, call).resource).pull_identity.split(",")
        for principal in [p for p in wanted.pull_identity.split(",") if p not in has]:
            name = uuid.uuid5(uuid.NAMESPACE_URL, f"{raw.id.lower()} {principal}")
            role = f"{self.arm.subscription}/providers/Microsoft.Authorization/roleDefinitions/{ACR_PULL}"
            body = {"properties": {"roleDefinitionId": role, "principalId": principal}}
            self.arm.put(
                "authorization.assignments.put", f"{raw.id}/providers/{ASSIGNMENTS}/{name}", body, ASSIGNMENTS_API, call
            )

    def update(self, observed: Observed, desired: AnyResource, call: Call) -> Observed:
        """Who may pull, tags."""
        wanted = cast(Registry, desired)
        _check(wanted)
        raw = self.arm.get("registry.registries.get", observed.provider_id, API, call)
        body: dict[str, Any] = {}
        tags = merged_tags(raw.tags, wanted.tags)
        if tags != raw.tags:
            body["tags"] = tags
        if wanted.public is not None and bool(wanted.public) != bool(raw.said("anonymousPullEnabled")):
            body["properties"] = {"anonymousPullEnabled": bool(wanted.public)}
        if body:
            self.arm.patch("registry.registries.patch", raw.id, body, API, call)
        self._grant(raw, wanted, call)
        return self.pending(self.observe(self.arm.get("registry.registries.get", raw.id, API, call), call))

    def delete(self, observed: Observed, call: Call) -> None:
        self.arm.delete("registry.registries.delete", observed.provider_id, API, call)

    def after_delete(self, address: Address, call: Call) -> None:
        self.drop_empty_group(address, call)


def _check(wanted: Registry) -> None:
    if wanted.encrypted is False:
        raise InvalidRequest("Azure always encrypts registries", mend="leave encrypted out")
    for name in ("immutable_tags", "scan_on_push", "key"):
        if getattr(wanted, name):
            raise NotBuiltYet(f"Azure: {name} of a registry is not built yet")


def pullers(registry_id: str, grants: Iterable[Raw]) -> str:
    """Object ids of the principals with the role AcrPull on the registry, else above it; else the role's name."""
    own, above = [], []
    for grant in grants:
        scope = str(grant.said("scope") or "").lower()
        if not str(grant.said("roleDefinitionId") or "").lower().endswith(ACR_PULL):
            continue
        if scope == registry_id.lower():
            own.append(str(grant.said("principalId") or ""))
        elif registry_id.lower().startswith(scope.rstrip("/") + "/"):
            above.append(str(grant.said("principalId") or ""))
    return ",".join(sorted(own or above)) or "AcrPull"
