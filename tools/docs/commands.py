"""docs/cli.md from the command line itself: commands, options, environment variables, exit codes."""

from __future__ import annotations

import importlib
from collections.abc import Iterator
from typing import Any

import typer
from blocks import table

from model.exit_codes import ExitCode

_MEANING = {
    ExitCode.OK: "done, or no change",
    ExitCode.ERROR: "an error that has no code of its own; the message says which",
    ExitCode.DIFFERENCES: "drift found (`drift scan`); changes present (`plan --detailed-exitcode`)",
    ExitCode.INVALID_INPUT: "a file, a name or a state that does not hold; nothing was touched",
    ExitCode.DENIED: "denied by policy; nothing was touched",
    ExitCode.APPROVAL_PENDING: "an approval is pending",
    ExitCode.INFEASIBLE: "no placement satisfies the constraints; the message names them",
    ExitCode.LEASE_HELD: "another process is changing this application; the message says who and until when",
    ExitCode.ROLLED_BACK: "the release failed and was rolled back",
    ExitCode.FAILED: "the release failed and was not rolled back",
    ExitCode.UNDECIDED: "undecided within the work limit",
    ExitCode.STALE: "the saved plan is stale: what is there has changed since",
    ExitCode.APPROVAL_REFUSED: "an approval was refused or has expired, or whoever wants to give one may not",
    ExitCode.USAGE: "wrong usage: an unknown option, a missing argument, or nobody there to answer a question",
    ExitCode.BROKEN_INSTALLATION: "broken installation: a package of duoyun's comes from elsewhere",
    ExitCode.TEMPORARY: "temporary: unreachable, throttled, no stock, or not all could be observed; try again",
    ExitCode.CREDENTIALS: "credentials missing, wrong, or not allowed to do it",
    ExitCode.INTERRUPTED: "interrupted (Ctrl-C, `--timeout`, or the lease was lost); `duoyun resume` goes on",
    ExitCode.TERMINATED: "ended by SIGTERM; `duoyun resume` goes on",
}

# Read besides those that belong to an option.
_OTHER_VARIABLES = (
    ("DUOYUN_SANDBOX", "the running sandbox's `endpoints.json`, instead of the one in `~/.local/state`"),
    ("DUOYUN_SANDBOX_READER", "`1`: use the sandbox's read-only keys; every write is answered with 403"),
    (
        "DUOYUN_PROBES",
        "`fixed`: a release judges pods and machines by each probe's own timeout and ten tries, not patiently",
    ),
    (
        "DUOYUN_PROBE_HUB, DUOYUN_PROBE_CA_FILE, DUOYUN_PROBE_CERT_FILE, DUOYUN_PROBE_KEY_FILE",
        "a release listens there for probe agents, over mutual TLS, and asks them, too; all four or none",
    ),
    ("DUOYUN_DEBUG", "any value: show the traceback of an unexpected error"),
    ("XDG_STATE_HOME", "where SQLite state and the sandbox's files live, instead of `~/.local/state`"),
    ("NO_COLOR, TERM=dumb", "no colours, no redrawing"),
    ("COLUMNS", "width of tables when the output is no terminal (default 120)"),
)


def parts() -> dict[str, str]:
    """The generated parts of docs/cli.md."""
    root = command_tree()
    leaves = list(_leaves(root, "duoyun"))
    return {
        "global options": table(("option", "default", "environment", "meaning"), list(_options(root))),
        "commands": "\n\n".join(_section(path, command) for path, command in leaves),
        "exit codes": table(("code", "meaning"), [(str(int(code)), _MEANING[code]) for code in ExitCode]),
        "environment": _variables([root, *(command for _, command in leaves)]),
    }


def command_tree() -> Any:
    """The whole command line, as Typer built it."""
    main = importlib.import_module("cli.main")
    main._register()
    return typer.main.get_command(main.app)


def _leaves(command: Any, path: str) -> Iterator[tuple[str, Any]]:
    children = getattr(command, "commands", None)
    if not children:
        yield path, command
        return
    for name, child in children.items():
        yield from _leaves(child, f"{path} {name}")


def _section(path: str, command: Any) -> str:
    told, _, examples = (command.help or "").partition("\n\n")
    arguments = [p for p in command.params if not p.opts[0].startswith("-")]
    words = " ".join(_argument_name(p) for p in arguments)
    lines = [f"### {path}", "", told, "", "```", f"{path} {words} [OPTIONS]".replace("  ", " "), "```"]
    if arguments:
        rows = [(f"`{_argument_name(p)}`", _default(p), _variable(p), p.help or "") for p in arguments]
        lines += ["", table(("argument", "default", "environment", "meaning"), rows)]
    options = list(_options(command))
    if options:
        lines += ["", table(("option", "default", "environment", "meaning"), options)]
    shown = [line.strip() for line in examples.splitlines() if line.strip()]
    if shown:
        lines += ["", "```console", *(f"$ {line}" for line in shown), "```"]
    return "\n".join(lines)


def _argument_name(param: Any) -> str:
    name = param.name.upper()
    return name if param.required else f"[{name}]"


def _options(command: Any) -> Iterator[tuple[str, str, str, str]]:
    for param in command.params:
        if not param.opts[0].startswith("-") or param.hidden or "completion" in param.name:
            continue
        value = "" if param.is_flag else f" {_value_name(param)}"
        yield ", ".join(f"`{o}`" for o in param.opts) + value, _default(param), _variable(param), param.help or ""


def _value_name(param: Any) -> str:
    annotation = param.type_descriptor.annotation
    names = {"str": "TEXT", "int": "NUMBER", "float": "NUMBER", "Path": "FILE"}
    members = getattr(annotation, "__members__", None)
    if members:
        return "`" + "|".join(m.value for m in members.values()) + "`"
    return names.get(getattr(annotation, "__name__", ""), "TEXT")


def _default(param: Any) -> str:
    if isinstance(param.show_default, str):
        return param.show_default
    default = param.default
    if default is None or default == "" or default is False or param.required:
        return ""
    return f"`{getattr(default, 'value', default)}`"


def _variable(param: Any) -> str:
    return f"`{param.envvar}`" if param.envvar else ""


def _variables(commands: list[Any]) -> str:
    owners: dict[str, list[str]] = {}
    for command in commands:
        for param in command.params:
            if param.envvar:
                said = param.opts[0] if param.opts[0].startswith("-") else "the application argument"
                owners.setdefault(param.envvar, [])
                if said not in owners[param.envvar]:
                    owners[param.envvar].append(said)
    rows = [(f"`{name}`", " and ".join(f"`{w}`" if w[0] == "-" else w for w in who)) for name, who in owners.items()]
    rows += [(", ".join(f"`{n}`" for n in name.split(", ")), meaning) for name, meaning in _OTHER_VARIABLES]
    return table(("variable", "stands for"), sorted(rows))
