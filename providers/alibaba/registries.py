"""REGISTRY (repository of an ACR Enterprise Edition instance): cr 2018-12-01.

Callers: provider.py. The instance is bought, not made: account option `registry_instance`, else the region's first that
runs; repositories lie in the namespace `registry_namespace`. Repositories have no tags: whose it is stands in the
summary, name and tags as JSON in the detail text. Repositories' names are unique: a creation that arrives twice leaves
one.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from model.errors import AlreadyExists, InvalidRequest, NotFound
from model.resources import TAG_FLEET, TAG_NAME, Address, Kind, Observed, Registry, State
from providers.alibaba.common import (
    Adapter,
    Identified,
    References,
    Row,
    changed_tags,
    gone_is_fine,
    ownership_tags,
    users_tags,
)
from providers.alibaba.session import PageNames, Session
from providers.base import Call, ImageFacts

PAGES = PageNames(number="PageNo")
SUMMARY = re.compile(rf"{TAG_FLEET}=(\S+)")
_NAME = re.compile(r"[a-z0-9]([a-z0-9._-]{0,62}[a-z0-9])")
PULL_ROLE = "aliyuncsmanagedacrrole"
"""The service role with which ACK's clusters pull without a password (managed aliyun-acr-credential-helper)."""


class Registries(Adapter):
    KIND = Kind.REGISTRY
    HAS_TOKEN = False

    def __init__(self, session: Session, references: References) -> None:
        super().__init__(session, references)
        options = session.account.options
        self._chosen = str(options.get("registry_instance") or "")
        self._namespace = str(options.get("registry_namespace") or "duoyun")
        self._instances: dict[str, str] = {}  # region -> instance id
        self._domains: dict[str, str] = {}  # instance id -> host of its images

    def _instance(self, region: str, call: Call) -> str:
        """ "" where the region has none."""
        if self._chosen:
            return self._chosen
        if region not in self._instances:
            rows = self.session.pages("cr", "ListInstance", region, call, ("Instances",), {}, PAGES)
            found = sorted(str(r["InstanceId"]) for r in rows if r.get("InstanceStatus") == "RUNNING")
            if not found:
                return ""
            self._instances[region] = found[0]
        return self._instances[region]

    def _domain(self, region: str, instance: str, call: Call) -> str:
        if instance not in self._domains:
            asked = {"InstanceId": instance, "ModuleName": "Registry"}
            answer = self.session.rpc("cr", "ListInstanceEndpoint", region, call, asked)
            open_ones = [e for e in answer.get("Endpoints") or () if e.get("Enable")]
            names = [str(d["Domain"]) for e in open_ones for d in e.get("Domains") or ()]
            if not names:
                return ""
            self._domains[instance] = names[0]
        return self._domains[instance]

    # -- reading -----------------------------------------------------------------------------------------------

    def rows(self, region: str, call: Call, *, tags: Mapping[str, str] | None = None, name: str = "") -> Iterator[Row]:
        instance = self._instance(region, call)
        if not instance:
            return
        wanted = tags or {}
        asked = {"InstanceId": instance, "RepoName": wanted.get(TAG_NAME) or name}
        for row in self.session.pages("cr", "ListRepository", region, call, ("Repositories",), asked, PAGES):
            fleet = _fleet(row)
            if wanted.get(TAG_FLEET, fleet) != fleet or (wanted and not fleet):
                continue
            yield self._with_detail(region, row, call) if fleet else row

    def _with_detail(self, region: str, row: Row, call: Call) -> Row:
        """Only a single repository's answer holds its detail text."""
        found = self.by_id(region, str(row["RepoId"]), call)
        return found if found is not None else row

    def by_id(self, region: str, provider_id: str, call: Call) -> Row | None:
        asked = {"InstanceId": self._instance(region, call), "RepoId": provider_id}
        if not asked["InstanceId"]:
            return None
        try:
            return self.session.rpc("cr", "GetRepository", region, call, asked)
        except NotFound:
            return None

    def identify(self, row: Row) -> Identified:
        fleet, name = _fleet(row), str(row.get("RepoName", ""))
        if not fleet:
            shown = name if row.get("RepoNamespaceName") == self._namespace else f"{row['RepoNamespaceName']}/{name}"
            return Identified(row["RepoId"], shown, {})
        return Identified(row["RepoId"], name, {TAG_NAME: name, **_detail(row), TAG_FLEET: fleet})

    def observe(self, region: str, row: Row, call: Call) -> Observed:
        who, public = self.identify(row), row.get("RepoType") == "PUBLIC"
        host = self._domain(region, str(row["InstanceId"]), call)
        path = f"{row['RepoNamespaceName']}/{row['RepoName']}"
        registry = Registry(
            name=who.logical_name,
            tags=users_tags(who.tags),
            url=f"{host}/{path}" if host else path,
            immutable_tags=bool(row.get("TagImmutability", False)),
            public=public,
            pull_identity="*" if public else f"acs:ram::{self.account.account_id}:role/{PULL_ROLE}",
        )
        return Observed(
            address=self.address(region, who.logical_name),
            resource=registry,
            provider_id=who.id,
            state=State.READY if row.get("RepoStatus", "NORMAL") == "NORMAL" else State.DELETING,
            owner=who.tags.get(TAG_FLEET, ""),
            raw={"detail": str(row.get("Detail") or ""), "type": row.get("RepoType", "PRIVATE")},
        )

    def image(self, observed: Observed, reference: str, call: Call) -> ImageFacts:
        """What a tag, or a digest, means there. ACR does not tell architectures. Raises NotFound."""
        region = observed.address.region
        asked = {"InstanceId": self._instance(region, call), "RepoId": observed.provider_id}
        for row in self.session.pages("cr", "ListRepoTag", region, call, ("Images",), asked, PAGES):
            digest = f"sha256:{str(row['Digest']).removeprefix('sha256:')}"
            if reference in (str(row["Tag"]), digest):
                resource = observed.resource
                assert isinstance(resource, Registry)
                return ImageFacts(digest, pull_identity=resource.pull_identity)
        raise NotFound(
            f"{observed.address} has no image {reference!r}",
            mend="push it there, or correct the tag in the spec",
            address=str(observed.address),
        )

    # -- writing -----------------------------------------------------------------------------------------------

    def make(self, address: Address, desired: Registry, call: Call, token: Callable[[Mapping[str, Any]], str]) -> str:
        del token  # CreateRepository has none
        if not _NAME.fullmatch(address.name):
            raise InvalidRequest(
                f"{address}: {address.name!r} is no name of an ACR repository",
                mend="use 2 to 64 lower-case letters, digits, dots, dashes and underscores",
            )
        instance = self._instance(address.region, call)
        if not instance:
            raise InvalidRequest(
                f"{address}: there is no ACR Enterprise Edition instance in {address.region}",
                mend="buy one there, or name one of another region with the account's option registry_instance",
            )
        self._namespace_there(address.region, instance, call)
        where = {"InstanceId": instance, "RepoNamespaceName": self._namespace, "RepoName": address.name}
        params = {
            **where,
            "RepoType": "PUBLIC" if desired.public is True else "PRIVATE",
            "Summary": f"{TAG_FLEET}={call.fleet}",
            "Detail": _text(ownership_tags(desired, address, call)),
            "TagImmutability": desired.immutable_tags is True,
        }
        try:
            answer = self.session.rpc("cr", "CreateRepository", address.region, call, params, write=True)
        except AlreadyExists:
            row = self.session.rpc("cr", "GetRepository", address.region, call, where)
            if _fleet(row) != call.fleet:
                raise
            return str(row["RepoId"])  # the first answer was lost
        return str(answer["RepoId"])

    def _namespace_there(self, region: str, instance: str, call: Call) -> None:
        asked = {"InstanceId": instance, "NamespaceName": self._namespace}
        rows = self.session.pages("cr", "ListNamespace", region, call, ("Namespaces",), asked, PAGES)
        if any(row.get("NamespaceName") == self._namespace for row in rows):
            return
        try:
            self.session.rpc("cr", "CreateNamespace", region, call, asked, write=True)
        except AlreadyExists:
            return  # somebody was faster

    def update(self, observed: Observed, desired: Registry, call: Call) -> None:
        current = observed.resource
        assert isinstance(current, Registry)
        public = current.public if desired.public is None else desired.public
        immutable = current.immutable_tags if desired.immutable_tags is None else desired.immutable_tags
        tags = changed_tags(observed, desired)
        if not tags and (public, immutable) == (current.public, current.immutable_tags):
            return
        fleet = observed.owner or call.fleet
        ours = {TAG_NAME: observed.address.name, **_detail({"Detail": observed.raw.get("detail", "")}), **tags}
        params = {
            "InstanceId": self._instance(observed.address.region, call),
            "RepoId": observed.provider_id,
            "RepoType": "PUBLIC" if public is True else "PRIVATE",
            "Summary": f"{TAG_FLEET}={fleet}",
            "Detail": _text(ours),
            "TagImmutability": immutable is True,
        }
        self.session.rpc("cr", "UpdateRepository", observed.address.region, call, params, write=True)

    def delete(self, observed: Observed, call: Call) -> None:
        region = observed.address.region
        params = {"InstanceId": self._instance(region, call), "RepoId": observed.provider_id}
        gone_is_fine(lambda: self.session.rpc("cr", "DeleteRepository", region, call, params, write=True))

    def fixed_fields(self) -> tuple[str, ...]:
        return ()


def _fleet(row: Row) -> str:
    match = SUMMARY.fullmatch(str(row.get("Summary") or ""))
    return match[1] if match else ""


def _detail(row: Row) -> dict[str, str]:
    """Tags from the detail text; none where somebody rewrote it."""
    try:
        value = json.loads(str(row.get("Detail") or "{}"))
    except json.JSONDecodeError:
        return {}
    return {str(k): str(v) for k, v in value.items()} if isinstance(value, dict) else {}


def _text(tags: Mapping[str, str]) -> str:
    return json.dumps({k: v for k, v in tags.items() if k != TAG_FLEET}, sort_keys=True, ensure_ascii=False)
