"""What our layer costs beside the bare SDK: CPU per call, listing a fleet's disks, turn by turn in one thread.

Bare is what a script does: the same requests through the same SDK's client, and the same facts read out of each row of
the answer into a plain tuple (Azure's SDK reads a field when it is asked for). Ours is the whole adapter: rate limit,
retries, paging, names and translation into the model. overhead is the median over rounds of (ours - bare) / bare, of
this thread's CPU time. The rate limit's buckets are as wide as the sea here: who sleeps between calls finds the CPU's
caches cold, and that would be counted as ours.
"""

from __future__ import annotations

import json
import statistics
import time
from collections.abc import Callable
from typing import Any
from unittest import mock

from benchmarks.providing.listing import call
from benchmarks.providing.worlds import PLACES, Place, World, account
from model.resources import TAG_FLEET, Address, Disk, Kind
from orchestrator.registry import open_cloud
from providers.base import Account, CloudProvider
from providers.calls import Calls, TokenBucket

FLEET = "overhead"


def _aws(account: Account, region: str) -> Callable[[], int]:
    import boto3
    from botocore.config import Config

    client = boto3.client(
        "ec2", region_name=region, endpoint_url=account.endpoint, aws_access_key_id=account.secrets["key_id"],
        aws_secret_access_key=account.secrets["secret"], config=Config(retries={"total_max_attempts": 1}),
    )  # fmt: skip

    def once() -> int:
        tagged = [{"Name": f"tag:{TAG_FLEET}", "Values": [FLEET]}]
        rows = [_aws_facts(row) for row in client.describe_volumes(Filters=tagged)["Volumes"]]
        growing = [{"Name": "modification-state", "Values": ["failed", "modifying"]}]
        client.describe_volumes_modifications(Filters=growing)
        return len(rows)

    return once


def _aws_facts(row: dict[str, Any]) -> tuple[Any, ...]:
    tags = {tag["Key"]: tag["Value"] for tag in row.get("Tags", ())}
    key, machines = row.get("KmsKeyId", ""), [a["InstanceId"] for a in row.get("Attachments", ())]
    kind, encrypted = row["VolumeType"], row["Encrypted"]
    return row["VolumeId"], tags, row["State"], row["AvailabilityZone"], row["Size"], kind, encrypted, key, machines


def _azure(account: Account, _region: str) -> Callable[[], int]:
    from azure.core.pipeline.policies import SansIOHTTPPolicy
    from azure.mgmt.compute import ComputeManagementClient

    class Bearer(SansIOHTTPPolicy):  # type: ignore[misc]
        def on_request(self, request: Any) -> None:
            request.http_request.headers["Authorization"] = f"Bearer {account.secrets['secret']}"

    client = ComputeManagementClient(
        object(), account.account_id, base_url=account.endpoint, credential_scopes=["sandbox"], retry_total=0,
        authentication_policy=Bearer(),
    )  # fmt: skip

    def once() -> int:
        rows = [_azure_facts(disk) for disk in client.disks.list()]
        return sum((tags or {}).get(TAG_FLEET) == FLEET for tags, *_ in rows)

    return once


def _azure_facts(disk: Any) -> tuple[Any, ...]:
    sku, encryption = disk.sku, disk.encryption
    kind, key = sku.name if sku else "", encryption.disk_encryption_set_id if encryption else ""
    what = (disk.id, disk.name, disk.location, disk.zones, disk.provisioning_state, disk.os_type)
    return disk.tags, *what, disk.disk_size_gb, kind, key, disk.managed_by


def _alibaba(account: Account, region: str) -> Callable[[], int]:
    from aliyunsdkcore.client import AcsClient
    from aliyunsdkcore.request import CommonRequest

    client = AcsClient(account.secrets["key_id"], account.secrets["secret"], region, auto_retry=False, pool_size=32)

    def once() -> int:
        request = CommonRequest(product="Ecs", version="2014-05-26", action_name="DescribeDisks")
        request.set_domain(account.endpoint.removeprefix("http://"))
        request.set_method("POST")
        asked = {"DiskType": "data", "Tag.1.Key": TAG_FLEET, "Tag.1.Value": FLEET, "MaxResults": "500"}
        for name, value in {"RegionId": region, **asked}.items():
            request.add_query_param(name, value)
        return len(
            [_alibaba_facts(row) for row in json.loads(client.do_action_with_exception(request))["Disks"]["Disk"]]
        )

    return once


def _alibaba_facts(row: dict[str, Any]) -> tuple[Any, ...]:
    tags = {tag["TagKey"]: tag["TagValue"] for tag in row["Tags"]["Tag"]}
    what = (row["DiskId"], row["DiskName"], row["Status"], row["ZoneId"], row["Size"], row["Category"])
    return tags, *what, row["Encrypted"], row.get("KMSKeyId", ""), row.get("InstanceId", "")


BARE = {"aws": _aws, "azure": _azure, "alibaba": _alibaba}


def _ours(provider: CloudProvider, place: Place) -> int:
    return sum(1 for _ in provider.list(Kind.DISK, place.region, call(fleet=FLEET), fleet=FLEET))


def _cpu_s(work: Callable[[], int], calls: int) -> float:
    began_s = time.thread_time()
    for _ in range(calls):
        work()
    return time.thread_time() - began_s


def measure(world: World, place: Place, rows: int, rounds: int, calls: int) -> dict[str, Any]:
    """rounds times, `calls` of each; which goes first alternates."""
    provider = open_cloud(account(world, place))
    for number in range(rows):
        at = Address(place.partition, provider.account.account_id, place.region, Kind.DISK, f"disk-{number}")
        provider.create(at, Disk(name=at.name, zone=place.zone, size_gib=40), call(f"{FLEET}-{number}", FLEET))
        provider.wait_ready(at, call(fleet=FLEET))
    bare, ours = BARE[place.cloud](provider.account, place.region), lambda: _ours(provider, place)
    if (bare(), ours()) != (rows, rows):
        raise AssertionError(f"{place.cloud}: not the same rows")
    before = world.requests()
    ours()
    requests = world.requests()[place.cloud] - before[place.cloud]
    before = world.requests()
    bare()
    if world.requests()[place.cloud] - before[place.cloud] != requests:
        raise AssertionError(f"{place.cloud}: not the same requests")
    pairs = []
    for number in range(rounds):
        timed = {}
        for work in ((bare, ours), (ours, bare))[number % 2]:
            timed[work] = _cpu_s(work, calls)
        pairs.append((timed[bare], timed[ours]))
    each = calls * requests
    return {
        "rows": rows,
        "requests": requests,
        "bare_cpu_ms": round(1000 * statistics.median(b for b, _ in pairs) / each, 3),
        "ours_cpu_ms": round(1000 * statistics.median(o for _, o in pairs) / each, 3),
        "overhead": round(statistics.median((o - b) / b for b, o in pairs), 4),
    }


def run(world: World, rows: int = 10, rounds: int = 15, calls: int = 20) -> dict[str, Any]:
    wide = TokenBucket(1e6, 1e6)
    with mock.patch.object(Calls, "_bucket", lambda _calls, _api: wide):
        return {place.cloud: measure(world, place, rows, rounds, calls) for place in PLACES}
