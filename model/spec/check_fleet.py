"""Rules of the fleet: accounts, regions, addresses, links, money."""

from __future__ import annotations

import re
from collections.abc import Iterator
from ipaddress import IPv4Network, ip_address, ip_network
from itertools import combinations
from urllib.parse import urlsplit

from model.errors import Diagnostic
from model.facts import catalogue
from model.resources import Ownership
from model.spec.assumptions import Assumptions
from model.spec.check import Checked, Notes, Path
from model.spec.check_capacity import check_capacity
from model.spec.fleet import SANDBOX, AccountSpec, Fleet, FleetSpec, NetworkSpec, RegionSpec, RuleSpec
from model.spec.words import did_you_mean, shown

_ACCOUNTS: Path = ("spec", "accounts")
_REGIONS: Path = ("spec", "regions")
_PORTS = re.compile(r"(\d{1,5})(?:-(\d{1,5}))?")
_CURRENCY = re.compile(r"[A-Z]{3}")


def check_fleet(fleet: Checked[Fleet], assumptions: Checked[Assumptions]) -> list[Diagnostic]:
    """All mistakes and warnings; what follows only from an entry that is wrong itself is left out."""
    assert fleet.value is not None
    notes = Notes(fleet)
    spec = fleet.value.spec
    _accounts(notes, spec.accounts)
    partitions: dict[str, str] = {a.name: a.partition for a in spec.accounts}
    priced = {r for row in assumptions.value.spec.prices for r in row.regions} if assumptions.value else set[str]()
    _regions(notes, fleet, partitions)
    for i, region in enumerate(spec.regions):
        here = (*_REGIONS, i)
        partition = partitions.get(region.account)
        if partition is not None:
            _facts(notes, here, region, partition, priced)
        _addresses(notes, here, region)
        _firewalls(notes, here, region)
    _overlaps(notes, fleet, partitions)
    _links(notes, fleet, partitions)
    _money(notes, fleet.value)
    check_capacity(notes, fleet, partitions)
    _urls(notes, fleet.value)
    _approvers(notes, spec)
    return notes.found


def _approvers(notes: Notes[Fleet], spec: FleetSpec) -> None:
    """Each can prove who it is, none twice, and there are enough of them for what is asked."""
    names: dict[str, int] = {}
    keys: dict[str, str] = {}
    for i, person in enumerate(spec.approvers):
        here = ("spec", "approvers", i)
        if person.name in names:
            notes.error((*here, "name"), f"an approver named {shown(person.name)} is already there", "rename one")
        names.setdefault(person.name, i)
        if not person.ssh_keys and person.oidc is None:
            what = f"approver {person.name} has no way to prove who it is"
            notes.error(here, what, "add ssh_keys (the line of a .pub file), or oidc")
        for j, text in enumerate(person.ssh_keys):
            key = " ".join(text.split()[:2])
            if len(text.split()) < 2 or "PRIVATE" in text:
                notes.error((*here, "ssh_keys", j), "is no public key", "copy the line of the .pub file")
            elif keys.setdefault(key, person.name) != person.name:
                notes.error((*here, "ssh_keys", j), f"is {keys[key]}'s key too", "one key proves one person")
    able = sum(p.may_approve for p in spec.approvers)
    if spec.approvers and able < spec.approvals.count:
        what = f"{spec.approvals.count} must approve, and {able} may"
        notes.error(("spec", "approvals", "count"), what, "name more approvers, or ask for fewer")
    asks = spec.approvals
    if not spec.approvers and (asks.always or asks.changes or asks.deletes or asks.cost_increase_per_hour is not None):
        notes.error(("spec", "approvals"), "asks for approvals that nobody may give", "name `approvers`")


# -- accounts and regions --------------------------------------------------------------------------------------


def _accounts(notes: Notes[Fleet], accounts: tuple[AccountSpec, ...]) -> None:
    names: set[str] = set()
    planes: dict[tuple[str, str], str] = {}
    for i, account in enumerate(accounts):
        here = (*_ACCOUNTS, i)
        if account.name in names:
            notes.error((*here, "name"), f"an account named {shown(account.name)} is already there", "rename one")
        elif (plane := (account.partition, account.account_id)) in planes:
            what = f"account {account.name} is {planes[plane]} again: same partition, same account_id"
            notes.error((*here, "account_id"), what, "keep one of them")
        names.add(account.name)
        planes.setdefault((account.partition, account.account_id), account.name)
        credential = account.credential
        ways = [k for k in ("profile", "env_prefix") if getattr(credential, k)] + ["chain"] * credential.chain
        if len(ways) != 1:
            what = f"account {account.name}: {' and '.join(ways) or 'no way'} to find the credential"
            notes.error((*here, "credential"), what, "give exactly one of profile, env_prefix or `chain: true`")


def _regions(notes: Notes[Fleet], fleet: Checked[Fleet], partitions: dict[str, str]) -> None:
    assert fleet.value is not None
    seen: dict[tuple[str, str], int] = {}
    sites: set[str] = set()
    for i, region in enumerate(fleet.value.spec.regions):
        here = (*_REGIONS, i)
        if region.account not in partitions:
            if region.account not in fleet.left_out:
                mend = did_you_mean(region.account, partitions, "add the account")
                notes.error((*here, "account"), f"no account is named {shown(region.account)}", mend)
            continue
        partition = partitions[region.account]
        if (region.account, region.region) in seen:
            what = f"region {region.region} of account {region.account} is listed a second time"
            notes.error((*here, "region"), what, "put all its zones into one entry")
            continue
        seen[(region.account, region.region)] = i
        for j, zone in enumerate(region.zones):
            site = f"{partition}/{zone.zone}"
            if site in sites:
                mend = "a site is one partition/zone; list each zone once, in one account"
                notes.error((*here, "zones", j, "zone"), f"the site {site} is already there", mend)
            sites.add(site)


def _facts(notes: Notes[Fleet], here: Path, region: RegionSpec, partition: str, priced: set[str]) -> None:
    known = {r.region: r for r in catalogue.regions(partition)}
    fact = known.get(region.region)
    if fact is None:
        region_id = f"{partition}/{region.region}"
        elsewhere = [r.partition for r in catalogue.regions() if r.region == region.region]
        if region_id in priced:
            return
        if elsewhere:
            what = f"{region.region} is no region of {partition}, but of {', '.join(elsewhere)}"
            notes.error((*here, "region"), what, "use an account of that partition")
        else:
            mend = did_you_mean(region.region, known, f"known: {', '.join(known)}; or give its prices as assumptions")
            notes.error((*here, "region"), f"unknown region {shown(region.region)} of {partition}", mend)
        return
    if fact.country != region.country:
        what = f"{region.region} lies in {fact.country}, not in {region.country}"
        notes.error((*here, "country"), what, f"write `country: {fact.country}`; residency is judged by it")
    for j, zone in enumerate(region.zones):
        if fact.zones and zone.zone not in fact.zones:
            mend = did_you_mean(zone.zone, fact.zones)
            notes.warn(
                (*here, "zones", j, "zone"), f"{shown(zone.zone)} is no zone of {region.region} that we know", mend
            )
    types = {t.name for t in catalogue.instance_types(partition, region.region)}
    for j, name in enumerate(region.instance_types):
        if name not in types and f"{partition}/{region.region}" not in priced:
            mend = did_you_mean(name, types, "give its price as an assumption")
            notes.warn(
                (*here, "instance_types", j), f"no size and price of {shown(name)} in {region.region} is known", mend
            )


# -- addresses -------------------------------------------------------------------------------------------------


def _network(notes: Notes[Fleet], at: Path, text: str) -> IPv4Network | None:
    """The range; None, and a mistake noted, where the text is none."""
    try:
        found = ip_network(text, strict=True)
    except ValueError:
        try:
            mend = f"did you mean `{ip_network(text, strict=False)}`?"
        except ValueError:
            mend = "write address/length, for example 10.1.0.0/16"
        notes.error(at, f"{shown(text)} is no address range", mend)
        return None
    if not isinstance(found, IPv4Network):
        notes.error(at, f"{shown(text)}: networks here are IPv4", "use an IPv4 range")
        return None
    return found


def _addresses(notes: Notes[Fleet], here: Path, region: RegionSpec) -> None:
    network = _network(notes, (*here, "network", "cidr"), region.network.cidr)
    subnets: list[tuple[str, IPv4Network]] = []
    for j, zone in enumerate(region.zones):
        at = (*here, "zones", j, "subnet_cidr")
        if zone.subnet_cidr is None:
            if region.network.ownership is not Ownership.REFERENCE:
                what = f"zone {zone.zone} has no subnet_cidr, but its network is ours to lay out"
                notes.error((*here, "zones", j), what, f"add `subnet_cidr:`, a part of {region.network.cidr}")
            continue
        subnet = _network(notes, at, zone.subnet_cidr)
        if subnet is None:
            continue
        if network is not None and not subnet.subnet_of(network):
            notes.error(at, f"{subnet} lies outside the network {network}", "take a part of it")
        for other, taken in subnets:
            if subnet.overlaps(taken):
                notes.error(at, f"{subnet} overlaps {taken} of zone {other}", "take ranges that do not meet")
        subnets.append((zone.zone, subnet))
    for j, address in enumerate(region.egress_ips):
        try:
            ip_address(address)
        except ValueError:
            notes.error((*here, "egress_ips", j), f"{shown(address)} is no IP address", "for example 203.0.113.7")
    if region.cluster:
        _cidrs(notes, (*here, "cluster", "public_access_cidrs"), region.cluster.public_access_cidrs)


def _cidrs(notes: Notes[Fleet], at: Path, ranges: tuple[str, ...]) -> None:
    for j, text in enumerate(ranges):
        _any_range(notes, (*at, j), text)


def _any_range(notes: Notes[Fleet], at: Path, text: str) -> None:
    """IPv4 or IPv6, as firewalls take both."""
    try:
        ip_network(text, strict=True)
    except ValueError:
        try:
            mend = f"did you mean `{ip_network(text, strict=False)}`?"
        except ValueError:
            mend = "write address/length, for example 10.1.0.0/16, or 0.0.0.0/0 for everybody"
        notes.error(at, f"{shown(text)} is no address range", mend)


def _firewalls(notes: Notes[Fleet], here: Path, region: RegionSpec) -> None:
    names: set[str] = set()
    for j, group in enumerate(region.firewalls):
        at = (*here, "firewalls", j)
        if group.name in names:
            notes.error(
                (*at, "name"), f"a firewall named {shown(group.name)} is already in {region.region}", "rename one"
            )
        names.add(group.name)
        seen: set[tuple[str, str, str, str]] = set()
        for k, rule in enumerate(group.rules):
            _rule(notes, (*at, "rules", k), rule)
            key = (rule.protocol, rule.ports, rule.cidr, rule.direction)
            if key in seen:
                notes.error((*at, "rules", k), f"this rule is in {group.name} twice", "remove one")
            seen.add(key)


def _rule(notes: Notes[Fleet], at: Path, rule: RuleSpec) -> None:
    _any_range(notes, (*at, "cidr"), rule.cidr)
    if rule.protocol in ("icmp", "any"):
        if rule.ports:
            notes.error((*at, "ports"), f"protocol {rule.protocol} has no ports", "remove `ports`, or say tcp or udp")
        return
    for part in (p.strip() for p in rule.ports.split(",")) if rule.ports else ():
        match = _PORTS.fullmatch(part)
        if match is None:
            mend = 'write `ports: "443"`, `ports: "80,443"` or `ports: "8000-8100"`'
            notes.error((*at, "ports"), f"{shown(part)} is no port or range", mend)
        elif not 0 <= int(match[1]) <= int(match[2] or match[1]) <= 65535:
            notes.error((*at, "ports"), f"{part} is no range of ports", "from low to high, at most 65535")


def _overlaps(notes: Notes[Fleet], fleet: Checked[Fleet], partitions: dict[str, str]) -> None:
    """Networks that links join must not meet: no router can tell them apart."""
    assert fleet.value is not None
    linked = {frozenset(link.between) for link in fleet.value.linked()}
    ranges = list(_ranges(fleet.value, partitions))
    for (_, one, first), (j, two, second) in combinations(ranges, 2):
        if first.overlaps(second) and frozenset((one, two)) in linked:
            at = (*_REGIONS, j, "network", "cidr")
            notes.error(
                at, f"{second} overlaps {first} of {one}, to which a link leads", "take ranges that do not meet"
            )


def _ranges(fleet: Fleet, partitions: dict[str, str]) -> Iterator[tuple[int, str, IPv4Network]]:
    for i, region in enumerate(fleet.spec.regions):
        network: NetworkSpec = region.network
        try:
            found = ip_network(network.cidr)
        except ValueError:
            continue
        if region.account in partitions and isinstance(found, IPv4Network):
            yield i, f"{partitions[region.account]}/{region.region}", found


# -- links, money, URLs ----------------------------------------------------------------------------------------


def _links(notes: Notes[Fleet], fleet: Checked[Fleet], partitions: dict[str, str]) -> None:
    assert fleet.value is not None
    by_id = {f"{partitions[r.account]}/{r.region}": r for r in fleet.value.spec.regions if r.account in partitions}
    seen: set[frozenset[str]] = set()
    for i, link in enumerate(fleet.value.spec.links):
        here: Path = ("spec", "links", i)
        known = [end in by_id for end in link.between]
        for j, end in enumerate(link.between):
            if not known[j] and not fleet.partial:
                mend = did_you_mean(end, by_id, "regions here are partition/region")
                notes.error((*here, "between", j), f"the link leads to {shown(end)}, no region of this fleet", mend)
            elif known[j] and by_id[end].gateway is None:
                what = f"the link leads to {end}, which has no gateway"
                notes.error((*here, "between", j), what, "add `gateway:` to that region")
        pair = frozenset(link.between)
        if len(pair) == 1:
            notes.error((*here, "between"), f"the link leads from {link.between[0]} to itself", "remove it")
        elif pair in seen:
            notes.error(
                (*here, "between"), f"the link between {' and '.join(link.between)} is there twice", "remove one"
            )
        seen.add(pair)


def _money(notes: Notes[Fleet], fleet: Fleet) -> None:
    spec = fleet.spec
    currencies: list[tuple[Path, str]] = [(("spec", "currency"), spec.currency)]
    currencies += [(("spec", "exchange_rates", c), c) for c in spec.exchange_rates]
    if spec.budget:
        currencies.append((("spec", "budget", "currency"), spec.budget.currency))
    for where, currency in currencies:
        if not _CURRENCY.fullmatch(currency):
            notes.error(where, f"{shown(currency)} is no currency", "three capital letters, for example CNY (ISO 4217)")
    for currency, rate in spec.exchange_rates.items():
        if rate <= 0:
            at: Path = ("spec", "exchange_rates", currency)
            notes.error(
                at, f"the rate of {currency} is not above zero", f"what one {currency} is worth in {spec.currency}"
            )
    if spec.budget and spec.budget.currency not in (spec.currency, *spec.exchange_rates):
        what = f"the budget is in {spec.budget.currency}, costs are in {spec.currency}"
        notes.error(("spec", "budget", "currency"), what, f"add {spec.budget.currency} to `exchange_rates`")
    if spec.budget and spec.budget.warn_per_hour is not None and spec.budget.warn_per_hour >= spec.budget.max_per_hour:
        what = "the warning would come where the budget fails already"
        notes.error(("spec", "budget", "warn_per_hour"), what, f"write less than {spec.budget.max_per_hour:g}")


def _urls(notes: Notes[Fleet], fleet: Fleet) -> None:
    for i, account in enumerate(fleet.spec.accounts):
        here = (*_ACCOUNTS, i)
        if account.endpoint not in (None, SANDBOX):
            _url(notes, (*here, "endpoint"), str(account.endpoint), secure=True)
        if account.proxy_url is not None:
            _url(notes, (*here, "proxy_url"), account.proxy_url)
    for i, region in enumerate(fleet.spec.regions):
        cluster = region.cluster
        if cluster and cluster.proxy_url is not None:
            _url(notes, (*_REGIONS, i, "cluster", "proxy_url"), cluster.proxy_url)
        if cluster and cluster.endpoint is not None:
            _url(notes, (*_REGIONS, i, "cluster", "endpoint"), cluster.endpoint, secure=True)
        if cluster and cluster.kubeconfig is not None and cluster.ownership is not Ownership.REFERENCE:
            at = (*_REGIONS, i, "cluster", "kubeconfig")
            owned = cluster.ownership.value
            what = f"cluster {cluster.name} is `ownership: {owned}`, and a kubeconfig is for one that is there"
            notes.error(at, what, "write `ownership: reference`, or leave it out: the cloud's API gives the access")
    if fleet.spec.state.url is not None:
        parts = urlsplit(fleet.spec.state.url)
        if not parts.scheme.startswith(("postgresql", "sqlite")):
            mend = "write postgresql://host/database or sqlite:///path"
            notes.error(("spec", "state", "url"), "the state's URL names no database that we know", mend)
        _no_password(notes, ("spec", "state", "url"), fleet.spec.state.url, "use PGPASSFILE, or DUOYUN_STORE")


def _url(notes: Notes[Fleet], at: Path, text: str, *, secure: bool = False) -> None:
    try:
        parts = urlsplit(text)
        host, _ = parts.hostname, parts.port
    except ValueError:
        host = None
    if not host or parts.scheme not in ("http", "https"):
        notes.error(at, "this is no http or https URL", "for example https://proxy.example.com:3128")
        return
    if secure and parts.scheme == "http" and not (host == "localhost" or host.startswith("127.")):
        notes.error(at, "http would send credentials in the clear", "use https; http serves on 127.0.0.1 only")
    _no_password(notes, at, text, "give it by the environment (HTTPS_PROXY) instead")


def _no_password(notes: Notes[Fleet], at: Path, text: str, mend: str) -> None:
    try:
        password = urlsplit(text).password
    except ValueError:
        return
    if password:
        notes.error(at, "a password stands in this URL, and this file is no place for it", mend)
