"""One folder of Terraform files as one module: what it declares, and what about that is wrong.

Callers: modules.py. Pure: bytes in, declarations out. Override files (`override.tf`, `*_override.tf`) change what the
others declare (https://developer.hashicorp.com/terraform/language/files/override).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from model.errors import Diagnostic
from policies.loaders.hcl import nodes
from policies.loaders.hcl.syntax import Attribute, Block, Body, parse

Key = tuple[str, str]
"""Type and name; the type of a data source begins with `data.`."""
_LABELS: Final = {
    "resource": 2,
    "data": 2,
    "ephemeral": 2,
    "module": 1,
    "variable": 1,
    "output": 1,
    "provider": 1,
    "check": 1,
    "locals": 0,
    "terraform": 0,
    "moved": 0,
    "removed": 0,
    "import": 0,
}


@dataclass(frozen=True, slots=True)
class Declared:
    file: str
    block: Block


@dataclass(slots=True)
class Folder:
    """path: as positions show it. mistakes: nothing of the folder may be taken as whole while there are any.

    again: resources declared under a name that is taken; they are read all the same, so that none passes unseen.
    """

    path: str
    resources: dict[Key, Declared] = field(default_factory=dict)
    modules: dict[str, Declared] = field(default_factory=dict)
    variables: dict[str, Declared] = field(default_factory=dict)
    outputs: dict[str, Declared] = field(default_factory=dict)
    providers: dict[Key, Declared] = field(default_factory=dict)
    locals: dict[str, tuple[str, Attribute]] = field(default_factory=dict)
    again: list[tuple[Key, Declared]] = field(default_factory=list)
    mistakes: list[Diagnostic] = field(default_factory=list)


def read_folder(path: str, files: Mapping[str, bytes]) -> Folder:
    """files: name as positions show it -> content."""
    folder = Folder(path)
    overrides: list[tuple[str, Body]] = []
    for name in sorted(files):
        body, mistakes = parse(files[name], name)
        folder.mistakes += mistakes
        if name.endswith(("_override.tf", "/override.tf")) or name == "override.tf":
            overrides.append((name, body))
        else:
            _declare(folder, name, body)
    for name, body in overrides:
        _override(folder, name, body)
    return folder


def _say(folder: Folder, file: str, line: int, what: str, mend: str) -> None:
    folder.mistakes.append(Diagnostic(f"{file}:{line}:1", what, mend))


def _declare(folder: Folder, file: str, body: Body) -> None:
    for name, attribute in body.attributes.items():
        _say(folder, file, attribute.line, f"`{name}` stands outside any block", "put it into a block")
    for block in body.blocks:
        wanted = _LABELS.get(block.type)
        if wanted is None:
            known = ", ".join(_LABELS)
            _say(folder, file, block.line, f"there is no block `{block.type}`", f"blocks are {known}")
        elif len(block.labels) != wanted:
            what = f"a `{block.type}` block has {wanted} labels, this one {len(block.labels)}"
            _say(folder, file, block.line, what, 'write it as: resource "type" "name" {')
        else:
            _declare_one(folder, file, block)


def _declare_one(folder: Folder, file: str, block: Block) -> None:
    declared = Declared(file, block)
    if block.type in ("resource", "data"):
        prefix = "data." if block.type == "data" else ""
        key = (prefix + block.labels[0], block.labels[1])
        if not _once(folder, folder.resources, key, declared):
            folder.again.append((key, declared))
    elif block.type in ("module", "variable", "output"):
        table = {"module": folder.modules, "variable": folder.variables, "output": folder.outputs}[block.type]
        _once(folder, table, block.labels[0], declared)
    elif block.type == "provider":
        alias = block.body.attributes.get("alias")
        name = str(alias.expression.constant) if alias and isinstance(alias.expression, nodes.Const) else ""
        folder.providers.setdefault((block.labels[0], name), declared)
    elif block.type == "locals":
        for name, attribute in block.body.attributes.items():
            if name in folder.locals:
                _say(folder, file, attribute.line, f"local.{name} is declared twice", "keep one of the two")
            folder.locals.setdefault(name, (file, attribute))


def _once(folder: Folder, table: dict[object, Declared] | dict, key: object, declared: Declared) -> bool:  # type: ignore[type-arg]
    """Whether the name was free."""
    first = table.get(key)
    if first is not None:
        name = ".".join(key) if isinstance(key, tuple) else key
        what = f"{declared.block.type} `{name}` is declared twice, first at {first.file}:{first.block.line}"
        _say(folder, declared.file, declared.block.line, what, "rename or remove one of the two")
        return False
    table[key] = declared
    return True


def _override(folder: Folder, file: str, body: Body) -> None:
    for block in body.blocks:
        table: dict[object, Declared] = {}
        key: object = block.labels[0] if block.labels else ""
        if block.type in ("resource", "data"):
            table = folder.resources  # type: ignore[assignment]
            key = (("data." if block.type == "data" else "") + block.labels[0], block.labels[1])
        elif block.type in ("module", "variable", "output"):
            found = {"module": folder.modules, "variable": folder.variables, "output": folder.outputs}[block.type]
            table = found  # type: ignore[assignment]
        elif block.type == "locals":
            folder.locals.update({n: (file, a) for n, a in block.body.attributes.items()})
            continue
        declared = table.get(key)
        if declared is None:
            _declare(folder, file, Body(blocks=[block]))
            continue
        replaced = {b.type for b in block.body.blocks}
        target = declared.block.body
        target.attributes.update(block.body.attributes)
        target.blocks = [b for b in target.blocks if b.type not in replaced] + block.body.blocks
