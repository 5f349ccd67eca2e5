"""How to reach an ACK cluster's API: from its kubeconfig, which CS hands out, without any CLI.

Callers: provider.py. The kubeconfig holds a client certificate, or a bearer token; a token is fetched anew before it
expires.
"""

from __future__ import annotations

import base64
import binascii
import threading
import time
from collections.abc import Mapping
from datetime import datetime
from typing import Any

import yaml

from model.errors import Unauthenticated, UnknownCloudError
from model.resources import Observed
from providers.alibaba.session import Session
from providers.base import Call, ClusterAccess

VALID_MINUTES = 60
RENEW_BEFORE_S = 300.0
FETCH_TIMEOUT_S = 30.0


class Kubeconfig:
    """One cluster's kubeconfig, renewed when it is about to expire. Thread-safe."""

    def __init__(self, session: Session, observed: Observed) -> None:
        self._session, self._observed = session, observed
        self._lock = threading.Lock()
        self._document: dict[str, Any] = {}
        self._until_s = 0.0

    def read(self, call: Call) -> dict[str, Any]:
        with self._lock:
            if time.time() >= self._until_s:
                self._fetch(call)
            return self._document

    def _fetch(self, call: Call) -> None:
        path = f"/k8s/{self._observed.provider_id}/user_config"
        region, query = self._observed.address.region, {"TemporaryDurationMinutes": VALID_MINUTES}
        if not _is_public(self._observed):
            query = {**query, "PrivateIpAddress": True}
        answer = self._session.roa("DescribeClusterUserKubeconfig", "GET", path, region, call, query=query)
        document = yaml.safe_load(answer.get("config") or "")
        if not isinstance(document, dict):
            raise UnknownCloudError(f"{self._observed.address}: ACK's kubeconfig is no YAML mapping")
        self._document = document
        self._until_s = _expiry_s(answer.get("expiration", "")) - RENEW_BEFORE_S

    def token(self) -> str:
        """A bearer token that is good for some minutes yet."""
        user = _user(self.read(Call(deadline_s=time.monotonic() + FETCH_TIMEOUT_S)))
        if not user.get("token"):
            raise Unauthenticated(f"{self._observed.address}: ACK's kubeconfig no longer holds a token")
        return str(user["token"])


def open_access(session: Session, observed: Observed, call: Call) -> ClusterAccess:
    """Raises what CS answers, and UnknownCloudError for a kubeconfig without server or credentials."""
    kubeconfig = Kubeconfig(session, observed)
    document = kubeconfig.read(call)
    cluster, user = _cluster(document), _user(document)
    server = str(cluster.get("server") or "")
    certificate, key = user.get("client-certificate-data"), user.get("client-key-data")
    if not server or not (user.get("token") or (certificate and key)):
        raise UnknownCloudError(f"{observed.address}: ACK's kubeconfig has no server or no credentials")
    return ClusterAccess(
        server=server,
        ca_pem=_pem(cluster.get("certificate-authority-data")),
        token=kubeconfig.token if user.get("token") else None,
        client_certificate_pem=_pem(certificate) if not user.get("token") else "",
        client_key_pem=_pem(key) if not user.get("token") else "",
        proxy_url=session.account.proxy_url,
    )


def _is_public(observed: Observed) -> bool:
    return bool(getattr(observed.resource, "public_endpoint", True))


def _cluster(document: Mapping[str, Any]) -> Mapping[str, Any]:
    rows = document.get("clusters") or [{}]
    return rows[0].get("cluster") or {}


def _user(document: Mapping[str, Any]) -> Mapping[str, Any]:
    rows = document.get("users") or [{}]
    return rows[0].get("user") or {}


def _pem(data: Any) -> str:
    if not data:
        return ""
    try:
        return base64.b64decode(str(data), validate=True).decode()
    except (binascii.Error, UnicodeDecodeError) as exc:
        raise UnknownCloudError("ACK's kubeconfig holds a certificate that is not base64") from exc


def _expiry_s(text: str) -> float:
    """Seconds since the epoch; an hour from now where ACK does not say."""
    try:
        return datetime.fromisoformat(text.replace("Z", "+00:00")).timestamp()
    except ValueError:
        return time.time() + VALID_MINUTES * 60
