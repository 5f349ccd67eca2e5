"""Who am I, and may I: the reviews that `kubectl auth` asks for. Nothing of them is stored. Pure.

Callers: the HTTP layer. The rule of the sandbox's clusters: a user whose name begins with `reader:` may only read,
everybody else may do everything; roles and bindings are stored and have no effect.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from sandbox.kubernetes.errors import bad_request

Object = dict[str, Any]
READS = ("get", "list", "watch")
ADMIN_GROUP, EVERYBODY = "system:masters", "system:authenticated"


def may(user: str, verb: str) -> bool:
    return verb in READS or not user.startswith("reader:")


def _access(spec: Mapping[str, Any], user: str) -> Object:
    attributes = spec.get("resourceAttributes") or spec.get("nonResourceAttributes")
    if not isinstance(attributes, Mapping):
        raise bad_request("spec: exactly one of resourceAttributes and nonResourceAttributes must be set")
    allowed = may(user, str(attributes.get("verb", "")))
    return {"allowed": allowed} | ({} if allowed else {"reason": f'"{user}" may only read'})


def _rules(_spec: Mapping[str, Any], user: str) -> Object:
    verbs = list(READS) if user.startswith("reader:") else ["*"]
    return {
        "resourceRules": [{"verbs": verbs, "apiGroups": ["*"], "resources": ["*"]}],
        "nonResourceRules": [{"verbs": verbs, "nonResourceURLs": ["*"]}],
        "incomplete": False,
    }


def _who(_spec: Mapping[str, Any], user: str) -> Object:
    groups = [EVERYBODY] if user.startswith("reader:") else [ADMIN_GROUP, EVERYBODY]
    return {"userInfo": {"username": user, "groups": groups}}


_REVIEWS: dict[tuple[str, str], tuple[str, Callable[[Mapping[str, Any], str], Object]]] = {
    ("authorization.k8s.io", "selfsubjectaccessreviews"): ("SelfSubjectAccessReview", _access),
    ("authorization.k8s.io", "selfsubjectrulesreviews"): ("SelfSubjectRulesReview", _rules),
    ("authentication.k8s.io", "selfsubjectreviews"): ("SelfSubjectReview", _who),
}
RESOURCES: dict[str, tuple[tuple[str, str], ...]] = {
    group: tuple((plural, kind) for (g, plural), (kind, _f) in _REVIEWS.items() if g == group)
    for group in dict.fromkeys(g for g, _plural in _REVIEWS)
}
"""Group -> (plural, kind) of what is answered, for discovery. All are v1."""


def review_at(path: str) -> tuple[str, str] | None:
    """(group, plural) of a review's URL, or None where it is none."""
    match path.strip("/").split("/"):
        case ["apis", group, "v1", plural] if (group, plural) in _REVIEWS:
            return group, plural
    return None


def answer(which: tuple[str, str], body: Any, user: str) -> Object:
    """The review with its status. ApiError 400 where the body is none."""
    kind, judge = _REVIEWS[which]
    if not isinstance(body, Mapping) or not isinstance(body.get("spec") or {}, Mapping):
        raise bad_request(f"the body is no {kind}")
    spec = body.get("spec") or {}
    review = {"kind": kind, "apiVersion": f"{which[0]}/v1", "metadata": {"creationTimestamp": None}}
    return review | ({"spec": dict(spec)} if spec else {}) | {"status": judge(spec, user)}
