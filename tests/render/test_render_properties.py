"""Laws of rendering: whatever a valid spec says, names are valid, objects validate, and nothing can be injected."""

from __future__ import annotations

import re
import shlex

import kubernetes_validate
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from model.spec.app import Application
from model.spec.fleet import Fleet, Site
from orchestrator.render import (
    render_dependencies,
    render_namespace,
    render_service,
    render_user_data,
    site_label,
    zone_suffix,
)
from orchestrator.render.user_data import systemd_word

DNS_1123 = re.compile(r"[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?")
LABEL_VALUE = re.compile(r"([A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?)?")

names = st.from_regex(r"[a-z]([-a-z0-9]{0,38}[a-z0-9])?", fullmatch=True)
port_names = st.from_regex(r"[a-z]([a-z0-9]{0,13}[a-z0-9])?", fullmatch=True)
texts = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=30)
zones = st.from_regex(r"[A-Za-z0-9-]{1,80}", fullmatch=True)


@st.composite
def services(draw: st.DrawFn, name: str, callees: list[str]) -> dict:
    ports = draw(
        st.lists(
            st.tuples(port_names, st.integers(1, 65535), st.booleans()),
            max_size=3,
            unique_by=(lambda p: p[0], lambda p: p[1]),
        )
    )
    probes: dict = {"readiness": None}
    if ports and draw(st.booleans()):
        probes = {"readiness": {"port": ports[0][0], "period": f"{draw(st.integers(0, 90_000))}ms"}}
    return {
        "name": name,
        "image": "registry.example/x:1",
        "resources": {
            "cpu": f"{draw(st.integers(1, 64_000))}m",
            "memory": f"{draw(st.integers(1, 2**22))}Mi",
            "gpu": draw(st.integers(0, 2)),
        },
        "ports": [{"name": n, "port": p, "public": pub} for n, p, pub in ports],
        "env": draw(st.dictionaries(st.from_regex(r"[A-Z_][A-Z0-9_]{0,10}", fullmatch=True), texts, max_size=3)),
        "depends_on": [{"name": c} for c in callees],
        "data_class": "internal",
        "zones": ["any"],
        "probes": probes,
        "annotations": draw(st.dictionaries(st.just("example.com/note"), texts, max_size=1)),
    }


@st.composite
def worlds(draw: st.DrawFn) -> tuple[Application, Fleet, dict[str, dict[str, int]]]:
    chosen = [n for n in draw(st.lists(names, min_size=1, max_size=4, unique=True)) if not n.endswith("-public")]
    chosen = chosen or ["a"]
    specs = [draw(services(n, chosen[i + 1 :])) for i, n in enumerate(chosen)]
    app = Application.model_validate(
        {
            "apiVersion": "duoyun.dev/v1",
            "kind": "Application",
            "metadata": {"name": draw(names.filter(lambda n: n not in ("default",) and not n.startswith("kube-")))},
            "spec": {"services": specs},
        }
    )
    regions = [
        {
            "account": "a",
            "region": f"region-{r}",
            "zones": [{"zone": z} for z in draw(st.lists(zones, min_size=1, max_size=2, unique=True))],
            "country": "CN",
            "network": {"cidr": "10.0.0.0/16"},
            "cluster": {"name": draw(names)},
            "gateway": {"address": draw(st.sampled_from(["10.9.0.1", "fd00::1", "gw.example.com"]))},
        }
        for r in range(2)
    ]
    fleet = Fleet.model_validate(
        {
            "apiVersion": "duoyun.dev/v1",
            "kind": "Fleet",
            "metadata": {"name": "f"},
            "spec": {
                "accounts": [{"name": "a", "partition": "aws-cn", "account_id": "1"}],
                "regions": regions,
                "links": [{"between": ["aws-cn/region-0", "aws-cn/region-1"]}],
            },
        }
    )
    sites = [s.id for s in fleet.sites()]
    counts = st.dictionaries(st.sampled_from(sites), st.integers(1, 5), min_size=1)
    return app, fleet, {n: draw(counts) for n in chosen}


@settings(max_examples=12, deadline=None, suppress_health_check=list(HealthCheck))
@given(worlds())
def test_all_objects_are_valid_and_have_different_valid_names(
    world: tuple[Application, Fleet, dict[str, dict[str, int]]],
) -> None:
    app, fleet, placement = world
    for region in fleet.spec.regions:
        sites = [s for s in fleet.sites() if s.region is region]
        assert region.cluster is not None
        objects = [render_namespace(app, region.cluster.name)]
        for service in app.spec.services:
            objects += render_service(app, service, placement[service.name], sites)
        objects += render_dependencies(app, fleet, placement, sites)
        assert len({o.name for o in objects}) == len(objects)
        for resource in objects:
            manifest = dict(resource.manifest)
            assert DNS_1123.fullmatch(manifest["metadata"]["name"])
            for value in manifest["metadata"]["labels"].values():
                assert LABEL_VALUE.fullmatch(value)
            kubernetes_validate.validate(manifest, "1.35", strict=True)
        for service in app.spec.services:
            deployments = [
                o.manifest
                for o in objects
                if o.manifest["kind"] == "Deployment"
                and o.manifest["metadata"]["labels"]["app.kubernetes.io/name"] == service.name
            ]
            wanted = {site_label(s.id): n for s in sites if (n := placement[service.name].get(s.id, 0))}
            assert {
                d["spec"]["template"]["spec"]["nodeSelector"]["duoyun.dev/site"]: d["spec"]["replicas"]
                for d in deployments
            } == wanted


@given(st.lists(st.tuples(st.from_regex(r"[a-z0-9-]{1,70}", fullmatch=True), zones), unique=True, max_size=6))
def test_site_labels_are_valid_and_tell_sites_apart(pairs: list[tuple[str, str]]) -> None:
    labels = [site_label(f"{partition}/{zone}") for partition, zone in pairs]
    assert len(set(labels)) == len(labels)
    assert all(label and LABEL_VALUE.fullmatch(label) for label in labels)


def test_a_zone_suffix_is_what_follows_the_region(fleet: Fleet) -> None:
    assert [zone_suffix(s) for s in fleet.sites()] == ["a", "b", "h"]


def _systemd_split(line: str) -> list[str]:
    """Reads words back as systemd.service(5) and systemd.syntax(7) say, for what systemd_word writes."""
    escapes = {"n": "\n", "t": "\t", "r": "\r", "\\": "\\", '"': '"'}
    words: list[str] = []
    for raw in re.findall(r'"(?:[^"\\]|\\.)*"|[^ ]+', line):
        inner = raw[1:-1] if raw.startswith('"') else raw
        out = re.sub(
            r"\\(x[0-9a-f]{2}|.)", lambda m: chr(int(m[1][1:], 16)) if len(m[1]) == 3 else escapes[m[1]], inner
        )
        words.append(out.replace("%%", "%").replace("$$", "$"))
    return words


@given(st.lists(texts, max_size=5))
def test_words_of_a_command_line_survive_systemd_and_stay_on_one_line(words: list[str]) -> None:
    line = " ".join(systemd_word(w) for w in words)
    assert _systemd_split(line) == words
    assert "\n" not in line
    assert not re.search(r"(?<!%)%(%%)*(?!%)", line)


@settings(max_examples=50, deadline=None)
@given(value=texts, note=texts)
def test_no_value_can_add_words_or_lines_to_a_unit(app: Application, fleet: Fleet, value: str, note: str) -> None:
    site: Site = next(fleet.sites())
    legacy = app.service("legacy").model_copy(update={"env": {"X": value}, "annotations": {"example.com/n": note}})
    document = yaml.safe_load(render_user_data(app, legacy, 0, site))
    (unit,) = [f["content"] for f in document["write_files"] if f["path"].endswith("shop-legacy.service")]
    starts = [line for line in unit.split("\n") if line.startswith("ExecStart=")]
    assert len(starts) == 1
    assert len(unit.split("\n")) == 18
    words = _systemd_split(starts[0].removeprefix("ExecStart="))
    assert words[-1] == legacy.image
    assert words[words.index("--annotation") + 1] == f"example.com/n={note}"
    assert f"X={value}" in words
    assert len(shlex.split(starts[0])) == len(words)
