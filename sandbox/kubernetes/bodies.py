"""Reading a request's body: JSON, YAML or protobuf, with what strict validation wants to know of it.

Callers: the HTTP layer. Wording after apimachinery's serializers and apiserver's negotiation. Non-goals: CBOR.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final

import aiohttp
import yaml
from aiohttp import web

from sandbox.kubernetes import protobuf
from sandbox.kubernetes.errors import ApiError, bad_request

_LIMIT: Final = 3 * 1024 * 1024
_MOST_NESTED: Final = 200
JSON, YAML = "application/json", "application/yaml"
OBJECTS: Final = (JSON, YAML, protobuf.MEDIA_TYPE)
JSON_PATCH, MERGE_PATCH = "application/json-patch+json", "application/merge-patch+json"
STRATEGIC, APPLY = "application/strategic-merge-patch+json", "application/apply-patch+yaml"
PATCHES: Final = (JSON_PATCH, MERGE_PATCH, STRATEGIC, APPLY)


@dataclass(frozen=True, slots=True)
class Body:
    """data: what was sent, None where nothing was. duplicates: paths of fields that stand twice in one object.
    media_type: one of OBJECTS or PATCHES."""

    data: Any
    media_type: str
    duplicates: tuple[str, ...] = ()


async def read(request: web.BaseRequest, accepted: Sequence[str] = OBJECTS) -> Body:
    """ApiError 400 where it cannot be read, 413 where it is too long, 415 where its type is not accepted."""
    media_type = request.content_type if "Content-Type" in request.headers else accepted[0]
    raw = await _bytes(request)
    if media_type not in accepted:
        if raw or accepted is PATCHES:
            raise _unknown_format(accepted)
        media_type = accepted[0]
    if not raw.strip():
        return Body(None, media_type)
    if media_type == protobuf.MEDIA_TYPE:
        try:
            return Body(protobuf.decode(raw), media_type)
        except protobuf.Malformed as exc:
            raise bad_request(f"the body is no protobuf: {exc}") from exc
    if media_type in (YAML, APPLY):
        data, twice = _yaml(raw)
        if twice:
            rows = "\n".join(f'  key "{path}" already set in map' for path in twice)
            raise bad_request(f"error decoding YAML: error converting YAML to JSON: yaml: unmarshal errors:\n{rows}")
        return Body(data, media_type)
    data, twice = parse_json(raw)
    return Body(data, media_type, twice)


def _unknown_format(accepted: Sequence[str]) -> ApiError:
    types = ", ".join(accepted)
    message = f"the body of the request was in an unknown format - accepted media types include: {types}"
    return ApiError(415, "UnsupportedMediaType", message)


async def _bytes(request: web.BaseRequest) -> bytes:
    raw = bytearray()
    try:
        while len(raw) <= _LIMIT and not request.content.at_eof():
            raw += await request.content.read(_LIMIT + 1 - len(raw))
    except (aiohttp.ClientPayloadError, aiohttp.http_exceptions.HttpProcessingError) as exc:
        raise bad_request(f"the body cannot be read: {exc}") from exc
    if len(raw) > _LIMIT:
        raise ApiError(413, "RequestEntityTooLarge", f"Request entity too large: limit is {_LIMIT}")
    return bytes(raw)


class _Doubled(dict[str, Any]):
    """An object in which a field stands twice."""

    twice: list[str]


def parse_json(raw: bytes) -> tuple[Any, tuple[str, ...]]:
    """The data and the paths of doubled fields; of these the last value counts."""
    found_any = False

    def pairs(rows: list[tuple[str, Any]]) -> dict[str, Any]:
        nonlocal found_any
        made = dict(rows)
        if len(made) == len(rows):
            return made
        found_any = True
        names = [name for name, _value in rows]
        doubled = _Doubled(made)
        doubled.twice = [n for n in made if names.count(n) > 1]
        return doubled

    try:
        data = json.loads(raw, object_pairs_hook=pairs, parse_constant=_no_number)
        data = _checked(data)
    except RecursionError as exc:
        raise bad_request("json parse error: exceeded max depth") from exc
    except ValueError as exc:
        raise bad_request(f"couldn't get version/kind; json parse error: {exc}") from exc
    return data, tuple(_doubled(data, "")) if found_any else ()


def _no_number(name: str) -> Any:
    raise ValueError(f"invalid character in literal {name}")


def _checked(value: Any, depth: int = 0) -> Any:
    """The value without halves of surrogate pairs, as Go reads it. RecursionError where it is nested too deeply."""
    if depth > _MOST_NESTED:
        raise RecursionError
    if isinstance(value, str):
        return value if value.isascii() else value.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    if isinstance(value, list):
        return [_checked(v, depth + 1) for v in value]
    if isinstance(value, dict):
        made = {_checked(k): _checked(v, depth + 1) for k, v in value.items()}
        if not isinstance(value, _Doubled):
            return made
        doubled = _Doubled(made)
        doubled.twice = value.twice
        return doubled
    return value


def _doubled(value: Any, path: str) -> Iterator[str]:
    if isinstance(value, dict):
        for name in getattr(value, "twice", ()):
            yield f"{path}.{name}" if path else name
        for name, child in value.items():
            yield from _doubled(child, f"{path}.{name}" if path else name)
    elif isinstance(value, list):
        for index, child in enumerate(value):
            yield from _doubled(child, f"{path}[{index}]")


class _Loader(yaml.CSafeLoader):
    """Remembers keys that stand twice, and reads times as text, as JSON does."""

    def __init__(self, stream: bytes) -> None:
        super().__init__(stream)
        self.twice: list[str] = []

    def construct_mapping(self, node: Any, deep: bool = False) -> Any:
        names = [key.value for key, _value in node.value if isinstance(key, yaml.ScalarNode)]
        self.twice += [n for n in dict.fromkeys(names) if names.count(n) > 1]
        return super().construct_mapping(node, deep)


_Loader.yaml_implicit_resolvers = {
    first: [(tag, pattern) for tag, pattern in rows if tag != "tag:yaml.org,2002:timestamp"]
    for first, rows in yaml.CSafeLoader.yaml_implicit_resolvers.items()
}


def _yaml(raw: bytes) -> tuple[Any, tuple[str, ...]]:
    if raw.lstrip()[:1] == b"{":
        return parse_json(raw)
    loader = _Loader(raw)
    try:
        data = _checked(loader.get_single_data())
    except RecursionError as exc:
        raise bad_request("error decoding YAML: exceeded max depth") from exc
    except (yaml.YAMLError, ValueError, TypeError, AttributeError) as exc:
        raise bad_request(f"error decoding YAML: {exc}") from exc
    finally:
        loader.dispose()
    return data, tuple(loader.twice)
