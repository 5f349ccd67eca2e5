"""The adapter, ACK and a Kubernetes API that really answers, together."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import pytest
from kubernetes import client

from model.resources import Kind
from providers.alibaba import open as open_alibaba
from providers.base import Account, ClusterAccess
from sandbox.app import Options
from sandbox.threaded import Running, running


def account_of(sandbox: Running, *, reader: bool = False) -> Account:
    row = sandbox.account("alibaba-cn")
    prefix = "reader_" if reader else ""
    return Account(
        name="east",
        cloud="alibaba",
        partition="alibaba-cn",
        account_id=row["account_id"],
        endpoint=sandbox.endpoints["clouds"]["alibaba"]["url"],
        secrets={"key_id": row[f"{prefix}key_id"], "secret": row[f"{prefix}secret"]},
        options={"visible_within_s": 0.3},
    )


def core(access: ClusterAccess, folder: Path) -> Any:
    authority = folder / "ca.pem"
    authority.write_text(access.ca_pem)
    configuration = client.Configuration(ssl_ca_cert=str(authority))
    configuration.host = access.server
    configuration.proxy = ""
    assert access.token is not None
    configuration.api_key = {"authorization": f"Bearer {access.token()}"}
    return client.CoreV1Api(client.ApiClient(configuration))


def nodes(api: Any) -> dict[str, Any]:
    return {n.metadata.name: n for n in api.list_node(_request_timeout=5).items}


def is_ready(node: Any) -> bool:
    return any(c.type == "Ready" and c.status == "True" for c in node.status.conditions)


def test_nodes_of_a_pool_come_and_go_in_kubernetes(region: Any, tmp_path: Any) -> None:
    options = Options(clouds=("alibaba",), state_dir=tmp_path / "state")
    with running(options) as sandbox:
        region.provider = open_alibaba(account_of(sandbox))
        region.base()
        region.make(region.cluster(), region.pool())
        at = region.at(Kind.CLUSTER, "main")
        observed = region.provider.get(at, region.call())
        api = core(region.provider.cluster_access(observed, region.call()), tmp_path)
        seen = nodes(api)
        assert len(seen) == 2
        for node in seen.values():
            assert is_ready(node)
            labels = node.metadata.labels
            assert labels["topology.kubernetes.io/zone"] == "cn-hangzhou-h"
            assert labels["duoyun.dev/site"] == "alibaba-cn.cn-hangzhou-h"
            assert node.spec.provider_id.startswith("cn-hangzhou.i-")
        namespace = client.V1Namespace(metadata=client.V1ObjectMeta(name="shop"))
        api.create_namespace(namespace, _request_timeout=5)
        reader = core(open_alibaba(account_of(sandbox, reader=True)).cluster_access(observed, region.call()), tmp_path)
        assert len(nodes(reader)) == 2
        with pytest.raises(client.ApiException) as caught:
            reader.create_namespace(namespace, _request_timeout=5)
        assert caught.value.status == 403

    with running(options) as sandbox:  # the same state, another process as it were
        region.provider = open_alibaba(account_of(sandbox))
        observed = region.provider.wait_ready(at, region.call())
        api = core(region.provider.cluster_access(observed, region.call()), tmp_path)
        assert api.read_namespace("shop", _request_timeout=5).metadata.name == "shop"
        pool = region.provider.wait_ready(region.at(Kind.NODE_POOL, "h-g7"), region.call())
        assert set(nodes(api)) == set(seen)
        region.provider.delete(pool, region.call("d1"))
        region.provider.wait_gone(pool.address, region.call())
        assert nodes(api) == {}
        region.provider.delete(observed, region.call("d2"))
        region.provider.wait_gone(at, region.call())
        deadline = time.monotonic() + 5
        while True:
            try:
                nodes(api)
            except Exception:  # refused: nobody listens any more
                break
            assert time.monotonic() < deadline
