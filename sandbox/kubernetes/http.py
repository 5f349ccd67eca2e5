"""One cluster's API over HTTP: who asks, what is meant, and the answer in Kubernetes' own words.

Callers: the cluster, which runs one on a port of its own. Decisions are elsewhere: routes, api, discovery, tables.
"""

from __future__ import annotations

import hmac
import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from aiohttp import web

from sandbox.gate import Asked, Gate
from sandbox.kubernetes import admission, discovery, subresources, watch
from sandbox.kubernetes.api import Api
from sandbox.kubernetes.errors import (
    ApiError,
    method_not_allowed,
    unauthorized,
    unknown_path,
)
from sandbox.kubernetes.faults import WORDS
from sandbox.kubernetes.routes import Target, is_true, parse
from sandbox.kubernetes.selectors import parse_fields, parse_labels
from sandbox.kubernetes.store import Object
from sandbox.kubernetes.tables import table
from sandbox.kubernetes.wire import (
    access_review,
    delete_options,
    fault_error,
    json_answer,
    list_position,
    list_token,
    read_body,
    refusal,
    shaped,
    success,
    wants_table,
    write_options,
)
from sandbox.world import FaultTable

ADMIN = "kubernetes-admin"
_PUBLIC = frozenset({"/healthz", "/livez", "/readyz", "/version"})
_VERBS = {"POST": "create", "PUT": "update", "PATCH": "patch", "DELETE": "delete"}
_log = logging.getLogger(__name__)


class Runtime(Protocol):
    """What the API reaches into running pods for."""

    def logs(self, pod: Object, query: Mapping[str, str]) -> str:
        """ApiError 400 where the container is not there or has not started."""
        ...

    async def proxy(self, target: Target, request: web.BaseRequest) -> web.StreamResponse:
        """Forwards to a pod or a ready endpoint of a service. ApiError 503 where there is none."""
        ...


@dataclass(slots=True)
class Guard:
    """Who may call, and what goes wrong on purpose."""

    cluster_id: str
    admin_token: str
    authenticate: Callable[[str], str | None]
    faults: FaultTable
    vanish: Callable[[float], None] | None = None

    def user(self, request: web.BaseRequest) -> str:
        """The caller's name, by the bearer token. ApiError 401 without a valid one."""
        scheme, _, token = request.headers.get("Authorization", "").partition(" ")
        if scheme.lower() != "bearer" or not token:
            raise unauthorized()
        if hmac.compare_digest(token.encode(), self.admin_token.encode()):
            return ADMIN
        name = self.authenticate(token)
        if not name:
            raise unauthorized()
        return name


class HttpApi:
    """The request handler of one cluster."""

    def __init__(self, api: Api, guard: Guard, runtime: Runtime, release: str) -> None:
        self._api, self._guard, self._runtime, self._release = api, guard, runtime, release
        self._gate = Gate(guard.faults, lambda _operation: WORDS, guard.vanish)

    async def handle(self, request: web.BaseRequest) -> web.StreamResponse:
        """Answers any request; what is refused becomes a Status body."""
        try:
            return await self._answer(request)
        except ApiError as exc:
            return refusal(exc)
        except Exception:  # noqa: BLE001  (the client is told, the log has the rest)
            _log.exception("cluster %s: %s %s", self._guard.cluster_id, request.method, request.rel_url.path)
            return refusal(ApiError(500, "InternalError", "Internal error occurred: see the sandbox's log"))

    async def _answer(self, request: web.BaseRequest) -> web.StreamResponse:
        path = request.rel_url.path
        user = "" if path in _PUBLIC else self._guard.user(request)
        target = parse(path)
        write = request.method not in ("GET", "HEAD") and not path.startswith("/apis/authorization.k8s.io/")
        if user.startswith("reader:") and write and target is not None:
            verb = _VERBS.get(request.method, request.method.lower())
            raise admission.read_only(user, verb, target.kind, target.namespace, target.name)

        async def execute() -> web.StreamResponse:
            try:
                return await self._dispatch(request, target, path, user)
            except ApiError as exc:
                return refusal(exc)

        asked = self._asked(request, target, user, write)
        return await self._gate.answer(request, asked, lambda fault: refusal(fault_error(fault)), execute)

    def _asked(self, request: web.BaseRequest, target: Target | None, user: str, write: bool) -> Asked:
        """The request as the fault table sees it. A stream, a log and a proxied call are never answered from memory."""
        what = target.resource if target else request.rel_url.path
        where = f"{self._guard.cluster_id}/{target.namespace}/{target.name}" if target else self._guard.cluster_id
        lasting = target is None or target.subresource in ("", "status", "scale")
        kept = request.method == "GET" and lasting and not is_true(request.query, "watch")
        question = f"{user} {request.headers.get('Accept', '')} {request.path_qs}" if kept else ""
        return Asked("kubernetes", f"{request.method} {what}", where, write, question)

    async def _dispatch(
        self, request: web.BaseRequest, target: Target | None, path: str, user: str
    ) -> web.StreamResponse:
        if target is not None:
            return await self._resource(request, target)
        if path in _PUBLIC and path != "/version":
            return web.Response(text="ok")
        if path == "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews" and request.method == "POST":
            return json_answer(access_review(await read_body(request), user), 201)
        found = discovery.answer(path, self._release) if request.method == "GET" else None
        if found is None:
            raise unknown_path()
        return json_answer(found)

    async def _resource(self, request: web.BaseRequest, target: Target) -> web.StreamResponse:
        if target.subresource == "proxy":
            return await self._runtime.proxy(target, request)
        if not target.name:
            return await self._collection(request, target)
        match target.subresource:
            case "log":
                pod = self._api.get(target.kind, target.namespace, target.name)
                return web.Response(text=self._runtime.logs(pod, request.query), content_type="text/plain")
            case "scale":
                return await self._scale(request, target)
            case "eviction" if request.method == "POST":
                body = await read_body(request)
                options = body.get("deleteOptions") or {}
                subresources.evict(self._api, target.namespace, target.name, options.get("gracePeriodSeconds"))
                return json_answer(success(target.kind, target.name), 201)
            case "" | "status" | "finalize":
                return await self._one(request, target)
        raise method_not_allowed()

    # -- collections -------------------------------------------------------------------------------------------

    async def _collection(self, request: web.BaseRequest, target: Target) -> web.StreamResponse:
        kind, query = target.kind, request.query
        match request.method:
            case "GET" if is_true(query, "watch"):
                return await self._watch(request, target)
            case "GET":
                return shaped(request, kind, self._list(target, query), self._api)
            case "POST":
                if kind.namespaced and not target.namespace:
                    raise method_not_allowed()
                write = write_options(request, target)
                created = self._api.create(kind, target.namespace, await read_body(request), write)
                return shaped(request, kind, created, self._api, 201, write)
            case "DELETE":
                how = delete_options(request, await read_body(request))
                found = self._list(target, {k: v for k, v in query.items() if k.endswith("Selector")})
                for item in found["items"]:
                    meta = item["metadata"]
                    self._api.delete(kind, meta.get("namespace", ""), meta["name"], how)
                return json_answer(found)
        raise method_not_allowed()

    def _matcher(self, target: Target, query: Mapping[str, str]) -> Callable[[Mapping[str, Any]], bool]:
        labels, fields = parse_labels(query.get("labelSelector", "")), parse_fields(query.get("fieldSelector", ""))
        namespace = target.namespace

        def matches(obj: Mapping[str, Any]) -> bool:
            meta = obj["metadata"]
            if namespace and meta.get("namespace") != namespace:
                return False
            return labels(meta.get("labels") or {}) and fields(obj)

        return matches

    def _list(self, target: Target, query: Mapping[str, str]) -> Object:
        """A List, in pages of `limit`. The continue token is a position, so later pages show the newest state."""
        kind, matches = target.kind, self._matcher(target, query)
        found = [o for o in self._api.store.list(kind, target.namespace) if matches(o)]
        if token := query.get("continue", ""):
            after = list_position(token)
            found = [o for o in found if (o["metadata"].get("namespace", ""), o["metadata"]["name"]) > after]
        meta: Object = {"resourceVersion": str(self._api.store.version)}
        limit = query.get("limit", "")
        if limit.isdigit() and 0 < int(limit) < len(found):
            meta["remainingItemCount"] = len(found) - int(limit)
            found = found[: int(limit)]
            meta["continue"] = list_token(found[-1])
        items = [{k: v for k, v in o.items() if k not in ("kind", "apiVersion")} for o in found]
        return {"kind": f"{kind.kind}List", "apiVersion": kind.api_version, "metadata": meta, "items": items}

    async def _watch(self, request: web.BaseRequest, target: Target) -> web.StreamResponse:
        options = watch.WatchOptions.parse(request.query)
        matches = self._matcher(target, request.query)
        if target.name:
            name = target.name
            inner = matches
            matches = lambda o: o["metadata"]["name"] == name and inner(o)  # noqa: E731
        response = web.StreamResponse(headers={"Content-Type": "application/json"})
        response.enable_chunked_encoding()
        await response.prepare(request)
        tables = wants_table(request)
        async for event, obj in watch.events(self._api.store, target.kind, matches, options):
            shown = obj
            if tables and event in ("ADDED", "MODIFIED", "DELETED"):
                shown = table(target.kind, [obj], self._api.clock(), obj["metadata"]["resourceVersion"])
            await response.write(watch.line(event, shown))
        await response.write_eof()
        return response

    # -- one object --------------------------------------------------------------------------------------------

    async def _one(self, request: web.BaseRequest, target: Target) -> web.StreamResponse:
        kind, namespace, name = target.kind, target.namespace, target.name
        match request.method:
            case "GET":
                if is_true(request.query, "watch"):
                    return await self._watch(request, target)
                return shaped(request, kind, self._api.get(kind, namespace, name), self._api)
            case "PUT":
                write = write_options(request, target)
                updated = self._api.replace(kind, namespace, name, await read_body(request), write)
                return shaped(request, kind, updated, self._api, 200, write)
            case "PATCH":
                write = write_options(request, target)
                body = await read_body(request)
                patched, created = self._api.patch(kind, namespace, name, request.content_type, body, write)
                return shaped(request, kind, patched, self._api, 201 if created else 200, write)
            case "DELETE" if not target.subresource:
                last, gone = self._api.delete(kind, namespace, name, delete_options(request, await read_body(request)))
                return json_answer(success(kind, name, last["metadata"]["uid"]) if gone else last)
        raise method_not_allowed()

    async def _scale(self, request: web.BaseRequest, target: Target) -> web.StreamResponse:
        where = (self._api, target.kind, target.namespace, target.name)
        write = write_options(request, target)
        match request.method:
            case "GET":
                return json_answer(subresources.scale_of(self._api.get(*where[1:])))
            case "PUT":
                return json_answer(subresources.put_scale(*where, await read_body(request), write))
            case "PATCH":
                body = await read_body(request)
                return json_answer(subresources.patch_scale(*where, request.content_type, body, write))
        raise method_not_allowed()
