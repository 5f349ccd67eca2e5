"""One sandbox with three clouds and a cluster, and each of them behind its real SDK with one small set of methods."""

from __future__ import annotations

import json
import uuid
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import boto3
import pytest
from aliyunsdkcore.client import AcsClient
from aliyunsdkcore.request import CommonRequest
from azure.core.credentials import AccessToken
from azure.core.pipeline.policies import SansIOHTTPPolicy
from azure.core.pipeline.transport import RequestsTransport
from azure.mgmt.network import NetworkManagementClient
from azure.mgmt.network.models import AddressSpace, VirtualNetwork
from azure.mgmt.resource.resources import ResourceManagementClient
from azure.mgmt.resource.resources.models import ResourceGroup
from botocore.config import Config
from kubernetes import client as k8s

import providers.alibaba.errors
import providers.aws.errors
import providers.azure.errors
import providers.kubernetes.errors
from model.errors import CloudError
from providers.base import Account
from sandbox.threaded import Running, shared

Mapper = Callable[[BaseException, str], CloudError]


@dataclass
class Service:
    """A cloud, or a cluster, behind its SDK without retries. create: idempotent by name where the API has a way.

    writes, reads: the operations that create and names send, as the fault table names them.
    """

    name: str
    writes: str
    reads: str
    create: Callable[[str], Any]
    names: Callable[[], list[str]]
    mapper: Mapper
    status_of: Callable[[Any], int]
    running: Running
    made: list[str] = field(default_factory=list)

    def fault(self, operation: str, **values: Any) -> str:
        row = {"service": self.name, "operation": operation, **values}
        return self.running.sandbox.faults.add(row).id

    def log(self) -> list[dict[str, Any]]:
        return self.running.sandbox.faults.log()


def _aws(running: Running) -> Service:
    account = running.account("aws-cn")
    ec2 = boto3.client(
        "ec2",
        region_name="cn-north-1",
        endpoint_url=running.endpoints["clouds"]["aws"]["url"],
        aws_access_key_id=account["key_id"],
        aws_secret_access_key=account["secret"],
        config=Config(retries={"total_max_attempts": 1}),
    )
    image = ec2.describe_images(Owners=["amazon"])["Images"][0]["ImageId"]

    def create(name: str) -> Any:
        tags = [{"ResourceType": "instance", "Tags": [{"Key": "Name", "Value": name}]}]
        return ec2.run_instances(
            ImageId=image, InstanceType="t3.medium", MinCount=1, MaxCount=1, ClientToken=name, TagSpecifications=tags
        )

    def names() -> list[str]:
        found = [i for r in ec2.describe_instances()["Reservations"] for i in r["Instances"]]
        return [t["Value"] for i in found for t in i.get("Tags", ()) if t["Key"] == "Name"]

    def status_of(exc: Any) -> int:
        return int(exc.response["ResponseMetadata"]["HTTPStatusCode"])

    mapper = partial(providers.aws.errors.to_cloud_error, account="north", region="cn-north-1")
    return Service(
        "aws",
        "ec2:RunInstances",
        "ec2:DescribeInstances",
        create,
        names,
        mapper,
        status_of,
        running,
    )


class _Token(SansIOHTTPPolicy):  # type: ignore[type-arg]
    def __init__(self, token: str) -> None:
        super().__init__()
        self.token = token

    def on_request(self, request: Any) -> None:
        request.http_request.headers["Authorization"] = f"Bearer {self.token}"


class _Credential:
    def get_token(self, *_scopes: str, **_kwargs: Any) -> AccessToken:
        return AccessToken("unused", 2**31)


def _azure(running: Running, stack: ExitStack) -> Service:
    row = running.account("azure-cn")

    def client(cls: Any) -> Any:
        return stack.enter_context(
            cls(
                _Credential(),
                row["account_id"],
                base_url=running.endpoints["clouds"]["azure"]["url"],
                credential_scopes=["sandbox"],
                authentication_policy=_Token(row["secret"]),
                polling_interval=0.05,
                retry_total=0,
                transport=RequestsTransport(use_env_settings=False),
            )
        )

    group = f"faults-{uuid.uuid4().hex[:8]}"
    network = client(NetworkManagementClient)
    client(ResourceManagementClient).resource_groups.create_or_update(group, ResourceGroup(location="chinanorth3"))

    def create(name: str) -> Any:
        body = VirtualNetwork(location="chinanorth3", address_space=AddressSpace(address_prefixes=["10.9.0.0/16"]))
        return network.virtual_networks.begin_create_or_update(group, name, body).result(20)

    def names() -> list[str]:
        return [n.name for n in network.virtual_networks.list(group)]

    account = Account("north", "azure", "azure-cn", row["account_id"])
    return Service(
        "azure",
        "PUT Microsoft.Network/virtualNetworks",
        "GET Microsoft.Network/virtualNetworks",
        create,
        names,
        providers.azure.errors.mapper(account),
        lambda exc: int(exc.status_code),
        running,
    )


def _alibaba(running: Running) -> Service:
    account = running.account("alibaba-cn")
    client = AcsClient(account["key_id"], account["secret"], "cn-hangzhou", auto_retry=False)

    def rpc(action: str, **params: str) -> Any:
        request = CommonRequest(product="Vpc", version="2016-04-28", action_name=action)
        request.set_domain(running.endpoints["clouds"]["alibaba"]["url"].removeprefix("http://"))
        request.set_protocol_type("http")
        request.set_method("POST")
        for name, value in {"RegionId": "cn-hangzhou", **params}.items():
            request.add_query_param(name, value)
        return json.loads(client.do_action_with_exception(request))

    def create(name: str) -> Any:
        return rpc("CreateVpc", VpcName=name, CidrBlock="10.8.0.0/16", ClientToken=name)

    def names() -> list[str]:
        return [v["VpcName"] for v in rpc("DescribeVpcs", PageSize="50")["Vpcs"]["Vpc"]]

    def status_of(exc: Any) -> int:
        return int(exc.http_status)

    return Service(
        "alibaba",
        "vpc:CreateVpc",
        "vpc:DescribeVpcs",
        create,
        names,
        providers.alibaba.errors.map_error,
        status_of,
        running,
    )


def _kubernetes(running: Running, stack: ExitStack, folder: Any) -> Service:
    cluster_id = f"faults-{uuid.uuid4().hex[:8]}"
    clusters = running.world.clusters
    handle = running.world.from_thread(
        clusters.create(cluster_id, version="1.35", authenticate=lambda _t: None, place="aws-cn/cn-north-1")
    )
    stack.callback(lambda: running.world.from_thread(clusters.delete(cluster_id)))
    ca_file = folder / "ca.pem"
    ca_file.write_text(handle.ca_pem)
    configuration = k8s.Configuration(host=handle.url, ssl_ca_cert=str(ca_file))
    configuration.api_key = {"authorization": f"Bearer {handle.admin_token}"}
    configuration.retries = False
    core = k8s.CoreV1Api(stack.enter_context(k8s.ApiClient(configuration)))

    def create(name: str) -> Any:
        body = k8s.V1ConfigMap(metadata=k8s.V1ObjectMeta(name=name), data={"a": "b"})
        return core.create_namespaced_config_map("default", body, _request_timeout=20)

    def names() -> list[str]:
        return [c.metadata.name for c in core.list_namespaced_config_map("default", _request_timeout=20).items]

    return Service(
        "kubernetes",
        "POST configmaps",
        "GET configmaps",
        create,
        names,
        providers.kubernetes.errors.map_error,
        lambda exc: int(exc.status),
        running,
    )


@pytest.fixture(scope="session")
def services(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Service]]:
    with shared() as running, ExitStack() as stack:
        made = (
            _aws(running),
            _azure(running, stack),
            _alibaba(running),
            _kubernetes(running, stack, tmp_path_factory.mktemp("ca")),
        )
        yield {service.name: service for service in made}


@pytest.fixture(params=["aws", "azure", "alibaba", "kubernetes"])
def service(request: pytest.FixtureRequest, services: dict[str, Service]) -> Iterator[Service]:
    found = services[request.param]
    found.running.sandbox.faults.clear()
    yield found
    found.running.sandbox.faults.clear()


@pytest.fixture
def name() -> str:
    return f"f-{uuid.uuid4().hex[:10]}"
