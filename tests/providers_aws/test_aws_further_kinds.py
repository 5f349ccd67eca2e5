"""What AWS alone can do wrong with balancers, groups, records and repositories; and how its words are translated."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from model.errors import AlreadyExists, DependencyInUse, Forbidden, InvalidRequest, NotBuiltYet, NotFound
from model.resources import (
    DnsRecord,
    FirewallGroup,
    HealthCheck,
    Instance,
    InstanceGroup,
    Kind,
    Listener,
    LoadBalancer,
    Registry,
    State,
    TrafficWeight,
)
from orchestrator.compare import diff_resource
from providers.aws.balancers import elb_name
from providers.aws.dns import record_of, sets_of
from providers.aws.names import fit
from providers.aws.policy_text import grants_of, open_to_all, tls_only
from providers.aws.registries import ecr_name, platforms
from providers.base import ImageSource

AMD = {"mediaType": "application/vnd.oci.image.manifest.v1+json", "digest": "sha256:" + "a" * 64, "size": 1}
INDEX = {
    "schemaVersion": 2,
    "mediaType": "application/vnd.oci.image.index.v1+json",
    "manifests": [
        AMD | {"platform": {"architecture": "arm64", "os": "linux"}},
        AMD | {"digest": "sha256:" + "b" * 64, "platform": {"architecture": "amd64", "os": "linux"}},
        AMD | {"digest": "sha256:" + "c" * 64, "platform": {"architecture": "unknown", "os": "unknown"}},
    ],
}


# -- names: pure -------------------------------------------------------------------------------------------------------


@given(st.text(min_size=1, max_size=60))
def test_a_derived_name_is_one_that_aws_takes_and_always_the_same(name: str) -> None:
    balancer, repository = elb_name(name), ecr_name(name)
    assert re.fullmatch(r"(?!-)(?!internal-)[A-Za-z0-9-]{1,32}(?<!-)", balancer)
    assert "--" not in balancer
    assert re.fullmatch(r"[a-z0-9._/-]{1,256}", repository)
    assert (balancer, repository) == (elb_name(name), ecr_name(name))


@given(st.lists(st.text(min_size=1, max_size=60), min_size=2, max_size=2, unique=True))
def test_two_names_stay_two(names: list[str]) -> None:
    assert len({elb_name(name) for name in names}) == 2
    assert len({ecr_name(name) for name in names}) == 2


def test_a_name_that_fits_is_kept() -> None:
    assert elb_name("shop-front") == "shop-front"
    assert not elb_name("internal-front").startswith("internal-")
    assert ecr_name("shop/gate") == "shop/gate"
    assert fit("gate.v2", "a-z", 10) != fit("gate-v2", "a-z", 10)


# -- policies: pure ----------------------------------------------------------------------------------------------------


def statement(**more: Any) -> str:
    return json.dumps({"Version": "2012-10-17", "Statement": {"Effect": "Allow", "Action": "s3:GetObject", **more}})


@pytest.mark.parametrize(
    ("policy", "anybody"),
    [
        ("", False),
        (statement(Principal="*"), True),
        (statement(Principal={"AWS": "*"}), True),
        (statement(Principal={"AWS": ["arn:aws:iam::1:root", "*"]}), True),
        (statement(Principal={"AWS": "arn:aws:iam::1:root"}), False),
        (statement(Principal="*", Condition={"StringEquals": {"aws:PrincipalOrgID": "o-1"}}), False),
        (statement(Principal="*", Condition={"IpAddress": {"aws:SourceIp": "0.0.0.0/0"}}), True),
        (statement(Principal="*", Effect="Deny"), False),
    ],
)
def test_who_is_let_in(policy: str, anybody: bool) -> None:
    assert open_to_all(policy) is anybody


def test_plain_http_is_denied_by_a_deny_only() -> None:
    condition = {"Bool": {"aws:SecureTransport": "false"}}
    assert tls_only(statement(Effect="Deny", Principal="*", Condition=condition))
    assert not tls_only(statement(Principal="*", Condition=condition))
    (grant,) = grants_of(statement(Effect="Deny", Principal="*", Resource=["a", "b"], Condition=condition))
    assert (grant.effect, grant.resources, grant.conditions) == ("deny", ("a", "b"), ("aws:SecureTransport",))


# -- records -----------------------------------------------------------------------------------------------------------

ANSWERS = st.lists(
    st.builds(
        TrafficWeight,
        value=st.ip_addresses(v=4).map(str),
        weight=st.integers(0, 255),
        label=st.sampled_from(["", "", "old", "new"]),
    ),
    min_size=1,
    max_size=5,
    unique_by=(lambda a: a.value, lambda a: a.label or a.value),
)


@given(ANSWERS, st.integers(1, 86400))
def test_a_record_comes_back_as_it_was_wanted(answers: list[TrafficWeight], ttl_s: int) -> None:
    values: dict[str, Any] = {"zone": "x.example", "fqdn": "a.x.example", "record_type": "A", "ttl_s": ttl_s}
    wanted = DnsRecord(name="A a.x.example", answers=tuple(sorted(answers)), **values)
    assert record_of("x.example", sets_of(wanted)) == wanted
    assert len(sets_of(wanted)) == (len(answers) if wanted.weighted else 1)


def record(fqdn: str, zone: str = "further.example") -> DnsRecord:
    answers = (TrafficWeight(value="192.0.2.1"),)
    return DnsRecord(name=f"A {fqdn}", zone=zone, fqdn=fqdn, record_type="A", answers=answers)


@pytest.fixture(scope="session")
def zone(boto: Any) -> str:
    made = boto("route53").create_hosted_zone(Name="further.example", CallerReference="further")
    return str(made["HostedZone"]["Id"])


def test_somebody_elses_record_is_not_taken(provider: Any, boto: Any, address: Any, call: Any, zone: str) -> None:
    theirs = {"Name": "theirs.further.example", "Type": "A", "TTL": 60, "ResourceRecords": [{"Value": "192.0.2.9"}]}
    batch = {"Changes": [{"Action": "CREATE", "ResourceRecordSet": theirs}]}
    boto("route53").change_resource_record_sets(HostedZoneId=zone, ChangeBatch=batch)
    wanted = record("theirs.further.example")
    at = address(Kind.DNS_RECORD, wanted.name)
    with pytest.raises(AlreadyExists) as refused:
        provider.create(at, wanted, call())
    assert refused.value.mend
    assert provider.get(at, call()).resource.answers[0].value == "192.0.2.9"


def test_a_wildcard_and_another_fleets_record(provider: Any, address: Any, call: Any, zone: str) -> None:
    assert zone
    wanted = record("*.further.example")
    at = address(Kind.DNS_RECORD, wanted.name)
    provider.create(at, wanted, call())
    seen = provider.wait_ready(at, call())
    assert diff_resource(seen, wanted) == ()
    with pytest.raises(NotFound):
        provider.get(at, call(fleet="another"))
    with pytest.raises(AlreadyExists):
        provider.create(at, wanted, call(fleet="another"))
    provider.delete(seen, call())
    provider.wait_gone(at, call())


@pytest.mark.parametrize(("fqdn", "name"), [("a.other.example", ""), ("a.further.example", "A b.further.example")])
def test_a_record_that_cannot_be(provider: Any, address: Any, call: Any, zone: str, fqdn: str, name: str) -> None:
    assert zone
    wanted = record(fqdn)
    wanted = replace(wanted, name=name or wanted.name)
    with pytest.raises(InvalidRequest) as refused:
        provider.create(address(Kind.DNS_RECORD, wanted.name), wanted, call())
    assert refused.value.mend


# -- repositories ------------------------------------------------------------------------------------------------------


def test_what_a_tag_means(provider: Any, boto: Any, address: Any, call: Any) -> None:
    assert isinstance(provider, ImageSource)
    (verbs,) = (c.verbs for c in provider.capabilities if c.kind is Kind.REGISTRY)
    assert "image" in verbs
    wanted = Registry(name="Shop/Gate", immutable_tags=True, scan_on_push=True)
    at = address(Kind.REGISTRY, wanted.name)
    seen = provider.create(at, wanted, call())
    assert seen.address == at
    assert diff_resource(seen, wanted) == ()
    ecr, name = boto("ecr"), seen.raw["ecr_name"]
    pushed = ecr.put_image(
        repositoryName=name, imageManifest=json.dumps(INDEX), imageTag="v1", imageManifestMediaType=INDEX["mediaType"]
    )["image"]["imageId"]["imageDigest"]
    for reference in ("v1", pushed):
        facts = provider.image(seen, reference, call())
        assert (facts.digest, facts.architectures) == (pushed, ("amd64", "arm64"))
        assert facts.pull_identity.endswith(":policy/AmazonEC2ContainerRegistryReadOnly")
    with pytest.raises(NotFound, match="v2"):
        provider.image(seen, "v2", call())
    with pytest.raises(DependencyInUse) as refused:  # what was pushed is data
        provider.delete(seen, call())
    assert refused.value.mend
    ecr.batch_delete_image(repositoryName=name, imageIds=[{"imageDigest": pushed}])
    provider.delete(seen, call())
    provider.wait_gone(at, call())


def test_a_single_image_does_not_say_for_which_processor() -> None:
    assert platforms({"config": {"digest": "sha256:1"}, "layers": []}) == ()


# -- balancers and groups ----------------------------------------------------------------------------------------------


@pytest.fixture
def web(provider: Any, network: str, address: Any, call: Any) -> str:
    provider.create(address(Kind.FIREWALL_GROUP, "web"), FirewallGroup(name="web", network=network), call("w"))
    return "web"


def front(**more: Any) -> LoadBalancer:
    listener = Listener(protocol="tcp", port=80, target_port=8080)
    values: dict[str, Any] = {"name": "front", "network": "main", "subnets": ("main-a", "main-b")}
    return LoadBalancer(**{**values, "listeners": (listener,), **more})


def made(provider: Any, at: Any, wanted: Any, call: Any) -> Any:
    provider.create(at, wanted, call(f"make-{wanted.name}"))
    return provider.wait_ready(at, call())


def test_a_group_behind_a_balancer(provider: Any, boto: Any, address: Any, call: Any, web: str, fleet: str) -> None:
    """Its members are targets and no `targets`; the balancer's wish stays met, and so does the group's."""
    name = f"front-{fleet}"
    lb, at = front(name=name), address(Kind.LOAD_BALANCER, name)
    balancer = made(provider, at, lb, call)
    wanted = InstanceGroup(
        name=f"group-{fleet}", zones=("cn-northwest-1a",), subnets=("main-a",), firewall_group=web, size=1,
        instance_type="m6i.large", load_balancers=(name,),
    )  # fmt: skip
    group_at = address(Kind.INSTANCE_GROUP, wanted.name)
    group = made(provider, group_at, wanted, call)
    assert diff_resource(group, wanted) == ()
    elb = boto("elbv2")
    (behind,) = elb.describe_target_groups(LoadBalancerArn=balancer.provider_id)["TargetGroups"]
    targets = elb.describe_target_health(TargetGroupArn=behind["TargetGroupArn"])["TargetHealthDescriptions"]
    assert [t["Target"]["Id"] for t in targets] == group.raw["members"]
    seen = provider.get(at, call())
    assert seen.resource.targets == ()
    assert diff_resource(seen, lb) == ()
    alone = replace(wanted, load_balancers=())
    group = provider.update(group, alone, call("u"))
    assert diff_resource(group, alone) == ()
    lost = replace(wanted, load_balancers=("nowhere",))
    with pytest.raises(InvalidRequest, match="nowhere"):
        provider.update(group, lost, call("u2"))
    assert provider.needs_replace(group.resource, replace(alone, instance_type="m6i.xlarge", disk_gib=50)) == (
        "instance_type",
        "disk_gib",
    )
    for one in (group, seen):
        provider.delete(one, call())
        provider.wait_gone(one.address, call())


def test_protection_holds_until_it_is_taken_off(provider: Any, address: Any, call: Any, network: str) -> None:
    """And nothing is taken from a protected balancer, its listeners included. Its name is one that AWS refuses."""
    assert network
    wanted = front(name="internal-Über-alle-Maßen-lang-und-noch-länger", deletion_protection=True)
    at = address(Kind.LOAD_BALANCER, wanted.name)
    seen = made(provider, at, wanted, call)
    assert (seen.address, diff_resource(seen, wanted)) == (at, ())
    with pytest.raises(Forbidden) as refused:
        provider.delete(seen, call())
    assert refused.value.mend
    assert diff_resource(provider.get(at, call()), wanted) == ()
    seen = provider.update(seen, replace(wanted, deletion_protection=False), call("u"))
    provider.delete(seen, call())
    provider.wait_gone(at, call())


def test_an_application_balancer_redirects(provider: Any, address: Any, call: Any, network: str) -> None:
    assert network
    redirect = Listener(protocol="http", port=80, target_port=443, redirect_to_https=True)
    served = Listener(protocol="http", port=8080, target_port=8080, health_check=HealthCheck(protocol="http", path="/"))
    wanted = front(name="alb", layer=7, listeners=(redirect, served))
    at = address(Kind.LOAD_BALANCER, "alb")
    seen = made(provider, at, wanted, call)
    assert diff_resource(seen, wanted) == ()
    moved = replace(wanted, listeners=(redirect, replace(served, target_port=9090)))
    seen = provider.update(seen, moved, call("u"))
    assert diff_resource(seen, moved) == ()
    provider.delete(seen, call())


@pytest.mark.parametrize(
    ("more", "error", "says"),
    [
        ({"layer": 7}, InvalidRequest, "no tcp listener"),
        ({"layer": 7, "listeners": (Listener(protocol="http", port=1, target_port=1),)}, InvalidRequest, "HTTP only"),
        ({"listeners": (Listener(protocol="tls", port=1, target_port=1),)}, InvalidRequest, "no certificate"),
        ({"access_logs": True}, NotBuiltYet, "access_logs"),
    ],
)
def test_a_balancer_that_cannot_be(
    provider: Any, address: Any, call: Any, network: str, more: Any, error: Any, says: str
) -> None:
    """Said before anything is made."""
    assert network
    wanted = front(name="not-this-one", **more)
    at = address(Kind.LOAD_BALANCER, wanted.name)
    with pytest.raises(error, match=says) as refused:
        provider.create(at, wanted, call())
    assert refused.value.mend
    with pytest.raises(NotFound):
        provider.get(at, call())


def test_a_machines_own_disk_is_no_disk_of_ours(provider: Any, address: Any, call: Any, web: str, fleet: str) -> None:
    wanted = Instance(
        name="gate", zone="cn-northwest-1a", subnet="main-a", firewall_group=web, instance_type="m6i.large"
    )
    seen = made(provider, address(Kind.INSTANCE, "gate"), wanted, call)
    assert list(provider.list(Kind.DISK, seen.address.region, call(), fleet=fleet)) == []
    with pytest.raises(NotFound):
        provider.get(address(Kind.DISK, "gate"), call())
    parts = [o for o in provider.list(Kind.DISK, seen.address.region, call()) if o.raw["part_of"] == seen.provider_id]
    assert [(o.owner, o.resource.attached_to, o.state) for o in parts] == [("", "gate", State.READY)]


# -- what may not be told ----------------------------------------------------------------------------------------------


def test_what_a_missing_permission_hides_is_unknown_not_no(
    provider: Any, boto: Any, address: Any, call: Any, faults: Any
) -> None:
    where = {"LocationConstraint": "cn-northwest-1"}
    boto("s3").create_bucket(Bucket="hidden-half", CreateBucketConfiguration=where)
    for operation in ("s3:GetBucketPolicy", "s3:GetBucketVersioning"):
        faults.add({"service": "aws", "operation": operation, "status": 403, "code": "AccessDenied", "count": -1})
    seen = provider.get(address(Kind.BUCKET, "hidden-half"), call()).resource
    assert (seen.public, seen.tls_only, seen.versioning) == (None, None, None)
    assert (seen.access_logs, seen.public_access_blocked) == (False, False)
    faults.clear()
    seen = provider.get(address(Kind.BUCKET, "hidden-half"), call()).resource
    assert (seen.public, seen.tls_only, seen.versioning) == (False, False, False)
    with pytest.raises(NotBuiltYet):
        provider.delete(provider.get(address(Kind.BUCKET, "hidden-half"), call()), call())
