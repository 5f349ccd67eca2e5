"""The sandbox's control API: status, inventory, faults, spot nodes taken back, shutdown. Bearer token, loopback only.

Callers: `duoyun sandbox`, tests. Routes: docs/sandbox-endpoints.md.
"""

from __future__ import annotations

import hmac
import inspect
import json
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from aiohttp import web

from sandbox.faults import Faults
from sandbox.network import Network, NetworkError, Settings
from sandbox.timing import Draws
from sandbox.words import did_you_mean

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


class Control:
    """status: what GET /status says. servers: cloud -> its server. stop: asked by POST /shutdown."""

    def __init__(
        self,
        token: str,
        faults: Faults,
        draws: Draws,
        network: Network,
        servers: Mapping[str, Any],
        status: Callable[[], Mapping[str, Any]],
        stop: Callable[[], None],
    ) -> None:
        self._token, self._faults, self._draws, self._servers = token, faults, draws, servers
        self._network = network
        self._status, self._stop = status, stop
        self._runner: web.AppRunner | None = None
        self.url = ""

    async def start(self) -> None:
        app = web.Application(middlewares=[self._authenticated])
        app.add_routes(
            [
                web.get("/status", self._get_status),
                web.get("/inventory", self._get_inventory),
                web.get("/faults", self._get_faults),
                web.post("/faults", self._post_fault),
                web.delete("/faults", self._delete_faults),
                web.get("/faults/log", self._get_log),
                web.delete("/faults/{id}", self._delete_fault),
                web.get("/network", self._get_network),
                web.put("/network", self._put_network),
                web.post("/network/links", self._post_link),
                web.delete("/network", self._delete_network),
                web.get("/draws", self._get_draws),
                web.post("/reclaim", self._post_reclaim),
                web.post("/shutdown", self._post_shutdown),
            ]
        )
        self._runner = web.AppRunner(app, access_log=None)
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", 0)
        await site.start()
        host, port = self._runner.addresses[0][:2]
        self.url = f"http://{host}:{port}"

    async def close(self) -> None:
        if self._runner is not None:
            await self._runner.cleanup()

    @web.middleware
    async def _authenticated(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        given = request.headers.get("Authorization", "")
        if not hmac.compare_digest(given.encode(), f"Bearer {self._token}".encode()):
            return _error(401, "the control API wants the bearer token of endpoints.json")
        try:
            return await handler(request)
        except web.HTTPException as exc:
            return _error(exc.status, f"{request.method} {request.path}: {exc.reason}")

    async def _get_status(self, _request: web.Request) -> web.Response:
        return web.json_response(dict(self._status()))

    async def _get_inventory(self, _request: web.Request) -> web.Response:
        return web.json_response({"clouds": await inventory(self._servers)})

    async def _get_faults(self, _request: web.Request) -> web.Response:
        return web.json_response({"faults": self._faults.rows()})

    async def _post_fault(self, request: web.Request) -> web.Response:
        try:
            data = json.loads(await request.text())
        except json.JSONDecodeError as exc:
            return _error(400, f"the body is no JSON: {exc}")
        rows = data if isinstance(data, list) else [data]
        try:
            added = self._faults.add_all(rows)
        except (ValueError, TypeError) as exc:
            return _error(400, str(exc))
        return web.json_response({"ids": [row.id for row in added]}, status=201)

    async def _delete_faults(self, _request: web.Request) -> web.Response:
        self._faults.clear()
        return web.json_response({})

    async def _delete_fault(self, request: web.Request) -> web.Response:
        fault_id = request.match_info["id"]
        if not self._faults.remove(fault_id):
            known = [row["id"] for row in self._faults.rows()]
            return _error(404, f"there is no fault {fault_id!r}{did_you_mean(fault_id, known)}")
        return web.json_response({})

    async def _get_log(self, request: web.Request) -> web.Response:
        since = _since(request)
        if since is None:
            return _error(400, "since must be the number of an entry")
        return web.json_response({"log": self._faults.log(since)})

    async def _get_network(self, _request: web.Request) -> web.Response:
        return web.json_response(self._network.describe())

    async def _put_network(self, request: web.Request) -> web.Response:
        return await self._set_network(request, Settings.parse)

    async def _post_link(self, request: web.Request) -> web.Response:
        return await self._set_network(request, self._network.settings.with_link)

    async def _set_network(self, request: web.Request, make: Callable[[Any], Settings]) -> web.Response:
        try:
            self._network.set(make(json.loads(await request.text())))
        except json.JSONDecodeError as exc:
            return _error(400, f"the body is no JSON: {exc}")
        except NetworkError as exc:
            return _error(400, str(exc))
        return web.json_response(self._network.describe())

    async def _delete_network(self, _request: web.Request) -> web.Response:
        self._network.set(Settings())
        return web.json_response(self._network.describe())

    async def _get_draws(self, request: web.Request) -> web.Response:
        since = _since(request)
        if since is None:
            return _error(400, "since must be the number of a draw")
        return web.json_response({"draws": self._draws.since(since)})

    async def _post_reclaim(self, request: web.Request) -> web.Response:
        """A cloud takes a spot node back. 404 where no cloud has such a node in a spot pool."""
        try:
            data = json.loads(await request.text())
        except json.JSONDecodeError as exc:
            return _error(400, f"the body is no JSON: {exc}")
        node, back = (data.get("node"), data.get("back", True)) if isinstance(data, dict) else (None, True)
        if not isinstance(node, str) or not node or not isinstance(back, bool) or set(data) - {"node", "back"}:
            return _error(400, 'an object is wanted: {"node": name, "back": true or false}')
        for cloud, server in self._servers.items():
            if await server.reclaim(node, back):
                return web.json_response({"cloud": cloud, "node": node})
        return _error(404, f"no spot pool has a node {node!r}")

    async def _post_shutdown(self, _request: web.Request) -> web.Response:
        self._stop()
        return web.json_response({}, status=202)


async def inventory(servers: Mapping[str, Any]) -> dict[str, list[dict[str, Any]]]:
    """Live resources per cloud: kind, id, name, tags, owner, account, region. Clouds without a list are left out."""
    found: dict[str, list[dict[str, Any]]] = {}
    for cloud, server in servers.items():
        ask = getattr(server, "inventory", None)
        if ask is None:
            continue
        answer = ask()
        found[cloud] = list(await answer if inspect.isawaitable(answer) else answer)
    return found


def _since(request: web.Request) -> int | None:
    text = request.query.get("since", "0")
    return int(text) if text.isdigit() else None


def _error(status: int, message: str) -> web.Response:
    return web.json_response({"error": message}, status=status)
