"""What the API refuses in workloads other than Deployments and Pods, in claims and in autoscalers. Pure.

Wording after kubernetes pkg/apis/{apps,batch,core,autoscaling}/validation. Callers: validation.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from sandbox.kubernetes.controllers.cron import Schedule
from sandbox.kubernetes.errors import Cause
from sandbox.kubernetes.selectors import match_selector

Object = Mapping[str, Any]
PodSpec = Callable[[Object, str], Iterator[Cause]]


def required(field: str, detail: str = "") -> Cause:
    return Cause("FieldValueRequired", "Required value" + (f": {detail}" if detail else ""), field)


def wrong(field: str, value: Any, detail: str) -> Cause:
    shown = f'"{value}"' if isinstance(value, str) else str(value).lower() if isinstance(value, bool) else value
    return Cause("FieldValueInvalid", f"Invalid value: {shown}: {detail}", field)


def unsupported(field: str, value: Any, *allowed: str) -> Cause:
    words = ", ".join(f'"{a}"' for a in allowed)
    return Cause("FieldValueNotSupported", f'Unsupported value: "{value}": supported values: {words}', field)


def forbidden(field: str, detail: str) -> Cause:
    return Cause("FieldValueForbidden", f"Forbidden: {detail}", field)


def _not_negative(obj: Object, *names: str) -> Iterator[Cause]:
    for name in names:
        if (obj.get("spec") or {}).get(name, 0) < 0:
            yield wrong(f"spec.{name}", obj["spec"][name], "must be greater than or equal to 0")


def _always(pod: Object, where: str) -> Iterator[Cause]:
    if pod.get("restartPolicy", "Always") != "Always":
        yield unsupported(f"{where}.restartPolicy", pod["restartPolicy"], "Always")


def _selected(spec: Object) -> Iterator[Cause]:
    labels = ((spec.get("template") or {}).get("metadata") or {}).get("labels") or {}
    if not spec.get("selector"):
        yield required("spec.selector")
    elif not match_selector(spec["selector"], labels):
        yield wrong("spec.template.metadata.labels", dict(labels), "`selector` does not match template `labels`")


def stateful_set(obj: Object, old: Object | None, pod_spec: PodSpec) -> Iterator[Cause]:
    spec = obj.get("spec") or {}
    yield from _not_negative(obj, "replicas", "minReadySeconds")
    yield from _selected(spec)
    template = (spec.get("template") or {}).get("spec") or {}
    yield from _always(template, "spec.template.spec")
    volumes = [{"name": c["metadata"].get("name")} for c in spec.get("volumeClaimTemplates") or () if "metadata" in c]
    yield from pod_spec({**template, "volumes": [*(template.get("volumes") or ()), *volumes]}, "spec.template.spec")
    free = (
        "replicas", "ordinals", "template", "updateStrategy", "revisionHistoryLimit",
        "persistentVolumeClaimRetentionPolicy", "minReadySeconds",
    )  # fmt: skip
    before = (old or {}).get("spec") or {}
    if old is not None and any(spec.get(k) != before.get(k) for k in {*spec, *before} - {*free}):
        yield forbidden(
            "spec",
            "updates to statefulset spec for fields other than 'replicas', 'ordinals', 'template', 'updateStrategy', "
            "'revisionHistoryLimit', 'persistentVolumeClaimRetentionPolicy' and 'minReadySeconds' are forbidden",
        )


def daemon_set(obj: Object, old: Object | None, pod_spec: PodSpec) -> Iterator[Cause]:
    spec = obj.get("spec") or {}
    yield from _selected(spec)
    template = (spec.get("template") or {}).get("spec") or {}
    yield from _always(template, "spec.template.spec")
    yield from pod_spec(template, "spec.template.spec")
    if old is not None and old["spec"].get("selector") != spec.get("selector"):
        yield wrong("spec.selector", spec.get("selector"), "field is immutable")


def job(obj: Object, old: Object | None, pod_spec: PodSpec) -> Iterator[Cause]:
    spec = obj.get("spec") or {}
    yield from _job_spec(spec, "spec", pod_spec)
    for name in ("completions", "selector", "template", "completionMode"):
        if old is not None and old["spec"].get(name) != spec.get(name):
            yield wrong(f"spec.{name}", _short(spec.get(name)), "field is immutable")


def _short(value: Any) -> Any:
    return value if isinstance(value, int | str) else "{...}"


def _job_spec(spec: Object, where: str, pod_spec: PodSpec) -> Iterator[Cause]:
    for name in ("parallelism", "completions", "backoffLimit", "activeDeadlineSeconds", "ttlSecondsAfterFinished"):
        if spec.get(name, 0) < 0:
            yield wrong(f"{where}.{name}", spec[name], "must be greater than or equal to 0")
    if spec.get("completionMode") == "Indexed" and spec.get("completions") is None:
        yield required(f"{where}.completions", "when completion mode is Indexed")
    template = (spec.get("template") or {}).get("spec") or {}
    yield from pod_spec(template, f"{where}.template.spec")
    if template.get("restartPolicy") not in ("OnFailure", "Never"):
        here = f"{where}.template.spec.restartPolicy"
        yield (
            Cause("FieldValueRequired", 'Required value: valid values: "OnFailure", "Never"', here)
            if not template.get("restartPolicy")
            else unsupported(here, template["restartPolicy"], "OnFailure", "Never")
        )


def cron_job(obj: Object, _old: Object | None, pod_spec: PodSpec) -> Iterator[Cause]:
    spec = obj.get("spec") or {}
    if not spec.get("schedule"):
        yield required("spec.schedule")
    else:
        try:
            Schedule.parse(spec["schedule"])
        except ValueError as exc:
            yield wrong("spec.schedule", spec["schedule"], str(exc))
    if zone := spec.get("timeZone"):
        try:
            ZoneInfo(zone)
        except (ZoneInfoNotFoundError, ValueError):
            yield wrong("spec.timeZone", zone, f"unknown time zone {zone}")
    if spec.get("concurrencyPolicy") not in ("Allow", "Forbid", "Replace"):
        yield unsupported("spec.concurrencyPolicy", spec.get("concurrencyPolicy"), "Allow", "Forbid", "Replace")
    if len((obj.get("metadata") or {}).get("name", "")) > 52:
        yield wrong("metadata.name", obj["metadata"]["name"], "must be no more than 52 characters")
    yield from _job_spec((spec.get("jobTemplate") or {}).get("spec") or {}, "spec.jobTemplate.spec", pod_spec)


def autoscaler(obj: Object, _old: Object | None, _pod_spec: PodSpec) -> Iterator[Cause]:
    spec = obj.get("spec") or {}
    least, most = spec.get("minReplicas", 1), spec.get("maxReplicas", 0)
    if least < 1:
        yield wrong("spec.minReplicas", least, "must be greater than or equal to 1")
    if most < 1:
        yield wrong("spec.maxReplicas", most, "must be greater than 0")
    elif most < least:
        yield wrong("spec.maxReplicas", most, "must be greater than or equal to `minReplicas`")
    target = spec.get("scaleTargetRef") or {}
    for name in ("kind", "name"):
        if not target.get(name):
            yield required(f"spec.scaleTargetRef.{name}")


def claim(obj: Object, old: Object | None, _pod_spec: PodSpec) -> Iterator[Cause]:
    spec = obj.get("spec") or {}
    if not spec.get("accessModes"):
        yield required("spec.accessModes", "at least 1 access mode is required")
    requests = (spec.get("resources") or {}).get("requests") or {}
    if "storage" not in requests:
        yield required("spec.resources[storage]")
    if old is None:
        return
    # A claim that is not bound yet may be given a volume and a class.
    free = {"resources", "volumeAttributesClassName", *(() if old["spec"].get("volumeName") else ("volumeName",))}
    if any(spec.get(k) != old["spec"].get(k) for k in {*spec, *old["spec"]} - free):
        yield forbidden(
            "spec",
            "spec is immutable after creation except resources.requests and volumeAttributesClassName for bound claims",
        )


def budget(obj: Object, _old: Object | None, _pod_spec: PodSpec) -> Iterator[Cause]:
    spec = obj.get("spec") or {}
    if "minAvailable" in spec and "maxUnavailable" in spec:
        yield wrong("spec", "{...}", "minAvailable and maxUnavailable cannot be both set")


CHECKS: Mapping[str, Callable[[Object, Object | None, PodSpec], Iterator[Cause]]] = {
    "StatefulSet": stateful_set,
    "DaemonSet": daemon_set,
    "Job": job,
    "CronJob": cron_job,
    "HorizontalPodAutoscaler": autoscaler,
    "PersistentVolumeClaim": claim,
    "PodDisruptionBudget": budget,
}
