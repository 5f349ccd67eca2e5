"""EKS clusters as they live in AWS: control planes that take time and have a real Kubernetes API behind them.

Callers: sandbox.aws.server, by the tables of Eks. moto keeps the records; the API is the world's. Node groups are in
sandbox.aws.nodegroups.
"""

from __future__ import annotations

import asyncio
import base64
import copy
import json
import re
import uuid
from collections.abc import Iterator
from datetime import UTC, datetime
from functools import partial
from typing import Any

from sandbox.aws.cloud import After, Cloud, Handler
from sandbox.aws.eks_token import authenticator
from sandbox.aws.wire import Answer, AwsError, Incoming

VERSIONS = tuple(f"1.{minor}" for minor in range(30, 37))
DEFAULT_VERSION = "1.35"
_NAME = re.compile(r"^[0-9A-Za-z][A-Za-z0-9_-]{0,99}$")


class Eks:
    """Clusters. In CREATING there is no endpoint; in DELETING it still answers."""

    def __init__(self, cloud: Cloud) -> None:
        self._cloud = cloud
        self.before: dict[str, Handler] = {
            "eks:CreateCluster": self._check_create,
            "eks:DescribeCluster": self._describe,
            "eks:UpdateClusterConfig": self._update_config,
            "eks:UpdateClusterVersion": self._update_version,
            "eks:AssociateEncryptionConfig": self._associate_encryption,
            "eks:DescribeUpdate": self._describe_update,
            "eks:ListUpdates": self._list_updates,
            "eks:DeleteCluster": self._delete,
            "eks:ListAddons": lambda _incoming: {"addons": []},
        }
        self.after: dict[str, After] = {"eks:CreateCluster": self._created}

    def resume(self) -> None:
        """After a restart: every cluster's API comes back, and what was under way goes on."""
        for account_id, region, backend in self._cloud.moto.touched("eks"):
            for cluster in list(backend.clusters.values()):
                if cluster.status == "DELETING":
                    self._cloud.later("aws.cluster.delete", partial(self._gone, backend, cluster), cluster.arn)
                    continue
                for update in self._cloud.memory.updates.values():
                    if update.get("cluster") == cluster.arn and update["status"] == "InProgress":
                        _finish_update(cluster, update)
                self._cloud.spawn(self._open(account_id, region, cluster.name, 0.0))

    # -- create -----------------------------------------------------------------------------------------------

    def _check_create(self, incoming: Incoming) -> None:
        params = incoming.params
        name, version = str(params.get("name", "")), str(params.get("version") or DEFAULT_VERSION)
        if not _NAME.match(name):
            raise AwsError("InvalidParameterException", f"the cluster name {name!r} is not allowed")
        if version not in VERSIONS:
            raise AwsError("InvalidParameterException", f"unsupported Kubernetes version {version}")
        params["version"] = version
        subnets = (params.get("resourcesVpcConfig") or {}).get("subnetIds") or []
        zones = {self.subnet(incoming, subnet_id).availability_zone for subnet_id in subnets}
        if len(zones) < 2:
            raise AwsError(
                "InvalidParameterException", "Subnets specified must be in at least two different availability zones"
            )

    def _created(self, incoming: Incoming, _answer: Answer) -> object:
        backend = self._cloud.moto.eks(incoming.account_id, incoming.region)
        cluster = backend.clusters[incoming.params["name"]]
        cluster.version = incoming.params["version"]
        cluster.platformVersion = "eks.1"
        cluster.status = "CREATING"
        cluster.endpoint = None
        cluster.certificate_authority = {}
        config = dict(cluster.resources_vpc_config)
        ec2 = self._cloud.moto.ec2(incoming.account_id, incoming.region)
        config["vpcId"] = self.subnet(incoming, config["subnetIds"][0]).vpc_id
        group = ec2.create_security_group(
            f"eks-cluster-sg-{cluster.name}-{uuid.uuid4().int % 10**9}",
            "EKS created security group applied to ENI that is attached to EKS Control Plane master nodes, "
            "as well as any managed workloads.",
            config["vpcId"],
            tags={f"kubernetes.io/cluster/{cluster.name}": "owned", "aws:eks:cluster-name": cluster.name},
        )
        config["clusterSecurityGroupId"] = group.id
        cluster.resources_vpc_config = _with_defaults(config)
        delay_s = self._cloud.world.timing.duration_s("aws.cluster.create", cluster.arn)
        self._cloud.spawn(self._open(incoming.account_id, incoming.region, cluster.name, delay_s))
        return {"cluster": cluster}

    async def _open(self, account_id: str, region: str, name: str, delay_s: float) -> None:
        """Starts the cluster's API and makes the cluster ACTIVE."""
        await asyncio.sleep(delay_s)
        cloud = self._cloud

        def find() -> Any:
            return cloud.moto.eks(account_id, region).clusters.get(name)

        cluster = await cloud.locked(find)
        if cluster is None:
            return
        cluster_id = cluster_id_of(account_id, region, name)
        handle = await cloud.world.clusters.create(  # one that a state folder brought back gets its authenticator
            cluster_id,
            version=cluster.version,
            authenticate=authenticator(cloud.identities, name, account_id),
            place=f"{cluster.arn.split(':')[1]}/{region}",
        )

        def active() -> None:
            cluster.endpoint = handle.url
            cluster.certificate_authority = {"data": base64.b64encode(handle.ca_pem.encode()).decode()}
            if cluster.status in ("CREATING", "UPDATING"):
                cluster.status = "ACTIVE"

        await cloud.locked(active)

    def _describe(self, incoming: Incoming) -> object:
        return {"cluster": self.cluster(incoming)}

    # -- update -----------------------------------------------------------------------------------------------

    def _update_config(self, incoming: Incoming) -> object:
        cluster, params = self._active(incoming), incoming.params
        given = [k for k in ("resourcesVpcConfig", "logging", "accessConfig", "upgradePolicy") if params.get(k)]
        if len(given) != 1:
            raise AwsError("InvalidParameterException", "Only one type of update can be specified, and one must be.")
        if given[0] == "resourcesVpcConfig":
            new = _with_defaults({**cluster.resources_vpc_config, **params["resourcesVpcConfig"]})
            if new == cluster.resources_vpc_config:
                raise AwsError("InvalidParameterException", "Cluster is already at the desired configuration")
            kind = "EndpointAccessUpdate" if "subnetIds" not in params["resourcesVpcConfig"] else "VpcConfigUpdate"
            return self._begin(incoming, cluster, kind, params[given[0]], {"resources_vpc_config": new})
        if given[0] == "logging":
            new_logging = _merged_logging(cluster.logging, params["logging"])
            if new_logging == _merged_logging(cluster.logging, {}):
                raise AwsError("InvalidParameterException", "No changes needed for the logging config provided")
            return self._begin(incoming, cluster, "LoggingUpdate", params["logging"], {"logging": new_logging})
        raise AwsError("InvalidParameterException", f"this sandbox cannot change {given[0]}")

    def _update_version(self, incoming: Incoming) -> object:
        cluster, version = self._active(incoming), str(incoming.params.get("version", ""))
        if version not in VERSIONS or int(version[2:]) != int(cluster.version[2:]) + 1:
            raise AwsError("InvalidParameterException", f"Unsupported Kubernetes minor version update to {version}")
        return self._begin(incoming, cluster, "VersionUpdate", {"version": version}, {"version": version})

    def _associate_encryption(self, incoming: Incoming) -> object:
        cluster, config = self._active(incoming), incoming.params.get("encryptionConfig") or []
        if cluster.encryption_config:
            raise AwsError("InvalidParameterException", "Encryption is already enabled on this cluster")
        return self._begin(
            incoming, cluster, "AssociateEncryptionConfig", {"encryptionConfig": config}, {"encryption_config": config}
        )

    def _begin(
        self, incoming: Incoming, cluster: Any, kind: str, params: dict[str, Any], then: dict[str, Any]
    ) -> object:
        cluster.status = "UPDATING"
        update = self.new_update(incoming, kind, params)
        update |= {"cluster": cluster.arn, "then": then}
        self._cloud.later("aws.cluster.update", partial(_finish_update, cluster, update), cluster.arn)
        return {"update": update}

    def new_update(self, incoming: Incoming, kind: str, params: dict[str, Any]) -> dict[str, Any]:
        """An update that DescribeUpdate will answer."""
        update = {
            "id": str(uuid.uuid4()),
            "status": "InProgress",
            "type": kind,
            "params": [{"type": k, "value": v} for k, v in _update_params(params)],
            "createdAt": datetime.now(UTC),
            "errors": [],
        }
        self._cloud.memory.updates[f"{incoming.account_id}/{incoming.region}/{update['id']}"] = update
        return update

    def _describe_update(self, incoming: Incoming) -> object:
        self.cluster(incoming)
        update_id = incoming.params.get("updateId", "")
        update = self._cloud.memory.updates.get(f"{incoming.account_id}/{incoming.region}/{update_id}")
        if update is None:
            raise AwsError("ResourceNotFoundException", f"No update found for id: {update_id}", 404)
        return {"update": update}

    def _list_updates(self, incoming: Incoming) -> object:
        self.cluster(incoming)
        prefix = f"{incoming.account_id}/{incoming.region}/"
        return {"updateIds": [k.removeprefix(prefix) for k in self._cloud.memory.updates if k.startswith(prefix)]}

    # -- delete -----------------------------------------------------------------------------------------------

    def _delete(self, incoming: Incoming) -> object:
        cluster = self.cluster(incoming)
        if cluster.nodegroups:
            raise AwsError("ResourceInUseException", "Cluster has nodegroups attached", 409)
        if cluster.status in ("CREATING", "UPDATING"):
            raise AwsError("ResourceInUseException", f"Cluster has status {cluster.status}", 409)
        if cluster.status != "DELETING":
            cluster.status = "DELETING"
            backend = self._cloud.moto.eks(incoming.account_id, incoming.region)
            self._cloud.later("aws.cluster.delete", partial(self._gone, backend, cluster), cluster.arn)
        return {"cluster": copy.copy(cluster)}

    def _gone(self, backend: Any, cluster: Any) -> None:
        backend.clusters.pop(cluster.name, None)
        backend.cluster_count = len(backend.clusters)
        group_id = cluster.resources_vpc_config.get("clusterSecurityGroupId")
        ec2 = self._cloud.moto.ec2(backend.account_id, backend.region_name)
        if group_id and ec2.get_security_group_from_id(group_id) is not None:
            ec2.delete_security_group(group_id=group_id)
        cluster_id = cluster_id_of(backend.account_id, backend.region_name, cluster.name)
        self._cloud.spawn(self._cloud.world.clusters.delete(cluster_id))

    # -- helpers ----------------------------------------------------------------------------------------------

    def cluster(self, incoming: Incoming) -> Any:
        """The cluster that a request names; ResourceNotFoundException where there is none."""
        name = incoming.params.get("clusterName") or incoming.params.get("name") or ""
        cluster = self._cloud.moto.eks(incoming.account_id, incoming.region).clusters.get(name)
        if cluster is None:
            raise AwsError("ResourceNotFoundException", f"No cluster found for name: {name}.", 404)
        return cluster

    def _active(self, incoming: Incoming) -> Any:
        cluster = self.cluster(incoming)
        if cluster.status != "ACTIVE":
            raise AwsError("ResourceInUseException", f"Cluster {cluster.name} has status {cluster.status}", 409)
        return cluster

    def subnet(self, incoming: Incoming, subnet_id: str) -> Any:
        """moto's subnet; InvalidParameterException where there is none."""
        backend = self._cloud.moto.ec2(incoming.account_id, incoming.region)
        for subnets in backend.subnets.values():
            if subnet_id in subnets:
                return subnets[subnet_id]
        raise AwsError("InvalidParameterException", f"The subnet ID '{subnet_id}' does not exist")


_PARAMS = {"subnetIds": "Subnets", "securityGroupIds": "SecurityGroups"}
_LABELS = {"addOrUpdateLabels": "LabelsToAdd", "removeLabels": "LabelsToRemove"}
_TAINTS = {"addOrUpdateTaints": "TaintsToAdd", "removeTaints": "TaintsToRemove"}


def _update_params(request: dict[str, Any]) -> Iterator[tuple[str, str]]:
    """A request's members as UpdateParam names them (EKS API reference, UpdateParam: valid values of `type`)."""
    for name, value in request.items():
        if name == "scalingConfig":
            yield from _update_params(value)
        elif name in ("labels", "taints"):
            yield from ((kind, json.dumps(value[k])) for k, kind in {**_LABELS, **_TAINTS}.items() if value.get(k))
        else:
            kind = _PARAMS.get(name) or name[0].upper() + name[1:]
            yield kind, value if isinstance(value, str) else json.dumps(value)


def _finish_update(cluster: Any, update: dict[str, Any]) -> None:
    for attribute, value in update["then"].items():
        setattr(cluster, attribute, value)
    if cluster.status == "UPDATING":
        cluster.status = "ACTIVE"
    update["status"] = "Successful"


def cluster_id_of(account_id: str, region: str, name: str) -> str:
    """The world's name for a cluster."""
    return f"aws/{account_id}/{region}/{name}"


def _with_defaults(config: dict[str, Any]) -> dict[str, Any]:
    """resourcesVpcConfig as DescribeCluster answers it (EKS API reference, VpcConfigResponse)."""
    public = config.get("endpointPublicAccess", True)
    return {
        **config,
        "securityGroupIds": config.get("securityGroupIds") or [],
        "endpointPublicAccess": public,
        "endpointPrivateAccess": config.get("endpointPrivateAccess", False),
        "publicAccessCidrs": (config.get("publicAccessCidrs") or ["0.0.0.0/0"]) if public else [],
    }


def _merged_logging(before: dict[str, Any], change: dict[str, Any]) -> dict[str, Any]:
    """Log types keep their state unless the change names them."""
    enabled = dict.fromkeys(("api", "audit", "authenticator", "controllerManager", "scheduler"), False)
    for setup in (*(before.get("clusterLogging") or ()), *(change.get("clusterLogging") or ())):
        enabled |= {kind: bool(setup.get("enabled")) for kind in setup.get("types") or ()}
    rows = [
        {"types": [kind for kind, on in enabled.items() if on is wanted], "enabled": wanted} for wanted in (True, False)
    ]
    return {"clusterLogging": [row for row in rows if row["types"]]}
