"""Lines between agents and the orchestrator: what is said is understood, anything else is refused."""

from __future__ import annotations

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from probes.messages import (
    BadMessageError,
    Hello,
    LocalVerdict,
    Order,
    Report,
    decode_from_agent,
    decode_from_hub,
    encode,
)
from probes.policy import Outcome, Status
from probes.targets import Kind, ProbeTarget

TARGET = ProbeTarget("pod x", "10.0.0.4", 8080, "/healthz", host_header="shop.example", tls=True, min_days=3.0)


@pytest.mark.parametrize(
    "message",
    [
        Hello("probe-a", "azure-cn/chinanorth3"),
        Report(7, Outcome.UNHEALTHY, 0.25, 0.001, "HTTP 503", 503),
        LocalVerdict("pod x", Status.DOWN, 61.5, "refused or unhealthy in 3 rounds"),
    ],
)
def test_what_an_agent_says_comes_back(message: Hello | Report | LocalVerdict) -> None:
    line = encode(message)
    assert line.endswith(b"\n")
    assert decode_from_agent(line) == message


def test_an_order_comes_back() -> None:
    order = Order(9, TARGET, True, 30.0)
    decoded = decode_from_hub(encode(order))
    assert (decoded.number, decoded.fresh, decoded.timeout_s) == (9, True, 30.0)
    assert decoded.target == ProbeTarget(
        "pod x", "10.0.0.4", 8080, "/healthz", host_header="shop.example", tls=True, min_days=3.0, kind=Kind.HTTP
    )


@pytest.mark.parametrize(
    "target",
    [
        ProbeTarget("t", "h", 1, kind=Kind.EXEC, command=("rm", "-r", "/")),
        ProbeTarget("t", "h", 1, ca_file="/etc/passwd"),
    ],
)
def test_commands_and_files_of_the_agents_machine_are_not_asked_for(target: ProbeTarget) -> None:
    with pytest.raises(ValueError, match="not for others to name"):
        encode(Order(1, target, True, 1.0))


def _order(**changes: object) -> bytes:
    data = json.loads(encode(Order(9, TARGET, True, 30.0)))
    target = data["target"] | {k.removeprefix("target_"): v for k, v in changes.items() if k.startswith("target_")}
    rest = {k: v for k, v in changes.items() if not k.startswith("target_")}
    return json.dumps(data | {"target": target} | rest).encode()


@pytest.mark.parametrize(
    "line",
    [
        b"",
        b"\xff\xfe",
        b"[]",
        b"null",
        b"[" * 100_000,
        b'{"type":"hello","vantage":"a","failure_domain":"b"}',
        _order(target_kind="exec"),
        _order(target_port=0),
        _order(target_port=True),
        _order(target_path="/a b"),
        _order(target_path="/\r\nx: y"),
        _order(target_host="h" * 501),
        _order(timeout_s=float("nan")),
        _order(timeout_s=1e6),
        _order(timeout_s=-1),
        _order(fresh=1),
        _order(number=1.5),
        _order(target_min_days="1"),
        _order(type="result"),
    ],
)
def test_an_agent_obeys_nothing_else(line: bytes) -> None:
    with pytest.raises(BadMessageError):
        decode_from_hub(line)


@settings(max_examples=60, deadline=None)
@given(
    st.recursive(
        st.none() | st.booleans() | st.floats() | st.integers() | st.text(max_size=20),
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=10), inner, max_size=4),
        max_leaves=8,
    ),
    st.sampled_from(["hello", "result", "verdict", "probe", ""]),
)
def test_whatever_comes_is_a_message_or_refused(value: object, kind: str) -> None:
    data = value | {"type": kind} if isinstance(value, dict) else value
    for decode in (decode_from_agent, decode_from_hub):
        try:
            decode(json.dumps(data).encode())
        except BadMessageError as exc:
            assert str(exc)
