"""Files -> loaded spec: reads the application, the fleet, its assumptions and pre-rendered manifests.

Callers: every command that takes a spec. Raises InvalidInput with all mistakes of all files. Non-goals: rendering, and
reading anything that the documents do not name. What they name is found beside them and nowhere above them.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from model.errors import Diagnostic, InvalidInput
from model.facts.book import Book
from model.facts.live import LivePrices
from model.spec.app import Application
from model.spec.assumptions import Assumptions
from model.spec.fleet import Fleet
from model.spec.load import Spec, load_assumptions_document, load_documents, load_fleet_document
from model.spec.words import did_you_mean
from model.spec.yaml_source import MAX_BYTES, Document, read_documents


@dataclass(frozen=True, slots=True)
class Loaded:
    """A spec with what it names. manifests: file as the application names it -> its text.

    app_sha256 and fleet_sha256: of the files' bytes; the fleet's covers its assumptions file too. documents: for
    positions (`documents["Application"].position(path)`).
    """

    app: Application
    fleet: Fleet
    assumptions: Assumptions
    manifests: Mapping[str, str]
    app_sha256: str
    fleet_sha256: str
    app_path: Path
    fleet_path: Path
    warnings: tuple[Diagnostic, ...] = ()
    documents: Mapping[str, Document] = field(default_factory=dict, repr=False, compare=False)
    prices: LivePrices = field(default_factory=LivePrices, repr=False)

    @property
    def book(self) -> Book:
        """What is known of prices, round trips and egress: shipped, fetched earlier, assumed."""
        return Book(self.assumptions, self.prices)

    @property
    def linked_fleet(self) -> Fleet:
        """The fleet with each link written out, and its round trip where anything is known of it."""
        return self.book.linked(self.fleet)


def load(app_path: str | Path, fleet_path: str | Path | None = None) -> Loaded:
    """Both documents. A folder stands for app.yaml and fleet.yaml in it; without fleet_path the fleet is beside it.

    Raises InvalidInput (exit 3) for files that are missing, unreadable, too large, not text, or wrong inside.
    """
    app_file, fleet_file = _places(Path(app_path), None if fleet_path is None else Path(fleet_path))
    reader = _Reader()
    paths = list(dict.fromkeys((app_file, fleet_file)))
    texts = [(str(p), reader.text(p)) for p in paths]
    if reader.diagnostics:
        raise InvalidInput(reader.diagnostics)
    files = [(name, text) for name, text in texts if text is not None]
    assumptions_text = _assumptions(files, fleet_file, reader)
    if assumptions_text is not None:
        files.append(assumptions_text)
    try:
        spec = load_documents(files)
    except InvalidInput as exc:
        raise InvalidInput([*exc.diagnostics, *reader.diagnostics]) from None
    manifests = _manifests(spec, app_file, reader)
    if reader.diagnostics:
        raise InvalidInput(reader.diagnostics)
    from orchestrator.prices import kept  # here: it knows the adapters' words, and most commands load a spec

    prices, unreadable = kept(spec.fleet)
    return Loaded(
        app=spec.app,
        fleet=spec.fleet,
        assumptions=spec.assumptions,
        manifests=manifests,
        app_sha256=_digest([files[0][1]]),
        fleet_sha256=_digest([text for _, text in files[1:]] or [files[0][1]]),
        app_path=app_file,
        fleet_path=fleet_file,
        warnings=(*spec.warnings, *unreadable),
        documents=spec.documents,
        prices=prices,
    )


def load_fleet(path: str | Path) -> Fleet:
    """The fleet alone, where no application is asked about; a folder stands for fleet.yaml in it.

    Raises InvalidInput as load does.
    """
    file = Path(path)
    file = file / "fleet.yaml" if _is_folder(file) else file
    reader = _Reader()
    text = reader.text(file)
    if text is None:
        raise InvalidInput(reader.diagnostics)
    return load_fleet_document([(str(file), text)])


def load_fleet_book(path: str | Path) -> tuple[Fleet, Book]:
    """The fleet, and what is known of its prices: shipped, fetched, assumed. Raises InvalidInput as load does."""
    from orchestrator.prices import kept

    fleet = load_fleet(path)
    file = Path(path)
    file = file / "fleet.yaml" if _is_folder(file) else file
    reader = _Reader()
    text = _assumptions([(str(file), reader.text(file) or "")], file, reader)
    if reader.diagnostics:
        raise InvalidInput(reader.diagnostics)
    assumptions = Assumptions.none() if text is None else load_assumptions_document([text])
    return fleet, Book(assumptions, kept(fleet)[0])


def _places(app_path: Path, fleet_path: Path | None) -> tuple[Path, Path]:
    app = app_path / "app.yaml" if _is_folder(app_path) else app_path
    if fleet_path is None:
        return app, app.parent / "fleet.yaml"
    return app, fleet_path / "fleet.yaml" if _is_folder(fleet_path) else fleet_path


def _is_folder(path: Path) -> bool:
    try:
        return path.is_dir()
    except (OSError, ValueError):  # no name of anything; reading it says so
        return False


class _Reader:
    """Reads text files within limits and collects what is wrong with them."""

    def __init__(self) -> None:
        self.diagnostics: list[Diagnostic] = []

    def text(self, path: Path, position: str = "") -> str | None:
        """The file's text; None, and a mistake noted, where there is none to be had."""
        data = self._bytes(path, position)
        if data is None:
            return None
        if len(data) > MAX_BYTES:
            self._wrong(position, f"{path} is larger than {MAX_BYTES // 2**20} MiB", "is it the right file?")
            return None
        try:
            text = data.decode("utf-8-sig")
        except UnicodeDecodeError as exc:
            line = data.count(b"\n", 0, exc.start) + 1
            self._wrong(position or f"{path}:{line}:1", f"{path} is not UTF-8 text", "save it as UTF-8 text")
            return None
        if "\x00" in text:
            self._wrong(position, f"{path} is no text file", "save it as UTF-8 text")
            return None
        return text

    def _bytes(self, path: Path, position: str) -> bytes | None:
        try:
            with path.open("rb") as file:
                return file.read(MAX_BYTES + 1)
        except FileNotFoundError:
            self._wrong(position, f"{path}: there is no such file", _near(path))
        except IsADirectoryError:
            self._wrong(position, f"{path} is a folder, not a file", "name a file in it")
        except PermissionError:
            self._wrong(position, f"{path}: we may not read it", "check its permissions")
        except (OSError, ValueError) as exc:
            reason = exc.strerror if isinstance(exc, OSError) and exc.strerror else "its name is no path"
            self._wrong(position, f"{path} cannot be read: {reason}", "check the path")
        return None

    def _wrong(self, position: str, what: str, mend: str) -> None:
        self.diagnostics.append(Diagnostic(position, what, mend))


def _near(path: Path) -> str:
    otherwise = "check the path"
    if path.name == "fleet.yaml":
        otherwise = "name the fleet with --fleet; `duoyun init FOLDER` writes an application and a fleet to begin with"
    elif path.name == "app.yaml":
        otherwise = "check the path; `duoyun init FOLDER` writes an application and a fleet to begin with"
    try:
        names = sorted(p.name for p in path.parent.iterdir() if p.suffix in (".yaml", ".yml"))
    except OSError:
        return otherwise
    return did_you_mean(path.name, names, otherwise) if names else otherwise


def _beside(owner: Path, name: str) -> Path | None:
    """The file of that name beside owner or below; None where the name leads out of that folder."""
    folder = owner.parent.resolve()
    target = (folder / name).resolve()
    return target if target.is_relative_to(folder) else None


def _assumptions(files: list[tuple[str, str]], fleet_file: Path, reader: _Reader) -> tuple[str, str] | None:
    """The file that the fleet names; read before validation, so that its mistakes are told with the others."""
    for name, text in files:
        documents, _ = read_documents(name, text)
        for document in documents:
            root = document.root.plain()
            spec = root.get("spec") if isinstance(root, dict) and root.get("kind") == "Fleet" else None
            wanted = spec.get("assumptions") if isinstance(spec, dict) else None
            if not isinstance(wanted, str):
                continue
            at = document.position(("spec", "assumptions"))
            target = _beside(fleet_file, wanted)
            if target is None:
                what = f"the assumptions file {wanted} lies outside the fleet's folder"
                reader.diagnostics.append(Diagnostic(at, what, "put it beside the fleet"))
                return None
            found = reader.text(target, at)
            return None if found is None else (str(fleet_file.parent / wanted), found)
    return None


def _manifests(spec: Spec, app_file: Path, reader: _Reader) -> dict[str, str]:
    found: dict[str, str] = {}
    document = spec.documents["Application"]
    for i, service in enumerate(spec.app.spec.services):
        for j, name in enumerate(service.manifests):
            at = document.position(("spec", "services", i, "manifests", j))
            target = _beside(app_file, name)
            if target is None:
                what = f"the manifest {name} of {service.name} lies outside the application's folder"
                reader.diagnostics.append(Diagnostic(at, what, "put it beside the application"))
                continue
            text = reader.text(target, at)
            if text is not None:
                found[name] = text
    return found


def _digest(texts: list[str]) -> str:
    return hashlib.sha256("\0".join(texts).encode()).hexdigest()
