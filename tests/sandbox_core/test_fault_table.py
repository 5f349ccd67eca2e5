import pytest
from hypothesis import given
from hypothesis import strategies as st

from sandbox.faults import Faults
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


@pytest.mark.parametrize(
    ("row", "word"),
    [
        ({"sevice": "aws"}, "sevice"),
        ({"count": "3"}, "count"),
        ({"count": True}, "count"),
        ({"rate": 1.5}, "rate"),
        ({"status": 42}, "status"),
        ({"delay_s": -1}, "delay_s"),
        ({"count": -2}, "count"),
    ],
)
def test_bad_rows_are_refused_by_name(row: dict[str, object], word: str) -> None:
    with pytest.raises(ValueError, match=word):
        Faults().add(row)


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
