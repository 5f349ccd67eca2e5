"""A kubeconfig for one of the fleet's clusters, from its cloud's API, without any cloud CLI."""

from __future__ import annotations

import base64
import time
from typing import Any

import yaml

from model.errors import Diagnostic, InvalidInput
from model.spec.fleet import Fleet, RegionSpec
from orchestrator.targets import Targets
from providers.base import Call, ClusterAccess


def region_named(fleet: Fleet, region_id: str) -> RegionSpec:
    """The region `partition/region`. Raises InvalidInput that lists what there is."""
    named = {f"{fleet.account(r.account).partition}/{r.region}": r for r in fleet.spec.regions}
    if region_id not in named:
        known = ", ".join(sorted(named))
        raise InvalidInput([Diagnostic("", f"the fleet has no region {region_id}", f"one of {known}")])
    return named[region_id]


def kubeconfig_for(fleet: Fleet, region_id: str, targets: Targets, timeout_s: float = 60.0) -> str:
    """YAML text; its token is as short-lived as the cloud makes it. Raises NotFound where there is no cluster."""
    region = region_named(fleet, region_id)
    account = fleet.account(region.account)
    if region.cluster is None:
        raise InvalidInput([Diagnostic("", f"region {region_id} has no cluster", "add `cluster:` to it in the fleet")])
    call = Call(deadline_s=time.monotonic() + timeout_s, fleet=fleet.name)
    access = targets.access(account, region.region, region.cluster.name, call)
    return to_kubeconfig(region_id.replace("/", "-"), access)


def to_kubeconfig(name: str, access: ClusterAccess) -> str:
    """The v1 Config document that kubectl reads."""
    cluster: dict[str, Any] = {"server": access.server}
    if access.ca_pem:
        cluster["certificate-authority-data"] = _b64(access.ca_pem)
    if access.proxy_url:
        cluster["proxy-url"] = access.proxy_url
    if access.tls_server_name:
        cluster["tls-server-name"] = access.tls_server_name
    user: dict[str, Any] = {}
    if access.token:
        user["token"] = access.token()
    if access.client_certificate_pem:
        user["client-certificate-data"] = _b64(access.client_certificate_pem)
        user["client-key-data"] = _b64(access.client_key_pem)
    return yaml.safe_dump(
        {
            "apiVersion": "v1",
            "kind": "Config",
            "clusters": [{"name": name, "cluster": cluster}],
            "users": [{"name": name, "user": user}],
            "contexts": [{"name": name, "context": {"cluster": name, "user": name}}],
            "current-context": name,
        },
        sort_keys=False,
    )


def _b64(text: str) -> str:
    return base64.b64encode(text.encode()).decode()
