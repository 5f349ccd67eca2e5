"""A link that becomes slow while a release runs over it is no reason to undo the release; a crash is."""

from __future__ import annotations

import re
from typing import Any

import httpx
import pytest

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(600)]
SPIKE = {"a": "vantage", "b": "*", "rtt_ms": 600.0}


def test_a_release_outlives_a_slow_link_and_a_crash_in_the_same_minute_does_not(
    duoyun: Any, sandbox: Any, until: Any
) -> None:
    sandbox.control("/network", "PUT", {"profile": "calm"})
    try:
        duoyun.deploy()
        rows = duoyun.on("status", "-o", "json").ended(0).json["endpoints"]
        urls = [r["url"] for r in rows]
        watching = duoyun.start("probe", "watch", *urls, "--interval", "1", "-o", "json")
        until(lambda: watching.said.count("up: it answers") == len(urls), "every entry is up")

        duoyun.edit(duoyun.app, ("small/web:1.0.0", "small/web:1.1.0"))
        release = duoyun.start("deploy", duoyun.files, "--yes", "-o", "json")
        until(lambda: "web" in release.said, "the release says that it changes web")
        sandbox.control("/network/links", "POST", SPIKE)
        assert duoyun.end(release).ended(0).json["revision"] == 2
        slow = watching.said
        for verdict in ("unreachable:", "down:"):
            assert verdict not in slow, slow

        duoyun.edit(
            duoyun.app,
            (
                "image: registry.example.com/small/web:1.1.0\n",
                "image: registry.example.com/small/web:1.2.0\n"
                "      annotations: {sandbox.duoyun.dev/behaviour: '{\"crash_after_s\": 0.5}'}\n",
            ),
        )
        duoyun.on("deploy", "--yes").refused(8, "web", "revision 2 is in place again")
        assert {httpx.get(u, timeout=10.0, trust_env=False).json()["version"] for u in urls} == {"1.1.0"}
        last = {u: rf"{re.escape(u)}  up: [^\n]*\n(?![\s\S]*{re.escape(u)}  )" for u in urls}
        until(lambda: all(re.search(p, watching.said) for p in last.values()), "every entry is up again")
        watching.interrupt()
        seen = duoyun.end(watching)
        assert seen.code == 130, seen.told
        assert "unreachable:" not in seen.out + seen.err, seen.told
    finally:
        sandbox.control("/network", "DELETE")
