"""What `policy check` was named, as documents; and the texts of those files, for waivers written as comments.

Callers: checking. Loading itself is policies.loaders; here are the tables of every cloud and what the fleet knows.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from model.errors import Diagnostic, InvalidInput
from orchestrator.registry import terraform_sources
from policies.loaders import Options, Stream, load
from policies.loaders.report import UNMAPPED_FIELD, Unassessed
from policies.positions import Position

if TYPE_CHECKING:
    from model.spec.fleet import Fleet

STDIN, STDIN_NAME = "-", "<stdin>"
_MAX_COMMENTED_BYTES = 8 * 2**20


@dataclass(slots=True)
class Inputs:
    """documents: for the gate. unassessed: what could not be assessed, a line each. mistakes: what cannot be read.

    fleets: files that hold a fleet, whose policies apply. texts: file -> its text.
    """

    documents: list[dict[str, Any]] = field(default_factory=list)
    unassessed: list[str] = field(default_factory=list)
    mistakes: list[Diagnostic] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    fleets: list[Path] = field(default_factory=list)
    texts: dict[str, str] = field(default_factory=dict)


def read_inputs(paths: Sequence[str], stdin: bytes | None, fleet: Fleet | None) -> Inputs:
    """Every document of the files, folders and standard input (`-`, handed in) that were named.

    Raises InvalidInput where nothing was found to check: an empty pass would say more than is known.
    """
    named: list[Path | Stream] = [Stream(STDIN_NAME, stdin or b"") if p == STDIN else Path(p) for p in paths]
    loaded = load(named, mapping=terraform_sources(), options=Options(countries=_countries(fleet)))
    if not (loaded.documents or loaded.unassessed or loaded.mistakes):
        rows = [Diagnostic(n.position, n.what, n.mend) for n in loaded.notes]
        raise InvalidInput(rows, summary="nothing to check was found in what was named")
    places = {d["address"]: Position.parse(str(d.get("position", ""))) for d in loaded.documents}
    fleets = {p.path for d in loaded.documents if d["kind"] == "fleet" and (p := places[d["address"]]) is not None}
    found = Inputs(
        documents=loaded.documents,
        unassessed=[str(u) for u in loaded.unassessed if u.reason != UNMAPPED_FIELD],
        mistakes=loaded.mistakes,
        notes=[*(str(n) for n in loaded.notes), *_unread(loaded.unassessed)],
        fleets=[Path(p) for p in sorted(fleets)],
    )
    found.texts.update(_texts(_files(paths, loaded.documents)))
    if stdin is not None and STDIN in paths:
        found.texts[STDIN_NAME] = stdin.decode("utf-8", errors="replace")
    return found


def _unread(rows: Iterable[Unassessed]) -> list[str]:
    """A line for each type with settings that no rule reads. Nearly every type has some: told, never denied."""
    fields: dict[str, Counter[str]] = {}
    for row in rows:
        if row.reason == UNMAPPED_FIELD:
            fields.setdefault(row.native_type, Counter())[row.field] += 1
    return [
        f"{native}: no rule reads " + ", ".join(f"{name} ({times})" for name, times in sorted(found.items()))
        for native, found in sorted(fields.items())
    ]


def _countries(fleet: Fleet | None) -> dict[str, tuple[str, bool | None]]:
    if fleet is None:
        return {}
    return {s.region_id: (s.region.country, s.region.icp) for s in fleet.sites()}


def _files(paths: Iterable[str], documents: Iterable[Mapping[str, Any]]) -> Iterator[str]:
    """Files that were named or that a document, or a part of one, was read from."""
    seen: set[str] = set()
    positions = [str(d.get("position", "")) for d in documents]
    positions += [str(s.get("position", "")) for d in documents for s in (d.get("sources") or {}).values()]
    for name in [*(p.path for t in positions if (p := Position.parse(t)) is not None), *paths]:
        if name not in seen and name not in (STDIN, STDIN_NAME):
            seen.add(name)
            yield name


def _texts(names: Iterable[str]) -> Iterator[tuple[str, str]]:
    """Whatever is text; what is not has been told of by the loader, and JSON has no comments."""
    for name in names:
        path = Path(name)
        if path.suffix == ".json" or not path.is_file() or path.stat().st_size > _MAX_COMMENTED_BYTES:
            continue
        try:
            yield name, path.read_bytes().decode("utf-8-sig")  # line ends as they are: diffs are drawn of it
        except (OSError, UnicodeDecodeError):
            continue
