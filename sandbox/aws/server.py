"""AWS on loopback: one HTTP endpoint for all services, regions and accounts, for boto3 with `endpoint_url`.

Callers: sandbox.app (CLOUDS). The way of a request: signature -> region -> fault table -> permission -> client token
-> our checks -> moto -> our life cycles -> event history. Faults come before all that changes something.
"""

from __future__ import annotations

import sys
import traceback
from collections.abc import Callable, Collection
from functools import partial
from typing import Any

from aiohttp import web

from sandbox.aws import faults
from sandbox.aws.balancing import Balancing
from sandbox.aws.cloud import After, Cloud, Handler
from sandbox.aws.dns import Dns
from sandbox.aws.eks import Eks
from sandbox.aws.iam import Iam
from sandbox.aws.identity import denied
from sandbox.aws.instances import Instances
from sandbox.aws.inventory import inventory
from sandbox.aws.kms import Kms
from sandbox.aws.network import Network
from sandbox.aws.nodegroups import Nodegroups
from sandbox.aws.offers import Offers
from sandbox.aws.pages import Pages
from sandbox.aws.pricing import Pricing
from sandbox.aws.scaling import Scaling
from sandbox.aws.tokens import Tokens, digest_of
from sandbox.aws.volumes import Volumes
from sandbox.aws.wire import Answer, AwsError, Incoming, failure, numbered, parse, success
from sandbox.gate import Asked, Gate
from sandbox.network import Listener, serving
from sandbox.world import Fault, World

_MAX_BODY = 64 * 2**20


class AwsServer:
    """world.Server. Begin with start()."""

    def __init__(self, world: World) -> None:
        self.cloud = Cloud(world)
        self.url = ""
        self._tokens = Tokens(self.cloud)
        self._pages = Pages()
        self._instances = Instances(self.cloud)
        self._eks = Eks(self.cloud)
        self._nodegroups = Nodegroups(self.cloud, self._eks)
        self._volumes = Volumes(self.cloud)
        self._balancing = Balancing(self.cloud)
        self._scaling = Scaling(self.cloud, self._instances)
        network = Network(self.cloud)
        self._before: dict[str, Handler] = {
            "sts:GetCallerIdentity": _caller_identity,
            "cloudtrail:LookupEvents": self.cloud.trail.lookup,
            **Pricing(self.cloud).before,
            **Offers(self.cloud).before,
        }
        self._after: dict[str, After] = {}
        parts = (
            network,
            Iam(self.cloud),
            Kms(self.cloud),
            Dns(self.cloud),
            self._instances,
            self._volumes,
            self._balancing,
            self._scaling,
            self._eks,
            self._nodegroups,
        )
        for part in parts:
            self._before |= part.before
            self._after |= part.after
        self._runner: web.AppRunner | None = None
        self._listener: Listener | None = None
        self._gate = Gate(world.faults, faults.words, self._vanish)

    async def start(self) -> None:
        """Binds at once, imports moto meanwhile, answers when both are done."""
        app = web.Application(client_max_size=_MAX_BODY)
        app.router.add_route("*", "/{path:.*}", self._handle)
        self._runner = web.AppRunner(app, access_log=None, keepalive_timeout=75)
        await self._runner.setup()
        await self.cloud.world.loop.run_in_executor(self.cloud.pool, self.cloud.moto.load)
        if await self.cloud.world.loop.run_in_executor(self.cloud.pool, self.cloud.restore):
            self._eks.resume()
            self._nodegroups.resume()
            self._instances.resume()
            self._volumes.resume()
            self._balancing.resume()
            self._scaling.resume()
        self._listener = await self.cloud.world.network.listen(serving(self._runner), "127.0.0.1", 0, at="aws")
        self.url = f"http://127.0.0.1:{self._listener.port}"

    def environment(self) -> dict[str, str]:
        """What boto3 and the AWS CLI read."""
        account = next(a for a in self.cloud.world.accounts if a.partition == "aws-cn")
        return {
            "AWS_ENDPOINT_URL": self.url,
            "AWS_DEFAULT_REGION": "cn-north-1",
            "AWS_ACCESS_KEY_ID": account.key_id,
            "AWS_SECRET_ACCESS_KEY": account.secret,
        }

    async def close(self) -> None:
        if self._listener is not None:
            self._listener.close()
        if self._runner is not None:
            await self._runner.cleanup()
        await self.cloud.close()

    async def inventory(self) -> list[dict[str, Any]]:
        rows: list[dict[str, Any]] = await self.cloud.locked(lambda: list(inventory(self.cloud)))
        return rows

    async def reclaim(self, node: str, back: bool) -> bool:
        """Takes a spot node back; False where there is none of that name here."""
        return await self._nodegroups.reclaim(node, back)

    # -- one request ------------------------------------------------------------------------------------------

    async def _handle(self, request: web.Request) -> web.StreamResponse:
        body = await request.read()
        incoming = Incoming(
            method=request.method,
            url=f"http://{request.headers.get('Host', '127.0.0.1')}{request.raw_path}",
            path=request.raw_path.partition("?")[0],
            query=request.raw_path.partition("?")[2],
            headers={name.lower(): value for name, value in request.headers.items()},
            body=body,
        )
        loop, pool = self.cloud.world.loop, self.cloud.pool
        refused = await loop.run_in_executor(pool, self._admit, incoming)
        if refused is not None:
            return _response(incoming, refused)

        async def execute() -> web.Response:
            answer = await loop.run_in_executor(pool, self._execute, incoming)
            if incoming.writes:
                self.cloud.changed()
            return _response(incoming, answer)

        detail = incoming.detail
        question = f"{incoming.action} {incoming.who.key_id} {detail}"
        asked = Asked("aws", incoming.action, detail, incoming.writes, question)
        return await self._gate.answer(request, asked, partial(_faulty, incoming), execute)

    def operations(self, glob: str) -> Collection[str]:
        """What a row of the fault table may name."""
        return faults.operations(glob)

    def _vanish(self, for_s: float) -> None:
        if self._listener is not None:
            self._listener.refuse(for_s)

    def _admit(self, incoming: Incoming) -> Answer | None:
        """Who and what; the answer where that is refused already."""

        def admit() -> None:
            self.cloud.identities.authenticate(incoming, self.cloud.moto.regions)
            parse(incoming)

        return self._guarded(incoming, admit)

    def _execute(self, incoming: Incoming) -> Answer:
        with self.cloud.lock:
            answers: list[Answer] = []
            refused = self._guarded(incoming, lambda: answers.append(self._answer(incoming)))
            answer = refused or answers[0]
            if incoming.writes:
                code = "" if answer.ok else answer.headers.get("x-amzn-errortype", f"HTTP {answer.status}")
                self.cloud.trail.record(incoming, answer, code)
            return answer

    def _answer(self, incoming: Incoming) -> Answer:
        if incoming.who.reader and (incoming.writes or incoming.operation.startswith("AssumeRole")):
            raise denied(incoming)
        if incoming.service == "ec2" and incoming.params.get("DryRun") is True:
            raise AwsError("DryRunOperation", "Request would have succeeded, but DryRun flag is set.", 412)
        earlier = self._tokens.earlier(incoming)
        if earlier is not None:
            return earlier
        digest = digest_of(incoming.params)
        if incoming.service == "ec2":
            self.cloud.moto.ec2(incoming.account_id, incoming.region)  # Debian's images are there from the first touch
        before = self._before.get(incoming.action)
        result = before(incoming) if before else None
        if result is not None:
            answer = result if isinstance(result, Answer) else success(incoming, result)
        else:
            size = self.cloud.page_size
            answer = self._pages.before(incoming, size) or self._from_moto(incoming, size)
            after = self._after.get(incoming.action)
            if answer.ok and after is not None:
                changed = after(incoming, answer)
                if changed is not None:
                    answer = changed if isinstance(changed, Answer) else success(incoming, changed)
        self._tokens.remember(incoming, digest, answer)
        return answer

    def _from_moto(self, incoming: Incoming, size: int) -> Answer:
        answer = self.cloud.moto.call(incoming)
        if answer.status >= 400 and "html" in answer.headers.get("Content-Type", ""):
            raise NotImplementedError("moto does not know it")
        return self._pages.after(incoming, answer, size)

    def _guarded(self, incoming: Incoming, work: Callable[[], None]) -> Answer | None:
        """None where work() went well, else its error as AWS would answer it. Never raises, never HTML."""
        try:
            work()
        except AwsError as exc:
            return failure(incoming, exc)
        except NotImplementedError as exc:
            message = f"the sandbox has no {incoming.action}: {exc}"
            return failure(incoming, AwsError("InvalidAction", message, 400))
        except Exception as exc:  # noqa: BLE001  whatever moto raises, a client must see AWS's protocol
            traceback.print_exception(exc, file=sys.stderr)
            return failure(incoming, AwsError("InternalFailure", f"{type(exc).__name__} in {incoming.action}", 500))
        return None


def _response(incoming: Incoming, answer: Answer) -> web.Response:
    answer = numbered(incoming, answer)
    return web.Response(status=answer.status, headers=dict(answer.headers), body=answer.body)


def _faulty(incoming: Incoming, fault: Fault) -> web.Response:
    return _response(incoming, failure(incoming, AwsError(fault.code, fault.message, fault.status)))


def _caller_identity(incoming: Incoming) -> object:
    who = incoming.who
    return {"UserId": who.user_id, "Account": who.account_id, "Arn": who.arn}


async def serve(world: World) -> AwsServer:
    """The server, answering."""
    server = AwsServer(world)
    try:
        await server.start()
    except BaseException:
        await server.close()
        raise
    return server
