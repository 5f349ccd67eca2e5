"""Pages hold together: links resolve, generated parts are current, examples are valid, and nothing private is told."""

from __future__ import annotations

import ast
import datetime
import json
import re
import subprocess
import sys
from typing import Any
from xml.etree import ElementTree

import yaml

from model.exit_codes import ExitCode
from model.spec.load import load_documents
from policies.gate import judge
from policies.rules import default_bundle
from policies.waivers import waivers_from_data
from sandbox.containers import Behaviour

_LINK = re.compile(r"\[[^\]]*\]\(([^)\s]+)\)")
_PRIVATE = re.compile(
    r"/work/|/root/|/home/\w|/tmp/\w|root@|index-url|"
    r"\b(?:pypi|pythonhosted|npmjs|crates|docker|quay|ghcr|gcr|proxy\.golang)\.(?:org|io|com)\b"
)


def _anchor(heading: str) -> str:
    """GitHub's anchor of a heading."""
    return re.sub(r"[^\w\- ]", "", heading.strip().lower().replace("`", "")).replace(" ", "-")


def test_links_between_pages_resolve(pages: dict[str, Any]) -> None:
    broken = []
    for page in pages.values():
        for target in _LINK.findall(re.sub(r"`[^`\n]*`", "", page.prose)):  # a pattern in code is no link
            if re.match(r"[a-z]+:", target):
                continue
            name, _, anchor = target.partition("#")
            path = (page.path.parent / name).resolve() if name else page.path
            if not path.exists():
                broken.append(f"{page.name}: {target}")
            elif anchor and path.suffix == ".md":
                headings = re.findall(r"^#+ (.*)$", path.read_text(encoding="utf-8"), re.MULTILINE)
                if anchor not in map(_anchor, headings):
                    broken.append(f"{page.name}: {target} (no such heading)")
    assert not broken


def test_every_page_can_be_reached_from_the_readme(pages: dict[str, Any]) -> None:
    reached, todo = set(), ["README.md"]
    while todo:
        name = todo.pop()
        if name in reached or name not in pages:
            continue
        reached.add(name)
        page = pages[name]
        for target in _LINK.findall(page.prose):
            path = (page.path.parent / target.partition("#")[0]).resolve()
            root = pages["README.md"].path.parent
            if path.is_dir() and path.is_relative_to(root):
                todo += [str(p.relative_to(root)) for p in path.glob("*.md")]
            elif path.is_relative_to(root):
                todo.append(str(path.relative_to(root)))
    assert not {n for n in pages if n.startswith("docs/")} - reached


def test_generated_parts_are_current(pages: dict[str, Any]) -> None:
    root = pages["README.md"].path.parent
    build = [sys.executable, str(root / "tools" / "docs" / "build.py"), "--check"]
    result = subprocess.run(build, capture_output=True, text=True, timeout=100, cwd=root, check=False)
    assert result.returncode == 0, result.stdout + result.stderr


def test_nothing_private_in_the_docs(pages: dict[str, Any]) -> None:
    told = {f"{p.name}: {m}" for p in pages.values() for m in _PRIVATE.findall(p.text)}
    assert not told


def test_the_spec_page_is_a_valid_spec(pages: dict[str, Any]) -> None:
    blocks = pages["docs/spec.md"].of("yaml")
    spec = load_documents([(f"block {i}", text) for i, text in enumerate(blocks)])
    assert spec.app.name == "shop"


def test_the_readmes_application_is_valid_with_the_spec_pages_fleet(pages: dict[str, Any]) -> None:
    fleet = next(b for b in pages["docs/spec.md"].of("yaml") if "kind: Fleet" in b)
    for name in ("README.md", "README.zh-CN.md"):
        app = yaml.safe_load(next(b for b in pages[name].of("yaml") if "kind: Application" in b))
        app["spec"]["externals"] = [{"name": "orders", "sites": ["internet"]}]
        load_documents([("app", yaml.safe_dump(app)), ("fleet", fleet)])


def test_the_policy_page_shows_a_rule_that_works(pages: dict[str, Any]) -> None:
    page = pages["docs/policies.md"]
    bundle = default_bundle().extended({"img.rego": page.of("rego")[0]})
    document = {
        "kind": "application",
        "address": "application/shop",
        "spec": {"services": [{"name": "web", "image": "elsewhere.example/web:1"}]},
    }
    report = judge([document], today=datetime.date(2026, 12, 1), bundle=bundle)
    assert [f.rule_id for f in report.findings] == ["ACME-IMG-001"]
    assert not report.passed
    rows = yaml.safe_load(next(b for b in page.of("yaml") if b.startswith("waivers:")))
    assert waivers_from_data(rows)[0].rule == "DY-NET-006"
    assert f"{len(default_bundle().rules)} rules, each with examples" in " ".join(page.text.split())


def test_the_sandbox_page_shows_code_that_holds(pages: dict[str, Any]) -> None:
    page = pages["docs/sandbox.md"]
    for text in page.of("python"):
        ast.parse(text)
    for text in page.of("yaml"):
        for value in yaml.safe_load(text).get("annotations", {}).values():
            Behaviour.parse(json.loads(value))
    for name in Behaviour.__dataclass_fields__:
        assert f"`{name}`" in page.text


def test_the_readmes_exit_codes_exist(pages: dict[str, Any]) -> None:
    for name in ("README.md", "README.zh-CN.md"):
        line = " ".join(pages[name].text.split())
        section = re.search(r"0 (?:done|完成).*?(?:resumable|可恢复)", line)
        assert section, name
        told = {
            int(n) for part in section[0].split("·") for n in re.findall(r"^\s*(\d+)(?:[,、] ?(\d+))?", part)[0] if n
        }
        assert told <= set(map(int, ExitCode))


def test_pictures_are_well_formed(pages: dict[str, Any]) -> None:
    pictures = list((pages["README.md"].path.parent / "docs" / "img").glob("*.svg"))
    assert pictures
    for picture in pictures:
        assert ElementTree.parse(picture).getroot().get("aria-label")
