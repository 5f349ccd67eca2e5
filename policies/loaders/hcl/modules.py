"""Modules evaluated to native resources, child modules included.

Callers: policies.loaders.terraform. Folders and files come in through functions, so that nothing here touches a disk.
What cannot be followed (a module that is not there, an unknown count) is said as Unassessed.
"""

from __future__ import annotations

import posixpath
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final

from model.native import Native, Pending, Values
from policies.loaders.hcl import nodes
from policies.loaders.hcl.folder import Declared, Folder, Key
from policies.loaders.hcl.gathered import Bounds, Gathered, TooMany
from policies.loaders.hcl.scope import META, Module, Names, Resource, expand
from policies.loaders.hcl.syntax import Body
from policies.loaders.report import MISSING_MODULE, UNKNOWN_COUNT, Unassessed

MOST_MODULES: Final = 32
"""Modules inside one another."""

OpenFolder = Callable[[str, str, str], "Folder | None"]
"""(source, folder of the caller, address of the call) -> the module's folder, None where it is not there."""


def evaluate(
    root: Folder,
    variables: Mapping[str, Any],
    open_folder: OpenFolder,
    bounds: Bounds,
    read_file: Callable[[str, str], bytes | str] | None = None,
) -> Gathered:
    """Every resource and data source of the root module and of the modules that it calls.

    read_file: (path, folder of the module) -> its content, or why it is not read.
    """
    gathered = Gathered(bounds=bounds)
    if read_file is not None:
        gathered.read_file = read_file
    module = Module(root, "", variables, gathered, ())
    try:
        _open_children(module, open_folder)
        _gather(module, bounds)
    except TooMany as exc:
        gathered.mistake(root.path, str(exc), "judge parts of it on their own")
    return gathered


def _open_children(module: Module, open_folder: OpenFolder) -> None:
    """All modules first, so that an output is there whoever asks for it."""
    gathered = module.gathered
    gathered.mistakes += [m for m in module.folder.mistakes if m not in gathered.mistakes]
    for name, declared in module.folder.modules.items():
        module.children[name] = list(_call(module, name, declared, open_folder))
    for instances in module.children.values():
        for _, child in instances:
            if child is not None:
                _open_children(child, open_folder)


def _gather(module: Module, bounds: Bounds) -> None:
    for instances in module.children.values():
        for _, child in instances:
            if child is not None:
                _gather(child, bounds)
    for key in module.folder.resources:
        resource = module.resource(key)
        assert resource is not None
        _emit(module, key, resource, bounds)
    for key, declared in module.folder.again:
        _emit(module, key, Resource(module, key, declared), bounds)


def _emit(module: Module, key: Key, resource: Resource, bounds: Bounds) -> None:
    gathered = module.gathered
    if resource.unknown is not None:
        where = f"{resource.declared.file}:{resource.declared.block.line}"
        gathered.unassessed.append(
            Unassessed(resource.address, key[0], "count", where, UNKNOWN_COUNT, resource.unknown.why)
        )
    for instance in resource.instances.values():
        if len(gathered.natives) >= bounds.total:
            raise TooMany(f"there are more than {bounds.total} resources")
        values = instance.values()
        lifecycle = [b for b in resource.declared.block.body.blocks if b.type == "lifecycle"]
        if lifecycle:
            inner = module.body(lifecycle[0].body, instance.scope, resource.declared.file, lifecycle[0].line)
            values["lifecycle"] = [Values({k: v for k, v in inner.items() if k in _LIFECYCLE}, file=inner.file)]
            values["lifecycle"][0].lines = inner.lines
            values.lines["lifecycle"] = lifecycle[0].line
        data = key[0].startswith("data.")
        gathered.natives.append(
            Native(instance.address, key[0].removeprefix("data."), key[1], values, data, _provider(module, resource))
        )


_LIFECYCLE: Final = ("create_before_destroy", "prevent_destroy")


def _provider(module: Module, resource: Resource) -> Mapping[str, Any]:
    """Settings of the provider that the resource is made with: its alias, or what the module was handed."""
    kind = resource.key[0].removeprefix("data.").split("_", 1)[0]
    chosen = resource.declared.block.body.attributes.get("provider")
    wanted = chosen.expression.text if chosen and isinstance(chosen.expression, nodes.Path) else kind
    for place in (module, *reversed(module.parents)):
        name, _, alias = wanted.partition(".")
        declared = place.folder.providers.get((name, alias))
        if declared is not None and declared.block.body.attributes:
            memo = place.memo
            if ("provider", wanted) not in memo:
                scope = Names(place, {}, declared.file)
                memo["provider", wanted] = place.body(declared.block.body, scope, declared.file, declared.block.line)
            return memo["provider", wanted]  # type: ignore[no-any-return]
        wanted = place.handed.get(wanted, wanted)
    return {}


def _call(
    module: Module, name: str, declared: Declared, open_folder: OpenFolder
) -> Iterator[tuple[Any, Module | None]]:
    file, body, gathered = declared.file, declared.block.body, module.gathered
    address = f"{module.prefix}module.{name}"
    where = f"{file}:{declared.block.line}"
    source = body.attributes.get("source")
    text = source.expression.value(Names(module, {}, file)) if source else None
    if not isinstance(text, str):
        gathered.mistake(f"{where}:1", f"{address} has no source that can be read", 'write it as: source = "./folder"')
        return
    folder = open_folder(text, module.folder.path, address)
    if folder is None:
        why = f"the module {text} is not there; run `terraform init` (or `tofu init`) first, or judge the plan"
        gathered.unassessed.append(Unassessed(address, "module", "", where, MISSING_MODULE, why))
        yield None, None
        return
    chain = [*(m.folder.path for m in module.parents), module.folder.path]
    if folder.path in chain or len(chain) > MOST_MODULES:
        circle = " -> ".join([*chain, folder.path])
        gathered.mistake(f"{where}:1", f"modules call one another in a circle: {circle}", "take the call out")
        return
    found = expand(body, Names(module, {}, file), module, file)
    if isinstance(found, Pending):
        gathered.unassessed.append(Unassessed(address, "module", "count", where, UNKNOWN_COUNT, found.why))
        each = {"key": Pending("each.key"), "value": Pending("each.value")}
        found = [(None, {"each": each, "count": {"index": Pending("count.index")}})]
    for key, names in found:
        suffix = "" if key is None else f"[{key}]" if isinstance(key, int) else f'["{key}"]'
        inputs = LazyInputs(module, body, Names(module, names, file), file)
        child = Module(folder, f"{address}{suffix}.", inputs, gathered, (*module.parents, module))
        child.handed = _handed(body)
        yield key, child


def _handed(body: Body) -> dict[str, str]:
    given = body.attributes.get("providers")
    if given is None or not isinstance(given.expression, nodes.Object):
        return {}
    pairs = ((k, v) for k, v, _ in given.expression.pairs)
    return {
        (k.constant if isinstance(k, nodes.Const) else getattr(k, "text", "")): v.text
        for k, v in pairs
        if isinstance(v, nodes.Path)
    }


class LazyInputs(Mapping[str, Any]):
    """What a module was called with, computed when it is asked for: an input may name another module's output."""

    def __init__(self, module: Module, body: Body, scope: Names, file: str) -> None:
        self._module, self._scope, self._file = module, scope, file
        self._attributes = {n: a for n, a in body.attributes.items() if n not in META and n != "version"}
        self._memo: dict[str, Any] = {}

    def __getitem__(self, name: str) -> Any:
        if name not in self._memo:
            attribute = self._attributes[name]
            self._memo[name] = Pending(name, why=f"the input {name} refers to itself")
            self._memo[name] = self._module.evaluate(attribute, self._scope, self._file)
        return self._memo[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._attributes)

    def __len__(self) -> int:
        return len(self._attributes)


def beside(caller: str, source: str) -> str:
    """The folder that a local source names."""
    return posixpath.normpath(posixpath.join(caller, source))
