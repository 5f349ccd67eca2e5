"""What the soak found, each once more and by itself, on the cloud that is a file."""

from __future__ import annotations

import random
import signal
from dataclasses import replace
from functools import partial

import soak_faults
import soak_world
from soak_checks import fenced, problems, reference
from soak_hooks import Sites

from model.plan import RevisionState
from orchestrator import executing
from orchestrator.planning import make_plan
from orchestrator.release import release
from orchestrator.run import running
from orchestrator.store.audit import AuditEntry


def revisions(world):
    with world.open("deploy") as context:
        return [(r.number, r.state) for r in reversed(context.store.revisions.list(context.scope))]


def verdict(operation):
    """The site right before the release's verdict is written: the last record has its commit behind it."""
    last = {"deploy": "record live", "destroy": "forget"}[operation]
    passed = []

    def place(kind, site):
        if kind == "call" and site.startswith("after") and site.endswith(last):
            passed.append(site)
        if len(passed) == 21 and kind == "call" and ": " not in site:
            soak_faults.die()

    return place


def test_a_release_that_died_before_its_verdict_gets_one(paper_world, acted):
    for operation, state in (("deploy", RevisionState.DEPLOYED), ("destroy", RevisionState.DESTROYED)):
        assert acted(operation, verdict(operation)) == -signal.SIGKILL
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


def test_a_broken_version_whose_release_died_while_waiting_for_it_is_not_taken_for_good(paper_world, acted):
    """Its change was in place, so the next plan had nothing to do and called it deployed."""
    for operation in ("deploy", "update"):
        assert acted(operation) == soak_world.ENDED
    expected = reference(paper_world, "update")

    def place(kind, site):
        if kind == "call" and site.startswith("before") and site.endswith("Deployment/web-h: wait until ready"):
            soak_faults.die()

    assert acted("broken", place) == -signal.SIGKILL
    assert acted("broken") == soak_world.ENDED  # rolled back
    states = [state for _, state in revisions(paper_world)]
    assert RevisionState.ROLLED_BACK in states and states[-1] is RevisionState.DEPLOYED
    assert problems(paper_world, "broken", expected) == []


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
