"""One cluster's API over HTTP: who asks, what is meant, and the answer in Kubernetes' own words.

Callers: the cluster, which runs one on a port of its own. Decisions are elsewhere: routes, api, discovery, tables.
"""

from __future__ import annotations

import asyncio
import hmac
import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from aiohttp import web

from sandbox.gate import Asked, Gate
from sandbox.kubernetes import admission, bodies, discovery, listing, reviews, subresources, watch
from sandbox.kubernetes.api import Api
from sandbox.kubernetes.errors import ApiError, bad_request, method_not_allowed, unauthorized, unavailable, unknown_path
from sandbox.kubernetes.faults import WORDS
from sandbox.kubernetes.negotiation import DISCOVERY, wanted
from sandbox.kubernetes.routes import Target, is_true, parse
from sandbox.kubernetes.selectors import parse_fields, parse_labels
from sandbox.kubernetes.store import Object
from sandbox.kubernetes.wire import (
    delete_options,
    fault_error,
    formed,
    json_answer,
    refusal,
    shaped,
    success,
    write_options,
)
from sandbox.world import FaultTable

ADMIN = "kubernetes-admin"
_PUBLIC = frozenset({"/healthz", "/livez", "/readyz", "/version"})
_VERBS = {"POST": "create", "PUT": "update", "PATCH": "patch", "DELETE": "delete"}
_FOLLOW_EVERY_S = 0.1
_log = logging.getLogger(__name__)


class Runtime(Protocol):
    """What the API reaches into running pods for."""

    def logs(self, pod: Object, query: Mapping[str, str]) -> str:
        """ApiError 400 where the container is not there or has not started."""
        ...

    async def proxy(self, target: Target, request: web.BaseRequest) -> web.StreamResponse:
        """Forwards to a pod or a ready endpoint of a service. ApiError 503 where there is none."""
        ...

    async def forward(self, target: Target, request: web.BaseRequest) -> web.StreamResponse:
        """`kubectl port-forward` to a pod. ApiError 400 where the connection is not to be upgraded."""
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
        except ConnectionError as exc:  # the client went away in the middle of an answer: nobody is there to tell
            _log.debug("cluster %s: %s %s: %s", self._guard.cluster_id, request.method, request.rel_url.path, exc)
            return refusal(unavailable("the client has gone"))
        except Exception:  # noqa: BLE001  (the client is told, the log has the rest)
            _log.exception("cluster %s: %s %s", self._guard.cluster_id, request.method, request.rel_url.path)
            return refusal(ApiError(500, "InternalError", "Internal error occurred: see the sandbox's log"))

    async def _answer(self, request: web.BaseRequest) -> web.StreamResponse:
        path = request.rel_url.path
        user = "" if path in _PUBLIC else self._guard.user(request)
        target, review = parse(path), reviews.review_at(path)
        write = request.method not in ("GET", "HEAD") and review is None
        if write and target is not None:
            verb = _VERBS.get(request.method, request.method.lower())
            if not reviews.may(user, verb):
                raise admission.read_only(user, verb, target.kind, target.namespace, target.name)

        async def execute() -> web.StreamResponse:
            try:
                if target is not None:
                    return await self._resource(request, target)
                if review is not None:
                    return await self._review(request, review, user)
                return self._document(request, path)
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

    async def _review(self, request: web.BaseRequest, which: tuple[str, str], user: str) -> web.StreamResponse:
        if request.method != "POST":
            raise method_not_allowed()
        return json_answer(reviews.answer(which, (await bodies.read(request)).data, user), 201)

    def _document(self, request: web.BaseRequest, path: str) -> web.StreamResponse:
        if path in _PUBLIC and path != "/version":
            return web.Response(text="ok")
        accept = wanted(request.headers.get("Accept", ""))
        found = discovery.answer(path, self._release, aggregated=accept.shape == DISCOVERY)
        if found is None:
            raise unknown_path()
        if request.method != "GET":
            raise method_not_allowed()
        headers = {"ETag": found.etag, "Vary": "Accept"} if found.etag else {}
        if found.etag and request.headers.get("If-None-Match") == found.etag:
            return web.Response(status=304, headers=headers)
        return web.Response(body=found.text.encode(), headers={**headers, "Content-Type": found.media_type})

    async def _resource(self, request: web.BaseRequest, target: Target) -> web.StreamResponse:
        if target.subresource == "proxy":
            return await self._runtime.proxy(target, request)
        if target.subresource == "portforward":
            return await self._runtime.forward(target, request)
        if not target.name:
            return await self._collection(request, target)
        match target.subresource:
            case "log" if request.method == "GET":
                return await self._log(request, target)
            case "scale":
                return await self._scale(request, target)
            case "eviction" if request.method == "POST":
                return await self._evict(request, target)
            case "" | "status" | "finalize":
                return await self._one(request, target)
        raise method_not_allowed()

    # -- collections -------------------------------------------------------------------------------------------

    async def _collection(self, request: web.BaseRequest, target: Target) -> web.StreamResponse:
        kind, query = target.kind, request.query
        accept = wanted(request.headers.get("Accept", ""))
        match request.method:
            case "GET" if is_true(query, "watch"):
                return await self._watch(request, target)
            case "GET":
                return shaped(request, accept, kind, self._list(target, query), self._api)
            case "POST":
                if kind.namespaced and not target.namespace:
                    raise method_not_allowed()
                body = await bodies.read(request)
                write = write_options(request, target, body)
                created = self._api.create(kind, target.namespace, needed(body), write)
                return shaped(request, accept, kind, created, self._api, 201, write)
            case "DELETE":
                if kind.namespaced and not target.namespace:
                    raise method_not_allowed()
                how = delete_options(request, (await bodies.read(request)).data)
                found = self._list(target, {k: v for k, v in query.items() if k.endswith("Selector")})
                for item in found["items"]:
                    meta = item["metadata"]
                    self._api.delete(kind, meta.get("namespace", ""), meta["name"], how)
                return shaped(request, accept, kind, found, self._api)
        raise method_not_allowed()

    def _matcher(self, target: Target, query: Mapping[str, str]) -> Callable[[Mapping[str, Any]], bool]:
        labels = parse_labels(query.get("labelSelector", ""))
        fields = parse_fields(query.get("fieldSelector", ""), target.kind.kind)
        namespace, name = target.namespace, target.name

        def matches(obj: Mapping[str, Any]) -> bool:
            meta = obj["metadata"]
            if namespace and meta.get("namespace") != namespace:
                return False
            return name in ("", meta["name"]) and labels(meta.get("labels") or {}) and fields(obj)

        return matches

    def _list(self, target: Target, query: Mapping[str, str]) -> Object:
        filtered = bool(query.get("labelSelector") or query.get("fieldSelector"))
        options = listing.ListOptions.parse(query)
        matches = self._matcher(target, query)
        return listing.page(self._api.store, target.kind, target.namespace, matches, options, filtered=filtered)

    async def _watch(self, request: web.BaseRequest, target: Target) -> web.StreamResponse:
        options = watch.WatchOptions.parse(request.query)
        accept, include = wanted(request.headers.get("Accept", "")), request.query.get("includeObject", "")
        changes = watch.events(self._api.store, target.kind, self._matcher(target, request.query), options)
        response = web.StreamResponse(headers={"Content-Type": "application/json"})
        response.enable_chunked_encoding()
        await response.prepare(request)
        try:
            async for event, obj in changes:
                plain = event in ("ERROR", "BOOKMARK")
                shown = obj if plain else formed(target.kind, obj, self._api, accept, include)
                await response.write(watch.line(event, shown))
        except ApiError as exc:
            await response.write(watch.line("ERROR", exc.to_status()))
        await response.write_eof()
        return response

    # -- one object --------------------------------------------------------------------------------------------

    async def _one(self, request: web.BaseRequest, target: Target) -> web.StreamResponse:
        kind, namespace, name = target.kind, target.namespace, target.name
        accept = wanted(request.headers.get("Accept", ""))
        match request.method:
            case "GET" if is_true(request.query, "watch"):
                return await self._watch(request, target)
            case "GET":
                least = listing.resource_version(request.query)
                if least > self._api.store.version:
                    raise listing.too_large(least, self._api.store.version)
                return shaped(request, accept, kind, self._api.get(kind, namespace, name), self._api)
            case "PUT":
                body = await bodies.read(request)
                write = write_options(request, target, body)
                updated = self._api.replace(kind, namespace, name, needed(body), write)
                return shaped(request, accept, kind, updated, self._api, 200, write)
            case "PATCH":
                body = await bodies.read(request, bodies.PATCHES)
                write = write_options(request, target, body)
                patched, created = self._api.patch(kind, namespace, name, body.media_type, needed(body), write)
                return shaped(request, accept, kind, patched, self._api, 201 if created else 200, write)
            case "DELETE" if not target.subresource:
                how = delete_options(request, (await bodies.read(request)).data)
                last, gone = self._api.delete(kind, namespace, name, how)
                if gone:
                    return json_answer(success(kind, name, last["metadata"]["uid"]))
                return shaped(request, accept, kind, last, self._api)
        raise method_not_allowed()

    async def _scale(self, request: web.BaseRequest, target: Target) -> web.StreamResponse:
        where = (self._api, target.kind, target.namespace, target.name)
        match request.method:
            case "GET":
                return json_answer(subresources.scale_of(self._api.get(*where[1:])))
            case "PUT":
                body = await bodies.read(request)
                write = write_options(request, target, body)
                return json_answer(subresources.put_scale(*where, needed(body), write))
            case "PATCH":
                body = await bodies.read(request, bodies.PATCHES)
                write = write_options(request, target, body)
                return json_answer(subresources.patch_scale(*where, body.media_type, needed(body), write))
        raise method_not_allowed()

    async def _evict(self, request: web.BaseRequest, target: Target) -> web.StreamResponse:
        body = (await bodies.read(request)).data
        options = body.get("deleteOptions") if isinstance(body, dict) else None
        how = delete_options(request, options)
        named = body.get("metadata") if isinstance(body, dict) else None
        if isinstance(named, dict) and named.get("name", target.name) != target.name:
            raise bad_request(f"name in URL does not match name in Eviction object: {target.name}, {named['name']}")
        if how.dry_run:
            self._api.get(target.kind, target.namespace, target.name)
        else:
            subresources.evict(self._api, target.namespace, target.name, how.grace_s)
        return json_answer(success(target.kind, target.name), 201)

    async def _log(self, request: web.BaseRequest, target: Target) -> web.StreamResponse:
        """The lines so far; with follow those that come as well, until the pod is gone."""
        pod = self._api.get(target.kind, target.namespace, target.name)
        for name in ("tailLines", "sinceSeconds", "limitBytes"):
            listing.number(request.query, name)
        text = self._runtime.logs(pod, request.query)
        if not is_true(request.query, "follow"):
            return web.Response(text=text, content_type="text/plain")
        response = web.StreamResponse(headers={"Content-Type": "text/plain"})
        response.enable_chunked_encoding()
        await response.prepare(request)
        await response.write(text.encode())
        whole = {k: v for k, v in request.query.items() if k not in ("tailLines", "sinceSeconds")}
        seen = len(self._runtime.logs(pod, whole))
        while (now := self._api.store.get(target.kind, target.namespace, target.name)) is not None:
            await asyncio.sleep(_FOLLOW_EVERY_S)
            text = self._runtime.logs(now, whole)
            if len(text) > seen:
                await response.write(text[seen:].encode())
            seen = len(text)
        await response.write_eof()
        return response


def needed(body: bodies.Body) -> Any:
    """The body's data. ApiError 400 where there is none."""
    if body.data is None:
        raise bad_request("couldn't get version/kind; json parse error: unexpected end of JSON input")
    return body.data
