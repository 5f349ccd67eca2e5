"""Rules of the assumptions: no row twice, nothing assumed about places that the fleet does not have."""

from __future__ import annotations

from model.errors import Diagnostic
from model.spec.assumptions import Assumptions
from model.spec.check import Checked, Notes, Path
from model.spec.fleet import Fleet
from model.spec.words import did_you_mean, shown

DIRECTIONS = ("internet", "inter-region", "inter-zone")


def check_assumptions(assumptions: Checked[Assumptions], fleet: Checked[Fleet]) -> list[Diagnostic]:
    """Rows that contradict each other are errors; rows about unknown places and currencies are warnings."""
    assert assumptions.value is not None
    notes = Notes(assumptions)
    known = _Places(fleet)
    prices: set[tuple[str, str]] = set()
    for i, row in enumerate(assumptions.value.spec.prices):
        here: Path = ("spec", "prices", i)
        for j, region in enumerate(row.regions):
            known.check(notes, (*here, "regions", j), region)
            if (region, row.instance_type) in prices:
                what = f"a price of {row.instance_type} in {region} is already there"
                notes.error((*here, "regions", j), what, "keep one")
            prices.add((region, row.instance_type))
        known.check_currency(notes, (*here, "currency"), row.currency)
    pairs: set[frozenset[str]] = set()
    for i, rtt in enumerate(assumptions.value.spec.rtt_ms):
        for j, end in enumerate(rtt.between):
            known.check(notes, ("spec", "rtt_ms", i, "between", j), end)
        pair = frozenset(rtt.between)
        if len(pair) == 1:
            notes.error(("spec", "rtt_ms", i, "between"), "a round trip from a region to itself", "remove the row")
        if pair in pairs:
            notes.error(("spec", "rtt_ms", i, "between"), "the round trip between these is already there", "keep one")
        pairs.add(pair)
    ways: set[tuple[str, str]] = set()
    for i, egress in enumerate(assumptions.value.spec.egress):
        here = ("spec", "egress", i)
        known.check(notes, (*here, "from"), egress.source)
        if egress.to not in DIRECTIONS:
            known.check(notes, (*here, "to"), egress.to)
        if (egress.source, egress.to) in ways:
            notes.error(here, f"egress from {egress.source} to {egress.to} is already there", "keep one")
        ways.add((egress.source, egress.to))
        known.check_currency(notes, (*here, "currency"), egress.currency)
    return notes.found


class _Places:
    """Partitions and regions of the fleet, and the currencies it can convert."""

    def __init__(self, fleet: Checked[Fleet]) -> None:
        self.places: set[str] | None = None
        self.currencies: set[str] = set()
        if fleet.value is None or fleet.partial:
            return
        partitions = {a.name: a.partition for a in fleet.value.spec.accounts}
        self.currencies = {fleet.value.spec.currency, *fleet.value.spec.exchange_rates}
        self.places = set(partitions.values())
        for region in fleet.value.spec.regions:
            if region.account in partitions:
                self.places.add(f"{partitions[region.account]}/{region.region}")

    def check(self, notes: Notes[Assumptions], at: Path, place: str) -> None:
        if self.places is not None and place not in self.places:
            mend = did_you_mean(place, self.places, "it does no harm; remove it where it is a slip")
            notes.warn(at, f"{shown(place)} is no place of the fleet", mend)

    def check_currency(self, notes: Notes[Assumptions], at: Path, currency: str) -> None:
        if self.places is not None and currency not in self.currencies:
            what = f"the fleet has no exchange rate for {currency}"
            notes.error(at, what, "add it to `exchange_rates:` of the fleet")
