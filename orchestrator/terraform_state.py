"""What Terraform and OpenTofu states manage, from `terraform show -json` outputs: whose a resource is.

Callers: survey, adopt, planning. Reads files and asks no backend; nothing in a state but addresses and ids is kept,
for states hold secrets.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from model.errors import Diagnostic, InvalidInput
from model.native import Native
from model.resources import Kind, Observed
from orchestrator.registry import terraform_tables
from policies.loaders import plan

MAX_BYTES = 256 * 2**20
_IDS = ("id", "arn", "resource_id", "unique_id", "self_link")
_NAMES = ("name", "bucket", "identifier", "cluster_identifier", "replication_group_id", "fqdn")


@dataclass(frozen=True, slots=True)
class Managed:
    """One resource of a state. file: as it was given. kind: in the model's words, None where no table knows it."""

    file: str
    address: str
    type: str
    prefix: str
    kind: Kind | None
    ids: frozenset[str]
    names: frozenset[str]
    region: str = ""

    def to_dict(self) -> dict[str, Any]:
        return {"file": self.file, "address": self.address, "type": self.type}


@dataclass(frozen=True, slots=True)
class States:
    """The managed resources of all states, found by what identifies them."""

    resources: tuple[Managed, ...] = ()
    _by_id: Mapping[str, tuple[Managed, ...]] = field(default_factory=dict, repr=False)

    def manager_of(self, seen: Observed, prefix: str) -> Managed | None:
        """Which of them is this one; prefix: how its cloud's Terraform types begin, "" where it has none.

        By the cloud's id or ARN, whatever the type. A plain name is taken only together with its kind and cloud, and
        where the state names a region, with that.
        """
        at, last = seen.address, seen.provider_id.rsplit("/", 1)[-1].lower()
        if _telling(seen.provider_id):
            for found in self._by_id.get(seen.provider_id.lower(), ()):
                if found.prefix in ("", prefix):
                    return found
        for name in dict.fromkeys((seen.provider_id.lower(), at.name.lower(), last)):
            for found in self._by_id.get(name, ()):
                there = found.region in ("", at.region)
                if found.kind is at.kind and found.prefix == prefix and there:
                    return found
        return None


def _telling(identity: str) -> bool:
    """Whether an id means one thing alone: paths, ARNs, and ids that a cloud made up (`vpc-0a1b2c3d`)."""
    return any(sign in identity for sign in "/:") or ("-" in identity and any(c.isdigit() for c in identity))


def read_states(paths: Iterable[Path]) -> States:
    """Raises InvalidInput, with every mistake, for what is no state as `terraform show -json` writes it."""
    mistakes: list[Diagnostic] = []
    found: list[Managed] = []
    kinds = {name: (table.prefix, row.kind) for table in terraform_tables() for name, row in table.types.items()}
    prefixes = tuple(table.prefix for table in terraform_tables())
    for path in paths:
        natives = _natives(path, mistakes)
        found += [_managed(native, str(path), kinds, prefixes) for native in natives if not native.data]
    if mistakes:
        raise InvalidInput(mistakes)
    return index(found)


def index(resources: Iterable[Managed]) -> States:
    """Pure."""
    rows = tuple(resources)
    by_id: dict[str, tuple[Managed, ...]] = {}
    for row in rows:
        for key in row.ids | row.names:
            by_id[key] = (*by_id.get(key, ()), row)
    return States(rows, by_id)


def _natives(path: Path, mistakes: list[Diagnostic]) -> Iterator[Native]:
    mend = "write it with `terraform show -json > FILE` (or `tofu show -json`) where the state is"
    try:
        if path.stat().st_size > MAX_BYTES:
            mistakes.append(Diagnostic(str(path), f"larger than {MAX_BYTES // 2**20} MiB", "is it the right file?"))
            return
        data = json.loads(path.read_bytes())
    except (OSError, ValueError, RecursionError) as exc:
        what = exc.strerror if isinstance(exc, OSError) and exc.strerror else f"no JSON ({type(exc).__name__})"
        mistakes.append(Diagnostic(str(path), what, mend))
        return
    if isinstance(data, Mapping) and "format_version" in data and set(data) <= {"format_version", "terraform_version"}:
        return  # a state that manages nothing
    if not plan.is_state(data):
        raw = isinstance(data, Mapping) and "lineage" in data
        what = "this is the raw state, which holds secrets in a form of its own" if raw else "this is no state"
        mistakes.append(Diagnostic(str(path), what, mend))
        return
    natives, wrong = plan.read(data, str(path))
    mistakes += wrong
    yield from natives


def _managed(native: Native, file: str, kinds: Mapping[str, tuple[str, Kind]], prefixes: Iterable[str]) -> Managed:
    values = native.values
    prefix, kind = kinds.get(native.type, ("", None))
    return Managed(
        file=file,
        address=native.address,
        type=native.type,
        prefix=prefix or next((p for p in prefixes if native.type.startswith(p)), ""),
        kind=kind,
        ids=_texts(values, _IDS),
        names=_texts(values, (*_NAMES, "id")),
        region=_region(values),
    )


def _region(values: Mapping[str, Any]) -> str:
    """Empty where the state does not say; an ARN's fourth part is its region."""
    said = str(values.get("region") or values.get("location") or "").replace(" ", "").lower()
    arn = str(values.get("arn") or "").split(":")
    return said or (arn[3] if len(arn) > 5 else "")


def _texts(values: Mapping[str, Any], names: Iterable[str]) -> frozenset[str]:
    return frozenset(str(values[n]).lower() for n in names if isinstance(values.get(n), str) and values[n])
