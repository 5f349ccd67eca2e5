"""ECR repositories, and what is behind an image's tag: its digest and the processors that it is built for.

Callers: provider.py. CreateRepository has no token; a repository's name is unique in the registry, so a second one is
refused by AWS itself. Sources: ECR API Reference, CreateRepository, BatchGetImage; OCI image-spec, image-index.md and
config.md (platform.architecture, architecture).
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import Any

from model.errors import AlreadyExists, NotBuiltYet, NotFound
from model.resources import Address, AnyResource, Kind, Observed, Registry
from providers.aws.keys import chosen_key
from providers.aws.kinds import need_fleet
from providers.aws.listed import Listed, if_told, tags_of_pairs
from providers.aws.names import fit
from providers.aws.policy_text import open_to_all
from providers.aws.tags import changed_tags, logical_name, ownership_tags, pairs, user_tags
from providers.base import Call, ImageFacts

_NAME = "a-z0-9._/-"  # ECR API Reference, repositoryName: lower case, with separators between
_LONGEST = 256
_INDEXES = (
    "application/vnd.oci.image.index.v1+json",
    "application/vnd.docker.distribution.manifest.list.v2+json",
)
_MANIFESTS = (
    "application/vnd.oci.image.manifest.v1+json",
    "application/vnd.docker.distribution.manifest.v2+json",
)
_PULL_POLICY = "AmazonEC2ContainerRegistryReadOnly"


class Registries(Listed):
    """pull_identity: the managed policy that lets a role of this account pull; our node role has it."""

    kind = Kind.REGISTRY
    events = r"Repository|ImageTagMutability|ImageScanningConfiguration|^TagResource$|^UntagResource$"

    # -- reading ----------------------------------------------------------------------------------------------

    def rows(self, region: str, call: Call) -> Iterable[Observed]:
        rows = self.session.pages("ecr", region, "describe_repositories", "repositories", call)
        return [self._observed(region, row, call) for row in rows]

    def candidates(self, address: Address, call: Call) -> list[Observed]:
        """A repository's name is derived from ours, so one request finds it."""
        try:
            rows = self.read(
                "ecr", address.region, "DescribeRepositories", call, repositoryNames=[ecr_name(address.name)]
            )["repositories"]
        except NotFound:
            return []
        return [self._observed(address.region, row, call) for row in rows]

    def _observed(self, region: str, row: Mapping[str, Any], call: Call) -> Observed:
        arn, ecr = row["repositoryArn"], row["repositoryName"]
        told = if_told(lambda: self.read("ecr", region, "ListTagsForResource", call, resourceArn=arn), call, {})
        tags = tags_of_pairs((told or {}).get("tags"))
        name = logical_name(tags, ecr)
        encryption = row.get("encryptionConfiguration") or {}
        policy = if_told(
            lambda: self.read("ecr", region, "GetRepositoryPolicy", call, repositoryName=ecr)["policyText"], call, ""
        )
        return self.observed(
            region,
            Registry(
                name=name,
                tags=user_tags(tags),
                url=row.get("repositoryUri", ""),
                immutable_tags=str(row.get("imageTagMutability", "")).startswith("IMMUTABLE"),
                scan_on_push=bool((row.get("imageScanningConfiguration") or {}).get("scanOnPush")),
                encrypted=True,  # ECR User Guide, "Encryption at rest": always, by S3 or by a key
                key=chosen_key(self.session, region, encryption.get("kmsKey", ""), call),
                public=None if policy is None else open_to_all(policy),
                pull_identity=f"arn:{self.session.account.partition}:iam::aws:policy/{_PULL_POLICY}",
            ),
            arn,
            raw={"tags": tags, "ecr_name": ecr, "trail": ecr},
        )

    # -- writing ----------------------------------------------------------------------------------------------

    def create(self, address: Address, desired: AnyResource, call: Call) -> Observed:
        assert isinstance(desired, Registry)
        need_fleet(call)
        if desired.public:
            raise NotBuiltYet(f"{address}: duoyun cannot set public of a registry on AWS", mend="leave public out")
        existing = self.own(address, call)
        if existing is not None:
            return existing
        request: dict[str, Any] = {
            "repositoryName": ecr_name(address.name),
            "tags": pairs(ownership_tags(address, desired, call)),
            "imageTagMutability": "IMMUTABLE" if desired.immutable_tags else "MUTABLE",
            "imageScanningConfiguration": {"scanOnPush": bool(desired.scan_on_push)},
        }
        if desired.key:
            request["encryptionConfiguration"] = {"encryptionType": "KMS", "kmsKey": desired.key}
        try:
            self.write("ecr", address.region, "CreateRepository", call, **request)
        except AlreadyExists:
            if self.own(address, call) is None:  # raises where it is somebody else's
                raise
        calls = self.session.calls("ecr", address.region)
        return calls.poll("DescribeRepositories", lambda: self.own(address, call), call)

    def update(self, observed: Observed, desired: AnyResource, call: Call) -> Observed:
        assert isinstance(desired, Registry)
        before = observed.resource
        assert isinstance(before, Registry)
        region, ecr = observed.address.region, observed.raw["ecr_name"]
        changed = changed_tags(observed.raw["tags"], desired.tags)
        if changed:
            self.write("ecr", region, "TagResource", call, resourceArn=observed.provider_id, tags=pairs(changed))
        if desired.immutable_tags is not None and before.immutable_tags != desired.immutable_tags:
            mutability = "IMMUTABLE" if desired.immutable_tags else "MUTABLE"
            self.write("ecr", region, "PutImageTagMutability", call, repositoryName=ecr, imageTagMutability=mutability)
        if desired.scan_on_push is not None and before.scan_on_push != desired.scan_on_push:
            scanning = {"scanOnPush": bool(desired.scan_on_push)}
            self.write(
                "ecr",
                region,
                "PutImageScanningConfiguration",
                call,
                repositoryName=ecr,
                imageScanningConfiguration=scanning,
            )
        return self.find(observed.address, call) or observed

    def delete(self, observed: Observed, call: Call) -> None:
        """RepositoryNotEmpty while there are images in it: what was pushed is data."""
        name = observed.raw["ecr_name"]
        self.gone_is_fine("ecr", observed.address.region, "DeleteRepository", call, repositoryName=name)

    def needs_replace(self, before: AnyResource, desired: AnyResource) -> tuple[str, ...]:
        assert isinstance(before, Registry)
        assert isinstance(desired, Registry)
        return ("key",) if before.key != desired.key else ()

    # -- images -----------------------------------------------------------------------------------------------

    def image(self, observed: Observed, reference: str, call: Call) -> ImageFacts:
        """What a tag or `sha256:...` means. Raises NotFound where the repository has no such image."""
        region, ecr = observed.address.region, observed.raw["ecr_name"]
        named = {"imageDigest" if reference.startswith("sha256:") else "imageTag": reference}
        found = self._images(region, ecr, named, (*_INDEXES, *_MANIFESTS), call)
        if not found:
            raise NotFound(f"{observed.address} has no image {reference!r}", address=str(observed.address))
        row = found[0]
        manifest = json.loads(row["imageManifest"])
        assert isinstance(observed.resource, Registry)
        return ImageFacts(
            digest=row["imageId"]["imageDigest"],
            architectures=platforms(manifest),
            pull_identity=observed.resource.pull_identity,
        )

    def _images(
        self, region: str, ecr: str, named: Mapping[str, str], types: tuple[str, ...], call: Call
    ) -> list[dict[str, Any]]:
        answer = self.read(
            "ecr",
            region,
            "BatchGetImage",
            call,
            repositoryName=ecr,
            imageIds=[dict(named)],
            acceptedMediaTypes=list(types),
        )
        return list(answer.get("images") or ())


def ecr_name(name: str) -> str:
    return fit(name, _NAME, _LONGEST, lower=True)


def platforms(manifest: Mapping[str, Any]) -> tuple[str, ...]:
    """Architectures of an image index, as the OCI names them, attestations (`unknown`) aside.

    () for the manifest of a single image, which does not say: its configuration does, a blob that is not fetched here.
    """
    rows = manifest.get("manifests") or ()
    named = {str((row.get("platform") or {}).get("architecture", "")) for row in rows}
    return tuple(sorted(named - {"", "unknown"}))
