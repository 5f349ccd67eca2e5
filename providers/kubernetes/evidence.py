"""Why a workload does not become ready, as a person would look for it: pods, their states, last event, last log line.

Callers: waiting.py. Best effort: what cannot be read is said in the evidence and is no failure of its own.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from model.errors import CloudError
from providers.base import Call
from providers.kubernetes.kinds import BUILT_IN
from providers.kubernetes.rollout import Problem, newest_template_hash, selector_text
from providers.kubernetes.wire import ClusterClient

_LINE_MAX = 300
_PODS_TOLD = 3


def list_pods(client: ClusterClient, namespace: str, selector: str, call: Call) -> list[dict[str, Any]]:
    query = {"labelSelector": selector, "limit": "500"}
    answer = client.request("GET", BUILT_IN["Pod"].path(namespace), call, f"list pods {namespace}", query=query)
    return [{"kind": "Pod", **item} for item in answer.get("items") or ()]


def workload_pods(client: ClusterClient, workload: Mapping[str, Any], call: Call) -> list[dict[str, Any]]:
    """The pods of the workload's newest template (all its pods where it has no ReplicaSets)."""
    selector = selector_text((workload.get("spec") or {}).get("selector") or {})
    if not selector:
        return []
    namespace = str(workload["metadata"]["namespace"])
    if workload.get("kind") == "Deployment":
        path = BUILT_IN["ReplicaSet"].path(namespace)
        sets = client.request("GET", path, call, f"list replicasets {namespace}", query={"labelSelector": selector})
        template = newest_template_hash(workload, sets.get("items") or ())
        if not template:
            return []
        selector += f",pod-template-hash={template}"
    return list_pods(client, namespace, selector, call)


def describe(client: ClusterClient, namespace: str, problems: tuple[Problem, ...], call: Call) -> str:
    """Lines of evidence for the first few problems."""
    lines: list[str] = []
    for problem in problems[:_PODS_TOLD]:
        lines.append(_short(str(problem)))
        lines += [
            f"  {line}"
            for line in (_event(client, namespace, problem, call), _log(client, namespace, problem, call))
            if line
        ]
    if len(problems) > _PODS_TOLD:
        lines.append(f"and {len(problems) - _PODS_TOLD} more pods")
    return "\n".join(lines)


def _event(client: ClusterClient, namespace: str, problem: Problem, call: Call) -> str:
    query = {"fieldSelector": f"involvedObject.name={problem.pod},involvedObject.kind=Pod", "limit": "100"}
    try:
        answer = client.request("GET", BUILT_IN["Event"].path(namespace), call, f"list events {namespace}", query=query)
    except CloudError as exc:
        return f"events could not be read: {exc.summary}"
    events = answer.get("items") or ()
    if not events:
        return ""
    last = max(events, key=_event_time)
    return _short(f"last event: {last.get('type', '')} {last.get('reason', '')}: {last.get('message', '')}")


def _event_time(event: Mapping[str, Any]) -> tuple[bool, str]:
    """Warnings win over what is merely normal; then the newest."""
    at = event.get("lastTimestamp") or event.get("eventTime") or event["metadata"].get("creationTimestamp") or ""
    return (event.get("type") == "Warning", str(at))


def _log(client: ClusterClient, namespace: str, problem: Problem, call: Call) -> str:
    """The last line that the container wrote, of its previous run where it keeps crashing."""
    if not problem.container or "Image" in problem.reason or problem.reason.startswith("Create"):
        return ""  # it never ran
    for previous in ("true", "false"):
        query = {"container": problem.container, "tailLines": "1", "limitBytes": "4096", "previous": previous}
        path = BUILT_IN["Pod"].path(namespace, problem.pod, "log")
        try:
            text = client.text(path, call, f"get pods/log {namespace}/{problem.pod}", query=query)
        except CloudError:
            continue  # no previous run, or logs are not for us: the rest of the evidence stands
        if text.strip():
            return _short(f"last log line: {json.dumps(text.strip().splitlines()[-1], ensure_ascii=False)}")
    return ""


def _short(text: str) -> str:
    text = " ".join(text.split())
    return text if len(text) <= _LINE_MAX else f"{text[:_LINE_MAX]}..."
