"""What the API refuses although it has the right form: the checks that users of these kinds run into. Pure.

Wording after kubernetes pkg/apis/*/validation. Every mistake of an object is told at once, as causes of a 422.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from sandbox.kubernetes import quantities
from sandbox.kubernetes.checks import CHECKS
from sandbox.kubernetes.errors import Cause
from sandbox.kubernetes.selectors import match_selector

Object = Mapping[str, Any]
_LABEL = re.compile(r"[a-z0-9]([-a-z0-9]*[a-z0-9])?")
_SUBDOMAIN = re.compile(r"[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*")
_DNS_1035 = re.compile(r"[a-z]([-a-z0-9]*[a-z0-9])?")
_LABEL_VALUE = re.compile(r"(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?")
_PATH_NAMES = frozenset({"Role", "RoleBinding", "ClusterRole", "ClusterRoleBinding"})
_ENV_FREE = frozenset({"image"})


def check(kind: str, obj: Object, old: Object | None) -> list[Cause]:
    """Everything wrong with the object; old is its predecessor on update."""
    causes = [*_metadata(kind, obj)]
    checker = _CHECKS.get(kind)
    if checker is not None:
        causes += checker(obj, old)
    elif kind in CHECKS:
        causes += CHECKS[kind](obj, old, pod_spec)
    return causes


def _required(field: str, detail: str = "") -> Cause:
    return Cause("FieldValueRequired", "Required value" + (f": {detail}" if detail else ""), field)


def _invalid(field: str, value: Any, detail: str) -> Cause:
    shown = f'"{value}"' if isinstance(value, str) else str(value).lower() if isinstance(value, bool) else value
    return Cause("FieldValueInvalid", f"Invalid value: {shown}: {detail}", field)


def _metadata(kind: str, obj: Object) -> Iterator[Cause]:
    meta = obj.get("metadata") or {}
    name = meta.get("name", "")
    if kind in ("Namespace", "Service"):
        form, what, limit = (_DNS_1035, "1035", 63) if kind == "Service" else (_LABEL, "1123", 63)
        what = f"a DNS-{what} label"
    else:
        form, what, limit = _SUBDOMAIN, "a lowercase RFC 1123 subdomain", 253
    if not name:
        yield _required("metadata.name", "name or generateName is required")
    elif kind not in _PATH_NAMES and not form.fullmatch(name):
        yield _invalid("metadata.name", name, f"must be {what}: lower case alphanumeric characters or '-'")
    elif len(name) > limit:
        yield Cause("FieldValueTooLong", f"Too long: may not be more than {limit} bytes", "metadata.name")
    for key, value in (meta.get("labels") or {}).items():
        if not isinstance(value, str) or len(value) > 63 or not _LABEL_VALUE.fullmatch(value):
            detail = "a valid label must be an empty string or consist of alphanumeric characters, '-', '_' or '.'"
            yield _invalid(f"metadata.labels.{key}", value, detail)


def _workload(obj: Object, old: Object | None) -> Iterator[Cause]:
    spec = obj.get("spec") or {}
    selector, template = spec.get("selector"), spec.get("template") or {}
    if spec.get("replicas", 1) < 0:
        yield _invalid("spec.replicas", spec["replicas"], "must be greater than or equal to 0")
    if not selector:
        yield _required("spec.selector")
    elif not match_selector(selector, (template.get("metadata") or {}).get("labels") or {}):
        labels = (template.get("metadata") or {}).get("labels") or {}
        yield _invalid("spec.template.metadata.labels", dict(labels), "`selector` does not match template `labels`")
    if old is not None and (old.get("spec") or {}).get("selector") != selector:
        yield _invalid("spec.selector", selector, "field is immutable")
    pod = template.get("spec") or {}
    if pod.get("restartPolicy", "Always") != "Always":
        yield Cause(
            "FieldValueNotSupported",
            f'Unsupported value: "{pod["restartPolicy"]}": supported values: "Always"',
            "spec.template.spec.restartPolicy",
        )
    yield from pod_spec(pod, "spec.template.spec")


def _deployment(obj: Object, old: Object | None) -> Iterator[Cause]:
    yield from _workload(obj, old)
    spec = obj.get("spec") or {}
    strategy = spec.get("strategy") or {}
    kind, rolling = strategy.get("type"), strategy.get("rollingUpdate")
    if kind not in ("RollingUpdate", "Recreate"):
        yield Cause(
            "FieldValueNotSupported",
            f'Unsupported value: "{kind}": supported values: "Recreate", "RollingUpdate"',
            "spec.strategy.type",
        )
    elif kind == "Recreate" and rolling is not None:
        yield Cause(
            "FieldValueForbidden",
            "Forbidden: may not be specified when strategy `type` is 'Recreate'",
            "spec.strategy.rollingUpdate",
        )
    elif rolling is not None:
        where = "spec.strategy.rollingUpdate"
        for name in ("maxSurge", "maxUnavailable"):
            if not _int_or_percent(rolling.get(name)):
                detail = "must be a non-negative integer or a percentage, e.g. 25%"
                yield _invalid(f"{where}.{name}", rolling.get(name), detail)
        if all(str(rolling.get(n)).rstrip("%") == "0" for n in ("maxSurge", "maxUnavailable")):
            yield _invalid(f"{where}.maxUnavailable", 0, "may not be 0 when `maxSurge` is 0")
    deadline, ready = spec.get("progressDeadlineSeconds", 600), spec.get("minReadySeconds", 0)
    if deadline <= ready:
        yield _invalid("spec.progressDeadlineSeconds", deadline, "must be greater than minReadySeconds")


def _int_or_percent(value: Any) -> bool:
    if isinstance(value, int) and not isinstance(value, bool):
        return value >= 0
    return isinstance(value, str) and re.fullmatch(r"\d+%", value) is not None


def pod_spec(spec: Object, path: str) -> Iterator[Cause]:
    """Mistakes of a pod's spec, named under path."""
    containers = spec.get("containers") or ()
    if not containers:
        yield _required(f"{path}.containers")
    volumes = {v.get("name") for v in spec.get("volumes") or ()}
    seen: set[str] = set()
    for group in ("initContainers", "containers"):
        for index, container in enumerate(spec.get(group) or ()):
            here = f"{path}.{group}[{index}]"
            name = container.get("name", "")
            if name in seen:
                yield Cause("FieldValueDuplicate", f'Duplicate value: "{name}"', f"{here}.name")
            seen.add(name)
            yield from _container(container, here, volumes)


def _container(container: Object, here: str, volumes: set[Any]) -> Iterator[Cause]:
    name = container.get("name", "")
    if not name:
        yield _required(f"{here}.name")
    elif len(name) > 63 or not _LABEL.fullmatch(name):
        yield _invalid(f"{here}.name", name, "must be a lowercase RFC 1123 label")
    if not container.get("image"):
        yield _required(f"{here}.image")
    for index, port in enumerate(container.get("ports") or ()):
        number = port.get("containerPort", 0)
        if not 1 <= number <= 65535:
            yield _invalid(f"{here}.ports[{index}].containerPort", number, "must be between 1 and 65535, inclusive")
    for index, variable in enumerate(container.get("env") or ()):
        if not variable.get("name"):
            yield _required(f"{here}.env[{index}].name")
    for index, mount in enumerate(container.get("volumeMounts") or ()):
        if mount.get("name") not in volumes:
            yield Cause("FieldValueNotFound", f'Not found: "{mount.get("name")}"', f"{here}.volumeMounts[{index}].name")
    for probe in ("readinessProbe", "livenessProbe", "startupProbe"):
        if probe in container:
            yield from _probe(container[probe], f"{here}.{probe}")
    yield from _resources(container.get("resources") or {}, f"{here}.resources")


def _probe(probe: Object, here: str) -> Iterator[Cause]:
    handlers = [h for h in ("httpGet", "tcpSocket", "exec", "grpc") if h in probe]
    if not handlers:
        yield _required(here, "must specify a handler type")
    elif len(handlers) > 1:
        message = "Forbidden: may not specify more than 1 handler type"
        yield Cause("FieldValueForbidden", message, f"{here}.{handlers[1]}")
    for name, least in (("timeoutSeconds", 1), ("periodSeconds", 1), ("successThreshold", 1), ("failureThreshold", 1)):
        if probe.get(name, least) < least:
            yield _invalid(f"{here}.{name}", probe[name], f"must be greater than or equal to {least}")


def _resources(resources: Object, here: str) -> Iterator[Cause]:
    limits = resources.get("limits") or {}
    for name, value in (resources.get("requests") or {}).items():
        if name in limits and quantities.parse(value) > quantities.parse(limits[name]):
            detail = f"must be less than or equal to {name} limit of {limits[name]}"
            yield _invalid(f"{here}.requests", value, detail)


def _pod(obj: Object, old: Object | None) -> Iterator[Cause]:
    spec = obj.get("spec") or {}
    yield from pod_spec(spec, "spec")
    if old is not None and _fixed_part(spec) != _fixed_part(old.get("spec") or {}):
        yield Cause(
            "FieldValueForbidden",
            "Forbidden: pod updates may not change fields other than `spec.containers[*].image`,"
            "`spec.initContainers[*].image`,`spec.activeDeadlineSeconds`,`spec.tolerations`"
            "(only additions to existing tolerations),`spec.terminationGracePeriodSeconds`",
            "spec",
        )


def _fixed_part(spec: Object) -> dict[str, Any]:
    free = ("tolerations", "activeDeadlineSeconds", "terminationGracePeriodSeconds", "nodeName")
    fixed = {k: v for k, v in spec.items() if k not in free}
    for group in ("containers", "initContainers"):
        if group in fixed:
            fixed[group] = [{k: v for k, v in c.items() if k not in _ENV_FREE} for c in fixed[group]]
    return fixed


def _service(obj: Object, old: Object | None) -> Iterator[Cause]:
    spec = obj.get("spec") or {}
    ports = spec.get("ports") or ()
    if not ports and spec.get("type") != "ExternalName" and spec.get("clusterIP") != "None":
        yield _required("spec.ports")
    if spec.get("type") == "ExternalName" and not spec.get("externalName"):
        yield _required("spec.externalName")
    if spec.get("type") not in ("ClusterIP", "NodePort", "LoadBalancer", "ExternalName"):
        yield Cause("FieldValueNotSupported", f'Unsupported value: "{spec.get("type")}"', "spec.type")
    seen: set[tuple[Any, Any]] = set()
    for index, port in enumerate(ports):
        here = f"spec.ports[{index}]"
        if len(ports) > 1 and not port.get("name"):
            yield _required(f"{here}.name")
        if not 1 <= port.get("port", 0) <= 65535:
            yield _invalid(f"{here}.port", port.get("port", 0), "must be between 1 and 65535, inclusive")
        key = (port.get("port"), port.get("protocol"))
        if key in seen:
            yield Cause("FieldValueDuplicate", f"Duplicate value: {key}", here)
        seen.add(key)
    before = ((old or {}).get("spec") or {}).get("clusterIP")
    if before and spec.get("clusterIP") != before and spec.get("type") != "ExternalName":
        yield _invalid("spec.clusterIPs[0]", spec.get("clusterIP", ""), "may not change once set")


def _immutable_data(obj: Object, old: Object | None) -> Iterator[Cause]:
    if old is None:
        return
    if old.get("immutable"):
        for name in ("data", "binaryData", "immutable"):
            if obj.get(name) != old.get(name):
                yield Cause("FieldValueForbidden", "Forbidden: field is immutable when `immutable` is set", name)
    if obj.get("type") != old.get("type"):
        yield _invalid("type", obj.get("type"), "field is immutable")


_CHECKS: dict[str, Callable[[Object, Object | None], Iterator[Cause]]] = {
    "Deployment": _deployment,
    "ReplicaSet": _workload,
    "Pod": _pod,
    "Service": _service,
    "Secret": _immutable_data,
    "ConfigMap": _immutable_data,
}
