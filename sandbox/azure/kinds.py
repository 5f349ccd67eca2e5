"""What a resource type of the sandbox has to say for itself; the engine (engine.py) does the rest.

Callers: engine.py, and the type rules in network.py, compute.py, aks.py.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from sandbox.azure.catalog import REGIONS
from sandbox.azure.store import Record
from sandbox.azure.wire import ArmError, ArmPath, Reply

if TYPE_CHECKING:
    from sandbox.azure.engine import Engine


@dataclass(frozen=True, slots=True)
class Principal:
    """Who asks. reader: may read only. caller: the name that the activity log shows."""

    partition: str
    subscription: str
    caller: str
    reader: bool


@dataclass(slots=True)
class Put:
    """One PUT, after the engine's own checks. before is None for a new resource."""

    path: ArmPath
    body: dict[str, Any]
    before: Record | None
    principal: Principal
    location: str

    @property
    def properties(self) -> dict[str, Any]:
        value = self.body.get("properties")
        return value if isinstance(value, dict) else {}

    @property
    def tags(self) -> dict[str, str]:
        return dict(self.body.get("tags") or {})


class ResourceKind:
    """One resource type. Subclasses override what is theirs; the defaults suit a plain resource.

    timing: kind in the timing table (`azure.<timing>.<verb>`). tracked: has location and tags. extras: top-level
    members of a PUT body that are kept. creating, updating: provisioning states while an operation runs.
    etag_member: where the etag stands in an answer; with a leading `properties.` inside properties;
    "" where the type has none. patchable: Azure has a PATCH of the type. writable: it can be PUT
    and deleted. everywhere: its location is `global`.
    has_state: its answers have a provisioningState.
    """

    type = ""
    timing = "network"
    tracked = True
    extras: tuple[str, ...] = ()
    etag_member = "etag"
    creating, updating = "Creating", "Updating"
    busy_code = "AnotherOperationInProgress"
    delete_while_busy = False
    patchable = True
    writable = True
    everywhere = False
    has_state = True
    created_status, replaced_status = 201, 200
    actions: Mapping[str, bool] = {}
    """Name of a POST action -> whether a reader may call it."""

    def __init__(self, engine: Engine) -> None:
        self.engine = engine
        self.store = engine.store

    def properties(self, put: Put) -> dict[str, Any]:
        """The new properties, checked. Raises ArmError, having changed nothing."""
        return dict(put.properties)

    def prepare(self, record: Record, put: Put) -> None:
        """Right after the record is stored, before the answer: children given inline, ids of parts."""

    async def apply(self, record: Record, before: Record | None) -> None:
        """What takes time: runs once the operation's duration has passed. Raises ArmError to fail it."""

    def view(self, record: Record) -> dict[str, Any]:
        """properties as GET answers them, without provisioningState."""
        return dict(record.properties)

    def members(self, _record: Record) -> dict[str, Any]:
        """Further top-level members of an answer."""
        return {}

    def listed(self, _path: ArmPath, found: list[Record]) -> list[Record]:
        """What a list at that path shows, of what lies below it."""
        return found

    def builtin(self, _path: ArmPath) -> Record | None:
        """What Azure has made itself and nobody keeps."""
        return None

    def check_delete(self, record: Record) -> None:
        """Raises ArmError while something uses it."""

    async def remove(self, record: Record) -> None:
        """Undoes what apply did outside the store."""

    async def act(self, record: Record, action: str, principal: Principal, _body: Mapping[str, Any]) -> Reply:
        raise ArmError(404, "InvalidResourceType", f"{record.id} has no action {action} for {principal.caller}.")

    async def restore(self, record: Record) -> None:
        """After the sandbox was started again from its state folder."""

    def patch(self, record: Record, body: dict[str, Any]) -> None:
        """Fields besides tags that a PATCH may change."""

    # -- for subclasses -----------------------------------------------------------------------------------------

    def referenced(self, resource_id: str, by: str) -> Record:
        """The resource that an id in a body names. Raises InvalidResourceReference."""
        found = self.store.get(resource_id)
        if found is None or found.state == "Deleting":
            raise ArmError(
                400,
                "InvalidResourceReference",
                f"Resource {resource_id} referenced by resource {by} was not found. Please make sure that the "
                "referenced resource exists, and that both resources are in the same region.",
            )
        return found

    def zones(self, put: Put) -> list[str]:
        """Zones of the body; the region must have them."""
        zones = [str(z) for z in put.body.get("zones") or ()]
        known = REGIONS[put.principal.partition].get(put.location, ())
        for zone in zones:
            if zone not in known:
                raise ArmError(
                    400,
                    "InvalidAvailabilityZone" if known else "AvailabilityZoneNotSupported",
                    f"The zone(s) '{zone}' for resource '{put.path.type}/{put.path.name}' is not supported. "
                    f"The supported zones for location '{put.location}' are '{','.join(known)}'",
                )
        return zones


def invalid(message: str, target: str = "", code: str = "InvalidParameter") -> ArmError:
    return ArmError(400, code, message, target=target)


def required(data: Mapping[str, Any], name: str, where: str = "properties") -> Any:
    """data[name]. Raises InvalidParameter where it is missing or empty."""
    value = data.get(name)
    if value is None or value in ("", []):
        raise invalid(f"Required parameter '{name}' is missing (null).", f"{where}.{name}")
    return value
