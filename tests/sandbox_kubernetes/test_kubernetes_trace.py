"""The recorded status transitions of a real Deployment controller, replayed against ours.

The recording shows Deployments only. What their ReplicaSets counted at each moment is therefore searched for: every
way to share the recorded pods among them is fed in as readiness, and our controller must be able to say, in order,
everything that the real one said. Surge and unavailable are inferred in the same way. A real controller reads from a
cache, which may show a ReplicaSet as it was before its own last scaling; ours is allowed that too, for one step.
"""

from __future__ import annotations

import asyncio
import copy
import itertools
import json
import os
import re
from collections import defaultdict
from collections.abc import Iterator, Sequence
from pathlib import Path
from random import Random
from typing import Any

import pytest

from sandbox.kubernetes.api import Api
from sandbox.kubernetes.controllers import rollout
from sandbox.kubernetes.controllers.deployment import Deployments
from sandbox.kubernetes.controllers.events import Recorder
from sandbox.kubernetes.controllers.owners import Owners
from sandbox.kubernetes.controllers.podcontrol import seconds_of
from sandbox.kubernetes.controllers.rollout import Limits, Replicas
from sandbox.kubernetes.kinds import DEPLOYMENTS, NAMESPACES, REPLICASETS
from sandbox.kubernetes.store import Change, Object, Store

DATA = Path(os.environ.get("DUOYUN_REFERENCE_DATA") or Path(__file__).parents[2].parent / "shared" / "data")
TRACE = DATA / "kubernetes" / "real-deployment-status-trace.jsonl"
COUNTS = ("replicas", "updatedReplicas", "readyReplicas", "availableReplicas", "unavailableReplicas")
REVISION = "deployment.kubernetes.io/revision"
# The shortest recorded time from the last progress to ProgressDeadlineExceeded is 6 s, in whole seconds.
DEADLINE_S = 5
# surge and unavailable, as the test below infers them; the recording does not say them.
# How often the controller may see its ReplicaSets as they were before its own last scaling; one case needs two.
MOST_LATE = 2
INFERRED = {"a": (1, 1), "b": (1, 0), "c": (0, 1), "d": (3, 0), "e": (1, 0), "f": (0, 7)}

pytestmark = [
    pytest.mark.reference,
    pytest.mark.skipif(not TRACE.is_file(), reason=f"{TRACE} is absent"),
]


def _events() -> dict[str, list[Object]]:
    rows: dict[str, list[Object]] = defaultdict(list)
    for line in TRACE.read_text(encoding="utf-8").splitlines():
        row = json.loads(line)
        rows[row["name"]].append(row)
    return rows


def _said(status: Object, revision: str | None) -> tuple[Any, ...]:
    """What a status says, without hashes and times."""
    told = sorted(
        (c["type"], c["status"], c["reason"], re.sub(r'"[^"]*"', '""', c["message"]))
        for c in status.get("conditions") or ()
    )
    return (revision, status.get("observedGeneration"), *(status.get(n, 0) for n in COUNTS), tuple(told))


class World:
    """One Deployment with its ReplicaSets and the real controller code; no pods, no ReplicaSet controller."""

    def __init__(self, objects: list[Object], version: int, now_s: float) -> None:
        self.now_s = now_s
        self.store = Store()
        self.store.load(objects, version)
        self.api = Api(self.store, Random(version), lambda: self.now_s)
        self.controller = Deployments(self.api, Owners(self.store), Recorder(self.api))
        self.written: list[tuple[Any, ...]] = []
        self.unseen: dict[str, int] = {}
        self.late = 0
        self.store.subscribe(self._note)

    @classmethod
    def begin(cls, name: str, replicas: int, surge: int, unavailable: int, now_s: float) -> World:
        world = cls([], 1, now_s)
        world.api.system_create(NAMESPACES, {"metadata": {"name": "default"}}, "test")
        labels = {"app": name}
        pod = {"metadata": {"labels": labels}, "spec": {"containers": [{"name": "c", "image": "img:1"}]}}
        rolling = {"maxSurge": surge, "maxUnavailable": unavailable}
        spec = {
            "replicas": replicas, "selector": {"matchLabels": labels}, "template": pod,
            "progressDeadlineSeconds": DEADLINE_S,
            "strategy": {"type": "RollingUpdate", "rollingUpdate": rolling},
        }  # fmt: skip
        world.api.system_create(DEPLOYMENTS, {"metadata": {"name": name, "namespace": "default"}, "spec": spec}, "test")
        world.written.clear()
        return world

    def _note(self, change: Change) -> None:
        if change.kind is DEPLOYMENTS:
            notes = change.obj["metadata"].get("annotations") or {}
            self.written.append(_said(change.obj.get("status") or {}, notes.get(REVISION)))

    def fork(self) -> World:
        other = World(list(self.store.dump()), self.store.version, self.now_s)
        other.written, other.unseen, other.late = list(self.written), dict(self.unseen), self.late
        return other

    @property
    def deployment(self) -> Object:
        return self.store.list(DEPLOYMENTS)[0]

    def sets(self) -> list[Object]:
        """The newest last."""
        found = self.store.list(REPLICASETS)
        return sorted(found, key=lambda rs: int(rs["metadata"]["annotations"][REVISION]))

    def change_image(self, image: str) -> None:
        live = self.deployment
        new = copy.deepcopy(live)
        new["spec"]["template"]["spec"]["containers"][0]["image"] = image
        self.api.system_update(DEPLOYMENTS, live, new, "test")
        self.written.clear()

    def feed(self, split: tuple[tuple[int, int], ...]) -> None:
        """(pods, available pods) of each ReplicaSet, as its own controller would count them."""
        for rs, (pods, available) in zip(self.sets(), split, strict=True):
            counts = {"replicas": pods, "readyReplicas": available, "availableReplicas": available}
            status = {k: v for k, v in counts.items() if v} | {"replicas": pods}
            self.api.system_status(REPLICASETS, rs, status, "test")

    def _sizes(self) -> dict[str, int]:
        return {rs["metadata"]["name"]: rs["spec"]["replicas"] for rs in self.sets()}

    def _resize(self, sizes: dict[str, int]) -> None:
        for rs in self.sets():
            size = sizes.get(rs["metadata"]["name"], rs["spec"]["replicas"])
            self.store.put(REPLICASETS, rs | {"spec": rs["spec"] | {"replicas": size}})

    def reconcile(self, *, late: bool = False) -> None:
        """One step. late: it sees the ReplicaSets as they were before the last one scaled them."""
        true, shown = self._sizes(), dict(self.unseen) if late else {}
        self._resize(shown)
        before = self._sizes()
        meta = self.deployment["metadata"]
        self.controller.reconcile((meta["namespace"], meta["name"]))
        after = self._sizes()
        self._resize({name: true[name] for name, size in shown.items() if after[name] == size})
        self.unseen = {name: size for name, size in before.items() if after[name] != size}

    def key(self) -> tuple[Any, ...]:
        rows = tuple((rs["spec"]["replicas"], json.dumps(rs.get("status"), sort_keys=True)) for rs in self.sets())
        return (
            rows,
            tuple(self.written),
            tuple(self.unseen.items()),
            json.dumps(self.deployment.get("status"), sort_keys=True),
        )


def _splits(world: World, event: Object) -> Iterator[tuple[tuple[int, int], ...]]:
    """Every way to share the recorded pods among the ReplicaSets; the newest has the updated ones."""
    status, sets = event["status"], world.sets()
    image = sets[-1]["spec"]["template"]["spec"]["containers"][0]["image"] if sets else ""
    if image != event["image"]:
        return  # the ReplicaSet of this template is not there yet, and no input is needed to make it
    total, updated = status.get("replicas", 0), status.get("updatedReplicas", 0)
    available = status.get("availableReplicas", 0)
    olds = len(sets) - 1
    for rest in itertools.product(range(total - updated + 1), repeat=max(olds - 1, 0)):
        if sum(rest) > total - updated or (olds == 0 and total != updated):
            continue
        pods = (*rest, total - updated - sum(rest)) if olds else ()
        pods = (*pods, updated)
        if any(p > _most(rs) + 1 for p, rs in zip(pods[:-1], sets[:-1], strict=True)):
            continue
        for share in itertools.product(*(range(min(p, available) + 1) for p in pods)):
            bad = [n for n, rs in zip(share, sets, strict=True) if "bad" in json.dumps(rs["spec"]["template"])]
            if sum(share) == available and not any(bad):
                yield tuple(zip(pods, share, strict=True))


def _most(rs: Object) -> int:
    """As many pods as an old one is to have, or had and has not yet lost; one more may just be coming."""
    return max(rs["spec"]["replicas"], (rs.get("status") or {}).get("replicas", 0))


def _after(world: World, event: Object) -> Iterator[World]:
    """The worlds in which our controller has just said what was recorded."""
    wanted = _said(event["status"], event["revision"])
    if wanted in world.written:
        later = world.fork()
        later.written = world.written[world.written.index(wanted) + 1 :]
        yield later
    inputs = (None, *_splits(world, event))
    for split, late in itertools.product(inputs, (False, True) if world.unseen and world.late else (False,)):
        trial = world.fork()
        trial.written.clear()
        if split is not None:
            trial.feed(split)
        for step in range(3):
            trial.written.clear()
            trial.reconcile(late=late and step == 0)
            trial.late = world.late - late
            if wanted in trial.written:
                later = trial.fork()
                later.written = trial.written[trial.written.index(wanted) + 1 :]
                yield later
            elif not trial.written:
                break


def _moment(event: Object, before_s: float) -> float:
    times = [seconds_of(c["lastUpdateTime"][:19] + "Z") for c in event["status"].get("conditions") or ()]
    return max([before_s, *times])


def explained(rows: list[Object], surge: int, unavailable: int, late: int) -> int:
    """How many of the recorded events our controller can say in order, with these limits. late: how often it may see
    its ReplicaSets late."""
    first = rows[0]
    worlds = [World.begin(first["name"], first["spec_replicas"], surge, unavailable, _moment(rows[1], 0.0))]
    worlds[0].late = late
    for index, (before, event) in enumerate(itertools.pairwise(rows), start=1):
        if event["generation"] > before["generation"]:
            for world in worlds:
                world.change_image(event["image"])
            continue
        found: dict[tuple[Any, ...], World] = {}
        for world in worlds:
            world.now_s = _moment(event, world.now_s)
            for later in _after(world, event):
                found.setdefault(later.key(), later)
        if not found:
            return index
        worlds = list(found.values())
    return len(rows)


def _best(case: str, limits: tuple[int, int], most_late: int = MOST_LATE) -> tuple[int, int]:
    """(events explained, events recorded), with as few late views as are needed."""
    rows = _events()[case]

    async def search() -> int:
        done = 0
        for late in range(most_late + 1):
            done = max(done, explained(rows, *limits, late))
            if done == len(rows):
                break
        return done

    return asyncio.run(search()), len(rows)


@pytest.mark.parametrize("case", sorted(INFERRED))
def test_every_recorded_status_is_said_by_our_controller_in_order(case: str) -> None:
    done, recorded = _best(case, INFERRED[case])
    assert done == recorded, _events()[case][min(done, recorded - 1)]


@pytest.mark.parametrize(("case", "other"), [("a", (1, 0)), ("b", (0, 1)), ("c", (1, 0)), ("d", (2, 1)), ("f", (0, 3))])
def test_other_limits_do_not_explain_the_recording(case: str, other: tuple[int, int]) -> None:
    done, recorded = _best(case, other)
    assert done < recorded


def test_a_controller_that_forgets_its_lower_bound_does_not_explain_it(monkeypatch: pytest.MonkeyPatch) -> None:
    def all_at_once(new: Replicas, old: Sequence[Replicas], limit: Limits) -> dict[str, int]:
        return {r.name: 0 for r in old if r.wanted}

    monkeypatch.setattr(rollout, "scale_down_old", all_at_once)
    done, recorded = _best("d", INFERRED["d"])
    assert done < recorded
