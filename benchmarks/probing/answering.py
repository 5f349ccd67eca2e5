"""A server for the prober's benchmark, in a process of its own: it says when it wrote each answer."""

from __future__ import annotations

import select
import socket
import time
from multiprocessing.connection import Connection as Pipe

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
