"""Nothing that is written while things go wrong holds a secret: files, tables, logs and answers, in any spelling."""

from __future__ import annotations

import base64
import json
import sqlite3
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote, quote_plus

import pytest
import yaml

pytestmark = [pytest.mark.e2e]
SHORTEST = 12
"""Characters of an encoded part that are enough to know a secret by, and too many for chance."""


def spellings(secret: str) -> set[bytes]:
    """As it is, quoted, as JSON, in hexadecimal, and in Base64 wherever in a group of three bytes it begins."""
    raw = secret.encode()
    found = {secret, quote(secret), quote(secret, safe=""), quote_plus(secret), json.dumps(secret)[1:-1]}
    found |= {raw.hex(), raw.hex().upper()}
    for before in range(3):
        text = base64.b64encode(b"\0" * before + raw).decode().rstrip("=")
        # What depends on its neighbours as well is left out: the first group, and the last.
        sure = text[4 if before else 0 : len(text) // 4 * 4 - 4]
        found |= {sure, sure.translate(str.maketrans("+/", "-_")), quote(sure, safe="")}
    return {text.encode() for text in found if len(text) >= SHORTEST}


def test_a_secret_is_known_in_every_spelling() -> None:
    secret = "q9/Zk+3-aaTT_x=YbN0w4+7LmR"
    for text in (
        secret,
        quote(secret),
        f"Authorization: Basic {base64.b64encode(f'user:{secret}'.encode()).decode()}",
        base64.urlsafe_b64encode(f"ab{secret}cd".encode()).decode(),
        base64.b64encode(f"a{secret}".encode()).decode(),
        secret.encode().hex(),
    ):
        assert any(s in text.encode() for s in spellings(secret)), text
    assert not any(s in base64.b64encode(b"something else of about that length") for s in spellings(secret))


def secrets_of(sandbox: Any, kubeconfigs: list[str]) -> dict[str, str]:
    """Name -> secret: the accounts', the control API's, and those that the clusters' kubeconfigs carry."""
    endpoints = sandbox.endpoints
    found = {"control": endpoints.control_token}
    for (partition, account_id), row in endpoints.accounts.items():
        found |= {f"{partition}/{account_id} {name}": row[name] for name in ("secret", "reader_secret")}
    for number, text in enumerate(kubeconfigs):
        for user in yaml.safe_load(text)["users"]:
            for name in ("token", "client-key-data", "password"):
                value = user["user"].get(name)
                if value:
                    found[f"cluster {number} {name}"] = value[-200:]
    return {name: value for name, value in found.items() if len(value) >= SHORTEST}


def written(folders: list[Path]) -> Iterator[tuple[str, bytes]]:
    """Every file, and every value of every table of every database among them."""
    for path in sorted(p for folder in folders for p in folder.rglob("*") if p.is_file()):
        if path.name == "endpoints.json":
            continue  # where the sandbox hands its keys out
        yield str(path), path.read_bytes()
        if path.suffix != ".db":
            continue
        with sqlite3.connect(path) as conn:
            for (table,) in conn.execute("SELECT name FROM sqlite_master WHERE type = 'table'").fetchall():
                for row in conn.execute(f'SELECT * FROM "{table}"'):
                    yield (
                        f"{path} {table}",
                        b"\n".join(v if isinstance(v, bytes) else str(v).encode() for v in row if v is not None),
                    )
        conn.close()


def test_no_secret_is_written_while_things_go_wrong(
    new_line: Callable[..., Any], sandbox: Any, until: Callable[..., Any], tmp_path: Path
) -> None:
    duoyun = new_line("home")
    sandbox.fault(service="*", operation="*", status=429, code="Throttling", retry_after_s=1, count=6, rate=0.5)
    sandbox.fault(service="*", operation="*", drop_answer=True, writes_only=True, count=6, rate=0.3)
    dying = duoyun.start("deploy", duoyun.files, "--yes", "--bake", "0s", "-o", "json")
    until(lambda: len([r for rows in sandbox.inventory().values() for r in rows]) > 4, "the first resources")
    dying.kill()
    dying.end()
    duoyun.on("resume").ended(0)
    sandbox.faultless()
    duoyun.plan()
    # Refused as somebody without rights is, and with an answer that quotes the request.
    sandbox.fault(service="*", operation="*", status=403, code="Forbidden", writes_only=True, count=-1)
    duoyun.edit(duoyun.app, ("web:1.0.0", "web:2.0.0"))
    assert duoyun.on("deploy", "--yes", "--bake", "0s").code != 0
    sandbox.faultless()
    duoyun.edit(duoyun.app, ("web:2.0.0", "web:missing"))
    assert duoyun.on("deploy", "--yes", "--bake", "0s").code != 0
    for command in ("status", "history --verify", "drift scan"):
        duoyun.on(command, "-o", "json")
    spy = new_line("spy", store=duoyun.environment["DUOYUN_STORE"])
    regions = ("aws-cn/cn-north-1", "azure-cn/chinanorth3", "alibaba-cn/cn-hangzhou")
    kubeconfigs = [spy("kubeconfig", r, "--app", spy.files).ended(0).out for r in regions]
    answers = json.dumps([sandbox.fired(), sandbox.inventory(), sandbox.control("/status")]).encode()
    places = [*written([duoyun.home, sandbox.file.parent]), ("the sandbox's answers", answers)]
    assert len(places) > 100
    secrets = secrets_of(sandbox, kubeconfigs)
    assert len(secrets) >= 13
    told = [f"{name} in {where}" for name, secret in secrets.items() for s in spellings(secret)
            for where, text in places if s in text]  # fmt: skip
    assert told == []
    duoyun.edit(duoyun.app, ("web:missing", "web:1.0.0"))
    duoyun.destroy()
