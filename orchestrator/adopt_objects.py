"""Adopting an object of a cluster: what is refused besides, and what is recorded.

Callers: adopt. Pure. An object is owned field by field: adopting one records the fields that people and their tools
have set, as they are. What a controller or a package manager keeps as it wants is not to be had from it this way.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from model.errors import Diagnostic
from model.resources import Address, KubernetesObject, Observed
from providers.kubernetes.compare import set_manifest
from providers.kubernetes.objects import controller_of, manager_of, of_the_cluster
from providers.kubernetes.withheld import withhold

OURS = "duoyun"


def refusal(address: Address, seen: Observed) -> Diagnostic | None:
    """Why this object cannot be adopted; None where nothing speaks against it."""
    live: Mapping[str, Any] = seen.raw["object"]
    made_by = controller_of(live)
    if made_by:
        return Diagnostic("", f"{address} is made and kept by {made_by}", "adopt that")
    if of_the_cluster(live):
        return Diagnostic("", f"{address} belongs to the cluster itself", "there is nothing to adopt")
    by, what = manager_of(live)
    if by == "helm":
        space, _, release = what.partition("/")
        mend = (
            f"leave it to Helm; or let go of it there: `helm.sh/resource-policy: keep` in its chart and an upgrade, "
            f"`helm uninstall {release} -n {space}`, then take Helm's labels and annotations off it"
        )
        return Diagnostic("", f"{address} is managed by Helm: release {what}", mend)
    if by not in ("", OURS):
        mend = "take it out of that tool and its label app.kubernetes.io/managed-by off it, or leave it there"
        return Diagnostic("", f"{address} is managed by {by}", mend)
    return None


def as_it_is(seen: Observed) -> KubernetesObject:
    """What to record: the fields that somebody has set, and of their environment variables' literals only digests."""
    manifest = withhold(set_manifest(seen.raw["object"]), seen.provider_id)
    return KubernetesObject(name=seen.address.name, manifest=manifest)
