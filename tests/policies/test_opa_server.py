"""A real OPA server on loopback: it agrees with the embedded engine on every example; whatever goes wrong denies."""

from __future__ import annotations

import datetime
import os
import shutil
import socket
import subprocess
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from policies.engine import RegoEngine
from policies.evaluation import Answer, Task
from policies.gate import judge
from policies.rules import Bundle, default_bundle, load_bundle, shipped_examples
from policies.server import OpaServer, Server

TODAY = datetime.date(2026, 11, 23)
ROOT = Path(__file__).parents[2]
DOCUMENT = {"kind": "firewall_group", "address": "a/b", "name": "b", "tags": {"owner": "o"}, "ownership": "own"}


def _opa() -> str:
    """The binary that .ci/run installs; tests that need it are skipped by name where there is none."""
    found = os.environ.get("DUOYUN_TEST_OPA") or shutil.which("opa")
    if not found and (ROOT / ".venv" / "opa" / "opa").exists():
        found = str(ROOT / ".venv" / "opa" / "opa")
    if not found:
        pytest.skip("no OPA server to be had: go install github.com/open-policy-agent/opa (see .ci/run)")
    return found


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _started(folder: Path, *args: str, scheme: str = "http") -> Iterator[str]:
    port = _free_port()
    with (folder / "opa.log").open("w") as log:
        process = subprocess.Popen(
            [_opa(), "run", "--server", "--addr", f"127.0.0.1:{port}", "--disable-telemetry", *args],
            stdout=log,
            stderr=log,
        )
    try:
        _answering(process, port)
        yield f"{scheme}://127.0.0.1:{port}"
    finally:
        process.terminate()
        process.wait(10)


def _answering(process: subprocess.Popen[bytes], port: int) -> None:
    until = time.monotonic() + 30
    while time.monotonic() < until and process.poll() is None:
        with socket.socket() as probe:
            probe.settimeout(1)
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        threading.Event().wait(0.05)
    raise AssertionError(f"opa did not start: {process.poll()}")


@pytest.fixture(scope="module")
def opa(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """With the whole bundle loaded from its files."""
    yield from _started(tmp_path_factory.mktemp("opa"), "--ignore=*.yaml", str(ROOT / "policies" / "bundle"))


@pytest.fixture(scope="module")
def small() -> Bundle:
    """Two rules and what they import: uploading all of them takes OPA too long for a test."""
    whole = default_bundle()
    wanted = [whole.rule("DY-NET-000"), whole.rule("DY-NET-001")]
    modules = {n: t for n, t in whole.modules.items() if n.startswith("lib/") or n in {r.source for r in wanted}}
    return load_bundle(modules, isolated=False, checked=())


def _rows(answer: Answer) -> tuple[list[tuple[Any, ...]], list[str]]:
    rows = sorted((r["address"], r["message"], str(r.get("position", ""))) for r in answer.rows)
    return rows, sorted(f.address for f in answer.faults)


def test_both_engines_agree_on_every_example_of_every_rule(opa: str) -> None:
    bundle, examples = default_bundle(), shipped_examples()
    embedded = RegoEngine(bundle.modules, checked=())
    server = OpaServer(Server(url=opa, upload=False), bundle.modules)
    compared = 0
    differ: dict[str, Any] = {}
    for rule in bundle.rules:
        for case in [*examples[rule.id]["pass"], *examples[rule.id]["fail"]]:
            documents = case["documents"] if isinstance(case, Mapping) else case
            more = case.get("parameters", {}) if isinstance(case, Mapping) else {}
            task = Task(
                rule.id, rule.package, rule.source, rule.kinds, {**rule.parameters, **more}, objects=rule.objects
            )
            (here,), (there,) = embedded.answers([task], documents), server.answers([task], documents)
            if _rows(here) != _rows(there):
                differ[rule.id] = (_rows(here), _rows(there))
            compared += 1
    assert differ == {}
    assert compared > 3 * len(bundle.rules)


def test_a_builtin_that_fails_is_a_fault_there_too(opa: str, small: Bundle) -> None:
    bundle = small
    broken = {
        "direction": "ingress",
        "protocol": "tcp",
        "action": "allow",
        "priority": 0,
        "port_from": 22,
        "port_to": 22,
    }
    bad = {**DOCUMENT, "rules": [{**broken, "cidr": "0.0.0.0/zero"}]}
    good = {**DOCUMENT, "address": "a/c", "rules": [{**broken, "cidr": "0.0.0.0/0"}]}
    server = OpaServer(Server(url=opa, upload=False), bundle.modules)
    here = judge([bad, good], today=TODAY, bundle=bundle)
    there = judge([bad, good], today=TODAY, bundle=bundle, evaluator=server)
    assert not there.passed
    shape = [(f.rule_id, f.address, f.fault) for f in here.findings]
    assert [(f.rule_id, f.address, f.fault) for f in there.findings] == shape


def test_a_rule_that_the_server_does_not_have_denies(opa: str, tmp_path: Path) -> None:
    task = Task("X-1", "acme.not_there", "x.rego", ("*",))
    (answer,) = OpaServer(Server(url=opa, upload=False), {}).answers([task], [DOCUMENT])
    assert "has no data.acme.not_there.violations" in answer.faults[0].why


def test_a_bundle_is_uploaded_once_and_anew_where_it_differs(tmp_path: Path, small: Bundle) -> None:
    for url in _started(tmp_path):
        documents = [{**DOCUMENT, "rules": []}]
        assert judge(documents, today=TODAY, bundle=small, evaluator=OpaServer(Server(url=url), small.modules)).passed
        again = OpaServer(Server(url=url), small.modules)
        again._upload = None  # type: ignore[method-assign,assignment]  (it must not be asked)
        assert judge(documents, today=TODAY, bundle=small, evaluator=again).passed
        rule = small.rule("DY-NET-001")
        other = {**small.modules, rule.source: small.modules[rule.source] + "\n# another word\n"}
        assert judge(documents, today=TODAY, bundle=small, evaluator=OpaServer(Server(url=url), other)).passed


def test_a_bundle_that_the_server_refuses_denies_with_the_modules_name(opa: str) -> None:
    server = OpaServer(Server(url=opa), {"broken.rego": "package broken\n\nx if { nosuch(1) }\n"})
    (answer,) = server.answers([Task("X-1", "broken", "broken.rego", ("*",))], [DOCUMENT])
    assert "refuses broken.rego" in answer.faults[0].why


def test_a_token_is_sent_and_a_wrong_one_denies(tmp_path: Path, small: Bundle) -> None:
    (tmp_path / "authz.rego").write_text(
        'package system.authz\n\nimport rego.v1\n\ndefault allow := false\n\nallow if input.identity == "right"\n'
    )
    for url in _started(tmp_path, "--authentication=token", "--authorization=basic", str(tmp_path / "authz.rego")):
        bundle = small
        right = OpaServer(Server(url=url, token="right"), bundle.modules)
        assert judge([{**DOCUMENT, "rules": []}], today=TODAY, bundle=bundle, evaluator=right).passed
        wrong = OpaServer(Server(url=url, token="wrong"), bundle.modules)
        report = judge([{**DOCUMENT, "rules": []}], today=TODAY, bundle=bundle, evaluator=wrong)
        assert not report.passed
        assert "check its token" in report.findings[0].message


def _certificate(folder: Path) -> tuple[Path, Path]:
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec
    from cryptography.x509.oid import NameOID

    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "127.0.0.1")])
    now = datetime.datetime.now(datetime.UTC)
    import ipaddress

    builder = (
        x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(key.public_key())
        .serial_number(x509.random_serial_number()).not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .add_extension(
            x509.AuthorityKeyIdentifier.from_issuer_public_key(key.public_key()), critical=False
        )
        .add_extension(
            x509.KeyUsage(True, False, False, False, False, True, True, False, False), critical=True
        )
    )  # fmt: skip
    certificate, private = folder / "tls.crt", folder / "tls.key"
    certificate.write_bytes(builder.sign(key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM))
    private.write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    return certificate, private


def test_tls_is_verified_by_the_ca_that_was_named_and_by_nothing_else(tmp_path: Path, small: Bundle) -> None:
    certificate, private = _certificate(tmp_path)
    tls = [f"--tls-cert-file={certificate}", f"--tls-private-key-file={private}"]
    bundle = small
    for url in _started(tmp_path, *tls, scheme="https"):
        trusted = OpaServer(Server(url=url, ca_bundle=str(certificate)), bundle.modules)
        assert judge([{**DOCUMENT, "rules": []}], today=TODAY, bundle=bundle, evaluator=trusted).passed
        stranger = OpaServer(Server(url=url, retries=0), bundle.modules)
        report = judge([{**DOCUMENT, "rules": []}], today=TODAY, bundle=bundle, evaluator=stranger)
        assert not report.passed
        assert "does not answer" in report.findings[0].message


def test_the_bundle_is_formatted_and_strict_as_opa_has_it() -> None:
    folder = ROOT / "policies" / "bundle"
    fmt = subprocess.run([_opa(), "fmt", "--list", "--fail", str(folder)], capture_output=True, text=True, check=False)
    assert (fmt.returncode, fmt.stdout) == (0, ""), fmt.stderr
    rego = [str(p) for p in sorted(folder.rglob("*.rego"))]
    check = subprocess.run([_opa(), "check", "--strict", *rego], capture_output=True, text=True, check=False)
    assert check.returncode == 0, check.stderr


# -- a server that is none: no OPA needed ------------------------------------------------------------------------


@pytest.fixture
def answering() -> Iterator[Callable[..., tuple[str, list[int]]]]:
    """answering([status, ...], body): a server that answers so, in turn; its URL, and the statuses it has sent."""
    servers: list[ThreadingHTTPServer] = []

    def make(statuses: list[int], body: bytes) -> tuple[str, list[int]]:
        sent: list[int] = []

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                self.rfile.read(int(self.headers["Content-Length"]))
                sent.append(statuses[min(len(sent), len(statuses) - 1)])
                self.send_response(sent[-1])
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_: Any) -> None:
                return

        server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        servers.append(server)
        return f"http://127.0.0.1:{server.server_port}", sent

    yield make
    for server in servers:
        server.shutdown()
        server.server_close()


TASK = Task("X-1", "acme.x", "x.rego", ("*",))


def _asked(url: str, **more: Any) -> Answer:
    (answer,) = OpaServer(Server(url=url, upload=False, backoff_s=0.001, **more), {}).answers([TASK], [DOCUMENT])
    return answer


@pytest.mark.parametrize(
    ("status", "body"),
    [
        (200, b"{}"),
        (200, b'{"result": {}}'),
        (200, b'{"result": [7]}'),
        (200, b'{"result": [{"message": "no address"}]}'),
        (200, b"no json"),
        (200, b'{"resul'),
        (404, b"<html>"),
        (500, b"<html>"),
        (500, b'{"code": "internal_error", "errors": [{"message": "eval_builtin_error"}]}'),
        (503, b"{}"),
    ],
)
def test_no_odd_answer_is_a_pass(answering: Any, status: int, body: bytes) -> None:
    url, _ = answering([status], body)
    assert _asked(url).faults


def test_what_says_try_again_is_tried_again_and_not_for_ever(answering: Any) -> None:
    url, sent = answering([503, 200], b'{"result": []}')
    assert _asked(url, retries=2) == Answer()
    assert sent == [503, 200]
    url, sent = answering([503], b"{}")
    assert "answers 503" in _asked(url, retries=2).faults[0].why
    assert sent == [503] * 3


def test_a_server_that_is_down_denies_unless_the_embedded_engine_may_step_in(small: Bundle) -> None:
    url = f"http://127.0.0.1:{_free_port()}"
    assert "does not answer" in _asked(url, retries=1).faults[0].why
    bundle = load_bundle(small.modules, checked=())
    server = Server(url=url, retries=0)
    report = judge([{**DOCUMENT, "rules": []}], today=TODAY, bundle=bundle, evaluator=OpaServer(server, bundle.modules))
    assert not report.passed
    assert {f.rule_id for f in report.findings} == {r.id for r in bundle.rules}
    instead = OpaServer(server, bundle.modules, bundle.evaluator)
    assert judge([{**DOCUMENT, "rules": []}], today=TODAY, bundle=bundle, evaluator=instead).passed


def test_a_server_that_says_nothing_is_given_up_in_time() -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        began = time.monotonic()
        answer = _asked(f"http://127.0.0.1:{silent.getsockname()[1]}", timeout_s=0.2, retries=1)
        assert time.monotonic() - began < 5
    assert "does not answer" in answer.faults[0].why
