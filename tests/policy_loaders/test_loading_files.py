"""Paths and streams: manifests, specs, our own plans; what is unreadable is a mistake, what is passed by is noted."""

from __future__ import annotations

from pathlib import Path

import pytest

from policies.loaders import Stream, load
from policies.loaders.limits import Limits
from tests.policy_loaders.conftest import TABLES, LoadFiles, by_address

_POD = "apiVersion: v1\nkind: Pod\nmetadata:\n  name: {name}\n  namespace: shop\n"
_POD += "spec:\n  containers:\n  - name: app\n    image: a:1\n"
_ROOT = Path(__file__).parents[2]


def test_manifests_of_one_stream(load_files: LoadFiles) -> None:
    text = _POD.format(name="a") + "---\n" + _POD.format(name="b") + "---\n# empty\n"
    found = load([Stream("<stdin>", text.encode())], mapping=())
    assert [d["address"] for d in found.documents] == ["kubernetes/shop/Pod/a", "kubernetes/shop/Pod/b"]
    second = found.documents[1]
    assert (second["kind"], second["name"], second["position"]) == ("kubernetes_object", "-/shop/Pod/b", "<stdin>:11")
    assert second["manifest"]["spec"]["containers"][0]["image"] == "a:1"
    assert second["sources"]["manifest.spec.containers[0].image"]["position"] == "<stdin>:19"


def test_hundreds_of_documents_in_one_file_are_read() -> None:
    text = "---\n".join(_POD.format(name=f"p{i}") for i in range(200))
    assert len(load([Stream("<stdin>", text.encode())], mapping=()).documents) == 200


def test_items_of_a_list_are_objects_of_their_own() -> None:
    text = "apiVersion: v1\nkind: List\nitems:\n- apiVersion: v1\n  kind: Service\n  metadata: {name: s}\n"
    (document,) = load([Stream("x", text.encode())], mapping=()).documents
    assert (document["address"], document["position"]) == ("kubernetes/-/Service/s", "x:4")


def test_equal_addresses_of_two_files_are_told_apart(load_files: LoadFiles) -> None:
    found = load_files({"a.yaml": _POD.format(name="x"), "b.yaml": _POD.format(name="x")})
    assert [d["address"] for d in found.documents] == ["kubernetes/shop/Pod/x", "b.yaml//kubernetes/shop/Pod/x"]


def test_broken_yaml_has_its_place(load_files: LoadFiles) -> None:
    found = load_files({"a.yaml": "apiVersion: v1\nkind: [\n"}, "a.yaml")
    assert found.mistakes[0].position.startswith("a.yaml:")
    assert not found.documents


@pytest.mark.parametrize(
    ("name", "content", "says"),
    [
        ("a.tf", b"a\0b", "binary"),
        ("a.yaml", b"a: 1\n", "neither a manifest nor a spec"),
        ("a.yaml", b"", "no document"),
        ("a.yaml", b"\xff\xfe", "not UTF-8"),
        ("a.tf", b"x" * 3000, "more than"),
    ],
)
def test_a_named_file_that_cannot_be_read_is_a_mistake(
    load_files: LoadFiles, name: str, content: bytes, says: str
) -> None:
    found = load_files({name: content}, name, limits=Limits(file_bytes=2000))
    assert says in found.mistakes[0].what
    assert found.mistakes[0].mend


def test_a_path_that_is_not_there_is_a_mistake(load_files: LoadFiles) -> None:
    assert "cannot be read" in load_files({}, "nowhere.yaml").mistakes[0].what
    assert "cannot be read" in load_files({}, "nowhere.tf").mistakes[0].what


def test_an_empty_stream_is_a_mistake() -> None:
    assert "empty" in load([Stream("<stdin>", b"  \n")], mapping=()).mistakes[0].what


def test_the_limits_of_all_files_together(load_files: LoadFiles) -> None:
    files = {f"{i}.yaml": _POD.format(name=f"p{i}") for i in range(5)}
    assert any("not read" in m.what for m in load_files(files, limits=Limits(files=3)).mistakes)
    assert any("not read" in m.what for m in load_files(files, limits=Limits(total_bytes=200)).mistakes)


def test_a_folder_passes_by_what_is_clearly_something_else(load_files: LoadFiles) -> None:
    found = load_files(
        {"a.yaml": "name: workflow\n", "b.json": '{"a": 1}', ".git/x.yaml": "apiVersion: [", "notes.txt": "x"}
    )
    assert not found.mistakes
    assert not found.documents
    assert sorted(n.position for n in found.notes) == ["a.yaml", "b.json"]


def test_an_empty_folder_is_noted(load_files: LoadFiles) -> None:
    assert "nothing to judge" in load_files({}).notes[0].what


def test_charts_and_templates_are_unassessed(load_files: LoadFiles) -> None:
    files = {
        "chart/Chart.yaml": "name: x\n",
        "chart/templates/a.yaml": "apiVersion: v1\nkind: {{ .Values.kind }}\n",
        "loose.yaml": "apiVersion: v1\nkind: Pod\n{{- if .Values.x }}\na: b\n{{- end }}\n",
    }
    found = load_files(files)
    assert not found.mistakes
    assert [(u.address, u.reason) for u in found.unassessed] == [
        ("chart/templates", "unrendered"),
        ("loose.yaml", "unrendered"),
    ]


def test_terraforms_json_syntax_is_said_not_to_be_read(load_files: LoadFiles) -> None:
    assert [u.reason for u in load_files({"a.tf.json": "{}"}).unassessed] == ["unrendered"]


def test_links_that_lead_in_a_circle_end(load_files: LoadFiles, tmp_path: Path) -> None:
    (tmp_path / "loop").symlink_to(tmp_path, target_is_directory=True)
    assert len(load_files({"a.yaml": _POD.format(name="x")}).documents) == 1


def test_a_broken_terraform_file_does_not_hide_the_others(load_files: LoadFiles) -> None:
    found = load_files({"main.tf": 'resource "aws_vpc" "a" {}\n', "bad.tf": 'resource "aws_vpc" "b" {\n'})
    assert [m.position for m in found.mistakes] == ["bad.tf:2:1"]
    assert set(by_address(found)) == {"aws_vpc.a"}


def test_the_example_application_and_fleet() -> None:
    folder = _ROOT / "examples" / "miniprogram"
    found = load([folder / "app.yaml", folder / "fleet.yaml"], mapping=TABLES)
    assert not found.mistakes
    assert {"application", "fleet"} <= {d["kind"] for d in found.documents}
    application = next(d for d in found.documents if d["kind"] == "application")
    assert application["spec"]["services"]


def test_an_application_with_a_mistake_is_told_beside_its_fleet(load_files: LoadFiles) -> None:
    folder = _ROOT / "examples" / "miniprogram"
    app = (folder / "app.yaml").read_text().replace("replicas:", "replicaz:", 1)
    found = load_files({"app.yaml": app, "fleet.yaml": (folder / "fleet.yaml").read_text()}, "app.yaml", "fleet.yaml")
    assert any("replicaz" in str(m) for m in found.mistakes)
