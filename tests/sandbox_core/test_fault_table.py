import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sandbox.faults import Faults, read_file
from sandbox.world import Fault


def test_globs_match_service_and_operation_and_count_runs_out() -> None:
    table = Faults()
    table.add({"id": "x", "service": "aws", "operation": "ec2:Run*", "count": 2, "status": 503, "code": "Slow"})
    assert table.check("azure", "ec2:RunInstances") is None
    assert table.check("aws", "ec2:DescribeVpcs") is None
    fired = [table.check("aws", "ec2:RunInstances") for _ in range(3)]
    assert [f.code if f else None for f in fired] == ["Slow", "Slow", None]
    assert [row["fault"] for row in table.log()] == ["x", "x"]


def test_match_and_writes_only() -> None:
    table = Faults()
    table.add(Fault("m", match="cn-north-1", count=-1, status=500))
    table.add(Fault("w", service="kubernetes", writes_only=True, count=-1, status=500))
    assert table.check("aws", "op", detail="us-east-1") is None
    assert table.check("aws", "op", detail="222/cn-north-1 {}") is not None
    assert table.check("kubernetes", "GET pods", write=False) is None
    assert table.check("kubernetes", "POST pods", write=True) is not None


@given(st.integers(), st.floats(0, 1))
def test_rate_is_repeatable_by_seed(seed: int, rate: float) -> None:
    def run() -> list[bool]:
        table = Faults(seed)
        table.add({"id": "r", "rate": rate, "count": -1, "status": 500})
        return [table.check("aws", "op") is not None for _ in range(50)]

    first = run()
    assert first == run()
    if rate == 0:
        assert not any(first)
    if rate == 1:
        assert all(first)


def test_a_rate_is_drawn_per_operation_whatever_else_is_asked() -> None:
    alone = Faults(5)
    alone.add({"id": "r", "rate": 0.5, "count": -1, "status": 500})
    expected = [alone.check("aws", "a") is not None for _ in range(40)]
    among = Faults(5)
    among.add({"id": "r", "rate": 0.5, "count": -1, "status": 500})
    found = []
    for _ in range(40):
        among.check("aws", "b")
        found.append(among.check("aws", "a") is not None)
        among.check("azure", "a")
    assert found == expected
    assert 5 < sum(found) < 35


@pytest.mark.parametrize(
    ("row", "words"),
    [
        ({"sevice": "aws"}, "no field 'sevice'; did you mean 'service'"),
        ({"count": "3"}, "count"),
        ({"count": True}, "count"),
        ({"rate": 1.5}, "rate"),
        ({"status": 42}, "status"),
        ({"delay_s": -1}, "delay_s"),
        ({"stale_s": float("inf")}, "stale_s"),
        ({"count": -2}, "count"),
        ({"error": "throtled"}, "no fault error 'throtled'; did you mean 'throttled'"),
        ({"corrupt": "a..b=1"}, "corrupt"),
        ({"stale_s": 1, "writes_only": True}, "reads"),
        ({"service": "aws", "operation": "ec2:*"}, "does nothing"),
        ("aws", "is an object"),
    ],
)
def test_bad_rows_are_refused_by_name(row: dict[str, object], words: str) -> None:
    with pytest.raises(ValueError, match=words):
        Faults().add(row)


@pytest.mark.parametrize(
    ("row", "words"),
    [
        ({"service": "asw", "status": 500}, "no service 'asw'; did you mean 'aws'"),
        (
            {"service": "aws", "operation": "ec2:RunInstance", "status": 500},
            "aws has no operation .* mean 'ec2:RunInstances'",
        ),
        ({"operation": "PUT Microsoft", "status": 500}, "aws, azure have no operation"),
    ],
)
def test_names_that_nobody_serves_are_refused_and_nothing_is_added(row: dict[str, object], words: str) -> None:
    table = Faults()
    table.knows("aws", lambda _glob: ["ec2:RunInstances", "ec2:DescribeVpcs"])
    table.knows("azure", lambda _glob: ["PUT Microsoft.Compute/virtualMachines"])
    with pytest.raises(ValueError, match=words):
        table.add_all([{"service": "a*", "operation": "PUT *", "status": 500}, row])
    assert table.rows() == []
    table.add({"service": "*", "operation": "ec2:Describe*", "status": 500})


def test_a_stale_row_fires_only_where_an_answer_is_stale_enough() -> None:
    table = Faults()
    assert not table.remembers
    table.add({"id": "s", "stale_s": 2.0, "count": -1})
    assert table.remembers
    assert table.check("aws", "op") is None
    assert table.check("aws", "op", stale_s=2.5) is None
    assert table.check("aws", "op", stale_s=1.5) is not None
    table.clear()
    assert not table.remembers


def test_what_fired_is_logged_in_memory_and_in_the_file(tmp_path: Path) -> None:
    table = Faults(log=tmp_path / "faults.jsonl")
    table.add({"id": "t", "error": "throttled", "delay_s": 0.5, "count": 2})
    table.check("aws", "ec2:RunInstances", detail="222/cn-north-1 " + "x" * 500)
    table.check("azure", "PUT x")
    rows = table.log()
    table.close()
    assert [(r["number"], r["service"], r["operation"], r["effect"]) for r in rows] == [
        (0, "aws", "ec2:RunInstances", "delayed 0.5 s, refused: throttled"),
        (1, "azure", "PUT x", "delayed 0.5 s, refused: throttled"),
    ]
    assert len(rows[0]["detail"]) == 200
    assert table.log(1) == rows[1:]
    assert [json.loads(line) for line in (tmp_path / "faults.jsonl").read_text().splitlines()] == rows


@pytest.mark.parametrize(
    "text", ["- {id: a, status: 500}\n", "faults:\n  - {id: a, status: 500}\n", '[{"id": "a", "status": 500}]']
)
def test_a_file_of_rows(text: str, tmp_path: Path) -> None:
    path = tmp_path / "faults.yaml"
    path.write_text(text)
    assert [row.id for row in Faults().add_all(read_file(path))] == ["a"]


@pytest.mark.parametrize("text", ["faults: {a: 1}", "- [", "hello"])
def test_a_file_that_holds_no_rows_is_refused_with_its_name(text: str, tmp_path: Path) -> None:
    path = tmp_path / "faults.yaml"
    path.write_text(text)
    with pytest.raises(ValueError, match=r"faults\.yaml"):
        read_file(path)


def test_rows_can_be_removed_and_an_answer_is_a_copy() -> None:
    table = Faults()
    row = table.add({"status": 500, "count": -1})
    got = table.check("aws", "op")
    assert got is not None
    got.status = 0
    again = table.check("aws", "op")
    assert again is not None
    assert again.status == 500
    assert table.remove(row.id)
    assert not table.remove(row.id)
    assert table.check("aws", "op") is None
