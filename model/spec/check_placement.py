"""Rules of where services may run: sites that exist, numbers that can hold at all, wishes that contradict one another.

Callers: model.spec.check_app. Non-goals: whether a placement exists; only what no fleet could satisfy is told here.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from fnmatch import fnmatchcase

from model.spec.app import Application, Service
from model.spec.check import Checked, Notes, Path
from model.spec.fleet import Fleet
from model.spec.words import close, did_you_mean, shown

LEVELS = ("node", "zone", "region", "cloud")  # each lies in the next


def check_placement(notes: Notes[Application], app: Checked[Application], fleet: Checked[Fleet], sites: Sites) -> None:
    """All of it, for every service of the application."""
    assert app.value is not None
    services = {s.name for s in app.value.spec.services} | app.left_out
    populations, teams = _of_fleet(fleet)
    for i, service in enumerate(app.value.spec.services):
        here: Path = ("spec", "services", i)
        rules = service.placement
        at = (*here, "placement")
        for key, globs in (("sites", rules.sites), ("avoid_sites", rules.avoid_sites)):
            sites.check(notes, (*at, key), globs, must=key == "sites")
        for j, wish in enumerate(rules.prefer):
            sites.check(notes, (*at, "prefer", j, "sites"), wish.sites, must=True)
        sites.check_exact(notes, (*at, "pin"), rules.pin)
        _spread(notes, here, service)
        _pins(notes, at, service)
        _survival(notes, at, service)
        _apart(notes, at, service, services, sure=not (app.partial and not app.left_out))
        _affinity(notes, here, service, {e.name for e in app.value.spec.externals})
        for j, users in enumerate(rules.users):
            if populations is not None and users.population not in populations:
                mend = did_you_mean(users.population, populations, "add it to `populations` of the fleet")
                what = f"{service.name}: the fleet has no population {shown(users.population)}"
                notes.error((*at, "users", j, "population"), what, mend)
        if service.team is not None and teams and service.team not in teams and (near := close(service.team, teams)):
            what = f"{service.name}: no quota of the fleet names the team {shown(service.team)}"
            notes.warn((*here, "team"), what, f"did you mean `{near}`?")


def _of_fleet(fleet: Checked[Fleet]) -> tuple[list[str] | None, list[str]]:
    """Its populations (None where they cannot be told) and the teams that its quotas name."""
    if fleet.value is None:
        return None, []
    spec = fleet.value.spec
    return [p.name for p in spec.populations], [q.team for q in spec.capacity.team_quotas]


class Sites:
    """The fleet's sites, for globs. Where the fleet itself is wrong, nothing is said about sites."""

    def __init__(self, fleet: Checked[Fleet]) -> None:
        self.known: list[str] = []
        self.sure = fleet.value is not None and not fleet.partial
        if fleet.value is not None and self.sure:
            partitions = {a.name: a.partition for a in fleet.value.spec.accounts}
            for region in fleet.value.spec.regions:
                if region.account not in partitions:
                    self.sure = False  # said where the region stands
                    continue
                self.known += [f"{partitions[region.account]}/{z.zone}" for z in region.zones]

    def check(
        self, notes: Notes[Application], at: Path, globs: Iterable[str], *, must: bool, also: Sequence[str] = ()
    ) -> None:
        for j, glob in enumerate(globs):
            if glob in also or not self.sure or any(fnmatchcase(site, glob) for site in self.known):
                continue
            mend = did_you_mean(glob, (*self.known, *also), "sites are partition/zone, for example `aws-cn/*`")
            note = notes.error if must else notes.warn
            note((*at, j), f"{shown(glob)} matches no site of the fleet", mend)

    def check_exact(self, notes: Notes[Application], at: Path, names: Iterable[str]) -> None:
        """Sites as keys of a map, where no glob is meant."""
        for name in names:
            if self.sure and name not in self.known:
                mend = did_you_mean(name, self.known, "sites are partition/zone, as the fleet lists them")
                notes.error((*at, name), f"{shown(name)} is no site of the fleet", mend)


def _spread(notes: Notes[Application], here: Path, service: Service) -> None:
    spread = service.placement.spread
    if spread and spread.min_domains * spread.min_each > service.replicas:
        needed = spread.min_domains * spread.min_each
        notes.error(
            (*here, "placement", "spread"),
            f"{service.name} has {service.replicas} replica(s), but {spread.min_each} in each of "
            f"{spread.min_domains} {spread.over}s takes {needed}",
            f"set `replicas` to at least {needed}, or ask for less",
        )


def _pins(notes: Notes[Application], at: Path, service: Service) -> None:
    """At least so many in a site: not more than there are, and not where it may not be."""
    rules = service.placement
    total = sum(rules.pin.values())
    if total > service.replicas:
        what = f"{service.name} has {service.replicas} replica(s), and {total} are pinned"
        notes.error((*at, "pin"), what, f"set `replicas` to at least {total}, or pin fewer")
    for site, least in rules.pin.items():
        if rules.sites and not any(fnmatchcase(site, glob) for glob in rules.sites):
            what = f"{service.name} is pinned to {site}, which its `sites` leave out"
            notes.error((*at, "pin", site), what, "add the site to `sites`, or take the pin away")
        if any(fnmatchcase(site, glob) for glob in rules.avoid_sites):
            what = f"{service.name} is pinned to {site}, and `avoid_sites` keeps it out of there"
            notes.error((*at, "pin", site), what, "keep one of the two")
        most = _most_in_a_zone(service)
        if most is not None and least > most:
            what = f"{service.name}: {least} replicas are pinned to {site}, where at most {most} may be"
            notes.error((*at, "pin", site), what, "pin fewer, or loosen `max_per` or `survive`")


def _most_in_a_zone(service: Service) -> int | None:
    """By max_per and by what must survive a loss; a zone cannot hold more than its region or cloud may."""
    rules = service.placement
    caps = [n for level, n in rules.max_per.items() if level != "node"]
    caps += [service.replicas - math.ceil(share * service.replicas - 1e-9) for share in rules.survive.values()]
    return min(caps, default=None)


def _survival(notes: Notes[Application], at: Path, service: Service) -> None:
    """A share that is left when a domain is lost: at least one replica must be somewhere to be lost."""
    for level, share in service.placement.survive.items():
        kept = math.ceil(share * service.replicas - 1e-9)
        if kept >= service.replicas:
            what = f"{service.name}: {share:.0%} of {service.replicas} replica(s) is {kept}, so no {level} may be lost"
            notes.error((*at, "survive", level), what, "more replicas, or a smaller share")


def _apart(notes: Notes[Application], at: Path, service: Service, known: set[str] | frozenset[str], sure: bool) -> None:
    seen: set[tuple[str, str]] = set()
    near = {e.name: e.within for e in service.depends_on if e.within is not None}
    for j, rule in enumerate(service.placement.apart):
        here: Path = (*at, "apart", j)
        if rule.service == service.name:
            what = f"{service.name} cannot keep apart from itself"
            notes.error((*here, "service"), what, f"`max_per: {{{rule.over}: 1}}` keeps its replicas apart")
        elif rule.service not in known and sure:
            what = f"{service.name} keeps apart from {shown(rule.service)}, which is no service"
            notes.error((*here, "service"), what, did_you_mean(rule.service, sorted(known)))
        if (rule.service, rule.over) in seen:
            notes.error(here, f"{service.name} keeps apart from {rule.service} twice", "keep one entry")
        seen.add((rule.service, rule.over))
        within = near.get(rule.service)
        if within is not None and LEVELS.index(rule.over) >= LEVELS.index(within):
            what = f"{service.name} keeps from the {rule.over} of {rule.service}, and calls it within its {within}"
            notes.error(here, what, "keep one of the two")


def _affinity(notes: Notes[Application], here: Path, service: Service, externals: set[str]) -> None:
    for j, edge in enumerate(service.depends_on):
        if edge.within == "zone" and edge.name in externals:
            what = f"{service.name}: of the external {edge.name} the region is known, and not the zone"
            notes.error((*here, "depends_on", j, "within"), what, "write `within: region`")
