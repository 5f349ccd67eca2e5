"""`duoyun providers`, `providers check` and `providers policy` as a user calls them, against the sandbox."""

from __future__ import annotations

import json
import socket
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from cli.main import run
from model.exit_codes import ExitCode
from model.resources import Kind
from orchestrator.registry import CLOUDS

ACCOUNTS = (
    ("aws-main", "aws-cn", "222222222222"),
    ("azure-main", "azure-cn", "00000000-0000-0000-0000-000000000002"),
    ("alibaba-main", "alibaba-cn", "5000000000000002"),
)
Json = Callable[..., tuple[int, dict[str, Any]]]


def fleet_text(*accounts: dict[str, Any]) -> str:
    rows = accounts or tuple(
        {"name": name, "partition": partition, "account_id": number, "endpoint": "sandbox"}
        for name, partition, number in ACCOUNTS
    )
    where = {"aws-cn": "cn-north-1", "aws": "us-east-1", "alibaba-cn": "cn-hangzhou"}[rows[0]["partition"]]
    zones = [{"zone": f"{where}a", "subnet_cidr": "10.0.0.0/20"}]
    region = {
        "account": rows[0]["name"],
        "region": where,
        "country": "US" if where == "us-east-1" else "CN",
        "zones": zones,
        "network": {"name": "main", "cidr": "10.0.0.0/16"},
    }
    spec = {"accounts": list(rows), "regions": [region]}
    return json.dumps({"apiVersion": "duoyun.dev/v1", "kind": "Fleet", "metadata": {"name": "rights"}, "spec": spec})


@pytest.fixture
def fleet(running: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A fleet over the running sandbox; DUOYUN_SANDBOX points at it."""
    endpoints = tmp_path / "endpoints.json"
    endpoints.write_text(json.dumps(running.endpoints), encoding="utf-8")
    monkeypatch.setenv("DUOYUN_SANDBOX", str(endpoints))
    path = tmp_path / "fleet.yaml"
    path.write_text(fleet_text(), encoding="utf-8")
    yield path
    running.sandbox.faults.clear()


@pytest.fixture
def said(capsys: pytest.CaptureFixture[str]) -> Json:
    def ask(*args: str) -> tuple[int, dict[str, Any]]:
        code = run(["-o", "json", *args])
        data = json.loads(capsys.readouterr().out)
        assert data["exit_code"] == code
        return code, data

    return ask


def test_providers_shows_every_kind_of_every_account_and_asks_nobody(
    fleet: Path, said: Json, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DUOYUN_SANDBOX", str(fleet.parent / "nothing-runs.json"))
    code, data = said("providers", "--fleet", str(fleet))
    assert code == 0
    assert {row["cloud"] for row in data["accounts"]} == set(CLOUDS)
    for row in data["accounts"]:
        kinds = {kind["kind"]: kind for kind in row["kinds"]}
        assert set(kinds) == {kind.value for kind in Kind} - {"kubernetes_object"}
        assert kinds["network"]["access"] == "full"
        assert not kinds["network"]["lacking_verbs"]
        assert kinds["bucket"]["access"] == "read"
        assert {"create", "update", "delete"} <= set(kinds["bucket"]["lacking_verbs"])
        assert "access_logs" in kinds["load_balancer"]["lacking_fields"]


def test_the_table_has_a_column_an_account_and_says_what_is_lacking(
    fleet: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["providers", "--fleet", str(fleet.parent)]) == 0  # a folder stands for its fleet.yaml
    out = capsys.readouterr().out
    assert all(name in out for name, _partition, _number in ACCOUNTS)
    assert "managed_service" in out
    assert "cannot set access_logs" in out


def test_check_says_who_we_are_and_that_nothing_is_missing(fleet: Path, said: Json) -> None:
    code, data = said("providers", "check", "--fleet", str(fleet))
    assert code == ExitCode.OK
    for row, (name, partition, number) in zip(data["accounts"], ACCOUNTS, strict=True):
        assert (row["account"], row["partition"], row["account_id"]) == (name, partition, number)
        assert row["standing"] == "ok"
        assert row["principal"]
        assert row["asked"]
        assert row["allowed"] > 100
        assert (row["missing"], row["unknown"], row["missing_policy"], row["error"]) == ([], [], None, None)
        assert row["policy"]


def test_a_readers_check_exits_77_with_the_document_to_paste(
    fleet: Path, said: Json, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("DUOYUN_SANDBOX_READER", "1")
    code, data = said("providers", "check", "--fleet", str(fleet), "--account", "aws-main")
    assert code == ExitCode.CREDENTIALS
    (row,) = data["accounts"]
    assert row["standing"] == "missing"
    paste = [action for s in row["missing_policy"]["Statement"] for action in s["Action"]]
    assert sorted(paste) == sorted(row["missing"])
    assert "ec2:RunInstances" in paste
    assert "ec2:DescribeInstances" not in paste
    assert run(["providers", "check", "--fleet", str(fleet), "--account", "aws-main"]) == code
    out = capsys.readouterr().out
    assert '"ec2:RunInstances"' in out
    assert json.loads(out[out.index("\n{") : out.rindex("}") + 1]) == row["missing_policy"]


def test_wrong_secrets_and_deaf_accounts_are_rows_beside_the_others(
    fleet: Path, said: Json, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WRONG_ACCESS_KEY_ID", "AKIAAAAAAAAAAAAAAAAA")
    monkeypatch.setenv("WRONG_SECRET_ACCESS_KEY", "never-print-this-7c21")
    name, partition, number = ACCOUNTS[0]
    with socket.socket() as deaf:
        deaf.bind(("127.0.0.1", 0))
        nobody = f"http://127.0.0.1:{deaf.getsockname()[1]}"
        wrong = {"credential": {"env_prefix": "WRONG"}}
        rows = (
            {"name": "wrong", "partition": partition, "account_id": number, "endpoint": "sandbox", **wrong},
            {"name": "deaf", "partition": "alibaba-intl", "account_id": "5000000000000001", "endpoint": nobody}
            | wrong,
            {"name": name, "partition": "aws", "account_id": "111111111111", "endpoint": "sandbox"},
            {"name": "bare", "partition": "azure", "account_id": "00000000-0000-0000-0000-000000000001",
             "endpoint": "sandbox", "credential": {"env_prefix": "NOBODY_SET_THIS"}},
        )  # fmt: skip
        fleet.write_text(fleet_text(*rows), encoding="utf-8")
        code, data = said("providers", "check", "--fleet", str(fleet), "--timeout", "3s")
    assert code == ExitCode.CREDENTIALS  # outranks what could not be reached
    told = {row["account"]: row for row in data["accounts"]}
    assert [told[n]["standing"] for n in ("wrong", "deaf", name, "bare")] == ["failed", "failed", "ok", "failed"]
    assert told["wrong"]["error"]["reason"] == "unauthenticated"
    assert told["deaf"]["error"]["reason"] == "unreachable"
    assert told["bare"]["error"]["reason"] == "unauthenticated"
    for row in (told["wrong"], told["deaf"], told["bare"]):
        assert row["error"]["mend"]
        assert row["policy"], "what to allow is known without asking"
    assert "never-print-this-7c21" not in json.dumps(data)


def test_an_account_that_does_not_tell_is_unknown_and_exits_75(fleet: Path, running: Any, said: Json) -> None:
    row = {
        "service": "azure",
        "operation": "GET Microsoft.Authorization/permissions",
        "error": "forbidden",
        "count": -1,
    }
    running.sandbox.faults.add(row)
    code, data = said("providers", "check", "--fleet", str(fleet), "--account", "azure-main")
    assert code == ExitCode.TEMPORARY
    assert data["accounts"][0]["standing"] == "unknown"
    assert data["accounts"][0]["note"]


def test_credentials_of_another_account_are_told(fleet: Path, running: Any, said: Json, monkeypatch: Any) -> None:
    other = running.account("alibaba-intl")
    monkeypatch.setenv("OTHER_ACCESS_KEY_ID", other["key_id"])
    monkeypatch.setenv("OTHER_SECRET_ACCESS_KEY", other["secret"])
    name, partition, number = ACCOUNTS[2]
    row = {"name": name, "partition": partition, "account_id": number, "endpoint": "sandbox"}
    fleet.write_text(fleet_text({**row, "credential": {"env_prefix": "OTHER"}}), encoding="utf-8")
    code, data = said("providers", "check", "--fleet", str(fleet))
    assert code == ExitCode.CREDENTIALS
    assert "5000000000000001" in data["accounts"][0]["error"]["summary"]


def test_policy_prints_the_document_alone(fleet: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["providers", "policy", "azure-main", "--fleet", str(fleet)]) == 0
    document = json.loads(capsys.readouterr().out)
    assert document["AssignableScopes"] == [f"/subscriptions/{ACCOUNTS[1][2]}"]


@pytest.mark.parametrize(
    ("args", "code"),
    [
        (["providers", "--fleet", "no-such-fleet.yaml"], ExitCode.INVALID_INPUT),
        (["providers", "check", "--fleet", "{fleet}", "--account", "aws-mian"], ExitCode.INVALID_INPUT),
        (["providers", "check", "--fleet", "{fleet}", "--timeout", "soon"], ExitCode.USAGE),
        (["providers", "chekc"], ExitCode.USAGE),
    ],
)
def test_wrong_words_are_told(fleet: Path, capsys: pytest.CaptureFixture[str], args: list[str], code: ExitCode) -> None:
    assert run([a.format(fleet=fleet) for a in args]) == code
    assert "error:" in capsys.readouterr().err
