"""Names and labels: derived once, stable, and valid for Kubernetes whatever the input.

Rules: Kubernetes, "Object Names and IDs" (DNS-1123 label: at most 63 of [a-z0-9-], alphanumeric at both ends) and
"Labels and Selectors" (values: at most 63 of [A-Za-z0-9._-], alphanumeric at both ends).
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Mapping
from typing import Any, Final

from model.errors import Diagnostic, InvalidInput
from model.resources import (
    LABEL_APP,
    LABEL_MANAGED,
    LABEL_SERVICE,
    LABEL_SITE,
    KubernetesObject,
)
from model.spec.app import Application
from model.spec.fleet import Site

MANAGED_BY: Final = "duoyun"
LABEL_MAX: Final = 63
SPOT_SUFFIX: Final = "spot"  # after the zone, in the name of the Deployment that may be on spot machines
_LABEL_VALUE = re.compile(r"([A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?)?")
_LABEL_KEY = re.compile(
    r"([a-z0-9]([-a-z0-9.]{0,251}[a-z0-9])?/)?[A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?",
)

# API groups that every cluster serves; a kind of any other group is addressed as `Kind.group`.
BUILT_IN_GROUPS: Final = frozenset(
    {
        "",
        "apps",
        "autoscaling",
        "batch",
        "policy",
        "discovery.k8s.io",
        "networking.k8s.io",
        "rbac.authorization.k8s.io",
    }
)


def short_hash(text: str, digits: int = 8) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:digits]


def site_label(site_id: str) -> str:
    """A site id (`aws-cn/cn-north-1a`) as a label value (`aws-cn.cn-north-1a`): of nodes, Deployments and pods.

    Different sites have different labels: neither part of an id may hold a dot; what would be too long or begins or
    ends with a dash gets a hash of the whole.
    """
    label = site_id.replace("/", ".")
    if _LABEL_VALUE.fullmatch(label) and label:
        return label
    return f"site-{label.strip('-.')[:40].strip('-.')}.{short_hash(site_id, 12)}"


def zone_suffix(site: Site) -> str:
    """What tells a region's zones apart, short and without dashes: `a` of cn-north-1a, `2` of chinanorth3-2.

    Without dashes, so that `<service>-<suffix>` can be read back in one way only. A zone that does not begin with
    its region's name is used whole; what cannot be kept as it is, or ends like another zone's SPOT_SUFFIX, gets a hash.
    """
    zone, region = site.zone, site.region.region
    rest = zone.removeprefix(region).lstrip("-") if zone.startswith(region) else zone
    if re.fullmatch(r"[a-z0-9]{1,16}", rest) and not rest.endswith(SPOT_SUFFIX):
        return rest
    return f"z{short_hash(zone)}"


def object_name(cluster: str, manifest: Mapping[str, Any]) -> str:
    """`cluster/namespace/ApiKind/object` (see model.resources.Address); ApiKind is `Kind.group` where not built in."""
    group = manifest["apiVersion"].rpartition("/")[0]
    kind = manifest["kind"] if group in BUILT_IN_GROUPS else f"{manifest['kind']}.{group}"
    metadata = manifest["metadata"]
    return f"{cluster}/{metadata.get('namespace', '-')}/{kind}/{metadata['name']}"


def as_object(cluster: str, manifest: Mapping[str, Any], delegated: tuple[str, ...] = ()) -> KubernetesObject:
    return KubernetesObject(name=object_name(cluster, manifest), manifest=manifest, delegated=delegated)


def site_of(resource: KubernetesObject, sites: Iterable[Site]) -> str:
    """Id of the site that an object was rendered for; "" for what serves the whole region."""
    label = resource.manifest["metadata"].get("labels", {}).get(LABEL_SITE, "")
    return next((s.id for s in sites if label and site_label(s.id) == label), "")


def object_labels(app: Application, service: str = "") -> dict[str, str]:
    """The user's labels and, over them, ours."""
    ours = {LABEL_APP: app.name, LABEL_MANAGED: MANAGED_BY} | ({LABEL_SERVICE: service} if service else {})
    return dict(sorted({**app.metadata.labels, **ours}.items()))


def selector_labels(app: Application, service: str) -> dict[str, str]:
    return {LABEL_APP: app.name, LABEL_SERVICE: service}


def cluster_of(sites: Iterable[Site]) -> str:
    """Name of the one cluster that these sites share. ValueError where they do not (a mistake of the caller's)."""
    names = {(s.region_id, s.account.name, s.region.cluster.name if s.region.cluster else "") for s in sites}
    if len(names) != 1:
        raise ValueError(f"sites of one region wanted, got {sorted(names) or 'none'}")
    name = names.pop()[2]
    if not name:
        raise ValueError("these sites have no cluster")
    return name


def label_mistakes(labels: Mapping[str, str], where: str) -> list[Diagnostic]:
    """Keys and values that no Kubernetes API would take as labels."""
    found = []
    for key, value in labels.items():
        if not _LABEL_KEY.fullmatch(key):
            found.append(Diagnostic("", f"{where}: {key!r} is no label key", "write [prefix/]name, at most 63 after /"))
        if not _LABEL_VALUE.fullmatch(value):
            found.append(Diagnostic("", f"{where}: {value!r} is no label value", "at most 63 of A-Z a-z 0-9 . _ -"))
    return found


def annotation_mistakes(annotations: Mapping[str, str], where: str) -> list[Diagnostic]:
    return [
        Diagnostic("", f"{where}: {key!r} is no annotation key", "write [prefix/]name, at most 63 after /")
        for key in annotations
        if not _LABEL_KEY.fullmatch(key)
    ]


def refuse(mistakes: list[Diagnostic]) -> None:
    if mistakes:
        raise InvalidInput(mistakes)
