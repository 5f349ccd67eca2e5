"""The wire forms beside JSON: protobuf bodies, SPDY frames, the forms of answers, and the OpenAPI documents."""

from __future__ import annotations

import base64
import json
import os
import struct
import zlib
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sandbox.kubernetes import bodies, negotiation, openapi, protobuf, schema, spdy
from sandbox.kubernetes.errors import ApiError
from sandbox.kubernetes.kinds import KINDS
from sandbox.kubernetes.listing import ListOptions
from sandbox.kubernetes.spdy import Kind

DATA = Path(os.environ.get("DUOYUN_REFERENCE_DATA") or Path(__file__).parents[2].parent / "shared" / "data")
OPENAPI = DATA / "kubernetes" / "openapi-v3"

# -- protobuf: an encoder of the test's own, after the same table ---------------------------------------------------


def _varint(number: int) -> bytes:
    number &= (1 << 64) - 1
    out = bytearray()
    while True:
        number, low = number >> 7, number & 0x7F
        out.append(low | (0x80 if number else 0))
        if not number:
            return bytes(out)


def _chunk(number: int, raw: bytes) -> bytes:
    return _varint(number << 3 | 2) + _varint(len(raw)) + raw


def _encoded(value: Any, kind: str, number: int) -> bytes:
    kind = kind.lstrip("*")
    if kind.startswith("[]"):
        return b"".join(_encoded(v, kind[2:], number) for v in value)
    if kind.startswith("map:"):
        rows = (_chunk(1, k.encode()) + _encoded(v, kind[4:], 2) for k, v in value.items())
        return b"".join(_chunk(number, row) for row in rows)
    if kind in ("int", "int32", "int64", "bool"):
        return _varint(number << 3) + _varint(int(value))
    if kind == "string":
        return _chunk(number, value.encode())
    if kind == "bytes":
        return _chunk(number, base64.b64decode(value))
    if kind == "quantity":
        return _chunk(number, _chunk(1, value.encode()))
    if kind == "intstr":
        text = isinstance(value, str)
        raw = _varint(8) + _varint(text) + (_chunk(3, value.encode()) if text else _varint(16) + _varint(value))
        return _chunk(number, raw)
    return _chunk(number, _message(value, kind))


def _message(value: dict[str, Any], message: str) -> bytes:
    out = b""
    for number, (name, kind) in protobuf.table()[message].items():
        if not name:
            inner = _message(value, kind.lstrip("*"))
            out += _chunk(int(number), inner) if inner else b""
        elif name in value:
            out += _encoded(value[name], kind, int(number))
    return out


_TEXT = st.text(st.characters(codec="utf-8"), min_size=1, max_size=8)


@st.composite
def _values(draw: st.DrawFn, message: str, depth: int = 0) -> dict[str, Any]:
    """Objects of a message, without the zeros that Go sends for nothing."""
    made: dict[str, Any] = {}
    for name, kind in protobuf.table()[message].values():
        bare = kind.lstrip("*")
        if not name or draw(st.integers(0, 3)):
            continue
        simple = {
            "string": _TEXT, "int32": st.integers(-(2**31), 2**31 - 1).filter(bool), "quantity": _TEXT,
            "int64": st.integers(-(2**63), 2**63 - 1).filter(bool), "bool": st.just(True),
            "bytes": st.binary(min_size=1, max_size=5).map(lambda raw: base64.b64encode(raw).decode()),
            "intstr": st.integers(1, 2**31 - 1) | _TEXT,
        }  # fmt: skip
        base = bare.removeprefix("[]").removeprefix("map:")
        if base not in simple and (depth > 2 or base not in protobuf.table()):
            continue
        one = simple[base] if base in simple else _values(base, depth + 1)
        if bare.startswith("[]"):
            made[name] = draw(st.lists(one, min_size=1, max_size=3))
        elif bare.startswith("map:"):
            made[name] = draw(st.dictionaries(_TEXT, one, min_size=1, max_size=3))
        else:
            made[name] = draw(one)
    return made


@settings(max_examples=60, deadline=None)
@given(st.sampled_from(["core/v1.Pod", "apps/v1.Deployment", "core/v1.Secret", "core/v1.Service"]), st.data())
def test_protobuf_reads_what_was_written(message: str, data: st.DataObject) -> None:
    value = data.draw(_values(message))
    package, _, kind = message.partition(".")
    group, _, version = package.partition("/")
    api_version = version if group == "core" else f"{group}/{version}"
    head = _chunk(1, _chunk(1, api_version.encode()) + _chunk(2, kind.encode()))
    read = protobuf.decode(b"k8s\x00" + head + _chunk(2, _message(value, message)))
    assert read == {"apiVersion": api_version, "kind": kind} | value


@settings(max_examples=200, deadline=None)
@given(st.binary(max_size=80))
def test_protobuf_of_anything_is_an_object_or_malformed(raw: bytes) -> None:
    head = _chunk(1, _chunk(1, b"v1") + _chunk(2, b"Pod"))
    for sent in (b"k8s\x00" + raw, b"k8s\x00" + head + _chunk(2, raw)):
        try:
            assert isinstance(protobuf.decode(sent), dict)
        except protobuf.Malformed as exc:
            assert str(exc)


# -- SPDY ----------------------------------------------------------------------------------------------------------


def _syn(deflate: Any, stream: int, headers: dict[str, str]) -> bytes:
    raw = struct.pack(">I", len(headers))
    for name, value in headers.items():
        raw += b"".join(struct.pack(">I", len(t)) + t.encode() for t in (name, value))
    block = deflate.compress(raw) + deflate.flush(zlib.Z_SYNC_FLUSH)
    return spdy.control(Kind.SYN_STREAM, struct.pack(">IIH", stream, 0, 0) + block)


@settings(max_examples=50, deadline=None)
@given(st.lists(st.integers(1, 40), max_size=30), st.binary(max_size=50))
def test_spdy_frames_come_out_however_they_are_cut(cuts: list[int], payload: bytes) -> None:
    deflate = zlib.compressobj(zdict=spdy.DICTIONARY)
    wanted = [{"streamtype": "error", "port": "80"}, {"streamtype": "data", "port": "80"}]
    sent = _syn(deflate, 1, wanted[0]) + _syn(deflate, 3, wanted[1]) + spdy.data(3, payload, final=True) + spdy.ping(7)
    reader, frames = spdy.Reader(), []
    for cut in [*cuts, len(sent)]:
        part, sent = sent[:cut], sent[cut:]
        frames += list(reader.feed(part))
    assert [(f.kind, f.stream) for f in frames] == [(1, 1), (1, 3), (0, 3), (6, 7)]
    assert [f.headers for f in frames[:2]] == wanted
    assert (frames[2].payload, frames[2].final) == (payload, True)


def test_a_broken_spdy_frame_is_told() -> None:
    for body in (struct.pack(">IIH", 1, 0, 0) + b"no zlib", b"\x00"):
        with pytest.raises(spdy.BadFrame):
            list(spdy.Reader().feed(spdy.control(Kind.SYN_STREAM, body)))


# -- forms of answers ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("accept", "shape", "yaml"),
    [
        ("", negotiation.OBJECT, False),
        ("*/*", negotiation.OBJECT, False),
        ("application/vnd.kubernetes.protobuf,application/json", negotiation.OBJECT, False),
        ("application/json;as=Table;v=v1;g=meta.k8s.io,application/json", negotiation.TABLE, False),
        ("application/json;as=Table;v=v7;g=meta.k8s.io,application/json", negotiation.OBJECT, False),
        ("application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1", negotiation.PARTIAL, False),
        ("application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList", negotiation.DISCOVERY, False),
        ("application/yaml", negotiation.OBJECT, True),
    ],
)
def test_the_first_form_that_can_be_served_is_taken(accept: str, shape: str, yaml: bool) -> None:
    found = negotiation.wanted(accept)
    assert (found.shape, found.yaml) == (shape, yaml)


@settings(max_examples=100, deadline=None)
@given(st.dictionaries(st.sampled_from(["limit", "continue", "resourceVersion", "resourceVersionMatch"]), st.text()))
def test_list_options_are_read_or_refused(query: dict[str, str]) -> None:
    try:
        ListOptions.parse(query)
    except ApiError as exc:
        assert exc.code in (400, 422)


def test_fields_that_stand_twice_are_named_by_their_path() -> None:
    raw = b'{"a": 1, "spec": {"x": [{"b": 1, "b": 2}]}, "a": 2}'
    data, twice = bodies.parse_json(raw)
    assert data == {"a": 2, "spec": {"x": [{"b": 2}]}}
    assert sorted(twice) == ["a", "spec.x[0].b"]


# -- OpenAPI -------------------------------------------------------------------------------------------------------


def test_every_model_that_is_served_has_its_published_name() -> None:
    seen: set[str] = set()

    def walk(model: str) -> None:
        known = schema.fields(model)
        if known is None or model in seen:
            return
        seen.add(model)
        for declared in known.values():
            inner = declared
            while schema.is_list(inner) or schema.is_map(inner):
                inner = schema.value_type(inner)
            walk(inner)

    for kind in KINDS:
        walk(kind.model)
    assert [m for m in seen if m not in openapi.messages()] == []


@pytest.mark.reference
@pytest.mark.skipif(not OPENAPI.is_dir(), reason=f"{OPENAPI} is absent")
@pytest.mark.parametrize(("file", "group"), [("api__v1", ""), ("apis__apps__v1", "apps"), ("apis__batch__v1", "batch")])
def test_the_openapi_documents_agree_with_the_published_ones(file: str, group: str) -> None:
    """The published ones are older: what they have we have, of the same type and with the same merge keys."""
    published = json.loads((OPENAPI / f"{file}_openapi.json").read_text())["components"]["schemas"]
    ours = openapi.document(group, "v1")["components"]["schemas"]
    renamed = {("PodResourceClaim", "source"), ("PersistentVolumeClaimStatus", "resizeStatus")}
    compared = 0
    for name in ours.keys() & published.keys():
        for field, theirs in published[name].get("properties", {}).items():
            if (name.rpartition(".")[2], field) in renamed:
                continue
            mine = ours[name]["properties"][field]
            assert mine.get("type") == theirs.get("type"), (name, field)
            assert mine.get("format") == theirs.get("format"), (name, field)
            if "x-kubernetes-patch-merge-key" in theirs and theirs.get("type") == "array":
                assert mine.get("x-kubernetes-patch-merge-key") == theirs["x-kubernetes-patch-merge-key"], (name, field)
            compared += 1
    assert compared > 100
