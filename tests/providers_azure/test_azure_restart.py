"""A sandbox with a state folder, stopped and started again: everything is where it was."""

from __future__ import annotations

import urllib.request
from pathlib import Path
from typing import Any

from model.resources import Kind
from providers.azure import open as open_azure
from sandbox.app import Options
from sandbox.threaded import running


def test_everything_is_there_after_a_restart(make: Any, tmp_path: Path) -> None:
    options = Options(clouds=("azure",), state_dir=tmp_path / "state")
    with running(options) as sandbox:
        azure = make.Azure(sandbox)
        provider = open_azure(make.account_of(azure))
        rig = make.Rig(azure, provider, "keep")
        rig.network(subnets=2)
        rig.make(make.instance())
        cluster = rig.make(make.cluster())
        rig.make(make.pool())
        token = provider.cluster_access(cluster, rig.call()).token()
        before = rig.inventory()
        provider.close()
    with running(options) as sandbox:
        azure = make.Azure(sandbox)
        provider = open_azure(make.account_of(azure))
        rig = make.Rig(azure, provider, "keep")
        assert rig.inventory() == before
        assert rig.provider.wait_ready(cluster.address, rig.call()).resource == cluster.resource
        access = provider.cluster_access(cluster, rig.call())
        assert access.token is not None
        assert access.token() == token
        (live,) = azure.clusters()
        assert live.zones() == ["0", "chinanorth3-2", "chinanorth3-2"]
        assert live.get("/api/v1/namespaces", token)["items"]
        seen = provider.get(rig.address(Kind.INSTANCE, "ledger-1"), rig.call())
        with urllib.request.urlopen(f"http://{seen.private_ip}:8080/healthz", timeout=5) as answer:
            assert answer.status == 200
        provider.close()
