"""What ARM does for every type: tokens, subscriptions, groups, filters, pages, the activity log, faults, state."""

from __future__ import annotations

import json
import time
from datetime import UTC, datetime
from typing import Any

import pytest
from azure.core.exceptions import HttpResponseError, ServiceRequestError, ServiceResponseError
from azure.core.rest import HttpRequest
from azure.mgmt.network import models as n
from azure.mgmt.resource.resources.models import ResourceGroup, ResourceGroupPatchable

from sandbox.azure.catalog import REGIONS, display_name, size_of
from sandbox.azure.server import AzureServer

REGION = "chinanorth3"


def refused(code: str) -> Any:
    return pytest.raises(HttpResponseError, check=lambda e: e.error is not None and e.error.code == code)


def network(cidr: str = "10.1.0.0/16", **tags: str) -> Any:
    return n.VirtualNetwork(location=REGION, tags=tags, address_space=n.AddressSpace(address_prefixes=[cidr]))


def test_tokens_and_subscriptions_are_kept_apart(sdk_for: Any) -> None:
    with refused("InvalidAuthenticationToken"):
        list(sdk_for(token="wrong").network.virtual_networks.list_all())
    other = "00000000-0000-0000-0000-000000000001"
    with refused("AuthorizationFailed"):
        list(sdk_for(subscription=other).network.virtual_networks.list_all())
    with refused("SubscriptionNotFound"):
        list(sdk_for(subscription=other[:-1] + "9").network.virtual_networks.list_all())


def test_a_reader_reads_and_writes_nothing(sdk_for: Any, sdk: Any, group: str) -> None:
    reader = sdk_for(reader=True)
    assert reader.resources.resource_groups.get(group).name == group
    with refused("AuthorizationFailed"):
        reader.network.virtual_networks.begin_create_or_update(group, "main", network())
    with refused("AuthorizationFailed"):
        reader.resources.resource_groups.begin_delete(group)


def test_regions_differ_by_partition(sdk_for: Any) -> None:
    for partition in ("azure", "azure-cn"):
        client = sdk_for(partition)
        answer = client.resources._client.send_request(
            HttpRequest("GET", _url(client, "/locations"), params={"api-version": "2022-12-01"})
        )
        names = {row["name"]: row["displayName"] for row in answer.json()["value"]}
        assert set(names) == set(REGIONS[partition])
    assert names["chinanorth3"] == "China North 3"


def _url(client: Any, tail: str) -> str:
    base = client.resources._config.base_url
    return f"{base}/subscriptions/{client.subscription}{tail}"


def test_the_api_version_is_required(sdk: Any) -> None:
    answer = sdk.resources._client.send_request(HttpRequest("GET", _url(sdk, "/resourceGroups")))
    assert answer.json()["error"]["code"] == "MissingApiVersionParameter"


def test_a_group_takes_all_with_it(sdk: Any, group: str) -> None:
    sdk.network.virtual_networks.begin_create_or_update(group, "main", network()).result()
    sdk.resources.resource_groups.begin_delete(group).result()
    assert not sdk.resources.resource_groups.check_existence(group)
    with refused("ResourceGroupNotFound"):
        sdk.network.virtual_networks.get(group, "main")


def test_groups_and_resources_are_filtered_by_tag(sdk: Any, group: str) -> None:
    sdk.resources.resource_groups.update(group, ResourceGroupPatchable(tags={"mark": group}))
    found = sdk.resources.resource_groups.list(filter=f"tagName eq 'mark' and tagValue eq '{group}'")
    assert [g.name for g in found] == [group]
    sdk.network.virtual_networks.begin_create_or_update(group, "a", network(mark=group)).result()
    sdk.network.virtual_networks.begin_create_or_update(group, "b", network()).result()
    found = sdk.resources.resources.list(filter=f"tagName eq 'mark' and tagValue eq '{group}'")
    assert [(r.name, r.type) for r in found] == [("a", "Microsoft.Network/virtualNetworks")]
    assert {r.name for r in sdk.resources.resources.list_by_resource_group(group)} == {"a", "b"}


def test_lists_come_in_pages(sdk: Any, group: str, azure: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in "abcde":
        sdk.network.virtual_networks.begin_create_or_update(group, name, network()).result()
    monkeypatch.setattr(azure.server.engine, "page_size", 2)
    assert [v.name for v in sdk.network.virtual_networks.list(group)] == list("abcde")


def test_the_activity_log_says_who(sdk_for: Any, sdk: Any, group: str) -> None:
    since = datetime.fromtimestamp(time.time() - 60, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    account_token = sdk_for().network._config.authentication_policy.token
    mallory = sdk_for(token=f"{account_token}~mallory@example.com")
    mallory.network.virtual_networks.begin_create_or_update(group, "main", network()).result()
    answer = sdk.resources._client.send_request(
        HttpRequest(
            "GET",
            _url(sdk, "/providers/Microsoft.Insights/eventtypes/management/values"),
            params={
                "api-version": "2015-04-01",
                "$filter": f"eventTimestamp ge '{since}' and resourceGroupName eq '{group}'",
            },
        )
    )
    rows = answer.json()["value"]
    assert [(r["caller"], r["operationName"]["value"]) for r in rows][:1] == [
        ("mallory@example.com", "Microsoft.Network/virtualNetworks/write")
    ]


def test_a_put_is_idempotent_and_answers_201_then_200(sdk: Any, group: str, azure: Any) -> None:
    statuses = []
    for _ in range(2):
        poller = sdk.network.virtual_networks.begin_create_or_update(
            group, "main", network(), raw_response_hook=lambda r: statuses.append(r.http_response.status_code)
        )
        poller.result()
    assert statuses[0] == 201
    assert 200 in statuses[1:]
    assert len(list(sdk.network.virtual_networks.list(group))) == 1


def test_a_long_operation_is_polled(sdk: Any, group: str, azure: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    class Slow:
        def duration_s(self, operation: str, resource: str = "", detail: str = "") -> float:
            return 0.3

    monkeypatch.setattr(azure.world, "timing", Slow())
    poller = sdk.network.virtual_networks.begin_create_or_update(group, "main", network())
    assert sdk.network.virtual_networks.get(group, "main").provisioning_state == "Updating"
    with refused("AnotherOperationInProgress"):
        sdk.network.virtual_networks.begin_create_or_update(group, "main", network("10.2.0.0/16"))
    assert poller.result().provisioning_state == "Succeeded"
    sdk.network.virtual_networks.begin_delete(group, "main").result()
    assert not list(sdk.network.virtual_networks.list(group))


def test_faults_are_injected(sdk: Any, group: str, azure: Any) -> None:
    azure.faults.add(
        {"service": "azure", "operation": "PUT Microsoft.Network/virtualNetworks", "match": group, "status": 429,
         "code": "TooManyRequests", "retry_after_s": 7.0}
    )  # fmt: skip
    with refused("TooManyRequests") as caught:
        sdk.network.virtual_networks.begin_create_or_update(group, "main", network())
    assert caught.value.response.headers["Retry-After"] == "7"
    azure.faults.add({"service": "azure", "operation": "PUT *", "match": group, "drop_answer": True})
    with pytest.raises((ServiceRequestError, ServiceResponseError)):
        sdk.network.virtual_networks.begin_create_or_update(group, "main", network())
    assert sdk.network.virtual_networks.get(group, "main").name == "main"
    azure.faults.clear()


def test_unknown_types_and_regions_are_refused(sdk: Any, group: str) -> None:
    body = network()
    body.location = "atlantis"
    with refused("LocationNotAvailableForResourceType"):
        sdk.network.virtual_networks.begin_create_or_update(group, "main", body)
    with refused("LocationNotAvailableForResourceGroup"):
        sdk.resources.resource_groups.create_or_update("x", ResourceGroup(location="eastus"))
    with refused("InvalidResourceType"):
        list(sdk.network.application_gateways.list(group))


def test_state_survives(sdk: Any, group: str, azure: Any) -> None:
    sdk.network.virtual_networks.begin_create_or_update(group, "main", network(team="shop")).result()
    data = json.loads(json.dumps(azure.server.snapshot()))
    again = AzureServer(azure.world)
    azure.run(again.restore({**data, "records": [r for r in data["records"] if group in r["id"]]}))
    assert {r["name"]: r["tags"] for r in again.inventory()} == {group: {}, "main": {"team": "shop"}}


def test_sizes_follow_from_their_names() -> None:
    table = {
        "Standard_D4s_v5": (4, 16384), "standard_d2ads_v5": (2, 8192), "Standard_E8-4s_v5": (4, 65536),
        "Standard_F4s_v2": (4, 8192), "Standard_D2pls_v6": (2, 4096), "Standard_B2ts_v2": (2, 1024),
        "Standard_B2s": (2, 4096), "Standard_DS2_v2": (2, 7168), "Standard_F2ams_v6": (2, 16384),
    }  # fmt: skip
    for name, (vcpu, memory) in table.items():
        size = size_of(name)
        assert size is not None, name
        assert (size.vcpu, size.memory_mib) == (vcpu, memory), name
    for bogus in ("", "Standard_D3s_v5", "Standard_Z2_v5", "m5.large", "Standard_D2s_v9", "Standard_D2s"):
        assert size_of(bogus) is None, bogus
    assert display_name("southafricanorth") == "South Africa North"
