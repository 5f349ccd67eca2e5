"""The pod template of a service: one hardened container.

Callers: services.py. Defaults follow the "restricted" level of Kubernetes' Pod Security Standards; the root file
system is read-only, with an emptyDir at /tmp.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from typing import Any, Final

from model.codec import digest
from model.errors import Diagnostic
from model.spec.app import Application, HttpProbe, Probes, Resources, Service
from model.spec.fleet import Site
from orchestrator.render.dependencies import address_variables
from orchestrator.render.names import annotation_mistakes, object_labels, refuse, selector_labels
from orchestrator.render.placing import CONFIG_HASH, UNTIED, PodTies, node_limit, on_nodes
from orchestrator.render.spot import at_spot, is_split, site_labels

TMP_LIMIT = "256Mi"
GRACE_PERIOD_S = 30
ENV_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_.-]*")
RESERVED_ENV: Final = ("DUOYUN_SERVICE", "DUOYUN_SITE")
IMAGE = re.compile(r"[A-Za-z0-9][A-Za-z0-9._:/@-]*")


def cpu_quantity(millicores: int) -> str:
    """As the API server writes it: `250m`, `2`."""
    return str(millicores // 1000) if millicores % 1000 == 0 else f"{millicores}m"


def memory_quantity(mib: int) -> str:
    """As the API server writes it, with the largest unit that loses nothing: `256Mi`, `2Gi`."""
    for size, unit in ((2**20, "Ti"), (2**10, "Gi")):
        if mib % size == 0:
            return f"{mib // size}{unit}"
    return f"{mib}Mi"


def whole_seconds(seconds: float, least: int = 1) -> int:
    """Kubernetes takes whole seconds: rounded up, so that no probe becomes stricter than what was asked."""
    return max(least, math.ceil(seconds))


def resources_block(resources: Resources) -> dict[str, Any]:
    """Requests; the memory limit equals the request, a cpu limit only where one is given."""
    cpu, memory = cpu_quantity(resources.cpu), memory_quantity(resources.memory)
    limits = {"memory": memory}
    requests = {"cpu": cpu, "memory": memory}
    if resources.cpu_limit is not None:
        limits["cpu"] = cpu_quantity(resources.cpu_limit)
    if resources.disk:
        limits["ephemeral-storage"] = requests["ephemeral-storage"] = f"{resources.disk}Gi"
    if resources.gpu:
        limits["nvidia.com/gpu"] = requests["nvidia.com/gpu"] = str(resources.gpu)
    return {"requests": requests, "limits": limits}


def environment(app: Application, service: Service) -> list[dict[str, Any]]:
    """Generated addresses of dependencies, over them the user's variables, over them secrets; sorted by name.

    `$(` in the user's values is escaped: Kubernetes would expand it, a VM would not, and a value means the same on
    both. DUOYUN_SERVICE and DUOYUN_SITE are not part of it (see pod_template).
    """
    plain = {**address_variables(app, service), **service.env}
    entries: dict[str, dict[str, Any]] = {
        name: _variable(name, value.replace("$(", "$$(")) for name, value in plain.items()
    }
    for ref in service.secret_refs:
        key = {"name": ref.name, "key": ref.key}
        entries[ref.env] = {"name": ref.env, "valueFrom": {"secretKeyRef": key}}
    return [entries[name] for name in sorted(entries) if name not in RESERVED_ENV]


def _variable(name: str, value: str) -> dict[str, Any]:
    """The API server drops an empty value, so we do not write one either."""
    return {"name": name, "value": value} if value else {"name": name}


def probe_block(service: Service, which: str) -> dict[str, Any] | None:
    """`readiness` or `liveness` as a Kubernetes probe; None where the service has none.

    A service without ports (a worker) loses the default probe, which nobody asked for.
    """
    probe: HttpProbe | None = getattr(service.probes, which)
    if probe is None or (not service.ports and probe == HttpProbe()):
        return None
    return {
        "httpGet": {"path": probe.path, "port": probe.port, "scheme": "HTTP"},
        "periodSeconds": whole_seconds(probe.period),
        "timeoutSeconds": whole_seconds(probe.timeout),
        "failureThreshold": probe.failure_threshold,
        **({"initialDelaySeconds": whole_seconds(probe.initial_delay)} if probe.initial_delay > 0 else {}),
    }


def pod_mistakes(service: Service) -> list[Diagnostic]:
    """What the spec's own checks let through and a cluster would refuse."""
    where = f"service {service.name}"
    found = annotation_mistakes(service.annotations, f"{where}, annotations")
    found += env_mistakes(service)
    found += [
        Diagnostic("", f"{where}: {port.name!r} is no name for a container's port", "at most 15, no double dash")
        for port in service.ports
        if len(port.name) > 15 or "--" in port.name
    ]
    names = {port.name for port in service.ports}
    for which in Probes.model_fields:
        block = probe_block(service, which)
        if block is not None and isinstance(block["httpGet"]["port"], str) and block["httpGet"]["port"] not in names:
            port = block["httpGet"]["port"]
            found.append(
                Diagnostic(
                    "",
                    f"{where}: the {which} probe asks port {port!r}, which is none of its ports",
                    f"name one of {', '.join(sorted(names)) or 'its ports'}, or set probes.{which} to null",
                )
            )
    return found


def env_mistakes(service: Service) -> list[Diagnostic]:
    """Names, values and images that cannot be handed to a container."""
    where = f"service {service.name}"
    found = [
        Diagnostic("", f"{where}: {name!r} is no environment variable", "letters, digits and _, not a digit first")
        for name in service.env
        if not ENV_NAME.fullmatch(name)
    ]
    found += [
        Diagnostic("", f"{where}: the value of {name} holds a NUL character", "take it out")
        for name, value in service.env.items()
        if "\0" in value
    ]
    found += [
        Diagnostic("", f"{where}: {name} is set by duoyun", "choose another name")
        for name in service.env
        if name in RESERVED_ENV
    ]
    secret_names = [ref.env for ref in service.secret_refs]
    found += [
        Diagnostic("", f"{where}: {name} is set twice", "set it in env or in secretRefs, once")
        for name in sorted({n for n in secret_names if n in service.env or secret_names.count(n) > 1})
    ]
    if not IMAGE.fullmatch(service.image):
        found.append(
            Diagnostic("", f"{where}: {service.image!r} is no image reference", "registry/name:tag or @sha256")
        )
    return found


def pod_template(
    app: Application, service: Service, site: Site, image: str, tied: PodTies = UNTIED, *, spot: bool = False
) -> dict[str, Any]:
    """Labels, annotations and spec. CONFIG_HASH covers all that does not depend on the site, so that one service has
    one hash wherever it runs. tied: to which nodes of the site. spot: its pods may be on spot machines. Raises
    InvalidInput with every mistake found."""
    refuse(pod_mistakes(service))
    container: dict[str, Any] = {
        "name": service.name,
        "image": image,
        "imagePullPolicy": "IfNotPresent",
        "env": environment(app, service),
        "resources": resources_block(service.resources),
        "securityContext": {
            "allowPrivilegeEscalation": False,
            "capabilities": {"drop": ["ALL"]},
            "readOnlyRootFilesystem": True,
            "runAsNonRoot": True,
            "seccompProfile": {"type": "RuntimeDefault"},
        },
        "volumeMounts": [{"name": "tmp", "mountPath": "/tmp"}],  # noqa: S108  (in the container)
    }
    if service.ports:
        container["ports"] = [
            {"name": p.name, "containerPort": p.port, "protocol": p.protocol.upper()} for p in service.ports
        ]
    for which, key in (("readiness", "readinessProbe"), ("liveness", "livenessProbe")):
        block = probe_block(service, which)
        if block is not None:
            container[key] = block
    spec: dict[str, Any] = {
        "serviceAccountName": service.name,
        "automountServiceAccountToken": False,
        "enableServiceLinks": False,
        "terminationGracePeriodSeconds": GRACE_PERIOD_S,
        "securityContext": {"runAsNonRoot": True, "seccompProfile": {"type": "RuntimeDefault"}},
        "containers": [container],
        "volumes": [{"name": "tmp", "emptyDir": {"sizeLimit": TMP_LIMIT}}],
    }
    if (most := service.most_on_a_node) is not None:
        spec["topologySpreadConstraints"] = [node_limit(app, service, most)]
    labels = object_labels(app, service.name)
    digest_16 = digest({"labels": labels, "annotations": dict(service.annotations), "spec": spec})[:16]
    at_site = site_labels(service, site, spot=spot)
    limited = service.most_on_a_node is not None or tied.most is not None
    version = {CONFIG_HASH: digest_16} if limited and is_split(service) else {}
    whole = {**_at_site(spec, service, site), **on_nodes(app, service, site, tied, at_site)}
    return {
        "metadata": {
            "labels": labels | at_site | version,
            "annotations": {**service.annotations, CONFIG_HASH: digest_16},
        },
        "spec": at_spot(whole, site, selector_labels(app, service.name) | at_site) if spot else whole,
    }


def _at_site(spec: Mapping[str, Any], service: Service, site: Site) -> dict[str, Any]:
    (container,) = spec["containers"]
    own = [{"name": "DUOYUN_SERVICE", "value": service.name}, {"name": "DUOYUN_SITE", "value": site.id}]
    return {**spec, "containers": [{**container, "env": own + container["env"]}]}
