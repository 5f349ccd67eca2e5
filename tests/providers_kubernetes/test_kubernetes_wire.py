"""Transport: TLS, tokens, proxies, watches that break, answers that are none. Against a scripted server."""

from __future__ import annotations

import datetime
import ipaddress
import json
import logging
import ssl
import threading
import time
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from model.errors import (
    Forbidden,
    InvalidRequest,
    Unauthenticated,
    Unreachable,
)
from model.resources import Address, Kind, KubernetesObject, State
from providers.base import Account, Call, ClusterAccess
from providers.calls import Calls
from providers.kubernetes import KubernetesProvider, open_cluster
from providers.kubernetes.errors import map_error

Handle = Callable[[BaseHTTPRequestHandler], None]


class Scripted:
    """An HTTP server on loopback whose GET, POST, PATCH and DELETE call `handle`; what came is kept."""

    def __init__(self, tls: ssl.SSLContext | None = None) -> None:
        self.handle: Handle = lambda request: reply(request, {})
        self.seen: list[tuple[str, str, dict[str, str]]] = []
        outer = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def _serve(self) -> None:
                self.rfile.read(int(self.headers.get("Content-Length") or 0))
                outer.seen.append((self.command, self.path, dict(self.headers)))
                outer.handle(self)

            do_GET = do_POST = do_PATCH = do_DELETE = _serve

            def log_message(self, *_args: object) -> None:
                """Quiet."""

        class Server(ThreadingHTTPServer):
            daemon_threads = True

            def handle_error(self, *_args: object) -> None:
                """A client that goes away is part of these tests."""

        self.server = Server(("127.0.0.1", 0), Handler)
        self.scheme = "http"
        if tls is not None:
            self.server.socket = tls.wrap_socket(self.server.socket, server_side=True)
            self.scheme = "https"
        self.thread = threading.Thread(target=self.server.serve_forever, kwargs={"poll_interval": 0.01})
        self.thread.start()

    @property
    def url(self) -> str:
        return f"{self.scheme}://127.0.0.1:{self.server.server_address[1]}"

    def close(self) -> None:
        self.server.shutdown()
        self.thread.join()
        self.server.server_close()


def reply(request: BaseHTTPRequestHandler, body: Any, status: int = 200, **headers: str) -> None:
    data = body if isinstance(body, bytes) else json.dumps(body).encode()
    request.send_response(status)
    request.send_header("Content-Length", str(len(data)))
    for name, value in headers.items():
        request.send_header(name.replace("_", "-"), value)
    request.end_headers()
    request.wfile.write(data)


@pytest.fixture
def scripted() -> Iterator[Scripted]:
    server = Scripted()
    yield server
    server.close()


def opened(access: ClusterAccess, account: Account | None = None, **kwargs: Any) -> KubernetesProvider:
    calls = Calls(map_error, rate_per_s=1000, burst=1000, base_s=0.001, **{"max_attempts": 2, **kwargs})
    return open_cluster(account or Account("north", "aws", "aws-cn", "2"), "r", "main", access, calls=calls)


def at(name: str) -> Address:
    return Address("aws-cn", "2", "r", Kind.KUBERNETES_OBJECT, f"main/{name}")


def within(seconds: float = 5.0, **kwargs: Any) -> Call:
    return Call(deadline_s=time.monotonic() + seconds, fleet="prod", **kwargs)


CONFIG_MAP = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "a", "namespace": "n", "uid": "1"}}


# -- where a token may travel ----------------------------------------------------------------------------------


@pytest.mark.parametrize("server", ["http://10.0.0.1", "http://cluster.example", "ftp://127.0.0.1", "127.0.0.1:80", ""])
def test_a_token_does_not_travel_in_clear_beyond_loopback(server: str) -> None:
    with pytest.raises(InvalidRequest, match="cannot be used as an API server"):
        opened(ClusterAccess(server, token=lambda: "t"))


@pytest.mark.parametrize("server", ["http://127.0.0.1:1", "http://127.8.9.1:1", "http://[::1]:1", "http://localhost:1"])
def test_plain_http_is_taken_on_loopback(server: str) -> None:
    opened(ClusterAccess(server)).close()


def test_a_proxy_is_used_where_one_is_named_but_not_for_loopback(scripted: Scripted) -> None:
    direct = opened(ClusterAccess(scripted.url, proxy_url="http://127.0.0.1:9"))
    scripted.handle = lambda request: reply(request, CONFIG_MAP)
    assert direct.get(at("n/ConfigMap/a"), within()).provider_id == "1"
    direct.close()
    through = opened(ClusterAccess("https://cluster.example", proxy_url=scripted.url))
    scripted.server.RequestHandlerClass.do_CONNECT = lambda request: reply(request, b"no", 403)  # type: ignore[attr-defined]
    with pytest.raises(Unreachable):
        through.get(at("n/ConfigMap/a"), within())
    through.close()


def test_a_token_is_sent_kept_and_asked_for_again_when_refused(scripted: Scripted) -> None:
    given = iter(["one", "two", "three"])
    provider = opened(ClusterAccess(scripted.url, token=lambda: next(given)))
    refused = {"Bearer one"}

    def handle(request: BaseHTTPRequestHandler) -> None:
        if request.headers["Authorization"] in refused:
            reply(request, {"kind": "Status", "message": "Unauthorized", "reason": "Unauthorized", "code": 401}, 401)
        else:
            reply(request, CONFIG_MAP)

    scripted.handle = handle
    for _ in range(3):
        provider.get(at("n/ConfigMap/a"), within())
    assert [h["Authorization"] for _, _, h in scripted.seen] == ["Bearer one", *["Bearer two"] * 3]
    refused |= {"Bearer two", "Bearer three"}
    with pytest.raises(Unauthenticated):
        provider.get(at("n/ConfigMap/a"), within())
    provider.close()


def test_no_secret_is_in_logs_or_errors(scripted: Scripted, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    access = ClusterAccess(scripted.url, token=lambda: "very-secret-token")
    provider = opened(access)
    scripted.handle = lambda request: reply(request, {"kind": "Secret", "data": {"k": "c2VjcmV0LWRhdGE="}})
    assert provider.secret_exists("n", "keys", within())
    scripted.handle = lambda request: reply(request, {}, 403)
    with pytest.raises(Forbidden) as caught:
        provider.get(at("n/ConfigMap/a"), within())
    for text in (caplog.text, str(caught.value.to_dict()), repr(access), repr(provider)):
        assert "very-secret-token" not in text
        assert "c2VjcmV0LWRhdGE=" not in text
    provider.close()


# -- TLS -------------------------------------------------------------------------------------------------------


def certificate(issuer: tuple[Any, Any] | None = None, name: str = "ca") -> tuple[Any, Any]:
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, name)])
    now = datetime.datetime.now(datetime.UTC)
    builder = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer[0].subject if issuer else subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(x509.BasicConstraints(ca=issuer is None, path_length=None), critical=True)
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]), critical=False)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
    )
    signer = issuer[1] if issuer else key
    if issuer:
        authority = x509.AuthorityKeyIdentifier.from_issuer_public_key(signer.public_key())
        builder = builder.add_extension(authority, critical=False)
    return builder.sign(signer, hashes.SHA256()), key


def pem(thing: Any) -> str:
    if isinstance(thing, x509.Certificate):
        return thing.public_bytes(serialization.Encoding.PEM).decode()
    encoding, form = serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8
    return str(thing.private_bytes(encoding, form, serialization.NoEncryption()).decode())


@pytest.fixture(scope="module")
def authority() -> tuple[Any, Any]:
    return certificate()


@pytest.fixture
def secure(authority: tuple[Any, Any], tmp_path: Path) -> Iterator[Scripted]:
    """A TLS server that asks for a client certificate of the same authority."""
    cert, key = certificate(authority, "server")
    file = tmp_path / "server.pem"
    file.write_text(pem(cert) + pem(key))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(file)
    context.load_verify_locations(cadata=pem(authority[0]))
    context.verify_mode = ssl.CERT_OPTIONAL
    server = Scripted(context)
    server.handle = lambda request: reply(
        request, {**CONFIG_MAP, "data": {"peer": str(bool(request.connection.getpeercert()))}}
    )  # type: ignore[attr-defined]
    yield server
    server.close()


def test_the_clusters_own_authority_and_a_client_certificate_are_used_and_leave_no_file(
    secure: Scripted, authority: tuple[Any, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "temporary"
    folder.mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(folder))
    cert, key = certificate(authority, "client")
    access = ClusterAccess(
        secure.url, ca_pem=pem(authority[0]), client_certificate_pem=pem(cert), client_key_pem=pem(key)
    )
    provider = opened(access)
    assert list(folder.iterdir()) == []
    assert provider.get(at("n/ConfigMap/a"), within()).raw["object"]["data"] == {"peer": "True"}
    assert pem(key) not in repr(access)
    provider.close()


def test_a_certificate_of_an_unknown_authority_is_refused_with_what_to_check(secure: Scripted) -> None:
    provider = opened(ClusterAccess(secure.url, ca_pem=pem(certificate()[0])))
    with pytest.raises(Unreachable) as caught:
        provider.get(at("n/ConfigMap/a"), within())
    assert "ca_bundle" in caught.value.mend
    provider.close()


def test_the_accounts_ca_bundle_counts_too(secure: Scripted, authority: tuple[Any, Any], tmp_path: Path) -> None:
    bundle = tmp_path / "bundle.pem"
    bundle.write_text(pem(authority[0]))
    provider = opened(ClusterAccess(secure.url), Account("n", "aws", "aws-cn", "2", ca_bundle=str(bundle)))
    assert provider.get(at("n/ConfigMap/a"), within()).provider_id == "1"
    provider.close()


# -- answers that are none -------------------------------------------------------------------------------------


@pytest.mark.parametrize("body", [b"<html>captive portal</html>", b"[1]", b"", b'{"kind": "Conf'])
def test_an_answer_that_is_no_json_object_is_unreachable_and_not_absent(scripted: Scripted, body: bytes) -> None:
    scripted.handle = lambda request: reply(request, body)
    provider = opened(ClusterAccess(scripted.url))
    with pytest.raises(Unreachable, match="no JSON"):
        provider.get(at("n/ConfigMap/a"), within())
    provider.close()


def test_a_server_that_never_answers_is_given_up_at_the_deadline(scripted: Scripted) -> None:
    done = threading.Event()
    scripted.handle = lambda request: done.wait(5)  # type: ignore[assignment,return-value]
    provider = opened(ClusterAccess(scripted.url))
    began_s = time.monotonic()
    with pytest.raises(Unreachable):
        provider.get(at("n/ConfigMap/a"), within(0.3))
    assert time.monotonic() - began_s < 2
    done.set()
    provider.close()


def test_a_body_beyond_the_limit_is_cut(scripted: Scripted) -> None:
    scripted.handle = lambda request: reply(request, b"x" * 200_000)
    provider = opened(ClusterAccess(scripted.url))
    status, body = provider.http_get("n", "web", 80, "big?a=b c", within())
    assert (status, len(body)) == (200, 65536)
    assert scripted.seen[-1][1] == "/api/v1/namespaces/n/services/web:80/proxy/big?a=b%20c"
    provider.close()


@pytest.mark.parametrize("status", [404, 403, 500, 503])
def test_a_backends_own_bad_status_is_an_answer_and_no_error(scripted: Scripted, status: int) -> None:
    scripted.handle = lambda request: reply(request, b"from the backend", status)
    provider = opened(ClusterAccess(scripted.url))
    assert provider.http_get("n", "web", 80, "/", within()) == (status, b"from the backend")
    provider.close()


# -- watches ---------------------------------------------------------------------------------------------------


def test_a_watch_survives_a_drop_an_expiry_and_rubbish(scripted: Scripted) -> None:
    available = 0
    rounds: list[str] = []

    def handle(request: BaseHTTPRequestHandler) -> None:
        nonlocal available
        obj = {
            "apiVersion": "apps/v1",
            "kind": "Deployment",
            "metadata": {"name": "web", "namespace": "n", "uid": "d", "generation": 1, "resourceVersion": "7"},
            "spec": {"replicas": 1, "selector": {"matchLabels": {"app": "web"}}},
            "status": {"observedGeneration": 1, "replicas": 1, "updatedReplicas": 1, "availableReplicas": available},
        }
        if "watch=true" not in request.path:
            listing = "/replicasets" in request.path or "/pods" in request.path
            reply(request, {"items": []} if listing else obj)
            return
        rounds.append(request.path)
        assert "resourceVersion=7" in request.path
        assert "timeoutSeconds=" in request.path
        expired = {"type": "ERROR", "object": {"kind": "Status", "code": 410, "reason": "Expired"}}
        match len(rounds):
            case 1:
                reply(request, {"kind": "Status", "reason": "Expired", "code": 410}, 410)
            case 2:
                reply(request, json.dumps(expired).encode() + b"\n")
            case 3:
                request.send_response(200)
                request.send_header("Content-Length", "1000")
                request.end_headers()
                request.wfile.write(b'{"type": "MODIFIED", "obj')
                request.close_connection = True
            case 4:
                reply(request, b"\n<html>\n")
            case _:
                obj["status"]["availableReplicas"] = 1  # type: ignore[index]
                bookmark = {"type": "BOOKMARK", "object": {"metadata": {"resourceVersion": "8"}}}
                events = [bookmark, {"type": "MODIFIED", "object": obj}]
                reply(request, b"".join(json.dumps(e).encode() + b"\n" for e in events))

    scripted.handle = handle
    provider = opened(ClusterAccess(scripted.url), max_attempts=5)
    assert provider.wait_ready(at("n/Deployment/web"), within(20)).state is State.READY
    assert len(rounds) == 5
    provider.close()


def test_a_kind_that_is_not_built_in_is_found_in_the_directory(scripted: Scripted) -> None:
    route = {
        "apiVersion": "gateway.networking.k8s.io/v1",
        "kind": "HTTPRoute",
        "metadata": {"name": "web", "namespace": "n", "uid": "1"},
    }
    answers = {
        "/apis/gateway.networking.k8s.io": {"preferredVersion": {"version": "v1"}},
        "/apis/gateway.networking.k8s.io/v1": {
            "resources": [
                {"name": "httproutes/status", "kind": "HTTPRoute"},
                {"name": "httproutes", "kind": "HTTPRoute"},
            ]
        },
        "/apis/gateway.networking.k8s.io/v1/namespaces/n/httproutes/web": route,
    }
    scripted.handle = lambda request: reply(request, answers[request.path])
    provider = opened(ClusterAccess(scripted.url))
    name = "n/HTTPRoute.gateway.networking.k8s.io/web"
    for _ in range(2):
        assert provider.get(at(name), within()).address == at(name)
    assert len(scripted.seen) == 4
    provider.close()


def test_warnings_of_the_api_are_told(scripted: Scripted) -> None:
    def handle(request: BaseHTTPRequestHandler) -> None:
        if request.command == "GET":
            reply(request, {"kind": "Status", "reason": "NotFound", "code": 404}, 404)
        else:
            reply(request, CONFIG_MAP, Warning='299 - "would violate PodSecurity"')

    scripted.handle = handle
    told: list[str] = []
    provider = opened(ClusterAccess(scripted.url))
    wanted = KubernetesObject(name="main/n/ConfigMap/a", manifest=CONFIG_MAP)
    provider.create(at("n/ConfigMap/a"), wanted, within(progress=told.append))
    assert told == ["patch configmaps n/a: would violate PodSecurity"]
    provider.close()
