"""`python -m sandbox` as a process: ready, found, locked, stopped, and what a state folder keeps."""

import json
import os
import pickle
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import boto3
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError

REPOSITORY = Path(__file__).resolve().parents[2]
Start = Callable[..., "subprocess.Popen[str]"]


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    running: list[subprocess.Popen[str]] = []

    def begin(*arguments: str, file: Path = tmp_path / "endpoints.json") -> "subprocess.Popen[str]":
        process = subprocess.Popen(
            [sys.executable, "-m", "sandbox", "--clouds", "aws", "--endpoints-file", str(file), *arguments],
            cwd=REPOSITORY,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        running.append(process)
        return process

    yield begin
    for process in running:
        if process.poll() is None:
            process.terminate()
        process.communicate(timeout=20)


def wait_for(path: Path, process: "subprocess.Popen[str]", timeout_s: float = 60.0) -> dict[str, Any]:
    deadline = time.monotonic() + timeout_s
    while time.monotonic() < deadline:
        if path.exists():
            found: dict[str, Any] = json.loads(path.read_text())
            return found
        if process.poll() is not None:
            raise AssertionError(process.communicate()[1])
        time.sleep(0.02)
    raise AssertionError("not ready in time")


def ask(endpoints: dict[str, Any], method: str, path: str, body: object = None, token: str = "") -> Any:
    control = endpoints["control"]
    request = urllib.request.Request(
        control["url"] + path,
        method=method,
        data=json.dumps(body).encode() if body is not None else None,
        headers={"Authorization": f"Bearer {token or control['token']}"},
    )
    with urllib.request.urlopen(request, timeout=10) as answer:
        return json.loads(answer.read())


def ec2_of(endpoints: dict[str, Any]) -> Any:
    account = next(a for a in endpoints["accounts"] if a["partition"] == "aws-cn")
    return boto3.client(
        "ec2",
        region_name="cn-north-1",
        endpoint_url=endpoints["clouds"]["aws"]["url"],
        aws_access_key_id=account["key_id"],
        aws_secret_access_key=account["secret"],
        config=Config(retries={"total_max_attempts": 1}),
    )


def test_life_of_a_sandbox_with_a_state_folder(start: Start, tmp_path: Path) -> None:
    file, state = tmp_path / "endpoints.json", tmp_path / "state"
    first = start("--state", str(state))
    endpoints = wait_for(file, first)
    assert endpoints["schema_version"] == 1
    assert endpoints["pid"] == first.pid
    assert file.stat().st_mode & 0o777 == 0o600
    assert (state / "credentials.json").stat().st_mode & 0o777 == 0o600
    assert {a["partition"] for a in endpoints["accounts"]} == {"aws", "aws-cn"}

    # the control API
    assert ask(endpoints, "GET", "/status")["clouds"]["aws"]["url"] == endpoints["clouds"]["aws"]["url"]
    with pytest.raises(urllib.error.HTTPError, match="401") as refused:
        ask(endpoints, "GET", "/status", token="wrong")
    refused.value.close()
    assert ask(endpoints, "POST", "/faults", {"id": "f", "service": "aws", "status": 500})["ids"] == ["f"]
    with pytest.raises(urllib.error.HTTPError, match="400") as refused:
        ask(endpoints, "POST", "/faults", {"nonsense": 1})
    refused.value.close()
    ask(endpoints, "DELETE", "/faults/f")
    assert ask(endpoints, "GET", "/faults")["faults"] == []

    # a second one at the same place is refused, with the reason
    second = start()
    _, error = second.communicate(timeout=30)
    assert second.returncode == 75
    assert "already runs" in error

    # what is made survives, credentials included; ids go on without repeating
    vpc_id = ec2_of(endpoints).create_vpc(CidrBlock="10.0.0.0/16")["Vpc"]["VpcId"]
    assert [row["id"] for row in ask(endpoints, "GET", "/inventory")["clouds"]["aws"]] == [vpc_id]
    first.send_signal(signal.SIGTERM)
    first.communicate(timeout=20)
    assert first.returncode == 0
    assert not file.exists()
    third = start("--state", str(state))
    again = wait_for(file, third)
    assert again["accounts"] == endpoints["accounts"]
    ec2 = ec2_of(again)
    assert vpc_id in {v["VpcId"] for v in ec2.describe_vpcs()["Vpcs"]}
    other = ec2.create_vpc(CidrBlock="10.1.0.0/16")["Vpc"]["VpcId"]
    assert other != vpc_id
    ask(again, "POST", "/shutdown")
    third.communicate(timeout=20)
    assert third.returncode == 0


def test_it_ends_with_its_parent_and_cleans_up(start: Start, tmp_path: Path) -> None:
    parent = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    process = start("--watch-parent", str(parent.pid))
    wait_for(tmp_path / "endpoints.json", process)
    parent.communicate(b"\n")
    process.communicate(timeout=20)
    assert process.returncode == 0
    assert not (tmp_path / "endpoints.json").exists()


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (["--profile", "quick"], 64, "instant"),
        (["--time-scale", "0"], 64, "time-scale"),
        (["--clouds", "gcp"], 64, "no cloud 'gcp'"),
        (["--state", "/proc/nowhere"], 1, "cannot be used"),
    ],
)
def test_bad_usage_says_why(start: Start, arguments: list[str], code: int, words: str) -> None:
    process = start(*arguments)
    _, error = process.communicate(timeout=30)
    assert process.returncode == code
    assert words in error
    assert "Traceback" not in error


def test_default_place_follows_the_environment() -> None:
    from sandbox.app import default_endpoints_file

    assert default_endpoints_file({"DUOYUN_SANDBOX": "/x/e.json"}) == Path("/x/e.json")
    assert default_endpoints_file({"XDG_STATE_HOME": "/s"}) == Path("/s/duoyun/sandbox/endpoints.json")
    home = Path(os.path.expanduser("~"))  # noqa: PTH111
    assert default_endpoints_file({}) == home / ".local/state/duoyun/sandbox/endpoints.json"


def test_a_state_of_another_version_is_refused_and_nothing_stays(start: Start, tmp_path: Path) -> None:
    state = tmp_path / "state"
    state.mkdir(mode=0o700)
    (state / "clusters.json").write_text('{"schema_version": 99, "clusters": []}')
    process = start("--state", str(state))
    _, error = process.communicate(timeout=60)
    assert process.returncode == 1
    assert "remove the state folder" in error
    assert not (tmp_path / "endpoints.json").exists()
    (state / "clusters.json").unlink()
    (state / "credentials.json").write_text("[{}]")
    process = start("--state", str(state))
    _, error = process.communicate(timeout=60)
    assert process.returncode == 1
    assert "credentials.json is not of this version" in error
    (state / "credentials.json").unlink()
    other = pickle.dumps({"version": 1, "moto": "0.0.1", "backends": {}, "extra": {}})
    (state / "aws.pickle").write_bytes(other)
    process = start("--state", str(state))
    _, error = process.communicate(timeout=60)
    assert process.returncode == 1
    assert "written with moto 0.0.1" in error
    assert (state / "aws.pickle").read_bytes() == other  # refused, not overwritten


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--vantage", "Shangai"], "did you mean 'Shanghai'?"),
        (["--network", "clam"], "calm"),
        (["--faults", "nowhere.yaml"], "nowhere.yaml: No such file"),
    ],
)
def test_a_network_or_faults_that_cannot_be_are_wrong_usage(start: Start, arguments: list[str], words: str) -> None:
    process = start(*arguments)
    _, error = process.communicate(timeout=60)
    assert process.returncode == 64
    assert words in error
    assert "Traceback" not in error


def test_faults_of_a_file_network_and_logs_of_a_process(start: Start, tmp_path: Path) -> None:
    rows = tmp_path / "faults.yaml"
    rows.write_text("- {id: storm, service: aws, operation: ec2:CreateVpc, error: throttled}\n")
    state = tmp_path / "state"
    process = start("--faults", str(rows), "--network", "calm", "--state", str(state), "--vantage", "aws-cn/cn-north-1")
    endpoints = wait_for(tmp_path / "endpoints.json", process)
    with pytest.raises(ClientError, match="RequestLimitExceeded"):
        ec2_of(endpoints).create_vpc(CidrBlock="10.0.0.0/16")
    fired = ask(endpoints, "GET", "/faults/log")["log"]
    assert [(row["fault"], row["operation"]) for row in fired] == [("storm", "ec2:CreateVpc")]
    assert ask(endpoints, "GET", "/faults/log?since=1")["log"] == []
    assert [json.loads(line) for line in (state / "faults.jsonl").read_text().splitlines()] == fired
    assert (state / "faults.jsonl").stat().st_mode & 0o777 == 0o600
    assert ask(endpoints, "GET", "/draws")["draws"] == []
    network = ask(endpoints, "GET", "/network")
    assert (network["profile"], network["vantage"]) == ("calm", "aws-cn/cn-north-1")
    counted = {path["to"]: path["counted"] for path in network["paths"]}
    assert counted["aws"]["connections"] == 1
    assert ask(endpoints, "GET", "/status")["network"] == "calm"
    with pytest.raises(urllib.error.HTTPError, match="400") as refused:
        ask(endpoints, "GET", "/draws?since=x")
    refused.value.close()
    secrets = [row[key] for row in endpoints["accounts"] for key in ("secret", "reader_secret")]
    for file in ("faults.jsonl", "draws.jsonl"):
        assert not any(secret in (state / file).read_text() for secret in secrets)
