"""A request on AWS's wire protocols, and answers in the protocol's own form.

Callers: the other modules of this folder. Parsing and serialising are moto's, from botocore's service models; imported
only once moto is loaded (see moto_app.load), because that import takes about two seconds.
"""

from __future__ import annotations

import json
import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

# Signing name -> name of botocore's service model, where the two differ.
_MODELS = {
    "monitoring": "cloudwatch",
    "elasticloadbalancing": "elbv2",
    "tagging": "resourcegroupstaggingapi",
    "elasticfilesystem": "efs",
    "servicequotas": "service-quotas",
}
_READS = ("Describe", "List", "Get", "Lookup", "Head", "Search", "BatchGet", "Query", "Scan", "Simulate", "Validate")
_READ_SERVICES = frozenset({"sts"})


def writes(service: str, operation: str) -> bool:
    """Whether a reader key may not do it."""
    return service not in _READ_SERVICES and not operation.startswith(_READS)


class AwsError(Exception):
    """An error as AWS would answer it. extra: further members of the error's shape."""

    def __init__(self, code: str, message: str, status: int = 400) -> None:
        super().__init__(f"{code}: {message}")
        self.code, self.message, self.status = code, message, status


@dataclass(frozen=True, slots=True)
class Principal:
    """Who signed. reader: may not write."""

    account_id: str
    partition: str
    arn: str
    key_id: str
    user_id: str
    reader: bool = False


@dataclass(slots=True)
class Incoming:
    """One request. headers: names in lower case. service: the signing name. body is whole."""

    method: str
    url: str
    path: str
    query: str
    headers: Mapping[str, str]
    body: bytes
    service: str = ""
    region: str = ""
    operation: str = ""
    params: dict[str, Any] = field(default_factory=dict)
    principal: Principal | None = None
    request_id: str = field(default_factory=lambda: str(uuid.uuid4()))

    @property
    def action(self) -> str:
        """`ec2:RunInstances`."""
        return f"{self.service}:{self.operation}"

    @property
    def who(self) -> Principal:
        assert self.principal is not None
        return self.principal

    @property
    def account_id(self) -> str:
        return self.who.account_id

    @property
    def writes(self) -> bool:
        return writes(self.service, self.operation)

    @property
    def detail(self) -> str:
        """What a fault's `match` is looked for in."""
        shown = {k: v for k, v in self.params.items() if k != "UserData"}  # it may hold secrets
        return f"{self.account_id}/{self.region} {json.dumps(shown, default=str, sort_keys=True)}"


@dataclass(frozen=True, slots=True)
class Answer:
    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def ok(self) -> bool:
        return self.status < 300


def model_name(service: str) -> str:
    """botocore's name of a service, by its signing name."""
    return _MODELS.get(service, service)


def service_model(service: str) -> Any:
    """botocore's model of a service, by its signing name. UnknownServiceError where there is none."""
    from moto.core.utils import get_service_model

    return get_service_model(model_name(service))


def operations_of(service: str) -> tuple[str, ...]:
    """All that a service has, by its signing name."""
    return tuple(service_model(service).operation_names)


def _moto_request(incoming: Incoming) -> Any:
    from moto.core.request import Request

    return Request.from_primitives(incoming.method, incoming.url, dict(incoming.headers), incoming.body)


def parse(incoming: Incoming) -> None:
    """Fills operation and params; leaves them empty for services that botocore does not know."""
    from botocore.exceptions import UnknownServiceError
    from botocore.model import OperationNotFoundError
    from moto.core.parse import PROTOCOL_PARSERS, RequestParserError
    from moto.core.request import determine_request_protocol
    from moto.core.routing import NotFound, get_service_router

    try:
        model = service_model(incoming.service)
    except UnknownServiceError:
        return
    request = _moto_request(incoming)
    uri_params: dict[str, Any] = {}
    target = incoming.headers.get("x-amz-target", "")
    name = target.split(".")[-1] if target else request.values.get("Action", "")
    try:
        if not name:
            operation, uri_params = get_service_router(_MODELS.get(incoming.service, incoming.service)).match(request)
            name = operation.name
        operation = model.operation_model(name)
        parser = PROTOCOL_PARSERS[determine_request_protocol(model, request.content_type)](operation, map_type=dict)
        incoming.operation = name
        incoming.params = parser.parse(
            {
                "method": request.method,
                "values": request.values,
                "headers": request.headers,
                "body": request.data,
                "url_path": request.path,
                "url_params": uri_params,
            }
        )
    except (NotFound, OperationNotFoundError):
        incoming.operation = name
    except (RequestParserError, ValueError, TypeError) as exc:
        raise AwsError("MalformedQueryString", f"the request cannot be read: {exc}") from exc


def _serializer(incoming: Incoming) -> Any:
    from botocore.exceptions import UnknownServiceError
    from botocore.model import OperationNotFoundError
    from moto.core.model import OperationModel
    from moto.core.request import determine_request_protocol
    from moto.core.responses import XFormedAttributePicker
    from moto.core.serialize import get_serializer_class

    try:
        model = service_model(incoming.service)
    except UnknownServiceError:
        model = service_model("sts")
    try:
        operation = model.operation_model(incoming.operation)
    except OperationNotFoundError:
        operation = OperationModel({}, model)
    protocol = determine_request_protocol(model, incoming.headers.get("content-type", ""))
    transformers: Any = None
    if incoming.service == "ec2":
        from moto.ec2.responses import EC2Response

        transformers = EC2Response.RESPONSE_KEY_PATH_TO_TRANSFORMER
    picker = XFormedAttributePicker(response_transformers=transformers)
    return get_serializer_class(str(model.service_name), protocol)(operation_model=operation, value_picker=picker)


def success(incoming: Incoming, result: object) -> Answer:
    """A result (dict, or moto's own object) as the operation's output."""
    return _answer(_serializer(incoming).serialize(result))


def failure(incoming: Incoming, error: AwsError) -> Answer:
    """The error in the form of that service's protocol (XML, JSON, EC2's own XML)."""
    from moto.core.errors import COMMON_ERROR_CODES

    if error.code not in COMMON_ERROR_CODES:
        COMMON_ERROR_CODES.append(error.code)  # else moto warns of every code that is in no service model
    answer = _answer(_serializer(incoming).serialize(error))
    return Answer(error.status, answer.headers, answer.body)


def _answer(serialized: Mapping[str, Any]) -> Answer:
    body = serialized["body"]
    data = body.encode() if isinstance(body, str) else bytes(body or b"")
    headers = {str(k): str(v) for k, v in serialized["headers"].items()}
    return Answer(int(serialized["status_code"]), headers, data)


def numbered(incoming: Incoming, answer: Answer) -> Answer:
    """The answer with this request's id where AWS puts it: in a header, and in XML bodies."""
    headers = {k: v for k, v in answer.headers.items() if k.lower() != "x-amzn-requestid"}
    headers["x-amzn-RequestId"] = incoming.request_id
    data = answer.body
    for tag in (b"RequestId", b"RequestID", b"requestId"):
        head, found, rest = data.partition(b"<" + tag + b">")
        if found:
            _, end, tail = rest.partition(b"</" + tag + b">")
            data = head + found + incoming.request_id.encode() + end + tail
            break
    return Answer(answer.status, headers, data)
