"""Spot machines, local disks, architectures and the headroom of a zone: from the spec to the problem and the pod."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

import pytest

from model.errors import InvalidInput
from model.plan import PoolChoice, Terms
from model.resources import LABEL_CAPACITY, SPOT_TAINT, Capacity, NodePool
from model.spec.load import Spec, load_documents
from orchestrator.desired import desired_items
from orchestrator.machines import machine_of, offer_name
from orchestrator.placing import build_problem, place, solved_or_error
from orchestrator.render.pod import pod_template
from orchestrator.spec_lines import Lines
from scheduler.infeasible import constraints_of, without
from scheduler.problem import Problem
from scheduler.sizes import room

APP = """\
apiVersion: duoyun.dev/v1
kind: Application
metadata: {name: shop}
spec:
  services:
    - name: web
      image: registry.example.com/shop/web:1.0.0
      replicas: 4
      resources: {cpu: 500m, memory: 512Mi}
      data_class: internal
      zones: [any]
    - name: worker
      image: registry.example.com/shop/worker:1.0.0
      replicas: 4
      resources: {cpu: 500m, memory: 512Mi, disk: DISK}
      data_class: internal
      zones: [any]
      architectures: ARCH
      placement: {max_spot_share: SHARE}
"""
FLEET = """\
apiVersion: duoyun.dev/v1
kind: Fleet
metadata: {name: shop}
spec:
  capacity: {survive_node_loss: false, rollout_headroom: false}
  accounts: [{name: aws, partition: aws, account_id: "111111111111", endpoint: sandbox}]
  regions:
    - account: aws
      region: ap-southeast-1
      country: SG
      instance_types: [c6i.large, m6g.large]
      zones:
        - zone: ap-southeast-1a
          subnet_cidr: 10.1.0.0/20
          node_headroom: 50%
        - zone: ap-southeast-1b
          subnet_cidr: 10.1.16.0/20
          existing_nodes: [{name: spot-1, cpu: 4000m, memory: 8Gi, disk: 100Gi, spot: true}]
      network: {ownership: own, cidr: 10.1.0.0/16}
      cluster: {ownership: own}
"""
ASSUMED = """\
apiVersion: duoyun.dev/v1
kind: Assumptions
metadata: {name: shop}
spec:
  date: "2026-01-01"
  prices:
    - {regions: [aws/ap-southeast-1], instance_type: c6i.large, price_per_hour: 0.1, spot_price_per_hour: 0.03,
       currency: USD, formula: told by sales}
    - {regions: [aws/ap-southeast-1], instance_type: m6g.large, price_per_hour: 0.02, currency: USD, formula: so too}
"""


def spec(disk: str = "", arch: str = "[amd64]", share: str = "0", fleet: str = FLEET) -> Spec:
    app = APP.replace("disk: DISK", f"disk: {disk}") if disk else APP.replace(", disk: DISK", "")
    app = app.replace("ARCH", arch).replace("SHARE", share)
    return load_documents([("app.yaml", app), ("fleet.yaml", fleet), ("assumed.yaml", ASSUMED)])


def problem_of(given: Spec) -> Problem:
    return build_problem(given.app, given.fleet, given.assumptions)


def test_the_words_reach_the_problem() -> None:
    problem = problem_of(spec("20Gi", "[amd64, arm64]", "50%"))
    worker = problem.service_by_name["worker"]
    assert (worker.disk_gib, worker.max_spot_share, worker.architectures) == (20, 0.5, ("amd64", "arm64"))
    assert problem.service_by_name["web"].max_spot_share == 0
    types = {t.name: t for t in problem.site_by_id["aws/ap-southeast-1b"].types}
    assert types["c6i.large (spot)"].spot and types["c6i.large (spot)"].price_per_hour == pytest.approx(0.03)
    assert not types["c6i.large"].spot and types["m6g.large"].arch == "arm64"
    node = types["node spot-1"]
    assert node.spot and node.disk_gib == 100 and node.bare


def test_no_spot_machine_is_offered_where_none_may_carry_anything() -> None:
    assert not any(t.spot and not t.bare for s in problem_of(spec()).sites for t in s.types)


def test_the_headroom_of_a_zone_is_its_own_and_can_be_given_up() -> None:
    given = spec()
    problem = problem_of(given)
    a, b = (next(t for t in problem.site_by_id[f"aws/ap-southeast-1{z}"].types if t.name == "c6i.large") for z in "ab")
    assert room(problem, a)[0] == room(problem, b)[0] // 2
    (conflict,) = [c for c in constraints_of(problem) if c.kind == "node_headroom"]
    assert conflict.subject == "aws/ap-southeast-1a" and "50%" in conflict.words
    relaxed = without(problem, [conflict]).site_by_id["aws/ap-southeast-1a"].types
    assert all(not t.headroom for t in relaxed)
    position = Lines(given.app, given.fleet, given.documents).of(conflict)
    assert "node_headroom" in FLEET.splitlines()[int(position.rsplit(":", 2)[1]) - 1]


def test_spot_machines_carry_no_more_than_their_share() -> None:
    given = spec(share="50%", fleet=FLEET.replace("existing_nodes:", "# existing_nodes:"))
    solved = solved_or_error(problem_of(given))
    on_spot = [load for load in solved.packing if load.instance_type.endswith("(spot)")]
    assert on_spot and all("web" not in load.pods for load in on_spot)
    assert sum(load.pods["worker"] for load in on_spot) <= 2
    placement = place(given.app, given.fleet, given.assumptions)
    found = {s.service: s.on_spot for s in placement.services}
    certified: Counter[str] = Counter()
    for load in on_spot:
        certified[load.site] += load.pods["worker"]
    assert found == {"web": {}, "worker": dict(certified)}
    pools = {(p.site, p.count) for p in placement.pools if p.terms is Terms.SPOT}
    assert pools == {(load.site, 1) for load in on_spot}


def test_what_a_replay_would_leave_pending_is_said_with_the_placement(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        "orchestrator.placing.solved_or_error", lambda *a: replace(solved_or_error(*a), warnings=("w",))
    )
    given = spec(fleet=FLEET.replace("existing_nodes:", "# existing_nodes:"))
    assert place(given.app, given.fleet, given.assumptions).warnings == ("w",)


def node_pools(given: Spec) -> dict[str, NodePool]:
    placement = place(given.app, given.fleet, given.assumptions)
    items = desired_items(given.app, given.fleet, placement)
    return {i.address.name: i.resource for i in items if isinstance(i.resource, NodePool)}


def test_a_spot_pool_is_made_beside_the_others_and_tainted() -> None:
    """Of the same type in the same zone, so that its name must tell."""
    found = node_pools(spec(share="50%", fleet=FLEET.replace("existing_nodes:", "# existing_nodes:")))
    spot = {n: p for n, p in found.items() if n.endswith("-spot")}
    assert spot and len(spot) < len(found)
    for name, pool in found.items():
        assert (pool.capacity, pool.taints, pool.labels.get(LABEL_CAPACITY)) == (
            (Capacity.SPOT, (SPOT_TAINT,), "spot") if name in spot else (Capacity.ON_DEMAND, (), None)
        )
    for name, pool in spot.items():
        assert pool.instance_type == found.get(name.removesuffix("-spot"), pool).instance_type


def test_where_all_nodes_are_spot_machines_nothing_keeps_the_clusters_own_pods_away() -> None:
    """Nothing needs to be kept off them, and what resolves names must be somewhere."""
    all_spot = APP.replace(
        "zones: [any]\n    - name", "zones: [any]\n      placement: {max_spot_share: 100%}\n    - name"
    )
    app = all_spot.replace(", disk: DISK", "").replace("ARCH", "[amd64]").replace("SHARE", "100%")
    fleet = FLEET.replace("existing_nodes:", "# existing_nodes:")
    given = load_documents([("app.yaml", app), ("fleet.yaml", fleet), ("assumed.yaml", ASSUMED)])
    found = node_pools(given)
    assert {(p.capacity, p.taints) for p in found.values()} == {(Capacity.SPOT, ())}


def test_pools_for_local_disks_are_refused() -> None:
    given = spec("20Gi", fleet=FLEET.replace("instance_types: [c6i.large, m6g.large]", "instance_types: [m5d.large]"))
    with pytest.raises(InvalidInput) as told:
        place(given.app, given.fleet, given.assumptions)
    assert "without setting up the local disks" in told.value.diagnostics[0].what


def test_local_disk_is_found_on_a_node_that_has_it() -> None:
    given = spec("20Gi", share="100%")
    placement = place(given.app, given.fleet, given.assumptions)
    (row,) = [s for s in placement.services if s.service == "worker"]
    assert set(row.replicas) == {"aws/ap-southeast-1b"}
    assert any(p.terms is Terms.EXISTING for p in placement.pools)


def test_a_spot_pool_keeps_its_terms_there_and_back() -> None:
    pool = PoolChoice(
        site="aws/ap-southeast-1a",
        instance_type="c6i.large (spot)",
        count=2,
        price_per_hour=0.03,
        assumed_price=True,
        vcpu=2,
        allocatable_cpu_millicores=1900,
        allocatable_memory_mib=3000,
    )
    told = machine_of(pool)
    assert (told.instance_type, told.terms) == ("c6i.large", Terms.SPOT)
    assert offer_name(told) == pool.instance_type


@pytest.mark.parametrize(
    ("arch", "wanted"),
    [
        ("[amd64]", {"web": None, "worker": None}),
        ("[amd64, arm64]", {"web": "amd64", "worker": None}),
        ("[arm64]", {"web": "amd64", "worker": "arm64"}),
    ],
)
def test_a_pod_goes_to_nodes_that_its_image_exists_for(arch: str, wanted: dict[str, str | None]) -> None:
    given = spec("20Gi", arch)
    site = next(iter(given.fleet.sites()))
    for name, architecture in wanted.items():
        pod = pod_template(given.app, given.app.service(name), site, "registry.example.com/x@sha256:" + "0" * 64)
        assert pod["spec"]["nodeSelector"].get("kubernetes.io/arch") == architecture
        requests = pod["spec"]["containers"][0]["resources"]["requests"]
        assert requests.get("ephemeral-storage") == ("20Gi" if name == "worker" else None)
