"""After a rollout: does each service answer, in each site, several times in a row?

Callers: the engine, once a service's workloads are ready. A pod in a cluster is asked through the API server's proxy,
so nothing needs a route to pods; a VM is asked directly at its private address. The question is the service's own
readiness probe (path, port). How long an answer may take is not fixed: a slow link is no dead service
(orchestrator/patience.py); `DUOYUN_PROBES=fixed` judges as Kubernetes does, by the probe's own timeout and a number of
tries. Not here: judging latency or error rates (canaries), what to do about it.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from typing import Any, Protocol, runtime_checkable

from model.errors import DuoyunError, Interrupted, NotFound, RolloutFailed, Throttled, Transient, Unreachable
from model.resources import LABEL_APP, LABEL_SERVICE, LABEL_SITE, KubernetesObject, Observed
from model.spec.app import Application, HttpProbe, Runtime, Service
from model.spec.fleet import Site
from orchestrator.answers import NO_ROUTE, Answer, answered, get_url
from orchestrator.patience import judge
from orchestrator.remembering import Remembered
from orchestrator.render import site_label
from orchestrator.render.spot import LABEL_SPOT_SITE, is_split
from orchestrator.vantages import LookFrom, Vantages
from probes.policy import Outcome, Vantage
from probes.targets import Kind, ProbeTarget
from providers.base import Call, Provider

PROBES_VARIABLE = "DUOYUN_PROBES"
_WORKERS = 8


@runtime_checkable
class ClusterHttp(Protocol):
    """What verification needs of a cluster's adapter."""

    def pods(self, namespace: str, labels: Mapping[str, str], call: Call) -> list[dict[str, Any]]: ...

    def http_get_pod(self, namespace: str, pod: str, port: int, path: str, call: Call) -> tuple[int, bytes]: ...


@dataclass(frozen=True, slots=True)
class VerifyPolicy:
    """successes in a row per target, at most `attempts` answers each.

    targets_per_site: pods or VMs asked in a site, spread over all that there are. adaptive False: each question has a
    fixed time, interval_s apart, and what the way there does counts against the target. vantages: agents in the sites,
    which are asked as well while they are connected. remembered: what releases before this one learned of how long a
    service takes to answer in a site; scope: what its targets' names begin with there.
    """

    adaptive: bool = field(default_factory=lambda: os.environ.get(PROBES_VARIABLE, "") != "fixed")
    successes: int = 3
    attempts: int = 10
    interval_s: float = 0.1
    targets_per_site: int = 2
    vantages: Vantages | None = None
    remembered: Remembered | None = None
    scope: str = ""


@dataclass(frozen=True, slots=True)
class Verified:
    """A target that answered enough times in a row, and its last answer. site: an id, its label, or a VM's name."""

    service: str
    site: str
    target: str
    questions: int
    last: Answer


def verify_workload(
    provider: Provider,
    service: Service,
    namespace: str,
    observed: Observed,
    call: Call,
    policy: VerifyPolicy | None = None,
) -> tuple[Verified, ...]:
    """Asks ready pods of one Deployment (as its cluster's adapter observed it) through that cluster's API server.

    Raises as verify_service does. Empty where the service has no port or readiness probe to ask.
    """
    if not isinstance(provider, ClusterHttp):
        raise TypeError("a Deployment is verified through its cluster's adapter")
    if not isinstance(observed.resource, KubernetesObject):
        raise TypeError(f"{observed.address} is no Kubernetes object")
    port, probe = _port(service), service.probes.readiness
    if port is None or probe is None:
        return ()
    manifest = observed.resource.manifest
    labels = ((manifest.get("spec") or {}).get("selector") or {}).get("matchLabels") or {}
    targets = _pod_targets(namespace, labels, provider, port, probe, call)
    where = str(labels.get(LABEL_SITE) or labels.get(LABEL_SPOT_SITE) or observed.address.name)
    return _ask_all(service, where, _region(observed), targets, policy or VerifyPolicy(), call)


def verify_instance(
    service: Service, observed: Observed, call: Call, policy: VerifyPolicy | None = None
) -> tuple[Verified, ...]:
    """Asks one VM directly at its private address. Raises as verify_service does."""
    port = _port(service)
    if port is None:
        return ()
    targets = _vm_targets(service, (observed.private_ip,), port)
    return _ask_all(service, observed.address.name, _region(observed), targets, policy or VerifyPolicy(), call)


def _region(observed: Observed) -> str:
    return f"{observed.address.partition}/{observed.address.region}"


def verify_service(
    app: Application,
    service: Service,
    replicas_by_site: Mapping[str, int],
    sites: Sequence[Site],
    *,
    cluster: Callable[[Site], ClusterHttp],
    addresses: Callable[[Site], Sequence[str]],
    call: Call,
    policy: VerifyPolicy | None = None,
) -> tuple[Verified, ...]:
    """Asks the service in each of `sites` where it has replicas, all sites side by side.

    cluster: the adapter of a site's cluster; addresses: private addresses of the service's VMs in a site; each is
    called for its own runtime only. A service without readiness probe has nothing to ask: the answer is empty.
    Raises RolloutFailed with what came instead; Unreachable where a VM could not be connected to at all (unknown, not
    failed); what the cluster's adapter raises.
    """
    port = _port(service)
    probe = service.probes.readiness
    here = [s for s in sites if replicas_by_site.get(s.id, 0) > 0]
    if port is None or probe is None or not here:
        return ()
    rules = policy or VerifyPolicy()

    def at(site: Site) -> tuple[Verified, ...]:
        if service.runtime is Runtime.VM:
            targets = _vm_targets(service, addresses(site), port)
        else:
            names = (LABEL_SITE, LABEL_SPOT_SITE) if is_split(service) else (LABEL_SITE,)
            mine = {LABEL_APP: app.name, LABEL_SERVICE: service.name}
            wanted = [mine | {name: site_label(site.id)} for name in names]
            api = cluster(site)
            targets = [t for labels in wanted for t in _pod_targets(app.namespace, labels, api, port, probe, call)]
        return _ask_all(service, site.id, site.region_id, targets, rules, call)

    with ThreadPoolExecutor(min(_WORKERS, len(here)), thread_name_prefix="verify") as pool:
        return tuple(v for found in pool.map(at, here) for v in found)


Ask = Callable[[float | None], Answer]
"""Asks once, within so many seconds; None: as long as the service's own probe says."""


def _port(service: Service) -> int | None:
    """The readiness probe's port as a number; None where there is nothing to ask."""
    probe = service.probes.readiness
    if probe is None or not service.ports:
        return None
    if isinstance(probe.port, int):
        return probe.port
    return next((p.port for p in service.ports if p.name == probe.port), None)


@dataclass(frozen=True, slots=True)
class _Target:
    """A pod or a VM: how we ask it, and how somebody in its own network would; None where nobody can."""

    name: str
    ask: Ask
    near: ProbeTarget | None


def _spread(targets: list[_Target], most: int) -> list[_Target]:
    """At most `most`, evenly over the (sorted) list."""
    if len(targets) <= most:
        return targets
    return [targets[i * len(targets) // most] for i in range(most)]


def _ask_all(
    service: Service, where: str, region: str, targets: list[_Target], policy: VerifyPolicy, call: Call
) -> tuple[Verified, ...]:
    chosen = _spread(targets, policy.targets_per_site)
    if not chosen:
        raise RolloutFailed(
            f"service {service.name} has nothing that could answer in {where}",
            detail="no ready pod, or no instance with a private address",
            mend="look at the workload's pods or instances there",
        )
    return tuple(_ask_until_sure(service, where, region, target, policy, call) for target in chosen)


def _pod_targets(
    namespace: str, labels: Mapping[str, str], cluster: ClusterHttp, port: int, probe: HttpProbe, call: Call
) -> list[_Target]:
    pods = [
        p for p in cluster.pods(namespace, labels, call) if _ready(p) and not p["metadata"].get("deletionTimestamp")
    ]
    found = sorted((p["metadata"]["name"], str((p.get("status") or {}).get("podIP") or "")) for p in pods)

    def asker(pod: str) -> Ask:
        def ask(timeout_s: float | None) -> Answer:
            began_s = time.monotonic()
            within_s = call.deadline_s if timeout_s is None else min(call.deadline_s, began_s + timeout_s)
            try:
                status, body = cluster.http_get_pod(
                    namespace, pod, port, probe.path, replace(call, deadline_s=within_s)
                )
            except NotFound as exc:
                return Answer(0, "", time.monotonic() - began_s, exc.summary, Outcome.REFUSED)
            except (Throttled, Transient, Unreachable) as exc:
                # It did not get as far as the pod, and says nothing about it.
                return Answer(0, "", time.monotonic() - began_s, exc.summary)
            return answered(status, body, began_s)

        return ask

    return [_Target(f"pod {name}", asker(name), _near(f"pod {name}", ip, port, probe.path)) for name, ip in found]


def _near(name: str, address: str, port: int, path: str) -> ProbeTarget | None:
    """How an agent in the same network asks. None where there is no address, or the path is none that it could send."""
    try:
        return ProbeTarget(name, address, port, path, kind=Kind.HTTP) if address else None
    except ValueError:
        return None


def _ready(pod: Mapping[str, Any]) -> bool:
    conditions = (pod.get("status") or {}).get("conditions") or ()
    return any(c.get("type") == "Ready" and c.get("status") == "True" for c in conditions)


def _vm_targets(service: Service, addresses: Sequence[str], port: int) -> list[_Target]:
    probe = service.probes.readiness
    path = probe.path if probe else "/"
    own_s = max(1.0, probe.timeout if probe else 1.0)

    def asker(address: str) -> Ask:
        host = f"[{address}]" if ":" in address else address
        return lambda timeout_s: get_url(f"http://{host}:{port}{path}", own_s if timeout_s is None else timeout_s)

    return [_Target(f"VM {a}", asker(a), _near(f"VM {a}", a, port, path)) for a in sorted(addresses) if a]


def _ask_until_sure(
    service: Service, where: str, region: str, asked: _Target, policy: VerifyPolicy, call: Call
) -> Verified:
    """policy.successes in a row. Gives up when too few questions are left for that, or at the deadline."""
    if policy.adaptive:
        return _ask_patiently(service, where, region, asked, policy, call)
    target, ask = asked.name, asked.ask
    history: list[Answer] = []
    in_a_row = 0
    while True:
        if call.cancelled():
            raise Interrupted(f"verification of {service.name} stopped on request", mend="duoyun resume goes on")
        history.append(ask(None))
        in_a_row = in_a_row + 1 if history[-1].good else 0
        if in_a_row >= policy.successes:
            return Verified(service.name, where, target, len(history), history[-1])
        left = policy.attempts - len(history)
        if left < policy.successes - in_a_row or call.remaining_s() <= policy.interval_s:
            raise _not_sure(service, where, target, history, policy)
        _pause(policy.interval_s, call)


def _ask_patiently(
    service: Service, where: str, region: str, asked: _Target, policy: VerifyPolicy, call: Call
) -> Verified:
    def once(timeout_s: float) -> tuple[Outcome, Answer]:
        answer = asked.ask(timeout_s)
        return answer.outcome, answer

    target = asked.name
    name = f"{service.name} in {where}, {target}"
    elsewhere = _from_agents(region, asked.near, policy.vantages)
    # Pods and machines come and go with releases; the way to a site, and what a service needs to answer, stay.
    memory = policy.remembered.of(f"{policy.scope}/{service.name} in {where}") if policy.remembered else None
    found = judge(
        name, once, successes=policy.successes, most=policy.attempts, call=call, elsewhere=elsewhere, memory=memory
    )
    if found.why:
        never = Answer(0, "", 0.0, NO_ROUTE, Outcome.TIMEOUT)
        raise _not_sure(service, where, target, found.answers or (never,), policy, found.why)
    return Verified(service.name, where, target, len(found.answers), found.answers[-1])


def _from_agents(
    region: str, near: ProbeTarget | None, vantages: Vantages | None
) -> dict[Vantage, Callable[[float], tuple[Outcome, Answer] | None]]:
    if near is None or vantages is None:
        return {}

    def asker(vantage: Vantage, look: LookFrom) -> Callable[[float], tuple[Outcome, Answer] | None]:
        def ask(timeout_s: float) -> tuple[Outcome, Answer] | None:
            seen = look(near, timeout_s)
            if seen is None:
                return None
            found = seen.result
            why = f"{seen.reason}, seen by {vantage.name}" if seen.reason else ""
            return found.outcome, Answer(seen.http_status, "", found.elapsed_s, why, found.outcome)

        return ask

    return {vantage: asker(vantage, look) for vantage, look in vantages.at(region).items()}


def _pause(seconds: float, call: Call) -> None:
    end_s = time.monotonic() + seconds
    while not call.cancelled() and (left_s := end_s - time.monotonic()) > 0:
        time.sleep(min(0.1, left_s))


def _not_sure(
    service: Service, where: str, target: str, history: Sequence[Answer], policy: VerifyPolicy, why: str = ""
) -> DuoyunError:
    bad = [a for a in history if not a.good]
    if bad and all(a.error == NO_ROUTE for a in history):
        return Unreachable(
            f"service {service.name} in {where}: {target} cannot be reached from here",
            detail=f"{len(history)} attempts without a connection",
            mend="run the verification where private addresses are routed",
        )
    last = bad[-1] if bad else history[-1]
    said = last.error or f"HTTP {last.status}" + (f", {last.body!r}" if last.body else "")
    return RolloutFailed(
        f"service {service.name} in {where} does not answer as it should: {said}",
        detail=f"{target}: {len(history) - len(bad)} of {len(history)} answers were good, "
        f"{policy.successes} in a row are wanted; last bad answer: {said}" + (f"\n{why}" if why else ""),
        mend="look at the service's log; a rollback restores what ran before",
    )
