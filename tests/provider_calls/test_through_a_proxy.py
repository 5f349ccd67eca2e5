"""Accounts and clusters behind a forward proxy: every request goes out by CONNECT, and trusts what the fleet names."""

from __future__ import annotations

import base64
import json
import time
from pathlib import Path
from typing import Any

import pytest
import yaml

from model.errors import InvalidInput, Unreachable
from model.resources import Address, Kind
from model.spec.fleet import AccountSpec, ClusterSpec, Fleet
from orchestrator.cluster_access import access_of, read_kubeconfig
from orchestrator.load import load_fleet
from orchestrator.registry import open_cloud
from orchestrator.targets import Targets, resolve_account
from providers.base import Account, Call, ClusterAccess
from tests.provider_calls.connect import any_host, proxy

# Alibaba's SDK carries a copy of requests that asks Python for TLS by its old name.
pytestmark = [
    pytest.mark.filterwarnings("ignore:ssl.PROTOCOL_TLS is deprecated:DeprecationWarning"),
    pytest.mark.filterwarnings("ignore:ssl.match_hostname.. is deprecated:DeprecationWarning"),
]

SUBSCRIPTION = "00000000-0000-0000-0000-000000000002"
WHO = (
    '<GetCallerIdentityResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/"><GetCallerIdentityResult>'
    "<Arn>arn:aws-cn:iam::222222222222:user/u</Arn><UserId>U</UserId><Account>222222222222</Account>"
    "</GetCallerIdentityResult></GetCallerIdentityResponse>"
)
HOSTS = {
    "aws": ["sts.cn-north-1.amazonaws.com.cn"],
    "azure": ["login.chinacloudapi.cn", "login.partner.microsoftonline.cn", "management.chinacloudapi.cn"],
    "alibaba": ["sts.aliyuncs.com", "sts.cn-beijing.aliyuncs.com", "sts.cn-hangzhou.aliyuncs.com"],
}
TENANT = "11111111-1111-1111-1111-111111111111"


def _token() -> str:
    claims = base64.urlsafe_b64encode(json.dumps({"oid": "who", "exp": 4102444800}).encode()).decode().rstrip("=")
    return f"e30.{claims}.c2ln"


def answer(host: str, _method: str, path: str) -> tuple[int, str, bytes]:
    """Every cloud's answer to who we are, and Azure's to who may ask."""
    if host.endswith("amazonaws.com.cn"):
        return 200, "text/xml", WHO.encode()
    if host.endswith("aliyuncs.com"):
        who: dict[str, Any] = {"Arn": "acs:ram::5000000000000002:user/u", "AccountId": "5000000000000002"}
    elif "/subscriptions/" in path:
        who = {"subscriptionId": SUBSCRIPTION}
    elif "openid-configuration" in path or "discovery" in path:
        base = f"https://{host}/{TENANT}"
        who = {
            "issuer": f"{base}/v2.0",
            "authorization_endpoint": f"{base}/oauth2/v2.0/authorize",
            "token_endpoint": f"{base}/oauth2/v2.0/token",
            "tenant_discovery_endpoint": f"{base}/v2.0/.well-known/openid-configuration",
            "metadata": [],
        }
    else:
        who = {"access_token": _token(), "expires_in": 3600, "token_type": "Bearer"}
    return 200, "application/json", json.dumps(who).encode()


@pytest.fixture
def keys(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in {
        "AWS_ACCESS_KEY_ID": "AKIA", "AWS_SECRET_ACCESS_KEY": "s", "AWS_EC2_METADATA_DISABLED": "true",
        "ALIBABA_CLOUD_ACCESS_KEY_ID": "LTAI", "ALIBABA_CLOUD_ACCESS_KEY_SECRET": "s",
        "AZURE_TENANT_ID": TENANT, "AZURE_CLIENT_ID": TENANT, "AZURE_CLIENT_SECRET": "s",
    }.items():  # fmt: skip
        monkeypatch.setenv(name, value)


ACCOUNTS = {
    "aws": ("aws-cn", "222222222222"),
    "azure": ("azure-cn", SUBSCRIPTION),
    "alibaba": ("alibaba-cn", "5000000000000002"),
}


def account(cloud: str, folder: Path, proxy_url: str) -> Account:
    partition, number = ACCOUNTS[cloud]
    spec = AccountSpec.model_validate(
        {
            "name": cloud,
            "partition": partition,
            "account_id": number,
            "proxy_url": proxy_url,
            "ca_bundle": "authority.pem",
        }
    )
    resolved = resolve_account(spec)
    return Account(
        **{f: getattr(resolved, f) for f in resolved.__slots__} | {"ca_bundle": str(folder / "authority.pem")}
    )


@pytest.mark.parametrize("cloud", ACCOUNTS)
def test_an_account_goes_out_through_its_proxy_alone(cloud: str, tmp_path: Path, keys: None) -> None:
    with any_host(tmp_path, HOSTS[cloud], answer) as (port, _), proxy(port) as (url, asked):
        who = open_cloud(account(cloud, tmp_path, url)).identity(Call())
    assert who.account_id == ACCOUNTS[cloud][1]
    assert asked
    assert {a.partition(":")[0] for a in asked} <= set(HOSTS[cloud]), "tokens are fetched that way, too"


@pytest.mark.parametrize("cloud", ACCOUNTS)
def test_a_proxy_that_answers_with_a_page_is_told_as_such(cloud: str, tmp_path: Path, keys: None) -> None:
    call = Call(deadline_s=time.monotonic() + 2.0)
    with (
        any_host(tmp_path, HOSTS[cloud], answer) as (port, _),
        proxy(port, html=True) as (url, _asked),
        pytest.raises(Unreachable) as caught,
    ):
        open_cloud(account(cloud, tmp_path, url)).identity(call)
    assert "proxy_url" in caught.value.mend


# -- clusters ----------------------------------------------------------------------------------------------------

CONFIG_MAP = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "a", "namespace": "n", "uid": "1"}}


def cluster_answer(_host: str, _method: str, _path: str) -> tuple[int, str, bytes]:
    return 200, "application/json", json.dumps(CONFIG_MAP).encode()


def kubeconfig(server: str, **more: Any) -> dict[str, Any]:
    return {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{"name": "c", "cluster": {"server": server, **more.pop("cluster", {})}}],
        "users": [{"name": "u", "user": more.pop("user", {"token": "t"})}],
        "contexts": [{"name": "x", "context": {"cluster": "c", "user": "u"}}],
        "current-context": "x",
        **more,
    }


def fleet_with(cluster: dict[str, Any], proxy_url: str) -> Fleet:
    fleet = load_fleet(Path(__file__).parents[1] / "e2e" / "small")
    spec = ClusterSpec.model_validate({"name": "main", "proxy_url": proxy_url, **cluster})
    regions = tuple(r.model_copy(update={"cluster": spec}) for r in fleet.spec.regions)
    accounts = tuple(a.model_copy(update={"endpoint": "https://127.0.0.1:1"}) for a in fleet.spec.accounts)
    return fleet.model_copy(update={"spec": fleet.spec.model_copy(update={"regions": regions, "accounts": accounts})})


@pytest.mark.parametrize("cloud", ACCOUNTS)
def test_a_cluster_with_a_kubeconfig_of_its_own_is_reached_through_its_proxy(
    cloud: str, tmp_path: Path, keys: None
) -> None:
    hosts = ["api.cluster.example"]
    with any_host(tmp_path, hosts, cluster_answer) as (port, _), proxy(port) as (url, asked):
        text = yaml.safe_dump(kubeconfig("https://old.cluster.example"))
        (tmp_path / "kubeconfig").write_text(text)
        wanted = {
            "kubeconfig": "kubeconfig", "endpoint": "https://10.255.0.1:6443",
            "tls_server_name": "api.cluster.example", "ca_bundle": "authority.pem",
        }  # fmt: skip
        fleet = fleet_with(wanted, url)
        targets = Targets(fleet, folder=tmp_path, account_of=_keyed)
        partition, number = ACCOUNTS[cloud]
        region = next(r.region for r in fleet.spec.regions if fleet.account(r.account).partition == partition)
        address = Address(partition, number, region, Kind.KUBERNETES_OBJECT, "main/n/ConfigMap/a")
        assert targets(address).get(address, Call()).provider_id == "1"
    assert set(asked) == {"10.255.0.1:6443"}


def _keyed(spec: AccountSpec) -> Account:
    secrets = {"key_id": "k", "secret": "s"}
    return Account(
        spec.name, spec.cloud, spec.partition, spec.account_id, endpoint=spec.endpoint or "", secrets=secrets
    )


WRONG = {
    "no Config": ({"kind": "List"}, "is no kubeconfig"),
    "two contexts": (kubeconfig("https://a", **{"current-context": "y"}), "has no context 'y'"),
    "a program": (kubeconfig("https://a", user={"exec": {"command": "aws"}}), "duoyun runs none"),
    "no check": (kubeconfig("https://a", cluster={"insecure-skip-tls-verify": True}), "would not look at"),
    "nobody": (kubeconfig("https://a", user={"username": "u"}), "neither a token nor a client certificate"),
    "no base64": (kubeconfig("https://a", cluster={"certificate-authority-data": "%"}), "is no base64"),
    "no server": (kubeconfig(""), "names no server"),
}


@pytest.mark.parametrize("name", WRONG)
def test_a_kubeconfig_that_cannot_be_used_says_why(name: str, tmp_path: Path) -> None:
    document, said = WRONG[name]
    file = tmp_path / "k.yaml"
    file.write_text(yaml.safe_dump(document))
    with pytest.raises(InvalidInput) as caught:
        read_kubeconfig(file)
    assert said in caught.value.diagnostics[0].what
    assert caught.value.diagnostics[0].mend


def test_files_that_a_kubeconfig_names_are_beside_it(tmp_path: Path) -> None:
    (tmp_path / "ca.pem").write_text("CA")
    (tmp_path / "token").write_text("one\n")
    document = kubeconfig(
        "https://a", cluster={"certificate-authority": "ca.pem", "proxy-url": "http://p"}, user={"tokenFile": "token"}
    )
    (tmp_path / "k.yaml").write_text(yaml.safe_dump(document))
    found = read_kubeconfig(tmp_path / "k.yaml")
    assert (found.ca_pem, found.proxy_url) == ("CA", "http://p")
    assert found.token is not None
    assert found.token() == "one"
    (tmp_path / "token").write_text("two\n")
    assert found.token() == "two", "a token file is read anew"
    with pytest.raises(InvalidInput, match="1 mistake"):
        read_kubeconfig(tmp_path / "missing.yaml")


def test_the_fleet_adds_to_what_the_cloud_says(tmp_path: Path) -> None:
    (tmp_path / "ca.pem").write_text("OURS")
    said = ClusterAccess("https://cloud", ca_pem="THEIRS", proxy_url="http://account-proxy")
    spec = ClusterSpec(endpoint="https://10.0.0.1", ca_bundle="ca.pem")
    found = access_of(spec, tmp_path, lambda: said)
    assert (found.server, found.ca_pem, found.proxy_url) == (
        "https://10.0.0.1",
        "THEIRS\nOURS\n",
        "http://account-proxy",
    )
    assert access_of(None, tmp_path, lambda: said) is said
