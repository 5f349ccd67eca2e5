"""Every published fixture parses, and our evaluator finds the resources that tfparse finds."""

from __future__ import annotations

import json
import os
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from policies.loaders import load
from tests.policy_loaders.conftest import TABLES

pytestmark = pytest.mark.reference
_DATA = Path(os.environ.get("DUOYUN_REFERENCE_DATA", Path(__file__).parents[2].parent / "shared" / "data")) / "policy"

# Fixtures that declare a resource twice, which Terraform refuses, too.
_REFUSED = {
    "example_ComprehendEntityRecognizerModelUsesCMK",
    "example_ComprehendEntityRecognizerVolumeUsesCMK",
    "example_S3AllowsAnyPrincipal",
    "example_S3SecureDataTransport",
    "APIGWLoggingLevelsDefinedProperly",
}


@pytest.fixture(scope="module")
def cases() -> list[dict[str, Any]]:
    if not (_DATA / "cases.jsonl").is_file():
        pytest.skip(f"needs the reference data in {_DATA}")
    return [json.loads(line) for line in (_DATA / "cases.jsonl").read_text().splitlines()]


def test_every_terraform_fixture_is_read(cases: list[dict[str, Any]]) -> None:
    refused, unmapped, missing = set(), Counter[str](), []
    for case in (c for c in cases if c["kind"] == "terraform"):
        files = [_DATA / "fixtures" / f for f in case["files"]]
        found = load(files, mapping=TABLES)
        if found.mistakes:
            refused.add(Path(case["source_path"]).name)
        unmapped.update(u.native_type for u in found.unassessed if u.reason == "unmapped_type")
        known = {d["address"] for d in found.documents}
        known |= {s["address"] for d in found.documents for s in d["sources"].values()}
        missing += [a for a in case["fail"] or () if a not in known]
    assert refused == _REFUSED
    assert set(unmapped) <= {"aws_codecommit_approval_rule_template_association", "random_string"}
    assert not missing


def test_tfparse_finds_no_resource_that_we_do_not(cases: list[dict[str, Any]]) -> None:
    tfparse = pytest.importorskip("tfparse")
    folders = {
        (_DATA / "fixtures" / f).parent
        for c in cases
        if c["kind"] == "terraform"
        for f in c["files"]
        if f.endswith("main.tf")
    }
    for folder in sorted(folders)[::6]:
        if folder.name in _REFUSED:
            continue
        theirs = {
            row["__tfmeta"]["path"].removesuffix("[0]")
            for rows in tfparse.load_from_path(str(folder), stop_on_hcl_error=True).values()
            for row in rows
            if row["__tfmeta"].get("type") == "resource"
        }
        found = load([folder], mapping=TABLES)
        ours = {d["address"] for d in found.documents} | {
            s["address"] for d in found.documents for s in d["sources"].values()
        }
        parts = {a for a in theirs - {o.removesuffix("[0]") for o in ours} if not _is_part(a)}
        assert not parts, (folder, parts)


def _is_part(address: str) -> bool:
    """A part that says nothing of its own leaves no trace in its parent but the parent itself."""
    kind = address.rsplit(".", 2)[-2]
    return any(kind in table.types and table.types[kind].joins for table in TABLES)
