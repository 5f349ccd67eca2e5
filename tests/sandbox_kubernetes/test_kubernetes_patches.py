"""Patch formats, selectors and quantities."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sandbox.kubernetes import quantities
from sandbox.kubernetes.errors import ApiError
from sandbox.kubernetes.patches import json_merge, json_patch, strategic_merge
from sandbox.kubernetes.selectors import match_selector, parse_fields, parse_labels

_json = st.recursive(
    st.one_of(st.integers(), st.text(max_size=3), st.booleans()),
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(st.text(max_size=3), inner, max_size=3)),
    max_leaves=8,
)


# Examples of RFC 7386, appendix A.
@pytest.mark.parametrize(
    ("target", "patch", "expected"),
    [
        ({"a": "b"}, {"a": "c"}, {"a": "c"}),
        ({"a": "b"}, {"b": "c"}, {"a": "b", "b": "c"}),
        ({"a": "b"}, {"a": None}, {}),
        ({"a": ["b"]}, {"a": "c"}, {"a": "c"}),
        ({"a": {"b": "c"}}, {"a": {"b": "d", "c": None}}, {"a": {"b": "d"}}),
        ({"a": [{"b": "c"}]}, {"a": [1]}, {"a": [1]}),
        (["a", "b"], ["c", "d"], ["c", "d"]),
        ({"e": None}, {"a": 1}, {"e": None, "a": 1}),
        ({}, {"a": {"bb": {"ccc": None}}}, {"a": {"bb": {}}}),
    ],
)
def test_json_merge_patch_as_the_rfc_has_it(target: Any, patch: Any, expected: Any) -> None:
    assert json_merge(target, patch) == expected


@given(target=st.dictionaries(st.text(max_size=3), _json, max_size=4), patch=_json)
def test_json_merge_patch_is_idempotent(target: Any, patch: Any) -> None:
    once = json_merge(target, patch)
    assert json_merge(once, patch) == once


# Examples of RFC 6902, appendix A.
@pytest.mark.parametrize(
    ("target", "operations", "expected"),
    [
        ({"foo": "bar"}, [{"op": "add", "path": "/baz", "value": "qux"}], {"foo": "bar", "baz": "qux"}),
        ({"foo": ["a", "c"]}, [{"op": "add", "path": "/foo/1", "value": "b"}], {"foo": ["a", "b", "c"]}),
        ({"foo": [1]}, [{"op": "add", "path": "/foo/-", "value": 2}], {"foo": [1, 2]}),
        ({"a": 1, "b": 2}, [{"op": "remove", "path": "/a"}], {"b": 2}),
        ({"a": [1, 2, 3]}, [{"op": "remove", "path": "/a/1"}], {"a": [1, 3]}),
        ({"a": 1}, [{"op": "replace", "path": "/a", "value": 2}], {"a": 2}),
        ({"a": {"x": 1}, "b": {}}, [{"op": "move", "from": "/a/x", "path": "/b/y"}], {"a": {}, "b": {"y": 1}}),
        ({"a": 1}, [{"op": "copy", "from": "/a", "path": "/b"}], {"a": 1, "b": 1}),
        ({"a/b": 1}, [{"op": "test", "path": "/a~1b", "value": 1}], {"a/b": 1}),
        ({"m~n": 2}, [{"op": "remove", "path": "/m~0n"}], {}),
    ],
)
def test_json_patch_as_the_rfc_has_it(target: Any, operations: Any, expected: Any) -> None:
    before = repr(target)
    assert json_patch(target, operations) == expected
    assert repr(target) == before, "the original is left alone"


@pytest.mark.parametrize(
    ("operation", "code"),
    [
        ({"op": "remove", "path": "/nope"}, 422),
        ({"op": "test", "path": "/a", "value": 9}, 422),
        ({"op": "add", "path": "/l/9", "value": 9}, 422),
        ({"op": "dance", "path": "/a"}, 400),
        ({"path": "/a"}, 400),
        ({"op": "remove", "path": "a"}, 400),
    ],
)
def test_json_patch_refuses_what_does_not_apply(operation: Any, code: int) -> None:
    with pytest.raises(ApiError) as caught:
        json_patch({"a": 1, "l": []}, [operation])
    assert caught.value.code == code


def _pod(*containers: dict[str, Any]) -> dict[str, Any]:
    return {"spec": {"containers": list(containers)}}


def test_strategic_merge_merges_containers_by_name_and_replaces_plain_lists() -> None:
    live = _pod({"name": "a", "image": "1", "args": ["x"]}, {"name": "b", "image": "1"})
    patched = strategic_merge(live, _pod({"name": "a", "image": "2", "args": ["y"]}), "V1Pod")
    assert patched == _pod({"name": "a", "image": "2", "args": ["y"]}, {"name": "b", "image": "1"})


def test_strategic_merge_directives() -> None:
    live = _pod({"name": "a"}, {"name": "b"}, {"name": "c"})
    gone = strategic_merge(live, _pod({"name": "b", "$patch": "delete"}), "V1Pod")
    assert [c["name"] for c in gone["spec"]["containers"]] == ["a", "c"]
    new = strategic_merge(live, {"spec": {"containers": [{"name": "z"}, {"$patch": "replace"}]}}, "V1Pod")
    assert [c["name"] for c in new["spec"]["containers"]] == ["z"]
    patch = {"spec": {"$setElementOrder/containers": [{"name": "c"}, {"name": "a"}, {"name": "b"}], "containers": []}}
    assert [c["name"] for c in strategic_merge(live, patch, "V1Pod")["spec"]["containers"]] == ["c", "a", "b"]
    retained = strategic_merge(
        {"spec": {"strategy": {"type": "RollingUpdate", "rollingUpdate": {}}}},
        {"spec": {"strategy": {"$retainKeys": ["type"], "type": "Recreate"}}},
        "V1Deployment",
    )
    assert retained["spec"]["strategy"] == {"type": "Recreate"}
    primitives = {"metadata": {"$deleteFromPrimitiveList/finalizers": ["a"], "finalizers": ["c"]}}
    merged = strategic_merge({"metadata": {"finalizers": ["a", "b"]}}, primitives, "V1Pod")
    assert merged["metadata"]["finalizers"] == ["b", "c"]


def test_strategic_merge_needs_the_merge_key() -> None:
    with pytest.raises(ApiError):
        strategic_merge(_pod({"name": "a"}), _pod({"image": "1"}), "V1Pod")


@pytest.mark.parametrize(
    ("selector", "matches"),
    [
        ("", True),
        ("a=1", True),
        ("a==1,b", True),
        ("a!=1", False),
        ("c!=1", True),
        ("a in (1, 2)", True),
        ("a notin (1,2),b", False),
        ("!b", False),
        ("!c", True),
    ],
)
def test_label_selectors(selector: str, matches: bool) -> None:
    assert parse_labels(selector)({"a": "1", "b": ""}) is matches


@pytest.mark.parametrize("text", ["a in 1", "a==b==c", "=x", "a in (1"])
def test_bad_label_selectors_are_refused(text: str) -> None:
    with pytest.raises(ApiError) as caught:
        parse_labels(text)
    assert caught.value.code == 400


def test_field_and_object_selectors() -> None:
    pod = {"metadata": {"name": "x"}, "status": {"phase": "Running"}, "spec": {"hostNetwork": True}}
    assert parse_fields("metadata.name=x,status.phase!=Failed,spec.hostNetwork=true")(pod)
    assert not parse_fields("spec.nodeName=n")(pod)
    assert parse_fields("spec.nodeName=")(pod)
    assert not match_selector(None, {"a": "1"})
    assert match_selector({}, {})
    assert match_selector({"matchExpressions": [{"key": "n", "operator": "Gt", "values": ["3"]}]}, {"n": "4"})


@pytest.mark.parametrize(
    ("text", "expected"),
    [("0.5", "500m"), ("1000m", "1"), ("1024Mi", "1Gi"), ("1500Mi", "1500Mi"), ("0.5Gi", "512Mi"), (2, "2")],
)
def test_quantities_read_back_canonically(text: Any, expected: str) -> None:
    assert quantities.canonical(text) == expected


@given(amount=st.integers(0, 10**7), suffix=st.sampled_from(["m", "", "k", "M", "Ki", "Mi", "Gi"]))
def test_canonical_quantities_keep_their_amount_and_stay_as_they_are(amount: int, suffix: str) -> None:
    once = quantities.canonical(f"{amount}{suffix}")
    assert quantities.parse(once) == quantities.parse(f"{amount}{suffix}")
    assert quantities.canonical(once) == once


@pytest.mark.parametrize("text", ["", "x", "1.2.3", "5Zi", "--1"])
def test_what_is_no_quantity_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="quantity"):
        quantities.canonical(text)
