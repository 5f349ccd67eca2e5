"""Accounts and networks that are not in order, at the wire of every cloud: named as what they are, with the mend.

Beside test_what_goes_wrong: expired tokens, wrong clocks, missing permissions and regions that are off; a proxy's page
instead of an answer, TLS and names that fail, half an answer; words that nobody knows yet; names that a cloud refuses.
"""

from __future__ import annotations

import socket
import socketserver
import threading
import time
from collections.abc import Iterator
from typing import Any

import pytest

from model.errors import CloudError, Forbidden, InvalidRequest, NotFound, Transient, Unauthenticated, Unreachable
from model.resources import Disk, Kind, State

CLOUDS = ("aws", "azure", "alibaba")
REFUSALS = {
    "aws": {
        "token expired": (400, "ExpiredTokenException", Unauthenticated),
        "clock off": (400, "RequestExpired", Unauthenticated),
        "no permission": (403, "UnauthorizedOperation", Forbidden),
        "region off": (401, "OptInRequired", Forbidden),
    },
    "azure": {
        "token expired": (401, "ExpiredAuthenticationToken", Unauthenticated),
        "clock off": (401, "InvalidAuthenticationToken", Unauthenticated),  # its time lies ahead of Azure's
        "no permission": (403, "AuthorizationFailed", Forbidden),
        "region off": (409, "SubscriptionNotRegistered", Forbidden),
    },
    "alibaba": {
        "token expired": (400, "InvalidSecurityToken.Expired", Unauthenticated),
        "clock off": (400, "InvalidTimeStamp.Expired", Unauthenticated),
        "no permission": (403, "Forbidden.RAM", Forbidden),
        "region off": (403, "InvalidRegion.NotAuthorized", Forbidden),
    },
}
"""Cloud -> what is not in order -> (status, the cloud's code, the error)."""
READS = {
    "aws": "ec2:DescribeVpcs",
    "azure": "GET Microsoft.Network/virtualNetworks",
    "alibaba": "vpc:DescribeVpcs",
}
STATES = {
    "aws": (Kind.SUBNET, "ec2:DescribeSubnets", "state"),  # a VPC's first `state` is that of its range
    "azure": (Kind.NETWORK, READS["azure"], "provisioningState"),
    "alibaba": (Kind.NETWORK, READS["alibaba"], "Status"),
}
"""Cloud -> (kind, what reads it, where its state stands)."""
PAGE = b"<!DOCTYPE html>\n<html><head><title>Sign in</title></head><body><h1>Sign in to the proxy</h1></body></html>\n"
HALF = b'{"value": [{"id": "/subscriptions/x", "name": "ha'


@pytest.fixture(params=CLOUDS)
def real(request: pytest.FixtureRequest, sites: Any) -> Iterator[Any]:
    """A site of a cloud with a wire. Faults that a test puts in are taken out."""
    found = sites[request.param]
    found.base(Kind.NETWORK)
    yield found
    found.running.sandbox.faults.clear()


def networks(site: Any, provider: Any = None, timeout_s: float = 5.0) -> list[Any]:
    return list((provider or site.provider).list(Kind.NETWORK, site.cloud.region, site.call(timeout_s=timeout_s)))


# -- the account is not in order ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("what", list(REFUSALS["aws"]))
def test_an_account_that_is_not_in_order(real: Any, what: str) -> None:
    """Told at once: what is wrong with the account does not pass by waiting."""
    status, code, error = REFUSALS[real.cloud.name][what]
    before = real.fired()
    real.fault(READS[real.cloud.name], status=status, code=code, count=-1)
    with pytest.raises(error) as caught:
        networks(real)
    assert real.fired() == before + 1
    assert caught.value.call.code == code
    assert caught.value.call.account == real.account.name
    assert caught.value.mend
    assert not caught.value.retryable


# -- the network is not ------------------------------------------------------------------------------------------------


class Talker(socketserver.BaseRequestHandler):
    """Answers every request with the server's `answer`, and closes."""

    def handle(self) -> None:
        self.request.settimeout(5.0)
        said = b""
        while b"\r\n\r\n" not in said:
            part = self.request.recv(65536)
            if not part:
                return
            said += part
        self.request.sendall(self.server.answer)  # type: ignore[attr-defined]


class Server(socketserver.ThreadingTCPServer):
    allow_reuse_address, daemon_threads = True, True
    answer = b""


@pytest.fixture(scope="module")
def talker() -> Iterator[Server]:
    with Server(("127.0.0.1", 0), Talker) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
        thread.start()
        yield server
        server.shutdown()
        thread.join(5)


def answer(status: str, body: bytes, length: int | None = None, kind: str = "text/html") -> bytes:
    head = (
        f"HTTP/1.1 {status}",
        f"Content-Type: {kind}",
        f"Content-Length: {length or len(body)}",
        "Connection: close",
    )
    return "\r\n".join((*head, "", "")).encode() + body


def away(site: Any, server: Server, scheme: str = "http") -> Any:
    return site.open(endpoint=f"{scheme}://127.0.0.1:{server.server_address[1]}")


def told(site: Any, provider: Any, *errors: type[CloudError]) -> CloudError:
    """What both a list and a get raise; neither may say that there is nothing."""
    with pytest.raises(errors):
        networks(site, provider, timeout_s=0.6)
    with pytest.raises(errors) as caught:
        provider.get(site.stands(Kind.NETWORK)[1].address, site.call(timeout_s=0.6))
    assert not isinstance(caught.value, NotFound)
    assert site.account.secrets["secret"] not in f"{caught.value!r} {caught.value.to_dict()}"
    return caught.value


@pytest.mark.parametrize("status", ["200 OK", "403 Forbidden", "404 Not Found", "502 Bad Gateway"])
def test_a_proxys_page_is_no_answer_of_the_cloud(real: Any, talker: Server, status: str) -> None:
    """Whatever its status: not an empty list, not "not found", and no exception of an SDK's."""
    talker.answer = answer(status, PAGE)
    error = told(real, away(real, talker), CloudError)
    assert error.call.cloud == real.cloud.name


def test_half_an_answer_is_none(real: Any, talker: Server) -> None:
    talker.answer = answer("200 OK", HALF, length=10_000, kind="application/json")
    told(real, away(real, talker), Unreachable, Transient)


@pytest.mark.filterwarnings("ignore:ssl.PROTOCOL_TLS is deprecated")  # which an SDK's own urllib3 uses
def test_tls_that_fails(real: Any, talker: Server) -> None:
    """The other side speaks no TLS."""
    talker.answer = answer("400 Bad Request", PAGE)
    told(real, away(real, talker, "https"), Unreachable)


def test_a_name_that_nobody_knows(real: Any, talker: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    def nobody(*_args: Any, **_more: Any) -> Any:
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    provider = away(real, talker)
    monkeypatch.setattr(socket, "getaddrinfo", nobody)
    told(real, provider, Unreachable)


def test_bad_weather_is_told_in_time(real: Any, talker: Server) -> None:
    talker.answer = answer("502 Bad Gateway", PAGE)
    began = time.monotonic()
    with pytest.raises(CloudError):
        networks(real, away(real, talker), timeout_s=0.5)
    assert time.monotonic() - began < 3.0


# -- words and names ---------------------------------------------------------------------------------------------------


def test_a_word_that_nobody_knows_yet(real: Any) -> None:
    """A newer API's state: the resource is there, whole, and not taken for ready."""
    kind, operation, field = STATES[real.cloud.name]
    wanted, seen = real.stands(kind)
    before, region = real.fired(), real.cloud.region
    real.fault(operation, corrupt=f"{field}=Hovering", count=-1)
    listed = list(real.provider.list(kind, region, real.call(), fleet=real.fleet))
    assert real.fired() > before
    assert seen.address in [o.address for o in listed]
    found = real.provider.get(seen.address, real.call())
    assert found.state in (State.PENDING, State.UPDATING)
    assert (found.provider_id, found.resource.cidr) == (seen.provider_id, wanted.cidr)


@pytest.mark.parametrize("name", ["d" * 100, "My_Disk.v1", "disk-" + "0123456789" * 7])
def test_a_name_that_a_cloud_refuses(real: Any, name: str) -> None:
    """Made and known by the whole name, or refused with the mend before anything is made."""
    wanted = Disk(name=name, zone=real.cloud.zones[0], size_gib=20)
    before = real.inventory()
    try:
        seen = real.make(wanted)
    except InvalidRequest as refused:
        assert refused.mend
        assert real.new_since(before) == {}
        return
    assert seen.address.name == seen.resource.name == name
    assert name in real.names(Kind.DISK)
    assert real.open().create(seen.address, wanted, real.call("again")).provider_id == seen.provider_id
    real.provider.delete(seen, real.call())
    real.provider.wait_gone(seen.address, real.call())
