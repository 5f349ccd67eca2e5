"""cr 2018-12-01: one registry instance a region, namespaces, repositories and their tags.

Callers: sandbox/alibaba/server.py. Life's instances are bought; here each account has one in every region, from the
first look on. No images are pushed: tests put them in with put_image. Sources:
CreateRepository, ListRepository, ListRepoTag of the ACR reference. Not here: builds, scans, charts, replication.
"""

from __future__ import annotations

import hashlib
import re
import time
from typing import Any

from sandbox.alibaba import things
from sandbox.alibaba.state import Ctx, iso
from sandbox.alibaba.things import Thing
from sandbox.alibaba.wire import ApiError

KIND, TRAIL = "registry", "ACS::CR::Repository"
_INSTANCE, _NAMESPACE = "_registry_instance", "_registry_namespace"
_NAME = re.compile(r"[a-z0-9]([a-z0-9._/-]{0,62}[a-z0-9])")
_OK = {"Code": "success", "IsSuccess": True}


def _instances(ctx: Ctx) -> list[Thing]:
    found = things.living(ctx.estate, _INSTANCE, ctx.region)
    if not found:
        digest = hashlib.sha256(f"{ctx.caller.account.account_id}/{ctx.region}".encode()).hexdigest()[:16]
        found = [things.add(ctx, _INSTANCE, f"cri-{digest}", "main")]
    return found


def _instance(ctx: Ctx) -> Thing:
    wanted = ctx.params.require("InstanceId")
    found = next((t for t in _instances(ctx) if t.id == wanted), None)
    if found is None:
        raise ApiError(404, "INSTANCE_NOT_EXIST", "instance is not exist")
    return found


def _page(ctx: Ctx, rows: list[Any]) -> tuple[list[Any], dict[str, Any]]:
    number = ctx.params.integer("PageNo", 1, low=1)
    size = ctx.params.integer("PageSize", 30, low=1, high=100)
    return rows[(number - 1) * size : number * size], {"PageNo": number, "PageSize": size}


def list_instance(ctx: Ctx) -> dict[str, Any]:
    rows = [
        {
            "InstanceId": t.id,
            "InstanceName": t.name,
            "InstanceStatus": "RUNNING",
            "InstanceSpecification": "Enterprise_Basic",
            "RegionId": t.region,
            "CreateTime": str(int(t.created_s * 1000)),
        }
        for t in _instances(ctx)
    ]
    part, fields = _page(ctx, rows)
    return {**_OK, "Instances": part, "TotalCount": len(rows), **fields}


def list_instance_endpoint(ctx: Ctx) -> dict[str, Any]:
    instance = _instance(ctx)
    domain = f"{instance.name}-registry.{ctx.region}.cr.aliyuncs.com"
    row = {"EndpointType": "internet", "Enable": True, "Status": "RUNNING", "AclEnable": False}
    return {**_OK, "Endpoints": [{**row, "Domains": [{"Domain": domain, "Type": "SYSTEM"}]}]}


def create_namespace(ctx: Ctx) -> dict[str, Any]:
    instance, name = _instance(ctx), ctx.params.require("NamespaceName")
    if _namespace(ctx, instance, name) is not None:
        raise ApiError(400, "NAMESPACE_ALREADY_EXIST", "namespace is already exist")
    things.add(ctx, _NAMESPACE, ctx.cloud.new_id("crn-", 16), name, touched=TRAIL, instance=instance.id)
    return dict(_OK)


def _namespace(ctx: Ctx, instance: Thing, name: str) -> Thing | None:
    rows = things.living(ctx.estate, _NAMESPACE, ctx.region)
    return next((t for t in rows if (t.values["instance"], t.name) == (instance.id, name)), None)


def list_namespace(ctx: Ctx) -> dict[str, Any]:
    instance, name = _instance(ctx), ctx.params.get("NamespaceName")
    rows = [
        {
            "InstanceId": instance.id,
            "NamespaceId": t.id,
            "NamespaceName": t.name,
            "NamespaceStatus": "NORMAL",
            "AutoCreateRepo": False,
            "DefaultRepoType": "PRIVATE",
        }
        for t in things.living(ctx.estate, _NAMESPACE, ctx.region)
        if t.values["instance"] == instance.id and name in ("", t.name)
    ]
    part, fields = _page(ctx, rows)
    return {**_OK, "Namespaces": part, "TotalCount": str(len(rows)), **fields}


def delete_namespace(ctx: Ctx) -> dict[str, Any]:
    instance = _instance(ctx)
    found = _namespace(ctx, instance, ctx.params.require("NamespaceName"))
    if found is None:
        raise ApiError(404, "NAMESPACE_NOT_EXIST", "namespace is not exist")
    if any(t.values["namespace"] == found.name for t in _repositories(ctx, instance)):
        raise ApiError(400, "NAMESPACE_HAS_REPO", "namespace has repositories")
    things.remove(ctx, found, touched=TRAIL)
    return dict(_OK)


# -- repositories --------------------------------------------------------------------------------------------------


def _repositories(ctx: Ctx, instance: Thing) -> list[Thing]:
    return [t for t in things.living(ctx.estate, KIND, ctx.region) if t.values["instance"] == instance.id]


def create_repository(ctx: Ctx) -> dict[str, Any]:
    p, instance = ctx.params, _instance(ctx)
    namespace, name, kind = p.require("RepoNamespaceName"), p.require("RepoName"), p.require("RepoType")
    if _namespace(ctx, instance, namespace) is None:
        raise ApiError(404, "NAMESPACE_NOT_EXIST", "namespace is not exist")
    if not _NAME.fullmatch(name) or kind not in ("PUBLIC", "PRIVATE") or not 1 <= len(p.require("Summary")) <= 100:
        raise ApiError(400, "INVALID_PARAMETER", "RepoName, RepoType or Summary is invalid")
    if any((t.values["namespace"], t.name) == (namespace, name) for t in _repositories(ctx, instance)):
        raise ApiError(400, "REPO_ALREADY_EXIST", "repo is already exist")
    made = things.add(
        ctx, KIND, ctx.cloud.new_id("crr-", 16), name, touched=TRAIL,
        instance=instance.id, namespace=namespace, type=kind, summary=p.get("Summary"), detail=p.get("Detail"),
        immutable=p.flag("TagImmutability"), images=[],
    )  # fmt: skip
    return {**_OK, "RepoId": made.id}


def _repository(ctx: Ctx) -> Thing:
    p, instance = ctx.params, _instance(ctx)
    wanted = p.get("RepoId")
    for t in _repositories(ctx, instance):
        if t.id == wanted or (
            not wanted and (t.values["namespace"], t.name) == (p.get("RepoNamespaceName"), p.get("RepoName"))
        ):
            return t
    raise ApiError(404, "REPO_NOT_EXIST", "repo is not exist")


def _row(t: Thing) -> dict[str, Any]:
    values = t.values
    return {
        "InstanceId": values["instance"],
        "RepoId": t.id,
        "RepoName": t.name,
        "RepoNamespaceName": values["namespace"],
        "RepoType": values["type"],
        "RepoStatus": "NORMAL",
        "RepoBuildType": "MANUAL",
        "Summary": values["summary"],
        "TagImmutability": values["immutable"],
        "CreateTime": int(t.created_s * 1000),
        "ModifiedTime": int(time.time() * 1000),
    }


def get_repository(ctx: Ctx) -> dict[str, Any]:
    found = _repository(ctx)
    return {**_OK, **_row(found), "Detail": found.values["detail"]}


def list_repository(ctx: Ctx) -> dict[str, Any]:
    p = ctx.params
    name, namespace = p.get("RepoName"), p.get("RepoNamespaceName")
    rows = [
        _row(t)
        for t in _repositories(ctx, _instance(ctx))
        if (not name or name in t.name) and namespace in ("", t.values["namespace"])
    ]
    part, fields = _page(ctx, rows)
    return {**_OK, "Repositories": part, "TotalCount": str(len(rows)), **fields}


def update_repository(ctx: Ctx) -> dict[str, Any]:
    p, found = ctx.params, _repository(ctx)
    found.values.update(
        type=p.require("RepoType"), summary=p.require("Summary"), detail=p.get("Detail", found.values["detail"]),
        immutable=p.flag("TagImmutability", found.values["immutable"]),
    )  # fmt: skip
    ctx.touched.append((TRAIL, found.id))
    return dict(_OK)


def delete_repository(ctx: Ctx) -> dict[str, Any]:
    things.remove(ctx, _repository(ctx), touched=TRAIL)
    return dict(_OK)


def list_repo_tag(ctx: Ctx) -> dict[str, Any]:
    found = _repository(ctx)
    part, fields = _page(ctx, found.values["images"])
    return {**_OK, "Images": part, "TotalCount": str(len(found.values["images"])), **fields}


def put_image(repository: Thing, tag: str, digest: str) -> None:
    """As a push does: a tag moves to the new digest."""
    images = [row for row in repository.values["images"] if row["Tag"] != tag]
    now = iso(time.time())
    repository.values["images"] = [
        {"Tag": tag, "Digest": digest.removeprefix("sha256:"), "Status": "NORMAL", "ImageSize": 1,
         "ImageId": digest.removeprefix("sha256:"), "ImageCreate": now, "ImageUpdate": now},
        *images,
    ]  # fmt: skip
