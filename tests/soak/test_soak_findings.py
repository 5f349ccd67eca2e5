"""What the soak found, each once more and by itself, on the cloud that is a file."""

from __future__ import annotations

import random
import signal
from dataclasses import replace
from functools import partial

import pytest
import soak_faults
import soak_world
import sqlalchemy as sa
from soak_checks import canaries_first, fenced, problems, reference
from soak_hooks import Sites
from soak_world import OPERATIONS

from model.plan import RevisionState
from orchestrator import executing
from orchestrator.planning import make_plan
from orchestrator.release import release
from orchestrator.run import running
from orchestrator.store.audit import AuditEntry


def revisions(world):
    with world.open("deploy") as context:
        return [(r.number, r.state) for r in reversed(context.store.revisions.list(context.scope))]


def verdict(world, operation):
    """The site right before the release's verdict is written: the last record has its commit behind it."""
    last = {"deploy": "record live", "destroy": "forget"}[operation]
    passed = []
    with world.open("deploy") as context:
        records = len(make_plan(context).plan.own_items)

    def place(kind, site):
        if kind == "call" and site.startswith("after") and site.endswith(last):
            passed.append(site)
        if len(passed) == records and kind == "call" and ": " not in site:
            soak_faults.die()

    return place


def test_a_release_that_died_before_its_verdict_gets_one(paper_world, acted):
    for operation, state in (("deploy", RevisionState.DEPLOYED), ("destroy", RevisionState.DESTROYED)):
        assert acted(operation, verdict(paper_world, operation)) == -signal.SIGKILL
        assert revisions(paper_world)[-1][1] is RevisionState.RUNNING
        assert acted(operation) == soak_world.ENDED  # the command again, not `resume`
        assert revisions(paper_world)[-1][1] is state
        expected = reference(paper_world, operation)
        assert problems(paper_world, operation, expected) == []


def test_what_is_in_place_is_no_new_revision(paper_world, acted):
    assert acted("deploy") == acted("deploy") == soak_world.ENDED
    assert revisions(paper_world) == [(1, RevisionState.DEPLOYED)]


def test_a_release_that_is_stopped_while_it_is_watched_has_a_verdict(paper_world):
    def work():
        stop = []
        sites = Sites(soak_world.nowhere)
        learn = sites.emit
        sites.emit = lambda event: stop.append(1) if event.kind == "waiting" else learn(event)
        soak_world.without_probes(partial(setattr, executing))
        with paper_world.open("deploy") as opened:
            context = replace(opened, cancelled=lambda: bool(stop))
            with running(context, sites, bake_s=30.0) as runner:
                release(runner, make_plan(context))

    notes = paper_world.folder / "notes.txt"
    assert soak_world.spawn(notes, work).wait() == soak_world.REFUSED
    assert "error Interrupted" in notes.read_text()
    assert revisions(paper_world) == [(1, RevisionState.INTERRUPTED)]


def test_a_full_disk_stops_a_release_and_undoes_nothing(paper_world, acted):
    notes, site = paper_world.folder / "notes.txt", "before create alibaba-cn network/main: create"
    run = soak_faults.Run(paper_world, "deploy", notes, random.Random(1), {"call": [site]}, 1.0)
    assert soak_faults.full_disk(run) == soak_world.REFUSED
    assert "the disk is full" in notes.read_text() and "rolled back" not in notes.read_text()
    assert [state for _, state in revisions(paper_world)] in ([RevisionState.INTERRUPTED], [RevisionState.RUNNING])
    assert acted("deploy") == soak_world.ENDED
    assert problems(paper_world, "deploy", reference(paper_world, "deploy")) == []


def test_a_disk_that_is_full_when_the_way_back_begins_leaves_it_to_be_gone_on_with(paper_world, acted):
    for operation in ("deploy", "update"):
        assert acted(operation) == soak_world.ENDED
    expected = reference(paper_world, "update")

    def work():
        sites, full = Sites(soak_world.nowhere), []
        learn = sites.emit
        sites.emit = lambda event: full.append(1) if event.kind == "rollback_started" else learn(event)

        def no_page_more(conn, *_more):
            if full:
                conn.execute("PRAGMA max_page_count = 1")  # SQLite takes the present size for the limit

        sa.event.listen(sa.pool.Pool, "checkout", no_page_more)
        soak_world.without_probes(partial(setattr, executing))
        with paper_world.open("broken") as context, running(context, sites) as runner:
            release(runner, make_plan(context))

    notes = paper_world.folder / "notes.txt"
    assert soak_world.spawn(notes, work).wait() == soak_world.REFUSED
    assert "its roll-back stopped: " in notes.read_text() and "the disk is full" in notes.read_text()
    assert revisions(paper_world)[-1][1] in (RevisionState.RUNNING, RevisionState.INTERRUPTED)
    assert acted("broken") == soak_world.ENDED  # fails again, and is rolled back
    assert problems(paper_world, "broken", expected) == []


def test_a_broken_version_whose_release_died_while_waiting_for_it_is_not_taken_for_good(paper_world, acted):
    """Its change was in place, so the next plan had nothing to do and called it deployed."""
    for operation in ("deploy", "update"):
        assert acted(operation) == soak_world.ENDED
    expected = reference(paper_world, "update")

    def place(kind, site):
        if kind == "call" and site.startswith("before") and site.endswith("Deployment/web-g: wait until ready"):
            soak_faults.die()

    assert acted("broken", place) == -signal.SIGKILL
    assert acted("broken") == soak_world.ENDED  # rolled back
    states = [state for _, state in revisions(paper_world)]
    assert RevisionState.ROLLED_BACK in states and states[-1] is RevisionState.DEPLOYED
    assert problems(paper_world, "broken", expected) == []


@pytest.mark.parametrize(
    ("operation", "died"),
    [("broken", ("before", "wait until ready")), ("update", ("after", "record live"))],
    ids=["while it is waited for", "while it is watched"],
)
def test_whoever_asks_anew_for_a_release_that_died_at_its_canary_has_that_canary(paper_world, acted, operation, died):
    """The canary was in place, so that the next plan found one Deployment to change, and no canary for it."""
    before = OPERATIONS[: OPERATIONS.index(operation)]
    for earlier in before:
        assert acted(earlier) == soak_world.ENDED

    def place(kind, name):
        if kind == "call" and name.startswith(died[0]) and name.endswith(f"Deployment/web-g: {died[1]}"):
            soak_faults.die()

    assert acted(operation, place) == -signal.SIGKILL
    with paper_world.open(operation) as context:
        plan = make_plan(context).plan
        (stage,) = plan.stages
        kept = {a.address.name.rsplit("/")[-1] for a in plan.actions if a.id not in stage.actions}
    assert kept == {"web-h"}
    assert acted(operation) == soak_world.ENDED  # the broken one is rolled back
    assert problems(paper_world, operation, reference(paper_world, "update")) == []


def test_the_soak_notices_a_release_that_went_on_without_its_canary():
    def entry(seq, kind, revision, zone):
        data = {"address": f"a/1/r/kubernetes_object/main/soak/Deployment/web-{zone}", "revision": revision}
        return AuditEntry("c", seq, 0.0, "a", kind, data)

    rows = [entry(1, "resource_updating", 2, "g"), entry(3, "resource_updating", 2, "h")]
    assert canaries_first(rows, {2: "web:2.0.0"}) and canaries_first(rows, {2: "web:missing"})
    rows.insert(1, entry(2, "resource_live", 2, "g"))
    assert canaries_first(rows, {2: "web:2.0.0"}) == [] and canaries_first(rows, {2: "web:missing"})
    anew = [entry(4, "resource_updating", 3, "h")]
    assert canaries_first([rows[0], *anew], {2: "web:missing", 3: "web:missing"}), "also when asked for anew"
    back = AuditEntry("c", 0, 0.0, "a", "revision_started", {"revision": 2, "rollback_of": 1})
    assert canaries_first([back, rows[0], rows[2]], {2: "web:2.0.0"}) == [], "the way back has none"
    assert canaries_first([rows[0], rows[2]], {2: "web:1.0.0"}) == [], "nor has the first version"


def test_the_soak_notices_a_write_under_a_lost_lease():
    def entry(seq, kind, **data):
        return AuditEntry("c", seq, 0.0, "a", kind, data)

    good = [
        entry(1, "lease_acquired", token=1),
        entry(2, "resource_creating", token=1),
        entry(3, "lease_unlocked", token=1),
        entry(4, "lease_acquired", token=3),
        entry(5, "revision_state", token=3),
    ]
    assert fenced(good) == []
    assert fenced([*good, entry(6, "resource_live", token=1)]) == [
        "entry 6: resource_live under token 1 while 3 was held"
    ]
    assert fenced([*good[:3], entry(4, "resource_live", token=1)]) != []
