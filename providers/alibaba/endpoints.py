"""Which host answers for a service in a region, where the account names no endpoint of its own.

Callers: session.py. Source: the endpoint maps of the cloud's typed SDKs (alibabacloud-slb20140515 and its like, read
2026-11): what began in the older regions answers there by a host without a region in its name.
"""

from __future__ import annotations

from collections.abc import Mapping

_FIRST = frozenset(
    (
        *("cn-qingdao", "cn-beijing", "cn-hangzhou", "cn-shanghai", "cn-shenzhen", "cn-hongkong"),
        *("ap-southeast-1", "us-east-1", "us-west-1"),
    )
)
_PREFIX: Mapping[str, str] = {"Dds": "mongodb"}
_WITHOUT_REGION: Mapping[str, frozenset[str]] = {
    "Slb": _FIRST,
    "Ess": _FIRST | {"cn-nanjing"},
    "Rds": _FIRST | {"cn-heyuan"},
    "Dds": frozenset(("cn-beijing", "cn-wulanchabu", "cn-hangzhou", "cn-shanghai", "cn-heyuan")),
    "polardb": frozenset(("cn-qingdao", "cn-beijing", "cn-wulanchabu", "cn-hangzhou", "cn-shanghai", "cn-heyuan")),
    "R-kvstore": frozenset(("cn-hangzhou",)),
}
"""Service -> regions in which its host is `<prefix>.aliyuncs.com`."""
_CENTRAL: Mapping[str, tuple[str, str]] = {
    "Alidns": ("alidns.aliyuncs.com", "alidns.ap-southeast-1.aliyuncs.com"),
    "cas": ("cas.aliyuncs.com", "cas.ap-southeast-1.aliyuncs.com"),
    "Ram": ("ram.aliyuncs.com", "ram.aliyuncs.com"),
    "ResourceCenter": ("resourcecenter.aliyuncs.com", "resourcecenter-intl.aliyuncs.com"),
}
"""Service -> its one host on the mainland's site and on the international one."""


def host_of(service: str, region: str, partition: str) -> str:
    """The public host of a service, by the name that VERSIONS gives it."""
    if service in _CENTRAL:
        mainland, abroad = _CENTRAL[service]
        return mainland if partition == "alibaba-cn" else abroad
    prefix = _PREFIX.get(service, service.lower())
    if region in _WITHOUT_REGION.get(service, ()):
        return f"{prefix}.aliyuncs.com"
    return f"{prefix}.{region}.aliyuncs.com"
