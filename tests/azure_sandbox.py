"""The Azure sandbox of one test module, and its clusters looked at from outside. For the conftests of its tests."""

from __future__ import annotations

import json
import ssl
import urllib.request
from dataclasses import dataclass
from typing import Any

from sandbox.azure.server import AzureServer
from sandbox.faults import Faults
from sandbox.threaded import Running
from sandbox.world import World


@dataclass
class Live:
    """A running cluster of the sandbox, looked at through its own API."""

    url: str
    token: str
    ca_pem: str

    @property
    def trust(self) -> ssl.SSLContext:
        return ssl.create_default_context(cadata=self.ca_pem)

    def get(self, path: str, token: str | None = None) -> Any:
        request = urllib.request.Request(
            self.url + path, headers={"Authorization": f"Bearer {self.token if token is None else token}"}
        )
        with urllib.request.urlopen(request, timeout=5, context=self.trust) as answer:
            return json.load(answer)

    def zones(self) -> list[str]:
        """topology.kubernetes.io/zone of every node."""
        nodes = self.get("/api/v1/nodes")["items"]
        return sorted(n["metadata"]["labels"]["topology.kubernetes.io/zone"] for n in nodes)


@dataclass
class Azure:
    """The sandbox of one test module; tests use groups of their own."""

    running: Running

    @property
    def server(self) -> AzureServer:
        server = self.running.sandbox.servers["azure"]
        assert isinstance(server, AzureServer)
        return server

    @property
    def world(self) -> World:
        return self.running.world

    @property
    def faults(self) -> Faults:
        return self.running.sandbox.faults

    def run(self, coro: Any) -> Any:
        """A coroutine on the sandbox's loop."""
        return self.world.from_thread(coro)

    def clusters(self) -> list[Live]:
        host: Any = self.world.clusters
        return [Live(c.url, c.admin_token, c.ca_pem) for c in (host.cluster(i) for i in host.ids())]
