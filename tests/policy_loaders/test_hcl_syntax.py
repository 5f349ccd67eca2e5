"""Broken HCL is told with file:line:column and a mend; what is sound keeps its lines."""

from __future__ import annotations

import pytest

from policies.loaders.hcl.syntax import MAX_DEPTH, parse


@pytest.mark.parametrize(
    ("text", "position", "says"),
    [
        ('resource "aws_vpc" "a" {\n  cidr_block = "x"\n', "main.tf:3:1", "missing"),
        ('resource "aws_vpc" "a" {\n  a = 1\n  a = 2\n}\n', "main.tf:3:3", "set twice, first on line 2"),
        ('x {\n  a = "\\q"\n}\n', "main.tf:2:8", "is not HCL"),
        ('x {\n  a = "${b}\\q"\n}\n', "main.tf:2:", ""),
        ('x {\n  a = "abc\n}\ny {\n  b = "c"\n}\n', "main.tf:2:7", "no closing quote"),
        ("x {\n  a = 1\n  foo bar\n}\n", "main.tf:3:7", "`bar` is not HCL"),
        ("x {\n  a = = 1\n}\n", "main.tf:2:7", "is not HCL"),
        ("x {\n  a = [1, 2\n}\n", "main.tf:", ""),
        ("x {\n  a = " + "[" * (MAX_DEPTH + 5) + "]" * (MAX_DEPTH + 5) + "\n}\n", "main.tf:2:", "deep in one another"),
        ("b {\n" * (MAX_DEPTH + 5) + "}\n" * (MAX_DEPTH + 5), "main.tf:", "deep in one another"),
    ],
)
def test_a_mistake_has_its_place_and_a_mend(text: str, position: str, says: str) -> None:
    _, mistakes = parse(text.encode(), "main.tf")
    assert mistakes
    assert mistakes[0].position.startswith(position)
    assert says in mistakes[0].what
    assert mistakes[0].mend


def test_text_that_is_not_utf8_is_a_mistake_at_its_place() -> None:
    _, mistakes = parse(b'a {\n  b = "\xff"\n}\n', "main.tf")
    assert [m.position for m in mistakes] == ["main.tf:2:8"]


def test_every_mistake_of_a_file_is_told_at_once() -> None:
    _, mistakes = parse(b"a {\n b = 1\n b = 2\n c = 1\n c = 3\n}\n", "main.tf")
    assert [m.position for m in mistakes] == ["main.tf:3:2", "main.tf:5:2"]


def test_lines_of_attributes_and_blocks() -> None:
    body, mistakes = parse(b'# first\nresource "t" "n" {\n  a = 1\n\n  inner {\n    b = 2\n  }\n}\n', "main.tf")
    assert not mistakes
    block = body.blocks[0]
    assert (block.type, block.labels, block.line) == ("resource", ("t", "n"), 2)
    assert block.body.attributes["a"].line == 3
    assert block.body.blocks[0].line == 5
    assert block.body.blocks[0].body.attributes["b"].line == 6


def test_a_byte_order_mark_is_no_mistake() -> None:
    body, mistakes = parse(b'\xef\xbb\xbfvariable "a" {}\n', "main.tf")
    assert not mistakes
    assert body.blocks[0].labels == ("a",)
