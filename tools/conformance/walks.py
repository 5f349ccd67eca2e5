"""A stranger's walk through what a sandbox's cloud serves and our adapter does not ask for.

Callers: lives.py, which records it beside the adapter's life. Nothing is judged here; what is refused is recorded too.
"""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from typing import Any

import httpx

REGION = "chinanorth3"
_LISTS = (
    "Microsoft.Network/virtualNetworks",
    "Microsoft.Network/networkSecurityGroups",
    "Microsoft.Network/networkInterfaces",
    "Microsoft.Network/publicIPAddresses",
    "Microsoft.Network/loadBalancers",
    "Microsoft.Network/natGateways",
    "Microsoft.Compute/virtualMachines",
    "Microsoft.Compute/disks",
    "Microsoft.Compute/virtualMachineScaleSets",
    "Microsoft.ContainerService/managedClusters",
)
_QUERIES = (
    f"providers/Microsoft.Compute/locations/{REGION}/usages",
    f"providers/Microsoft.ContainerService/locations/{REGION}/kubernetesVersions", "providers", "resources",
    "locations", "resourcegroups",
)  # fmt: skip


_RECORDS: Mapping[str, Mapping[str, Any]] = {
    "A": {"ARecords": [{"ipv4Address": "192.0.2.1"}]},
    "AAAA": {"AAAARecords": [{"ipv6Address": "2001:db8::1"}]},
    "CAA": {"caaRecords": [{"flags": 0, "tag": "issue", "value": "ca.example"}]},
    "CNAME": {"CNAMERecord": {"cname": "a.example"}},
    "MX": {"MXRecords": [{"preference": 10, "exchange": "mail.example"}]},
    "NS": {"NSRecords": [{"nsdname": "ns.example"}]},
    "PTR": {"PTRRecords": [{"ptrdname": "a.example"}]},
    "SRV": {"SRVRecords": [{"priority": 1, "weight": 2, "port": 443, "target": "a.example"}]},
    "TXT": {"TXTRecords": [{"value": ["hello"]}]},
}


class AzureWalk:
    """In a resource group of its own, with bare HTTP."""

    def __init__(self, url: str, row: Mapping[str, Any]) -> None:
        headers = {"Authorization": f"Bearer {row['secret']}"}
        self._client = httpx.Client(
            base_url=url, headers=headers, params={"api-version": "2024-11-01"}, trust_env=False, timeout=20.0
        )
        self._root = f"/subscriptions/{row['account_id']}"
        self._group = f"{self._root}/resourceGroups/walk"

    def _send(self, method: str, path: str, body: Any = None) -> httpx.Response:
        return self._client.request(method, path, json=body)

    def _put(self, type_: str, name: str, properties: Mapping[str, Any], **more: Any) -> str:
        """Made and settled; its path."""
        namespace, _, kind = type_.partition("/")
        path = f"{self._group}/providers/{namespace}/{kind}/{name}"
        self._send("PUT", path, {"location": REGION, "properties": dict(properties), **more}).raise_for_status()
        deadline = time.monotonic() + 20
        while self._send("GET", path).json()["properties"]["provisioningState"] not in ("Succeeded", "Failed"):
            assert time.monotonic() < deadline, path
            time.sleep(0.02)
        return path

    def walk(self) -> None:
        with self._client:
            self._send("PUT", self._group, {"location": REGION}).raise_for_status()
            self._send("PATCH", self._group, {"tags": {"team": "shop"}}).raise_for_status()
            made = [*self._networks(), *self._machines(), self._cluster()]
            self._names()
            self._rights(made)
            for path in made:
                self._send("PATCH", path, {"tags": {"team": "shop"}})
            for type_ in _LISTS:
                self._send("GET", f"{self._root}/providers/{type_}")
                self._send("GET", f"{self._group}/providers/{type_}")
            for query in _QUERIES:
                self._send("GET", f"{self._root}/{query}")
            self._send("DELETE", self._group).raise_for_status()

    def _networks(self) -> list[str]:
        rule = {
            "protocol": "Tcp", "access": "Allow", "direction": "Inbound", "priority": 100, "sourcePortRange": "*",
            "sourceAddressPrefix": "*", "destinationAddressPrefix": "*", "destinationPortRange": "443",
        }  # fmt: skip
        nsg = self._put("Microsoft.Network/networkSecurityGroups", "web", {})
        self._send("PUT", f"{nsg}/securityRules/https", {"properties": rule}).raise_for_status()
        self._send("GET", f"{nsg}/securityRules")
        subnet = {"name": "a", "properties": {"addressPrefix": "10.1.0.0/24", "networkSecurityGroup": {"id": nsg}}}
        space = {"addressPrefixes": ["10.1.0.0/16"]}
        vnet = self._put("Microsoft.Network/virtualNetworks", "main", {"addressSpace": space, "subnets": [subnet]})
        self._send("GET", f"{vnet}/subnets")
        public = self._put(
            "Microsoft.Network/publicIPAddresses",
            "ip",
            {"publicIPAllocationMethod": "Static"},
            sku={"name": "Standard"},
        )
        config = {"subnet": {"id": f"{vnet}/subnets/a"}, "publicIPAddress": {"id": public}}
        nic = self._put(
            "Microsoft.Network/networkInterfaces", "nic", {"ipConfigurations": [{"name": "x", "properties": config}]}
        )
        return [nsg, vnet, public, nic, *self._edges()]

    def _edges(self) -> list[str]:
        """A load balancer and a NAT gateway, with public addresses of their own."""
        static = {"publicIPAllocationMethod": "Static"}
        made = []
        for type_, member in (("loadBalancers", "frontendIPConfigurations"), ("natGateways", "publicIpAddresses")):
            address = self._put("Microsoft.Network/publicIPAddresses", f"{type_}-ip", static, sku={"name": "Standard"})
            entry = {"name": "front", "properties": {"publicIPAddress": {"id": address}}}
            used = entry if type_ == "loadBalancers" else {"id": address}
            path = self._put(f"Microsoft.Network/{type_}", "edge", {member: [used]}, sku={"name": "Standard"})
            made.append(path)
        return made

    def _names(self) -> None:
        """A zone with a record set of every type, and a profile of weights."""
        zone = f"{self._group}/providers/Microsoft.Network/dnsZones/walk.example"
        self._send("PUT", zone, {"location": "global", "properties": {}}).raise_for_status()
        self._send("PATCH", zone, {"tags": {"team": "shop"}}).raise_for_status()
        for type_, values in _RECORDS.items():
            path = f"{zone}/{type_}/r-{type_.lower()}"
            self._send("PUT", path, {"properties": {"TTL": 60, **values}}).raise_for_status()
            self._send("PATCH", path, {"properties": {"metadata": {"team": "shop"}}}).raise_for_status()
            self._send("GET", path).raise_for_status()
            self._send("GET", f"{zone}/{type_}").raise_for_status()
        soa = self._send("GET", f"{zone}/SOA/@").json()["properties"]
        self._send("PUT", f"{zone}/SOA/@", {"properties": {"TTL": 60, "SOARecord": soa["SOARecord"]}})
        self._send("PATCH", f"{zone}/SOA/@", {"properties": {"TTL": 90}})
        for word in ("recordsets", "all"):
            self._send("GET", f"{zone}/{word}").raise_for_status()
        endpoint = {
            "name": "one", "type": "Microsoft.Network/trafficManagerProfiles/externalEndpoints",
            "properties": {"target": "192.0.2.1", "weight": 1},
        }  # fmt: skip
        profile = f"{self._group}/providers/Microsoft.Network/trafficManagerProfiles/walk"
        properties = {
            "trafficRoutingMethod": "Weighted", "dnsConfig": {"relativeName": "walk", "ttl": 30},
            "monitorConfig": {"protocol": "TCP", "port": 443}, "endpoints": [endpoint],
        }  # fmt: skip
        self._send("PUT", profile, {"location": "global", "properties": properties}).raise_for_status()
        self._send("PATCH", profile, {"tags": {"team": "shop"}}).raise_for_status()
        self._send("GET", profile).raise_for_status()

    def _rights(self, made: list[str]) -> None:
        """A role of our own; limits of a scale set."""
        role = f"{self._root}/providers/Microsoft.Authorization/roleDefinitions/11111111-2222-4333-8444-555555555555"
        permission = {"actions": ["*/read"], "notActions": [], "dataActions": [], "notDataActions": []}
        body = {"roleName": "walker", "permissions": [permission], "assignableScopes": [self._root]}
        self._send("PUT", role, {"properties": body}).raise_for_status()
        self._send("DELETE", role).raise_for_status()
        target = next(path for path in made if "virtualMachineScaleSets" in path)
        capacity = {"minimum": "1", "maximum": "3", "default": "2"}
        setting = {"targetResourceUri": target, "profiles": [{"name": "p", "rules": [], "capacity": capacity}]}
        path = f"{self._group}/providers/Microsoft.Insights/autoscaleSettings/limits"
        self._send("PUT", path, {"location": REGION, "properties": setting}).raise_for_status()
        self._send("PATCH", path, {"tags": {"team": "shop"}}).raise_for_status()

    def _machines(self) -> list[str]:
        image = {"publisher": "Debian", "offer": "debian-12", "sku": "12-gen2", "version": "latest"}
        disk = {"createOption": "FromImage", "managedDisk": {"storageAccountType": "Premium_LRS"}}
        machine = {
            "hardwareProfile": {"vmSize": "Standard_D2s_v5"},
            "storageProfile": {"imageReference": image, "osDisk": disk},
            "osProfile": {"computerName": "vm", "adminUsername": "us", "adminPassword": "Not-4-real-life"},
            "networkProfile": {
                "networkInterfaces": [{"id": f"{self._group}/providers/Microsoft.Network/networkInterfaces/nic"}]
            },
        }
        vm = self._put("Microsoft.Compute/virtualMachines", "vm", machine)
        self._send("GET", f"{vm}/instanceView")
        self._send("GET", f"{vm}?$expand=instanceView")
        for action in ("powerOff", "start", "restart", "deallocate"):
            self._send("POST", f"{vm}/{action}").raise_for_status()
            time.sleep(0.1)
        size = {"name": "Standard_D2s_v5", "capacity": 2}
        scale_set = self._put("Microsoft.Compute/virtualMachineScaleSets", "web", {}, sku=size)
        empty = {"creationData": {"createOption": "Empty"}, "diskSizeGB": 4}
        data = self._put("Microsoft.Compute/disks", "data", empty, sku={"name": "Premium_LRS"})
        self._send("POST", f"{vm}/attachDetachDataDisks", {"dataDisksToAttach": [{"diskId": data, "lun": 0}]})
        return [vm, scale_set, data]

    def _cluster(self) -> str:
        pool = {"name": "system", "mode": "System", "count": 1, "vmSize": "Standard_D2s_v5"}
        cluster = self._put(
            "Microsoft.ContainerService/managedClusters", "main",
            {"dnsPrefix": "main", "kubernetesVersion": "1.35", "agentPoolProfiles": [pool]},
            identity={"type": "SystemAssigned"},
        )  # fmt: skip
        self._send("GET", f"{cluster}/agentPools")
        for who in ("User", "Admin", "MonitoringUser"):
            self._send("POST", f"{cluster}/listCluster{who}Credential").raise_for_status()
        return cluster


class AlibabaWalk:
    """Through the SDK's bare client: reads that duoyun has no use for, and what stops, starts and untags."""

    def __init__(self, url: str, row: Mapping[str, Any]) -> None:
        from aliyunsdkcore.client import AcsClient

        self._host, self._region = url.removeprefix("http://"), "cn-hangzhou"
        self._account = row["account_id"]
        self._client = AcsClient(row["key_id"], row["secret"], self._region)

    def _rpc(self, service: str, version: str, action: str, **params: str) -> dict[str, Any]:
        from aliyunsdkcore.request import CommonRequest

        request = CommonRequest(product=service, version=version, action_name=action)
        request.set_method("POST")
        for name, value in {"RegionId": self._region, **params}.items():
            request.add_query_param(name.replace("__", "."), value)
        return self._send(request)

    def _roa(self, method: str, path: str, body: Any = None, **query: str) -> dict[str, Any]:
        from aliyunsdkcore.request import CommonRequest

        request = CommonRequest(product="CS", version="2015-12-15", uri_pattern=path)
        request.set_method(method)
        for name, value in query.items():
            request.add_query_param(name, value)
        if body is not None:
            request.set_content(json.dumps(body).encode())
            request.set_content_type("application/json")
        return self._send(request)

    def _send(self, request: Any) -> dict[str, Any]:
        from aliyunsdkcore.acs_exception.exceptions import ServerException

        request.set_domain(self._host)
        request.set_protocol_type("http")
        try:
            found = json.loads(self._client.do_action_with_exception(request) or b"{}")
        except ServerException:
            return {}  # it is in the recording
        return found if isinstance(found, dict) else {}

    def _ecs(self, action: str, **params: str) -> dict[str, Any]:
        return self._rpc("Ecs", "2014-05-26", action, **params)

    def _vpc(self, action: str, **params: str) -> dict[str, Any]:
        return self._rpc("Vpc", "2016-04-28", action, **params)

    def walk(self) -> None:
        self._ecs("DescribeRegions")
        self._ecs("DescribeZones")
        self._ecs("DescribeAvailableResource", DestinationResource="InstanceType", ZoneId="cn-hangzhou-h")
        self._vpc("DescribeRegions")
        self._vpc("DescribeZones")
        role = f"acs:ram::{self._account}:role/walker"
        self._rpc("Sts", "2015-04-01", "AssumeRole", RoleArn=role, RoleSessionName="walk")
        vpc = self._vpc("CreateVpc", CidrBlock="10.1.0.0/16", VpcName="walk")["VpcId"]
        self._until(lambda: self._vpc("DescribeVpcs", VpcId=vpc)["Vpcs"]["Vpc"][0]["Status"] == "Available")
        self._vpc("ModifyVpcAttribute", VpcId=vpc, Description="changed")
        tag = {"ResourceType": "VPC", "ResourceId__1": vpc}
        self._vpc("TagResources", **tag, Tag__1__Key="team", Tag__1__Value="shop")
        self._vpc("UnTagResources", **tag, TagKey__1="team")
        switch = self._vpc("CreateVSwitch", VpcId=vpc, ZoneId="cn-hangzhou-h", CidrBlock="10.1.0.0/24")["VSwitchId"]
        group = self._groups(vpc)
        self._until(
            lambda: self._vpc("DescribeVSwitches", VSwitchId=switch)["VSwitches"]["VSwitch"][0]["Status"] == "Available"
        )
        self._machine(switch, group)
        self._cluster(vpc, switch)
        self._ecs("DeleteSecurityGroup", SecurityGroupId=group)
        self._vpc("DeleteVSwitch", VSwitchId=switch)
        self._vpc("DeleteVpc", VpcId=vpc)

    def _until(self, happened: Any) -> None:
        deadline = time.monotonic() + 20
        while not happened():
            assert time.monotonic() < deadline
            time.sleep(0.02)

    def _groups(self, vpc: str) -> str:
        group = str(self._ecs("CreateSecurityGroup", VpcId=vpc, SecurityGroupName="walk")["SecurityGroupId"])
        where = {"SecurityGroupId": group}
        out = {"Permissions__1__IpProtocol": "tcp", "Permissions__1__PortRange": "443/443"}
        self._ecs("AuthorizeSecurityGroupEgress", **where, **out, Permissions__1__DestCidrIp="0.0.0.0/0")
        shown = self._ecs("DescribeSecurityGroupAttribute", **where, Direction="egress")["Permissions"]["Permission"]
        rule = {**where, "SecurityGroupRuleId": shown[0]["SecurityGroupRuleId"]}
        self._ecs("ModifySecurityGroupEgressRule", **rule, Description="out")
        self._ecs("RevokeSecurityGroupEgress", **where, SecurityGroupRuleId__1=rule["SecurityGroupRuleId"])
        back = {**where, "IpProtocol": "tcp", "PortRange": "1/2", "SourceCidrIp": "10.0.0.0/8"}
        self._ecs("AuthorizeSecurityGroup", **back)
        (inside,) = self._ecs("DescribeSecurityGroupAttribute", **where, Direction="ingress")["Permissions"][
            "Permission"
        ]
        self._ecs(
            "ModifySecurityGroupRule", **where, SecurityGroupRuleId=inside["SecurityGroupRuleId"], Description="in"
        )
        self._ecs("RevokeSecurityGroup", **back)
        tagged = {"ResourceType": "securitygroup", "ResourceId__1": group}
        self._ecs("TagResources", **tagged, Tag__1__Key="team", Tag__1__Value="shop")
        self._ecs("ListTagResources", **tagged)
        self._ecs("UntagResources", **tagged, TagKey__1="team")
        return group

    def _machine(self, switch: str, group: str) -> None:
        images = self._ecs("DescribeImages", OSType="linux", PageSize="1")["Images"]["Image"]
        made = self._ecs(
            "RunInstances", ImageId=images[0]["ImageId"], InstanceType="ecs.g7.large", VSwitchId=switch,
            SecurityGroupId=group, Amount="2",
        )["InstanceIdSets"]["InstanceIdSet"]  # fmt: skip

        def status(wanted: str) -> None:
            def same() -> bool:
                asked = {f"InstanceId__{n}": i for n, i in enumerate(made, 1)}
                rows = self._ecs("DescribeInstanceStatus", **asked)["InstanceStatuses"]["InstanceStatus"]
                return {row["Status"] for row in rows} == {wanted}

            self._until(same)

        status("Running")
        self._ecs("DescribeUserData", InstanceId=made[0])
        self._ecs("StopInstance", InstanceId=made[0])
        self._ecs("StopInstances", InstanceId__1=made[1])
        status("Stopped")
        self._ecs("StartInstance", InstanceId=made[0])
        self._ecs("StartInstances", InstanceId__1=made[1])
        status("Running")
        for one in made:
            self._ecs("DeleteInstance", InstanceId=one, Force="true")
        self._until(lambda: not self._ecs("DescribeInstances", InstanceIds=json.dumps(made))["Instances"]["Instance"])

    def _cluster(self, vpc: str, switch: str) -> None:
        body = {
            "name": "walk", "region_id": self._region, "cluster_type": "ManagedKubernetes", "vpcid": vpc,
            "vswitch_ids": [switch], "container_cidr": "172.20.0.0/16", "service_cidr": "172.21.0.0/20",
        }  # fmt: skip
        cluster = self._roa("POST", "/clusters", body)["cluster_id"]
        path = f"/clusters/{cluster}"
        self._until(lambda: self._roa("GET", path).get("state") == "running")
        group = {"vswitch_ids": [switch], "instance_types": ["ecs.g7.xlarge"], "desired_size": 1}
        pool = self._roa("POST", f"{path}/nodepools", {"nodepool_info": {"name": "p"}, "scaling_group": group})
        one = f"{path}/nodepools/{pool['nodepool_id']}"
        self._until(lambda: self._roa("GET", one)["status"]["state"] == "active")
        self._roa("POST", one, {"count": 1})
        tagged = {"region_id": self._region, "resource_type": "CLUSTER"}
        tags = {**tagged, "resource_ids": [cluster], "tags": [{"key": "team", "value": "shop"}]}
        self._roa("PUT", "/tags", tags)
        asked = {**tagged, "resource_ids": json.dumps([cluster])}
        self._roa("GET", "/tags", **asked)
        self._roa("DELETE", "/tags", **asked, tag_keys=json.dumps(["team"]))
        self._until(lambda: self._roa("GET", one)["status"]["state"] == "active")
        self._roa("DELETE", one, force="true")
        self._until(lambda: not self._roa("GET", one))
        self._roa("DELETE", path)
        self._until(lambda: not self._roa("GET", path))


def without_roles(url: str, row: Mapping[str, Any]) -> None:
    """Takes away the account's roles of ours, which earlier lives left: a life makes them, whoever was there before."""
    import boto3

    iam = boto3.client(
        "iam", region_name="cn-north-1", endpoint_url=url,
        aws_access_key_id=row["key_id"], aws_secret_access_key=row["secret"],
    )  # fmt: skip
    for role in iam.list_roles()["Roles"]:
        name = role["RoleName"]
        if name.startswith("duoyun-eks-"):
            for policy in iam.list_attached_role_policies(RoleName=name)["AttachedPolicies"]:
                iam.detach_role_policy(RoleName=name, PolicyArn=policy["PolicyArn"])
            iam.delete_role(RoleName=name)
