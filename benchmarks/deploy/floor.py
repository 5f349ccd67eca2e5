"""What a release cannot be faster than: from the sandbox's log of draws to chains over true dependencies. Pure.

Callers: benchmarks.deploy.line. A draw belongs to a service by its resource (docs/sandbox.md): `container.start` names
site and pod, `image.pull` region and node, `<cloud>.vm.create` ends in the instance's name,
`kubernetes.loadbalancer.create` in that of the Service.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from model.spec.app import Application
from orchestrator.engine.dag import critical_path

Draw = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Part:
    """One thing that was waited for, as long as was drawn for it. needs: services that must be ready before.

    service: "" for what nobody waits for.
    """

    name: str
    seconds: float
    service: str = ""
    needs: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Floor:
    """See benchmarks.deploy. path: the chain's parts with their seconds, first to last."""

    drawn_s: float
    sequential_s: float
    critical_path_s: float
    path: tuple[tuple[str, float], ...]


def floor(parts: Sequence[Part], draws: Iterable[Draw]) -> Floor:
    """Sums and the longest chain. ValueError where sequential_s exceeds what was drawn by more than 5 %."""
    drawn_s = sum(d["scaled_s"] for d in draws)
    sequential_s = sum(p.seconds for p in parts)
    if sequential_s > 1.05 * drawn_s:
        raise ValueError(f"sequential_s {sequential_s:.3f} is more than 1.05 x the {drawn_s:.3f} s that were drawn")
    of_service: dict[str, list[str]] = {}
    for part in parts:
        if part.service:
            of_service.setdefault(part.service, []).append(part.name)
    weights = {p.name: p.seconds for p in parts}
    depends = {p.name: tuple(n for s in p.needs for n in of_service.get(s, ())) for p in parts}
    path = critical_path(depends, weights.__getitem__)
    return Floor(drawn_s, sequential_s, sum(weights[n] for n in path), tuple((n, weights[n]) for n in path))


def parts_of(app: Application, draws: Sequence[Draw], nodes: Mapping[tuple[str, str], str]) -> list[Part]:
    """One part a Deployment, an instance and a load balancer. nodes: (site, pod) -> the node it ran on."""
    needs = {s.name: tuple(d.name for d in s.depends_on if d.required) for s in app.spec.services}
    return [
        *_deployments(needs, draws, nodes),
        *_instances(needs, draws),
        *(Part(f"lb {d['resource']}", d["scaled_s"]) for d in draws if d["operation"].endswith("loadbalancer.create")),
    ]


def _starts(draws: Sequence[Draw]) -> Iterable[tuple[str, str, str, float]]:
    """(site, service, pod, seconds); pod "" for a container on an instance."""
    for draw in draws:
        if draw["operation"] == "container.start":
            who, _, _image = draw["resource"].partition(" ")
            site, _, rest = who.partition("/")
            yield site, rest.rpartition("/")[2], draw["detail"], draw["scaled_s"]


def _pulls(draws: Sequence[Draw]) -> dict[tuple[str, str], float]:
    """(node, service) -> seconds; node "" for instances, which share one. Image names end in `<service>:<tag>`."""
    found = {}
    for draw in draws:
        if draw["operation"].startswith("image.pull"):
            image = draw["resource"].rpartition(" ")[2]
            found[draw["detail"], image.rpartition("/")[2].partition(":")[0]] = draw["scaled_s"]
    return found


def _deployments(
    needs: Mapping[str, tuple[str, ...]], draws: Sequence[Draw], nodes: Mapping[tuple[str, str], str]
) -> list[Part]:
    pulls = _pulls(draws)
    longest: dict[tuple[str, str], float] = {}
    for site, service, pod, seconds in _starts(draws):
        if pod:
            took_s = pulls.get((nodes.get((site, pod), ""), service), 0.0) + seconds
            longest[site, service] = max(took_s, longest.get((site, service), 0.0))
    return [Part(f"{service} in {site}", s, service, needs[service]) for (site, service), s in longest.items()]


def _instances(needs: Mapping[str, tuple[str, ...]], draws: Sequence[Draw]) -> list[Part]:
    """An instance boots, then starts its container; the first of a service pulls the image for all."""
    pulls = _pulls(draws)
    starts: dict[str, list[float]] = {}
    for _site, service, pod, seconds in _starts(draws):
        if not pod:
            starts.setdefault(service, []).append(seconds)
    boots: dict[str, list[tuple[str, float]]] = {}
    for draw in draws:
        if draw["operation"].endswith(".vm.create"):
            name = draw["resource"].rpartition("/")[2]
            service = max((s for s in starts if name.startswith(f"{s}-")), key=len, default="")
            boots.setdefault(service, []).append((name, draw["scaled_s"]))
    parts = []
    for service, rows in boots.items():
        if not service:
            parts += [Part(f"instance {name}", s) for name, s in rows]
            continue
        start_s = min(starts[service])
        pull_s = pulls.get(("", service), 0.0)
        first = min(rows, key=lambda r: r[1])
        for name, boot_s in rows:
            took_s = boot_s + start_s + (pull_s if name == first[0] else 0.0)
            parts.append(Part(f"instance {name}", took_s, service, needs[service]))
    return parts
