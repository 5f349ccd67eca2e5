"""What names mean in a module: variables, locals, resources and their instances, other modules, dynamic blocks.

Callers: modules.py. Nothing here touches a disk. What is not known is Pending, and says why.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from model.native import Known, Pending, Values, render
from policies.loaders.hcl import functions, nodes
from policies.loaders.hcl.completing import completed
from policies.loaders.hcl.folder import Declared, Folder, Key
from policies.loaders.hcl.gathered import Gathered
from policies.loaders.hcl.syntax import Attribute, Block, Body, parse

META: Final = frozenset(
    {"count", "for_each", "provider", "depends_on", "lifecycle", "provisioner", "connection", "providers", "source"}
)
_NO_KEY: Final = object()
_FILE_FUNCTIONS: Final = frozenset(
    {
        *("file", "templatefile", "filebase64", "filemd5", "filesha1", "filesha256", "filesha512"),
        "filebase64sha256",
    }
)


class Names:
    """Scope: names of loops and of count and each, above the module's own."""

    __slots__ = ("file", "module", "names")

    def __init__(self, module: Module, names: Mapping[str, Any], file: str) -> None:
        self.module, self.names, self.file = module, names, file

    def child(self, names: Mapping[str, Any]) -> Names:
        return Names(self.module, {**self.names, **names}, self.file)

    def resolve(self, root: str, steps: tuple[nodes.Step, ...], text: str) -> tuple[Any, int]:
        if root in self.names:
            return self.names[root], 0
        return self.module.resolve(root, steps, text, self.file)

    def call(self, name: str, arguments: list[Any], text: str) -> Any:
        if name in _FILE_FUNCTIONS and arguments and isinstance(arguments[0], str):
            return self._file_function(name, arguments, text)
        return functions.call(name, arguments, text)

    def _file_function(self, name: str, arguments: list[Any], text: str) -> Any:
        """What stands in a file beside the module; Pending where it is not there, or not to be read."""
        found = self.module.gathered.read_file(str(arguments[0]), self.module.folder.path)
        if isinstance(found, str):
            return Pending(text, why=found)
        if name in ("filebase64", "filemd5", "filesha1", "filesha256", "filesha512", "filebase64sha256"):
            return Pending(text, partial=name == "filebase64", why="a digest of a file is not computed")
        content = found.decode(errors="replace")
        if name == "file":
            return content
        given = arguments[1] if len(arguments) > 1 and isinstance(arguments[1], Mapping) else {}
        body, mistakes = parse(b"t = <<TEMPLATE\n" + found + b"\nTEMPLATE\n", str(arguments[0]))
        attribute = body.attributes.get("t")
        if mistakes or attribute is None:
            return Pending(content, partial=True, why="the template is not computed")
        return attribute.expression.value(Names(self.module, given, self.file))


class Module:
    """One instance of a module. prefix: `module.m[0].` or "" for the root. providers: those it was handed."""

    def __init__(
        self, folder: Folder, prefix: str, inputs: Mapping[str, Any], gathered: Gathered, parents: tuple[Module, ...]
    ) -> None:
        self.folder, self.prefix, self.inputs = folder, prefix, inputs
        self.gathered, self.parents = gathered, parents
        self.children: dict[str, list[tuple[Any, Module | None]]] = {}
        self.handed: dict[str, str] = {}
        self.memo: dict[Any, Any] = {}
        self._resources: dict[Key, Resource] = {}

    def resolve(self, root: str, steps: tuple[nodes.Step, ...], text: str, file: str) -> tuple[Any, int]:
        first = steps[0][1] if steps and steps[0][0] == "attribute" else ""
        if root == "var" and first:
            return self.variable(first, file), 1
        if root == "local" and first:
            return self.local(first, file), 1
        if root == "module" and first:
            return ModuleReference(self, first), 1
        if root == "data" and len(steps) > 1 and steps[1][0] == "attribute":
            return self.reference((f"data.{first}", steps[1][1]), file), 2
        if root == "path":
            return {"module": self.folder.path, "root": self.folder.path, "cwd": "."}.get(first, Pending(text)), 1
        if root in ("each", "count", "self", "terraform") or not first:
            return Pending(text, why=f"`{text}` has no value here"), len(steps)
        return self.reference((root, first), file), 1

    def variable(self, name: str, file: str) -> Any:
        declared = self.folder.variables.get(name)
        if name in self.inputs:
            return self._with_defaults(name, declared)
        if declared is None:
            self.gathered.note(file, f"var.{name} is not declared", f'declare it: variable "{name}" {{}}')
            return Pending(f"var.{name}", why=f"var.{name} is not declared")
        default = declared.block.body.attributes.get("default")
        if default is None:
            return Pending(f"var.{name}", why=f"var.{name} has no value; give one with a tfvars file")
        value = self._once(("var", name), default, declared.file, f"var.{name}")
        kind = declared.block.body.attributes.get("type")
        if kind is None or not isinstance(kind.expression, nodes.Call):
            return value
        return completed(kind.expression, value, Names(self, {}, declared.file))

    def _with_defaults(self, name: str, declared: Declared | None) -> Any:
        """An input as its type completes it: `optional(string, "x")` in an object."""
        kind = declared.block.body.attributes.get("type") if declared else None
        if kind is None or declared is None or not isinstance(kind.expression, nodes.Call):
            return self.inputs[name]
        if ("input", name) not in self.memo:
            value = self.inputs[name]
            self.memo["input", name] = completed(kind.expression, value, Names(self, {}, declared.file))
        return self.memo["input", name]

    def local(self, name: str, file: str) -> Any:
        found = self.folder.locals.get(name)
        if found is None:
            self.gathered.note(file, f"local.{name} is not declared", "declare it in a locals block")
            return Pending(f"local.{name}", why=f"local.{name} is not declared")
        return self._once(("local", name), found[1], found[0], f"local.{name}")

    def _once(self, key: Any, attribute: Attribute, file: str, text: str) -> Any:
        if key not in self.memo:
            self.memo[key] = Pending(text, why=f"{text} refers to itself")
            self.memo[key] = self.evaluate(attribute, Names(self, {}, file), file)
        value = self.memo[key]
        if isinstance(value, Pending) and value.why.endswith("refers to itself"):
            self.gathered.mistake(f"{file}:{attribute.line}:1", value.why, "break the circle")
        return value

    def evaluate(self, attribute: Attribute, scope: Names, file: str) -> Any:
        try:
            return attribute.expression.value(scope)
        except RecursionError:
            what = "references lie too deep in one another to be followed"
            self.gathered.mistake(f"{file}:{attribute.line}:1", what, "shorten the chain of references")
            return Pending("", why=what)

    def reference(self, key: Key, file: str) -> Any:
        found = self.resource(key)
        if found is not None:
            return found
        address = f"{self.prefix}{key[0]}.{key[1]}"
        self.gathered.note(file, f"{key[0]}.{key[1]} is not declared", "declare it, or mend the reference")
        return Undeclared(address)

    def resource(self, key: Key) -> Resource | None:
        if key not in self._resources:
            declared = self.folder.resources.get(key)
            if declared is None:
                return None
            self._resources[key] = Resource(self, key, declared)
        return self._resources[key]

    def body(self, body: Body, scope: Names, file: str, line: int, skip: frozenset[str] = frozenset()) -> Values:
        """Attributes and nested blocks as values; null reads as left out."""
        values = Values(file=file, line=line)
        for name, attribute in body.attributes.items():
            if name not in skip:
                value = self.evaluate(attribute, scope, file)
                if value is not None:
                    values[name] = value
                    values.lines[name] = attribute.line
        for block in body.blocks:
            if block.type == "dynamic" and block.labels:
                self._dynamic(block, scope, file, values)
            elif block.type not in skip:
                values.setdefault(block.type, []).append(self.body(block.body, scope, file, block.line))
                values.lines.setdefault(block.type, block.line)
        return values

    def _dynamic(self, block: Block, scope: Names, file: str, values: Values) -> None:
        name = block.labels[0]
        content = next((b for b in block.body.blocks if b.type == "content"), None)
        source = block.body.attributes.get("for_each")
        if content is None or source is None:
            what = f"the dynamic block `{name}` lacks its for_each or its content"
            self.gathered.mistake(f"{file}:{block.line}:1", what, "write both")
            return
        named = block.body.attributes.get("iterator")
        iterator = named.expression.root if named and isinstance(named.expression, nodes.Path) else name
        found = nodes.pairs_of(self.evaluate(source, scope, file))
        if isinstance(found, Pending):  # how many there are is not known: one stands for all, its values unknown
            what = f"how many `{name}` blocks there are is not known, one stands for all: {found.why}"
            self.gathered.note(f"{file}:{source.line}", what, "")
            item = Pending(f"{iterator}.value", why=found.why)
            found = [(Pending(f"{iterator}.key", why=found.why), item)]
        for key, item in found:
            inner = scope.child({iterator: {"key": key, "value": item}})
            values.setdefault(name, []).append(self.body(content.body, inner, file, content.line))
            values.lines.setdefault(name, block.line)


class Undeclared(nodes.Reachable):
    """A resource that is referred to and nowhere declared."""

    __slots__ = ("address",)

    def __init__(self, address: str) -> None:
        self.address = address

    def attribute(self, name: str) -> Any:
        return Pending(f"{self.address}.{name}", ref=self.address, attribute=name, why="it is not declared")

    def item(self, _key: Any, /) -> Any:
        return self

    def items(self) -> list[Any] | Pending:
        return [self]

    def plain(self) -> Any:
        return Pending(self.address, ref=self.address, why="it is not declared")


class ModuleReference(nodes.Reachable):
    __slots__ = ("key", "module", "name")

    def __init__(self, module: Module, name: str, key: Any = _NO_KEY) -> None:
        self.module, self.name, self.key = module, name, key

    def attribute(self, name: str) -> Any:
        text = f"{self.module.prefix}module.{self.name}.{name}"
        for key, child in self.module.children.get(self.name, ()):
            if self.key is not _NO_KEY and key != self.key and key is not None:
                continue
            if child is None:
                return Pending(text, ref=text.rsplit(".", 1)[0], attribute=name, why="its module is not there")
            output = child.folder.outputs.get(name)
            value = output.block.body.attributes.get("value") if output else None
            if output is None or value is None:
                return Pending(text, why=f"`{text}`: there is no such output")
            return child._once(("output", name), value, output.file, text)
        return Pending(text, ref=text.rsplit(".", 1)[0], attribute=name)

    def item(self, key: Any, /) -> Any:
        return ModuleReference(self.module, self.name, key)

    def items(self) -> list[Any] | Pending:
        return [ModuleReference(self.module, self.name, key) for key, _ in self.module.children.get(self.name, ())]

    def plain(self) -> Any:
        return Pending(f"{self.module.prefix}module.{self.name}")


class Resource(nodes.Reachable):
    """A declared resource or data source with its instances."""

    __slots__ = ("address", "declared", "instances", "key", "module", "unknown")

    def __init__(self, module: Module, key: Key, declared: Declared) -> None:
        self.module, self.key, self.declared = module, key, declared
        self.address = f"{module.prefix}{key[0]}.{key[1]}"
        self.unknown: Pending | None = None
        self.instances: dict[Any, Instance] = {}
        body, file = declared.block.body, declared.file
        for index, names in self._expand(body, file):
            suffix = "" if index is None else f"[{index}]" if isinstance(index, int) else f'["{index}"]'
            self.instances[index] = Instance(self, self.address + suffix, Names(module, names, file))

    def _expand(self, body: Body, file: str) -> list[tuple[Any, Mapping[str, Any]]]:
        found = expand(body, Names(self.module, {}, file), self.module, file)
        if isinstance(found, Pending):
            self.unknown = found
            what = Pending("each.value", why=found.why)
            return [
                (None, {"each": {"key": Pending("each.key", why=found.why), "value": what}, "count": {"index": what}})
            ]
        return found

    def attribute(self, name: str) -> Any:
        first = next(iter(self.instances.values()), None)
        return first.attribute(name) if first else Pending(f"{self.address}.{name}", why="its count is 0")

    def item(self, key: Any, /) -> Any:
        if isinstance(key, Pending) or self.unknown is not None:
            return next(iter(self.instances.values()), Undeclared(self.address))
        wanted = (
            int(key)
            if isinstance(key, float) or (isinstance(key, str) and key.isdigit() and 0 in self.instances)
            else key
        )
        found = self.instances.get(wanted)
        return found or Pending(f"{self.address}[{render(key)}]", why=f"there is no {self.address}[{render(key)}]")

    def items(self) -> list[Any] | Pending:
        return list(self.instances.values())

    def plain(self) -> Any:
        if None in self.instances:
            return self.instances[None].plain()
        if all(isinstance(k, str) for k in self.instances):
            return {k: i.plain() for k, i in self.instances.items()}
        return [i.plain() for i in self.instances.values()]


class Instance(nodes.Reachable):
    __slots__ = ("address", "memo", "resource", "scope")

    def __init__(self, resource: Resource, address: str, scope: Names) -> None:
        self.resource, self.address, self.scope = resource, address, scope
        self.memo: dict[str, Any] = {}

    def attribute(self, name: str) -> Any:
        """What is written, marked with where it comes from; what only the cloud knows is Pending."""
        declared = self.resource.declared
        if name not in self.memo:
            waiting = Pending(f"{self.address}.{name}", ref=self.address, attribute=name)
            self.memo[name] = waiting  # what refers to itself is not known
            written = declared.block.body.attributes.get(name)
            if written is not None:
                value = self.resource.module.evaluate(written, self.scope, declared.file)
                self.memo[name] = _from(value, self.address)
            elif any(name in (b.type, *b.labels) for b in declared.block.body.blocks):
                self.memo[name] = self.values().get(name, waiting)
        return self.memo[name]

    def item(self, key: Any, /) -> Any:
        return self.attribute(key) if isinstance(key, str) else self

    def items(self) -> list[Any] | Pending:
        return [self]

    def plain(self) -> Any:
        return Pending(self.address, ref=self.address)

    def values(self) -> Values:
        declared = self.resource.declared
        return self.resource.module.body(declared.block.body, self.scope, declared.file, declared.block.line, META)


def _too_many(number: int, module: Module, position: str) -> bool:
    most = module.gathered.bounds.instances
    if number > most:
        what = f"it stands for {number} resources, and more than {most} are not judged"
        module.gathered.mistake(position, what, "split it into smaller groups")
    return number > most


def _from(value: Any, address: str) -> Any:
    """A value that remembers which resource it was read from, where it does not come from a further one."""
    if type(value) is str:
        return Known(value, address)
    if isinstance(value, Pending) and not value.ref:
        return Pending(value.text, ref=address, partial=value.partial, why=value.why)
    return value


def expand(body: Body, scope: Names, module: Module, file: str) -> list[tuple[Any, Mapping[str, Any]]] | Pending:
    """Keys of count or for_each with the names that they bring; [(None, {})] without either."""
    counted, each = body.attributes.get("count"), body.attributes.get("for_each")
    if counted is not None:
        value = module.evaluate(counted, scope, file)
        if isinstance(value, bool) or not str(value).isdigit():
            return value if isinstance(value, Pending) else Pending(render(value), why="its count is no whole number")
        if _too_many(int(value), module, f"{file}:{counted.line}:1"):
            return []
        return [(i, {"count": {"index": i}}) for i in range(int(value))]
    if each is not None:
        value = module.evaluate(each, scope, file)
        if isinstance(value, list):
            value = {render(v): v for v in value}
        found = nodes.pairs_of(value)
        if isinstance(found, Pending):
            return found
        if _too_many(len(found), module, f"{file}:{each.line}:1"):
            return []
        return [(key, {"each": {"key": key, "value": item}}) for key, item in found]
    return [(None, {})]
