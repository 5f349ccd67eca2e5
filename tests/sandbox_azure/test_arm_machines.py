"""Virtual machines and AKS, as the real SDK meets them."""

from __future__ import annotations

import base64
import json
import urllib.error
import urllib.request
from typing import Any

import pytest
import yaml
from azure.core.exceptions import HttpResponseError
from azure.mgmt.compute import models as c
from azure.mgmt.containerservice import models as k
from azure.mgmt.network import models as n

from sandbox.azure.catalog import aks_allocatable, size_of

REGION = "chinanorth3"
USER_DATA = """#cloud-config
write_files:
  - path: /etc/systemd/system/app.service
    content: |
      [Service]
      ExecStart=/usr/bin/podman run -p 8080:8080 --label app.kubernetes.io/name=ledger IMAGE
"""


def refused(code: str) -> Any:
    return pytest.raises(HttpResponseError, check=lambda e: e.error is not None and e.error.code == code)


def make_nic(sdk: Any, group: str, name: str = "vm1-nic") -> Any:
    sdk.network.virtual_networks.begin_create_or_update(
        group,
        "main",
        n.VirtualNetwork(
            location=REGION,
            address_space=n.AddressSpace(address_prefixes=["10.1.0.0/16"]),
            subnets=[n.Subnet(name="s0", address_prefix="10.1.0.0/24")],
        ),
    ).result()
    subnet = sdk.network.subnets.get(group, "main", "s0")
    return sdk.network.network_interfaces.begin_create_or_update(
        group,
        name,
        n.NetworkInterface(
            location=REGION,
            ip_configurations=[n.NetworkInterfaceIPConfiguration(name="one", subnet=n.Subnet(id=subnet.id))],
        ),
    ).result()


def machine(nic_id: str, image: str = "shop/ledger:1.2", **kwargs: Any) -> Any:
    fields: dict[str, Any] = {
        "location": REGION,
        "zones": ["1"],
        "hardware_profile": c.HardwareProfile(vm_size="Standard_D2s_v5"),
        "storage_profile": c.StorageProfile(
            image_reference=c.ImageReference(publisher="Debian", offer="debian-12", sku="12-gen2", version="latest"),
            os_disk=c.OSDisk(create_option="FromImage", delete_option="Delete"),
        ),
        "os_profile": c.OSProfile(
            computer_name="vm1",
            admin_username="ops",
            admin_password="Passw0rd!",
            custom_data=base64.b64encode(USER_DATA.replace("IMAGE", image).encode()).decode(),
        ),
        "network_profile": c.NetworkProfile(
            network_interfaces=[c.NetworkInterfaceReference(id=nic_id, delete_option="Delete")]
        ),
        "tags": {"team": "shop"},
    }
    return c.VirtualMachine(**(fields | kwargs))


def test_a_machine_serves_its_image_until_it_is_deleted(sdk: Any, group: str, azure: Any) -> None:
    nic = make_nic(sdk, group)
    sdk.compute.virtual_machines.begin_create_or_update(group, "vm1", machine(nic.id)).result()
    address = sdk.network.network_interfaces.get(group, "vm1-nic").ip_configurations[0].private_ip_address
    assert address.startswith("127.")
    with urllib.request.urlopen(f"http://{address}:8080/healthz", timeout=5) as answer:
        assert answer.status == 200
    seen = sdk.compute.virtual_machines.get(group, "vm1", expand="instanceView")
    assert [s.code for s in seen.instance_view.statuses] == ["ProvisioningState/succeeded", "PowerState/running"]
    assert seen.os_profile.custom_data is None
    assert seen.os_profile.admin_password is None
    disk = sdk.compute.disks.get(group, seen.storage_profile.os_disk.name)
    assert (disk.tags, disk.managed_by) == ({"team": "shop"}, seen.id)
    sdk.compute.virtual_machines.begin_power_off(group, "vm1").result()
    with pytest.raises(OSError, match="refused"):
        urllib.request.urlopen(f"http://{address}:8080/healthz", timeout=5)
    sdk.compute.virtual_machines.begin_delete(group, "vm1").result()
    left = {r["kind"].split("/")[-1] for r in azure.server.inventory() if f"/{group}/" in r["id"]}
    assert left == {"virtualNetworks", "subnets"}


def test_a_machine_that_is_put_twice_keeps_its_disk_and_takes_it_along(sdk: Any, group: str, azure: Any) -> None:
    """A proxy may deliver a request twice. Found by a soak: the disk stayed behind for good."""
    nic = make_nic(sdk, group)
    first = sdk.compute.virtual_machines.begin_create_or_update(group, "vm1", machine(nic.id)).result()
    again = sdk.compute.virtual_machines.begin_create_or_update(group, "vm1", machine(nic.id)).result()
    assert again.storage_profile.os_disk.managed_disk.id == first.storage_profile.os_disk.managed_disk.id is not None
    sdk.compute.virtual_machines.begin_delete(group, "vm1").result()
    assert not [r["id"] for r in azure.server.inventory() if f"/{group}/" in r["id"] and r["kind"].endswith("/disks")]


def test_a_machine_whose_image_is_missing_is_up_and_refuses(sdk: Any, group: str) -> None:
    nic = make_nic(sdk, group)
    made = sdk.compute.virtual_machines.begin_create_or_update(group, "vm1", machine(nic.id, "missing:1")).result()
    assert made.provisioning_state == "Succeeded"
    address = sdk.network.network_interfaces.get(group, "vm1-nic").ip_configurations[0].private_ip_address
    with pytest.raises(OSError, match="refused"):
        urllib.request.urlopen(f"http://{address}:8080/healthz", timeout=5)


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"hardware_profile": c.HardwareProfile(vm_size="Standard_Z9")}, "InvalidParameter"),
        ({"hardware_profile": c.HardwareProfile(vm_size="Standard_NC6s_v3")}, "SkuNotAvailable"),
        ({"zones": ["4"]}, "InvalidAvailabilityZone"),
        ({"location": "atlantis"}, "LocationNotAvailableForResourceType"),
        ({"network_profile": c.NetworkProfile(network_interfaces=[])}, "InvalidParameter"),
        ({"os_profile": c.OSProfile(computer_name="x", admin_username="ops")}, "InvalidParameter"),
        (
            {
                "storage_profile": c.StorageProfile(
                    image_reference=c.ImageReference(publisher="Debian", offer="debian-99", sku="x", version="latest"),
                    os_disk=c.OSDisk(create_option="FromImage"),
                )
            },
            "PlatformImageNotFound",
        ),
        (
            {
                "storage_profile": c.StorageProfile(
                    image_reference=c.ImageReference(
                        publisher="Debian", offer="debian-12", sku="12-gen2", version="latest"
                    ),
                    os_disk=c.OSDisk(create_option="FromImage", disk_size_gb=20),
                )
            },
            "InvalidParameter",
        ),
    ],
)
def test_a_machine_that_cannot_be_is_refused(sdk: Any, group: str, change: dict[str, Any], code: str) -> None:
    nic = make_nic(sdk, group)
    with refused(code):
        sdk.compute.virtual_machines.begin_create_or_update(group, "vm1", machine(nic.id, **change))


def test_zones_exist_in_china_north_3_only(sdk: Any, group: str) -> None:
    with refused("AvailabilityZoneNotSupported"):
        sdk.network.public_ip_addresses.begin_create_or_update(
            group,
            "front",
            n.PublicIPAddress(
                location="chinaeast2",
                zones=["1"],
                sku=n.PublicIPAddressSku(name="Standard"),
                public_ip_allocation_method="Static",
            ),
        )


def test_a_scale_set_keeps_its_model(sdk: Any, group: str) -> None:
    body = c.VirtualMachineScaleSet(location=REGION, sku=c.Sku(name="Standard_D2s_v5", capacity=3))
    sdk.compute.virtual_machine_scale_sets.begin_create_or_update(group, "web", body).result()
    assert sdk.compute.virtual_machine_scale_sets.get(group, "web").sku.capacity == 3
    sdk.compute.virtual_machine_scale_sets.begin_delete(group, "web").result()


def cluster(**kwargs: Any) -> Any:
    fields: dict[str, Any] = {
        "location": REGION,
        "dns_prefix": "main",
        "kubernetes_version": "1.35",
        "identity": k.ManagedClusterIdentity(type="SystemAssigned"),
        "agent_pool_profiles": [
            k.ManagedClusterAgentPoolProfile(name="system", mode="System", count=1, vm_size="Standard_D2s_v5")
        ],
    }
    return k.ManagedCluster(**(fields | kwargs))


def test_a_cluster_with_pools_has_nodes_and_a_kubeconfig(sdk: Any, sdk_for: Any, group: str, azure: Any) -> None:
    made = sdk.aks.managed_clusters.begin_create_or_update(group, "main", cluster()).result()
    assert (made.provisioning_state, made.current_kubernetes_version) == ("Succeeded", "1.35.3")
    pool = k.AgentPool(
        count=3, vm_size="Standard_D4s_v5", mode="User", availability_zones=["1", "2"], node_labels={"pool": "web"}
    )
    sdk.aks.agent_pools.begin_create_or_update(group, "main", "web", pool).result()
    (live,) = azure.clusters()
    nodes = live.get("/api/v1/nodes?labelSelector=pool%3Dweb")["items"]
    zones = [n["metadata"]["labels"]["topology.kubernetes.io/zone"] for n in nodes]
    assert sorted(zones) == ["chinanorth3-1", "chinanorth3-1", "chinanorth3-2"]
    size = size_of("Standard_D4s_v5")
    assert size is not None
    cpu, memory = aks_allocatable(size, 110)
    assert {n["status"]["allocatable"]["memory"] for n in nodes} == {f"{memory}Mi"}
    assert {n["status"]["allocatable"]["cpu"] for n in nodes} == {f"{cpu}m"}
    for client, may_write in ((sdk, True), (sdk_for(reader=True), False)):
        answer = client.aks.managed_clusters.list_cluster_user_credentials(group, "main")
        config = yaml.safe_load(bytes(answer.kubeconfigs[0].value))
        assert config["clusters"][0]["cluster"]["server"] == live.url
        trusted = base64.b64decode(config["clusters"][0]["cluster"]["certificate-authority-data"]).decode()
        assert trusted == live.ca_pem
        token = config["users"][0]["user"]["token"]
        assert live.get("/api/v1/namespaces", token)["items"]
        body = json.dumps({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": f"w{may_write}".lower()}})
        request = urllib.request.Request(
            f"{live.url}/api/v1/namespaces",
            body.encode(),
            {"Authorization": f"Bearer {token}", "Content-Type": "application/json"},
        )
        if may_write:
            urllib.request.urlopen(request, timeout=5, context=live.trust).close()
        else:
            with pytest.raises(urllib.error.HTTPError, match="403"):
                urllib.request.urlopen(request, timeout=5, context=live.trust)
    with pytest.raises(urllib.error.HTTPError, match="401"):
        live.get("/api/v1/namespaces", "guess")
    pool.count = 1
    sdk.aks.agent_pools.begin_create_or_update(group, "main", "web", pool).result()
    assert len(live.zones()) == 2
    with refused("CannotDeleteLastSystemPool"):
        sdk.aks.agent_pools.begin_delete(group, "main", "system")
    sdk.aks.agent_pools.begin_delete(group, "main", "web").result()
    assert live.zones() == ["0"]
    sdk.aks.managed_clusters.begin_delete(group, "main").result()
    assert not azure.clusters()


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"kubernetes_version": "1.11"}, "K8sVersionNotSupported"),
        ({"agent_pool_profiles": []}, "InvalidParameter"),
        ({"identity": None}, "InvalidParameter"),
        (
            {"agent_pool_profiles": [k.ManagedClusterAgentPoolProfile(name="Not-It", vm_size="Standard_D2s_v5")]},
            "InvalidParameter",
        ),
    ],
)
def test_a_cluster_that_cannot_be_is_refused(sdk: Any, group: str, change: dict[str, Any], code: str) -> None:
    with refused(code):
        sdk.aks.managed_clusters.begin_create_or_update(group, "main", cluster(**change))


def test_a_pool_cannot_change_its_size_in_place(sdk: Any, group: str) -> None:
    sdk.aks.managed_clusters.begin_create_or_update(group, "main", cluster()).result()
    pool = k.AgentPool(count=1, vm_size="Standard_D4s_v5", mode="User")
    sdk.aks.agent_pools.begin_create_or_update(group, "main", "web", pool).result()
    pool.vm_size = "Standard_D8s_v5"
    with refused("PropertyChangeNotAllowed"):
        sdk.aks.agent_pools.begin_create_or_update(group, "main", "web", pool)
    sdk.aks.managed_clusters.begin_delete(group, "main").result()
