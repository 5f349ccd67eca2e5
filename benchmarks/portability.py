"""How much of what a user writes is the same on every cloud: `python -m benchmarks.portability examples/miniprogram`.

Counted are effective values: what the files say, and the defaults where they say nothing.

- app: each value of the application. It is written once for all clouds; it is not portable where it names a cloud's own
  thing (a partition, account, region, zone or machine type).
- policy: each parameter of each rule of the bundle, the fleet's over the rule's default; likewise.
- fleet: accounts and regions are many and belong to clouds, so they are compared by slot, a path without the row's
  number (`regions[].cluster.version`). A slot is portable where every cloud has the same values in it, its rows taken
  together, as a set. A link is about two places and is never portable, its round trip included. What else the fleet
  says is counted as the application's.

Which clouds and machine types there are comes from the registry and the catalogue, never from a list here.
"""

from __future__ import annotations

import argparse
import json
import re
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from model.errors import DuoyunError
from model.spec.fleet import PARTITIONS, Fleet
from orchestrator.load import Loaded, load
from policies.rules import default_bundle

_ROWS = ("accounts", "regions")  # of the fleet's spec: each row belongs to a cloud
_PAIRS = ("links",)  # each row is about two places, all that it says included


@dataclass(frozen=True, slots=True)
class Part:
    """values: how many there are; specific: paths of those that are not the same everywhere."""

    name: str
    values: int
    specific: tuple[str, ...]

    @property
    def share(self) -> float:
        """Portable values among all, 0 to 1; 1 where there are none."""
        return 1.0 if not self.values else (self.values - len(self.specific)) / self.values


def leaves(value: Any, path: str = "") -> Iterator[tuple[str, Any]]:
    """(path, value) of every scalar; an empty list or mapping is a value, too; null says nothing and is none."""
    if isinstance(value, Mapping) and value:
        for key, inner in value.items():
            yield from leaves(inner, f"{path}.{key}" if path else str(key))
    elif isinstance(value, list | tuple) and value:
        for index, inner in enumerate(value):
            yield from leaves(inner, f"{path}[{index}]")
    elif value is not None:
        yield path, value


def words_of(fleet: Fleet) -> re.Pattern[str]:
    """Texts that name something of one cloud alone."""
    names: set[str] = {*PARTITIONS, *PARTITIONS.values()}
    for account in fleet.spec.accounts:
        names |= {account.name, account.account_id}
    for region in fleet.spec.regions:
        names |= {region.region, *(zone.zone for zone in region.zones), *(region.instance_types or ())}
    joined = "|".join(re.escape(name) for name in sorted(names, key=len, reverse=True))
    return re.compile(rf"(?<![\w])(?:{joined})(?![\w])", re.IGNORECASE)


def written_once(name: str, value: Any, words: re.Pattern[str]) -> Part:
    """A part that is one document for all clouds."""
    found = list(leaves(value))
    return Part(name, len(found), tuple(path for path, leaf in found if words.search(f"{path} {leaf}")))


def by_slot(fleet: Fleet, words: re.Pattern[str]) -> Part:
    """The fleet: rows compared over clouds by slot, everything else as written once."""
    spec = fleet.spec.model_dump(mode="json", exclude={"policies"})
    rest = written_once("fleet", {k: v for k, v in spec.items() if k not in (*_ROWS, *_PAIRS)}, words)
    pairs = [path for name in _PAIRS for path, _leaf in leaves(spec[name], name)]
    clouds: dict[str, dict[str, set[str]]] = {}
    for rows in _ROWS:
        for row in spec[rows]:
            cloud = fleet.account(row["account"]).cloud if rows == "regions" else PARTITIONS[row["partition"]]
            slots = clouds.setdefault(cloud, {})
            for path, leaf in leaves(row, f"{rows}[]"):
                slots.setdefault(re.sub(r"\[\d+\]", "[]", path), set()).add(json.dumps(leaf, sort_keys=True))
    every = sorted({slot for slots in clouds.values() for slot in slots})
    differ = [s for s in every if len({frozenset(slots.get(s, ())) for slots in clouds.values()}) > 1]
    return Part("fleet", rest.values + len(pairs) + len(every), (*rest.specific, *pairs, *differ))


def parameters(fleet: Fleet) -> dict[str, Any]:
    """Rule -> its parameters as they are used."""
    given = fleet.spec.policies.parameters
    return {rule.id: {**rule.parameters, **given.get(rule.id, {})} for rule in default_bundle().rules}


def measure(loaded: Loaded) -> tuple[Part, ...]:
    words = words_of(loaded.fleet)
    return (
        written_once("app", loaded.app.model_dump(mode="json"), words),
        by_slot(loaded.fleet, words),
        written_once("policy", parameters(loaded.fleet), words),
    )


def total(parts: tuple[Part, ...]) -> Part:
    return Part("all", sum(p.values for p in parts), tuple(f"{p.name}:{path}" for p in parts for path in p.specific))


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.portability", description=(__doc__ or "").split("\n")[0]
    )
    parser.add_argument("application", nargs="?", default="examples/miniprogram")
    parser.add_argument("--fleet", default=None)
    parser.add_argument("--specific", action="store_true", help="also list what is not the same everywhere")
    parser.add_argument("-o", "--output", choices=("table", "json"), default="table")
    options = parser.parse_args(arguments)
    try:
        parts = measure(load(options.application, options.fleet))
    except DuoyunError as exc:
        print(f"{exc.summary}\n{exc.detail}", file=sys.stderr)
        return int(exc.exit_code)
    rows = (*parts, total(parts))
    if options.output == "json":
        found = {
            p.name: {"values": p.values, "specific": len(p.specific), "portable_share": round(p.share, 4)} for p in rows
        }
        print(json.dumps({**found, "specific": list(rows[-1].specific)}, indent=2))
        return 0
    for p in rows:
        print(
            f"{p.name:8} {p.values:6} values, {len(p.specific):5} of one cloud, {p.share:8.2%} the same on every cloud"
        )
    if options.specific:
        print("\n".join(rows[-1].specific))
    return 0


if __name__ == "__main__":
    sys.exit(main())
