"""No code outside a cloud's own folder knows a concrete cloud: adding a fourth one touches one folder and one row.

Looked at are identifiers, imports and texts of the code. Comments and docstrings may give examples, sentences for
people may where they say so, and the command line's help may name what the product works with.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from orchestrator.registry import CLOUDS

ROOT = Path(__file__).parents[2]
PACKAGES = ("cli", "model", "orchestrator", "policies", "probes", "providers", "sandbox", "scheduler")
WORDS = {
    "aws": r"aws|amazon\w*|boto3?|botocore|eks",
    "azure": r"azure|microsoft\w*|aks",
    "alibaba": r"alibaba\w*|aliyun\w*|alicloud",
}
ALLOWED = (
    "sandbox/",  # the clouds themselves
    "orchestrator/registry.py",  # the one table of clouds
    "orchestrator/demo.py",  # tells a story about three of them
    "model/spec/fleet.py",  # which partitions there are
    "model/facts/",  # prices, regions and types, by cloud
)


def texts(tree: ast.AST) -> Iterator[tuple[int, str]]:
    """(line, text) of names, imports and literals; not of docstrings."""
    docs = {
        id(node.body[0].value)
        for node in ast.walk(tree)
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef)
        and node.body
        and isinstance(node.body[0], ast.Expr)
    }
    for node in ast.walk(tree):
        line = getattr(node, "lineno", 0)
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in docs:
            yield line, node.value
        elif isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant):
            docs.add(id(node.value))  # a text below a field says what the field means
        elif isinstance(node, ast.Name):
            yield line, node.id
        elif isinstance(node, ast.Attribute):
            yield line, node.attr
        elif isinstance(node, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            yield line, node.name
        elif isinstance(node, ast.arg | ast.keyword):
            yield line, node.arg or ""
        elif isinstance(node, ast.Import | ast.ImportFrom):
            yield from ((line, alias.name) for alias in node.names)
            yield line, getattr(node, "module", None) or ""


def named(text: str, words: str) -> bool:
    spaced = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", " ", text).replace("_", " ")
    return re.search(rf"(?<![a-z0-9])(?:{words})(?![a-z0-9])", spaced, re.IGNORECASE) is not None


def is_sentence(text: str, relative: str) -> bool:
    """Whether a literal is prose that names a cloud to a person; nothing is decided by it."""
    return len(text.split()) > 2 and (relative.startswith("cli/") or "for example" in text)


def offences(path: Path, root: Path = ROOT) -> list[str]:
    relative = path.relative_to(root).as_posix()
    own = relative.split("/")[1] if relative.startswith("providers/") else ""
    pattern = "|".join(words for cloud, words in WORDS.items() if cloud != own)
    tree = ast.parse(path.read_text(encoding="utf-8"))
    found = [(line, text) for line, text in texts(tree) if named(text, pattern) and not is_sentence(text, relative)]
    return [f"{relative}:{line}: {text[:80]!r}" for line, text in found]


def test_every_cloud_has_its_words() -> None:
    assert set(WORDS) == set(CLOUDS)


@pytest.mark.parametrize("package", [*PACKAGES, "duoyun.py"])
def test_no_concrete_cloud_is_named(package: str) -> None:
    where = ROOT / package
    files = [where] if where.is_file() else sorted(where.rglob("*.py"))
    assert files
    outside = [f for f in files if not f.relative_to(ROOT).as_posix().startswith(ALLOWED)]
    found = [line for f in outside for line in offences(f)]
    assert not found, "a cloud is named outside its folder:\n" + "\n".join(found)


@pytest.mark.parametrize(
    ("code", "wrong"),
    [
        ("x = 'aws-cn'", True),
        ("import boto3", True),
        ("def open_azure(): ...", True),
        ("if account.cloud == 'alibaba': pass", True),
        ("class EksCluster: ...", True),
        ("'''Like aws-cn.'''\nx = 1  # as aws does", False),
        ("class A:\n    x: str = ''\n    '''aws-cn, or another.'''", False),
        ("mend = 'sites are partition/zone, for example aws-cn/*'", False),
        ("gawsome = laws = flaws = 1", False),
    ],
)
def test_the_check_itself(tmp_path: Path, code: str, wrong: bool) -> None:
    (tmp_path / "some.py").write_text(code)
    assert bool(offences(tmp_path / "some.py", tmp_path)) is wrong
