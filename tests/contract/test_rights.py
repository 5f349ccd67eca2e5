"""What credentials may do, asked of every cloud; and the tables of permissions against what the adapters send.

The conftest holds every other test of this folder to the tables: what an adapter sends must stand in them.
"""

from __future__ import annotations

import http.server
import importlib
import json
import re
import socket
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from botocore import xform_name

from model.errors import CloudError, Forbidden, Unauthenticated
from model.resources import Kind
from orchestrator.registry import CLOUDS
from providers.base import Rights, RightsSource
from tools.conformance.strangers import alibaba, aws

ROOT = Path(__file__).parents[2]


@pytest.fixture(params=sorted(CLOUDS))
def site(request: pytest.FixtureRequest, sites: Any) -> Iterator[Any]:
    """A cloud's site: the cloud in memory has no rights to ask for."""
    found = sites[request.param]
    found.base(Kind.NETWORK)
    yield found
    found.running.sandbox.faults.clear()
    found.tidy()


def whole(provider: Any, rights: Rights) -> bool:
    """Every action of the adapter is in exactly one of the three lists."""
    return sorted([*rights.allowed, *rights.missing, *rights.unknown]) == sorted(provider.actions)


def named_in(document: Any) -> set[str]:
    """All actions that a policy document names, whichever cloud's it is."""
    if "Statement" in document:
        return {action for row in document["Statement"] for action in row["Action"]}
    return set(document["Actions"])


# -- who we are and what we may do -------------------------------------------------------------------------------------


def test_who_may_everything_lacks_nothing(site: Any) -> None:
    assert isinstance(site.provider, RightsSource)
    rights = site.provider.rights(site.call())
    assert rights.allowed == site.provider.actions
    assert (rights.missing, rights.unknown) == ((), ())
    assert rights.how


def test_a_reader_lacks_the_writes_and_gets_the_document_that_allows_just_them(site: Any) -> None:
    reader, before = site.open(reader=True), site.inventory()
    rights = reader.rights(site.call())
    assert whole(reader, rights)
    assert not rights.unknown
    assert len(rights.allowed) > 50
    words = r"(Create|Delete|Run|Attach|Modify|/write$|/delete$)"
    assert sum(1 for a in rights.missing if re.search(words, a)) > len(rights.missing) / 2
    assert not [a for a in rights.missing if re.search(r":(Describe|List)|/read$", a)]
    assert named_in(reader.policy(rights.missing)) == set(rights.missing)
    assert json.loads(json.dumps(reader.policy(rights.missing))) == reader.policy(rights.missing)
    assert site.inventory() == before
    with pytest.raises(Forbidden):  # the sandbox holds to what it says of the reader
        reader.create(site.at(site.wish(Kind.NETWORK)), site.wish(Kind.NETWORK), site.call("reader-tries"))


def test_a_documents_actions_are_the_adapters_own_and_nothing_is_a_wildcard_of_writes(site: Any) -> None:
    document = site.provider.policy(site.provider.actions)
    assert named_in(document) <= set(site.provider.actions)
    assert {a for a in named_in(document) if "*" in a} <= {"*/read"}


def test_an_account_of_another_number_is_not_taken_for_ours(site: Any) -> None:
    """Who the credentials belong to is told; the caller compares."""
    assert site.provider.identity(site.call()).account_id == site.account.account_id


HTML = b"<html><body>Sign in to the guest network</body></html>"


@pytest.fixture(scope="module")
def portal() -> Iterator[str]:
    """A proxy that answers everything with a page, as hotels' do."""

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.send_header("Content-Type", "text/html")
            self.send_header("Content-Length", str(len(HTML)))
            self.end_headers()
            self.wfile.write(HTML)

        do_POST = do_PUT = do_GET

        def log_message(self, *_args: Any) -> None:
            """Nothing is printed."""

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    thread.join(10)
    server.server_close()


def test_wrong_secrets_deaf_ports_and_pages_are_errors_with_a_place(site: Any, portal: str) -> None:
    with socket.socket() as deaf:
        deaf.bind(("127.0.0.1", 0))
        nobody = f"http://127.0.0.1:{deaf.getsockname()[1]}"
        key_id = site.account.secrets["key_id"]
        wrong = site.open(secrets={"key_id": key_id, "secret": "this-is-not-the-secret"})
        for provider in (wrong, site.open(endpoint=nobody), site.open(endpoint=portal)):
            for ask in (provider.identity, provider.rights):
                with pytest.raises(CloudError) as told:
                    ask(site.call(timeout_s=1.5))
                assert told.value.call.cloud == site.cloud.name
                assert "this-is-not-the-secret" not in str(told.value.to_dict())
        with pytest.raises(Unauthenticated):
            wrong.rights(site.call())


# -- where the usual way is barred -----------------------------------------------------------------------------------


ASKED = {
    "aws": "iam:SimulatePrincipalPolicy",
    "azure": "GET Microsoft.Authorization/permissions",
    "alibaba": "ram:ListPoliciesForUser",
}


def test_what_cannot_be_found_out_is_unknown(site: Any) -> None:
    site.fault(ASKED[site.cloud.name], error="forbidden", count=-1)
    reader = site.open(reader=True)
    rights = reader.rights(site.call())
    assert whole(reader, rights)
    assert len(rights.unknown) > 50
    assert rights.note


def test_where_simulation_is_barred_dry_runs_tell_what_they_can(sites: Any) -> None:
    site = sites["aws"]
    before = site.inventory()
    site.fault(ASKED["aws"], error="forbidden", count=-1)
    try:
        owner, reader = site.open().rights(site.call()), site.open(reader=True).rights(site.call())
    finally:
        site.running.sandbox.faults.clear()
    assert owner.how == reader.how == "ec2:DryRun"
    assert {"ec2:DescribeVpcs", "ec2:CreateVpc", "ec2:CreateSecurityGroup"} <= set(owner.allowed)
    assert "ec2:DescribeVpcs" in reader.allowed
    assert "ec2:CreateVpc" in reader.missing
    assert not owner.missing
    assert "eks:CreateCluster" in owner.unknown
    assert site.inventory() == before


def test_a_ram_role_has_what_its_policies_say(sites: Any) -> None:
    """A deny outranks, a condition leaves open; all read from RAM through a session of the role."""
    site = sites["alibaba"]
    statements = [
        {"Effect": "Allow", "Action": ["ecs:*", "vpc:Describe*"], "Resource": "*"},
        {"Effect": "Deny", "Action": "ecs:DeleteInstances", "Resource": "*"},
        {"Effect": "Allow", "Action": "slb:*", "Resource": "acs:slb:*:*:loadbalancer/lb-1"},
    ]
    documents = ({"Statement": []}, {"Version": "1", "Statement": statements})
    trust, policy = (json.dumps(document) for document in documents)
    for action, params in (
        ("CreateRole", {"RoleName": "deployer", "AssumeRolePolicyDocument": trust}),
        ("CreatePolicy", {"PolicyName": "deploys", "PolicyDocument": policy}),
        ("AttachPolicyToRole", {"RoleName": "deployer", "PolicyName": "deploys", "PolicyType": "Custom"}),
    ):
        alibaba.rpc(site.account, site.cloud.region, "Ram", action, **params)
    arn = f"acs:ram::{site.account.account_id}:role/deployer"
    role = site.open(credential={"role_arn": arn})
    rights = role.rights(site.call())
    assert role.identity(site.call()).principal.startswith(arn)
    assert whole(role, rights)
    assert {"ecs:RunInstances", "vpc:DescribeVpcs"} <= set(rights.allowed)
    assert {"ecs:DeleteInstances", "vpc:CreateVpc"} <= set(rights.missing)
    assert {a for a in rights.unknown if not a.startswith("slb:")} == set()
    assert "slb:CreateLoadBalancer" in rights.unknown


def test_an_assumed_role_is_simulated_as_its_role(sites: Any) -> None:
    site = sites["aws"]
    iam = aws.client(site.account, site.cloud.region, "iam")
    trust = json.dumps({"Version": "2012-10-17", "Statement": []})
    arn = iam.create_role(RoleName="deployer", Path="/ci/", AssumeRolePolicyDocument=trust)["Role"]["Arn"]
    rights = site.open(credential={"role_arn": arn}).rights(site.call())
    assert rights.how == "iam:SimulatePrincipalPolicy"
    assert "ec2:RunInstances" in rights.allowed


# -- the tables --------------------------------------------------------------------------------------------------------

COMPOSED = {
    "aws": r"(Authorize|Revoke)SecurityGroup(In|E)gress|UpdateSecurityGroupRuleDescriptions(In|E)gress",
    "alibaba": r"CreateLoadBalancer\w+Listener|SetLoadBalancer\w+ListenerAttribute|List(Queue|Topic)",
}
"""Names that an adapter puts together from parts."""


@pytest.mark.parametrize("cloud", sorted(CLOUDS))
def test_a_table_holds_nothing_that_its_adapter_never_says(cloud: str) -> None:
    table = importlib.import_module(f"providers.{cloud}.permissions")
    folder = ROOT / "providers" / cloud
    files = [p for p in folder.glob("*.py") if p.name != "permissions.py" and not p.name.startswith("terraform")]
    words = {word for p in files for word in re.findall(r"\w+", p.read_text(encoding="utf-8"))}
    words |= {word.removesuffix("s") for word in words}  # SDKs write some names in the plural
    composed = re.compile(COMPOSED.get(cloud, "(?!)"))

    def said(operation: str) -> bool:
        name = re.split(r"[:/ ]", operation)[-1]
        spellings = {name, xform_name(name)}
        return bool(composed.fullmatch(name)) or bool(spellings & words)

    unsaid = [operation for operation in table.operations() if not said(operation)]
    assert not unsaid


@pytest.mark.parametrize("cloud", sorted(CLOUDS))
def test_every_row_of_a_table_wants_actions_and_a_stranger_is_refused(cloud: str) -> None:
    table = importlib.import_module(f"providers.{cloud}.permissions")
    assert {a for operation in table.operations() for a in table.wanted(operation)} <= set(table.ACTIONS)
    with pytest.raises(KeyError):
        table.wanted({"azure": "PUT Microsoft.Quantum/workspaces"}.get(cloud, "ram:LaunchRockets"))


# -- judging, with values ----------------------------------------------------------------------------------------------


def test_rows_of_azure_permissions_add_up_and_not_actions_take_from_their_own_row_alone() -> None:
    from providers.azure.checking import judged

    contributor = {"actions": ["*"], "notActions": ["Microsoft.Authorization/*/Write"]}
    assigner = {"actions": ["microsoft.authorization/roleassignments/*"], "notActions": []}
    action = "Microsoft.Authorization/roleAssignments/write"
    assert judged([contributor]).missing == (action,)
    assert judged([contributor, assigner]).missing == ()
    assert not judged([]).allowed


@pytest.mark.parametrize(
    ("row", "verdict"),
    [
        ({"EvalDecision": "allowed"}, "allowed"),
        ({"EvalDecision": "implicitDeny"}, "denied"),
        ({"EvalDecision": "explicitDeny", "MissingContextValues": ["aws:SourceIp"]}, "denied"),
        ({"EvalDecision": "implicitDeny", "MissingContextValues": ["aws:SourceIp"]}, "unknown"),
        ({"EvalDecision": "something new"}, "unknown"),
    ],
)
def test_a_simulations_rows(row: dict[str, Any], verdict: str) -> None:
    from providers.aws.checking import _verdict

    assert _verdict(row) == verdict


def test_a_root_user_is_not_simulated(sites: Any) -> None:
    from providers.aws import checking

    class Root:
        def caller(self, _call: Any) -> dict[str, str]:
            return {"Arn": "arn:aws:iam::111111111111:root", "Account": "111111111111"}

    rights = checking.rights(Root(), "us-east-1", sites["aws"].call())  # type: ignore[arg-type]
    assert set(rights.unknown) == set(sites["aws"].provider.actions)
    assert "root" in rights.note
