"""The sandbox, plain moto beside it, and one recorded life per cloud; each is made once, where it is asked for."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import boto3
import pytest
from botocore.config import Config

from sandbox.threaded import Running, shared
from tools.conformance.lives import PLACES, Lives
from tools.conformance.wire import Recording

REFERENCE = Path(os.environ.get("DUOYUN_REFERENCE_DATA") or Path(__file__).parents[3] / "shared" / "data")
START_TIMEOUT_S = 60.0


@pytest.fixture(scope="session")
def running() -> Iterator[Running]:
    with shared() as sandbox:
        yield sandbox


@pytest.fixture(scope="session")
def lives(running: Running) -> Lives:
    """Lives led and recorded on first use."""
    return Lives(running)


@pytest.fixture(scope="session")
def recording(lives: Lives) -> Callable[[str], Recording]:
    return lambda cloud: lives.of(cloud)[0]


@pytest.fixture(scope="session")
def outcomes(lives: Lives) -> Callable[[str], Mapping[str, str]]:
    return lambda cloud: lives.of(cloud)[1]


@pytest.fixture(scope="session")
def clouds_data() -> Path:
    """Where others' descriptions are."""
    folder = REFERENCE / "clouds"
    if not folder.is_dir():
        pytest.skip("no reference data: ../shared/data/clouds")
    return folder


# -- AWS twice ---------------------------------------------------------------------------------------------------------


@dataclass(eq=False)
class Side:
    """One of the two: the sandbox, or plain moto."""

    url: str
    row: Mapping[str, Any]
    running: Running | None
    region: str = PLACES["aws"].region
    made: dict[tuple[Any, ...], Any] = field(default_factory=dict, repr=False)

    def client(self, service: str, *, reader: bool = False, **overrides: Any) -> Any:
        key = (service, reader, tuple(sorted((k, str(v)) for k, v in overrides.items())))
        if key not in self.made:
            self.made[key] = self._new(service, reader, overrides)
        return self.made[key]

    def _new(self, service: str, reader: bool, overrides: Mapping[str, Any]) -> Any:
        prefix = "reader_" if reader else ""
        options = {
            "region_name": self.region, "endpoint_url": self.url,
            "aws_access_key_id": self.row[f"{prefix}key_id"], "aws_secret_access_key": self.row[f"{prefix}secret"],
            "config": Config(retries={"total_max_attempts": 1}, proxies={}, read_timeout=20),
        }  # fmt: skip
        return boto3.client(service, **(options | dict(overrides)))


@pytest.fixture(scope="session")
def here(running: Running) -> Side:
    return Side(running.endpoints["clouds"]["aws"]["url"], running.account("aws-cn"), running)


@pytest.fixture(scope="session")
def plain(here: Side, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Side]:
    """moto's own server in a process of its own: its state is global to a process."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    log = tmp_path_factory.mktemp("moto") / "log"
    with log.open("wb") as out:
        server = subprocess.Popen(
            [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", str(port)],
            env={**os.environ, "MOTO_ACCOUNT_ID": here.row["account_id"]}, stdout=out, stderr=out,
        )  # fmt: skip
    try:
        deadline = time.monotonic() + START_TIMEOUT_S
        while True:
            try:
                socket.create_connection(("127.0.0.1", port), timeout=1).close()
                break
            except OSError:
                assert server.poll() is None, log.read_text()[-2000:]
                assert time.monotonic() < deadline, "plain moto did not start"
                time.sleep(0.05)
        side = Side(f"http://127.0.0.1:{port}", here.row, None)
        slow = Config(retries={"total_max_attempts": 1}, proxies={}, read_timeout=60)
        side.client("ec2", config=slow).describe_vpcs()  # moto loads its catalogues with the first request
        yield side
    finally:
        server.terminate()
        server.wait(20)
