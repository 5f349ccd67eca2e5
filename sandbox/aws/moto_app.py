"""moto in this process: loaded once, called over WSGI under one lock, kept in a file.

Callers: sandbox.aws.cloud. Non-goals: moto's own authentication and its HTTP server; the shim does both.
Importing moto takes about two seconds, so nothing here imports it at module level.
"""

from __future__ import annotations

import hashlib
import io
import pickle
import sys
import threading
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import unquote

from sandbox.aws.wire import Answer, Incoming
from sandbox.files import write_private

PRELOADED = ("ec2", "eks", "iam", "sts", "ssm")
PERSISTED = ("ec2", "eks", "iam", "sts", "kms", "elbv2", "autoscaling", "route53")
"""moto services that a state folder keeps; the others begin empty after a restart (docs/sandbox-aws.md): ECR's holds a
lock and cannot be pickled."""
DEBIAN_OWNER = {"aws": "136693071363", "aws-cn": "136693071363"}
_DEBIAN = (("12", "bookworm", "20260302-2401"), ("13", "trixie", "20260316-2418"))
_ARCHITECTURES = (("amd64", "x86_64"), ("arm64", "arm64"))
_STATE_VERSION = 1


class Moto:
    """Every method but load() must run under the cloud's lock: moto is not made for threads.

    moto's backends are global to the process, so there is one of these at a time.
    """

    _one = threading.Lock()

    def __init__(self, seed: int) -> None:
        self._seed = seed
        self._app: Any = None
        self._loaded = False
        self._images: set[tuple[str, str]] = set()
        self.regions: dict[str, frozenset[str]] = {}
        self.zones: dict[str, tuple[str, ...]] = {}

    def load(self) -> None:
        """Imports moto and builds the applications that are used most. RuntimeError where another one lives."""
        if not self._one.acquire(blocking=False):
            raise RuntimeError(
                "this process has a sandbox AWS already: moto's state is global (sandbox.threaded.shared)"
            )
        self._loaded = True
        import botocore.session
        from moto.ec2.models.availability_zones_and_regions import RegionsAndZonesBackend
        from moto.moto_api._internal import mock_random
        from moto.moto_server.werkzeug_app import DomainDispatcherApplication, create_backend_app

        from sandbox.aws import tags, volumes

        volumes.patch()
        tags.patch()
        mock_random.seed(self._seed)

        def create(service: str | None) -> Any:
            if service is None:
                raise NotImplementedError("moto has no such service")
            return create_backend_app(service)

        self._app = DomainDispatcherApplication(create)
        for service in PRELOADED:
            self._app.app_instances[service] = create_backend_app(service)
        session = botocore.session.Session()
        for partition in ("aws", "aws-cn"):
            self.regions[partition] = frozenset(session.get_available_regions("ec2", partition_name=partition))
        self.zones = {r: tuple(z.name for z in zones) for r, zones in RegionsAndZonesBackend.zones.items()}

    def partition_of(self, region: str) -> str:
        return next((p for p, regions in self.regions.items() if region in regions), "aws")

    def call(self, incoming: Incoming) -> Answer:
        """The request as moto answers it. Exceptions of moto's own come out as they are."""
        status: list[str] = []
        headers: dict[str, str] = {}

        def start(line: str, pairs: list[tuple[str, str]], _exc: object = None) -> None:
            status.append(line)
            headers.update(pairs)

        chunks = self._app(self._environ(incoming), start)
        try:
            body = b"".join(chunks)
        finally:
            if hasattr(chunks, "close"):
                chunks.close()
        dropped = {"content-length", "connection", "server", "date"}
        kept = {k: v for k, v in headers.items() if k.lower() not in dropped}
        return Answer(int(status[0].split()[0]), kept, body)

    def _environ(self, incoming: Incoming) -> dict[str, Any]:
        who = incoming.who
        environ: dict[str, Any] = {
            "REQUEST_METHOD": incoming.method,
            "SCRIPT_NAME": "",
            "PATH_INFO": unquote(incoming.path, "latin-1"),
            "RAW_URI": incoming.path + (f"?{incoming.query}" if incoming.query else ""),
            "QUERY_STRING": incoming.query,
            "SERVER_NAME": "127.0.0.1",
            "SERVER_PORT": "80",
            "SERVER_PROTOCOL": "HTTP/1.1",
            "wsgi.version": (1, 0),
            "wsgi.url_scheme": "http",
            "wsgi.input": io.BytesIO(incoming.body),
            "wsgi.errors": sys.stderr,
            "wsgi.multithread": True,
            "wsgi.multiprocess": False,
            "wsgi.run_once": False,
            "CONTENT_LENGTH": str(len(incoming.body)),
        }
        for name, value in incoming.headers.items():
            if name not in ("content-length", "transfer-encoding", "user-agent", "x-moto-account-id"):
                key = name.upper().replace("-", "_")
                environ[key if key == "CONTENT_TYPE" else f"HTTP_{key}"] = value
        # A presigned request has no such header, yet moto finds service and region there.
        scope = f"{who.key_id}/20260101/{incoming.region}/{incoming.service}/aws4_request"
        environ["HTTP_AUTHORIZATION"] = f"AWS4-HMAC-SHA256 Credential={scope}, SignedHeaders=host, Signature=0"
        environ["HTTP_X_MOTO_ACCOUNT_ID"] = who.account_id
        return environ

    # -- backends ---------------------------------------------------------------------------------------------

    def ec2(self, account_id: str, region: str) -> Any:
        """moto's EC2 backend; Debian's images are there from the first touch."""
        from moto.ec2.models import ec2_backends

        backend = ec2_backends[account_id][region]
        if (account_id, region) not in self._images:
            self._images.add((account_id, region))
            self._add_images(backend, region)
        return backend

    def eks(self, account_id: str, region: str) -> Any:
        from moto.eks.models import eks_backends

        return eks_backends[account_id][region]

    def touched(self, service: str) -> list[tuple[str, str, Any]]:
        """(account, region, backend) of every backend of that service that was ever used."""
        if service not in PRELOADED and f"moto.{service}.models" not in sys.modules:
            return []
        from moto.backends import get_backend

        rows = []
        for account_id, regions in list(get_backend(service).items()):
            rows += [(account_id, region, dict.__getitem__(regions, region)) for region in list(dict.keys(regions))]
        return rows

    def _add_images(self, backend: Any, region: str) -> None:
        from moto.ec2.models.amis import Ami

        for release, codename, build in _DEBIAN:
            for debian, architecture in _ARCHITECTURES:
                image_id = debian_image(release, debian, region)
                if image_id in backend.amis:
                    continue
                date, _, serial = build.partition("-")
                backend.amis[image_id] = Ami(
                    backend,
                    image_id,
                    name=f"debian-{release}-{debian}-{date}-{serial}",
                    description=f"Debian {release} ({build}), {codename}",
                    owner_id=DEBIAN_OWNER[self.partition_of(region)],
                    public=True,
                    virtualization_type="hvm",
                    architecture=architecture,
                    image_location=f"amazon/debian-{release}-{debian}-{build}",
                    root_device_type="ebs",
                    root_device_name="/dev/xvda",
                    hypervisor="xen",
                    creation_date=datetime.strptime(date, "%Y%m%d").replace(tzinfo=UTC).replace(tzinfo=None),
                    region_name=region + "a",
                )

    # -- state ------------------------------------------------------------------------------------------------

    def save(self, path: Path, extra: dict[str, Any]) -> None:
        """Everything of PERSISTED and `extra` in one file. OSError where it cannot be written."""
        if not self._loaded:
            return
        import moto

        backends: dict[str, dict[str, dict[str, Any]]] = {}
        for service in PERSISTED:
            for account_id, region, backend in self.touched(service):
                backends.setdefault(service, {}).setdefault(account_id, {})[region] = backend
        data = {"version": _STATE_VERSION, "moto": moto.__version__, "backends": backends, "extra": extra}
        write_private(path, pickle.dumps(data))

    def restore(self, path: Path) -> dict[str, Any]:
        """Puts the backends back and returns `extra`. ValueError where the file is of another version of moto.

        The file is a pickle: it is read from a folder that only its owner can write (sandbox.files.private_folder).
        """
        import moto
        from moto.backends import get_backend

        data = pickle.loads(path.read_bytes())  # noqa: S301
        if data["version"] != _STATE_VERSION or data["moto"] != moto.__version__:
            raise ValueError(
                f"{path} was written with moto {data['moto']}, this is {moto.__version__}; remove it to begin anew"
            )
        for service, accounts in data["backends"].items():
            backend_dict = get_backend(service)
            for account_id, regions in accounts.items():
                for region, backend in regions.items():
                    dict.__setitem__(backend_dict[account_id], region, backend)
        extra: dict[str, Any] = data["extra"]
        return extra

    def reseed(self, number: int) -> None:
        """Ids after a restart must differ from those before it."""
        from moto.moto_api._internal import mock_random

        mock_random.seed(f"{self._seed}/{number}")

    def reset(self) -> None:
        """Forgets everything, so that the next sandbox in this process begins empty."""
        if not self._loaded:
            return
        from moto.core.base_backend import BackendDict

        BackendDict.reset()
        self._images.clear()
        self._loaded = False
        self._one.release()


def debian_image(release: str, debian_architecture: str, region: str) -> str:
    """The id of Debian's newest image of that release in a region, the same in every sandbox."""
    digest = hashlib.sha256(f"debian/{release}/{debian_architecture}/{region}".encode()).hexdigest()
    return f"ami-{digest[:17]}"


DEBIAN_RELEASES = {release: release for release, _, _ in _DEBIAN} | {name: release for release, name, _ in _DEBIAN}
