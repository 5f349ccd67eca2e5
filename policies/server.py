"""Evaluates rules on an OPA server, over opa-python-client. No answer, an undefined one or an error is a fault.

Callers: orchestrator.gating, where the fleet names a server. Strict builtin errors are asked for, since OPA by itself
takes a builtin that fails for "undefined", which in a rule that looks for violations is a pass. Uploading is slow for a
large bundle, as OPA compiles all modules anew with each; it happens once, and a server that has the bundle is left
alone. API: openpolicyagent.org, "REST API". Non-goals: running the server.
"""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar
from urllib.parse import urlsplit

from model.errors import DuoyunError
from policies.evaluation import Answer, Document, Evaluator, Fault, RuleError, Task, chosen, rows_of

T = TypeVar("T")
_STRICT = {"strict-builtin-errors": "true"}
_RETRIED = frozenset({429, 502, 503, 504})
_PREFIX = "duoyun"  # of the ids of the modules that we upload, and of the data that says which those are


class ServerDown(RuleError):
    """It does not answer, or refuses us."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Server:
    """url: `https://host:port`. ca_bundle: file of trusted certificates. certificate: (file, key file) of ours.

    upload: put the bundle there; else it must be there already. timeout_s: of each request; retries: of one that got no
    answer, or one that says "try again".
    """

    url: str
    token: str = ""
    ca_bundle: str = ""
    certificate: tuple[str, str] | None = None
    timeout_s: float = 10.0
    retries: int = 2
    upload: bool = True
    backoff_s: float = 0.2


class OpaServer:
    """An evaluator (policies.evaluation). instead: evaluates where the server is down; None: then it denies."""

    def __init__(self, server: Server, modules: Mapping[str, str], instead: Evaluator | None = None) -> None:
        self._server, self._modules, self._instead = server, dict(modules), instead
        self._uploaded = not server.upload

    def answers(self, tasks: Sequence[Task], documents: Sequence[Document]) -> list[Answer]:
        """One answer a task, in their order."""
        try:
            with _client(self._server) as client:
                self._prepare(client)
                return [self._answer(client, task, documents) for task in tasks]
        except ServerDown as exc:
            if self._instead is not None:
                return self._instead.answers(tasks, documents)
            return [Answer(faults=(Fault(exc.summary),)) for _ in tasks]

    def _answer(self, client: Any, task: Task, documents: Sequence[Document]) -> Answer:
        wanted = chosen(task.kinds, task.objects, documents)
        if not wanted:
            return Answer()
        try:
            return Answer(rows_of(task, self._violations(client, task, wanted)))
        except ServerDown:
            raise
        except RuleError:
            return self._one_by_one(client, task, wanted)

    def _one_by_one(self, client: Any, task: Task, wanted: Sequence[Document]) -> Answer:
        """So that one bad document hides nothing of the others."""
        rows: list[Mapping[str, Any]] = []
        faults: list[Fault] = []
        for document in wanted:
            try:
                rows += rows_of(task, self._violations(client, task, [document]))
            except ServerDown:
                raise
            except RuleError as exc:
                faults.append(Fault(exc.summary, str(document.get("address", ""))))
        return Answer(tuple(rows), tuple(faults))

    def _violations(self, client: Any, task: Task, documents: Sequence[Document]) -> Any:
        value = {"documents": list(documents), "parameters": dict(task.parameters)}
        answer = self._ask(lambda: client.query_rule(value, task.package, "violations", query_params=_STRICT))
        if "result" not in answer:  # `{}` is what OPA says of a rule that it does not have
            raise RuleError(f"{task.source}: the server has no data.{task.package}.violations")
        return answer["result"]

    # -- the bundle ----------------------------------------------------------------------------------------------

    def _prepare(self, client: Any) -> None:
        """Uploads the bundle, unless this very one is there."""
        if self._uploaded:
            return
        digest = hashlib.sha256(json.dumps(self._modules, sort_keys=True).encode()).hexdigest()
        if self._there(client) != digest:
            left = dict(self._modules)
            while left:  # a module that calls another's functions is refused until that one is there
                refused = {n: why for n in sorted(left) if (why := self._upload(client, n, left[n]))}
                if len(refused) == len(left):
                    name, why = next(iter(refused.items()))
                    raise ServerDown(f"the OPA server refuses {name}: {why}")
                left = {n: left[n] for n in refused}
            self._ask(lambda: client.update_or_create_data({"sha256": digest}, f"{_PREFIX}_bundle"))
        self._uploaded = True

    def _there(self, client: Any) -> str:
        from opa_client.errors import PolicyNotFoundError

        try:
            found = self._ask(lambda: client.get_data(f"{_PREFIX}_bundle"))
        except PolicyNotFoundError:
            return ""
        return str(found.get("result", {}).get("sha256", ""))

    def _upload(self, client: Any, name: str, text: str) -> str:
        """Why it was refused; empty where it was taken. Never rewritten: what is uploaded is what was reviewed."""
        from opa_client.errors import RegoParseError

        endpoint = f"{_PREFIX}/{name.replace(':', '/')}"
        try:
            self._ask(lambda: client.update_policy_from_string(text, endpoint, rego_compat=False))
        except RegoParseError as exc:
            if exc.expression == "unauthorized":
                raise ServerDown(f"the OPA server {self._server.url} refuses us: check its token") from exc
            return str(exc)
        return ""

    # -- one request ---------------------------------------------------------------------------------------------

    def _ask(self, request: Callable[[], T]) -> T:
        """Its answer. Raises ServerDown (no answer, refused), RuleError (the rule failed)."""
        import requests

        for attempt in range(self._server.retries + 1):
            last = attempt == self._server.retries
            try:
                return request()
            except requests.HTTPError as exc:
                response = exc.response
                if response is None or response.status_code not in _RETRIED:
                    raise _failure(self._server.url, response) from exc
                if last:
                    raise ServerDown(f"the OPA server {self._server.url} answers {response.status_code}") from exc
            except requests.RequestException as exc:
                if last:
                    raise ServerDown(f"the OPA server {self._server.url} does not answer: {_short(exc)}") from exc
            time.sleep(self._server.backoff_s * 2**attempt)
        raise AssertionError("unreachable")


def _failure(url: str, response: Any) -> RuleError:
    if response is None:
        return ServerDown(f"the OPA server {url} gives no answer")
    if response.status_code in (401, 403):
        return ServerDown(f"the OPA server {url} refuses us ({response.status_code}): check its token")
    try:
        data = response.json()
    except ValueError:
        return ServerDown(f"the OPA server {url} answers {response.status_code}, which is no answer of OPA")
    errors = data.get("errors") or [{}]
    place = errors[0].get("location") or {}
    where = f"{place['file']}:{place.get('row', 0)}: " if place.get("file") else ""
    return RuleError(f"{where}{errors[0].get('message') or data.get('message') or response.status_code}")


def _short(exc: Exception) -> str:
    return str(exc).splitlines()[0][:200] or type(exc).__name__


def _client(server: Server) -> Any:
    """Raises DuoyunError where the client is not installed, or the URL is none."""
    try:
        from opa_client.opa import OpaClient
    except ModuleNotFoundError as exc:
        raise DuoyunError(
            f"an OPA server needs its client ({exc.name}), which is not installed", mend="pip install 'duoyun[opa]'"
        ) from exc
    parts = urlsplit(server.url)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise DuoyunError(f"{server.url} is no OPA server", mend="write for example https://opa.example.com:8181")
    secure = parts.scheme == "https"
    client = OpaClient(
        host=f"[{parts.hostname}]" if ":" in parts.hostname else parts.hostname,
        port=parts.port or (443 if secure else 8181),
        ssl=(server.ca_bundle or True) if secure else False,
        cert=server.certificate,
        token=server.token or None,
        retries=0,  # the client repeats no POST; ours are repeated above
        timeout=server.timeout_s,
    )
    if server.ca_bundle:
        # `requests` would prefer REQUESTS_CA_BUNDLE to the certificates that the fleet names.
        client._session.trust_env = False
    return client
