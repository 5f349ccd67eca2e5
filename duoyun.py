"""The console script. Looks every package of ours up before importing any, then hands over to cli.

duoyun's packages have plain names (`model`, `scheduler`), which other projects use too. Where one of them would come
from somewhere else, nothing is imported and the process ends with exit 70, naming the foreign path.
"""

import sys
from importlib.machinery import PathFinder
from pathlib import Path

__project__ = "duoyun"
__version__ = "0.1.0"

PACKAGES = ("cli", "model", "providers", "scheduler", "policies", "probes", "orchestrator", "sandbox")
_MARK = '__project__ = "duoyun"'
_BROKEN_INSTALLATION = 70


def foreign_packages() -> dict[str, str]:
    """Name -> where it would be imported from, for each package of ours that is missing or not ours."""
    found: dict[str, str] = {}
    for name in PACKAGES:
        loaded = sys.modules.get(name)
        if loaded is not None:
            if getattr(loaded, "__project__", None) != "duoyun":
                found[name] = getattr(loaded, "__file__", None) or "already imported from elsewhere"
            continue
        spec = PathFinder.find_spec(name)
        origin = spec.origin if spec else None
        if origin is None or _MARK not in Path(origin).read_text(encoding="utf-8", errors="replace"):
            found[name] = origin or "not found"
    return found


def main() -> None:
    """Entry point of the `duoyun` command and of `python -m duoyun`."""
    foreign = foreign_packages()
    if foreign:
        for name, where in foreign.items():
            print(f"duoyun: broken installation: package `{name}` is not duoyun's: {where}", file=sys.stderr)  # noqa: T201
        print(  # noqa: T201
            "mend: install duoyun isolated (pipx install duoyun, uv tool install duoyun, or a venv of its own), "
            "and leave no PYTHONPATH that holds other packages of these names",
            file=sys.stderr,
        )
        raise SystemExit(_BROKEN_INSTALLATION)
    import cli

    cli.start()


if __name__ == "__main__":
    main()
