"""Resources of types that no typed SDK of ours has: read as ARM's JSON, written by the generic resources client.

Callers: dns.py, weights.py, registries.py, scaling.py, and the read-only kinds. Source of the calls: the ARM resource
provider contract; an API version stands beside each type that is read.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from model.errors import NotFound
from providers.azure.session import Session
from providers.base import Call


class Raw:
    """A resource as ARM's JSON; has the members that Adapter asks of any raw resource.

    region: where it is counted to, for what has no location of its own or is `global`.
    """

    def __init__(self, data: Mapping[str, Any], region: str = "") -> None:
        self.data = data
        self.id, self.name, self.type = (str(data.get(key) or "") for key in ("id", "name", "type"))
        self.tags: dict[str, str] = dict(data.get("tags") or {})
        # Some providers answer a region's title (`China North 3`), most its name.
        place = str(data.get("location") or "").replace(" ", "").lower()
        self.location = place if place not in ("", "global") else region
        self.properties: Mapping[str, Any] = data.get("properties") or {}
        self.provisioning_state = self.properties.get("provisioningState")
        self.etag = str(data.get("etag") or "")
        self.sku = str((data.get("sku") or {}).get("name") or "")
        self.kind = str(data.get("kind") or "")

    def said(self, *path: str) -> Any:
        """A member of the properties by its path; None where it, or what it lies in, is not there."""
        value: Any = self.properties
        for name in path:
            value = value.get(name) if isinstance(value, Mapping) else None
        return value


class Arm:
    """GET, lists, PUT and DELETE by id or path."""

    def __init__(self, session: Session) -> None:
        self.session = session
        self.subscription = f"/subscriptions/{session.account.account_id}"
        self._newest: dict[str, dict[str, str]] = {}

    def get(self, operation: str, resource_id: str, version: str, call: Call, region: str = "") -> Raw:
        """Raises NotFound."""
        return Raw(self.session.get_json(operation, resource_id, call, **{"api-version": version}), region)

    def find(self, operation: str, resource_id: str, version: str, call: Call) -> Raw | None:
        try:
            return self.get(operation, resource_id, version, call)
        except NotFound:
            return None

    def rows(
        self, operation: str, path: str, version: str, call: Call, *, region: str = "", **params: str
    ) -> Iterator[Raw]:
        """All pages of a list. path from /subscriptions on."""
        page = self.session.get_json(operation, path, call, **{"api-version": version, **params})
        while True:
            for row in page.get("value") or ():
                yield Raw(row, region)
            following = str(page.get("nextLink") or "")
            if not following:
                return
            page = self.session.get_json(operation, following, call)

    def of_type(self, type_: str, version: str, region: str, call: Call) -> Iterator[Raw]:
        """Every resource of a top-level type in the subscription, with its properties."""
        operation = f"{type_.partition('/')[0].rpartition('.')[2].lower()}.{type_.rpartition('/')[2]}.list"
        return self.rows(operation, f"{self.subscription}/providers/{type_}", version, call, region=region)

    def put(
        self, operation: str, resource_id: str, body: Mapping[str, Any], version: str, call: Call, **kwargs: Any
    ) -> None:
        """Returns once Azure has accepted it. body: ARM's own member names."""
        from azure.mgmt.resource.resources.models import GenericResource

        method = self.session.resources.resources.begin_create_or_update_by_id
        self.session.begin(
            operation, method, resource_id, GenericResource(dict(body)), api_version=version, call=call, **kwargs
        )

    def patch(self, operation: str, resource_id: str, body: Mapping[str, Any], version: str, call: Call) -> None:
        from azure.mgmt.resource.resources.models import GenericResource

        method = self.session.resources.resources.begin_update_by_id
        self.session.begin(operation, method, resource_id, GenericResource(dict(body)), api_version=version, call=call)

    def delete(self, operation: str, resource_id: str, version: str, call: Call, **kwargs: Any) -> None:
        """What is gone is fine."""
        method = self.session.resources.resources.begin_delete_by_id
        try:
            self.session.begin(operation, method, resource_id, api_version=version, call=call, **kwargs)
        except NotFound:
            return

    def newest_version(self, type_: str, call: Call) -> str:
        """The newest API version of a type that is no preview, else the newest; "" where the type is not known.

        Asked once per namespace and session.
        """
        namespace, _, kind = type_.partition("/")
        if namespace.lower() not in self._newest:
            path = f"{self.subscription}/providers/{namespace}"
            try:
                found = self.session.get_json("resources.providers.get", path, call, **{"api-version": "2021-04-01"})
            except NotFound:
                found = {}
            self._newest[namespace.lower()] = {
                str(row.get("resourceType") or "").lower(): newest(row.get("apiVersions") or ())
                for row in found.get("resourceTypes") or ()
            }
        return self._newest[namespace.lower()].get(kind.lower(), "")


def newest(versions: Any) -> str:
    """Of API versions such as `2024-05-01` and `2024-05-01-preview`."""
    stable = sorted(str(v) for v in versions if len(str(v)) == len("2024-05-01"))
    return stable[-1] if stable else max((str(v) for v in versions), default="")
