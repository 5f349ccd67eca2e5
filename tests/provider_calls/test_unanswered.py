"""Why no answer came: the same words for the same trouble, whatever SDK wraps it, and no signed URL."""

from __future__ import annotations

import socket
import ssl

import pytest

from providers.unanswered import quoted, unanswered

SIGNED = (
    "HTTPSConnectionPool(host='ecs.cn-x.aliyuncs.com', port=443): Max retries exceeded with url: "
    "/?Action=X&Signature=abc%3D (Caused by NewConnectionError('Failed to establish: [Errno 111] Connection refused'))"
)
TROUBLE = {
    "dns": (socket.gaierror(-2, "Name or service not known"), "looked up (DNS)"),
    "dns elsewhere": (OSError("getaddrinfo failed"), "looked up (DNS)"),
    "clock": (ssl.SSLCertVerificationError("CERTIFICATE_VERIFY_FAILED: certificate is not yet valid"), "at this time"),
    "authority": (ssl.SSLError("CERTIFICATE_VERIFY_FAILED: unable to get local issuer"), "not trusted here"),
    "no tls": (ssl.SSLError(1, "[SSL: WRONG_VERSION_NUMBER] wrong version number"), "does not speak TLS"),
    "login": (OSError("Tunnel connection failed: 407 Proxy Authentication Required"), "wants to know who we are"),
    "proxy": (OSError("Tunnel connection failed: 403 Forbidden"), "does not let us through"),
    "no proxy": (
        OSError("Unable to connect to proxy: NewConnectionError(Connection refused)"),
        "nothing answers where",
    ),
    "half": (OSError("Connection broken: IncompleteRead(41 bytes read)"), "broke off"),
    "refused": (ConnectionRefusedError(111, "Connection refused"), "refuses connections"),
    "slow": (TimeoutError("The read operation timed out"), "in time"),
}


@pytest.mark.parametrize("name", TROUBLE)
def test_what_is_in_the_way_is_told_with_what_to_do(name: str) -> None:
    behind, said = TROUBLE[name]
    wrapped = RuntimeError("the SDK's own words")
    wrapped.__cause__ = behind
    for error in (behind, wrapped, RuntimeError(behind)):
        found = unanswered(error)
        assert found.known
        assert said in found.what
        assert found.mend


def test_what_nobody_knows_is_no_answer_all_the_same() -> None:
    found = unanswered(RuntimeError("odd"))
    assert (found.known, found.sentence("op", "AWS")) == (False, "op: AWS does not answer")


def test_the_host_is_named_and_no_signature_is() -> None:
    error = OSError(SIGNED)
    assert unanswered(error).sentence("ecs:X") == "ecs:X: ecs.cn-x.aliyuncs.com refuses connections"
    assert "Signature" not in quoted(error)
    assert "ecs.cn-x.aliyuncs.com" in quoted(error)
