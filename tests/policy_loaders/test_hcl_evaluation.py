"""Expressions, variables, repetition and modules; what is not known is UNKNOWN, and nothing vanishes."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from model.native import Pending, Values
from policies.loaders.hcl.folder import Folder, read_folder
from policies.loaders.hcl.gathered import Bounds
from policies.loaders.hcl.modules import evaluate


def values_of(text: str, **variables: Any) -> Values:
    """Values of `resource "t" "x"` in a module of that text."""
    folder = read_folder(".", {"main.tf": text.encode()})
    assert not folder.mistakes, folder.mistakes
    found = evaluate(folder, variables, lambda *_: None, Bounds())
    return next(n.values for n in found.natives if n.address == "t.x")


def value(expression: str, before: str = "", **variables: Any) -> Any:
    return values_of(f'{before}\nresource "t" "x" {{\n  v = {expression}\n}}\n', **variables).get("v")


@pytest.mark.parametrize(
    ("expression", "wanted"),
    [
        ('"a${1 + 1}b"', "a2b"),
        ('"${true}"', True),
        ('"a\\n\\"$${x}"', 'a\n"${x}'),
        ("1 + 2 * 3 == 7 && !false", True),
        ("false ? 1 : 2", 2),
        ('[for k, v in { a = 1, b = 2 } : "${k}${v}" if v > 1]', ["b2"]),
        ("{ for v in [1, 2, 1] : v => v... }", {"1": [1, 1], "2": [2]}),
        ("[{ a = 1 }, { a = 2 }][*].a", [1, 2]),
        ('{ a = { "b" : [5] } }.a["b"][0]', 5),
        ('merge({ a = 1 }, { b = 2 })["b"]', 2),
        ('try(local.l.nope, "x")', "x"),
        ('lookup({ a = 1 }, "b", 9)', 9),
        ('join(",", sort(["b", "a"]))', "a,b"),
        ('cidrsubnet("10.0.0.0/8", 8, 2)', "10.2.0.0/16"),
        ('cidrhost("10.0.0.0/24", -1)', "10.0.0.255"),
        ('format("%s-%03d", "a", 7)', "a-007"),
        ('replace("a-b", "/(a)-(b)/", "$2$1")', "ba"),
        ('element(["a", "b"], 3)', "b"),
        ("flatten([[1], [2, [3]]])", [1, 2, 3]),
        ('setproduct(["a"], [1, 2])', [["a", 1], ["a", 2]]),
        ('jsondecode("{\\"a\\": [1]}").a[0]', 1),
        ('yamldecode("a: [no, 8.0, 1]\\nb: 012")', {"a": ["no", 8.0, 1], "b": 12}),
        ('csvdecode("port,cidr\\n22,0.0.0.0/0\\n")', [{"port": "22", "cidr": "0.0.0.0/0"}]),
        ('base64encode("hi")', "aGk="),
        ("local.l.a.b", 3),
        ("<<-X\n    a\n      b\n  X\n", "a\n  b\n"),
        ("sum([1, 2.5])", 3.5),
        ("range(3)", [0, 1, 2]),
        ("null", None),
    ],
)
def test_expressions(expression: str, wanted: Any) -> None:
    assert value(expression, "locals {\n  l = { a = { b = 3 } }\n}\n") == wanted


@pytest.mark.parametrize(
    "expression",
    [
        "var.nope",
        "timestamp()",
        "nosuchfunction(1)",
        "1 / 0",
        "each.key",
        "range(1000000000)",
        "var.nope ? 1 : 2",
        "data.aws_region.current.name",
        "[for v in var.nope : v]",
        "{ a = 1 }.b",
        'tonumber("x")',
    ],
)
def test_what_is_not_known_is_pending_and_says_why(expression: str) -> None:
    found = value(expression)
    assert isinstance(found, Pending)
    assert found.why


def test_a_template_keeps_what_is_known() -> None:
    found = value('"arn:${t.y.arn}/*"', 'resource "t" "y" {}')
    assert isinstance(found, Pending)
    assert (found.text, found.partial, found.ref) == ("arn:${t.y.arn}/*", True, "t.y")


def test_a_condition_with_equal_sides_is_known() -> None:
    assert value('var.nope ? "a" : "a"') == "a"
    assert value("var.nope && false") is False
    assert value("true || var.nope") is True


def test_values_of_other_resources_are_read_and_remember_where_they_are_from() -> None:
    found = value("t.y.name", 'resource "t" "y" {\n  name = "n"\n}\n')
    assert found == "n"
    assert found.ref == "t.y"
    assert value("t.y.id", 'resource "t" "y" {}').ref == "t.y"


def test_locals_that_double_one_another_stop() -> None:
    text = 'locals {\n  a0 = "xxxxxxxxxx"\n' + "".join(
        f'  a{i} = "${{local.a{i - 1}}}${{local.a{i - 1}}}"\n' for i in range(1, 40)
    )
    assert isinstance(value("local.a39", text + "}\n"), Pending)


def test_locals_in_a_circle_are_a_mistake() -> None:
    folder = read_folder(
        ".", {"main.tf": b'locals {\n  a = local.b\n  b = local.a\n}\nresource "t" "x" {\n  v = local.a\n}\n'}
    )
    found = evaluate(folder, {}, lambda *_: None, Bounds())
    assert any("refers to itself" in m.what for m in found.mistakes)


def test_an_optional_attribute_has_its_default() -> None:
    before = 'variable "v" {\n  type = map(object({ port = number, cidr = optional(string, "10.0.0.0/8") }))\n}\n'
    assert value("var.v.a.cidr", before, v={"a": {"port": 1}}) == "10.0.0.0/8"
    assert value("var.v.a.cidr", before, v={"a": {"port": 1, "cidr": "::/0"}}) == "::/0"


def test_dynamic_blocks_stand_beside_static_ones_in_every_instance() -> None:
    text = """
resource "t" "x" {
  count = 2
  rule { port = 22 }
  dynamic "rule" {
    for_each = toset([80, 443])
    iterator = it
    content { port = it.value }
  }
}
"""
    found = evaluate(read_folder(".", {"main.tf": text.encode()}), {}, lambda *_: None, Bounds())
    assert [n.address for n in found.natives] == ["t.x[0]", "t.x[1]"]
    for native in found.natives:
        assert sorted(r["port"] for r in native.values["rule"]) == [22, 80, 443]


def test_what_is_repeated_an_unknown_number_of_times_stands_once() -> None:
    text = """
variable "n" {}
resource "t" "count" { count = var.n }
resource "t" "each" { for_each = data.d.x.names }
resource "t" "x" {
  dynamic "rule" {
    for_each = var.n
    content { port = rule.value }
  }
}
"""
    found = evaluate(read_folder(".", {"main.tf": text.encode()}), {}, lambda *_: None, Bounds())
    assert {n.address for n in found.natives} == {"t.count", "t.each", "t.x"}
    assert sorted(u.address for u in found.unassessed) == ["t.count", "t.each"]
    assert isinstance(found.natives[-1].values["rule"][0]["port"], Pending)


def test_blocks_of_an_unknown_number_are_told_with_the_reason() -> None:
    text = 'resource "t" "x" {\n  dynamic "rule" {\n    for_each = yamldecode("a: [")\n    content {}\n  }\n}\n'
    found = evaluate(read_folder(".", {"main.tf": text.encode()}), {}, lambda *_: None, Bounds())
    ((position, what),) = [(n.position, n.what) for n in found.notes]
    assert position == "main.tf:3"
    assert "how many `rule` blocks there are is not known" in what and "yamldecode cannot be computed" in what


def test_zero_instances_are_none_and_keys_are_in_the_address() -> None:
    text = 'resource "t" "none" {\n  count = 0\n}\n'
    text += 'resource "t" "x" {\n  for_each = { a = 1 }\n  v = "${each.key}${each.value}"\n}\n'
    found = evaluate(read_folder(".", {"main.tf": text.encode()}), {}, lambda *_: None, Bounds())
    assert [(n.address, n.values["v"]) for n in found.natives] == [('t.x["a"]', "a1")]


def test_too_many_instances_are_a_mistake() -> None:
    folder = read_folder(".", {"main.tf": b'resource "t" "x" {\n  count = 50\n}\n'})
    assert "more than 10" in evaluate(folder, {}, lambda *_: None, Bounds(instances=10)).mistakes[0].what
    assert "more than 20" in evaluate(folder, {}, lambda *_: None, Bounds(total=20)).mistakes[0].what


def folders(**texts: str) -> dict[str, Folder]:
    return {name: read_folder(name, {f"{name}/main.tf": text.encode()}) for name, text in texts.items()}


def test_modules_take_inputs_and_give_outputs_whatever_their_order() -> None:
    known = folders(
        root='module "a" {\n  source = "./m"\n  v = module.b.out\n}\n'
        'module "b" {\n  source = "./m"\n  count = 1\n  v = "in"\n}\n',
        m='variable "v" {}\nresource "t" "x" {\n  v = var.v\n}\noutput "out" {\n  value = "${var.v}put"\n}\n',
    )
    found = evaluate(known["root"], {}, lambda *_: known["m"], Bounds())
    assert {n.address: n.values["v"] for n in found.natives} == {"module.a.t.x": "input", "module.b[0].t.x": "in"}
    assert found.natives[0].position == "m/main.tf:2"


def test_modules_in_a_circle_and_missing_ones_are_told() -> None:
    known = folders(root='module "a" {\n  source = "./root"\n}\nmodule "r" {\n  source = "corp/vpc/aws"\n}\n')
    found = evaluate(known["root"], {}, lambda s, *_: known.get(s[2:]), Bounds())
    assert "circle: root -> root" in found.mistakes[0].what
    assert [(u.address, u.reason, u.position) for u in found.unassessed] == [
        ("module.r", "missing_module", "root/main.tf:4")
    ]


def test_the_provider_is_found_through_aliases_and_modules() -> None:
    known = folders(
        root='provider "t" {\n  region = "a"\n}\nprovider "t" {\n  alias = "w"\n  region = "b"\n}\n'
        'resource "t_r" "one" {}\nresource "t_r" "two" {\n  provider = t.w\n}\n'
        'module "m" {\n  source = "./m"\n  providers = { t = t.w }\n}\n',
        m='resource "t_r" "x" {}\n',
    )
    found = evaluate(known["root"], {}, lambda *_: known["m"], Bounds())
    assert {n.address: n.provider["region"] for n in found.natives} == {
        "t_r.one": "a",
        "t_r.two": "b",
        "module.m.t_r.x": "b",
    }


def test_override_files_change_what_is_declared() -> None:
    files = {
        "main.tf": b'resource "t" "x" {\n  a = 1\n  b = 1\n}\n',
        "x_override.tf": b'resource "t" "x" {\n  b = 2\n}\n',
    }
    found = evaluate(read_folder(".", files), {}, lambda *_: None, Bounds())
    assert dict(found.natives[0].values) == {"a": 1, "b": 2}


_PLAIN = st.recursive(
    st.none() | st.booleans() | st.integers(-(10**9), 10**9) | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=12,
)


def written(value: Any) -> str:
    """Data as an HCL expression."""
    if isinstance(value, list):
        return "[" + ", ".join(map(written, value)) + "]"
    if isinstance(value, dict):
        return "{" + ", ".join(f"({quoted(k)}) = {written(v)}" for k, v in value.items()) + "}"
    return quoted(value) if isinstance(value, str) else json.dumps(value)


def quoted(text: str) -> str:
    out = "".join(c if " " <= c <= "~" and c not in '"\\' else f"\\U{ord(c):08x}" for c in text)
    return '"' + out.replace("${", "$${").replace("%{", "%%{") + '"'


@given(_PLAIN)
def test_data_written_as_hcl_reads_as_itself(data: Any) -> None:
    assert value(f"[{written(data)}]") == [data]


@given(_PLAIN)
def test_jsonencode_and_jsondecode_are_inverse(data: Any) -> None:
    assert value(f"jsondecode(jsonencode([{written(data)}]))") == [data]


@given(st.binary(max_size=300) | st.text(max_size=300).map(str.encode))
def test_no_text_makes_the_reader_fall_over(source: bytes) -> None:
    folder = read_folder(".", {"main.tf": source})
    evaluate(folder, {}, lambda *_: None, Bounds())
