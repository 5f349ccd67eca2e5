"""Specs and plans of duoyun itself to documents.

Callers: policies.loaders. An application and a fleet are checked as `duoyun validate` does, where both are there; one
alone is read as it is. A saved plan gives the documents that the gate reads before a deploy.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from typing import TYPE_CHECKING, Any

from model.errors import Diagnostic, InvalidInput

if TYPE_CHECKING:
    from model.spec.yaml_source import Document
    from policies.documents import Place

KINDS = ("Application", "Fleet", "Assumptions")


def is_spec(root: Any) -> bool:
    """Whether a YAML document is one of ours: `apiVersion: duoyun.dev/...`."""
    value = root.value
    if not isinstance(value, dict) or "kind" not in value or "apiVersion" not in value:
        return False
    version = value["apiVersion"].value
    return value["kind"].value in KINDS and isinstance(version, str) and version.startswith("duoyun.dev/")


def of_spec(document: Document) -> dict[str, Any]:
    """The document as its user wrote it, under `spec`."""
    plain = document.root.plain()
    kind = str(plain["kind"]).lower()
    metadata = plain.get("metadata")
    name = metadata.get("name", "-") if isinstance(metadata, Mapping) else "-"
    where = document.position(()).rsplit(":", 1)[0]
    return {"kind": kind, "name": name, "address": f"{kind}/{name}", "position": where, "spec": plain.get("spec", {})}


def mistakes(files: Mapping[str, str]) -> list[Diagnostic]:
    """What is wrong with an application and its fleet taken together; nothing where one of them is not there."""
    from model.spec.load import load_documents

    try:
        load_documents(list(files.items()))
    except InvalidInput as exc:
        return list(exc.diagnostics)
    return []


def is_plan(data: Any) -> bool:
    return isinstance(data, Mapping) and {"schema_version", "placement", "items", "actions"} <= data.keys()


def of_plan(data: Mapping[str, Any], file: str) -> tuple[list[dict[str, Any]], list[Diagnostic]]:
    """Documents of a saved plan. Countries are facts of the model; ICP filings stand in the fleet, which it names."""
    from model.codec import from_data
    from model.plan import SCHEMA_VERSION, Plan
    from policies import documents as plan_documents
    from policies.documents import Surroundings

    if data.get("schema_version") != SCHEMA_VERSION:
        what = f"a plan of version {data.get('schema_version')!r}, and {SCHEMA_VERSION} is what can be read"
        return [], [Diagnostic(f"{file}:1:1", what, "make it anew with `duoyun plan --save`")]
    try:
        plan = from_data(data, Plan)
    except (ValueError, KeyError, TypeError) as exc:
        return [], [Diagnostic(f"{file}:1:1", f"no plan that duoyun wrote: {exc}", "make it anew")]
    except ExceptionGroup as exc:
        return [], [Diagnostic(f"{file}:1:1", f"no plan that duoyun wrote: {exc.exceptions[0]}", "make it anew")]
    changes = {str(a.address): str(a.op) for a in plan.actions}
    found = plan_documents.of_plan(plan, Surroundings(sites=_sites(plan)))
    for document in found:
        document["change"] = changes.get(document["address"], "none")
        document["position"] = document.get("position") or file
    before = [a for a in plan.actions if a.desired is None and a.before is not None]
    for action in before:
        assert action.before is not None
        gone = plan_documents.of_resource(action.address, action.before, Surroundings(sites=_sites(plan)))
        found.append(gone | {"change": "delete", "position": file, "service": action.service, "site": action.site})
    return found, []


def _sites(plan: Any) -> dict[str, Place]:
    """Sites that the plan's items name, with what the model knows of their regions."""
    from policies.documents import Place

    found: dict[str, Place] = {}
    for item in plan.items:
        if item.site and item.site not in found:
            region, partition = item.address.region, item.address.partition
            found[item.site] = Place(
                region=f"{partition}/{region}",
                cloud=partition.split("-")[0],
                country=country_of(partition, region),
                icp=False,
            )
    return found


def country_of(partition: str, region: str) -> str:
    """ISO 3166 code of a region's country, "" where the model does not know it."""
    return _countries().get((partition, region), "")


@cache
def _countries() -> dict[tuple[str, str], str]:
    from model.facts.catalogue import regions

    return {(fact.partition, fact.region): fact.country for fact in regions()}
