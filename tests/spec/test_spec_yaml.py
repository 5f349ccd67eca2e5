"""Reading YAML: places, limits, and what is refused."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from model.spec.yaml_source import MAX_ALIASES, MAX_BYTES, MAX_DEPTH, read_documents


def plain(text: str) -> object:
    documents, mistakes = read_documents("f.yaml", text)
    assert not mistakes
    return [d.root.plain() for d in documents]


def refusal(text: str) -> str:
    _, mistakes = read_documents("f.yaml", text)
    assert len(mistakes) == 1, mistakes
    return str(mistakes[0])


def test_scalars_follow_yaml_1_2() -> None:
    text = "[NO, yes, off, 012, 0x1F, 0o17, 1.5, 1e3, 22:80, 2026-01-01, ~, null, true, 'true', '1', '', +3, 1_000]"
    assert plain(text) == [
        [
            "NO",
            "yes",
            "off",
            12,
            31,
            15,
            1.5,
            1000.0,
            "22:80",
            "2026-01-01",
            None,
            None,
            True,
            "true",
            "1",
            "",
            3,
            "1_000",
        ]
    ]


def test_bom_crlf_and_several_documents() -> None:
    assert plain("\ufeffa: 1\r\nb:\r\n  - 2\r\n---\r\nc: 3\r\n") == [{"a": 1, "b": [2]}, {"c": 3}]


def test_empty_documents_are_none() -> None:
    assert plain("") == []
    assert plain("# only a comment\n---\n---\na: 1\n") == [{"a": 1}]


def test_positions_of_values_and_keys() -> None:
    document = read_documents("f.yaml", "a:\n  - x: 1\n    y: {z: [10, 20]}\n")[0][0]
    assert document.position(("a", 0, "x")) == "f.yaml:2:8"
    assert document.position(("a", 0, "x"), of_key=True) == "f.yaml:2:5"
    assert document.position(("a", 0, "y")) == "f.yaml:3:5"
    assert document.position(("a", 0, "y", "z", 1)) == "f.yaml:3:17"
    assert document.position(("a", 0, "missing", "deeper")) == "f.yaml:2:5"
    assert document.position(()) == "f.yaml:1:1"


def test_anchors_and_merge_keys() -> None:
    text = "base: &b {x: 1, y: 2}\none: {<<: *b, y: 3}\ntwo: {<<: [*b, {z: 4}]}\nthree: *b\n"
    assert plain(text) == [
        {"base": {"x": 1, "y": 2}, "one": {"y": 3, "x": 1}, "two": {"x": 1, "y": 2, "z": 4}, "three": {"x": 1, "y": 2}}
    ]


def test_all_duplicate_keys_are_told_with_their_first_place() -> None:
    documents, mistakes = read_documents("f.yaml", "a: 1\nb: {c: 1, c: 2}\na: 3\n")
    assert [str(m) for m in mistakes] == [
        "f.yaml:2:11: the key `c` is here a second time (first in line 2) (keep one of them)",
        "f.yaml:3:1: the key `a` is here a second time (first in line 1) (keep one of them)",
    ]
    assert documents[0].root.plain() == {"a": 1, "b": {"c": 1}}


@pytest.mark.parametrize(
    ("text", "part"),
    [
        ("a: *nowhere", "has no `&nowhere` before it"),
        ("a: &a [*a]", "contains itself"),
        ("a: !!python/object/apply:os.system [x]", "is not allowed"),
        ("a: !secret x", "is not allowed"),
        ("a: !!int x", "does not fit its tag"),
        ("a:\n\t- b", "indent with spaces"),
        ("a: b: c", "in quotes"),
        ("a: 'open", "no valid YAML"),
        ("a: \x01", "a character that YAML does not allow"),
        ("a: .nan", "no finite number"),
        ("a: -.inf", "no finite number"),
        ("a: 1e999", "no finite number"),
        ("a: " + "9" * 5000, "a number of 5000 digits"),
        ("1: a", "is not text"),
        ("? [a]\n: b", "cannot be a key"),
        ("a: {<<: 3}", "takes a mapping"),
        ("[" * (MAX_DEPTH + 1) + "]" * (MAX_DEPTH + 1), "nested deeper"),
        ("[" * 100_000, "nested deeper"),
        ("---\na: 1\n" * 65, "more than 64 documents"),
        ("x" * (MAX_BYTES + 1), "larger than 8 MiB"),
        ("あ" * (MAX_BYTES // 2), "larger than 8 MiB"),
    ],
)
def test_refusals_say_where_and_what(text: str, part: str) -> None:
    told = refusal(text)
    assert told.startswith("f.yaml:")
    assert part in told


def test_yaml_bomb_is_refused_quickly() -> None:
    lines = ["a0: &a0 [" + ",".join("x" * 10) + "]"]
    lines += [f"a{i}: &a{i} [" + ",".join([f"*a{i - 1}"] * 10) + "]" for i in range(1, 12)]
    assert "once aliases are expanded" in refusal("\n".join(lines))


def test_too_many_aliases_are_refused() -> None:
    assert "aliases" in refusal("a: &a 1\nb: [" + ",".join(["*a"] * (MAX_ALIASES + 1)) + "]")


def test_documents_before_a_syntax_error_are_kept() -> None:
    documents, mistakes = read_documents("f.yaml", "a: 1\n---\nb: [\n")
    assert [d.root.plain() for d in documents] == [{"a": 1}]
    assert len(mistakes) == 1


TEXT = st.text(st.characters(max_codepoint=0xFFFF, exclude_categories=["Cs"]))  # libyaml reads no surrogate pairs
VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(10**30), 10**30)
    | st.floats(allow_nan=False, allow_infinity=False)
    | TEXT,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(TEXT.filter(lambda k: len(k) < 100), inner, max_size=4),
    max_leaves=20,
)


@given(VALUES)
def test_json_documents_keep_their_values(value: object) -> None:
    """JSON is YAML: whatever json writes (escaped) is read back as it was."""
    documents, mistakes = read_documents("f", json.dumps(value))
    assert not mistakes
    assert [d.root.plain() for d in documents] == ([] if value is None else [value])


@given(st.text(alphabet="abn:-{}[],&*!|>'\"#? \n\t01.<", max_size=60))
def test_any_text_gives_documents_or_a_place(text: str) -> None:
    documents, mistakes = read_documents("f", text)
    for row in mistakes:
        name, line, column = row.position.split(":")
        assert name == "f"
        assert int(line) >= 1
        assert int(column) >= 1
    for document in documents:
        document.root.plain()
