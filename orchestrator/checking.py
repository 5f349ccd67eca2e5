"""`policy check`: inputs in, verdict out; reads waivers, baseline, the fleet's policies and what a change touches.

Callers: the policy commands and tests. Asks no cloud and no store. Raises nothing for what the inputs hold: that is in
the verdict, with its exit code.
"""

from __future__ import annotations

import datetime
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING

from model.errors import Diagnostic, DuoyunError, InvalidInput
from model.plan import GateReport, Severity
from orchestrator import formatting
from orchestrator.gating import evaluator_of, modules_in, read_text, read_waivers
from orchestrator.inputs import Inputs, read_inputs
from orchestrator.registry import terraform_sources
from policies.baseline import baseline_text, fingerprints, read_baseline
from policies.gate import judge
from policies.inline import inline_waivers
from policies.loaders import no_collection
from policies.mends import Mender
from policies.rules import Bundle, default_bundle
from policies.verdict import Standing, Terms, Verdict, weigh
from policies.waivers import Waiver
from policies.workers import Workers

if TYPE_CHECKING:  # pydantic takes its time, and most checks of files have no fleet
    from model.spec.fleet import Fleet, PoliciesSpec


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """What the command line asks for. today: the day on which waivers are judged."""

    fleet: Path | None = None
    bundles: tuple[Path, ...] = ()
    waivers: tuple[Path, ...] = ()
    baseline: Path | None = None
    changed_since: str | None = None
    fail_on: Severity = Severity.HIGH
    max_unassessed: int | None = None
    today: datetime.date = field(default_factory=lambda: datetime.datetime.now(datetime.UTC).date())


class ToolError(DuoyunError):
    """The check itself could not be made; exit 1."""


def check(paths: Sequence[str], options: Options, *, stdin: bytes | None = None) -> Verdict:
    """The verdict on everything in the files, folders and standard input (`-`) that were named."""
    if not options.bundles and isinstance(evaluator := default_bundle().evaluator, Workers):
        evaluator.warm()
    with no_collection():
        return _check(paths, options, stdin)


def _check(paths: Sequence[str], options: Options, stdin: bytes | None) -> Verdict:
    fleet = _fleet(options.fleet) if options.fleet else None
    found = read_inputs(paths, stdin, fleet)
    unformatted = formatting.begun(found.texts)
    policies, folder = _policies(fleet, options, found)
    bundle = _bundle(policies, folder, options.bundles, found)
    waivers = _waivers(policies, folder, options.waivers, found)
    terms = Terms(
        fail_on=options.fail_on,
        max_unassessed=options.max_unassessed,
        baseline=_baseline(options.baseline),
        changed=changed_files(options.changed_since) if options.changed_since else None,
    )
    report = _judged(found, policies, folder, waivers, bundle, options)
    return weigh(
        report,
        terms,
        bundle.rules,
        waivers,
        unassessed=found.unassessed,
        mistakes=found.mistakes,
        notes=[*found.notes, *unformatted()],
        mender=Mender(
            found.documents, bundle.rules, found.texts, terraform_sources(), policies.parameters if policies else None
        ),
    )


def _judged(
    found: Inputs,
    policies: PoliciesSpec | None,
    folder: Path,
    waivers: Sequence[Waiver],
    bundle: Bundle,
    options: Options,
) -> GateReport:
    return judge(
        found.documents,
        policies.parameters if policies else None,
        waivers,
        today=options.today,
        bundle=bundle,
        min_severity_to_deny=options.fail_on,
        evaluator=evaluator_of(policies, bundle, folder) if policies else None,
    )


def write_baseline(verdict: Verdict, path: Path) -> int:
    """Writes all that denies or is known now as the baseline; how many findings it holds.

    A rule that could not be evaluated is never taken into it: nobody knows what it would excuse.
    """
    findings = [r.finding for r in verdict.results]
    rows = [
        (fingerprint, finding)
        for fingerprint, finding, result in zip(fingerprints(findings), findings, verdict.results, strict=True)
        if result.standing in (Standing.DENIES, Standing.SHOWN, Standing.KNOWN) and not finding.fault
    ]
    try:
        path.write_text(baseline_text(rows), encoding="utf-8")
    except OSError as exc:
        raise ToolError(f"{path} cannot be written: {exc.strerror}", mend="check the path") from exc
    return len(rows)


def changed_files(revision: str) -> frozenset[str]:
    """Files that differ from a git revision, and new ones, relative to this folder. Raises ToolError."""
    names: set[str] = set()
    for command in (
        ["git", "diff", "--name-only", "--relative", "-z", "--end-of-options", revision, "--"],
        ["git", "ls-files", "--others", "--exclude-standard", "-z"],
    ):
        try:
            done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)  # noqa: S603
        except (OSError, subprocess.TimeoutExpired) as exc:
            raise ToolError(f"git does not answer: {exc}", mend="--changed-since needs git and its repository") from exc
        if done.returncode:
            what = done.stderr.strip().splitlines()[:1] or [f"exit {done.returncode}"]
            mend = "name a revision of this repository; a shallow clone lacks old ones (fetch-depth: 0)"
            raise ToolError(f"git cannot compare with {revision}: {what[0]}", mend=mend)
        names.update(n for n in done.stdout.split("\0") if n)
    return frozenset(names)


# -- what applies ------------------------------------------------------------------------------------------------


def _fleet(path: Path) -> Fleet:
    """The fleet that a file holds. Raises InvalidInput."""
    from pydantic import ValidationError

    from model.spec.fleet import Fleet
    from model.spec.yaml_source import read_documents

    documents, mistakes = read_documents(str(path), read_text(path))
    if mistakes:
        raise InvalidInput(mistakes)
    for document in documents:
        data = document.root.plain()
        if isinstance(data, dict) and data.get("kind") == "Fleet":
            try:
                return Fleet.model_validate(data)
            except ValidationError as exc:
                summary = f"{path} is no valid fleet: {exc.error_count()} mistakes"
                raise InvalidInput((), summary=summary, mend="`duoyun validate` names each") from exc
    raise InvalidInput([Diagnostic(str(path), "holds no fleet", "name the file with `kind: Fleet`")])


def _policies(fleet: Fleet | None, options: Options, found: Inputs) -> tuple[PoliciesSpec | None, Path]:
    """The fleet's policies and its folder: of --fleet, else of the one fleet among the inputs; None without any."""
    if fleet is not None and options.fleet is not None:
        return fleet.spec.policies, options.fleet.parent
    if len(found.fleets) == 1:
        path = found.fleets[0]
        try:
            return _fleet(path).spec.policies, path.parent
        except InvalidInput as exc:
            found.mistakes += exc.diagnostics or (Diagnostic(str(path), exc.summary, exc.mend),)
    elif found.fleets:
        names = ", ".join(map(str, found.fleets))
        found.notes.append(f"several fleets ({names}): the policies of none apply; choose with --fleet")
    return None, Path()


def _bundle(policies: PoliciesSpec | None, folder: Path, more: Sequence[Path], found: Inputs) -> Bundle:
    bundle = default_bundle()
    try:
        modules: dict[str, str] = {}
        for place in [*(folder / name for name in (policies.bundles if policies else ())), *more]:
            modules.update(modules_in(place))
        return bundle.extended(modules)
    except InvalidInput as exc:
        found.mistakes += exc.diagnostics
        return bundle


def _waivers(policies: PoliciesSpec | None, folder: Path, more: Sequence[Path], found: Inputs) -> tuple[Waiver, ...]:
    waivers: list[Waiver] = []
    for path in [*([folder / policies.waivers] if policies and policies.waivers else []), *more]:
        try:
            waivers += read_waivers(path)
        except InvalidInput as exc:
            found.mistakes += [replace(d, position=d.position or str(path)) for d in exc.diagnostics]
    for name, text in found.texts.items():
        here, mistakes = inline_waivers(name, text)
        waivers += here
        found.mistakes += mistakes
    return tuple(waivers)


def _baseline(path: Path | None) -> frozenset[str] | None:
    return None if path is None else read_baseline(str(path), read_text(path))
