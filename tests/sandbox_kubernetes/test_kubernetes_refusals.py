"""Odd requests: each is answered as a real API server does, with a Status of reason and code, and never with a 500."""

from __future__ import annotations

import json
import random
from typing import Any

import pytest

from sandbox.kubernetes import schema
from sandbox.kubernetes.kinds import KINDS

MAPS = "/api/v1/namespaces/default/configmaps"
DEPLOYMENTS = "/apis/apps/v1/namespaces/default/deployments"
JSON, PROTOBUF = "application/json", "application/vnd.kubernetes.protobuf"
JSON_PATCH, MERGE, STRATEGIC, APPLY = (
    "application/json-patch+json",
    "application/merge-patch+json",
    "application/strategic-merge-patch+json",
    "application/apply-patch+yaml",
)
# method, path, media type, body -> code, reason
CASES: tuple[tuple[str, str, str, bytes, int, str], ...] = (
    ("POST", MAPS, JSON, b"", 400, "BadRequest"),
    ("POST", MAPS, JSON, b"[]", 400, "BadRequest"),
    ("POST", MAPS, JSON, b"\xff\xfe", 400, "BadRequest"),
    ("POST", MAPS, JSON, b'{"metadata": {"name": "a"}, "data": NaN}', 400, "BadRequest"),
    ("POST", MAPS, JSON, b"[" * 5000, 400, "BadRequest"),
    ("POST", MAPS, JSON, b'{"metadata": null}', 400, "BadRequest"),
    ("POST", MAPS, JSON, b'{"metadata": {"name": 5}}', 400, "BadRequest"),
    ("POST", MAPS, JSON, b'{"metadata": {"name": "a"}, "data": {"a": 1}}', 400, "BadRequest"),
    ("POST", MAPS, JSON, b'{"metadata": {"name": "a", "resourceVersion": "5"}}', 400, "BadRequest"),
    ("POST", MAPS, JSON, b'{"metadata": {"name": "a", "namespace": "other"}}', 400, "BadRequest"),
    ("POST", MAPS, JSON, b'{"kind": "Pod", "apiVersion": "v1", "metadata": {"name": "a"}}', 400, "BadRequest"),
    ("POST", MAPS, JSON, b'{"metadata": {"name": "Not_A_Name"}}', 422, "Invalid"),
    ("POST", MAPS, JSON, b"x" * (3 * 1024 * 1024 + 1), 413, "RequestEntityTooLarge"),
    ("POST", MAPS, "text/plain", b"{}", 415, "UnsupportedMediaType"),
    ("POST", MAPS, PROTOBUF, b"{}", 400, "BadRequest"),
    ("POST", MAPS, PROTOBUF, b"k8s\x00\x0a\x05\x0a", 400, "BadRequest"),
    ("POST", MAPS + "?fieldValidation=Perhaps", JSON, b'{"metadata": {"name": "a"}}', 422, "Invalid"),
    ("POST", MAPS + "?dryRun=Some", JSON, b'{"metadata": {"name": "a"}}', 422, "Invalid"),
    ("POST", "/api/v1/namespaces/nowhere/configmaps", JSON, b'{"metadata": {"name": "a"}}', 404, "NotFound"),
    ("POST", "/api/v1/configmaps", JSON, b"{}", 405, "MethodNotAllowed"),
    ("PUT", MAPS + "/kept", JSON, b'{"metadata": {"name": "other"}}', 400, "BadRequest"),
    ("PUT", MAPS + "/kept", JSON, b'{"metadata": {"resourceVersion": "1"}}', 409, "Conflict"),
    ("PUT", MAPS + "/none", JSON, b'{"metadata": {}}', 404, "NotFound"),
    ("PUT", DEPLOYMENTS + "/web/scale", JSON, b'{"spec": 5}', 400, "BadRequest"),
    ("PUT", DEPLOYMENTS + "/web/scale", JSON, b'{"spec": {"replicas": 99999999999}}', 422, "Invalid"),
    ("PATCH", DEPLOYMENTS + "/web/scale", MERGE, b"[]", 400, "BadRequest"),
    ("PATCH", DEPLOYMENTS + "/web", JSON, b"{}", 415, "UnsupportedMediaType"),
    ("PATCH", DEPLOYMENTS + "/web?force=true", MERGE, b"{}", 422, "Invalid"),
    ("PATCH", DEPLOYMENTS + "/web", MERGE, b"[]", 400, "BadRequest"),
    ("PATCH", DEPLOYMENTS + "/web", MERGE, b'{"spec": {"replicas": 1180591620717411303424}}', 400, "BadRequest"),
    ("PATCH", DEPLOYMENTS + "/web", MERGE, b'{"spec": {"replicas": -1}}', 422, "Invalid"),
    ("PATCH", DEPLOYMENTS + "/web", MERGE, b'{"metadata": {"uid": "other"}}', 409, "Conflict"),
    ("PATCH", DEPLOYMENTS + "/web", JSON_PATCH, b"{}", 400, "BadRequest"),
    ("PATCH", DEPLOYMENTS + "/web", JSON_PATCH, b'[{"op": "add", "path": 5, "value": 1}]', 400, "BadRequest"),
    ("PATCH", DEPLOYMENTS + "/web", JSON_PATCH, b'[{"op": "move", "from": 5, "path": "/a"}]', 400, "BadRequest"),
    ("PATCH", DEPLOYMENTS + "/web", JSON_PATCH, b'[{"op": "remove", "path": "/none"}]', 422, "Invalid"),
    ("PATCH", DEPLOYMENTS + "/web", STRATEGIC, b'{"spec": {"$retainKeys": 5}}', 400, "BadRequest"),
    ("PATCH", DEPLOYMENTS + "/web", STRATEGIC, b'{"$patch": "perhaps"}', 400, "BadRequest"),
    ("PATCH", DEPLOYMENTS + "/web", APPLY, b"{}", 422, "Invalid"),
    ("PATCH", DEPLOYMENTS + "/web?fieldManager=m", APPLY, b"metadata: [", 400, "BadRequest"),
    ("PATCH", DEPLOYMENTS + "/web?fieldManager=m", APPLY, b"a: &a [*a]", 400, "BadRequest"),
    ("PATCH", DEPLOYMENTS + "/web?fieldManager=m", APPLY, b"metadata: {name: web}\nmetadata: {}", 400, "BadRequest"),
    ("DELETE", MAPS + "/kept", JSON, b'{"preconditions": {"uid": "other"}}', 409, "Conflict"),
    ("DELETE", MAPS + "/kept", JSON, b'{"gracePeriodSeconds": "soon"}', 400, "BadRequest"),
    ("DELETE", MAPS + "/kept", JSON, b'{"propagationPolicy": "Perhaps"}', 422, "Invalid"),
    ("DELETE", "/api/v1/namespaces/default", JSON, b"", 403, "Forbidden"),
    ("GET", MAPS + "?limit=few", JSON, b"", 400, "BadRequest"),
    ("GET", MAPS + "?continue=bnVsbA", JSON, b"", 400, "BadRequest"),
    ("GET", MAPS + "?resourceVersion=new", JSON, b"", 400, "BadRequest"),
    ("GET", MAPS + "?resourceVersion=999999", JSON, b"", 504, "Timeout"),
    ("GET", MAPS + "?resourceVersionMatch=Exact", JSON, b"", 422, "Invalid"),
    ("GET", MAPS + "?fieldSelector=data.a%3Db", JSON, b"", 400, "BadRequest"),
    ("GET", MAPS + "?labelSelector=a+in+(", JSON, b"", 400, "BadRequest"),
    ("GET", MAPS + "?watch=1&sendInitialEvents=true", JSON, b"", 422, "Invalid"),
    ("GET", MAPS + "?watch=1&timeoutSeconds=long", JSON, b"", 400, "BadRequest"),
    ("GET", "/apis/apps/v9/deployments", JSON, b"", 404, "NotFound"),
    ("GET", "/api/v1/namespaces/default/pods/none/log", JSON, b"", 404, "NotFound"),
    ("GET", "/api/v1/namespaces/default/pods/none/portforward", JSON, b"", 404, "NotFound"),
    ("POST", "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews", JSON, b"5", 400, "BadRequest"),
    ("TRACE", MAPS, JSON, b"", 405, "MethodNotAllowed"),
)


def test_odd_requests_are_refused_in_the_apis_own_words(kube: Any) -> None:
    kube.apply(kube.deployment(replicas=1))
    kube.core.create_namespaced_config_map("default", {"metadata": {"name": "kept"}})
    for method, path, media_type, body, code, reason in CASES:
        answer = kube.http(path, method=method, body=body or None, **{"Content-Type": media_type})
        status = answer.json()
        told = (answer.status, status.get("kind"), status.get("reason"), status.get("code"))
        assert told == (code, "Status", reason, code), f"{method} {path} {body[:60]!r}: {status}"
        assert status["message"]
    assert kube.http(MAPS, **{"Accept": "text/html"}).status == 406


def _nonsense(model: str, rng: random.Random, depth: int = 0) -> Any:
    """Values of a model's fields, mostly of the right type; now and then of another."""
    known = schema.fields(model)
    if known is None or depth > 4 or rng.random() < 0.02:
        return rng.choice([None, 5, -1, "x", "", True, [], {}, [5], {"a": 5}, 1 << 65, 1.5])
    made: dict[str, Any] = {}
    for name, kind in known.items():
        if name in ("apiVersion", "kind") or rng.random() > 0.3:
            continue
        if schema.is_list(kind):
            made[name] = [_nonsense(schema.value_type(kind), rng, depth + 1)]
        elif schema.is_map(kind):
            made[name] = {"k": _nonsense(schema.value_type(kind), rng, depth + 1)}
        elif schema.fields(kind) is not None:
            made[name] = _nonsense(kind, rng, depth + 1)
        else:
            made[name] = rng.choice({
                "str": ["x", "10Gi", "50%", ""], "int": [0, 1, -1, 10**12], "bool": [True, False],
                "datetime": ["2026-01-01T00:00:00Z", "soon"],
            }.get(kind, [1, "50%", {}]))  # fmt: skip
    return made


@pytest.mark.parametrize("seed", [0, *(pytest.param(n, marks=pytest.mark.soak) for n in range(1, 9))])
def test_nonsense_of_every_kind_never_breaks_the_server(kube: Any, seed: int) -> None:
    rng = random.Random(seed)
    table = {"Accept": "application/json;as=Table;v=v1;g=meta.k8s.io"}
    for kind in KINDS:
        place = f"/apis/{kind.group}/{kind.version}" if kind.group else f"/api/{kind.version}"
        base = f"{place}{'/namespaces/default' if kind.namespaced else ''}/{kind.plural}"
        for number in range(1 if seed == 0 else 4):
            body = _nonsense(kind.model, rng)
            body = (body if isinstance(body, dict) else {}) | {"metadata": {"name": f"odd-{number}"}}
            requests = (
                ("POST", base, JSON, body),
                ("PATCH", f"{base}/odd-{number}?fieldManager=m&force=true", APPLY, body),
                ("PATCH", f"{base}/odd-{number}", STRATEGIC, _nonsense(kind.model, rng)),
            )
            for method, path, media_type, data in requests:
                sent = json.dumps(data).encode()
                answer = kube.http(path, method=method, body=sent, **{"Content-Type": media_type})
                assert answer.status < 500, f"{method} {path}: {answer.body!r}\n{sent!r}"
        assert kube.http(base, **table).status == 200
