"""The sandbox as one object: builds the world, starts the clouds, says where they are, and stops them again.

Callers: `python -m sandbox` (sandbox/__main__.py) and sandbox.threaded. Clouds come in by CLOUDS, a row each.
"""

from __future__ import annotations

import asyncio
import contextlib
import gc
import importlib
import inspect
import json
import os
import secrets
import sys
import traceback
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import IO, Any

from sandbox.accounts import load_accounts
from sandbox.control import Control
from sandbox.faults import LOG_FILE, Faults, read_file
from sandbox.files import lock, private_folder, write_private
from sandbox.network import Network, NetworkError, Settings
from sandbox.network.matrix import DEFAULT_VANTAGE
from sandbox.partitions import CLOUD_OF
from sandbox.timing import DRAWS_FILE, Draws, timing
from sandbox.world import World

CLOUDS: Mapping[str, str] = {
    "aws": "sandbox.aws.server",
    "azure": "sandbox.azure.server",
    "alibaba": "sandbox.alibaba.server",
}
"""Cloud -> module with `async def serve(world: World) -> Server`; the slowest to import comes first."""
CLUSTERS_FILE = "clusters.json"
_CLOSE_TIMEOUT_S = 10.0


class SandboxError(Exception):
    """Why the sandbox cannot start, for a person. exit_code as in docs/sandbox-endpoints.md."""

    def __init__(self, message: str, exit_code: int = 1) -> None:
        super().__init__(message)
        self.exit_code = exit_code


@dataclass(frozen=True, slots=True)
class Options:
    """What the command line says. endpoints_file None: not written (in-process use)."""

    state_dir: Path | None = None
    profile: str = "instant"
    time_scale: float = 1.0
    seed: int = 0
    endpoints_file: Path | None = None
    clouds: tuple[str, ...] = tuple(CLOUDS)
    network: str = ""
    vantage: str = DEFAULT_VANTAGE
    faults: Path | None = None


def default_endpoints_file(environ: Mapping[str, str] = os.environ) -> Path:
    """$DUOYUN_SANDBOX, else $XDG_STATE_HOME/duoyun/sandbox/endpoints.json (default ~/.local/state)."""
    if environ.get("DUOYUN_SANDBOX"):
        return Path(environ["DUOYUN_SANDBOX"])
    state = environ.get("XDG_STATE_HOME") or str(Path("~/.local/state").expanduser())
    return Path(state) / "duoyun" / "sandbox" / "endpoints.json"


class Sandbox:
    """start() serves; wait() returns once stop() was called; close() ends everything and removes the file."""

    def __init__(self, options: Options) -> None:
        unknown = [c for c in options.clouds if c not in CLOUDS]
        if unknown:
            raise SandboxError(f"no cloud {unknown[0]!r} here; there are {', '.join(CLOUDS)}", 64)
        try:
            network = Settings.parse({"profile": options.network, "vantage": options.vantage})
        except NetworkError as exc:
            raise SandboxError(str(exc), 64) from exc
        self.options = options
        self.faults = Faults(options.seed)
        self._first_faults = _read_faults(options.faults)
        self.draws = Draws()
        self.network = Network(options.seed)
        self.network.set(network)
        self.endpoints: dict[str, Any] = {}
        self.servers: dict[str, Any] = {}
        self.world: World | None = None
        self._serving = False
        self._control: Control | None = None
        self._stopping = asyncio.Event()
        self._locks: list[IO[str]] = []

    async def start(self) -> None:
        """Raises SandboxError with a sentence for a person; nothing is left running then."""
        try:
            await self._start()
        except BaseException:
            await self.close()
            raise

    async def _start(self) -> None:
        gc.disable()  # importing the clouds' code makes millions of lasting objects; collecting them costs 0.3 s
        try:
            self._claim()
            self.world = world = await self._build_world()
            await self._start_clouds(world)
            self._know_operations()
            self._serving = True
            token = secrets.token_urlsafe(32)
            self._control = Control(token, self.faults, self.draws, self.network, self.servers, self._status, self.stop)
            await self._control.start()
            self.endpoints = self._describe(token)
            if self.options.endpoints_file is not None:
                write_private(self.options.endpoints_file, json.dumps(self.endpoints, indent=1) + "\n")
        finally:
            gc.freeze()
            gc.enable()

    def _know_operations(self) -> None:
        """Fault rows are checked against what there is; those of --faults now."""
        from sandbox.kubernetes.faults import operations

        self.faults.knows("kubernetes", lambda _glob: operations())
        for name, server in self.servers.items():
            self.faults.knows(name, server.operations)
        try:
            self.faults.add_all(self._first_faults)
        except ValueError as exc:
            raise SandboxError(f"{self.options.faults}: {exc}", 64) from exc

    async def wait(self) -> None:
        await self._stopping.wait()

    def stop(self) -> None:
        """Asks for the end; wait() returns. Call it on the loop's own thread."""
        self._stopping.set()

    async def close(self) -> None:
        """Idempotent. The endpoints file goes first, so that nobody finds a sandbox that is about to end.

        Every part is stopped, whatever another one says. Raises SandboxError where something could not be kept.
        """
        if self.endpoints and self.options.endpoints_file is not None:
            self.options.endpoints_file.unlink(missing_ok=True)
        self.endpoints = {}
        parts: list[Callable[[], Awaitable[Any]]] = [self._control.close] if self._control is not None else []
        parts += [server.close for server in self.servers.values()]
        if (world := self.world) is not None:
            parts += [partial(self._save_clusters, world)] if self._serving else []
            parts += [partial(_call, part, "close") for part in (world.clusters, world.containers)]
        self._control, self.world = None, None
        self.servers.clear()
        failed = [error for part in parts if (error := await _attempt(part)) is not None]
        self.draws.close()
        self.faults.close()
        for file in self._locks:
            file.close()
        self._locks.clear()
        if failed:
            raise SandboxError(f"not everything could be stopped and kept: {failed[0]!r}") from failed[0]

    # -- parts ------------------------------------------------------------------------------------------------

    def _claim(self) -> None:
        """One sandbox per endpoints file and per state folder."""
        try:
            if self.options.endpoints_file is not None:
                private_folder(self.options.endpoints_file.parent)
                self._claim_file(self.options.endpoints_file.with_suffix(".lock"), str(self.options.endpoints_file))
            if self.options.state_dir is not None:
                private_folder(self.options.state_dir)
                self._claim_file(self.options.state_dir / "lock", str(self.options.state_dir))
        except OSError as exc:
            raise SandboxError(f"the folder cannot be used: {exc}") from exc

    def _claim_file(self, path: Path, what: str) -> None:
        try:
            self._locks.append(lock(path))
        except BlockingIOError as exc:
            raise SandboxError(f"a sandbox already runs at {what}; stop it first, or name another place", 75) from exc

    async def _build_world(self) -> World:
        options = self.options
        try:
            accounts = load_accounts(options.state_dir)
        except (OSError, ValueError) as exc:
            raise SandboxError(f"the state folder {options.state_dir} cannot be used: {exc}") from exc
        try:
            self.draws = Draws(options.state_dir / DRAWS_FILE if options.state_dir else None)
            if options.state_dir:
                self.faults.log_to(options.state_dir / LOG_FILE)
        except OSError as exc:
            raise SandboxError(f"the state folder {options.state_dir} cannot be used: {exc}") from exc
        clock = timing(options.profile, options.time_scale, options.seed, self.draws)
        from sandbox.containers import Containers
        from sandbox.kubernetes import Clusters

        containers = Containers(clock, seed=options.seed)
        clusters = Clusters(
            timing=clock, faults=self.faults, containers=containers, seed=options.seed, network=self.network
        )
        world = World(
            loop=asyncio.get_running_loop(),
            accounts=accounts,
            timing=clock,
            faults=self.faults,
            containers=containers,
            clusters=clusters,
            seed=options.seed,
            state_dir=options.state_dir,
            network=self.network,
        )
        await self._restore_clusters(world)
        return world

    async def _start_clouds(self, world: World) -> None:
        """All at once; where one cannot start, none does."""
        try:
            async with asyncio.TaskGroup() as group:
                for name in self.options.clouds:
                    group.create_task(self._start_cloud(name, world))
        except* (OSError, ValueError, RuntimeError, ImportError) as failed:
            first = failed.exceptions[0]
            raise SandboxError(f"a cloud cannot start: {first}") from first

    async def _start_cloud(self, name: str, world: World) -> None:
        module = await asyncio.to_thread(importlib.import_module, CLOUDS[name])
        self.servers[name] = await module.serve(world)

    async def _save_clusters(self, world: World) -> None:
        if world.state_dir is None:
            return
        snapshot = await _call(world.clusters, "snapshot")
        if snapshot is not None:
            write_private(world.state_dir / CLUSTERS_FILE, json.dumps(snapshot))

    async def _restore_clusters(self, world: World) -> None:
        path = world.state_dir / CLUSTERS_FILE if world.state_dir else None
        if path is None or not path.exists():
            return
        try:
            await _call(world.clusters, "restore", json.loads(path.read_text(encoding="utf-8")))
        except (OSError, ValueError, KeyError, TypeError) as exc:
            raise SandboxError(f"{path} cannot be read: {exc}; remove the state folder to begin anew") from exc

    def _status(self) -> dict[str, Any]:
        return {
            "pid": os.getpid(),
            "started_at": self.endpoints.get("started_at"),
            "profile": self.options.profile,
            "time_scale": self.options.time_scale,
            "seed": self.options.seed,
            "state_dir": str(self.options.state_dir) if self.options.state_dir else None,
            "clouds": {name: {"url": server.url} for name, server in self.servers.items()},
            "faults": len(self.faults.rows()),
            "network": self.network.settings.profile or ("own" if self.network.settings.on else None),
        }

    def _environment(self) -> dict[str, str]:
        """Variables that point the clouds' own tools here, as far as a cloud's server has any."""
        found: dict[str, str] = {}
        for server in self.servers.values():
            describe = getattr(server, "environment", None)
            found |= describe() if describe is not None else {}
        return found

    def _describe(self, token: str) -> dict[str, Any]:
        assert self.world is not None
        assert self._control is not None
        return {
            "schema_version": 1,
            "pid": os.getpid(),
            "started_at": datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
            "profile": self.options.profile,
            "seed": self.options.seed,
            "control": {"url": self._control.url, "token": token},
            "clouds": {name: {"url": self.servers[name].url} for name in self.options.clouds},
            "environment": self._environment(),
            "accounts": [
                {
                    "partition": a.partition,
                    "account_id": a.account_id,
                    "cloud": CLOUD_OF[a.partition],
                    "key_id": a.key_id,
                    "secret": a.secret,
                    "reader_key_id": a.reader_key_id,
                    "reader_secret": a.reader_secret,
                }
                for a in self.world.accounts
                if CLOUD_OF[a.partition] in self.options.clouds
            ],
        }


def _read_faults(path: Path | None) -> list[Mapping[str, Any]]:
    if path is None:
        return []
    try:
        return read_file(path)
    except ValueError as exc:
        raise SandboxError(str(exc), 64) from exc


async def _call(part: object, name: str, *args: Any) -> Any:
    """part.name(*args), awaited where it is a coroutine; None where the part has no such method."""
    method = getattr(part, name, None)
    if method is None:
        return None
    result = method(*args)
    return await result if inspect.isawaitable(result) else result


async def _attempt(part: Callable[[], Awaitable[Any]]) -> Exception | None:
    """What part() raised, so that the next one gets its turn."""
    try:
        await asyncio.wait_for(part(), _CLOSE_TIMEOUT_S)
    except Exception as exc:  # noqa: BLE001  handed to close(), which raises the first one
        traceback.print_exception(exc, file=sys.stderr)
        return exc
    return None


async def watch(pid: int, sandbox: Sandbox) -> None:
    """Stops the sandbox once that process is gone, however it ended."""
    loop = asyncio.get_running_loop()
    try:
        descriptor = os.pidfd_open(pid)
    except ProcessLookupError:
        sandbox.stop()
        return
    except (OSError, AttributeError):  # no pidfd here: an older kernel, or not Linux
        await _poll(pid, sandbox)
        return
    gone = asyncio.Event()
    loop.add_reader(descriptor, gone.set)
    try:
        await gone.wait()
    finally:
        loop.remove_reader(descriptor)
        os.close(descriptor)
    sandbox.stop()


async def _poll(pid: int, sandbox: Sandbox, every_s: float = 0.5) -> None:
    with contextlib.suppress(ProcessLookupError):
        while True:
            os.kill(pid, 0)
            await asyncio.sleep(every_s)
    sandbox.stop()
