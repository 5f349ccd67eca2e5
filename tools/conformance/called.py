"""What the adapters send, as told where they hand a request to their SDK: others' use of the same SDKs is not in it.

Callers: tests/contract (conftest, test_rights).
"""

from __future__ import annotations

import importlib
import re
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Any
from unittest.mock import patch
from urllib.parse import urlsplit

Sent = set[tuple[str, str]]
"""(cloud, operation as that cloud's table of permissions names it)."""


@contextmanager
def recording() -> Iterator[Sent]:
    """Everything that adapters send which were opened inside."""
    sent: Sent = set()
    with ExitStack() as stack:
        for record in (_aws, _azure, _alibaba):
            stack.enter_context(record(sent))
        yield sent


def in_table(cloud: str, operation: str) -> bool:
    """Whether the cloud's table of permissions knows what an operation wants."""
    try:
        importlib.import_module(f"providers.{cloud}.permissions").wanted(operation)
    except KeyError:
        return False
    return True


@contextmanager
def _aws(sent: Sent) -> Iterator[None]:
    from providers.aws.session import Session

    plain = Session._new_client

    def note(model: Any, **_kwargs: Any) -> None:
        service = model.service_model.signing_name
        sent.add(("aws", f"{service}:{model.name}"))

    def new_client(self: Session, *args: Any) -> Any:
        client = plain(self, *args)
        client.meta.events.register("before-call", note)
        return client

    with patch.object(Session, "_new_client", new_client):
        yield


@contextmanager
def _azure(sent: Sent) -> Iterator[None]:
    from providers.azure import session

    class Transport(session.RequestsTransport):  # type: ignore[misc]
        def send(self, request: Any, **kwargs: Any) -> Any:
            sent.add(("azure", arm_operation(request.method, request.url)))
            return super().send(request, **kwargs)

    with patch.object(session, "RequestsTransport", Transport):
        yield


@contextmanager
def _alibaba(sent: Sent) -> Iterator[None]:
    from providers.alibaba.oss import OssReader
    from providers.alibaba.session import Session

    send, get = Session._send, OssReader.get

    def sending(self: Session, operation: str, *args: Any, **kwargs: Any) -> Any:
        sent.add(("alibaba", operation))
        return send(self, operation, *args, **kwargs)

    def getting(self: OssReader, operation: str, *args: Any, **kwargs: Any) -> Any:
        sent.add(("alibaba", f"oss:{operation}"))
        return get(self, operation, *args, **kwargs)

    with patch.object(Session, "_send", sending), patch.object(OssReader, "get", getting):
        yield


def arm_operation(method: str, url: str) -> str:
    """`PUT Microsoft.Network/virtualNetworks`; of what belongs to no provider, `GET Microsoft.Resources/...`.

    Source: Azure Resource Manager, "Understand the structure of resource ids".
    """
    path = urlsplit(url).path.rstrip("/")
    head, provider, tail = path.rpartition("/providers/")
    if not provider:
        parts = path.strip("/").split("/")
        names = "/".join(parts[0::2])  # subscriptions/ID, resourceGroups/NAME, resources
        return f"{method} Microsoft.Resources/{names}"
    parts = tail.split("/")
    if len(parts) == 1 and re.fullmatch(r"/subscriptions/[^/]+", head):
        return f"{method} Microsoft.Resources/subscriptions/providers"
    return f"{method} {'/'.join([parts[0], *parts[1::2]])}"
