import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sandbox.corrupt import corrupted

BODY = {
    "id": "x",
    "properties": {"state": "Succeeded", "count": 3, "on": True, "tags": {"a": "b"}, "list": [{"size": 1}]},
}


@pytest.mark.parametrize(
    ("text", "path", "value"),
    [
        ("state", ("properties", "state"), "corrupted"),
        ("properties.state=Failed", ("properties", "state"), "Failed"),
        ("count", ("properties", "count"), -4),
        ("on", ("properties", "on"), False),
        ("tags", ("properties", "tags"), None),
        ("properties.tags=null", ("properties", "tags"), None),
        ("tags.a=[1]", ("properties", "tags", "a"), [1]),
        ("size=7", ("properties", "list", 0, "size"), 7),
    ],
)
def test_one_field_of_json_changes_and_nothing_else(text: str, path: tuple[str | int, ...], value: object) -> None:
    changed = json.loads(corrupted(json.dumps(BODY).encode(), text) or b"")
    expected = json.loads(json.dumps(BODY))
    holder = expected
    for name in path[:-1]:
        holder = holder[name]
    holder[path[-1]] = value
    assert changed == expected


def test_one_field_of_xml_changes() -> None:
    body = b"<r><vpc><state>available</state></vpc><vpc><state>pending</state></vpc></r>"
    assert corrupted(body, "state=a<b") == b"<r><vpc><state>a&lt;b</state></vpc><vpc><state>pending</state></vpc></r>"
    assert corrupted(body, "nothing") is None


@given(st.dictionaries(st.text(min_size=1), st.integers() | st.text() | st.lists(st.integers())))
def test_a_field_that_is_not_there_changes_nothing(document: dict[str, object]) -> None:
    assert corrupted(json.dumps(document).encode(), "no-such-field-at-all=1") is None
