"""Alibaba Cloud on loopback: RPC and ROA actions (actions.py), and OSS, on one port.

Callers: the sandbox's main process and tests, through `serve`. A request is authenticated, matched to an action,
offered to the fault table, executed, and recorded for the audit log. Not here: what the actions do.
"""

from __future__ import annotations

import asyncio
import json
import logging
import time
import uuid
from collections.abc import Callable, Collection, Mapping
from typing import Any

from aiohttp import web

from sandbox.alibaba import audit, catalogue, clusters, ess, faults, machines, oss, pools
from sandbox.alibaba.action import Action
from sandbox.alibaba.actions import ROA, RPC, VERSIONS
from sandbox.alibaba.state import Caller, Cloud, Ctx, Estate, Token
from sandbox.alibaba.wire import ApiError, NonceBook, Params, Raw, key_id_of, verify
from sandbox.files import write_private
from sandbox.gate import Gate
from sandbox.network import Listener, serving
from sandbox.world import Fault, SandboxAccount, World

log = logging.getLogger(__name__)
STATE_FILE = "alibaba.json"


class AlibabaServer:
    """world.Server, with inventory, snapshot and restore besides."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._cloud = Cloud(world)
        self._nonces = NonceBook()
        self._runner: web.AppRunner | None = None
        self._listener: Listener | None = None
        self._port = 0
        self._delayed: set[asyncio.Task[Any]] = set()
        self._gate = Gate(world.faults, faults.words, self._vanish, self._delay)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._port}"

    def environment(self) -> dict[str, str]:
        """Keys as the SDKs' default chain reads them; the endpoint is given to the client."""
        account = next(a for a in self._world.accounts if a.partition == "alibaba-cn")
        return {
            "ALIBABA_CLOUD_ACCESS_KEY_ID": account.key_id,
            "ALIBABA_CLOUD_ACCESS_KEY_SECRET": account.secret,
            "DUOYUN_SANDBOX_ALIBABA_URL": self.url,
        }

    async def start(self) -> None:
        app = web.Application(client_max_size=4 * 1024 * 1024)
        app.router.add_route("*", "/{tail:.*}", self._answer)
        # RPC parameters travel in the URL, user data among them.
        self._runner = web.AppRunner(app, access_log=None, shutdown_timeout=1.0, max_line_size=128 * 1024)
        await self._runner.setup()
        self._listener = await self._world.network.listen(serving(self._runner), "127.0.0.1", 0, at="alibaba")
        self._port = self._listener.port

    async def close(self) -> None:
        """Idempotent. Keeps the estates in the state folder where there is one."""
        if self._listener is not None:
            self._listener.close()
        delayed = list(self._delayed)
        for task in delayed:
            task.cancel()
        await asyncio.gather(*delayed, return_exceptions=True)
        if self._runner is not None:
            await self._runner.cleanup()
            self._runner = None
            if self._world.state_dir is not None:
                write_private(self._world.state_dir / STATE_FILE, json.dumps(self.snapshot()))
        await self._cloud.close()

    def inventory(self) -> list[dict[str, Any]]:
        """All that exists: kind, id, name, tags, owner, account, region."""
        return list(self._cloud.everything())

    async def reclaim(self, node: str, back: bool) -> bool:
        """Takes a spot node back; False where there is none of that name here."""
        return await pools.reclaim(self._cloud, node, back)

    def snapshot(self) -> dict[str, Any]:
        """Plain data from which `restore` makes the same estates again."""
        estates = {account: estate.to_dict() for account, estate in self._cloud.estates.items()}
        return {"schema_version": 1, "estates": estates}

    async def restore(self, data: Mapping[str, Any]) -> None:
        """Takes a snapshot's place: what ran runs again, what was under way goes on. ValueError: other version."""
        if data.get("schema_version") != 1:
            raise ValueError(f"the snapshot has schema_version {data.get('schema_version')!r}; this version reads 1")
        for account_id, estate in data["estates"].items():
            self._cloud.estates[account_id] = Estate.from_dict(estate)
        self._cloud.forget_ids()
        for account in self._world.accounts:
            estate_now = self._cloud.estates.get(account.account_id)
            if estate_now is not None:
                await _resume(self._cloud, estate_now, account)

    # -- one request -------------------------------------------------------------------------------------------

    async def _answer(self, request: web.Request) -> web.StreamResponse:
        request_id = str(uuid.uuid4()).upper()
        raw = Raw(
            request.method,
            request.path,
            dict(request.query),
            {k.lower(): v for k, v in request.headers.items()},
            await request.read(),
        )
        if oss.is_oss(raw):
            return await self._answer_oss(request, raw, request_id)
        service = "" if raw.is_rpc else "CS"
        try:
            caller = self._authenticate(raw)
            action, path = _find(raw)
        except ApiError as exc:
            return _error(exc, service, request_id, request.host)

        async def execute() -> web.Response:
            try:
                return _json(200, self._execute(raw, action, path, caller, request_id), request_id)
            except ApiError as exc:
                return _error(exc, service, request_id, request.host)
            except Exception:
                log.exception("alibaba sandbox: %s failed", raw.action or raw.path)
                failed = ApiError(500, "InternalError", "The request processing has failed.")
                return _error(failed, service, request_id, "")

        def refuse(fault: Fault) -> web.Response:
            return _error(ApiError(fault.status, fault.code, fault.message), service, request_id, request.host)

        operation = f"{action.service.lower()}:{action.name}"
        asked = faults.asked(raw, operation, action.write, caller.key_id)
        return await self._gate.answer(request, asked, refuse, execute)

    async def _answer_oss(self, request: web.Request, raw: Raw, request_id: str) -> web.StreamResponse:
        """OSS has a signature, operations and answers of its own."""

        def failed(exc: ApiError) -> web.Response:
            body = oss.error_body(exc, request_id, request.host)
            return web.Response(status=exc.status, text=body, content_type="application/xml")

        try:
            key_id, region = oss.credential(raw)
            caller = self._caller(key_id, raw.headers.get("x-oss-security-token", ""), lambda s: oss.verify(raw, s))
            name = oss.operation(raw)
        except ApiError as exc:
            if exc.code == "InvalidAccessKeyId.NotFound":
                exc = ApiError(403, "InvalidAccessKeyId", "The OSS Access Key Id you provided does not exist.")
            return failed(exc)
        write = raw.method != "GET"

        async def execute() -> web.Response:
            if write and caller.reader:
                return failed(ApiError(403, "AccessDenied", "You have no right to access this object."))
            try:
                ctx = Ctx(self._cloud, self._cloud.estates[caller.account.account_id], caller, region, raw.params())
                text = oss.run(ctx, raw, name)
                if write:
                    audit.record(ctx, "Oss", name, request_id, raw.headers)
            except ApiError as exc:
                return failed(exc)
            return web.Response(status=200, text=text, content_type="application/xml")

        asked = faults.asked(raw, f"oss:{name}", write, caller.key_id)
        return await self._gate.answer(
            request, asked, lambda fault: failed(ApiError(fault.status, fault.code, fault.message)), execute
        )

    def operations(self, _glob: str) -> Collection[str]:
        """What a row of the fault table may name."""
        actions = (*RPC.values(), *(action for _method, _path, action in ROA))
        return [*(f"{action.service.lower()}:{action.name}" for action in actions), *oss.OPERATIONS, "ess:ScaleOut"]

    def _vanish(self, for_s: float) -> None:
        if self._listener is not None:
            self._listener.refuse(for_s)

    def _authenticate(self, raw: Raw) -> Caller:
        key_id = key_id_of(raw)
        return self._caller(key_id, raw.security_token, lambda secret: verify(raw, key_id, secret, self._nonces))

    def _caller(self, key_id: str, security_token: str, check: Callable[[str], None]) -> Caller:
        """Whose key it is, after check(its secret)."""
        assumed = self._cloud.assumed.find(key_id, security_token)
        if assumed is not None:
            check(assumed.secret)
            return Caller(assumed.account, key_id, False, assumed.role)
        account = self._world.account_by_key(key_id)
        if account is None or not account.partition.startswith("alibaba-"):
            raise ApiError(404, "InvalidAccessKeyId.NotFound", "Specified access key is not found.")
        reader = key_id == account.reader_key_id
        check(account.reader_secret if reader else account.secret)
        return Caller(account, key_id, reader)

    async def _delay(self, seconds: float) -> None:
        """As in life, the request is executed afterwards even if the client has given up; close() ends the waiting."""
        task = asyncio.current_task()
        assert task is not None
        self._delayed.add(task)
        try:
            await asyncio.sleep(seconds)
        finally:
            self._delayed.discard(task)

    def _execute(self, raw: Raw, action: Action, path: dict[str, str], caller: Caller, request_id: str) -> Any:
        params = raw.params()
        body = {} if raw.is_rpc else raw.json_body()
        region = _region(raw, params, body)
        if action.regional:
            catalogue.check_region(region, caller.account.partition)
        if action.write and caller.reader:
            raise ApiError(
                403,
                "Forbidden.RAM",
                f"User not authorized to operate on the specified resource, or this API does not support RAM: "
                f"{action.service.lower()}:{action.name}",
            )
        estate = self._cloud.estates[caller.account.account_id]
        ctx = Ctx(self._cloud, estate, caller, region, params, body, path)
        token = params.get("ClientToken") if action.write and raw.is_rpc and action.tokens else ""
        name = f"{action.service}:{action.name}:{region}:{token}"
        if token and (used := _used(estate, name, token, params)) is not None:
            return used
        answer = action.run(ctx)
        if token:
            estate.tokens[name] = Token(params.fingerprint, answer, time.time())
        if action.write:
            audit.record(ctx, action.service, action.name, request_id, raw.headers)
        return answer


def _used(estate: Estate, name: str, token: str, params: Params) -> dict[str, Any] | None:
    """What a client token was answered before. Raises where it is malformed or came with other parameters."""
    if len(token) > 64 or not token.isascii():
        raise ApiError(400, "InvalidClientToken.Malformed", "ClientToken is at most 64 ASCII characters.")
    used = estate.tokens.get(name)
    if used is None:
        return None
    if used.fingerprint != params.fingerprint:
        raise ApiError(
            400,
            "IdempotentParameterMismatch",
            "The request uses the same client token as a previous, but non-identical request.",
        )
    return used.answer


def _find(raw: Raw) -> tuple[Action, dict[str, str]]:
    if raw.is_rpc:
        service = VERSIONS.get(raw.version)
        if service is None:
            raise ApiError(400, "InvalidVersion", "Specified parameter Version is not valid.")
        action = RPC.get((service, raw.action))
        if action is None:
            raise ApiError(
                404, "InvalidAction.NotFound", "Specified api is not found, please check your url and method."
            )
        return action, {}
    for method, pattern, action in ROA:
        match = pattern.fullmatch(raw.path) if method == raw.method else None
        if match is not None:
            return action, match.groupdict()
    raise ApiError(404, "InvalidAction.NotFound", f"Specified api is not found: {raw.method} {raw.path}")


def _region(raw: Raw, params: Params, body: Mapping[str, Any]) -> str:
    if raw.is_rpc:
        return params.get("RegionId")
    named = raw.headers.get("x-acs-region-id") or params.get("RegionId")
    return named or str(body.get("region_id") or params.get("region_id"))


def _json(status: int, answer: Any, request_id: str, headers: Mapping[str, str] | None = None) -> web.Response:
    body = answer if isinstance(answer, list) else {**answer, "RequestId": request_id}
    return web.Response(
        status=status,
        text=json.dumps(body, ensure_ascii=False),
        content_type="application/json",
        headers={"x-acs-request-id": request_id, **(headers or {})},
    )


def _error(exc: ApiError, service: str, request_id: str, host: str) -> web.Response:
    headers = {} if exc.retry_after_s is None else {"Retry-After": str(exc.retry_after_s)}
    if service == "CS":
        lower = {"code": exc.code, "message": exc.message, "requestId": request_id, "status": exc.status}
        return web.Response(status=exc.status, text=json.dumps(lower), content_type="application/json", headers=headers)
    upper = {"Code": exc.code, "Message": exc.message, "HostId": host, "Recommend": ""}
    return _json(exc.status, upper, request_id, headers)


async def _resume(cloud: Cloud, estate: Estate, account: SandboxAccount) -> None:
    """Brings a restored estate to life: clusters first, then nodes and machines, then what was under way."""
    for cluster in list(estate.clusters.values()):
        if cluster.state == "deleting":
            clusters.tear_down(cloud, estate, cluster)
        elif cluster.state == "initial":
            clusters.build(cloud, account, cluster)
        elif cluster.state != "failed":
            await clusters.open_api(cloud, account, cluster)
            cluster.state = "running"
    for machine in list(estate.machines.values()):
        if machine.status == "Deleting":
            machines.remove(cloud, estate, machine)
        elif machine.pool:
            await pools.rejoin(cloud, estate, machine)
        elif machine.status in ("Pending", "Starting", "Running"):
            machine.status = "Pending" if machine.status == "Pending" else "Starting"
            machines.start(cloud, machine, "vm.start" if machine.status == "Starting" else "vm.create")
        elif machine.status == "Stopping":
            machine.status = "Stopped"
    for pool in list(estate.pools.values()):
        pools.reconcile(cloud, estate, pool)
    ess.resume(cloud, estate)


async def serve(world: World) -> AlibabaServer:
    """Starts Alibaba Cloud on a free port of 127.0.0.1, with what the state folder remembers."""
    server = AlibabaServer(world)
    path = world.state_dir / STATE_FILE if world.state_dir else None
    if path is not None and path.exists():
        await server.restore(json.loads(path.read_text(encoding="utf-8")))
    await server.start()
    return server
