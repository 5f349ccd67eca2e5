"""One AWS account's connection: credentials, clients, rate limit, retries and error mapping.

Callers: the kinds of this folder. Retries are ours (providers.calls), botocore's are off. A client is cached per
service, region and timeout, because botocore sets timeouts per client: a call takes the longest timeout that still
ends before its deadline.
"""

from __future__ import annotations

import ipaddress
import os
import threading
import time
from collections.abc import Callable, Mapping
from typing import Any, TypeVar
from urllib.parse import urlsplit

import boto3
import botocore.session
from botocore.config import Config
from botocore.credentials import AssumeRoleCredentialFetcher, DeferredRefreshableCredentials
from botocore.exceptions import BotoCoreError
from botocore.loaders import create_loader

from model.errors import CallSite, InvalidRequest, Unauthenticated
from providers.aws.errors import CREDENTIALS_MEND, to_cloud_error
from providers.base import Account, Call
from providers.calls import Calls, OutOfTime

T = TypeVar("T")
DEFAULT_REGION = {"aws": "us-east-1", "aws-cn": "cn-north-1"}
DNS_SUFFIX = {"aws": "amazonaws.com", "aws-cn": "amazonaws.com.cn"}
_LOADER = create_loader(os.environ.get("AWS_DATA_PATH"))
"""AWS's service descriptions, read once for all accounts: EC2's alone takes 0.3 s."""
TIMEOUTS_S = (1.0, 3.0, 8.0, 20.0, 60.0)
"""Whole seconds of one request: a third of it at most for connecting."""
_GLOBAL = frozenset({"iam", "route53"})
_ONLY_IN = {("pricing", "aws"): "us-east-1", ("pricing", "aws-cn"): "cn-northwest-1"}
"""(service, partition) -> the region that answers for all. AWS General Reference, "AWS Price List endpoints"."""
_RATES: Mapping[tuple[str, bool], tuple[float, float]] = {
    ("ec2", False): (20.0, 100.0),  # EC2 Developer Guide, "Request throttling": non-mutating actions
    ("ec2", True): (5.0, 50.0),  # the same: mutating actions
    ("route53", False): (5.0, 5.0),  # Route 53 Developer Guide, quotas: five requests per second per account
    ("route53", True): (5.0, 5.0),
    ("cloudtrail", False): (2.0, 2.0),  # CloudTrail User Guide, quotas: LookupEvents 2 per second
}
"""(service, writes) -> (requests per second, burst) per account and region, before any throttling was seen."""
_TOKENS = (
    ("NextToken", "NextToken"),
    ("nextToken", "nextToken"),
    ("PaginationToken", "PaginationToken"),
    ("NextMarker", "Marker"),
    ("Marker", "Marker"),
)
"""Member of an answer -> parameter of the request for the next page, in the services' several spellings."""
_LARGEST_PAGE: Mapping[str, int] = {
    "describe_instances": 1000,
    "describe_volumes": 500,
    "describe_security_groups": 1000,
    "describe_subnets": 1000,
    "describe_vpcs": 1000,
}
"""EC2 API Reference, MaxResults. A list that names no size is one answer of any length, which EC2 throttles sooner and
refuses large accounts ("Pagination", EC2 Developer Guide)."""
_RATE = (10.0, 20.0)
_LOOPBACK_RATE = (500.0, 500.0)


class Session:
    """Thread-safe. calls: our retries, shared by every service of the account."""

    def __init__(self, account: Account, *, seed: int = 0) -> None:
        if account.partition not in DEFAULT_REGION:
            raise InvalidRequest(f"account {account.name}: {account.partition} is no partition of AWS")
        self.account = account
        self.loopback = _check_endpoint(account)
        self._lock = threading.RLock()
        self._clients: dict[tuple[str, str, float], Any] = {}
        self._boto: boto3.Session | None = None
        self._regions: frozenset[str] = frozenset()
        self._checked = False
        self._seed = seed
        self._calls: dict[str, Calls] = {}
        self.remembered: dict[str, str] = {}
        """What never changes and costs a request to learn: key ARN -> itself, or "" where AWS manages it."""

    # -- calls ------------------------------------------------------------------------------------------------

    def run(
        self,
        service: str,
        region: str,
        operation: str,
        fn: Callable[[Any], T],
        call: Call,
        *,
        write: bool = False,
    ) -> T:
        """fn(client) with our retries. operation: as AWS names it, for errors. Raises model.errors only."""
        self._check_account(call)
        return self._run(service, region, operation, fn, call, write=write)

    def _run(
        self, service: str, region: str, operation: str, fn: Callable[[Any], T], call: Call, *, write: bool = False
    ) -> T:
        where = self.place(service, region)
        calls = self.calls(service, where, write=write)
        return calls.run(
            operation,
            lambda: fn(self.client(service, where, call)),
            call,
            api=f"{service}/{where}",
            write=write,
        )

    def pages(
        self, service: str, region: str, operation: str, result: str, call: Call, **params: Any
    ) -> list[dict[str, Any]]:
        """Every row of a paged read. operation: botocore's method, e.g. describe_vpcs; result: the list's member."""
        name = "".join(word.capitalize() for word in operation.split("_"))
        found: list[dict[str, Any]] = []
        token: dict[str, str] = {}
        if operation in _LARGEST_PAGE:
            params = {"MaxResults": _LARGEST_PAGE[operation], **params}
        while True:
            page = self.run(
                service,
                region,
                name,
                lambda client, token=token: getattr(client, operation)(**params, **token),  # type: ignore[misc]
                call,
            )
            found += page.get(result) or ()
            for answer, request in _TOKENS:
                if page.get(answer) and page.get("IsTruncated") is not False:
                    token = {request: page[answer]}
                    break
            else:
                return found

    def calls(self, service: str, region: str, *, write: bool = False) -> Calls:
        """Retries and buckets for one service and region: errors name the region."""
        key = f"{service}/{region}/{'write' if write else 'read'}"
        with self._lock:
            if key not in self._calls:
                name = self.account.name
                rate_per_s, burst = _LOOPBACK_RATE if self.loopback else _RATES.get((service, write), _RATE)
                self._calls[key] = Calls(
                    lambda exc, operation: to_cloud_error(exc, operation, account=name, region=region),
                    rate_per_s=rate_per_s,
                    burst=burst,
                    seed=self._seed,
                )
            return self._calls[key]

    def place(self, service: str, region: str) -> str:
        """The region to sign for; global services have one per partition. InvalidRequest for an unknown region."""
        only = _ONLY_IN.get((service, self.account.partition))
        if only is not None:
            return only
        if service in _GLOBAL or not region:
            return DEFAULT_REGION[self.account.partition]
        known = self.regions()
        if region not in known:
            raise InvalidRequest(
                f"account {self.account.name}: {region} is no region of {self.account.partition}",
                call=CallSite(cloud="aws", account=self.account.name, region=region),
                mend=f"one of {', '.join(sorted(known))}",
            )
        return region

    def regions(self) -> frozenset[str]:
        """The partition's regions, as botocore knows them."""
        with self._lock:
            if not self._regions:
                names = self.boto().get_available_regions("ec2", partition_name=self.account.partition)
                self._regions = frozenset(names)
            return self._regions

    # -- clients ----------------------------------------------------------------------------------------------

    def client(self, service: str, region: str, call: Call) -> Any:
        """The client whose requests end before the call's deadline."""
        left_s = call.remaining_s()
        fitting = [t for t in TIMEOUTS_S if t <= left_s]
        if not fitting:
            raise OutOfTime(
                service,
                call=CallSite(cloud="aws", account=self.account.name, region=region),
            )
        key = (service, region, fitting[-1])
        with self._lock:
            if key not in self._clients:
                self._clients[key] = self._new_client(*key)
            return self._clients[key]

    def _new_client(self, service: str, region: str, timeout_s: float) -> Any:
        account = self.account
        session: Any = self.boto()
        return session.client(
            service,
            region_name=region,
            endpoint_url=account.endpoint or None,
            verify=account.ca_bundle or None,
            config=self._config(timeout_s),
        )

    def _config(self, timeout_s: float) -> Config:
        proxies: dict[str, str] | None = None
        if self.loopback:
            proxies = {}
        elif self.account.proxy_url:
            proxies = {"http": self.account.proxy_url, "https": self.account.proxy_url}
        options: dict[str, Any] = {
            "retries": {"total_max_attempts": 1, "mode": "standard"},
            "connect_timeout": timeout_s / 3,
            "read_timeout": timeout_s * 2 / 3,
            "max_pool_connections": 32,
            "proxies": proxies,
            "user_agent_appid": "duoyun",
            "ignore_configured_endpoint_urls": True,  # only the fleet says where an account lives
        }
        return Config(**options)

    def boto(self) -> boto3.Session:
        """The boto3 session with this account's credentials. Raises Unauthenticated."""
        with self._lock:
            if self._boto is None:
                try:
                    self._boto = self._open()
                except BotoCoreError as exc:
                    raise to_cloud_error(exc, "credentials", account=self.account.name, region="") from exc
            return self._boto

    def _open(self) -> boto3.Session:
        account = self.account
        static = _static(account)
        if static is not None:
            session = _isolated()
            session.set_credentials(static["key_id"], static["secret"], static.get("session_token") or None)
        else:
            session = botocore.session.Session(profile=account.credential.get("profile") or None)
        session.register_component("data_loader", _LOADER)
        role = account.credential.get("role_arn")
        if role:
            self._assume(session, role)
        return boto3.Session(botocore_session=session)

    def _assume(self, session: Any, role_arn: str) -> None:
        """Credentials of the role, refreshed before they expire, in place of the base credentials."""
        base = session.get_credentials()
        if base is None:
            raise Unauthenticated(
                f"account {self.account.name}: nothing to assume {role_arn} with", mend=CREDENTIALS_MEND
            )
        region = DEFAULT_REGION[self.account.partition]
        endpoint = self.account.endpoint or None

        def create_client(service: str, **kwargs: Any) -> Any:
            options = {**kwargs, "region_name": region, "endpoint_url": endpoint, "config": self._config(20.0)}
            return session.create_client(service, **options)

        fetcher = AssumeRoleCredentialFetcher(
            create_client, base, role_arn, extra_args={"RoleSessionName": f"duoyun-{self.account.name}"[:64]}
        )
        session._credentials = DeferredRefreshableCredentials(
            method="assume-role", refresh_using=fetcher.fetch_credentials
        )

    def credentials(self) -> Any:
        """Credentials for signing; they refresh themselves. Raises Unauthenticated."""
        found = self.boto().get_credentials()
        if found is None:
            raise Unauthenticated(f"account {self.account.name}: no credentials found", mend=CREDENTIALS_MEND)
        return found

    # -- who we are -------------------------------------------------------------------------------------------

    def caller(self, call: Call) -> Mapping[str, str]:
        """STS GetCallerIdentity."""
        answer: Mapping[str, str] = self._run(
            "sts", "", "GetCallerIdentity", lambda client: client.get_caller_identity(), call
        )
        return answer

    def _check_account(self, call: Call) -> None:
        """Once, before anything else: credentials of another account would write into the wrong one."""
        if self._checked:
            return
        found = self.caller(call)["Account"]
        if found != self.account.account_id:
            raise Unauthenticated(
                f"account {self.account.name}: the credentials belong to account {found}, "
                f"the fleet says {self.account.account_id}",
                mend="give the credentials of that account, or correct account_id in the fleet",
            )
        self._checked = True

    def settle(self, seconds: float, call: Call) -> None:
        """Waits for what AWS calls eventual consistency; not at all on loopback."""
        if self.loopback:
            return
        end = time.monotonic() + seconds
        self.calls("settle", "").poll("settle", lambda: True if time.monotonic() >= end else None, call)


def _check_endpoint(account: Account) -> bool:
    """Whether the endpoint is on this machine; a plain-HTTP endpoint anywhere else is refused."""
    if not account.endpoint:
        return False
    parts = urlsplit(account.endpoint)
    loopback = _is_loopback(parts.hostname or "")
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise InvalidRequest(f"account {account.name}: endpoint {account.endpoint!r} is no URL")
    if parts.scheme == "http" and not loopback:
        raise InvalidRequest(
            f"account {account.name}: endpoint {account.endpoint} would send requests in the clear",
            mend="use https; plain http is accepted for 127.0.0.0/8 only",
        )
    return loopback


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _static(account: Account) -> Mapping[str, str] | None:
    """key_id and secret where the account names them; None where botocore shall look for them."""
    if account.secrets.get("key_id"):
        return account.secrets
    prefix = account.credential.get("env_prefix")
    if not prefix:
        return None
    found = {
        "key_id": os.environ.get(f"{prefix}_ACCESS_KEY_ID", ""),
        "secret": os.environ.get(f"{prefix}_SECRET_ACCESS_KEY", ""),
        "session_token": os.environ.get(f"{prefix}_SESSION_TOKEN", ""),
    }
    if not (found["key_id"] and found["secret"]):
        raise Unauthenticated(
            f"account {account.name}: no credentials in the environment",
            mend=f"export {prefix}_ACCESS_KEY_ID and {prefix}_SECRET_ACCESS_KEY",
        )
    return found


def _isolated() -> Any:
    """A session that reads neither ~/.aws nor AWS_PROFILE: the credentials were given."""
    session = botocore.session.Session(session_vars={"profile": (None, None, None, None)})
    session.set_config_variable("config_file", os.devnull)
    session.set_config_variable("credentials_file", os.devnull)
    return session
