"""Rules of the application: names, call graph, ports, probes, zones, and what it says about the fleet's sites."""

from __future__ import annotations

import re
from collections.abc import Sequence

from model.errors import Diagnostic
from model.facts.countries import COUNTRIES
from model.spec.app import Application, External, HttpProbe, Runtime, Service
from model.spec.check import Checked, Notes, Path
from model.spec.check_placement import Sites, check_placement
from model.spec.fleet import Fleet
from model.spec.graph import call_edges, cycles
from model.spec.words import close, did_you_mean, shown

ANY = "any"
INTERNET = "internet"
_ENV = re.compile(r"[A-Za-z_][A-Za-z0-9_.-]*")
_ENDPOINT = re.compile(r"(?:[A-Za-z0-9](?:[A-Za-z0-9.-]*[A-Za-z0-9])?|\[[0-9a-fA-F:]+\]):(\d{1,5})")
# Host with an optional port, path, optional tag, optional digest (distribution reference grammar, simplified).
_IMAGE = re.compile(
    r"(?:[a-zA-Z0-9][a-zA-Z0-9.-]*(?::\d+)?/)?[a-z0-9]+(?:[._/-]+[a-z0-9]+)*(?::[A-Za-z0-9_][A-Za-z0-9_.-]{0,127})?(?:@sha256:[0-9a-f]{64})?"
)
_SERVICES: Path = ("spec", "services")
_EXTERNALS: Path = ("spec", "externals")


def check_app(app: Checked[Application], fleet: Checked[Fleet]) -> list[Diagnostic]:
    """All mistakes and warnings; what follows only from an entry that is wrong itself is left out."""
    assert app.value is not None
    notes = Notes(app)
    _names(notes, app.value)
    _dependencies(notes, app)
    sites = Sites(fleet)
    for i, service in enumerate(app.value.spec.services):
        here = (*_SERVICES, i)
        _zones(notes, (*here, "zones"), service.zones, service.name)
        _ports(notes, here, service)
        _environment(notes, here, service)
        _runtime(notes, here, service)
    for i, external in enumerate(app.value.spec.externals):
        _external(notes, (*_EXTERNALS, i), external)
        sites.check(notes, (*_EXTERNALS, i, "sites"), external.sites, must=True, also=(INTERNET,))
    _egress_addresses(notes, app.value, fleet)
    check_placement(notes, app, fleet, sites)
    return notes.found


def _names(notes: Notes[Application], app: Application) -> None:
    first: dict[str, str] = {}
    for base, what, entries in (
        (_SERVICES, "service", [s.name for s in app.spec.services]),
        (_EXTERNALS, "external", [e.name for e in app.spec.externals]),
    ):
        for i, name in enumerate(entries):
            if name in first:
                mend = "names are unique over services and externals"
                notes.error((*base, i, "name"), f"{first[name]} named {shown(name)} is already there", mend)
            else:
                first[name] = f"a{'n' if what[0] in 'aeiou' else ''} {what}"


def _dependencies(notes: Notes[Application], app: Checked[Application]) -> None:
    assert app.value is not None
    known = [s.name for s in app.value.spec.services] + [e.name for e in app.value.spec.externals]
    names = set(known) | app.left_out
    for i, service in enumerate(app.value.spec.services):
        seen: set[str] = set()
        for j, edge in enumerate(service.depends_on):
            at: Path = (*_SERVICES, i, "depends_on", j, "name")
            if edge.name == service.name:
                notes.error(at, f"{service.name} depends on itself", "remove the entry")
            elif edge.name in seen:
                notes.error(at, f"{service.name} depends on {shown(edge.name)} twice", "keep one entry")
            elif edge.name not in names and not (app.partial and not app.left_out):
                mend = did_you_mean(edge.name, known, "add a service or an external of that name")
                notes.error(
                    at, f"{service.name} depends on {shown(edge.name)}, which is neither service nor external", mend
                )
            seen.add(edge.name)
    edges = {
        caller: [c for c in callees if c != caller]
        for caller, callees in call_edges(app.value, required_only=True).items()
    }
    for circle in cycles(edges):
        index = next(i for i, s in enumerate(app.value.spec.services) if s.name == circle[0])
        notes.error(
            (*_SERVICES, index, "depends_on"),
            f"services wait for one another in a circle: {' -> '.join(circle)}",
            "set `required: false` on the call that may fail while the other starts",
        )


def _zones(notes: Notes[Application], at: Path, zones: Sequence[str], owner: str) -> None:
    if not zones:
        notes.error(at, f"{owner} names no zone", "list country codes such as CN, or `any`")
    for i, zone in enumerate(zones):
        if zone != ANY and zone not in COUNTRIES:
            near = close(zone, (*COUNTRIES, ANY)) if len(zone) <= 3 else None
            mend = f"did you mean `{near}`?" if near else "zones are two-letter country codes (ISO 3166), or `any`"
            notes.error((*at, i), f"{shown(zone)} is no country", mend)
    if ANY in zones and len(zones) > 1:
        notes.error(at, f"{owner}: `any` beside countries says two things", "keep `any`, or the countries")


def _ports(notes: Notes[Application], here: Path, service: Service) -> None:
    names: set[str] = set()
    numbers: set[tuple[int, str]] = set()
    for j, port in enumerate(service.ports):
        at = (*here, "ports", j)
        if port.name in names:
            notes.error((*at, "name"), f"{service.name} has two ports named {shown(port.name)}", "rename one")
        if (port.port, port.protocol) in numbers:
            notes.error((*at, "port"), f"{service.name} lists port {port.port}/{port.protocol} twice", "remove one")
        names.add(port.name)
        numbers.add((port.port, port.protocol))
        if port.public and "CN" in service.zones and not service.icp:
            notes.warn(
                (*at, "public"),
                f"{service.name} answers strangers and may run in mainland China, where that takes an ICP filing",
                "set `icp: true`, so that it runs only where the fleet has one",
            )
    for kind in ("readiness", "liveness"):
        probe: HttpProbe | None = getattr(service.probes, kind)
        if probe is None or kind not in service.probes.model_fields_set:
            continue
        known = [str(p.port) for p in service.ports] if isinstance(probe.port, int) else [p.name for p in service.ports]
        if str(probe.port) not in known:
            notes.error(
                (*here, "probes", kind, "port"),
                f"{service.name}: the {kind} probe asks port {shown(probe.port)}, which the service does not list",
                did_you_mean(str(probe.port), known, f"its ports: {', '.join(known)}" if known else "add `ports:`"),
            )


def _environment(notes: Notes[Application], here: Path, service: Service) -> None:
    for name in service.env:
        if not _ENV.fullmatch(name):
            notes.error(
                (*here, "env", name), f"{shown(name)} is no name of an environment variable", "letters, digits, `_`"
            )
    seen = set(service.env)
    for j, ref in enumerate(service.secret_refs):
        if ref.env in seen:
            at: Path = (*here, "secretRefs", j, "env")
            notes.error(at, f"{service.name}: the variable {shown(ref.env)} is set twice", "rename one of them")
        seen.add(ref.env)


def _runtime(notes: Notes[Application], here: Path, service: Service) -> None:
    if not _IMAGE.fullmatch(service.image):
        mend = "write registry/path:tag or registry/path@sha256:..., the path in lower case"
        notes.error((*here, "image"), f"{shown(service.image)} is no image reference", mend)
    limit = service.resources.cpu_limit
    if limit is not None and limit < service.resources.cpu:
        what = f"{service.name}: cpu_limit {limit}m is below its request {service.resources.cpu}m"
        notes.error((*here, "resources", "cpu_limit"), what, "raise the limit, or remove it")
    rollout = service.rollout
    if rollout.max_surge in (0, "0%") and rollout.max_unavailable in (0, "0%"):
        what = f"{service.name}: neither surge nor unavailability is allowed, so that nothing can ever be replaced"
        notes.error((*here, "rollout"), what, "allow one of them")
    if rollout.min_ready >= rollout.progress_deadline:
        what = f"{service.name}: min_ready is not below progress_deadline, so that no rollout can end in time"
        notes.error((*here, "rollout"), what, "lower min_ready, or raise progress_deadline")
    if service.runtime is Runtime.VM:
        for key, given in (("secretRefs", service.secret_refs), ("manifests", service.manifests)):
            if given:
                what = f"{service.name} runs on machines of its own, where there is no cluster for `{key}`"
                notes.error((*here, key), what, f"remove `{key}`, or use `runtime: kubernetes`")


def _external(notes: Notes[Application], here: Path, external: External) -> None:
    _zones(notes, (*here, "zones"), external.zones, external.name)
    if not external.sites:
        notes.error((*here, "sites"), f"{external.name} is nowhere", f"list sites, globs of sites, or `{INTERNET}`")
    for j, endpoint in enumerate(external.endpoints):
        match = _ENDPOINT.fullmatch(endpoint)
        if not match or not 1 <= int(match[1]) <= 65535:
            at: Path = (*here, "endpoints", j)
            notes.error(at, f"{shown(endpoint)} is no endpoint", "write host:port, for example db.internal:3306")


def _egress_addresses(notes: Notes[Application], app: Application, fleet: Checked[Fleet]) -> None:
    if fleet.value is None or fleet.partial or any(r.egress_ips for r in fleet.value.spec.regions):
        return
    wanting = {e.name for e in app.spec.externals if e.requires_egress_ip}
    for i, service in enumerate(app.spec.services):
        for j, edge in enumerate(service.depends_on):
            if edge.name in wanting:
                notes.error(
                    (*_SERVICES, i, "depends_on", j),
                    f"{service.name} calls {edge.name}, which lets only fixed addresses in, and no region has any",
                    "add `egress_ips:` to a region of the fleet",
                )
