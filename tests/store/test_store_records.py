"""Plans, revisions, inventory and the audit chain that tells of each change."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import pytest
import sqlalchemy as sa
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from model.codec import digest
from model.errors import InvalidInput, LeaseLost, PlanStale, StoreTooNew
from model.plan import Action, Op, RevisionState
from model.resources import FieldDiff, KubernetesObject, Observed, Ownership
from orchestrator.store import Record, RecordState, Scope, SystemClock, open_store
from orchestrator.store.errors import StoreDamaged


@pytest.fixture
def token(store, scope) -> int:
    return store.leases.acquire(scope, "ann", 30.0).token


@pytest.fixture
def started(store, scope, token, plan):
    sha256 = store.plans.save(plan)

    def start(**known):
        return store.revisions.start(scope, token, plan_sha256=sha256, actor="ann", **known)

    return start


# -- plans -----------------------------------------------------------------------------------------------------


def test_a_plan_comes_back_as_it_was_saved(store, plan, address, network):
    web = KubernetesObject(name="main/shop/Deployment/web", manifest={"spec": {"replicas": 3, "名": ["值", 1.5, None]}})
    plan = replace(
        plan,
        actions=(
            Action(id="c-1", op=Op.CREATE, address=address, desired=network, before=None),
            Action(
                id="u-1", op=Op.UPDATE, address=address, desired=web, before=web,
                diffs=(FieldDiff("spec.replicas", 2, 3),), depends_on=("c-1",),
            ),
        ),
    )  # fmt: skip
    sha256 = store.plans.save(plan)
    assert sha256 == digest(plan) == store.plans.save(plan)
    assert store.plans.load(sha256) == plan


def test_a_plan_that_is_missing_changed_or_too_new(store, plan):
    sha256 = store.plans.save(plan)
    with pytest.raises(InvalidInput, match="no plan"):
        store.plans.load("0" * 64)
    newer = store.plans.save(replace(plan, schema_version=99))
    with pytest.raises(StoreTooNew, match="99"):
        store.plans.load(newer)
    with store.db.write() as conn:
        conn.execute(sa.text("UPDATE duoyun_plan SET body = replace(body, 'shop', 'shep')"))
    with pytest.raises(StoreDamaged):
        store.plans.load(sha256)


# -- revisions -------------------------------------------------------------------------------------------------


def test_revisions_count_from_one_per_scope(store, scope, started, plan):
    first = started(images={"web": "r/web@sha256:1"}, message="first")
    assert (first.number, first.state, first.images) == (1, RevisionState.RUNNING, {"web": "r/web@sha256:1"})
    assert started(rollback_of=1).rollback_of == 1
    other = Scope("staging", "shop")
    token = store.leases.acquire(other, "ann", 30.0).token
    sha256 = store.plans.save(plan)
    assert store.revisions.start(other, token, plan_sha256=sha256, actor="ann").number == 1
    assert [r.number for r in store.revisions.list(scope)] == [2, 1]
    assert store.revisions.scopes() == (scope, other)


def test_a_plan_made_against_an_older_revision_is_stale(store, scope, started):
    assert store.revisions.latest_number(scope) == 0
    started(expected_latest=0)
    with pytest.raises(PlanStale, match="there is revision 1") as caught:
        started(expected_latest=0)
    assert caught.value.mend == "plan again"
    started(expected_latest=1)


def test_deploying_one_supersedes_the_one_before(store, scope, token, started):
    for number in (1, 2):
        started()
        store.revisions.set_state(scope, token, number, RevisionState.DEPLOYED, actor="ann")
    states = [(r.number, r.state) for r in store.revisions.list(scope)]
    assert states == [(2, RevisionState.DEPLOYED), (1, RevisionState.SUPERSEDED)]
    assert store.revisions.latest_deployed(scope).number == 2
    assert store.revisions.unfinished(scope) is None
    started()
    store.revisions.set_state(scope, token, 3, RevisionState.DESTROYED, actor="ann")
    assert store.revisions.latest_deployed(scope) is None


def test_an_interrupted_revision_is_what_resume_goes_on_with(store, scope, token, started):
    started()
    assert store.revisions.unfinished(scope).number == 1
    stopped = store.revisions.set_state(scope, token, 1, RevisionState.INTERRUPTED, actor="ann", message="Ctrl-C")
    assert stopped.ended_at_s is not None and stopped.message == "Ctrl-C"
    assert store.revisions.unfinished(scope).number == 1
    going = store.revisions.set_state(scope, token, 1, RevisionState.RUNNING, actor="bob")
    assert going.ended_at_s is None and going.message == "Ctrl-C"
    store.revisions.set_state(scope, token, 1, RevisionState.FAILED, actor="bob")
    assert store.revisions.unfinished(scope) is None


def test_what_a_dead_process_left_running_gets_its_verdict_from_the_next_release(store, scope, token, started):
    started()
    started()
    assert store.revisions.get(scope, 1).state is RevisionState.INTERRUPTED
    back = started(rollback_of=2)
    assert store.revisions.get(scope, 2).state is RevisionState.FAILED
    assert [r.number for r in store.revisions.list(scope) if r.state is RevisionState.RUNNING] == [back.number]
    assert all(r.ended_at_s is not None for r in store.revisions.list(scope) if r.number != back.number)
    assert store.audit.verify(str(scope)) is None


def test_a_roll_back_and_what_it_undid_get_their_verdicts_at_once(store, scope, token, started):
    started()
    started(rollback_of=1)
    store.revisions.set_state(scope, token, 2, RevisionState.DEPLOYED, actor="ann", rolled_back=1)
    assert [r.state for r in store.revisions.list(scope)] == [RevisionState.DEPLOYED, RevisionState.ROLLED_BACK]
    with pytest.raises(InvalidInput, match="no revision 9"):
        store.revisions.set_state(scope, token, 2, RevisionState.DESTROYED, actor="ann", rolled_back=9)
    assert store.revisions.get(scope, 2).state is RevisionState.DEPLOYED
    told = [e.data for e in store.audit.entries(str(scope)) if e.kind == "revision_state"]
    assert [(d["revision"], d["after"]) for d in told] == [(1, "failed"), (2, "deployed"), (1, "rolled_back")]


def test_a_revision_needs_its_plan_and_its_number(store, scope, token):
    with pytest.raises(sa.exc.IntegrityError):
        store.revisions.start(scope, token, plan_sha256="f" * 64, actor="ann")
    for call in (
        lambda: store.revisions.get(scope, 7),
        lambda: store.revisions.set_state(scope, token, 7, RevisionState.FAILED, actor="ann"),
    ):
        with pytest.raises(InvalidInput, match="no revision 7"):
            call()


# -- inventory -------------------------------------------------------------------------------------------------


def test_a_record_goes_from_creating_to_live_to_gone(store, scope, token, address, network, manual_clock):
    creating = Record(
        address=address, desired=network, state=RecordState.CREATING, revision=1, action_id="c-1", site="aws-cn/a",
    )  # fmt: skip
    store.inventory.put(scope, token, creating)
    found = store.inventory.get(scope, address)
    assert (found.state, found.provider_id, found.last_sync_at_s) == (RecordState.CREATING, "", None)
    manual_clock.advance(10.0)
    seen = Observed(address=address, resource=network, provider_id="vpc-1", endpoints=("10.0.0.1:443",))
    store.inventory.put(scope, token, Record.live(address, seen, network, revision=1, action_id="c-1", site="aws-cn/a"))
    live = store.inventory.get(scope, address)
    assert live == Record(
        address=address, desired=network, state=RecordState.LIVE, revision=1, action_id="c-1", provider_id="vpc-1",
        config_hash=digest(network), site="aws-cn/a", endpoints=("10.0.0.1:443",),
        created_at_s=found.created_at_s, updated_at_s=found.created_at_s + 10.0,
        last_sync_at_s=found.created_at_s + 10.0,
    )  # fmt: skip
    assert store.inventory.owners(address) == (scope,)
    store.inventory.remove(scope, token, address, revision=2)
    store.inventory.remove(scope, token, address, revision=2)
    assert store.inventory.get(scope, address) is None and store.inventory.owners(address) == ()
    kinds = [e.kind for e in store.audit.entries(str(scope))]
    assert kinds == ["lease_acquired", "resource_creating", "resource_live", "resource_removed"]


def test_observations_count_failures_in_a_row_and_are_not_audited(store, scope, token, address, network):
    seen = Observed(address=address, resource=network, provider_id="vpc-1")
    store.inventory.put(scope, token, Record.live(address, seen, network, revision=1, ownership=Ownership.ADOPT))
    before = len(store.audit.entries(str(scope)))
    store.inventory.not_observed(scope, address)
    store.inventory.not_observed(scope, address)
    assert store.inventory.get(scope, address).consecutive_failures == 2
    store.inventory.observed(scope, address, "abc", at_s=5.0)
    found = store.inventory.get(scope, address)
    assert (found.consecutive_failures, found.observed_hash, found.last_sync_at_s) == (0, "abc", 5.0)
    assert found.ownership is Ownership.ADOPT
    assert len(store.audit.entries(str(scope))) == before


def test_records_are_kept_per_scope_and_found_by_service(store, scope, token, address, network):
    other = Scope("prod", "blog")
    other_token = store.leases.acquire(other, "bob", 30.0).token
    seen = Observed(address=address, resource=network, provider_id="vpc-1")
    store.inventory.put(scope, token, Record.live(address, seen, network, revision=1, service="web"))
    store.inventory.put(other, other_token, Record.live(address, seen, network, revision=1))
    assert len(store.inventory.list(scope, service="web")) == 1 and store.inventory.list(scope, service="api") == ()
    assert set(store.inventory.owners(address)) == {scope, other}
    with pytest.raises(LeaseLost):
        store.inventory.put(other, other_token + 1, Record.live(address, seen, network, revision=2))
    with pytest.raises(LeaseLost):
        store.inventory.remove(other, other_token + 1, address, revision=2)


# -- audit -----------------------------------------------------------------------------------------------------


def write_chain(store, chain: str, count: int) -> None:
    for n in range(count):
        with store.db.write() as conn:
            store.audit.append(conn, chain, at_s=float(n), actor="ann", kind="noted", data={"n": n, "为": "什么"})


def test_a_chain_holds_and_tells_in_order(store):
    write_chain(store, "c", 5)
    assert store.audit.verify("c") is None and store.audit.verify("no such chain") is None
    entries = store.audit.entries("c")
    assert [e.data["n"] for e in entries] == [0, 1, 2, 3, 4]
    assert [e.previous for e in entries[1:]] == [e.hash for e in entries[:-1]]
    assert [e.seq for e in store.audit.entries("c", after_seq=3)] == [4, 5]


@pytest.mark.parametrize(
    ("tampering", "seq"),
    [
        ("UPDATE duoyun_audit SET entry = replace(entry, 'ann', 'eve') WHERE seq = 3", 3),
        ("DELETE FROM duoyun_audit WHERE seq = 2", 2),
        ("DELETE FROM duoyun_audit WHERE seq = 5", 5),
        ("UPDATE duoyun_audit SET hash = '0' WHERE seq = 1", 1),
        ("DELETE FROM duoyun_audit_head", 1),
        ("UPDATE duoyun_audit_head SET seq = 4", 5),
    ],
)
def test_tampering_is_found_where_it_is(store, tampering, seq):
    write_chain(store, "c", 5)
    with store.db.write() as conn:
        conn.execute(sa.text(tampering))
    broken = store.audit.verify("c")
    assert broken is not None and broken.chain == "c" and broken.why
    assert broken.seq == seq


def test_what_is_rolled_back_leaves_no_entry(store, scope, token):
    with pytest.raises(sa.exc.IntegrityError):
        store.revisions.start(scope, token, plan_sha256="f" * 64, actor="ann")
    assert [e.kind for e in store.audit.entries(str(scope))] == ["lease_acquired"]
    assert store.audit.verify(str(scope)) is None


def test_concurrent_writers_of_one_chain_wait_for_one_another(store):
    with ThreadPoolExecutor(6) as pool:
        list(pool.map(lambda _: write_chain(store, "c", 10), range(6)))
    assert store.audit.verify("c") is None and len(store.audit.entries("c")) == 60


@given(
    data=st.dictionaries(st.text(), st.recursive(st.none() | st.booleans() | st.integers() | st.text(), st.lists)),
    at_s=st.floats(0, 4e9),
)
@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_whatever_is_told_can_be_verified(tmp_path, data, at_s):
    with open_store(f"sqlite:///{tmp_path / 'state.db'}", SystemClock()) as store:
        with store.db.write() as conn:
            store.audit.append(conn, "c", at_s=at_s, actor="ann", kind="noted", data=data)
        assert store.audit.verify("c") is None
        assert store.audit.entries("c", limit=10_000)[-1].data == data


def test_private_addresses_of_a_scope_and_of_no_other(store, scope, token, address, network):
    other = Scope("prod", "blog")
    theirs = store.leases.acquire(other, "bob", 30.0).token
    place = replace(address, name="web-0")
    record = Record(address=address, desired=network, state=RecordState.LIVE, revision=1, service="web")
    store.inventory.put(scope, token, record)  # has none
    store.inventory.put(scope, token, replace(record, address=place, private_ip="10.0.0.7"))
    store.inventory.put(other, theirs, replace(record, address=place, private_ip="10.9.9.9"))
    assert store.inventory.private_ips(scope) == {place: ("web", "10.0.0.7")}
