"""Which lines a waiver written as a comment covers."""

from __future__ import annotations

import pytest

from policies.inline import inline_waivers

MARK = "duoyun:waive R-1 owner=o expires=2999-01-01 reason=r"


def covered(text: str) -> list[str]:
    """The lines of the text, without white space, that its one comment covers."""
    (waiver,), mistakes = inline_waivers("f", text)
    assert not mistakes
    assert waiver.lines is not None
    first, last = waiver.lines
    return [line.strip() for line in text.splitlines()[first - 1 : last] if MARK not in line]


HCL = f"""\
resource "a" "one" {{
  x = 1
}}

# {MARK}
resource "a" "two" {{
  x = "}}{{" # {{
  nested {{
    y = [
      1,
    ]
  }}
}}

resource "a" "three" {{
}}
"""


def test_a_comment_before_a_block_covers_that_block_alone() -> None:
    found = covered(HCL)
    assert found[0].startswith('resource "a" "two"')
    assert found[-1] == "}"
    assert len(found) == 8


def test_a_comment_within_a_block_covers_the_next_statement() -> None:
    text = f'resource "a" "b" {{\n  x = 1\n  // {MARK}\n  y = 2\n  z = 3\n}}\n'
    assert covered(text) == ["y = 2"]


def test_a_comment_behind_a_statement_covers_that_line_and_its_block() -> None:
    text = f'resource "a" "b" {{ # {MARK}\n  x = 1\n}}\ny = 2\n'
    (waiver,), _ = inline_waivers("f", text)
    assert waiver.lines == (1, 3)
    (waiver,), _ = inline_waivers("f", f"a: 1\nb: 2 # {MARK}\nc: 3\n")
    assert waiver.lines == (2, 2)


@pytest.mark.parametrize("between", ["", "\n", "# another comment\n"])
def test_a_comment_at_the_head_of_a_yaml_document_covers_the_document(between: str) -> None:
    text = f"a: 1\n---\n{between}# {MARK}\n{between}apiVersion: v1\nkind: Pod\nspec:\n  x: 1\n---\nb: 2\n"
    found = covered(text)
    assert found[-1] == "x: 1"
    assert "b: 2" not in found


def test_a_comment_in_yaml_covers_what_is_indented_below() -> None:
    text = f"a: 1\n# {MARK}\nspec:\n  x: 1\n\n  y: 2\nother: 3\n"
    assert covered(text) == ["spec:", "x: 1", "", "y: 2"]
    items = f"list:\n  # {MARK}\n  - name: a\n    x: 1\n  - name: b\n"
    assert covered(items) == ["- name: a", "x: 1"]
