"""The gate on a resolved plan, and the same rules on what is live. Reads the fleet's own bundles and waivers.

Callers: planning (every plan is judged) and drift (which policy a change breaks).
"""

from __future__ import annotations

import datetime
import os
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from model.errors import Diagnostic, InvalidInput
from model.plan import Cost, Finding, GateReport, Plan
from model.resources import AnyResource, Observed
from policies.documents import Place, Surroundings, of_observed, of_plan, of_resource
from policies.evaluation import Evaluator
from policies.gate import judge
from policies.rules import Bundle, default_bundle
from policies.waivers import Waiver, waivers_from_data

if TYPE_CHECKING:  # pydantic takes its time, and most checks of files have no fleet
    from model.spec.fleet import Fleet, PoliciesSpec
    from orchestrator.load import Loaded

_MAX_BYTES = 2 * 2**20


def gate_plan(loaded: Loaded, plan: Plan) -> GateReport:
    """Judges every item of the plan, its placement and its cost. Raises InvalidInput for bundles that do not load."""
    documents = of_plan(plan, surroundings(loaded.fleet, plan.placement.cost.currency))
    return judge(
        documents,
        loaded.fleet.spec.policies.parameters,
        waivers_of(loaded),
        today=_today(),
        bundle=(bundle := bundle_of(loaded)),
        evaluator=evaluator_of(loaded.fleet.spec.policies, bundle, loaded.fleet_path.parent),
    )


def evaluator_of(policies: PoliciesSpec, bundle: Bundle, folder: Path) -> Evaluator:
    """The server that the fleet names, else the bundle's own processes. folder: where the fleet lies."""
    spec = policies.server
    if spec is None:
        return bundle.evaluator
    from policies.server import OpaServer, Server

    certificate = None
    if spec.client_certificate and spec.client_key:
        certificate = (str(folder / spec.client_certificate), str(folder / spec.client_key))
    server = Server(
        url=spec.url,
        token=os.environ.get(spec.token_env, "") if spec.token_env else "",
        ca_bundle=str(folder / spec.ca_bundle) if spec.ca_bundle else "",
        certificate=certificate,
        timeout_s=spec.timeout,
        retries=spec.retries,
        upload=spec.upload,
    )
    return OpaServer(server, bundle.modules, bundle.evaluator if spec.when_down == "embedded" else None)


def judge_live(loaded: Loaded, seen: Observed, recorded: AnyResource) -> tuple[Finding, ...]:
    """What the live resource breaks and the recorded one does not: what the drift itself did."""
    facts = surroundings(loaded.fleet, loaded.fleet.spec.currency)
    live = _findings(loaded, of_observed(seen, facts))
    before = {(f.rule_id, f.message) for f in _findings(loaded, of_resource(seen.address, recorded, facts))}
    return tuple(f for f in live if (f.rule_id, f.message) not in before and not f.unknown)


def _findings(loaded: Loaded, document: dict[str, object]) -> tuple[Finding, ...]:
    bundle = bundle_of(loaded)
    report = judge(
        [document],
        loaded.fleet.spec.policies.parameters,
        waivers_of(loaded),
        today=_today(),
        bundle=bundle,
        evaluator=evaluator_of(loaded.fleet.spec.policies, bundle, loaded.fleet_path.parent),
    )
    return tuple(f for f in report.findings if f.address == document["address"])


def _today() -> datetime.date:
    return datetime.datetime.now(datetime.UTC).date()


def surroundings(fleet: Fleet, currency: str) -> Surroundings:
    """What rules want to know of the fleet."""
    sites = {site.id: Place(site.region_id, site.cloud, site.region.country, site.region.icp) for site in fleet.sites()}
    budget = fleet.spec.budget
    limit = None if budget is None else _in_currency(fleet, budget.max_per_hour, currency)
    return Surroundings(sites=sites, budget_per_hour=limit)


def _in_currency(fleet: Fleet, amount: float, currency: str) -> float | None:
    """An amount of the fleet's budget in that currency; None where no rate leads there."""
    assert fleet.spec.budget is not None
    given = fleet.spec.budget.currency
    if given == currency:
        return amount
    rate = fleet.spec.exchange_rates.get(given) if currency == fleet.spec.currency else None
    return None if rate is None else amount * rate


def above_the_line(fleet: Fleet, cost: Cost) -> Iterator[str]:
    """That the bill is above what the fleet wants to be warned of."""
    budget = fleet.spec.budget
    if budget is None or budget.warn_per_hour is None:
        return
    line = _in_currency(fleet, budget.warn_per_hour, cost.currency)
    if line is not None and cost.total_per_hour > line:
        yield f"the bill of {cost.total_per_hour:.2f} {cost.currency}/h is above {line:.2f} (budget.warn_per_hour)"


def bundle_of(loaded: Loaded) -> Bundle:
    """The shipped rules and the fleet's own. Raises InvalidInput for a folder that is not there."""
    bundle = default_bundle()
    modules: dict[str, str] = {}
    for name in loaded.fleet.spec.policies.bundles:
        modules.update(modules_in(loaded.fleet_path.parent / name))
    return _extended(bundle, modules)


def modules_in(folder: Path) -> dict[str, str]:
    """The Rego files of a bundle's folder. Raises InvalidInput where there is no such folder, or nothing in it."""
    if not folder.is_dir():
        raise InvalidInput([Diagnostic("", f"the policy bundle {folder} is no folder", f"make {folder}")])
    paths = sorted(p for p in folder.rglob("*.rego") if not p.name.endswith("_test.rego"))
    if not paths:
        raise InvalidInput([Diagnostic("", f"the policy bundle {folder} holds no .rego file", "see docs/policies.md")])
    return {str(path.relative_to(folder.parent)): read_text(path) for path in paths}


_extensions: dict[tuple[tuple[str, str], ...], Bundle] = {}


def _extended(bundle: Bundle, modules: dict[str, str]) -> Bundle:
    """The last bundle is kept: a schedule of scans need not load the same rules anew each time."""
    key = tuple(sorted(modules.items()))
    if key not in _extensions:
        loaded = bundle.extended(modules)
        _extensions.clear()
        _extensions[key] = loaded
    return _extensions[key]


def waivers_of(loaded: Loaded) -> tuple[Waiver, ...]:
    """The fleet's waivers file, read anew each time: a waiver that was withdrawn must not linger."""
    name = loaded.fleet.spec.policies.waivers
    if name is None:
        return ()
    return read_waivers(loaded.fleet_path.parent / name)


def read_waivers(path: Path) -> tuple[Waiver, ...]:
    """A waivers file. Raises InvalidInput."""
    from model.spec.yaml_source import read_documents

    documents, mistakes = read_documents(str(path), read_text(path))
    if mistakes:
        raise InvalidInput(mistakes)
    return tuple(w for d in documents for w in waivers_from_data(d.root.plain()))


def read_text(path: Path) -> str:
    """A file's text. Raises InvalidInput where it cannot be read or is larger than any such file is."""
    try:
        data = path.read_bytes()
    except OSError as exc:
        raise InvalidInput([Diagnostic(str(path), f"cannot be read: {exc.strerror}")]) from exc
    if len(data) > _MAX_BYTES:
        raise InvalidInput([Diagnostic(str(path), f"is larger than {_MAX_BYTES // 2**20} MiB")])
    return data.decode("utf-8", errors="replace")
