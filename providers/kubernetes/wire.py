"""HTTP to one API server through the official client's transport: TLS, tokens, deadlines, watches.

Callers: the other modules of this folder. Every request has a timeout bounded by the call's deadline, the client's
own retries are off, and every failure leaves as one of model.errors. Nothing of a certificate stays on disk.
"""

from __future__ import annotations

import ipaddress
import json
import ssl
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlencode, urlsplit

import urllib3
import websocket
from kubernetes.client import Configuration
from kubernetes.client.exceptions import ApiException
from kubernetes.client.rest import RESTClientObject

from model.errors import CallSite, DuoyunError, InvalidRequest, NotFound
from providers.base import Account, Call, ClusterAccess
from providers.calls import Calls, OutOfTime
from providers.kubernetes.errors import map_error, status_body
from providers.kubernetes.executing import PROTOCOLS, exit_code, unreachable

APPLY: Final = "application/apply-patch+yaml"
_METADATA_ONLY: Final = "application/json;as=PartialObjectMetadata;g=meta.k8s.io;v=v1"
_CONNECT_S = 10.0
_READ_S = 60.0
_LEAST_S = 0.02
_TOKEN_LIFE_S = 600.0  # EKS tokens live 15 minutes; others are told to be asked for again as often
_POOL = 16
# client-go's defaults for a command line tool are of this order (kubectl: 50 requests/s, burst 300).
_RATE_PER_S, _BURST = 100.0, 200.0

Query = Mapping[str, str]


class ClusterClient:
    """Thread-safe. cluster: its name, for messages."""

    def __init__(
        self, account: Account, region: str, cluster: str, access: ClusterAccess, calls: Calls | None = None
    ) -> None:
        refuse_plain_http(access.server, f"{account.name}/{region}/{cluster}")
        self.where = CallSite(cloud="kubernetes", account=account.name, region=f"{region}/{cluster}")
        self._server = access.server.rstrip("/")
        self._calls = calls or Calls(map_error, rate_per_s=_RATE_PER_S, burst=_BURST)
        self._bucket = f"kubernetes {account.name} {region} {cluster}"
        self._tokens = _Tokens(access.token)
        self._tls = _tls(account, access) if access.server.startswith("https:") else None
        proxy = _proxy(account, access)
        self._proxy = _websocket_proxy(proxy)
        self._rest = _transport(self._tls, proxy, access.tls_server_name)
        self._sslopt: dict[str, Any] = {"context": self._tls} if self._tls else {}
        if self._tls and access.tls_server_name:
            self._sslopt["server_hostname"] = access.tls_server_name

    def close(self) -> None:
        self._rest.pool_manager.clear()

    def request(
        self,
        method: str,
        path: str,
        call: Call,
        operation: str,
        *,
        query: Query | None = None,
        body: Any = None,
        content_type: str = "application/json",
        accept: str = "application/json",
        write: bool = False,
    ) -> dict[str, Any]:
        """The JSON object of the answer. operation is `verb resource object`, for messages. Retries what is worth it;
        a write asks call.guard() before each attempt, and tells the API's warnings as progress."""
        headers = {"Accept": accept, "Content-Type": content_type}

        def send() -> dict[str, Any]:
            response = self._send(method, path, call, operation, query, headers, body, preload=True)
            for warning in response.urllib3_response.headers.getlist("Warning") if write else ():
                call.progress(f"{operation}: {_warning_text(warning)}")
            try:
                parsed = json.loads(response.data)
            except ValueError as exc:
                raise map_error(exc, operation, self.where) from exc
            if not isinstance(parsed, dict):
                raise map_error(ValueError("no JSON object"), operation, self.where)
            return parsed

        return self._calls.run(operation, send, call, api=self._bucket, write=write)

    def exists(self, path: str, call: Call, operation: str) -> bool:
        """Whether a GET would find something. Metadata is asked for, and no byte of the answer is read."""

        def send() -> bool:
            self._send("GET", path, call, operation, None, {"Accept": _METADATA_ONLY}, None, preload=False).close()
            return True

        try:
            return self._calls.run(operation, send, call, api=self._bucket)
        except NotFound:
            return False

    def text(self, path: str, call: Call, operation: str, *, query: Query | None = None, limit: int = 65536) -> str:
        """The answer as text, at most `limit` bytes of it."""

        def send() -> str:
            response = self._send("GET", path, call, operation, query, {"Accept": "*/*"}, None, preload=False)
            return self._read(response, limit, operation).decode(errors="replace")

        return self._calls.run(operation, send, call, api=self._bucket)

    def proxied(self, path: str, call: Call, operation: str, *, limit: int = 65536) -> tuple[int, bytes, bool]:
        """(status, body up to `limit` bytes, whether the API server itself answered) of a GET through its proxy.

        The status is the backend's, whatever it is; only what keeps us from the API server is an exception. One try.
        """
        try:
            response = self._send("GET", path, call, operation, None, {"Accept": "*/*"}, None, preload=False)
        except DuoyunError as exc:
            cause = exc.__cause__
            if isinstance(cause, ApiException) and cause.status and cause.status != 401:
                text = cause.body if isinstance(cause.body, bytes) else str(cause.body or "").encode()
                return int(cause.status), text[:limit], bool(status_body(cause))
            raise
        return int(response.status), self._read(response, limit, operation), False

    def run_in_pod(self, path: str, command: Sequence[str], container: str, call: Call, operation: str) -> int:
        """The exit code of a command in a pod (path: of the pod). One try.

        Raises TimeoutError where it has not ended by the call's deadline, Unreachable where it could not be run,
        NotFound, Forbidden.
        """
        query = [("command", word) for word in command] + [("stdout", "true"), ("stderr", "true")]
        query += [("container", container)] if container else []
        url = f"ws{self._server.removeprefix('http')}{path}/exec?{urlencode(query)}"
        token = self._tokens.get()
        try:
            connection = websocket.create_connection(
                url,
                timeout=max(_LEAST_S, min(_CONNECT_S, call.remaining_s())),
                subprotocols=PROTOCOLS,
                header=["User-Agent: duoyun", *([f"Authorization: Bearer {token}"] if token else [])],
                sslopt=self._sslopt or None,
                **self._proxy,
            )
        except websocket.WebSocketBadStatusException as exc:
            refusal = ApiException(status=exc.status_code, reason=str(exc))
            refusal.body = exc.resp_body
            raise map_error(refusal, operation, self.where) from exc
        except (websocket.WebSocketException, OSError) as exc:
            raise map_error(OSError(str(exc)), operation, self.where) from exc
        try:
            return exit_code(connection, call.remaining_s, unreachable(operation, self.where))
        finally:
            connection.shutdown()  # type: ignore[no-untyped-call]

    def watch(self, path: str, call: Call, operation: str, query: Query, *, round_s: float) -> Iterator[dict[str, Any]]:
        """Events of one watch request, until the server ends it after round_s seconds or the connection drops.

        A drop ends the iteration quietly: the caller reads the object again. Refusals (401, 403, 410, ...) raise.
        """
        seconds = max(1, round(round_s))
        asked = {**query, "watch": "true", "allowWatchBookmarks": "true", "timeoutSeconds": str(seconds)}
        response = self._send(
            "GET", path, call, operation, asked, {"Accept": "application/json"}, None, preload=False, read_s=round_s + 1
        )
        try:
            buffer = b""
            for chunk in response.stream(amt=None, decode_content=True):
                *lines, buffer = (buffer + chunk).split(b"\n")
                for line in lines:
                    event = json.loads(line) if line.strip() else None
                    if isinstance(event, dict):
                        yield event
        except (urllib3.exceptions.HTTPError, OSError, ValueError) as exc:
            call.progress(f"{operation}: the watch broke off ({type(exc).__name__})")
        finally:
            response.close()

    def _send(
        self,
        method: str,
        path: str,
        call: Call,
        operation: str,
        query: Query | None,
        headers: Mapping[str, str],
        body: Any,
        *,
        preload: bool,
        read_s: float = _READ_S,
    ) -> Any:
        remaining_s = call.remaining_s()
        if remaining_s < _LEAST_S:
            raise OutOfTime(operation, call=self.where)
        timeout = (min(_CONNECT_S, remaining_s), min(read_s, remaining_s))
        url = self._server + path + (f"?{urlencode(query)}" if query else "")
        for attempt in (1, 2):
            token = self._tokens.get(fresh=attempt == 2)
            sent = {**headers, "User-Agent": "duoyun", **({"Authorization": f"Bearer {token}"} if token else {})}
            try:
                return self._rest.request(
                    method, url, headers=sent, body=body, _preload_content=preload, _request_timeout=timeout
                )
            except ApiException as exc:
                if exc.status == 401 and attempt == 1 and self._tokens.renewable:
                    continue
                raise map_error(exc, operation, self.where) from exc
            except (urllib3.exceptions.HTTPError, OSError) as exc:
                raise map_error(exc, operation, self.where) from exc
        raise AssertionError("the second attempt returns or raises")

    def _read(self, response: Any, limit: int, operation: str) -> bytes:
        try:
            return bytes(response.read(limit))
        except (urllib3.exceptions.HTTPError, OSError) as exc:
            raise map_error(exc, operation, self.where) from exc
        finally:
            response.close()


def _warning_text(header: str) -> str:
    """The text of a Warning header, which reads `299 - "text"` (RFC 7234, 5.5)."""
    return header.partition(" - ")[2].strip(' "') or header


class _Tokens:
    """Asks for a token again when it is older than _TOKEN_LIFE_S, or when told that it was refused."""

    def __init__(self, source: Callable[[], str] | None) -> None:
        self._source = source
        self._lock = threading.Lock()
        self._token = ""
        self._at_s = float("-inf")

    @property
    def renewable(self) -> bool:
        return self._source is not None

    def get(self, *, fresh: bool = False) -> str:
        if self._source is None:
            return ""
        with self._lock:
            if fresh or time.monotonic() - self._at_s > _TOKEN_LIFE_S:
                self._token, self._at_s = self._source(), time.monotonic()
            return self._token


def refuse_plain_http(server: str, cluster: str) -> None:
    """A bearer token travels in clear over http: loopback only."""
    parts = urlsplit(server)
    host = parts.hostname or ""
    if parts.scheme == "https" and host:
        return
    if parts.scheme == "http" and is_loopback(host):
        return
    raise InvalidRequest(
        f"cluster {cluster}: {server!r} cannot be used as an API server",
        mend="give an https:// URL; plain http is accepted on loopback only",
    )


def is_loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _proxy(account: Account, access: ClusterAccess) -> str:
    """What the fleet names; never towards loopback."""
    near = is_loopback(urlsplit(access.server).hostname or "")
    return "" if near else access.proxy_url or account.proxy_url or ""


def _websocket_proxy(proxy: str) -> dict[str, Any]:
    """The same for a WebSocket; without one, what the environment says is not for us."""
    parts = urlsplit(proxy)
    if not parts.hostname:
        return {"http_no_proxy": ["*"]}
    auth = (parts.username, parts.password or "") if parts.username else None
    return {
        "http_proxy_host": parts.hostname, "http_proxy_port": parts.port or 3128, "http_proxy_auth": auth,
        "proxy_type": parts.scheme,
    }  # fmt: skip


def _transport(tls: ssl.SSLContext | None, proxy: str, server_name: str = "") -> RESTClientObject:
    """The client's transport, with TLS made from the PEM texts in hand and without its own retries."""
    configuration = Configuration()
    configuration.proxy = None  # what the environment says is for other programs; the fleet names a proxy
    rest = RESTClientObject(configuration)
    options: dict[str, Any] = {"num_pools": 2, "maxsize": _POOL, "retries": False}
    if tls is not None:
        options["ssl_context"] = tls
        if server_name:
            options |= {"server_hostname": server_name, "assert_hostname": server_name}
    if proxy:
        rest.pool_manager = urllib3.ProxyManager(proxy_url=proxy, **options)
    else:
        rest.pool_manager = urllib3.PoolManager(**options)
    return rest


def _tls(account: Account, access: ClusterAccess) -> ssl.SSLContext:
    context = ssl.create_default_context(cadata=access.ca_pem or None)
    if access.ca_pem or account.ca_bundle:
        # From Python 3.13 on certificates must have all that RFC 5280 asks for; what EKS and many companies sign
        # themselves lacks key identifiers (kubernetes-client/python#2394). It is verified all the same.
        context.verify_flags &= ~ssl.VERIFY_X509_STRICT
    if account.ca_bundle:
        context.load_verify_locations(cafile=account.ca_bundle)
    if access.client_certificate_pem:
        # The ssl module reads a key from files only: 0600, in a folder of our own, gone before the first request.
        with tempfile.TemporaryDirectory(prefix="duoyun-") as folder:
            path = Path(folder) / "client.pem"
            path.touch(mode=0o600)
            path.write_text(f"{access.client_certificate_pem}\n{access.client_key_pem}\n")
            context.load_cert_chain(path)
    return context
