"""EKS: life of clusters and node groups, real nodes, tokens, and what is refused."""

import base64
import json
import ssl
import urllib.error
import urllib.request
from collections.abc import Iterator
from typing import Any

import pytest
from botocore.exceptions import ClientError

ROLE = "arn:aws:iam::111111111111:role/any"


def refused(call: Any) -> str:
    with pytest.raises(ClientError) as error:
        call()
    return str(error.value.response["Error"]["Code"])


@pytest.fixture(scope="module")
def cluster(client: Any, vpc: dict[str, str], eventually: Any) -> Iterator[dict[str, Any]]:
    eks = client("eks")
    made = eks.create_cluster(
        name="shop",
        version="1.35",
        roleArn=ROLE,
        resourcesVpcConfig={"subnetIds": [vpc["a"], vpc["b"]]},
        clientRequestToken="shop-1",
    )["cluster"]
    assert made["status"] == "CREATING"
    assert not made.get("endpoint")
    yield eventually(lambda: active(client, "shop"))
    for name in eks.list_nodegroups(clusterName="shop")["nodegroups"]:
        eks.delete_nodegroup(clusterName="shop", nodegroupName=name)
    eventually(lambda: not eks.list_nodegroups(clusterName="shop")["nodegroups"])
    eks.delete_cluster(name="shop")
    eventually(lambda: "shop" not in eks.list_clusters()["clusters"])


def active(client: Any, name: str) -> dict[str, Any] | None:
    found = client("eks").describe_cluster(name=name)["cluster"]
    return found if found["status"] == "ACTIVE" else None


def nodes(cluster: dict[str, Any], token: str) -> list[dict[str, Any]]:
    request = urllib.request.Request(
        cluster["endpoint"] + "/api/v1/nodes", headers={"Authorization": f"Bearer {token}"}
    )
    with urllib.request.urlopen(request, timeout=10, context=trust(cluster)) as answer:
        found: list[dict[str, Any]] = json.loads(answer.read())["items"]
    return found


def trust(cluster: dict[str, Any]) -> ssl.SSLContext:
    """The cluster's authority and no other."""
    return ssl.create_default_context(cadata=base64.b64decode(cluster["certificateAuthority"]["data"]).decode())


def token_for(client: Any, cluster: str, *, expires_s: int = 60, **options: Any) -> str:
    """As `aws eks get-token` does it, with boto3's own presigner."""
    sts = client("sts", **options)

    def name_the_cluster(params: dict[str, Any], context: dict[str, Any], **_: Any) -> None:
        context["cluster"] = params.pop("ClusterName", "")

    def sign_the_name(request: Any, **_: Any) -> None:
        request.headers["x-k8s-aws-id"] = request.context["cluster"]

    sts.meta.events.register("provide-client-params.sts.GetCallerIdentity", name_the_cluster, unique_id="n")
    sts.meta.events.register("before-sign.sts.GetCallerIdentity", sign_the_name, unique_id="s")
    try:
        url = sts.generate_presigned_url(
            "get_caller_identity", Params={"ClusterName": cluster}, ExpiresIn=expires_s, HttpMethod="GET"
        )
    finally:
        sts.meta.events.unregister("provide-client-params.sts.GetCallerIdentity", unique_id="n")
        sts.meta.events.unregister("before-sign.sts.GetCallerIdentity", unique_id="s")
    return "k8s-aws-v1." + base64.urlsafe_b64encode(url.encode()).decode().rstrip("=")


def test_a_cluster_has_a_real_api_and_a_certificate(client: Any, cluster: dict[str, Any]) -> None:
    assert cluster["endpoint"].startswith("https://127.0.0.1:")
    assert cluster["version"] == "1.35"
    pem = base64.b64decode(cluster["certificateAuthority"]["data"])
    assert pem.startswith(b"-----BEGIN CERTIFICATE-----")
    assert nodes(cluster, token_for(client, "shop")) == []
    group = cluster["resourcesVpcConfig"]["clusterSecurityGroupId"]
    assert client("ec2").describe_security_groups(GroupIds=[group])["SecurityGroups"]


def test_node_groups_bring_real_nodes(
    client: Any, cluster: dict[str, Any], vpc: dict[str, str], eventually: Any
) -> None:
    eks = client("eks")
    made = eks.create_nodegroup(
        clusterName="shop",
        nodegroupName="a",
        nodeRole=ROLE,
        subnets=[vpc["a"]],
        scalingConfig={"minSize": 2, "maxSize": 2, "desiredSize": 2},
        instanceTypes=["m6i.large"],
        labels={"duoyun.dev/site": "here"},
    )["nodegroup"]
    assert made["status"] == "CREATING"

    def group() -> dict[str, Any]:
        found: dict[str, Any] = eks.describe_nodegroup(clusterName="shop", nodegroupName="a")["nodegroup"]
        return found

    eventually(lambda: group()["status"] == "ACTIVE")
    token = token_for(client, "shop")
    found = nodes(cluster, token)
    assert len(found) == 2
    for node in found:
        labels = node["metadata"]["labels"]
        assert labels["duoyun.dev/site"] == "here"
        assert labels["topology.kubernetes.io/zone"] == "us-west-2a"
        assert labels["eks.amazonaws.com/nodegroup"] == "a"
        assert node["spec"]["providerID"].startswith("aws:///us-west-2a/i-")
    assert refused(lambda: eks.delete_cluster(name="shop")) == "ResourceInUseException"

    update = eks.update_nodegroup_config(
        clusterName="shop", nodegroupName="a", scalingConfig={"minSize": 1, "maxSize": 1, "desiredSize": 1}
    )["update"]
    assert update["status"] == "InProgress"
    eventually(lambda: group()["status"] == "ACTIVE" and len(nodes(cluster, token)) == 1)
    assert eks.describe_update(name="shop", updateId=update["id"])["update"]["status"] == "Successful"

    eks.delete_nodegroup(clusterName="shop", nodegroupName="a")
    eventually(lambda: not eks.list_nodegroups(clusterName="shop")["nodegroups"])
    assert nodes(cluster, token) == []


def test_a_reader_may_read_the_cluster_and_not_write(client: Any, cluster: dict[str, Any]) -> None:
    token = token_for(client, "shop", reader=True)
    assert nodes(cluster, token) == []
    request = urllib.request.Request(
        cluster["endpoint"] + "/api/v1/namespaces",
        method="POST",
        data=json.dumps({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "x"}}).encode(),
        headers={"Authorization": f"Bearer {token}", "Content-Type": "application/json"},
    )
    with pytest.raises(urllib.error.HTTPError, match="403") as error:
        urllib.request.urlopen(request, timeout=10, context=trust(cluster))
    error.value.close()


def test_tokens_that_are_not_for_this_cluster_are_refused(client: Any, cluster: dict[str, Any]) -> None:
    good = token_for(client, "shop")
    bad = [
        token_for(client, "another"),
        token_for(client, "shop", region="cn-north-1", partition="aws-cn"),
        token_for(client, "shop", aws_secret_access_key="wrong"),
        token_for(client, "shop", expires_s=7200),
        good[:-4] + "AAAA",
        "k8s-aws-v1.!!!",
        "nonsense",
    ]
    for token in bad:
        with pytest.raises(urllib.error.HTTPError, match="401") as error:
            nodes(cluster, token)
        error.value.close()


def test_updates_of_a_cluster(client: Any, cluster: dict[str, Any], eventually: Any) -> None:
    eks = client("eks")
    config = {"publicAccessCidrs": ["203.0.113.0/24"]}
    eks.update_cluster_config(name="shop", resourcesVpcConfig=config)
    again = refused(lambda: eks.update_cluster_config(name="shop", resourcesVpcConfig=config))
    assert again in ("ResourceInUseException", "InvalidParameterException")  # under way still, or done by now
    found = eventually(lambda: active(client, "shop"))
    assert found["resourcesVpcConfig"]["publicAccessCidrs"] == ["203.0.113.0/24"]
    assert refused(lambda: eks.update_cluster_config(name="shop", resourcesVpcConfig=config)) == (
        "InvalidParameterException"
    )
    audit = {"clusterLogging": [{"types": ["audit"], "enabled": True}]}
    eks.update_cluster_config(name="shop", logging=audit)
    found = eventually(lambda: active(client, "shop"))
    assert {"types": ["audit"], "enabled": True} in found["logging"]["clusterLogging"]
    assert refused(lambda: eks.update_cluster_version(name="shop", version="1.34")) == "InvalidParameterException"


def test_client_tokens_and_names(client: Any, cluster: dict[str, Any], vpc: dict[str, str]) -> None:
    eks = client("eks")
    request = {"version": "1.35", "roleArn": ROLE, "resourcesVpcConfig": {"subnetIds": [vpc["a"], vpc["b"]]}}
    again = eks.create_cluster(name="shop", clientRequestToken="shop-1", **request)["cluster"]
    assert again["arn"] == cluster["arn"]
    assert refused(lambda: eks.create_cluster(name="shop", clientRequestToken="shop-2", **request)) == (
        "ResourceInUseException"
    )
    one = request | {"resourcesVpcConfig": {"subnetIds": [vpc["a"]]}}
    assert refused(lambda: eks.create_cluster(name="x", **one)) == "InvalidParameterException"
    old = request | {"version": "1.19"}
    assert refused(lambda: eks.create_cluster(name="x", **old)) == "InvalidParameterException"
    assert refused(lambda: eks.describe_cluster(name="x")) == "ResourceNotFoundException"
    assert refused(lambda: client("ec2").delete_subnet(SubnetId=vpc["b"])) == "DependencyViolation"
