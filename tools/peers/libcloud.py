"""Which calls mean the same on every cloud: our provider protocol's, and apache-libcloud's common API's.

`python -m tools.peers.libcloud` counts ours and, where libcloud can be imported, libcloud's; with `--write` both go
into docs/comparison-providers.md. libcloud is no dependency of ours: `pip install --target DIR apache-libcloud`, then
PYTHONPATH=DIR. Callers: whoever changed the protocol or an adapter; tests/tools.

A libcloud call works unchanged where each cloud's driver has a body for it and one and the same call, made of the
common API's own parameters, is accepted by all of them: what any driver requires is given, and every driver knows it.
A call of ours works unchanged where every adapter declares kind and verb; the signatures must be the protocol's to the
letter.
"""

from __future__ import annotations

import importlib
import inspect
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from orchestrator.registry import CLOUDS, open_cloud
from providers.base import OPTIONAL_FIELDS, Account, CloudProvider
from tools.docs.blocks import filled, table

PAGE = Path(__file__).parents[2] / "docs" / "comparison-providers.md"
PARTITIONS = {"aws": "aws-cn", "azure": "azure-cn", "alibaba": "alibaba-cn"}
SERVICES: Mapping[str, tuple[str, str, tuple[str | None, ...]]] = {
    "compute": (
        "libcloud.compute.base", "NodeDriver",
        ("ec2.EC2NodeDriver", "azure_arm.AzureNodeDriver", "ecs.ECSDriver"),
    ),
    "loadbalancer": ("libcloud.loadbalancer.base", "Driver", ("elb.ElasticLBDriver", None, "slb.SLBDriver")),
    "dns": ("libcloud.dns.base", "DNSDriver", ("route53.Route53DNSDriver", None, None)),
    "container": ("libcloud.container.base", "ContainerDriver", ("ecs.ElasticContainerDriver", None, None)),
    "storage": (
        "libcloud.storage.base", "StorageDriver",
        ("s3.S3CNNorthStorageDriver", "azure_blobs.AzureBlobsStorageDriver", "oss.OSSStorageDriver"),
    ),
}  # fmt: skip
"""libcloud's service -> (module, base class, drivers for AWS, Azure and Alibaba Cloud; None where there is none)."""


# -- ours --------------------------------------------------------------------------------------------------------------


def adapters() -> dict[str, CloudProvider]:
    """Every cloud's adapter over an account of nobody's. Nothing is sent."""
    opened = {}
    for cloud in CLOUDS:
        account = Account(
            cloud, cloud, PARTITIONS[cloud], "0", endpoint="http://127.0.0.1:9",
            secrets={"key_id": "nobody", "secret": "nothing"},
        )  # fmt: skip
        opened[cloud] = open_cloud(account)
    return opened


_LIFE = frozenset({"list", "get", "create", "update", "delete", "changes"})
_READ = frozenset({"list", "get"})


def ours(opened: Mapping[str, CloudProvider]) -> dict[str, tuple[int, int, list[str]]]:
    """Kind -> (calls that the protocol promises, those that all adapters declare, what only some declare beyond).

    A kind that any adapter can create has a whole life; the others are listed and got.
    """
    declared = [{c.kind: c.verbs for c in provider.capabilities} for provider in opened.values()]
    found = {}
    for kind in sorted({kind for rows in declared for kind in rows}):
        verbs = [rows.get(kind, frozenset()) for rows in declared]
        any_, all_ = frozenset[str]().union(*verbs), frozenset.intersection(*verbs)
        promised = _LIFE if "create" in any_ else _READ
        found[str(kind)] = (len(promised), len(promised & all_), sorted(any_ - all_ - promised))
    return found


def fields(opened: Mapping[str, CloudProvider]) -> tuple[int, int]:
    """(optional fields of the model, those that every adapter can set)."""
    settable = [{(c.kind, f) for c in provider.capabilities for f in c.fields} for provider in opened.values()]
    return sum(map(len, OPTIONAL_FIELDS.values())), len(set.intersection(*settable))


def odd_signatures(opened: Mapping[str, CloudProvider]) -> list[str]:
    """Methods of the protocol whose parameters an adapter has otherwise; empty is right."""
    wrong = []
    for name, method in inspect.getmembers(CloudProvider, inspect.isfunction):
        if name.startswith("_"):
            continue
        wanted = [(p.name, p.kind, p.default) for p in inspect.signature(method).parameters.values()]
        for cloud, provider in opened.items():
            has = inspect.signature(getattr(type(provider), name))
            if [(p.name, p.kind, p.default) for p in has.parameters.values()] != wanted:
                wrong.append(f"{cloud}.{name}{has}")
    return wrong


# -- libcloud's --------------------------------------------------------------------------------------------------------


def common_calls(base: type) -> Iterator[tuple[str, Callable[..., Any]]]:
    """What a base class promises of every driver."""
    for name, method in inspect.getmembers(base, inspect.isfunction):
        if not name.startswith(("_", "ex_")):
            yield name, method


def unchanged(name: str, base: type, drivers: Iterable[type | None]) -> bool:
    """Whether one call of the common API works with all of these drivers; see the module."""
    promised = inspect.signature(getattr(base, name)).parameters
    needed, known = _required(promised), [set(promised)]
    for driver in drivers:
        method = getattr(driver, name, None)
        if method is None or "raise NotImplementedError" in inspect.getsource(method):
            return False
        has = inspect.signature(method).parameters
        needed |= _required(has)
        if not any(p.kind is p.VAR_KEYWORD for p in has.values()):
            known.append(set(has))
    return all(needed <= names for names in known)


def _required(parameters: Mapping[str, inspect.Parameter]) -> set[str]:
    return {
        n for n, p in parameters.items() if p.default is p.empty and p.kind not in (p.VAR_POSITIONAL, p.VAR_KEYWORD)
    }


def theirs() -> dict[str, tuple[int, int, list[str]]]:
    """Service -> (calls of the common API, those that work unchanged on the three clouds, their names)."""
    found = {}
    for service, (module, base_name, names) in SERVICES.items():
        base = getattr(importlib.import_module(module), base_name)
        drivers = [_driver(service, name) for name in names]
        calls = [name for name, _ in common_calls(base)]
        good = [name for name in calls if unchanged(name, base, drivers)]
        found[service] = (len(calls), len(good), good)
    return found


def _driver(service: str, name: str | None) -> type | None:
    if name is None:
        return None
    module, _, class_name = name.partition(".")
    found: type = getattr(importlib.import_module(f"libcloud.{service}.drivers.{module}"), class_name)
    return found


def extensions() -> tuple[int, int]:
    """(public methods of the three compute drivers, those that begin with `ex_`: that cloud's alone)."""
    names = [
        name
        for driver in SERVICES["compute"][2]
        for name, _ in inspect.getmembers(_driver("compute", driver), inspect.isfunction)
        if not name.startswith("_")
    ]
    return len(names), sum(name.startswith("ex_") for name in names)


# -- the page ----------------------------------------------------------------------------------------------------------


def our_part(opened: Mapping[str, CloudProvider]) -> str:
    rows = ours(opened)
    whole, same = (sum(r[n] for r in rows.values()) for n in (0, 1))
    beyond = sum(len(r[2]) for r in rows.values())
    optional, settable = fields(opened)
    lines = [(kind, str(any_), str(all_), ", ".join(some)) for kind, (any_, all_, some) in rows.items()]
    lines.append(("**together**", str(whole), str(same), str(beyond)))
    head = table(("kind", "calls", "on all clouds unchanged", "beyond, on some"), lines)
    share = f"{100 * same / whole:.0f} % of the {whole} calls that the protocol promises work on all clouds unchanged"
    return (
        f"{head}\n\n{share}; with the {beyond} that only some clouds have, {100 * same / (whole + beyond):.0f} %. Of "
        f"{optional} optional fields of the model, {settable} can be set everywhere; all others hold."
    )


def their_part() -> str:
    import libcloud

    rows = theirs()
    whole, same = (sum(r[n] for r in rows.values()) for n in (0, 1))
    lines = [
        (service, str(count), str(good), ", ".join(f"`{n}`" for n in names) or "none")
        for service, (count, good, names) in rows.items()
    ]
    head = table(("service", "common calls", "on all three unchanged", "which"), lines)
    methods, own = extensions()
    return (
        f"{head}\n\napache-libcloud {libcloud.__version__}: {100 * same / whole:.0f} % of {whole} calls work on all "
        f"three clouds unchanged. Of the {methods} public methods of its three compute drivers, {own} "
        f"({100 * own / methods:.0f} %) are `ex_*`: that cloud's alone."
    )


def main(arguments: list[str]) -> int:
    """Exit code 1 where a signature of ours is not the protocol's."""
    opened = adapters()
    parts = {"ours": our_part(opened)}
    try:
        parts["libcloud"] = their_part()
    except ModuleNotFoundError as exc:
        sys.stderr.write(f"libcloud is not counted: {exc}\n")
    if "--write" in arguments:
        PAGE.write_text(filled(PAGE.read_text(encoding="utf-8"), parts), encoding="utf-8")
    else:
        sys.stdout.write("\n\n".join(parts.values()) + "\n")
    wrong = odd_signatures(opened)
    sys.stderr.write("".join(f"{line}\n" for line in wrong))
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
