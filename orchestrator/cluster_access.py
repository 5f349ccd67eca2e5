"""How a cluster is reached: as its cloud says, or by a kubeconfig of its own, and what the fleet says of it besides.

Callers: targets, `duoyun kubeconfig`. A kubeconfig is read for its current context. What it would have us run (`exec`,
`auth-provider`) or not look at (`insecure-skip-tls-verify`) is refused; files that it names are found beside it, and a
token file is read anew for every session.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import yaml

from model.errors import Diagnostic, InvalidInput
from model.spec.fleet import ClusterSpec
from providers.base import ClusterAccess

_MAX_BYTES = 1 << 20


def access_of(spec: ClusterSpec | None, folder: Path, from_cloud: Callable[[], ClusterAccess]) -> ClusterAccess:
    """folder: of the fleet file, for the files that it names. from_cloud is asked where there is no kubeconfig.

    Raises InvalidInput for files that are not there or not what they should be, and what from_cloud raises.
    """
    if spec is None:
        return from_cloud()
    access = read_kubeconfig(folder / spec.kubeconfig) if spec.kubeconfig else from_cloud()
    if spec.endpoint:
        access = replace(access, server=spec.endpoint)
    if spec.tls_server_name:
        access = replace(access, tls_server_name=spec.tls_server_name)
    if spec.proxy_url:
        access = replace(access, proxy_url=spec.proxy_url)
    if spec.ca_bundle:
        bundle = _text(folder / spec.ca_bundle, "the cluster's ca_bundle")
        access = replace(access, ca_pem=f"{access.ca_pem}\n{bundle}".strip() + "\n")
    return access


def read_kubeconfig(path: Path) -> ClusterAccess:
    """The current context, or the only one. Raises InvalidInput that names the file and what is wrong with it."""
    try:
        document = yaml.safe_load(_text(path, "the cluster's kubeconfig"))
    except yaml.YAMLError as exc:
        raise _wrong(path, "is no YAML", "write it anew: `kubectl config view --minify --flatten --raw`") from exc
    if not isinstance(document, Mapping) or document.get("kind") != "Config":
        raise _wrong(path, "is no kubeconfig", "`kubectl config view --minify --flatten --raw` writes one")
    context = _named(path, document, "contexts", "context", document.get("current-context") or "")
    cluster = _named(path, document, "clusters", "cluster", context.get("cluster", ""))
    user = _named(path, document, "users", "user", context.get("user", ""))
    if not cluster.get("server"):
        raise _wrong(path, "names no server", "add clusters[].cluster.server")
    if cluster.get("insecure-skip-tls-verify"):
        mend = "give certificate-authority-data, or `ca_bundle` in the fleet, instead"
        raise _wrong(path, "would not look at the server's certificate (insecure-skip-tls-verify)", mend)
    for program in ("exec", "auth-provider"):
        if user.get(program):
            mend = "leave `kubeconfig` out so that the cloud's API gives the access, or write a token or a certificate"
            raise _wrong(path, f"wants a program run for its credentials ({program}), and duoyun runs none", mend)
    certificate = _pem(path, user, "client-certificate")
    key = _pem(path, user, "client-key")
    token = _token(path, user)
    if token is None and not (certificate and key):
        raise _wrong(path, "holds neither a token nor a client certificate with its key", "give the user one of these")
    return ClusterAccess(
        server=str(cluster["server"]),
        ca_pem=_pem(path, cluster, "certificate-authority"),
        token=token,
        client_certificate_pem=certificate,
        client_key_pem=key,
        proxy_url=str(cluster.get("proxy-url") or ""),
        tls_server_name=str(cluster.get("tls-server-name") or ""),
    )


def _named(path: Path, document: Mapping[str, Any], rows: str, inner: str, name: str) -> Mapping[str, Any]:
    """The entry of that name; where none is asked for, the only one."""
    found = [r for r in document.get(rows) or () if isinstance(r, Mapping)]
    chosen = [r for r in found if r.get("name") == name] if name else found
    if len(chosen) != 1 or not isinstance(chosen[0].get(inner), Mapping):
        what = f"has no {inner} {name!r}" if name else f"has {len(found)} {rows} and says not which"
        raise _wrong(path, what, "set current-context, and give each entry what it refers to")
    return dict(chosen[0][inner])


def _pem(path: Path, holder: Mapping[str, Any], field: str) -> str:
    """`FIELD-data` (base64) before the file that FIELD names, as kubectl takes them; "" where neither is there."""
    data = holder.get(f"{field}-data")
    if data:
        try:
            return base64.b64decode(str(data), validate=True).decode()
        except (binascii.Error, UnicodeDecodeError) as exc:
            raise _wrong(path, f"has a {field}-data that is no base64 of PEM text", "copy it anew") from exc
    return _text(path.parent / str(holder[field]), f"{field} of {path}") if holder.get(field) else ""


def _token(path: Path, user: Mapping[str, Any]) -> Callable[[], str] | None:
    if user.get("tokenFile"):
        file = path.parent / str(user["tokenFile"])
        _text(file, f"tokenFile of {path}")
        return lambda: _text(file, f"tokenFile of {path}").strip()
    token = str(user.get("token") or "")
    return (lambda: token) if token else None


def _text(path: Path, what: str) -> str:
    try:
        if path.stat().st_size > _MAX_BYTES:
            raise _wrong(path, "is larger than 1 MiB", "is it the right file?")
        return path.read_text(encoding="utf-8")
    except UnicodeDecodeError as exc:
        raise _wrong(path, "is no text", f"it is to be {what}") from exc
    except OSError as exc:
        mend = "a path in the fleet is taken from the fleet file's folder"
        raise _wrong(path, f"cannot be read: {exc.strerror or exc}; it is to be {what}", mend) from exc


def _wrong(path: Path, what: str, mend: str) -> InvalidInput:
    return InvalidInput([Diagnostic(str(path), f"{path.name} {what}", mend)])
