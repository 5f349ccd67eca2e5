"""Files of the sandbox's own: private, written whole or not at all, and locked against a second process.

Callers: sandbox.app and the clouds' servers for what they keep in the state folder.
"""

from __future__ import annotations

import fcntl
import os
from pathlib import Path
from typing import IO


def write_private(path: Path, content: str | bytes) -> None:
    """Writes mode 0600 beside the target, then renames over it: readers see the old or the new file, never half."""
    data = content.encode() if isinstance(content, str) else content
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise


def append_private(path: Path) -> IO[str]:
    """Opens a file of lines for more of them, mode 0600; each line is written as it comes. OSError where it cannot."""
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    return os.fdopen(descriptor, "a", encoding="utf-8", buffering=1)


def private_folder(path: Path) -> None:
    """Makes a folder with mode 0700. OSError where that cannot be, PermissionError where it is somebody else's."""
    path.mkdir(mode=0o700, parents=True, exist_ok=True)
    info = path.stat()
    if info.st_uid != os.geteuid():
        raise PermissionError(f"{path} belongs to another user")
    if not os.access(path, os.R_OK | os.W_OK | os.X_OK):
        raise PermissionError(f"{path} cannot be written")


def lock(path: Path) -> IO[str]:
    """An exclusive lock, held until the file is closed or the process ends. BlockingIOError where it is taken."""
    file = path.open("a+", encoding="utf-8")
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BaseException:
        file.close()
        raise
    return file
