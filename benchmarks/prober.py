"""How much one process can probe: `python -m benchmarks.prober -o json`. A local epoll server in its own process.

rtt_error_ms: how far the time that the prober reports is from the one at which the server wrote the answer, either way;
the server's is read in its own process from the same monotonic clock, just before it writes, and comes in the answer. A
server that is kept from running between the two counts against the prober. read_late_ms: how much later than that the
prober read it. lag_ms: how late the wheel's ticks ran. core_share: processor time of the prober's process over wall
time; in busy runs, which keep a thread of the same process running without rest, that of the prober's thread. Runs
without stamps do without the kernel's receive times: then errors are large, and should be known as such (flagged).
"""

from __future__ import annotations

import argparse
import asyncio
import gc
import importlib.util
import json
import multiprocessing
import os
import resource
import select
import socket
import sys
import threading
import time
from array import array
from collections import Counter
from multiprocessing.connection import Connection as Pipe
from typing import Any

from benchmarks.probing import blackbox
from benchmarks.probing.tally import percentile
from probes.loop import run
from probes.policy import Outcome
from probes.wheel import Spoke, Wheel

FLAGGED_S = 0.001  # a lag from which a time is called distrusted
RUNS = {  # a thread that keeps us busy, the kernel's stamps
    "idle": (False, True),
    "busy": (True, True),
    "idle_without_stamps": (False, False),
    "busy_without_stamps": (True, False),
}
ADDRESSES = 8  # 127.0.0.1 to .8: no single address runs out of ports


def serve(pipe: Pipe) -> None:
    """Answers every read that ends a request with the moment of answering, in nanoseconds, until the pipe ends."""
    listeners = []
    for last in range(1, ADDRESSES + 1):
        sock = socket.socket()
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        sock.bind((f"127.0.0.{last}", 0))
        sock.listen(4096)
        sock.setblocking(False)
        listeners.append(sock)
    epoll, by_fd = select.epoll(), {s.fileno(): s for s in listeners}
    waiting = set(by_fd)
    for fd in waiting:
        epoll.register(fd, select.EPOLLIN)
    epoll.register(pipe.fileno(), select.EPOLLIN)
    pipe.send([s.getsockname() for s in listeners])
    while True:
        for fd, _ in epoll.poll():
            if fd == pipe.fileno():
                return
            if fd in waiting:
                with_client(by_fd[fd], epoll, by_fd)
            else:
                answer(by_fd, fd, epoll)


def with_client(listener: socket.socket, epoll: select.epoll, by_fd: dict[int, socket.socket]) -> None:
    """Takes all connections that wait."""
    while True:
        try:
            client, _ = listener.accept()
        except BlockingIOError:
            return
        client.setblocking(False)
        client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        by_fd[client.fileno()] = client
        epoll.register(client.fileno(), select.EPOLLIN)


def answer(by_fd: dict[int, socket.socket], fd: int, epoll: select.epoll) -> None:
    """One answer, or the end of a connection."""
    client = by_fd[fd]
    try:
        data = client.recv(4096)
        if data.endswith(b"\r\n\r\n"):
            client.send(b"HTTP/1.1 200 OK\r\nContent-Length: 19\r\n\r\n%019d" % time.monotonic_ns())
    except OSError:
        data = b""
    if not data:
        epoll.unregister(fd)
        by_fd.pop(fd).close()


class Stamped(Spoke):
    """Notes, before an answer is reported, when the server says that it wrote it, and when it was read here."""

    wrote_s = 0.0  # of the answer read last, by whichever spoke
    read_s = 0.0

    def data_received(self, data: bytes) -> None:
        stamp = data[-19:]
        Stamped.wrote_s, Stamped.read_s = (int(stamp) / 1e9 if stamp.isdigit() else 0.0), time.monotonic()
        super().data_received(data)


async def measure(
    addresses: list[tuple[str, int]], targets: int, seconds: float, *, busy: bool, kernel: bool, warm_up_s: float = 2.0
) -> dict[str, Any]:
    """One run. kernel: with the kernel's receive stamps."""
    # Arrays and not rows: what grows by 10,000 objects a second has the garbage collector stop the loop to walk it.
    errors, doubts, late = array("d"), array("d"), array("d")
    others: list[Outcome] = []
    ok, counting = Outcome.OK, False

    def on_answer(_index: int, sent_s: float, elapsed_s: float, outcome: Outcome, lag_s: float) -> None:
        if not counting:
            return
        if outcome is ok:
            wrote_s = Stamped.wrote_s
            errors.append(abs(sent_s + elapsed_s - wrote_s))
            doubts.append(lag_s)
            late.append(Stamped.read_s - wrote_s)
        else:
            others.append(outcome)

    asked = [(*addresses[i % len(addresses)], "/healthz") for i in range(targets)]
    wheel = Wheel(asked, on_answer, 1.0, 1.0, Stamped, kernel_times=kernel)
    began_s = time.perf_counter()
    await wheel.connect()
    connected_s = time.perf_counter() - began_s
    stop = asyncio.Event()
    running = asyncio.create_task(wheel.run(stop))
    await asyncio.sleep(warm_up_s)
    halt = threading.Event()
    spinner = threading.Thread(target=spin, args=(halt,)) if busy else None
    if spinner is not None:
        spinner.start()
    wheel.lags_s.clear()
    spent = time.thread_time if busy else time.process_time
    counting, wall_s, cpu_s = True, time.perf_counter(), spent()
    await asyncio.sleep(seconds)
    wall_s, cpu_s = time.perf_counter() - wall_s, spent() - cpu_s
    counting = False
    lags = list(wheel.lags_s)
    halt.set()
    stop.set()
    await running
    if spinner is not None:
        spinner.join()
    wrong = [lag_s for error_s, lag_s in zip(errors, doubts, strict=True) if error_s > FLAGGED_S]
    count = max(1, len(errors))
    return {
        "targets": targets,
        "seconds": round(wall_s, 2),
        "connect_s": round(connected_s, 2),
        "probes_per_s": round(len(errors) / wall_s, 1),
        "outcomes": {"ok": len(errors), **Counter(outcome.value for outcome in others)},
        "core_share": round(cpu_s / wall_s, 4),
        "us_per_probe": round(cpu_s / count * 1e6, 1),
        "lag_p50_ms": ms(percentile(lags, 0.5)),
        "lag_p99_ms": ms(percentile(lags, 0.99)),
        "rtt_error_p50_ms": ms(percentile(list(errors), 0.5)),
        "rtt_error_p99_ms": ms(percentile(list(errors), 0.99)),
        "read_late_p50_ms": ms(percentile(list(late), 0.5)),
        "read_late_p99_ms": ms(percentile(list(late), 0.99)),
        "flagged_share": round(sum(lag_s >= FLAGGED_S for lag_s in doubts) / count, 5),
        "above_1ms_share": round(len(wrong) / count, 5),
        "above_1ms_flagged_share": round(sum(lag_s >= FLAGGED_S for lag_s in wrong) / len(wrong), 5) if wrong else None,
        "peak_mib": round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024, 1),
    }


def spin(halt: threading.Event) -> None:
    """Keeps a processor, and the interpreter's lock, busy."""
    number = 0
    while not halt.is_set():
        for _ in range(10_000):
            number += 1


def ms(seconds: float | None) -> float | None:
    return None if seconds is None else round(seconds * 1000, 3)


def enough_files(wanted: int) -> int:
    """Raises the limit of open files as far as it goes; how many there may be."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    soft = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    return soft


def main(arguments: list[str] | None = None) -> int:
    """Exit code 0; 1 where fewer files may be open than targets were wanted."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.prober", description=__doc__)
    parser.add_argument("--targets", type=int, default=10_000)
    parser.add_argument("--seconds", type=float, default=20.0)
    parser.add_argument("--warm-up", type=float, default=2.0, help="seconds before each run that are not counted")
    parser.add_argument("--blackbox-per-s", type=int, default=500, help="probes a second asked of it, if installed")
    parser.add_argument("-o", "--output", choices=("table", "json"), default="table")
    options = parser.parse_args(arguments)
    if enough_files(options.targets + 200) < options.targets + 100:
        print(f"{options.targets} targets need as many open files; the limit is lower", file=sys.stderr)
        return 1
    here, there = multiprocessing.Pipe()
    server = multiprocessing.get_context("spawn").Process(target=serve, args=(there,), daemon=True)
    server.start()
    there.close()
    addresses = [(str(host), int(port)) for host, port in here.recv()]
    gc.freeze()
    loop = "uvloop" if importlib.util.find_spec("uvloop") else "asyncio"
    found: dict[str, Any] = {
        "python": sys.version.split()[0],
        "loop": loop,
        "processors": os.cpu_count(),
        "load": os.getloadavg()[0],
    }
    for name, (busy, kernel) in RUNS.items():
        once = measure(addresses, options.targets, options.seconds, busy=busy, kernel=kernel, warm_up_s=options.warm_up)
        found[name] = run(once)
    program = blackbox.found()
    found["blackbox_exporter"] = (
        run(blackbox.measure(program, addresses, options.blackbox_per_s, min(options.seconds, 10.0)))
        if program
        else "not measured: it is not installed (Debian: prometheus-blackbox-exporter)"
    )
    here.close()
    server.join(5)
    if server.is_alive():
        server.terminate()
    print(json.dumps(found, indent=2) if options.output == "json" else table(found))
    return 0


def table(found: dict[str, Any]) -> str:
    """The runs side by side."""
    width = max(map(len, found["idle"]))
    rows = [" " * width + "".join(f"  {name:>20}" for name in RUNS)]
    rows += [key.ljust(width) + "".join(f"  {found[name][key]!s:>20}" for name in RUNS) for key in found["idle"]]
    return "\n".join([*rows, f"blackbox exporter: {found['blackbox_exporter']}"])


if __name__ == "__main__":
    sys.exit(main())
