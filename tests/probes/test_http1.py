"""Reading one HTTP/1.1 answer, however its bytes come."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from probes.http1 import MAX_BODY_BYTES, Exchange, NotHttpError

ANSWERS = [
    (b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nhello", 200, True),
    (b"HTTP/1.1 204 No Content\r\n\r\n", 204, True),
    (b"HTTP/1.1 503 No\r\nContent-Length: 0\r\nConnection: close\r\n\r\n", 503, False),
    (b"HTTP/1.0 200 OK\r\ncontent-length: 2\r\n\r\nok", 200, False),
    (
        b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5;x=1\r\nhello\r\n3\r\nyou\r\n0\r\nt: 1\r\n\r\n",
        200,
        True,
    ),
    (b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n", 200, True),
    (b"HTTP/1.1 200 OK\r\n\r\nuntil the end", 200, False),
    (b"HTTP/1.1 200 OK\r\ncontent-length: 99999999999\r\n\r\nx", 200, False),
]


@pytest.mark.parametrize(("answer", "status", "reusable"), ANSWERS)
@settings(deadline=None)
@given(data=st.data())
def test_an_answer_cut_anywhere_reads_the_same(answer: bytes, status: int, reusable: bool, data: st.DataObject) -> None:
    cuts = sorted(data.draw(st.lists(st.integers(0, len(answer)), max_size=6)))
    exchange, head = Exchange(), None
    for start, end in zip([0, *cuts], [*cuts, len(answer)], strict=True):
        if head is None:
            head = exchange.feed(answer[start:end])
    assert head is not None
    assert head.status == status
    assert exchange.reusable is reusable


@pytest.mark.parametrize(
    "nonsense",
    [
        b"SSH-2.0-OpenSSH_9.2\r\n",
        b"HTTP/1.1 abc\r\n\r\n",
        b"HTTP/2 200\r\n\r\n",
        b"HTTP/1.1 200 OK\r\ncontent-length: -5\r\n\r\n",
        b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\nxyz\r\n",
        b"HTTP/1.1 200 OK\r\n" + b"a: " + b"b" * 20_000,
        b"HTTP/1.1 100 Continue\r\n\r\n" * 9,
    ],
)
def test_what_is_no_http_is_refused(nonsense: bytes) -> None:
    with pytest.raises(NotHttpError):
        Exchange().feed(nonsense)


def test_an_endless_body_is_read_up_to_a_limit() -> None:
    exchange, fed = Exchange(), 0
    assert exchange.feed(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n") is None
    while exchange.feed(b"1000\r\n" + b"x" * 4096 + b"\r\n") is None:
        fed += 4096
        assert fed <= MAX_BODY_BYTES
    assert not exchange.reusable


@settings(deadline=None)
@given(st.binary(max_size=300))
def test_any_bytes_come_to_an_end(data: bytes) -> None:
    """An answer, a refusal or more to come: nothing else."""
    try:
        head = Exchange().feed(data)
    except NotHttpError:
        return
    assert head is None or 200 <= head.status <= 999
