"""Azure Resource Manager on loopback, for both partitions: authentication, faults, routing.

Callers: sandbox.app, by `serve(world)`. A client sends `Authorization: Bearer SECRET` of an account; `SECRET~NAME`
signs the activity log with NAME, so that a test can be somebody else. Non-goal: Entra ID, Azure RBAC beyond a reader.
"""

from __future__ import annotations

import hmac
import json
from collections.abc import Collection
from typing import Any

from aiohttp import web

from sandbox.azure import faults, retail
from sandbox.azure.agent_pools import AgentPools
from sandbox.azure.arm_types import AGENT_POOL, VM
from sandbox.azure.catalog import REGIONS
from sandbox.azure.compute import VirtualMachines
from sandbox.azure.engine import Engine
from sandbox.azure.kinds import Principal
from sandbox.azure.operations import Request
from sandbox.azure.rights import PERMISSIONS, permission
from sandbox.azure.served import kinds_of
from sandbox.azure.subscription import GROUP, Subscription
from sandbox.azure.wire import ArmError, ArmPath, Reply, parse_path, same
from sandbox.files import write_private
from sandbox.gate import Asked, Gate
from sandbox.network import Listener, serving
from sandbox.world import Fault, World

STATE_FILE = "azure.json"
_WRITES = ("PUT", "PATCH", "DELETE", "POST")
_MAX_BODY = 8 * 1024 * 1024


async def serve(world: World) -> AzureServer:
    """Starts the server on a free loopback port; takes up what the state folder holds."""
    server = AzureServer(world)
    await server.start()
    return server


class AzureServer:
    """world.Server for Azure. engine.page_size: rows per page of lists."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.url = ""
        self.engine = Engine(world)
        self.subscription = Subscription(self.engine)
        engine = self.engine
        kinds = kinds_of(engine)
        engine.kinds = {kind.type.lower(): kind for kind in kinds}
        self._runner: web.AppRunner | None = None
        self._listener: Listener | None = None
        self._gate = Gate(world.faults, lambda _operation: faults.WORDS, self._vanish)

    def environment(self) -> dict[str, str]:
        """For scripts: the SDK takes a base URL and a credential, it reads no variable for either."""
        account = next(a for a in self.world.accounts if a.partition == "azure-cn")
        return {
            "AZURE_SUBSCRIPTION_ID": account.account_id,
            "DUOYUN_SANDBOX_AZURE_URL": self.url,
            "DUOYUN_SANDBOX_AZURE_TOKEN": account.secret,
        }

    async def start(self) -> None:
        path = self.world.state_dir / STATE_FILE if self.world.state_dir else None
        if path is not None and path.exists():
            await self.restore(json.loads(path.read_text(encoding="utf-8")))
        app = web.Application(client_max_size=_MAX_BODY)
        app.router.add_route("*", "/{tail:.*}", self._handle)
        self._runner = web.AppRunner(app, access_log=None)
        await self._runner.setup()
        self._listener = await self.world.network.listen(serving(self._runner), "127.0.0.1", 0, at="azure")
        self.url = f"http://127.0.0.1:{self._listener.port}"

    async def close(self) -> None:
        """Idempotent; keeps the state folder's copy. Containers and clusters are the world's to stop."""
        if self._listener is not None:
            self._listener.close()
        if self._runner is None:
            return
        await self._runner.cleanup()
        self._runner = None
        await self.engine.close()
        if self.world.state_dir is not None:
            write_private(self.world.state_dir / STATE_FILE, json.dumps(self.snapshot()))

    def snapshot(self) -> dict[str, Any]:
        """Everything as plain data. Operations under way are not in it: restore ends them."""
        return self.engine.store.snapshot()

    async def restore(self, data: dict[str, Any]) -> None:
        """Inverse of snapshot: VMs boot again, clusters come back, what was under way is finished."""
        store = self.engine.store
        store.restore(data)
        order = {"microsoft.containerservice/managedclusters": 0}
        for record in sorted(store.records.values(), key=lambda r: order.get(r.type.lower(), 1)):
            kind = self.engine.kinds.get(record.type.lower())
            if store.get(record.id) is not record:
                continue  # went with its group or parent
            if record.state == "Deleting" and kind is None:
                await self.engine.delete_group(record)
            elif record.state == "Deleting" and kind is not None:
                await kind.remove(record)
                store.remove(record)
            elif kind is not None:
                state, record.state = record.state, "Succeeded" if record.busy else record.state
                await (kind.apply(record, None) if state in ("Creating", "Updating") else kind.restore(record))

    def inventory(self) -> list[dict[str, Any]]:
        """Live resources: kind (ARM type), id, name, tags. Rules are part of their group."""
        return [
            {"kind": r.type, "id": r.id, "name": r.name, "tags": dict(r.tags)}
            for r in self.engine.store.records.values()
            if not r.type.endswith("/securityRules")
        ]

    async def reclaim(self, node: str, back: bool) -> bool:
        """Takes a spot node back; False where there is none of that name here."""
        pools = self.engine.kinds[AGENT_POOL.lower()]
        assert isinstance(pools, AgentPools)
        return await pools.reclaim(node, back)

    # -- requests ----------------------------------------------------------------------------------------------

    async def _handle(self, request: web.Request) -> web.StreamResponse:
        if request.path in retail.PATHS:
            return await self._retail(request)
        try:
            parsed = await self._parse(request, self._authenticate(request))
        except ArmError as exc:
            return self._response(Reply(exc.status, exc.body(), exc.headers))
        write = request.method in _WRITES

        async def execute() -> web.Response:
            try:
                if write:
                    self._authorize(parsed)
                return self._response(await self._logged(parsed) if write else await self._route(parsed))
            except ArmError as exc:
                return self._response(Reply(exc.status, exc.body(), exc.headers))

        def refuse(fault: Fault) -> web.Response:
            wait_s = 1.0 if fault.retry_after_s is None and fault.status == 429 else None
            headers = {} if wait_s is None else {"Retry-After": f"{wait_s:g}"}
            return self._response(
                Reply(fault.status, ArmError(fault.status, fault.code, fault.message).body(), headers)
            )

        detail = f"/{parsed.base_url.partition('://')[2].partition('/')[2]}"
        question = f"{parsed.principal.caller} {request.method} {request.path_qs}"
        asked = Asked("azure", f"{request.method} {parsed.path.type}", detail, write, question)
        return await self._gate.answer(request, asked, refuse, execute)

    async def _retail(self, request: web.Request) -> web.StreamResponse:
        """Prices are public: no token, no subscription, other error bodies."""

        async def execute() -> web.Response:
            base = f"http://{request.host}"
            if request.path == retail.FILE:
                text = retail.sheet(tuple(REGIONS["azure-cn"]))
                return web.Response(text=text, content_type="text/csv")
            if request.path == retail.SHEET:
                return web.json_response(retail.told(base))
            try:
                return web.json_response(retail.page(base, request.query, self.engine.page_size))
            except ValueError as exc:
                return web.json_response({"Error": {"Code": "BadRequest", "Message": str(exc)}}, status=400)

        def refuse(fault: Fault) -> web.Response:
            return web.json_response({"Error": {"Code": fault.code, "Message": fault.message}}, status=fault.status)

        asked = Asked("azure", faults.RETAIL, request.path_qs, False, f"GET {request.path_qs}")
        return await self._gate.answer(request, asked, refuse, execute)

    def operations(self, _glob: str) -> Collection[str]:
        """What a row of the fault table may name."""
        return faults.operations(self.engine.kinds.values())

    def _vanish(self, for_s: float) -> None:
        if self._listener is not None:
            self._listener.refuse(for_s)

    def _response(self, reply: Reply) -> web.Response:
        guid = self.engine.store.new_guid()
        reply.headers |= {"x-ms-request-id": guid, "x-ms-correlation-request-id": guid}
        if reply.status >= 400:
            reply.headers["x-ms-failure-cause"] = "gateway"
        return reply.response()

    def _authenticate(self, request: web.Request) -> Principal:
        scheme, _, token = request.headers.get("Authorization", "").partition(" ")
        secret, _, alias = token.partition("~")
        if scheme.lower() != "bearer" or not token:
            raise ArmError(
                401,
                "AuthenticationFailed",
                "Authentication failed. The 'Authorization' header is missing or has no bearer token.",
                headers={"WWW-Authenticate": "Bearer"},
            )
        for account in self.world.accounts:
            if not account.partition.startswith("azure"):
                continue
            for key_id, known, reader in (
                (account.key_id, account.secret, False),
                (account.reader_key_id, account.reader_secret, True),
            ):
                if known and hmac.compare_digest(known.encode(), secret.encode()):
                    return Principal(account.partition, account.account_id, alias or key_id, reader)
        raise ArmError(
            401,
            "InvalidAuthenticationToken",
            "The access token is invalid.",
            headers={"WWW-Authenticate": 'Bearer error="invalid_token"'},
        )

    async def _parse(self, request: web.Request, principal: Principal) -> Request:
        if not request.query.get("api-version"):
            raise ArmError(
                400,
                "MissingApiVersionParameter",
                "The api-version query parameter (?api-version=) is required for all requests.",
            )
        text = await request.text()
        try:
            body = json.loads(text) if text else {}
        except json.JSONDecodeError as exc:
            raise ArmError(400, "InvalidRequestContent", f"The request content was invalid: {exc}") from exc
        if not isinstance(body, dict) or not isinstance(body.get("properties") or {}, dict):
            raise ArmError(400, "InvalidRequestContent", "The request content must be a JSON object.")
        path = parse_path(request.path)
        if path is None:
            parts = request.path.strip("/").split("/")
            names = tuple(parts[3:4]) if len(parts) > 2 and same(parts[2], "resourcegroups") else ()
            path = ArmPath(parts[1] if len(parts) > 1 else "", "", "Microsoft.Resources", ("resourceGroups",), names)
        self._check_subscription(path.subscription, principal)
        return Request(
            method=request.method,
            path=path,
            query=dict(request.query),
            headers={k.lower(): v for k, v in request.headers.items()},
            body=body,
            principal=principal,
            base_url=f"http://{request.host}{request.path}",
        )

    def _check_subscription(self, subscription: str, principal: Principal) -> None:
        if not subscription or same(subscription, principal.subscription):
            return
        if any(same(a.account_id, subscription) for a in self.world.accounts):
            raise self._unauthorized(
                principal, "Microsoft.Resources/subscriptions/read", f"/subscriptions/{subscription}"
            )
        raise ArmError(404, "SubscriptionNotFound", f"The subscription '{subscription}' could not be found.")

    def _unauthorized(self, principal: Principal, action: str, scope: str) -> ArmError:
        return ArmError(
            403,
            "AuthorizationFailed",
            f"The client '{principal.caller}' with object id '{principal.caller}' does not have authorization to "
            f"perform action '{action}' over scope '{scope}' or the scope is invalid. If access was recently granted, "
            "please refresh your credentials.",
        )

    def _authorize(self, request: Request) -> None:
        if not request.principal.reader:
            return
        path = request.path
        verb = {"PUT": "write", "PATCH": "write", "DELETE": "delete"}.get(request.method, "action")
        if request.method == "POST" and path.is_collection:
            target = ArmPath(path.subscription, path.group, path.namespace, path.types[:-1], path.names, path.scope)
            kind = self.engine.kinds.get(target.type.lower())
            if kind is not None and any(same(a, path.types[-1]) and ok for a, ok in kind.actions.items()):
                return
        raise self._unauthorized(request.principal, f"{path.type}/{verb}", path.id)

    async def _logged(self, request: Request) -> Reply:
        status = 500
        try:
            reply = await self._route(request)
            status = reply.status
            return reply
        except ArmError as exc:
            status = exc.status
            raise
        finally:
            self.engine.record_event(request, status)

    # -- routing -----------------------------------------------------------------------------------------------

    async def _route(self, request: Request) -> Reply:
        path = request.path
        if path.namespace == "Microsoft.Resources" and path.types[:1] == ("resourceGroups",):
            return await self._route_subscription(request)
        if not path.types:
            rows = self.subscription.providers(path.subscription, request.principal.partition)
            found = next((r for r in rows if same(r["namespace"], path.namespace)), None)
            if found is None:
                raise ArmError(
                    404, "InvalidResourceNamespace", f"The resource namespace '{path.namespace}' is invalid."
                )
            return Reply(200, found)
        if same(path.types[0], "locations") and path.names:
            return self._route_location(request)
        if path.type.lower() == "microsoft.compute/skus" and request.method == "GET":
            return self.subscription.skus(request)
        if path.type.lower() == "microsoft.insights/eventtypes/values":
            return self.subscription.activity(request)
        if same(path.type, PERMISSIONS) and request.method == "GET":
            return Reply(200, {"value": [permission("Reader" if request.principal.reader else "Owner")]})
        return await self._route_resource(request)

    async def _route_subscription(self, request: Request) -> Reply:
        parts = request.base_url.partition("://")[2].split("/")[1:]
        principal, tail = request.principal, [p.lower() for p in parts[2:] if p]
        describe = self.subscription.describe(principal.subscription, principal.partition)
        if len(parts) == 1 and same(parts[0], "subscriptions"):
            return Reply(200, {"value": [describe]})
        if not tail:
            return Reply(200, describe)
        if tail == ["locations"]:
            return self.subscription.locations(principal.subscription, principal.partition)
        if tail == ["providers"]:
            rows = self.subscription.providers(principal.subscription, principal.partition)
            return Reply(200, {"value": rows})
        if tail == ["resources"]:
            return self.subscription.resources(request, "")
        if tail == ["resourcegroups"]:
            return self.subscription.groups(request)
        if len(tail) == 2 and tail[0] == "resourcegroups":
            return await self.subscription.group(request)
        if len(tail) == 3 and tail[2] == "resources":
            return self.subscription.resources(request, request.path.name)
        raise ArmError(404, "NotFound", f"There is nothing at /{'/'.join(parts)}.")

    def _route_location(self, request: Request) -> Reply:
        path = request.path
        what = path.types[1].lower() if len(path.types) > 1 else ""
        if what in ("operations", "operationresults", "operationstatuses") and len(path.names) > 1:
            return self.engine.operations.status(path.names[1], result=what == "operationresults")
        return self.subscription.location_query(request, path.names[0].lower(), list(path.types[1:]))

    async def _route_resource(self, request: Request) -> Reply:
        path, method = request.path, request.method
        if path.is_collection:
            parent = ArmPath(path.subscription, path.group, path.namespace, path.types[:-1], path.names, path.scope)
            if method == "POST" and path.names:
                return await self.engine.act(request, path.types[-1], parent)
            if method == "GET" and same(path.types[-1], "instanceView"):
                return Reply(200, self._machines().instance_view(self.engine.existing(parent)))
            if method == "GET":
                return self.engine.collection(request)
        elif method == "GET":
            reply = self.engine.get(request)
            if same(path.type, VM) and "instanceview" in request.query.get("$expand", "").lower():
                view = self._machines().instance_view(self.engine.existing(path))
                reply.body["properties"]["instanceView"] = view
            return reply
        elif method in ("PUT", "PATCH", "DELETE"):
            return await getattr(self.engine, method.lower())(request)  # type: ignore[no-any-return]
        raise ArmError(405, "MethodNotAllowed", f"The method {method} is not allowed for {path.type}.")

    def _machines(self) -> VirtualMachines:
        machines = self.engine.kinds[VM.lower()]
        assert isinstance(machines, VirtualMachines)
        return machines


__all__ = ["GROUP", "AzureServer", "serve"]
