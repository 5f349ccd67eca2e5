"""One account's way to Alibaba Cloud's APIs: clients, endpoints, deadlines, retries, paging.

Callers: the modules of the single kinds. aliyun-python-sdk-core signs and sends; its own retries are off, and its
default of plain http is overridden everywhere but on loopback. Non-goal: what the actions mean.
"""

from __future__ import annotations

import hashlib
import ipaddress
import json
import logging
import ssl
import threading
import uuid
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any
from urllib.parse import urlsplit
from urllib.request import getproxies, proxy_bypass

from aliyunsdkcore.auth.credentials import StsTokenCredential
from aliyunsdkcore.auth.signers.sts_token_signer import StsTokenSigner
from aliyunsdkcore.client import AcsClient
from aliyunsdkcore.http import protocol_type
from aliyunsdkcore.request import CommonRequest
from aliyunsdkcore.vendored.requests.packages.urllib3.util import ssl_ as sdk_tls

from model.errors import CallSite, CloudError, InvalidRequest, Unreachable
from providers.alibaba.credentials import AccessKey, resolve
from providers.alibaba.endpoints import host_of
from providers.alibaba.errors import map_error
from providers.alibaba.roles import AssumedRole
from providers.base import Account, Call
from providers.calls import Calls, OutOfTime

VERSIONS: Mapping[str, str] = {
    "Ecs": "2014-05-26",
    "Vpc": "2016-04-28",
    "Sts": "2015-04-01",
    "Actiontrail": "2020-07-06",
    "CS": "2015-12-15",
    "Slb": "2014-05-15",
    "Ess": "2022-02-22",
    "Alidns": "2015-01-09",
    "cr": "2018-12-01",
    "Kms": "2016-01-20",
    "cas": "2020-04-07",
    "Rds": "2014-08-15",
    "Dds": "2015-12-01",
    "polardb": "2017-08-01",
    "R-kvstore": "2015-01-01",
    "RocketMQ": "2022-08-01",
    "alikafka": "2019-09-16",
    "Mns-open": "2022-01-19",
    "Ram": "2015-05-01",
    "ResourceCenter": "2022-12-01",
}
HOME_REGION: Mapping[str, str] = {"alibaba-cn": "cn-hangzhou", "alibaba-intl": "ap-southeast-1"}
CONNECT_TIMEOUT_S = 5.0
READ_TIMEOUT_S = 30.0
URL_LIMIT = 2000  # characters of parameters before encoding; aiohttp and nginx take lines of 8 KiB
PAGE_SIZE = 500  # never more rows a page; what a service allows stands in PageNames and TokenNames

# The SDK logs every failed request with its parameters; our own events tell what matters, without them.
logging.getLogger("aliyunsdkcore").setLevel(logging.CRITICAL)
# The SDK's own urllib3 looks for ssl.wrap_socket, which Python 3.12 took away, and takes that for a Python without SNI:
# whoever serves several names would answer with another one's certificate.
sdk_tls.HAS_SNI = ssl.HAS_SNI


@dataclass(frozen=True, slots=True)
class PageNames:
    """How a service spells the pages of a list. most: rows that one page can hold; 50 holds everywhere."""

    number: str = "PageNumber"
    size: str = "PageSize"
    total: tuple[str, ...] = ("TotalCount",)
    most: int = 50


@dataclass(frozen=True, slots=True)
class TokenNames:
    """size "": the service says how many rows a page has."""

    size: str = "MaxResults"
    token: str = "NextToken"  # noqa: S105  (a page's, no secret)
    most: int = 50


BY_NUMBER, BY_TOKEN = PageNames(), TokenNames()
HUNDREDS, DISK_PAGES = TokenNames(most=100), TokenNames(most=500)
"""ECS API reference: DescribeInstances and DescribeSecurityGroups, and DescribeDisks. Their page numbers retire."""


class Session:
    """Thread-safe; one client per region, made on first use under a lock."""

    def __init__(self, account: Account) -> None:
        self.account = account
        self._host, self._http = _endpoint(account)
        self.calls = Calls(self._map)
        self._single = Calls(self._map, max_attempts=1)
        self._clients: dict[str, tuple[AccessKey, Any]] = {}
        self._key: AccessKey | None = None
        self._lock = threading.Lock()
        self._role = _role(account)

    def _map(self, exc: BaseException, operation: str) -> CloudError:
        return map_error(exc, operation, account=self.account.name)

    def rpc(
        self,
        service: str,
        action: str,
        region: str,
        call: Call,
        params: Mapping[str, Any] | None = None,
        *,
        write: bool = False,
    ) -> dict[str, Any]:
        """One action. Lists become `Name.1`, `Name.2`; lists of dicts `Name.1.Key`. None and "" are left out."""
        operation = f"{service.lower()}:{action}"

        def build() -> Any:
            request = CommonRequest(product=service, version=VERSIONS[service], action_name=action)
            request.set_method("POST")
            flat = flatten(params or {})
            # The SDK puts parameters into the URL, which servers cut somewhere; the signature covers both places.
            long = sum(len(k) + len(v) for k, v in flat.items()) > URL_LIMIT
            add = request.add_body_params if long else request.add_query_param
            for name, value in flat.items():
                add(name, value)
            request.add_query_param("RegionId", region)
            return request

        return dict(self._send(operation, service, region, call, build, write))

    def roa(
        self,
        action: str,
        method: str,
        path: str,
        region: str,
        call: Call,
        *,
        query: Mapping[str, Any] | None = None,
        body: Any = None,
        retry: bool = True,
        service: str = "CS",
    ) -> Any:
        """One REST call, of ACK unless said. path is complete; what is not GET is a write. retry=False: for creates,
        which have no token."""

        def build() -> Any:
            request = CommonRequest(product=service, version=VERSIONS[service], uri_pattern=path)
            request.set_method(method)
            # The SDK sends none with REST calls; with one the gateway refuses a request that a proxy delivers twice.
            request.add_header("x-acs-signature-nonce", uuid.uuid4().hex)
            for name, value in (query or {}).items():
                request.add_query_param(name, _text(value))
            if body is not None:
                request.set_content(json.dumps(body).encode())
                request.set_content_type("application/json")
            return request

        calls = self.calls if retry else self._single
        return self._send(f"{service.lower()}:{action}", service, region, call, build, method != "GET", calls)

    def pages(
        self,
        service: str,
        action: str,
        region: str,
        call: Call,
        path: tuple[str, ...],
        params: Mapping[str, Any],
        names: PageNames = BY_NUMBER,
    ) -> Iterator[dict[str, Any]]:
        """All rows over all pages. path: where they are, e.g. ("Vpcs", "Vpc"); names: how the service spells paging."""
        number, seen = 1, 0
        while True:
            asked = {**params, names.number: number, names.size: min(PAGE_SIZE, names.most)}
            answer = self.rpc(service, action, region, call, asked)
            rows = inside(answer, path)
            yield from rows
            seen += len(rows)
            if not rows or seen >= int(inside(answer, names.total) or 0):
                return
            number += 1

    def token_pages(
        self,
        service: str,
        action: str,
        region: str,
        call: Call,
        path: tuple[str, ...],
        params: Mapping[str, Any],
        names: TokenNames = BY_TOKEN,
    ) -> Iterator[dict[str, Any]]:
        """The same where a page names the next one."""
        following = ""
        while True:
            size = {names.size: min(PAGE_SIZE, names.most)} if names.size else {}
            asked = {**params, **size, names.token: following}
            answer = self.rpc(service, action, region, call, asked)
            yield from inside(answer, path)
            following = str(answer.get(names.token) or "")
            if not following:
                return

    # -- for protocols that the SDK does not speak (OSS) ---------------------------------------------------------

    def page_size(self) -> int:
        return min(PAGE_SIZE, BY_NUMBER.most)

    def key(self, call: Call) -> AccessKey:
        """What signs now: the account's own, or its role's."""
        return self._own_key() if self._role is None else self._role.key(call)

    @property
    def host_given(self) -> bool:
        """Whether the account names an endpoint of its own."""
        return bool(self._host)

    def base_url(self, service: str, region: str) -> tuple[str, str, str]:
        """(URL, host, proxy or "") of a service whose host is `<service>-<region>`."""
        host = self._host or f"{service}-{region}.aliyuncs.com"
        return f"{'http' if self._http else 'https'}://{host}", host, self._proxies(region)["https"]

    def trust(self) -> ssl.SSLContext:
        """The account's CA bundle, else what this machine trusts."""
        return ssl.create_default_context(cafile=self.account.ca_bundle or None)

    # -- sending -----------------------------------------------------------------------------------------------

    def _send(
        self,
        operation: str,
        service: str,
        region: str,
        call: Call,
        build: Callable[[], Any],
        write: bool,
        calls: Calls | None = None,
    ) -> Any:
        self._client(region, call)  # a role is assumed before the lease is asked, so that nothing lies in between

        def attempt() -> Any:
            client = self._client(region, call)
            left = call.remaining_s()
            if left <= 0:
                raise OutOfTime(operation)
            request = build()
            request.set_domain(self._host or host_of(service, region, self.account.partition))
            request.set_protocol_type(protocol_type.HTTP if self._http else protocol_type.HTTPS)
            request.set_connect_timeout(max(0.05, min(CONNECT_TIMEOUT_S, left)))
            request.set_read_timeout(max(0.05, min(READ_TIMEOUT_S, left)))
            try:
                body = client.do_action_with_exception(request)
            except Exception as exc:
                raise map_error(exc, operation, account=self.account.name, region=region) from exc
            return _parse(body, operation, region)

        return (calls or self.calls).run(operation, attempt, call, api=f"{region}/{operation}", write=write)

    def _client(self, region: str, call: Call) -> Any:
        """One a region, made anew when a role's key was renewed; requests under way keep the old one."""
        key = self.key(call)
        with self._lock:
            held = self._clients.get(region)
            if held is None or held[0] is not key:
                held = self._clients[region] = (key, self._new_client(region, key))
            return held[1]

    def _own_key(self) -> AccessKey:
        with self._lock:
            if self._key is None:
                self._key = resolve(self.account)
            return self._key

    def _new_client(self, region: str, key: AccessKey) -> Any:
        client = AcsClient(
            key.key_id,
            key.secret,
            region,
            auto_retry=False,
            pool_size=32,
            verify=self.account.ca_bundle or None,
            proxy=self._proxies(region),
        )
        client.session.trust_env = False  # a netrc entry would replace the signature
        client.set_user_agent("duoyun")
        if key.security_token:
            # Handed to the constructor, it would lose against ALIYUN_ACCESS_KEY_ID in the environment.
            client._signer = StsTokenSigner(StsTokenCredential(key.key_id, key.secret, key.security_token))
        return client

    def _proxies(self, region: str) -> dict[str, str]:
        """Never empty: the SDK would then read HTTP_PROXY itself, without NO_PROXY, also for loopback."""
        host = self._host.partition(":")[0] or f"ecs.{region}.aliyuncs.com"
        if self._http or (not self.account.proxy_url and proxy_bypass(host)):
            return {"http": "", "https": ""}
        found = self.account.proxy_url or getproxies().get("https", "")
        return {"http": "", "https": found}


def _role(account: Account) -> AssumedRole | None:
    """The role that the account's credential names, assumed through a session of the key itself."""
    arn = account.credential.get("role_arn")
    if not arn:
        return None
    bare = {name: value for name, value in account.credential.items() if name != "role_arn"}
    own = Session(replace(account, credential=bare))
    return AssumedRole(arn, lambda asked, call: own.rpc("Sts", "AssumeRole", home_region(account), call, asked))


def home_region(account: Account) -> str:
    """Whose STS is asked: option `region`, else the partition's first."""
    return str(account.options.get("region") or HOME_REGION.get(account.partition, HOME_REGION["alibaba-cn"]))


def _endpoint(account: Account) -> tuple[str, bool]:
    """(host:port or "", whether plain http). Raises InvalidRequest for http anywhere but on loopback."""
    if not account.endpoint:
        return "", False
    parts = urlsplit(account.endpoint)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise InvalidRequest(
            f"account {account.name}: endpoint {account.endpoint!r} is no URL",
            mend="write it as https://host[:port], or leave it out for the cloud's own",
        )
    if parts.scheme == "http" and not _is_loopback(parts.hostname):
        raise InvalidRequest(
            f"account {account.name}: endpoint {account.endpoint!r} is plain http",
            mend="use https; http is accepted for loopback only",
        )
    return parts.netloc.rpartition("@")[2], parts.scheme == "http"


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _parse(body: Any, operation: str, region: str) -> Any:
    try:
        return json.loads(body) if body else {}
    except (json.JSONDecodeError, UnicodeDecodeError) as exc:
        call = CallSite("alibaba", region=region, operation=operation)
        raise Unreachable(f"{operation}: the answer is no JSON", call=call) from exc


def inside(answer: Any, path: tuple[str, ...]) -> Any:
    """What lies at a path of an answer; [] where the cloud left a part of it out."""
    for name in path:
        answer = (answer or {}).get(name)
    return [] if answer is None else answer


def flatten(params: Mapping[str, Any]) -> dict[str, str]:
    """Structured parameters in the RPC style."""
    flat: dict[str, str] = {}
    for name, value in params.items():
        if value is None or value == "":
            continue
        if isinstance(value, list | tuple):
            for number, item in enumerate(value, 1):
                nested = item if isinstance(item, Mapping) else {"": item}
                flat |= {f"{name}.{number}{'.' if k else ''}{k}": _text(v) for k, v in nested.items() if v is not None}
        else:
            flat[name] = _text(value)
    return flat


def _text(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def client_token(call: Call, *parts: object) -> str:
    """A ClientToken of 64 ASCII characters: the same for the same key and parts, a new one where there is no key."""
    if not call.key:
        return new_token()
    return hashlib.sha256("|".join([call.key, *map(str, parts)]).encode()).hexdigest()


def new_token() -> str:
    """A ClientToken for what may be repeated later with effect: it only spans the retries of one request."""
    return uuid.uuid4().hex
