"""Whether Terraform files are in canonical form, as `terraform fmt` or `tofu fmt` says where one is installed.

Callers: checking. A warning, never a denial, and never a change of a file; without either program nothing is said.
"""

from __future__ import annotations

import shutil
import subprocess
import threading
from collections.abc import Callable, Iterable

_PROGRAMS = ("terraform", "tofu")
_LIMIT_S = 30
_AT_ONCE = 200  # files in one call, so that no command line grows too long


def begun(paths: Iterable[str]) -> Callable[[], list[str]]:
    """Asks in the background, since it is another program's work; the function returned waits for what it says."""
    found: list[str] = []
    asking = threading.Thread(target=lambda: found.extend(unformatted(paths)), daemon=True)
    asking.start()

    def answer() -> list[str]:
        asking.join()
        return found

    return answer


def unformatted(paths: Iterable[str]) -> list[str]:
    """A line for each file that its own tool would write otherwise, and where that tool fails, one that says so."""
    files = sorted(p for p in paths if p.endswith((".tf", ".tfvars")))
    program = next((found for name in _PROGRAMS if (found := shutil.which(name))), None)
    if program is None or not files:
        return []
    notes: list[str] = []
    for start in range(0, len(files), _AT_ONCE):
        command = [program, "fmt", "-check", "-list=true", "--", *files[start : start + _AT_ONCE]]
        try:
            done = subprocess.run(command, capture_output=True, text=True, timeout=_LIMIT_S, check=False)  # noqa: S603
        except subprocess.TimeoutExpired:
            name = f"{program.rsplit('/', 1)[-1]} fmt"
            return [*notes, f"the format of Terraform files was not checked: {name} took longer than {_LIMIT_S} s"]
        except OSError as exc:
            return [*notes, f"the format of Terraform files was not checked: {exc}"]
        listed = [name for name in done.stdout.splitlines() if name.strip()]
        notes += [f"{name}: not in canonical format; `{program.rsplit('/', 1)[-1]} fmt` mends it" for name in listed]
        if done.returncode and not listed:
            why = (done.stderr.strip().splitlines() or [f"exit {done.returncode}"])[0]
            return [*notes, f"the format of Terraform files was not checked: {why}"]
    return notes
