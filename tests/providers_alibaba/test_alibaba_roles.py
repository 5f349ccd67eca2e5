"""credential.role_arn: STS gives the key that signs, it is renewed in time, and nothing of it is shown."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from model.errors import Forbidden, InvalidRequest, Unauthenticated
from model.resources import Kind
from providers.alibaba.roles import DURATION_S, RENEW_BEFORE_S, AssumedRole
from providers.base import Call

ROLE = "acs:ram::5000000000000002:role/deployer"


def assumed(sandbox: Any, arn: str = ROLE, **kwargs: Any) -> Any:
    return sandbox.provider(credential={"chain": "True", "role_arn": arn}, **kwargs)


def test_everything_is_signed_with_the_roles_own_key(sandbox: Any, region: Any) -> None:
    """RPC and ROA alike; the audit log names the role, not the key that assumed it."""
    region.provider = assumed(sandbox)
    identity = region.provider.identity(region.call())
    assert identity.principal == "acs:ram::5000000000000002:role/deployer/duoyun"
    assert identity.account_id == "5000000000000002"
    region.base()
    region.make(region.cluster())
    seen = region.provider.get(region.at(Kind.CLUSTER, "main"), region.call())
    actors = {change.actor for change in region.provider.changes(seen.address, 0.0, region.call())}
    assert len(actors) == 1
    assert actors.pop().startswith("deployer:duoyun (STS.")
    access = region.provider.cluster_access(seen, region.call())
    assert access.token
    assert sandbox.clusters.made[seen.provider_id].authenticate(access.token()) == "5000000000000002"
    assert len(sandbox.server._cloud.assumed._keys) == 1  # once for all regions and threads


@pytest.mark.parametrize(
    ("arn", "error"),
    [
        ("acs:ram::5000000000000001:role/deployer", Unauthenticated),
        ("arn:aws:iam::222222222222:role/deployer", InvalidRequest),
    ],
)
def test_a_role_that_is_not_there(sandbox: Any, region: Any, arn: str, error: type[Exception]) -> None:
    with pytest.raises(error):
        list(assumed(sandbox, arn).list(Kind.NETWORK, region.region, region.call()))


def test_who_may_not_assume_it(sandbox: Any, region: Any) -> None:
    with pytest.raises(Forbidden) as caught:
        assumed(sandbox, reader=True).identity(region.call())
    assert caught.value.mend


def test_a_temporary_key_needs_its_token(sandbox: Any, region: Any) -> None:
    assumed(sandbox).identity(region.call())
    ((key_id, held),) = sandbox.server._cloud.assumed._keys.items()
    for token in ("", "another"):
        secrets = {"key_id": key_id, "secret": held.secret, "security_token": token}
        with pytest.raises(Unauthenticated):
            sandbox.provider(secrets=secrets).identity(region.call())
    secrets = {"key_id": key_id, "secret": held.secret, "security_token": held.token}
    assert sandbox.provider(secrets=secrets).identity(region.call()).account_id == "5000000000000002"


def test_nothing_shows_the_roles_key(sandbox: Any, region: Any) -> None:
    provider = assumed(sandbox)
    provider.identity(region.call())
    (held,) = sandbox.server._cloud.assumed._keys.values()
    shown = f"{provider!r} {provider._session._role!r} {provider._session._role._key!r} {held!r}"
    assert held.secret not in shown
    assert held.token not in shown


def answer(number: int) -> dict[str, Any]:
    return {"Credentials": {"AccessKeyId": f"STS.{number}", "AccessKeySecret": "s", "SecurityToken": "t"}}


def test_it_is_renewed_before_it_ends_and_not_sooner() -> None:
    now, asked = [1000.0], list[int]()

    def ask(_params: Any, _call: Call) -> Any:
        asked.append(1)
        return answer(len(asked))

    role = AssumedRole(ROLE, ask, now_s=lambda: now[0])
    assert role.key(Call()).key_id == "STS.1"
    now[0] += DURATION_S - RENEW_BEFORE_S - 1
    assert role.key(Call()).key_id == "STS.1"
    now[0] += 1
    assert role.key(Call()).key_id == "STS.2"


def test_many_threads_assume_it_once() -> None:
    begun, asked = threading.Barrier(6), list[int]()

    def ask(_params: Any, _call: Call) -> Any:
        asked.append(1)
        return answer(len(asked))

    role = AssumedRole(ROLE, ask)

    def key(_: int) -> str:
        begun.wait()
        return role.key(Call()).key_id

    with ThreadPoolExecutor(6) as pool:
        assert set(pool.map(key, range(6))) == {"STS.1"}
    assert len(asked) == 1


def test_an_answer_without_a_key_is_refused() -> None:
    with pytest.raises(Unauthenticated, match="no key"):
        AssumedRole(ROLE, lambda _params, _call: {"Credentials": {"AccessKeyId": "x"}}).key(Call())
