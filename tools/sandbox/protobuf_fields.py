"""Writes sandbox/kubernetes/protobuf_fields.json: which number a field of the Kubernetes API has in protobuf.

kubectl sends what it makes itself (`create`, `auth can-i`, evictions) in protobuf, and nothing but the numbers says
which field is which. Source of the facts: the struct tags of k8s.io/api and k8s.io/apimachinery (Apache-2.0), read from
their folders after `go mod download -json k8s.io/api@v0.36.0 k8s.io/apimachinery@v0.36.0`:

    python tools/sandbox/protobuf_fields.py API_FOLDER APIMACHINERY_FOLDER
"""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

OUT = Path(__file__).parents[2] / "sandbox" / "kubernetes" / "protobuf_fields.json"
GROUPS = (
    "core/v1", "apps/v1", "batch/v1", "autoscaling/v1", "autoscaling/v2", "policy/v1", "networking/v1", "rbac/v1",
    "coordination/v1", "discovery/v1", "scheduling/v1", "storage/v1", "authorization/v1", "authentication/v1",
)  # fmt: skip
META = "meta/v1"
# Types of other packages, as the decoder knows them.
_FOREIGN = {
    "resource.Quantity": "quantity", "intstr.IntOrString": "intstr", "runtime.RawExtension": "raw",
    "types.UID": "string", "types.NodeName": "string", "meta/v1.Time": "time", "meta/v1.MicroTime": "microtime",
    "meta/v1.FieldsV1": "fields", "meta/v1.Duration": "int64", "rune": "int32",
}  # fmt: skip
_SCALARS = frozenset({"string", "bool", "int", "int32", "int64", "float64"})
_IMPORT = re.compile(r'^\s+(\w+)?\s*"k8s\.io/(?:api|apimachinery/pkg/apis)/(\w+/\w+)"', re.MULTILINE)
_NAMED = re.compile(r"^type (\w+) (?!struct|interface|=)(\S+)$", re.MULTILINE)
_STRUCT = re.compile(r"^type (\w+) struct \{\n(.*?)^\}", re.MULTILINE | re.DOTALL)
_FIELD = re.compile(
    r'^\s+(?:(\w+)\s+)?([\w.*\[\]]+)\s+`json:"([^"]*)"[^`]*protobuf:"\w+,(\d+)[^"]*"[^`]*`', re.MULTILINE
)


@dataclass
class Package:
    """One API package: its named types and its structs' fields, as (json name, number, Go type)."""

    name: str
    imports: dict[str, str] = field(default_factory=dict)
    named: dict[str, str] = field(default_factory=dict)
    structs: dict[str, list[tuple[str, int, str]]] = field(default_factory=dict)


def read(name: str, folder: Path) -> Package:
    found = Package(name)
    for path in sorted(folder.glob("*types.go")):
        text = path.read_text(encoding="utf-8")
        found.imports |= {alias or package.replace("/", ""): package for alias, package in _IMPORT.findall(text)}
        found.named |= dict(_NAMED.findall(text))
        for struct, body in _STRUCT.findall(text):
            rows = [(tag, int(number), kind) for _go_name, kind, tag, number in _FIELD.findall(body)]
            found.structs[struct] = [
                ("" if tag.startswith(",inline") else tag.partition(",")[0], number, kind) for tag, number, kind in rows
            ]
    return found


def resolve(kind: str, package: Package, packages: dict[str, Package]) -> str:
    """`*[]string`, `map:quantity`, `*core/v1.PodSpec`: what the decoder reads."""
    if kind.startswith("*"):
        return "*" + resolve(kind[1:], package, packages)
    if kind == "[]byte":
        return "bytes"
    if kind.startswith("[]"):
        return "[]" + resolve(kind[2:], package, packages)
    if kind.startswith("map["):
        return "map:" + resolve(kind.partition("]")[2], package, packages)
    alias, dot, bare = kind.rpartition(".")
    home = packages.get(package.imports.get(alias, alias), package) if dot else package
    full = f"{home.name}.{bare}" if home is not package or not dot else kind
    if full in _FOREIGN or kind in _FOREIGN:
        return _FOREIGN.get(full) or _FOREIGN[kind]
    if kind in _SCALARS:
        return kind
    if bare in home.named:
        base = home.named[bare]
        return "items" if base.startswith("[]") else resolve(base, home, packages)
    if bare in home.structs:
        return f"{home.name}.{bare}"
    raise ValueError(f"{package.name}: unknown type {kind}")


def messages(packages: dict[str, Package]) -> Iterator[tuple[str, dict[str, list[str]]]]:
    for package in packages.values():
        for struct, rows in package.structs.items():
            if rows and not struct.endswith("List"):
                yield (
                    f"{package.name}.{struct}",
                    {str(number): [name, resolve(kind, package, packages)] for name, number, kind in sorted(rows)},
                )


def main() -> None:
    api, machinery = (Path(a) for a in sys.argv[1:3])
    packages = {META: read(META, machinery / "pkg" / "apis" / "meta" / "v1")}
    packages |= {name: read(name, api / name) for name in GROUPS}
    rows = sorted(messages(packages))
    lines = ",\n".join(f"{json.dumps(name)}:{json.dumps(fields, separators=(',', ':'))}" for name, fields in rows)
    OUT.write_text("{\n" + lines + "\n}\n", encoding="ascii")


if __name__ == "__main__":
    main()
