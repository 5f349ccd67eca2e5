"""What Terraform and OpenTofu states manage, from `terraform show -json` outputs: whose a resource is.

Callers: survey, adopt, beside (plans). Reads files and asks no backend; nothing in a state but addresses, names and ids
is kept, for states hold secrets.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from model.errors import Diagnostic, InvalidInput
from model.native import Native
from model.resources import Address, Kind, Observed
from model.spec.fleet import Fleet
from orchestrator.registry import terraform_tables
from policies.loaders import plan

MAX_BYTES = 256 * 2**20
_IDS = ("id", "arn", "resource_id", "unique_id", "self_link")
_NAMES = ("name", "bucket", "identifier", "cluster_identifier", "replication_group_id", "fqdn")
KUBERNETES_PREFIX = "kubernetes_"
_MANIFEST = "kubernetes_manifest"


@dataclass(frozen=True, slots=True)
class Managed:
    """One resource of a state. file: as it was given. kind: in the model's words, None where no table knows it.

    ids, names: what identifies it. called: what people call it, too: its Name tag, the attribute that its table reads
    as its name; an object of a cluster `kind/namespace/name`. All in lower case. region, account: "" where the state
    does not say.
    """

    file: str
    address: str
    type: str
    prefix: str
    kind: Kind | None
    ids: frozenset[str]
    names: frozenset[str]
    region: str = ""
    called: frozenset[str] = frozenset()
    account: str = ""

    def to_dict(self) -> dict[str, Any]:
        return {"file": self.file, "address": self.address, "type": self.type}


@dataclass(frozen=True, slots=True)
class States:
    """The managed resources of all states, found by what identifies them."""

    resources: tuple[Managed, ...] = ()
    _by_id: Mapping[str, tuple[Managed, ...]] = field(default_factory=dict, repr=False)
    _by_call: Mapping[str, tuple[Managed, ...]] = field(default_factory=dict, repr=False)

    def manager_of(self, seen: Observed, prefix: str) -> Managed | None:
        """Which of them is this one; prefix: how its cloud's Terraform types begin, "" where it has none."""
        return self.holder(seen.address, seen.provider_id, prefix)

    def holder(self, at: Address, provider_id: str, prefix: str) -> Managed | None:
        """The same of an address and the cloud's id for what is there.

        By the cloud's id or ARN, whatever the type. A plain name is taken only together with its kind and cloud, and
        where the state says region and account, with those.
        """
        if at.kind is Kind.KUBERNETES_OBJECT:
            prefix = KUBERNETES_PREFIX
        if _telling(provider_id):
            for found in self._by_id.get(provider_id.lower(), ()):
                if found.prefix in ("", prefix):
                    return found
        last = provider_id.rsplit("/", 1)[-1].lower()
        for name in dict.fromkeys((provider_id.lower(), at.name.lower(), last)):
            for found in self._by_id.get(name, ()):
                if found.prefix == prefix and _may_lie_there(found, at) and not _another(found, provider_id):
                    return found
        return None

    def called(self, at: Address, prefix: str) -> tuple[Managed, ...]:
        """Those of the address's kind and cloud that are called so, and that may lie there."""
        key = at.name.lower()
        if at.kind is Kind.KUBERNETES_OBJECT:
            prefix = KUBERNETES_PREFIX
            _cluster, space, kind, name = key.split("/", 3)
            key = f"{kind}/{space}/{name}"
        return tuple(m for m in self._by_call.get(key, ()) if m.prefix == prefix and _may_lie_there(m, at))


def _another(managed: Managed, provider_id: str) -> bool:
    """Whether both ids are whole paths, which would be one where the things were."""
    return provider_id.startswith("/") and any(i.startswith("/") for i in managed.ids)


def _may_lie_there(managed: Managed, at: Address) -> bool:
    return (
        managed.kind is at.kind
        and managed.region in ("", at.region.lower())
        and managed.account in ("", at.account.lower())
    )


def _telling(identity: str) -> bool:
    """Whether an id means one thing alone: paths, ARNs, and ids that a cloud made up (`vpc-0a1b2c3d`)."""
    return any(sign in identity for sign in "/:") or ("-" in identity and any(c.isdigit() for c in identity))


def read_states(paths: Iterable[Path]) -> States:
    """Raises InvalidInput, with every mistake, for what is no state as `terraform show -json` writes it."""
    files = tuple(dict.fromkeys(paths))
    if not files:
        return States()
    mistakes: list[Diagnostic] = []
    found: list[Managed] = []
    known = {
        name: (table.prefix, row.kind, row.name) for table in terraform_tables() for name, row in table.types.items()
    }
    prefixes = tuple(table.prefix for table in terraform_tables())
    for path in files:
        natives = _natives(path, mistakes)
        found += [_managed(native, str(path), known, prefixes) for native in natives if not native.data]
    if mistakes:
        raise InvalidInput(mistakes)
    return index(found)


def state_files(fleet: Fleet, folder: Path, more: Iterable[Path] = ()) -> tuple[Path, ...]:
    """The states that the fleet names, which lie in its folder or below, and those that the command line names.

    Raises InvalidInput for one that the fleet names elsewhere.
    """
    inside, mistakes = folder.resolve(), []
    for name in fleet.spec.terraform_states:
        if not (inside / name).resolve().is_relative_to(inside):
            what = f"the Terraform state {name} lies outside the fleet's folder"
            mistakes.append(Diagnostic(str(folder), what, "put it beside the fleet, or name it by --terraform-state"))
    if mistakes:
        raise InvalidInput(mistakes)
    return (*(folder / name for name in fleet.spec.terraform_states), *more)


def index(resources: Iterable[Managed]) -> States:
    """Pure."""
    rows = tuple(resources)
    by_id: dict[str, list[Managed]] = {}
    by_call: dict[str, list[Managed]] = {}
    for row in rows:
        for key in row.ids | row.names:
            by_id.setdefault(key, []).append(row)
        for key in row.names | row.called:
            by_call.setdefault(key, []).append(row)
    return States(rows, {k: tuple(v) for k, v in by_id.items()}, {k: tuple(v) for k, v in by_call.items()})


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


def _managed(native: Native, file: str, known: Mapping[str, tuple[str, Kind, str]], prefixes: Iterable[str]) -> Managed:
    values = native.values
    if native.type.startswith(KUBERNETES_PREFIX):
        return _object(native, file)
    prefix, kind, path = known.get(native.type, ("", None, ""))
    called = {_text(values, "tags", "Name"), *(_text(values, *p.split(".")) for p in path.split("|") if p)}
    return Managed(
        file=file,
        address=native.address,
        type=native.type,
        prefix=prefix or next((p for p in prefixes if native.type.startswith(p)), ""),
        kind=kind,
        ids=_texts(values, _IDS),
        names=_texts(values, (*_NAMES, "id")),
        region=_region(values),
        called=frozenset(called - {""}),
        account=_account(values),
    )


def _object(native: Native, file: str) -> Managed:
    """An object of some cluster: a state does not say of which, but knows its uid.

    Source: the provider's documentation (hashicorp/kubernetes, attribute `metadata`; a manifest's live `object`).
    """
    values: Any = native.values
    if native.type == _MANIFEST:
        whole = values.get("object") or values.get("manifest") or {}
        kind, metadata = _text(whole, "kind"), whole.get("metadata") or {}
    else:
        kind = re.sub(r"_v\d+\w*$", "", native.type.removeprefix(KUBERNETES_PREFIX)).replace("_", "")
        metadata = next(iter(values.get("metadata") or ()), {})
    uid, name, space = (_text(metadata, key) for key in ("uid", "name", "namespace"))
    return Managed(
        file=file,
        address=native.address,
        type=native.type,
        prefix=KUBERNETES_PREFIX,
        kind=Kind.KUBERNETES_OBJECT,
        ids=frozenset({uid} - {""}),
        names=frozenset(),
        called=frozenset({f"{kind}/{space or '-'}/{name}"} if name else ()),
    )


def _region(values: Mapping[str, Any]) -> str:
    """Empty where the state does not say; an ARN's fourth part is its region."""
    said = str(values.get("region") or values.get("location") or "").replace(" ", "").lower()
    arn = str(values.get("arn") or "").split(":")
    return said or (arn[3].lower() if len(arn) > 5 else "")


def _account(values: Mapping[str, Any]) -> str:
    """Empty where the state does not say; an ARN's fifth part, or what a path of ids begins with."""
    arn, path = str(values.get("arn") or "").split(":"), str(values.get("id") or "").lower().split("/")
    if len(arn) > 5:
        return arn[4].lower()
    return path[2] if len(path) > 4 and not path[0] else ""


def _texts(values: Mapping[str, Any], names: Iterable[str]) -> frozenset[str]:
    return frozenset({_text(values, n) for n in names} - {""})


def _text(values: Any, *path: str) -> str:
    """The text there, in lower case; "" where there is none."""
    for part in path:
        values = values.get(part) if isinstance(values, Mapping) else None
    return values.lower() if isinstance(values, str) else ""
