"""AWS: what our adapter sends and what the sandbox answers, against botocore's service models.

Callers: tests/conformance, page.py. botocore checks what it sends by itself; here the bytes that arrived are read again
and checked against the models anew. In answers, members that a model does not know would be dropped by every client
in silence: they are mistakes here, the sandbox's own or moto's.
"""

from __future__ import annotations

import json
import re
from functools import cache
from typing import Any
from xml.etree import ElementTree

from sandbox.aws.signature import read_header
from sandbox.aws.wire import AwsError, Incoming, model_name, parse
from tools.conformance.wire import Exchange

_ENVELOPE = {"requestId", "RequestId", "ResponseMetadata", "__type"}
_JSON_TYPES: dict[str, Any] = {
    "string": str, "blob": str, "boolean": bool, "integer": int, "long": int, "float": (int, float),
    "double": (int, float), "timestamp": (int, float, str),
}  # fmt: skip


KNOWN = {
    "ec2.DescribeInstances answer: /reservationSet/instancesSet/platform: 'windows' is none of the values described": (
        "moto writes it in lower case for machines of a Windows image; the model's value is `Windows`"
    ),
    "ec2.DescribeInternetGateways answer: /internetGatewaySet/attachmentSet/state: 'available' is none of the values "
    "described": "the EC2 API reference says so in words: `available` when attached, which its own enumeration lacks",
    **{
        f"{operation} answer: /{member}: not described": "moto's own member, which every client drops"
        for operation, members in (
            ("cloudtrail.CreateTrail", ("HasCustomEventSelectors", "HasInsightSelectors")),
            ("elasticfilesystem.CreateFileSystem", ("FileSystemPolicy", "LifecyclePolicies")),
        )
        for member in members
    },
}
"""What a model does not have and AWS does, each with its source."""


@cache
def _service(name: str) -> Any:
    import botocore.session

    return botocore.session.Session().get_service_model(model_name(name))


def incoming_of(exchange: Exchange) -> Incoming:
    """The request as the sandbox reads it: service, operation and parameters. Raises AwsError."""
    url = f"http://{exchange.headers['host']}{exchange.target}"
    path, _, query = exchange.target.partition("?")
    found = Incoming(exchange.method, url, path, query, exchange.headers, exchange.body)
    signed = read_header(exchange.headers)
    if signed is None:
        raise AwsError("MissingAuthenticationToken", "not signed", 403)
    found.service, found.region = signed.service.lower(), signed.region
    parse(found)
    return found


class Checker:
    """Judges recorded exchanges. requests, answers: `service.Operation` -> the protocol that it was judged in."""

    def __init__(self) -> None:
        self.requests: dict[str, str] = {}
        self.answers: dict[str, str] = {}
        self.wrong: list[str] = []

    def check(self, exchanges: list[Exchange]) -> None:
        from botocore.validate import ParamValidator

        validator = ParamValidator()
        for exchange in exchanges:
            try:
                incoming = incoming_of(exchange)
            except AwsError as exc:
                self.wrong.append(f"{exchange.method} {exchange.path}: {exc}")
                continue
            service = _service(incoming.service)
            operation = service.operation_model(incoming.operation)
            name = f"{incoming.service}.{incoming.operation}"
            if operation.input_shape is not None:
                report = validator.validate(incoming.params, operation.input_shape)
                self.wrong += [f"{name} request: {line}" for line in report.generate_report().splitlines()]
            self.requests[name] = "botocore's model"
            if exchange.status < 300:
                self.answers[name] = "botocore's model"
                told = {f"{name} answer: {p}" for p in self._answer(service, operation, exchange)}
                self.wrong += sorted(told - set(KNOWN))
            else:
                self.wrong += [f"{name} {p}" for p in _error(service, exchange)]

    def _answer(self, service: Any, operation: Any, exchange: Exchange) -> list[str]:
        shape = operation.output_shape
        if not exchange.answer or shape is None:
            return []
        if _is_json(service, exchange):
            return _json(exchange.answer_json, shape, "")
        if payload := shape.serialization.get("payload"):
            shape = shape.members[payload]
            if shape.type_name != "structure":
                return []  # a document of its own, such as a bucket's policy
        root = _parsed(exchange.answer)
        if wrapper := shape.serialization.get("resultWrapper"):
            inner = root.find(wrapper)
            return _xml(inner, shape, "") if inner is not None else []
        return _xml(root, shape, "")


def _parsed(answer: bytes) -> ElementTree.Element:
    """Without namespaces."""
    return ElementTree.fromstring(re.sub(rb'\sxmlns="[^"]+"', b"", answer))  # noqa: S314  (our own sandbox's answer)


def _is_json(service: Any, exchange: Exchange) -> bool:
    """A service may speak several protocols; what answers is what was asked in."""
    return "json" in service.metadata["protocol"] or "json" in exchange.headers.get("content-type", "")


def _error(service: Any, exchange: Exchange) -> list[str]:
    """An error has a code and a message in the protocol's own place."""
    if _is_json(service, exchange):
        body = json.loads(exchange.answer)
        good = exchange.answer_headers.get("x-amzn-errortype") or body.get("__type")
        return [] if good and ("message" in body or "Message" in body) else ["error without type or message"]
    root = _parsed(exchange.answer)
    error = root if root.tag == "Error" else root.find(".//Error")
    good = error is not None and error.find("Code") is not None and error.find("Message") is not None
    return [] if good else ["error without Code or Message"]


_CONTAINERS = {"structure": dict, "list": list, "map": dict}


def _json(value: Any, shape: Any, path: str) -> list[str]:
    container = _CONTAINERS.get(shape.type_name)
    if value is None:
        return []
    if container is not None and not isinstance(value, container):
        return [f"{path}: {type(value).__name__} where a {shape.type_name} is described"]
    if shape.type_name == "structure":
        known = {m.serialization.get("name", n): m for n, m in shape.members.items()}
        found = [f"{path}/{k}: not described" for k in value if k not in known and k not in _ENVELOPE]
        return found + [p for k, v in value.items() if k in known for p in _json(v, known[k], f"{path}/{k}")]
    if shape.type_name == "list":
        return [p for v in value for p in _json(v, shape.member, path)]
    if shape.type_name == "map":
        return [p for v in value.values() for p in _json(v, shape.value, f"{path}/*")]
    wanted = _JSON_TYPES.get(shape.type_name)
    if wanted and (not isinstance(value, wanted) or (isinstance(value, bool) and wanted is not bool)):
        return [f"{path}: {type(value).__name__} where {shape.type_name} is described"]
    known_values = getattr(shape, "enum", None)
    return [f"{path}: {value!r} is none of the values described"] if known_values and value not in known_values else []


def _xml(element: ElementTree.Element, shape: Any, path: str) -> list[str]:
    if shape.type_name == "structure":
        known = {m.serialization.get("name", n): m for n, m in shape.members.items()}
        flat = {
            m.member.serialization.get("name") or m.serialization.get("name", n): m.member
            for n, m in shape.members.items()
            if m.type_name == "list" and m.serialization.get("flattened")
        }
        found = []
        for child in element:
            here = f"{path}/{child.tag}"
            member = flat.get(child.tag) or known.get(child.tag)
            if member is None:
                found += [] if child.tag in _ENVELOPE else [f"{here}: not described"]
            else:
                found += _xml(child, member, here)
        return found
    if shape.type_name == "list":
        name = shape.member.serialization.get("name", "member")
        found = [f"{path}/{c.tag}: where {name} is described" for c in element if c.tag != name]
        return found + [p for c in element if c.tag == name for p in _xml(c, shape.member, path)]
    text = (element.text or "").strip()
    patterns = {"integer": r"-?\d+", "long": r"-?\d+", "boolean": r"true|false", "double": r"-?[\d.eE+-]+"}
    pattern = patterns.get(shape.type_name)
    if text and pattern and not re.fullmatch(pattern, text):
        return [f"{path}: {text!r} where {shape.type_name} is described"]
    if text and getattr(shape, "enum", None) and text not in shape.enum:
        return [f"{path}: {text!r} is none of the values described"]
    return []
