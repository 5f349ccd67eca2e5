"""Prometheus' blackbox exporter against the same server, as Prometheus would drive it: one scrape a probe.

Callers: benchmarks.prober. It looks only when it is asked, on a new connection each time, so its figures are processor
time per probe and how many a second it managed, not lag. Debian has it as prometheus-blackbox-exporter.
"""

from __future__ import annotations

import asyncio
import os
import shutil
import socket
import subprocess
import tempfile
import time
from pathlib import Path
from typing import Any

from benchmarks.probing.tally import percentile

NAMES = ("prometheus-blackbox-exporter", "blackbox_exporter")
MODULE = "modules:\n  http_2xx:\n    prober: http\n    timeout: 5s\n    http: {preferred_ip_protocol: ip4}\n"
START_WITHIN_S = 10.0
SCRAPERS = 16


def found() -> str | None:
    """The program, or None."""
    return next((path for name in NAMES if (path := shutil.which(name))), None)


async def measure(program: str, addresses: list[tuple[str, int]], per_s: int, seconds: float) -> dict[str, Any]:
    """Starts it, has it probe `per_s` times a second, ends it."""
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        port = int(sock.getsockname()[1])
    with tempfile.TemporaryDirectory() as folder:
        config = Path(folder) / "blackbox.yml"
        config.write_text(MODULE, encoding="utf-8")
        process = subprocess.Popen(
            [program, f"--config.file={config}", f"--web.listen-address=127.0.0.1:{port}", "--log.level=error"],
            stderr=subprocess.DEVNULL,
        )
        try:
            await _listens(port)
            before_s, began_s = _cpu_s(process.pid), time.perf_counter()
            rows = await _drive(port, addresses, per_s, seconds)
            wall_s, cpu_s = time.perf_counter() - began_s, _cpu_s(process.pid) - before_s
        finally:
            process.terminate()
            process.wait(10)
    good = [took_s for took_s, well in rows if well]
    return {
        "program": Path(program).name,
        "asked_per_s": per_s,
        "probes_per_s": round(len(rows) / wall_s, 1),
        "failed": len(rows) - len(good),
        "core_share": round(cpu_s / wall_s, 4),
        "us_per_probe": round(cpu_s / max(1, len(rows)) * 1e6, 1),
        "scrape_p99_ms": round((percentile(list(good), 0.99) or 0.0) * 1000, 3) if good else None,
    }


async def _listens(port: int) -> None:
    until_s = time.monotonic() + START_WITHIN_S
    while True:
        try:
            _, writer = await asyncio.open_connection("127.0.0.1", port)
        except OSError:
            if time.monotonic() > until_s:
                raise
            await asyncio.sleep(0.05)
            continue
        writer.close()
        return


async def _drive(port: int, addresses: list[tuple[str, int]], per_s: int, seconds: float) -> list[tuple[float, bool]]:
    """Scrapes over kept connections, spread evenly over time; a scraper that is late goes on at once."""
    began_s, rows = time.perf_counter(), []

    async def scraper(number: int) -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        turn = number
        while (due_s := began_s + turn / per_s) < began_s + seconds:
            await asyncio.sleep(max(0.0, due_s - time.perf_counter()))
            host, target = addresses[turn % len(addresses)]
            asked_s = time.perf_counter()
            path = f"/probe?module=http_2xx&target=http://{host}:{target}/healthz"
            writer.write(f"GET {path} HTTP/1.1\r\nhost: 127.0.0.1\r\n\r\n".encode())
            body = await _body(reader)
            rows.append((time.perf_counter() - asked_s, b"\nprobe_success 1" in body))
            turn += SCRAPERS
            if time.perf_counter() - began_s > seconds:
                break
        writer.close()

    await asyncio.gather(*(scraper(n) for n in range(SCRAPERS)))
    return rows


async def _body(reader: asyncio.StreamReader) -> bytes:
    head = (await reader.readuntil(b"\r\n\r\n")).lower()
    if b"transfer-encoding: chunked" not in head:
        length = int(head.partition(b"content-length:")[2].partition(b"\r\n")[0])
        return await reader.readexactly(length)
    found = b""
    while size := int(await reader.readline(), 16):
        found += (await reader.readexactly(size + 2))[:-2]
    await reader.readline()
    return found


def _cpu_s(pid: int) -> float:
    """User and system time of a process; proc(5), stat, fields 14 and 15."""
    fields = Path(f"/proc/{pid}/stat").read_text(encoding="ascii").rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
