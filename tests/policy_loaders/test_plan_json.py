"""`terraform show -json`: what happens to each resource, before and after, and what only apply will tell."""

from __future__ import annotations

import json
from typing import Any

import pytest

from policies.loaders import Loaded, Stream, load
from tests.policy_loaders.conftest import TABLES, UNKNOWN, LoadFiles, by_address


def plan(*changes: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {"format_version": "1.2", "resource_changes": list(changes), **more}


def change(address: str, actions: list[str], before: Any, after: Any, unknown: Any = None) -> dict[str, Any]:
    kind, name = address.split("[", maxsplit=1)[0].split(".")[-2:]
    body = {"actions": actions, "before": before, "after": after, "after_unknown": unknown or {}}
    return {"address": address, "mode": "managed", "type": kind, "name": name, "change": body}


def loaded(data: Any) -> Loaded:
    return load([Stream("plan.json", json.dumps(data).encode())], mapping=TABLES)


@pytest.mark.parametrize(
    ("actions", "told"),
    [
        (["no-op"], "none"),
        (["create"], "create"),
        (["update"], "update"),
        (["delete", "create"], "replace"),
        (["create", "delete"], "replace"),
    ],
)
def test_what_happens_is_told_with_the_values_before_and_after(actions: list[str], told: str) -> None:
    before = {"size": 1, "encrypted": True}
    (document,) = loaded(plan(change("aws_ebs_volume.v", actions, before, {"size": 2, "encrypted": False}))).documents
    assert (document["change"], document["size_gib"], document["encrypted"]) == (told, 2, False)
    assert document["before"]["encrypted"] is True
    assert document["position"] == "plan.json"


def test_what_goes_away_is_a_document_of_what_it_was() -> None:
    (document,) = loaded(plan(change("aws_ebs_volume.v", ["delete"], {"size": 1, "encrypted": True}, None))).documents
    assert (document["change"], document["size_gib"]) == ("delete", 1)


def test_values_known_after_apply_name_where_they_come_from() -> None:
    configuration = {
        "root_module": {
            "resources": [
                {
                    "address": "aws_ebs_volume.v",
                    "expressions": {
                        "kms_key_id": {"references": ["aws_kms_key.k.arn", "aws_kms_key.k"]},
                        "encrypted": {"references": ["var.e"]},
                    },
                }
            ]
        }
    }
    unknown = {"kms_key_id": True, "encrypted": True, "arn": True, "id": True}
    changes = [
        change("aws_ebs_volume.v[0]", ["create"], None, {"size": 1}, unknown),
        change("aws_kms_key.k", ["create"], None, {}, {"arn": True}),
    ]
    found = loaded(plan(*changes, configuration=configuration))
    volume = by_address(found)["aws_ebs_volume.v[0]"]
    assert volume["key"] == "aws_kms_key.k"
    assert volume["encrypted"] == UNKNOWN
    assert [(u.field, u.reason) for u in found.unassessed if u.reason == "unknown_value"] == [
        ("encrypted", "unknown_value")
    ]


def test_parts_of_nested_blocks_are_read_and_joined_across_modules() -> None:
    expressions = {"bucket": {"references": ["aws_s3_bucket.b.id", "aws_s3_bucket.b"]}}
    module = {"resources": [{"address": "aws_s3_bucket_versioning.v", "expressions": expressions}]}
    changes = [
        change(
            "module.m.aws_s3_bucket.b", ["create"], None, {"bucket": "x", "logging": []}, {"id": True, "logging": []}
        ),
        change(
            "module.m.aws_s3_bucket_versioning.v",
            ["create"],
            None,
            {"versioning_configuration": [{"status": "Enabled"}]},
            {"bucket": True},
        ),
    ]
    data = plan(*changes, configuration={"root_module": {"module_calls": {"m": {"module": module}}}})
    (bucket,) = loaded(data).documents
    assert (bucket["address"], bucket["versioning"], bucket["access_logs"]) == ("module.m.aws_s3_bucket.b", True, False)


def test_the_region_comes_from_the_provider_that_is_configured() -> None:
    configuration = {
        "provider_config": {"aws": {"name": "aws", "expressions": {"region": {"constant_value": "cn-northwest-1"}}}},
        "root_module": {"resources": [{"address": "aws_ebs_volume.v", "provider_config_key": "aws"}]},
    }
    (document,) = loaded(plan(change("aws_ebs_volume.v", ["create"], None, {}), configuration=configuration)).documents
    assert (document["partition"], document["region"]) == ("aws-cn", "cn-northwest-1")


def test_a_state_is_read_without_changes() -> None:
    row = {
        "address": "aws_ebs_volume.v",
        "mode": "managed",
        "type": "aws_ebs_volume",
        "name": "v",
        "values": {"encrypted": True},
    }
    child = {"resources": [{**row, "address": "module.m.aws_ebs_volume.v"}]}
    data = {"format_version": "1.0", "values": {"root_module": {"resources": [row], "child_modules": [child]}}}
    assert [d["address"] for d in loaded(data).documents] == ["aws_ebs_volume.v", "module.m.aws_ebs_volume.v"]
    assert all("change" not in d for d in loaded(data).documents)


@pytest.mark.parametrize(
    ("data", "says"),
    [
        ({**plan(), "format_version": "9.0"}, "format_version is 9.0"),
        ({**plan(), "errored": True}, "ended with an error"),
        (plan({"address": "a.b"}), "not as `terraform show -json` writes it"),
        (plan("x"), "not as `terraform show -json` writes it"),  # type: ignore[arg-type]
        ({"x": 1}, "neither a plan nor a manifest"),
    ],
)
def test_a_plan_that_cannot_be_read_is_a_mistake(data: Any, says: str) -> None:
    found = loaded(data)
    assert says in found.mistakes[0].what
    assert not found.documents


def test_broken_json_has_its_place(load_files: LoadFiles) -> None:
    found = load_files({"plan.json": '{"format_version": "1.2",\n  "x": }'}, "plan.json")
    assert found.mistakes[0].position == "plan.json:2:8"


def test_values_that_lie_too_deep_are_a_mistake() -> None:
    deep: Any = {}
    for _ in range(200):
        deep = {"a": deep}
    assert "deep in one another" in loaded(plan(change("aws_x.y", ["create"], None, deep))).mistakes[0].what


def test_a_plan_of_50_mb_is_read_whole() -> None:
    filler = "x" * 100_000
    rows = [
        change(f"aws_ebs_volume.v{n}", ["create"], None, {"encrypted": n != 499, "tags": {"note": filler}})
        for n in range(500)
    ]
    found = loaded(plan(*rows))
    assert not found.mistakes
    assert [d["address"] for d in found.documents if not d["encrypted"]] == ["aws_ebs_volume.v499"]
    assert len(found.documents) == 500
