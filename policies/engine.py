"""Embedded Rego (regorus): loads modules, checks that every function they call exists, evaluates one rule at a time.

Callers: worker (a process that can be killed), tests. An engine must be used and freed by the thread that made it. What
goes wrong while a rule runs is raised as RuleError, whatever it is, so that the caller can deny: never a silent pass.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Any

from model.errors import Diagnostic, InvalidInput
from policies.builtins import EXTENSIONS, available
from policies.evaluation import Answer, Document, Fault, RuleError, Task, by_group, looked_at, rows_of

_READ_AGAIN_BYTES = 64 * 2**10  # about what the engine reads in 1 ms


class RegoEngine:
    """A fixed set of modules. modules: file name -> Rego text. checked: files whose calls are looked up, None for all.

    Raises InvalidInput where a module does not parse, or calls a function that does not exist here.
    """

    def __init__(self, modules: Mapping[str, str], *, checked: Collection[str] | None = None) -> None:
        self._modules = dict(sorted(modules.items()))
        self._engine: Any = None
        self._texts: dict[str, str] = {}  # group -> its documents as JSON, without the brackets
        self._input: tuple[tuple[str, ...], str] | None = None  # groups and parameters that are the engine's input now
        engine = self._load()
        if checked is None or checked:
            missing = list(_missing_functions(_syntax_trees(engine), _known_builtins(engine), checked))
            if missing:
                raise InvalidInput(missing)
        self._engine = engine

    def evaluate(self, package: str, rule: str, document: Any) -> Any:
        """The value of `data.<package>.<rule>` with that input, as plain data; None where it is undefined."""
        path, text = f"data.{package}.{rule}", json.dumps(document)
        self._input = None

        def run(engine: Any) -> Any:
            engine.set_input_json(text)
            return engine.eval_rule_as_json(path)

        return self._guarded(path, run)

    def answers(self, tasks: Sequence[Task], documents: Sequence[Document]) -> list[Answer]:
        """The evaluator of policies.evaluation, without limits: for tests and tools that trust their rules."""
        self.forget()
        for group, rows in by_group(documents).items():
            self.hold(group, ",".join(json.dumps(d) for d in rows))
        return [self.answer(task) for task in tasks]

    def hold(self, group: str, text: str) -> None:
        """Keeps the documents of a group, as JSON with commas between them, until `forget`."""
        self._texts[group] = text
        self._input = None

    def forget(self) -> None:
        self._texts.clear()
        self._input = None

    def answer(self, task: Task) -> Answer:
        """What one rule says of the documents held. Where it cannot be evaluated on all of them together, it is on one
        after another, so that one bad document hides nothing of the others."""
        groups = tuple(g for g in looked_at(task.kinds, task.objects, self._texts) if self._texts[g])
        if not groups:
            return Answer()
        try:
            return Answer(rows_of(task, self._violations(task, groups)))
        except RuleError:
            return self._one_by_one(task, groups)

    def _documents(self, groups: tuple[str, ...]) -> str:
        return ",".join(self._texts[g] for g in groups)

    def _one_by_one(self, task: Task, groups: tuple[str, ...]) -> Answer:
        rows: list[Mapping[str, Any]] = []
        faults: list[Fault] = []
        for document in json.loads(f"[{self._documents(groups)}]"):
            alone = {"documents": [document], "parameters": task.parameters}
            try:
                rows += rows_of(task, self.evaluate(task.package, "violations", alone))
            except RuleError as exc:
                faults.append(Fault(exc.summary, str(document.get("address", ""))))
        return Answer(tuple(rows), tuple(faults))

    def _violations(self, task: Task, groups: tuple[str, ...]) -> Any:
        """The input is read anew for each set of parameters only where it is small: a query takes the engine 1 ms, a
        rule next to nothing, but only a query can lay parameters over documents that have been read (`with`)."""
        path, parameters = f"data.{task.package}.violations", json.dumps(task.parameters)
        beside = "{}" if sum(len(self._texts[g]) for g in groups) > _READ_AGAIN_BYTES else parameters

        def run(engine: Any) -> Any:
            if self._input != (groups, beside):
                engine.set_input_json(f'{{"documents": [{self._documents(groups)}], "parameters": {beside}}}')
                self._input = groups, beside
            if beside == parameters:
                return engine.eval_rule_as_json(path)
            return engine.eval_query_as_json(f"{path} with input.parameters as {parameters}")

        found = self._guarded(path, run)
        if beside == parameters:
            return found
        result = found.get("result")
        return result[0]["expressions"][0]["value"] if result else None

    def _guarded(self, path: str, run: Any) -> Any:
        try:
            if self._engine is None:
                self._engine = self._load()
            text = run(self._engine)
        except (KeyboardInterrupt, SystemExit, MemoryError):
            raise
        except BaseException as exc:  # noqa: BLE001  (a panic of the engine is a BaseException)
            self._engine = self._input = None  # its state after an error is not to be trusted
            raise RuleError(_first_line(exc), detail=path) from (exc if isinstance(exc, Exception) else None)
        return json.loads(text) if isinstance(text, str) else text

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
            raise InvalidInput(mistakes)
        return engine


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


def _missing_functions(
    trees: list[Any], builtins: frozenset[str], checked: Collection[str] | None
) -> Iterator[Diagnostic]:
    """Every call of something that is neither a builtin nor a function of a module here."""
    defined = {f"{_package(t)}.{name}" for t in trees for name in _rule_names(t)}
    for tree in trees:
        if checked is not None and tree["source"]["file"] not in checked:
            continue
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
