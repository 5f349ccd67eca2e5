"""Embedded Rego (regorus): loads modules, checks that every function they call exists, evaluates one rule at a time.

Callers: gate, rules. An engine must be used and freed by the thread that made it, so one thread owns them all
(regorus holds the interpreter's lock while it evaluates: more threads would not be quicker). What goes wrong while a
rule runs is raised as RuleError, whatever it is, so that the caller can deny: never a silent pass.
"""

from __future__ import annotations

import json
import os
import weakref
from collections.abc import Iterator, Mapping
from typing import Any

from model.errors import Diagnostic, DuoyunError, InvalidInput
from model.exit_codes import ExitCode
from policies.builtins import EXTENSIONS, available
from policies.owner import OWNER


class RuleError(DuoyunError):
    """A rule could not be evaluated; the summary is the engine's first line, with file and line where it says them."""

    exit_code = ExitCode.DENIED


class RegoEngine:
    """A fixed set of modules. modules: file name -> Rego text.

    Raises InvalidInput where a module does not parse, or calls a function that does not exist here.
    """

    def __init__(self, modules: Mapping[str, str]) -> None:
        self._modules = dict(sorted(modules.items()))
        self._held: dict[int, Any] = {}  # by process: a fork has no use for its parent's
        weakref.finalize(self, _free, self._held)
        OWNER.run(self._check)

    def evaluate(self, package: str, rule: str, document: Any) -> Any:
        """The value of `data.<package>.<rule>` with that input, as plain data; None where it is undefined."""
        path, text = f"data.{package}.{rule}", json.dumps(document)
        return OWNER.run(lambda: self._evaluate(path, text))

    def _evaluate(self, path: str, document: str) -> Any:
        engine = self._held.get(os.getpid())
        try:
            if engine is None:
                engine = self._held[os.getpid()] = self._load()
            engine.set_input_json(document)
            text = engine.eval_rule_as_json(path)
        except (KeyboardInterrupt, SystemExit):
            raise
        except BaseException as exc:  # noqa: BLE001  (a panic of the engine is a BaseException)
            del engine
            self._held.pop(os.getpid(), None)  # its state after an error is not to be trusted
            raise RuleError(_first_line(exc), detail=path) from (exc if isinstance(exc, Exception) else None)
        return json.loads(text) if isinstance(text, str) else text

    def _check(self) -> None:
        engine = self._load()
        missing = list(_missing_functions(_syntax_trees(engine), _known_builtins(engine)))
        if missing:
            del engine  # or the traceback would carry it to another thread
            raise InvalidInput(missing)
        self._held[os.getpid()] = engine

    def _load(self) -> Any:
        import regorus

        engine = regorus.Engine()
        for name, (arity, function) in EXTENSIONS.items():
            engine.add_extension(name, arity, function)
        mistakes: list[Diagnostic] = []
        for name, text in self._modules.items():
            try:
                engine.add_policy(name, text)
            except (KeyboardInterrupt, SystemExit):
                raise
            except BaseException as exc:  # noqa: BLE001  (a panic of the parser is a BaseException)
                mistakes.append(Diagnostic(*_place(str(exc), name)))
        if mistakes:
            del engine
            raise InvalidInput(mistakes)
        return engine


def _free(held: dict[int, Any]) -> None:
    OWNER.post(lambda: held.pop(os.getpid(), None))


def _first_line(exc: BaseException) -> str:
    """The message without the engine's stack trace and drawing: `file:line:col: what`."""
    place, what = _place(str(exc), "")
    return f"{place}: {what}" if place else what


def _place(message: str, fallback: str) -> tuple[str, str]:
    text = message.partition("Stack backtrace")[0]
    place, what = fallback, ""
    for line in text.splitlines():
        if line.startswith("-->"):
            place = line.removeprefix("-->").strip()
        if line.startswith("error:"):
            what = line.removeprefix("error:").strip()
    return place, what or text.strip().splitlines()[0] if text.strip() else "the engine failed without a message"


# -- functions that do not exist ---------------------------------------------------------------------------------


def _known_builtins(engine: Any) -> frozenset[str]:
    """What this build of the engine has, by its own account."""
    runtime = engine.eval_query("opa.runtime()")["result"][0]["expressions"][0]["value"]
    return available(runtime["builtins"])


def _syntax_trees(engine: Any) -> list[Any]:
    trees = engine.get_ast_as_json()
    return list(json.loads(trees) if isinstance(trees, str) else trees)


def _missing_functions(trees: list[Any], builtins: frozenset[str]) -> Iterator[Diagnostic]:
    """Every call of something that is neither a builtin nor a function of a module here."""
    defined = {f"{_package(t)}.{name}" for t in trees for name in _rule_names(t)}
    for tree in trees:
        package, imports = _package(tree), _imports(tree)
        for call in _calls(tree["ast"]):
            name = _dotted(call["fcn"])
            head, _, rest = name.partition(".")
            full = f"{imports[head]}.{rest}" if head in imports and rest else name
            candidates = {f"{package}.{name}", full.removeprefix("data.")}
            if name in builtins or candidates & defined:
                continue
            span = call["span"]
            where = f"{tree['source']['file']}:{span['line']}:{span['col']}"
            yield Diagnostic(where, f"there is no function {name} here", "see docs/policies.md for what rules may call")


def _package(tree: Any) -> str:
    return _dotted(tree["ast"]["package"]["refr"])


def _imports(tree: Any) -> dict[str, str]:
    """Local name -> full path."""
    found: dict[str, str] = {}
    for entry in tree["ast"].get("imports") or []:
        path = _dotted(entry["refr"])
        alias = entry.get("as")
        name = _text(alias, tree) if alias else path.rpartition(".")[2]
        found[name] = path
    return found


def _text(span: Any, tree: Any) -> str:
    return str(tree["source"]["contents"].encode()[span["start"] : span["end"]].decode()) if span else ""


def _rule_names(tree: Any) -> set[str]:
    found: set[str] = set()
    for entry in tree["ast"].get("rules") or []:
        spec = entry.get("Spec") or entry.get("Default") or {}
        head = spec.get("head") or {}
        reference = next((h["refr"] for h in head.values() if isinstance(h, dict) and "refr" in h), spec.get("refr"))
        if reference:
            found.add(_dotted(reference))
    return found


def _calls(node: Any) -> Iterator[Any]:
    if isinstance(node, dict):
        for key, value in node.items():
            if key == "Call":
                yield value
            yield from _calls(value)
    elif isinstance(node, list):
        for value in node:
            yield from _calls(value)


def _dotted(reference: Any) -> str:
    """A Var or a chain of RefDot as text."""
    if "Var" in reference:
        return str(reference["Var"]["value"])
    if "RefDot" in reference:
        inner = reference["RefDot"]
        return f"{_dotted(inner['refr'])}.{inner['field'][1]}"
    return ""
