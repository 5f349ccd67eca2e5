"""`duoyun policy list`, `explain` and `test`: the rules themselves."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from cli.output import Output, escaped
from model.errors import InvalidInput
from model.exit_codes import ExitCode

if TYPE_CHECKING:
    from policies.rules import Bundle

BundleOption = Annotated[
    list[Path] | None,
    typer.Option(
        "--bundle", help="A folder of Rego rules of your own, beside ours. May be repeated.", envvar="DUOYUN_BUNDLE"
    ),
]


def register(group: typer.Typer) -> None:
    group.command("list")(list_rules)
    group.command()(explain)
    group.command("test")(test_rules)


def _rules(bundle: list[Path] | None) -> Bundle:
    from orchestrator.gating import modules_in
    from policies.rules import default_bundle

    modules: dict[str, str] = {}
    for folder in bundle or ():
        modules.update(modules_in(folder))
    return default_bundle().extended(modules)


def list_rules(
    ctx: typer.Context,
    bundle: BundleOption = None,
) -> None:
    """The rules: id, severity, stage, what each finds.

    duoyun policy list
    duoyun policy list -o json
    """
    from rich.table import Table

    out: Output = ctx.obj
    rules = _rules(bundle).rules
    out.result(
        {
            "rules": [
                {
                    "id": r.id,
                    "severity": r.severity.name.lower(),
                    "stage": r.stage,
                    "title": r.title,
                    "kinds": list(r.kinds),
                    "controls": list(r.controls),
                }
                for r in rules
            ]
        }
    )
    if out.is_json:
        return
    table = Table(box=None, pad_edge=False)
    for name in ("id", "severity", "stage", "it finds"):
        table.add_column(name, no_wrap=name != "it finds")
    for rule in rules:
        table.add_row(rule.id, rule.severity.name.lower(), rule.stage, rule.title)
    out.console().print(table)
    out.console().print(f"{len(rules)} rules; each in full: duoyun policy explain ID")


def explain(
    ctx: typer.Context,
    rule_id: Annotated[str, typer.Argument(metavar="ID", help="A rule's id, e.g. DY-NET-001.")],
    bundle: BundleOption = None,
) -> None:
    """One rule: what it finds, why it matters, how to mend it, its parameters, controls and examples.

    duoyun policy explain DY-NET-001
    """
    import yaml

    from model.spec.words import did_you_mean
    from policies.rules import shipped_examples

    out: Output = ctx.obj
    found = _rules(bundle)
    try:
        rule = found.rule(rule_id.upper())
    except KeyError:
        mend = did_you_mean(rule_id.upper(), [r.id for r in found.rules], "duoyun policy list")
        raise InvalidInput((), summary=f"there is no rule {rule_id}", mend=mend) from None
    examples = shipped_examples().get(rule.id, {})
    data = {
        "id": rule.id,
        "title": rule.title,
        "severity": rule.severity.name.lower(),
        "stage": rule.stage,
        "why": " ".join(rule.rationale.split()),
        "mend": rule.mend,
        "kinds": list(rule.kinds),
        "objects": list(rule.objects),
        "parameters": dict(rule.parameters),
        "controls": list(rule.controls),
        "unknown": rule.unknown,
        "source": rule.source,
        "examples": {which: list(cases)[:1] for which, cases in examples.items()},
        "rego": found.modules[rule.source],
    }
    out.result(data)
    if out.is_json:
        return
    console = out.console()
    console.print(f"[bold]{rule.id}[/] {escaped(rule.title)} ({rule.severity.name.lower()}, stage {rule.stage})")
    for name in ("why", "mend"):
        console.print(f"{name}: {escaped(str(data[name]))}", soft_wrap=True)
    for name in ("kinds", "controls", "parameters"):
        if data[name]:
            shown = ", ".join(data[name]) if isinstance(data[name], list) else str(data[name])
            console.print(f"{name}: {escaped(shown)}", soft_wrap=True)
    console.print(f"a value known only after apply: {'counts as broken' if rule.unknown == 'fail' else 'is reported'}")
    for which, cases in examples.items():
        if cases:
            console.print(f"an example that {'passes' if which == 'pass' else 'fails'}:")
            console.print(escaped(yaml.safe_dump(cases[0], sort_keys=False, allow_unicode=True)), soft_wrap=True)


def test_rules(
    ctx: typer.Context,
    folder: Annotated[
        Path | None, typer.Argument(help="A bundle's folder; default: the rules that come with duoyun.")
    ] = None,
) -> None:
    """Judge each rule's own examples: those under `pass` must break nothing, those under `fail` must be found.

    duoyun policy test rules/
    """
    from orchestrator.rule_tests import run_examples

    out: Output = ctx.obj
    done = run_examples(folder)
    code = ExitCode.OK if done.passed else ExitCode.ERROR
    out.result(
        {
            "rules": done.rules,
            "examples": done.examples,
            "failures": [{"rule": f.rule, "example": f.example, "what": f.what} for f in done.failures],
        },
        code,
    )
    if not out.is_json:
        for failure in done.failures:
            out.console().print(
                f"[red]FAIL[/] {failure.rule} {failure.example}: {escaped(failure.what)}", soft_wrap=True
            )
        verdict = "[green]passed[/]" if done.passed else f"[red]{len(done.failures)} failed[/]"
        out.console().print(f"{done.examples} examples of {done.rules} rules: {verdict}")
    raise typer.Exit(int(code))
